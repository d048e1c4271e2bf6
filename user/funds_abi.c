// SPDX-License-Identifier: Apache-2.0
#include "funds_abi.h"

#include "base/assert.h"
#include "base/u256.h"
#include "contracts.h"

/* First four bytes of keccak256 of each signature; tests/unit/test_funds_abi.c computes them from the strings. */
#define BALANCE_OF 0x70a08231u
#define ALLOWANCE 0xdd62ed3eu
#define AUTHORIZATION_STATE 0xe94a0102u
#define NONCE_BITMAP 0x4fe02b44u
#define IS_VALID_SIGNATURE 0x1626ba7eu
#define NAME 0x06fdde03u
#define VERSION 0x54fd4d50u
#define DOMAIN_SEPARATOR 0x3644e515u
#define AGGREGATE3 0x82ad56cbu

#define WORD sizeof(struct word)

/* --- calls --- */

static void put_selector(uint8_t out[4], uint32_t selector)
{
	for (unsigned i = 0; i < 4; i++)
		out[i] = (uint8_t)(selector >> (24 - 8 * i));
}

static size_t padded(size_t bytes)
{
	return (bytes + WORD - 1) / WORD * WORD;
}

static void start(struct abi_call *call, const struct address *to, uint32_t selector)
{
	call->to = *to;
	put_selector(call->data, selector);
	call->bytes = 4;
}

static void add(struct abi_call *call, const void *at, size_t bytes)
{
	ASSERT(bytes <= sizeof call->data - call->bytes);
	memcpy(call->data + call->bytes, at, bytes);
	call->bytes += bytes;
}

static void add_number(struct abi_call *call, uint64_t number)
{
	struct word word = {{0}};

	u256_from_u64(word.at, number);
	add(call, &word, sizeof word);
}

static void add_address(struct abi_call *call, const struct address *address)
{
	static const uint8_t zeros[WORD - sizeof *address];

	add(call, zeros, sizeof zeros);
	add(call, address, sizeof *address);
}

void abi_balance(struct abi_call *call, const struct address *token, const struct address *owner)
{
	start(call, token, BALANCE_OF);
	add_address(call, owner);
}

void abi_allowance(struct abi_call *call, const struct address *token, const struct address *owner)
{
	start(call, token, ALLOWANCE);
	add_address(call, owner);
	add_address(call, &contract_permit2);
}

void abi_authorization_state(struct abi_call *call, const struct address *token, const struct address *owner,
			     const struct word *nonce)
{
	start(call, token, AUTHORIZATION_STATE);
	add_address(call, owner);
	add(call, nonce, sizeof *nonce);
}

void abi_nonce_bitmap(struct abi_call *call, const struct address *owner, const struct word *nonce)
{
	struct word place = {{0}};

	memcpy(place.at + 1, nonce->at, WORD - 1); /* nonce >> 8 */
	start(call, &contract_permit2, NONCE_BITMAP);
	add_address(call, owner);
	add(call, &place, sizeof place);
}

void abi_is_valid_signature(struct abi_call *call, const struct address *account, const struct word *digest,
			    struct span signature)
{
	static const uint8_t zeros[WORD];

	start(call, account, IS_VALID_SIGNATURE);
	add(call, digest, sizeof *digest);
	add_number(call, 2 * WORD); /* where the bytes are */
	add_number(call, signature.bytes);
	add(call, signature.at, signature.bytes);
	add(call, zeros, padded(signature.bytes) - signature.bytes);
}

void abi_raw(struct abi_call *call, const struct address *to, struct span calldata)
{
	call->to = *to;
	call->bytes = 0;
	add(call, calldata.at, calldata.bytes);
}

void abi_name(struct abi_call *call, const struct address *token)
{
	start(call, token, NAME);
}

void abi_version(struct abi_call *call, const struct address *token)
{
	start(call, token, VERSION);
}

void abi_domain_separator(struct abi_call *call, const struct address *contract)
{
	start(call, contract, DOMAIN_SEPARATOR);
}

/* --- aggregate3((address target, bool allowFailure, bytes callData)[]) --- */

