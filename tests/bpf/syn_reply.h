/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_SYN_REPLY_H
#define TOLLBAR_TESTS_SYN_REPLY_H
/* syn_reply.h: is this frame the answer to that SYN?  Every byte of it, from RFC 791, 8200 and 9293, and checksums summed
 * byte by byte.  For test_syn.c of tests/unit and of tests/bpf. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "frames.h"

static inline uint32_t reply_get(const uint8_t *at, size_t bytes)
{
	uint32_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

/* Ones' complement sum of big-endian words; over what carries a right checksum, it is 0xffff. */
static inline uint32_t wire_sum(uint32_t sum, const uint8_t *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 2)
		sum += (uint32_t)(at[i] << 8 | at[i + 1]);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static inline void reply_check_ip4(const uint8_t *ip, const uint8_t *asked)
{
	static const uint8_t first[] = {0x45, 0, 0, 44, 0, 0, 0x40, 0, 64, 6};

	CHECK_BYTES(ip, first, sizeof first);
	CHECK_EQ(wire_sum(0, ip, 20), 0xffff);
	CHECK_BYTES(ip + 12, asked + 16, 4);
	CHECK_BYTES(ip + 16, asked + 12, 4);
	CHECK_EQ(wire_sum(6 + 24, ip + 12, 8 + 24),
		 0xffff); /* the addresses stand before TCP, as in its pseudo header */
}

static inline void reply_check_ip6(const uint8_t *ip, const uint8_t *asked)
{
	static const uint8_t first[] = {0x60, 0, 0, 0, 0, 24, 6, 64};

	CHECK_BYTES(ip, first, sizeof first);
	CHECK_BYTES(ip + 8, asked + 24, 16);
	CHECK_BYTES(ip + 24, asked + 8, 16);
	CHECK_EQ(wire_sum(6 + 24, ip + 8, 32 + 24), 0xffff);
}

/* Returns the cookie. */
static inline uint32_t reply_check(const uint8_t *reply, size_t bytes, const struct frame *syn, bool six, int tags,
				   uint32_t mss)
{
	size_t ip_at = 14 + 4 * (size_t)tags, ip_bytes = six ? 40 : 20;
	const uint8_t *asked = syn->bytes + ip_at, *tcp = reply + ip_at + ip_bytes, *asked_tcp = asked + ip_bytes;

	CHECK_EQ(bytes, ip_at + ip_bytes + 24);
	if (bytes != ip_at + ip_bytes + 24)
		return 0;
	CHECK_BYTES(reply, syn->bytes + 6, 6);
	CHECK_BYTES(reply + 6, syn->bytes, 6);
	CHECK_BYTES(reply + 12, syn->bytes + 12, ip_at - 12); /* type and tags */
	(six ? reply_check_ip6 : reply_check_ip4)(reply + ip_at, asked);
	CHECK_BYTES(tcp, asked_tcp + 2, 2);
	CHECK_BYTES(tcp + 2, asked_tcp, 2);
	CHECK_EQ(reply_get(tcp + 8, 4), reply_get(asked_tcp + 4, 4) + 1);
	CHECK_EQ(reply_get(tcp + 12, 2), 0x6012);
	CHECK_EQ(reply_get(tcp + 14, 2), 64240);
	CHECK_EQ(reply_get(tcp + 18, 2), 0);
	CHECK_EQ(reply_get(tcp + 20, 4), 0x02040000u | mss);
	return reply_get(tcp + 4, 4);
}

#endif
