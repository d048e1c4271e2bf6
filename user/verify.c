// SPDX-License-Identifier: Apache-2.0
#include "verify.h"

#include <secp256k1.h>
#include <secp256k1_preallocated.h>
#include <secp256k1_recovery.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/keccak.h"
#include "base/siphash.h"
#include "base/tally.h"
#include "ec/ec.h"
#include "ec/keccak8.h"
#include "repeats.h"
#include "signers.h"

/* Order of the curve's group, and half of it: a signature's s above that has a twin below.  libsecp256k1 recovers
 * both, token contracts refuse the high one, so a payment with it could be served and never be settled.
 * Source: SEC 2 section 2.4.1; EIP-2. */
static const uint8_t group_order[32] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
	0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
};
static const uint8_t half_order[32] = {
	0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
};
static const uint8_t zero[32];
#define ADDRESS_AT 12 /* of the hash of a key: an address is its last 20 bytes */

#define COLD_MIN 2	    /* of one alone, libsecp256k1 is cheaper than a vector with seven empty lanes */
#define LOST_ALONE_NS 30000 /* what a signer's table would have saved, alone and in a cold vector: roughly is enough */
#define LOST_COLD_NS 3200
#define BATCH_MAX 64 /* larger ones are taken in pieces of so many */

/* Payers by lanes that could not decide.  Such a lane is paid for twice and slows its vector a little; only who knows
 * how signer's key and nonce hang together makes one, at will.  The payer is a mere claim when a cold lane gives up, so what
 * is kept against it must not matter to an honest one: it is verified alone, and once it has a table, that is looked at
 * first.  A hot lane gives up only for its own signer. */
#define FALLS_CNT 1024
#define FALLS_MAX 4
#define FALLS_AGE 65536 /* signatures after which the counts halve */

struct verifier {
	secp256k1_context *secp;
	struct ec_workspace *ec; /* NULL: libsecp256k1 alone */
	struct signers *signers; /* as ec */
	struct repeats *repeats; /* NULL: nothing is remembered */
	struct tally cold_falls, hot_falls;
	uint64_t falls_age_in;
	uint8_t hash_key[16];
	struct verify_counts counts;
	unsigned char memory[] __attribute__((aligned(16)));
};

/* --- the engine, memory --- */

enum verify_engine verify_engine_best(void)
{
	return ec_supported() ? ENGINE_AVX512 : ENGINE_PORTABLE;
}

const char *verify_engine_name(enum verify_engine engine)
{
	static const char *const names[] = {"libsecp256k1", "portable", "avx512ifma"};

	return names[engine];
}

/* Of one that stands before libsecp256k1. */
static enum ec_engine ec_engine_of(enum verify_engine engine)
{
	return engine == ENGINE_AVX512 ? EC_LANES : EC_PORTABLE;
}

size_t verify_bytes(const struct verify_config *config)
{
	size_t bytes = sizeof(struct verifier) + secp256k1_context_preallocated_size(SECP256K1_CONTEXT_NONE);

	if (config->repeat_cnt > 0)
		bytes += repeats_bytes(config->repeat_cnt);
	if (config->engine != ENGINE_SECP256K1)
		bytes += ec_bytes(ec_engine_of(config->engine)) + signers_bytes(config->signer_bytes) +
			 2 * tally_bytes(FALLS_CNT);
	return bytes;
}

size_t verify_shared_bytes(const struct verify_config *config)
{
	return config->engine == ENGINE_SECP256K1 ? 0 : EC_GENERATOR_BYTES;
}

static bool start_engine(struct verifier *verifier, const struct verify_config *config)
{
	verifier->ec = ec_init(ec_engine_of(config->engine));
	verifier->signers = signers_init(config->signer_bytes, verifier->hash_key);
	verifier->falls_age_in = FALLS_AGE;
	return verifier->ec != NULL && verifier->signers != NULL && tally_init(&verifier->cold_falls, FALLS_CNT) == 0 &&
	       tally_init(&verifier->hot_falls, FALLS_CNT) == 0;
}

