// SPDX-License-Identifier: Apache-2.0
/* test_funds_abi.c: calldata as viem 2.48.11 makes it, selectors from their signatures, and what contracts answer: whole, cut at
 * every length, and with every byte changed. */
#include "../../user/funds_abi.c"

#include "base/hex.h"
#include "base/keccak.h"
#include "check.h"
#include "guard.h"

static const char owner_text[] = "0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025";
static const char token_text[] = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
static const char nonce_text[] = "0xf3746613c2d920b5fdabc0856f2aeb2d4f88ee6037b8cc5d04a71a4462f13480";
static const char signature_text[] =
	"0xee9514c008c121a8b9d96bb1a47942abee5d54b1c9ce80133294b356eb22175728ac57747e4f47daf649f4714a6f2eff826e85eb3de7"
	"cc0a4f5f583915c8db901c";

#define OWNER "00000000000000000000000017c5185167401ed00cf5f5b2fc97d9bbfdb7d025"
#define NONCE "f3746613c2d920b5fdabc0856f2aeb2d4f88ee6037b8cc5d04a71a4462f13480"
#define NUMBER(two_digits) "00000000000000000000000000000000000000000000000000000000000000" two_digits

static void read_hex(void *out, size_t bytes, const char *text)
{
	CHECK_NEED(hex_decode(out, bytes, span_str(text)));
}

static struct address owner, token;
static struct word nonce;
static uint8_t signature[65];

static void read_all(void)
{
	read_hex(&owner, sizeof owner, owner_text);
	read_hex(&token, sizeof token, token_text);
	read_hex(&nonce, sizeof nonce, nonce_text);
	read_hex(signature, sizeof signature, signature_text);
}

static void make_calls(struct abi_call calls[5])
{
	abi_balance(&calls[0], &token, &owner);
	abi_allowance(&calls[1], &token, &owner);
	abi_authorization_state(&calls[2], &token, &owner, &nonce);
	abi_nonce_bitmap(&calls[3], &owner, &nonce);
	abi_is_valid_signature(&calls[4], &owner, &nonce, span_of(signature, sizeof signature));
}

TEST(calldata_is_viems)
{
	static const char *const want[5] = {
		"0x70a08231" OWNER,
		"0xdd62ed3e" OWNER "000000000000000000000000000000000022d473030f116ddee9f6b43ac78ba3",
		"0xe94a0102" OWNER NONCE,
		"0x4fe02b44" OWNER "00f3746613c2d920b5fdabc0856f2aeb2d4f88ee6037b8cc5d04a71a4462f134",
		"0x1626ba7e" NONCE NUMBER("40") NUMBER("41") "ee9514c008c121a8b9d96bb1a47942abee5d54b1c9ce80133294b356e"
							     "b22175728ac57747e4f47daf649f4714a6f2e"
							     "ff826e85eb3de7cc0a4f5f583915c8db901c000000000000000000000"
							     "00000000000000000000000000000000000000000",
	};
	const struct address *to[5] = {&token, &token, &token, &contract_permit2, &owner};
	struct abi_call calls[5];
	char text[HEX_BYTES(ABI_CALL_BYTES_MAX)];

	read_all();
	make_calls(calls);
	for (size_t i = 0; i < 5; i++) {
		CHECK_ROW(strcmp(hex_encode(text, calls[i].data, calls[i].bytes), want[i]) == 0, want[i]);
		CHECK_ROW(memcmp(&calls[i].to, to[i], sizeof *to[i]) == 0, want[i]);
	}
}

