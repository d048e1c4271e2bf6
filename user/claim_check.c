// SPDX-License-Identifier: Apache-2.0
/* claim_check.c: a settled claim, once more.
 *
 * A facilitator's word that it settled is believed at once; the chain may take the transaction back, or never have had it.  So where
 * the chain can be asked, a settled claim is looked up at its final block, config.check_after_s later.
 *
 *   settled ──► the payment is there ──► as it was, for good
 *      ▲   ├──► it is not, and its time is not over ──► unknown, in doubt: asked again with the identical body
 *      │   ├──► it is not, and cannot be any more   ──► expired, or refused, as the chain says
 *      └───┴─── no answer, or no block final yet    ──► later, each pause twice the last, for CHECK_S
 *
 * Nothing is written for a check that finds what is on record; after a restart the newest are looked up again.  A check takes
 * a slot that nobody who is owed waits for, and never more than a quarter of them. */
#include <errno.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/u256.h"
#include "claim_ledger.h"

#define CHECK_S 3600 /* after a settlement */
#define CHECK_PAUSE_S_MAX 600
#define DOUBLINGS_MAX 6
#define RECOVERED_MAX 4096 /* records that a start looks at for claims whose time is over, but not the chain's */

unsigned check_second_ms = 1000;

static size_t quarter(size_t cnt)
{
	return cnt >= 4 ? cnt / 4 : 1;
}

static uint64_t after_s(const struct ledger *ledger, const struct offer *offer)
{
	const struct ledger_config *config = &ledger->config;

	return config->check_after_s != NULL ? config->check_after_s(config->submit_ctx, offer) : 0;
}

static bool costs(const struct claim *claim)
{
	static const struct word zero;

	return u256_compare(claim->amount_due.at, zero.at) != 0;
}

static void finish(struct ledger *ledger, struct claim *claim)
{
	claim->checks = 0;
	ledger->check_cnt--;
	ask_give(ledger, claim);
	ask_keep(ledger, claim, clock_unix_s());
}

static void give_up(struct ledger *ledger, struct claim *claim)
{
	count(&ledger->counts.unchecked);
	finish(ledger, claim);
}

/* --- when --- */

bool check_wanted(struct ledger *ledger, struct claim *claim, const struct offer *offer)
{
	uint64_t delay_s = after_s(ledger, offer);

	if (delay_s == 0 || !costs(claim))
		return false;
	if (ledger->check_cnt >= quarter(ledger->config.claims_max)) {
		count(&ledger->counts.unchecked);
		return false;
	}
	ledger->check_cnt++;
	claim->checks = 1;
	claim->check_after_s = (uint16_t)(delay_s < CHECK_S ? delay_s : CHECK_S);
	return true;
}

void check_later(struct ledger *ledger, struct claim *claim)
{
	uint64_t pause_s = (uint64_t)claim->check_after_s << (claim->checks - 1);

	if (pause_s > CHECK_PAUSE_S_MAX && claim->checks > 1)
		pause_s = CHECK_PAUSE_S_MAX;
	ask_arm(ledger, claim, pause_s * check_second_ms);
}

bool check_ready(const struct ledger *ledger)
{
	return ledger->check != CLAIM_NONE && ledger->checking_cnt < quarter(ledger->config.settlements_max);
}

/* --- asking --- */

/* Its record says what was settled, and when. */
int check_submit(struct ledger *ledger, struct claim *claim)
{
	struct record record;
	int err = journal_read(ledger, claim, &record);

	if (err == 0) {
		ask_fill(ledger, claim, &record);
		ask_submit(ledger, claim);
	} else if (err == -EBADMSG) { /* it was kept as long as it is wanted */
		ledger->checking_cnt--;
		give_up(ledger, claim);
		err = 0;
	} else {
		ledger_work(ledger, claim); /* when the store is well again */
	}
	return err;
}

/* What it was paid with is not on the chain: it is owed again. */
static void reopen(struct ledger *ledger, struct claim *claim, struct settlement *settlement)
{
	count(&ledger->counts.reverted);
	log_warn("event=claim_reverted claim=%llu found=%s", (unsigned long long)claim->id, settlement->word);
	claim->checks = 0;
	ledger->check_cnt--;
	claim->pending = claim->has_job = false;
	memset(settlement->job, 0, sizeof settlement->job); /* it would say again what it said */
	claim->in_doubt = settlement->outcome == CLAIM_UNKNOWN;
	claim_set_state(ledger, claim, settlement->outcome);
	claim->ended = true; /* when it was settled, maybe before a restart */
	if (settlement->outcome == CLAIM_UNKNOWN) {
		exposure_add(ledger->exposure, claim->asset, &claim->key.from, &claim->amount_due);
		claim->ended = false;
		if (ledger->config.reopened != NULL)
			ledger->config.reopened(ledger->config.ended_ctx, &settlement->payment, &settlement->offer,
						&settlement->amount_due);
	}
	ledger_work(ledger, claim);
}

void check_answered(struct ledger *ledger, struct claim *claim)
{
	struct settlement *settlement = &claim->slot->settlement;

	ledger->checking_cnt--;
	if (settlement->by_chain && settlement->outcome != CLAIM_SETTLED) {
		reopen(ledger, claim, settlement);
	} else if (settlement->by_chain) {
		finish(ledger, claim);
	} else if (clock_unix_s() > settlement->settled_s + CHECK_S) {
		give_up(ledger, claim);
	} else {
		if (claim->checks < DOUBLINGS_MAX)
			claim->checks++;
		ask_give(ledger, claim);
		check_later(ledger, claim);
	}
}

/* --- start --- */

/* Those whose payment could be presented again are in the table already. */
static bool wanted_late(const struct ledger *ledger, const struct record *record, uint64_t now_s)
{
	return record->state == CLAIM_SETTLED && record->deadline_s + CLAIM_MARGIN_S < now_s &&
	       record->changed_s + CHECK_S > now_s && after_s(ledger, &record->offer) > 0;
}

int check_recover(struct ledger *ledger, uint64_t now_s)
{
	uint64_t id = ledger->next_id > RECOVERED_MAX ? ledger->next_id - RECOVERED_MAX : RECORD_HEADER_KEY + 1;
	struct span stored;
	struct record record;
	int err = 0;

	if (ledger->config.check_after_s == NULL)
		return 0;
	for (; (err = store_seek(ledger->store, &id, &stored)) == 0; id++) {
		if (!record_decode(&record, id, stored) || !wanted_late(ledger, &record, now_s))
			continue;
		struct claim *claim = journal_rebuild(ledger, &record);
		if (claim == NULL)
			break; /* there is room for what is owed, and for no more */
		if (check_wanted(ledger, claim, &record.offer))
			check_later(ledger, claim);
		else
			ask_keep(ledger, claim, now_s);
	}
	return err == -ENOENT ? 0 : err;
}
