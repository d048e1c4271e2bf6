// SPDX-License-Identifier: Apache-2.0
#include "pay_client.c"

#include "check.h"
#include "decode.h"
#include "guard.h"
#include "permit.h"
#include "verify.h"

#define NOW_S 1740672090u

/* Members every entry has; a row adds the rest. */
#define V2_TERMS                                                    \
	"\"network\":\"eip155:84532\",\"amount\":\"10000\","        \
	"\"asset\":\"0x036CbD53842c5426634e7929541eC2318f3dCF7e\"," \
	"\"payTo\":\"0x209693Bc6afc0C5328bA36FaF03C514EF312287C\",\"maxTimeoutSeconds\":60,"
#define USDC "\"name\":\"USDC\",\"version\":\"2\""
#define EXACT "{\"scheme\":\"exact\"," V2_TERMS "\"extra\":{" USDC "}}"
#define PERMIT2 "{\"scheme\":\"exact\"," V2_TERMS "\"extra\":{\"assetTransferMethod\":\"permit2\"," USDC "}}"
#define UPTO                                                                               \
	"{\"scheme\":\"upto\"," V2_TERMS "\"extra\":{\"assetTransferMethod\":\"permit2\"," \
	"\"facilitatorAddress\":\"0x1111111111111111111111111111111111111111\"}}"
#define RESOURCE "\"resource\":{\"url\":\"http://node/v1/chat/completions\",\"description\":\"a \\\"chat\\\"\"}"
#define CHALLENGE(accepts) "{\"x402Version\":2,\"error\":\"Payment required\"," RESOURCE ",\"accepts\":[" accepts "]}"
#define V1_ENTRY                                                                                                      \
	"{\"scheme\":\"exact\",\"network\":\"base-sepolia\",\"maxAmountRequired\":\"10000\",\"resource\":\"http://n/" \
	"\","                                                                                                         \
	"\"description\":\"\",\"mimeType\":\"\",\"payTo\":\"0x209693Bc6afc0C5328bA36FaF03C514EF312287C\","            \
	"\"maxTimeoutSeconds\":60,\"asset\":\"0x036CbD53842c5426634e7929541eC2318f3dCF7e\",\"extra\":{" USDC "}}"
#define V1_CHALLENGE(accepts) "{\"x402Version\":1,\"error\":\"Payment required\",\"accepts\":[" accepts "]}"

static const uint8_t key[32] = {[0 ... 31] = 0x42};
static const uint8_t seed[32] = {1};

TEST(challenges_are_read_or_refused)
{
	static const struct {
		const char *json;
		unsigned version;
		bool good;
		size_t offers, unknown;
	} rows[] = {
		{CHALLENGE(EXACT), 2, true, 1, 0},
		{CHALLENGE(EXACT "," PERMIT2 "," UPTO), 2, true, 3, 0},
		{V1_CHALLENGE(V1_ENTRY), 1, true, 1, 0},
		{V1_CHALLENGE(V1_ENTRY), 2, false, 0, 0}, /* says another version than the place it stood in */
		{CHALLENGE(EXACT), 1, false, 0, 0},
		{CHALLENGE(""), 2, false, 0, 0}, /* nothing to pay for */
		{"{\"x402Version\":2}", 2, false, 0, 0},
		{"{}", 2, false, 0, 0},
		{"[]", 2, false, 0, 0},
		{"", 2, false, 0, 0},
		{CHALLENGE(EXACT) "x", 2, false, 0, 0},
		{CHALLENGE("{}"), 2, true, 0, 1},
		{CHALLENGE("7," EXACT), 2, true, 1, 1},
		/* what we cannot pay is passed over */
		{CHALLENGE("{\"scheme\":\"stream\"," V2_TERMS "\"extra\":{" USDC "}}," EXACT), 2, true, 1, 1},
		{CHALLENGE("{\"scheme\":\"exact\"," V2_TERMS "\"extra\":{\"assetTransferMethod\":\"erc20\"," USDC "}}"),
		 2, true, 0, 1},
		{CHALLENGE("{\"scheme\":\"exact\"," V2_TERMS "\"extra\":{}}"), 2, true, 0,
		 1}, /* no token name to sign under */
		{CHALLENGE("{\"scheme\":\"exact\"," V2_TERMS "\"extra\":null}"), 2, true, 0, 1},
		{CHALLENGE("{\"scheme\":\"upto\"," V2_TERMS "\"extra\":{" USDC "}}"), 2, true, 0,
		 1}, /* no facilitator */
		{CHALLENGE("{\"scheme\":\"exact\",\"network\":\"solana:5eykt\",\"amount\":\"1\"}"), 2, true, 0, 1},
		{CHALLENGE("{\"scheme\":\"exact\",\"network\":\"eip155:084532\",\"amount\":\"1\"}"), 2, true, 0, 1},
	};
	struct pay_challenge challenge;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bool good = pay_read_challenge(&challenge, span_str(rows[i].json), rows[i].version);
		CHECK_ROW(good == rows[i].good, rows[i].json);
		if (!good)
			continue;
		CHECK_ROW(challenge.offer_cnt == rows[i].offers, rows[i].json);
		CHECK_ROW(challenge.unknown_cnt == rows[i].unknown, rows[i].json);
	}
}

