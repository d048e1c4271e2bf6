/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_NATIVE_REPLY_H
#define TOLLBAR_TESTS_NATIVE_REPLY_H
/* native_reply.h: is this frame the cookie sent back for that datagram?  Every byte of it, and the checksums summed byte by
 * byte.  For test_native_sieve.c of tests/unit and test_native_cookie.c of tests/bpf. */
#include "datagram_frames.h"
#include "syn_reply.h"

#define REPLY_UDP_BYTES 32u

static inline void native_reply_ip4(const uint8_t *ip, const uint8_t *asked)
{
	static const uint8_t first[] = {0x45, 0, 0, 20 + REPLY_UDP_BYTES, 0, 0, 0x40, 0, 64, 17};

	CHECK_BYTES(ip, first, sizeof first);
	CHECK_EQ(wire_sum(0, ip, 20), 0xffff);
	CHECK_BYTES(ip + 12, asked + 16, 4);
	CHECK_BYTES(ip + 16, asked + 12, 4);
	CHECK_EQ(wire_sum(17 + REPLY_UDP_BYTES, ip + 12, 8 + REPLY_UDP_BYTES), 0xffff);
}

static inline void native_reply_ip6(const uint8_t *ip, const uint8_t *asked)
{
	static const uint8_t first[] = {0x60, 0, 0, 0, 0, REPLY_UDP_BYTES, 17, 64};

	CHECK_BYTES(ip, first, sizeof first);
	CHECK_BYTES(ip + 8, asked + 24, 16);
	CHECK_BYTES(ip + 24, asked + 8, 16);
	CHECK_EQ(wire_sum(17 + REPLY_UDP_BYTES, ip + 8, 32 + REPLY_UDP_BYTES), 0xffff);
}

/* asked: the frame as it was; udp_at: where its UDP header was.  Returns the cookie. */
static inline uint64_t native_reply_check(const uint8_t *reply, size_t bytes, const struct frame *asked, size_t ip_at,
					  size_t udp_at)
{
	bool six = asked->bytes[ip_at] >> 4 == 6;
	size_t at = ip_at + (six ? 40 : 20);
	const uint8_t *udp = reply + at, *asked_udp = asked->bytes + udp_at, *payload = asked_udp + 8;
	static const uint8_t head[] = {0, REPLY_UDP_BYTES}, reply_head[] = {'T', 'B', 'R', '1', 3, 0, 0, 24};
	uint64_t cookie;

	CHECK_EQ(bytes, at + REPLY_UDP_BYTES);
	CHECK(bytes < asked->used);
	if (bytes != at + REPLY_UDP_BYTES)
		return 0;
	CHECK_BYTES(reply, asked->bytes + 6, 6);
	CHECK_BYTES(reply + 6, asked->bytes, 6);
	CHECK_BYTES(reply + 12, asked->bytes + 12, ip_at - 12); /* type and tags */
	(six ? native_reply_ip6 : native_reply_ip4)(reply + ip_at, asked->bytes + ip_at);
	CHECK_BYTES(udp, asked_udp + 2, 2);
	CHECK_BYTES(udp + 2, asked_udp, 2);
	CHECK_BYTES(udp + 4, head, 2);
	CHECK(udp[6] != 0 || udp[7] != 0); /* there is a checksum, also over IPv4 */
	CHECK_BYTES(udp + 8, reply_head, 8);
	CHECK_BYTES(udp + 24, payload + (payload[4] == NATIVE_KNOCK ? AT_KNOCK_UNTIL : AT_NONCE), 8);
	memcpy(&cookie, udp + 16, 8);
	CHECK(cookie != 0);
	return cookie;
}

#endif
