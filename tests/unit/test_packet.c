// SPDX-License-Identifier: Apache-2.0
/* packet.bpf.h in user space: the table of frames that tests/bpf/test_gate.c also runs in the kernel, every frame pressed
 * against a guard page at either length, and every prefix of every kind. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../bpf/judge.h"
#include "check.h"

static uint8_t *guard; /* the byte after the last one that may be read */

static void guard_init(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE) != 0)
		abort();
	guard = pages + page;
}

static uint32_t beyond_bytes; /* of the frame, in further buffers */

/* What the gate makes of a frame in open mode without lists. */
static enum reason judge(const struct frame *frame, struct packet *packet)
{
	if (guard == NULL)
		guard_init();
	uint8_t *data = guard - frame->used;
	memcpy(data, frame->bytes, frame->used);
	return packet_judge(packet, beyond_bytes > 0 ? &beyond_bytes : NULL, data, guard);
}

TEST(rows)
{
	for (size_t i = 0; i < FRAME_ROW_CNT; i++) {
		struct frame frame;
		struct packet packet;
		frame_row_build(&frame, &frame_rows[i]);
		CHECK_ROW(judge(&frame, &packet) == frame_rows[i].want, frame_rows[i].name);
	}
}

TEST(extensions)
{
	for (size_t i = 0; i < EXTENSION_ROW_CNT; i++) {
		struct frame frame;
		struct packet packet;
		extension_row_build(&frame, &extension_rows[i]);
		CHECK_ROW(judge(&frame, &packet) == extension_rows[i].want, extension_rows[i].name);
	}
}

/* A frame that goes on in another buffer: what the IP header says must be there, and headers must be in the first. */
TEST(beyond)
{
	static const enum frame_kind kinds[] = {TCP4, UDP4, TCP6, UDP6};

	for (size_t k = 0; k < 4; k++) {
		struct frame whole, frame;
		struct packet packet;
		bool six = kinds[k] == TCP6 || kinds[k] == UDP6;
		size_t header_bytes = (six ? AT_L4_6 : AT_L4_4) + (kinds[k] == TCP4 || kinds[k] == TCP6 ? 20u : 8u);
		frame_build(&whole, kinds[k]);
		frame = whole;
		for (frame.used = six ? AT_L4_6 : AT_L4_4; frame.used < whole.used; frame.used++) {
			bool headers_here = frame.used >= header_bytes;
			beyond_bytes = (uint32_t)(whole.used - frame.used);
			CHECK_EQ(judge(&frame, &packet) == PASS_OPEN, headers_here);
			beyond_bytes--;
			CHECK_EQ(judge(&frame, &packet), six ? IP6_LENGTH : IP4_LENGTH);
		}
	}
	beyond_bytes = 0;
}

/* A frame that ends too early is refused as too short somewhere, and never read beyond its end. */
TEST(every_prefix)
{
	for (int tags = 0; tags <= 2; tags++)
		for (int kind = 0; kind < FRAME_KIND_CNT; kind++) {
			struct frame whole, frame;
			struct packet packet;
			frame_build(&whole, (enum frame_kind)kind);
			frame_tag(&whole, tags);
			frame = whole;
			for (frame.used = 0; frame.used < whole.used; frame.used++) {
				enum reason reason = judge(&frame, &packet);
				if (frame.used < 14u + 4u * (unsigned)tags)
					CHECK_EQ(reason, FRAME_SHORT);
				else if (kind == ARP)
					CHECK_EQ(reason, PASS_OTHER);
				else
					CHECK(reason == FRAME_SHORT || reason == IP4_LENGTH || reason == IP6_LENGTH);
			}
		}
}

/* The short way, for the usual packet, says what the long one would: each byte of each kind at each value. */
TEST(plain)
{
	unsigned plain_cnt[FRAME_KIND_CNT] = {0};

	for (int kind = 0; kind < FRAME_KIND_CNT; kind++) {
		struct frame frame;
		frame_build(&frame, (enum frame_kind)kind);
		for (size_t i = 0; i < frame.used * 256; i++) {
			struct packet plain, walked;
			uint8_t was = frame.bytes[i / 256], *end = frame.bytes + frame.used;
			frame.bytes[i / 256] = (uint8_t)i;
			bool is_plain = packet_plain(&plain, frame.bytes, end);
			if (is_plain)
				CHECK(packet_walk(&walked, NULL, frame.bytes, end) == REASON_OK &&
				      plain.ip == walked.ip && plain.l4 == walked.l4 &&
				      plain.l4_bytes == walked.l4_bytes && plain.protocol == walked.protocol &&
				      plain.version == walked.version);
			plain_cnt[kind] += is_plain;
			frame.bytes[i / 256] = was;
		}
	}
	CHECK(plain_cnt[TCP4] > 256 * 40 && plain_cnt[UDP4] > 256 * 28);
	CHECK(plain_cnt[TCP6] == 0 && plain_cnt[UDP6] == 0 && plain_cnt[ARP] == 0);
}

TEST(fields)
{
	static const uint8_t source4[16] = {[10] = 0xff, 0xff, 192, 0, 2, 7},
			     source6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 7};
	struct tollbar_address source __attribute__((aligned(8)));
	struct frame frame;
	struct packet packet;

	frame_build(&frame, TCP4_OPTIONS);
	CHECK_EQ(judge(&frame, &packet), PASS_OPEN);
	packet_source(&source, &packet);
	CHECK_BYTES(&source, source4, 16);
	CHECK_EQ(packet.l4 - (guard - frame.used), 14 + 60);
	CHECK_EQ(packet.l4_bytes, 24);
	CHECK_EQ(packet_port(&packet), FRAME_TCP_PORT);
	frame_build(&frame, UDP6);
	CHECK_EQ(judge(&frame, &packet), PASS_OPEN);
	packet_source(&source, &packet);
	CHECK_BYTES(&source, source6, 16);
	CHECK_EQ(packet.l4 - (guard - frame.used), 54);
	CHECK_EQ(packet.l4_bytes, 12);
	CHECK_EQ(packet.protocol, 17);
}

/* Fin 1, syn 2, rst 4, psh 8, ack 16, urg 32, ece 64, cwr 128.  Written out from RFC 9293, not from the table. */
static bool flags_can_be(unsigned flags)
{
	bool fin = flags & 1, syn = flags & 2, rst = flags & 4, ack = flags & 16, urg = flags & 32;

	if (syn + fin + rst > 1) /* one of open, close, abort */
		return false;
	if (syn)
		return !(ack && urg);
	if (rst)
		return !urg;
	return ack; /* everything else belongs to a connection */
}

TEST(all_flags)
{
	struct frame frame;
	struct packet packet;

	frame_build(&frame, TCP4);
	for (unsigned flags = 0; flags < 256; flags++) {
		frame.bytes[L4(L4_FLAGS)] = (uint8_t)flags;
		CHECK_EQ(judge(&frame, &packet), flags_can_be(flags) ? PASS_OPEN : TCP_FLAGS);
	}
}

CHECK_MAIN
