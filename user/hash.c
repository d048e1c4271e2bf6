// SPDX-License-Identifier: Apache-2.0
#include "hash.h"

#include <string.h>

#include "base/keccak.h"
#include "base/span.h"
#include "base/u256.h"
#include "contracts.h"
#include "ec/keccak8.h"

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
/* EIP712Domain(string name,string version,uint256 chainId) */
static const struct word knock_domain_type = {{
	0xc2, 0xf8, 0x78, 0x71, 0x76, 0xb8, 0xac, 0x6b, 0xf7, 0x21, 0x5b, 0x4a, 0xdc, 0xc1, 0xe0, 0x69,
	0xbf, 0x4a, 0xb8, 0x2d, 0x9a, 0xb1, 0xdf, 0x05, 0xa5, 0x7a, 0x91, 0xd4, 0x25, 0x93, 0x5b, 0x6e,
}};
/* Knock(address payer,bytes8 cookie,uint64 until) */
static const struct word knock_type = {{
	0xab, 0x7b, 0x4f, 0x74, 0xfc, 0x14, 0x85, 0x86, 0xb0, 0x79, 0xa8, 0xc7, 0x21, 0x0e, 0x5a, 0x36,
	0x0c, 0x60, 0x84, 0x34, 0xeb, 0xad, 0x8e, 0x5d, 0x3f, 0x24, 0xd0, 0xde, 0x28, 0xe4, 0xef, 0xfd,
}};
/* keccak256("tollbar"), keccak256("1") */
static const struct word knock_name = {{
	0xd1, 0x1a, 0xc3, 0xe1, 0x54, 0x42, 0x0a, 0x7a, 0xd6, 0xc9, 0x6e, 0xd7, 0x97, 0x75, 0x05, 0x7c,
	0x22, 0xf2, 0x64, 0x49, 0x0c, 0x50, 0xf0, 0xad, 0x69, 0x6f, 0xab, 0x11, 0xe8, 0x57, 0x37, 0x12,
}};
static const struct word knock_version = {{
	0xc8, 0x9e, 0xfd, 0xaa, 0x54, 0xc0, 0xf2, 0x0c, 0x7a, 0xdf, 0x61, 0x28, 0x82, 0xdf, 0x09, 0x50,
	0xf5, 0xa9, 0x51, 0x63, 0x7e, 0x03, 0x07, 0xcd, 0xcb, 0x4c, 0x67, 0x2f, 0x29, 0x8b, 0x8b, 0xc6,
}};

/* --- encoding: words one after another --- */

#define ENCODE_WORDS_MAX 7

struct encoding {
	struct word words[ENCODE_WORDS_MAX];
	size_t word_cnt;
};

static void start_with(struct encoding *encoding, const struct word *type)
{
	encoding->words[0] = *type;
	encoding->word_cnt = 1;
}

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

static void add_u64(struct encoding *encoding, uint64_t number)
{
	u256_from_u64(encoding->words[encoding->word_cnt++].at, number);
}

/* Room for a hash that is made later: where it goes. */
static uint8_t *add_hash(struct encoding *encoding)
{
	return encoding->words[encoding->word_cnt++].at;
}

static struct keccak8_item hash_of(const struct encoding *encoding, uint8_t *out)
{
	return (struct keccak8_item){encoding->words, encoding->word_cnt * sizeof(struct word), out};
}

/* --- the domain --- */

static struct word hash_text(const char *text)
{
	struct word hash = {{0}};

	keccak256(hash.at, text, strlen(text));
	return hash;
}

void hash_domain(struct word *separator, const struct offer *offer)
{
	bool token = offer->method == METHOD_EIP3009;
	struct encoding encoding;

	start_with(&encoding, token ? &token_domain_type : &permit2_domain_type);
	if (token) {
		struct word name = hash_text(offer->token_name), version = hash_text(offer->token_version);
		add_word(&encoding, &name);
		add_word(&encoding, &version);
	} else {
		add_word(&encoding, &permit2_name);
	}
	add_u64(&encoding, offer->chain_id);
	add_address(&encoding, token ? &offer->asset : &contract_permit2);
	keccak256(separator->at, encoding.words, encoding.word_cnt * sizeof(struct word));
}

/* --- payments: what is hashed for one, and where the hashes go --- */

struct work {
	struct encoding signed_struct;
	struct encoding permitted, witness;   /* Permit2: hashed before, */
	uint8_t *permitted_out, *witness_out; /* into signed_struct */
	uint8_t message[2 + 2 * sizeof(struct word)];
};

static void encode_transfer(struct encoding *transfer, const struct payment *payment)
{
	start_with(transfer, &transfer_type);
	add_address(transfer, &payment->from);
	add_address(transfer, &payment->to);
	add_word(transfer, &payment->amount);
	add_word(transfer, &payment->valid_after);
	add_word(transfer, &payment->deadline);
	add_word(transfer, &payment->nonce);
}

