// SPDX-License-Identifier: Apache-2.0
/* claim_ask.c: what happens to a claim after claim_owe.
 *
 *   owed ──► settling ──► settled
 *    no slot: line  │ ├──► refused
 *                   │ └──► unknown ──► wheel ──► line ──► settling again, until the deadline has passed: expired
 *
 * A slot goes to who is nearest to his deadline: to those never asked and those asked before by turns, but to whoever has
 * less than URGENT_S left before all others.  Past the deadline no facilitator can say yes to a new attempt, so those come
 * last; they are asked once for what it may remember, then they end as expired.
 *
 * Where the claim's chain can be asked, a settlement in doubt is looked up there before the facilitator is asked again
 * (funds_look.h), also past the deadline, for LOOK_S: what the chain's final blocks show ends the claim.
 *
 * A settled claim is looked up on its chain, too, when nobody else wants a slot (claim_check.c).
 *
 * `settling` is on disk before the facilitator can have heard of it, the outcome before anybody is told. */
#include "claim_ledger.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/siphash.h"
#include "limits.h"

#define TICKS_PER_BACKOFF 4
#define PENDING_STEPS_MAX 8		 /* quarters */
#define URGENT_S 15			 /* a call may take ten, and facilitators want SETTLE_MARGIN_S */
#define LOOK_S 3600			 /* past the deadline: for the chain's final block to pass it, too */
#define LAST_ASK_S (SETTLE_MARGIN_S + 2) /* before the deadline: facilitators refuse later ones */

unsigned ledger_backoff_ms = 1000;

int ask_init(struct ledger *ledger)
{
	size_t cnt = ledger->config.settlements_max;

	ledger->slots = calloc(cnt, sizeof *ledger->slots);
	if (ledger->slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++)
		ledger->slots[i].next = i + 1 < cnt ? &ledger->slots[i + 1] : NULL;
	ledger->slot_free = ledger->slots;
	memset(ledger->wheel.slots, 0xff, sizeof ledger->wheel.slots);
	ledger->wheel.start_ns = clock_ns();
	return 0;
}

void ask_fini(struct ledger *ledger)
{
	free(ledger->slots);
}

/* --- slots --- */

static bool may_ask(struct ledger *ledger)
{
	pthread_mutex_lock(&ledger->ask_lock);
	bool may = ledger->asking;
	pthread_mutex_unlock(&ledger->ask_lock);
	return may;
}

static void begin(struct ledger *ledger, struct claim *claim)
{
	struct slot *slot = ledger->slot_free;

	ledger->slot_free = slot->next;
	slot->claim = claim;
	slot->lent = slot->answered = false;
	claim->slot = slot;
	if (claim->checks > 0) {
		ledger->checking_cnt++;
		return;
	}
	claim->attempts++;
	claim_set_state(ledger, claim, CLAIM_SETTLING);
}

bool ask_begin(struct ledger *ledger, struct claim *claim)
{
	/* Nobody overtakes those who wait. */
	if (ledger->slot_free == NULL || ledger->owed != CLAIM_NONE || !may_ask(ledger))
		return false;
	begin(ledger, claim);
	return true;
}

void ask_wait(struct ledger *ledger, struct claim *claim)
{
	table_line_push(&ledger->table, &ledger->owed, claim);
}

void ask_again(struct ledger *ledger, struct claim *claim)
{
	table_line_push(&ledger->table, &ledger->again, claim);
}

/* But for those with a job: it goes on. */
static void move_late(struct ledger *ledger, uint32_t *line, uint64_t now_s)
{
	for (struct claim *claim; (claim = table_line_first(&ledger->table, *line)) != NULL;) {
		if (claim->deadline_s >= now_s || claim->has_job)
			return;
		table_line_push(&ledger->table, &ledger->late, table_line_pop(&ledger->table, line));
	}
}

/* By turns: a client may be waiting for a first answer, and an unknown one runs towards its deadline. */
static struct claim *next_waiting(struct ledger *ledger)
{
	struct table *table = &ledger->table;
	uint64_t now_s = clock_unix_s();

