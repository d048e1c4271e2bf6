/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_GATE_SETTLE_H
#define TOLLBAR_GATE_SETTLE_H
/* gate_settle.h: the part of gate.c that waits for a settlement before an answer may leave: one that is held, or an exact one
 * that is streamed. */
#include "request.h"

/* What is due is owed, and its settlement awaited: gate_settled goes on. */
void gate_await_settlement(struct request *request);
/* The outcome, or that nobody waits for it any more: the answer leaves with its receipt, or a refusal does. */
void gate_end_settled(struct request *request, const struct claim_wait *settled);

#endif
