// SPDX-License-Identifier: Apache-2.0
#include "results.h"

#include <endian.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/clock.h"
#include "results_pool.h"

/* --- who waits --- */

static void wake(struct result_reader *reader)
{
	for (struct result_reader *next; reader != NULL; reader = next) {
		next = reader->next; /* mailed, it is its owner's */
		mailbox_push(reader->box, &reader->mail);
	}
}

/* Under the shard's lock: everybody; to be woken outside. */
static struct result_reader *take_waiting(struct result *result)
{
	struct result_reader *first = result->waiting;

	for (struct result_reader *reader = first; reader != NULL; reader = reader->next)
		reader->waiting = false;
	result->waiting = NULL;
	return first;
}

static void stop_waiting(struct result_reader *reader)
{
	reader->waiting = false;
	*reader->at = reader->next;
	if (reader->next != NULL)
		reader->next->at = reader->at;
}

/* --- the producer --- */

/* An id is random already; its first byte, and so the lowest bits of this, say the shard. */
static uint64_t hash_of(const uint8_t id[NATIVE_ID_BYTES])
{
	uint64_t hash;

	memcpy(&hash, id, sizeof hash);
	return le64toh(hash);
}

/* Each thread draws the kernel's randomness for several ids at a time, and none of it stays when it was used. */
static void draw_id(uint8_t id[NATIVE_ID_BYTES])
{
	static _Thread_local struct {
		uint8_t bytes[16 * NATIVE_ID_BYTES];
		size_t left;
	} drawn;

	if (drawn.left == 0) {
		ssize_t got = getrandom(drawn.bytes, sizeof drawn.bytes, 0);
		ASSERT(got == (ssize_t)sizeof drawn.bytes); /* so few are never cut short, and results_init had some */
		drawn.left = sizeof drawn.bytes;
	}
	drawn.left -= NATIVE_ID_BYTES;
	memcpy(id, &drawn.bytes[drawn.left], NATIVE_ID_BYTES);
	explicit_bzero(&drawn.bytes[drawn.left], NATIVE_ID_BYTES);
}

static void fill(struct result *result, const struct results_new *new)
{
	uint64_t shard = new->datagram_hash % RESULTS_SHARD_CNT;

	draw_id(result->id);
	result->id[0] = (uint8_t)(result->id[0] / RESULTS_SHARD_CNT * RESULTS_SHARD_CNT + shard);
	result->id_hash = hash_of(result->id);
	result->hash = new->datagram_hash;
	result->key = new->key;
	result->source = new->source;
	result->block_cnt = 1;
	atomic_store_explicit(&result->bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&result->place, 0, memory_order_relaxed);
	result->reason = REASON_OK;
	result->ended = result->whole = result->read = false;
}

enum reason results_begin(struct results *results, struct result **out, const struct results_new *new)
{
	struct result *result = pool_take(results);

	*out = NULL;
	if (result == NULL) {
		pool_count(&results->full, 1);
		return RESULTS_FULL;
	}
	fill(result, new);
	pool_count(&results->kept, 1);
	pool_lock(results, result->hash);
	pool_link(result);
	pool_unlock(results, result->hash);
	pool_count(&results->running, 1);
	pool_count(&results->begun, 1);
	pool_count(&results->unread, 1);
	*out = result;
	return REASON_OK;
}

const uint8_t *result_id(const struct result *result)
{
	return result->id;
}

void result_place(struct result *result, uint32_t place)
{
	atomic_store_explicit(&result->place, place, memory_order_relaxed);
}