	move_late(ledger, &ledger->owed, now_s);
	move_late(ledger, &ledger->again, now_s);
	const struct claim *owed = table_line_first(table, ledger->owed),
			   *again = table_line_first(table, ledger->again);
	if (owed == NULL && again == NULL)
		return table_line_pop(table, ledger->late != CLAIM_NONE ? &ledger->late : &ledger->check);
	bool take_again = owed == NULL || (again != NULL && ledger->again_next);
	if (owed != NULL && again != NULL) {
		bool again_sooner = again->deadline_s < owed->deadline_s;
		uint64_t sooner_s = again_sooner ? again->deadline_s : owed->deadline_s;
		if (sooner_s < now_s + URGENT_S)
			take_again = again_sooner;
	}
	ledger->again_next = !take_again;
	return table_line_pop(table, take_again ? &ledger->again : &ledger->owed);
}

bool ask_ready(struct ledger *ledger)
{
	bool wait = ledger->owed != CLAIM_NONE || ledger->again != CLAIM_NONE || ledger->late != CLAIM_NONE ||
		    check_ready(ledger);

	return wait && ledger->slot_free != NULL && may_ask(ledger);
}

void ask_assign(struct ledger *ledger)
{
	while (ask_ready(ledger)) {
		struct claim *claim = next_waiting(ledger);
		begin(ledger, claim);
		ledger_work(ledger, claim);
	}
}

void ask_fill(struct ledger *ledger, struct claim *claim, const struct record *record)
{
	struct settlement *settlement = &claim->slot->settlement;

	claim->looks = ledger->config.looks != NULL && ledger->config.looks(ledger->config.submit_ctx, &record->offer);
	*settlement = (struct settlement){
		.claim_id = record->id,
		.payment = record->payment,
		.offer = record->offer,
		.amount_due = record->amount_due,
		.facilitator = record->facilitator,
		.attempts = record->attempts,
		.in_doubt = record->in_doubt,
		.was_pending = claim->pending,
		.was_named = record->has_transaction,
		.named = record->transaction,
		.settled_s = record->state == CLAIM_SETTLED ? record->changed_s : 0,
	};
	memcpy(settlement->job, record->job, sizeof settlement->job);
}

void ask_give(struct ledger *ledger, struct claim *claim)
{
	struct slot *slot = claim->slot;

	if (slot == NULL)
		return;
	ASSERT(!slot->lent);
	memset(&slot->settlement, 0, sizeof slot->settlement); /* a signature is spendable until its deadline */
	claim->slot = NULL;
	slot->claim = NULL;
	slot->next = ledger->slot_free;
	ledger->slot_free = slot;
}

void ask_submit(struct ledger *ledger, struct claim *claim)
{
	struct slot *slot = claim->slot;

	pthread_mutex_lock(&ledger->ask_lock);
	bool asking = ledger->asking;
	slot->lent = true;
	if (asking)
		ledger->config.submit(ledger->config.submit_ctx, &slot->settlement);
	mailbox_wake(); /* whoever has it may be gone once nothing is submitted any more */
	pthread_mutex_unlock(&ledger->ask_lock);
	if (asking)
		return;
	slot->settlement.outcome = CLAIM_UNKNOWN;
	slot->settlement.not_sent = true;
	slot->settlement.pending = false;
	ask_answered(ledger, slot);
}

/* --- answers --- */

/* Refusals that judge the payment by its bytes alone: an earlier attempt that went through cannot be their cause.  Any
 * other word can be the echo of our own success: the nonce is used, the balance or allowance spent, the simulation or
 * the transfer fails, time has passed. */
