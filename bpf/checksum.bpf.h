/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_CHECKSUM_BPF_H
#define TOLLBAR_CHECKSUM_BPF_H
/* checksum.bpf.h: are the IPv4 header's and the TCP or UDP checksum right?  Off unless asked for: the network card or the
 * kernel finds out as well, later.  Asked last, of packets that would pass, because it reads all of them.
 * UDP over IPv4 without a checksum is legal, and passes. */
#include "packet.bpf.h"

#define CHECKSUM_CHUNK 256u /* half of a BPF stack */
#define CHECKSUM_UNREAD (1ull << 63)

/* The one's complement sum of a part of the frame, in however many buffers; CHECKSUM_UNREAD when it is not all
 * there.  A function of its own, which the BPF verifier walks once, instead of in every way that leads here. */
__attribute__((noinline)) __u64 checksum_sum(struct xdp_md *ctx, __u32 offset, __u32 bytes)
{
	__u32 chunk[CHECKSUM_CHUNK / 4];
	__u64 sum = 0;

	for (__u32 i = 0; i < 65536 / CHECKSUM_CHUNK && bytes >= CHECKSUM_CHUNK; i++) {
		if (bpf_xdp_load_bytes(ctx, offset, chunk, CHECKSUM_CHUNK))
			return CHECKSUM_UNREAD;
		sum = (__u32)bpf_csum_diff(0, 0, chunk, CHECKSUM_CHUNK, (__u32)sum);
		offset += CHECKSUM_CHUNK;
		bytes -= CHECKSUM_CHUNK;
	}
	if (!bytes)
		return sum;
	__builtin_memset(chunk, 0, sizeof chunk); /* zeros add nothing, and make whole words */
	__u32 last = bytes - 1;
	barrier_var(last); /* 6.1 learns from `bytes` not being 0 only so that it is not 0 */
	if (last >= CHECKSUM_CHUNK - 1 || bpf_xdp_load_bytes(ctx, offset, chunk, last + 1))
		return CHECKSUM_UNREAD;
	return (__u32)bpf_csum_diff(0, 0, chunk, CHECKSUM_CHUNK, (__u32)sum);
}

static ALWAYS_INLINE int checksum_right(__u64 sum)
{
	if (sum & CHECKSUM_UNREAD)
		return 0;
	sum = (sum & 0xffffffffu) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static ALWAYS_INLINE enum reason checksum_check(struct xdp_md *ctx, const struct packet *packet)
{
	const __u8 *data = (const __u8 *)(long)ctx->data;
	__u64 ip_at = (__u64)(packet->ip - data), l4_at = (__u64)(packet->l4 - data);
	__u64 pseudo = (__u64)BE16(packet->protocol) + BE32(packet->l4_bytes);

	barrier_var(ip_at); /* or clang keeps half of a pointer, which the BPF verifier refuses */
	barrier_var(l4_at);
	if (packet->version == 4) {
		const struct iphdr *ip = (const void *)packet->ip;
		__u16 udp_sum = *(const __u16 *)(packet->l4 + 6); /* of a TCP header: part of the sequence number */
		pseudo += (__u64)ip->saddr + ip->daddr;
		if (!checksum_right(checksum_sum(ctx, (__u32)ip_at, (*packet->ip & 15u) * 4)))
			return CHECKSUM;
		if (packet->protocol == IPPROTO_UDP && !udp_sum)
			return REASON_OK;
	} else {
		const __u32 *words = (const __u32 *)(packet->ip + 8); /* both addresses */
		for (int i = 0; i < 8; i++)
			pseudo += words[i];
	}
	return checksum_right(pseudo + checksum_sum(ctx, (__u32)l4_at, packet->l4_bytes)) ? REASON_OK : CHECKSUM;
}

#endif
