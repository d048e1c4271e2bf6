/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_PACKET_BPF_H
#define TOLLBAR_PACKET_BPF_H
/* packet.bpf.h: a frame → source address, protocol, ports; and whether its headers can be trusted.  Compiles for the
 * kernel and for cc (unit tests, fuzzer); reads nothing but the frame.
 *
 *   packet_locate  finds the TCP or UDP header.  What it refuses, it refuses for every port, since it could not tell
 *                  the port: such packets the kernel's own IP layer drops as well.
 *   packet_check   the rest of the sanity, asked only of packets to a service port.
 *
 * Both return REASON_OK to go on, PASS_OTHER for "none of our business", or the reason to drop.
 *
 * Lengths are those of the IP header, never of the frame: Ethernet pads short frames.  A frame may go on in further
 * buffers; headers must be in the first. */
#include "defs.bpf.h"

#ifdef __bpf__
#include <bpf/bpf_helpers.h>
#endif

#include "abi.h"
#include "reasons.h"

#define PACKET_VLAN_TAGS_MAX 2	/* a frame with more is dropped, even where it would have been bridged on */
#define PACKET_EXTENSIONS_MAX 6 /* RFC 8200's order has hop-by-hop, destination, routing, fragment, destination */

struct packet {
	const __u8 *ip; /* IP header; all of its fixed part is inside the frame */
	const __u8 *l4; /* TCP or UDP header; its first four bytes are inside the frame */
	__u32 l4_bytes; /* header and payload, by the IP header; inside the frame, not always in its first buffer */
	__u8 protocol;
	__u8 version;	   /* 4 or 6 */
	__u8 ip6_fragment; /* a first fragment; later ones end as PASS_OTHER */
	__u8 opens;	   /* a TCP SYN without ACK: somebody wants a connection */
};

struct cursor {
	const __u8 *at, *end;
	const void *frame; /* for packet_beyond */
};

/* How much of the frame lies beyond the buffer at hand, where drivers keep the headers: 0 but for jumbo frames.  Asked only
 * when the IP header says that there is more.  frame: the program's context; under cc the number itself, 0: none. */
static ALWAYS_INLINE __u32 packet_beyond(const void *frame)
{
#ifdef __bpf__
	struct xdp_md *ctx = (struct xdp_md *)frame;
	__u32 at_hand = ctx->data_end - ctx->data;

	barrier_var(at_hand); /* or the sum below is rearranged into one of pointers, which the BPF verifier refuses */
	return (__u32)bpf_xdp_get_buff_len(ctx) - at_hand;
#else
	return frame ? *(const __u32 *)frame : 0;
#endif
}

/* The next `bytes` of the frame, or 0 when they are not all there. */
static ALWAYS_INLINE const void *cursor_take(struct cursor *cursor, __u32 bytes)
{
	const __u8 *at = cursor->at;

	if (at + bytes > cursor->end)
		return 0;
	cursor->at = at + bytes;
	return at;
}

static ALWAYS_INLINE __u32 cursor_left(const struct cursor *cursor)
{
	return (__u32)(cursor->end - cursor->at);
}

/* Fragments: only the first one has ports.  It is dropped when it is for a service port, and without it no datagram is
 * ever put together; so later fragments may pass, and those of other services must.  An overlapping forgery changes
 * nothing: the ports are in the first eight bytes, which only a fragment at offset 0 can carry. */
static ALWAYS_INLINE enum reason packet_ip4(struct packet *packet, struct cursor *cursor)
{
	__u32 frame_bytes = cursor_left(cursor);
	const struct iphdr *ip = cursor_take(cursor, sizeof *ip);

	if (UNLIKELY(!ip))
		return FRAME_SHORT;
	__u8 first = *(const __u8 *)ip;
	__u32 header_bytes = (first & 15u) * 4, total_bytes = BE16(ip->tot_len);
	if (UNLIKELY(first >> 4 != 4 || header_bytes < sizeof *ip))
		return IP4_HEADER;
	if (UNLIKELY(total_bytes < header_bytes))
		return IP4_LENGTH;
	if (UNLIKELY(total_bytes > frame_bytes) && total_bytes > frame_bytes + packet_beyond(cursor->frame))
		return IP4_LENGTH;
	if (UNLIKELY(!cursor_take(cursor, header_bytes - (__u32)sizeof *ip)))
		return IP4_LENGTH; /* cannot be after the line above, but the BPF verifier wants to see it */
	packet->ip = (const __u8 *)ip;
	packet->version = 4;
	packet->protocol = ip->protocol;
	packet->l4_bytes = total_bytes - header_bytes;
	return UNLIKELY(ip->frag_off & BE16(IP4_FRAGMENT_OFFSET)) ? PASS_OTHER : REASON_OK;
}

