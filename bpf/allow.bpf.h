/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_ALLOW_BPF_H
#define TOLLBAR_ALLOW_BPF_H
/* allow.bpf.h: the operator's lists.  Deny beats allow in every mode. */
#include "lists.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"

/* The TOLLBAR_CODE_* of the packet's source. */
static ALWAYS_INLINE __u32 allow_listed(const struct packet *packet, __u32 word)
{
	__u32 generation = (word & TOLLBAR_GENERATION) != 0;
	struct lists_view view = {&lists_tops[generation], generation * TOLLBAR_CHUNKS_MAX};

	if (!(word & TOLLBAR_HAS_LISTS))
		return TOLLBAR_CODE_NONE;
	if (LIKELY(packet->version == 4))
		return lists_ip4(&view, BE32(((const struct iphdr *)packet->ip)->saddr));
	const __be32 *words = (const __be32 *)&((const struct ipv6hdr *)packet->ip)->saddr;
	struct lists_source source = {(__u64)BE32(words[0]) << 32 | BE32(words[1]),
				      (__u64)BE32(words[2]) << 32 | BE32(words[3])};
	return lists_ip6(&view, &source);
}

static ALWAYS_INLINE enum reason allow_check(const struct packet *packet, __u32 word)
{
	__u32 code = allow_listed(packet, word);

	if (code == TOLLBAR_CODE_DENY)
		return BLOCKED;
	if (code == TOLLBAR_CODE_ALLOW)
		return PASS_ALLOWED;
	return word & TOLLBAR_MODE_ALLOW ? NOT_ALLOWED : PASS_OPEN;
}

#endif
