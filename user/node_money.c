/* SPDX-License-Identifier: Apache-2.0 */
#include "node_money.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "funds_look.h"
#include "settlers.h"
#include "worker.h"

static bool any_session(const struct config *config)
{
	for (size_t i = 0; i < config->route_cnt; i++)
		if (config->routes[i].session.on)
			return true;
	return false;
}

static void settlement_done(void *ctx, struct settlement *settlement)
{
	struct node_money *money = ctx;

	if (money->shared->funds != NULL && settlement->outcome == CLAIM_REFUSED)
		funds_refused(money->shared->funds, settlement);
	ledger_settled(money->shared->ledger, settlement);
}

static void ended(void *ctx, const struct claim_debt *debt)
{
	const struct node_money *money = ctx;

	if (money->shared->funds != NULL)
		funds_ended(money->shared->funds, debt);
}

static void settlement_unclear(void *ctx, struct settlement *settlement)
{
	const struct node_money *money = ctx;

	if (settlement->settled_s == 0) {
		settlers_submit(money->settlers, settlement);
		return;
	}
	settlement->outcome = CLAIM_UNKNOWN; /* no facilitator is asked about what it settled */
	settlement->by_chain = false;
	ledger_settled(money->shared->ledger, settlement);
}

/* Who is in doubt asks the chain first.  What the facilitator is at it knows sooner than the chain's final blocks. */
static void submit(void *ctx, struct settlement *settlement)
{
	struct node_money *money = ctx;
	bool asks = settlement->settled_s != 0 || (settlement->in_doubt && !settlement->was_pending);
	bool look = asks && funds_look_serves(money->look, &settlement->offer);

	if (!look || !funds_look_put(money->look, settlement))
		settlement_unclear(money, settlement);
}

static uint64_t pick(void *ctx, const struct offer *offer, bool *up)
{
	const struct node_money *money = ctx;

	return settlers_pick(money->settlers, offer, up);
}

static bool looks(void *ctx, const struct offer *offer)
{
	const struct node_money *money = ctx;

	return funds_look_serves(money->look, offer);
}

static uint64_t check_after_s(void *ctx, const struct offer *offer)
{
	const struct node_money *money = ctx;

	return funds_look_again_s(money->look, offer);
}

static void reopened(void *ctx, const struct payment *payment, const struct offer *offer, const struct word *amount_due)
{
	const struct node_money *money = ctx;

	if (money->shared->funds != NULL)
		funds_recover(money->shared->funds, payment, offer, amount_due);
}

static void recovered(void *ctx, const struct payment *payment, const struct offer *offer, enum claim_state state,
		      const struct word *amount_due, uint64_t taken_s)
{
	struct node_money *money = ctx;

	bool owed = state == CLAIM_OWED || state == CLAIM_UNKNOWN;

	if (owed && money->shared->funds != NULL)
		funds_recover(money->shared->funds, payment, offer, amount_due);
	if (state != CLAIM_RELEASED)
		payers_recover_spend(money->shared->payers, &payment->from, amount_due, taken_s, clock_unix_s());
}

int node_money_open(struct node_money *money, const struct config *config, struct shared *shared)
{
	money->shared = shared;
	struct settlers_config settlers = {.config = config, .done = settlement_done, .done_ctx = money};
	int error = settlers_start(&money->settlers, &settlers);
	if (error < 0)
		return error;
	money->shared->settlers = money->settlers;
	struct funds_look_config look = {
		.config = config, .done = settlement_done, .unclear = settlement_unclear, .ctx = money};
	error = funds_look_start(&money->look, &look);
	if (error < 0)
		return error;
	struct ledger_config ledger = {.directory = config->state_directory,
				       .claims_max = config->claims,
				       .map_bytes_max = config->ledger_bytes,
				       .settlements_max = settlers_in_flight(config),
				       .keep_s = config->keep_s,
				       .offers = config->offers,
				       .offer_cnt = config->offer_cnt,
				       .submit = submit,
				       .pick = pick,
				       .looks = looks,
				       .check_after_s = check_after_s,
				       .submit_ctx = money,
				       .recovered = recovered,
				       .recovered_ctx = money,
				       .ended = ended,
				       .reopened = reopened,
				       .ended_ctx = money};
	error = ledger_open(&money->shared->ledger, &ledger);
	if (error < 0)
		log_error("event=ledger_open directory=%s error=%d", config->state_directory, -error);
	if (error == 0 && any_session(config)) {
		money->shared->sessions = sessions_init(money->shared->ledger, config->sessions);
		error = money->shared->sessions != NULL ? 0 : -ENOMEM;
	}
	return error;
}

void node_money_close(struct node_money *money)
{
	if (money->shared == NULL)
		return;
	struct ledger *ledger = money->shared->ledger;
	if (ledger != NULL)
		ledger_stop_asking(ledger);
	funds_look_stop(
		money->look); /* this and the settlers give back what they were lent, before the ledger closes */
	if (money->settlers != NULL)
		settlers_stop(money->settlers);
	if (ledger != NULL)
		ledger_close(ledger);
	settlers_free(money->settlers);
	funds_look_free(money->look);
}
