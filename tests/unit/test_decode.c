// SPDX-License-Identifier: Apache-2.0
#include "decode.c"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "guard.h"
#include "random.h"
#include "same_payment.h"
#include "vectors.h"

#define SIGNATURE                                                                                                     \
	"0xee9514c008c121a8b9d96bb1a47942abee5d54b1c9ce80133294b356eb22175728ac57747e4f47daf649f4714a6f2eff826e85eb3" \
	"de7cc0a4f5f583915c8db901c"
#define PAYER "0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025"
#define PAYEE "0x209693Bc6afc0C5328bA36FaF03C514EF312287C"
#define USDC "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
#define NONCE32 "0xf3746613c2d920b5fdabc0856f2aeb2d4f88ee6037b8cc5d04a71a4462f13480"

/* A good message of each kind; the tables below change one piece of it. */
#define ACCEPTED_JSON(scheme, more)                                                                                   \
	"\"accepted\":{\"scheme\":\"" scheme "\",\"network\":\"eip155:84532\",\"amount\":\"10000\",\"asset\":\"" USDC \
	"\",\"payTo\":\"" PAYEE "\",\"maxTimeoutSeconds\":60,\"extra\":{\"name\":\"USDC\",\"version\":\"2\"" more "}}"
#define AUTHORIZATION_JSON                                                                                         \
	"{\"signature\":\"" SIGNATURE "\",\"authorization\":{\"from\":\"" PAYER "\",\"to\":\"" PAYEE               \
	"\",\"value\":\"10000\",\"validAfter\":\"1740672089\",\"validBefore\":\"1740672154\",\"nonce\":\"" NONCE32 \
	"\"}}"
#define PERMIT2_JSON(witness)                                                                                          \
	"{\"signature\":\"" SIGNATURE "\",\"permit2Authorization\":{\"from\":\"" PAYER                                 \
	"\",\"permitted\":{\"token\":\"" USDC "\",\"amount\":\"10000\"},\"spender\":\"0x402085c248EeA27D92E8b30b2C58e" \
	"d07f9E20001\",\"nonce\":\"77\",\"deadline\":\"1740672154\",\"witness\":{\"to\":\"" PAYEE "\"" witness         \
	",\"validAfter\":\"1740672089\"}}}"

static const char *const good[] = {
	[METHOD_NONE] =
		"{\"x402Version\":1,\"scheme\":\"exact\",\"network\":\"base-sepolia\",\"payload\":" AUTHORIZATION_JSON
		"}",
	[METHOD_EIP3009] = "{\"x402Version\":2,\"resource\":{\"url\":\"http://x/\"}," ACCEPTED_JSON(
		"exact", "") ",\"payload\":" AUTHORIZATION_JSON "}",
	[METHOD_PERMIT2] = "{\"x402Version\":2," ACCEPTED_JSON(
		"exact", ",\"assetTransferMethod\":\"permit2\"") ",\"payload\":" PERMIT2_JSON("") "}",
	[METHOD_UPTO] = "{\"x402Version\":2," ACCEPTED_JSON(
		"upto",
		",\"assetTransferMethod\":\"permit2\"") ",\"payload\":" PERMIT2_JSON(",\"facilitator\":"
										     "\"0x11111111111111111111111111111"
										     "11111111111\"") "}",
};
#define V1 METHOD_NONE /* index into good */

static unsigned version_of(size_t kind)
{
	return kind == V1 ? 1 : 2;
}

static enum reason decode_copy(struct payment *payment, unsigned version, const void *at, size_t bytes)
{
	struct guard guard;
	enum reason reason = decode_payment_json(payment, version, guard_copy(&guard, at, bytes));

	guard_free(&guard);
	return reason;
}

/* text with the first `old` in it replaced; the test stops when there is none. */
static void change(char *out, size_t out_bytes, const char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);

	ASSERT(at != NULL);
	snprintf(out, out_bytes, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
}

static void check_address(const struct address *got, const char *want)
{
	struct address address = {{0}};

	ASSERT(hex_decode(address.at, 20, span_str(want)));
	CHECK_BYTES(got, &address, 20);
}

static void check_number(const struct word *got, const char *want)
{
	char digits[U256_DECIMAL_BYTES];

	u256_print(digits, got->at);
	CHECK_ROW(strcmp(digits, want) == 0, want);
}

