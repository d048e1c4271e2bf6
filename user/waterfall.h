/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_WATERFALL_H
#define TOLLBAR_WATERFALL_H
/* waterfall.h: the JSON of /overhead → what an operator reads: step by step, how long a request waits before the model starts,
 * and after; which share of the time to first token that is. */
#include <stddef.h>

#include "base/span.h"

#define WATERFALL_BYTES_MAX 16384

/* Returns bytes written, 0 when the JSON is not one of /overhead (or the text does not fit: WATERFALL_BYTES_MAX always suffice
 * for what tollbar writes).  Plain ASCII whatever the strings hold.  Pure. */
size_t waterfall_text(char *out, size_t out_bytes, struct span json) __attribute__((warn_unused_result));

#endif
