/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_RESULTS_POOL_H
#define TOLLBAR_RESULTS_POOL_H
/* results_pool.h: where results are kept: entries, the blocks their bytes are in, two tables to find them by, and which of
 * them may go when room is needed.  results.c has what is done with one; nobody else includes this.
 *
 * A shard's lock covers the results whose datagram hash falls to it: their place in both tables, who reads them and who
 * waits, and their end.  The shard's number is also in the id, so one lock serves either way of finding a result.  The
 * pool's lock is taken inside a shard's, never around one: it covers what is free, and the lists of idle results (ended,
 * without readers).  Whoever takes a result off its idle list is alone with it, and may let it go. */
#include <pthread.h>
#include <stdatomic.h>

#include "results.h"

#define RESULTS_BLOCK_BYTES 4096
#define RESULTS_SHARD_CNT 64 /* a bucket's number ends with its shard's */
#define RESULTS_NONE UINT32_MAX

enum idle { IDLE_NOT, IDLE_UNREAD, IDLE_READ, IDLE_CNT };

struct result {
	struct results *results;
	/* constant while it is in the tables */
	uint8_t id[NATIVE_ID_BYTES];
	uint64_t id_hash, hash; /* hash: of its datagram */
	struct claim_key key;
	struct in6_addr source;
	uint32_t first_block;
	/* the producer's */
	uint32_t last_block, block_cnt;
	/* anybody's to look at */
	_Atomic uint64_t bytes; /* that may be read; grows under the shard's lock */
	_Atomic uint32_t place;
	_Atomic uint64_t expires_ms; /* 0: has not ended */
	/* (shard) */
	uint32_t id_next, datagram_next;
	unsigned reader_cnt;
	struct result_reader *waiting;
	enum reason reason;
	bool ended, whole;
	bool read; /* somebody had all of it */
	/* (pool) */
	enum idle idle;
	uint32_t idle_prev, idle_next; /* idle_next also of the free list */
};

struct idle_list {
	uint32_t first, last;
};

struct results {
	struct {
		pthread_mutex_t lock;
	} __attribute__((aligned(64))) shards[RESULTS_SHARD_CNT];
	struct result *entries;
	uint32_t entry_cnt, block_cnt;
	uint64_t mask, result_bytes_max, keep_ms;
	uint8_t *blocks;
	uint32_t *block_next;
	uint32_t *by_id;
	_Atomic uint64_t *by_datagram; /* read without a lock to see that there is nothing: results_pool.c */

	pthread_mutex_t pool_lock __attribute__((aligned(64)));
	struct idle_list idle[IDLE_CNT];
	uint32_t entry_free, block_free;
	uint32_t touched_cnt;			 /* entries that were ever used: those in front */
	uint32_t block_free_cnt, block_idle_cnt; /* idle: of idle results */
	_Atomic uint64_t running, kept, unread, begun, full, evicted, evicted_unread, expired_unread;
};

static inline void pool_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* Whoever was to have it had it, or never will. */
static inline void pool_read(struct result *result)
{
	if (!result->read)
		pool_count(&result->results->unread, (uint64_t)-1);
	result->read = true;
}

static inline uint8_t *pool_block(const struct results *results, uint32_t block)
{
	return results->blocks + (size_t)block * RESULTS_BLOCK_BYTES;
}

/* hash: of the datagram, or of the id. */
void pool_lock(struct results *results, uint64_t hash);
void pool_unlock(struct results *results, uint64_t hash);

/* --- under the shard's lock --- */

void pool_link(struct result *result);
void pool_unlink(struct result *result);
struct result *pool_find_id(struct results *results, const uint8_t *id, uint64_t id_hash);
/* The newest of those that began with this datagram. */
struct result *pool_find_datagram(struct results *results, const struct claim_key *key, uint64_t hash);
/* Ended and without a reader: may go when its room is needed. */
void pool_rest(struct result *result);
/* May not go: it gets a reader.  False: it is being let go. */
bool pool_hold(struct result *result);
bool pool_expired(const struct result *result, uint64_t now_ms);

/* --- outside of any lock --- */

/* pool_lacks will be asked about it soon. */
void pool_expect(const struct results *results, uint64_t hash);
/* Nothing began with a datagram of this hash: a load.  May be wrong for a result that another thread begins or lets go of
 * just now. */
bool pool_lacks(const struct results *results, uint64_t hash);
/* An entry with its first block, in no table; or NULL.  Makes room. */
struct result *pool_take(struct results *results);
/* One more block, or RESULTS_NONE.  Makes room. */
uint32_t pool_take_block(struct results *results);
#endif
