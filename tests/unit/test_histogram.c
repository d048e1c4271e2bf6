// SPDX-License-Identifier: Apache-2.0
#include "base/histogram.c"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"

static struct histogram h; /* 5 KiB: not on the stack of every test */

static void reset(void)
{
	memset(&h, 0, sizeof h);
}

TEST(every_bucket_begins_where_the_one_before_ends)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		CHECK_EQ(bucket_of(bucket_start(i)), i);
		if (i + 1 < HISTOGRAM_BUCKETS)
			CHECK_EQ(bucket_of(bucket_start(i + 1) - 1), i);
		CHECK(bucket_start(i + 1) > bucket_start(i));
		/* the promised error: a bucket is at most a sixteenth of its start wide */
		CHECK(bucket_start(i + 1) - bucket_start(i) <= (i < 16 ? 1 : bucket_start(i) / 16));
	}
	CHECK_EQ(bucket_start(HISTOGRAM_BUCKETS), UINT64_C(1) << 41);
	CHECK_EQ(bucket_of(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
	CHECK_EQ(bucket_of(UINT64_C(1) << 41), HISTOGRAM_BUCKETS - 1);
}

TEST(empty)
{
	reset();
	CHECK_EQ(histogram_quantile(&h, 0.5), 0);
	CHECK_EQ(histogram_mean(&h), 0);
	CHECK_EQ(histogram_below(&h, 40), 0);
}

TEST(quantiles_of_known_samples)
{
	reset();
	for (unsigned i = 0; i < 99; i++)
		histogram_add(&h, 10);
	histogram_add(&h, 1000);
	CHECK_EQ(histogram_quantile(&h, 0.0), 10);
	CHECK_EQ(histogram_quantile(&h, 0.5), 10);
	CHECK_EQ(histogram_quantile(&h, 0.99), 10);
	CHECK_EQ(histogram_quantile(&h, 0.991), 1023); /* 1000 lies in 992..1023 */
	CHECK_EQ(histogram_quantile(&h, 1.0), 1023);
	CHECK_EQ(histogram_mean(&h), (99 * 10 + 1000) / 100);
}

TEST(below_is_exact_at_powers_of_two)
{
	reset();
	histogram_add(&h, 0);
	histogram_add(&h, 1);
	histogram_add(&h, 1023);
	histogram_add(&h, 1024);
	histogram_add(&h, (UINT64_C(1) << 36) - 1);
	histogram_add(&h, UINT64_MAX / 2);
	CHECK_EQ(histogram_below(&h, 0), 1);
	CHECK_EQ(histogram_below(&h, 1), 2);
	CHECK_EQ(histogram_below(&h, 9), 2);
	CHECK_EQ(histogram_below(&h, 10), 3);
	CHECK_EQ(histogram_below(&h, 11), 4);
	CHECK_EQ(histogram_below(&h, 35), 4);
	CHECK_EQ(histogram_below(&h, 36), 5);
	CHECK_EQ(histogram_below(&h, 40), 5);
}

TEST(merge_adds)
{
	static struct histogram a, b;

	reset();
	histogram_add(&a, 5);
	histogram_add(&b, 7);
	histogram_add(&b, 5000);
	histogram_merge(&h, &a);
	histogram_merge(&h, &b);
	CHECK_EQ(h.count, 3);
	CHECK_EQ(h.sum_ns, 5012);
	CHECK_EQ(h.buckets[5], 1);
	CHECK_EQ(h.buckets[7], 1);
	CHECK_EQ(h.buckets[bucket_of(5000)], 1);
}

TEST(a_share_is_a_whole_number_of_samples_where_it_can_be)
{
	for (int percent = 1; percent < 100; percent++) {
		reset();
		for (int i = 0; i < 100; i++)
			histogram_add(&h, i < percent ? 1 : 1000);
		CHECK_EQ(histogram_quantile(&h, percent / 100.0), 1);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

TEST(quantiles_of_random_samples_are_within_a_sixteenth)
{
	enum { CNT = 20000 };
	static uint64_t samples[CNT];
	unsigned seed = (unsigned)time(NULL);

	printf("seed %u\n", seed);
	srand(seed);
	reset();
	for (int i = 0; i < CNT; i++) {
		samples[i] = (uint64_t)rand() >> (rand() % 31); /* spread over all magnitudes */
		histogram_add(&h, samples[i]);
	}
	qsort(samples, CNT, sizeof *samples, compare);
	for (int percent = 1; percent <= 100; percent++) {
		uint64_t exact = samples[CNT / 100 * percent - 1];
		uint64_t got = histogram_quantile(&h, percent / 100.0);

		CHECK(got >= exact && got <= exact + exact / 16);
	}
}

static _Atomic int writing;

static void *write_samples(void *unused)
{
	for (uint64_t i = 0; i < 200000; i++)
		histogram_add(&h, i);
	writing = 0;
	return NULL;
}

TEST(a_reader_beside_the_writer_sees_a_consistent_merge)
{
	static struct histogram copy;
	pthread_t writer;

	reset();
	writing = 1;
	CHECK_EQ(pthread_create(&writer, NULL, write_samples, NULL), 0);
	while (writing) {
		uint64_t sum = 0;

		memset(&copy, 0, sizeof copy);
		histogram_merge(&copy, &h);
		for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
			sum += copy.buckets[i];
		CHECK(sum == copy.count);
	}
	pthread_join(writer, NULL);
	CHECK_EQ(h.count, 200000);
}

CHECK_MAIN
