/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_FUNDS_OUTCOME_H
#define TOLLBAR_FUNDS_OUTCOME_H
/* funds_outcome.h: what a chain shows of one payment: is its nonce used, and by what?  Questions and answers; pure.  What
 * comes back is a stranger's bytes.
 *
 * A used nonce is no payment yet: its owner may have cancelled it, or spent it on something else.  A payment is what moved
 * the amount of the asset from the payer to us, in a transaction that used this very authorisation:
 *
 *   EIP-3009   the token logs AuthorizationUsed(payer, nonce), and in the same transaction Transfer(payer, payee, amount)
 *   Permit2    the token logs Transfer(payer, payee, amount), in a transaction whose input has the permit that was signed
 *
 * Source: EIP-20, EIP-3009, Permit2 ISignatureTransfer and SignatureTransfer; Ethereum execution API. */
#include "funds_rpc.h"

struct outcome_query { /* borrowed */
	const struct payment *payment;
	const struct offer *offer;
	const struct word *amount_due;
	const struct word *transaction; /* the facilitator named it; NULL: none is known */
};

/* One call: the payment's nonce at a block (rpc_call_at).  False: the node did not say. */
void outcome_ask_nonce(struct rpc_batch *batch, const struct outcome_query *query, const char *block);
bool outcome_nonce_used(bool *used, const struct outcome_query *query, const struct rpc_result *result)
	__attribute__((warn_unused_result));

/* outcome_receipt_pays: did this transaction succeed, and move what is due from payer to payee?  *block: the one it is in. */
bool outcome_receipt_pays(struct span receipt, const struct outcome_query *query, uint64_t *block);

/* Two calls: what was logged of the nonce, and what the payer paid to the payee, in these blocks. */
#define OUTCOME_EVENT_CALLS 2
void outcome_ask_events(struct rpc_batch *batch, const struct outcome_query *query, uint64_t from, uint64_t to);

#define OUTCOME_TRANSFERS_MAX 4
struct outcome_events {
	bool used;	/* EIP-3009: this authorisation was carried out, in transactions[0] */
	bool cancelled; /* by its owner */
	bool paid;	/* and what is due was transferred in the same transaction */
	/* Permit2: in which what is due was transferred.  One of them may be it: outcome_carries. */
	struct word transactions[OUTCOME_TRANSFERS_MAX];
	size_t transaction_cnt;
	bool more; /* there were more of them */
};
/* False: the node did not say. */
bool outcome_read_events(struct outcome_events *events, const struct outcome_query *query,
			 const struct rpc_result results[OUTCOME_EVENT_CALLS]) __attribute__((warn_unused_result));

/* outcome_carries: is the permit that was signed part of this transaction's input?  Token, amount, nonce and deadline stand
 * one after the other there, whoever sends it and through whatever contract. */
bool outcome_carries(struct span transaction, const struct outcome_query *query);

#endif
