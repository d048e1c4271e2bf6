// SPDX-License-Identifier: Apache-2.0
#include "knock.c"

#include "check.h"
#include "guard.h"
#include "native_client.h"
#include "sign.h"

#define NOW_S 1740672090u
#define CHAIN_ID 84532u
#define OPEN_S 300u
#define EPOCH 1000u

static const uint8_t key[32] = {[0 ... 31] = 0x42}, another_key[32] = {[0 ... 31] = 0x43}, seed[32] = {1};
static const uint8_t cookie_key[16] = {0xc0, [15] = 0x0c};
static const struct knock_from home = {
	.cookie_key = cookie_key, .source = {[10] = 0xff, 0xff, 10, 77, 0, 2}, .port = 41000, .epoch = EPOCH};

static struct knock_terms terms;
static struct verifier *verifier;
static struct signer *signer;

static void start(void)
{
	const struct offer offers[] = {{.chain_id = 8453}, {.chain_id = CHAIN_ID}, {.chain_id = 8453}};

	if (signer != NULL)
		return;
	knock_terms_init(&terms, offers, 3, OPEN_S);
	verifier = verify_init(&(struct verify_config){.seed = seed, .engine = ENGINE_SECP256K1, .repeat_cnt = 16});
	signer = sign_init(key, seed);
	CHECK_NEED(verifier != NULL && signer != NULL);
}

/* A knock signed with the cookie that this source has. */
static struct native_datagram signed_knock(const struct knock_from *from, uint64_t chain_id, uint64_t until_s)
{
	struct native_datagram datagram;
	uint64_t cookie = native_cookie(from->cookie_key, from->source, from->port, from->epoch);
	uint8_t bytes[8];

	memcpy(bytes, &cookie, sizeof(bytes));
	CHECK(native_client_knock(&datagram, chain_id, until_s, bytes, signer));
	return datagram;
}

static enum reason reads(struct knock *knock, const struct native_datagram *datagram, const struct knock_from *from,
			 uint64_t now_s)
{
	struct guard guard;
	struct span copy = guard_copy(&guard, datagram->at, datagram->bytes);
	enum reason reason = native_form((const void *)copy.at, copy.at + copy.bytes, (uint32_t)copy.bytes);

	if (reason == REASON_OK)
		reason = knock_read(knock, copy, from, &terms, now_s);
	guard_free(&guard);
	return reason;
}

static enum reason verdict_of(const struct knock *knock)
{
	struct verify_item item;

	knock_item(&item, knock);
	verify_batch(verifier, &item, 1);
	return item.verdict;
}

TEST(a_listed_payers_knock_opens_his_address)
{
	struct native_opened opened;
	struct native_datagram sent;
	struct native_said said;
	struct address payer;
	struct knock knock;

	start();
	sent = signed_knock(&home, CHAIN_ID, NOW_S + 60);
	CHECK_EQ(reads(&knock, &sent, &home, NOW_S), REASON_OK);
	sign_address(signer, &payer);
	CHECK_BYTES(&knock.payer, &payer, sizeof(payer));
	CHECK_EQ(knock.until_s, NOW_S + 60);
	CHECK_EQ(verdict_of(&knock), REASON_OK);
	knock_opened(&opened, &knock, home.source);
	CHECK(sizeof(opened) <= sent.bytes);
	CHECK(native_client_read(&said, span_of(&opened, sizeof(opened)), &sent));
	CHECK_EQ(said.kind, NATIVE_OPENED);
	CHECK_EQ(said.opened.until_s, NOW_S + 60);
	CHECK_BYTES(said.opened.source, home.source, 16);
}

TEST(each_bound_from_both_sides)
{
	static const struct {
		const char *name;
		uint64_t chain_id, until_s, now_s;
		enum reason want;
	} rows[] = {
		{"a second is left", CHAIN_ID, NOW_S + 1, NOW_S, REASON_OK},
		{"none is", CHAIN_ID, NOW_S, NOW_S, NATIVE_EXPIRED},
		{"long ago", CHAIN_ID, 0, NOW_S, NATIVE_EXPIRED},
		{"the longest", CHAIN_ID, NOW_S + OPEN_S, NOW_S, REASON_OK},
		{"a second longer", CHAIN_ID, NOW_S + OPEN_S + 1, NOW_S, NATIVE_FAR},
		{"for ever", CHAIN_ID, UINT64_MAX, NOW_S, NATIVE_FAR},
		{"for ever, at the end of time", CHAIN_ID, UINT64_MAX, UINT64_MAX - 1, REASON_OK},
		{"the other chain", 8453, NOW_S + 1, NOW_S, REASON_OK},
		{"a chain of nobody's", 1, NOW_S + 1, NOW_S, NATIVE_CHAIN},
		{"chain 0", 0, NOW_S + 1, NOW_S, NATIVE_CHAIN},
		{"a chain in its low half", CHAIN_ID | 1ull << 32, NOW_S + 1, NOW_S, NATIVE_CHAIN},
	};
	struct knock knock;

	start();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct native_datagram sent = signed_knock(&home, rows[i].chain_id, rows[i].until_s);
		CHECK_ROW(reads(&knock, &sent, &home, rows[i].now_s) == rows[i].want, rows[i].name);
	}
}

