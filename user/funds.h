/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_FUNDS_H
#define TOLLBAR_FUNDS_H
/* funds.h: can this payment be settled, as far as the chain can say?  The payer's balance, what Permit2 may take of it, the
 * payment's nonce, and whether the payer has code of its own (ERC-1271, EIP-7702), by JSON-RPC from a node.
 *
 *   cached   an answer up to max_age_s old serves, and the request does not wait for the chain; busy payers are looked at
 *            again before theirs is too old.  The nonce is not asked: a payer who used or cancelled it shows when the
 *            settlement is refused, and from then on, for suspect_s, is treated as in strict.
 *   strict   everything is asked for every payment.
 *
 * In both, what is promised to requests in flight and to debts is not promised twice (funds_accounts.h).  A request that
 * has to wait gets its question back by mail and asks again.  Only payers whose signature held are asked about; where
 * contracts may pay, a signature that did not hold may be put to the payer's code, within bounds.
 *
 * Chains without a [chain] section, and those with funds = off, are not asked: everything is held, nothing reserved. */
#include "abi.h"
#include "base/assert.h"
#include "config.h"
#include "funds_ask.h"
#include "reasons.h"
#include "settlement.h"

struct funds;

/* Lives in the request, which must outlive a question that is under way.  Zero at first, but for question.mail.arrived and
 * question.box, which are the request's. */
struct funds_wait {
	struct question question;
	bool waiting; /* the question is under way, or came back and was not looked at yet */
	enum { VIEW_UNASKED, VIEW_FRESH, VIEW_FAILED } view;
	bool contract_agrees; /* the payer's code said yes to the signature */
	uint64_t since_ms;    /* only what was asked for since then counts; 0: anything within its age */
	struct account_hold hold;
};
/* Ready for another payment. */
static inline void funds_reset(struct funds_wait *wait)
{
	ASSERT(!wait->hold.held);
	wait->waiting = wait->contract_agrees = false;
	wait->view = VIEW_UNASKED;
	wait->since_ms = 0;
}

/* How a payment came to be held. */
enum funds_way { FUNDS_KNOWN, FUNDS_ASKED, FUNDS_BLIND };

/* 0 or -errno, logged: -EINVAL when a chain and its offers disagree.  A node that does not answer is waited for, for its
 * timeout_ms, and then asked on; until it has, its payers are refused.  config: domain separators filled in. */
int funds_open(struct funds **out, const struct config *config);
void funds_close(struct funds *funds);
size_t funds_bytes(const struct funds *funds);

/* funds_hold: for a payment that was verified.  With wait->waiting afterwards nothing is decided: the question is under way,
 * and the call is made again when it has come back.  amount: what the request may cost; digest: what was signed.
 * Out, on REASON_OK: wait->hold, which must end with funds_owe or funds_release.
 * Refuses: BALANCE_LOW, ALLOWANCE_LOW, NONCE_USED, ACCOUNT_CODE, SIGNATURE_BAD (the payer's code said no), CHAIN_DOWN,
 *          MEMORY_FULL. */
enum reason funds_hold(struct funds *funds, struct funds_wait *wait, enum funds_way *way, const struct payment *payment,
		       const struct offer *offer, const struct word *amount, const struct word *digest)
	__attribute__((warn_unused_result));

/* funds_may_judge: may code decide here about a signature that is not its account's key's?  Says nothing of the payer. */
bool funds_may_judge(const struct funds *funds, const struct offer *offer);
/* funds_judge: asks it, where it may; called like funds_hold, and before it.  An account that does not exist yet (ERC-6492) is
 * made by its factory for the question, when that is one of the configured.  source: who sends it, and can have only a few
 * such questions waiting; NULL: many clients stand behind it (trusted_proxy), and only the bound on all of them holds.
 * Refuses: SIGNATURE_BAD, SIGNATURE_FORM (wrapped, and not readable), FACTORY_UNLISTED, CHAIN_DOWN. */
enum reason funds_judge(struct funds *funds, struct funds_wait *wait, const struct payment *payment,
			const struct offer *offer, const struct word *digest, const struct tollbar_address *source)
	__attribute__((warn_unused_result));

/* The longest a question may take, in milliseconds. */
unsigned funds_wait_ms(const struct funds *funds, const struct offer *offer);

/* Of what is held `due` (or more: a session's request may cost what nobody else drew) is owed until funds_ended; the rest is free
 * again. */
void funds_owe(struct funds *funds, struct funds_wait *wait, const struct word *due);
void funds_release(struct funds *funds, struct funds_wait *wait);
/* A debt is over, as the ledger says (ledger_config.ended). */
void funds_ended(struct funds *funds, const struct claim_debt *over);
/* A facilitator refused a settlement; whether that ends it the ledger says. */
void funds_refused(struct funds *funds, const struct settlement *settlement);
/* At start: a debt that is on disk. */
void funds_recover(struct funds *funds, const struct payment *payment, const struct offer *offer,
		   const struct word *due);

struct funds_stats {
	size_t chain_cnt;
	struct {
		const char *name;
		struct asker_stats asker;
	} chains[CHAINS_MAX];
	size_t accounts;
};
void funds_stats(struct funds *funds, struct funds_stats *stats);

#endif
