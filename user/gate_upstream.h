/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_GATE_UPSTREAM_H
#define TOLLBAR_GATE_UPSTREAM_H
/* gate_upstream.h: the part of gate.c that goes between the line to the upstreams and what comes of them: what a request asks
 * of the line, and what its end says of how an upstream is. */
#include "request.h"

/* gate_line_look: would there be room for this request, with a body of so many bytes?  Only looks.
 * Refuses QUEUE_FULL, UPSTREAM_DOWN. */
enum reason gate_line_look(struct request *request, size_t body_bytes) __attribute__((warn_unused_result));
/* gate_line_up: asks for a place: queue_push.  Refuses QUEUE_FULL, UPSTREAM_DOWN. */
enum reason gate_line_up(struct request *request, bool *granted) __attribute__((warn_unused_result));

/* The answer's head is there. */
void gate_upstream_began(struct request *request);
/* The exchange failed.  True: the upstream never saw the request, and another one has it (*granted) or will. */
bool gate_upstream_failed(struct request *request, enum reason reason, bool *granted);

#endif
