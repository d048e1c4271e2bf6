// SPDX-License-Identifier: Apache-2.0
#include "hash.h"

#include <string.h>

#include "base/keccak.h"
#include "base/span.h"
#include "base/u256.h"
#include "contracts.h"

/* keccak256 of the type strings; tests/unit/test_hash.c computes each from its string. */

/* EIP712Domain(string name,string version,uint256 chainId,address verifyingContract) */
static const struct word token_domain_type = {{
	0x8b, 0x73, 0xc3, 0xc6, 0x9b, 0xb8, 0xfe, 0x3d, 0x51, 0x2e, 0xcc, 0x4c, 0xf7, 0x59, 0xcc, 0x79,
	0x23, 0x9f, 0x7b, 0x17, 0x9b, 0x0f, 0xfa, 0xca, 0xa9, 0xa7, 0x5d, 0x52, 0x2b, 0x39, 0x40, 0x0f,
}};
/* EIP712Domain(string name,uint256 chainId,address verifyingContract) */
static const struct word permit2_domain_type = {{
	0x8c, 0xad, 0x95, 0x68, 0x7b, 0xa8, 0x2c, 0x2c, 0xe5, 0x0e, 0x74, 0xf7, 0xb7, 0x54, 0x64, 0x5e,
	0x51, 0x17, 0xc3, 0xa5, 0xbe, 0xc8, 0x15, 0x1c, 0x07, 0x26, 0xd5, 0x85, 0x79, 0x80, 0xa8, 0x66,
}};
/* TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce) */
static const struct word transfer_type = {{
	0x7c, 0x7c, 0x6c, 0xdb, 0x67, 0xa1, 0x87, 0x43, 0xf4, 0x9e, 0xc6, 0xfa, 0x9b, 0x35, 0xf5, 0x0d,
	0x52, 0xed, 0x05, 0xcb, 0xed, 0x4c, 0xc5, 0x92, 0xe1, 0x3b, 0x44, 0x50, 0x1c, 0x1a, 0x22, 0x67,
}};
/* TokenPermissions(address token,uint256 amount) */
static const struct word permitted_type = {{
	0x61, 0x83, 0x58, 0xac, 0x3d, 0xb8, 0xdc, 0x27, 0x4f, 0x0c, 0xd8, 0x82, 0x9d, 0xa7, 0xe2, 0x34,
	0xbd, 0x48, 0xcd, 0x73, 0xc4, 0xa7, 0x40, 0xae, 0xde, 0x1a, 0xde, 0xc9, 0x84, 0x6d, 0x06, 0xa1,
}};
/* Witness(address to,uint256 validAfter) */
static const struct word exact_witness_type = {{
	0xd9, 0x7b, 0x32, 0x39, 0xa7, 0xf3, 0x22, 0x95, 0x51, 0x7b, 0xd1, 0x4c, 0xb0, 0x74, 0xed, 0xfd,
	0xd1, 0x88, 0xdf, 0xe5, 0xeb, 0x42, 0xf8, 0x02, 0xbb, 0x26, 0xd4, 0xfd, 0x1e, 0xb1, 0x2c, 0x37,
}};
/* Witness(address to,address facilitator,uint256 validAfter) */
static const struct word upto_witness_type = {{
	0xd4, 0x17, 0x1c, 0x44, 0x5a, 0x74, 0x21, 0x8b, 0x01, 0xd4, 0xfd, 0x8a, 0xf3, 0x4f, 0xf1, 0x10,
	0x65, 0x80, 0xea, 0x1e, 0x36, 0xff, 0x83, 0x7e, 0x64, 0x48, 0x4b, 0xfa, 0xa2, 0x25, 0x3b, 0x75,
}};
/* PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,Witness witness)
 * followed by the two types it refers to */
static const struct word exact_permit_type = {{
	0xeb, 0xc1, 0x56, 0xcd, 0x23, 0x67, 0x8a, 0x74, 0xc9, 0x4d, 0xf1, 0x3d, 0x77, 0x2e, 0xf5, 0x47,
	0x84, 0x20, 0x63, 0x7f, 0x0c, 0x94, 0xbd, 0x10, 0xd5, 0x09, 0xe1, 0xdc, 0x98, 0xf5, 0x21, 0xc7,
}};
static const struct word upto_permit_type = {{
	0x51, 0xdf, 0xf6, 0x97, 0x4a, 0xd4, 0x38, 0x8c, 0x49, 0x9e, 0x7f, 0xcf, 0xe8, 0x38, 0xd2, 0xbd,
	0x76, 0x71, 0x62, 0x55, 0x3a, 0x14, 0x40, 0x98, 0xce, 0x20, 0xea, 0x66, 0x1d, 0x70, 0xc2, 0xee,
}};
/* keccak256("Permit2") */
static const struct word permit2_name = {{
	0x9a, 0xc9, 0x97, 0x41, 0x6e, 0x8f, 0xf9, 0xd2, 0xff, 0x6b, 0xeb, 0xeb, 0x71, 0x49, 0xf6, 0x5c,
	0xda, 0xe5, 0xe3, 0x2e, 0x2b, 0x90, 0x44, 0x0b, 0x56, 0x6b, 0xb3, 0x04, 0x40, 0x41, 0xd3, 0x6a,
}};