/* Is there room behind `end`, the producer's own count of bytes? */
static bool make_room(struct result *result, uint64_t end)
{
	struct results *results = result->results;

	if (end < (uint64_t)result->block_cnt * RESULTS_BLOCK_BYTES)
		return true;
	uint32_t block = pool_take_block(results);
	if (block == RESULTS_NONE)
		return false;
	results->block_next[result->last_block] = block;
	result->last_block = block;
	result->block_cnt++;
	return true;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Readers may have what is before `end`. */
static void publish(struct result *result, uint64_t end)
{
	pool_lock(result->results, result->hash);
	atomic_store_explicit(&result->bytes, end, memory_order_release);
	struct result_reader *waiting = take_waiting(result);
	pool_unlock(result->results, result->hash);
	wake(waiting);
}

size_t result_append(struct result *result, struct span bytes)
{
	uint64_t begin = atomic_load_explicit(&result->bytes, memory_order_relaxed), end = begin;

	bytes.bytes = least(bytes.bytes, (size_t)(result->results->result_bytes_max - begin));
	while (end - begin < bytes.bytes && make_room(result, end)) {
		size_t at = end % RESULTS_BLOCK_BYTES,
		       take = least(RESULTS_BLOCK_BYTES - at, bytes.bytes - (size_t)(end - begin));
		memcpy(pool_block(result->results, result->last_block) + at, bytes.at + (end - begin), take);
		end += take;
	}
	if (end > begin)
		publish(result, end);
	return (size_t)(end - begin);
}

bool result_full(const struct result *result)
{
	return atomic_load_explicit(&result->bytes, memory_order_relaxed) == result->results->result_bytes_max;
}

/* Under the shard's lock, when the producer left, or a reader. */
static void rest_if_idle(struct result *result)
{
	if (result->ended && result->reader_cnt == 0)
		pool_rest(result);
}

void result_end(struct result **ended, enum reason reason, bool whole)
{
	struct result *result = *ended;

	*ended = NULL;
	if (result == NULL)
		return;
	struct results *results = result->results;
	uint64_t hash = result->hash, expires_ms = clock_coarse_ms() + results->keep_ms;
	pool_count(&results->running, (uint64_t)-1);
	pool_lock(results, hash);
	result->ended = true;
	result->reason = reason;
	result->whole = whole;
	atomic_store_explicit(&result->expires_ms, expires_ms, memory_order_relaxed);
	struct result_reader *waiting = take_waiting(result);
	rest_if_idle(result);
	pool_unlock(results, hash);
	wake(waiting);
}

static void look(const struct result *result, struct result_state *state)
{
	memcpy(state->id, result->id, sizeof state->id);
	state->place = atomic_load_explicit(&result->place, memory_order_relaxed);
	state->reason = result->reason;
	state->ended = result->ended;
	state->whole = result->whole;
}

void results_expect(const struct results *results, uint64_t datagram_hash)
{
	pool_expect(results, datagram_hash);
}

bool results_repeat(struct results *results, const struct claim_key *key, uint64_t datagram_hash,
		    const struct in6_addr *source, struct result_state *state)
{
	if (pool_lacks(results, datagram_hash))
		return false;
	uint64_t now_ms = clock_coarse_ms();
	pool_lock(results, datagram_hash);
	const struct result *result = pool_find_datagram(results, key, datagram_hash);
	bool repeated =
		result != NULL && memcmp(&result->source, source, sizeof *source) == 0 && !pool_expired(result, now_ms);
	if (repeated)
		look(result, state);
	pool_unlock(results, datagram_hash);
	return repeated;
}

/* --- a reader --- */

/* Under the shard's lock: it stays while somebody reads.  False: it is being let go. */
static bool pin(struct result *result, uint64_t now_ms)
{
	if (pool_expired(result, now_ms))
		return false;
	if (result->ended && result->reader_cnt == 0 && !pool_hold(result))
		return false;
	result->reader_cnt++;
	return true;
}

bool results_open(struct results *results, struct result_reader *reader, const uint8_t id[NATIVE_ID_BYTES])
{
	uint64_t id_hash = hash_of(id), now_ms = clock_coarse_ms();

	ASSERT(reader->result == NULL && !reader->waiting);
	pool_lock(results, id_hash);
	struct result *result = pool_find_id(results, id, id_hash);
	if (result != NULL && !pin(result, now_ms))
		result = NULL;
	pool_unlock(results, id_hash);
	reader->result = result;
	reader->offset = 0;
	reader->block = result != NULL ? result->first_block : RESULTS_NONE;
	return result != NULL;
}

size_t result_read(struct result_reader *reader, uint8_t *out, size_t out_bytes)
{
	struct result *result = reader->result;
	uint64_t there = atomic_load_explicit(&result->bytes, memory_order_acquire) - reader->offset;
	size_t want = there < out_bytes ? (size_t)there : out_bytes, got = 0;

	while (got < want) {
		size_t at = reader->offset % RESULTS_BLOCK_BYTES, take = least(RESULTS_BLOCK_BYTES - at, want - got);
		if (at == 0 && reader->offset > 0)
			reader->block = result->results->block_next[reader->block];
		memcpy(out + got, pool_block(result->results, reader->block) + at, take);
		got += take;
		reader->offset += take;
	}
	return got;
}

enum result_wait result_wait(struct result_reader *reader)
{
	struct result *result = reader->result;
	enum result_wait answer = RESULT_WAIT;

	ASSERT(!reader->waiting);
	pool_lock(result->results, result->hash);
	if (atomic_load_explicit(&result->bytes, memory_order_relaxed) > reader->offset) {
		answer = RESULT_MORE;
	} else if (result->ended) {
		answer = RESULT_OVER;
	} else {
		reader->waiting = true;
		reader->next = result->waiting;
		reader->at = &result->waiting;
		if (reader->next != NULL)
			reader->next->at = &reader->next;
		result->waiting = reader;
	}
	pool_unlock(result->results, result->hash);
	return answer;
}

void result_look(const struct result_reader *reader, struct result_state *state)
{
	struct result *result = reader->result;

	pool_lock(result->results, result->hash);
	look(result, state);
	pool_unlock(result->results, result->hash);
}

bool result_close(struct result_reader *reader)
{
	struct result *result = reader->result;
	struct results *results = result->results;
	uint64_t hash = result->hash;

	pool_lock(results, hash);
	bool withdrawn = reader->waiting;
	if (withdrawn)
		stop_waiting(reader);
	if (result->ended && reader->offset == atomic_load_explicit(&result->bytes, memory_order_relaxed))
		pool_read(result);
	result->reader_cnt--;
	rest_if_idle(result);
	pool_unlock(results, hash);
	reader->result = NULL;
	return withdrawn;
}

/* --- what can be seen --- */

void results_stats(struct results *results, struct results_stats *stats)
{
	pthread_mutex_lock(&results->pool_lock);
	uint32_t used = results->block_cnt - results->block_free_cnt;
	pthread_mutex_unlock(&results->pool_lock);
	*stats = (struct results_stats){
		.running = atomic_load_explicit(&results->running, memory_order_relaxed),
		.kept = atomic_load_explicit(&results->kept, memory_order_relaxed),
		.bytes = (uint64_t)used * RESULTS_BLOCK_BYTES,
		.bytes_max = (uint64_t)results->block_cnt * RESULTS_BLOCK_BYTES,
		.begun = atomic_load_explicit(&results->begun, memory_order_relaxed),
		.full = atomic_load_explicit(&results->full, memory_order_relaxed),
		.evicted = atomic_load_explicit(&results->evicted, memory_order_relaxed),
		.unread = atomic_load_explicit(&results->unread, memory_order_relaxed),
		.evicted_unread = atomic_load_explicit(&results->evicted_unread, memory_order_relaxed),
		.expired_unread = atomic_load_explicit(&results->expired_unread, memory_order_relaxed),
	};
}
