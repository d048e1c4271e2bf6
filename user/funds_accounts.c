// SPDX-License-Identifier: Apache-2.0
#include "funds_accounts.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/siphash.h"
#include "base/u256.h"

#define SHARDS_MAX 64
#define SHARD_ACCOUNTS_MIN 256
#define NONE UINT32_MAX
#define SEARCH_MAX 64 /* accounts looked at for one that may go */
#define AMOUNT_MAX ((unsigned __int128)1 << 127)

/* What had been settled at a time; totals only grow. */
struct mark {
	uint64_t at_ms;
	unsigned __int128 total[DRAWS];
};

struct account {
	struct account_key key;
	uint32_t chain_next; /* of its bucket, or of the free list */
	uint32_t pins;	     /* questions under way or about to be */
	bool used;
	bool ahead; /* a question nobody waits for is under way */
	bool seen;  /* a view is there */
	bool has_code;
	uint64_t asked_ms; /* when the view was asked for */
	uint64_t used_ms;
	uint64_t suspect_until_ms;
	unsigned __int128 balance, allowance;
	unsigned __int128 shown[DRAWS]; /* of the total settled, what the view shows */
	unsigned __int128 reserved[DRAWS];
	__int128 owed[DRAWS];		/* below zero while a debt ended that is still to come: see accounts_owe */
	unsigned __int128 total[DRAWS]; /* settled, ever */
	uint64_t settled_ms;		/* last settlement */
	struct mark older, newer;	/* lag_ms apart at least */
};

struct shard {
	pthread_mutex_t lock;
	uint32_t *buckets;
	uint32_t first, cnt, hand; /* its part of `accounts`; where the search for one to go stands */
	uint32_t free;
} __attribute__((aligned(64)));

struct accounts { /* NOLINT(clang-analyzer-optin.performance.Padding): a cache line each */
	struct account *all;
	uint8_t hash_key[16];
	size_t shard_cnt, bucket_mask; /* buckets of one shard */
	uint32_t shard_accounts;
	atomic_size_t used_cnt;
	struct shard shards[SHARDS_MAX];
};

/* --- sums --- */

static unsigned __int128 less(unsigned __int128 from, unsigned __int128 amount)
{
	return amount < from ? from - amount : 0;
}

unsigned __int128 account_amount(const struct word *amount)
{
	unsigned __int128 number;

	return u256_to_u128(&number, amount->at) ? number : ~(unsigned __int128)0;
}

/* Adds or takes, for every draw the payment belongs to. */
static void add(unsigned __int128 sums[DRAWS], bool permit2, unsigned __int128 amount)
{
	for (unsigned i = 0; i < (permit2 ? 2u : 1u); i++)
		if (__builtin_add_overflow(sums[i], amount, &sums[i]))
			sums[i] = ~(unsigned __int128)0;
}

static void take(unsigned __int128 sums[DRAWS], bool permit2, unsigned __int128 amount)
{
	for (unsigned i = 0; i < (permit2 ? 2u : 1u); i++)
		sums[i] = less(sums[i], amount);
}

/* Reserved, and owed: what may still move. */
static unsigned __int128 at_stake(const struct account *account, enum draw draw)
{
	unsigned __int128 sum = account->reserved[draw];
	__int128 owed = account->owed[draw];

	if (owed < 0)
		return less(sum, -(unsigned __int128)owed);
	return __builtin_add_overflow(sum, (unsigned __int128)owed, &sum) ? ~(unsigned __int128)0 : sum;
}

static unsigned __int128 spoken_for(const struct account *account, enum draw draw)
{
	unsigned __int128 settled = account->total[draw] - account->shown[draw], sum = at_stake(account, draw);

	return __builtin_add_overflow(sum, settled, &sum) ? ~(unsigned __int128)0 : sum;
}

