// SPDX-License-Identifier: Apache-2.0
#include "native_client.c"

#include "base/hex.h"
#include "check.h"
#include "guard.h"
#include "verify.h"

#define NOW_S 1740672090u
#define CHAIN_ID 84532

static const uint8_t key[32] = {[0 ... 31] = 0x42};
static const uint8_t seed[32] = {1};
static const uint8_t cookie[COOKIE_BYTES] = {0xc0, 1, 2, 3, 4, 5, 6, 7};
static const uint8_t calldata[NATIVE_CLIENT_CALLDATA_MAX] = {0xde, 0xad, 0xbe, 0xef, 1, 2, 3};

static struct signer *signer;
static struct pay_offer offers[METHOD_UPTO + 1];

static void make_offers(void)
{
	signer = sign_init(key, seed);
	CHECK_NEED(signer != NULL);
	for (uint8_t method = METHOD_EIP3009; method <= METHOD_UPTO; method++) {
		struct offer *offer = &offers[method].offer;
		*offer = (struct offer){.method = method,
					.chain_id = CHAIN_ID,
					.asset = {{0xa5, [19] = 0x5a}},
					.pay_to = {{0xb1, [19] = 0x1b}},
					.amount = {{[30] = 0x27, 0x10}},
					.max_timeout_s = 60,
					.token_name = "USDC",
					.token_version = "2"};
		if (method == METHOD_UPTO)
			offer->facilitator = (struct address){{0xfa, [19] = 0xaf}};
		hash_domain(&offer->domain_separator, offer);
	}
}

static struct native_wish wish_of(uint8_t method, size_t calldata_bytes)
{
	return (struct native_wish){.offer = &offers[method],
				    .calldata = span_of(calldata, calldata_bytes),
				    .route = 7,
				    .salt = {0x5a, 0x17},
				    .now_s = NOW_S,
				    .valid_for_s = 30};
}

static enum reason verdict_of(const struct word *digest, const uint8_t signature[65])
{
	struct verifier *verifier = verify_init(&(struct verify_config){.seed = seed, .engine = ENGINE_SECP256K1});
	struct verify_item item = {.digest = *digest, .signature = signature, .method = METHOD_PERMIT2};

	sign_address(signer, &item.payer);
	verify_batch(verifier, &item, 1);
	verify_fini(verifier);
	return item.verdict;
}

/* --- requests --- */

/* Every field at its place, read here byte by byte, and signed with all of them. */
static void check_request(const struct native_datagram *sent, const struct native_wish *wish)
{
	const struct offer *offer = &wish->offer->offer;
	struct payment payment;
	struct address from;
	struct word nonce, digest;
	uint64_t number;

	sign_address(signer, &from);
	CHECK_EQ(sent->bytes, 208 + wish->calldata.bytes);
	CHECK_BYTES(sent->at, "TBR1\x01", 5);
	CHECK_EQ(sent->at[5], offer->method);
	CHECK_EQ(sent->at[6] << 8 | sent->at[7], sent->bytes);
	memcpy(&number, sent->at + 8, 8);
	CHECK_EQ(be64toh(number), CHAIN_ID);
	CHECK_BYTES(sent->at + 16, from.at, 20);
	CHECK_BYTES(sent->at + 36, offer->asset.at, 20);
	CHECK_BYTES(sent->at + 56, offer->amount.at + 16, 16);
	memcpy(&number, sent->at + 72, 8);
	CHECK_EQ(be64toh(number), NOW_S - 600);
	memcpy(&number, sent->at + 80, 8);
	CHECK_EQ(be64toh(number), NOW_S + 30);
	bind_nonce(&nonce, wish->salt, wish->calldata);
	CHECK_BYTES(sent->at + 88, nonce.at, 32);
	CHECK_BYTES(sent->at + 120, wish->salt, 16);
	CHECK_EQ(sent->at[201], 7);
	CHECK_BYTES(sent->at + 202, wish->stream ? "\0\2" : "\0\0", 2);
	CHECK_EQ(sent->at[206] << 8 | sent->at[207], wish->calldata.bytes);
	CHECK_BYTES(sent->at + 208, calldata, wish->calldata.bytes);

	pay_fill(&payment, wish->offer, &from, &nonce, NOW_S, 30);
	hash_payment(&digest, &payment, &offer->domain_separator);
	CHECK_EQ(verdict_of(&digest, sent->at + 136), REASON_OK);
}

