/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TIMES_H
#define TOLLBAR_TIMES_H
/* times.h: where a request's time goes.  Each request carries the times of its steps; at its end they go into its worker's
 * histograms, one set for each route.  One writer each, no locks; whoever asks merges them. */
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"

/* Step boundaries of a request, in order.  A step's time is from the end of the one before it. */
#define STEPS(S)                                                                                              \
	S(ARRIVAL, "arrival") /* a datagram's, from the card to a worker: in the kernel, and in line there */ \
	S(HEAD, "head")	      /* first byte of the request to the end of its head: the client's sending */    \
	S(PARSE, "parse")                                                                                     \
	S(DECODE, "decode")                                                                                   \
	S(EARLY, "early") /* offer, permit rules, payer list, replay lookup */                                \
	S(HASH, "hash")                                                                                       \
	S(VERIFY, "verify")                                                                                   \
	S(BODY, "body") /* waiting for the rest of the body, reading it */                                    \
	S(PERMIT, "permit")                                                                                   \
	S(FUNDS, "funds") /* what the chain says of the payer; waiting for it, when it must be asked */       \
	S(CLAIM, "claim")                                                                                     \
	S(QUEUE, "queue")                                                                                     \
	S(CONNECT, "connect")	    /* upstream connection made and request written */                        \
	S(FIRST_BYTE, "first_byte") /* the model's own time until it says something */                        \
	S(SETTLE, "settle")	    /* waiting for the settlement before the answer may leave */              \
	S(FIRST_OUT, "first_out")   /* first byte of the answer handed to the client's socket */              \
	S(LAST_OUT, "last_out")	    /* rest of the answer */

enum step {
#define S(name, word) STEP_##name,
	STEPS(S)
#undef S
		STEP_CNT
};

extern const char *const step_words[STEP_CNT];
/* Is a step's time the client's own, who sends the request? */
bool step_waits_for_client(enum step step);
/* Is it the node's own, before the model starts?  Of these the overhead is made. */
bool step_is_overhead(enum step step);

/* Of one request, nanoseconds. */
struct request_times {
	uint64_t steps_ns[STEP_CNT];
	uint32_t steps_done; /* bit per step */
	bool has_overhead, has_first_token;
	uint64_t overhead_ns;	 /* paid: first byte in to request written upstream, without waiting for the client */
	uint64_t first_token_ns; /* paid: first byte in to first byte out */
};

void request_times_step(struct request_times *times, enum step step, uint64_t ns);
/* Did it come to the end of this step? */
bool request_times_did(const struct request_times *times, enum step step);
/* Of its time so far, the client's own. */
uint64_t request_times_waited_ns(const struct request_times *times);

/* Of many: what a worker counts of one route. */
struct times {
	struct histogram steps[STEP_CNT];
	struct histogram overhead, first_token; /* as above */
};

void times_add(struct times *times, const struct request_times *request);
/* Into one that nobody else writes. */
void times_merge(struct times *into, const struct times *from);

#endif
