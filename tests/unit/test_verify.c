// SPDX-License-Identifier: Apache-2.0
#include "verify.c"

#include "check.h"
#include "random.h"
#include "sign.h"
#include "vectors.h"
#include "verifier.h"

/* By libsecp256k1; and, where the CPU has it, by the eight-lane engine: two of a kind, so that it does not leave them to
 * the other. */
static enum reason verdict_of(const struct word *digest, const uint8_t *signature, const struct address *payer,
			      uint8_t method)
{
	struct verify_item items[2];
	enum reason verdict = REASON_OK;

	for (int engine = ENGINE_SECP256K1; engine <= (int)verify_engine_best(); engine++) {
		struct verifier *verifier = open_verifier((enum verify_engine)engine, 0);
		for (int i = 0; i < 2; i++)
			items[i] = (struct verify_item){
				.digest = *digest, .signature = signature, .payer = *payer, .method = method};
		verify_batch(verifier, items, 2);
		CHECK_EQ(items[0].verdict, items[1].verdict);
		CHECK(engine == ENGINE_SECP256K1 || items[0].verdict == verdict);
		verdict = items[0].verdict;
		verify_fini(verifier);
	}
	return verdict;
}

/* Signatures of x402's three methods by private key 0x42 repeated 32 times, computed with viem 2.48.11. */
static const struct {
	uint8_t method;
	const char *digest, *signature;
} known[] = {
	{METHOD_EIP3009, "0x7acc855298b8e2199ffb94408a17df412aa47b25fbe5f32830d418af8d4bace3",
	 "0xee9514c008c121a8b9d96bb1a47942abee5d54b1c9ce80133294b356eb22175728ac57747e4f47daf649f4714a6f2eff826e85eb3de"
	 "7cc0"
	 "a4f5f583915c8db901c"},
	{METHOD_PERMIT2, "0x21528e1468aac114016416353e2309329f217dc180b21baa1d81cde941095685",
	 "0xba1477316b1b42741ddf4a83393635180b2a7b24046a248e0a0fd832ac36720c73b6f9fa9bb199f0aadea73dadd69d27099a1f8d0a2"
	 "818e"
	 "4b4aa3858f38967561c"},
	{METHOD_UPTO, "0xeec9e0575243bd341283ba86b6d474ba2325a667c34e2318ec9de3e66a3f6c2d",
	 "0xc357dac88bca8a91f8f1a1d3dceaec5e193e7f5d801dfcd242f291779886cc3644ffc591a712d797a28b34ba093a565295323afd77f"
	 "d07f"
	 "ae5b52a8fc396cb121c"},
};
#define KNOWN_CNT (sizeof(known) / sizeof(*known))

static void load_known(size_t i, struct word *digest, uint8_t signature[65], struct address *payer)
{
	ASSERT(hex_decode(digest->at, 32, span_str(known[i].digest)));
	ASSERT(hex_decode(signature, 65, span_str(known[i].signature)));
	ASSERT(hex_decode(payer->at, 20, SPAN("0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025")));
}

TEST(known_signatures)
{
	for (size_t i = 0; i < KNOWN_CNT; i++) {
		struct word digest;
		struct address payer;
		uint8_t signature[65];
		load_known(i, &digest, signature, &payer);
		CHECK_EQ(verdict_of(&digest, signature, &payer, known[i].method), REASON_OK);
	}
}

