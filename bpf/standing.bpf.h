/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_STANDING_BPF_H
#define TOLLBAR_STANDING_BPF_H
/* standing.bpf.h: what the daemon last said about a source.  It speaks only of TCP peers that completed a handshake, so
 * nobody is put here by packets with a forged source. */
#include "maps.bpf.h"

static ALWAYS_INLINE enum reason standing_check(const struct tollbar_address *source, __u32 word)
{
	if (LIKELY(!(word & TOLLBAR_HAS_STANDING)))
		return REASON_OK;
	struct tollbar_address key __attribute__((aligned(8))) = *source;
	tollbar_standing_key(&key);
	if (LIKELY(!policy.standing_cnt[tollbar_standing_place(&key)]))
		return REASON_OK;
	const struct tollbar_standing *entry = bpf_map_lookup_elem(&standing, &key);
	if (LIKELY(!entry))
		return REASON_OK;
	/* The clock is read for listed sources alone.  An entry past its time says nothing here; it stays a while so that
	 * the next penalty is a longer one. */
	return bpf_ktime_get_coarse_ns() < entry->until_ns ? PENALIZED : REASON_OK;
}

#endif
