// SPDX-License-Identifier: Apache-2.0
#include "funds.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/siphash.h"
#include "base/u256.h"
#include "funds_wrapped.h"

#define ACCOUNTS_MAX 65536

struct chain {
	const struct config_chain *config;
	struct account_rules rules;
	struct asker *asker; /* NULL: funds = off */
};

struct funds {
	struct accounts *accounts;
	uint8_t key[16]; /* of shares */
	struct chain chains[CHAINS_MAX];
	size_t chain_cnt;
};

static uint64_t now_ms(void)
{
	return clock_ns() / 1000000;
}

/* The chain of an offer, when it is asked; else NULL. */
static const struct chain *chain_of(const struct funds *funds, const struct offer *offer)
{
	for (size_t i = 0; i < funds->chain_cnt; i++)
		if (funds->chains[i].config->chain_id == offer->chain_id)
			return funds->chains[i].asker != NULL ? &funds->chains[i] : NULL;
	return NULL;
}

static struct account_key key_of(const struct payment *payment, const struct offer *offer)
{
	return (struct account_key){.chain_id = offer->chain_id, .token = offer->asset, .owner = payment->from};
}

/* --- asking --- */

static bool ask(const struct chain *chain, struct funds_wait *wait, unsigned wants, const struct payment *payment,
		const struct offer *offer, const struct word *digest)
{
	struct question *question = &wait->question;

	question->account = wait->hold.idx;
	question->key = key_of(payment, offer);
	question->wants = (uint8_t)wants;
	question->payment = payment;
	question->digest = *digest;
	question->nonce_used = question->signature_holds = false;
	wait->waiting = asker_put(chain->asker, question);
	return wait->waiting;
}

/* What came back, as far as it is of the payment itself. */
static enum reason take_answer(struct funds_wait *wait)
{
	const struct question *question = &wait->question;

	if (!wait->waiting)
		return REASON_OK;
	wait->waiting = false;
	if (question->wants & WANT_VIEW)
		wait->view = question->error == 0 ? VIEW_FRESH : VIEW_FAILED;
	if (question->wants & WANT_NONCE && question->error == 0 && question->nonce_used)
		return NONCE_USED;
	if (!(question->wants & WANT_SIGNATURE))
		return REASON_OK;
	if (question->error != 0)
		return CHAIN_DOWN;
	wait->contract_agrees = question->signature_holds;
	return wait->contract_agrees ? REASON_OK : SIGNATURE_BAD;
}

static bool is_down(const struct chain *chain)
{
	return asker_state(chain->asker) != ASKER_SOUND || asker_is_down(chain->asker);
}

/* --- holding --- */

static struct hold_wish wish_of(const struct chain *chain, const struct funds_wait *wait, const struct payment *payment,
				const struct offer *offer, const struct word *amount)
{
	bool unasked = wait->view == VIEW_UNASKED;

	return (struct hold_wish){.key = key_of(payment, offer),
				  .permit2 = payment->method != METHOD_EIP3009,
				  .amount = account_amount(amount),
				  .rules = &chain->rules,
				  .now_ms = now_ms(),
				  .since_ms = wait->since_ms,
				  .must_ask = chain->config->funds == FUNDS_STRICT,
				  .asked = wait->view == VIEW_FRESH,
				  .down = wait->view == VIEW_FAILED || (unasked && is_down(chain)),
				  .code_agrees = wait->contract_agrees};
}

/* Everything, of now. */
static void ask_all(const struct chain *chain, struct funds_wait *wait, const struct payment *payment,
		    const struct offer *offer, const struct word *digest)
{
	wait->since_ms = now_ms();
	bool under_way = ask(chain, wait, WANT_VIEW | WANT_NONCE, payment, offer, digest);
	ASSERT(under_way); /* only signatures are turned away */
}

static enum reason ask_code(const struct chain *chain, struct funds_wait *wait, const struct payment *payment,
			    const struct offer *offer, const struct word *digest)
{
	if (!chain->config->contracts)
		return ACCOUNT_CODE;
	if (is_down(chain) || !ask(chain, wait, WANT_SIGNATURE, payment, offer, digest))
		return CHAIN_DOWN;
	return REASON_OK;
}

