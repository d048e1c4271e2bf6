/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_NATIVE_ABI_H
#define TOLLBAR_NATIVE_ABI_H
/* native_abi.h: what the kernel program sieves native datagrams by (bpf/native.bpf.h).  The daemon writes it, but for the
 * paces in the replay lines.  Part of the ABI: a change here raises TOLLBAR_ABI. */
#include "lists_abi.h"

/* One per chain and asset in which something is sold. */
#define TOLLBAR_NATIVE_TERMS 32u

struct tollbar_native_terms {
	__u64 chain_id; /* as on the wire, as is the asset */
	__u64 asset[2];
	__u32 asset_rest;
	__u32 methods; /* bit m: method m of payment.h */
};

/* Of the hash that turns a claimed nonce into its tag. */
#define TOLLBAR_TAG_WORDS 14u
#define TOLLBAR_TAG_KEYS (2 * (TOLLBAR_TAG_WORDS + 1))

struct tollbar_native {
	/* Renewed every second.  Unix seconds, in bounds that a datagram's must keep. */
	__u64 tick_ns; /* CLOCK_MONOTONIC */
	__u64 valid_after_max;
	__u64 deadline_min, deadline_max;
	__u64 until_min, until_max; /* a knock's; until_max 0: there are no knocks */
	__u32 cookies_per_s;	    /* requests on one CPU whose sender did not prove that he gets our answers */
	__u32 terms_cnt;
	__u64 zero;

	__u64 cookie_key[2];
	struct tollbar_payers_top payers[2]; /* by TOLLBAR_PAYERS_GENERATION */
	__u64 tag_key[TOLLBAR_TAG_KEYS];
	__u64 zero_too[4];

	struct tollbar_native_terms terms[TOLLBAR_NATIVE_TERMS];
	__u64 ports[65536 / 64]; /* UDP service ports that speak it; one bit each, as in tollbar_policy */
};

/* Chain, payer and nonce as words in wire order → 32 bits that any two of them share under one key in 2^32 (multilinear
 * hashing with half the multiplications: Lemire and Kaser, "Strongly universal string hashing is fast", 2014). */
TOLLBAR_INLINE __u64 tollbar_tag_half(const __u64 *key, const __u32 words[TOLLBAR_TAG_WORDS])
{
	__u64 sum = key[TOLLBAR_TAG_WORDS];

	for (__u32 i = 0; i < TOLLBAR_TAG_WORDS; i += 2)
		sum += (key[i] + words[i]) * (key[i + 1] + words[i + 1]);
	return sum >> 32;
}

/* tollbar_tag: of a claimed nonce: two such hashes; never 0, which is no tag.  The chain's two halves go in as one word: those
 * of real chains have an upper half of zero. */
TOLLBAR_INLINE __u64 tollbar_tag(const __u64 key[TOLLBAR_TAG_KEYS], const __u32 chain[2], const __u32 payer[5],
				 const __u32 nonce[8])
{
	const __u32 words[TOLLBAR_TAG_WORDS] = {payer[0], payer[1], payer[2], payer[3], payer[4], chain[0] ^ chain[1],
						nonce[0], nonce[1], nonce[2], nonce[3], nonce[4], nonce[5],
						nonce[6], nonce[7]};
	__u64 tag = tollbar_tag_half(key, words) << 32 | tollbar_tag_half(key + TOLLBAR_TAG_WORDS + 1, words);

	return tag ? tag : 1;
}

/* Value of the replays map: nonces that were claimed, one cache line.  Which line, and the mark, are bits of the nonce itself;
 * only where a mark is found is the tag made, so that a fresh nonce costs no more than a look.  Whoever chooses nonces to fill a
 * line pays for each of them, and gets that others' repeats go on to the daemon. */
#define TOLLBAR_REPLAY_LINES 16384u /* a power of two; 65,536 nonces, 1 MiB */
#define TOLLBAR_REPLAYS_IN_LINE 4u
#define TOLLBAR_REPLAY_TICK 24u /* a tick is 2^24 ns of CLOCK_MONOTONIC, about 17 ms */
#define TOLLBAR_REPLAY_TICKS \
	15u /* one repeat of each passes in a quarter of a second: its sender may have lost our answer */

struct tollbar_replay {
	__u64 tag;
	__u32 mark;
	__u32 pass_tick; /* when the next one passes */
};

struct tollbar_replays {
	struct tollbar_replay replays[TOLLBAR_REPLAYS_IN_LINE];
};

/* Of the nonce's words. */
TOLLBAR_INLINE __u32 tollbar_replay_line(const __u32 nonce[8])
{
	return nonce[6] & (TOLLBAR_REPLAY_LINES - 1);
}

TOLLBAR_INLINE __u32 tollbar_replay_mark(const __u32 nonce[8])
{
	return nonce[7];
}

/* Value of the opened map: a source, by its exact address, whose knock was taken. */
#define TOLLBAR_OPENED_MAX 65536u

struct tollbar_opened {
	__u64 until_ns; /* CLOCK_MONOTONIC */
};

_Static_assert(sizeof(struct tollbar_native_terms) == 32, "tollbar_native_terms");
_Static_assert(sizeof(struct tollbar_native) == 64 + 48 + 240 + 32 + 1024 + 8192, "tollbar_native");
_Static_assert(__builtin_offsetof(struct tollbar_native, cookie_key) == 64, "tollbar_native.cookie_key");
_Static_assert(__builtin_offsetof(struct tollbar_native, tag_key) == 112, "tollbar_native.tag_key");
_Static_assert(__builtin_offsetof(struct tollbar_native, terms) == 384, "tollbar_native.terms");
_Static_assert(sizeof(struct tollbar_replays) == 64, "tollbar_replays");
_Static_assert(sizeof(struct tollbar_opened) == 8, "tollbar_opened");

#endif
