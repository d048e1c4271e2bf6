// SPDX-License-Identifier: Apache-2.0
/* test_funds_wrapped.c: signatures as viem 2.48.11 wraps them (serializeErc6492Signature), cut at every length and with every bit
 * changed: there is one spelling of each, and whatever says that it is one and is another is bad. */
#include "../../user/funds_wrapped.c"

#include "base/hex.h"
#include "check.h"
#include "guard.h"

static const struct {
	const char *text;
	size_t calldata_bytes, signature_bytes;
} rows[] = {
	{"0x00000000000000000000000017c5185167401ed00cf5f5b2fc97d9bbfdb7d025000000000000000000000000000000"
	 "000000000000000000000000000000006000000000000000000000000000000000000000000000000000000000000000"
	 "e0000000000000000000000000000000000000000000000000000000000000004401080f161d242b323940474e555c63"
	 "6a71787f868d949ba2a9b0b7bec5ccd3dae1e8eff6020910171e252c333a41484f565d646b727980878e959ca3aab1b8"
	 "bfc6cdd4db00000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
	 "0000000000000000000000000000000041020910171e252c333a41484f565d646b727980878e959ca3aab1b8bfc6cdd4"
	 "dbe2e9f0f7030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c70000000000000000000000000000"
	 "000000000000000000000000000000000064926492649264926492649264926492649264926492649264926492649264"
	 "92",
	 68, 65},
	{"0x00000000000000000000000017c5185167401ed00cf5f5b2fc97d9bbfdb7d025000000000000000000000000000000"
	 "000000000000000000000000000000006000000000000000000000000000000000000000000000000000000000000000"
	 "c0000000000000000000000000000000000000000000000000000000000000004001080f161d242b323940474e555c63"
	 "6a71787f868d949ba2a9b0b7bec5ccd3dae1e8eff6020910171e252c333a41484f565d646b727980878e959ca3aab1b8"
	 "bf0000000000000000000000000000000000000000000000000000000000000082020910171e252c333a41484f565d64"
	 "6b727980878e959ca3aab1b8bfc6cdd4dbe2e9f0f7030a11181f262d343b424950575e656c737a81888f969da4abb2b9"
	 "c0c7ced5dce3eaf1f8040b121920272e353c434a51585f666d747b828990979ea5acb3bac1c8cfd6dde4ebf2f9050c13"
	 "1a21282f363d444b525960676e757c838a91980000000000000000000000000000000000000000000000000000000000"
	 "006492649264926492649264926492649264926492649264926492649264926492",
	 64, 130},
	{"0x00000000000000000000000017c5185167401ed00cf5f5b2fc97d9bbfdb7d025000000000000000000000000000000"
	 "000000000000000000000000000000006000000000000000000000000000000000000000000000000000000000000000"
	 "800000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
	 "0000000000000000000000000000000041020910171e252c333a41484f565d646b727980878e959ca3aab1b8bfc6cdd4"
	 "dbe2e9f0f7030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c70000000000000000000000000000"
	 "000000000000000000000000000000000064926492649264926492649264926492649264926492649264926492649264"
	 "92",
	 0, 65},
	{"0x00000000000000000000000017c5185167401ed00cf5f5b2fc97d9bbfdb7d025000000000000000000000000000000"
	 "000000000000000000000000000000006000000000000000000000000000000000000000000000000000000000000000"
	 "a00000000000000000000000000000000000000000000000000000000000000001010000000000000000000000000000"
	 "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
	 "21020910171e252c333a41484f565d646b727980878e959ca3aab1b8bfc6cdd4dbe20000000000000000000000000000"
	 "000000000000000000000000000000000064926492649264926492649264926492649264926492649264926492649264"
	 "92",
	 1, 33},
};
#define ROW_CNT (sizeof rows / sizeof *rows)
#define BYTES_MAX 512

static size_t read_row(uint8_t out[BYTES_MAX], size_t i)
{
	size_t bytes = (strlen(rows[i].text) - 2) / 2;

	CHECK_NEED(bytes <= BYTES_MAX && hex_decode(out, bytes, span_str(rows[i].text)));
	return bytes;
}

static enum wrapping open_copy(struct wrapped *out, const uint8_t *at, size_t bytes)
{
	struct guard guard;
	enum wrapping wrapping = wrapped_open(out, guard_copy(&guard, at, bytes));

	guard_free(&guard);
	return wrapping;
}

