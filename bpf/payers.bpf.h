/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_PAYERS_BPF_H
#define TOLLBAR_PAYERS_BPF_H
/* payers.bpf.h: is this account on the payer list?  Compiles for the kernel and for cc (unit tests). */
#include "defs.bpf.h"

#include "lists_abi.h"

#ifdef __bpf__
#include "maps.bpf.h"

/* 0: not there, which the daemon's list never leads to. */
static ALWAYS_INLINE const struct tollbar_payers *payers_line(__u32 at)
{
	return bpf_map_lookup_elem(&payers, &at);
}
#else
const struct tollbar_payers *payers_line(__u32 at);
#endif

static ALWAYS_INLINE int payers_in(const struct tollbar_payers *line, const struct tollbar_payer *payer)
{
	for (__u32 i = 0; i < TOLLBAR_PAYERS_PER_LINE; i++)
		if (line->high[i] == payer->high && line->middle[i] == payer->middle && line->low[i] == payer->low)
			return 1;
	return 0;
}

/* Zero, which marks free places, is nobody's address. */
static ALWAYS_INLINE int payers_listed(const struct tollbar_payers_top *top, const struct tollbar_payer *payer)
{
	__u64 hash = tollbar_payer_hash(payer, top->seed);

	if (UNLIKELY(!(payer->high | payer->middle | payer->low) || !top->lines))
		return 0;
	const struct tollbar_payers *line = payers_line(top->at + tollbar_line_home(hash, top->lines));
	if (UNLIKELY(!line))
		return 0;
	if (payers_in(line, payer))
		return 1;
	if (!line->moved)
		return 0;
	line = payers_line(top->at + tollbar_line_other(hash, top->lines));
	return line && payers_in(line, payer);
}

#endif