TEST(good_messages)
{
	for (unsigned kind = V1; kind <= METHOD_UPTO; kind++) {
		struct payment payment;
		uint8_t signature[65], nonce[32];
		CHECK_EQ(decode_copy(&payment, version_of(kind), good[kind], strlen(good[kind])), REASON_OK);
		CHECK_EQ(payment.version, version_of(kind));
		CHECK_EQ(payment.method, kind == V1 ? METHOD_EIP3009 : kind);
		check_address(&payment.from, PAYER);
		check_address(&payment.to, PAYEE);
		check_number(&payment.amount, "10000");
		check_number(&payment.valid_after, "1740672089");
		check_number(&payment.deadline, "1740672154");
		ASSERT(hex_decode(signature, 65, SPAN(SIGNATURE)) && hex_decode(nonce, 32, SPAN(NONCE32)));
		CHECK_BYTES(payment.signature, signature, 65);
		if (payment.method == METHOD_EIP3009)
			CHECK_BYTES(&payment.nonce, nonce, 32);
		else
			check_number(&payment.nonce, "77");
		CHECK_EQ(payment.accepted.chain_id, 84532);
		CHECK_EQ(payment.accepted.has_terms, kind != V1);
		check_address(&payment.token,
			      payment.method == METHOD_EIP3009 ? "0x0000000000000000000000000000000000000000" : USDC);
		check_address(&payment.spender, payment.method == METHOD_EIP3009
							? "0x0000000000000000000000000000000000000000"
							: "0x402085c248EeA27D92E8b30b2C58ed07f9E20001");
		check_address(&payment.facilitator, kind == METHOD_UPTO ? "0x1111111111111111111111111111111111111111"
									: "0x0000000000000000000000000000000000000000");
		if (kind == V1)
			continue;
		check_address(&payment.accepted.asset, USDC);
		check_address(&payment.accepted.pay_to, PAYEE);
		check_number(&payment.accepted.amount, "10000");
		CHECK_EQ(payment.accepted.max_timeout_s, 60);
	}
}

#define DIGITS_78 "115792089237316195423570985008687907853269984665640564039457584007913129639935"
#define DIGITS_2_256 "115792089237316195423570985008687907853269984665640564039457584007913129639936"

