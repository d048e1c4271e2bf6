/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_LISTS_ABI_H
#define TOLLBAR_LISTS_ABI_H
/* lists_abi.h: the allow and deny lists, and the payer list, in the form the kernel program reads.  They are made whole by
 * the daemon (user/lists_image.h, user/lists_payers.h), never changed while in force, and read by bpf/lists.bpf.h and
 * bpf/payers.bpf.h.  Part of the ABI: a change here raises TOLLBAR_ABI.
 *
 * A code is what the lists say of a source, both taken together, deny before allow.  2 bits per /16 of either family decide
 * most strangers; TOLLBAR_CODE_DEEPER sends the others on to an array of cache lines:
 *
 * IPv4: a word of 64 bits per /16 says where within it the code of a /24 changes, up to six times, or which line has
 * those 256 codes, or that there is nothing but single blocks.  Where a /24 is not of one mind the codes of its addresses
 * are in a hash table of blocks, 32 addresses an entry; no entry means TOLLBAR_CODE_NONE.
 *
 * IPv6: a hash table of networks, keyed by address and length, and a word that says what to do after a match: the code
 * so far, and up to three lengths to look for next, one after the other until one matches and its word takes over.
 * (Binary search on prefix lengths with a rope of lengths in each entry: Waldvogel, Varghese, Turner and Plattner, 1997.)
 * Where only one network is left, its whole address is in the entry, and the search ends there.  The search begins at one
 * such word per /16.
 *
 * Either table has two lines for a key, its home and its other line, and the other one is read only if the home line says
 * that somebody had to move there.
 *
 * The lines come in chunks, maps of one size each, because the kernel turns a lookup in an array of known size into a few
 * instructions, but calls a function for any other.  Where the codes per /16 say it all there are none. */
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define TOLLBAR_CODE_NONE 0u
#define TOLLBAR_CODE_ALLOW 1u
#define TOLLBAR_CODE_DENY 2u
#define TOLLBAR_CODE_DEEPER 3u
#define TOLLBAR_CODES_PER_WORD 16u /* 2 bits each, the lowest first */

#define TOLLBAR_LINE_WORDS 16u
#define TOLLBAR_BLOCKS_PER_LINE 5u
#define TOLLBAR_NETS_PER_LINE 3u

#define TOLLBAR_CHUNK_LINES 16384u /* 1 MiB */
#define TOLLBAR_CHUNKS_MAX 1024u   /* per generation */
/* The outer map: chunk i of generation g is in slot g * TOLLBAR_CHUNKS_MAX + i; the last slot is never read. */
#define TOLLBAR_CHUNK_SLOTS (2u * TOLLBAR_CHUNKS_MAX + 1)

/* Where things are, in lines; the tables where the top says. */
#define TOLLBAR_LISTS_WORDS4 0u	   /* 8 words a line, one per /16 */
#define TOLLBAR_LISTS_WORDS6 8192u /* 16 words a line, one per /16 */
#define TOLLBAR_LISTS_BODY 12288u

/* The part that is global data of the program, one per generation. */
struct tollbar_lists_top {
	__u64 seed; /* of both tables' hash; odd */
	__u32 blocks_at, block_lines;
	__u32 nets_at, net_lines;
	__u32 chunk_cnt; /* for who takes them away: asking each slot is slow */
	__u32 zero[9];
	__u32 codes4[65536 / TOLLBAR_CODES_PER_WORD]; /* by the first 16 bits of the source */
	__u32 codes6[65536 / TOLLBAR_CODES_PER_WORD];
};

/* IPv4 word: codes of seven runs of /24s, 2 bits each; from bit 14 on the first /24 of each run but the first, 8 bits
 * each; then the kind.  A run past the last one begins at 255 and has the code of 255.  TOLLBAR_IP4_LINE has a line number
 * instead. */
#define TOLLBAR_RUNS 7u
#define TOLLBAR_RUNS_SHIFT 14u
#define TOLLBAR_IP4_KIND_SHIFT 62u
#define TOLLBAR_IP4_RUNS 0u
#define TOLLBAR_IP4_LINE 1u
#define TOLLBAR_IP4_BLOCKS 2u /* every /24 is DEEPER, as far as this word knows */

/* IPv4 table: key is the source without its last 5 bits, shifted down; 2 bits per address, the lowest first. */
#define TOLLBAR_BLOCK_BITS 5u
#define TOLLBAR_BLOCK_NONE 0xffffffffu /* key of a free place */

struct tollbar_blocks {
	__u32 keys[TOLLBAR_BLOCKS_PER_LINE];
	__u32 moved; /* 1: this is home to a key that is in its other line */
	__u64 codes[TOLLBAR_BLOCKS_PER_LINE];
};

/* A word of the IPv6 table, or of a /16: code, three lengths less 1 (0: none), and in the table the length of the key (0: a
 * free place).  One network left: the code within it, the code around it, and its own length less 1, greater than the
 * key's. */
#define TOLLBAR_NET_CODE(word) ((word)&3u)
#define TOLLBAR_NET_ROPE(word) ((word) >> 2 & 0x1fffffu)
#define TOLLBAR_NET_BITS(word) ((word) >> 23 & 255u)
#define TOLLBAR_NET_WORD(code, rope, bits) ((code) | (rope) << 2 | (bits) << 23)
#define TOLLBAR_NET_LAST 0x80000000u
#define TOLLBAR_LAST_AROUND(word) ((word) >> 2 & 3u)
#define TOLLBAR_LAST_BITS(word) (((word) >> 4 & 127u) + 1)
#define TOLLBAR_LAST_WORD(code, around, last_bits, bits) \
	((__u32)(code) | (__u32)(around) << 2 | ((__u32)(last_bits)-1) << 4 | (__u32)(bits) << 23 | TOLLBAR_NET_LAST)
