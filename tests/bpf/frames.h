/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_FRAMES_H
#define TOLLBAR_TESTS_FRAMES_H
/* frames.h: frames and the reason each must end with, in open mode with no lists and the service ports TCP 8402 and UDP
 * 8403.  test_gate.c runs the table in the kernel, test_packet.c runs it in user space. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "reasons.h"

#define FRAME_BYTES_MAX 2048
#define FRAME_TCP_PORT 8402
#define FRAME_UDP_PORT 8403

struct frame {
	uint8_t bytes[FRAME_BYTES_MAX];
	size_t used;
};

enum frame_kind { TCP4, UDP4, TCP4_OPTIONS, TCP6, UDP6, ICMP4, ICMP6, ARP, FRAME_KIND_CNT };

/* Offsets in a frame without tags and options. */
enum {
	AT_TYPE = 12,
	AT_IP = 14,
	AT_IP4_TOTAL = 16,
	AT_IP4_FRAGMENT = 20,
	AT_IP4_PROTOCOL = 23,
	AT_IP4_SOURCE = 26,
	AT_L4_4 = 34,
	AT_IP6_PAYLOAD = 18,
	AT_IP6_NEXT = 20,
	AT_IP6_SOURCE = 22,
	AT_L4_6 = 54,
	L4_DOFF = 12,
	L4_FLAGS = 13,
};

static inline void put(struct frame *frame, const void *bytes, size_t cnt)
{
	memcpy(frame->bytes + frame->used, bytes, cnt);
	frame->used += cnt;
}

static inline void put16(struct frame *frame, unsigned value)
{
	uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
	put(frame, bytes, 2);
}

/* TCP: a SYN of 20 bytes with 4 of data; UDP: 8 with 4 of data; ICMP: an echo request of 12. */
static inline size_t frame_l4_bytes(enum frame_kind kind)
{
	return kind == UDP4 || kind == UDP6 || kind == ICMP4 || kind == ICMP6 ? 12 : 24;
}

static inline void put_l4(struct frame *frame, enum frame_kind kind)
{
	static const uint8_t tcp[] = {0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0}, data[] = "data";
	static const uint8_t echo4[] = {8, 0, 0, 0, 0, 1, 0, 1}, echo6[] = {128, 0, 0, 0, 0, 1, 0, 1};

	if (kind == ICMP4 || kind == ICMP6) {
		put(frame, kind == ICMP4 ? echo4 : echo6, 8);
	} else if (kind == UDP4 || kind == UDP6) {
		put16(frame, 40000);
		put16(frame, FRAME_UDP_PORT);
		put16(frame, 12);
		put16(frame, 0);
	} else {
		put16(frame, 40000);
		put16(frame, FRAME_TCP_PORT);
		put(frame, tcp, sizeof tcp);
	}
	put(frame, data, 4);
}

static inline void put_ip4(struct frame *frame, enum frame_kind kind)
{
	static const uint8_t addresses[] = {192, 0, 2, 7, 198, 51, 100, 1};
	unsigned options_bytes = kind == TCP4_OPTIONS ? 40 : 0;
	uint8_t first[] = {(uint8_t)(0x45 + options_bytes / 4), 0};
	uint8_t ttl_protocol[] = {64, kind == UDP4 ? 17 : kind == ICMP4 ? 1 : 6};

	put(frame, first, 2);
	put16(frame, 20 + options_bytes + (unsigned)frame_l4_bytes(kind));
	put16(frame, 0x1234);
	put16(frame, 0);
	put(frame, ttl_protocol, 2);
	put16(frame, 0); /* the kernel checks this one; we do not */
	put(frame, addresses, 8);
	memset(frame->bytes + frame->used, 1, options_bytes); /* no-operation options */
	frame->used += options_bytes;
}