/* Modulo 2^128, so that it comes out even in whatever order debts come and end; nothing of 2^127 is ever held. */
static void owe(struct account *account, bool permit2, unsigned __int128 amount)
{
	for (unsigned i = 0; i < (permit2 ? 2u : 1u); i++)
		account->owed[i] = (__int128)((unsigned __int128)account->owed[i] + amount);
}

/* --- what was settled when --- */

static void mark(struct account *account, uint64_t lag_ms, uint64_t now_ms)
{
	if (now_ms - account->newer.at_ms < lag_ms)
		return;
	account->older = account->newer;
	account->newer.at_ms = now_ms;
	memcpy(account->newer.total, account->total, sizeof account->total);
}

/* The total of what an answer shows that is asked for now. */
static void shown_now(unsigned __int128 shown[DRAWS], struct account *account, uint64_t lag_ms, uint64_t now_ms)
{
	const unsigned __int128 *total = account->older.total;

	if (account->settled_ms + lag_ms <= now_ms)
		total = account->total;
	else if (account->newer.at_ms + lag_ms <= now_ms)
		total = account->newer.total;
	memcpy(shown, total, sizeof account->total);
}

/* --- the table --- */

static uint64_t hash(const struct accounts *accounts, const struct account_key *key)
{
	return siphash(accounts->hash_key, key, sizeof *key);
}

static struct shard *shard_of(struct accounts *accounts, uint64_t hash)
{
	return &accounts->shards[hash >> 32 & (accounts->shard_cnt - 1)];
}

static uint32_t index_of(const struct accounts *accounts, const struct account *account)
{
	return (uint32_t)(account - accounts->all);
}

static struct account *find(struct accounts *accounts, const struct shard *shard, const struct account_key *key,
			    uint64_t hash)
{
	uint32_t idx = shard->buckets[hash & accounts->bucket_mask];

	while (idx != NONE && memcmp(&accounts->all[idx].key, key, sizeof *key) != 0)
		idx = accounts->all[idx].chain_next;
	return idx == NONE ? NULL : &accounts->all[idx];
}

static void unlink_account(struct accounts *accounts, struct shard *shard, const struct account *account)
{
	uint32_t idx = index_of(accounts, account);
	uint32_t *at = &shard->buckets[hash(accounts, &account->key) & accounts->bucket_mask];

	while (*at != idx)
		at = &accounts->all[*at].chain_next;
	*at = account->chain_next;
}

/* Nothing would be forgotten but what the chain can be asked again. */
static bool may_go(const struct account *account, uint64_t lag_ms, uint64_t now_ms)
{
	return account->used && account->pins == 0 && account->reserved[DRAW_ALL] == 0 &&
	       account->owed[DRAW_ALL] == 0 && now_ms >= account->suspect_until_ms &&
	       (account->settled_ms == 0 || account->settled_ms + 2 * lag_ms < now_ms);
}

/* Of those looked at, the one unused longest makes room. */
static struct account *evict(struct accounts *accounts, struct shard *shard, uint64_t lag_ms, uint64_t now_ms)
{
	struct account *gone = NULL;

	for (unsigned i = 0; i < SEARCH_MAX && i < shard->cnt; i++) {
		struct account *account = &accounts->all[shard->first + shard->hand];
		shard->hand = (shard->hand + 1) % shard->cnt;
		if (may_go(account, lag_ms, now_ms) && (gone == NULL || account->used_ms < gone->used_ms))
			gone = account;
	}
	if (gone == NULL)
		return NULL;
	unlink_account(accounts, shard, gone);
	atomic_fetch_sub_explicit(&accounts->used_cnt, 1, memory_order_relaxed);
	return gone;
}

static struct account *make(struct accounts *accounts, struct shard *shard, const struct account_key *key,
			    uint64_t hash, uint64_t lag_ms, uint64_t now_ms)
{
	struct account *account = NULL;

	if (shard->free != NONE) {
		account = &accounts->all[shard->free];
		shard->free = account->chain_next;
	} else {
		account = evict(accounts, shard, lag_ms, now_ms);
	}
	if (account == NULL)
		return NULL;
	uint32_t *bucket = &shard->buckets[hash & accounts->bucket_mask];
	*account = (struct account){.key = *key, .used = true, .used_ms = now_ms, .chain_next = *bucket};
	*bucket = index_of(accounts, account);
	atomic_fetch_add_explicit(&accounts->used_cnt, 1, memory_order_relaxed);
	return account;
}

