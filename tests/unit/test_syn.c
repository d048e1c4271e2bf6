// SPDX-License-Identifier: Apache-2.0
/* syn.bpf.h in user space: when SYNs are too many, and the bytes of the answer. */
#include "../../bpf/syn.bpf.h"

#include <stdlib.h>

#include "../bpf/syn_reply.h"
#include "random.h"

#define SECOND UINT64_C(1000000000)
#define START (1000 * SECOND)

/* per_s SYNs a second for so long: was the last of them one too many? */
static uint32_t run(struct tollbar_flood *syns, uint32_t limit, uint32_t per_s, uint64_t from_ns, uint64_t ns)
{
	uint32_t flooded = syns->flooded;

	for (uint64_t i = 0; i < per_s * ns / SECOND; i++)
		flooded = flood_count(syns, limit, from_ns + i * SECOND / per_s);
	return flooded;
}

TEST(flood_begins_at_once_and_ends_late)
{
	struct tollbar_flood syns = {0};

	CHECK_EQ(run(&syns, 100, 100, START, 10 * SECOND), 0);			/* as many as allowed */
	CHECK_EQ(run(&syns, 100, 10000, START + 20 * SECOND, SECOND / 100), 0); /* 100 of them */
	CHECK_EQ(flood_count(&syns, 100, START + 20 * SECOND + SECOND / 100), 1);
	CHECK_EQ(run(&syns, 100, 60, START + 21 * SECOND, 10 * SECOND), 1); /* fewer, but not half */
	CHECK_EQ(run(&syns, 100, 40, START + 31 * SECOND, SECOND), 1);
	CHECK_EQ(run(&syns, 100, 40, START + 32 * SECOND, SECOND), 0); /* a whole second with less */
	CHECK_EQ(run(&syns, 100, 100, START + 33 * SECOND, 5 * SECOND),
		 0); /* and not back before it is too many again */
}

TEST(flood_ends_in_silence)
{
	struct tollbar_flood syns = {0};

	CHECK_EQ(run(&syns, 100, 1000, START, SECOND / 2), 1);
	CHECK_EQ(flood_count(&syns, 100, START + 3 * SECOND / 2),
		 1); /* the second with the flood is over, but it was one */
	syns = (struct tollbar_flood){.second_ns = START, .cnt = 500, .flooded = 1};
	CHECK_EQ(flood_count(&syns, 100, START + 2 * SECOND), 0); /* one passed without any */
}

TEST(least_threshold)
{
	struct tollbar_flood syns = {0};

	CHECK_EQ(flood_count(&syns, 1, START), 0);
	CHECK_EQ(flood_count(&syns, 1, START + 1), 1);
	CHECK_EQ(flood_count(&syns, 1, START + SECOND), 1);
	CHECK_EQ(flood_count(&syns, 1, START + 3 * SECOND), 0);
}

static void rewrite(bool six, int tags, uint32_t cookie, uint32_t mss, void (*change)(struct frame *))
{
	struct frame syn, reply;
	size_t ip_at = 14 + 4 * (size_t)tags, bytes = ip_at + (six ? 40 : 20) + 24;

	frame_build(&syn, six ? TCP6 : TCP4);
	change(&syn);
	frame_tag(&syn, tags);
	reply = syn;
	int done = six ? syn_rewrite6(reply.bytes, reply.bytes + bytes, (uint32_t)ip_at, cookie, mss)
		       : syn_rewrite4(reply.bytes, reply.bytes + bytes, (uint32_t)ip_at, cookie, mss);
	CHECK_EQ(done, 1);
	CHECK_EQ(reply_check(reply.bytes, bytes, &syn, six, tags, mss), cookie);
	CHECK_BYTES(reply.bytes + bytes, syn.bytes + bytes, FRAME_BYTES_MAX - bytes);
	/* a frame that ends earlier stays as it is */
	reply = syn;
	done = six ? syn_rewrite6(reply.bytes, reply.bytes + bytes - 1, (uint32_t)ip_at, cookie, mss)
		   : syn_rewrite4(reply.bytes, reply.bytes + bytes - 1, (uint32_t)ip_at, cookie, mss);
	CHECK_EQ(done, 0);
	CHECK_BYTES(reply.bytes, syn.bytes, FRAME_BYTES_MAX);
}

/* All that is the sender's: addresses, ports, sequence, and fields an answer must not carry over. */
static void change_random(struct frame *frame)
{
	bool six = frame->bytes[AT_TYPE] == 0x86;
	size_t from = six ? AT_IP6_SOURCE : AT_IP4_SOURCE, tcp_at = six ? AT_L4_6 : AT_L4_4;

	random_bytes(frame->bytes, 12);
	random_bytes(frame->bytes + from, tcp_at + 8 - from);
	random_bytes(frame->bytes + tcp_at + 14, 6);
	frame->bytes[AT_IP + 1] = (uint8_t)random_u64();
	if (!six)
		random_bytes(frame->bytes + AT_IP + 4, 2);
}

static void change_ones(struct frame *frame)
{
	bool six = frame->bytes[AT_TYPE] == 0x86;

	memset(frame->bytes + (six ? AT_IP6_SOURCE : AT_IP4_SOURCE), 0xff, six ? 32 + 8 : 8 + 8);
}

static void change_zeros(struct frame *frame)
{
	bool six = frame->bytes[AT_TYPE] == 0x86;

	memset(frame->bytes + (six ? AT_IP6_SOURCE : AT_IP4_SOURCE), 0, six ? 32 + 8 : 8 + 8);
}

TEST(answer)
{
	static const uint32_t edges[] = {0, 1, 0xffff, 0x10000, 0x7fffffff, 0xfffffffe, 0xffffffff};

	random_start("syn answer");
	for (int six = 0; six < 2; six++)
		for (int tags = 0; tags <= 2; tags++) {
			for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
				rewrite(six, tags, edges[i], 1460, change_ones);
				rewrite(six, tags, edges[i], 0xffff, change_zeros);
			}
			for (int i = 0; i < 20000; i++)
				rewrite(six, tags, (uint32_t)random_u64(), (uint32_t)(random_u64() & 0xffff),
					change_random);
		}
}

CHECK_MAIN
