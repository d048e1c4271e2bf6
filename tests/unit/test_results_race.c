// SPDX-License-Identifier: Apache-2.0
/* Many threads at one store of results: every byte that anybody reads is right, whatever is evicted meanwhile, and nothing
 * gets lost. */
#include <poll.h>
#include <unistd.h>

#include "results_fixture.h"

enum { WRITERS = 3, READERS = 3, SLOTS = 24, ROUNDS = 3000, ROUNDS_MAX = 100 * ROUNDS };

struct announced {
	uint8_t id[NATIVE_ID_BYTES];
	unsigned number;
};

static struct {
	struct results *results;
	pthread_mutex_t lock;
	struct announced slots[SLOTS];
	_Atomic unsigned next, writers;
	_Atomic uint64_t read_whole, unknown, withdrawn, full;
} all;

struct thread {
	uint64_t random;
	struct waiter waiter;
};

static size_t pick(struct thread *thread, size_t bound)
{
	thread->random = thread->random * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(thread->random >> 33) % bound;
}

static void announce(size_t slot, const struct result *result, unsigned number)
{
	pthread_mutex_lock(&all.lock);
	memcpy(all.slots[slot].id, result_id(result), NATIVE_ID_BYTES);
	all.slots[slot].number = number;
	pthread_mutex_unlock(&all.lock);
}

static void write_one(struct thread *thread, unsigned number)
{
	struct results_new new = datagram(number);
	struct result *result;

	new.datagram_hash ^= new.datagram_hash << 17; /* some share a bucket */
	if (results_begin(all.results, &result, &new) != REASON_OK) {
		atomic_fetch_add(&all.full, 1);
		return;
	}
	announce(pick(thread, SLOTS), result, number);
	for (size_t left = pick(thread, 7 * BLOCK); left > 0;) {
		size_t piece = 1 + pick(thread, left < 6000 ? left : 6000), took = append(result, number, piece);
		left -= took;
		if (took < piece || pick(thread, 4) == 0)
			sched_yield();
	}
	result_end(&result, REASON_OK, true);
}

static bool seen_all(void)
{
	struct results_stats stats;

	results_stats(all.results, &stats);
	return stats.evicted > 0 && all.full > 0 && all.read_whole > 0 && all.unknown > 0 && all.withdrawn > 0;
}

static void *write_many(void *ctx)
{
	for (unsigned i = 0; i < ROUNDS || (i < ROUNDS_MAX && !seen_all()); i++)
		write_one(ctx, atomic_fetch_add(&all.next, 1));
	atomic_fetch_sub(&all.writers, 1);
	return NULL;
}

static void sleep_for_mail(struct waiter *waiter)
{
	struct pollfd fd = {.fd = waiter->box.event_fd, .events = POLLIN};

	CHECK_EQ(poll(&fd, 1, 20000), 1);
	mailbox_clear(&waiter->box);
	CHECK(mailed(waiter));
}

/* RESULT_OVER, or gave up on it: with a mail to come (RESULT_WAIT) or without. */
static enum result_wait read_on(struct thread *thread, unsigned number)
{
	struct result_reader *reader = &thread->waiter.reader;

	for (;;) {
		while (read_some(reader, number, 1 + pick(thread, 6000)) > 0)
			if (pick(thread, 40) == 0)
				return RESULT_MORE;
		enum result_wait wait = result_wait(reader);
		if (wait == RESULT_OVER || (wait == RESULT_WAIT && pick(thread, 6) == 0))
			return wait;
		if (wait == RESULT_WAIT)
			sleep_for_mail(&thread->waiter);
	}
}

static void *read_many(void *ctx)
{
	struct thread *thread = ctx;
	struct result_reader *reader = &thread->waiter.reader;

	while (atomic_load(&all.writers) > 0) {
		pthread_mutex_lock(&all.lock);
		struct announced one = all.slots[pick(thread, SLOTS)];
		pthread_mutex_unlock(&all.lock);
		if (!results_open(all.results, reader, one.id)) {
			atomic_fetch_add(&all.unknown, 1);
			continue;
		}
		enum result_wait end = read_on(thread, one.number);
		atomic_fetch_add(&all.read_whole, end == RESULT_OVER);
		if (result_close(reader))
			atomic_fetch_add(&all.withdrawn, 1);
		else if (end == RESULT_WAIT)
			sleep_for_mail(&thread->waiter);
	}
	return NULL;
}

TEST(many_write_and_read_at_once)
{
	static struct thread threads[WRITERS + READERS];
	pthread_t ids[WRITERS + READERS];
	struct results_stats stats;

	random_start("results");
	all.results = make(32, 30, 8); /* the writers alone cannot fill it: three times eight */
	all.writers = WRITERS;
	pthread_mutex_init(&all.lock, NULL);
	for (size_t i = 0; i < WRITERS + READERS; i++) {
		threads[i].random = random_u64();
		wait_here(&threads[i].waiter);
		CHECK_EQ(pthread_create(&ids[i], NULL, i < WRITERS ? write_many : read_many, &threads[i]), 0);
	}
	while (atomic_load(&all.writers) > 0) {
		results_tend(all.results, clock_coarse_ms() + random_below(2) * KEEP_MS); /* some expire at once */
		usleep(500);
	}
	for (size_t i = 0; i < WRITERS + READERS; i++)
		pthread_join(ids[i], NULL);
	results_stats(all.results, &stats);
	CHECK_EQ(stats.begun + all.full, all.next);
	CHECK(seen_all());
	for (size_t i = 0; i < WRITERS + READERS; i++) {
		CHECK(mailbox_take(&threads[i].waiter.box) == NULL);
		mailbox_fini(&threads[i].waiter.box);
	}
	finish_test(all.results);
}

CHECK_MAIN
