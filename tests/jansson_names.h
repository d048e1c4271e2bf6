/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_JANSSON_NAMES_H
#define TOLLBAR_TESTS_JANSSON_NAMES_H
/* jansson_names.h: jansson beside base/json.h.  Some of its names are ours too: it gets others here. */
#define JSON_OBJECT JANSSON_OBJECT
#define JSON_ARRAY JANSSON_ARRAY
#define JSON_STRING JANSSON_STRING
#define JSON_TRUE JANSSON_TRUE
#define JSON_FALSE JANSSON_FALSE
#define JSON_NULL JANSSON_NULL
#include <jansson.h>
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_TRUE
#undef JSON_FALSE
#undef JSON_NULL
#undef JSON_STRICT

#endif
