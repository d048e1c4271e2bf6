/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_LEDGER_CHAIN_H
#define TOLLBAR_CMD_LEDGER_CHAIN_H
/* ledger_chain.h: what a chain shows of claims: is the payment's nonce used, and does the transaction that the facilitator
 * named hold the transfer?  By JSON-RPC from a node, several claims in one call. */
#include "claim_record.h"

#define LEDGER_CHAIN_CLAIMS_MAX 16 /* in one call */

enum chain_view {
	CHAIN_NOT_ASKED, /* nothing is due, or it is on another chain */
	CHAIN_PAID,	 /* the transaction succeeded, and moved what is due from payer to payee */
	CHAIN_USED,	 /* no such transaction is known, but the nonce is used: settled by another one, or cancelled */
	CHAIN_OPEN,	 /* the nonce is not used: nothing was paid */
	CHAIN_SILENT,	 /* the node did not say */
	CHAIN_VIEW_CNT
};
extern const char *const chain_view_words[CHAIN_VIEW_CNT];

struct ledger_chain {
	const char *url;
	uint64_t chain_id;
};

/* Asks the node which chain it is on.  0 or -errno: -EPROTO it does not say, else as fetch. */
int ledger_chain_open(struct ledger_chain *chain, const char *url);
/* 0, or -errno and every view that had to be asked for is CHAIN_SILENT. */
int ledger_chain_look(const struct ledger_chain *chain, const struct record *records, size_t cnt,
		      enum chain_view *views);

/* Do ledger and chain contradict each other?  A settled claim wants its transfer, or, when no transaction is known, its
 * nonce used; a refused or expired one a nonce that is not.  What is under way, or released, contradicts nothing. */
bool ledger_chain_differs(const struct record *record, enum chain_view view);

#endif