/* Hashes of what viem 2.48.11 makes of the same. */
TEST(long_signatures_are_viems)
{
	static const struct {
		size_t signature_bytes, bytes;
		const char *hash;
	} rows[] = {
		{66, 196, "0x2fcf850d1f0271cee140d7e03b72e92bbf586f980a95bd6bb6f396864ee8d252"},
		{130, 260, "0xc105693bbc43b4d19e4aca7c33d26e0b21d1654980aef63c877f972d115be42a"},
		{SIGNATURE_BYTES_MAX, ABI_CALL_BYTES_MAX,
		 "0x02b0cc508c9d340c9a7b3c59ed6213ef869a90095434f2821aa9fe922c89a10a"},
	};
	uint8_t hash[32], want[32], long_one[SIGNATURE_BYTES_MAX];
	struct abi_call call;

	read_all();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (size_t at = 0; at < rows[i].signature_bytes; at++)
			long_one[at] = (uint8_t)(at % 251);
		abi_is_valid_signature(&call, &owner, &nonce, span_of(long_one, rows[i].signature_bytes));
		CHECK_EQ(call.bytes, rows[i].bytes);
		keccak256(hash, call.data, call.bytes);
		read_hex(want, sizeof want, rows[i].hash);
		CHECK_BYTES(hash, want, 32);
	}
}

TEST(selectors_are_the_signatures)
{
	static const struct {
		const char *signature;
		uint32_t selector;
	} rows[] = {
		{"balanceOf(address)", BALANCE_OF},
		{"allowance(address,address)", ALLOWANCE},
		{"authorizationState(address,bytes32)", AUTHORIZATION_STATE},
		{"nonceBitmap(address,uint256)", NONCE_BITMAP},
		{"isValidSignature(bytes32,bytes)", IS_VALID_SIGNATURE},
		{"name()", NAME},
		{"version()", VERSION},
		{"DOMAIN_SEPARATOR()", DOMAIN_SEPARATOR},
		{"aggregate3((address,bool,bytes)[])", AGGREGATE3},
	};
	uint8_t hash[32], selector[4];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		keccak256(hash, rows[i].signature, strlen(rows[i].signature));
		put_selector(selector, rows[i].selector);
		CHECK_ROW(memcmp(hash, selector, 4) == 0, rows[i].signature);
	}
}

TEST(aggregate_is_viems)
{
	static uint8_t out[ABI_AGGREGATE_BYTES(5)];
	struct abi_call calls[5];
	uint8_t hash[32], want[32];

	read_all();
	make_calls(calls);
	CHECK_EQ(abi_aggregate(out, calls, 5), 1444);
	keccak256(hash, out, 1444);
	read_hex(want, sizeof want, "0x7ece82149ea2cc954a0982fcbf295c9cd427068a3c49975c295b24cfb3c17652");
	CHECK_BYTES(hash, want, 32);
	for (size_t i = 0; i < 5; i++)
		calls[i] = calls[4]; /* the largest: the bound holds */
	CHECK_EQ(abi_aggregate(out, calls, 5), sizeof out);
}

/* Of three calls: 7, a revert with four bytes, and nothing. */
static const char results_text[] = "0x" NUMBER("20") NUMBER("03") NUMBER("60")
	NUMBER("e0") "0000000000000000000000000000000000000000000000000000000000000160" NUMBER("01") NUMBER("40")
		NUMBER("20") NUMBER("07") NUMBER("00") NUMBER("40")
			NUMBER("04") "08c379a000000000000000000000000000000000000000000000000000000000" NUMBER("01")
				NUMBER("40") NUMBER("00");
#define RESULTS_BYTES ((sizeof results_text - 3) / 2)

TEST(aggregate_results)
{
	uint8_t bytes[RESULTS_BYTES];
	struct abi_result results[4];
	struct word word;

	read_hex(bytes, sizeof bytes, results_text);
	CHECK(abi_aggregate_results(results, 3, span_of(bytes, sizeof bytes)));
	CHECK(results[0].success && !results[1].success && results[2].success);
	CHECK(abi_word(&word, results[0].returned) && word.at[31] == 7 && word.at[30] == 0);
	CHECK_EQ(results[1].returned.bytes, 4);
	CHECK_EQ(results[2].returned.bytes, 0);
	CHECK(!abi_word(&word, results[1].returned));
	CHECK(!abi_aggregate_results(results, 2, span_of(bytes, sizeof bytes)));
	CHECK(!abi_aggregate_results(results, 4, span_of(bytes, sizeof bytes)));
}