static struct shard *lock_of_idx(struct accounts *accounts, uint32_t idx)
{
	struct shard *shard = &accounts->shards[idx / accounts->shard_accounts];

	pthread_mutex_lock(&shard->lock);
	return shard;
}

/* --- holding --- */

static uint64_t age_ms(const struct account *account, uint64_t now_ms)
{
	return now_ms > account->asked_ms ? now_ms - account->asked_ms
					  : 0; /* threads read the clock before they lock */
}

static bool is_suspect(const struct account *account, const struct hold_wish *wish)
{
	return wish->now_ms < account->suspect_until_ms;
}

static bool has_view(const struct account *account, const struct hold_wish *wish)
{
	return account->seen && account->asked_ms >= wish->since_ms &&
	       age_ms(account, wish->now_ms) <= wish->rules->max_age_ms;
}

static bool fits(unsigned __int128 amount, unsigned __int128 into, unsigned __int128 taken)
{
	return amount < AMOUNT_MAX && amount <= less(into, taken);
}

static enum hold_verdict judge_view(const struct account *account, const struct hold_wish *wish)
{
	if (account->has_code && !wish->code_agrees)
		return HOLD_ASK_CODE;
	if (!fits(wish->amount, account->balance, spoken_for(account, DRAW_ALL)))
		return HOLD_BALANCE;
	if (wish->permit2 && !fits(wish->amount, account->allowance, spoken_for(account, DRAW_PERMIT2)))
		return HOLD_ALLOWANCE;
	return HOLD_HELD;
}

/* The chain does not say.  What is settled did move, so only what is not yet is a risk. */
static enum hold_verdict judge_blind(const struct account *account, const struct hold_wish *wish)
{
	return fits(wish->amount, wish->rules->exposure, at_stake(account, DRAW_ALL)) ? HOLD_BLIND : HOLD_DOWN;
}

static enum hold_verdict judge(const struct account *account, const struct hold_wish *wish)
{
	bool may_ask = !wish->asked && !wish->down;

	if (is_suspect(account, wish) && !wish->asked)
		return may_ask ? HOLD_ASK_ALL : HOLD_DOWN;
	if (wish->must_ask && may_ask)
		return HOLD_ASK;
	if (!has_view(account, wish))
		return may_ask ? HOLD_ASK : judge_blind(account, wish);
	enum hold_verdict verdict = judge_view(account, wish);
	bool low = verdict == HOLD_BALANCE || verdict == HOLD_ALLOWANCE;
	if (low && may_ask && age_ms(account, wish->now_ms) > REFUSE_AGE_MS)
		return HOLD_ASK;
	return verdict;
}

static void reserve(struct account *account, struct account_hold *hold, const struct hold_wish *wish)
{
	hold->held = true;
	hold->permit2 = wish->permit2;
	hold->amount = wish->amount;
	add(account->reserved, hold->permit2, hold->amount);
}

/* Half as old as it may get: time to look again, if nobody does. */
static bool wants_ahead(struct account *account, const struct hold_wish *wish)
{
	if (account->ahead || wish->down || age_ms(account, wish->now_ms) < wish->rules->max_age_ms / 2)
		return false;
	return account->ahead = true;
}

/* The account's shard is locked. */
static enum hold_verdict hold_in(struct account *account, struct account_hold *hold, bool *ahead,
				 const struct hold_wish *wish)
{
	account->used_ms = wish->now_ms;
	enum hold_verdict verdict = judge(account, wish);
	if (verdict == HOLD_HELD || verdict == HOLD_BLIND)
		reserve(account, hold, wish);
	*ahead = verdict == HOLD_HELD && wants_ahead(account, wish);
	if (verdict == HOLD_ASK || verdict == HOLD_ASK_ALL || *ahead)
		account->pins++;
	return verdict;
}

