/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_STATS_H
#define TOLLBAR_STATS_H
/* stats.h: what each worker counts, and its sum.  Plain relaxed atomics with one writer each: no locks, no sharing. */
#include <stdatomic.h>
#include <stdint.h>

#include "base/histogram.h"
#include "reasons.h"

/* Step boundaries of a request, in order.  A step's time is from the end of the one before it. */
#define STEPS(S)                                                                                        \
	S(HEAD, "head") /* first byte of the request to the end of its head: the client's sending */    \
	S(PARSE, "parse")                                                                               \
	S(DECODE, "decode")                                                                             \
	S(EARLY, "early") /* offer, permit rules, payer list, replay lookup */                          \
	S(HASH, "hash")                                                                                 \
	S(VERIFY, "verify")                                                                             \
	S(BODY, "body") /* waiting for the rest of the body, reading it */                              \
	S(PERMIT, "permit")                                                                             \
	S(FUNDS, "funds") /* what the chain says of the payer; waiting for it, when it must be asked */ \
	S(CLAIM, "claim")                                                                               \
	S(QUEUE, "queue")                                                                               \
	S(CONNECT, "connect")	    /* upstream connection made and request written */                  \
	S(FIRST_BYTE, "first_byte") /* the model's own time until it says something */                  \
	S(SETTLE, "settle")	    /* waiting for the settlement before the answer may leave */        \
	S(FIRST_OUT, "first_out")   /* first byte of the answer handed to the client's socket */        \
	S(LAST_OUT, "last_out")	    /* rest of the answer */

enum step {
#define S(name, word) STEP_##name,
	STEPS(S)
#undef S
		STEP_CNT
};

struct stats {
	_Atomic uint64_t connections_accepted;
	_Atomic uint64_t connections_open; /* gauge */
	_Atomic uint64_t requests;	   /* heads that began */
	_Atomic uint64_t free_served;	   /* answers on free routes */
	_Atomic uint64_t verified;	   /* signatures that held */
	_Atomic uint64_t signatures_repeated, signatures_hot, signatures_cold, signatures_alone; /* verify.h: ways */
	_Atomic uint64_t signatures_undecided, signer_tables;
	_Atomic uint64_t funds_known, funds_asked, funds_blind; /* payments held: funds.h, ways */
	_Atomic uint64_t claimed;
	_Atomic uint64_t queued;
	_Atomic uint64_t forwarded;
	_Atomic uint64_t served;    /* paid answers of which a byte was sent */
	_Atomic uint64_t cancelled; /* upstream cancelled because the client left */
	_Atomic uint64_t events_relayed;
	_Atomic uint64_t refused[REASON_CNT];
	struct histogram steps[STEP_CNT];
	struct histogram
		overhead; /* paid requests: first byte in to request written upstream, without BODY and HEAD waiting */
	struct histogram first_token; /* paid requests: first byte in to first byte out */
};

/* One writer: a plain add is enough, and readers see whole values. */
static inline void stats_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void stats_set(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

/* Adds one worker's counts into a sum that nobody else writes. */
void stats_merge(struct stats *into, const struct stats *from);

#endif
