// SPDX-License-Identifier: Apache-2.0
#include "claim_exposure.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/siphash.h"
#include "base/u256.h"

#define NO_PAYER UINT32_MAX

struct asset {
	uint64_t chain_id;
	struct address asset;
	struct word sum;
};

struct payer { /* of one asset; free when it has no claim */
	struct word sum;
	struct address address;
	uint8_t asset;
	uint32_t claim_cnt;
	uint32_t next; /* in its bucket, or free */
};
_Static_assert(sizeof(struct payer) == 64, "what exposure_init says");

struct exposure {
	pthread_mutex_t lock;
	struct asset assets[OFFERS_MAX];
	size_t asset_cnt;
	/* NULL: no offer limits payers. */
	struct payer *payers;
	uint32_t *buckets, free;
	size_t bucket_mask;
	uint8_t key[16];
};

static bool is_zero(const struct word *word)
{
	static const struct word zero;

	return memcmp(word, &zero, sizeof zero) == 0;
}

uint8_t exposure_asset(const struct exposure *exposure, const struct offer *offer)
{
	for (size_t i = 0; i < exposure->asset_cnt; i++) {
		const struct asset *asset = &exposure->assets[i];
		if (asset->chain_id == offer->chain_id &&
		    memcmp(&asset->asset, &offer->asset, sizeof offer->asset) == 0)
			return (uint8_t)i;
	}
	return EXPOSURE_NONE;
}

const struct address *exposure_address(const struct exposure *exposure, uint8_t asset)
{
	ASSERT(asset < exposure->asset_cnt);
	return &exposure->assets[asset].asset;
}

static bool init_payers(struct exposure *exposure, size_t payers_max)
{
	size_t bucket_cnt = 64;

	while (bucket_cnt < payers_max)
		bucket_cnt *= 2;
	exposure->payers = calloc(payers_max, sizeof *exposure->payers);
	exposure->buckets = malloc(bucket_cnt * sizeof *exposure->buckets);
	if (exposure->payers == NULL || exposure->buckets == NULL ||
	    getrandom(exposure->key, sizeof exposure->key, 0) != sizeof exposure->key)
		return false;
	memset(exposure->buckets, 0xff, bucket_cnt * sizeof *exposure->buckets);
	exposure->bucket_mask = bucket_cnt - 1;
	for (size_t i = 0; i < payers_max; i++)
		exposure->payers[i].next = i + 1 < payers_max ? (uint32_t)i + 1 : NO_PAYER;
	return true;
}

struct exposure *exposure_init(const struct offer *offers, size_t offer_cnt, size_t payers_max)
{
	struct exposure *exposure = calloc(1, sizeof *exposure);
	bool by_payer = false;

	if (exposure == NULL)
		return NULL;
	pthread_mutex_init(&exposure->lock, NULL);
	for (size_t i = 0; i < offer_cnt; i++) {
		by_payer |= !is_zero(&offers[i].payer_unsettled_max);
		if (exposure_asset(exposure, &offers[i]) == EXPOSURE_NONE)
			exposure->assets[exposure->asset_cnt++] =
				(struct asset){.chain_id = offers[i].chain_id, .asset = offers[i].asset};
	}
	if (by_payer && !init_payers(exposure, payers_max)) {
		exposure_fini(exposure);
		return NULL;
	}
	return exposure;
}

void exposure_fini(struct exposure *exposure)
{
	if (exposure == NULL)
		return;
	pthread_mutex_destroy(&exposure->lock);
	free(exposure->buckets);
	free(exposure->payers);
	free(exposure);
}

/* --- payers, under the lock --- */

static uint32_t *bucket_of(const struct exposure *exposure, uint8_t asset, const struct address *payer)
{
	uint8_t name[sizeof payer->at + 1];

	memcpy(name, payer->at, sizeof payer->at);
	name[sizeof payer->at] = asset;
	return &exposure->buckets[siphash(exposure->key, name, sizeof name) & exposure->bucket_mask];
}

static uint32_t *find_payer(struct exposure *exposure, uint8_t asset, const struct address *address)
{
	uint32_t *at = bucket_of(exposure, asset, address);

	while (*at != NO_PAYER) {
		struct payer *payer = &exposure->payers[*at];
		if (payer->asset == asset && memcmp(&payer->address, address, sizeof *address) == 0)
			break;
		at = &payer->next;
	}
	return at;
}

