// SPDX-License-Identifier: Apache-2.0
#include "ec/modinv.h"

#include <stdbool.h>

#define LIMBS 5
#define LIMB_BITS 62
#define LIMB_MASK (UINT64_MAX >> 2)

const struct modulus modinv_p = {
	{0x3ffffffefffffc2f, 0x3fffffffffffffff, 0x3fffffffffffffff, 0x3fffffffffffffff, 0xff},
	0x27c7f6e22ddacacf,
};
const struct modulus modinv_n = {
	{0x3fd25e8cd0364141, 0x2abb739abd2280ee, 0x3fffffffffffffeb, 0x3fffffffffffffff, 0xff},
	0x34f20099aa774ec1,
};

/* Value = sum of limb[i] 2^(62 i); all but the last limb in [0, 2^62), the last one carries the sign. */
struct number {
	int64_t limb[LIMBS];
};

/* 2^62 (f', g') = matrix (f, g); the absolute values of a row add up to 2^62 at most. */
struct matrix {
	int64_t u, v, q, r;
};

/* 62 division steps, which depend on the low 62 bits of f and g only; f is odd.  eta is minus the paper's delta.  Where
 * g is odd, eta + 1 steps would each add f to g or leave it, and halve: w is what they add together. */
static int64_t division_steps(struct matrix *matrix, int64_t eta, uint64_t f, uint64_t g)
{
	uint64_t u = 1, v = 0, q = 0, r = 1;
	uint64_t inverse = f * (f * f - 2); /* -1/f mod 2^6 */
	int left = LIMB_BITS;

	for (;;) {
		int zeros = __builtin_ctzll(g | UINT64_MAX << left);
		g >>= zeros;
		u <<= zeros;
		v <<= zeros;
		eta -= zeros;
		left -= zeros;
		if (left == 0)
			break;
		if (eta < 0) {
			uint64_t f_was = f, u_was = u, v_was = v;
			eta = -eta;
			f = g, u = q, v = r;
			g = -f_was, q = -u_was, r = -v_was;
			inverse = f * (f * f - 2);
		}
		int bits = eta + 1 < left ? (int)eta + 1 : left;
		uint64_t w = g * inverse & 63 & (UINT64_MAX >> (64 - bits));
		g += f * w;
		q += u * w;
		r += v * w;
	}
	*matrix = (struct matrix){(int64_t)u, (int64_t)v, (int64_t)q, (int64_t)r};
	return eta;
}

/* (f, g) = matrix (f, g) / 2^62: exact. */
static void update_fg(struct number *f, struct number *g, const struct matrix *matrix)
{
	__int128 sum_f = (__int128)matrix->u * f->limb[0] + (__int128)matrix->v * g->limb[0];
	__int128 sum_g = (__int128)matrix->q * f->limb[0] + (__int128)matrix->r * g->limb[0];

	for (int i = 1; i < LIMBS; i++) {
		sum_f = (sum_f >> LIMB_BITS) + (__int128)matrix->u * f->limb[i] + (__int128)matrix->v * g->limb[i];
		sum_g = (sum_g >> LIMB_BITS) + (__int128)matrix->q * f->limb[i] + (__int128)matrix->r * g->limb[i];
		f->limb[i - 1] = (int64_t)((uint64_t)sum_f & LIMB_MASK);
		g->limb[i - 1] = (int64_t)((uint64_t)sum_g & LIMB_MASK);
	}
	f->limb[LIMBS - 1] = (int64_t)(sum_f >> LIMB_BITS);
	g->limb[LIMBS - 1] = (int64_t)(sum_g >> LIMB_BITS);
}

/* (d, e) = matrix (d, e) / 2^62 mod the modulus m.  d and e stay in (-2m, m): a negative one counts as itself plus m,
 * and the multiple of m that makes the low 62 bits zero is in [0, 2^62), less the former. */
