/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_LISTS_BPF_H
#define TOLLBAR_LISTS_BPF_H
/* lists.bpf.h: source → TOLLBAR_CODE_*, from the lists' lines (lists_abi.h).  Compiles for the kernel and for cc, where
 * unit tests and the fuzzer compare it with what the lists mean. */
#include "defs.bpf.h"

#include "lists_abi.h"

/* The lists in force: their top, and where their lines are. */
struct lists_view {
	const struct tollbar_lists_top *top;
	__u32 slot;
};

#ifdef __bpf__
#include "maps.bpf.h"

/* 0: not there, which the daemon's lists never lead to. */
static ALWAYS_INLINE const union tollbar_line *lists_line(const struct lists_view *view, __u32 at)
{
	__u32 slot = view->slot + at / TOLLBAR_CHUNK_LINES, idx = at % TOLLBAR_CHUNK_LINES;
	void *chunk = bpf_map_lookup_elem(&lists, &slot);

	return chunk ? bpf_map_lookup_elem(chunk, &idx) : 0;
}
#else
const union tollbar_line *lists_line(const struct lists_view *view, __u32 at);
#endif

/* Code idx of many, given the word it is in. */
static ALWAYS_INLINE __u32 lists_code(__u32 word, __u32 idx)
{
	return word >> idx % TOLLBAR_CODES_PER_WORD * 2 & 3;
}

/* --- IPv4 ------------------------------------------------------------------------------------------------------- */

/* Is key in this line?  *codes, if so. */
static ALWAYS_INLINE int lists_block_in(__u64 *codes, const struct tollbar_blocks *line, __u32 key)
{
	for (__u32 i = 0; i < TOLLBAR_BLOCKS_PER_LINE; i++)
		if (line->keys[i] == key) {
			*codes = line->codes[i];
			return 1;
		}
	return 0;
}

static ALWAYS_INLINE __u32 lists_ip4_block(const struct lists_view *view, __u32 source)
{
	__u32 key = source >> TOLLBAR_BLOCK_BITS, at = view->top->blocks_at, lines = view->top->block_lines;
	__u64 hash = tollbar_block_hash(key, view->top->seed), codes = 0;
	const union tollbar_line *line = lists_line(view, at + tollbar_line_home(hash, lines));

	if (!line)
		return TOLLBAR_CODE_NONE;
	if (!lists_block_in(&codes, &line->blocks, key) && line->blocks.moved) {
		line = lists_line(view, at + tollbar_line_other(hash, lines));
		if (line)
			lists_block_in(&codes, &line->blocks, key);
	}
	return codes >> source % 32 * 2 & 3;
}

/* The code of a /24, by its number in its /16: as many runs as begin at it or before have to be stepped over. */
static ALWAYS_INLINE __u32 lists_run_code(__u64 word, __u64 net)
{
	__u64 starts = word >> TOLLBAR_RUNS_SHIFT, run = 0;

	for (__u32 i = 1; i < TOLLBAR_RUNS; i++, starts >>= 8)
		run += ((starts & 255) - net - 1) >> 63; /* no branch: sources are not predictable */
	return word >> run * 2 & 3;
}

/* source: host order. */
static ALWAYS_INLINE __u32 lists_ip4(const struct lists_view *view, __u32 source)
{
	__u32 code = lists_code(view->top->codes4[source >> 20], source >> 16);

	if (LIKELY(code != TOLLBAR_CODE_DEEPER))
		return code;
	const union tollbar_line *line = lists_line(view, TOLLBAR_LISTS_WORDS4 + (source >> 19));
	if (!line)
		return TOLLBAR_CODE_NONE;
	__u64 word = line->runs[source >> 16 & 7];
	__u32 kind = (__u32)(word >> TOLLBAR_IP4_KIND_SHIFT);
	if (kind == TOLLBAR_IP4_RUNS) {
		code = lists_run_code(word, source >> 8 & 255);
	} else if (kind == TOLLBAR_IP4_LINE) {
		line = lists_line(view, (__u32)word);
		if (!line)
			return TOLLBAR_CODE_NONE;
		code = lists_code(line->words[source >> 12 & 15], source >> 8);
	}
	return code == TOLLBAR_CODE_DEEPER ? lists_ip4_block(view, source) : code;
}

