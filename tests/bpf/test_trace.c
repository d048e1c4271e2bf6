// SPDX-License-Identifier: Apache-2.0
/* Sampled drops: the program puts them in the ring buffer, the daemon's calls take them out. */
#include <sched.h>

#include "gate_rig.h"

static struct tollbar_event seen[4096];
static unsigned seen_cnt;

static void keep(void *ctx, const struct tollbar_event *event)
{
	if (seen_cnt < sizeof seen / sizeof *seen)
		seen[seen_cnt++] = *event;
}

/* All on one CPU, since sampling is per CPU, and from a clean start. */
static bool trace_ready(void)
{
	cpu_set_t one;

	if (!gate_ready())
		return false;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu() < 0 ? 0 : (unsigned)sched_getcpu(), &one);
	CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0);
	struct tollbar_tracing *zero = calloc(filter->cpu_cnt, sizeof *zero);
	CHECK_EQ(bpf_map_update_elem(filter->map_fds[MAP_TRACING], &(uint32_t){0}, zero, BPF_ANY), 0);
	free(zero);
	seen_cnt = 0;
	return true;
}

#define TRACE_READY()                            \
	do {                                     \
		if (!trace_ready())              \
			CHECK_SKIP(unavailable); \
	} while (0)

static const struct filter_wish everything = {UINT64_MAX, 1, 100000};

static struct filter_tracer *start(struct filter_wish wish)
{
	struct filter_tracer *tracer;

	CHECK_NEED(filter_trace_start(&tracer, filter, &wish, keep, NULL) == 0);
	return tracer;
}

static void drop(enum frame_kind kind, unsigned cnt)
{
	struct frame frame;

	frame_build(&frame, kind);
	frame.bytes[kind == TCP6 ? L6(L4_FLAGS) : L4(L4_FLAGS)] = 3;
	for (unsigned i = 0; i < cnt; i++)
		expect(&frame, TCP_FLAGS, "a drop");
}

/* Everything there is by now: one event, this. */
static void expect_one(struct filter_tracer *tracer, enum reason reason, unsigned observed)
{
	CHECK_EQ(filter_trace_poll(tracer), 0);
	CHECK_EQ(seen_cnt, 1);
	CHECK_EQ(seen[0].reason, reason);
	CHECK_EQ(seen[0].observed, observed);
}

static struct filter_traced traced(void)
{
	struct filter_traced sum;

	CHECK_EQ(filter_traced(filter, &sum), 0);
	return sum;
}

TEST(an_event)
{
	uint64_t before_ns = clock_ns();
	struct filter_tracer *tracer;
	struct frame frame;

	TRACE_READY();
	tracer = start(everything);
	frame_build(&frame, TCP6);
	frame.bytes[L6(L4_FLAGS)] = 3;
	expect(&frame, TCP_FLAGS, "with a tracer");
	expect_one(tracer, TCP_FLAGS, 0);
	CHECK_EQ(seen[0].frame_bytes, frame.used);
	CHECK_EQ(seen[0].kept_bytes, frame.used);
	CHECK_BYTES(seen[0].frame, frame.bytes, frame.used);
	CHECK_EQ(seen[0].ifindex, 1); /* TEST_RUN's frames come from lo */
	CHECK(seen[0].time_ns >= before_ns && seen[0].time_ns <= clock_ns());
	filter_trace_stop(tracer);
	CHECK(!(filter->policy->word & TOLLBAR_TRACE));
	CHECK_EQ(filter->policy->trace.until_ns, 0);
	CHECK_EQ(traced().sent, 1);
}

TEST(of_a_long_frame_the_beginning)
{
	struct filter_tracer *tracer;
	struct frame frame;

	TRACE_READY();
	tracer = start(everything);
	frame_build(&frame, TCP4);
	for (size_t i = frame.used; i < 1500; i++)
		frame.bytes[i] = (uint8_t)i;
	frame.used = 1500; /* padding: the IP header says how long the packet is */
	frame.bytes[L4(L4_FLAGS)] = 3;
	expect(&frame, TCP_FLAGS, "long");
	expect_one(tracer, TCP_FLAGS, 0);
	CHECK_EQ(seen[0].frame_bytes, 1500);
	CHECK_EQ(seen[0].kept_bytes, TOLLBAR_EVENT_BYTES);
	CHECK_BYTES(seen[0].frame, frame.bytes, TOLLBAR_EVENT_BYTES);
	filter_trace_stop(tracer);
}

/* Every way a frame can end: drops are shown with their reason, in order, and nothing else is. */
TEST(drops_and_only_drops)
{
	struct filter_tracer *tracer;
	unsigned dropped = 0;

	TRACE_READY();
	tracer = start(everything);
	for (size_t i = 0; i < FRAME_ROW_CNT; i++) {
		struct frame frame;
		frame_row_build(&frame, &frame_rows[i]);
		expect(&frame, frame_rows[i].want, frame_rows[i].name);
	}
	CHECK_EQ(filter_trace_poll(tracer), 0);
	for (size_t i = 0; i < FRAME_ROW_CNT; i++) {
		if (!REASON_DROPS(frame_rows[i].want))
			continue;
		CHECK_ROW(seen[dropped].reason == frame_rows[i].want, frame_rows[i].name);
		dropped++;
	}
	CHECK_EQ(seen_cnt, dropped);
	filter_trace_stop(tracer);
}