static inline void put_ip6(struct frame *frame, enum frame_kind kind)
{
	static const uint8_t source[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7},
			     target[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	static const uint8_t first[] = {0x60, 0, 0, 0};
	uint8_t next_hops[] = {kind == UDP6 ? 17 : kind == ICMP6 ? 58 : 6, 64};

	put(frame, first, 4);
	put16(frame, (unsigned)frame_l4_bytes(kind));
	put(frame, next_hops, 2);
	put(frame, source, 16);
	put(frame, target, 16);
}

static inline void frame_build(struct frame *frame, enum frame_kind kind)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, arp[28] = {0, 1, 8, 0, 6, 4, 0, 1};

	frame->used = 0;
	put(frame, macs, 12);
	if (kind == ARP) {
		put16(frame, 0x0806);
		put(frame, arp, sizeof arp);
	} else if (kind == TCP6 || kind == UDP6 || kind == ICMP6) {
		put16(frame, 0x86dd);
		put_ip6(frame, kind);
		put_l4(frame, kind);
	} else {
		put16(frame, 0x0800);
		put_ip4(frame, kind);
		put_l4(frame, kind);
	}
}

static inline void frame_insert(struct frame *frame, size_t at, const void *bytes, size_t cnt)
{
	memmove(frame->bytes + at + cnt, frame->bytes + at, frame->used - at);
	memcpy(frame->bytes + at, bytes, cnt);
	frame->used += cnt;
}

/* Tags, outermost first: all but the innermost are 802.1ad. */
static inline void frame_tag(struct frame *frame, int tag_cnt)
{
	for (int i = 0; i < tag_cnt; i++) {
		uint8_t tag[4] = {i == 0 ? 0x81 : 0x88, i == 0 ? 0x00 : 0xa8, 0, (uint8_t)(i + 2)};
		frame_insert(frame, AT_TYPE, tag, sizeof tag);
	}
}

struct frame_row {
	const char *name;
	enum frame_kind kind;
	struct {
		uint8_t at, value;
	} patches[6]; /* until at is 0; before the tags go in */
	int resize;   /* more bytes at the end (padding), or fewer */
	int tags;
	enum reason want;
};

#define L4(at) (AT_L4_4 + (at))
#define L6(at) (AT_L4_6 + (at))