static const char *const plain_refusals[] = {
	"invalid_exact_evm_scheme",
	"invalid_exact_evm_network_mismatch",
	"invalid_exact_evm_missing_eip712_domain",
	"invalid_exact_evm_recipient_mismatch",
	"invalid_exact_evm_signature",
	"invalid_exact_evm_payload_signature",
	"invalid_exact_evm_payload_recipient_mismatch",
	"invalid_exact_evm_payload_authorization_value_mismatch",
	"invalid_exact_evm_token_name_mismatch",
	"invalid_exact_evm_token_version_mismatch",
	"invalid_exact_evm_eip3009_not_supported",
	"invalid_upto_evm_scheme",
	"invalid_upto_evm_network_mismatch",
	"invalid_upto_evm_payload_settlement_exceeds_amount",
	"upto_facilitator_mismatch",
	"upto_amount_exceeds_permitted",
	"invalid_permit2_spender",
	"invalid_permit2_recipient_mismatch",
	"invalid_permit2_signature",
	"permit2_amount_mismatch",
	"permit2_token_mismatch",
	"asset_not_deployed_contract",
	"unsupported_payload_type",
	"unsupported_scheme",
	"invalid_scheme",
	"invalid_network",
	"invalid_payload",
	"invalid_payment_requirements",
	"invalid_x402_version",
};

static bool refusal_is_plain(const char *word)
{
	for (size_t i = 0; i < sizeof plain_refusals / sizeof *plain_refusals; i++)
		if (strcmp(plain_refusals[i], word) == 0)
			return true;
	return false;
}

/* Somebody used the nonce: who front-runs the facilitator pays us with it, the payer may have cancelled it.  Where the chain
 * can be asked that is no refusal yet. */
static bool says_used(const char *word)
{
	return strcmp(word, "invalid_exact_evm_nonce_already_used") == 0 || strcmp(word, "permit2_invalid_nonce") == 0;
}

/* A refusal of a claim in doubt proves nothing unless it is plain: the claim stays unknown, with the word.  A job is no
 * doubt: it is the one attempt there was, it is asked after by GET, and what it says is about itself.  When it is lost the
 * attempt is one that was never answered. */
static enum claim_state judge(struct claim *claim, const struct settlement *settlement)
{
	if (settlement->by_chain) {
		claim->in_doubt = false;
		return settlement->outcome;
	}
	switch (settlement->outcome) {
	case CLAIM_SETTLED:
		return CLAIM_SETTLED;
	case CLAIM_REFUSED:
		claim->in_doubt |= claim->looks && says_used(settlement->word);
		return !claim->in_doubt || refusal_is_plain(settlement->word) ? CLAIM_REFUSED : CLAIM_UNKNOWN;
	default:
		ASSERT(settlement->outcome == CLAIM_UNKNOWN);
		if (!settlement->not_sent && settlement->job[0] == 0)
			claim->in_doubt = true;
		return CLAIM_UNKNOWN;
	}
}

/* Nobody has heard of it, and another facilitator is there: it is soon asked, and who waits may wait for that. */
static bool has_alternate(struct ledger *ledger, const struct claim *claim, const struct settlement *settlement)
{
	bool up = false;

	if (ledger->config.pick == NULL || !settlement->not_sent || claim->in_doubt || claim->has_job)
		return false;
	return ledger->config.pick(ledger->config.submit_ctx, &settlement->offer, &up) != settlement->facilitator && up;
}

void ask_answered(struct ledger *ledger, struct slot *slot)
{
	struct settlement *settlement = &slot->settlement;

	ASSERT(slot->lent && slot->claim != NULL && slot->claim->slot == slot);
	slot->lent = false;
	slot->answered = true;
	settlement->word[sizeof settlement->word - 1] = 0;
	if (slot->claim->checks > 0) {
		check_answered(ledger, slot->claim);
		return;
	}
	slot->claim->has_job = settlement->job[0] != 0;
	claim_set_state(ledger, slot->claim, judge(slot->claim, settlement));
	slot->claim->pending = settlement->outcome == CLAIM_UNKNOWN &&
			       (settlement->pending || has_alternate(ledger, slot->claim, settlement));
	ledger_work(ledger, slot->claim);
}

