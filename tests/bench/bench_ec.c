// SPDX-License-Identifier: Apache-2.0
/* The verification engines over libsecp256k1: how many times as many signatures in the same time, on one core.  In lanes:
 *
 *   ec_cold       64 unknown signers at once          ec_cold_b8     8 at once
 *   ec_hot_256    64 at once of 256 known signers     ec_hot_b8      8 at once
 *   ec_hot_4096   the same of 4,096                   ec_hot_b1      one alone
 *   ec_hot_top    of 8 with wide tables (window 8)
 *   ec_portable_...       the same of the portable engine, which any CPU can run
 *   keccak8_over_nettle   eight hashes of 66 bytes (what EIP-712 hashes last) over eight of nettle
 *
 * The other side is what an engine replaces: parsing the compact signature, secp256k1_ecdsa_recover, serialising the key,
 * hashing it and comparing the address.  Every batch is of signatures not seen for thousands of others, keys in random
 * order.  The sides take turns within a round, each ratio is of its own turn, and the median of the rounds is given; times
 * are this thread's CPU time.  Every verdict is looked at.  Microseconds per signature follow for other batch sizes. */
#include <nettle/sha3.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/assert.h"
#include "base/keccak.h"
#include "ec/ec.h"
#include "ec/keccak8.h"

#define ROUNDS 31
#define SIGNATURES 4096 /* of a set: each is used once until all were */
#define TURN 2048	/* signatures of the engine in a turn: long enough that the caches are its own */
#define RECOVER_TURN 24 /* and of libsecp256k1 */
#define SETS 4

struct signer {
	uint8_t secret[32], key[64], address[20];
};

struct sample {
	uint8_t digest[32], signature[64], recovery_id;
	const struct signer *signer;
};

/* Signatures by so many signers, whose tables have this window. */
struct set {
	size_t signer_cnt;
	unsigned window;
	struct sample sample[SIGNATURES];
	struct ec_item item[SIGNATURES];
	struct ec_item *items[SIGNATURES];
	size_t at;
	uint8_t *tables;
};

static struct signer signers[4096];
static struct set sets[SETS] = {{.signer_cnt = 8, .window = 5},
				{.signer_cnt = 256, .window = 5},
				{.signer_cnt = 4096, .window = 5},
				{.signer_cnt = 8, .window = 8}};
static secp256k1_context *secp;
static struct ec_workspace *lanes, *portable; /* lanes: NULL without AVX-512 IFMA */

static uint64_t random_u64(void)
{
	static uint64_t state = 1;
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void fill(uint8_t *out, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)random_u64();
}

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* --- what is signed --- */

static void key_and_address(uint8_t key[64], uint8_t address[20], const secp256k1_pubkey *from)
{
	uint8_t bytes[65], hash[32];
	size_t length = sizeof(bytes);

	secp256k1_ec_pubkey_serialize(secp, bytes, &length, from, SECP256K1_EC_UNCOMPRESSED);
	memcpy(key, bytes + 1, 64);
	keccak256(hash, key, 64);
	memcpy(address, hash + 12, 20);
}

static void make_signer(struct signer *signer)
{
	secp256k1_pubkey key;

	do
		fill(signer->secret, 32);
	while (!secp256k1_ec_pubkey_create(secp, &key, signer->secret));
	key_and_address(signer->key, signer->address, &key);
}

static void make_sample(struct sample *sample, const struct signer *signer)
{
	secp256k1_ecdsa_recoverable_signature signature;
	int id;

	fill(sample->digest, 32);
	ASSERT(secp256k1_ecdsa_sign_recoverable(secp, &signature, sample->digest, signer->secret, NULL, NULL));
	secp256k1_ecdsa_recoverable_signature_serialize_compact(secp, sample->signature, &id, &signature);
	sample->recovery_id = (uint8_t)id;
	sample->signer = signer;
}

static void make_tables(struct set *set)
{
	size_t bytes = ec_table_bytes(set->window), huge = (size_t)2 << 20,
	       all = (set->signer_cnt * bytes + huge - 1) / huge * huge;

	set->tables = aligned_alloc(huge, all);
	ASSERT(set->tables != NULL);
	(void)madvise(set->tables, all, MADV_HUGEPAGE);
	for (size_t i = 0; i < set->signer_cnt; i += 8) {
		void *memory[8];
		const uint8_t *keys[8];
		for (size_t k = 0; k < 8; k++) {
			memory[k] = set->tables + (i + k) * bytes;
			keys[k] = signers[i + k].key;
		}
		ec_table_build(lanes != NULL ? lanes : portable, memory, keys, 8, set->window);
	}
}

static void make_set(struct set *set)
{
	make_tables(set);
	for (size_t i = 0; i < SIGNATURES; i++) {
		size_t signer = random_u64() % set->signer_cnt;
		struct sample *sample = &set->sample[i];
		make_sample(sample, &signers[signer]);
		set->item[i] = (struct ec_item){.digest = sample->digest,
						.signature = sample->signature,
						.address = sample->signer->address,
						.table = set->tables + signer * ec_table_bytes(set->window),
						.window = (uint8_t)set->window,
						.recovery_id = sample->recovery_id};
		set->items[i] = &set->item[i];
	}
}