#define EXTENDED(extensions) "{\"x402Version\":2,\"extensions\":" extensions ",\"accepts\":[" EXACT "]," RESOURCE "}"
#define NATIVE(port, route) \
	"{\"tollbar-native\":{\"info\":{\"port\":" port ",\"route\":" route "},\"schema\":{\"port\":1,\"route\":2}}}"

TEST(the_native_transport_is_an_extension)
{
	static const struct {
		const char *text;
		uint16_t port; /* 0: not offered */
		uint8_t route;
	} rows[] = {
		{EXTENDED(NATIVE("8403", "7")), 8403, 7},
		{EXTENDED(NATIVE("1", "0")), 1, 0},
		{EXTENDED(NATIVE("65535", "255")), 65535, 255},
		{EXTENDED("{\"other\":{\"info\":{\"port\":1,\"route\":1}},\"tollbar-native\":{\"schema\":null,\"info\":"
			  "{\"more\":[],\"route\":3,\"port\":4}}}"),
		 4, 3},
		{EXTENDED(NATIVE("0", "7")), 0, 0},
		{EXTENDED(NATIVE("65536", "7")), 0, 0},
		{EXTENDED(NATIVE("8403", "256")), 0, 0},
		{EXTENDED(NATIVE("8403", "-1")), 0, 0},
		{EXTENDED(NATIVE("\"8403\"", "7")), 0, 0},
		{EXTENDED("{\"tollbar-native\":{\"info\":{\"port\":8403}}}"), 0, 0},
		{EXTENDED("{\"tollbar-native\":{\"info\":[8403,7]}}"), 0, 0},
		{EXTENDED("{\"tollbar-native\":null}"), 0, 0},
		{EXTENDED("null"), 0, 0},
		{CHALLENGE(EXACT), 0, 0},
	};
	struct pay_challenge challenge;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CHECK_ROW(pay_read_challenge(&challenge, span_str(rows[i].text), 2), rows[i].text);
		CHECK_ROW(challenge.is_native == (rows[i].port != 0) && challenge.native_port == rows[i].port &&
				  challenge.native_route == rows[i].route,
			  rows[i].text);
		CHECK_EQ(challenge.offer_cnt, 1);
	}
	CHECK(!pay_read_challenge(&challenge, SPAN(EXTENDED("{\"tollbar-native\":{\"info\":{\"port\":1,}}}")), 2));
}

TEST(more_offers_than_fit_are_counted_as_unknown)
{
	static char json[32768];
	struct pay_challenge challenge;
	size_t used = (size_t)snprintf(json, sizeof(json), "{\"x402Version\":2,\"accepts\":[");

	for (int i = 0; i < PAY_OFFERS_MAX + 3; i++)
		used += (size_t)snprintf(json + used, sizeof(json) - used, "%s" EXACT, i == 0 ? "" : ",");
	snprintf(json + used, sizeof(json) - used, "]}");
	CHECK(pay_read_challenge(&challenge, span_str(json), 2));
	CHECK_EQ(challenge.offer_cnt, PAY_OFFERS_MAX);
	CHECK_EQ(challenge.unknown_cnt, 3);
}