TEST(a_knock_is_good_from_one_source)
{
	struct knock_from other = home;
	struct native_datagram sent;
	struct knock knock;
	uint8_t other_key[16];

	start();
	sent = signed_knock(&home, CHAIN_ID, NOW_S + 60);
	for (size_t i = 0; i < sizeof(other.source); i++) {
		other.source[i] ^= 1;
		CHECK_EQ(reads(&knock, &sent, &other, NOW_S), NATIVE_COOKIE);
		other.source[i] ^= 1;
	}
	other.port++;
	CHECK_EQ(reads(&knock, &sent, &other, NOW_S), NATIVE_COOKIE);
	other = home;
	memcpy(other_key, cookie_key, sizeof(other_key));
	other_key[3] ^= 1;
	other.cookie_key = other_key; /* another node */
	CHECK_EQ(reads(&knock, &sent, &other, NOW_S), NATIVE_COOKIE);
}

/* In its epoch, in the next, and never again. */
TEST(a_cookie_ends)
{
	struct knock_from later = home;
	struct native_datagram sent;
	struct knock knock;

	start();
	sent = signed_knock(&home, CHAIN_ID, NOW_S + 60);
	later.epoch = EPOCH + 1;
	CHECK_EQ(reads(&knock, &sent, &later, NOW_S), REASON_OK);
	later.epoch = EPOCH + 2;
	CHECK_EQ(reads(&knock, &sent, &later, NOW_S), NATIVE_COOKIE);
	later.epoch = EPOCH - 1;
	CHECK_EQ(reads(&knock, &sent, &later, NOW_S), NATIVE_COOKIE);
}

TEST(without_a_cookie_one_is_asked_for_whatever_else_is_wrong)
{
	struct native_datagram sent;
	struct knock knock;

	start();
	CHECK(native_client_knock(&sent, 1, 0, NULL, signer));
	CHECK_EQ(reads(&knock, &sent, &home, NOW_S), NATIVE_COOKIE);
}

/* What is signed may not change: chain, payer, until; nor the signature.  The cookie's change shows before. */
TEST(each_changed_byte_is_refused)
{
	struct native_datagram sent;
	struct knock knock;

	start();
	sent = signed_knock(&home, CHAIN_ID, NOW_S + 60);
	for (size_t i = 0; i < sent.bytes; i++) {
		for (unsigned bit = 1; bit < 256; bit *= 2) {
			sent.at[i] ^= (uint8_t)bit;
			enum reason reason = reads(&knock, &sent, &home, NOW_S);
			if (reason == REASON_OK)
				reason = verdict_of(&knock);
			CHECK(reason != REASON_OK);
			sent.at[i] ^= (uint8_t)bit;
		}
	}
	CHECK_EQ(reads(&knock, &sent, &home, NOW_S), REASON_OK);
	CHECK_EQ(verdict_of(&knock), REASON_OK);
}

TEST(another_keys_signature_is_bad)
{
	struct signer *stranger = sign_init(another_key, seed);
	struct native_datagram sent;
	struct knock knock;
	struct word digest;

	start();
	sent = signed_knock(&home, CHAIN_ID, NOW_S + 60);
	CHECK_EQ(reads(&knock, &sent, &home, NOW_S), REASON_OK);
	hash_knock(&digest, CHAIN_ID, &knock.payer, knock.wire.cookie, knock.until_s);
	CHECK(sign_digest(stranger, knock.wire.signature, &digest));
	CHECK_EQ(verdict_of(&knock), SIGNATURE_BAD);
	CHECK(sign_digest(signer, knock.wire.signature, &digest));
	CHECK_EQ(verdict_of(&knock), REASON_OK);
	knock.wire.signature[64] = (uint8_t)(knock.wire.signature[64] - 27); /* one spelling only */
	CHECK_EQ(verdict_of(&knock), SIGNATURE_FORM);
	sign_fini(stranger);
	sign_fini(signer);
	verify_fini(verifier);
}

CHECK_MAIN