enum reason funds_hold(struct funds *funds, struct funds_wait *wait, enum funds_way *way, const struct payment *payment,
		       const struct offer *offer, const struct word *amount, const struct word *digest)
{
	const struct chain *chain = chain_of(funds, offer);
	enum reason reason = take_answer(wait);
	bool ahead, under_way;

	*way = wait->view == VIEW_UNASKED ? FUNDS_KNOWN : FUNDS_ASKED;
	if (reason != REASON_OK || chain == NULL)
		return reason;
	struct hold_wish wish = wish_of(chain, wait, payment, offer, amount);
	switch (accounts_hold(funds->accounts, &wait->hold, &ahead, &wish)) {
	case HOLD_HELD:
		if (ahead)
			asker_ahead(chain->asker, &wish.key, wait->hold.idx);
		return REASON_OK;
	case HOLD_BLIND:
		*way = FUNDS_BLIND;
		return REASON_OK;
	case HOLD_ASK:
		if (!wish.must_ask) {
			under_way = ask(chain, wait, WANT_VIEW, payment, offer, digest);
			ASSERT(under_way);
			return REASON_OK;
		}
		/* fall through */
	case HOLD_ASK_ALL:
		ask_all(chain, wait, payment, offer, digest);
		return REASON_OK;
	case HOLD_ASK_CODE:
		wait->question.share = 0; /* the key's signature held: no stranger's question */
		return ask_code(chain, wait, payment, offer, digest);
	case HOLD_BALANCE:
		return BALANCE_LOW;
	case HOLD_ALLOWANCE:
		return ALLOWANCE_LOW;
	case HOLD_DOWN:
		return CHAIN_DOWN;
	case HOLD_FULL:
		return MEMORY_FULL;
	}
	return INTERNAL;
}

/* It may wait for one that fails, and then take its own time. */
unsigned funds_wait_ms(const struct funds *funds, const struct offer *offer)
{
	return 2 * chain_of(funds, offer)->config->timeout_ms + 1000;
}

bool funds_may_judge(const struct funds *funds, const struct offer *offer)
{
	const struct chain *chain = funds != NULL ? chain_of(funds, offer) : NULL;

	return chain != NULL && chain->config->contracts;
}

/* An address of IPv6 stands for its /64, as in the standing map. */
static uint16_t share_of(const struct funds *funds, const struct tollbar_address *source)
{
	struct tollbar_address key;

	if (source == NULL)
		return 0;
	key = *source;
	tollbar_standing_key(&key);
	return (uint16_t)(1 + siphash(funds->key, &key, sizeof key) % (ASKER_SHARES - 1));
}

/* Nothing is asked for a factory that is not listed. */
static enum reason check_wrapping(const struct chain *chain, const struct payment *payment)
{
	uint8_t whole[SIGNATURE_BYTES_MAX];
	struct wrapped wrapped;

	switch (wrapped_open(&wrapped, wrapped_whole(whole, payment))) {
	case WRAPPED_NOT:
		return REASON_OK;
	case WRAPPED_BAD:
		return SIGNATURE_FORM;
	case WRAPPED_GOOD:
		break;
	}
	for (size_t i = 0; i < chain->config->factory_cnt; i++)
		if (memcmp(&chain->config->factories[i], &wrapped.factory, sizeof wrapped.factory) == 0)
			return REASON_OK;
	return FACTORY_UNLISTED;
}

enum reason funds_judge(struct funds *funds, struct funds_wait *wait, const struct payment *payment,
			const struct offer *offer, const struct word *digest, const struct tollbar_address *source)
{
	const struct chain *chain = chain_of(funds, offer);

	if (wait->waiting)
		return take_answer(wait);
	enum reason reason = check_wrapping(chain, payment);
	if (reason != REASON_OK)
		return reason;
	wait->question.share = share_of(funds, source);
	return ask_code(chain, wait, payment, offer, digest);
}

/* --- what is held --- */

void funds_owe(struct funds *funds, struct funds_wait *wait, const struct word *due)
{
	if (wait->hold.held)
		accounts_owe(funds->accounts, &wait->hold, due);
}

void funds_release(struct funds *funds, struct funds_wait *wait)
{
	if (wait->hold.held)
		accounts_release(funds->accounts, &wait->hold);
}

void funds_ended(struct funds *funds, const struct claim_debt *over)
{
	const struct offer offer = {.chain_id = over->chain_id};
	const struct chain *chain = chain_of(funds, &offer);
	struct debt debt = {.key = {.chain_id = over->chain_id, .token = over->asset, .owner = over->payer},
			    .permit2 = over->permit2,
			    .amount = account_amount(&over->amount)};

	if (chain != NULL)
		accounts_ended(funds->accounts, &debt,
			       over->end == CLAIM_SETTLED    ? DEBT_SETTLED
			       : over->end == CLAIM_RELEASED ? DEBT_DROPPED
							     : DEBT_REFUSED,
			       &chain->rules, now_ms());
}

