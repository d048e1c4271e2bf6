/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CLAIM_H
#define TOLLBAR_CLAIM_H
/* claim.h: permit → claim, once and durable.  An in-memory table (what is taken) in front of a journal on disk (what
 * stays taken), written by one ledger thread in group commits.
 *
 * A worker takes a claim at once, in memory, and goes on; the ledger thread writes the claim's newest state in its next
 * commit and then mails whoever waits.  No byte of a paid answer leaves before `durable` came back with 0.
 * Any thread may call any function here; each claim has one user (the request) plus the ledger thread. */
#include <stdbool.h>
#include <stddef.h>

#include "base/mailbox.h"
#include "payment.h"
#include "reasons.h"
#include "limits.h"
#include "settlement.h"

struct ledger;
struct claim;

/* Lives in the request.  Mailed to `box` once per arming; the request must outlive it. */
struct claim_wait {
	struct mail mail;
	struct mailbox *box; /* the worker's */
	struct claim *claim;
	struct claim_wait *next; /* the ledger's */
	/* durable: 0, or -errno of the commit (the claim is then released already).  settled: 0, or the same when the
	 * claim never became durable, or -EBADMSG when its record went bad on disk */
	int error;
	/* settled: CLAIM_SETTLED, CLAIM_REFUSED or CLAIM_UNKNOWN; CLAIM_RELEASED when it never became durable */
	enum claim_state outcome;
	bool has_transaction;
	struct word transaction;
	char word[SETTLE_WORD_BYTES_MAX];
};

struct ledger_config {
	const char *directory;	/* holds the journal; made when missing, mode 0700 */
	size_t claims_max;	/* table entries; full means LEDGER_FULL */
	size_t map_bytes_max;	/* journal size limit */
	size_t settlements_max; /* lent to settle at one time; the rest wait as owed */
	/* Final records stay on disk this long after their deadline (also: today's spend at start); less when the
	 * journal is three quarters full, but never while the payment could be presented again. */
	uint64_t keep_s;
	/* Takes a settlement for the settlement thread; it comes back by ledger_settled. */
	const struct offer *offers; /* the configured ones: their assets and limits */
	size_t offer_cnt;
	void (*submit)(void *submit_ctx, struct settlement *settlement);
	/* Whom to ask about a settlement that nobody can have heard of, as settlers_pick; NULL: there is no choice. */
	uint64_t (*pick)(void *submit_ctx, const struct offer *offer, bool *up);
	/* Whether the chain can be asked what became of a settlement of this offer; submit then sees to it when one is in
	 * doubt.  NULL: no chain is. */
	bool (*looks)(void *submit_ctx, const struct offer *offer);
	/* How long after it was settled a claim of this offer is looked up on its chain; submit then sees to it (settled_s).  0:
	 * it is not.  NULL: none is. */
	uint64_t (*check_after_s)(void *submit_ctx, const struct offer *offer);
	void *submit_ctx;
	/* At start, once per record that is still on disk: lets the caller rebuild per-payer spend.  May be NULL. */
	void (*recovered)(void *recovered_ctx, const struct payment *payment, const struct offer *offer,
			  enum claim_state state, const struct word *amount_due, uint64_t taken_s);
	void *recovered_ctx;
	/* A debt is over: once for each call of claim_owe with an amount, and for each record that was recovered as owed or
	 * unknown; when that is on disk, or CLAIM_MARGIN_S after the deadline, when nothing can move any more whatever becomes of
	 * the claim.  On the ledger's thread, or in claim_owe for a claim that never became durable.  May be NULL. */
	void (*ended)(void *ended_ctx, const struct claim_debt *debt);
	/* A debt that had ended as settled is owed again: the chain has no such payment.  It ends again.  May be NULL. */
	void (*reopened)(void *ended_ctx, const struct payment *payment, const struct offer *offer,
			 const struct word *amount_due);
	void *ended_ctx;
};

