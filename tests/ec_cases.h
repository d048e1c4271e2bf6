/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_EC_CASES_H
#define TOLLBAR_TESTS_EC_CASES_H
/* ec_cases.h: signatures to try a verification engine with, of every kind that has broken one: edge values, keys and nonces
 * of known discrete logarithm, sums that meet a point and itself, infinity.  Where the answer follows from how the case is
 * made it is given; for the rest libsecp256k1 is asked. */
#include "ec_oracle.h"
#include "random.h"

struct ec_case {
	uint8_t digest[32], signature[64], address[20];
	uint8_t recovery_id;
	uint8_t key[64]; /* of the address, when has_key: what a hot verification's table is built from */
	bool has_key, good;
	const char *category;
};

struct ec_key {
	uint8_t secret[32], point[64], address[20];
};

struct ec_nonce {
	uint8_t scalar[32], inverse[32], r[32];
	uint8_t recovery_id;
};

#define EC_POOL 512
static struct ec_key ec_keys[EC_POOL];
static struct ec_nonce ec_nonces[EC_POOL];

/* --- numbers that have a meaning to the curve or to the tables --- */

static const uint8_t ec_lambda[32] = {
	0x53, 0x63, 0xad, 0x4c, 0xc0, 0x5c, 0x30, 0xe0, 0xa5, 0x26, 0x1c, 0x02, 0x88, 0x12, 0x64, 0x5a,
	0x12, 0x2e, 0x22, 0xea, 0x20, 0x81, 0x66, 0x78, 0xdf, 0x02, 0x96, 0x7c, 0x1b, 0x23, 0xbd, 0x72,
};

static inline void random_scalar(uint8_t out[32])
{
	do {
		random_bytes(out, 32);
		modn_reduce(out, out);
	} while (modn_zero(out));
}

static inline void modn_power_of_two(uint8_t out[32], unsigned exponent)
{
	memset(out, 0, 32);
	out[31 - exponent / 8] = (uint8_t)(1u << exponent % 8);
	modn_reduce(out, out);
}

/* Small, a power of two, one at a window's place, a half, any of them times the endomorphism's eigenvalue, any of them
 * negated; or, one time in five, a random one.  Never zero. */
static inline void special_scalar(uint8_t out[32])
{
	static const uint8_t places[] = {1, 4, 5, 8, 13};
	uint8_t factor[32];
	unsigned place = places[random_below(sizeof places)];

	switch (random_below(5)) {
	case 0:
		modn_small(out, 1 + (unsigned)random_below(40));
		break;
	case 1:
		modn_power_of_two(out, (unsigned)random_below(256));
		break;
	case 2:
		modn_power_of_two(out, place * (unsigned)random_below(255 / place));
		modn_small(factor, 1 + (unsigned)random_below(1u << place));
		modn_multiply(out, out, factor);
		break;
	case 3:
		memcpy(out, oracle_half_order, 32); /* (n - 1) / 2; negated, (n + 1) / 2 */
		break;
	default:
		random_scalar(out);
		return;
	}
	for (size_t times = random_below(3); times > 0; times--)
		modn_multiply(out, out, ec_lambda);
	if (random_below(2))
		modn_negate(out, out);
}

/* Zero, special, or close to ±a, ±a b, lambda a. */
static inline void related_scalar(uint8_t out[32], const uint8_t a[32], const uint8_t b[32])
{
	uint8_t term[32];

	switch (random_below(6)) {
	case 0:
		memset(out, 0, 32);
		return;
	case 1:
		special_scalar(out);
		return;
	case 2:
		modn_multiply(out, a, ec_lambda);
		break;
	case 3:
		memcpy(out, a, 32);
		break;
	default:
		modn_multiply(out, a, b);
		break;
	}
	modn_small(term, (unsigned)random_below(3));
	modn_add(out, out, term);
	if (random_below(2))
		modn_negate(out, out);
}

/* --- keys, nonces, signing --- */

static inline void make_key(struct ec_key *key)
{
	oracle_point(key->point, key->secret);
	oracle_address(key->address, key->point);
}