TEST(a_request_has_every_field_and_its_signature)
{
	struct native_datagram sent;

	make_offers();
	for (uint8_t method = METHOD_EIP3009; method <= METHOD_UPTO; method++) {
		struct native_wish wish = wish_of(method, 7);
		CHECK(native_client_request(&sent, &wish, signer));
		check_request(&sent, &wish);
		wish.stream = true;
		wish.calldata.bytes = NATIVE_CLIENT_CALLDATA_MAX;
		CHECK(native_client_request(&sent, &wish, signer));
		check_request(&sent, &wish);
		CHECK_EQ(sent.bytes, 1392);
	}
}

TEST(what_does_not_fit_is_not_sent)
{
	struct native_wish wish = wish_of(METHOD_EIP3009, 4);
	struct native_datagram sent;
	struct pay_offer dear = offers[METHOD_EIP3009];

	CHECK(native_client_request(&sent, &wish, signer));
	wish.calldata.bytes = 3;
	CHECK(!native_client_request(&sent, &wish, signer));
	wish.calldata.bytes = NATIVE_CLIENT_CALLDATA_MAX + 1;
	CHECK(!native_client_request(&sent, &wish, signer));
	wish = wish_of(METHOD_EIP3009, 4);
	wish.offer = &dear;
	memset(dear.offer.amount.at, 0xff, 32);
	memset(dear.offer.amount.at, 0, 16);
	CHECK(native_client_request(&sent, &wish, signer));
	dear.offer.amount.at[15] = 1; /* 2^128 */
	CHECK(!native_client_request(&sent, &wish, signer));
}

TEST(a_cookie_is_added_once_and_then_replaced)
{
	struct native_wish wish = wish_of(METHOD_UPTO, NATIVE_CLIENT_CALLDATA_MAX);
	struct native_datagram sent, before;
	static const uint8_t another[COOKIE_BYTES] = {9, 9};

	wish.stream = true;
	CHECK(native_client_request(&sent, &wish, signer));
	before = sent;
	native_client_add_cookie(&sent, cookie);
	CHECK_EQ(sent.bytes, 1400);
	CHECK_EQ(sent.at[6] << 8 | sent.at[7], 1400);
	CHECK_BYTES(sent.at + 202, "\0\3", 2);
	CHECK_BYTES(sent.at + 1392, cookie, 8);
	native_client_add_cookie(&sent, another);
	CHECK_EQ(sent.bytes, 1400);
	CHECK_BYTES(sent.at + 1392, another, 8);
	memcpy(sent.at + 6, before.at + 6, 2);
	memcpy(sent.at + 202, before.at + 202, 2);
	CHECK_BYTES(sent.at, before.at, 1392); /* nothing else */
}

/* --- knocks --- */

TEST(a_knock_asks_for_a_cookie_and_then_signs_it)
{
	static const uint8_t zero[80];
	struct native_datagram sent;
	struct address payer;
	struct word digest;

	sign_address(signer, &payer);
	CHECK(native_client_knock(&sent, CHAIN_ID, NOW_S + 300, NULL, signer));
	CHECK_EQ(sent.bytes, 128);
	CHECK_BYTES(sent.at, "TBR1\x02\0\0\x80", 8);
	CHECK_BYTES(sent.at + 16, payer.at, 20);
	CHECK_BYTES(sent.at + 36, zero, 4);
	CHECK_BYTES(sent.at + 48, zero, 80);

	CHECK(native_client_knock(&sent, CHAIN_ID, NOW_S + 300, cookie, signer));
	CHECK_BYTES(sent.at + 48, cookie, 8);
	CHECK_BYTES(sent.at + 121, zero, 7);
	hash_knock(&digest, CHAIN_ID, &payer, cookie, NOW_S + 300);
	CHECK_EQ(verdict_of(&digest, sent.at + 56), REASON_OK);
}

/* --- answers --- */

/* Good answers of each kind to these two. */
static void make_answers(struct native_cookie_reply *to_request, struct native_cookie_reply *to_knock,
			 struct native_receipt *receipt, struct native_opened *opened,
			 const struct native_datagram *request, const struct native_datagram *knock)
{
	*to_request = (struct native_cookie_reply){.head = head_of(NATIVE_COOKIE_REPLY, 0, 24)};
	memcpy(to_request->cookie, cookie, 8);
	*to_knock = *to_request;
	memcpy(to_request->echo, request->at + 88, 8);
	memcpy(to_knock->echo, knock->at + 40, 8);
	*receipt = (struct native_receipt){
		.head = head_of(NATIVE_RECEIPT, 0, 64), .id = {0x1d}, .reason = htobe16(REPLAYED), .place = htobe32(3)};
	memcpy(receipt->nonce, request->at + 88, 32);
	*opened = (struct native_opened){.head = head_of(NATIVE_OPENED, 0, 32),
					 .source = {[10] = 0xff, 0xff, 10, 77, 0, 2}};
	memcpy(&opened->until, knock->at + 40, 8);
}