TEST(one_piece_changed)
{
	static const struct {
		size_t kind;
		const char *old, *new;
		enum reason reason;
	} rows[] = {
		/* version */
		{METHOD_EIP3009, "\"x402Version\":2", "\"x402Version\":1", PAYMENT_VERSION},
		{METHOD_EIP3009, "\"x402Version\":2", "\"x402Version\":3", PAYMENT_VERSION},
		{METHOD_EIP3009, "\"x402Version\":2", "\"x402Version\":\"2\"", PAYMENT_VERSION},
		{METHOD_EIP3009, "\"x402Version\":2", "\"x402Version\":2.0", PAYMENT_VERSION},
		{METHOD_EIP3009, "\"x402Version\":2", "\"x402Version\":-2", PAYMENT_VERSION},
		{METHOD_EIP3009, "\"x402Version\":2", "\"x402Version\":258", PAYMENT_VERSION},
		{METHOD_EIP3009, "\"x402Version\":2", "\"x402Version\":18446744073709551618", PAYMENT_VERSION},
		{METHOD_EIP3009, "\"x402Version\":2", "\"x402Version\":null", PAYMENT_VERSION},
		{METHOD_EIP3009, "\"x402Version\":2", "\"x402version\":2", PAYMENT_VERSION},
		{V1, "\"x402Version\":1", "\"x402Version\":2", PAYMENT_VERSION},
		/* scheme */
		{METHOD_EIP3009, "\"scheme\":\"exact\"", "\"scheme\":\"Exact\"", SCHEME_UNKNOWN},
		{METHOD_EIP3009, "\"scheme\":\"exact\"", "\"scheme\":\"\"", SCHEME_UNKNOWN},
		{METHOD_EIP3009, "\"scheme\":\"exact\"", "\"scheme\":\"exact\\u0000\"", SCHEME_UNKNOWN},
		{METHOD_EIP3009, "\"scheme\":\"exact\"", "\"scheme\":\"ex\\u0061ct\"", REASON_OK},
		{METHOD_EIP3009, "\"scheme\":\"exact\"", "\"scheme\":\"batch-settlement\"", SCHEME_UNKNOWN},
		{METHOD_EIP3009, "\"scheme\":\"exact\"", "\"scheme\":[\"exact\"]", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"scheme\":\"exact\"", "\"scheme\":null", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"scheme\":\"exact\"", "\"scheme\":\"upto\"", PAYMENT_FIELD},
		{V1, "\"scheme\":\"exact\"", "\"scheme\":\"upto\"", SCHEME_UNKNOWN},
		{METHOD_UPTO, "\"scheme\":\"upto\"", "\"scheme\":\"exact\"",
		 REASON_OK}, /* permit refuses the spender */
		/* network */
		{METHOD_EIP3009, "eip155:84532", "eip155:084532", NETWORK_WRONG},
		{METHOD_EIP3009, "eip155:84532", "EIP155:84532", NETWORK_WRONG},
		{METHOD_EIP3009, "eip155:84532", "eip155:", NETWORK_WRONG},
		{METHOD_EIP3009, "eip155:84532", "eip155:0", NETWORK_WRONG},
		{METHOD_EIP3009, "eip155:84532", "eip155:-1", NETWORK_WRONG},
		{METHOD_EIP3009, "eip155:84532", "eip155:0x14a34", NETWORK_WRONG},
		{METHOD_EIP3009, "eip155:84532", "eip155:84532 ", NETWORK_WRONG},
		{METHOD_EIP3009, "eip155:84532", "eip155:18446744073709636148", NETWORK_WRONG}, /* 2^64 + 84532 */
		{METHOD_EIP3009, "eip155:84532", "solana:84532", NETWORK_WRONG},
		{METHOD_EIP3009, "eip155:84532", "base-sepolia", NETWORK_WRONG},
		{METHOD_EIP3009, "\"eip155:84532\"", "84532", PAYMENT_FIELD},
		{V1, "base-sepolia", "eip155:84532", NETWORK_WRONG},
		{V1, "base-sepolia", "Base-Sepolia", NETWORK_WRONG},
		{V1, "base-sepolia", "", NETWORK_WRONG},
		/* accepted */
		{METHOD_EIP3009, "\"accepted\":{", "\"accepted\":[{", PAYMENT_JSON},
		{METHOD_EIP3009, "\"accepted\"", "\"Accepted\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"amount\":\"10000\"", "\"amount\":10000", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"amount\":\"10000\"", "\"amount\":\"010000\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"amount\":\"10000\"", "\"amount\":\"0x2710\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"maxTimeoutSeconds\":60", "\"maxTimeoutSeconds\":\"60\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"maxTimeoutSeconds\":60", "\"maxTimeoutSeconds\":60.0", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"maxTimeoutSeconds\":60", "\"maxTimeoutSeconds\":6e1", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"maxTimeoutSeconds\":60", "\"maxTimeoutSeconds\":-60", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"maxTimeoutSeconds\":60", "\"maxTimeoutSeconds\":18446744073709551676",
		 PAYMENT_FIELD},
		{METHOD_EIP3009, "\"asset\":\"0x0", "\"asset\":\"0x", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"asset\":\"0x0", "\"asset\":\"0X0", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"payTo\":\"0x2", "\"payTo\":\"0x20", PAYMENT_FIELD},
		/* which form */
		{METHOD_EIP3009, "\"version\":\"2\"", "\"assetTransferMethod\":\"eip3009\"", REASON_OK},
		{METHOD_EIP3009, "\"version\":\"2\"", "\"assetTransferMethod\":\"permit2\"", OFFER_UNMATCHED},
		{METHOD_EIP3009, "\"version\":\"2\"", "\"assetTransferMethod\":null", OFFER_UNMATCHED},
		{METHOD_PERMIT2, "\"assetTransferMethod\":\"permit2\"", "\"x\":0", REASON_OK},
		{METHOD_PERMIT2, "\"assetTransferMethod\":\"permit2\"", "\"assetTransferMethod\":\"eip3009\"",
		 OFFER_UNMATCHED},
		{METHOD_UPTO, "\"assetTransferMethod\":\"permit2\"", "\"assetTransferMethod\":\"eip3009\"",
		 OFFER_UNMATCHED},
		{METHOD_EIP3009, "\"extra\":{\"name\":\"USDC\",\"version\":\"2\"}", "\"extra\":null", REASON_OK},
		{METHOD_EIP3009, "\"authorization\":", "\"permit2Authorization\":{},\"authorization\":", PAYMENT_FIELD},
		{METHOD_EIP3009,
		 "\"authorization\":", "\"permit2Authorization\":null,\"authorization\":", PAYMENT_FIELD},
		{METHOD_PERMIT2,
		 "\"permit2Authorization\":", "\"authorization\":null,\"permit2Authorization\":", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"authorization\"", "\"Authorization\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"authorization\"", "\"permit2Authorization\"", PAYMENT_FIELD},
		{METHOD_PERMIT2, "\"permit2Authorization\"", "\"authorization\"", PAYMENT_FIELD},
		{V1, "\"authorization\"", "\"permit2Authorization\"", PAYMENT_FIELD},
		/* signature */
		{METHOD_EIP3009, "901c\"", "901\"", SIGNATURE_FORM},
		{METHOD_EIP3009, "901c\"", "901c1\"", SIGNATURE_FORM},
		{METHOD_EIP3009, "901c\"", "901c1c1\"", SIGNATURE_FORM},
		{METHOD_EIP3009, "901c\"", "901c1g\"", SIGNATURE_FORM},
		{METHOD_EIP3009, "901c\"", "90\"", SIGNATURE_FORM},
		{METHOD_EIP3009, "901c\"", "901g\"", SIGNATURE_FORM},
		{METHOD_EIP3009, "\"" SIGNATURE "\"", "\"\"", SIGNATURE_FORM},
		{METHOD_EIP3009, "\"" SIGNATURE "\"", "\"0x\"", SIGNATURE_FORM},
		{METHOD_EIP3009, "\"" SIGNATURE "\"", "null", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"" SIGNATURE "\"", "{\"r\":\"0x0\"}", PAYMENT_FIELD},
		/* numbers; validAfter stands for all of them */
		{METHOD_EIP3009, "\"1740672089\"", "\"" DIGITS_78 "\"", REASON_OK},
		{METHOD_EIP3009, "\"1740672089\"", "\"0\"", REASON_OK},
		{METHOD_EIP3009, "\"1740672089\"", "\"17406\\u0037\\u0032089\"", REASON_OK},
		{METHOD_EIP3009, "\"1740672089\"", "\"" DIGITS_2_256 "\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "\"1" DIGITS_78 "\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "1740672089", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "[\"1740672089\"]", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "true", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "\"\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "\"01740672089\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "\"-1\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "\"+1740672089\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "\" 1740672089\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "\"1740672089 \"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "\"1740672089\\n\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "\"1740672089\\u0000\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "\"0x67c0951a\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "\"1.740672089e9\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "\"1740672089.0\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "\"1_740_672_089\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "\"\xef\xbc\x91\xef\xbc\x92\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"1740672089\"", "\"\xd9\xa1\xd9\xa2\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"value\":\"10000\"", "\"value\":\"1e4\"", PAYMENT_FIELD},
		{METHOD_PERMIT2, "\"deadline\":\"1740672154\"", "\"deadline\":1740672154", PAYMENT_FIELD},
		/* nonces */
		{METHOD_EIP3009, "13480\"", "1348\"", PAYMENT_FIELD}, /* 63 digits: viem would fill up with a zero */
		{METHOD_EIP3009, "13480\"", "134800\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"" NONCE32 "\"", "\"77\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"nonce\":\"0x", "\"nonce\":\"", PAYMENT_FIELD},
		{METHOD_PERMIT2, "\"nonce\":\"77\"", "\"nonce\":\"0x4d\"", PAYMENT_FIELD},
		{METHOD_PERMIT2, "\"nonce\":\"77\"", "\"nonce\":\"077\"", PAYMENT_FIELD},
		{METHOD_PERMIT2, "\"nonce\":\"77\"", "\"nonce\":\"" DIGITS_78 "\"", REASON_OK},
		{METHOD_PERMIT2, "\"nonce\":\"77\"", "\"nonce\":\"" DIGITS_2_256 "\"", PAYMENT_FIELD},
		/* addresses */
		{METHOD_EIP3009, "\"from\":\"0x", "\"from\":\"", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"from\":\"0x17", "\"from\":\"0x", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"from\":\"0x17", "\"from\":\"0x00000000000000000000000017", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"from\":\"0x17", "\"from\":\"0x1z", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"from\":\"0x17", "\"from\":\"\\u0030x1\\u0037", REASON_OK},
		/* objects that are not */
		{METHOD_EIP3009, "\"payload\":{", "\"payload\":7,\"x\":{", PAYMENT_FIELD},
		{METHOD_EIP3009, "\"authorization\":{", "\"authorization\":[],\"x\":{", PAYMENT_FIELD},
		{METHOD_PERMIT2, "\"permitted\":{", "\"permitted\":[],\"x\":{", PAYMENT_FIELD},
		{METHOD_PERMIT2, "\"witness\":{", "\"witness\":\"\",\"x\":{", PAYMENT_FIELD},
		{METHOD_UPTO, "\"facilitator\":", "\"Facilitator\":", PAYMENT_FIELD},
		{METHOD_UPTO, "\"facilitator\":\"0x11", "\"facilitator\":\"0x", PAYMENT_FIELD},
		{METHOD_PERMIT2, "\"witness\":{", "\"witness\":{\"facilitator\":7,\"extra\":\"0x\",", REASON_OK},
		/* unknown members are passed over, but must be JSON without duplicates */
		{METHOD_EIP3009, "\"resource\":{",
		 "\"extensions\":{\"a\":[{},null,1.5e3,\"\\ud83d\\ude00\"]},\"resource\":{", REASON_OK},
		{METHOD_EIP3009, "\"resource\":{", "\"extensions\":{\"a\":1,\"a\":1},\"resource\":{", PAYMENT_JSON},
		{METHOD_EIP3009, "\"resource\":{", "\"extensions\":{\"a\":01},\"resource\":{", PAYMENT_JSON},
		{METHOD_EIP3009, "\"resource\":{", "\"extensions\":\"\xff\",\"resource\":{", PAYMENT_JSON},
		{METHOD_EIP3009, "\"to\":", "\"from\":\"" PAYEE "\",\"to\":", PAYMENT_JSON},
		{METHOD_EIP3009, "\"to\":", "\"\\u0066rom\":\"" PAYEE "\",\"to\":", PAYMENT_JSON},
		{METHOD_EIP3009, "\"payload\":", "\"payload\":{},\"payload\":", PAYMENT_JSON},
		{METHOD_EIP3009, "\"from\":", "\"FROM\":\"" PAYEE "\",\"from\":", REASON_OK},
		{METHOD_EIP3009, "{\"x402Version\"", "\xef\xbb\xbf{\"x402Version\"", PAYMENT_JSON},
		{METHOD_EIP3009, "{\"x402Version\"", " \n{\"x402Version\"", REASON_OK},
		{METHOD_EIP3009, "\"}}}", "\"}}}x", PAYMENT_JSON},
		{METHOD_EIP3009, "\"}}}", "\"}}}{}", PAYMENT_JSON},
		{METHOD_EIP3009, "\"}}}", "\"}}} \r\n", REASON_OK},
		{METHOD_EIP3009, "\"}}}", "\"}}]", PAYMENT_JSON},
		/* 16 deep with the outermost object, and 17 */
		{METHOD_EIP3009, "\"resource\":", "\"e\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]],\"resource\":", REASON_OK},
		{METHOD_EIP3009, "\"resource\":", "\"e\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]],\"resource\":", PAYMENT_JSON},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[4096];
		struct payment payment;
		change(text, sizeof(text), good[rows[i].kind], rows[i].old, rows[i].new);
		enum reason reason = decode_copy(&payment, version_of(rows[i].kind), text, strlen(text));
		CHECK_ROW(reason == rows[i].reason, rows[i].new);
		if (reason != rows[i].reason)
			CHECK_EQ(reason, rows[i].reason);
	}
}

/* As long as a contract's may be, and not a byte longer; from the shortest that is no key's on. */
TEST(long_signatures)
{
	char hex[HEX_BYTES(SIGNATURE_BYTES_MAX + 1)] = "0x", text[8192];
	static const size_t lengths[] = {65, 66, 130, SIGNATURE_BYTES_MAX, SIGNATURE_BYTES_MAX + 1};
	struct payment payment;

	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		size_t bytes = lengths[i];
		for (size_t at = 0; at < bytes; at++)
			snprintf(hex + 2 + 2 * at, 3, "%02zx", at % 251);
		change(text, sizeof(text), good[METHOD_UPTO], SIGNATURE, hex);
		enum reason reason = decode_copy(&payment, 2, text, strlen(text));
		CHECK_EQ(reason, bytes <= SIGNATURE_BYTES_MAX ? REASON_OK : SIGNATURE_FORM);
		if (reason != REASON_OK)
			continue;
		CHECK_EQ(payment.signature_rest_bytes, bytes - 65);
		for (size_t at = 0; at < bytes; at++) {
			uint8_t got = at < 65 ? payment.signature[at] : payment.signature_rest[at - 65];
			CHECK_EQ(got, at % 251);
		}
	}
}

