/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_RELAY_H
#define TOLLBAR_RELAY_H
/* relay.h: the bytes of an exchange, for forward.c: which header fields cross the gate in each direction, and how a body
 * gets from the upstream's framing into the client's connection or the held answer.
 *
 * Hop-by-hop fields never cross (RFC 9110 7.6.1).  A payment is a spendable credential, so it never reaches the upstream;
 * and only tollbar itself may speak of payments to the client.
 *
 * With exchange->hold_end the end of a metered stream stays in exchange->held until relay_finish: the events from the one
 * that says what was used, or from [DONE], on.  No content waits: more of it lets go what was held before it. */
#include "forward.h"

/* Request head for the upstream into out; returns bytes written, 0 when it does not fit. */
size_t relay_request_head(char *out, size_t out_bytes, const struct exchange *exchange,
			  const struct config_upstream *upstream);

/* Answer head for the client into out; has_length: send Content-Length: length, else chunked or closing. */
size_t relay_answer_head(char *out, size_t out_bytes, const struct exchange *exchange, struct span extra,
			 bool has_length, uint64_t length);

/* relay_body: takes body bytes in the exchange's mode.  Returns how many were taken (fewer: the client's connection has no
 * room).  *failure is set when the answer cannot go on.  Sets exchange->answer.done at its end. */
size_t relay_body(struct exchange *exchange, struct span bytes, enum reason *failure);
/* The body is over: looks at an event that has no end of its own too, so that exchange->usage is final. */
void relay_end(struct exchange *exchange);
/* After relay_end, or instead of it: what was held back, and what ends the body on the client's side.  false: no room now,
 * try again. */
bool relay_finish(struct exchange *exchange);
/* An event of our own into a stream that is passed on, if there is room; the stream stays open. */
void relay_append(struct exchange *exchange, struct span bytes);

#endif
