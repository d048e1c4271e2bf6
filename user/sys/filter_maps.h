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
	MAP_PAYERS,
	MAP_REPLAYS,
	MAP_OPENED,
	MAP_TRACE,
	MAP_TRACING,
	MAP_CNT
};

struct filter {
	uint32_t program_id;
	bool lost, generic, pinned;
	int map_fds[MAP_CNT];
	struct tollbar_policy *policy;	 /* the kernel's own pages */
	struct tollbar_lists_top *tops;	 /* one per generation; the same */
	struct tollbar_replays *replays; /* the same */
	struct tollbar_counters *per_cpu;
	size_t cpu_cnt;
	uint64_t swept_ns, opened_swept_ns; /* atomic */
	uint64_t payers_ns;		    /* when the payer list was replaced last */
	uint64_t timeout_s, knock_s;	    /* of filter_set_native, for filter_native_clock: one thread */
};

/* At most one sweep for want of room a second, by one thread.  swept_ns: when the last one was. */
bool filter_sweep_due(uint64_t *swept_ns);

/* The bits of these ports; the others are cleared. */
void filter_ports_write(__u64 *words, const uint16_t *ports, size_t cnt);

/* One atomic change of the policy word: `clear` first, then `set`. */
void filter_word_change(struct filter *filter, uint32_t clear, uint32_t set);

#endif
