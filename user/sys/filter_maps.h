/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_FILTER_MAPS_H
#define TOLLBAR_SYS_FILTER_MAPS_H
/* filter_maps.h: what the files behind filter.h share: an open filter is the descriptors of its maps.  Nobody else includes
 * it. */
#include "sys/filter.h"

enum filter_map {
	MAP_ABI,
	MAP_POLICY,
	MAP_COUNTERS,
	MAP_STANDING,
	MAP_TOPS,
	MAP_LISTS,
	MAP_NEXT,
	MAP_TRACE,
	MAP_TRACING,
	MAP_CNT
};

struct filter {
	uint32_t program_id;
	bool lost, generic;
	int map_fds[MAP_CNT];
	struct tollbar_policy *policy;	/* the kernel's own pages */
	struct tollbar_lists_top *tops; /* one per generation; the same */
	struct tollbar_counters *per_cpu;
	size_t cpu_cnt;
	uint64_t swept_ns; /* atomic */
};

/* One atomic change of the policy word: `clear` first, then `set`. */
void filter_word_change(struct filter *filter, uint32_t clear, uint32_t set);

#endif
