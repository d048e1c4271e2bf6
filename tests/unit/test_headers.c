// SPDX-License-Identifier: Apache-2.0
#include "headers.c"

#include <arpa/inet.h>

#include "../bpf/frames.h"
#include "check.h"
#include "guard.h"

static void expect_address(const struct in6_addr *got, const char *want)
{
	struct in6_addr address;

	CHECK_NEED(inet_pton(AF_INET6, want, &address) == 1);
	CHECK_BYTES(got, &address, sizeof address);
}

static struct headers read_kind(enum frame_kind kind, int tag_cnt)
{
	struct frame made;
	struct headers headers;

	frame_build(&made, kind);
	frame_tag(&made, tag_cnt);
	headers_read(&headers, span_of(made.bytes, made.used));
	return headers;
}

TEST(kinds)
{
	static const struct {
		enum frame_kind kind;
		uint8_t version;
		int protocol;
		bool has_ports;
		uint16_t port;
	} rows[] = {
		{TCP4, 4, IPPROTO_TCP, true, FRAME_TCP_PORT},
		{UDP4, 4, IPPROTO_UDP, true, FRAME_UDP_PORT},
		{TCP4_OPTIONS, 4, IPPROTO_TCP, true, FRAME_TCP_PORT},
		{TCP6, 6, IPPROTO_TCP, true, FRAME_TCP_PORT},
		{UDP6, 6, IPPROTO_UDP, true, FRAME_UDP_PORT},
		{ICMP4, 4, IPPROTO_ICMP, false, 0},
		{ICMP6, 6, IPPROTO_ICMPV6, false, 0},
		{ARP, 0, -1, false, 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (int tag_cnt = 0; tag_cnt <= TAGS_MAX; tag_cnt++) {
			struct headers headers = read_kind(rows[i].kind, tag_cnt);
			CHECK_EQ(headers.version, rows[i].version);
			CHECK_EQ(headers.protocol, rows[i].protocol);
			CHECK_EQ(headers.has_ports, rows[i].has_ports);
			CHECK_EQ(headers.destination_port, rows[i].port);
			CHECK_EQ(headers.source_port, rows[i].has_ports ? 40000 : 0);
			if (headers.version == 0)
				continue;
			expect_address(&headers.source, headers.version == 4 ? "::ffff:192.0.2.7" : "2001:db8::7");
			expect_address(&headers.destination,
				       headers.version == 4 ? "::ffff:198.51.100.1" : "2001:db8::1");
		}
	}
}

TEST(more_tags_than_anybody_uses)
{
	CHECK_EQ(read_kind(TCP4, TAGS_MAX + 1).version, 0);
}

/* Whatever the filter calls wrong: the addresses are there all the same. */
TEST(broken_frames)
{
	for (size_t i = 0; i < FRAME_ROW_CNT; i++) {
		struct frame made;
		struct headers headers;
		frame_row_build(&made, &frame_rows[i]);
		headers_read(&headers, span_of(made.bytes, made.used));
		if (frame_rows[i].want == TCP_FLAGS || frame_rows[i].want == IP4_LENGTH ||
		    frame_rows[i].want == IP6_LENGTH || frame_rows[i].want == SOURCE_MARTIAN)
			CHECK_ROW(headers.version != 0, frame_rows[i].name);
	}
}

TEST(fragments_have_no_ports_but_the_first)
{
	static const struct {
		uint8_t high, low;
		bool ports;
	} rows[] = {{0x20, 0, true}, {0x20, 1, false}, {0, 1, false}, {0x40, 0, true}};
	struct frame made;
	struct headers headers;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		frame_build(&made, TCP4);
		made.bytes[AT_IP4_FRAGMENT] = rows[i].high;
		made.bytes[AT_IP4_FRAGMENT + 1] = rows[i].low;
		headers_read(&headers, span_of(made.bytes, made.used));
		CHECK_EQ(headers.has_ports, rows[i].ports);
		CHECK_EQ(headers.protocol, IPPROTO_TCP);
	}
	for (unsigned offset = 0; offset < 2; offset++) {
		uint8_t header[8] = {IPPROTO_TCP, 0, 0, (uint8_t)(offset << 3 | 1)};
		frame_build(&made, TCP6);
		made.bytes[AT_IP6_NEXT] = IPPROTO_FRAGMENT;
		frame_insert(&made, AT_L4_6, header, sizeof header);
		headers_read(&headers, span_of(made.bytes, made.used));
		CHECK_EQ(headers.has_ports, offset == 0);
		CHECK_EQ(headers.protocol, IPPROTO_TCP);
	}
}

TEST(every_prefix)
{
	for (enum frame_kind kind = 0; kind < FRAME_KIND_CNT; kind++) {
		struct frame made;
		frame_build(&made, kind);
		for (size_t bytes = 0; bytes <= made.used; bytes++) {
			struct guard guard;
			struct headers headers;
			headers_read(&headers, guard_copy(&guard, made.bytes, bytes));
			size_t needed = kind == ARP					? SIZE_MAX
					: kind == TCP6 || kind == UDP6 || kind == ICMP6 ? 54
											: 34;
			CHECK_EQ(headers.version != 0, bytes >= needed);
			guard_free(&guard);
		}
	}
}

CHECK_MAIN
