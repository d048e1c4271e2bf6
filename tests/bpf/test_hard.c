// SPDX-License-Identifier: Apache-2.0
/* The gate's rarer sides, through BPF_PROG_TEST_RUN: frames in several buffers, checksums, no daemon, a next program. */
#include "gate_rig.h"

#include "base/clock.h"

#define JUMBO_BYTES 9014
#define TCP_SUM 16
#define UDP_SUM 6

struct jumbo {
	uint8_t bytes[JUMBO_BYTES];
	size_t used;
};

/* A frame of this kind with so many bytes of data more, tagged or not, lengths to match. */
static void jumbo_build(struct jumbo *jumbo, enum frame_kind kind, size_t more, int tags)
{
	struct frame frame;
	bool six = kind == TCP6 || kind == UDP6;
	size_t ip = AT_IP, l4 = kind == TCP4_OPTIONS ? AT_L4_4 + 40 : six ? AT_L4_6 : AT_L4_4;

	frame_build(&frame, kind);
	size_t l4_bytes = frame.used - l4 + more, length = six ? l4_bytes : frame.used - ip + more;
	frame.bytes[six ? AT_IP6_PAYLOAD : AT_IP4_TOTAL] = (uint8_t)(length >> 8);
	frame.bytes[(six ? AT_IP6_PAYLOAD : AT_IP4_TOTAL) + 1] = (uint8_t)length;
	if (kind == UDP4 || kind == UDP6) {
		frame.bytes[l4 + 4] = (uint8_t)(l4_bytes >> 8);
		frame.bytes[l4 + 5] = (uint8_t)l4_bytes;
	}
	frame_tag(&frame, tags);
	memcpy(jumbo->bytes, frame.bytes, frame.used);
	for (size_t i = 0; i < more; i++)
		jumbo->bytes[frame.used + i] = (uint8_t)(i * 7 + more);
	jumbo->used = frame.used + more;
}

static void jumbo_expect(const struct jumbo *jumbo, enum reason want, const char *name)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = jumbo->bytes, .data_size_in = (uint32_t)jumbo->used);
	struct tollbar_counters before, after;

	CHECK_EQ(filter_counters(filter, &before), 0);
	CHECK_EQ(bpf_prog_test_run_opts(gate_fd, &opts), 0);
	CHECK_EQ(filter_counters(filter, &after), 0);
	CHECK_ROW(after.packets[want] == before.packets[want] + 1, name);
	CHECK_ROW(opts.retval == (passes(want) ? XDP_PASS : XDP_DROP), name);
}

/* --- frames in several buffers --- */

TEST(frags)
{
	static const enum frame_kind kinds[] = {TCP4, UDP4, TCP6, UDP6, TCP4_OPTIONS};
	static const size_t more[] = {3000, 3400, 3600, 4096, 7168, 8192};

	GATE_READY();
	for (size_t k = 0; k < 5; k++)
		for (size_t i = 0; i < 6; i++)
			for (int tags = 0; tags <= 2; tags++) {
				struct jumbo jumbo;
				bool six = kinds[k] == TCP6 || kinds[k] == UDP6;
				char name[64];
				snprintf(name, sizeof name, "kind %u, %zu bytes, %d tags", kinds[k], more[i], tags);
				jumbo_build(&jumbo, kinds[k], more[i], tags);
				jumbo_expect(&jumbo, PASS_OPEN, name);
				jumbo.used--; /* one byte less than the IP header says */
				jumbo_expect(&jumbo, six ? IP6_LENGTH : IP4_LENGTH, name);
			}
}

/* --- checksums --- */

