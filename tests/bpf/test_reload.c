// SPDX-License-Identifier: Apache-2.0
/* The lists of the gate in the kernel while they are replaced: under traffic, by two at once, in vain. */
#include "gate_rig.h"

#include <pthread.h>

#include "own_folder.h"

static struct {
	struct frame frame;
	bool end; /* atomic */
	uint64_t runs, wrong;
} stream;

static void *stream_run(void *unused)
{
	while (!__atomic_load_n(&stream.end, __ATOMIC_RELAXED)) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = stream.frame.bytes,
			    .data_size_in = (uint32_t)stream.frame.used, .repeat = 1000);
		stream.wrong += bpf_prog_test_run_opts(gate_fd, &opts) != 0;
		stream.runs += 1000;
	}
	return NULL;
}

/* A source that every list admits is never refused while they change under it. */
TEST(reload_under_traffic)
{
	struct tollbar_counters before, after;
	pthread_t thread;

	GATE_READY();
	frame_from(&stream.frame, "192.0.2.7");
	lists_set("192.0.2.7", "");
	filter_set_mode(filter, FILTER_ALLOW, false);
	CHECK_EQ(filter_counters(filter, &before), 0);
	CHECK_NEED(pthread_create(&thread, NULL, stream_run, NULL) == 0);
	for (int round = 0; round < 10; round++) {
		lists_set("192.0.2.0/24\n10.0.0.0/8", "192.0.3.0/24");
		lists_set("0.0.0.0/0\n::/0", "");	 /* without a chunk */
		lists_set("192.0.2.7\n2001:db8::1", ""); /* with another one */
	}
	__atomic_store_n(&stream.end, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	CHECK_EQ(filter_counters(filter, &after), 0);
	CHECK(stream.runs > 0 && stream.wrong == 0);
	CHECK_EQ(after.packets[PASS_ALLOWED] - before.packets[PASS_ALLOWED], stream.runs);
}

/* --- two that replace the lists at once --- */

enum { RIVALS = 2, RIVAL_PREFIXES = 150000, RIVAL_ROUNDS = 12 };

struct rival {
	struct filter *filter;
	struct prefix_list allow;
	int err;
};

/* List r: for each i one address ending in r, each in a block of its own, so that it takes more than one chunk. */
static struct in6_addr rival_address(unsigned r, unsigned i)
{
	return (struct in6_addr){.s6_addr = {[10] = 255,
					     255,
					     (uint8_t)(20 + i / 8192),
					     (uint8_t)(i / 32),
					     (uint8_t)(i * 8),
					     (uint8_t)(1 + r)}};
}

static void *rival_run(void *ctx)
{
	static const struct prefix_list none;
	struct rival *rival = ctx;

	rival->err = filter_load_lists(rival->filter, &rival->allow, &none);
	return NULL;
}

static void rival_init(struct rival *rival, unsigned r)
{
	struct prefix *prefixes = malloc(RIVAL_PREFIXES * sizeof *prefixes);

	CHECK_NEED(prefixes != NULL && filter_open_program(&rival->filter, "", gate_fd) == 0);
	for (unsigned i = 0; i < RIVAL_PREFIXES; i++)
		prefixes[i] = (struct prefix){rival_address(r, i), 128};
	rival->allow = (struct prefix_list){prefixes, RIVAL_PREFIXES};
}

/* How many of some of list r's sources the kernel lets in. */
static unsigned rival_admitted(unsigned r, unsigned *asked)
{
	unsigned admitted = 0;
	struct frame frame;

	*asked = 0;
	frame_build(&frame, TCP4);
	for (unsigned i = 0; i < RIVAL_PREFIXES; i += 997, ++*asked) {
		struct in6_addr address = rival_address(r, i);
		memcpy(frame.bytes + AT_IP4_SOURCE, &address.s6_addr[12], 4);
		admitted += gate_run(&frame).reason == PASS_ALLOWED;
	}
	return admitted;
}

/* Two processes, each with a filter of its own: whichever comes last, its list is in force, whole, and nothing else. */
TEST(reloads_at_once)
{
	struct rival rivals[RIVALS];
	pthread_t threads[RIVALS];
	unsigned asked, first, second;

	GATE_READY();
	for (unsigned r = 0; r < RIVALS; r++)
		rival_init(&rivals[r], r);
	filter_set_mode(filter, FILTER_ALLOW, false);
	for (unsigned round = 0; round < RIVAL_ROUNDS; round++) {
		for (unsigned r = 0; r < RIVALS; r++)
			CHECK_NEED(pthread_create(&threads[r], NULL, rival_run, &rivals[r]) == 0);
		for (unsigned r = 0; r < RIVALS; r++) {
			pthread_join(threads[r], NULL);
			CHECK_EQ(rivals[r].err, 0);
		}
		first = rival_admitted(0, &asked);
		second = rival_admitted(1, &asked);
		CHECK((first == asked && second == 0) || (first == 0 && second == asked));
	}
	for (unsigned r = 0; r < RIVALS; r++) {
		filter_close(rivals[r].filter);
		lists_fini(&rivals[r].allow);
	}
}

/* One that will not end is not waited for without end; the lists stay. */
TEST(a_reload_that_hangs)
{
	static const struct prefix_list none;
	struct frame frame;

	GATE_READY();
	if (!own_folder())
		CHECK_SKIP("no mount namespace of its own");
	lists_set("", "192.0.2.7");
	int lock_fd = pins_lock();
	CHECK(lock_fd >= 0);
	CHECK_EQ(filter_load_lists(filter, &none, &none), -EBUSY);
	frame_from(&frame, "192.0.2.7");
	expect(&frame, BLOCKED, "as before");
	close(lock_fd);
	CHECK_EQ(filter_load_lists(filter, &none, &none), 0);
	expect(&frame, PASS_OPEN, "afterwards");
}

static unsigned slots_used(void)
{
	unsigned used = 0;

	for (uint32_t i = 0; i < 8; i++) { /* the first of either generation; all 2,049 take minutes on Linux 6.1 */
		uint32_t slot = i < 4 ? i : TOLLBAR_CHUNKS_MAX + i - 4, id;
		used += bpf_map_lookup_elem(filter->map_fds[MAP_LISTS], &slot, &id) == 0;
	}
	return used;
}

/* What a list no longer needs goes at once. */
TEST(reload_gives_memory_back)
{
	uint32_t fence = FENCE_SLOT, id;

	GATE_READY();
	lists_set("192.0.2.7\n2001:db8::1", "");
	lists_set("192.0.2.8", "");
	CHECK_EQ(slots_used(), 1);
	lists_set("", "");
	CHECK_EQ(slots_used(), 0);
	CHECK(bpf_map_lookup_elem(filter->map_fds[MAP_LISTS], &fence, &id) != 0);
}

/* The lists stay as they are when a new one cannot be put in: here there is no map of lists to put it into. */
TEST(failed_reload_changes_nothing)
{
	struct prefix room = {{.s6_addr = {[10] = 255, 255, 192, 0, 2, 8}}, 128};
	struct prefix_list other = {&room, 1}, none = {0};
	struct frame frame;

	GATE_READY();
	lists_set("192.0.2.7", "");
	filter_set_mode(filter, FILTER_ALLOW, false);
	frame_from(&frame, "192.0.2.7");
	int lists_fd = filter->map_fds[MAP_LISTS];
	filter->map_fds[MAP_LISTS] = filter->map_fds[MAP_COUNTERS];
	CHECK(filter_load_lists(filter, &other, &none) < 0);
	filter->map_fds[MAP_LISTS] = lists_fd;
	expect(&frame, PASS_ALLOWED, "after a failure");
	lists_set("192.0.2.8", "");
	expect(&frame, NOT_ALLOWED, "after a reload");
}

CHECK_MAIN
