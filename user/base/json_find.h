/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_JSON_FIND_H
#define TOLLBAR_BASE_JSON_FIND_H
/* json_find.h: single values of a small JSON object, each looked up by name from the start of its object: no picture of it is
 * kept.  For what is read now and then and is our own; hostile or large JSON is read in one pass (json.h). */
#include "base/json.h"

/* The value of an object's member as it stands, to be looked into or walked; empty when there is none, or the object is no
 * good JSON. */
struct span json_find_member(struct span object, const char *name);
/* False when there is none. */
bool json_find(struct json_value *value, struct span object, const char *name);
/* 0 and false for what is not there or something else. */
uint64_t json_find_u64(struct span object, const char *name);
bool json_find_bool(struct span object, const char *name);

#endif
