// SPDX-License-Identifier: Apache-2.0
#include "ec/modn.h"

#include <string.h>

#include "base/assert.h"
#include "ec/modinv.h"

typedef unsigned __int128 u128;

#define N_INVERSE UINT64_C(0x4b0dff665588b13f) /* -1/n mod 2^64 */

const struct modn modn_order = {{0xbfd25e8cd0364141, 0xbaaedce6af48a03b, 0xfffffffffffffffe, 0xffffffffffffffff}};

struct modn modn_read(const uint8_t bytes[32])
{
	struct modn out = {{0}};

	for (int i = 0; i < 32; i++)
		out.w[3 - i / 8] = out.w[3 - i / 8] << 8 | bytes[i];
	return out;
}

bool modn_is_zero(const struct modn *a)
{
	return (a->w[0] | a->w[1] | a->w[2] | a->w[3]) == 0;
}

/* out = a - b mod 2^256; true when b was more. */
static bool subtract(struct modn *out, const struct modn *a, const struct modn *b)
{
	u128 borrow = 0;

	for (int i = 0; i < 4; i++) {
		u128 difference = (u128)a->w[i] - b->w[i] - borrow;
		out->w[i] = (uint64_t)difference;
		borrow = difference >> 64 & 1;
	}
	return borrow != 0;
}

bool modn_below(const struct modn *a, const struct modn *b)
{
	struct modn difference;

	return subtract(&difference, a, b);
}

/* a, with `above` as its word 4, below 2 n, into [0, n). */
static struct modn reduce_once(const struct modn *a, uint64_t above)
{
	struct modn less;

	return subtract(&less, a, &modn_order) && above == 0 ? *a : less;
}

/* s + a times b, into s; its words go up to 4, and what is above that is given back. */
static inline uint64_t add_row(uint64_t s[5], uint64_t a, const uint64_t b[4])
{
	u128 sum = 0;

	for (int i = 0; i < 4; i++) {
		sum = (u128)a * b[i] + s[i] + (uint64_t)(sum >> 64);
		s[i] = (uint64_t)sum;
	}
	sum = (sum >> 64) + s[4];
	s[4] = (uint64_t)sum;
	return (uint64_t)(sum >> 64);
}

/* Word by word: a row of the product, then the multiple of n that makes the lowest word zero.  What is above that word stays below
 * b + n, 2 n in the end. */
struct modn modn_mul(const struct modn *a, const struct modn *b)
{
	uint64_t s[9] = {0};

	for (int i = 0; i < 4; i++) {
		s[i + 5] = add_row(s + i, a->w[i], b->w);
		s[i + 5] += add_row(s + i, s[i] * N_INVERSE, modn_order.w);
	}
	return reduce_once(&(struct modn){{s[4], s[5], s[6], s[7]}}, s[8]);
}

/* half[i] holds the product of those before i, times 2^256, until the way back. */
void modn_invert_half(struct modn half[], const struct modn a[], size_t cnt)
{
	/* 2^512 mod n, half of that, 2^256 mod n */
	static const struct modn enter = {
		{0x896cf21467d7d140, 0x741496c20e7cf878, 0xe697f5e45bcd07c6, 0x9d671cd581c69bc5}};
	static const struct modn enter_half = {
		{0x44b6790a33ebe8a0, 0x3a0a4b61073e7c3c, 0xf34bfaf22de683e3, 0x4eb38e6ac0e34de2}};
	static const struct modn one = {{0x402da1732fc9bebf, 0x4551231950b75fc4, 1, 0}};
	struct modn all = one, number;

	for (size_t i = 0; i < cnt; i++) {
		half[i] = all;
		number = modn_mul(&a[i], &enter);
		all = modn_mul(&all, &number);
	}
	all = modn_mul(&all, &(struct modn){{1}}); /* no longer times 2^256 */
	modinv(all.w, all.w, &modinv_n);
	all = modn_mul(&all, &enter_half);
	for (size_t i = cnt; i-- > 0;) {
		half[i] = modn_mul(&all, &half[i]);
		number = modn_mul(&a[i], &enter);
		all = modn_mul(&all, &number);
	}
}

/* --- the split; scalar.c has the lattice --- */