TEST(nothing_without_a_tracer)
{
	TRACE_READY();
	drop(TCP4, 10);
	CHECK_EQ(traced().sent + traced().limited + traced().lost, 0);
}

TEST(the_reasons_asked_for)
{
	struct filter_tracer *tracer;
	struct frame frame;

	TRACE_READY();
	tracer = start((struct filter_wish){UINT64_C(1) << BLOCKED | UINT64_C(1) << NOT_ALLOWED, 1, 1000});
	drop(TCP4, 3);
	filter_set_mode(filter, FILTER_ALLOW, false);
	frame_build(&frame, TCP4);
	expect(&frame, NOT_ALLOWED, "not listed");
	expect_one(tracer, NOT_ALLOWED, 0);
	filter_trace_stop(tracer);
	CHECK_EQ(traced().sent, 1);
}

TEST(observed)
{
	struct filter_tracer *tracer;
	struct frame frame;

	TRACE_READY();
	tracer = start(everything);
	filter_set_mode(filter, FILTER_ALLOW, true);
	frame_build(&frame, UDP4);
	CHECK_EQ(gate_run(&frame).action, XDP_PASS);
	expect_one(tracer, NOT_ALLOWED, 1);
	filter_trace_stop(tracer);
}

TEST(one_in_so_many)
{
	struct filter_tracer *tracer;

	TRACE_READY();
	tracer = start((struct filter_wish){UINT64_MAX, 3, 1000});
	drop(TCP4, 20);
	CHECK_EQ(filter_trace_poll(tracer), 0);
	CHECK_EQ(seen_cnt, 6);
	filter_trace_stop(tracer);
	CHECK_EQ(traced().sent, 6);
	CHECK_EQ(traced().limited, 0);
}

TEST(so_many_a_second)
{
	struct filter_tracer *tracer;

	TRACE_READY();
	tracer = start((struct filter_wish){UINT64_MAX, 1, 5});
	uint64_t began_ns = clock_ns();
	drop(TCP4, 20);
	if (clock_ns() - began_ns > 900000000u) {
		filter_trace_stop(tracer);
		CHECK_SKIP("the machine is too slow to say what a second is");
	}
	CHECK_EQ(filter_trace_poll(tracer), 0);
	CHECK_EQ(seen_cnt, 5);
	CHECK_EQ(traced().limited, 15);
	usleep(1010000);
	CHECK_EQ(filter_trace_poll(tracer), 0);
	drop(TCP4, 3);
	CHECK_EQ(filter_trace_poll(tracer), 0);
	CHECK_EQ(seen_cnt, 8);
	filter_trace_stop(tracer);
}

TEST(a_full_ring)
{
	enum { RECORD_BYTES = sizeof(struct tollbar_event) + 8, ROOM = TOLLBAR_TRACE_RING_BYTES / RECORD_BYTES };
	struct filter_tracer *tracer;

	TRACE_READY();
	tracer = start(everything);
	for (unsigned i = 0; i < 3; i++) {
		drop(TCP4, 1000);
		filter->policy->trace.until_ns = tracer->until_ns = clock_ns() + LEASE_NS;
	}
	CHECK_EQ(traced().sent + traced().lost, 3000);
	CHECK(traced().sent <= ROOM && traced().sent >= ROOM - 2);
	CHECK_EQ(filter_trace_poll(tracer), 0);
	CHECK_EQ(seen_cnt, traced().sent);
	drop(TCP4, 2);
	CHECK_EQ(filter_trace_poll(tracer), 0);
	CHECK_EQ(seen_cnt, traced().sent);
	CHECK_EQ(traced().sent + traced().lost, 3002);
	filter_trace_stop(tracer);
}

/* --- one at a time, and what is left of one that died --- */

TEST(a_second_tracer)
{
	struct filter_tracer *first, *second;

	TRACE_READY();
	first = start(everything);
	CHECK_EQ(filter_trace_start(&second, filter, &everything, keep, NULL), -EBUSY);
	CHECK(second == NULL);
	filter->policy->trace.until_ns = first->until_ns = clock_ns() - 1; /* the first slept too long */
	second = start(everything);
	CHECK_EQ(filter_trace_poll(first), -EBUSY);
	filter_trace_stop(first);
	CHECK(filter->policy->word & TOLLBAR_TRACE);
	drop(TCP4, 1);
	expect_one(second, TCP_FLAGS, 0);
	filter_trace_stop(second);
}

TEST(a_tracer_that_died)
{
	struct filter_tracer *dead, *next;

	TRACE_READY();
	dead = start(everything);
	drop(TCP4, 2);
	filter->policy->trace.until_ns = dead->until_ns = clock_ns() + 50000000;
	drop(TCP4, 1);
	CHECK_EQ(traced().sent, 3);
	usleep(80000);
	drop(TCP4, 10);
	CHECK_EQ(traced().sent, 3); /* its time is over, its bit is not */
	CHECK(filter->policy->word & TOLLBAR_TRACE);
	filter_trace_expire(filter);
	CHECK(!(filter->policy->word & TOLLBAR_TRACE));
	next = start(everything);
	drop(TCP4, 1);
	expect_one(next, TCP_FLAGS, 0); /* not those it left */
	filter_trace_expire(filter);
	CHECK(filter->policy->word & TOLLBAR_TRACE); /* the living are left alone */
	filter_trace_stop(next);
	ring_buffer__free(dead->ring);
	free(dead);
}

CHECK_MAIN
