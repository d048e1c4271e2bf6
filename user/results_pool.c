// SPDX-License-Identifier: Apache-2.0
#include "results_pool.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/expect.h"

/* A bucket of by_datagram is the index of its first result, and above it a bit for each of its results, by the highest bits
 * of their hash: of what strangers ask for, four in five meet an empty bucket, and of the others one in thirty a bit. */
#define BUCKETS_A_RESULT 4
#define BUCKET_EMPTY ((uint64_t)RESULTS_NONE)

static uint64_t bit_of(uint64_t hash)
{
	return UINT64_C(1) << (32 + (hash >> 59));
}

static uint32_t index_of(const struct result *result)
{
	return (uint32_t)(result - result->results->entries);
}

void pool_lock(struct results *results, uint64_t hash)
{
	pthread_mutex_lock(&results->shards[hash % RESULTS_SHARD_CNT].lock);
}

void pool_unlock(struct results *results, uint64_t hash)
{
	pthread_mutex_unlock(&results->shards[hash % RESULTS_SHARD_CNT].lock);
}

/* --- memory --- */

static size_t bucket_cnt(const struct results_config *config)
{
	size_t cnt = RESULTS_SHARD_CNT;

	while (cnt < config->entries * BUCKETS_A_RESULT)
		cnt *= 2;
	return cnt;
}

size_t results_bytes(const struct results_config *config)
{
	size_t block_cnt = config->bytes / RESULTS_BLOCK_BYTES;

	return sizeof(struct results) + config->entries * sizeof(struct result) +
	       block_cnt * (RESULTS_BLOCK_BYTES + sizeof(uint32_t)) +
	       bucket_cnt(config) * (sizeof(uint32_t) + sizeof(uint64_t));
}