/* Every member the message needs, left out (renamed) and of every other type. */
TEST(every_member_missing_or_of_another_type)
{
	static const char *const names[] = {
		"scheme",   "network",	"payload",   "signature",  "authorization",	"permit2Authorization",
		"from",	    "to",	"value",     "validAfter", "validBefore",	"nonce",
		"spender",  "deadline", "permitted", "token",	   "witness",		"facilitator",
		"accepted", "amount",	"asset",     "payTo",	   "maxTimeoutSeconds",
	};
	static const char *const values[] = {"null", "true", "false", "[]",	"{}",
					     "\"\"", "-1",   "0.5",   "[\"\"]", "{\"\":\"\"}"};
	unsigned cnt = 0;

	for (unsigned kind = V1; kind <= METHOD_UPTO; kind++) {
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
			char name[40], text[4096], other[64];
			struct payment payment;
			snprintf(name, sizeof(name), "\"%s\":", names[i]);
			if (strstr(good[kind], name) == NULL)
				continue;
			cnt++;
			change(text, sizeof(text), good[kind], name, "\"renamed\":");
			enum reason reason = decode_copy(&payment, version_of(kind), text, strlen(text));
			CHECK_ROW(reason == PAYMENT_FIELD, name);
			for (size_t k = 0; k < sizeof(values) / sizeof(*values); k++) {
				snprintf(other, sizeof(other), "%s%s,\"renamed\":", name, values[k]);
				change(text, sizeof(text), good[kind], name, other);
				reason = decode_copy(&payment, version_of(kind), text, strlen(text));
				CHECK_ROW(reason == PAYMENT_FIELD || reason == SIGNATURE_FORM ||
						  reason == SCHEME_UNKNOWN || reason == NETWORK_WRONG,
					  other);
				/* one of these four is for a string where the type was right */
				CHECK_ROW(reason == PAYMENT_FIELD || strcmp(values[k], "\"\"") == 0, other);
			}
		}
	}
	CHECK(cnt > 50);
}