static uint8_t *put_number(uint8_t *out, uint64_t number)
{
	u256_from_u64(out, number);
	return out + WORD;
}

static uint8_t *put_call(uint8_t *out, const struct abi_call *call)
{
	memset(out, 0, WORD);
	memcpy(out + WORD - sizeof call->to, &call->to, sizeof call->to);
	out = put_number(out + WORD, 1);
	out = put_number(out, 3 * WORD);
	out = put_number(out, call->bytes);
	memcpy(out, call->data, call->bytes);
	memset(out + call->bytes, 0, padded(call->bytes) - call->bytes);
	return out + padded(call->bytes);
}

size_t abi_aggregate(uint8_t *out, const struct abi_call *calls, size_t cnt)
{
	uint8_t *at = out + 4, *tail;

	put_selector(out, AGGREGATE3);
	at = put_number(at, WORD);
	at = put_number(at, cnt);
	uint8_t *base = at;
	tail = at + cnt * WORD;
	for (size_t i = 0; i < cnt; i++) {
		at = put_number(at, (uint64_t)(tail - base));
		tail = put_call(tail, &calls[i]);
	}
	return (size_t)(tail - out);
}

/* --- what comes back --- */

/* The word at `offset`, as a length or an offset; false when it is not there, or larger than all there is. */
static bool take_size(size_t *size, struct span from, size_t offset)
{
	uint64_t number;

	if (offset > from.bytes || from.bytes - offset < WORD || !u256_to_u64(&number, from.at + offset) ||
	    number > from.bytes)
		return false;
	*size = (size_t)number;
	return true;
}

/* The `bytes` or `string` whose length stands at `offset`. */
static bool take_bytes(struct span *out, struct span from, size_t offset)
{
	size_t bytes;

	if (!take_size(&bytes, from, offset) || bytes > from.bytes - offset - WORD)
		return false;
	*out = span_of(from.at + offset + WORD, bytes);
	return true;
}

/* One (bool success, bytes returnData), which begins at `offset`. */
static bool take_result(struct abi_result *result, struct span from, size_t offset)
{
	size_t at;

	if (offset > from.bytes)
		return false;
	struct span tuple = span_of(from.at + offset, from.bytes - offset);
	return abi_bool(&result->success, tuple) && take_size(&at, tuple, WORD) &&
	       take_bytes(&result->returned, tuple, at);
}

bool abi_aggregate_results(struct abi_result *results, size_t cnt, struct span returned)
{
	size_t list, found, offset;

	if (!take_size(&list, returned, 0) || !take_size(&found, returned, list) || found != cnt)
		return false;
	size_t base = list + WORD; /* take_size saw that it is there */
	struct span places = span_of(returned.at + base, returned.bytes - base);
	for (size_t i = 0; i < cnt; i++)
		if (!take_size(&offset, places, i * WORD) || !take_result(&results[i], places, offset))
			return false;
	return true;
}

bool abi_word(struct word *word, struct span returned)
{
	if (returned.bytes < sizeof *word)
		return false;
	memcpy(word, returned.at, sizeof *word);
	return true;
}

bool abi_bool(bool *value, struct span returned)
{
	struct word word;
	uint64_t number;

	if (!abi_word(&word, returned) || !u256_to_u64(&number, word.at) || number > 1)
		return false;
	*value = number == 1;
	return true;
}

bool abi_text(struct span *text, struct span returned)
{
	size_t at;

	return take_size(&at, returned, 0) && take_bytes(text, returned, at);
}

bool abi_nonce_bit(const struct word *bitmap, const struct word *nonce)
{
	unsigned bit = nonce->at[WORD - 1];

	return (bitmap->at[WORD - 1 - bit / 8] >> bit % 8 & 1) != 0;
}

bool abi_signature_holds(struct span returned)
{
	uint8_t yes[WORD] = {0};

	put_selector(yes, IS_VALID_SIGNATURE);
	return returned.bytes == sizeof yes && memcmp(returned.at, yes, sizeof yes) == 0;
}
