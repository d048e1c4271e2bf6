/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_FUNNEL_H
#define TOLLBAR_FUNNEL_H
/* funnel.h: the JSON of /status → what an operator reads: how many packets and requests came how far, how long each step
 * takes, and how much of the time to first token passes before the model starts. */
#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

#define FUNNEL_BYTES_MAX 16384

/* Returns bytes written, 0 when the JSON is not one of /status (or the text does not fit: FUNNEL_BYTES_MAX always
 * suffice for what tollbar writes).  What is missing from it counts as zero; the text is plain ASCII whatever the
 * strings hold.  Pure. */
size_t funnel_text(char *out, size_t out_bytes, struct span json) __attribute__((warn_unused_result));

#endif