/* round(s g / 2^384): below 2^129. */
static void round_quotient(uint64_t out[3], const struct modn *s, const struct modn *g)
{
	uint64_t t[9] = {0};

	for (int i = 0; i < 4; i++)
		t[i + 5] = add_row(t + i, s->w[i], g->w);
	u128 sum = (u128)t[6] + (t[5] >> 63);
	out[0] = (uint64_t)sum;
	sum = (sum >> 64) + t[7];
	out[1] = (uint64_t)sum;
	out[2] = (uint64_t)(sum >> 64);
}

/* sum += c k mod 2^192: enough, as the halves are known to be small. */
static void add_product(uint64_t sum[3], const uint64_t c[3], const uint64_t k[3])
{
	for (int i = 0; i < 3; i++) {
		u128 carry = 0;
		for (int j = 0; i + j < 3; j++) {
			carry = (u128)c[i] * k[j] + sum[i + j] + (uint64_t)(carry >> 64);
			sum[i + j] = (uint64_t)carry;
		}
	}
}

/* plus - minus + 2^128 mod 2^192. */
static void pack_half(uint64_t out[3], const uint64_t plus[3], const uint64_t minus[3])
{
	u128 borrow = 0;

	for (int i = 0; i < 3; i++) {
		u128 difference = (u128)plus[i] - minus[i] - borrow;
		out[i] = (uint64_t)difference;
		borrow = difference >> 64 & 1;
	}
	out[2] += 1;
}

/* K / 2 mod n for windows that end at this many bits. */
static const struct modn *offset_for(unsigned bits)
{
	static const struct modn offsets[] = {
		{{0x3aca9034d766ed0d, 0x09a4e2976b016510, 0x615eeb5fbe08c6b5, 0xd274453ee58981a7}}, /* 130 */
		{{0xb9a37d9953f62c2e, 0x19f36d7a32da3575, 0x990ac3a5ca749c09, 0xbb58ec9e87d71e35}}, /* 132 */
		{{0x0d6f64c9fa0a805a, 0xda5c26a892a5f5fd, 0x389a8eaddb046323, 0x9c89cbc8b593eef3}}, /* 133 */
		{{0x223ac68caf939d44, 0xd57400ff2e5bbddb, 0xf277a91ec2e14697, 0xed36001735e75951}}, /* 136 */
	};

	switch (bits) {
	case 132:
		return &offsets[1];
	case 133:
		return &offsets[2];
	case 136:
		return &offsets[3];
	default:
		ASSERT(bits == 130);
		return &offsets[0];
	}
}

static const uint64_t a1[3] = {0xe86c90e49284eb15, 0x3086d221a7d46bcd};
static const uint64_t b1[3] = {0x6f547fa90abfe4c3, 0xe4437ed6010e8828};
static const uint64_t a2[3] = {0x57c1108d9d44cfd8, 0x14ca50f7a8e2f3f6, 1};
static const struct modn g1 = {{0xe893209a45dbb031, 0x3daa8a1471e8ca7f, 0xe86c90e49284eb15, 0x3086d221a7d46bcd}};
static const struct modn g2 = {{0x1571b4ae8ac47f71, 0x221208ac9df506c6, 0x6f547fa90abfe4c4, 0xe4437ed6010e8828}};

void modn_split(struct modn_halves *out, const struct modn *half_u, unsigned window)
{
	const struct modn *offset = offset_for(window * modn_positions(window));
	uint64_t c1[3], c2[3], plus[3] = {0}, minus[3] = {0};
	struct modn s;
	u128 sum = 0;

	for (int i = 0; i < 4; i++) {
		sum = (u128)half_u->w[i] + offset->w[i] + (uint64_t)(sum >> 64);
		s.w[i] = (uint64_t)sum;
	}
	s = reduce_once(&s, (uint64_t)(sum >> 64));
	round_quotient(c1, &s, &g1);
	round_quotient(c2, &s, &g2);
	add_product(minus, c1, a1); /* s1 = s - c1 A1 - c2 A2 */
	add_product(minus, c2, a2);
	pack_half(out->word[0], s.w, minus);
	memset(minus, 0, sizeof minus);
	add_product(plus, c1, b1); /* s2 = c1 B1 - c2 A1 */
	add_product(minus, c2, a1);
	pack_half(out->word[1], plus, minus);
}
