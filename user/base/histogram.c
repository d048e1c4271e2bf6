// SPDX-License-Identifier: Apache-2.0
/* histogram.c: see histogram.h.
 *
 * Bucket of a value: 0..15 are themselves; above, the four bits after the leading one choose among the 16 buckets of that
 * power of two.  So bucket i < 16 is {i}, and bucket i >= 16 starts at (16 + i % 16) << (i / 16 - 1). */
#include "base/histogram.h"

#include "base/assert.h"

#define SUB_BITS 4
#define SUB_CNT (1u << SUB_BITS)

static uint64_t load(const _Atomic uint64_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

/* One writer: a load and a store are an addition nobody can tear. */
static void add(_Atomic uint64_t *at, uint64_t n)
{
	atomic_store_explicit(at, load(at) + n, memory_order_relaxed);
}

static unsigned bucket_of(uint64_t ns)
{
	unsigned exponent, idx;

	if (ns < SUB_CNT)
		return (unsigned)ns;
	exponent = 63 - (unsigned)__builtin_clzll(ns);
	idx = (exponent - SUB_BITS + 1) * SUB_CNT + ((unsigned)(ns >> (exponent - SUB_BITS)) & (SUB_CNT - 1));
	return idx < HISTOGRAM_BUCKETS ? idx : HISTOGRAM_BUCKETS - 1;
}

static uint64_t bucket_start(unsigned idx)
{
	return idx < SUB_CNT ? idx : (uint64_t)(SUB_CNT + idx % SUB_CNT) << (idx / SUB_CNT - 1);
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
	add(&histogram->count, 1);
	add(&histogram->sum_ns, ns);
	add(&histogram->buckets[bucket_of(ns)], 1);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t n = load(&from->buckets[i]);

		add(&into->buckets[i], n);
		count += n;
	}
	add(&into->count, count);
	add(&into->sum_ns, load(&from->sum_ns));
}

void histogram_put(struct histogram *histogram, unsigned bucket, uint64_t cnt)
{
	add(&histogram->buckets[bucket], cnt);
	add(&histogram->count, cnt);
	add(&histogram->sum_ns, cnt * ((bucket_start(bucket) + bucket_start(bucket + 1) - 1) / 2));
}

uint64_t histogram_quantile(const struct histogram *histogram, double share)
{
	/* a share such as 0.07 is not exact in binary: of 100 samples it is the 7th that is meant, not the next one */
	double wanted = share * (double)load(&histogram->count) * (1 - 1e-12);
	uint64_t seen = 0, last = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t n = load(&histogram->buckets[i]);

		if (n == 0)
			continue;
		seen += n;
		last = bucket_start(i + 1) - 1;
		if ((double)seen >= wanted)
			break;
	}
	return last;
}

uint64_t histogram_below(const struct histogram *histogram, unsigned exponent)
{
	uint64_t seen = 0;

	ASSERT(exponent <= 40);
	for (unsigned i = 0, end = bucket_of(UINT64_C(1) << exponent); i < end; i++)
		seen += load(&histogram->buckets[i]);
	return seen;
}

uint64_t histogram_mean(const struct histogram *histogram)
{
	uint64_t count = load(&histogram->count);

	return count == 0 ? 0 : load(&histogram->sum_ns) / count;
}