TEST(not_an_object)
{
	static const char *const texts[] = {"[]", "7", "\"x\"", "null", "true", "{}", "[{\"x402Version\":2}]"};
	struct payment payment;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		CHECK_ROW(decode_copy(&payment, 2, texts[i], strlen(texts[i])) == PAYMENT_VERSION, texts[i]);
	CHECK_EQ(decode_copy(&payment, 2, "", 0), PAYMENT_JSON);
	CHECK_EQ(decode_copy(&payment, 2, "{}\0", 3), PAYMENT_JSON);
}

TEST(ten_thousand_digits)
{
	char *text = malloc(16384), *digits = malloc(10003);
	struct payment payment;

	memset(digits, '9', 10002);
	digits[0] = digits[10001] = '"';
	digits[10002] = 0;
	change(text, 16384, good[METHOD_EIP3009], "\"1740672089\"", digits);
	CHECK_EQ(decode_copy(&payment, 2, text, strlen(text)), PAYMENT_FIELD);
	digits[1] = '0';
	change(text, 16384, good[METHOD_EIP3009], "\"1740672089\"", digits + 1);
	text[strcspn(text, "9")] = '9';
	CHECK_EQ(decode_copy(&payment, 2, text, strlen(text)), PAYMENT_JSON);
	free(digits);
	free(text);
}

