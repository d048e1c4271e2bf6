// SPDX-License-Identifier: Apache-2.0
/* bpf/native.bpf.h in user space: the answer that carries a cookie, tags of claimed nonces, the pace of repeats.  What the sieve
 * says of datagrams is compared in tests/fuzz/fuzz_native.c and tests/bpf/test_native_same.c. */
#include "sieve.h"

#include "../bpf/native_reply.h"
#include "random.h"

/* --- the answer --- */

static void rewrite(bool six, int tags, uint64_t cookie, void (*change)(struct frame *))
{
	struct datagram datagram;
	struct frame asked, reply;
	size_t ip_at = 14 + 4 * (size_t)tags, udp_at = ip_at + (six ? 40 : 20), bytes = udp_at + REPLY_UDP_BYTES;
	uint32_t ports;
	uint64_t echo;

	datagram_request(&datagram, 100, false, 1800000000);
	frame_datagram(&asked, six ? UDP6 : UDP4, 0, &datagram);
	change(&asked);
	frame_tag(&asked, tags);
	memcpy(&ports, asked.bytes + udp_at, sizeof ports);
	memcpy(&echo, asked.bytes + udp_at + 8 + AT_NONCE, sizeof echo);
	reply = asked;
	CHECK_EQ(native_rewrite(reply.bytes, reply.bytes + bytes, (uint32_t)ip_at, six ? 40 : 20, ports, cookie, echo),
		 1);
	CHECK_EQ(native_reply_check(reply.bytes, bytes, &asked, ip_at, udp_at), cookie);
	CHECK_BYTES(reply.bytes + bytes, asked.bytes + bytes, FRAME_BYTES_MAX - bytes);
	/* a frame that ends earlier stays as it is */
	reply = asked;
	CHECK_EQ(native_rewrite(reply.bytes, reply.bytes + bytes - 1, (uint32_t)ip_at, six ? 40 : 20, ports, cookie,
				echo),
		 0);
	CHECK_BYTES(reply.bytes, asked.bytes, FRAME_BYTES_MAX);
}

/* All that is the sender's: addresses, ports, what is sent back, and fields an answer must not carry over. */
static void change_random(struct frame *frame)
{
	bool six = frame->bytes[AT_TYPE] == 0x86;
	size_t from = six ? AT_IP6_SOURCE : AT_IP4_SOURCE, udp_at = six ? AT_L4_6 : AT_L4_4;

	random_bytes(frame->bytes, 12);
	random_bytes(frame->bytes + from, udp_at + 4 - from);
	random_bytes(frame->bytes + udp_at + 6, 2);
	random_bytes(frame->bytes + udp_at + 8 + AT_NONCE, 8);
	frame->bytes[AT_IP + 1] = (uint8_t)random_u64();
	if (!six)
		random_bytes(frame->bytes + AT_IP + 4, 2);
}

static void change_fill(struct frame *frame, int byte)
{
	bool six = frame->bytes[AT_TYPE] == 0x86;
	size_t from = six ? AT_IP6_SOURCE : AT_IP4_SOURCE, udp_at = six ? AT_L4_6 : AT_L4_4;

	memset(frame->bytes + from, byte, udp_at + 4 - from);
	memset(frame->bytes + udp_at + 8 + AT_NONCE, byte, 8);
}

static void change_ones(struct frame *frame)
{
	change_fill(frame, 0xff);
}

static void change_zeros(struct frame *frame)
{
	change_fill(frame, 0);
}

TEST(answer)
{
	static const uint64_t edges[] = {1, 0xffff, 0x10000, 0x7fffffffffffffff, UINT64_MAX};

	random_start("answer");
	for (int six = 0; six < 2; six++)
		for (int tags = 0; tags <= 2; tags++) {
			for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
				rewrite(six, tags, edges[i], change_ones);
				rewrite(six, tags, edges[i], change_zeros);
			}
			for (int i = 0; i < 20000; i++)
				rewrite(six, tags, random_u64() | 1, change_random);
		}
}

/* A sum that comes to zero is written as its other form: zero says that there is no checksum. */
TEST(checksum_zero)
{
	unsigned found = 0;

	for (uint64_t cookie = 1; cookie < 0x10000; cookie++) {
		uint32_t udp[8];
		native_rewrite_udp(udp, 0, 0, cookie << 48 | 1, 0);
		uint16_t sum;
		memcpy(&sum, (uint8_t *)udp + 6, sizeof sum);
		CHECK(sum != 0);
		found += sum == 0xffff;
		CHECK_EQ(wire_sum(17 + 32, (const uint8_t *)udp, 32), 0xffff);
	}
	CHECK_EQ(found, 1);
}

/* --- claimed nonces --- */

/* The sum of products, in 128 bits. */
static uint32_t half_again(const uint64_t *key, const uint32_t words[14])
{
	unsigned __int128 sum = key[14];

	for (int i = 0; i < 14; i += 2)
		sum += (unsigned __int128)(uint64_t)(key[i] + words[i]) * (uint64_t)(key[i + 1] + words[i + 1]);
	return (uint32_t)((uint64_t)sum >> 32);
}

TEST(tags)
{
	uint64_t key[TOLLBAR_TAG_KEYS];
	uint32_t words[14], chain[2] = {0};

	random_start("tags");
	for (int round = 0; round < 10000; round++) {
		random_bytes((uint8_t *)key, sizeof key);
		random_bytes((uint8_t *)words, sizeof words);
		chain[1] = words[5];
		uint64_t want = (uint64_t)half_again(key, words) << 32 | half_again(key + 15, words);
		uint64_t got = tollbar_tag((const void *)key, chain, words, words + 6);
		CHECK_EQ(got, want);
		unsigned bit = (unsigned)random_below(sizeof words * 8);
		words[bit / 32] ^= 1u << bit % 32;
		chain[1] = words[5];
		CHECK(tollbar_tag((const void *)key, chain, words, words + 6) != got);
	}
	memset(key, 0, sizeof key);
	memset(words, 0, sizeof words);
	CHECK_EQ(tollbar_tag((const void *)key, words, words, words), 1); /* never none */
}

TEST(pace)
{
	struct tollbar_replay replay = {.pass_tick = 100};
	const uint64_t tick_ns = 1ull << TOLLBAR_REPLAY_TICK;

	CHECK_EQ(native_repeat_passes(&replay, 100 * tick_ns - 1), 0);
	CHECK_EQ(native_repeat_passes(&replay, 100 * tick_ns), 1);
	for (uint64_t tick = 100; tick < 115; tick++)
		CHECK_EQ(native_repeat_passes(&replay, tick * tick_ns), 0);
	CHECK_EQ(native_repeat_passes(&replay, 115 * tick_ns), 1);
	CHECK(TOLLBAR_REPLAY_TICKS * tick_ns >= 250000000);
	/* around the end of 32 bits */
	replay.pass_tick = 0xfffffff8u;
	CHECK_EQ(native_repeat_passes(&replay, 0xfffffff7ull * tick_ns), 0);
	CHECK_EQ(native_repeat_passes(&replay, 0xfffffffaull * tick_ns), 1);
	CHECK_EQ(native_repeat_passes(&replay, 0x100000008ull * tick_ns), 0);
	CHECK_EQ(native_repeat_passes(&replay, 0x100000009ull * tick_ns), 1);
}

CHECK_MAIN
