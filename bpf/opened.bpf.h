/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_OPENED_BPF_H
#define TOLLBAR_OPENED_BPF_H
/* opened.bpf.h: who gets in, in allow mode, without being on the list of sources. */
#include "maps.bpf.h"
#include "packet.bpf.h"

/* What a packet is to: the protocol of a service port, with this bit of a native one. */
#define OPENED_NATIVE 256u

/* A source whose knock the daemon took, until its time is over. */
static ALWAYS_INLINE enum reason opened_knocked(struct xdp_md *ctx, __u32 ip_at, __u32 version)
{
	struct tollbar_address source __attribute__((aligned(8)));

	if (!packet_source_at(&source, ctx, ip_at, version))
		return NOT_ALLOWED;
	const struct tollbar_opened *entry = bpf_map_lookup_elem(&opened, &source);
	return entry && bpf_ktime_get_coarse_ns() < entry->until_ns ? PASS_KNOCKED : NOT_ALLOWED;
}

/* What a source that is on no list ends with, where only listed ones may come.  On a native port the payer list, if there is
 * one, takes the place of the sources'; by TCP those get in who knocked.  A function of its own: what it answers the BPF verifier
 * takes for anything, and walks what follows once for it. */
__attribute__((noinline)) int opened_check(struct xdp_md *ctx, __u32 ip_at, __u32 version, __u32 to, __u32 word)
{
	if (to & OPENED_NATIVE)
		return word & TOLLBAR_HAS_PAYERS ? PASS_OPEN : NOT_ALLOWED;
	return word & TOLLBAR_HAS_OPENED && to == IPPROTO_TCP ? opened_knocked(ctx, ip_at, version) : NOT_ALLOWED;
}

#endif