static bool map(struct results *results, const struct results_config *config)
{
	size_t buckets = bucket_cnt(config);

	results->entries = calloc(config->entries, sizeof *results->entries);
	results->block_next = calloc(results->block_cnt, sizeof *results->block_next);
	results->by_id = calloc(buckets, sizeof *results->by_id);
	results->by_datagram = calloc(buckets, sizeof *results->by_datagram);
	results->blocks = mmap(NULL, (size_t)results->block_cnt * RESULTS_BLOCK_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return results->entries != NULL && results->block_next != NULL && results->by_id != NULL &&
	       results->by_datagram != NULL && results->blocks != MAP_FAILED;
}

static void lists_init(struct results *results)
{
	for (uint64_t i = 0; i <= results->mask; i++) {
		results->by_id[i] = RESULTS_NONE;
		atomic_init(&results->by_datagram[i], BUCKET_EMPTY);
	}
	for (uint32_t i = 0; i < results->entry_cnt; i++) {
		results->entries[i].results = results;
		results->entries[i].idle_next = i + 1 < results->entry_cnt ? i + 1 : RESULTS_NONE;
	}
	for (uint32_t i = 0; i < results->block_cnt; i++)
		results->block_next[i] = i + 1 < results->block_cnt ? i + 1 : RESULTS_NONE;
	results->block_free_cnt = results->block_cnt;
	for (unsigned i = 0; i < IDLE_CNT; i++)
		results->idle[i] = (struct idle_list){RESULTS_NONE, RESULTS_NONE};
}

struct results *results_init(const struct results_config *config)
{
	size_t block_cnt = config->bytes / RESULTS_BLOCK_BYTES;

	if (config->entries == 0 || config->entries >= RESULTS_NONE || block_cnt == 0 || block_cnt >= RESULTS_NONE ||
	    config->keep_ms == 0)
		return NULL;
	struct results *results = aligned_alloc(64, sizeof *results);
	if (results == NULL)
		return NULL;
	memset(results, 0, sizeof *results);
	results->entry_cnt = (uint32_t)config->entries;
	results->block_cnt = (uint32_t)block_cnt;
	results->mask = bucket_cnt(config) - 1;
	results->keep_ms = config->keep_ms;
	results->result_bytes_max = config->result_bytes_max > 0 ? config->result_bytes_max : config->bytes / 16;
	if (results->result_bytes_max < RESULTS_BLOCK_BYTES)
		results->result_bytes_max = RESULTS_BLOCK_BYTES;
	for (size_t i = 0; i < RESULTS_SHARD_CNT; i++)
		pthread_mutex_init(&results->shards[i].lock, NULL);
	pthread_mutex_init(&results->pool_lock, NULL);
	if (!map(results, config)) {
		results_fini(results);
		return NULL;
	}
	lists_init(results);
	return results;
}

void results_fini(struct results *results)
{
	if (results == NULL)
		return;
	ASSERT(atomic_load(&results->running) == 0);
	for (size_t i = 0; i < RESULTS_SHARD_CNT; i++)
		pthread_mutex_destroy(&results->shards[i].lock);
	pthread_mutex_destroy(&results->pool_lock);
	if (results->blocks != NULL && results->blocks != MAP_FAILED)
		munmap(results->blocks, (size_t)results->block_cnt * RESULTS_BLOCK_BYTES);
	free((void *)results->by_datagram);
	free(results->by_id);
	free(results->block_next);
	free(results->entries);
	free(results);
}

/* --- the tables (under the shard's lock) --- */

static uint32_t *id_bucket(struct results *results, uint64_t id_hash)
{
	return &results->by_id[id_hash & results->mask];
}

static _Atomic uint64_t *datagram_bucket(const struct results *results, uint64_t hash)
{
	return &results->by_datagram[hash & results->mask];
}

static uint32_t first_in(const _Atomic uint64_t *bucket)
{
	return (uint32_t)atomic_load_explicit(bucket, memory_order_relaxed);
}

/* Whose first one is to be this. */
static void write_bucket(struct results *results, _Atomic uint64_t *bucket, uint32_t first)
{
	uint64_t bits = 0;

	for (uint32_t i = first; i != RESULTS_NONE; i = results->entries[i].datagram_next)
		bits |= bit_of(results->entries[i].hash);
	atomic_store_explicit(bucket, bits | first, memory_order_relaxed);
}

void pool_link(struct result *result)
{
	uint32_t *id_head = id_bucket(result->results, result->id_hash);
	_Atomic uint64_t *bucket = datagram_bucket(result->results, result->hash);

	result->id_next = *id_head;
	*id_head = index_of(result);
	result->datagram_next = first_in(bucket);
	write_bucket(result->results, bucket, index_of(result));
}

void pool_unlink(struct result *result)
{
	struct results *results = result->results;
	struct result *entries = results->entries;
	_Atomic uint64_t *bucket = datagram_bucket(results, result->hash);
	uint32_t *at = id_bucket(results, result->id_hash), index = index_of(result), first = first_in(bucket);

	while (*at != index)
		at = &entries[*at].id_next;
	*at = result->id_next;
	at = &first;
	while (*at != index)
		at = &entries[*at].datagram_next;
	*at = result->datagram_next;
	write_bucket(results, bucket, first);
}

void pool_expect(const struct results *results, uint64_t hash)
{
	__builtin_prefetch(&results->by_datagram[hash & results->mask], 1);
}

bool pool_lacks(const struct results *results, uint64_t hash)
{
	return (atomic_load_explicit(datagram_bucket(results, hash), memory_order_relaxed) & bit_of(hash)) == 0;
}

struct result *pool_find_id(struct results *results, const uint8_t *id, uint64_t id_hash)
{
	for (uint32_t i = *id_bucket(results, id_hash); i != RESULTS_NONE; i = results->entries[i].id_next)
		if (memcmp(results->entries[i].id, id, NATIVE_ID_BYTES) == 0)
			return &results->entries[i];
	return NULL;
}

struct result *pool_find_datagram(struct results *results, const struct claim_key *key, uint64_t hash)
{
	for (uint32_t i = first_in(datagram_bucket(results, hash)); i != RESULTS_NONE;
	     i = results->entries[i].datagram_next) {
		struct result *result = &results->entries[i];
		if (result->hash == hash && memcmp(&result->key, key, sizeof *key) == 0)
			return result;
	}
	return NULL;
}

bool pool_expired(const struct result *result, uint64_t now_ms)
{
	uint64_t expires_ms = atomic_load_explicit(&result->expires_ms, memory_order_relaxed);

	return expires_ms != 0 && expires_ms <= now_ms;
}

/* --- the pool --- */

void pool_rest(struct result *result)
{
	struct results *results = result->results;

	pthread_mutex_lock(&results->pool_lock);
	result->idle = result->read ? IDLE_READ : IDLE_UNREAD;
	struct idle_list *list = &results->idle[result->idle];
	result->idle_prev = list->last;
	result->idle_next = RESULTS_NONE;
	if (list->last == RESULTS_NONE)
		list->first = index_of(result);
	else
		results->entries[list->last].idle_next = index_of(result);
	list->last = index_of(result);
	results->block_idle_cnt += result->block_cnt;
	pthread_mutex_unlock(&results->pool_lock);
}

/* Under the pool's lock.  False: it is on no list. */
static bool leave_idle(struct result *result)
{
	struct results *results = result->results;
	struct idle_list *list = &results->idle[result->idle];

	if (result->idle == IDLE_NOT)
		return false;
	if (result->idle_prev == RESULTS_NONE)
		list->first = result->idle_next;
	else
		results->entries[result->idle_prev].idle_next = result->idle_next;
	if (result->idle_next == RESULTS_NONE)
		list->last = result->idle_prev;
	else
		results->entries[result->idle_next].idle_prev = result->idle_prev;
	result->idle = IDLE_NOT;
	results->block_idle_cnt -= result->block_cnt;
	return true;
}

bool pool_hold(struct result *result)
{
	pthread_mutex_lock(&result->results->pool_lock);
	bool stays = leave_idle(result);
	pthread_mutex_unlock(&result->results->pool_lock);
	return stays;
}

/* An entry that is in no table any more, with its blocks. */
static void give(struct result *result)
{
	struct results *results = result->results;

	atomic_store_explicit(&result->expires_ms, 0, memory_order_relaxed);
	pool_count(&results->kept, (uint64_t)-1);
	pthread_mutex_lock(&results->pool_lock);
	results->block_next[result->last_block] = results->block_free;
	results->block_free = result->first_block;
	results->block_free_cnt += result->block_cnt;
	result->idle_next = results->entry_free;
	results->entry_free = index_of(result);
	pthread_mutex_unlock(&results->pool_lock);
}

/* One that was taken off its idle list. */
static void let_go(struct result *result)
{
	uint64_t hash = result->hash;

	pool_lock(result->results, hash);
	pool_unlink(result);
	pool_unlock(result->results, hash);
	give(result);
}

/* False: nothing is idle. */
static bool evict(struct results *results)
{
	pthread_mutex_lock(&results->pool_lock);
	uint32_t index = results->idle[IDLE_READ].first;
	if (index == RESULTS_NONE)
		index = results->idle[IDLE_UNREAD].first;
	bool any = index != RESULTS_NONE && leave_idle(&results->entries[index]);
	pthread_mutex_unlock(&results->pool_lock);
	if (!any)
		return false;
	pool_count(&results->evicted, 1);
	pool_count(&results->evicted_unread, !results->entries[index].read);
	pool_read(&results->entries[index]);
	let_go(&results->entries[index]);
	return true;
}

/* Under the pool's lock.  RESULTS_NONE when all are used. */
static uint32_t pop_block(struct results *results)
{
	uint32_t block = results->block_free;

	if (block != RESULTS_NONE) {
		results->block_free = results->block_next[block];
		results->block_free_cnt--;
	}
	return block;
}

uint32_t pool_take_block(struct results *results)
{
	uint32_t block;

	do {
		pthread_mutex_lock(&results->pool_lock);
		block = pop_block(results);
		pthread_mutex_unlock(&results->pool_lock);
	} while (block == RESULTS_NONE && evict(results));
	return block;
}

struct result *pool_take(struct results *results)
{
	struct result *result = NULL;
	bool room;

	do {
		pthread_mutex_lock(&results->pool_lock);
		room = results->block_free_cnt + results->block_idle_cnt > results->block_cnt / 4;
		if (room && results->entry_free != RESULTS_NONE && results->block_free != RESULTS_NONE) {
			result = &results->entries[results->entry_free];
			if (results->entry_free >= results->touched_cnt)
				results->touched_cnt = results->entry_free + 1;
			results->entry_free = result->idle_next;
			result->first_block = result->last_block = pop_block(results);
			if (results->entry_free != RESULTS_NONE)
				expect(&results->entries[results->entry_free], sizeof *result);
		}
		pthread_mutex_unlock(&results->pool_lock);
	} while (result == NULL && room && evict(results));
	return result;
}

void results_tend(struct results *results, uint64_t now_ms)
{
	pthread_mutex_lock(&results->pool_lock);
	uint32_t touched_cnt = results->touched_cnt;
	pthread_mutex_unlock(&results->pool_lock);
	for (uint32_t i = 0; i < touched_cnt; i++) {
		struct result *result = &results->entries[i];
		if (!pool_expired(result, now_ms))
			continue;
		pthread_mutex_lock(&results->pool_lock);
		bool ours = pool_expired(result, now_ms) && leave_idle(result);
		pthread_mutex_unlock(&results->pool_lock);
		if (!ours)
			continue; /* somebody reads it: it goes when nobody does any more */
		pool_count(&results->expired_unread, !result->read);
		pool_read(result);
		let_go(result);
	}
}