TEST(aggregate_results_cut_anywhere)
{
	uint8_t bytes[RESULTS_BYTES];
	struct abi_result results[3];
	struct guard guard;

	read_hex(bytes, sizeof bytes, results_text);
	for (size_t cut = 0; cut < sizeof bytes; cut++) {
		struct span copy = guard_copy(&guard, bytes, cut);
		CHECK(!abi_aggregate_results(results, 3, copy));
		guard_free(&guard);
	}
}

/* Whatever a byte becomes, what is said to be there is there. */
TEST(aggregate_results_changed_anywhere)
{
	uint8_t bytes[RESULTS_BYTES];
	struct abi_result results[3];
	struct guard guard;
	unsigned good = 0;

	read_hex(bytes, sizeof bytes, results_text);
	struct span copy = guard_copy(&guard, bytes, sizeof bytes);
	for (size_t i = 0; i < sizeof bytes; i++)
		for (unsigned value = 0; value < 256; value += 5) {
			((uint8_t *)copy.at)[i] = (uint8_t)value;
			if (abi_aggregate_results(results, 3, copy)) {
				good++;
				for (size_t k = 0; k < 3; k++)
					CHECK(results[k].returned.at >= copy.at &&
					      results[k].returned.at + results[k].returned.bytes <=
						      copy.at + copy.bytes);
			}
			((uint8_t *)copy.at)[i] = bytes[i];
		}
	CHECK(good > 0);
	guard_free(&guard);
}

TEST(values)
{
	uint8_t text[96], word_bytes[32] = {0};
	struct word word;
	struct span name;
	bool value;

	read_hex(text, sizeof text,
		 "0x" NUMBER("20") NUMBER("08") "55534420436f696e000000000000000000000000000000000000000000000000");
	CHECK(abi_text(&name, span_of(text, sizeof text)) && span_equal(name, SPAN("USD Coin")));
	CHECK(!abi_text(&name, span_of(text, 64 + 7)));
	CHECK(!abi_text(&name, span_of(text, 0)));
	text[0] = 1; /* an offset of 2^248 */
	CHECK(!abi_text(&name, span_of(text, sizeof text)));

	CHECK(abi_bool(&value, span_of(word_bytes, 32)) && !value);
	word_bytes[31] = 1;
	CHECK(abi_bool(&value, span_of(word_bytes, 32)) && value);
	word_bytes[31] = 2;
	CHECK(!abi_bool(&value, span_of(word_bytes, 32)));
	word_bytes[31] = 1;
	word_bytes[0] = 1;
	CHECK(!abi_bool(&value, span_of(word_bytes, 32)));
	CHECK(!abi_word(&word, span_of(word_bytes, 31)));
}

TEST(nonce_bits)
{
	struct word bitmap = {{0}}, which = {{0}};

	for (unsigned bit = 0; bit < 256; bit++) {
		memset(&bitmap, 0, sizeof bitmap);
		bitmap.at[31 - bit / 8] = (uint8_t)(1u << bit % 8); /* 1 << bit, big-endian */
		for (unsigned other = 0; other < 256; other++) {
			which.at[31] = (uint8_t)other;
			which.at[0] = 0xff; /* the word's place, not the bit's */
			CHECK(abi_nonce_bit(&bitmap, &which) == (other == bit));
		}
	}
}

TEST(only_the_selector_and_zeros_hold)
{
	uint8_t returned[64] = {0x16, 0x26, 0xba, 0x7e};

	CHECK(abi_signature_holds(span_of(returned, 32)));
	CHECK(!abi_signature_holds(span_of(returned, 4)));
	CHECK(!abi_signature_holds(span_of(returned, 64)));
	for (size_t i = 0; i < 32; i++) {
		returned[i] ^= 1;
		CHECK(!abi_signature_holds(span_of(returned, 32)));
		returned[i] ^= 1;
	}
}

CHECK_MAIN
