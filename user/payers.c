// SPDX-License-Identifier: Apache-2.0
#include "payers.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/expect.h"
#include "base/inifile.h"
#include "base/siphash.h"
#include "base/u256.h"
#include "payers_list.h"

#define DAY_S 86400u
#define MINUTE_S 60u
#define SHARDS_MAX 64
#define SHARD_PAYERS_MIN 1024 /* below this a shard's share of the payers varies too much */

struct usage {
	struct address payer;
	uint32_t in_flight;
	bool used;
	uint64_t seen_s; /* when it was last looked at: what drained since then is taken off then */
	uint64_t
		level; /* of a leaky bucket, in 1/60 request: a request pours 60, requests_per_minute drain each second */
	uint64_t day; /* that `spent` is of, since 1970 */
	unsigned __int128 spent;
	unsigned __int128 reserved; /* by requests in flight: sum of their amounts */
};

struct shard {
	pthread_mutex_t lock;
	struct usage *slots; /* open addressing, linear probing */
};

struct payers {
	pthread_rwlock_t list_lock; /* held to look a payer up or to swap the list, never while a file is read */
	struct payers_list *list;
	uint8_t hash_key[16];
	size_t usage_max;
	atomic_size_t usage_cnt;
	_Atomic uint64_t swept_s;
	size_t shard_cnt, shard_slots; /* powers of two */
	struct shard shards[SHARDS_MAX];
};

/* --- the list --- */

static int install(struct payers *payers, struct payers_list *list)
{
	if (list == NULL)
		return -ENOMEM;
	pthread_rwlock_wrlock(&payers->list_lock);
	struct payers_list *old = payers->list;
	payers->list = list;
	pthread_rwlock_unlock(&payers->list_lock);
	payers_list_free(old);
	return 0;
}

int payers_parse(struct payers *payers, const char *name, const char *text, size_t text_bytes, FILE *mistakes)
{
	int mistake_cnt;
	struct payers_list *list = payers_list_parse(&mistake_cnt, payers->hash_key, name, text, text_bytes, mistakes);

	return list != NULL ? install(payers, list) : mistake_cnt;
}

int payers_load(struct payers *payers, const char *path, FILE *mistakes)
{
	char *text;
	size_t text_bytes;

	if (path == NULL)
		return install(payers, payers_list_open(payers->hash_key));
	int result = inifile_slurp(path, &text, &text_bytes);
	if (result != 0)
		return result;
	result = payers_parse(payers, path, text, text_bytes, mistakes);
	free(text);
	return result;
}

enum reason payers_listed(struct payers *payers, const struct address *payer)
{
	pthread_rwlock_rdlock(&payers->list_lock);
	enum reason reason = payers_list_admits(payers->list, payer) ? REASON_OK : PAYER_DENIED;
	pthread_rwlock_unlock(&payers->list_lock);
	return reason;
}

int payers_admitted(struct payers *payers, struct address **all)
{
	pthread_rwlock_rdlock(&payers->list_lock);
	int cnt = payers_list_admitted(payers->list, all);
	pthread_rwlock_unlock(&payers->list_lock);
	return cnt;
}

enum reason payers_may(struct payers *payers, const struct address *payer, struct span model)
{
	enum reason reason = PAYER_DENIED;

	pthread_rwlock_rdlock(&payers->list_lock);
	if (payers_list_admits(payers->list, payer))
		reason = payers_list_model(payers->list, payers_list_limits(payers->list, payer), model) ? REASON_OK
													 : MODEL_DENIED;
	pthread_rwlock_unlock(&payers->list_lock);
	return reason;
}

static struct payer_limits limits_now(struct payers *payers, const struct address *payer)
{
	pthread_rwlock_rdlock(&payers->list_lock);
	struct payer_limits limits = *payers_list_limits(payers->list, payer);
	pthread_rwlock_unlock(&payers->list_lock);
	return limits;
}

uint8_t payers_priority(struct payers *payers, const struct address *payer)
{
	return limits_now(payers, payer).priority;
}

/* --- the table of usage --- */

static uint64_t hash(const struct payers *payers, const struct address *payer)
{
	return siphash(payers->hash_key, payer, sizeof *payer);
}

static size_t shard_of(const struct payers *payers, uint64_t hash)
{
	return hash >> 32 & (payers->shard_cnt - 1);
}

void payers_expect(const struct payers *payers, const struct address *payer)
{
	uint64_t h = hash(payers, payer);
	const struct usage *slots = payers->shards[shard_of(payers, h)].slots;

	expect(&slots[h & (payers->shard_slots - 1)], sizeof *slots);
}

/* The payer's slot, or the free one where it belongs, or NULL when every slot of the shard is used. */
static struct usage *shard_slot(const struct payers *payers, const struct shard *shard, const struct address *payer,
				uint64_t hash)
{
	size_t mask = payers->shard_slots - 1;

	for (size_t i = 0; i <= mask; i++) {
		struct usage *slot = &shard->slots[(hash + i) & mask];
		if (!slot->used || memcmp(&slot->payer, payer, sizeof *payer) == 0)
			return slot;
	}
	return NULL;
}

