/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_DATAGRAM_FRAMES_H
#define TOLLBAR_TESTS_DATAGRAM_FRAMES_H
/* datagram_frames.h: datagrams on their way to the UDP port of frames.h. */
#include "datagrams.h"
#include "frames.h"

static inline size_t frame_udp_at(const struct frame *frame)
{
	size_t at = 12;

	while (frame->bytes[at] == 0x81 || frame->bytes[at] == 0x88)
		at += 4;
	return frame->bytes[at] == 0x08 ? at + 2 + (size_t)(frame->bytes[at + 2] & 15) * 4 : at + 2 + 40;
}

/* The datagram in a frame of this kind, UDP4 or UDP6, to the native port. */
static inline void frame_datagram(struct frame *frame, enum frame_kind kind, int tags, const struct datagram *datagram)
{
	size_t at = (kind == UDP4 ? AT_L4_4 : AT_L4_6), udp_bytes = 8 + datagram->used,
	       length = kind == UDP4 ? 20 + udp_bytes : udp_bytes,
	       length_at = kind == UDP4 ? AT_IP4_TOTAL : AT_IP6_PAYLOAD;

	frame_build(frame, kind);
	frame->used = at + 8;
	put(frame, datagram->bytes, datagram->used);
	frame->bytes[at + 4] = (uint8_t)(udp_bytes >> 8);
	frame->bytes[at + 5] = (uint8_t)udp_bytes;
	frame->bytes[length_at] = (uint8_t)(length >> 8);
	frame->bytes[length_at + 1] = (uint8_t)length;
	frame_tag(frame, tags);
}

#endif