static inline void make_nonce(struct ec_nonce *nonce)
{
	uint8_t point[64];

	oracle_point(point, nonce->scalar);
	modn_inverse(nonce->inverse, nonce->scalar);
	modn_reduce(nonce->r, point);
	nonce->recovery_id = (uint8_t)((point[63] & 1) | (memcmp(nonce->r, point, 32) != 0) << 1);
}

/* Half of both pools are special. */
static inline void ec_cases_start(void)
{
	for (unsigned i = 0; i < EC_POOL; i++) {
		(i % 2 ? random_scalar : special_scalar)(ec_keys[i].secret);
		(i % 2 ? random_scalar : special_scalar)(ec_nonces[i].scalar);
		make_key(&ec_keys[i]);
		make_nonce(&ec_nonces[i]);
	}
}

static inline const struct ec_key *random_key(void)
{
	return &ec_keys[random_below(EC_POOL)];
}

static inline const struct ec_nonce *random_nonce(void)
{
	return &ec_nonces[random_below(EC_POOL)];
}

static inline void set_key(struct ec_case *out, const uint8_t point[64])
{
	memcpy(out->key, point, 64);
	oracle_address(out->address, point);
	out->has_key = true;
}

/* n - s instead of a high s: the nonce's negative made that. */
static inline void lower_s(struct ec_case *out)
{
	if (memcmp(out->signature + 32, oracle_half_order, 32) <= 0)
		return;
	modn_negate(out->signature + 32, out->signature + 32);
	out->recovery_id ^= 1;
}

/* The digest is in out; true unless s came out zero. */
static inline bool sign_case(struct ec_case *out, const struct ec_key *key, const struct ec_nonce *nonce)
{
	uint8_t z[32], *s = out->signature + 32;

	modn_reduce(z, out->digest);
	modn_multiply(s, nonce->r, key->secret);
	modn_add(s, s, z);
	modn_multiply(s, s, nonce->inverse);
	memcpy(out->signature, nonce->r, 32);
	memcpy(out->key, key->point, 64);
	memcpy(out->address, key->address, 20);
	out->has_key = true;
	out->recovery_id = nonce->recovery_id;
	lower_s(out);
	out->good = true;
	return !modn_zero(s);
}

static inline void ask_oracle(struct ec_case *out)
{
	uint8_t point[64];

	out->good = oracle_verify(point, out->signature, out->recovery_id, out->digest, out->address);
}

/* Whoever recovery says it was becomes the one who should have signed; mostly. */
static inline void adopt_signer(struct ec_case *out)
{
	uint8_t point[64];

	set_key(out, random_key()->point);
	if (random_below(8) != 0 && oracle_recover(point, out->signature, out->recovery_id, out->digest))
		set_key(out, point);
	ask_oracle(out);
}

/* --- the categories.  False: try again. --- */

static inline bool case_signed(struct ec_case *out)
{
	random_bytes(out->digest, 32);
	return sign_case(out, random_key(), random_nonce());
}

static inline bool case_digest_zero(struct ec_case *out)
{
	memset(out->digest, 0, 32);
	return sign_case(out, random_key(), random_nonce());
}

/* Around the order, and the largest there is: digests are not reduced before. */
static inline bool case_digest_edge(struct ec_case *out)
{
	memcpy(out->digest, oracle_order, 32);
	out->digest[31] = (uint8_t)(out->digest[31] + random_below(5) - 2);
	if (random_below(4) == 0)
		memset(out->digest, 0xff, 32);
	return sign_case(out, random_key(), random_nonce());
}

static inline bool case_high_s(struct ec_case *out)
{
	if (!case_signed(out))
		return false;
	modn_negate(out->signature + 32, out->signature + 32);
	out->recovery_id ^= 1;
	out->good = false;
	return true;
}

static inline bool case_recovery_id(struct ec_case *out)
{
	uint8_t right;

	if (!case_signed(out))
		return false;
	right = out->recovery_id;
	out->recovery_id = (uint8_t)(random_below(2) ? random_below(4) : right + 4 * random_below(64));
	if (out->recovery_id != right)
		ask_oracle(out);
	return true;
}