/* Frees slot i and moves up what would no longer be found behind the gap. */
static void shard_remove(const struct payers *payers, struct shard *shard, size_t i)
{
	size_t mask = payers->shard_slots - 1, gap = i;

	for (size_t j = (i + 1) & mask; j != i && shard->slots[j].used; j = (j + 1) & mask) {
		size_t home = hash(payers, &shard->slots[j].payer) & mask;
		if (((j - home) & mask) >= ((j - gap) & mask)) {
			shard->slots[gap] = shard->slots[j];
			gap = j;
		}
	}
	shard->slots[gap] = (struct usage){0};
}

/* Nothing would be forgotten with it: no request, nothing spent today, and a bucket that has drained (within a minute of
 * the last request, whatever the limit). */
static bool usage_idle(const struct usage *usage, uint64_t now_s)
{
	return usage->in_flight == 0 && (usage->spent == 0 || usage->day != now_s / DAY_S) && now_s >= usage->seen_s &&
	       now_s - usage->seen_s >= MINUTE_S;
}

/* Idle payers give their places up.  At most once a second, since it walks the whole table; no lock is held before. */
static void sweep(struct payers *payers, uint64_t now_s)
{
	if (atomic_exchange(&payers->swept_s, now_s) == now_s)
		return;
	for (size_t s = 0; s < payers->shard_cnt; s++) {
		struct shard *shard = &payers->shards[s];
		pthread_mutex_lock(&shard->lock);
		for (size_t i = 0; i < payers->shard_slots; i++) {
			while (shard->slots[i].used && usage_idle(&shard->slots[i], now_s)) {
				shard_remove(payers, shard, i);
				atomic_fetch_sub(&payers->usage_cnt, 1);
			}
		}
		pthread_mutex_unlock(&shard->lock);
	}
}

static bool place_take(struct payers *payers)
{
	if (atomic_fetch_add(&payers->usage_cnt, 1) < payers->usage_max)
		return true;
	atomic_fetch_sub(&payers->usage_cnt, 1);
	return false;
}

/* The payer's usage, made when there is none, with its shard locked; NULL and unlocked when the table is full. */
static struct usage *usage_lock(struct payers *payers, const struct address *payer, uint64_t now_s,
				struct shard **locked)
{
	uint64_t h = hash(payers, payer);
	struct shard *shard = &payers->shards[shard_of(payers, h)];

	for (bool swept = false;; swept = true) {
		pthread_mutex_lock(&shard->lock);
		struct usage *usage = shard_slot(payers, shard, payer, h);
		bool fresh = usage != NULL && !usage->used && place_take(payers);
		if (fresh)
			*usage = (struct usage){.payer = *payer, .used = true, .seen_s = now_s, .day = now_s / DAY_S};
		if (usage != NULL && usage->used) {
			*locked = shard;
			return usage;
		}
		pthread_mutex_unlock(&shard->lock);
		if (swept)
			return NULL;
		sweep(payers, now_s);
	}
}

/* Brings the usage to now.  A clock that steps back stands still here. */
static void usage_advance(struct usage *usage, const struct payer_limits *limits, uint64_t now_s)
{
	if (now_s <= usage->seen_s)
		return;
	uint64_t passed_s = now_s - usage->seen_s;
	uint64_t drained = passed_s < MINUTE_S ? passed_s * limits->requests_per_minute : UINT64_MAX;
	usage->level -= drained < usage->level ? drained : usage->level;
	usage->seen_s = now_s;
	if (now_s / DAY_S > usage->day) {
		usage->day = now_s / DAY_S;
		usage->spent = 0;
	}
}

static unsigned __int128 amount_cut(const struct word *amount)
{
	unsigned __int128 number;

	return u256_to_u128(&number, amount->at) && number < SPEND_MAX ? number : SPEND_MAX;
}

static void add_spent(struct usage *usage, unsigned __int128 amount)
{
	if (__builtin_add_overflow(usage->spent, amount, &usage->spent))
		usage->spent = ~(unsigned __int128)0;
}

/* --- limits --- */

static enum reason check_rate(const struct usage *usage, const struct payer_limits *limits, unsigned *retry_after_s)
{
	uint64_t rate = limits->requests_per_minute, full = rate * MINUTE_S, after = usage->level + MINUTE_S;

	if (rate == 0 || after <= full)
		return REASON_OK;
	*retry_after_s = (unsigned)((after - full + rate - 1) / rate);
	return PAYER_RATE;
}

