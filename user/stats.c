/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

#include <stddef.h>

/* Everything before the histograms is a plain counter. */
#define COUNTERS (offsetof(struct stats, steps) / sizeof(_Atomic uint64_t))
_Static_assert(offsetof(struct stats, steps) % sizeof(_Atomic uint64_t) == 0, "stats begins with counters");

void stats_merge(struct stats *into, const struct stats *from)
{
	_Atomic uint64_t *to = (_Atomic uint64_t *)into;
	const _Atomic uint64_t *of = (const _Atomic uint64_t *)from;

	for (size_t i = 0; i < COUNTERS; i++)
		stats_add(&to[i], atomic_load_explicit(&of[i], memory_order_relaxed));
	for (size_t i = 0; i < STEP_CNT; i++)
		histogram_merge(&into->steps[i], &from->steps[i]);
	histogram_merge(&into->overhead, &from->overhead);
	histogram_merge(&into->first_token, &from->first_token);
}
