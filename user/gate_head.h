/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_GATE_HEAD_H
#define TOLLBAR_GATE_HEAD_H
/* gate_head.h: the part of gate.c that takes from a head what the request is: its route, and its payment. */
#include "request.h"

/* By method and target, byte for byte.  Refuses ROUTE_UNKNOWN, METHOD_WRONG. */
enum reason gate_find_route(struct request *request) __attribute__((warn_unused_result));

/* From the head's one payment header, or by its session.  Refuses PAYMENT_DUPLICATE, and as purchase_resume and decode. */
enum reason gate_read_payment(struct request *request) __attribute__((warn_unused_result));

/* When gate_timeout is called, unless the deadline is set again before. */
void gate_set_deadline(struct request *request, unsigned after_ms);

#endif
