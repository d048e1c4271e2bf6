// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "results_fixture.h"

static struct result *begin(struct results *results, unsigned number)
{
	struct results_new new = datagram(number);
	struct result *result = NULL;

	CHECK_EQ(results_begin(results, &result, &new), REASON_OK);
	CHECK_NEED(result != NULL);
	return result;
}

/* One that is over: `blocks` blocks, and its id. */
static void keep(struct results *results, unsigned number, size_t blocks, uint8_t id[NATIVE_ID_BYTES])
{
	struct result *result = begin(results, number);

	memcpy(id, result_id(result), NATIVE_ID_BYTES);
	for (size_t i = 0; i < blocks; i++)
		CHECK_EQ(append(result, number, BLOCK), BLOCK);
	result_end(&result, REASON_OK, true);
	CHECK(result == NULL);
}

static struct result *find(struct results *results, const uint8_t id[NATIVE_ID_BYTES])
{
	return pool_find_id(results, id, hash_of(id));
}

static bool is_there(struct results *results, const uint8_t id[NATIVE_ID_BYTES])
{
	struct result_reader reader = {0};
	bool there = results_open(results, &reader, id);

	if (there)
		result_close(&reader);
	return there;
}

static void read_all(struct results *results, unsigned number, const uint8_t id[NATIVE_ID_BYTES])
{
	struct result_reader reader = {0};

	CHECK_NEED(results_open(results, &reader, id));
	while (read_some(&reader, number, 10000) > 0)
		;
	CHECK_EQ(result_wait(&reader), RESULT_OVER);
	CHECK(!result_close(&reader));
}

TEST(what_is_written_is_what_is_read)
{
	struct results *results = make(4, 64, 64);
	struct result_reader reader = {0};
	struct results_stats stats;

	random_start("results");
	struct result *result = begin(results, 7);
	CHECK(results_open(results, &reader, result_id(result)));
	for (uint64_t written = 0, got = 0; written < 50 * BLOCK;) {
		written += append(result, 7, random_below(10000));
		got += read_some(&reader, 7, random_below(10000));
		CHECK(got <= written && got == reader.offset);
	}
	while (read_some(&reader, 7, 10000) > 0)
		;
	CHECK_EQ(reader.offset, result->bytes);
	results_stats(results, &stats);
	CHECK_EQ(stats.running, 1);
	CHECK_EQ(stats.bytes, (result->bytes + BLOCK - 1) / BLOCK * BLOCK);
	result_end(&result, REASON_OK, true);
	CHECK_EQ(result_wait(&reader), RESULT_OVER);
	read_all(results, 7, reader.result->id); /* from the beginning, beside the other */
	CHECK(!result_close(&reader));
	result_end(&result, REASON_OK, true); /* harmless */
	finish_test(results);
}

TEST(a_block_that_is_just_full_needs_no_next_one)
{
	struct results *results = make(4, 4, 4);
	struct result_reader reader = {0};
	struct result *result = begin(results, 1);

	CHECK(results_open(results, &reader, result_id(result)));
	CHECK_EQ(append(result, 1, BLOCK), BLOCK);
	CHECK_EQ(result->block_cnt, 1);
	CHECK_EQ(read_some(&reader, 1, BLOCK), BLOCK);
	CHECK_EQ(read_some(&reader, 1, 1), 0);
	CHECK_EQ(append(result, 1, 1), 1);
	CHECK_EQ(result->block_cnt, 2);
	CHECK_EQ(read_some(&reader, 1, BLOCK), 1);
	CHECK_EQ(append(result, 1, 0), 0);
	result_end(&result, REASON_OK, true);
	result_close(&reader);
	finish_test(results);
}

/* --- waiting --- */

