// SPDX-License-Identifier: Apache-2.0
/* Limits by source in the kernel: set by the daemon's call, counted under their reasons, by the kernel's own clock.
 * tests/unit/test_bucket.c has the arithmetic, to the packet.  Every test uses sources of its own, since buckets outlive
 * a test; paces are slow, so that a busy machine cannot refill one unseen. */
#include "gate_rig.h"

#include <pthread.h>
#include <sched.h>

static void limits_set(unsigned packets_per_s, unsigned packets_burst, unsigned connections_per_s,
		       unsigned connections_burst)
{
	struct config_limits limits = no_limits;

	limits.packets_per_s = packets_per_s;
	limits.packets_burst = packets_burst;
	limits.connections_per_s = connections_per_s;
	limits.connections_burst = connections_burst;
	CHECK_EQ(filter_set_limits(filter, &limits), 0);
}

static void ack_from(struct frame *frame, const char *source)
{
	frame_from(frame, source);
	frame->bytes[strchr(source, ':') != NULL ? L6(L4_FLAGS) : L4(L4_FLAGS)] = 0x10;
}

static void expect_times(struct frame *frame, unsigned times, enum reason want, const char *name)
{
	for (unsigned i = 0; i < times; i++)
		expect(frame, want, name);
}

TEST(packets)
{
	static const struct {
		const char *source, *shares, *apart;
	} rows[] = {
		{"203.0.113.1", "203.0.113.1", "203.0.113.2"},
		{"2001:db8:1:1::1", "2001:db8:1:1:ffff::9", "2001:db8:1:2::1"},
	};

	GATE_READY();
	limits_set(1, 5, 0, 0);
	for (size_t i = 0; i < 2; i++) {
		struct frame open, data, shares, apart;
		frame_from(&open, rows[i].source);
		ack_from(&data, rows[i].source);
		ack_from(&shares, rows[i].shares);
		frame_from(&apart, rows[i].apart);
		expect_times(&open, 2, PASS_OPEN, "opening");
		expect_times(&data, 2, PASS_OPEN, "data");
		expect_times(&shares, 1, PASS_OPEN, "the same source");
		expect(&shares, RATE, "the same source, one too many");
		expect(&data, RATE, "data, one too many");
		expect(&open, RATE, "opening, one too many");
		expect(&apart, PASS_OPEN, "another source");
		open.bytes[i == 0 ? L4(3) : L6(3)] ^= 1;
		expect(&open, PASS_OTHER, "another port");
		open.bytes[i == 0 ? L4(3) : L6(3)] ^= 1;
		open.bytes[i == 0 ? L4(L4_FLAGS) : L6(L4_FLAGS)] = 3;
		expect(&open, TCP_FLAGS, "malformed comes first");
	}
}

TEST(udp_counts_as_packets)
{
	struct frame frame;

	GATE_READY();
	limits_set(1, 2, 1, 1);
	frame_build(&frame, UDP4);
	expect_times(&frame, 2, PASS_OPEN, "udp");
	expect(&frame, RATE, "udp, one too many");
}

TEST(connections)
{
	static const char *const sources[] = {"203.0.113.10", "2001:db8:1:10::1"};

	GATE_READY();
	for (size_t i = 0; i < 2; i++) {
		struct frame open, data;
		frame_from(&open, sources[i]);
		ack_from(&data, sources[i]);
		limits_set(0, 0, 1, 3);
		expect_times(&data, 10, PASS_OPEN, "data");
		expect_times(&open, 3, PASS_OPEN, "opening");
		expect(&open, SYN_RATE, "opening, one too many");
		expect_times(&data, 10, PASS_OPEN, "data goes on");
		open.bytes[i == 0 ? L4(L4_FLAGS) : L6(L4_FLAGS)] = 0x12;
		expect(&open, PASS_OPEN, "SYN and ACK open nothing");
		limits_set(0, 0, 0, 0);
		frame_from(&open, sources[i]);
		expect(&open, PASS_OPEN, "without a limit");
		limits_set(0, 0, 1, 3);
		expect(&open, SYN_RATE, "what was used up stays used up");
	}
}

TEST(prefix_lengths)
{
	struct config_limits limits = no_limits;
	struct frame first4, near4, far4, first6, near6, far6;

	GATE_READY();
	limits.packets_per_s = limits.packets_burst = 1;
	limits.limit_ip4_bits = 24;
	limits.limit_ip6_bits = 48;
	CHECK_EQ(filter_set_limits(filter, &limits), 0);
	frame_from(&first4, "198.18.0.1");
	frame_from(&near4, "198.18.0.255");
	frame_from(&far4, "198.18.1.1");
	frame_from(&first6, "2001:db8:2::1");
	frame_from(&near6, "2001:db8:2:ffff::1");
	frame_from(&far6, "2001:db8:3::1");
	expect(&first4, PASS_OPEN, "IPv4, first");
	expect(&near4, RATE, "IPv4, the same /24");
	expect(&far4, PASS_OPEN, "IPv4, another /24");
	expect(&first6, PASS_OPEN, "IPv6, first");
	expect(&near6, RATE, "IPv6, the same /48");
	expect(&far6, PASS_OPEN, "IPv6, another /48");
}