TEST(viems)
{
	uint8_t bytes[BYTES_MAX], factory[20];
	struct wrapped wrapped;

	CHECK_NEED(hex_decode(factory, 20, SPAN("0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025")));
	for (size_t i = 0; i < ROW_CNT; i++) {
		size_t cnt = read_row(bytes, i);
		CHECK_EQ(wrapped_open(&wrapped, span_of(bytes, cnt)), WRAPPED_GOOD);
		CHECK_BYTES(&wrapped.factory, factory, 20);
		CHECK_EQ(wrapped.calldata.bytes, rows[i].calldata_bytes);
		CHECK_EQ(wrapped.signature.bytes, rows[i].signature_bytes);
		for (size_t k = 0; k < wrapped.calldata.bytes; k++)
			CHECK_EQ(wrapped.calldata.at[k], (k * 7 + 1) % 251);
		for (size_t k = 0; k < wrapped.signature.bytes; k++)
			CHECK_EQ(wrapped.signature.at[k], (k * 7 + 2) % 251);
	}
}

/* Is this byte part of a value: the factory, the calldata or the signature? */
static bool is_value(const struct wrapped *wrapped, const uint8_t *bytes, size_t at)
{
	size_t calldata = (size_t)(wrapped->calldata.at - bytes), signature = (size_t)(wrapped->signature.at - bytes);

	return (at >= 12 && at < 32) || (at >= calldata && at < calldata + wrapped->calldata.bytes) ||
	       (at >= signature && at < signature + wrapped->signature.bytes);
}

TEST(every_bit_and_every_length)
{
	uint8_t bytes[BYTES_MAX];
	struct wrapped whole, other;

	for (size_t i = 0; i < ROW_CNT; i++) {
		size_t cnt = read_row(bytes, i);
		CHECK_EQ(wrapped_open(&whole, span_of(bytes, cnt)), WRAPPED_GOOD);
		for (size_t n = 0; n < cnt; n++)
			CHECK_EQ(open_copy(&other, bytes, n), WRAPPED_NOT);
		for (size_t n = 1; n < cnt; n++) /* without what it begins with */
			CHECK(open_copy(&other, bytes + n, cnt - n) == (cnt - n < WORD ? WRAPPED_NOT : WRAPPED_BAD));
		for (size_t bit = 0; bit < cnt * 8; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			enum wrapping got = open_copy(&other, bytes, cnt);
			if (bit / 8 >= cnt - WORD)
				CHECK_EQ(got, WRAPPED_NOT);
			else if (is_value(&whole, bytes, bit / 8))
				CHECK_EQ(got, WRAPPED_GOOD);
			else /* or a length that has as many words: zeros are a value's own then, or what was one is cut */
				CHECK(got == WRAPPED_BAD || other.calldata.bytes != whole.calldata.bytes ||
				      other.signature.bytes != whole.signature.bytes);
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

TEST(the_whole_of_a_payments_signature)
{
	uint8_t out[SIGNATURE_BYTES_MAX];
	struct payment payment = {.signature_rest_bytes = SIGNATURE_BYTES_MAX - 65};

	payment.signature[64] = 1;
	payment.signature_rest[0] = 2;
	payment.signature_rest[SIGNATURE_BYTES_MAX - 66] = 3;
	struct span whole = wrapped_whole(out, &payment);
	CHECK(whole.bytes == SIGNATURE_BYTES_MAX && out[64] == 1 && out[65] == 2 && out[SIGNATURE_BYTES_MAX - 1] == 3);
	payment.signature_rest_bytes = 0;
	CHECK_EQ(wrapped_whole(out, &payment).bytes, 65);
}

/* What it does is shown on a chain (tests/e2e/funds.test.mjs); here that every size fits, and stands where the code says. */
TEST(a_program_carries_both_calls)
{
	static struct abi_call factory, account;
	uint8_t out[WRAPPED_PROGRAM_BYTES_MAX];

	memset(factory.to.at, 0xfa, sizeof factory.to);
	memset(account.to.at, 0xac, sizeof account.to);
	memset(factory.data, 1, sizeof factory.data);
	memset(account.data, 2, sizeof account.data);
	for (factory.bytes = 0; factory.bytes <= ABI_CALL_BYTES_MAX; factory.bytes += 53) {
		for (account.bytes = 4; account.bytes <= ABI_CALL_BYTES_MAX; account.bytes += 132) {
			size_t bytes = wrapped_program(out, &factory, &account);
			size_t code = (size_t)out[4] << 8 | out[5];
			CHECK_EQ(bytes, code + factory.bytes + account.bytes);
			CHECK_EQ((size_t)out[1] << 8 | out[2], factory.bytes + account.bytes);
			CHECK_EQ((size_t)out[14] << 8 | out[15], factory.bytes);
			CHECK(out[code - 1] == OP_RETURN);
			CHECK_BYTES(out + code, factory.data, factory.bytes);
			CHECK_BYTES(out + code + factory.bytes, account.data, account.bytes);
		}
	}
}

CHECK_MAIN
