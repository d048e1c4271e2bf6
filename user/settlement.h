/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SETTLEMENT_H
#define TOLLBAR_SETTLEMENT_H
/* settlement.h: the noun that goes between the ledger thread (claim) and the settlement thread (settle), and the state
 * words of a claim.  A settlement is lent to settle by claim and comes back with an outcome; neither includes the other. */
#include <string.h>

#include "base/mailbox.h"
#include "payment.h"

/* Numbers are on disk: append only.  The diagram is in ARCHITECTURE.md. */
enum claim_state {
	CLAIM_TAKEN = 1,
	CLAIM_FORWARDED = 2, /* part of the answer may have left; amount_due is what is earned so far */
	CLAIM_OWED = 3,
	CLAIM_SETTLING = 4, /* the facilitator may have been asked */
	CLAIM_SETTLED = 5,
	CLAIM_REFUSED = 6,  /* the facilitator said no; kept, with its words */
	CLAIM_UNKNOWN = 7,  /* asked, no answer: asked again, never assumed */
	CLAIM_RELEASED = 8, /* nothing served, nothing charged; the payment may be used again */
	CLAIM_EXPIRED =
		9, /* its deadline passed without an answer: no facilitator can settle it any more, and whether one
			     * did only the chain knows, unless it was never in doubt */
};

#define CLAIM_STATE_CNT 10

#define SETTLE_WORD_BYTES_MAX 96 /* errorReason, zero-terminated, printable ASCII */
#define SETTLE_JOB_BYTES_MAX 48	 /* a facilitator's name for what it works on, zero-terminated, fit for a path */

struct settlement {
	struct mail mail;
	/* in: set by claim */
	uint64_t claim_id;
	struct payment payment;
	struct offer offer;	/* as it was when the claim was taken */
	struct word amount_due; /* atomic units, at most offer.amount */
	uint64_t facilitator;	/* who is asked: settlers.h */
	unsigned attempts;	/* asked so far, counting restarts */
	bool in_doubt;		/* an earlier attempt may have gone through */
	bool was_pending;	/* its last answer said so: see pending */
	bool was_named;		/* an earlier answer named a transaction */
	struct word named;
	uint64_t settled_s; /* it was settled then, and is looked up to see whether it still is; 0: it is not settled */
	char job[SETTLE_JOB_BYTES_MAX]; /* in and out: what the facilitator made of it; empty: to be asked by POST */
	/* out: set by settle, or by who looked at the chain */
	/* CLAIM_SETTLED, CLAIM_REFUSED or CLAIM_UNKNOWN; by_chain also CLAIM_EXPIRED, and CLAIM_UNKNOWN of what was settled and
	 * is not any more. */
	enum claim_state outcome;
	bool by_chain; /* read from its final blocks: there is no doubt about it */
	bool not_sent; /* with CLAIM_UNKNOWN: for certain the facilitator never saw this attempt */
	bool pending;  /* with CLAIM_UNKNOWN: it is at it, and will know soon */
	bool has_transaction;
	struct word transaction;	  /* hash of the settling transaction */
	char word[SETTLE_WORD_BYTES_MAX]; /* facilitator's errorReason, or ours when it gave none */
};

/* What one claim owed, when that is over. */
struct claim_debt {
	uint64_t chain_id;
	struct address asset, payer;
	bool permit2;
	struct word amount;
	/* CLAIM_SETTLED: it moved.  CLAIM_REFUSED, CLAIM_EXPIRED: it did not, or cannot any more.  CLAIM_RELEASED: nobody was
	 * ever asked for it. */
	enum claim_state end;
};

/* What a client asks to become of a node's proof (data settlement): nothing, one leaf among many, or an entry of its own. */
enum data_type { DATA_PRIVATE, DATA_BATCH, DATA_INDIVIDUAL };

#define PROOF_SIGNATURE_BYTES_MAX 512 /* RSA, 4096 bits */

/* What a node in a trusted execution environment signed of an answer.  Values, not text: what comes out of it again is of
 * the right form whatever the node wrote. */
struct proof {
	bool known; /* all of it */
	struct word tee_id, input_hash, output_hash;
	uint64_t timestamp; /* seconds, below 2^53 */
	size_t signature_bytes;
	uint8_t signature[PROOF_SIGNATURE_BYTES_MAX];
};

/* A job's name goes into a path: nothing in it but what stands for itself, and no dot segment.  Empty is good: no job. */
static inline bool settlement_job_good(const char job[SETTLE_JOB_BYTES_MAX])
{
	size_t bytes = 0;

	for (; bytes < SETTLE_JOB_BYTES_MAX && job[bytes] != 0; bytes++) {
		char c = job[bytes], letter = (char)(c | 32);
		if (!((letter >= 'a' && letter <= 'z') || (c >= '0' && c <= ':') || c == '-' || c == '_' || c == '.'))
			return false;
	}
	return bytes < SETTLE_JOB_BYTES_MAX && job[0] != '.';
}

#endif
