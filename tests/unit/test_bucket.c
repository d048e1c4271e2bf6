// SPDX-License-Identifier: Apache-2.0
/* bucket.bpf.h in user space, where the test owns the clock: what passes, to the packet; whose bucket is whose; and what
 * forged sources can and cannot do to others. */
#include <arpa/inet.h> /* before the kernel's own headers, which then leave its types alone */

#include "../../bpf/bucket.bpf.h"

#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "config.h"
#include "random.h"

#define SECOND UINT64_C(1000000000)
#define START (1000 * SECOND)

static struct tollbar_bucket_set sets[TOLLBAR_BUCKET_SETS];

static struct tollbar_limits limits_of(uint64_t packets_per_s, uint64_t packets_burst, uint64_t connections_per_s,
				       uint64_t connections_burst)
{
	struct tollbar_limits limits = {.key = {random_u64(), random_u64()}};

	if (packets_per_s != 0)
		limits.packet_ns = SECOND / packets_per_s;
	limits.packet_burst_ns = limits.packet_ns * packets_burst;
	if (connections_per_s != 0)
		limits.connection_ns = SECOND / connections_per_s;
	limits.connection_burst_ns = limits.connection_ns * connections_burst;
	return limits;
}

/* What the gate does with a packet of this source. */
static enum reason judge(uint64_t source, const struct tollbar_limits *limits, bool opens, uint64_t now_ns)
{
	uint64_t hash = bucket_hash(source, limits->key);
	struct tollbar_bucket *bucket = bucket_find(&sets[hash & (TOLLBAR_BUCKET_SETS - 1)], hash, now_ns);

	return bucket != NULL ? bucket_judge(bucket, limits, opens, now_ns) : REASON_OK;
}

/* How many of cnt packets pass at one moment. */
static unsigned passed(struct tollbar_bucket *bucket, const struct tollbar_limits *limits, unsigned cnt, bool opens,
		       uint64_t now_ns, enum reason refusal)
{
	unsigned pass_cnt = 0;

	for (unsigned i = 0; i < cnt; i++) {
		struct tollbar_bucket before = *bucket;
		enum reason reason = bucket_judge(bucket, limits, opens, now_ns);
		CHECK(reason == REASON_OK || reason == refusal);
		if (reason == RATE) /* refused, and nothing written */
			CHECK_BYTES(bucket, &before, sizeof before);
		pass_cnt += reason == REASON_OK;
	}
	return pass_cnt;
}

TEST(burst_then_pace)
{
	static const struct {
		uint64_t per_s, burst, wait_ns;
		unsigned want; /* of 1000, after the burst was used up and so long a wait */
	} rows[] = {
		{1000, 5, 0, 0},
		{1000, 5, 999999, 0},
		{1000, 5, 1000000, 1},
		{1000, 5, 4999999, 4},
		{1000, 5, 5000000, 5},
		{1000, 5, 3600 * SECOND, 5}, /* never more than the burst */
		{1, 1, SECOND - 1, 0},
		{1, 1, SECOND, 1},
		{3, 2, 333333333, 1},
		{10000000, 100000, 1000, 10},
		{10000000, 1000000000, 0, 1000}, /* the largest of both: nowhere near its end */
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tollbar_limits limits = limits_of(rows[i].per_s, rows[i].burst, 0, 0);
		struct tollbar_bucket bucket = {0};
		if (rows[i].burst < 1000000)
			CHECK_EQ(passed(&bucket, &limits, (unsigned)rows[i].burst + 1000, false, START, RATE),
				 rows[i].burst);
		CHECK_EQ(passed(&bucket, &limits, 1000, false, START + rows[i].wait_ns, RATE), rows[i].want);
	}
}

/* What is opened is counted as a packet too; what is not opened is not counted as a connection. */
TEST(connections_apart)
{
	struct tollbar_limits both = limits_of(1000, 10, 10, 2), only = limits_of(0, 0, 10, 2);
	struct tollbar_bucket bucket = {0};

	CHECK_EQ(passed(&bucket, &both, 5, true, START, SYN_RATE), 2); /* and five packets */
	CHECK_EQ(passed(&bucket, &both, 9, false, START, RATE), 5);
	CHECK_EQ(passed(&bucket, &both, 1, true, START, RATE), 0);
	CHECK_EQ(passed(&bucket, &both, 10, true, START + SECOND / 10, SYN_RATE), 1);
	bucket = (struct tollbar_bucket){0};
	CHECK_EQ(passed(&bucket, &only, 1000, false, START, RATE), 1000);
	CHECK_EQ(passed(&bucket, &only, 1000, true, START, SYN_RATE), 2);
	CHECK_EQ(passed(&bucket, &only, 1000, true, START + SECOND / 10, SYN_RATE), 1);
}

