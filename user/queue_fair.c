// SPDX-License-Identifier: Apache-2.0
/* queue_fair.c: see queue_fair.h. */
#include "queue_fair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/siphash.h"

struct fair_flow {		       /* what one payer has in one line and band; there while he has something there */
	struct fair_flow *next, *prev; /* ring */
	struct fair_flow *next_bucket; /* or of the unused */
	struct fair_flow *next_same, *prev_same; /* of those that have as many items */
	struct fair_item *first, *last;		 /* the oldest first */
	struct fair_key key;
	uint32_t cnt;
	uint32_t credit; /* what it may cost when its turn comes */
	uint8_t line, band;
};

static size_t bucket_cnt_of(size_t items_max)
{
	size_t cnt = 1;

	while (cnt < items_max)
		cnt *= 2;
	return cnt;
}

int fair_init(struct fair *fair, size_t items_max, const uint8_t hash_key[16])
{
	memset(fair, 0, sizeof *fair);
	fair->bucket_cnt = bucket_cnt_of(items_max);
	memcpy(fair->hash_key, hash_key, sizeof fair->hash_key);
	fair->flows = calloc(items_max, sizeof *fair->flows);
	fair->buckets = calloc(fair->bucket_cnt, sizeof *fair->buckets);
	fair->by_cnt = calloc(items_max + 1, sizeof *fair->by_cnt);
	if (fair->flows == NULL || fair->buckets == NULL || fair->by_cnt == NULL) {
		fair_fini(fair);
		return -ENOMEM;
	}
	for (size_t i = items_max; i-- > 0;) {
		fair->flows[i].next_bucket = fair->unused;
		fair->unused = &fair->flows[i];
	}
	return 0;
}

void fair_fini(struct fair *fair)
{
	free(fair->flows);
	free(fair->buckets);
	free(fair->by_cnt);
	fair->flows = NULL;
	fair->buckets = fair->by_cnt = NULL;
}

size_t fair_bytes(size_t items_max)
{
	return items_max * sizeof(struct fair_flow) +
	       (bucket_cnt_of(items_max) + items_max + 1) * sizeof(struct fair_list);
}

/* --- flows --- */

static struct fair_list *bucket_of(const struct fair *fair, const struct fair_key *key)
{
	return &fair->buckets[siphash(fair->hash_key, key, sizeof *key) & (fair->bucket_cnt - 1)];
}

static bool is_of(const struct fair_flow *flow, const struct fair_key *key)
{
	return memcmp(&flow->key, key, sizeof *key) == 0;
}

static struct fair_ring *ring_of(struct fair *fair, const struct fair_flow *flow)
{
	return &fair->rings[flow->line][flow->band];
}

static struct fair_flow *open_flow(struct fair *fair, unsigned line, unsigned band, const struct fair_key *key)
{
	struct fair_ring *ring = &fair->rings[line][band];
	struct fair_list *bucket = bucket_of(fair, key);
	struct fair_flow *flow = fair->unused;

	ASSERT(flow != NULL); /* there are as many as there may be items */
	fair->unused = flow->next_bucket;
	*flow = (struct fair_flow){.key = *key, .credit = FAIR_QUANTUM, .line = (uint8_t)line, .band = (uint8_t)band};
	flow->next_bucket = bucket->first;
	bucket->first = flow;
	if (ring->first == NULL) {
		ring->first = flow->next = flow->prev = flow;
	} else { /* before the first is behind the last */
		flow->next = ring->first;
		flow->prev = ring->first->prev;
		flow->prev->next = flow->next->prev = flow;
	}
	ring->flows++;
	return flow;
}

static void close_flow(struct fair *fair, struct fair_flow *flow)
{
	struct fair_flow **at = &bucket_of(fair, &flow->key)->first;
	struct fair_ring *ring = ring_of(fair, flow);

	while (*at != flow)
		at = &(*at)->next_bucket;
	*at = flow->next_bucket;
	flow->prev->next = flow->next;
	flow->next->prev = flow->prev;
	if (ring->first == flow)
		ring->first = flow->next == flow ? NULL : flow->next;
	ring->flows--;
	flow->next_bucket = fair->unused;
	fair->unused = flow;
}

static struct fair_flow *find_flow(const struct fair *fair, unsigned line, unsigned band, const struct fair_key *key)
{
	struct fair_flow *flow = bucket_of(fair, key)->first;

	while (flow != NULL && !(flow->line == line && flow->band == band && is_of(flow, key)))
		flow = flow->next_bucket;
	return flow;
}

/* A flow has so many items from now on: one more than before, or one fewer. */
static void count(struct fair *fair, struct fair_flow *flow, uint32_t cnt)
{
	struct fair_list *to = &fair->by_cnt[cnt];

	if (flow->cnt > 0) {
		if (flow->next_same != NULL)
			flow->next_same->prev_same = flow->prev_same;
		if (flow->prev_same != NULL)
			flow->prev_same->next_same = flow->next_same;
		else
			fair->by_cnt[flow->cnt].first = flow->next_same;
	}
	flow->cnt = cnt;
	if (cnt > 0) {
		flow->prev_same = NULL;
		flow->next_same = to->first;
		if (to->first != NULL)
			to->first->prev_same = flow;
		to->first = flow;
	}
	if (cnt > fair->most)
		fair->most = cnt;
	else if (fair->by_cnt[fair->most].first == NULL)
		fair->most--;
}

