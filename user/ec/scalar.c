// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "ec/scalar.h"

#include "base/assert.h"
#include "ec/modinv.h"

VECTOR_BEGIN

#define N0 UINT64_C(0x25e8cd0364141)
#define N1 UINT64_C(0xe6af48a03bbfd)
#define N2 UINT64_C(0xffffffebaaedc)
#define N3 UINT64_C(0xfffffffffffff)
#define N4 UINT64_C(0xffffffffffff)
#define N_INVERSE UINT64_C(0xdff665588b13f) /* -1/n mod 2^52 */

/* Five times: the multiple of n that makes the lowest column's 52 bits zero; what is above them goes on. */
struct u256x8 scalar_mul(struct u256x8 a, struct u256x8 b)
{
	const struct u256x8 n = u256x8_set(N0, N1, N2, N3, N4);
	struct columns s = columns_mul(a, b);
	struct u256x8 out;

	for (int i = 0; i < 5; i++) {
		u64x8 m = vector_madd_lo(vector_set(0), s.c[i], vector_set(N_INVERSE));
		for (int j = 0; j < 5; j++) {
			s.c[i + j] = vector_madd_lo(s.c[i + j], m, n.v[j]);
			s.c[i + j + 1] = vector_madd_hi(s.c[i + j + 1], m, n.v[j]);
		}
		s.c[i + 1] += s.c[i] >> LIMB_BITS;
	}
	for (int i = 0; i < 4; i++) {
		s.c[i + 6] += s.c[i + 5] >> LIMB_BITS;
		out.v[i] = s.c[i + 5] & LIMB_MASK;
	}
	out.v[4] = s.c[9];
	return out;
}

struct u256x8 scalar_enter(struct u256x8 a)
{
	/* 2^520 mod n */
	return scalar_mul(
		a, u256x8_set(0xe180c268b3b23, 0x94fd6e33e4c8e, 0xd07c73b975948, 0xc5e697f5e45bc, 0x671cd581c69b));
}

struct u256x8 scalar_canonical(struct u256x8 a)
{
	const struct u256x8 n = u256x8_set(N0, N1, N2, N3, N4);

	for (int times = 0; times < 3; times++) {
		struct u256x8 less = a;
		for (int i = 0; i < 5; i++)
			less.v[i] -= n.v[i];
		less = u256x8_carry(less);
		a = u256x8_select(_mm512_movepi64_mask((__m512i)less.v[4]), less, a);
	}
	return a;
}

struct u256x8 scalar_negate(struct u256x8 a)
{
	struct u256x8 n = u256x8_set(N0, N1, N2, N3, N4);

	EACH_LIMB(i) n.v[i] -= a.v[i];
	return u256x8_carry(n);
}

/* 2^260 / (2 x) of every lane of x times 2^260: as field_invert. */
static struct u256x8 invert_half_lanes(struct u256x8 x)
{
	struct u256x8 others, all = u256x8_product(&others, x, scalar_mul);
	u64x8 words[4];
	uint64_t inverse[4];

	u256x8_to_words(words, scalar_canonical(scalar_mul(all, U256X8_ONE))); /* no longer times 2^260 */
	for (int i = 0; i < 4; i++)
		inverse[i] = words[i][0];
	modinv(inverse, inverse, &modinv_n);
	for (int i = 0; i < 4; i++)
		words[i] = vector_set(inverse[i]);
	/* 2^520 / 2 mod n */
	all = u256x8_set(0x3b4c7b60be32, 0xbdd65b6a10446, 0x683e39d290412, 0xe2f34bfaf22de, 0xb38e6ac0e34d);
	return scalar_mul(others, scalar_mul(u256x8_from_words(words), all));
}

/* A tree of products, node i of nodes 2 i and 2 i + 1, the numbers its leaves; down again, a node's inverse times one
 * child is the other child's.  Products of a level do not wait for each other. */
void scalar_invert_half(struct u256x8 half[], const struct u256x8 a[], size_t cnt)
{
	struct u256x8 node[2 * SCALAR_MANY];

	ASSERT(cnt >= 1 && cnt <= SCALAR_MANY);
	for (size_t i = 0; i < cnt; i++)
		node[cnt + i] = scalar_enter(a[i]);
	for (size_t i = cnt; i-- > 1;)
		node[i] = scalar_mul(node[2 * i], node[2 * i + 1]);
	node[1] = invert_half_lanes(node[1]);
	for (size_t i = 1; i < cnt; i++) {
		struct u256x8 left = scalar_mul(node[i], node[2 * i + 1]);
		node[2 * i + 1] = scalar_mul(node[i], node[2 * i]);
		node[2 * i] = left;
	}
	for (size_t i = 0; i < cnt; i++)
		half[i] = node[cnt + i];
}

