// SPDX-License-Identifier: Apache-2.0
#include "times_history.h"

#include <stdlib.h>

#define HISTOGRAMS (sizeof(struct times) / sizeof(struct histogram))
_Static_assert(HISTOGRAMS * sizeof(struct histogram) == sizeof(struct times), "a set is histograms and nothing else");
_Static_assert(HISTOGRAM_BUCKETS <= UINT16_MAX && HISTOGRAMS <= UINT16_MAX, "struct gain");

struct gain { /* of one bucket in one period */
	uint32_t cnt;
	uint16_t bucket;
	uint8_t histogram, set;
};
_Static_assert(HISTOGRAMS <= UINT8_MAX, "gain.histogram");

struct period {
	uint64_t begin_s;
	uint64_t first_gain; /* counted since start */
};

struct times_history {
	size_t set_cnt;
	struct times *last; /* at the end of the last period */
	uint64_t period_cnt, gain_cnt, end_s;
	struct period periods[HISTORY_PERIODS];
	struct gain gains[HISTORY_GAINS_MAX];
};

static uint64_t load(const _Atomic uint64_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

static const struct histogram *histogram_of(const struct times *times, size_t idx)
{
	return (const struct histogram *)times + idx;
}

static void put(struct times *times, size_t histogram, unsigned bucket, uint64_t cnt)
{
	histogram_put((struct histogram *)times + histogram, bucket, cnt);
}

struct times_history *times_history_init(size_t set_cnt)
{
	struct times_history *history = set_cnt <= UINT8_MAX ? calloc(1, sizeof *history) : NULL;

	if (history == NULL)
		return NULL;
	history->set_cnt = set_cnt;
	history->last = calloc(set_cnt, sizeof *history->last);
	if (history->last == NULL) {
		free(history);
		return NULL;
	}
	return history;
}

void times_history_fini(struct times_history *history)
{
	if (history == NULL)
		return;
	free(history->last);
	free(history);
}

bool times_history_due(const struct times_history *history, uint64_t now_s)
{
	return history->end_s == 0 || now_s - history->end_s >= HISTORY_PERIOD_S;
}

static void keep(struct times_history *history, size_t set, size_t histogram, size_t bucket, uint64_t cnt)
{
	for (; cnt > 0; history->gain_cnt++) {
		uint32_t part = cnt < UINT32_MAX ? (uint32_t)cnt : UINT32_MAX;
		history->gains[history->gain_cnt % HISTORY_GAINS_MAX] = (struct gain){
			.cnt = part, .bucket = (uint16_t)bucket, .histogram = (uint8_t)histogram, .set = (uint8_t)set};
		cnt -= part;
	}
}

static void note_set(struct times_history *history, size_t set, const struct times *now)
{
	struct times *last = &history->last[set];

	for (size_t i = 0; i < HISTOGRAMS; i++) {
		if (load(&histogram_of(now, i)->count) == load(&histogram_of(last, i)->count))
			continue;
		for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
			uint64_t cnt = load(&histogram_of(now, i)->buckets[bucket]) -
				       load(&histogram_of(last, i)->buckets[bucket]);
			keep(history, set, i, bucket, cnt);
			put(last, i, bucket, cnt);
		}
	}
}

void times_history_note(struct times_history *history, const struct times *sets, uint64_t now_s)
{
	if (history->end_s != 0) {
		history->periods[history->period_cnt++ % HISTORY_PERIODS] =
			(struct period){.begin_s = history->end_s, .first_gain = history->gain_cnt};
		for (size_t set = 0; set < history->set_cnt; set++)
			note_set(history, set, &sets[set]);
	}
	history->end_s = now_s;
}

/* The first of the periods that are whole in memory and not over by since_s. */
static uint64_t first_period(const struct times_history *history, uint64_t since_s)
{
	uint64_t first = history->period_cnt;

	while (first > 0 && history->period_cnt - first < HISTORY_PERIODS) {
		const struct period *before = &history->periods[(first - 1) % HISTORY_PERIODS];
		uint64_t ends_s = first < history->period_cnt ? history->periods[first % HISTORY_PERIODS].begin_s
							      : history->end_s;
		if (ends_s <= since_s || history->gain_cnt - before->first_gain > HISTORY_GAINS_MAX)
			break;
		first--;
	}
	return first;
}

uint64_t times_history_since(const struct times_history *history, struct times *into, size_t set,
			     const struct times *now, uint64_t since_s)
{
	uint64_t first = first_period(history, since_s);
	bool any = first < history->period_cnt;
	uint64_t gain = any ? history->periods[first % HISTORY_PERIODS].first_gain : history->gain_cnt;

	for (; gain < history->gain_cnt; gain++) {
		const struct gain *at = &history->gains[gain % HISTORY_GAINS_MAX];
		if (at->set == set)
			put(into, at->histogram, at->bucket, at->cnt);
	}
	for (size_t i = 0; i < HISTOGRAMS; i++)
		for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++)
			put(into, i, bucket,
			    load(&histogram_of(now, i)->buckets[bucket]) -
				    load(&histogram_of(&history->last[set], i)->buckets[bucket]));
	return any ? history->periods[first % HISTORY_PERIODS].begin_s : history->end_s;
}
