// SPDX-License-Identifier: Apache-2.0
/* The engine from outside: verdicts by libsecp256k1. */
#include "ec/ec.c"

#include "base/hex.h"
#include "ec_oracle.h"

#define SAMPLES 150
#define WINDOWS 6

static const unsigned windows[WINDOWS] = {4, 5, 6, 7, 8, 13};
static const char order_n[] = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
static const char half_n[] = "0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";

/* One signature, its signer, and the signer's table. */
struct sample {
	uint8_t digest[32], signature[64], address[20], key[64], secret[32];
	unsigned recovery_id, window;
	void *table;
};

static struct ec_workspace *lanes, *portable; /* lanes: NULL without AVX-512 IFMA */
static struct sample samples[SAMPLES];
static struct ec_item item[SAMPLES], *items[SAMPLES];

static void set_key(struct sample *sample, const secp256k1_pubkey *key)
{
	oracle_bytes(sample->key, key);
	oracle_address(sample->address, sample->key);
}

/* Whoever libsecp256k1 says made the signature is the signer; false: nobody. */
static bool adopt_signer(struct sample *sample)
{
	if (!oracle_recover(sample->key, sample->signature, sample->recovery_id, sample->digest))
		return false;
	oracle_address(sample->address, sample->key);
	return true;
}

static void random_secret(uint8_t secret[32])
{
	do
		random_bytes(secret, 32);
	while (!secp256k1_ec_seckey_verify(oracle, secret));
}

static void sign(struct sample *sample)
{
	secp256k1_ecdsa_recoverable_signature signature;
	secp256k1_pubkey key;
	int id;

	CHECK_NEED(secp256k1_ec_pubkey_create(oracle, &key, sample->secret));
	set_key(sample, &key);
	CHECK_NEED(secp256k1_ecdsa_sign_recoverable(oracle, &signature, sample->digest, sample->secret, NULL, NULL));
	secp256k1_ecdsa_recoverable_signature_serialize_compact(oracle, sample->signature, &id, &signature);
	sample->recovery_id = (unsigned)id;
}

/* A table with 2.6 MB takes its time: few samples have the widest window. */
static void build_table(struct sample *sample, unsigned window)
{
	const uint8_t *key = sample->key;

	free(sample->table);
	sample->window = window;
	sample->table = aligned_alloc(EC_TABLE_ALIGN, ec_table_bytes(window));
	CHECK_NEED(sample->table != NULL);
	ec_table_build(random_below(2) && lanes != NULL ? lanes : portable, &sample->table, &key, 1, window);
}

static void start(void)
{
	if (portable != NULL)
		return;
	random_start("ec");
	portable = ec_init(EC_PORTABLE);
	lanes = ec_init(EC_LANES);
	CHECK_NEED(portable != NULL && (lanes != NULL) == ec_supported());
	for (size_t i = 0; i < SAMPLES; i++) {
		random_bytes(samples[i].digest, 32);
		random_secret(samples[i].secret);
		sign(&samples[i]);
		build_table(&samples[i], i % 50 == 49 ? 13 : windows[i % 5]);
		items[i] = &item[i];
	}
}

static void set_item(struct ec_item *out, const struct sample *sample)
{
	*out = (struct ec_item){.digest = sample->digest,
				.signature = sample->signature,
				.address = sample->address,
				.table = sample->table,
				.window = (uint8_t)sample->window,
				.recovery_id = (uint8_t)sample->recovery_id,
				.verdict = 99};
}

/* From one sample on, in their order; the sample at `odd_one` has the verdict `want`, all others are good. */
static void check_batch(const struct sample *from, size_t cnt, size_t odd_one, enum ec_verdict cold,
			enum ec_verdict hot)
{
	for (int way = lanes != NULL ? 0 : 2; way < 3; way++) { /* cold, hot, and hot by the portable engine */
		for (size_t i = 0; i < cnt; i++)
			set_item(&item[i], &from[i]);
		(way == 0 ? ec_cold : ec_hot)(way < 2 ? lanes : portable, items, cnt);
		for (size_t i = 0; i < cnt; i++) {
			enum ec_verdict want = i != odd_one ? EC_GOOD : way == 0 ? cold : hot;
			CHECK_EQ(item[i].verdict, want);
			if (way == 0 && want == EC_GOOD)
				CHECK_BYTES(item[i].key, from[i].key, 64);
		}
	}
}

