/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_FLOOD_BPF_H
#define TOLLBAR_FLOOD_BPF_H
/* flood.bpf.h: are there too many of something, on one CPU?  Compiles with cc, too (unit tests). */
#include "defs.bpf.h"

#include "abi.h"

#define FLOOD_WINDOW_NS 1000000000u

/* Counts one; says whether they are too many: more than per_s in this second on this CPU, and after that until a second has
 * passed with less than half of it. */
static ALWAYS_INLINE __u32 flood_count(struct tollbar_flood *flood, __u32 per_s, __u64 now_ns)
{
	__u64 elapsed_ns = now_ns - flood->second_ns;

	if (elapsed_ns >= FLOOD_WINDOW_NS) {
		if (flood->cnt < per_s / 2 || elapsed_ns >= 2ull * FLOOD_WINDOW_NS)
			flood->flooded = 0;
		flood->second_ns = now_ns;
		flood->cnt = 0;
	}
	if (++flood->cnt > per_s)
		flood->flooded = 1;
	return flood->flooded;
}

#endif
