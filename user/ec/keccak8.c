// SPDX-License-Identifier: Apache-2.0
#include "ec/keccak8.h"

#include <string.h>

#include "base/assert.h"
#include "base/keccak.h"

#ifdef __x86_64__
VECTOR_BEGIN_BASIC

typedef u64x8 keccak_word;
#define KECCAK_INLINE VECTOR_INLINE
/* Any function of three bits is one instruction. */
#define KECCAK_XOR3(a, b, c) ((u64x8)_mm512_ternarylogic_epi64((__m512i)(a), (__m512i)(b), (__m512i)(c), 0x96))
#define KECCAK_CHI(a, b, c) ((u64x8)_mm512_ternarylogic_epi64((__m512i)(a), (__m512i)(b), (__m512i)(c), 0xd2))
#define KECCAK_ROTATE(a, bits) ((u64x8)_mm512_rol_epi64((__m512i)(a), (bits)))

#include "base/keccak_rounds.h"

/* The last round of a hash, as far as its first four words need it. */
VECTOR_INLINE void round_last(u64x8 out[4], const u64x8 in[KECCAK_WORDS])
{
	u64x8 d[5], b[5];

	keccak_theta(d, in);
	KECCAK_FIRST_ROW(b);
	KECCAK_MIX(0, b, 0);
	KECCAK_MIX(0, b, 1);
	KECCAK_MIX(0, b, 2);
	KECCAK_MIX(0, b, 3);
	out[0] ^= keccak_round_constant[23];
}

void keccak8_finish(u64x8 hash[4], const u64x8 state[KECCAK_WORDS])
{
	u64x8 a[KECCAK_WORDS], b[KECCAK_WORDS];

	keccak_copy(a, state);
	keccak_rounds(a, b, 22);
	keccak_round(b, a, keccak_round_constant[22]);
	round_last(hash, b);
}

/* An input from its next block on. */
struct rest {
	const uint8_t *at;
	size_t bytes;
};

/* word_cnt words of each lane's block, from byte `first` of it, where some inputs end.  Masked loads read no byte beyond an
 * input, and the padding's first bit goes where it ends.  Most inputs are of one length: masks change where it does. */
VECTOR_INLINE void load_ends(u64x8 words[LANES], const struct rest rest[LANES], size_t first, unsigned word_cnt)
{
	const uint64_t all = UINT64_MAX >> (64 - 8 * word_cnt);
	const __m512i pad = _mm512_set1_epi8(KECCAK_PAD_FIRST);
	__mmask64 read = 0, end = 0;

	for (unsigned i = 0; i < LANES; i++) {
		if (i == 0 || rest[i].bytes != rest[i - 1].bytes) {
			size_t left = rest[i].bytes - first;
			bool ends = rest[i].bytes >= first && left < 8 * word_cnt;
			end = ends ? UINT64_C(1) << left : 0;
			read = ends ? end - 1 : rest[i].bytes > first ? all : 0;
		}
		words[i] = (u64x8)_mm512_mask_mov_epi8(_mm512_maskz_loadu_epi8(read, rest[i].at + first), end, pad);
	}
}

VECTOR_INLINE void absorb_words(u64x8 state[], u64x8 words[LANES], unsigned word_cnt)
{
	vector_transpose(words);
	for (unsigned i = 0; i < word_cnt; i++)
		state[i] ^= words[i];
}

/* 64 bytes of each lane's block. */
VECTOR_INLINE void absorb_part(u64x8 state[], const struct rest rest[LANES], size_t first, size_t shortest)
{
	u64x8 words[LANES];

	if (shortest >= first + 64)
		for (unsigned i = 0; i < LANES; i++)
			words[i] = (u64x8)_mm512_loadu_si512(rest[i].at + first);
	else
		load_ends(words, rest, first, 8);
	absorb_words(state + first / 8, words, 8);
}

/* The first word of the third or second part: the rest of a whole block, or of a short input. */
VECTOR_INLINE void absorb_word(u64x8 state[], const struct rest rest[LANES], size_t first)
{
	u64x8 words[LANES];

	load_ends(words, rest, first, 1);
	absorb_words(state + first / 8, words, 1);
}