/* --- the two sides --- */

static void recover(const struct sample *sample)
{
	secp256k1_ecdsa_recoverable_signature signature;
	secp256k1_pubkey signer;
	uint8_t key[64], address[20];

	ASSERT(secp256k1_ecdsa_recoverable_signature_parse_compact(secp, &signature, sample->signature,
								   sample->recovery_id));
	ASSERT(secp256k1_ecdsa_recover(secp, &signer, &signature, sample->digest));
	key_and_address(key, address, &signer);
	ASSERT(memcmp(address, sample->signer->address, 20) == 0);
}

static double recover_us(void)
{
	static size_t at;
	double start = now_ns();

	for (size_t i = 0; i < RECOVER_TURN; i++)
		recover(&sets[1].sample[at++ % SIGNATURES]);
	return (now_ns() - start) / 1e3 / RECOVER_TURN;
}

typedef void verify(struct ec_workspace *work, struct ec_item *const items[], size_t cnt);

static double engine_us(struct ec_workspace *work, verify *call, struct set *set, size_t batch)
{
	size_t first = set->at = (set->at + TURN) % SIGNATURES, done;
	size_t turn = batch < 8 ? TURN / 8 : TURN; /* small ones cost more */
	double us;

	for (size_t i = 0; i < turn; i++)
		set->items[(first + i) % SIGNATURES]->verdict = EC_BAD;
	us = now_ns();
	for (done = 0; done + batch <= turn; done += batch)
		call(work, set->items + first + done, batch);
	us = (now_ns() - us) / 1e3 / (double)done;
	for (size_t i = 0; i < done; i++)
		ASSERT(set->items[first + i]->verdict == EC_GOOD);
	return us;
}

#define HASH_TURN 1000 /* calls: caches and predictors are its own */
static uint8_t hash_in[8][66], hash_out[8][32];

static double nettle_ns(void)
{
	double start = now_ns();

	for (int i = 0; i < HASH_TURN; i++)
		for (int k = 0; k < 8; k++) {
			struct sha3_256_ctx hash;
			sha3_256_init(&hash);
			sha3_256_update(&hash, sizeof(hash_in[k]), hash_in[k]);
			sha3_256_digest(&hash, 32, hash_out[k]);
		}
	return (now_ns() - start) / HASH_TURN / 8;
}

static double keccak8_ns(void)
{
	struct keccak8_item items[8];
	double start = now_ns();

	for (int k = 0; k < 8; k++)
		items[k] = (struct keccak8_item){hash_in[k], sizeof(hash_in[k]), hash_out[k]};
	for (int i = 0; i < HASH_TURN; i++)
		keccak8_many(items, 8);
	return (now_ns() - start) / HASH_TURN / 8;
}

/* --- figures --- */

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), ascending);
	return values[ROUNDS / 2];
}

static const struct measure {
	const char *ratio, *us; /* names of what is printed; NULL: not */
	verify *call;
	size_t set, batch;
	bool plain; /* by the portable engine */
} measures[] = {
	{"ec_cold", "ec_cold_us_b64", ec_cold, 1, 64, false},
	{"ec_hot_256", "ec_hot_us_b64", ec_hot, 1, 64, false},
	{"ec_hot_top", "ec_hot_top_us_b64", ec_hot, 3, 64, false},
	{"ec_hot_4096", "ec_hot_4096_us_b64", ec_hot, 2, 64, false},
	{"ec_cold_b8", "ec_cold_us_b8", ec_cold, 1, 8, false},
	{"ec_hot_b8", "ec_hot_us_b8", ec_hot, 1, 8, false},
	{"ec_hot_b1", "ec_hot_us_b1", ec_hot, 1, 1, false},
	{"ec_portable_hot_256", "ec_portable_us_b64", ec_hot, 1, 64, true},
	{"ec_portable_hot_top", "ec_portable_top_us_b64", ec_hot, 3, 64, true},
	{"ec_portable_hot_4096", "ec_portable_4096_us_b64", ec_hot, 2, 64, true},
	{"ec_portable_hot_b8", "ec_portable_us_b8", ec_hot, 1, 8, true},
	{"ec_portable_hot_b1", "ec_portable_us_b1", ec_hot, 1, 1, true},
	{NULL, "ec_portable_us_b2", ec_hot, 1, 2, true},
	{NULL, "ec_portable_us_b4", ec_hot, 1, 4, true},
	{NULL, "ec_portable_us_b16", ec_hot, 1, 16, true},
	{NULL, "ec_portable_us_b32", ec_hot, 1, 32, true},
	{NULL, "ec_cold_us_b1", ec_cold, 1, 1, false},
	{NULL, "ec_cold_us_b2", ec_cold, 1, 2, false},
	{NULL, "ec_cold_us_b4", ec_cold, 1, 4, false},
	{NULL, "ec_cold_us_b16", ec_cold, 1, 16, false},
	{NULL, "ec_cold_us_b32", ec_cold, 1, 32, false},
	{NULL, "ec_cold_us_b128", ec_cold, 1, 128, false},
	{NULL, "ec_cold_us_b256", ec_cold, 1, 256, false},
	{NULL, "ec_hot_us_b2", ec_hot, 1, 2, false},
	{NULL, "ec_hot_us_b4", ec_hot, 1, 4, false},
	{NULL, "ec_hot_us_b16", ec_hot, 1, 16, false},
	{NULL, "ec_hot_us_b32", ec_hot, 1, 32, false},
	{NULL, "ec_hot_us_b128", ec_hot, 1, 128, false},
	{NULL, "ec_hot_us_b256", ec_hot, 1, 256, false},
	{NULL, "ec_hot_8_signers_us_b64", ec_hot, 0, 64, false},
	{NULL, "ec_hot_top_us_b256", ec_hot, 3, 256, false},
};
#define MEASURES (sizeof(measures) / sizeof(*measures))

