/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_HISTOGRAM_H
#define TOLLBAR_BASE_HISTOGRAM_H
/* histogram.h: log-linear buckets, 16 per power of two (error at most 6.25 %), nanoseconds from 0 to 2^40 (18 minutes).
 * One writer without locks or atomic read-modify-write; any thread may read a little late. */
#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS (37 * 16 + 16)

struct histogram {
	_Atomic uint64_t count, sum_ns;
	_Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);
/* Adds `from` into `into` (which nobody else writes). */
void histogram_merge(struct histogram *into, const struct histogram *from);
/* Value below which `share` (0..1) of the samples lie: upper edge of that bucket; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double share);

#endif
