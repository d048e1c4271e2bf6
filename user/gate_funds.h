/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_GATE_FUNDS_H
#define TOLLBAR_GATE_FUNDS_H
/* gate_funds.h: a request and the chain's word about its payer, for gate.c.  Either may have to wait: the stage is then
 * STAGE_FUNDS, nothing is decided, and gate_funded makes the call again when the answer is here. */
#include "request.h"

/* The signature is not of the payer's key.  Does the payer's own code know it? */
enum reason gate_judge(struct request *request) __attribute__((warn_unused_result));
/* On REASON_OK the funds are held, or there is no chain to ask. */
enum reason gate_hold(struct request *request) __attribute__((warn_unused_result));

#endif