/* round(s g / 2^384) in three limbs: 2^384 is bit 20 of column 7, and the half is added there. */
static void round_quotient(u64x8 out[3], const struct u256x8 *s, const struct u256x8 *g)
{
	struct columns t = columns_mul(*s, *g);

	t.c[7] += vector_set(UINT64_C(1) << 19);
	for (int i = 0; i < 9; i++) {
		t.c[i + 1] += t.c[i] >> LIMB_BITS;
		t.c[i] &= LIMB_MASK;
	}
	for (int i = 0; i < 2; i++)
		out[i] = (t.c[7 + i] >> 20 | t.c[8 + i] << 32) & LIMB_MASK;
	out[2] = t.c[9] >> 20;
}

struct limbs3 {
	u64x8 v[3];
};

/* sum + c k mod 2^156: enough, as the halves are known to be small. */
static struct limbs3 add_product(struct limbs3 sum, const u64x8 c[3], const uint64_t k[3])
{
	for (int i = 0; i < 3; i++)
		for (int j = 0; i + j < 3; j++) {
			sum.v[i + j] = vector_madd_lo(sum.v[i + j], c[i], vector_set(k[j]));
			if (i + j < 2)
				sum.v[i + j + 1] = vector_madd_hi(sum.v[i + j + 1], c[i], vector_set(k[j]));
		}
	return sum;
}

/* plus - minus + 2^128 in three words: below 2^129. */
static void pack_half(u64x8 word[3], const struct limbs3 *plus, const struct limbs3 *minus)
{
	u64x8 v[3];

	for (int i = 0; i < 3; i++)
		v[i] = plus->v[i] - minus->v[i];
	v[2] += vector_set(UINT64_C(1) << 24);
	v[1] += vector_sar(v[0], LIMB_BITS);
	v[2] += vector_sar(v[1], LIMB_BITS);
	for (int i = 0; i < 3; i++)
		v[i] &= LIMB_MASK;
	word[0] = v[0] | v[1] << 52;
	word[1] = v[1] >> 12 | v[2] << 40;
	word[2] = v[2] >> 24;
}

/* K / 2 mod n for windows that end at this many bits. */
static struct u256x8 offset_for(unsigned bits)
{
	switch (bits) {
	case 132:
		return u256x8_set(0x37d9953f62c2e, 0x7a32da3575b9a, 0xa749c0919f36d, 0x1e35990ac3a5c, 0xbb58ec9e87d7);
	case 133:
		return u256x8_set(0xf64c9fa0a805a, 0xa892a5f5fd0d6, 0xb046323da5c26, 0xeef3389a8eadd, 0x9c89cbc8b593);
	case 136:
		return u256x8_set(0xac68caf939d44, 0xff2e5bbddb223, 0x2e14697d57400, 0x5951f277a91ec, 0xed36001735e7);
	default:
		ASSERT(bits == 130);
		return u256x8_set(0xa9034d766ed0d, 0x976b0165103ac, 0xe08c6b509a4e2, 0x81a7615eeb5fb, 0xd274453ee589);
	}
}

/* The lattice of (x, y) with x + lambda y = 0 mod n has the short vectors (A1, -B1) and (A2, A1); G1 and G2 are
 * A1 2^384 / n and B1 2^384 / n, rounded.  Source: Guide to Elliptic Curve Cryptography, algorithm 3.74. */
static const uint64_t a1[3] = {0xc90e49284eb15, 0x21a7d46bcde86, 0x3086d2};
static const uint64_t b1[3] = {0x47fa90abfe4c3, 0xd6010e88286f5, 0xe4437e};
static const uint64_t a2[3] = {0x1108d9d44cfd8, 0xf7a8e2f3f657c, 0x114ca50};

void scalar_split(struct halves *out, struct u256x8 half_u, unsigned window)
{
	const struct u256x8 g1 =
		u256x8_set(0x3209a45dbb031, 0x1471e8ca7fe89, 0x284eb153daa8a, 0x6bcde86c90e49, 0x3086d221a7d4);
	const struct u256x8 g2 =
		u256x8_set(0x1b4ae8ac47f71, 0xac9df506c6157, 0xabfe4c4221208, 0x88286f547fa90, 0xe4437ed6010e);
	const struct limbs3 zero = {{{0}}};
	struct u256x8 s, offset = offset_for(window * scalar_positions(window));
	struct limbs3 plus, minus;
	u64x8 c1[3], c2[3];

	for (int i = 0; i < 5; i++)
		s.v[i] = half_u.v[i] + offset.v[i];
	s = scalar_canonical(u256x8_carry(s));
	round_quotient(c1, &s, &g1);
	round_quotient(c2, &s, &g2);
	plus = (struct limbs3){{s.v[0], s.v[1], s.v[2]}};
	minus = add_product(add_product(zero, c1, a1), c2, a2); /* s1 = s - c1 A1 - c2 A2 */
	pack_half(out->word[0], &plus, &minus);
	plus = add_product(zero, c1, b1);
	minus = add_product(zero, c2, a1); /* s2 = c1 B1 - c2 A1 */
	pack_half(out->word[1], &plus, &minus);
}

VECTOR_END

#endif
