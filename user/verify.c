// SPDX-License-Identifier: Apache-2.0
#include "verify.h"

#include <secp256k1.h>
#include <secp256k1_preallocated.h>
#include <secp256k1_recovery.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/keccak.h"

/* Order of the curve's group, and half of it: a signature's s above that has a twin below.  libsecp256k1 recovers
 * both, token contracts refuse the high one, so a payment with it could be served and never be settled.
 * Source: SEC 2 section 2.4.1; EIP-2. */
static const uint8_t group_order[32] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
	0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
};
static const uint8_t half_order[32] = {
	0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
};
static const uint8_t zero[32];

struct verifier {
	secp256k1_context *secp;
	unsigned char memory[] __attribute__((aligned(16)));
};

struct verifier *verify_init(const uint8_t seed[32])
{
	size_t bytes = secp256k1_context_preallocated_size(SECP256K1_CONTEXT_NONE);
	struct verifier *verifier = malloc(sizeof(*verifier) + bytes);

	if (verifier == NULL)
		return NULL;
	verifier->secp = secp256k1_context_preallocated_create(verifier->memory, SECP256K1_CONTEXT_NONE);
	if (!secp256k1_context_randomize(verifier->secp, seed)) {
		verify_fini(verifier);
		return NULL;
	}
	return verifier;
}

void verify_fini(struct verifier *verifier)
{
	if (verifier == NULL)
		return;
	secp256k1_context_preallocated_destroy(verifier->secp);
	free(verifier);
}

/* 0 or 1, or -1 for a v the method's contract would not take: Permit2 hands v to ecrecover as it is, for EIP-3009 the
 * facilitator adds 27.  29 and 30 (r above the group order) exist in no wallet. */
static int recovery_id(uint8_t method, uint8_t v)
{
	if (v == 27 || v == 28)
		return v - 27;
	return method == METHOD_EIP3009 && v <= 1 ? v : -1;
}

static bool form_is_good(const uint8_t *signature)
{
	const uint8_t *r = signature, *s = signature + 32;

	return memcmp(r, zero, 32) != 0 && memcmp(r, group_order, 32) < 0 && memcmp(s, zero, 32) != 0 &&
	       memcmp(s, half_order, 32) <= 0;
}

/* The address whose key made this signature; false when no key did. */
static bool recover(struct verifier *verifier, struct address *signer, const struct verify_item *item, int id)
{
	secp256k1_ecdsa_recoverable_signature signature;
	secp256k1_pubkey key;
	uint8_t point[65], hash[32];
	size_t bytes = sizeof(point);

	if (!secp256k1_ecdsa_recoverable_signature_parse_compact(verifier->secp, &signature, item->signature, id) ||
	    !secp256k1_ecdsa_recover(verifier->secp, &key, &signature, item->digest.at) ||
	    !secp256k1_ec_pubkey_serialize(verifier->secp, point, &bytes, &key, SECP256K1_EC_UNCOMPRESSED))
		return false;
	keccak256(hash, point + 1, sizeof(point) - 1);
	memcpy(signer->at, hash + 12, sizeof(signer->at));
	return true;
}

enum reason verify_recover(struct verifier *verifier, struct address *signer, const struct verify_item *item)
{
	int id = recovery_id(item->method, item->signature[64]);

	if (id < 0 || !form_is_good(item->signature))
		return SIGNATURE_FORM;
	return recover(verifier, signer, item, id) ? REASON_OK : SIGNATURE_BAD;
}

static enum reason verify_one(struct verifier *verifier, const struct verify_item *item)
{
	struct address signer;
	enum reason reason;

	if (memcmp(item->payer.at, zero, sizeof(item->payer.at)) == 0)
		return PAYER_ZERO;
	reason = verify_recover(verifier, &signer, item);
	if (reason != REASON_OK)
		return reason;
	return memcmp(signer.at, item->payer.at, sizeof(signer.at)) == 0 ? REASON_OK : SIGNATURE_BAD;
}

void verify_batch(struct verifier *verifier, struct verify_item *items, size_t item_cnt)
{
	for (size_t i = 0; i < item_cnt; i++)
		items[i].verdict = SIGNATURE_BAD;
	for (size_t i = 0; i < item_cnt; i++)
		items[i].verdict = verify_one(verifier, &items[i]);
}