static inline bool case_one_bit(struct ec_case *out)
{
	unsigned bit;

	if (!case_signed(out))
		return false;
	bit = (unsigned)random_below(8 * (64 + 32 + 20));
	if (bit < 512) {
		out->signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
	} else if (bit < 768) {
		out->digest[bit / 8 - 64] ^= (uint8_t)(1u << bit % 8);
	} else {
		out->address[bit / 8 - 96] ^= (uint8_t)(1u << bit % 8);
		out->has_key = false;
	}
	out->good =
		false; /* another digest, s, or parity gives another key; another r, or address, but for luck of 2^-150 */
	return true;
}

static inline bool case_other_signer(struct ec_case *out)
{
	const struct ec_key *other = random_key();

	if (!case_signed(out))
		return false;
	out->good = memcmp(other->address, out->address, 20) == 0;
	memcpy(out->key, other->point, 64);
	memcpy(out->address, other->address, 20);
	return true;
}

/* The field's prime less the order. */
static const uint8_t ec_p_less_n[32] = {[15] = 1,    [16] = 0x45, [17] = 0x51, [18] = 0x23, [19] = 0x19, [20] = 0x50,
					[21] = 0xb7, [22] = 0x5f, [23] = 0xc4, [24] = 0x40, [25] = 0x2d, [26] = 0xa1,
					[27] = 0x72, [28] = 0x2f, [29] = 0xc9, [30] = 0xba, [31] = 0xee};

/* 2^256 less the order. */
static const uint8_t ec_2_256_less_n[32] = {
	[15] = 1,    [16] = 0x45, [17] = 0x51, [18] = 0x23, [19] = 0x19, [20] = 0x50,
	[21] = 0xb7, [22] = 0x5f, [23] = 0xc4, [24] = 0x40, [25] = 0x2d, [26] = 0xa1,
	[27] = 0x73, [28] = 0x2f, [29] = 0xc9, [30] = 0xbe, [31] = 0xbf};

static inline void edge_number(uint8_t out[32])
{
	const uint8_t *bases[] = {oracle_order, oracle_half_order, ec_p_less_n};

	if (random_below(4) == 0) {
		modn_small(out, (unsigned)random_below(300));
		return;
	}
	memcpy(out, bases[random_below(3)], 32);
	out[31] = (uint8_t)(out[31] + random_below(7) - 3);
	if (random_below(8) == 0)
		memset(out, 0xff, 32);
}

/* r and s at the ends of their ranges, and r so small that x = r + n is below p: any recovery id.  What is good with 2 or 3 is
 * not with 6 or 7. */
static inline bool case_edges(struct ec_case *out)
{
	unsigned which = (unsigned)random_below(3);

	random_bytes(out->digest, 32);
	random_scalar(out->signature);
	random_scalar(out->signature + 32);
	out->signature[32] &= 0x7f;
	if (which != 0)
		edge_number(out->signature);
	if (which != 1)
		edge_number(out->signature + 32);
	out->recovery_id = (uint8_t)random_below(5);
	adopt_signer(out);
	if (out->good && random_below(4) == 0) {
		out->recovery_id += 4;
		out->good = false;
	}
	return true;
}

/* Random r, half of which are no x of a point, and a signer whose secret nobody knows. */
static inline bool case_random(struct ec_case *out)
{
	random_bytes(out->digest, 32);
	random_scalar(out->signature);
	random_scalar(out->signature + 32);
	out->signature[32] &= 0x7f;
	out->recovery_id = (uint8_t)random_below(2);
	adopt_signer(out);
	return true;
}

/* Recovery ids 2 and 3 say that x is r + n.  Here that is at least p, and mod p, or mod 2^256, it is the x of the point that
 * signed: it would be good, had nobody looked at r < p - n. */
static inline bool case_x_wraps(struct ec_case *out)
{
	struct ec_nonce nonce = *random_nonce();

	random_bytes(out->digest, 32);
	modn_add(nonce.r, nonce.r, random_below(2) ? ec_p_less_n : ec_2_256_less_n);
	nonce.recovery_id |= 2;
	if (modn_zero(nonce.r) || !sign_case(out, random_key(), &nonce))
		return false;
	ask_oracle(out);
	return true;
}

/* s R = z G: recovery ends at infinity. */
static inline bool case_recovers_infinity(struct ec_case *out)
{
	const struct ec_nonce *nonce = random_nonce();

	memcpy(out->signature, nonce->r, 32);
	random_scalar(out->signature + 32);
	out->recovery_id = nonce->recovery_id;
	modn_multiply(out->digest, out->signature + 32, nonce->scalar);
	lower_s(out);
	set_key(out, random_key()->point);
	out->good = false;
	return true;
}