static const struct frame_row frame_rows[] = {
	/* what must pass */
	{"tcp4", TCP4, {{0}}, 0, 0, PASS_OPEN},
	{"tcp6", TCP6, {{0}}, 0, 0, PASS_OPEN},
	{"udp4", UDP4, {{0}}, 0, 0, PASS_OPEN},
	{"udp6", UDP6, {{0}}, 0, 0, PASS_OPEN},
	{"tcp4 with ip options", TCP4_OPTIONS, {{0}}, 0, 0, PASS_OPEN},
	{"arp", ARP, {{0}}, 0, 0, PASS_OTHER},
	{"lldp", ARP, {{AT_TYPE, 0x88}, {AT_TYPE + 1, 0xcc}}, 0, 0, PASS_OTHER},
	{"icmp echo", ICMP4, {{0}}, 0, 0, PASS_OTHER},
	{"icmp fragmentation needed", ICMP4, {{L4(0), 3}, {L4(1), 4}}, 0, 0, PASS_OTHER},
	{"icmp first fragment", ICMP4, {{AT_IP4_FRAGMENT, 0x20}}, 0, 0, PASS_OTHER},
	{"icmpv6 echo", ICMP6, {{0}}, 0, 0, PASS_OTHER},
	{"icmpv6 packet too big", ICMP6, {{L6(0), 2}}, 0, 0, PASS_OTHER},
	{"neighbour solicitation", ICMP6, {{L6(0), 135}}, 0, 0, PASS_OTHER},
	{"neighbour advertisement", ICMP6, {{L6(0), 136}}, 0, 0, PASS_OTHER},
	{"router advertisement", ICMP6, {{L6(0), 134}}, 0, 0, PASS_OTHER},
	{"gre", TCP4, {{AT_IP4_PROTOCOL, 47}}, 0, 0, PASS_OTHER},
	{"esp in ip6", TCP6, {{AT_IP6_NEXT, 50}}, 0, 0, PASS_OTHER},
	{"ah in ip6", TCP6, {{AT_IP6_NEXT, 51}}, 0, 0, PASS_OTHER},
	{"no next header", TCP6, {{AT_IP6_NEXT, 59}}, 0, 0, PASS_OTHER},
	/* ports: 8402 is 0x20d2; only tcp 8402 and udp 8403 are ours */
	{"tcp port below", TCP4, {{L4(3), 0xd1}}, 0, 0, PASS_OTHER},
	{"tcp port above", TCP4, {{L4(3), 0xd3}}, 0, 0, PASS_OTHER},
	{"tcp port swapped bytes", TCP4, {{L4(2), 0xd2}, {L4(3), 0x20}}, 0, 0, PASS_OTHER},
	{"udp port below", UDP4, {{L4(3), 0xd2}}, 0, 0, PASS_OTHER},
	{"tcp6 port above", TCP6, {{L6(3), 0xd3}}, 0, 0, PASS_OTHER},
	{"tcp port 0", TCP4, {{L4(2), 0}, {L4(3), 0}}, 0, 0, PASS_OTHER},
	{"bad flags to another port", TCP4, {{L4(3), 0xd3}, {L4(L4_FLAGS), 3}}, 0, 0, PASS_OTHER},
	{"bad length to another udp port", UDP4, {{L4(3), 0xd2}, {L4(5), 11}}, 0, 0, PASS_OTHER},
	{"martian to another port", TCP4, {{L4(3), 0xd3}, {AT_IP4_SOURCE, 224}}, 0, 0, PASS_OTHER},
	{"source port 0", TCP4, {{L4(0), 0}, {L4(1), 0}}, 0, 0, PORT_ZERO},
	{"source port 1", TCP4, {{L4(0), 0}, {L4(1), 1}}, 0, 0, PASS_OPEN},
	{"source port 256", UDP4, {{L4(0), 1}, {L4(1), 0}}, 0, 0, PASS_OPEN},
	{"udp source port 0", UDP6, {{L6(0), 0}, {L6(1), 0}}, 0, 0, PORT_ZERO},
	/* ip4 header */
	{"ip4 version 6", TCP4, {{AT_IP, 0x65}}, 0, 0, IP4_HEADER},
	{"ip4 version 0", TCP4, {{AT_IP, 0x05}}, 0, 0, IP4_HEADER},
	{"ip4 header of 16 bytes", TCP4, {{AT_IP, 0x44}}, 0, 0, IP4_HEADER},
	{"ip4 header of 0 bytes", TCP4, {{AT_IP, 0x40}}, 0, 0, IP4_HEADER},
	{"ip4 header beyond the packet", TCP4, {{AT_IP, 0x4c}}, 0, 0, IP4_LENGTH},
	{"ip4 header is the whole packet", TCP4, {{AT_IP, 0x4b}}, 0, 0, TCP_HEADER},
	{"ip4 padded by 1", TCP4, {{0}}, 1, 0, PASS_OPEN},
	{"ip4 padded by 100", TCP4, {{0}}, 100, 0, PASS_OPEN},
	{"ip4 shorter than said", TCP4, {{0}}, -1, 0, IP4_LENGTH},
	{"ip4 total one more", TCP4, {{AT_IP4_TOTAL + 1, 45}}, 0, 0, IP4_LENGTH},
	{"ip4 total one more, padded", TCP4, {{AT_IP4_TOTAL + 1, 45}}, 1, 0, PASS_OPEN},
	{"ip4 total 65535", TCP4, {{AT_IP4_TOTAL, 255}, {AT_IP4_TOTAL + 1, 255}}, 0, 0, IP4_LENGTH},
	{"ip4 total 0", TCP4, {{AT_IP4_TOTAL + 1, 0}}, 0, 0, IP4_LENGTH},
	{"ip4 total 19", TCP4, {{AT_IP4_TOTAL + 1, 19}}, 0, 0, IP4_LENGTH},
	{"ip4 total 20, no tcp", TCP4, {{AT_IP4_TOTAL + 1, 20}}, 0, 0, TCP_HEADER},
	{"ip4 total 23, half a port", TCP4, {{AT_IP4_TOTAL + 1, 23}}, 0, 0, TCP_HEADER},
	{"ip4 total 23, half a port, udp", UDP4, {{AT_IP4_TOTAL + 1, 23}}, 0, 0, UDP_LENGTH},
	{"ip4 total 24, ports only", TCP4, {{AT_IP4_TOTAL + 1, 24}}, 0, 0, TCP_HEADER},
	{"ip4 total 24, ports only, another port", TCP4, {{AT_IP4_TOTAL + 1, 24}, {L4(3), 0xd3}}, 0, 0, PASS_OTHER},
	{"ip4 total 39, tcp one short", TCP4, {{AT_IP4_TOTAL + 1, 39}}, 0, 0, TCP_HEADER},
	{"ip4 total 40, tcp without data", TCP4, {{AT_IP4_TOTAL + 1, 40}}, 0, 0, PASS_OPEN},
	{"ip4 frame cut in ip", TCP4, {{0}}, 33 - 58, 0, FRAME_SHORT},
	{"ip4 frame cut after ip", TCP4, {{0}}, 34 - 58, 0, IP4_LENGTH},
	{"ip4 frame cut after ethernet", TCP4, {{0}}, 14 - 58, 0, FRAME_SHORT},
	/* ip4 fragments */
	{"ip4 don't fragment", TCP4, {{AT_IP4_FRAGMENT, 0x40}}, 0, 0, PASS_OPEN},
	{"ip4 first fragment", TCP4, {{AT_IP4_FRAGMENT, 0x20}}, 0, 0, FRAGMENT},
	{"ip4 first fragment, udp", UDP4, {{AT_IP4_FRAGMENT, 0x20}}, 0, 0, FRAGMENT},
	{"ip4 first fragment, another port", TCP4, {{AT_IP4_FRAGMENT, 0x20}, {L4(3), 0xd3}}, 0, 0, PASS_OTHER},
	{"ip4 first fragment of 8 bytes", TCP4, {{AT_IP4_FRAGMENT, 0x20}, {AT_IP4_TOTAL + 1, 28}}, 0, 0, FRAGMENT},
	{"ip4 middle fragment", TCP4, {{AT_IP4_FRAGMENT, 0x20}, {AT_IP4_FRAGMENT + 1, 1}}, 0, 0, PASS_OTHER},
	{"ip4 last fragment", TCP4, {{AT_IP4_FRAGMENT, 0x1f}, {AT_IP4_FRAGMENT + 1, 0xff}}, 0, 0, PASS_OTHER},
	/* ip4 sources */
	{"source 0.1.2.3", TCP4, {{AT_IP4_SOURCE, 0}}, 0, 0, SOURCE_MARTIAN},
	{"source 1.0.2.7", TCP4, {{AT_IP4_SOURCE, 1}}, 0, 0, PASS_OPEN},
	{"source 223.0.2.7", TCP4, {{AT_IP4_SOURCE, 223}}, 0, 0, PASS_OPEN},
	{"source 224.0.2.7", TCP4, {{AT_IP4_SOURCE, 224}}, 0, 0, SOURCE_MARTIAN},
	{"source 239.0.2.7", UDP4, {{AT_IP4_SOURCE, 239}}, 0, 0, SOURCE_MARTIAN},
	{"source 240.0.2.7", TCP4, {{AT_IP4_SOURCE, 240}}, 0, 0, PASS_OPEN},
	{"source broadcast",
	 TCP4,
	 {{AT_IP4_SOURCE, 255}, {AT_IP4_SOURCE + 1, 255}, {AT_IP4_SOURCE + 2, 255}, {AT_IP4_SOURCE + 3, 255}},
	 0,
	 0,
	 SOURCE_MARTIAN},
	{"source 255.255.255.7",
	 TCP4,
	 {{AT_IP4_SOURCE, 255}, {AT_IP4_SOURCE + 1, 255}, {AT_IP4_SOURCE + 2, 255}},
	 0,
	 0,
	 PASS_OPEN},
	{"source 127.0.2.7 is the kernel's business", TCP4, {{AT_IP4_SOURCE, 127}}, 0, 0, PASS_OPEN},
	/* ip6 */
	{"ip6 version 4", TCP6, {{AT_IP, 0x40}}, 0, 0, IP6_HEADER},
	{"ip6 traffic class", TCP6, {{AT_IP, 0x6f}, {AT_IP + 1, 0xff}}, 0, 0, PASS_OPEN},
	{"ip6 padded", TCP6, {{0}}, 6, 0, PASS_OPEN},
	{"ip6 shorter than said", TCP6, {{0}}, -1, 0, IP6_LENGTH},
	{"ip6 payload one more", TCP6, {{AT_IP6_PAYLOAD + 1, 25}}, 0, 0, IP6_LENGTH},
	{"ip6 payload one more, padded", TCP6, {{AT_IP6_PAYLOAD + 1, 25}}, 1, 0, PASS_OPEN},
	{"ip6 payload 0", TCP6, {{AT_IP6_PAYLOAD + 1, 0}}, 0, 0, TCP_HEADER},
	{"ip6 payload 3, udp", UDP6, {{AT_IP6_PAYLOAD + 1, 3}}, 0, 0, UDP_LENGTH},
	{"ip6 payload 19", TCP6, {{AT_IP6_PAYLOAD + 1, 19}}, 0, 0, TCP_HEADER},
	{"ip6 payload 20", TCP6, {{AT_IP6_PAYLOAD + 1, 20}}, 0, 0, PASS_OPEN},
	{"ip6 frame cut in ip", TCP6, {{0}}, 53 - 78, 0, FRAME_SHORT},
	{"ip6 frame cut after ip", TCP6, {{0}}, 54 - 78, 0, IP6_LENGTH},
	{"source ff02::", TCP6, {{AT_IP6_SOURCE, 0xff}, {AT_IP6_SOURCE + 1, 2}}, 0, 0, SOURCE_MARTIAN},
	{"source fe80::", TCP6, {{AT_IP6_SOURCE, 0xfe}, {AT_IP6_SOURCE + 1, 0x80}}, 0, 0, PASS_OPEN},
	{"source ::",
	 TCP6,
	 {{AT_IP6_SOURCE, 0},
	  {AT_IP6_SOURCE + 1, 0},
	  {AT_IP6_SOURCE + 2, 0},
	  {AT_IP6_SOURCE + 3, 0},
	  {AT_IP6_SOURCE + 15, 0}},
	 0,
	 0,
	 SOURCE_MARTIAN},
	{"source ::7",
	 UDP6,
	 {{AT_IP6_SOURCE, 0}, {AT_IP6_SOURCE + 1, 0}, {AT_IP6_SOURCE + 2, 0}, {AT_IP6_SOURCE + 3, 0}},
	 0,
	 0,
	 PASS_OPEN},
	{"source ::ffff:0.0.0.7, ip4 in disguise",
	 TCP6,
	 {{AT_IP6_SOURCE, 0},
	  {AT_IP6_SOURCE + 1, 0},
	  {AT_IP6_SOURCE + 2, 0},
	  {AT_IP6_SOURCE + 3, 0},
	  {AT_IP6_SOURCE + 10, 255},
	  {AT_IP6_SOURCE + 11, 255}},
	 0,
	 0,
	 SOURCE_MARTIAN},
	/* tcp */
	{"tcp header of 16 bytes", TCP4, {{L4(L4_DOFF), 0x40}}, 0, 0, TCP_HEADER},
	{"tcp header of 0 bytes", TCP6, {{L6(L4_DOFF), 0x00}}, 0, 0, TCP_HEADER},
	{"tcp header is all of it", TCP4, {{L4(L4_DOFF), 0x60}}, 0, 0, PASS_OPEN},
	{"tcp header beyond the packet", TCP4, {{L4(L4_DOFF), 0x70}}, 0, 0, TCP_HEADER},
	{"tcp header in the padding", TCP4, {{L4(L4_DOFF), 0x70}}, 4, 0, TCP_HEADER},
	{"tcp syn+fin", TCP4, {{L4(L4_FLAGS), 0x03}}, 0, 0, TCP_FLAGS},
	{"tcp no flags", TCP6, {{L6(L4_FLAGS), 0x00}}, 0, 0, TCP_FLAGS},
	{"tcp xmas", TCP4, {{L4(L4_FLAGS), 0x29}}, 0, 0, TCP_FLAGS},
	{"tcp syn with ece and cwr", TCP4, {{L4(L4_FLAGS), 0xc2}}, 0, 0, PASS_OPEN},
	/* udp */
	{"udp length one less", UDP4, {{L4(5), 11}}, 0, 0, UDP_LENGTH},
	{"udp length one more", UDP4, {{L4(5), 13}}, 0, 0, UDP_LENGTH},
	{"udp length one more, padded", UDP4, {{L4(5), 13}}, 1, 0, UDP_LENGTH},
	{"udp length 0", UDP6, {{L6(5), 0}}, 0, 0, UDP_LENGTH},
	{"udp length high byte", UDP4, {{L4(4), 1}}, 0, 0, UDP_LENGTH},
	{"udp without data", UDP4, {{L4(5), 8}, {AT_IP4_TOTAL + 1, 28}}, 0, 0, PASS_OPEN},
	{"udp header one short", UDP4, {{L4(5), 7}, {AT_IP4_TOTAL + 1, 27}}, 0, 0, UDP_LENGTH},
	/* tags */
	{"tcp4, one tag", TCP4, {{0}}, 0, 1, PASS_OPEN},
	{"tcp6, two tags", TCP6, {{0}}, 0, 2, PASS_OPEN},
	{"tcp4, two tags, bad flags", TCP4, {{L4(L4_FLAGS), 0x03}}, 0, 2, TCP_FLAGS},
	{"arp, two tags", ARP, {{0}}, 0, 2, PASS_OTHER},
	{"tcp4, three tags", TCP4, {{0}}, 0, 3, VLAN_DEEP},
	{"arp, three tags", ARP, {{0}}, 0, 3, VLAN_DEEP},
	{"frame ends before the tag", TCP4, {{AT_TYPE, 0x81}, {AT_TYPE + 1, 0}}, 14 - 58, 0, FRAME_SHORT},
	{"frame ends in the tag", TCP4, {{AT_TYPE, 0x88}, {AT_TYPE + 1, 0xa8}}, 17 - 58, 0, FRAME_SHORT},
};