static void add_payer(struct exposure *exposure, uint8_t asset, const struct address *address,
		      const struct word *amount)
{
	uint32_t *at = find_payer(exposure, asset, address);

	if (*at == NO_PAYER) {
		ASSERT(exposure->free != NO_PAYER); /* each has a claim at least, and there are as many as claims */
		uint32_t index = exposure->free;
		struct payer *fresh = &exposure->payers[index];
		exposure->free = fresh->next;
		*fresh = (struct payer){.address = *address, .asset = asset, .next = NO_PAYER};
		*at = index;
	}
	struct payer *payer = &exposure->payers[*at];
	payer->claim_cnt++;
	(void)u256_add(payer->sum.at, payer->sum.at, amount->at);
}

static void drop_payer(struct exposure *exposure, uint8_t asset, const struct address *address,
		       const struct word *amount, bool last)
{
	uint32_t *at = find_payer(exposure, asset, address), index = *at;

	ASSERT(index != NO_PAYER);
	struct payer *payer = &exposure->payers[index];
	u256_sub(payer->sum.at, payer->sum.at, amount->at);
	payer->claim_cnt -= last;
	if (payer->claim_cnt > 0)
		return;
	ASSERT(is_zero(&payer->sum));
	*at = payer->next;
	payer->next = exposure->free;
	exposure->free = index;
}

/* --- sums --- */

/* Sums wrap, and so do differences: they come out even.  A sum that would wrap is over every limit. */
static bool passes(const struct word *sum, const struct word *amount, const struct word *max)
{
	struct word after;

	return !is_zero(max) && (u256_add(after.at, sum->at, amount->at) || u256_compare(after.at, max->at) > 0);
}

static enum reason check(struct exposure *exposure, uint8_t asset, const struct offer *offer,
			 const struct address *payer)
{
	static const struct word zero;

	if (exposure->payers != NULL) {
		uint32_t index = *find_payer(exposure, asset, payer);
		const struct word *sum = index == NO_PAYER ? &zero : &exposure->payers[index].sum;
		if (passes(sum, &offer->amount, &offer->payer_unsettled_max))
			return PAYER_UNSETTLED;
	}
	return passes(&exposure->assets[asset].sum, &offer->amount, &offer->unsettled_max) ? UNSETTLED : REASON_OK;
}

static void add(struct exposure *exposure, uint8_t asset, const struct address *payer, const struct word *amount)
{
	struct word *sum = &exposure->assets[asset].sum;

	(void)u256_add(sum->at, sum->at, amount->at);
	if (exposure->payers != NULL)
		add_payer(exposure, asset, payer, amount);
}

enum reason exposure_take(struct exposure *exposure, uint8_t asset, const struct offer *offer,
			  const struct address *payer)
{
	if (asset == EXPOSURE_NONE)
		return REASON_OK;
	pthread_mutex_lock(&exposure->lock);
	enum reason reason = check(exposure, asset, offer, payer);
	if (reason == REASON_OK)
		add(exposure, asset, payer, &offer->amount);
	pthread_mutex_unlock(&exposure->lock);
	return reason;
}

void exposure_add(struct exposure *exposure, uint8_t asset, const struct address *payer, const struct word *amount)
{
	if (asset == EXPOSURE_NONE)
		return;
	pthread_mutex_lock(&exposure->lock);
	add(exposure, asset, payer, amount);
	pthread_mutex_unlock(&exposure->lock);
}

void exposure_drop(struct exposure *exposure, uint8_t asset, const struct address *payer, const struct word *amount,
		   bool last)
{
	if (asset == EXPOSURE_NONE)
		return;
	pthread_mutex_lock(&exposure->lock);
	struct word *sum = &exposure->assets[asset].sum;
	u256_sub(sum->at, sum->at, amount->at);
	if (exposure->payers != NULL)
		drop_payer(exposure, asset, payer, amount, last);
	pthread_mutex_unlock(&exposure->lock);
}

void exposure_stats(struct exposure *exposure, struct ledger_stats *stats)
{
	pthread_mutex_lock(&exposure->lock);
	stats->asset_cnt = exposure->asset_cnt;
	for (size_t i = 0; i < exposure->asset_cnt; i++) {
		stats->assets[i].chain_id = exposure->assets[i].chain_id;
		stats->assets[i].asset = exposure->assets[i].asset;
		stats->assets[i].unsettled = exposure->assets[i].sum;
	}
	pthread_mutex_unlock(&exposure->lock);
}
