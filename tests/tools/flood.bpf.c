// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* flood.bpf.c: the three programs of tests/tools/flood.c.
 *
 *   flood_next   turns each live frame it is run on (BPF_F_TEST_XDP_LIVE_FRAMES) into the next packet of an attack on one
 *                service port and sends it out of the interface.
 *   flood_datagram  the same with datagrams, each from another source and port and with a nonce of its own.
 *   flood_floor  drops everything: the least a filter can cost, on the interface that the flood is compared on. */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flood.h"

#define ETH_BYTES 14
#define TCP_AT (ETH_BYTES + 20)

const volatile struct flood_plan plan;
__u64 sent; /* one thread runs the program */
__u32 random_word = 1;

static __always_inline __u32 next_random(void)
{
	random_word ^= random_word << 13;
	random_word ^= random_word >> 17;
	random_word ^= random_word << 5;
	return random_word;
}

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16) ~((sum & 0xffff) + (sum >> 16));
}

SEC("xdp")
int flood_next(struct xdp_md *ctx)
{
	__u8 *data = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;

	if (data + FLOOD_FRAME_BYTES > end)
		return XDP_ABORTED;
	/* All of it: the kernel runs this on frames that were sent before, and whoever received them may have turned them into
	 * an answer. */
	for (__u32 i = 0; i < FLOOD_FRAME_BYTES / 4; i++)
		((__u32 *)data)[i] = plan.frame[i];
	struct iphdr *ip = (struct iphdr *)(data + ETH_BYTES);
	struct tcphdr *tcp = (struct tcphdr *)(data + TCP_AT);
	/* 128.0.0.0 to 191.255.255.255 with an even third byte: a list whose entries have an odd one lets none in, and
	 * yet shares the /16s of many. */
	__u32 random = next_random(), source = bpf_htonl(0x80000000u | (random & 0x3ffffeffu));
	__u32 kind = (__u32)sent++ & (FLOOD_KINDS - 1);
	__u16 port = (__u16)(random >> 16 | 0x0004);
	__u32 moving = (source & 0xffff) + (source >> 16);

	ip->saddr = source;
	ip->check = fold(plan.ip_sum + moving);
	tcp->source = port;
	((__u8 *)tcp)[13] = plan.flags[kind];
	tcp->check = fold(plan.tcp_sum[kind] + moving + port);
	return (int)bpf_redirect(plan.ifindex, 0);
}

SEC("xdp")
int flood_datagram(struct xdp_md *ctx)
{
	__u16 *words = (__u16 *)(long)ctx->data, *end = (__u16 *)(long)ctx->data_end;
	struct iphdr *ip = (struct iphdr *)((__u8 *)words + ETH_BYTES);
	struct udphdr *udp = (struct udphdr *)(ip + 1);
	__u32 random = next_random(), source = bpf_htonl(0x80000000u | (random & 0x3ffffeffu));

	for (__u32 i = 0; i < FLOOD_DATAGRAM_WORDS && i < plan.word_cnt && words + i + 1 <= end; i++)
		words[i] = plan.datagram[i];
	if ((void *)(udp + 1) > (void *)end)
		return XDP_ABORTED;
	ip->saddr = source;
	ip->check = fold(plan.ip_sum + (source & 0xffff) + (source >> 16));
	udp->source = (__u16)(random >> 16 | 0x0004);
	__u32 at = plan.nonce_word & 255;
	for (__u32 i = 0; i < 4; i++)
		if (words + at + i + 1 <= end)
			words[at + i] = (__u16)next_random();
	sent++;
	return (int)bpf_redirect(plan.ifindex, 0);
}

SEC("xdp")
int flood_floor(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_DROP;
}

char terms[] SEC("license") = "Dual BSD/GPL";