/* The clock moves in ticks: with the least burst that a configuration may have, the pace is still the one asked for. */
TEST(coarse_clock)
{
	static const uint64_t ticks_ns[] = {1000000, 4000000, 10000000};
	static const uint64_t rates[] = {5, 9, 10, 100, 109, 1000, 12345, 1000000};

	for (size_t tick = 0; tick < 3; tick++)
		for (size_t rate = 0; rate < sizeof rates / sizeof *rates; rate++) {
			uint64_t least = config_burst_least((unsigned)rates[rate]), pass_cnt = 0;
			struct tollbar_limits limits = limits_of(rates[rate], least, 0, 0);
			struct tollbar_bucket bucket = {0};
			for (uint64_t i = 0; i < 1000000; i++) { /* a hundred times what is allowed */
				uint64_t at_ns = i * limits.packet_ns / 100;
				pass_cnt += bucket_judge(&bucket, &limits, 0,
							 START + at_ns / ticks_ns[tick] * ticks_ns[tick]) == REASON_OK;
			}
			CHECK(pass_cnt <= 10000 + least);
			CHECK(pass_cnt >= (least == 1 ? 9000 : 9900));
		}
}

static uint64_t source_of(const char *text, uint32_t ip4_bits, uint32_t ip6_bits)
{
	struct tollbar_address address __attribute__((aligned(8))) = {.bytes = {[10] = 255, 255}};
	struct tollbar_limits limits = {.ip4_mask = htonl(~0u << (32 - ip4_bits))};
	uint64_t ip6_mask = htobe64(~UINT64_C(0) << (64 - ip6_bits));
	uint32_t version = inet_pton(AF_INET, text, &address.bytes[12]) == 1 ? 4 : 6;

	memcpy(limits.ip6_mask, &ip6_mask, 8);
	if (version == 6)
		CHECK_EQ(inet_pton(AF_INET6, text, &address), 1);
	return bucket_source(&address, version, &limits);
}

