/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

#include <stddef.h>

#define COUNTERS (sizeof(struct stats) / sizeof(_Atomic uint64_t))
_Static_assert(sizeof(struct stats) % sizeof(_Atomic uint64_t) == 0, "stats are counters");

void stats_merge(struct stats *into, const struct stats *from)
{
	_Atomic uint64_t *to = (_Atomic uint64_t *)into;
	const _Atomic uint64_t *of = (const _Atomic uint64_t *)from;

	for (size_t i = 0; i < COUNTERS; i++)
		stats_add(&to[i], atomic_load_explicit(&of[i], memory_order_relaxed));
}