TEST(no_prefix_of_a_challenge_is_a_challenge)
{
	static const char json[] = CHALLENGE(EXACT "," PERMIT2 "," UPTO);
	struct pay_challenge challenge;
	struct guard guard;

	for (size_t bytes = 0; bytes < sizeof(json); bytes++) {
		bool good = pay_read_challenge(&challenge, guard_copy(&guard, json, bytes), 2);
		CHECK_EQ(good, bytes == sizeof(json) - 1);
		guard_free(&guard);
	}
}

TEST(the_first_offer_that_fits_is_chosen)
{
	static const char json[] = CHALLENGE(PERMIT2 "," EXACT "," UPTO);
	static const struct {
		enum method method;
		uint64_t max;
		int index; /* -1: none */
		bool too_dear;
	} rows[] = {
		{METHOD_NONE, 10000, 0, false}, {METHOD_EIP3009, 10000, 1, false}, {METHOD_UPTO, UINT64_MAX, 2, false},
		{METHOD_NONE, 9999, -1, true},	{METHOD_UPTO, 0, -1, true},
	};
	struct pay_challenge challenge;
	struct word max;
	bool too_dear;

	CHECK(pay_read_challenge(&challenge, span_str(json), 2));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		u256_from_u64(max.at, rows[i].max);
		const struct pay_offer *offer = pay_choose(&challenge, rows[i].method, &max, &too_dear);
		CHECK(offer == (rows[i].index < 0 ? NULL : &challenge.offers[rows[i].index]));
		CHECK_EQ(too_dear, rows[i].too_dear);
	}
	CHECK(pay_choose(&challenge, METHOD_NONE, NULL, &too_dear) == &challenge.offers[0]);
	CHECK(pay_read_challenge(&challenge, span_str(CHALLENGE(EXACT)), 2));
	CHECK(pay_choose(&challenge, METHOD_UPTO, NULL, &too_dear) == NULL);
	CHECK(!too_dear);
}

/* What the daemon makes of it: decode, offer, permit and verify all say yes. */
static void check_accepted(const struct pay_challenge *challenge, const struct pay_offer *offer,
			   const struct payment *sent)
{
	static char header[PAY_HEADER_BYTES_MAX];
	const struct offer *offers[] = {&offer->offer}, *matched;
	struct verify_item item;
	struct payment got;
	struct permit permit;

	size_t bytes = pay_write_header(header, challenge, offer, sent);
	CHECK(bytes != 0);
	CHECK_EQ(strlen(header), bytes);
	CHECK_EQ(decode_payment(&got, challenge->version, span_of(header, bytes)), REASON_OK);
	CHECK_EQ(got.method, sent->method);
	CHECK_BYTES(&got.from, &sent->from, 20);
	CHECK_BYTES(&got.to, &sent->to, 20);
	CHECK_BYTES(&got.amount, &sent->amount, 32);
	CHECK_BYTES(&got.valid_after, &sent->valid_after, 32);
	CHECK_BYTES(&got.deadline, &sent->deadline, 32);
	CHECK_BYTES(&got.nonce, &sent->nonce, 32);
	CHECK_BYTES(&got.token, &sent->token, 20);
	CHECK_BYTES(&got.spender, &sent->spender, 20);
	CHECK_BYTES(&got.facilitator, &sent->facilitator, 20);
	CHECK_BYTES(got.signature, sent->signature, 65);
	CHECK_EQ(permit_offer(&matched, &got, offers, 1), REASON_OK);
	CHECK_EQ(permit_payment(&permit, &got, &offer->offer, NOW_S), REASON_OK);

	struct verifier *verifier = verify_init(&(struct verify_config){.seed = seed, .engine = ENGINE_SECP256K1});
	item = (struct verify_item){.signature = got.signature, .payer = got.from, .method = got.method};
	hash_payment(&item.digest, &got, &offer->offer.domain_separator);
	verify_batch(verifier, &item, 1);
	CHECK_EQ(item.verdict, REASON_OK);
	verify_fini(verifier);
}

