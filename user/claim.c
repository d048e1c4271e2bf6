// SPDX-License-Identifier: Apache-2.0
/* claim.c: what requests call.  Every function is short and holds one shard lock; nothing here touches the disk.
 *
 * What a crash left is resolved at the next ledger_open (claim_journal.c):
 *
 *   taken, exact           released: an exact answer leaves only after settlement, so nothing was served.  Where the log
 *                          has lost commits a settlement may be among them: then as upto
 *   taken, upto            settled for nothing: bytes may have left before `forwarded` was on disk.  The nonce stays
 *                          burned, so it was served at most once, and nobody is charged for what cannot be shown
 *   forwarded              owed, with the amount recorded last
 *   owed                   asked
 *   settling, unknown      unknown, in doubt: asked again with the identical body
 *   settled, refused,      final; settled ones are looked up on their chain, where that is asked (claim_check.c)
 *   expired */
#include "claim.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/u256.h"
#include "claim_ledger.h"

static int ledger_init(struct ledger *ledger)
{
	size_t staged_max = ledger->config.claims_max < STAGED_MAX ? ledger->config.claims_max : STAGED_MAX;

	ledger->work_last = &ledger->work;
	ledger->batch_max = BATCH_MAX;
	ledger->owed = ledger->again = ledger->late = ledger->check = CLAIM_NONE;
	ledger->asking = true;
	ledger->changed.event_fd = ledger->outcomes.event_fd = -1;
	pthread_mutex_init(&ledger->ask_lock, NULL);
	int err = table_init(&ledger->table, ledger->config.claims_max, staged_max);
	ledger->exposure = exposure_init(ledger->config.offers, ledger->config.offer_cnt, ledger->config.claims_max);
	if (err == 0 && ledger->exposure == NULL)
		err = -ENOMEM;
	if (err == 0)
		err = mailbox_init(&ledger->changed);
	if (err == 0)
		err = mailbox_init(&ledger->outcomes);
	if (err == 0)
		err = ask_init(ledger);
	return err;
}

static void ledger_fini(struct ledger *ledger)
{
	store_close(ledger->store);
	ask_fini(ledger);
	mailbox_fini(&ledger->changed);
	mailbox_fini(&ledger->outcomes);
	pthread_mutex_destroy(&ledger->ask_lock);
	exposure_fini(ledger->exposure);
	table_fini(&ledger->table);
	free(ledger);
}

int ledger_open(struct ledger **out, const struct ledger_config *config)
{
	*out = NULL;
	if (config->submit == NULL || config->settlements_max == 0 || config->claims_max == 0)
		return -EINVAL;
	struct ledger *ledger = calloc(1, sizeof *ledger);
	if (ledger == NULL)
		return -ENOMEM;
	ledger->config = *config;
	int err = ledger_init(ledger);
	if (err == 0)
		err = journal_open(ledger);
	if (err == 0) {
		*out = ledger; /* before the thread runs: what it submits may come back at once */
		err = -pthread_create(&ledger->thread, NULL, ledger_main, ledger);
	}
	if (err != 0) {
		*out = NULL;
		ledger_fini(ledger);
	}
	return err;
}

void ledger_stop_asking(struct ledger *ledger)
{
	pthread_mutex_lock(&ledger->ask_lock);
	ledger->asking = false;
	pthread_mutex_unlock(&ledger->ask_lock);
}

void ledger_close(struct ledger *ledger)
{
	uint64_t one = 1;

	ledger_stop_asking(ledger);
	atomic_store(&ledger->closing, true);
	ssize_t written = write(ledger->changed.event_fd, &one, sizeof one);
	(void)written; /* EAGAIN: the thread has been woken already */
	pthread_join(ledger->thread, NULL);
	ledger_fini(ledger);
}

void ledger_stats(struct ledger *ledger, struct ledger_stats *stats)
{
	*stats = (struct ledger_stats){
		.commits = atomic_load(&ledger->counts.commits),
		.commit_errors = atomic_load(&ledger->counts.commit_errors),
		.records = atomic_load(&ledger->counts.records),
		.settled = atomic_load(&ledger->counts.settled),
		.refused = atomic_load(&ledger->counts.refused),
		.unknown = atomic_load(&ledger->counts.unknown),
		.released = atomic_load(&ledger->counts.released),
		.unknown_expired = atomic_load(&ledger->counts.unknown_expired),
		.reverted = atomic_load(&ledger->counts.reverted),
		.unchecked = atomic_load(&ledger->counts.unchecked),
		.corrupt = atomic_load(&ledger->counts.corrupt),
		.store_down = atomic_load(&ledger->store_down),
		.journal_full = atomic_load(&ledger->journal_full),
	};
	for (size_t i = 0; i < sizeof stats->by_state / sizeof *stats->by_state; i++)
		stats->by_state[i] = atomic_load(&ledger->counts.by_state[i]);
	exposure_stats(ledger->exposure, stats);
}

size_t ledger_unsettled(struct ledger *ledger)
{
	return (size_t)atomic_load(&ledger->counts.unsettled);
}

/* Under the claim's lock.  Mailed inside it, so that the mails of two claims to one key arrive in their order. */
static void changed(struct ledger *ledger, struct claim *claim)
{
	if (claim->queued)
		return;
	claim->queued = true;
	mailbox_push(&ledger->changed, &claim->mail);
}

void claim_expect(const struct ledger *ledger, const struct claim_key *key)
{
	table_expect(&ledger->table, table_hash(&ledger->table, key));
}

bool claim_seen(struct ledger *ledger, const struct claim_key *key)
{
	uint64_t hash = table_hash(&ledger->table, key);

	table_lock(&ledger->table, hash);
	bool found = table_find(&ledger->table, key, hash);
	table_unlock(&ledger->table, hash);
	return found;
}