/* RFC 1071, as plainly as can be. */
static unsigned plain_sum(unsigned sum, const uint8_t *bytes, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		sum += i % 2 == 0 ? bytes[i] * 256u : bytes[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void sum_write(uint8_t *at, unsigned sum)
{
	sum = ~sum & 0xffff;
	at[0] = (uint8_t)(sum >> 8);
	at[1] = (uint8_t)sum;
}

/* Where things are in a jumbo of this kind. */
struct spots {
	size_t ip, l4, sum;
};

static struct spots spots_of(enum frame_kind kind, int tags)
{
	bool six = kind == TCP6 || kind == UDP6, udp = kind == UDP4 || kind == UDP6;
	struct spots spots = {.ip = AT_IP + 4u * (unsigned)tags};

	spots.l4 = spots.ip + (six ? 40u : kind == TCP4_OPTIONS ? 60u : 20u);
	spots.sum = spots.l4 + (udp ? UDP_SUM : TCP_SUM);
	return spots;
}

static void sums_fill(struct jumbo *jumbo, enum frame_kind kind, int tags)
{
	struct spots at = spots_of(kind, tags);
	bool six = kind == TCP6 || kind == UDP6, udp = kind == UDP4 || kind == UDP6;
	size_t l4_bytes = jumbo->used - at.l4;
	unsigned sum =
		plain_sum((unsigned)l4_bytes + (udp ? 17 : 6), jumbo->bytes + at.ip + (six ? 8 : 12), six ? 32 : 8);

	if (!six) {
		memset(jumbo->bytes + at.ip + 10, 0, 2);
		sum_write(jumbo->bytes + at.ip + 10, plain_sum(0, jumbo->bytes + at.ip, at.l4 - at.ip));
	}
	memset(jumbo->bytes + at.sum, 0, 2);
	sum = plain_sum(sum, jumbo->bytes + at.l4, l4_bytes);
	sum_write(jumbo->bytes + at.sum, udp && sum == 0xffff ? 0 : sum); /* RFC 768: never 0 */
}

/* Each byte that counts, or some of them in a long frame, is made wrong once. */
static void sums_spoil(struct jumbo *jumbo, size_t from, const char *name)
{
	for (size_t i = from; i<jumbo->used; i += jumbo->used> 300 ? 41 : 1) {
		jumbo->bytes[i] ^= 0x10;
		jumbo_expect(jumbo, CHECKSUM, name);
		jumbo->bytes[i] ^= 0x10;
	}
}

TEST(checksum)
{
	static const enum frame_kind kinds[] = {TCP4, UDP4, TCP6, UDP6, TCP4_OPTIONS};
	static const size_t more[] = {0,   1,	2,   3,	  4,   5,   227, 228, 229, 230,	 231,  232,
				      233, 234, 247, 248, 249, 252, 253, 500, 513, 1400, 1401, 7777};
	struct jumbo jumbo;

	GATE_READY();
	for (size_t k = 0; k < 5; k++)
		for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
			char name[64];
			int tags = (int)(i % 3);
			snprintf(name, sizeof name, "kind %u, %zu bytes, %d tags", kinds[k], more[i], tags);
			jumbo_build(&jumbo, kinds[k], more[i], tags);
			sums_fill(&jumbo, kinds[k], tags);
			filter_set_checksum(filter, true);
			jumbo_expect(&jumbo, PASS_OPEN, name);
			/* from the data on: what is before decides what the frame is */
			sums_spoil(&jumbo,
				   spots_of(kinds[k], tags).l4 + (kinds[k] == UDP4 || kinds[k] == UDP6 ? 8 : 20), name);
			jumbo.bytes[spots_of(kinds[k], tags).sum] ^= 1;
			jumbo_expect(&jumbo, CHECKSUM, name);
			filter_set_checksum(filter, false);
			jumbo_expect(&jumbo, PASS_OPEN, name);
		}
}

TEST(checksum_exceptions)
{
	struct jumbo jumbo;

	GATE_READY();
	filter_set_checksum(filter, true);
	jumbo_build(&jumbo, UDP4, 9, 0);
	sums_fill(&jumbo, UDP4, 0);
	memset(jumbo.bytes + spots_of(UDP4, 0).sum, 0, 2);
	jumbo_expect(&jumbo, PASS_OPEN, "UDP over IPv4 without one");
	jumbo.bytes[AT_IP + 8] ^= 1; /* time to live */
	jumbo_expect(&jumbo, CHECKSUM, "the IPv4 header's");
	jumbo_build(&jumbo, UDP6, 9, 0);
	jumbo_expect(&jumbo, CHECKSUM, "UDP over IPv6 without one");
	jumbo_build(&jumbo, TCP4, 9, 0);
	sums_fill(&jumbo, TCP4, 0);
	memset(jumbo.bytes + jumbo.used, 0xee, 17); /* the frame's padding counts for nothing */
	jumbo.used += 17;
	jumbo_expect(&jumbo, PASS_OPEN, "padding");
	jumbo.bytes[AT_IP + 20 + 3] ^= 1;
	jumbo_expect(&jumbo, PASS_OTHER, "another port");
	filter_set_mode(filter, FILTER_ALLOW, false);
	jumbo.bytes[AT_IP + 20 + 3] ^= 1;
	jumbo.bytes[jumbo.used - 20] ^= 1;
	jumbo_expect(&jumbo, NOT_ALLOWED, "a wrong one from an unlisted source");
	filter_set_checksum(filter, false);
}

/* --- no daemon --- */

TEST(fail_closed)
{
	struct frame frame, bad, other;

	GATE_READY();
	frame_build(&frame, TCP4);
	frame_build(&bad, TCP4);
	bad.bytes[L4(L4_FLAGS)] = 3;
	frame_build(&other, TCP4);
	other.bytes[L4(3)] ^= 1;
	filter_set_alive(filter, 0);
	expect(&frame, PASS_OPEN, "open, nobody there");
	filter_set_fail(filter, true);
	expect(&frame, NO_DAEMON, "closed, nobody there");
	expect(&bad, TCP_FLAGS, "malformed all the same");
	expect(&other, PASS_OTHER, "another port");
	lists_set("192.0.2.7", "");
	filter_set_mode(filter, FILTER_ALLOW, false);
	expect(&frame, NO_DAEMON, "the allowlist is no excuse");
	filter_set_mode(filter, FILTER_ALLOW, true);
	expect_observed(&frame, NO_DAEMON, "observed");
	filter_set_mode(filter, FILTER_OPEN, false);
	lists_set("", "");
	filter_set_alive(filter, 60);
	expect(&frame, PASS_OPEN, "closed, a daemon lives");
	filter->policy->alive_until_ns = clock_ns() + 50000000;
	expect(&frame, PASS_OPEN, "50 ms before its time is over");
	usleep(80000);
	expect(&frame, NO_DAEMON, "30 ms after it");
	filter_set_fail(filter, false);
	expect(&frame, PASS_OPEN, "open again");
}

/* --- a next program --- */

static int constant_load(uint32_t action, uint32_t flags)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_XDP, .prog_flags = flags);
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = (int)action},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "constant", "GPL", insns, 2, &opts);
}