TEST(who_waits_is_mailed_once)
{
	struct results *results = make(4, 64, 64);
	struct result *result = begin(results, 1);
	static struct waiter a, b, c;

	wait_here(&a);
	wait_here(&b);
	wait_here(&c);
	CHECK(results_open(results, &a.reader, result_id(result)));
	CHECK(results_open(results, &b.reader, result_id(result)));
	CHECK(results_open(results, &c.reader, result_id(result)));
	CHECK_EQ(result_wait(&a.reader), RESULT_WAIT);
	CHECK_EQ(result_wait(&b.reader), RESULT_WAIT);
	CHECK_EQ(result_wait(&c.reader), RESULT_WAIT);
	CHECK(!mailed(&a) && !mailed(&b));
	CHECK(result_close(&b.reader)); /* from the middle of those who wait */
	CHECK_EQ(append(result, 1, 10), 10);
	CHECK(mailed(&a) && !mailed(&b) && mailed(&c));
	CHECK_EQ(append(result, 1, 10), 10);
	CHECK(!mailed(&a) && !mailed(&c)); /* did not wait again */
	CHECK_EQ(result_wait(&a.reader), RESULT_MORE);
	CHECK_EQ(read_some(&a.reader, 1, 15), 15);
	CHECK_EQ(result_wait(&a.reader), RESULT_MORE);
	CHECK_EQ(read_some(&a.reader, 1, 15), 5);
	CHECK_EQ(result_wait(&a.reader), RESULT_WAIT);
	CHECK_EQ(append(result, 1, 0), 0);
	CHECK(!mailed(&a)); /* nothing came */
	result_end(&result, UPSTREAM_FAILED, false);
	CHECK(!result_close(&a.reader)); /* too late: it is mailed */
	CHECK(mailed(&a));
	CHECK_EQ(read_some(&c.reader, 1, 100), 20);
	CHECK_EQ(result_wait(&c.reader), RESULT_OVER);
	struct result_state state;
	result_look(&c.reader, &state);
	CHECK(state.ended && !state.whole && state.reason == UPSTREAM_FAILED);
	CHECK(!result_close(&c.reader));
	CHECK(!mailed(&b) && !mailed(&c));
	mailbox_fini(&a.box);
	mailbox_fini(&b.box);
	mailbox_fini(&c.box);
	finish_test(results);
}

TEST(an_end_without_a_byte_is_told_too)
{
	struct results *results = make(4, 4, 4);
	struct result *result = begin(results, 1);
	static struct waiter waiter;
	struct result_state state;

	wait_here(&waiter);
	CHECK(results_open(results, &waiter.reader, result_id(result)));
	result_look(&waiter.reader, &state);
	CHECK(!state.ended && state.place == 0);
	result_place(result, 12);
	result_look(&waiter.reader, &state);
	CHECK_EQ(state.place, 12);
	CHECK_BYTES(state.id, result_id(result), NATIVE_ID_BYTES);
	CHECK_EQ(result_wait(&waiter.reader), RESULT_WAIT);
	result_end(&result, QUEUE_TIMEOUT, false);
	CHECK(mailed(&waiter));
	CHECK_EQ(result_wait(&waiter.reader), RESULT_OVER);
	result_look(&waiter.reader, &state);
	CHECK(state.ended && state.reason == QUEUE_TIMEOUT);
	CHECK(!result_close(&waiter.reader));
	mailbox_fini(&waiter.box);
	finish_test(results);
}

/* --- room --- */

TEST(what_was_read_leaves_first_then_what_ended_first)
{
	enum { CNT = 6 };
	static const unsigned order[] = {4, 1, 0, 2, 3, 5}; /* 4, then 1 were read; the others as they ended */
	struct results *results = make(CNT, 64, 64);
	struct result_reader half = {0};
	uint8_t ids[CNT][NATIVE_ID_BYTES], more[NATIVE_ID_BYTES];
	struct results_stats stats;

	for (unsigned i = 0; i < CNT; i++)
		keep(results, i, 2, ids[i]);
	read_all(results, 4, ids[4]);
	read_all(results, 1, ids[1]);
	for (unsigned gone = 0; gone < CNT; gone++) {
		for (unsigned i = 0; i < CNT; i++) {
			bool there = false;
			for (unsigned k = gone; k < CNT; k++)
				there |= order[k] == i;
			CHECK_EQ(find(results, ids[i]) != NULL,
				 there); /* opening it would put it to the end of its list */
		}
		keep(results, 100 + gone, 1, more);
	}
	results_stats(results, &stats);
	CHECK_EQ(stats.evicted, CNT);
	CHECK_EQ(stats.evicted_unread, CNT - 2);
	CHECK_EQ(stats.kept, CNT);

	/* who read only a part of it may come back */
	CHECK(results_open(results, &half, more));
	CHECK_EQ(read_some(&half, 100 + CNT - 1, 100), 100);
	CHECK(!result_close(&half));
	CHECK(!find(results, more)->read);
	finish_test(results);
}

