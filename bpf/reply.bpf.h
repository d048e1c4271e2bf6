/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_REPLY_BPF_H
#define TOLLBAR_REPLY_BPF_H
/* reply.bpf.h: a frame turned into its answer, in place: what every answer has in common.  Compiles with cc, too (unit
 * tests). */
#include "defs.bpf.h"

static ALWAYS_INLINE __u64 reply_sum(const __u32 *words, __u32 cnt)
{
	__u64 sum = 0;

	for (__u32 i = 0; i < cnt; i++)
		sum += words[i];
	return sum;
}

static ALWAYS_INLINE __u16 reply_checksum(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static ALWAYS_INLINE void reply_swap_macs(__u16 *ethernet)
{
	for (int i = 0; i < 3; i++) {
		__u16 word = ethernet[i];
		ethernet[i] = ethernet[i + 3];
		ethernet[i + 3] = word;
	}
}

/* The IP header of a packet becomes that of its answer, without options and behind it so many bytes.  Returns the sum of
 * the addresses, for the checksum of what follows. */
static ALWAYS_INLINE __u64 reply_ip4(__u32 *ip, __u32 protocol, __u32 l4_bytes)
{
	__u32 source = ip[3];

	ip[3] = ip[4];
	ip[4] = source;
	__u64 addresses = reply_sum(ip + 3, 2);
	ip[0] = BE32(0x45000000u | (sizeof(struct iphdr) + l4_bytes));
	ip[1] = BE32(0x4000u);			  /* not to be fragmented, so it needs no id */
	ip[2] = BE32(64u << 24 | protocol << 16); /* time to live */
	*((__u16 *)(ip + 2) + 1) = reply_checksum(reply_sum(ip, 3) + addresses);
	return addresses;
}

static ALWAYS_INLINE __u64 reply_ip6(__u32 *ip, __u32 protocol, __u32 l4_bytes)
{
	for (int i = 2; i < 6; i++) {
		__u32 word = ip[i];
		ip[i] = ip[i + 4];
		ip[i + 4] = word;
	}
	ip[0] = BE32(0x60000000u);
	ip[1] = BE32(l4_bytes << 16 | protocol << 8 | 64u); /* hop limit */
	return reply_sum(ip + 2, 8);
}

#endif