/* Steps over one extension header of kind *next; *left is what the IP header says is still to come. */
static ALWAYS_INLINE enum reason packet_extension(struct packet *packet, struct cursor *cursor, __u8 *next, __u32 *left)
{
	const struct frag_hdr *header = cursor_take(cursor, 8); /* every kind is at least this long */
	__u32 more_bytes = 0;

	if (!header || *left < 8)
		return IP6_EXTENSION;
	*left -= 8;
	if (*next == IP6_FRAGMENT) {
		if (header->frag_off & BE16(IP6_FRAGMENT_OFFSET))
			return PASS_OTHER;
		if (packet->ip6_fragment) /* a fragment of a fragment */
			return IP6_EXTENSION;
		packet->ip6_fragment = 1;
	} else {
		more_bytes = header->reserved * 8u; /* the length byte of the other kinds */
	}
	*next = header->nexthdr;
	if (more_bytes > *left || !cursor_take(cursor, more_bytes))
		return IP6_EXTENSION;
	*left -= more_bytes;
	return REASON_OK;
}

static ALWAYS_INLINE enum reason packet_ip6(struct packet *packet, struct cursor *cursor)
{
	const struct ipv6hdr *ip = cursor_take(cursor, sizeof *ip);

	if (UNLIKELY(!ip))
		return FRAME_SHORT;
	if (UNLIKELY(*(const __u8 *)ip >> 4 != 6))
		return IP6_HEADER;
	__u32 left = BE16(ip->payload_len), frame_bytes = cursor_left(cursor);
	if (UNLIKELY(left > frame_bytes) && left > frame_bytes + packet_beyond(cursor->frame))
		return IP6_LENGTH;
	packet->ip = (const __u8 *)ip;
	packet->version = 6;
	packet->ip6_fragment = 0;
	__u8 next = ip->nexthdr;
	for (int i = 0; i <= PACKET_EXTENSIONS_MAX; i++) {
		if (LIKELY(next == IPPROTO_TCP || next == IPPROTO_UDP)) {
			packet->protocol = next;
			packet->l4_bytes = left;
			return REASON_OK;
		}
		if (next == IP6_HOP_BY_HOP && i != 0) /* only ever the first */
			return IP6_EXTENSION;
		/* ICMPv6, no next header, ESP, AH and all others: no port to look at */
		if (next != IP6_HOP_BY_HOP && next != IP6_ROUTING && next != IP6_DESTINATION && next != IP6_FRAGMENT)
			return PASS_OTHER;
		enum reason reason = packet_extension(packet, cursor, &next, &left);
		if (reason != REASON_OK)
			return reason;
	}
	return IP6_EXTENSION;
}

/* Ethernet and VLAN tags.  Out: the type of what follows, network order. */
static ALWAYS_INLINE enum reason packet_ethernet(__be16 *type_be, struct cursor *cursor)
{
	const struct ethhdr *ethernet = cursor_take(cursor, sizeof *ethernet);

	if (UNLIKELY(!ethernet))
		return FRAME_SHORT;
	__be16 type = ethernet->h_proto;
	for (int i = 0; UNLIKELY(type == BE16(ETH_P_8021Q) || type == BE16(ETH_P_8021AD)); i++) {
		if (i == PACKET_VLAN_TAGS_MAX)
			return VLAN_DEEP;
		const struct vlan_hdr *tag = cursor_take(cursor, sizeof *tag);
		if (!tag)
			return FRAME_SHORT;
		type = tag->h_vlan_encapsulated_proto;
	}
	*type_be = type;
	return REASON_OK;
}

