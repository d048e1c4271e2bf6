/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_VERDICT_BPF_H
#define TOLLBAR_VERDICT_BPF_H
/* verdict.bpf.h: counts the one reason a packet ended with and turns it into an XDP action. */
#include "maps.bpf.h"

static ALWAYS_INLINE int verdict(enum reason reason, __u32 word)
{
	__u32 key = 0, idx = (__u32)reason & (TOLLBAR_REASON_CNT - 1);
	struct tollbar_counters *counted = bpf_map_lookup_elem(&counters, &key);
	int action = REASON_DROPS(reason)					 ? XDP_DROP
		     : UNLIKELY(reason == SYN_COOKIE || reason == NATIVE_COOKIE) ? XDP_TX
										 : XDP_PASS;

	if (UNLIKELY(!counted)) /* cannot be: element 0 of an array */
		return action;
	counted->packets[idx]++;
	if (UNLIKELY(word & TOLLBAR_OBSERVE) && action != XDP_PASS) {
		counted->observed[idx]++;
		return XDP_PASS;
	}
	return action;
}

#endif
