/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_GATE_NATIVE_H
#define TOLLBAR_GATE_NATIVE_H
/* gate_native.h: a datagram's way into the order of gate.c (native.h says what is in one).  Only its reading and the early outs
 * are its own; from the signature on it takes the steps of any request, by the same code.
 *
 *   form ─► cookie, if asked for ─► route ─► offer ─► a repeat? its receipt again ─► early outs ─► gate.c: hash, verify
 *        ─► binding, calldata (gate_native_open) ─► gate.c: body, permit, payer, funds, claim, queue
 *        ─► result, receipt (gate_native_take) ─► gate.c: forward and all that follows, into the result
 *
 * Anybody can write any source and any payer into a datagram.  So nothing is answered before the signature held, but by a
 * cookie, which is shorter; nothing is ever held against a payer or a source; and a stranger costs one verification. */
#include "request.h"
#include "verify.h"

/* A datagram came.  Its buffer is given back sooner or later. */
void gate_datagram(struct worker *worker, const struct udp_datagram *datagram);
/* All that came in a round were read: their early outs. */
void gate_native_round(struct worker *worker);
/* A round's signatures were looked at: is each native request whose signature held bound to its calldata?  The nonces are made
 * side by side. */
void gate_native_bind(struct request *const batch[], const struct verify_item items[], size_t cnt);
/* The signature held: the request has its body.  Refuses BIND_WRONG, CALLDATA_BAD. */
enum reason gate_native_open(struct request *request) __attribute__((warn_unused_result));
/* It is claimed and in line: its result begins, and its sender is told.  Refuses RESULTS_FULL, REPLAYED. */
enum reason gate_native_take(struct request *request) __attribute__((warn_unused_result));

/* It is given up: what of its answer is not in its result yet will never be. */
void gate_native_cut(struct request *request);
/* The model server gets it. */
void gate_native_forward(struct request *request);

#endif