/* The next block of every lane.  Returns the lanes whose input ends in it. */
VECTOR_INLINE mask8 absorb(u64x8 state[KECCAK_WORDS], const struct rest rest[LANES])
{
	const u64x8 last = vector_set((uint64_t)KECCAK_PAD_LAST << 56);
	size_t longest = 0, shortest = SIZE_MAX;
	mask8 ends = 0;

	for (unsigned i = 0; i < LANES; i++) {
		longest = rest[i].bytes > longest ? rest[i].bytes : longest;
		shortest = rest[i].bytes < shortest ? rest[i].bytes : shortest;
		ends |= (mask8)((rest[i].bytes < KECCAK_RATE_BYTES) << i);
	}
	absorb_part(state, rest, 0, shortest);
	if (longest < 72) /* what is signed: 66 bytes */
		absorb_word(state, rest, 64);
	else
		absorb_part(state, rest, 64, shortest);
	if (longest >= 128)
		absorb_word(state, rest, 128);
	state[KECCAK_RATE_WORDS - 1] ^= vector_select(ends, vector_set(0), last);
	return ends;
}

/* To the next block.  A lane whose input has ended goes on with its last one, and is not looked at again. */
static void move_on(struct rest rest[LANES])
{
	for (unsigned i = 0; i < LANES; i++) {
		if (rest[i].bytes >= KECCAK_RATE_BYTES) {
			rest[i].at += KECCAK_RATE_BYTES;
			rest[i].bytes -= KECCAK_RATE_BYTES;
		}
	}
}

/* Four words of each of these lanes to where its hash goes. */
VECTOR_INLINE void give(const struct keccak8_item items[], size_t cnt, const u64x8 hash[4], mask8 lanes)
{
	u64x8 low[2] = {vector_unpack_low(hash[0], hash[1]), vector_unpack_low(hash[2], hash[3])};
	u64x8 high[2] = {vector_unpack_high(hash[0], hash[1]), vector_unpack_high(hash[2], hash[3])};
	const __m512i first = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
	const __m512i second = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
	_Alignas(64) uint8_t out[4][2][32]; /* lanes 0 2, 1 3, 4 6, 5 7 */

	*(__m512i *)out[0] = _mm512_permutex2var_epi64((__m512i)low[0], first, (__m512i)low[1]);
	*(__m512i *)out[1] = _mm512_permutex2var_epi64((__m512i)high[0], first, (__m512i)high[1]);
	*(__m512i *)out[2] = _mm512_permutex2var_epi64((__m512i)low[0], second, (__m512i)low[1]);
	*(__m512i *)out[3] = _mm512_permutex2var_epi64((__m512i)high[0], second, (__m512i)high[1]);
	for (unsigned i = 0; i < cnt; i++)
		if (lanes >> i & 1)
			memcpy(items[i].out, out[i / 4 * 2 + i % 2][i / 2 % 2], 32);
}

/* 1 to 8 of them.  The states stay in registers, as far as those go, so everything is part of this function. */
static void hash_group(const struct keccak8_item items[], size_t cnt)
{
	struct rest rest[LANES];
	u64x8 a[KECCAK_WORDS], b[KECCAK_WORDS], hash[4];
	mask8 done = 0, ends;

	keccak_clear(a);
	for (size_t i = 0; i < LANES; i++) { /* lanes to spare have the first one's */
		const struct keccak8_item *item = &items[i < cnt ? i : 0];
		rest[i] = (struct rest){item->in, item->bytes};
	}
	for (;;) {
		ends = absorb(a, rest);
		keccak_rounds(a, b, 22);
		keccak_round(b, a, keccak_round_constant[22]);
		if ((done | ends) == 0xff)
			break;
		keccak_round(a, b, keccak_round_constant[23]);
		give(items, cnt, a, ends & (mask8)~done);
		move_on(rest);
		done |= ends;
	}
	round_last(hash, b);
	give(items, cnt, hash, (mask8)~done);
}

VECTOR_END

bool keccak8_supported(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}
#else
bool keccak8_supported(void)
{
	return false;
}

static void hash_group(const struct keccak8_item items[], size_t cnt)
{
	ASSERT(false);
}
#endif

void keccak8_many(const struct keccak8_item items[], size_t cnt)
{
	size_t at = 0;

	while (cnt - at >= 2 && keccak8_supported()) {
		size_t group = cnt - at < 8 ? cnt - at : 8;
		hash_group(items + at, group);
		at += group;
	}
	for (; at < cnt; at++)
		keccak256(items[at].out, items[at].in, items[at].bytes);
}
