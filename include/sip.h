/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_SIP_H
#define TOLLBAR_SIP_H
/* sip.h: SipHash-2-4 a word at a time, for kernel and daemon; user/base/siphash.h hashes bytes with it.
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.  A word is 8 bytes of input, the first the
 * lowest. */
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

struct tollbar_sip {
	__u64 v0, v1, v2, v3;
};

#define TOLLBAR_SIP_INLINE static inline __attribute__((always_inline))

TOLLBAR_SIP_INLINE __u64 tollbar_sip_rotate(__u64 x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

TOLLBAR_SIP_INLINE void tollbar_sip_round(struct tollbar_sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = tollbar_sip_rotate(s->v1, 13) ^ s->v0;
	s->v3 = tollbar_sip_rotate(s->v3, 16) ^ s->v2;
	s->v0 = tollbar_sip_rotate(s->v0, 32) + s->v3;
	s->v2 += s->v1;
	s->v3 = tollbar_sip_rotate(s->v3, 21) ^ s->v0;
	s->v1 = tollbar_sip_rotate(s->v1, 17) ^ s->v2;
	s->v2 = tollbar_sip_rotate(s->v2, 32);
}

TOLLBAR_SIP_INLINE void tollbar_sip_begin(struct tollbar_sip *s, const __u64 key[2])
{
	/* the function's initial state: "somepseudorandomlygeneratedbytes" */
	s->v0 = key[0] ^ 0x736f6d6570736575;
	s->v1 = key[1] ^ 0x646f72616e646f6d;
	s->v2 = key[0] ^ 0x6c7967656e657261;
	s->v3 = key[1] ^ 0x7465646279746573;
}

TOLLBAR_SIP_INLINE void tollbar_sip_word(struct tollbar_sip *s, __u64 word)
{
	s->v3 ^= word;
	tollbar_sip_round(s);
	tollbar_sip_round(s);
	s->v0 ^= word;
}

/* bytes: how long the whole input is; last: what is left of it, fewer than 8 bytes. */
TOLLBAR_SIP_INLINE __u64 tollbar_sip_end(struct tollbar_sip *s, __u64 bytes, __u64 last)
{
	tollbar_sip_word(s, bytes << 56 | last);
	s->v2 ^= 0xff;
	tollbar_sip_round(s);
	tollbar_sip_round(s);
	tollbar_sip_round(s);
	tollbar_sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

#endif