/* Any frame, step by step. */
static ALWAYS_INLINE enum reason packet_walk(struct packet *packet, const void *frame, const void *data,
					     const void *data_end)
{
	struct cursor cursor = {data, data_end, frame};
	__be16 type = 0;
	enum reason reason = packet_ethernet(&type, &cursor);

	if (UNLIKELY(reason != REASON_OK))
		return reason;
	if (LIKELY(type == BE16(ETH_P_IP)))
		reason = packet_ip4(packet, &cursor);
	else if (type == BE16(ETH_P_IPV6))
		reason = packet_ip6(packet, &cursor);
	else
		return PASS_OTHER;
	if (UNLIKELY(reason != REASON_OK))
		return reason;
	if (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP)
		return PASS_OTHER;
	packet->l4 = cursor_take(&cursor, 4);
	if (UNLIKELY(packet->l4_bytes < 4 || !packet->l4))
		return packet->protocol == IPPROTO_TCP ? TCP_HEADER : UDP_LENGTH;
	return REASON_OK;
}

/* Nearly every packet: TCP or UDP right behind an IPv4 header without options, in an untagged frame of one buffer.  1: it is
 * one, with what packet_walk says of it.  Everything is at a constant offset here: of the ten nanoseconds a drop takes,
 * that saves two. */
static ALWAYS_INLINE int packet_plain(struct packet *packet, const void *data, const void *data_end)
{
	const struct ethhdr *ethernet = data;
	const struct iphdr *ip = (const void *)(ethernet + 1);

	if (UNLIKELY((const __u8 *)(ip + 1) + 4 > (const __u8 *)data_end))
		return 0;
	__u32 total_bytes = BE16(ip->tot_len);
	if (UNLIKELY(ethernet->h_proto != BE16(ETH_P_IP) || *(const __u8 *)ip != 0x45 || total_bytes < sizeof *ip + 4 ||
		     total_bytes > (__u32)((const __u8 *)data_end - (const __u8 *)ip) ||
		     ip->frag_off & BE16(IP4_FRAGMENT_OFFSET)))
		return 0;
	if (UNLIKELY(ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP))
		return 0;
	packet->ip = (const __u8 *)ip;
	packet->l4 = (const __u8 *)(ip + 1);
	packet->l4_bytes = total_bytes - (__u32)sizeof *ip;
	packet->protocol = ip->protocol;
	packet->version = 4;
	return 1;
}

static ALWAYS_INLINE enum reason packet_locate(struct packet *packet, const void *frame, const void *data,
					       const void *data_end)
{
	return LIKELY(packet_plain(packet, data, data_end)) ? REASON_OK : packet_walk(packet, frame, data, data_end);
}

/* The destination port in host order, of a packet that packet_locate found. */
static ALWAYS_INLINE __u16 packet_port(const struct packet *packet)
{
	return BE16(*(const __be16 *)(packet->l4 + 2));
}

static ALWAYS_INLINE void packet_source4(struct tollbar_address *source, const struct iphdr *ip)
{
	__u64 *out = (__u64 *)source;

	out[0] = 0;
	*(__u32 *)(out + 1) = BE32(0x0000ffffu);
	*((__u32 *)(out + 1) + 1) = ip->saddr;
}

static ALWAYS_INLINE void packet_source(struct tollbar_address *source, const struct packet *packet)
{
	if (LIKELY(packet->version == 4))
		packet_source4(source, (const void *)packet->ip);
	else
		__builtin_memcpy(source, &((const struct ipv6hdr *)packet->ip)->saddr, sizeof *source);
}

#ifdef __bpf__
#define PACKET_IP_AT_MAX (sizeof(struct ethhdr) + PACKET_VLAN_TAGS_MAX * sizeof(struct vlan_hdr))

/* The same for a function of its own, of which the BPF verifier does not know what its caller found: 0: there is no IP header
 * at ip_at, which cannot be. */
static ALWAYS_INLINE int packet_source_at(struct tollbar_address *source, const struct xdp_md *ctx, __u32 ip_at,
					  __u32 version)
{
	__u64 at = ip_at;

	barrier_var(at); /* the bounds are to be known of this very register */
	if (at > PACKET_IP_AT_MAX)
		return 0;
	const __u8 *data_end = (const __u8 *)(long)ctx->data_end, *ip = (const __u8 *)(long)ctx->data + at;
	if (ip + sizeof(struct iphdr) > data_end)
		return 0;
	if (LIKELY(version == 4)) {
		packet_source4(source, (const void *)ip);
		return 1;
	}
	if (ip + sizeof(struct ipv6hdr) > data_end)
		return 0;
	__builtin_memcpy(source, &((const struct ipv6hdr *)ip)->saddr, sizeof *source);
	return 1;
}
#endif

