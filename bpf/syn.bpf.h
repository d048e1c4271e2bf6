/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_SYN_BPF_H
#define TOLLBAR_SYN_BPF_H
/* syn.bpf.h: SYN floods.  Armed, a SYN to a listening service port is answered here, by the kernel's own SYN cookie, and
 * costs no memory; whoever sends the cookie back with his ACK exists, and the kernel, which checks it, gives him his
 * connection.  syn_rewrite compiles with cc, too (unit tests).
 *
 * What passes untouched, armed or not: every segment but a SYN; a SYN for which the kernel knows a connection, pending,
 * established or in TIME_WAIT, since only the kernel knows whether that may be opened anew; a SYN to a port where nothing
 * listens, behind IP options or extension headers, or in a frame that cannot be resized.
 *
 * net.ipv4.tcp_syncookies of the interface's namespace says when there is a cookie: 2 always, 1 (the default of all
 * distributions) only while the listener's queue of pending connections is full, where the kernel would begin to send
 * cookies itself, 0 never.  When there is none, the SYN passes.
 *
 * The answer leaves by XDP_TX, which not every NIC can do.  A veth passes it on only where its other end has an XDP program,
 * too: with no more than GRO there, it is queued and nobody woken.  Seen on two cores that also made the flood: 2 to 2.7
 * times as many SYNs answered as by the kernel's own cookies in the same time.
 *
 * The answer carries one option, the MSS of the interface.  A connection opened this way has no window scaling, no SACK
 * and no timestamps: the kernel keeps those in its timestamps, whose offset only it knows. */
#ifdef __bpf__
#include "maps.bpf.h"
#endif
#include "flood.bpf.h"
#include "packet.bpf.h"
#include "reply.bpf.h"

#define SYN_RECEIVE_WINDOW 64240 /* what Linux begins with at an MSS of 1460; none of it can be scaled */
#define SYN_REPLY_TCP_BYTES 24u	 /* header and MSS option */
#define SYN_MSS_MIN 536		 /* RFC 9293: what everybody takes */
#define TCP_HEADER_BYTES_MAX 60u

/* pseudo: sum of the addresses. */
static ALWAYS_INLINE void syn_rewrite_tcp(__u32 *tcp, __u64 pseudo, __u32 cookie, __u32 mss)
{
	__u32 ports = tcp[0], sequence = BE32(tcp[1]);

	tcp[0] = ports << 16 | ports >> 16;
	tcp[1] = BE32(cookie);
	tcp[2] = BE32(sequence + 1);
	tcp[3] = BE32(SYN_REPLY_TCP_BYTES / 4 << 28 | 0x12u << 16 | SYN_RECEIVE_WINDOW); /* SYN and ACK */
	tcp[4] = 0;
	tcp[5] = BE32(0x02040000u | mss);
	__u64 sum = pseudo + BE16(IPPROTO_TCP + SYN_REPLY_TCP_BYTES) + reply_sum(tcp, 6);
	*(__u16 *)(tcp + 4) = reply_checksum(sum);
}

/* The frame of a SYN → the answer, in place; tags stay.  The frame already ends where the answer will; 0: it does not. */
static ALWAYS_INLINE int syn_rewrite4(void *data, const void *data_end, __u32 ip_at, __u32 cookie, __u32 mss)
{
	__u32 *ip = (void *)((__u8 *)data + ip_at);

	if ((void *)(ip + 5 + SYN_REPLY_TCP_BYTES / 4) > data_end ||
	    (__u8 *)data + sizeof(struct ethhdr) > (__u8 *)data_end)
		return 0;
	__u64 pseudo = reply_ip4(ip, IPPROTO_TCP, SYN_REPLY_TCP_BYTES);
	syn_rewrite_tcp(ip + 5, pseudo, cookie, mss);
	reply_swap_macs(data);
	return 1;
}

static ALWAYS_INLINE int syn_rewrite6(void *data, const void *data_end, __u32 ip_at, __u32 cookie, __u32 mss)
{
	__u32 *ip = (void *)((__u8 *)data + ip_at);

	if ((void *)(ip + 10 + SYN_REPLY_TCP_BYTES / 4) > data_end ||
	    (__u8 *)data + sizeof(struct ethhdr) > (__u8 *)data_end)
		return 0;
	__u64 pseudo = reply_ip6(ip, IPPROTO_TCP, SYN_REPLY_TCP_BYTES);
	syn_rewrite_tcp(ip + 10, pseudo, cookie, mss);
	reply_swap_macs(data);
	return 1;
}

#ifdef __bpf__
/* What the socket lookup wants to know of a packet whose TCP header follows its IP header. */
static ALWAYS_INLINE __u32 syn_tuple4(struct bpf_sock_tuple *tuple, const struct iphdr *ip)
{
	const struct tcphdr *tcp = (const void *)(ip + 1);

	tuple->ipv4.saddr = ip->saddr;
	tuple->ipv4.daddr = ip->daddr;
	tuple->ipv4.sport = tcp->source;
	tuple->ipv4.dport = tcp->dest;
	return sizeof tuple->ipv4;
}