static void count_outcome(struct ledger *ledger, enum claim_state outcome)
{
	switch (outcome) {
	case CLAIM_SETTLED:
		count(&ledger->counts.settled);
		break;
	case CLAIM_REFUSED:
		count(&ledger->counts.refused);
		break;
	case CLAIM_EXPIRED:
		count(&ledger->counts.unknown_expired);
		break;
	default:
		count(&ledger->counts.unknown);
	}
}

static void tell_settled(struct claim *claim, enum claim_state outcome)
{
	struct claim_wait *settled = claim->settled;

	claim->settled = NULL;
	if (settled != NULL)
		ledger_mail(settled, 0, outcome, claim->slot != NULL ? &claim->slot->settlement : NULL);
}

void ask_done(struct ledger *ledger, struct claim *claim, enum claim_state outcome)
{
	count_outcome(ledger, outcome);
	if (outcome != CLAIM_UNKNOWN || !claim->pending)
		tell_settled(claim, outcome == CLAIM_EXPIRED ? CLAIM_UNKNOWN : outcome);
	if (outcome != CLAIM_UNKNOWN)
		ledger_ended(ledger, claim, &claim->amount_due, outcome);
	const struct settlement *settlement = claim->slot != NULL ? &claim->slot->settlement : NULL;
	bool check = outcome == CLAIM_SETTLED && settlement != NULL && !settlement->by_chain &&
		     check_wanted(ledger, claim, &settlement->offer);
	ask_give(ledger, claim);
	if (outcome == CLAIM_UNKNOWN)
		ask_later(ledger, claim, clock_unix_s());
	else if (check)
		check_later(ledger, claim);
	else
		ask_keep(ledger, claim, clock_unix_s());
}

/* --- time --- */

unsigned ask_tick_ms(void)
{
	return ledger_backoff_ms >= TICKS_PER_BACKOFF ? ledger_backoff_ms / TICKS_PER_BACKOFF : 1;
}

static uint64_t tick_now(const struct ledger *ledger)
{
	return (clock_ns() - ledger->wheel.start_ns) / (UINT64_C(1000000) * ask_tick_ms());
}

static void wheel_link(struct ledger *ledger, struct claim *claim)
{
	uint32_t *head = &ledger->wheel.slots[claim->due_tick % WHEEL_SLOTS];

	claim->list_next = *head;
	*head = table_index(&ledger->table, claim);
	ledger->wheel.cnt++;
}

static void wheel_arm(struct ledger *ledger, struct claim *claim, uint64_t from_tick, uint64_t delay_ms)
{
	claim->due_tick = from_tick + delay_ms / ask_tick_ms() + 1;
	/* A slot that has been run in this turn already must not be taken for it. */
	if (claim->due_tick <= ledger->wheel.tick)
		claim->due_tick = ledger->wheel.tick + 1;
	wheel_link(ledger, claim);
}

void ask_arm(struct ledger *ledger, struct claim *claim, uint64_t delay_ms)
{
	wheel_arm(ledger, claim, tick_now(ledger), delay_ms);
}

void ask_keep(struct ledger *ledger, struct claim *claim, uint64_t now_s)
{
	uint64_t until_s = claim->deadline_s + CLAIM_MARGIN_S + 1;

	/* As of when the wheel was turned last: if that is too early it is kept again, and no clock is asked here. */
	wheel_arm(ledger, claim, ledger->wheel.tick, until_s > now_s ? (until_s - now_s) * 1000 : 0);
}

static void expire(struct ledger *ledger, struct claim *claim)
{
	log_warn("event=claim_expired claim=%llu attempts=%u in_doubt=%s", (unsigned long long)claim->id,
		 claim->attempts, claim->in_doubt ? "yes" : "no");
	claim_set_state(ledger, claim, CLAIM_EXPIRED);
	ledger_work(ledger, claim);
}