/* An EIP-712 struct being encoded: words one after another. */
#define ENCODE_WORDS_MAX 7

struct encoding {
	struct word words[ENCODE_WORDS_MAX];
	size_t word_cnt;
};

static void add_word(struct encoding *encoding, const struct word *word)
{
	encoding->words[encoding->word_cnt++] = *word;
}

static void add_address(struct encoding *encoding, const struct address *address)
{
	struct word *word = &encoding->words[encoding->word_cnt++];

	memset(word->at, 0, 12);
	memcpy(word->at + 12, address->at, 20);
}

static struct word hash_encoding(const struct encoding *encoding)
{
	struct word hash = {{0}};

	keccak256(hash.at, encoding->words, encoding->word_cnt * sizeof(struct word));
	return hash;
}

static struct encoding start_with(const struct word *type)
{
	struct encoding encoding;

	encoding.word_cnt = 0;
	add_word(&encoding, type);
	return encoding;
}

static struct word hash_text(const char *text)
{
	struct word hash = {{0}};

	keccak256(hash.at, text, strlen(text));
	return hash;
}

void hash_domain(struct word *separator, const struct offer *offer)
{
	bool token = offer->method == METHOD_EIP3009;
	struct encoding encoding = start_with(token ? &token_domain_type : &permit2_domain_type);
	struct word chain_id = {{0}};

	if (token) {
		struct word name = hash_text(offer->token_name), version = hash_text(offer->token_version);
		add_word(&encoding, &name);
		add_word(&encoding, &version);
	} else {
		add_word(&encoding, &permit2_name);
	}
	u256_from_u64(chain_id.at, offer->chain_id);
	add_word(&encoding, &chain_id);
	add_address(&encoding, token ? &offer->asset : &contract_permit2);
	*separator = hash_encoding(&encoding);
}

static struct word hash_transfer(const struct payment *payment)
{
	struct encoding encoding = start_with(&transfer_type);

	add_address(&encoding, &payment->from);
	add_address(&encoding, &payment->to);
	add_word(&encoding, &payment->amount);
	add_word(&encoding, &payment->valid_after);
	add_word(&encoding, &payment->deadline);
	add_word(&encoding, &payment->nonce);
	return hash_encoding(&encoding);
}

static struct word hash_permitted(const struct payment *payment)
{
	struct encoding encoding = start_with(&permitted_type);

	add_address(&encoding, &payment->token);
	add_word(&encoding, &payment->amount);
	return hash_encoding(&encoding);
}

static struct word hash_witness(const struct payment *payment)
{
	bool upto = payment->method == METHOD_UPTO;
	struct encoding encoding = start_with(upto ? &upto_witness_type : &exact_witness_type);

	add_address(&encoding, &payment->to);
	if (upto)
		add_address(&encoding, &payment->facilitator);
	add_word(&encoding, &payment->valid_after);
	return hash_encoding(&encoding);
}

static struct word hash_permit(const struct payment *payment)
{
	struct encoding encoding = start_with(payment->method == METHOD_UPTO ? &upto_permit_type : &exact_permit_type);
	struct word permitted = hash_permitted(payment), witness = hash_witness(payment);

	add_word(&encoding, &permitted);
	add_address(&encoding, &payment->spender);
	add_word(&encoding, &payment->nonce);
	add_word(&encoding, &payment->deadline);
	add_word(&encoding, &witness);
	return hash_encoding(&encoding);
}

void hash_struct(struct word *hash, const struct payment *payment)
{
	*hash = payment->method == METHOD_EIP3009 ? hash_transfer(payment) : hash_permit(payment);
}

void hash_payment(struct word *digest, const struct payment *payment, const struct word *separator)
{
	uint8_t message[2 + 2 * sizeof(struct word)] = {0x19, 0x01};
	struct word hash;

	hash_struct(&hash, payment);
	memcpy(message + 2, separator->at, sizeof(struct word));
	memcpy(message + 2 + sizeof(struct word), hash.at, sizeof(struct word));
	keccak256(digest->at, message, sizeof(message));
}