TEST(what_we_sign_is_what_the_daemon_accepts)
{
	static const char v2[] = CHALLENGE(EXACT "," PERMIT2 "," UPTO), v1[] = V1_CHALLENGE(V1_ENTRY);
	struct signer *signer = sign_init(key, seed);
	struct word nonce = {{0xfe, [31] = 0x07}};
	struct pay_challenge challenge;
	struct payment payment;
	struct address from;

	sign_address(signer, &from);
	CHECK(pay_read_challenge(&challenge, span_str(v2), 2));
	for (size_t i = 0; i < 3; i++) {
		CHECK_EQ(challenge.offers[i].offer.method, METHOD_EIP3009 + i);
		pay_fill(&payment, &challenge.offers[i], &from, &nonce, NOW_S, 0);
		CHECK(pay_sign(&payment, &challenge.offers[i], signer));
		check_accepted(&challenge, &challenge.offers[i], &payment);
	}
	CHECK(pay_read_challenge(&challenge, span_str(v1), 1));
	pay_fill(&payment, &challenge.offers[0], &from, &nonce, NOW_S, 30);
	CHECK(pay_sign(&payment, &challenge.offers[0], signer));
	check_accepted(&challenge, &challenge.offers[0], &payment);
	sign_fini(signer);
}

/* Source: signed by viem 2.48.11 with the same key, for the same terms. */
TEST(the_signature_is_the_one_viem_makes)
{
	static const char want[] =
		"0xee9514c008c121a8b9d96bb1a47942abee5d54b1c9ce80133294b356eb22175728ac57747e4f47daf649"
		"f4714a6f2eff826e85eb3de7cc0a4f5f583915c8db901c";
	struct signer *signer = sign_init(key, seed);
	struct pay_challenge challenge;
	struct payment payment;
	struct address from;
	struct word nonce;
	uint8_t signature[65];

	CHECK(hex_decode(nonce.at, 32, SPAN("0xf3746613c2d920b5fdabc0856f2aeb2d4f88ee6037b8cc5d04a71a4462f13480")));
	CHECK(hex_decode(signature, 65, span_str(want)));
	sign_address(signer, &from);
	CHECK(pay_read_challenge(&challenge, span_str(CHALLENGE(EXACT)), 2));
	pay_fill(&payment, &challenge.offers[0], &from, &nonce, 1740672094, 60);
	u256_from_u64(payment.valid_after.at, 1740672089);
	CHECK(pay_sign(&payment, &challenge.offers[0], signer));
	CHECK_BYTES(payment.signature, signature, 65);
	sign_fini(signer);
}

TEST(a_deadline_is_what_was_asked_or_all_the_offer_gives)
{
	static const struct {
		uint64_t now_s, valid_for_s, after_s, deadline_s;
	} rows[] = {{10000, 0, 9400, 10060}, {10000, 7, 9400, 10007}, {599, 0, 0, 659}, {600, 0, 0, 660}};
	struct pay_challenge challenge;
	struct payment payment;
	struct address from = {{1}};
	struct word nonce = {{2}};
	uint64_t number;

	CHECK(pay_read_challenge(&challenge, span_str(CHALLENGE(EXACT)), 2));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		pay_fill(&payment, &challenge.offers[0], &from, &nonce, rows[i].now_s, rows[i].valid_for_s);
		CHECK(u256_to_u64(&number, payment.valid_after.at));
		CHECK_EQ(number, rows[i].after_s);
		CHECK(u256_to_u64(&number, payment.deadline.at));
		CHECK_EQ(number, rows[i].deadline_s);
	}
}

TEST(a_header_too_long_for_any_server_is_not_made)
{
	static char json[PAYMENT_JSON_BYTES_MAX + 1024], header[PAY_HEADER_BYTES_MAX], filler[PAYMENT_JSON_BYTES_MAX];
	struct pay_challenge challenge;
	struct payment payment = {.method = METHOD_EIP3009};

	memset(filler, 'x', sizeof(filler) - 1);
	snprintf(json, sizeof(json), "{\"x402Version\":2,\"resource\":{\"url\":\"%s\"},\"accepts\":[" EXACT "]}",
		 filler);
	CHECK(pay_read_challenge(&challenge, span_str(json), 2));
	CHECK_EQ(pay_write_header(header, &challenge, &challenge.offers[0], &payment), 0);
}

TEST(the_servers_words_are_made_safe_to_print)
{
	struct pay_challenge challenge;

	CHECK(pay_read_challenge(&challenge, SPAN("{\"x402Version\":2,\"error\":\"\\u001b[2Jno\",\"accepts\":[{}]}"),
				 2));
	CHECK_EQ(strcmp(challenge.error, "?[2Jno"), 0);
}

CHECK_MAIN
