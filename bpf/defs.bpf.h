/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_DEFS_BPF_H
#define TOLLBAR_DEFS_BPF_H
/* defs.bpf.h: the types of packet headers, and the #defines BTF cannot carry.  Under cc (unit tests, fuzzer) the types
 * come from the system's headers instead of vmlinux.h. */
#ifdef __bpf__
#include "vmlinux.h"
#else
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/types.h>
#include <linux/udp.h>

struct vlan_hdr { /* these two are not exported to user space */
	__be16 h_vlan_TCI;
	__be16 h_vlan_encapsulated_proto;
};

struct frag_hdr {
	__u8 nexthdr;
	__u8 reserved;
	__be16 frag_off;
	__be32 identification;
};
#endif

#ifdef __bpf__
#define ETH_P_IP 0x0800
#define ETH_P_8021Q 0x8100
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021AD 0x88a8
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define TCP_LISTEN 10
#define BPF_F_CURRENT_NETNS (-1)
#endif

#define IP4_MORE_FRAGMENTS 0x2000
#define IP4_FRAGMENT_OFFSET 0x1fff
#define IP6_MORE_FRAGMENTS 0x0001
#define IP6_FRAGMENT_OFFSET 0xfff8
#define IP6_HOP_BY_HOP 0
#define IP6_ROUTING 43
#define IP6_FRAGMENT 44
#define IP6_DESTINATION 60

#ifdef __bpf__
#define ALWAYS_INLINE inline __attribute__((always_inline))
#else
/* The driver aligns frames for their IP header; the tests press them against a guard page instead. */
#define ALWAYS_INLINE inline __attribute__((always_inline, no_sanitize("alignment")))
#endif
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Reads something for its cache line alone: what follows does not wait for it. */
#define FETCH(value) asm volatile("" : : "r"(value))

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BE16(value) ((__u16)__builtin_bswap16((__u16)(value))) /* either way, also of constants */
#define BE32(value) __builtin_bswap32(value)
#else
#define BE16(value) ((__u16)(value))
#define BE32(value) (value)
#endif

#endif
