// SPDX-License-Identifier: Apache-2.0
#include "sign.h"

#include <secp256k1.h>
#include <secp256k1_preallocated.h>
#include <secp256k1_recovery.h>
#include <stdlib.h>
#include <string.h>

#include "base/keccak.h"

struct signer {
	secp256k1_context *secp;
	uint8_t key[32];
	struct address address;
	unsigned char memory[] __attribute__((aligned(16)));
};

static bool make_address(struct signer *signer)
{
	secp256k1_pubkey key;
	uint8_t point[65], hash[32];
	size_t bytes = sizeof(point);

	if (!secp256k1_ec_pubkey_create(signer->secp, &key, signer->key) ||
	    !secp256k1_ec_pubkey_serialize(signer->secp, point, &bytes, &key, SECP256K1_EC_UNCOMPRESSED))
		return false;
	keccak256(hash, point + 1, sizeof(point) - 1);
	memcpy(signer->address.at, hash + 12, sizeof(signer->address.at));
	return true;
}

struct signer *sign_init(const uint8_t key[32], const uint8_t seed[32])
{
	size_t bytes = secp256k1_context_preallocated_size(SECP256K1_CONTEXT_NONE);
	struct signer *signer = malloc(sizeof(*signer) + bytes);

	if (signer == NULL)
		return NULL;
	signer->secp = secp256k1_context_preallocated_create(signer->memory, SECP256K1_CONTEXT_NONE);
	memcpy(signer->key, key, sizeof(signer->key));
	if (!secp256k1_context_randomize(signer->secp, seed) || !make_address(signer)) {
		sign_fini(signer);
		return NULL;
	}
	return signer;
}

void sign_fini(struct signer *signer)
{
	if (signer == NULL)
		return;
	secp256k1_context_preallocated_destroy(signer->secp);
	explicit_bzero(signer->key, sizeof(signer->key));
	free(signer);
}

void sign_address(const struct signer *signer, struct address *address)
{
	*address = signer->address;
}

bool sign_digest(const struct signer *signer, uint8_t signature[65], const struct word *digest)
{
	secp256k1_ecdsa_recoverable_signature recoverable;
	int id = 0;

	if (!secp256k1_ecdsa_sign_recoverable(signer->secp, &recoverable, digest->at, signer->key, NULL, NULL) ||
	    !secp256k1_ecdsa_recoverable_signature_serialize_compact(signer->secp, signature, &id, &recoverable))
		return false;
	signature[64] = (uint8_t)(27 + id);
	return id <= 1;
}
