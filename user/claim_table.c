// SPDX-License-Identifier: Apache-2.0
#include "claim_table.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/expect.h"
#include "base/siphash.h"

/* Zeros.  Claims are found all over it: without huge pages most lookups would miss the TLB as well. */
static void *map(size_t cnt, size_t bytes)
{
	void *at = mmap(NULL, cnt * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	madvise(at, cnt * bytes, MADV_HUGEPAGE); /* a kernel without them: slower, not wrong */
	return at;
}

static void unmap(void *at, size_t cnt, size_t bytes)
{
	if (at != NULL)
		munmap(at, cnt * bytes);
}

int table_init(struct table *table, size_t claims_max, size_t staged_max)
{
	size_t bucket_cnt = TABLE_SHARDS;

	if (claims_max == 0 || staged_max == 0 || claims_max >= CLAIM_NONE || staged_max >= CLAIM_NONE)
		return -EINVAL;
	while (bucket_cnt < claims_max)
		bucket_cnt *= 2;
	table->claims_max = claims_max;
	table->staged_max = staged_max;
	table->bucket_mask = bucket_cnt - 1;
	table->claim_free = table->staged_free = CLAIM_NONE;
	table->claims = map(claims_max, sizeof *table->claims);
	table->staged = map(staged_max, sizeof *table->staged);
	table->buckets = map(bucket_cnt, sizeof *table->buckets);
	for (size_t i = 0; i < TABLE_SHARDS; i++)
		pthread_mutex_init(&table->shards[i].lock, NULL);
	pthread_mutex_init(&table->free_lock, NULL);
	if (table->claims == NULL || table->staged == NULL || table->buckets == NULL)
		return -ENOMEM;
	if (getrandom(table->hash_key, sizeof table->hash_key, 0) != sizeof table->hash_key)
		return -EIO;
	memset(table->buckets, 0xff, bucket_cnt * sizeof *table->buckets);
	return 0;
}

void table_fini(struct table *table)
{
	for (size_t i = 0; i < TABLE_SHARDS; i++)
		pthread_mutex_destroy(&table->shards[i].lock);
	pthread_mutex_destroy(&table->free_lock);
	unmap(table->buckets, table->bucket_mask + 1, sizeof *table->buckets);
	unmap(table->staged, table->staged_max, sizeof *table->staged);
	unmap(table->claims, table->claims_max, sizeof *table->claims);
}

uint64_t table_hash(const struct table *table, const struct claim_key *key)
{
	return siphash(table->hash_key, key, sizeof *key);
}

/* A bucket is in exactly one shard: the shard number is the low bits of the bucket number. */
void table_lock(struct table *table, uint64_t hash)
{
	pthread_mutex_lock(&table->shards[hash % TABLE_SHARDS].lock);
}

void table_unlock(struct table *table, uint64_t hash)
{
	pthread_mutex_unlock(&table->shards[hash % TABLE_SHARDS].lock);
}

bool table_find(const struct table *table, const struct claim_key *key, uint64_t hash)
{
	for (uint32_t i = table->buckets[hash & table->bucket_mask]; i != CLAIM_NONE;) {
		const struct claim *claim = &table->claims[i];
		if (claim->hash == hash && memcmp(&claim->key, key, sizeof *key) == 0)
			return true;
		i = claim->chain_next;
	}
	return false;
}

void table_link(struct table *table, struct claim *claim)
{
	uint32_t *head = &table->buckets[claim->hash & table->bucket_mask];

	ASSERT(!claim->linked);
	claim->chain_next = *head;
	claim->linked = true;
	*head = table_index(table, claim);
}

void table_unlink(struct table *table, struct claim *claim)
{
	uint32_t *at = &table->buckets[claim->hash & table->bucket_mask];
	uint32_t index = table_index(table, claim);

	if (!claim->linked)
		return;
	while (*at != index) {
		ASSERT(*at != CLAIM_NONE);
		at = &table->claims[*at].chain_next;
	}
	*at = claim->chain_next;
	claim->linked = false;
}

/* One that was given back, else one that was never used, whose page may not even be there yet. */
static uint32_t pop_claim(struct table *table)
{
	uint32_t index = table->claim_free;

	if (index == CLAIM_NONE)
		return table->claims_used++;
	table->claim_free = table->claims[index].list_next;
	return index;
}

static uint32_t pop_staged(struct table *table)
{
	uint32_t index = table->staged_free;

	if (index == CLAIM_NONE)
		return table->staged_used++;
	table->staged_free = table->staged[index].next;
	return index;
}

/* What the next one will be: it was given back long ago, or never used. */
static void expect_next(const struct table *table)
{
	uint32_t claim = table->claim_free != CLAIM_NONE ? table->claim_free : (uint32_t)table->claims_used;
	uint32_t staged = table->staged_free != CLAIM_NONE ? table->staged_free : (uint32_t)table->staged_used;

	expect(&table->claims[claim], sizeof *table->claims);
	expect(&table->staged[staged], offsetof(struct payment, signature_rest));
}

/* Both or nothing. */
static struct claim *take_free(struct table *table, bool staged, uint32_t *staged_index)
{
	struct claim *claim = NULL;

	*staged_index = CLAIM_NONE;
	pthread_mutex_lock(&table->free_lock);
	bool have = table->claim_free != CLAIM_NONE || table->claims_used < table->claims_max;
	if (staged)
		have = have && (table->staged_free != CLAIM_NONE || table->staged_used < table->staged_max);
	if (have) {
		claim = &table->claims[pop_claim(table)];
		if (staged)
			*staged_index = pop_staged(table);
		expect_next(table);
	}
	pthread_mutex_unlock(&table->free_lock);
	return claim;
}

struct claim *table_claim(struct table *table, const struct claim_key *key, uint64_t hash,
			  const struct payment *payment)
{
	uint32_t staged;
	struct claim *claim = take_free(table, payment != NULL, &staged);

	if (claim == NULL)
		return NULL;
	*claim = (struct claim){
		.key = *key, .hash = hash, .staged = staged, .chain_next = CLAIM_NONE, .list_next = CLAIM_NONE};
	if (payment != NULL)
		payment_copy(&table->staged[staged].payment, payment);
	return claim;
}

void table_unstage(struct table *table, struct claim *claim)
{
	if (claim->staged == CLAIM_NONE)
		return;
	struct staged *staged = &table->staged[claim->staged];
	payment_wipe(&staged->payment);
	pthread_mutex_lock(&table->free_lock);
	staged->next = table->staged_free;
	table->staged_free = claim->staged;
	pthread_mutex_unlock(&table->free_lock);
	claim->staged = CLAIM_NONE;
}

void table_free(struct table *table, struct claim *claim)
{
	ASSERT(!claim->linked && claim->staged == CLAIM_NONE);
	claim->state = 0;
	pthread_mutex_lock(&table->free_lock);
	claim->list_next = table->claim_free;
	table->claim_free = table_index(table, claim);
	pthread_mutex_unlock(&table->free_lock);
}

/* --- lines --- */

/* Two heaps, none of them empty, become one: the later becomes a child of the earlier. */
static uint32_t meld(struct table *table, uint32_t a, uint32_t b)
{
	const struct claim *x = &table->claims[a], *y = &table->claims[b];
	bool in_order = x->deadline_s != y->deadline_s ? x->deadline_s < y->deadline_s : x->id < y->id;
	uint32_t first = in_order ? a : b, second = in_order ? b : a;

	table->claims[second].list_next = table->claims[first].line_child;
	table->claims[first].line_child = second;
	return first;
}

void table_line_push(struct table *table, uint32_t *line, struct claim *claim)
{
	uint32_t index = table_index(table, claim);

	claim->list_next = claim->line_child = CLAIM_NONE;
	*line = *line == CLAIM_NONE ? index : meld(table, *line, index);
}

struct claim *table_line_first(const struct table *table, uint32_t line)
{
	return line == CLAIM_NONE ? NULL : &table->claims[line];
}

/* Siblings, from the front in pairs; the pairs come out in reverse. */
static uint32_t meld_pairs(struct table *table, uint32_t index)
{
	uint32_t pairs = CLAIM_NONE;

	while (index != CLAIM_NONE) {
		uint32_t a = index, b = table->claims[a].list_next;
		index = b != CLAIM_NONE ? table->claims[b].list_next : CLAIM_NONE;
		uint32_t pair = b != CLAIM_NONE ? meld(table, a, b) : a;
		table->claims[pair].list_next = pairs;
		pairs = pair;
	}
	return pairs;
}

struct claim *table_line_pop(struct table *table, uint32_t *line)
{
	struct claim *claim = table_line_first(table, *line);

	if (claim == NULL)
		return NULL;
	uint32_t index = meld_pairs(table, claim->line_child);
	*line = CLAIM_NONE;
	while (index != CLAIM_NONE) {
		uint32_t next = table->claims[index].list_next;
		*line = *line == CLAIM_NONE ? index : meld(table, *line, index);
		index = next;
	}
	claim->list_next = claim->line_child = CLAIM_NONE;
	return claim;
}
