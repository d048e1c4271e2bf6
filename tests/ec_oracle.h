/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_EC_ORACLE_H
#define TOLLBAR_TESTS_EC_ORACLE_H
/* ec_oracle.h: libsecp256k1 as the judge of user/ec: what it recovers, and arithmetic mod the group order with which
 * signatures of known answers are made.  Numbers are 32 bytes big-endian.  Only the inverse is OpenSSL's, since
 * libsecp256k1 offers none. */
#include <openssl/bn.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/keccak.h"
#include "check.h"
#include "random.h"

static const uint8_t oracle_order[32] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
	0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
};
static const uint8_t oracle_half_order[32] = {
	0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
};

static secp256k1_context *oracle;
static BN_CTX *oracle_numbers;
static BIGNUM *oracle_n;

__attribute__((constructor)) static void oracle_start(void)
{
	oracle = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
	oracle_numbers = BN_CTX_new();
	oracle_n = BN_bin2bn(oracle_order, 32, NULL);
	CHECK_NEED(oracle != NULL && oracle_numbers != NULL && oracle_n != NULL);
}

__attribute__((destructor)) static void oracle_stop(void)
{
	BN_free(oracle_n);
	BN_CTX_free(oracle_numbers);
	secp256k1_context_destroy(oracle);
}

/* --- numbers mod the group order --- */

static inline bool modn_zero(const uint8_t a[32])
{
	static const uint8_t nothing[32];

	return memcmp(a, nothing, 32) == 0;
}

static inline void modn_small(uint8_t out[32], unsigned value)
{
	memset(out, 0, 32);
	for (unsigned i = 0; i < 4; i++)
		out[31 - i] = (uint8_t)(value >> 8 * i);
}

/* Any 256-bit number → below the order. */
static inline void modn_reduce(uint8_t out[32], const uint8_t a[32])
{
	int borrow = 0;

	memmove(out, a, 32);
	if (memcmp(a, oracle_order, 32) < 0)
		return;
	for (int i = 31; i >= 0; i--) {
		int digit = out[i] - oracle_order[i] - borrow;
		borrow = digit < 0;
		out[i] = (uint8_t)digit;
	}
}

/* The rest takes and gives numbers below the order.  libsecp256k1 has no zero among its scalars; here there is. */
static inline void modn_negate(uint8_t out[32], const uint8_t a[32])
{
	memmove(out, a, 32);
	if (!modn_zero(out))
		CHECK_NEED(secp256k1_ec_seckey_negate(oracle, out));
}

static inline void modn_add(uint8_t out[32], const uint8_t a[32], const uint8_t b[32])
{
	uint8_t sum[32], term[32];

	memcpy(sum, a, 32);
	memcpy(term, b, 32);
	if (modn_zero(sum))
		memcpy(sum, term, 32);
	else if (!modn_zero(term) && !secp256k1_ec_seckey_tweak_add(oracle, sum, term))
		memset(sum, 0, 32);
	memcpy(out, sum, 32);
}

static inline void modn_multiply(uint8_t out[32], const uint8_t a[32], const uint8_t b[32])
{
	uint8_t product[32] = {0};

	if (!modn_zero(a) && !modn_zero(b)) {
		memcpy(product, a, 32);
		CHECK_NEED(secp256k1_ec_seckey_tweak_mul(oracle, product, b));
	}
	memcpy(out, product, 32);
}

/* a is not zero. */
static inline void modn_inverse(uint8_t out[32], const uint8_t a[32])
{
	BIGNUM *number = BN_bin2bn(a, 32, NULL);

	CHECK_NEED(BN_mod_inverse(number, number, oracle_n, oracle_numbers) != NULL);
	CHECK_NEED(BN_bn2binpad(number, out, 32) == 32);
	BN_free(number);
}

/* --- points and signatures --- */

/* A key's x ‖ y. */
static inline void oracle_bytes(uint8_t point[64], const secp256k1_pubkey *key)
{
	uint8_t bytes[65];
	size_t n = sizeof bytes;

	CHECK_NEED(secp256k1_ec_pubkey_serialize(oracle, bytes, &n, key, SECP256K1_EC_UNCOMPRESSED));
	memcpy(point, bytes + 1, 64);
}

/* A key whose secret is forgotten. */
static inline void oracle_random_key(secp256k1_pubkey *key)
{
	uint8_t secret[32];

	do
		random_bytes(secret, 32);
	while (!secp256k1_ec_pubkey_create(oracle, key, secret));
}

/* The point's x ‖ y for a scalar in [1, n - 1]. */
static inline void oracle_point(uint8_t point[64], const uint8_t scalar[32])
{
	secp256k1_pubkey key;

	CHECK_NEED(secp256k1_ec_pubkey_create(oracle, &key, scalar));
	oracle_bytes(point, &key);
}

static inline void oracle_address(uint8_t address[20], const uint8_t point[64])
{
	uint8_t hash[32];

	keccak256(hash, point, 64);
	memcpy(address, hash + 12, 20);
}

/* The key that made this signature; false when none did.  Says nothing about low s. */
static inline bool oracle_recover(uint8_t point[64], const uint8_t signature[64], unsigned recovery_id,
				  const uint8_t digest[32])
{
	secp256k1_ecdsa_recoverable_signature parsed;
	secp256k1_pubkey key;

	if (recovery_id > 3 ||
	    !secp256k1_ecdsa_recoverable_signature_parse_compact(oracle, &parsed, signature, (int)recovery_id) ||
	    !secp256k1_ecdsa_recover(oracle, &key, &parsed, digest))
		return false;
	oracle_bytes(point, &key);
	return true;
}

/* What ec.h promises: recovery succeeds, gives this address, and s is low. */
static inline bool oracle_verify(uint8_t point[64], const uint8_t signature[64], unsigned recovery_id,
				 const uint8_t digest[32], const uint8_t address[20])
{
	uint8_t signer[20];

	if (memcmp(signature + 32, oracle_half_order, 32) > 0 || !oracle_recover(point, signature, recovery_id, digest))
		return false;
	oracle_address(signer, point);
	return memcmp(signer, address, 20) == 0;
}

#endif