TEST(every_prefix)
{
	for (unsigned kind = V1; kind <= METHOD_UPTO; kind++) {
		size_t bytes = strlen(good[kind]);
		char header[BASE64_ENCODED_BYTES(4096) + 1];
		struct payment payment;
		for (size_t cut = 0; cut < bytes; cut++)
			CHECK_EQ(decode_copy(&payment, version_of(kind), good[kind], cut), PAYMENT_JSON);
		size_t header_bytes = base64_encode(header, span_of(good[kind], bytes));
		for (size_t cut = 0; cut < header_bytes; cut++) {
			struct guard guard;
			enum reason reason =
				decode_payment(&payment, version_of(kind), guard_copy(&guard, header, cut));
			bool only_padding_is_gone = cut * 6 / 8 == bytes;
			CHECK(only_padding_is_gone ? reason == REASON_OK || reason == PAYMENT_BASE64
						   : reason == PAYMENT_JSON || reason == PAYMENT_BASE64);
			guard_free(&guard);
		}
		CHECK_EQ(decode_payment(&payment, version_of(kind), span_of(header, header_bytes)), REASON_OK);
	}
}

/* The header grown by white space in front of its JSON to exactly this size. */
static enum reason decode_grown(size_t json_bytes, bool padded)
{
	size_t own = strlen(good[METHOD_EIP3009]), header_bytes;
	char *json = malloc(json_bytes), *header = malloc(BASE64_ENCODED_BYTES(json_bytes) + 1);
	struct payment payment;
	struct guard guard;