TEST(next)
{
	uint32_t key = 0;
	struct frame open, other, denied;

	GATE_READY();
	int drop_fd = constant_load(XDP_DROP, BPF_F_XDP_HAS_FRAGS), tx_fd = constant_load(XDP_TX, BPF_F_XDP_HAS_FRAGS),
	    plain_fd = constant_load(XDP_DROP, 0);
	CHECK(drop_fd >= 0 && tx_fd >= 0 && plain_fd >= 0);
	lists_set("", "192.0.2.9");
	frame_from(&open, "192.0.2.7");
	frame_build(&other, ICMP4);
	frame_from(&denied, "192.0.2.9");
	int slot = filter->map_fds[MAP_NEXT];
	CHECK_EQ(bpf_map_update_elem(slot, &key, &tx_fd, BPF_ANY), 0);
	expect(&open, PASS_OPEN, "in the slot, not asked for");
	filter_word_change(filter, 0, TOLLBAR_NEXT);
	CHECK_EQ(gate_run(&open).action, XDP_TX);
	CHECK_EQ(gate_run(&other).action, XDP_TX);
	expect(&denied, BLOCKED, "what is dropped goes no further");
	filter_set_mode(filter, FILTER_OPEN, true);
	CHECK_EQ(gate_run(&denied).action, XDP_TX); /* observed: it passed */
	filter_set_mode(filter, FILTER_OPEN, false);
	CHECK_EQ(bpf_map_update_elem(slot, &key, &drop_fd, BPF_ANY), 0);
	CHECK_EQ(gate_run(&open).action, XDP_DROP);
	CHECK_EQ(gate_run(&open).reason, PASS_OPEN);				/* ours passed it */
	CHECK_EQ(bpf_map_update_elem(slot, &key, &plain_fd, BPF_ANY), -EINVAL); /* takes frames in one buffer only */
	CHECK_EQ(gate_run(&open).action, XDP_DROP);
	CHECK_EQ(filter_set_next(filter, "-", NULL), 0);
	expect(&open, PASS_OPEN, "taken out");
	filter_word_change(filter, 0, TOLLBAR_NEXT);
	expect(&open, PASS_OPEN, "asked for, none there");
	filter_word_change(filter, TOLLBAR_NEXT, 0);
	close(drop_fd);
	close(tx_fd);
	close(plain_fd);
}

CHECK_MAIN