struct verifier *verify_init(const struct verify_config *config)
{
	size_t bytes = secp256k1_context_preallocated_size(SECP256K1_CONTEXT_NONE);
	struct verifier *verifier = calloc(1, sizeof(*verifier) + bytes);
	uint8_t hash[32];

	if (verifier == NULL)
		return NULL;
	keccak256(hash, config->seed, 32); /* the context's blinding and the tables' keys tell nothing of each other */
	memcpy(verifier->hash_key, hash, sizeof(verifier->hash_key));
	verifier->secp = secp256k1_context_preallocated_create(verifier->memory, SECP256K1_CONTEXT_NONE);
	bool good = secp256k1_context_randomize(verifier->secp, config->seed);
	if (good && config->repeat_cnt > 0) {
		verifier->repeats = repeats_init(config->repeat_cnt, verifier->hash_key);
		good = verifier->repeats != NULL;
	}
	if (good && config->engine != ENGINE_SECP256K1)
		good = start_engine(verifier, config);
	if (!good) {
		verify_fini(verifier);
		return NULL;
	}
	return verifier;
}

void verify_fini(struct verifier *verifier)
{
	if (verifier == NULL)
		return;
	tally_fini(&verifier->hot_falls);
	tally_fini(&verifier->cold_falls);
	signers_fini(verifier->signers);
	ec_fini(verifier->ec);
	repeats_fini(verifier->repeats);
	secp256k1_context_preallocated_destroy(verifier->secp);
	free(verifier);
}

const struct verify_counts *verify_counts(const struct verifier *verifier)
{
	return &verifier->counts;
}

/* --- one signature, by libsecp256k1 --- */

/* 0 or 1, or -1 for a v the method's contract would not take: Permit2 hands v to ecrecover as it is, for EIP-3009 the
 * facilitator adds 27.  29 and 30 (r above the group order) exist in no wallet. */
static int recovery_id(uint8_t method, uint8_t v)
{
	if (v == 27 || v == 28)
		return v - 27;
	return method == METHOD_EIP3009 && v <= 1 ? v : -1;
}

static bool form_is_good(const uint8_t *signature)
{
	const uint8_t *r = signature, *s = signature + 32;

	return memcmp(r, zero, 32) != 0 && memcmp(r, group_order, 32) < 0 && memcmp(s, zero, 32) != 0 &&
	       memcmp(s, half_order, 32) <= 0;
}

/* The key that made this signature; false when none did. */
static bool recover(struct verifier *verifier, uint8_t key[64], const struct verify_item *item, int id)
{
	secp256k1_ecdsa_recoverable_signature signature;
	secp256k1_pubkey recovered;
	uint8_t point[65];
	size_t bytes = sizeof(point);

	if (!secp256k1_ecdsa_recoverable_signature_parse_compact(verifier->secp, &signature, item->signature, id) ||
	    !secp256k1_ecdsa_recover(verifier->secp, &recovered, &signature, item->digest.at) ||
	    !secp256k1_ec_pubkey_serialize(verifier->secp, point, &bytes, &recovered, SECP256K1_EC_UNCOMPRESSED))
		return false;
	memcpy(key, point + 1, 64);
	return true;
}

enum reason verify_recover(struct verifier *verifier, struct address *signer, const struct verify_item *item)
{
	int id = recovery_id(item->method, item->signature[64]);
	uint8_t key[64], hash[32];

	if (id < 0 || !form_is_good(item->signature))
		return SIGNATURE_FORM;
	if (!recover(verifier, key, item, id))
		return SIGNATURE_BAD;
	keccak256(hash, key, sizeof(key));
	memcpy(signer->at, hash + ADDRESS_AT, sizeof(signer->at));
	return REASON_OK;
}

/* --- a batch: which way each goes --- */

enum way { WAY_ALONE, WAY_COLD, WAY_HOT };

struct job {
	struct ec_item ec;
	struct verify_item *item;
	struct signer_table table; /* WAY_HOT */
	struct authorisation authorisation;
	size_t repeat_place;
	enum way way;
	uint8_t key_hash[32]; /* WAY_ALONE: of the recovered key */
};