enum hold_verdict accounts_hold(struct accounts *accounts, struct account_hold *hold, bool *ahead,
				const struct hold_wish *wish)
{
	uint64_t h = hash(accounts, &wish->key);
	struct shard *shard = shard_of(accounts, h);
	enum hold_verdict verdict = HOLD_FULL;

	*hold = (struct account_hold){.held = false};
	*ahead = false;
	pthread_mutex_lock(&shard->lock);
	struct account *account = find(accounts, shard, &wish->key, h);
	if (account == NULL)
		account = make(accounts, shard, &wish->key, h, wish->rules->lag_ms, wish->now_ms);
	if (account != NULL) {
		hold->idx = index_of(accounts, account);
		verdict = hold_in(account, hold, ahead, wish);
	}
	pthread_mutex_unlock(&shard->lock);
	return verdict;
}

void accounts_owe(struct accounts *accounts, struct account_hold *hold, const struct word *due)
{
	unsigned __int128 stays = account_amount(due);

	if (!hold->held)
		return;
	hold->held = false;
	struct shard *shard = lock_of_idx(accounts, hold->idx);
	struct account *account = &accounts->all[hold->idx];
	ASSERT(account->reserved[DRAW_ALL] >= hold->amount);
	take(account->reserved, hold->permit2, hold->amount);
	owe(account, hold->permit2, stays);
	pthread_mutex_unlock(&shard->lock);
}

void accounts_release(struct accounts *accounts, struct account_hold *hold)
{
	static const struct word nothing;

	accounts_owe(accounts, hold, &nothing);
}

/* --- debts --- */

static void end_debt(struct account *account, const struct debt *debt, enum debt_end end,
		     const struct account_rules *rules, uint64_t now_ms)
{
	owe(account, debt->permit2, -debt->amount);
	if (end == DEBT_SETTLED) {
		mark(account, rules->lag_ms, now_ms);
		account->settled_ms = now_ms;
		add(account->total, debt->permit2, debt->amount);
	} else if (end == DEBT_REFUSED) {
		account->suspect_until_ms = now_ms + rules->suspect_ms;
	}
}

void accounts_ended(struct accounts *accounts, const struct debt *debt, enum debt_end end,
		    const struct account_rules *rules, uint64_t now_ms)
{
	uint64_t h = hash(accounts, &debt->key);
	struct shard *shard = shard_of(accounts, h);

	pthread_mutex_lock(&shard->lock);
	struct account *account = find(accounts, shard, &debt->key, h);
	if (account != NULL)
		end_debt(account, debt, end, rules, now_ms);
	pthread_mutex_unlock(&shard->lock);
}

void accounts_suspect(struct accounts *accounts, const struct account_key *key, const struct account_rules *rules,
		      uint64_t now_ms)
{
	const struct debt nothing = {.key = *key};

	accounts_ended(accounts, &nothing, DEBT_REFUSED, rules, now_ms);
}

bool accounts_recover(struct accounts *accounts, const struct debt *debt, uint64_t now_ms)
{
	uint64_t h = hash(accounts, &debt->key);
	struct shard *shard = shard_of(accounts, h);

	pthread_mutex_lock(&shard->lock);
	struct account *account = find(accounts, shard, &debt->key, h);
	if (account == NULL)
		account = make(accounts, shard, &debt->key, h, 0, now_ms);
	if (account != NULL)
		owe(account, debt->permit2, debt->amount);
	pthread_mutex_unlock(&shard->lock);
	return account != NULL;
}

/* --- asking --- */