struct ledger_stats {			    /* monotonic counts but for the gauges */
	uint64_t by_state[CLAIM_STATE_CNT]; /* gauge: claims in each state, indexed by enum claim_state */
	uint64_t commits, commit_errors, records;
	uint64_t settled, refused, unknown, released;
	uint64_t unknown_expired; /* gauge: expired ones on disk: an operator must look (tollbar ledger) */
	uint64_t reverted;	  /* settled ones that the chain took back: settled again, or an operator must look */
	uint64_t unchecked;	  /* settled ones not looked up for want of room, or of an answer within an hour */
	uint64_t corrupt;	  /* records not trusted, places where commits were lost: an operator must look */
	bool store_down;	  /* the last commit failed */
	bool journal_full;	  /* no room for new claims until old records may go */
	struct {
		uint64_t chain_id;
		struct address asset;
		struct word unsettled; /* gauge: taken or owed, and not settled yet; atomic units */
	} assets[OFFERS_MAX];
	size_t asset_cnt;
};

/* ledger_open: opens the journal, rebuilds the table, resolves what a crash left (see claim.c), starts the thread.
 * 0 or -errno; on error nothing is left open.  A journal in use by another process is -EBUSY. */
int ledger_open(struct ledger **out, const struct ledger_config *config);
/* config.submit is not called any more once this returned; what is owed waits on disk.  Order at the end:
 * ledger_stop_asking, settle_stop (which gives back what was lent), ledger_close. */
void ledger_stop_asking(struct ledger *ledger);
/* Stops taking, waits until everything in memory is on disk (or the store fails for good), joins the thread.
 * Settlements still lent are left as they stand on disk (settling), and go on at the next start; they must not come
 * back after this. */
void ledger_close(struct ledger *ledger);
void ledger_stats(struct ledger *ledger, struct ledger_stats *stats);
/* Claims owed, settling or unknown: what a drain waits for. */
size_t ledger_unsettled(struct ledger *ledger);

/* claim_seen will be asked about this key soon: fetches where it looks. */
void claim_expect(const struct ledger *ledger, const struct claim_key *key);
/* Read-only and cheap: is this key taken?  For the early out before verify; the answer that counts is claim_take's. */
bool claim_seen(struct ledger *ledger, const struct claim_key *key);

/* claim_take: atomic over all threads; of two calls with one key exactly one gets REASON_OK.
 * Out: durable->claim, and durable will be mailed once (error 0 or -errno), also when the claim is released before.
 * The permit's offer must live as long as the claim has a user.
 * Refuses: REPLAYED, LEDGER_FULL, PAYER_UNSETTLED, UNSETTLED (the offer's limits), STORE_DOWN (the last commit failed; tried again by the ledger thread itself). */
enum reason claim_take(struct ledger *ledger, const struct permit *permit, const struct payment *payment,
		       struct claim_wait *durable) __attribute__((warn_unused_result));

/* Nothing was served: the key is free again at once.  The claim is gone for the caller. */
void claim_release(struct ledger *ledger, struct claim *claim);
/* upto: part of an answer left; amount_due is what it is worth so far (kept if we crash).  Many requests may draw on one
 * claim, as those of a session do: then it is what all of them owe so far.
 * durable (NULL: nobody waits) is mailed when this much is on disk: error 0, or -errno of a claim that never became durable,
 * or -EBADMSG.  Any number may wait. */
void claim_forward(struct ledger *ledger, struct claim *claim, const struct word *amount_due,
		   struct claim_wait *durable);
/* The amount is due.  settled (NULL: nobody waits) is mailed with the first outcome that is not pending (the facilitator
 * is at it, and will know soon); the ledger goes on with an unknown one by itself.  Zero settles nothing and is final:
 * outcome CLAIM_SETTLED without a transaction.  The claim is gone
 * for the caller.
 * durable (NULL: nobody waits) is mailed when the debt is on disk: error 0, or -errno of a claim that never became
 * durable, or -EBADMSG.  While the store is down it waits.  Only for claims whose wait from claim_take has come back;
 * it may be that one again. */
void claim_owe(struct ledger *ledger, struct claim *claim, const struct word *amount_due, struct claim_wait *settled,
	       struct claim_wait *durable);

/* For the settlement thread: gives a settlement back with its outcome. */
void ledger_settled(struct ledger *ledger, struct settlement *settlement);

#endif