struct batch {
	struct job jobs[BATCH_MAX];
	size_t job_cnt;
	struct ec_item *hot[BATCH_MAX], *cold[BATCH_MAX];
	size_t hot_cnt, cold_cnt;
};

/* Refuses what needs no arithmetic, makes a job of the rest. */
static void take_item(struct verifier *verifier, struct batch *batch, struct verify_item *item)
{
	int id = recovery_id(item->method, item->signature[64]);
	struct job *job = &batch->jobs[batch->job_cnt];

	item->verdict = SIGNATURE_BAD;
	if (memcmp(item->payer.at, zero, sizeof(item->payer.at)) == 0) {
		item->verdict = PAYER_ZERO;
		return;
	}
	if (id < 0 || !form_is_good(item->signature)) {
		item->verdict = SIGNATURE_FORM;
		return;
	}
	batch->job_cnt++;
	job->item = item;
	job->way = WAY_ALONE;
	job->ec = (struct ec_item){.digest = item->digest.at,
				   .signature = item->signature,
				   .address = item->payer.at,
				   .recovery_id = (uint8_t)id,
				   .verdict = EC_BAD};
	if (verifier->repeats == NULL)
		return;
	job->authorisation.digest = item->digest;
	memcpy(job->authorisation.signature, item->signature, sizeof(job->authorisation.signature));
	job->authorisation.payer = item->payer;
	job->repeat_place = repeats_place(verifier->repeats, &item->digest);
}

/* Those that held before are done. */
static void leave_out_repeated(struct verifier *verifier, struct batch *batch)
{
	size_t cnt = 0;

	if (verifier->repeats == NULL)
		return;
	for (size_t i = 0; i < batch->job_cnt; i++) {
		struct job *job = &batch->jobs[i];
		if (repeats_has(verifier->repeats, job->repeat_place, &job->authorisation)) {
			job->item->verdict = REASON_OK;
			verifier->counts.repeated++;
		} else {
			if (cnt != i)
				batch->jobs[cnt] = *job;
			cnt++;
		}
	}
	batch->job_cnt = cnt;
}

static uint64_t payer_hash(const struct verifier *verifier, const struct address *payer)
{
	return siphash(verifier->hash_key, payer->at, sizeof(payer->at));
}

/* As long as no lane of anybody's fell, which is as long as nobody made one fall, this is one comparison. */
static bool falls_often(const struct verifier *verifier, const struct tally *falls, const struct address *payer)
{
	return verifier->counts.undecided > 0 && tally_look(falls, payer_hash(verifier, payer)) >= FALLS_MAX;
}

static enum way choose_way(struct verifier *verifier, struct job *job)
{
	const struct address *payer = &job->item->payer;

	if (signers_find(verifier->signers, &job->table, payer))
		return falls_often(verifier, &verifier->hot_falls, payer) ? WAY_ALONE : WAY_HOT;
	if (!ec_has_cold(verifier->ec))
		return WAY_ALONE;
	return falls_often(verifier, &verifier->cold_falls, payer) ? WAY_ALONE : WAY_COLD;
}

static void split(struct verifier *verifier, struct batch *batch)
{
	struct job *last_cold = NULL;

	batch->hot_cnt = batch->cold_cnt = 0;
	for (size_t i = 0; i < batch->job_cnt; i++) {
		struct job *job = &batch->jobs[i];
		job->way = choose_way(verifier, job);
		if (job->way == WAY_HOT) {
			job->ec.table = job->table.at;
			job->ec.window = job->table.window;
			batch->hot[batch->hot_cnt++] = &job->ec;
		} else if (job->way == WAY_COLD) {
			batch->cold[batch->cold_cnt++] = &job->ec;
			last_cold = job;
		}
	}
	if (last_cold != NULL && batch->cold_cnt < COLD_MIN) {
		last_cold->way = WAY_ALONE;
		batch->cold_cnt = 0;
	}
}

/* --- a batch: verdicts --- */