void funds_refused(struct funds *funds, const struct settlement *settlement)
{
	const struct chain *chain = chain_of(funds, &settlement->offer);
	struct account_key key = key_of(&settlement->payment, &settlement->offer);

	if (chain != NULL)
		accounts_suspect(funds->accounts, &key, &chain->rules, now_ms());
}

void funds_recover(struct funds *funds, const struct payment *payment, const struct offer *offer,
		   const struct word *due)
{
	struct debt debt = {.key = key_of(payment, offer),
			    .permit2 = payment->method != METHOD_EIP3009,
			    .amount = account_amount(due)};

	if (chain_of(funds, offer) != NULL && !accounts_recover(funds->accounts, &debt, now_ms()))
		log_warn("event=funds_recover error=%d", ENOMEM);
}

/* --- life --- */

static int start_chain(struct funds *funds, const struct config *config, const struct config_chain *from)
{
	struct chain *chain = &funds->chains[funds->chain_cnt++];

	*chain = (struct chain){.config = from,
				.rules = {.max_age_ms = from->max_age_s * UINT64_C(1000),
					  .lag_ms = from->lag_s * UINT64_C(1000),
					  .suspect_ms = from->suspect_s * UINT64_C(1000),
					  .exposure = from->exposure}};
	if (from->funds == FUNDS_OFF)
		return 0;
	struct asker_config asker = {.chain = from,
				     .rules = &chain->rules,
				     .offers = config->offers,
				     .offer_cnt = config->offer_cnt,
				     .accounts = funds->accounts};
	int error = asker_start(&chain->asker, &asker);
	if (error < 0)
		log_error("event=chain_start chain=%s error=%d", from->name, -error);
	return error;
}

/* A mistake that can be seen is seen before the first request. */
static int await(const struct chain *chain)
{
	uint64_t until = now_ms() + chain->config->timeout_ms;

	while (asker_state(chain->asker) == ASKER_UNCHECKED && !asker_is_down(chain->asker) && now_ms() < until)
		usleep(2000);
	return asker_state(chain->asker) == ASKER_WRONG ? -EINVAL : 0;
}

int funds_open(struct funds **out, const struct config *config)
{
	struct funds *funds = calloc(1, sizeof *funds);
	int error = 0;

	*out = NULL;
	if (funds == NULL)
		return -ENOMEM;
	funds->accounts = accounts_init(ACCOUNTS_MAX);
	if (funds->accounts == NULL)
		error = -ENOMEM;
	else if (getrandom(funds->key, sizeof funds->key, 0) != sizeof funds->key)
		error = -EIO;
	for (size_t i = 0; i < config->chain_cnt && error == 0; i++)
		error = start_chain(funds, config, &config->chains[i]);
	for (size_t i = 0; i < funds->chain_cnt && error == 0; i++)
		if (funds->chains[i].asker != NULL)
			error = await(&funds->chains[i]);
	if (error < 0) {
		funds_close(funds);
		return error;
	}
	*out = funds;
	return 0;
}

void funds_close(struct funds *funds)
{
	if (funds == NULL)
		return;
	for (size_t i = 0; i < funds->chain_cnt; i++)
		asker_stop(funds->chains[i].asker);
	accounts_fini(funds->accounts);
	free(funds);
}

size_t funds_bytes(const struct funds *funds)
{
	size_t bytes = sizeof *funds + accounts_bytes(ACCOUNTS_MAX);

	for (size_t i = 0; i < funds->chain_cnt; i++)
		if (funds->chains[i].asker != NULL)
			bytes += asker_bytes(funds->chains[i].config);
	return bytes;
}

void funds_stats(struct funds *funds, struct funds_stats *stats)
{
	*stats = (struct funds_stats){.accounts = accounts_cnt(funds->accounts)};
	for (size_t i = 0; i < funds->chain_cnt; i++) {
		if (funds->chains[i].asker == NULL)
			continue;
		stats->chains[stats->chain_cnt].name = funds->chains[i].config->name;
		asker_stats(funds->chains[i].asker, &stats->chains[stats->chain_cnt++].asker);
	}
}