TEST(one_bit_anywhere)
{
	for (size_t i = 0; i < KNOWN_CNT; i++) {
		struct word digest;
		struct address payer;
		uint8_t signature[65];
		load_known(i, &digest, signature, &payer);
		for (unsigned bit = 0; bit < 64 * 8; bit += 5) {
			signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
			enum reason reason = verdict_of(&digest, signature, &payer, known[i].method);
			CHECK(reason == SIGNATURE_BAD || reason == SIGNATURE_FORM);
			signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		for (unsigned bit = 0; bit < 256; bit += 17) {
			digest.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
			CHECK_EQ(verdict_of(&digest, signature, &payer, known[i].method), SIGNATURE_BAD);
			digest.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		for (unsigned bit = 0; bit < 160; bit += 11) {
			payer.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
			CHECK_EQ(verdict_of(&digest, signature, &payer, known[i].method), SIGNATURE_BAD);
			payer.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

TEST(every_v)
{
	for (size_t i = 0; i < KNOWN_CNT; i++) {
		struct word digest;
		struct address payer;
		uint8_t signature[65];
		load_known(i, &digest, signature, &payer); /* all three have v 28 */
		for (unsigned v = 0; v < 256; v++) {
			enum reason want = SIGNATURE_FORM;
			if (v == 28 || (v == 1 && known[i].method == METHOD_EIP3009))
				want = REASON_OK;
			else if (v == 27 || (v == 0 && known[i].method == METHOD_EIP3009))
				want = SIGNATURE_BAD;
			signature[64] = (uint8_t)v;
			CHECK_EQ(verdict_of(&digest, signature, &payer, known[i].method), want);
		}
	}
}

/* group order - s: the other signature of the same message, as good to the curve. */
static void turn_s(uint8_t s[32])
{
	int borrow = 0;

	for (int i = 31; i >= 0; i--) {
		int difference = group_order[i] - s[i] - borrow;
		borrow = difference < 0;
		s[i] = (uint8_t)(difference + (borrow ? 256 : 0));
	}
}

TEST(high_s_is_refused_though_the_library_takes_it)
{
	for (size_t i = 0; i < KNOWN_CNT; i++) {
		struct verifier *verifier = open_verifier(verify_engine_best(), 0);
		struct verify_item item = {.method = known[i].method};
		struct address payer;
		uint8_t signature[65], key[64], hash[32];
		load_known(i, &item.digest, signature, &payer);
		item.signature = signature;
		turn_s(signature + 32);
		signature[64] = 27;
		CHECK(recover(verifier, key, &item, 0));
		keccak256(hash, key, sizeof(key));
		CHECK_BYTES(hash + ADDRESS_AT, payer.at, sizeof(payer.at));
		CHECK_EQ(verdict_of(&item.digest, signature, &payer, known[i].method), SIGNATURE_FORM);
		verify_fini(verifier);
	}
}

TEST(half_order_is_half)
{
	uint8_t s[32];

	memcpy(s, half_order, sizeof(s));
	turn_s(s); /* n is odd: n - (n - 1) / 2 = (n - 1) / 2 + 1 */
	s[31]--;
	CHECK_BYTES(s, half_order, 32);
}

TEST(range_edges)
{
	static const char zeros[] = "0x0000000000000000000000000000000000000000000000000000000000000000";
	static const char order[] = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
	static const char last[] = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140";
	static const char half[] = "0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";
	static const char above[] = "0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1";
	static const char ones[] = "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
	static const struct {
		const char *r, *s; /* NULL: as signed */
		enum reason reason;
	} rows[] = {
		{zeros, NULL, SIGNATURE_FORM}, {order, NULL, SIGNATURE_FORM},  {ones, NULL, SIGNATURE_FORM},
		{last, NULL, SIGNATURE_BAD},   {NULL, zeros, SIGNATURE_FORM},  {NULL, order, SIGNATURE_FORM},
		{NULL, ones, SIGNATURE_FORM},  {NULL, last, SIGNATURE_FORM},   {NULL, above, SIGNATURE_FORM},
		{NULL, half, SIGNATURE_BAD},   {zeros, zeros, SIGNATURE_FORM},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct word digest;
		struct address payer;
		uint8_t signature[65];
		load_known(0, &digest, signature, &payer);
		if (rows[i].r != NULL)
			CHECK(hex_decode(signature, 32, span_str(rows[i].r)));
		if (rows[i].s != NULL)
			CHECK(hex_decode(signature + 32, 32, span_str(rows[i].s)));
		CHECK_EQ(verdict_of(&digest, signature, &payer, METHOD_EIP3009), rows[i].reason);
	}
}

/* A failed recovery must not compare equal to a payer of zeros, nor a good signature help one. */
TEST(zero_payer)
{
	struct address payer, nobody = {{0}};
	struct word digest;
	uint8_t signature[65], nothing[65] = {0};

	load_known(0, &digest, signature, &payer);
	CHECK_EQ(verdict_of(&digest, signature, &nobody, METHOD_EIP3009), PAYER_ZERO);
	CHECK_EQ(verdict_of(&digest, nothing, &nobody, METHOD_EIP3009), PAYER_ZERO);
	memset(nothing, 5, 64); /* may recover or not */
	CHECK_EQ(verdict_of(&digest, nothing, &nobody, METHOD_UPTO), PAYER_ZERO);
}

TEST(generated_vectors)
{
	struct verifier *verifier = open_verifier(verify_engine_best(), 0);
	struct vectors vectors;
	struct vector vector;
	unsigned cnt = 0;

	vectors_open(&vectors, "tests/vectors/eip712.json", "vectors");
	for (; vectors_next(&vectors, &vector); cnt++) {
		struct payment payment;
		vector_payment(&payment, &vector);
		struct verify_item item = {
			.signature = payment.signature, .payer = payment.from, .method = payment.method};
		vector_bytes(item.digest.at, 32, &vector, "digest");
		verify_batch(verifier, &item, 1);
		CHECK_EQ(item.verdict, REASON_OK);
	}
	vectors_close(&vectors);
	verify_fini(verifier);
	CHECK(cnt >= 72);
}

TEST(signer_gives_what_viem_gives)
{
	uint8_t key[32], signature[65], want[65];
	struct address address, payer;
	struct word digest;

	memset(key, 0x42, sizeof(key));
	struct signer *signer = sign_init(key, seed);
	sign_address(signer, &address);
	for (size_t i = 0; i < KNOWN_CNT; i++) {
		load_known(i, &digest, want, &payer);
		CHECK(sign_digest(signer, signature, &digest));
		CHECK_BYTES(signature, want, 65);
		CHECK_BYTES(address.at, payer.at, 20);
	}
	sign_fini(signer);
}

TEST(signer_refuses_what_is_no_key)
{
	uint8_t key[32] = {0};

	CHECK(sign_init(key, seed) == NULL);
	CHECK(sign_init(group_order, seed) == NULL);
	memset(key, 0xff, sizeof(key));
	CHECK(sign_init(key, seed) == NULL);
	sign_fini(NULL);
}

/* Good and bad items mixed: every verdict is the item's own, whatever stands beside it. */
TEST(batch_items_are_independent)
{
	enum { ITEMS = 64 };
	struct verify_item items[ITEMS];
	uint8_t signatures[ITEMS][65];
	enum reason want[ITEMS];

	random_start("verify batch");
	for (size_t i = 0; i < ITEMS; i++) {
		uint8_t key[32];
		random_bytes(key, sizeof(key));
		key[0] &= 0x7f;
		struct signer *signer = sign_init(key, seed);
		items[i] = (struct verify_item){.signature = signatures[i], .method = (uint8_t)(1 + random_below(3))};
		random_bytes(items[i].digest.at, 32);
		sign_address(signer, &items[i].payer);
		CHECK(sign_digest(signer, signatures[i], &items[i].digest));
		sign_fini(signer);
		want[i] = REASON_OK;
		switch (random_below(4)) {
		case 0:
			items[i].digest.at[random_below(32)] ^= 1;
			want[i] = SIGNATURE_BAD;
			break;
		case 1:
			turn_s(signatures[i] + 32);
			want[i] = SIGNATURE_FORM;
			break;
		case 2:
			memset(&items[i].payer, 0, sizeof(items[i].payer));
			want[i] = PAYER_ZERO;
			break;
		default:
			break;
		}
	}
	for (int engine = ENGINE_SECP256K1; engine <= (int)verify_engine_best(); engine++) {
		struct verifier *verifier = open_verifier((enum verify_engine)engine, 0);
		verify_batch(verifier, items, ITEMS);
		for (size_t i = 0; i < ITEMS; i++)
			CHECK_EQ(items[i].verdict, want[i]);
		verify_batch(verifier, NULL, 0);
		verify_fini(verifier);
	}
}

CHECK_MAIN
