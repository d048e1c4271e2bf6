/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_CHECKSUM_BPF_H
#define TOLLBAR_CHECKSUM_BPF_H
/* checksum.bpf.h: are the IPv4 header's and the TCP or UDP checksum right?  Off unless asked for: the network card or the
 * kernel finds out as well, later.  Asked last, of packets that would pass, because it reads all of them.
 * UDP over IPv4 without a checksum is legal, and passes. */
#include "packet.bpf.h"

#define CHECKSUM_CHUNK 128u /* a quarter of the stack that a chain of BPF functions shares */
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

/* ip_at, l4_at: where the headers are in the frame; l4_bytes: header and payload, by the IP header.  Takes no pointer into
 * the frame, so that nothing before it has to keep one, and is a function of its own, like the one above. */
__attribute__((noinline)) int checksum_check(struct xdp_md *ctx, __u32 ip_at, __u32 l4_at, __u32 l4_bytes,
					     __u32 protocol)
{
	__u32 words[10]; /* the IP header without options or extensions */
	__u64 pseudo = (__u64)BE16(protocol) + BE32(l4_bytes);

	if (bpf_xdp_load_bytes(ctx, ip_at, words, sizeof(struct iphdr)))
		return CHECKSUM;
	if (*(const __u8 *)words >> 4 == 4) {
		__u16 udp_sum = 0;
		pseudo += (__u64)words[3] + words[4];
		if (!checksum_right(checksum_sum(ctx, ip_at, (*(const __u8 *)words & 15u) * 4)))
			return CHECKSUM;
		if (protocol == IPPROTO_UDP && !bpf_xdp_load_bytes(ctx, l4_at + 6, &udp_sum, sizeof udp_sum) &&
		    !udp_sum)
			return REASON_OK;
	} else {
		if (bpf_xdp_load_bytes(ctx, ip_at, words, sizeof words))
			return CHECKSUM;
		for (int i = 2; i < 10; i++) /* both addresses */
			pseudo += words[i];
	}
	return checksum_right(pseudo + checksum_sum(ctx, l4_at, l4_bytes)) ? REASON_OK : CHECKSUM;
}

#endif