	memset(json, ' ', json_bytes - own);
	memcpy(json + json_bytes - own, good[METHOD_EIP3009], own);
	header_bytes = base64_encode(header, span_of(json, json_bytes));
	while (!padded && header[header_bytes - 1] == '=')
		header_bytes--;
	enum reason reason = decode_payment(&payment, 2, guard_copy(&guard, header, header_bytes));
	guard_free(&guard);
	free(json);
	free(header);
	return reason;
}

TEST(size_edges)
{
	for (int padded = 0; padded < 2; padded++) {
		CHECK_EQ(decode_grown(PAYMENT_JSON_BYTES_MAX, padded), REASON_OK);
		CHECK_EQ(decode_grown(PAYMENT_JSON_BYTES_MAX + 1, padded), PAYMENT_LARGE);
		CHECK_EQ(decode_grown(PAYMENT_JSON_BYTES_MAX + 2, padded), PAYMENT_LARGE);
		CHECK_EQ(decode_grown(100000, padded), PAYMENT_LARGE);
	}
}

/* What was understood before a refusal chooses the words of the answer. */
TEST(method_and_version_after_a_refusal)
{
	struct payment payment;
	char text[4096];

	change(text, sizeof(text), good[METHOD_UPTO], "\"nonce\":\"77\"", "\"nonce\":77");
	CHECK_EQ(decode_copy(&payment, 2, text, strlen(text)), PAYMENT_FIELD);
	CHECK(payment.method == METHOD_UPTO && payment.version == 2);
	change(text, sizeof(text), good[METHOD_PERMIT2], "eip155:84532", "eip155:x");
	CHECK_EQ(decode_copy(&payment, 2, text, strlen(text)), NETWORK_WRONG);
	CHECK_EQ(payment.method, METHOD_PERMIT2);
	CHECK_EQ(decode_payment(&payment, 1, SPAN("****")), PAYMENT_BASE64);
	CHECK(payment.method == METHOD_NONE && payment.version == 1);
}

/* The order of members says nothing: the same refusal comes out wherever the bad one stands. */
TEST(member_order_is_free)
{
	static const char reordered[] =
		"{\"payload\":" AUTHORIZATION_JSON "," ACCEPTED_JSON("exact", "") ",\"x402Version\":2}";
	struct payment payment, other;

	CHECK_EQ(decode_copy(&payment, 2, reordered, strlen(reordered)), REASON_OK);
	CHECK_EQ(decode_copy(&other, 2, good[METHOD_EIP3009], strlen(good[METHOD_EIP3009])), REASON_OK);
	CHECK(same_payment(&payment, &other));
}

/* Random damage: never a crash, and never a payment that differs from the original in what it moves. */
TEST(random_damage)
{
	random_start("decode damage");
	for (int round = 0; round < 40000; round++) {
		unsigned kind = (unsigned)random_below(4);
		char text[4096];
		size_t bytes = strlen(good[kind]);
		struct payment payment;
		memcpy(text, good[kind], bytes);
		for (size_t hits = 1 + random_below(3); hits > 0; hits--) {
			size_t at = random_below(bytes);
			if (random_below(2))
				text[at] = (char)random_u64();
			else
				text[at] = good[kind][random_below(bytes)];
		}
		enum reason reason = decode_copy(&payment, version_of(kind), text, bytes);
		CHECK(reason == REASON_OK || (reason >= PAYMENT_JSON && reason <= OFFER_UNMATCHED) ||
		      reason == NETWORK_WRONG || reason == SIGNATURE_FORM);
	}
}

CHECK_MAIN