TEST(sources)
{
	static const struct {
		const char *one, *other;
		uint32_t ip4_bits, ip6_bits;
		bool same;
	} rows[] = {
		{"192.0.2.7", "192.0.2.7", 32, 64, true},
		{"192.0.2.7", "192.0.2.6", 32, 64, false},
		{"192.0.2.7", "193.0.2.7", 32, 64, false},
		{"192.0.2.7", "192.0.2.255", 24, 64, true},
		{"192.0.2.7", "192.0.3.7", 24, 64, false},
		{"192.0.2.7", "192.0.2.6", 31, 64, true},
		{"192.0.2.7", "128.0.0.0", 1, 64, true},
		{"192.0.2.7", "127.0.0.0", 1, 64, false},
		{"2001:db8::1", "2001:db8::ffff:0:0:1", 32, 64, true},
		{"2001:db8::1", "2001:db8:0:1::1", 32, 64, false},
		{"2001:db8::1", "2001:db8:0:1::1", 32, 63, true},
		{"2001:db8:1:ff00::", "2001:db8:1:ffff:1::", 32, 56, true},
		{"2001:db8:1:fe00::", "2001:db8:1:ff00::", 32, 56, false},
		{"64:ff9b::192.0.2.7", "64:ff9b::192.0.2.6", 32, 64, false}, /* NAT64 */
		{"64:ff9b::192.0.2.7", "64:ff9b::192.0.2.6", 31, 64, true},
		{"64:ff9b::192.0.2.7", "192.0.2.7", 32, 64, false},
		{"64:ff9b::192.0.2.7", "64:ff9b:1::192.0.2.7", 32, 64, false},
		{"64:ff9b:1::192.0.2.7", "64:ff9b:1::192.0.2.6", 32, 64, false},
		{"2001:db8:1::", "2001:db8:1:8000::", 32, 48, true},
		{"2001:db8::", "2001:db9::", 32, 32, false},
		{"2001:db8::", "2001:dff::", 32, 20, true},
		{"2000::", "3fff::", 32, 1, true},
		/* the families never meet, not even where IPv6 begins as IPv4 is written */
		{"192.0.2.7", "::c000:207", 32, 64, false},
		{"0.0.0.1", "::1", 32, 64, false},
		{"192.0.2.7", "c000:207::", 32, 64, false},
		{"192.0.2.7", "0:0:c000:207::", 32, 64, false},
		{"192.0.2.7", "::ffff:192.0.2.7", 32, 64, false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		CHECK_ROW((source_of(rows[i].one, rows[i].ip4_bits, rows[i].ip6_bits) ==
			   source_of(rows[i].other, rows[i].ip4_bits, rows[i].ip6_bits)) == rows[i].same,
			  rows[i].other);
}

/* The odd number's inverse modulo 2^64, by Newton's method: five steps from three right bits. */
static uint64_t inverse(uint64_t odd)
{
	uint64_t guess = odd;

	for (int i = 0; i < 5; i++)
		guess *= 2 - odd * guess;
	return guess;
}

/* The hash can be undone, so no two sources have the same. */
TEST(hash_is_one_to_one)
{
	random_start("hash is one to one");
	for (int i = 0; i < 100000; i++) {
		__u64 key[2] = {random_u64(), random_u64()}, source = random_u64();
		uint64_t hash = bucket_hash(source, key);
		hash ^= hash >> 32;
		hash *= inverse(0xd6e8feb86659fd93u);
		hash ^= hash >> 32;
		hash *= inverse(key[1] | 1);
		hash ^= hash >> 32;
		CHECK_EQ(hash * inverse(0x9e3779b97f4a7c15u) ^ key[0], source);
	}
}

/* Neighbouring sources, as attackers and networks have them, go everywhere: of 65,536 in 32,768 sets chance leaves
 * e^-2 of the sets empty, 4,435 with a deviation of 57, and puts no more than a few in one. */
TEST(hash_spreads_neighbours)
{
	static const struct {
		const char *name;
		uint64_t first, step; /* in network order */
	} rows[] = {
		{"IPv4, one after the other", 0xff0000000a000000, 1}, {"IPv4 /24s", 0xff0000000a000000, 1 << 8},
		{"IPv6, the /64s of a /48", 0x20010db800010000, 1},   {"IPv6 /48s", 0x20010db800000000, 1 << 16},
		{"IPv6 /32s", 0x2000000000000000, 1ull << 32},
	};
	static uint8_t loads[TOLLBAR_BUCKET_SETS];

	random_start("hash spreads neighbours");
	for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
		__u64 key[2] = {random_u64(), random_u64()};
		unsigned empty_cnt = 0, most = 0;
		memset(loads, 0, sizeof loads);
		for (unsigned i = 0; i < 65536; i++)
			loads[bucket_hash(htobe64(rows[row].first + i * rows[row].step), key) &
			      (TOLLBAR_BUCKET_SETS - 1)]++;
		for (unsigned i = 0; i < TOLLBAR_BUCKET_SETS; i++) {
			empty_cnt += loads[i] == 0;
			most = loads[i] > most ? loads[i] : most;
		}
		CHECK_ROW(empty_cnt > 4435 - 400 && empty_cnt < 4435 + 400, rows[row].name);
		CHECK_ROW(most < 20, rows[row].name);
	}
}

TEST(two_places)
{
	struct tollbar_bucket_set set = {0};
	struct tollbar_bucket *first = bucket_find(&set, 1, START), *second;
	struct tollbar_limits limits = limits_of(1000, 2, 0, 0);

	CHECK(first == &set.buckets[0]);
	CHECK(bucket_find(&set, 1, START) == first);
	CHECK_EQ(bucket_judge(first, &limits, 0, START), REASON_OK);
	second = bucket_find(&set, 2, START);
	CHECK(second == &set.buckets[1]);
	CHECK_EQ(bucket_judge(second, &limits, 0, START), REASON_OK);
	CHECK(bucket_find(&set, 3, START) == NULL); /* both in use: not counted */
	CHECK(bucket_find(&set, 1, START) == first && bucket_find(&set, 2, START) == second);
	CHECK(bucket_find(&set, 3, START + SECOND / 1000 - 1) == NULL);
	CHECK(bucket_find(&set, 3, START + SECOND / 1000) == first); /* full again, so nothing is forgotten */
	CHECK(bucket_find(&set, 2, START + SECOND / 1000) == second);
	first->connections_full_ns = START + SECOND; /* waiting for either is being in use */
	CHECK(bucket_find(&set, 4, START + SECOND / 1000) == second);
}

/* Forged packets by the million, each from another source: nobody else's packet is ever refused, and a source above its
 * limit is still held to it, but for the times the flood occupied both its places. */
TEST(forged_sources_refuse_nobody_else)
{
	enum { HONEST_CNT = 500, HEAVY_CNT = 20 };
	static const struct {
		uint64_t flood_per_s;
		double leak_most; /* of what the heavy sources sent above their limit */
	} rows[] = {{0, 0.0}, {100000, 0.001}, {1000000, 0.06}};

	random_start("forged sources");
	for (size_t row = 0; row < 3; row++) {
		struct tollbar_limits limits = limits_of(100, 100, 0, 0);
		uint64_t honest_cnt = 0, refused_cnt = 0, heavy_cnt = 0, heavy_passed = 0, gap_ns = 20000;
		uint64_t honest = random_u64() | 0x80, heavy = random_u64() | 0x80;
		memset(sets, 0, sizeof sets);
		for (uint64_t at = 0; at < 2 * SECOND; at += gap_ns) { /* 50,000 steps a second */
			for (uint64_t i = 0; i < rows[row].flood_per_s / 50000; i++)
				judge(random_u64(), &limits, false, START + at);
			/* 50,000 over 500 sources: 100 a second each, which is just allowed */
			honest_cnt++;
			refused_cnt += judge(honest + honest_cnt % HONEST_CNT, &limits, false, START + at) != REASON_OK;
			/* the same over 20: 25 times too many */
			heavy_cnt++;
			heavy_passed += judge(heavy - heavy_cnt % HEAVY_CNT, &limits, false, START + at) == REASON_OK;
		}
		double allowed = HEAVY_CNT * (100 + 2 * 100), leaked = (double)heavy_passed - allowed;
		CHECK_EQ(refused_cnt, 0);
		CHECK(leaked >= -HEAVY_CNT && leaked <= HEAVY_CNT + rows[row].leak_most * (double)heavy_cnt);
	}
}

CHECK_MAIN
