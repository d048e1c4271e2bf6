// SPDX-License-Identifier: Apache-2.0
#ifndef TOLLBAR_TESTS_RESULTS_FIXTURE_H
#define TOLLBAR_TESTS_RESULTS_FIXTURE_H
/* results_fixture.h: a store of results for a test, whose every byte says which result it is of, and where in it.  Includes
 * results.c. */
#include "results.c"

#include "check.h"
#include "random.h"

#define BLOCK RESULTS_BLOCK_BYTES
#define KEEP_MS 60000

static struct results *make(size_t entries, size_t blocks, size_t result_blocks_max)
{
	struct results_config config = {.entries = entries,
					.bytes = blocks * BLOCK,
					.result_bytes_max = result_blocks_max * BLOCK,
					.keep_ms = KEEP_MS};
	struct results *results = results_init(&config);

	CHECK_NEED(results != NULL);
	return results;
}

static struct results_new datagram(unsigned number)
{
	struct results_new new = {.datagram_hash = number * UINT64_C(0x9e3779b97f4a7c15)};

	new.key.nonce.at[31] = (uint8_t)number;
	new.key.nonce.at[30] = (uint8_t)(number >> 8);
	new.source.s6_addr[15] = 1;
	return new;
}

static uint8_t byte_at(unsigned number, uint64_t offset)
{
	return (uint8_t)(number * 37 + offset * 31 + (offset >> 8) * 7);
}

static size_t append(struct result *result, unsigned number, size_t bytes)
{
	uint8_t piece[10000];
	uint64_t offset = atomic_load(&result->bytes);

	CHECK_NEED(bytes <= sizeof piece);
	for (size_t i = 0; i < bytes; i++)
		piece[i] = byte_at(number, offset + i);
	return result_append(result, span_of(piece, bytes));
}

static size_t read_some(struct result_reader *reader, unsigned number, size_t bytes)
{
	uint8_t out[10000];
	uint64_t offset = reader->offset;
	bool right = true;

	CHECK_NEED(bytes <= sizeof out);
	size_t got = result_read(reader, out, bytes);
	for (size_t i = 0; i < got; i++)
		right &= out[i] == byte_at(number, offset + i);
	CHECK(right);
	return got;
}

struct waiter {
	struct result_reader reader; /* first */
	struct mailbox box;
};

static void wait_here(struct waiter *waiter)
{
	*waiter = (struct waiter){.reader = {.box = &waiter->box}};
	CHECK_EQ(mailbox_init(&waiter->box), 0);
}

static bool mailed(struct waiter *waiter)
{
	struct mail *mail = mailbox_take(&waiter->box);

	CHECK(mail == NULL || (mail == &waiter->reader.mail && mail->next == NULL));
	return mail != NULL;
}

/* Lets everything go, and looks whether anything was lost on the way. */
static void finish_test(struct results *results)
{
	struct results_stats stats;

	results_tend(results, clock_coarse_ms() + KEEP_MS + 1);
	results_stats(results, &stats);
	CHECK_EQ(stats.running, 0);
	CHECK_EQ(stats.kept, 0);
	CHECK_EQ(stats.unread, 0); /* whichever way each went */
	CHECK_EQ(stats.bytes, 0);
	CHECK_EQ(results->block_idle_cnt, 0);
	size_t blocks = 0, entries = 0;
	for (uint32_t i = results->block_free; i != RESULTS_NONE; i = results->block_next[i])
		blocks++;
	for (uint32_t i = results->entry_free; i != RESULTS_NONE; i = results->entries[i].idle_next)
		entries++;
	CHECK_EQ(blocks, results->block_cnt);
	CHECK_EQ(entries, results->entry_cnt);
	for (uint64_t i = 0; i <= results->mask; i++)
		CHECK(results->by_id[i] == RESULTS_NONE && results->by_datagram[i] == (uint64_t)RESULTS_NONE);
	results_fini(results);
}

#endif