void accounts_begin(struct accounts *accounts, struct account_question *question, uint32_t idx,
		    const struct account_rules *rules, uint64_t now_ms)
{
	struct shard *shard = lock_of_idx(accounts, idx);
	struct account *account = &accounts->all[idx];

	ASSERT(account->pins > 0);
	mark(account, rules->lag_ms, now_ms);
	*question = (struct account_question){.idx = idx, .key = account->key, .asked_ms = now_ms};
	shown_now(question->settled, account, rules->lag_ms, now_ms);
	pthread_mutex_unlock(&shard->lock);
}

void accounts_end(struct accounts *accounts, const struct account_question *question, const struct account_view *view,
		  bool ahead)
{
	struct shard *shard = lock_of_idx(accounts, question->idx);
	struct account *account = &accounts->all[question->idx];

	ASSERT(account->pins > 0);
	account->pins--;
	if (ahead)
		account->ahead = false;
	/* Answers may overtake each other: the one asked for last counts. */
	if (view != NULL && (!account->seen || question->asked_ms >= account->asked_ms)) {
		account->seen = true;
		account->asked_ms = question->asked_ms;
		account->balance = view->balance;
		account->allowance = view->allowance;
		account->has_code = view->has_code;
		memcpy(account->shown, question->settled, sizeof account->shown);
	}
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

static size_t shard_cnt_of(size_t cnt_max)
{
	size_t cnt = 1;

	while (cnt < SHARDS_MAX && cnt_max / (cnt * 2) >= SHARD_ACCOUNTS_MIN)
		cnt *= 2;
	return cnt;
}

size_t accounts_bytes(size_t cnt_max)
{
	size_t shards = shard_cnt_of(cnt_max), each = (cnt_max + shards - 1) / shards;

	return sizeof(struct accounts) +
	       shards * (each * sizeof(struct account) + power_of_two(each) * sizeof(uint32_t));
}

static bool init_shard(struct accounts *accounts, struct shard *shard, uint32_t first)
{
	uint32_t cnt = accounts->shard_accounts;

	pthread_mutex_init(&shard->lock, NULL);
	shard->first = shard->free = first;
	shard->cnt = cnt;
	for (uint32_t i = 0; i < cnt; i++)
		accounts->all[first + i].chain_next = i + 1 < cnt ? first + i + 1 : NONE;
	shard->buckets = malloc((accounts->bucket_mask + 1) * sizeof *shard->buckets);
	if (shard->buckets != NULL)
		memset(shard->buckets, 0xff, (accounts->bucket_mask + 1) * sizeof *shard->buckets);
	return shard->buckets != NULL;
}

struct accounts *accounts_init(size_t cnt_max)
{
	struct accounts *accounts = aligned_alloc(64, (sizeof *accounts + 63) / 64 * 64);

	if (accounts == NULL)
		return NULL;
	memset(accounts, 0, sizeof *accounts);
	accounts->shard_cnt = shard_cnt_of(cnt_max);
	accounts->shard_accounts = (uint32_t)((cnt_max + accounts->shard_cnt - 1) / accounts->shard_cnt);
	accounts->bucket_mask = power_of_two(accounts->shard_accounts) - 1;
	accounts->all = calloc(accounts->shard_cnt * accounts->shard_accounts, sizeof *accounts->all);
	bool whole = accounts->all != NULL &&
		     getrandom(accounts->hash_key, sizeof accounts->hash_key, 0) == sizeof accounts->hash_key;
	for (size_t i = 0; i < accounts->shard_cnt && whole; i++)
		whole = init_shard(accounts, &accounts->shards[i], (uint32_t)i * accounts->shard_accounts);
	if (!whole) {
		accounts_fini(accounts);
		return NULL;
	}
	return accounts;
}

void accounts_fini(struct accounts *accounts)
{
	if (accounts == NULL)
		return;
	for (size_t i = 0; i < accounts->shard_cnt; i++) {
		free(accounts->shards[i].buckets);
		pthread_mutex_destroy(&accounts->shards[i].lock);
	}
	free(accounts->all);
	free(accounts);
}

size_t accounts_cnt(struct accounts *accounts)
{
	return atomic_load_explicit(&accounts->used_cnt, memory_order_relaxed);
}
