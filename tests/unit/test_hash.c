// SPDX-License-Identifier: Apache-2.0
#include "hash.c"

#include "check.h"
#include "random.h"
#include "vectors.h"

static struct word word_of(const char *hex)
{
	struct word word = {{0}};

	ASSERT(hex_decode(word.at, 32, span_str(hex)));
	return word;
}

static struct address address_of(const char *hex)
{
	struct address address = {{0}};

	ASSERT(hex_decode(address.at, 20, span_str(hex)));
	return address;
}

static struct word decimal_of(const char *digits)
{
	struct word word = {{0}};

	ASSERT(u256_decimal(word.at, span_str(digits)));
	return word;
}

#define PERMIT_TYPE                                                                                                    \
	"PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,Witness " \
	"witness)"
#define PERMITTED_TYPE "TokenPermissions(address token,uint256 amount)"
#define EXACT_WITNESS_TYPE "Witness(address to,uint256 validAfter)"
#define UPTO_WITNESS_TYPE "Witness(address to,address facilitator,uint256 validAfter)"

TEST(constants_are_the_hashes_of_their_texts)
{
	static const struct {
		const struct word *constant;
		const char *text;
	} rows[] = {
		{&token_domain_type,
		 "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"},
		{&permit2_domain_type, "EIP712Domain(string name,uint256 chainId,address verifyingContract)"},
		{&transfer_type, "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,"
				 "uint256 validBefore,bytes32 nonce)"},
		{&permitted_type, PERMITTED_TYPE},
		{&exact_witness_type, EXACT_WITNESS_TYPE},
		{&upto_witness_type, UPTO_WITNESS_TYPE},
		{&exact_permit_type, PERMIT_TYPE PERMITTED_TYPE EXACT_WITNESS_TYPE},
		{&upto_permit_type, PERMIT_TYPE PERMITTED_TYPE UPTO_WITNESS_TYPE},
		{&permit2_name, "Permit2"},
		{&knock_domain_type, "EIP712Domain(string name,string version,uint256 chainId)"},
		{&knock_type, "Knock(address payer,bytes8 cookie,uint64 until)"},
		{&knock_name, "tollbar"},
		{&knock_version, "1"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct word hash = hash_text(rows[i].text);
		CHECK_ROW(memcmp(&hash, rows[i].constant, sizeof(hash)) == 0, rows[i].text);
	}
}

/* Separators that stand on chain: DOMAIN_SEPARATOR() of USDC on Base and Base Sepolia, and of Permit2. */
TEST(separators_of_deployed_contracts)
{
	static const struct {
		uint8_t method;
		uint64_t chain_id;
		const char *name, *version, *asset, *separator;
	} rows[] = {
		{METHOD_EIP3009, 84532, "USDC", "2", "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
		 "0x71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818"},
		{METHOD_EIP3009, 8453, "USD Coin", "2", "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
		 "0x02fa7265e7c5d81118673727957699e4d68f74cd74b7db77da710fe8a2c7834f"},
		{METHOD_PERMIT2, 8453, "", "", "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
		 "0x3b6f35e4fce979ef8eac3bcdc8c3fc38fe7911bb0c69c8fe72bf1fd1a17e6f07"},
		{METHOD_UPTO, 84532, "ignored", "ignored", "0xFbC2051AE2265686a469421b2C5A2D5462FbF5eB",
		 "0x010f27a92fb9a32622f44f001dc4d15706a85b33499cfc2ce9033113ab26592c"},
		{METHOD_UPTO, 1, "", "", "0xFbC2051AE2265686a469421b2C5A2D5462FbF5eB",
		 "0x866a5aba21966af95d6c7ab78eb2b2fc913915c28be3b9aa07cc04ff903e3f28"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct offer offer = {
			.method = rows[i].method, .chain_id = rows[i].chain_id, .asset = address_of(rows[i].asset)};
		struct word separator, want = word_of(rows[i].separator);
		snprintf(offer.token_name, sizeof(offer.token_name), "%s", rows[i].name);
		snprintf(offer.token_version, sizeof(offer.token_version), "%s", rows[i].version);
		hash_domain(&separator, &offer);
		CHECK_ROW(memcmp(&separator, &want, sizeof(want)) == 0, rows[i].separator);
	}
}

static struct payment known_payment(unsigned method)
{
	return (struct payment){
		.method = (uint8_t)method,
		.from = address_of("0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025"),
		.to = address_of("0x209693Bc6afc0C5328bA36FaF03C514EF312287C"),
		.amount = decimal_of("10000"),
		.valid_after = decimal_of("1740672089"),
		.deadline = decimal_of("1740672154"),
		.token = address_of("0x036CbD53842c5426634e7929541eC2318f3dCF7e"),
	};
}

static void check_digest(const struct payment *payment, const char *separator, const char *digest)
{
	struct word got, domain = word_of(separator), want = word_of(digest);

	hash_payment(&got, payment, &domain);
	CHECK_ROW(memcmp(&got, &want, sizeof(want)) == 0, digest);
}

/* Computed once with viem 2.48.11 and written down here, so that the generator cannot be wrong along with us. */
TEST(known_digests)
{
	struct payment payment = known_payment(METHOD_EIP3009);

	payment.nonce = word_of("0xf3746613c2d920b5fdabc0856f2aeb2d4f88ee6037b8cc5d04a71a4462f13480");
	check_digest(&payment, "0x71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818",
		     "0x7acc855298b8e2199ffb94408a17df412aa47b25fbe5f32830d418af8d4bace3");

	payment = known_payment(METHOD_PERMIT2);
	payment.nonce = decimal_of("33247007178036348590600198031289925668252061821958005840077069883511451257277");
	payment.spender = address_of("0x402085c248EeA27D92E8b30b2C58ed07f9E20001");
	check_digest(&payment, "0x010f27a92fb9a32622f44f001dc4d15706a85b33499cfc2ce9033113ab26592c",
		     "0x21528e1468aac114016416353e2309329f217dc180b21baa1d81cde941095685");

	payment = known_payment(METHOD_UPTO);
	payment.token = address_of("0xFbC2051AE2265686a469421b2C5A2D5462FbF5eB");
	payment.amount = decimal_of("100000000000000000");
	payment.nonce = decimal_of("1");
	payment.valid_after = decimal_of("0");
	payment.spender = address_of("0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002");
	payment.facilitator = address_of("0x1111111111111111111111111111111111111111");
	check_digest(&payment, "0x3b6f35e4fce979ef8eac3bcdc8c3fc38fe7911bb0c69c8fe72bf1fd1a17e6f07",
		     "0xeec9e0575243bd341283ba86b6d474ba2325a667c34e2318ec9de3e66a3f6c2d");
}

TEST(generated_vectors)
{
	struct vectors vectors;
	struct vector vector;
	unsigned cnt = 0;

	vectors_open(&vectors, "tests/vectors/eip712.json", "vectors");
	for (; vectors_next(&vectors, &vector); cnt++) {
		struct word separator, hash, digest, want = {{0}};
		struct payment payment;
		struct offer offer;
		char name[64];
		snprintf(name, sizeof(name), "%.*s", (int)vector_text(&vector, "name").bytes,
			 (const char *)vector_text(&vector, "name").at);
		vector_offer(&offer, &vector);
		vector_payment(&payment, &vector);
		hash_domain(&separator, &offer);
		vector_bytes(want.at, 32, &vector, "separator");
		CHECK_ROW(memcmp(&separator, &want, sizeof(want)) == 0, name);
		hash_struct(&hash, &payment);
		vector_bytes(want.at, 32, &vector, "struct");
		CHECK_ROW(memcmp(&hash, &want, sizeof(want)) == 0, name);
		hash_payment(&digest, &payment, &separator);
		vector_bytes(want.at, 32, &vector, "digest");
		CHECK_ROW(memcmp(&digest, &want, sizeof(want)) == 0, name);
	}
	vectors_close(&vectors);
	CHECK(cnt >= 72);
}

/* Every signed field reaches the digest, and the fields a method does not sign do not. */
TEST(each_field_counts)
{
	static const struct {
		size_t offset, bytes;
		bool eip3009, permit2, upto;
	} fields[] = {
		{offsetof(struct payment, from), 20, true, false, false},
		{offsetof(struct payment, to), 20, true, true, true},
		{offsetof(struct payment, amount), 32, true, true, true},
		{offsetof(struct payment, valid_after), 32, true, true, true},
		{offsetof(struct payment, deadline), 32, true, true, true},
		{offsetof(struct payment, nonce), 32, true, true, true},
		{offsetof(struct payment, token), 20, false, true, true},
		{offsetof(struct payment, spender), 20, false, true, true},
		{offsetof(struct payment, facilitator), 20, false, false, true},
		{offsetof(struct payment, signature), 65, false, false, false},
		{offsetof(struct payment, accepted), sizeof(((struct payment *)0)->accepted), false, false, false},
	};
	const struct word separator = {{1}};

	for (unsigned method = METHOD_EIP3009; method <= METHOD_UPTO; method++) {
		struct payment payment = known_payment(method);
		struct word before, after;
		hash_payment(&before, &payment, &separator);
		for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
			bool counts = method == METHOD_EIP3009	 ? fields[i].eip3009
				      : method == METHOD_PERMIT2 ? fields[i].permit2
								 : fields[i].upto;
			for (size_t k = 0; k < fields[i].bytes; k++) {
				struct payment changed = payment;
				((uint8_t *)&changed)[fields[i].offset + k] ^= 1;
				hash_payment(&after, &changed, &separator);
				CHECK((memcmp(&before, &after, sizeof(before)) != 0) == counts);
			}
		}
	}
}

#define MANY 70

/* Every digest of a batch is its payment's own, whatever stands beside it. */
static void check_batch(const struct payment payments[], const struct word separators[], size_t cnt)
{
	struct word together[MANY + 1], alone;
	struct hash_job jobs[MANY] = {{0}}; /* cnt may be zero */

	memset(together, 0x5a, sizeof(together));
	for (size_t i = 0; i < cnt; i++)
		jobs[i] = (struct hash_job){&payments[i], &separators[i], &together[i]};
	hash_payments(jobs, cnt);
	for (size_t i = 0; i < cnt; i++) {
		hash_payment(&alone, &payments[i], &separators[i]);
		CHECK_BYTES(&together[i], &alone, sizeof(alone));
	}
	memset(&alone, 0x5a, sizeof(alone));
	CHECK_BYTES(&together[cnt], &alone, sizeof(alone));
}

TEST(batches_of_every_size)
{
	static struct payment payments[MANY];
	static struct word separators[MANY];

	random_start("hash batches");
	for (unsigned method = METHOD_NONE; method <= METHOD_UPTO; method++) /* METHOD_NONE: any */
		for (size_t cnt = 0; cnt <= MANY; cnt++) {
			random_bytes((uint8_t *)payments, sizeof(payments));
			random_bytes((uint8_t *)separators, sizeof(separators));
			for (size_t i = 0; i < cnt; i++)
				payments[i].method = (uint8_t)(method != METHOD_NONE ? method : 1 + random_below(3));
			check_batch(payments, separators, cnt);
		}
}

/* Those with known digests, in one batch. */
TEST(generated_vectors_together)
{
	static struct payment payments[128];
	static struct word separators[128], want[128], got[128];
	static struct hash_job jobs[128];
	struct vectors vectors;
	struct vector vector;
	size_t cnt = 0;

	vectors_open(&vectors, "tests/vectors/eip712.json", "vectors");
	for (; cnt < 128 && vectors_next(&vectors, &vector); cnt++) {
		vector_payment(&payments[cnt], &vector);
		vector_bytes(separators[cnt].at, 32, &vector, "separator");
		vector_bytes(want[cnt].at, 32, &vector, "digest");
		jobs[cnt] = (struct hash_job){&payments[cnt], &separators[cnt], &got[cnt]};
	}
	vectors_close(&vectors);
	CHECK(cnt >= 72);
	hash_payments(jobs, cnt);
	for (size_t i = 0; i < cnt; i++)
		CHECK_BYTES(&got[i], &want[i], sizeof(got[i]));
}

TEST(knocks)
{
	struct vectors vectors;
	struct vector vector;
	unsigned cnt = 0;

	vectors_open(&vectors, "tests/vectors/native.json", "knocks");
	for (; vectors_next(&vectors, &vector); cnt++) {
		struct address payer;
		struct word digest, want;
		uint8_t cookie[8];
		vector_bytes(payer.at, sizeof(payer), &vector, "payer");
		vector_bytes(cookie, sizeof(cookie), &vector, "cookie");
		vector_bytes(want.at, sizeof(want), &vector, "digest");
		hash_knock(&digest, vector_u64(&vector, "chainId"), &payer, cookie, vector_u64(&vector, "until"));
		CHECK_BYTES(&digest, &want, sizeof(want));
	}
	vectors_close(&vectors);
	CHECK(cnt >= 5);
}

/* Every byte of a knock reaches its digest. */
TEST(each_field_of_a_knock_counts)
{
	struct {
		uint64_t chain_id, until_s;
		struct address payer;
		uint8_t cookie[8];
	} knock = {
		84532, 1740672154, address_of("0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025"), {1, 2, 3, 4, 5, 6, 7, 8}};
	struct word before, after;

	hash_knock(&before, knock.chain_id, &knock.payer, knock.cookie, knock.until_s);
	for (size_t i = 0; i < offsetof(typeof(knock), cookie) + sizeof(knock.cookie); i++) {
		((uint8_t *)&knock)[i] ^= 1;
		hash_knock(&after, knock.chain_id, &knock.payer, knock.cookie, knock.until_s);
		CHECK(memcmp(&before, &after, sizeof(before)) != 0);
		((uint8_t *)&knock)[i] ^= 1;
	}
}

CHECK_MAIN