static void encode_permit(struct work *work, const struct payment *payment)
{
	bool upto = payment->method == METHOD_UPTO;

	start_with(&work->permitted, &permitted_type);
	add_address(&work->permitted, &payment->token);
	add_word(&work->permitted, &payment->amount);

	start_with(&work->witness, upto ? &upto_witness_type : &exact_witness_type);
	add_address(&work->witness, &payment->to);
	if (upto)
		add_address(&work->witness, &payment->facilitator);
	add_word(&work->witness, &payment->valid_after);

	start_with(&work->signed_struct, upto ? &upto_permit_type : &exact_permit_type);
	work->permitted_out = add_hash(&work->signed_struct);
	add_address(&work->signed_struct, &payment->spender);
	add_word(&work->signed_struct, &payment->nonce);
	add_word(&work->signed_struct, &payment->deadline);
	work->witness_out = add_hash(&work->signed_struct);
}

/* --- many at once --- */

#define PIECE 16 /* payments in work at a time: they stay in the first-level cache */

/* hash_struct of each, into its message. */
static void hash_structs(struct work work[], const struct hash_job jobs[], size_t cnt)
{
	struct keccak8_item items[2 * PIECE];
	size_t permits[PIECE], permit_cnt = 0;

	for (size_t i = 0; i < cnt; i++) {
		if (jobs[i].payment->method == METHOD_EIP3009) {
			encode_transfer(&work[i].signed_struct, jobs[i].payment);
		} else {
			encode_permit(&work[i], jobs[i].payment);
			permits[permit_cnt++] = i;
		}
	}
	for (size_t i = 0; i < permit_cnt; i++) { /* those of one length side by side */
		struct work *permit = &work[permits[i]];
		items[i] = hash_of(&permit->permitted, permit->permitted_out);
		items[permit_cnt + i] = hash_of(&permit->witness, permit->witness_out);
	}
	if (permit_cnt > 0)
		keccak8_many(items, 2 * permit_cnt);
	for (size_t i = 0; i < cnt; i++)
		items[i] = hash_of(&work[i].signed_struct, work[i].message + 2 + sizeof(struct word));
	keccak8_many(items, cnt);
}

static void hash_piece(const struct hash_job jobs[], size_t cnt)
{
	struct keccak8_item items[PIECE];
	struct work work[PIECE];

	hash_structs(work, jobs, cnt);
	for (size_t i = 0; i < cnt; i++) {
		memcpy(work[i].message, "\x19\x01", 2);
		memcpy(work[i].message + 2, jobs[i].separator->at, sizeof(struct word));
		items[i] = (struct keccak8_item){work[i].message, sizeof(work[i].message), jobs[i].digest->at};
	}
	keccak8_many(items, cnt);
}

void hash_payments(const struct hash_job jobs[], size_t cnt)
{
	for (size_t at = 0; at < cnt; at += PIECE)
		hash_piece(jobs + at, cnt - at < PIECE ? cnt - at : PIECE);
}

void hash_payment(struct word *digest, const struct payment *payment, const struct word *separator)
{
	hash_piece(&(struct hash_job){payment, separator, digest}, 1);
}

void hash_struct(struct word *hash, const struct payment *payment)
{
	struct work work;

	hash_structs(&work, &(struct hash_job){.payment = payment}, 1);
	memcpy(hash->at, work.message + 2 + sizeof(struct word), sizeof(hash->at));
}

/* --- knocks --- */

static void add_bytes8(struct encoding *encoding, const uint8_t bytes[8])
{
	struct word *word = &encoding->words[encoding->word_cnt++];

	memcpy(word->at, bytes, 8); /* to the left, as bytesN are */
	memset(word->at + 8, 0, 24);
}

void hash_knock(struct word *digest, uint64_t chain_id, const struct address *payer, const uint8_t cookie[8],
		uint64_t until_s)
{
	uint8_t message[2 + 2 * sizeof(struct word)] = {0x19, 0x01};
	struct encoding domain, knock;

	start_with(&domain, &knock_domain_type);
	add_word(&domain, &knock_name);
	add_word(&domain, &knock_version);
	add_u64(&domain, chain_id);
	keccak256(message + 2, domain.words, domain.word_cnt * sizeof(struct word));

	start_with(&knock, &knock_type);
	add_address(&knock, payer);
	add_bytes8(&knock, cookie);
	add_u64(&knock, until_s);
	keccak256(message + 2 + sizeof(struct word), knock.words, knock.word_cnt * sizeof(struct word));
	keccak256(digest->at, message, sizeof(message));
}
