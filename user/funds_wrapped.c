// SPDX-License-Identifier: Apache-2.0
#include "funds_wrapped.h"

#include "base/assert.h"
#include "base/u256.h"

#define WORD sizeof(struct word)
#define HEAD_WORDS 3

static size_t padded(size_t bytes)
{
	return (bytes + WORD - 1) / WORD * WORD;
}

static bool zeros(const uint8_t *at, size_t cnt)
{
	uint8_t any = 0;

	for (size_t i = 0; i < cnt; i++)
		any |= at[i];
	return any == 0;
}

/* The number in the word at `offset`, when it is one that can be a place or a length in these bytes. */
static bool take_number(size_t *number, struct span from, size_t offset)
{
	uint64_t value;

	if (offset > from.bytes || from.bytes - offset < WORD || !u256_to_u64(&value, from.at + offset) ||
	    value > from.bytes)
		return false;
	*number = (size_t)value;
	return true;
}

/* The bytes whose length stands at *offset, which is moved behind them. */
static bool take_bytes(struct span *out, struct span from, size_t *offset)
{
	size_t bytes, at = *offset + WORD;

	if (!take_number(&bytes, from, *offset) || padded(bytes) > from.bytes - at ||
	    !zeros(from.at + at + bytes, padded(bytes) - bytes))
		return false;
	*out = span_of(from.at + at, bytes);
	*offset = at + padded(bytes);
	return true;
}

enum wrapping wrapped_open(struct wrapped *out, struct span signature)
{
	static const uint8_t magic[WORD] = {0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64,
					    0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92,
					    0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92};
	size_t first, second, at = HEAD_WORDS * WORD;

	if (signature.bytes < WORD || memcmp(signature.at + signature.bytes - WORD, magic, WORD) != 0)
		return WRAPPED_NOT;
	struct span from = span_of(signature.at, signature.bytes - WORD);
	if (!take_number(&first, from, WORD) || !take_number(&second, from, 2 * WORD) || first != at ||
	    !zeros(from.at, WORD - sizeof out->factory))
		return WRAPPED_BAD;
	memcpy(&out->factory, from.at + WORD - sizeof out->factory, sizeof out->factory);
	if (!take_bytes(&out->calldata, from, &at) || at != second || !take_bytes(&out->signature, from, &at) ||
	    at != from.bytes)
		return WRAPPED_BAD;
	return WRAPPED_GOOD;
}

struct span wrapped_whole(uint8_t out[SIGNATURE_BYTES_MAX], const struct payment *payment)
{
	memcpy(out, payment->signature, sizeof payment->signature);
	memcpy(out + sizeof payment->signature, payment->signature_rest, payment->signature_rest_bytes);
	return span_of(out, sizeof payment->signature + payment->signature_rest_bytes);
}

/* --- a program --- */

enum opcode {
	OP_GT = 0x11,
	OP_EQ = 0x14,
	OP_AND = 0x16,
	OP_SHL = 0x1b,
	OP_CODECOPY = 0x39,
	OP_RETURNDATASIZE = 0x3d,
	OP_POP = 0x50,
	OP_MLOAD = 0x51,
	OP_GAS = 0x5a,
	OP_PUSH1 = 0x60,
	OP_PUSH2 = 0x61,
	OP_PUSH4 = 0x63,
	OP_PUSH20 = 0x73,
	OP_CALL = 0xf1,
	OP_RETURN = 0xf3,
	OP_STATICCALL = 0xfa,
};

#define PROGRAM_CODE_BYTES 102 /* counted by wrapped_program */
#define WORD_AT 0	       /* memory: what the account says; behind it the calls' bytes */
#define CALLS_AT 32

static uint8_t *op(uint8_t *at, enum opcode code)
{
	*at = (uint8_t)code;
	return at + 1;
}

static uint8_t *push1(uint8_t *at, uint8_t number)
{
	at = op(at, OP_PUSH1);
	*at = number;
	return at + 1;
}

static uint8_t *push2(uint8_t *at, size_t number)
{
	at = op(at, OP_PUSH2);
	at[0] = (uint8_t)(number >> 8);
	at[1] = (uint8_t)number;
	return at + 2;
}

static uint8_t *push_address(uint8_t *at, const struct address *address)
{
	at = op(at, OP_PUSH20);
	memcpy(at, address->at, sizeof address->at);
	return at + sizeof address->at;
}

/* Arguments are pushed last to first. */
static uint8_t *call_factory(uint8_t *at, const struct abi_call *call)
{
	at = push1(at, 0); /* what comes back is let be */
	at = push1(at, 0);
	at = push2(at, call->bytes);
	at = push2(at, CALLS_AT);
	at = push1(at, 0); /* no ether */
	at = push_address(at, &call->to);
	at = op(at, OP_GAS);
	at = op(at, OP_CALL);
	return op(at, OP_POP);
}

static uint8_t *call_account(uint8_t *at, const struct abi_call *call, size_t data_at)
{
	at = push1(at, 32);
	at = push1(at, WORD_AT);
	at = push2(at, call->bytes);
	at = push2(at, data_at);
	at = push_address(at, &call->to);
	at = op(at, OP_GAS);
	return op(at, OP_STATICCALL);
}

/* On the stack: did the call succeed?  Gives the word back if so, and if all of it came and it is a yes; else no bytes. */
static uint8_t *give_word(uint8_t *at)
{
	static const uint8_t yes[4] = {0x16, 0x26, 0xba, 0x7e};

	at = push1(at, 31);
	at = op(at, OP_RETURNDATASIZE);
	at = op(at, OP_GT);
	at = op(at, OP_AND);
	at = op(at, OP_PUSH4);
	memcpy(at, yes, sizeof yes);
	at = push1(at + sizeof yes, 0xe0);
	at = op(at, OP_SHL);
	at = push1(at, WORD_AT);
	at = op(at, OP_MLOAD);
	at = op(at, OP_EQ);
	at = op(at, OP_AND);
	at = push1(at, 5); /* of one, 32 */
	at = op(at, OP_SHL);
	at = push1(at, WORD_AT);
	return op(at, OP_RETURN);
}

size_t wrapped_program(uint8_t out[WRAPPED_PROGRAM_BYTES_MAX], const struct abi_call *factory,
		       const struct abi_call *account)
{
	uint8_t *at = push2(out, factory->bytes + account->bytes);

	at = push2(at, PROGRAM_CODE_BYTES);
	at = push1(at, CALLS_AT);
	at = op(at, OP_CODECOPY);
	at = call_factory(at, factory);
	at = call_account(at, account, CALLS_AT + factory->bytes);
	at = give_word(at);
	ASSERT(at == out + PROGRAM_CODE_BYTES);
	memcpy(at, factory->data, factory->bytes);
	memcpy(at + factory->bytes, account->data, account->bytes);
	return PROGRAM_CODE_BYTES + factory->bytes + account->bytes;
}
