/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_GATE_H
#define TOLLBAR_GATE_H
/* gate.h: the order.  What happens to a request is decided in gate.c and nowhere else; the steps do not know each other.
 * The worker calls in when something happened; each call takes the request as far as it can go now. */
#include "request.h"

extern const struct forward_events gate_forward_events;

/* The head is complete, or bad (result). */
void gate_head(struct request *request, enum parse_result result);
/* The signature's verdict. */
void gate_verified(struct request *request, enum reason verdict);
/* The body is complete. */
void gate_body(struct request *request);
/* Mail: the chain was asked, or could not be. */
void gate_funded(struct request *request);
/* Mail: a place at the model server; the claim is on disk, or could not be written; the settlement's outcome. */
void gate_granted(struct request *request);
void gate_durable(struct request *request);
void gate_settled(struct request *request);
/* The client went away, or is given up: gives everything back and closes its connection. */
void gate_client_gone(struct request *request);
/* The stage's deadline passed. */
void gate_timeout(struct request *request);

#endif
