/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BODY_H
#define TOLLBAR_BODY_H
/* body.h: what a complete body asks for, for gate.c: is it the one that was paid for, which model, may this payer have it,
 * and at which price. */
#include "request.h"

/* body_read: a verified request's.  Fills openai and price.  Refuses BIND_WRONG, BODY_BAD, MODEL_DENIED, MODEL_UNKNOWN. */
enum reason body_read(struct request *request) __attribute__((warn_unused_result));

/* Nobody should sign a payment for a model that is not sold here, so where every offer goes by model, a short body is read
 * before the 402. */
bool body_asked_first(const struct request *request);
/* body_read_unpaid: PAYMENT_MISSING, or MODEL_UNKNOWN.  What else is wrong with the body can wait until it is paid for. */
enum reason body_read_unpaid(struct request *request) __attribute__((warn_unused_result));

#endif