TEST(what_runs_or_is_read_stays)
{
	struct results *results = make(3, 64, 64);
	struct results_new new = datagram(4);
	struct result_reader reader = {0};
	uint8_t id[NATIVE_ID_BYTES];
	struct result *a = begin(results, 1), *b = begin(results, 2), *c = NULL;
	struct results_stats stats;

	keep(results, 3, 1, id);
	CHECK(results_open(results, &reader, id));
	CHECK_EQ(results_begin(results, &c, &new), RESULTS_FULL);
	CHECK(c == NULL);
	result_close(&reader);
	CHECK_EQ(results_begin(results, &c, &new), REASON_OK);
	CHECK(!is_there(results, id));
	results_stats(results, &stats);
	CHECK_EQ(stats.full, 1);
	CHECK_EQ(stats.running, 3);
	result_end(&a, REASON_OK, true);
	result_end(&b, REASON_OK, true);
	result_end(&c, REASON_OK, true);
	finish_test(results);
}

TEST(a_quarter_is_for_those_that_run)
{
	struct results *results = make(64, 16, 16);
	struct result *running[16] = {0}, *more = NULL;
	struct results_new new = datagram(99);
	uint8_t id[NATIVE_ID_BYTES];
	unsigned cnt = 0;

	keep(results, 50, 3, id); /* may go, so it counts as free */
	while (cnt < 16) {
		new = datagram(cnt);
		if (results_begin(results, &running[cnt], &new) != REASON_OK)
			break;
		cnt++;
	}
	CHECK_EQ(cnt, 12);
	/* the first grows into what is left, then waits for the others */
	CHECK_EQ(append(running[0], 0, 2 * BLOCK), 2 * BLOCK);
	CHECK_EQ(append(running[0], 0, 2 * BLOCK), 2 * BLOCK);
	CHECK(!is_there(results, id));
	CHECK_EQ(append(running[0], 0, BLOCK), BLOCK);
	CHECK_EQ(append(running[0], 0, 1), 0);
	CHECK(!result_full(running[0]));
	CHECK_EQ(results_begin(results, &more, &new), RESULTS_FULL);
	result_end(&running[1], REASON_OK, true);
	CHECK_EQ(append(running[0], 0, BLOCK + 1), BLOCK);
	for (unsigned i = 0; i < cnt; i++)
		result_end(&running[i], REASON_OK, true);
	finish_test(results);
}

TEST(no_result_is_longer_than_one_may_be)
{
	struct results_config config = {
		.entries = 4, .bytes = 64 * BLOCK, .result_bytes_max = BLOCK + 100, .keep_ms = 1};
	struct results *results = results_init(&config);

	CHECK_NEED(results != NULL);
	struct result *result = begin(results, 1);
	CHECK_EQ(append(result, 1, BLOCK), BLOCK);
	CHECK(!result_full(result));
	CHECK_EQ(append(result, 1, 101), 100);
	CHECK(result_full(result));
	CHECK_EQ(append(result, 1, 1), 0);
	result_end(&result, UPSTREAM_LARGE, false);
	finish_test(results);
}

TEST(configurations_without_room_are_none)
{
	static const struct results_config configs[] = {
		{.entries = 0, .bytes = 1 << 20, .keep_ms = 1},
		{.entries = RESULTS_NONE, .bytes = 1 << 20, .keep_ms = 1},
		{.entries = 1, .bytes = BLOCK - 1, .keep_ms = 1},
		{.entries = 1, .bytes = (size_t)RESULTS_NONE * BLOCK, .keep_ms = 1},
		{.entries = 1, .bytes = 1 << 20, .keep_ms = 0},
	};

	for (size_t i = 0; i < sizeof configs / sizeof *configs; i++)
		CHECK(results_init(&configs[i]) == NULL);
	struct results *results = results_init(&(struct results_config){.entries = 1, .bytes = BLOCK, .keep_ms = 1});
	CHECK_NEED(results != NULL);
	struct result *result = begin(results, 1);
	CHECK_EQ(append(result, 1, BLOCK), BLOCK);
	CHECK(result_full(result));
	result_end(&result, REASON_OK, true);
	finish_test(results);
	results_fini(NULL);
}

/* --- time --- */