/* --- IPv6 ------------------------------------------------------------------------------------------------------- */

struct lists_source { /* halves in host order */
	__u64 high, low;
};

struct lists_net {
	__u64 high, low, high_mask, low_mask;
	__u32 bits; /* 17 to 128 */
};

/* The network of `bits` that a source is in. */
static ALWAYS_INLINE struct lists_net lists_net_of(const struct lists_source *source, __u32 bits)
{
	struct lists_net net = {.bits = bits};

	net.high_mask = bits <= 64 ? ~0ull << ((64 - bits) & 63) : ~0ull;
	net.low_mask = bits <= 64 ? 0 : ~0ull << ((128 - bits) & 63);
	net.high = source->high & net.high_mask;
	net.low = source->low & net.low_mask;
	return net;
}

/* Is a source that is in net also in the last network this entry of net speaks of? */
static ALWAYS_INLINE __u32 lists_last_code(__u64 high, __u64 low, __u32 word, const struct lists_source *source)
{
	struct lists_net last = lists_net_of(source, TOLLBAR_LAST_BITS(word));

	return high == last.high && low == last.low ? TOLLBAR_NET_CODE(word) : TOLLBAR_LAST_AROUND(word);
}

/* What to do after a match in this line: its word, of which the last network has only the code left; or 0. */
static ALWAYS_INLINE __u32 lists_net_in(const struct tollbar_nets *line, const struct lists_net *net,
					const struct lists_source *source)
{
	for (__u32 i = 0; i < TOLLBAR_NETS_PER_LINE; i++) {
		__u64 high = line->high[i], low = line->low[i];
		__u32 word = line->words[i];
		if (TOLLBAR_NET_BITS(word) != net->bits || ((high ^ net->high) & net->high_mask) != 0 ||
		    ((low ^ net->low) & net->low_mask) != 0)
			continue;
		if (!(word & TOLLBAR_NET_LAST))
			return word;
		return TOLLBAR_NET_WORD(lists_last_code(high, low, word, source), 0, net->bits);
	}
	return 0;
}

static ALWAYS_INLINE __u32 lists_net_find(const struct lists_view *view, const struct lists_net *net,
					  const struct lists_source *source)
{
	__u32 at = view->top->nets_at, lines = view->top->net_lines;
	__u64 hash = tollbar_net_hash(net->high, net->low, net->bits, view->top->seed);
	const union tollbar_line *line = lists_line(view, at + tollbar_line_home(hash, lines));

	if (!line)
		return 0;
	__u32 word = lists_net_in(&line->nets, net, source);
	if (word || !line->nets.moved)
		return word;
	line = lists_line(view, at + tollbar_line_other(hash, lines));
	return line ? lists_net_in(&line->nets, net, source) : 0;
}

static ALWAYS_INLINE __u32 lists_ip6(const struct lists_view *view, const struct lists_source *source)
{
	__u64 high = source->high;
	__u32 code = lists_code(view->top->codes6[high >> 52], (__u32)(high >> 48));

	if (LIKELY(code != TOLLBAR_CODE_DEEPER))
		return code;
	const union tollbar_line *line = lists_line(view, TOLLBAR_LISTS_WORDS6 + (__u32)(high >> 52));
	if (!line)
		return TOLLBAR_CODE_NONE;
	__u32 word = line->words[high >> 48 & 15], rope = TOLLBAR_NET_ROPE(word);
	for (__u32 probe = 0; probe < TOLLBAR_NET_PROBES_MAX && rope; probe++) {
		struct lists_net net = lists_net_of(source, TOLLBAR_ROPE_FIRST(rope));
		__u32 found = lists_net_find(view, &net, source);
		if (found)
			word = found;
		rope = found ? TOLLBAR_NET_ROPE(found) : rope >> TOLLBAR_ROPE_SHIFT;
	}
	return TOLLBAR_NET_CODE(word);
}

#endif