static void count_fall(struct verifier *verifier, const struct job *job)
{
	verifier->counts.undecided++;
	tally_add(job->way == WAY_HOT ? &verifier->hot_falls : &verifier->cold_falls,
		  payer_hash(verifier, &job->item->payer));
}

static void age_falls(struct verifier *verifier, size_t job_cnt)
{
	if (verifier->falls_age_in > job_cnt) {
		verifier->falls_age_in -= job_cnt;
		return;
	}
	verifier->falls_age_in = FALLS_AGE;
	tally_age(&verifier->hot_falls);
	tally_age(&verifier->cold_falls);
}

/* Whatever the engine has not decided: keys are recovered one by one, and hashed together. */
static void decide_alone(struct verifier *verifier, struct batch *batch)
{
	struct job *recovered[BATCH_MAX];
	struct keccak8_item keys[BATCH_MAX];
	size_t cnt = 0;

	for (size_t i = 0; i < batch->job_cnt; i++) {
		struct job *job = &batch->jobs[i];
		if (job->way != WAY_ALONE && job->ec.verdict != EC_UNDECIDED)
			continue;
		if (job->way != WAY_ALONE)
			count_fall(verifier, job);
		verifier->counts.alone++;
		job->ec.verdict = EC_BAD;
		if (!recover(verifier, job->ec.key, job->item, job->ec.recovery_id))
			continue;
		keys[cnt] = (struct keccak8_item){job->ec.key, sizeof(job->ec.key), job->key_hash};
		recovered[cnt++] = job;
	}
	if (cnt > 0)
		keccak8_many(keys, cnt);
	for (size_t i = 0; i < cnt; i++)
		if (memcmp(recovered[i]->key_hash + ADDRESS_AT, recovered[i]->item->payer.at, sizeof(struct address)) ==
		    0)
			recovered[i]->ec.verdict = EC_GOOD;
}

/* What a signature that held is good for later. */
static void remember(struct verifier *verifier, const struct job *job)
{
	if (verifier->repeats != NULL)
		repeats_add(verifier->repeats, job->repeat_place, &job->authorisation);
	if (verifier->signers == NULL)
		return;
	if (job->ec.table != NULL)
		signers_used(verifier->signers, &job->table);
	else
		signers_sighted(verifier->signers, &job->item->payer, job->ec.key,
				job->way == WAY_COLD ? LOST_COLD_NS : LOST_ALONE_NS);
}

static void run_engine(struct verifier *verifier, struct batch *batch)
{
	split(verifier, batch);
	ec_hot(verifier->ec, batch->hot, batch->hot_cnt);
	if (batch->cold_cnt > 0)
		ec_cold(verifier->ec, batch->cold, batch->cold_cnt);
	verifier->counts.hot += batch->hot_cnt;
	verifier->counts.cold += batch->cold_cnt;
	age_falls(verifier, batch->job_cnt);
}

static void verify_piece(struct verifier *verifier, struct verify_item *items, size_t item_cnt)
{
	struct batch batch;

	batch.job_cnt = 0;
	for (size_t i = 0; i < item_cnt; i++)
		take_item(verifier, &batch, &items[i]);
	leave_out_repeated(verifier, &batch);
	if (verifier->ec != NULL && batch.job_cnt > 0)
		run_engine(verifier, &batch);
	decide_alone(verifier, &batch);
	for (size_t i = 0; i < batch.job_cnt; i++) {
		struct job *job = &batch.jobs[i];
		ASSERT(job->ec.verdict == EC_GOOD || job->ec.verdict == EC_BAD);
		job->item->verdict = job->ec.verdict == EC_GOOD ? REASON_OK : SIGNATURE_BAD;
		if (job->ec.verdict == EC_GOOD)
			remember(verifier, job);
	}
	if (verifier->ec != NULL)
		verifier->counts.tables += signers_build(verifier->signers, verifier->ec);
}

void verify_batch(struct verifier *verifier, struct verify_item *items, size_t item_cnt)
{
	for (size_t at = 0; at < item_cnt; at += BATCH_MAX)
		verify_piece(verifier, items + at, item_cnt - at < BATCH_MAX ? item_cnt - at : BATCH_MAX);
}