#define TOLLBAR_ROPE_LENGTHS 3u
#define TOLLBAR_ROPE_SHIFT 7u
#define TOLLBAR_ROPE_FIRST(rope) (((rope)&127u) + 1)
#define TOLLBAR_NET_PROBES_MAX 8u /* no list of any lengths needs more (user/lists_ip6.c counts it out) */

/* Addresses are two halves in host order, bits beyond the network's length are zero. */
struct tollbar_nets {
	__u64 high[TOLLBAR_NETS_PER_LINE];
	__u64 low[TOLLBAR_NETS_PER_LINE];
	__u32 words[TOLLBAR_NETS_PER_LINE];
	__u32 moved; /* as above */
};

/* The payer list, of 20-byte account addresses: a table like the others, three to a line.  A free place is zero, which nobody
 * has the key of.  The parts are the address's bytes as they are in memory.  Its lines are in one array of a size given when
 * the program is loaded, so that a daemon can write them that may make no map; each generation has half of them. */
#define TOLLBAR_PAYERS_PER_LINE 3u
#define TOLLBAR_PAYERS_LINES 16384u			 /* if nothing else is asked for: 16,320 payers, 1 MiB */
#define TOLLBAR_PAYERS_LINES_OF(payers) ((payers) + 64u) /* two thirds full, and some for tables too small to average */

struct tollbar_payer {
	__u64 high, middle;
	__u32 low;
	__u32 zero;
};

struct tollbar_payers {
	__u64 high[TOLLBAR_PAYERS_PER_LINE];
	__u64 middle[TOLLBAR_PAYERS_PER_LINE];
	__u32 low[TOLLBAR_PAYERS_PER_LINE];
	__u32 moved; /* as above */
};

/* One per generation: its lines begin at `at`. */
struct tollbar_payers_top {
	__u64 seed; /* odd */
	__u32 lines, at;
};

union tollbar_line {
	__u32 words[TOLLBAR_LINE_WORDS];
	__u64 runs[TOLLBAR_LINE_WORDS / 2];
	struct tollbar_blocks blocks;
	struct tollbar_nets nets;
};

#define TOLLBAR_INLINE static inline __attribute__((always_inline))

/* Where a key is: the upper half of its hash gives the home line, the lower half the other one. */
TOLLBAR_INLINE __u64 tollbar_lists_hash(__u64 high, __u64 low, __u64 seed)
{
	high *= seed;
	low = ((high ^ high >> 32) + low) * seed;
	return (low ^ low >> 32) * 0x9e3779b97f4a7c15u; /* 2^64 over the golden ratio */
}

TOLLBAR_INLINE __u64 tollbar_block_hash(__u32 key, __u64 seed)
{
	return tollbar_lists_hash(0, key, seed);
}

TOLLBAR_INLINE __u64 tollbar_net_hash(__u64 high, __u64 low, __u32 bits, __u64 seed)
{
	return tollbar_lists_hash(high + bits, low, seed);
}

TOLLBAR_INLINE __u64 tollbar_payer_hash(const struct tollbar_payer *payer, __u64 seed)
{
	__u64 high = payer->high * seed, middle = ((high ^ high >> 32) + payer->middle) * seed;

	return tollbar_lists_hash(middle ^ middle >> 32, payer->low, seed);
}

TOLLBAR_INLINE __u32 tollbar_line_home(__u64 hash, __u32 line_cnt)
{
	return (__u32)((hash >> 32) * line_cnt >> 32);
}

TOLLBAR_INLINE __u32 tollbar_line_other(__u64 hash, __u32 line_cnt)
{
	return (__u32)((hash & 0xffffffffu) * line_cnt >> 32);
}

_Static_assert(sizeof(struct tollbar_lists_top) == 64 + 2 * 16384, "tollbar_lists_top");
_Static_assert(__builtin_offsetof(struct tollbar_lists_top, codes4) == 64, "tollbar_lists_top.codes4");
_Static_assert(sizeof(union tollbar_line) == 64, "tollbar_line");
_Static_assert(sizeof(struct tollbar_blocks) == 64, "tollbar_blocks");
_Static_assert(__builtin_offsetof(struct tollbar_blocks, codes) == 24, "tollbar_blocks.codes");
_Static_assert(sizeof(struct tollbar_nets) == 64, "tollbar_nets");
_Static_assert(__builtin_offsetof(struct tollbar_nets, words) == 48, "tollbar_nets.words");
_Static_assert(sizeof(struct tollbar_payers) == 64, "tollbar_payers");
_Static_assert(__builtin_offsetof(struct tollbar_payers, low) == 48, "tollbar_payers.low");
_Static_assert(sizeof(struct tollbar_payers_top) == 16, "tollbar_payers_top");
_Static_assert(TOLLBAR_LISTS_WORDS6 == 65536 / (TOLLBAR_LINE_WORDS / 2), "TOLLBAR_LISTS_WORDS6");
_Static_assert(TOLLBAR_LISTS_BODY == TOLLBAR_LISTS_WORDS6 + 65536 / TOLLBAR_LINE_WORDS, "TOLLBAR_LISTS_BODY");

#endif