/* 1, 2, 4 .. 60 steps, and up to a quarter more so that claims that failed together do not come back together.  What the
 * facilitator is at is asked about in quarters of a step, 1, 2, 4, 8: somebody may be waiting. */
static uint64_t backoff_ms(const struct ledger *ledger, const struct claim *claim)
{
	unsigned doublings = claim->attempts > 6 ? 6 : claim->attempts > 0 ? claim->attempts - 1 : 0;
	unsigned steps_max = claim->pending ? PENDING_STEPS_MAX : BACKOFF_STEPS_MAX;
	uint64_t steps = UINT64_C(1) << doublings;
	uint64_t seed[2] = {claim->id, claim->attempts};

	if (steps > steps_max)
		steps = steps_max;
	uint64_t delay_ms = steps * ledger_backoff_ms / (claim->pending ? TICKS_PER_BACKOFF : 1);
	return delay_ms + siphash(ledger->table.hash_key, seed, sizeof seed) % (delay_ms / 4 + 1);
}

/* A job that was begun in time may end later, and that nothing was paid the chain shows when its final block is past the
 * deadline. */
static uint64_t ask_until_s(const struct claim *claim)
{
	bool by_chain = claim->looks && claim->in_doubt;

	return claim->deadline_s + (by_chain ? LOOK_S : claim->has_job ? CLAIM_MARGIN_S : 0);
}

void ask_later(struct ledger *ledger, struct claim *claim, uint64_t now_s)
{
	uint64_t delay_ms = backoff_ms(ledger, claim);

	if (now_s > claim->deadline_s + CLAIM_MARGIN_S)
		ledger_ended(ledger, claim, &claim->amount_due, CLAIM_EXPIRED);
	if (now_s > ask_until_s(claim)) {
		expire(ledger, claim);
		return;
	}
	/* One last question while a facilitator can still say yes. */
	if (now_s + LAST_ASK_S < claim->deadline_s) {
		uint64_t last_ms = (claim->deadline_s - LAST_ASK_S - now_s) * 1000;
		if (delay_ms > last_ms)
			delay_ms = last_ms;
	}
	wheel_arm(ledger, claim, tick_now(ledger), delay_ms);
}

static void due(struct ledger *ledger, struct claim *claim, uint64_t now_s)
{
	if (claim->state == CLAIM_UNKNOWN && now_s > ask_until_s(claim)) {
		expire(ledger, claim);
	} else if (claim->state == CLAIM_UNKNOWN) {
		ask_again(ledger, claim);
	} else if (claim->checks > 0) {
		table_line_push(&ledger->table, &ledger->check, claim);
	} else if (now_s <= claim->deadline_s + CLAIM_MARGIN_S) {
		ask_keep(ledger, claim, now_s); /* the clock was set back, or the wheel turned late */
	} else {
		ledger_free(ledger, claim);
	}
}

static void run_tick(struct ledger *ledger, uint64_t now_s)
{
	struct wheel *wheel = &ledger->wheel;
	uint32_t index = wheel->slots[wheel->tick % WHEEL_SLOTS];

	wheel->slots[wheel->tick % WHEEL_SLOTS] = CLAIM_NONE;
	while (index != CLAIM_NONE) {
		struct claim *claim = &ledger->table.claims[index];
		index = claim->list_next;
		wheel->cnt--;
		if (claim->due_tick > wheel->tick)
			wheel_link(ledger, claim); /* another turn */
		else
			due(ledger, claim, now_s);
	}
}

void ask_timers(struct ledger *ledger)
{
	uint64_t now = tick_now(ledger), now_s = clock_unix_s();

	if (ledger->wheel.cnt == 0) {
		ledger->wheel.tick = now;
		return;
	}
	/* After a long stall one whole turn visits every slot once. */
	if (now - ledger->wheel.tick > WHEEL_SLOTS)
		ledger->wheel.tick = now - WHEEL_SLOTS;
	while (ledger->wheel.tick < now) {
		ledger->wheel.tick++;
		run_tick(ledger, now_s);
	}
}