TEST(kept_so_long_and_not_longer)
{
	struct results *results = make(4, 64, 64);
	struct result_reader reader = {0};
	struct results_stats stats;
	uint8_t read[NATIVE_ID_BYTES], unread[NATIVE_ID_BYTES], pinned[NATIVE_ID_BYTES];

	struct result *running = begin(results, 0);
	keep(results, 1, 1, read);
	keep(results, 2, 1, unread);
	keep(results, 3, 1, pinned);
	uint64_t now_ms = clock_coarse_ms();
	results_tend(results, now_ms + KEEP_MS / 2);
	CHECK(is_there(results, read) && is_there(results, unread) && is_there(results, pinned));
	read_all(results, 1, read);
	CHECK(results_open(results, &reader, pinned));
	results_tend(results, now_ms + KEEP_MS + 1);
	CHECK(!is_there(results, read) && !is_there(results, unread));
	CHECK(is_there(results, result_id(running))); /* has no age yet */
	results_stats(results, &stats);
	CHECK_EQ(stats.kept, 2);
	CHECK_EQ(stats.expired_unread, 1);
	CHECK_EQ(read_some(&reader, 3, BLOCK), BLOCK); /* while somebody reads it, it is there */
	result_close(&reader);
	result_end(&running, REASON_OK, true);
	finish_test(results);
}

static uint64_t unread(struct results *results)
{
	struct results_stats stats;

	results_stats(results, &stats);
	return stats.unread;
}

TEST(what_is_still_to_be_fetched_is_known)
{
	struct results *results = make(4, 64, 64);
	struct result_reader reader = {0};
	uint8_t first[NATIVE_ID_BYTES], second[NATIVE_ID_BYTES];

	struct result *running = begin(results, 0);
	keep(results, 1, 1, first);
	keep(results, 2, 1, second);
	CHECK_EQ(unread(results), 3);
	read_all(results, 1, first);
	read_all(results, 1, first);
	CHECK_EQ(unread(results), 2); /* once is enough */
	CHECK(results_open(results, &reader, second));
	read_some(&reader, 2, BLOCK / 2);
	result_close(&reader);
	CHECK_EQ(unread(results), 2); /* half is not */
	result_end(&running, REASON_OK, true);
	CHECK_EQ(unread(results), 2);
	results_tend(results, clock_coarse_ms() + KEEP_MS + 1);
	CHECK_EQ(unread(results), 0);
	finish_test(results);
}

TEST(expired_is_unknown_before_anybody_swept)
{
	struct results_config config = {.entries = 4, .bytes = 16 * BLOCK, .keep_ms = 1};
	struct results *results = results_init(&config);
	struct result_reader reader = {0};
	struct results_new new = datagram(1);
	struct results_stats stats;
	struct result_state state;
	uint8_t id[NATIVE_ID_BYTES];

	CHECK_NEED(results != NULL);
	struct result *result = begin(results, 2);
	CHECK(results_open(results, &reader, result_id(result)));
	keep(results, 1, 1, id);
	result_end(&result, REASON_OK, true);
	usleep(30000);
	CHECK(!is_there(results, id));
	CHECK(!results_repeat(results, &new.key, new.datagram_hash, &new.source, &state));
	results_stats(results, &stats);
	CHECK_EQ(stats.kept, 2);
	CHECK_EQ(append(reader.result, 2, 0), 0);
	result_close(&reader);
	CHECK(!is_there(results, id));
	finish_test(results);
}

/* --- ids and repeats --- */