static enum reason check_spend(const struct usage *usage, const struct payer_limits *limits, unsigned __int128 amount,
			       uint64_t now_s, unsigned *retry_after_s)
{
	unsigned __int128 limit = limits->spend_per_day;

	if (limit == 0)
		return REASON_OK;
	if (amount > limit || usage->spent > limit - amount) {
		*retry_after_s = (unsigned)(DAY_S - now_s % DAY_S); /* tomorrow */
		return PAYER_SPEND;
	}
	if (usage->reserved > limit - amount - usage->spent) {
		*retry_after_s = 1; /* when a request in flight costs less than it might have */
		return PAYER_SPEND;
	}
	return REASON_OK;
}

enum reason payers_enter(struct payers *payers, const struct address *payer, const struct word *amount, uint64_t now_s,
			 unsigned *retry_after_s)
{
	const struct payer_limits limits = limits_now(payers, payer);
	unsigned __int128 most = amount_cut(amount);
	struct shard *shard;
	struct usage *usage = usage_lock(payers, payer, now_s, &shard);

	*retry_after_s = 1;
	if (usage == NULL)
		return MEMORY_FULL;
	usage_advance(usage, &limits, now_s);
	enum reason reason = check_rate(usage, &limits, retry_after_s);
	if (reason == REASON_OK && limits.in_flight != 0 && usage->in_flight >= limits.in_flight)
		reason = PAYER_BUSY;
	if (reason == REASON_OK)
		reason = check_spend(usage, &limits, most, now_s, retry_after_s);
	if (reason == REASON_OK) {
		*retry_after_s = 0;
		if (limits.requests_per_minute != 0)
			usage->level += MINUTE_S;
		usage->in_flight++;
		usage->reserved += most;
	}
	pthread_mutex_unlock(&shard->lock);
	return reason;
}

void payers_leave(struct payers *payers, const struct address *payer, const struct word *amount,
		  const struct word *spent, uint64_t now_s)
{
	const struct payer_limits limits = limits_now(payers, payer);
	unsigned __int128 most = amount_cut(amount);
	struct shard *shard;
	struct usage *usage = usage_lock(payers, payer, now_s, &shard);

	/* A payer with a request in flight is never swept away. */
	ASSERT(usage != NULL && usage->in_flight > 0 && usage->reserved >= most);
	usage_advance(usage, &limits, now_s);
	usage->in_flight--;
	usage->reserved -= most;
	add_spent(usage, amount_cut(spent));
	pthread_mutex_unlock(&shard->lock);
}

void payers_recover_spend(struct payers *payers, const struct address *payer, const struct word *spent,
			  uint64_t taken_s, uint64_t now_s)
{
	const struct payer_limits limits = limits_now(payers, payer);
	struct shard *shard;

	if (taken_s / DAY_S != now_s / DAY_S)
		return;
	struct usage *usage = usage_lock(payers, payer, now_s, &shard);
	if (usage == NULL)
		return;
	usage_advance(usage, &limits, now_s);
	add_spent(usage, amount_cut(spent));
	pthread_mutex_unlock(&shard->lock);
}

/* --- life --- */

static size_t power_of_two(size_t least)
{
	size_t power = 1;

	while (power < least)
		power *= 2;
	return power;
}

static int init_locks(struct payers *payers)
{
	pthread_rwlockattr_t attr;

	/* A reload waits for the readers inside, not for all that come after: else it might never get in. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	int err = pthread_rwlock_init(&payers->list_lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	for (size_t i = 0; i < SHARDS_MAX; i++)
		pthread_mutex_init(&payers->shards[i].lock, NULL);
	return -err;
}

struct payers *payers_init(size_t usage_max)
{
	struct payers *payers = calloc(1, sizeof *payers);

	if (payers == NULL)
		return NULL;
	payers->usage_max = usage_max;
	payers->shard_cnt = 1;
	while (payers->shard_cnt < SHARDS_MAX && usage_max / (payers->shard_cnt * 2) >= SHARD_PAYERS_MIN)
		payers->shard_cnt *= 2;
	/* Half full at most, on average: short probes, and room where one shard gets more than its share. */
	payers->shard_slots = power_of_two(2 * (usage_max / payers->shard_cnt + 1));
	bool whole = init_locks(payers) == 0;
	whole = whole && getrandom(payers->hash_key, sizeof payers->hash_key, 0) == sizeof payers->hash_key;
	payers->list = payers_list_open(payers->hash_key);
	whole = whole && payers->list != NULL;
	for (size_t i = 0; i < payers->shard_cnt && whole; i++) {
		payers->shards[i].slots = calloc(payers->shard_slots, sizeof(struct usage));
		whole = payers->shards[i].slots != NULL;
	}
	if (!whole) {
		payers_fini(payers);
		return NULL;
	}
	return payers;
}

void payers_fini(struct payers *payers)
{
	if (payers == NULL)
		return;
	for (size_t i = 0; i < SHARDS_MAX; i++) {
		free(payers->shards[i].slots);
		pthread_mutex_destroy(&payers->shards[i].lock);
	}
	pthread_rwlock_destroy(&payers->list_lock);
	payers_list_free(payers->list);
	free(payers);
}