static double ratios[MEASURES][ROUNDS], times[MEASURES][ROUNDS];

static struct ec_workspace *work_of(const struct measure *measure)
{
	return measure->plain ? portable : lanes;
}

static double table_us(struct ec_workspace *work, unsigned window)
{
	double built[ROUNDS];
	size_t bytes = ec_table_bytes(window);
	uint8_t *tables = aligned_alloc(EC_TABLE_ALIGN, 8 * bytes);
	void *memory[8];
	const uint8_t *keys[8];

	ASSERT(tables != NULL);
	for (size_t i = 0; i < 8; i++) {
		memory[i] = tables + i * bytes;
		keys[i] = signers[i].key;
	}
	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ns();
		ec_table_build(work, memory, keys, 8, window);
		built[round] = (now_ns() - start) / 8e3;
	}
	free(tables);
	return median(built);
}

static void measure_all(void)
{
	double recovers[ROUNDS * MEASURES], keccak[ROUNDS];
	size_t recover_cnt = 0;

	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < MEASURES; i++) {
			const struct measure *measure = &measures[i];
			if (work_of(measure) == NULL)
				continue;
			double before = recover_us(),
			       us = engine_us(work_of(measure), measure->call, &sets[measure->set], measure->batch);
			double other = (before + recover_us()) / 2;
			recovers[recover_cnt++] = other;
			times[i][round] = us;
			ratios[i][round] = other / us;
		}
		if (lanes != NULL) {
			double nettle = nettle_ns();
			keccak[round] = nettle / keccak8_ns();
		}
	}
	qsort(recovers, recover_cnt, sizeof(double), ascending);
	printf("# libsecp256k1 recovers in %.1f us (%.1f to %.1f), CPU time\n", recovers[recover_cnt / 2], recovers[0],
	       recovers[recover_cnt - 1]);
	for (size_t i = 0; i < MEASURES; i++)
		if (measures[i].ratio != NULL && work_of(&measures[i]) != NULL)
			printf("%s %.2f\n", measures[i].ratio, median(ratios[i]));
	if (lanes != NULL)
		printf("keccak8_over_nettle %.2f\n", median(keccak));
	printf("ec_recover_us %.2f\n", recovers[recover_cnt / 2]);
	for (size_t i = 0; i < MEASURES; i++)
		if (work_of(&measures[i]) != NULL)
			printf("%s %.3f\n", measures[i].us, median(times[i]));
}

static void print_engine(const char *name, struct ec_workspace *work, enum ec_engine engine)
{
	if (work == NULL)
		return;
	printf("# a workspace of %s is %zu KiB\n", name, ec_bytes(engine) / 1024);
	printf("%s_table_us_w5 %.1f\n", name, table_us(work, 5));
	printf("%s_table_us_w8 %.1f\n", name, table_us(work, 8));
}

int main(void)
{
	secp = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
	portable = ec_init(EC_PORTABLE);
	lanes = ec_init(EC_LANES);
	ASSERT(secp != NULL && portable != NULL && (lanes != NULL || !ec_supported()));
	if (lanes == NULL)
		fprintf(stderr, "bench_ec: no AVX-512 IFMA, the portable engine alone\n");
	for (size_t i = 0; i < sizeof(signers) / sizeof(*signers); i++)
		make_signer(&signers[i]);
	for (size_t i = 0; i < SETS; i++)
		make_set(&sets[i]);
	measure_all();
	print_engine("ec", lanes, EC_LANES);
	print_engine("ec_portable", portable, EC_PORTABLE);
	for (size_t i = 0; i < SETS; i++)
		free(sets[i].tables);
	ec_fini(lanes);
	ec_fini(portable);
	secp256k1_context_destroy(secp);
	return 0;
}