#define FRAME_ROW_CNT (sizeof frame_rows / sizeof *frame_rows)

static inline void frame_row_build(struct frame *frame, const struct frame_row *row)
{
	frame_build(frame, row->kind);
	for (size_t i = 0; i < 6 && row->patches[i].at != 0; i++)
		frame->bytes[row->patches[i].at] = row->patches[i].value;
	frame_tag(frame, row->tags);
	if (row->resize > 0)
		memset(frame->bytes + frame->used, 0xaa, (size_t)row->resize);
	frame->used = (size_t)((long)frame->used + row->resize);
}

/* IPv6 extension headers between IP and TCP: kind and length in units of 8 bytes after the first 8. */
struct extension_row {
	const char *name;
	struct {
		uint8_t kind, more;
	} chain[8];
	size_t chain_cnt;
	uint16_t fragment;  /* offset and flag of fragment headers */
	int resize_payload; /* what the IP header says, against what is there */
	enum reason want;
};

#define HOP 0
#define ROUTE 43
#define FRAG 44
#define DEST 60

static const struct extension_row extension_rows[] = {
	{"hop-by-hop", {{HOP, 0}}, 1, 0, 0, PASS_OPEN},
	{"all, in order", {{HOP, 0}, {DEST, 1}, {ROUTE, 2}, {DEST, 0}}, 4, 0, 0, PASS_OPEN},
	{"hop-by-hop second", {{DEST, 0}, {HOP, 0}}, 2, 0, 0, IP6_EXTENSION},
	{"hop-by-hop twice", {{HOP, 0}, {HOP, 0}}, 2, 0, 0, IP6_EXTENSION},
	{"six", {{DEST, 0}, {DEST, 0}, {DEST, 0}, {DEST, 0}, {DEST, 0}, {DEST, 0}}, 6, 0, 0, PASS_OPEN},
	{"seven",
	 {{DEST, 0}, {DEST, 0}, {DEST, 0}, {DEST, 0}, {DEST, 0}, {DEST, 0}, {DEST, 0}},
	 7,
	 0,
	 0,
	 IP6_EXTENSION},
	{"long", {{DEST, 150}}, 1, 0, 0, PASS_OPEN},
	{"first fragment", {{FRAG, 0}}, 1, 1, 0, FRAGMENT},
	{"first fragment after options", {{HOP, 0}, {DEST, 3}, {FRAG, 0}}, 3, 1, 0, FRAGMENT},
	{"atomic fragment", {{FRAG, 0}}, 1, 0, 0, FRAGMENT},
	{"atomic fragment, options behind", {{FRAG, 0}, {DEST, 1}}, 2, 0, 0, FRAGMENT},
	{"later fragment", {{FRAG, 0}}, 1, 8, 0, PASS_OTHER},
	{"middle fragment", {{FRAG, 0}}, 1, 9, 0, PASS_OTHER},
	{"last possible fragment", {{FRAG, 0}}, 1, 0xfff8, 0, PASS_OTHER},
	{"fragment of a fragment", {{FRAG, 0}, {FRAG, 0}}, 2, 0, 0, IP6_EXTENSION},
	{"payload ends after the header", {{DEST, 0}}, 1, 0, -24, TCP_HEADER},
	{"payload ends in the header", {{DEST, 1}}, 1, 0, -25, IP6_EXTENSION},
	{"payload ends in the first eight", {{DEST, 0}}, 1, 0, -25, IP6_EXTENSION},
	{"payload ends before tcp does", {{DEST, 0}}, 1, 0, -5, TCP_HEADER},
	{"payload ends with tcp", {{DEST, 0}}, 1, 0, -4, PASS_OPEN},
};

#define EXTENSION_ROW_CNT (sizeof extension_rows / sizeof *extension_rows)

static inline void extension_row_build(struct frame *frame, const struct extension_row *row)
{
	uint8_t next = 6, header[2048];
	size_t more_bytes = 0;

	frame_build(frame, TCP6);
	for (size_t i = row->chain_cnt; i-- > 0;) {
		size_t bytes = 8 + row->chain[i].more * 8u;
		memset(header, 0, bytes);
		header[0] = next;
		header[1] = row->chain[i].more;
		if (row->chain[i].kind == FRAG) {
			header[2] = (uint8_t)(row->fragment >> 8);
			header[3] = (uint8_t)row->fragment;
		}
		frame_insert(frame, AT_L4_6, header, bytes);
		more_bytes += bytes;
		next = row->chain[i].kind;
	}
	unsigned payload_bytes = (unsigned)(24 + (int)more_bytes + row->resize_payload);
	frame->bytes[AT_IP6_NEXT] = next;
	frame->bytes[AT_IP6_PAYLOAD] = (uint8_t)(payload_bytes >> 8);
	frame->bytes[AT_IP6_PAYLOAD + 1] = (uint8_t)payload_bytes;
}

#endif