static void update_de(struct number *d, struct number *e, const struct matrix *matrix, const struct modulus *modulus)
{
	const int64_t u = matrix->u, v = matrix->v, q = matrix->q, r = matrix->r, *m = modulus->limb;
	int64_t sign_d = d->limb[LIMBS - 1] < 0 ? -1 : 0, sign_e = e->limb[LIMBS - 1] < 0 ? -1 : 0;
	int64_t times_d = (u & sign_d) + (v & sign_e), times_e = (q & sign_d) + (r & sign_e);
	__int128 sum_d = (__int128)u * d->limb[0] + (__int128)v * e->limb[0];
	__int128 sum_e = (__int128)q * d->limb[0] + (__int128)r * e->limb[0];

	times_d -= (int64_t)((modulus->inverse * (uint64_t)sum_d + (uint64_t)times_d) & LIMB_MASK);
	times_e -= (int64_t)((modulus->inverse * (uint64_t)sum_e + (uint64_t)times_e) & LIMB_MASK);
	sum_d += (__int128)m[0] * times_d;
	sum_e += (__int128)m[0] * times_e;
	for (int i = 1; i < LIMBS; i++) {
		sum_d = (sum_d >> LIMB_BITS) + (__int128)u * d->limb[i] + (__int128)v * e->limb[i] +
			(__int128)m[i] * times_d;
		sum_e = (sum_e >> LIMB_BITS) + (__int128)q * d->limb[i] + (__int128)r * e->limb[i] +
			(__int128)m[i] * times_e;
		d->limb[i - 1] = (int64_t)((uint64_t)sum_d & LIMB_MASK);
		e->limb[i - 1] = (int64_t)((uint64_t)sum_e & LIMB_MASK);
	}
	d->limb[LIMBS - 1] = (int64_t)(sum_d >> LIMB_BITS);
	e->limb[LIMBS - 1] = (int64_t)(sum_e >> LIMB_BITS);
}

/* d += times m, limbs brought back into range. */
static void add_multiple(struct number *d, const struct modulus *modulus, int64_t times)
{
	int64_t carry = 0;

	for (int i = 0; i < LIMBS; i++) {
		int64_t sum = d->limb[i] + times * modulus->limb[i] + carry;
		carry = sum >> LIMB_BITS;
		d->limb[i] = i < LIMBS - 1 ? sum & (int64_t)LIMB_MASK : sum;
	}
}

/* d or -d, from (-2m, m) into [0, m). */
static void normalise(struct number *d, const struct modulus *modulus, bool negate)
{
	if (d->limb[LIMBS - 1] < 0)
		add_multiple(d, modulus, 1);
	if (negate) {
		for (int i = 0; i < LIMBS; i++)
			d->limb[i] = -d->limb[i];
		add_multiple(d, modulus, 0);
	}
	if (d->limb[LIMBS - 1] < 0)
		add_multiple(d, modulus, 1);
}

static bool is_zero(const struct number *number)
{
	int64_t any = 0;

	for (int i = 0; i < LIMBS; i++)
		any |= number->limb[i];
	return any == 0;
}

void modinv(uint64_t out[4], const uint64_t in[4], const struct modulus *modulus)
{
	struct number d = {{0}}, e = {{1}}, f,
		      g = {{
			      (int64_t)(in[0] & LIMB_MASK),
			      (int64_t)((in[0] >> 62 | in[1] << 2) & LIMB_MASK),
			      (int64_t)((in[1] >> 60 | in[2] << 4) & LIMB_MASK),
			      (int64_t)((in[2] >> 58 | in[3] << 6) & LIMB_MASK),
			      (int64_t)(in[3] >> 56),
		      }};
	int64_t eta = -1;

	for (int i = 0; i < LIMBS; i++)
		f.limb[i] = modulus->limb[i];
	while (!is_zero(&g)) {
		struct matrix matrix;
		eta = division_steps(&matrix, eta, (uint64_t)f.limb[0], (uint64_t)g.limb[0]);
		update_de(&d, &e, &matrix, modulus);
		update_fg(&f, &g, &matrix);
	}
	normalise(&d, modulus, f.limb[LIMBS - 1] < 0); /* f is 1 or -1, d its inverse times that */
	out[0] = (uint64_t)d.limb[0] | (uint64_t)d.limb[1] << 62;
	out[1] = (uint64_t)d.limb[1] >> 2 | (uint64_t)d.limb[2] << 60;
	out[2] = (uint64_t)d.limb[2] >> 4 | (uint64_t)d.limb[3] << 58;
	out[3] = (uint64_t)d.limb[3] >> 6 | (uint64_t)d.limb[4] << 56;
}
