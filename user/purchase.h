/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_PURCHASE_H
#define TOLLBAR_PURCHASE_H
/* purchase.h: what a request holds of its payment: a claim of its own, or its part of a session (session.h).  gate.c and
 * answer.c need not know which; this file does. */
#include "request.h"

/* purchase_resume: no payment came with the request; does an X-Upto-Session stand for one?  Then payment, offer and permit are
 * those of the session, and there is no signature to verify: request->resumed.
 * Refuses PAYMENT_MISSING, SESSION_OVER. */
enum reason purchase_resume(struct request *request) __attribute__((warn_unused_result));
/* Is this payment taken, so that it buys nothing here?  Only looks: for the early out. */
bool purchase_taken(const struct request *request);
/* What it may cost, and is held against its payer's limits. */
const struct word *purchase_reserve(const struct request *request);

/* purchase_take: on REASON_OK the request holds its part, and request->durable is armed.  Refuses as claim_take and
 * session_take. */
enum reason purchase_take(struct request *request) __attribute__((warn_unused_result));
/* It holds something that can still be released or charged. */
bool purchase_held(const struct request *request);
/* An upto answer that is under way has cost so much.  False: its session was settled over its head. */
bool purchase_progress(struct request *request, const struct word *due);
/* The answer costs this much: request->charged, and the request holds nothing any more.  settled and durable are as
 * claim_owe's; in a session either is mailed when the debt is on disk, and nobody waits for more. */
void purchase_charge(struct request *request, const struct word *due, struct claim_wait *settled,
		     struct claim_wait *durable);
/* Nothing is charged.  Harmless when nothing is held. */
void purchase_release(struct request *request);
/* request->durable came back with an error: the claim is gone already. */
void purchase_lost(struct request *request);

/* The header line that tells the client its session; empty when there is none. */
#define PURCHASE_LINE_BYTES 64
struct span purchase_line(const struct request *request, char out[PURCHASE_LINE_BYTES]);

#endif
