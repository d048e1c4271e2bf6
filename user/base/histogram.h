/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_HISTOGRAM_H
#define TOLLBAR_BASE_HISTOGRAM_H
/* histogram.h: log-linear buckets, 16 per power of two (error at most 6.25 %), nanoseconds from 0 to 2^41 (36 minutes;
 * what is longer counts into the last bucket).
 * One writer without locks or atomic read-modify-write; any thread may read a little late. */
#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS (37 * 16 + 16)

struct histogram {
	_Atomic uint64_t count, sum_ns;
	_Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);
/* Adds `from` into `into` (which nobody else writes).  Whatever the writer of `from` does meanwhile, into->count stays
 * the sum of its buckets. */
void histogram_merge(struct histogram *into, const struct histogram *from);
/* Adds cnt samples to one bucket of a histogram that nobody else writes, as if each were the bucket's middle. */
void histogram_put(struct histogram *histogram, unsigned bucket, uint64_t cnt);
/* Value that at least `share` (0..1) of the samples do not exceed: the largest value of the bucket where that share is
 * reached; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double share);
/* Samples below 2^exponent ns: exact, because every power of two is an edge.  exponent: 0 to 40. */
uint64_t histogram_below(const struct histogram *histogram, unsigned exponent);
/* Mean in ns, 0 when empty. */
uint64_t histogram_mean(const struct histogram *histogram);

#endif