void claim_change_exposure(struct ledger *ledger, const struct claim *claim, enum claim_state state)
{
	static const struct word zero;
	const struct word *before = claim_exposed(claim, (enum claim_state)claim->state);
	const struct word *after = claim_exposed(claim, state);
	struct word less;

	if (before == NULL || before == after)
		return;
	u256_sub(less.at, before->at,
		 after != NULL ? after->at : zero.at); /* nothing grows: due is at most the offer's */
	if (after == NULL || u256_compare(less.at, zero.at) != 0)
		exposure_drop(ledger->exposure, claim->asset, &claim->key.from, &less, after == NULL);
}

/* Under the lock of the key's shard. */
static enum reason take(struct ledger *ledger, const struct permit *permit, uint64_t hash,
			const struct payment *payment, struct claim_wait *durable)
{
	if (table_find(&ledger->table, &permit->key, hash))
		return REPLAYED;
	uint8_t asset = exposure_asset(ledger->exposure, permit->offer);
	enum reason reason = exposure_take(ledger->exposure, asset, permit->offer, &permit->key.from);
	if (reason != REASON_OK)
		return reason;
	struct claim *claim = table_claim(&ledger->table, &permit->key, hash, payment);
	if (claim == NULL) {
		exposure_drop(ledger->exposure, asset, &permit->key.from, &permit->offer->amount, true);
		return LEDGER_FULL;
	}
	claim->asset = asset;
	claim->deadline_s = permit->deadline_s;
	claim->offer = permit->offer;
	claim->durable = durable;
	durable->claim = claim;
	durable->error = 0;
	claim_set_state(ledger, claim, CLAIM_TAKEN);
	table_link(&ledger->table, claim);
	changed(ledger, claim);
	return REASON_OK;
}

enum reason claim_take(struct ledger *ledger, const struct permit *permit, const struct payment *payment,
		       struct claim_wait *durable)
{
	durable->claim = NULL;
	if (atomic_load_explicit(&ledger->store_down, memory_order_relaxed) ||
	    atomic_load_explicit(&ledger->closing, memory_order_relaxed))
		return STORE_DOWN;
	if (atomic_load_explicit(&ledger->journal_full, memory_order_relaxed))
		return LEDGER_FULL;
	uint64_t hash = table_hash(&ledger->table, &permit->key);
	table_lock(&ledger->table, hash);
	enum reason reason = take(ledger, permit, hash, payment, durable);
	table_unlock(&ledger->table, hash);
	return reason;
}

static void assert_open(const struct claim *claim)
{
	ASSERT(claim->state == CLAIM_TAKEN || claim->state == CLAIM_FORWARDED);
}

static void assert_amount(const struct claim *claim, const struct word *amount_due)
{
	ASSERT(u256_compare(amount_due->at, claim->offer->amount.at) <= 0);
}

/* In all three: an error means the commit failed and the claim was released already; the request's durable mail is on
 * its way, and no byte of an answer left. */
void claim_release(struct ledger *ledger, struct claim *claim)
{
	table_lock(&ledger->table, claim->hash);
	if (claim->error == 0) {
		assert_open(claim);
		claim_set_state(ledger, claim, CLAIM_RELEASED);
		memset(&claim->amount_due, 0, sizeof claim->amount_due);
		table_unlink(&ledger->table, claim);
		changed(ledger, claim);
	}
	table_unlock(&ledger->table, claim->hash);
}

void claim_forward(struct ledger *ledger, struct claim *claim, const struct word *amount_due,
		   struct claim_wait *durable)
{
	if (durable != NULL)
		durable->claim = NULL;
	table_lock(&ledger->table, claim->hash);
	int error = claim->error;
	if (error == 0) {
		assert_open(claim);
		assert_amount(claim, amount_due);
		claim_set_state(ledger, claim, CLAIM_FORWARDED);
		claim->amount_due = *amount_due;
		if (durable != NULL) {
			durable->next = claim->drawn;
			claim->drawn = durable;
		}
		changed(ledger, claim);
	}
	table_unlock(&ledger->table, claim->hash);
	if (error != 0 && durable != NULL)
		ledger_mail(durable, error, CLAIM_RELEASED, NULL);
}

void claim_owe(struct ledger *ledger, struct claim *claim, const struct word *amount_due, struct claim_wait *settled,
	       struct claim_wait *durable)
{
	static const struct word zero;
	uint64_t hash = claim->hash;

	if (settled != NULL)
		settled->claim = NULL;
	if (durable != NULL)
		durable->claim = NULL;
	table_lock(&ledger->table, hash);
	int error = claim->error;
	if (error == 0) {
		assert_open(claim);
		assert_amount(claim, amount_due);
		bool free_of_charge = u256_compare(amount_due->at, zero.at) == 0;
		claim->amount_due = *amount_due;
		claim_set_state(ledger, claim, free_of_charge ? CLAIM_SETTLED : CLAIM_OWED);
		claim->settled = settled;
		if (durable != NULL) {
			ASSERT(claim->durable == NULL);
			claim->durable = durable;
		}
		changed(ledger, claim);
	}
	table_unlock(&ledger->table, hash);
	if (error != 0)
		ledger_ended(ledger, claim, amount_due, CLAIM_RELEASED);
	if (error != 0 && settled != NULL)
		ledger_mail(settled, error, CLAIM_RELEASED, NULL);
	if (error != 0 && durable != NULL)
		ledger_mail(durable, error, CLAIM_RELEASED, NULL);
}

void ledger_settled(struct ledger *ledger, struct settlement *settlement)
{
	mailbox_push(&ledger->outcomes, &settlement->mail);
}