/* How many of cnt packets pass, in one call of the kernel's runner: quicker than its clock. */
static unsigned pass_cnt(struct frame *frame, unsigned cnt)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->bytes, .data_size_in = (uint32_t)frame->used,
		    .repeat = (int)cnt);
	struct tollbar_counters before, after;

	CHECK_EQ(filter_counters(filter, &before), 0);
	CHECK_EQ(bpf_prog_test_run_opts(gate_fd, &opts), 0);
	CHECK_EQ(filter_counters(filter, &after), 0);
	unsigned passed = (unsigned)(after.packets[PASS_OPEN] - before.packets[PASS_OPEN]);
	CHECK_EQ(passed + after.packets[RATE] - before.packets[RATE], cnt);
	return passed;
}

TEST(refills_in_time)
{
	struct frame frame;
	uint64_t from_ns, used_up_ns, to_ns;

	GATE_READY();
	limits_set(20, 50, 0, 0);
	frame_from(&frame, "203.0.113.20");
	from_ns = clock_ns();
	unsigned at_once = pass_cnt(&frame, 1000);
	used_up_ns = clock_ns();
	CHECK(at_once >= 50 && at_once <= 50 + (used_up_ns - from_ns) / 50000000 + 1);
	usleep(420000);
	unsigned later = pass_cnt(&frame, 1000);
	to_ns = clock_ns();
	/* one in 50 ms; the kernel's clock may be 10 ms behind at either end */
	CHECK(later >= 8 && later <= (to_ns - from_ns + 10000000) / 50000000 + 1);
}

TEST(observed)
{
	struct frame frame;

	GATE_READY();
	limits_set(1, 1, 0, 0);
	frame_from(&frame, "203.0.113.30");
	filter_set_mode(filter, FILTER_OPEN, true);
	expect_observed(&frame, PASS_OPEN, "within the limit");
	expect_observed(&frame, RATE, "above it");
	filter_set_mode(filter, FILTER_OPEN, false);
	expect(&frame, RATE, "in force");
}

TEST(listed_sources)
{
	struct config_limits limits = no_limits;
	struct frame listed, denied, other;

	GATE_READY();
	lists_set("203.0.113.40\n203.0.113.44/30", "203.0.113.45");
	limits.packets_per_s = limits.packets_burst = 1;
	CHECK_EQ(filter_set_limits(filter, &limits), 0);
	frame_from(&listed, "203.0.113.40");
	frame_from(&denied, "203.0.113.45");
	frame_from(&other, "203.0.113.41");
	expect_times(&listed, 5, PASS_ALLOWED, "listed, open mode");
	expect_times(&denied, 2, BLOCKED, "denied");
	expect(&other, PASS_OPEN, "not listed");
	expect(&other, RATE, "not listed, one too many");
	filter_set_mode(filter, FILTER_ALLOW, false);
	expect_times(&listed, 5, PASS_ALLOWED, "listed, allow mode");
	expect(&other, NOT_ALLOWED, "not listed, allow mode");
	limits.limit_listed = true;
	CHECK_EQ(filter_set_limits(filter, &limits), 0);
	expect(&listed, PASS_ALLOWED, "listed and limited");
	expect(&listed, RATE, "listed, one too many");
}

TEST(key_stays)
{
	uint64_t key[2];

	GATE_READY();
	memcpy(key, (const void *)filter->policy->limits.key, sizeof key);
	CHECK(key[0] != 0 && key[1] != 0);
	limits_set(5, 0, 0, 0);
	CHECK_BYTES((const void *)filter->policy->limits.key, key, sizeof key);
}

/* --- two CPUs on one bucket --- */

struct half {
	struct frame *frame;
	int cpu, err;
	pthread_barrier_t *start;
};

enum { EACH = 400000, ALLOWED = 100000 };

static void *half_run(void *ctx)
{
	struct half *half = ctx;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = half->frame->bytes, .data_size_in = (uint32_t)half->frame->used,
		    .repeat = EACH);
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)half->cpu, &cpus);
	half->err = pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
	pthread_barrier_wait(half->start);
	if (half->err == 0)
		half->err = bpf_prog_test_run_opts(gate_fd, &opts);
	return NULL;
}

/* The worst there is for buckets without locks: nothing but packets of one source, on two CPUs at once. */
TEST(two_cpus)
{
	struct tollbar_counters before, after;
	pthread_barrier_t start;
	struct frame frame;
	pthread_t threads[2];

	GATE_READY();
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		CHECK_SKIP("one CPU");
	limits_set(1, ALLOWED, 0, 0);
	frame_from(&frame, "203.0.113.50");
	pthread_barrier_init(&start, NULL, 2);
	CHECK_EQ(filter_counters(filter, &before), 0);
	struct half halves[2] = {{&frame, 0, 0, &start}, {&frame, 1, 0, &start}};
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, half_run, &halves[i]), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		CHECK_EQ(halves[i].err, 0);
	}
	pthread_barrier_destroy(&start);
	CHECK_EQ(filter_counters(filter, &after), 0);
	uint64_t passed = after.packets[PASS_OPEN] - before.packets[PASS_OPEN];
	CHECK_EQ(passed + after.packets[RATE] - before.packets[RATE], 2 * EACH);
	CHECK(passed >= ALLOWED && passed <= ALLOWED + ALLOWED / 2); /* separate buckets would let twice as many */
	printf("two CPUs: %.2f %% more than allowed\n", ((double)passed / ALLOWED - 1) * 100);
}

CHECK_MAIN