TEST(only_the_exact_id_opens)
{
	struct results *results = make(4, 16, 16);
	uint8_t id[NATIVE_ID_BYTES], zero[NATIVE_ID_BYTES] = {0};

	keep(results, 1, 1, id);
	CHECK(is_there(results, id));
	CHECK(!is_there(results, zero));
	for (unsigned bit = 0; bit < 8 * NATIVE_ID_BYTES; bit++) {
		id[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK(!is_there(results, id));
		id[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	CHECK(is_there(results, id));
	finish_test(results);
}

TEST(ids_do_not_come_again)
{
	enum { CNT = 4096 };
	struct results *results = make(CNT, CNT * 2, 1);
	struct result *all[CNT];
	unsigned ones[8 * NATIVE_ID_BYTES] = {0};

	for (unsigned i = 0; i < CNT; i++) {
		all[i] = begin(results, i);
		CHECK_EQ(result_id(all[i])[0] % RESULTS_SHARD_CNT, all[i]->hash % RESULTS_SHARD_CNT);
		for (unsigned bit = 0; bit < 8 * NATIVE_ID_BYTES; bit++)
			ones[bit] += result_id(all[i])[bit / 8] >> bit % 8 & 1;
	}
	for (unsigned i = 0; i < CNT; i++)
		CHECK(pool_find_id(results, result_id(all[i]), all[i]->id_hash) == all[i]);
	for (unsigned bit = 0; bit < 8 * NATIVE_ID_BYTES; bit++) /* half of 4096, within ten deviations of 32 */
		CHECK(ones[bit] > 2048 - 320 && ones[bit] < 2048 + 320);
	for (unsigned i = 0; i < CNT; i++)
		result_end(&all[i], REASON_OK, true);
	finish_test(results);
}

TEST(a_repeat_is_the_same_datagram_from_the_same_place)
{
	struct results *results = make(8, 64, 64);
	struct results_new new = datagram(1), other = datagram(1);
	struct result_state state = {0};
	struct result *result = begin(results, 1), *again = NULL;

	result_place(result, 3);
	CHECK(results_repeat(results, &new.key, new.datagram_hash, &new.source, &state));
	CHECK(state.place == 3 && !state.ended && memcmp(state.id, result_id(result), NATIVE_ID_BYTES) == 0);
	other.source.s6_addr[0] ^= 1;
	CHECK(!results_repeat(results, &new.key, new.datagram_hash, &other.source, &state));
	other.key.nonce.at[0] ^= 1;
	CHECK(!results_repeat(results, &other.key, new.datagram_hash, &new.source, &state));
	CHECK(!results_repeat(results, &new.key, new.datagram_hash + 1, &new.source, &state));
	CHECK(!results_repeat(results, &new.key, new.datagram_hash + results->mask + 1, &new.source, &state));
	CHECK_EQ(results_begin(results, &again, &other), REASON_OK); /* the hashes agree, the payments do not */
	CHECK(results_repeat(results, &new.key, new.datagram_hash, &new.source, &state));
	CHECK_BYTES(state.id, result_id(result), NATIVE_ID_BYTES);
	result_end(&again, REASON_OK, true);

	result_end(&result, REASON_OK, true);
	CHECK(results_repeat(results, &new.key, new.datagram_hash, &new.source, &state));
	CHECK(state.ended && state.whole && state.reason == REASON_OK);
	finish_test(results);
}

static void let_one_go(struct results *results, struct result **result)
{
	result_end(result, REASON_OK, true);
	results_tend(results, clock_coarse_ms() + KEEP_MS + 1);
}

/* Every order of three in one bucket: who is there is found, and who left is not even looked for. */
TEST(what_share_a_bucket_leave_in_any_order)
{
	static const unsigned orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	struct results *results = make(3, 64, 64);
	struct result_state state;

	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
		struct results_new new[3];
		struct result *all[3];
		for (unsigned k = 0; k < 3; k++) {
			new[k] = datagram(k);
			new[k].datagram_hash = (uint64_t)(k < 2 ? k : 31) << 59 | 5;
			CHECK_EQ(results_begin(results, &all[k], &new[k]), REASON_OK);
		}
		for (unsigned gone = 0; gone <= 3; gone++) {
			for (unsigned k = 0; k < 3; k++) {
				CHECK_EQ(pool_lacks(results, new[k].datagram_hash), all[k] == NULL);
				CHECK_EQ(results_repeat(results, &new[k].key, new[k].datagram_hash, &new[k].source,
							&state),
					 all[k] != NULL);
			}
			CHECK(pool_lacks(results, (uint64_t)17 << 59 | 5));
			if (gone < 3)
				let_one_go(results, &all[orders[i][gone]]);
		}
	}
	finish_test(results);
}

TEST(what_failed_may_be_tried_again)
{
	struct results *results = make(8, 64, 64);
	struct results_new new = datagram(1);
	struct result_state state;
	struct result *result = begin(results, 1);
	uint8_t first[NATIVE_ID_BYTES];

	memcpy(first, result_id(result), sizeof first);
	result_end(&result, UPSTREAM_DOWN, true);
	CHECK(results_repeat(results, &new.key, new.datagram_hash, &new.source, &state));
	CHECK_EQ(state.reason, UPSTREAM_DOWN);
	result = begin(results, 1);
	CHECK(results_repeat(results, &new.key, new.datagram_hash, &new.source, &state));
	CHECK(!state.ended && memcmp(state.id, result_id(result), NATIVE_ID_BYTES) == 0); /* the newer one */
	CHECK(is_there(results, first));
	result_end(&result, REASON_OK, true);
	CHECK(results_repeat(results, &new.key, new.datagram_hash, &new.source, &state));
	CHECK_EQ(state.reason, REASON_OK);
	CHECK(is_there(results, first));
	finish_test(results);
}

CHECK_MAIN
