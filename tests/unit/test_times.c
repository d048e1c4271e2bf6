// SPDX-License-Identifier: Apache-2.0
/* test_times.c: a request's times on their way into histograms, and what is remembered of those: against a plain list of
 * every sample with its moment. */
#include "times.c"
#include "times_history.c"

#include "check.h"
#include "random.h"

#define SETS 3u

static struct times now[SETS];

TEST(a_request_counts_each_step_once)
{
	struct request_times request = {0};
	static struct times times;

	request_times_step(&request, STEP_PARSE, 100);
	request_times_step(&request, STEP_BODY, 10);
	request_times_step(&request, STEP_BODY, 20); /* in two parts: one sample of both */
	request_times_step(&request, STEP_CLAIM, 0);
	request.has_overhead = true;
	request.overhead_ns = 500;
	times_add(&times, &request);
	for (unsigned step = 0; step < STEP_CNT; step++)
		CHECK_EQ(times.steps[step].count, step == STEP_PARSE || step == STEP_BODY || step == STEP_CLAIM);
	CHECK_EQ(times.steps[STEP_BODY].sum_ns, 30);
	CHECK_EQ(times.overhead.sum_ns, 500);
	CHECK_EQ(times.first_token.count, 0);
}

TEST(what_a_request_did_and_waited_for)
{
	struct request_times request = {0};

	for (enum step step = 0; step < STEP_CNT; step++)
		CHECK(!request_times_did(&request, step));
	CHECK_EQ(request_times_waited_ns(&request), 0);
	for (enum step step = 0; step < STEP_CNT; step++)
		request_times_step(&request, step, UINT64_C(1) << step);
	request_times_step(&request, STEP_BODY, 5); /* the rest of it */
	for (enum step step = 0; step < STEP_CNT; step++)
		CHECK(request_times_did(&request, step));
	CHECK_EQ(request_times_waited_ns(&request), (1u << STEP_HEAD) + (1u << STEP_BODY) + 5);
}

TEST(the_clients_own_time)
{
	for (unsigned step = 0; step < STEP_CNT; step++)
		CHECK_EQ(step_waits_for_client(step), step == STEP_HEAD || step == STEP_BODY);
}

static uint64_t since(struct times_history *history, size_t set, uint64_t since_s, uint64_t *count)
{
	static struct times into;

	memset(&into, 0, sizeof into);
	uint64_t from_s = times_history_since(history, &into, set, &now[set], since_s);
	*count = into.steps[STEP_VERIFY].count;
	uint64_t in_buckets = 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		in_buckets += into.steps[STEP_VERIFY].buckets[i];
	CHECK_EQ(in_buckets, *count);
	CHECK_EQ(into.overhead.count, 0);
	return from_s;
}

static void sample(size_t set, uint64_t ns)
{
	histogram_add(&now[set].steps[STEP_VERIFY], ns);
}

/* Ten samples a period, of ever other lengths; what is remembered agrees with what was added since that moment. */
TEST(what_came_since)
{
	struct times_history *history = times_history_init(SETS);
	uint64_t count, start_s = 5000;

	random_start("test_times");
	memset(now, 0, sizeof now);
	times_history_note(history, now, start_s);
	for (unsigned period = 1; period <= 50; period++) {
		for (unsigned i = 0; i < 10; i++)
			sample(1, random_below(1000000000));
		sample(2, 77);
		CHECK(!times_history_due(history, start_s + period * HISTORY_PERIOD_S - 1));
		CHECK(times_history_due(history, start_s + period * HISTORY_PERIOD_S));
		times_history_note(history, now, start_s + period * HISTORY_PERIOD_S);
	}
	sample(1, 5); /* since the last note */
	uint64_t end_s = start_s + 50 * HISTORY_PERIOD_S;
	for (unsigned ago = 0; ago <= 50; ago++) {
		CHECK_EQ(since(history, 1, end_s - ago * HISTORY_PERIOD_S, &count), end_s - ago * HISTORY_PERIOD_S);
		CHECK_EQ(count, 10 * ago + 1);
		since(history, 2, end_s - ago * HISTORY_PERIOD_S, &count);
		CHECK_EQ(count, ago);
	}
	CHECK_EQ(since(history, 1, end_s - 15, &count), end_s - 20); /* within a period: all of it */
	CHECK_EQ(count, 21);
	CHECK_EQ(since(history, 1, 0, &count), start_s); /* before all that is known */
	CHECK_EQ(count, 501);
	since(history, 0, 0, &count);
	CHECK_EQ(count, 0);
	times_history_fini(history);
}

TEST(old_periods_give_way)
{
	struct times_history *history = times_history_init(SETS);
	uint64_t count;

	memset(now, 0, sizeof now);
	for (uint64_t period = 0; period <= HISTORY_PERIODS + 7; period++) {
		times_history_note(history, now, 1 + period * HISTORY_PERIOD_S);
		sample(0, 1000);
	}
	CHECK_EQ(since(history, 0, 0, &count), 1 + 7 * HISTORY_PERIOD_S);
	CHECK_EQ(count, HISTORY_PERIODS + 1);
	times_history_fini(history);
}

/* Each period gains in so many buckets that their memory holds a few periods only. */
TEST(gains_beyond_memory_are_not_half_remembered)
{
	struct times_history *history = times_history_init(SETS);
	uint64_t count, gains = SETS * STEP_CNT * (uint64_t)HISTOGRAM_BUCKETS, kept = HISTORY_GAINS_MAX / gains;

	memset(now, 0, sizeof now);
	for (uint64_t period = 0; period <= 40; period++) {
		times_history_note(history, now, 1 + period * HISTORY_PERIOD_S);
		for (size_t set = 0; set < SETS; set++)
			for (unsigned step = 0; step < STEP_CNT; step++)
				for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
					histogram_put(&now[set].steps[step], bucket, 1);
	}
	CHECK(kept >= 2 && kept < 40);
	CHECK_EQ(since(history, 2, 0, &count), 1 + (40 - kept) * HISTORY_PERIOD_S);
	CHECK_EQ(count, (kept + 1) * HISTOGRAM_BUCKETS);
	times_history_fini(history);
}

CHECK_MAIN