/* z = -r d: with this key the point whose x should be r is infinity. */
static inline bool case_meets_infinity(struct ec_case *out)
{
	const struct ec_key *key = random_key();

	memcpy(out->signature, random_nonce()->r, 32);
	random_scalar(out->signature + 32);
	out->recovery_id = (uint8_t)random_below(2);
	modn_multiply(out->digest, out->signature, key->secret);
	modn_negate(out->digest, out->digest);
	lower_s(out);
	set_key(out, key->point);
	out->good = false;
	return true;
}

/* A signature of these numbers: R = k G, and the key's own secret. */
static inline bool case_of(struct ec_case *out, const uint8_t secret[32], const uint8_t k[32],
			   const uint8_t s_over_r[32], const uint8_t z_over_r[32])
{
	struct ec_nonce nonce;
	struct ec_key key;

	if (modn_zero(secret) || modn_zero(k) || modn_zero(s_over_r))
		return false;
	memcpy(nonce.scalar, k, 32);
	make_nonce(&nonce);
	memcpy(key.secret, secret, 32);
	make_key(&key);
	memcpy(out->signature, nonce.r, 32);
	modn_multiply(out->signature + 32, s_over_r, nonce.r);
	modn_multiply(out->digest, z_over_r, nonce.r);
	out->recovery_id = nonce.recovery_id;
	lower_s(out);
	set_key(out, key.point);
	out->good = true;
	return true;
}

/* R = u1 G + u2 Q with special or related u1, u2: sums of a hot verification meet their like. */
static inline bool case_crafted_hot(struct ec_case *out)
{
	const struct ec_key *key = random_key();
	uint8_t u1[32], u2[32], k[32], s_over_r[32], z_over_r[32];

	special_scalar(u2);
	related_scalar(u1, u2, key->secret);
	modn_multiply(k, u2, key->secret);
	modn_add(k, k, u1);
	modn_inverse(s_over_r, u2);
	modn_multiply(z_over_r, u1, s_over_r);
	return case_of(out, key->secret, k, s_over_r, z_over_r);
}

/* Q = v1 G + v2 R, the same for a recovery. */
static inline bool case_crafted_cold(struct ec_case *out)
{
	const struct ec_nonce *nonce = random_nonce();
	uint8_t v1[32], v2[32], secret[32], z_over_r[32];

	special_scalar(v2);
	related_scalar(v1, v2, nonce->scalar);
	modn_multiply(secret, v2, nonce->scalar);
	modn_add(secret, secret, v1);
	modn_negate(z_over_r, v1);
	return case_of(out, secret, nonce->scalar, v2, z_over_r);
}

static const struct ec_category {
	const char *name;
	bool (*make)(struct ec_case *out);
	unsigned share; /* of 1,000 in a mix: what needs the oracle is dear */
} ec_categories[] = {
	{"signed", case_signed, 580},
	{"digest zero", case_digest_zero, 10},
	{"digest edge", case_digest_edge, 40},
	{"high s", case_high_s, 30},
	{"recovery id", case_recovery_id, 20},
	{"one bit", case_one_bit, 100},
	{"other signer", case_other_signer, 50},
	{"edges", case_edges, 25},
	{"random", case_random, 25},
	{"x wraps", case_x_wraps, 20},
	{"recovers infinity", case_recovers_infinity, 20},
	{"meets infinity", case_meets_infinity, 20},
	{"crafted hot", case_crafted_hot, 30},
	{"crafted cold", case_crafted_cold, 30},
};
#define EC_CATEGORIES (sizeof ec_categories / sizeof *ec_categories)

static inline void make_case_of(struct ec_case *out, const struct ec_category *category)
{
	do
		memset(out, 0, sizeof *out);
	while (!category->make(out));
	out->category = category->name;
}

static inline void make_case(struct ec_case *out)
{
	unsigned at = (unsigned)random_below(1000), idx = 0;

	while (at >= ec_categories[idx].share)
		at -= ec_categories[idx++].share;
	make_case_of(out, &ec_categories[idx]);
}

#endif