/* --- items --- */

uint64_t fair_push(struct fair *fair, unsigned line, unsigned band, const struct fair_key *key, struct fair_item *item,
		   uint64_t cost)
{
	struct fair_flow *flow = find_flow(fair, line, band, key);

	ASSERT(line < FAIR_LINES_MAX && band < FAIR_BANDS);
	if (flow == NULL)
		flow = open_flow(fair, line, band, key);
	if (cost < FAIR_QUANTUM)
		cost = FAIR_QUANTUM;
	*item = (struct fair_item){
		.flow = flow, .prev = flow->last, .cost = cost > FAIR_COST_MAX ? FAIR_COST_MAX : (uint32_t)cost};
	if (flow->last != NULL)
		flow->last->next = item;
	else
		flow->first = item;
	flow->last = item;
	count(fair, flow, flow->cnt + 1);
	return (uint64_t)flow->cnt * fair->rings[line][band].flows;
}

void fair_remove(struct fair *fair, struct fair_item *item)
{
	struct fair_flow *flow = item->flow;

	if (item->prev != NULL)
		item->prev->next = item->next;
	else
		flow->first = item->next;
	if (item->next != NULL)
		item->next->prev = item->prev;
	else
		flow->last = item->prev;
	item->flow = NULL;
	count(fair, flow, flow->cnt - 1);
	if (flow->cnt == 0)
		close_flow(fair, flow);
}

/* --- who is next --- */

/* The next line of these in which this band waits, after the one that had its turn; -1 when there is none. */
static int line_of(const struct fair *fair, uint64_t lines, unsigned band)
{
	for (unsigned i = 1; i <= FAIR_LINES_MAX; i++) {
		unsigned line = (fair->turns[band] + i) % FAIR_LINES_MAX;
		if ((lines >> line & 1) != 0 && fair->rings[line][band].first != NULL)
			return (int)line;
	}
	return -1;
}

/* The first band that waits, unless one below has earned what its next item costs: then the one that has earned most. */
static int choose_band(const struct fair *fair, const int line_idx[FAIR_BANDS])
{
	int first = -1, owed = -1;

	for (int band = 0; band < FAIR_BANDS; band++) {
		if (line_idx[band] < 0)
			continue;
		uint32_t cost = fair->rings[line_idx[band]][band].first->first->cost;
		if (first < 0)
			first = band;
		else if (fair->earned[band] >= cost && (owed < 0 || fair->earned[band] > fair->earned[owed]))
			owed = band;
	}
	return owed >= 0 ? owed : first;
}

/* What the chosen band is given, it pays for with what it earned; those that wait below it earn their share. */
static void settle_bands(struct fair *fair, const int line_idx[FAIR_BANDS], int chosen, uint32_t cost)
{
	bool above = false;

	for (int band = 0; band < FAIR_BANDS; band++) {
		if (line_idx[band] < 0 && fair->earned[band] < 0)
			fair->earned[band] = 0; /* nobody here is left to pay */
		else if (line_idx[band] >= 0 && band != chosen && above)
			fair->earned[band] += (cost + FAIR_FLOOR - 1) / FAIR_FLOOR;
		else if (band == chosen && above)
			fair->earned[band] -= cost;
		above |= line_idx[band] >= 0;
	}
}

/* The flow whose turn it is goes to the end of its ring afterwards; those that cannot afford theirs yet are passed over. */
static struct fair_item *take_turn(struct fair_ring *ring)
{
	for (;;) {
		struct fair_flow *flow = ring->first;
		struct fair_item *item = flow->first;
		bool afford = flow->credit >= item->cost;

		ring->first = flow->next;
		if (afford)
			flow->credit -= item->cost;
		flow->credit += FAIR_QUANTUM;
		if (afford)
			return item;
	}
}

struct fair_item *fair_next(struct fair *fair, uint64_t lines)
{
	int line_idx[FAIR_BANDS];

	for (unsigned band = 0; band < FAIR_BANDS; band++)
		line_idx[band] = line_of(fair, lines, band);
	int chosen = choose_band(fair, line_idx);
	if (chosen < 0)
		return NULL;
	unsigned line = (unsigned)line_idx[chosen];
	struct fair_item *item = take_turn(&fair->rings[line][chosen]);
	fair->turns[chosen] = line;
	settle_bands(fair, line_idx, chosen, item->cost);
	fair_remove(fair, item);
	return item;
}

/* --- who has how much --- */

uint32_t fair_waiting(const struct fair *fair, const struct fair_key *key)
{
	uint32_t cnt = 0;

	for (const struct fair_flow *flow = bucket_of(fair, key)->first; flow != NULL; flow = flow->next_bucket)
		if (is_of(flow, key))
			cnt += flow->cnt;
	return cnt;
}

struct fair_item *fair_greediest(const struct fair *fair)
{
	return fair->most > 0 ? fair->by_cnt[fair->most].first->last : NULL;
}
