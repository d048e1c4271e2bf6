/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_ANSWER_H
#define TOLLBAR_ANSWER_H
/* answer.h: how a request ends, for gate.c: refused, or answered; and in both cases what is given back on the way: the
 * claim, the payer's allowance, the place in line, the upstream. */
#include "request.h"

/* answer_refuse: ends a request of whose answer nothing was sent.  Releases what it holds (a claim that is still ours is
 * free again), counts and logs the reason, tells standing, and sends the refusal.
 * extra: complete header lines (a receipt), or empty. */
void answer_refuse(struct request *request, enum reason reason);
void answer_refuse_with(struct request *request, enum reason reason, unsigned retry_after_s, struct span extra);

/* answer_count: counts, logs and notes a reason without sending anything (the answer was begun, or nobody listens). */
void answer_count(struct request *request, enum reason reason);

/* The same of a datagram that has no request yet. */
void answer_count_datagram(struct worker *worker, const struct in6_addr *source, enum reason reason);

/* answer_done: the whole answer was given to the connection. */
void answer_done(struct request *request);
/* answer_whole: the same of one that is paid for, or owed on disk: what a node signed of it is told, all is given back. */
void answer_whole(struct request *request);
/* answer_cut: the answer broke off after a part was sent: says so in a stream, and closes. */
void answer_cut(struct request *request, enum reason reason);
/* answer_next: everything is sent and no mail is out: the connection's next request, if there may be one. */
void answer_next(struct request *request);

/* What is due so far for what was passed on (upto), or the price (exact). */
void answer_due(struct word *due, const struct request *request);
/* answer_owe: turns what it holds into a debt (purchase_charge).  settled, durable: the request's own waits for its
 * outcome and for its being on disk, or NULL. */
void answer_owe(struct request *request, const struct word *due, struct claim_wait *settled,
		struct claim_wait *durable);
/* Gives back claim, allowance, place in line, upstream and the result that is read, whichever are held. */
void answer_release(struct request *request);
/* Receipt lines of a settlement's outcome. */
#define ANSWER_RECEIPT_BYTES (1024 + 96) /* reply_receipt, answer_transaction */
struct span answer_receipt(const struct request *request, const struct claim_wait *settled,
			   char out[ANSWER_RECEIPT_BYTES]);

/* The client has taken nothing of what waits for it since sent_mark was set. */
bool answer_stalls(const struct request *request);
/* First byte of a paid answer is with the client's connection. */
void answer_first_out(struct request *request);

/* End of a step: its time goes into the histogram, its probe fires. */
void answer_step(struct request *request, enum step step);
#define STEP_END(request, STEP, probe)                                                  \
	do {                                                                            \
		answer_step(request, STEP_##STEP);                                      \
		PROBE2(probe, (request)->id, (request)->mark_ns - (request)->began_ns); \
	} while (0)

#endif