static ALWAYS_INLINE __u32 syn_tuple6(struct bpf_sock_tuple *tuple, const struct ipv6hdr *ip)
{
	const struct tcphdr *tcp = (const void *)(ip + 1);

	__builtin_memcpy(tuple->ipv6.saddr, &ip->saddr, 16);
	__builtin_memcpy(tuple->ipv6.daddr, &ip->daddr, 16);
	tuple->ipv6.sport = tcp->source;
	tuple->ipv6.dport = tcp->dest;
	return sizeof tuple->ipv6;
}

/* The listener's cookie for this SYN, or below zero: there is no listener, or a connection, or no cookie wanted. */
static ALWAYS_INLINE __s64 syn_cookie(struct xdp_md *ctx, void *ip, __u32 ip_at, __u32 ip_bytes)
{
	struct bpf_sock_tuple tuple;
	__u32 tuple_bytes = ip_bytes == sizeof(struct iphdr) ? syn_tuple4(&tuple, ip) : syn_tuple6(&tuple, ip);
	__u8 tcp[TCP_HEADER_BYTES_MAX] = {
		0}; /* a copy: of varying length, which the verifier takes on the stack alone */
	__u32 tcp_bytes = (__u32)(((const __u8 *)ip)[ip_bytes + 12] >> 4) * 4;
	__s64 cookie = -1;

	barrier_var(tcp_bytes); /* the verifier has to see the bounds of this variable, not of what it came from */
	if (tcp_bytes < sizeof(struct tcphdr) || tcp_bytes > sizeof tcp ||
	    bpf_xdp_load_bytes(ctx, ip_at + ip_bytes, tcp, tcp_bytes) != 0)
		return -1;
	struct bpf_sock *sock = bpf_skc_lookup_tcp(ctx, &tuple, tuple_bytes, (__u64)BPF_F_CURRENT_NETNS, 0);
	if (!sock)
		return -1;
	if (sock->state == TCP_LISTEN)
		cookie = bpf_tcp_gen_syncookie(sock, ip, ip_bytes, (void *)tcp, tcp_bytes);
	bpf_sk_release(sock);
	return cookie;
}

/* What the kernel, too, announces without a route that says otherwise. */
static ALWAYS_INLINE __u32 syn_mss(struct xdp_md *ctx, __u32 headers_bytes)
{
	__u32 mtu = 0;

	bpf_check_mtu(ctx, 0, &mtu, 0, 0); /* its verdict is on this frame; the MTU it tells in any case */
	if (mtu < SYN_MSS_MIN + headers_bytes)
		return SYN_MSS_MIN;
	return mtu - headers_bytes > 0xffff ? 0xffff : mtu - headers_bytes;
}

static ALWAYS_INLINE enum reason syn_reply(struct xdp_md *ctx, __u32 ip_at, __u32 ip_bytes, __u32 word)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	__u8 *ip = (__u8 *)data + ip_at;

	if ((void *)(ip + ip_bytes + sizeof(struct tcphdr)) > data_end)
		return REASON_OK;
	/* TCP follows at once: no options, no extension headers */
	if (ip_bytes == sizeof(struct iphdr) ? ip[0] != 0x45 : ip[6] != IPPROTO_TCP)
		return REASON_OK;
	__s64 cookie = syn_cookie(ctx, ip, ip_at, ip_bytes);
	if (cookie < 0)
		return REASON_OK;
	if (word & TOLLBAR_OBSERVE)
		return SYN_COOKIE;
	__u32 mss = syn_mss(ctx, ip_bytes + sizeof(struct tcphdr)),
	      reply_bytes = ip_at + ip_bytes + SYN_REPLY_TCP_BYTES;
	if (bpf_xdp_adjust_tail(ctx, (int)reply_bytes - (int)bpf_xdp_get_buff_len(ctx)) != 0)
		return REASON_OK;
	data = (void *)(long)ctx->data;
	data_end = (void *)(long)ctx->data_end;
	int done = ip_bytes == sizeof(struct iphdr) ? syn_rewrite4(data, data_end, ip_at, (__u32)cookie, mss)
						    : syn_rewrite6(data, data_end, ip_at, (__u32)cookie, mss);
	return done ? SYN_COOKIE : REASON_OK;
}

/* SYN_COOKIE: the frame is the answer now, and goes back where it came from.  REASON_OK: it is as it was.  A function of
 * its own, so that the verifier walks it once, not at the end of each way through a packet's headers. */
__attribute__((noinline)) int syn_answer(struct xdp_md *ctx, __u32 ip_at, __u32 version, __u32 word)
{
	if (ip_at > sizeof(struct ethhdr) + PACKET_VLAN_TAGS_MAX * sizeof(struct vlan_hdr))
		return REASON_OK; /* cannot be, but the verifier knows nothing of the caller */
	return version == 4 ? syn_reply(ctx, ip_at, sizeof(struct iphdr), word)
			    : syn_reply(ctx, ip_at, sizeof(struct ipv6hdr), word);
}

/* Is this a SYN, and are SYNs answered now? */
static ALWAYS_INLINE int syn_asked(const struct packet *packet, __u32 word)
{
	__u32 key = 0;

	if (LIKELY(!packet->opens) || !(word & (TOLLBAR_SYN_COOKIES | TOLLBAR_SYN_AUTO)))
		return 0;
	if (word & TOLLBAR_SYN_COOKIES)
		return 1;
	struct tollbar_flood *count = bpf_map_lookup_elem(&syns, &key);
	return count && flood_count(count, policy.syns_per_s, bpf_ktime_get_coarse_ns());
}
#endif

#endif