TEST(batches_of_any_size)
{
	start();
	for (size_t cnt = 0; cnt <= SAMPLES; cnt += cnt < 40 ? 1 : 13)
		check_batch(samples + random_below(SAMPLES - cnt + 1), cnt, SIZE_MAX, EC_GOOD, EC_GOOD);
}

/* --- one bad among good ones --- */

static void flip(uint8_t *bytes, size_t cnt)
{
	bytes[random_below(cnt)] ^= (uint8_t)(1 << random_below(8));
}

static void set_hex(uint8_t out[32], const char *hex)
{
	CHECK_NEED(hex_decode(out, 32, span_str(hex)));
}

enum spoiling {
	BIT_OF_R,
	BIT_OF_S,
	BIT_OF_DIGEST,
	PARITY,
	OVERFLOW_BIT,
	ID_4,
	ID_255,
	HIGH_S,
	ZERO_R,
	ZERO_S,
	N_AS_R,
	N_AS_S,
	ONES_AS_R,
	ONES_AS_S,
	OTHER_KEY,
	SPOILINGS,
};

static void spoil(struct sample *sample, enum spoiling how)
{
	uint8_t *r = sample->signature, *s = r + 32;

	switch (how) {
	case BIT_OF_R:
		flip(r, 32);
		break;
	case BIT_OF_S:
		flip(s, 32);
		break;
	case BIT_OF_DIGEST:
		flip(sample->digest, 32);
		break;
	case PARITY:
		sample->recovery_id ^= 1;
		break;
	case OVERFLOW_BIT:
		sample->recovery_id ^= 2;
		break;
	case ID_4:
		sample->recovery_id |= 4;
		break;
	case ID_255:
		sample->recovery_id = 255;
		break;
	case HIGH_S: /* the twin that recovers the same key */
		CHECK_NEED(secp256k1_ec_seckey_negate(oracle, s));
		sample->recovery_id ^= 1;
		break;
	case ZERO_R:
		memset(r, 0, 32);
		break;
	case ZERO_S:
		memset(s, 0, 32);
		break;
	case N_AS_R:
		set_hex(r, order_n);
		break;
	case N_AS_S:
		set_hex(s, order_n);
		break;
	case ONES_AS_R:
		memset(r, 0xff, 32);
		break;
	case ONES_AS_S:
		memset(s, 0xff, 32);
		break;
	default: /* another's signature under this address */
		memcpy(sample->signature, samples[SAMPLES - 1].signature, 64);
		memcpy(sample->digest, samples[SAMPLES - 1].digest, 32);
		sample->recovery_id = samples[SAMPLES - 1].recovery_id;
	}
}

TEST(a_bad_one_is_bad_and_its_neighbours_are_not)
{
	struct sample batch[20];

	start();
	for (enum spoiling how = 0; how < SPOILINGS; how++)
		for (size_t at = 0; at < 20; at++) {
			memcpy(batch, samples, sizeof(batch));
			spoil(&batch[at], how);
			check_batch(batch, 20, at, EC_BAD, EC_BAD);
			check_batch(batch + at, 1, 0, EC_BAD, EC_BAD);
			if (at > 0)
				check_batch(batch + at - 1, 2, 1, EC_BAD, EC_BAD);
		}
}

TEST(another_address_is_another_signer)
{
	struct sample batch[9];

	start();
	for (int bit = 0; bit < 160; bit++) {
		memcpy(batch, samples, sizeof(batch));
		batch[4].address[bit / 8] ^= (uint8_t)(1 << bit % 8);
		check_batch(batch, 9, 4, EC_BAD, EC_GOOD); /* the address of a table is the caller's to know */
	}
}

/* --- edges --- */

TEST(s_up_to_half_the_order)
{
	struct sample batch[3];

	start();
	memcpy(batch, samples, sizeof(batch));
	for (int more = 0; more < 2; more++) {
		batch[1].table = NULL;
		set_hex(batch[1].signature + 32, half_n);
		batch[1].signature[63] = (uint8_t)(batch[1].signature[63] + more);
		CHECK_NEED(adopt_signer(&batch[1]));
		build_table(&batch[1], 5);
		check_batch(batch, 3, 1, more ? EC_BAD : EC_GOOD, more ? EC_BAD : EC_GOOD);
		free(batch[1].table);
	}
}