static bool reads(struct native_said *said, struct span answer, const struct native_datagram *sent)
{
	struct guard guard;
	bool good = native_client_read(said, guard_copy(&guard, answer.at, answer.bytes), sent);

	guard_free(&guard);
	return good;
}

/* What is left out, what is too long, and each byte that may have one value only, changed. */
static void check_strict(struct span answer, size_t free_from, size_t free_bytes, const struct native_datagram *sent)
{
	struct native_said said;
	uint8_t changed[65];

	memcpy(changed, answer.at, answer.bytes);
	changed[answer.bytes] = 0;
	CHECK(reads(&said, answer, sent));
	CHECK(!reads(&said, span_of(changed, answer.bytes + 1), sent));
	for (size_t i = 0; i < answer.bytes; i++) {
		CHECK(!reads(&said, span_of(changed, i), sent));
		changed[i] ^= 0x80;
		CHECK_EQ(reads(&said, span_of(changed, answer.bytes), sent),
			 i >= free_from && i < free_from + free_bytes);
		changed[i] ^= 0x80;
	}
}

TEST(only_answers_to_what_was_sent_are_read)
{
	struct native_wish wish = wish_of(METHOD_EIP3009, 64);
	struct native_datagram request, knock;
	struct native_cookie_reply to_request, to_knock;
	struct native_receipt receipt;
	struct native_opened opened;
	struct native_said said;

	CHECK(native_client_request(&request, &wish, signer));
	CHECK(native_client_knock(&knock, CHAIN_ID, NOW_S + 300, NULL, signer));
	make_answers(&to_request, &to_knock, &receipt, &opened, &request, &knock);
	check_strict(span_of(&to_request, 24), 8, 8, &request);
	check_strict(span_of(&to_knock, 24), 8, 8, &knock);
	check_strict(span_of(&opened, 32), 16, 16, &knock);
	CHECK(!reads(&said, span_of(&to_knock, 24), &request));
	CHECK(!reads(&said, span_of(&to_request, 24), &knock));
	CHECK(!reads(&said, span_of(&receipt, 64), &knock));
	CHECK(!reads(&said, span_of(&opened, 32), &request));
	CHECK(!reads(&said, span_of(request.at, request.bytes), &request)); /* an echo */
	CHECK(!reads(&said, span_of(knock.at, knock.bytes), &knock));
	CHECK(!reads(&said, SPAN(""), &knock));

	CHECK(reads(&said, span_of(&receipt, 64), &request));
	CHECK_EQ(said.kind, NATIVE_RECEIPT);
	CHECK_EQ(said.receipt.id[0], 0x1d);
	CHECK_EQ(said.receipt.reason, REPLAYED);
	CHECK_EQ(said.receipt.place, 3);
	CHECK(reads(&said, span_of(&opened, 32), &knock));
	CHECK_EQ(said.kind, NATIVE_OPENED);
	CHECK_EQ(said.opened.until_s, NOW_S + 300);
	CHECK_BYTES(said.opened.source, opened.source, 16);
	CHECK(reads(&said, span_of(&to_knock, 24), &knock));
	CHECK_EQ(said.kind, NATIVE_COOKIE_REPLY);
	CHECK_BYTES(said.cookie, cookie, 8);
}

/* A receipt's id, reason and place may be anything; its nonce and its zeros may not. */
TEST(a_receipt_is_for_one_nonce)
{
	struct native_wish wish = wish_of(METHOD_PERMIT2, 64);
	struct native_datagram request;
	struct native_receipt receipt = {.head = head_of(NATIVE_RECEIPT, 0, 64)};
	struct native_said said;

	CHECK(native_client_request(&request, &wish, signer));
	memcpy(receipt.nonce, request.at + 88, 32);
	for (size_t i = 0; i < sizeof(receipt); i++) {
		bool any = (i >= 8 && i < 24) || i == 56 || i == 57 || i >= 60;
		((uint8_t *)&receipt)[i] ^= 1;
		CHECK_EQ(reads(&said, span_of(&receipt, 64), &request), any);
		((uint8_t *)&receipt)[i] ^= 1;
	}
	for (size_t bytes = 0; bytes < sizeof(receipt); bytes++)
		CHECK(!reads(&said, span_of(&receipt, bytes), &request));
	sign_fini(signer);
}

CHECK_MAIN