/* Sources that no unicast peer has.  Loopback is left to the kernel, which refuses it everywhere but on lo, where this
 * program may be attached too. */
static ALWAYS_INLINE int packet_martian4(__u32 source)
{
	if (LIKELY(source - 0x01000000u < 0xdf000000u)) /* 1.0.0.0 to 223.255.255.255 */
		return 0;
	return source < 0xf0000000u || source == 0xffffffffu; /* 0/8, multicast, broadcast; 240/4 is routed in places */
}

static ALWAYS_INLINE int packet_martian6(const struct ipv6hdr *ip)
{
	const __u32 *words = (const __u32 *)&ip->saddr;

	if (*(const __u8 *)words == 0xff) /* multicast */
		return 1;
	if (LIKELY(words[0] | words[1]))
		return 0;
	/* IPv4 in disguise, which would borrow the standing of an IPv4 source; and the unspecified address */
	return words[2] == BE32(0x0000ffffu) || !(words[2] | words[3]);
}

/* What the IP header says, once the packet is known to be for a service port. */
static ALWAYS_INLINE enum reason packet_check_ip(const struct packet *packet)
{
	if (LIKELY(packet->version == 4)) {
		const struct iphdr *ip = (const void *)packet->ip;
		if (UNLIKELY(packet_martian4(BE32(ip->saddr))))
			return SOURCE_MARTIAN;
		return UNLIKELY(ip->frag_off & BE16(IP4_MORE_FRAGMENTS)) ? FRAGMENT : REASON_OK;
	}
	if (UNLIKELY(packet_martian6((const void *)packet->ip)))
		return SOURCE_MARTIAN;
	return UNLIKELY(packet->ip6_fragment) ? FRAGMENT : REASON_OK;
}

#define TCP_FIN 1u
#define TCP_SYN 2u
#define TCP_RST 4u
#define TCP_ACK 8u /* these two one bit lower than on the wire: push between them says nothing */
#define TCP_URG 16u

/* Bit n is set when n is a combination that TCP (RFC 9293) can mean; scans and fingerprinting use the others. */
#define TCP_COMBINATIONS                                                                                     \
	(1u << TCP_SYN | 1u << (TCP_SYN | TCP_URG) | 1u << (TCP_SYN | TCP_ACK) | 1u << TCP_RST |             \
	 1u << (TCP_RST | TCP_ACK) | 1u << TCP_ACK | 1u << (TCP_ACK | TCP_URG) | 1u << (TCP_FIN | TCP_ACK) | \
	 1u << (TCP_FIN | TCP_ACK | TCP_URG))

static ALWAYS_INLINE enum reason packet_tcp(struct packet *packet, const void *data_end)
{
	const __u8 *tcp = packet->l4;

	if (UNLIKELY(packet->l4_bytes < sizeof(struct tcphdr) || tcp + sizeof(struct tcphdr) > (const __u8 *)data_end))
		return TCP_HEADER;
	__u32 header_bytes = (__u32)(tcp[12] >> 4) * 4, flags = tcp[13];
	if (UNLIKELY(header_bytes < sizeof(struct tcphdr) || header_bytes > packet->l4_bytes))
		return TCP_HEADER;
	__u32 combination = (flags & 7) | (flags >> 1 & 0x18);
	packet->opens = (combination & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	return LIKELY(TCP_COMBINATIONS >> combination & 1) ? REASON_OK : TCP_FLAGS;
}

static ALWAYS_INLINE enum reason packet_udp(const struct packet *packet, const void *data_end)
{
	const struct udphdr *udp = (const void *)packet->l4;

	if (UNLIKELY(packet->l4_bytes < sizeof *udp || (const void *)(udp + 1) > data_end))
		return UDP_LENGTH;
	return LIKELY(BE16(udp->len) == packet->l4_bytes) ? REASON_OK : UDP_LENGTH;
}

static ALWAYS_INLINE enum reason packet_check(struct packet *packet, const void *data_end)
{
	enum reason reason = packet_check_ip(packet);

	packet->opens = 0;
	if (UNLIKELY(reason != REASON_OK))
		return reason;
	if (UNLIKELY(*(const __be16 *)packet->l4 == 0))
		return PORT_ZERO;
	return packet->protocol == IPPROTO_TCP ? packet_tcp(packet, data_end) : packet_udp(packet, data_end);
}

#endif