/* r so small that x may be r + n: as libsecp256k1 finds them, and both parities. */
TEST(x_above_the_order)
{
	unsigned found = 0;

	start();
	for (uint8_t r = 1; r < 40; r++)
		for (unsigned id = 0; id < 4; id++) {
			struct sample batch[3];
			memcpy(batch, samples, sizeof(batch));
			memset(batch[1].signature, 0, 32);
			batch[1].signature[31] = r;
			batch[1].recovery_id = id;
			bool good = adopt_signer(&batch[1]);
			batch[1].table = NULL;
			build_table(&batch[1], 5);
			found += good && id >= 2;
			check_batch(batch, 3, 1, good ? EC_GOOD : EC_BAD, good ? EC_GOOD : EC_BAD);
			free(batch[1].table);
		}
	CHECK(found > 10);
}

/* z = 0, n and n + 1 (which is 1): the generator's part is infinity, or the digest must be reduced. */
TEST(digests_at_the_order)
{
	start();
	for (uint8_t more = 0; more < 4; more++) {
		struct sample batch[9];
		memcpy(batch, samples, sizeof(batch));
		set_hex(batch[3].digest, order_n);
		batch[3].digest[31] = (uint8_t)(batch[3].digest[31] + more);
		if (more == 3)
			memset(batch[3].digest, 0, 32);
		sign(&batch[3]);
		check_batch(batch, 9, SIZE_MAX, EC_GOOD, EC_GOOD);
	}
}

/* --- exceptional --- */

/* s R = z G: the recovered key would be infinity.  R = k G, so z = s k. */
TEST(a_recovery_to_infinity_is_undecided)
{
	start();
	for (size_t at = 0; at < 10; at++) {
		struct sample batch[10];
		secp256k1_pubkey r;
		uint8_t k[32];
		memcpy(batch, samples, sizeof(batch));
		random_secret(k);
		CHECK_NEED(secp256k1_ec_pubkey_create(oracle, &r, k));
		struct sample point = {0};
		set_key(&point, &r);
		memcpy(batch[at].signature, point.key, 32);
		batch[at].recovery_id = point.key[63] & 1;
		memcpy(batch[at].digest, batch[at].signature + 32, 32);
		CHECK_NEED(secp256k1_ec_seckey_tweak_mul(oracle, batch[at].digest, k));
		check_batch(batch, 10, at, EC_UNDECIDED, EC_BAD);
	}
}

/* z = -r d: the point whose x should be r is infinity. */
TEST(a_sum_at_infinity_is_undecided)
{
	start();
	for (size_t at = 0; at < 10; at++)
		for (size_t cnt = 1; cnt <= 10; cnt += 9) {
			struct sample batch[10];
			memcpy(batch, samples, sizeof(batch));
			memcpy(batch[at].digest, batch[at].signature, 32);
			CHECK_NEED(secp256k1_ec_seckey_tweak_mul(oracle, batch[at].digest, batch[at].secret));
			CHECK_NEED(secp256k1_ec_seckey_negate(oracle, batch[at].digest));
			check_batch(batch + (cnt == 1 ? at : 0), cnt, cnt == 1 ? 0 : at, EC_BAD, EC_UNDECIDED);
		}
}

TEST(table_sizes)
{
	CHECK_EQ(ec_table_bytes(4), 33 * 8 * 64);
	CHECK_EQ(ec_table_bytes(5), 26 * 16 * 64);
	CHECK_EQ(ec_table_bytes(8), 17 * 128 * 64);
	CHECK_EQ(ec_table_bytes(13), EC_GENERATOR_BYTES);
	for (unsigned window = 0; window < 64; window++)
		CHECK_EQ(ec_window_valid(window), window == 13 || (window > 3 && window < 9));
}

/* Last: what the tests above shared. */
TEST(memory_is_given_back)
{
	start();
	for (size_t i = 0; i < SAMPLES; i++)
		free(samples[i].table);
	ec_fini(lanes);
	ec_fini(portable);
	ec_fini(NULL);
}

CHECK_MAIN
