/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_REASON_H
#define TOLLBAR_REASON_H
/* reason.h: the facts about each row of reasons.h. */
#include "reasons.h"

const char *reason_word(enum reason reason);	/* "signature_bad"; "ok" for REASON_OK; never NULL */
unsigned reason_status(enum reason reason);	/* HTTP status; 500 for one that has none */
const char *reason_x402(enum reason reason, unsigned method); /* x402 code for enum method (METHOD_NONE: exact's), or NULL */
const char *reason_message(enum reason reason); /* one sentence for a person; never NULL */

#endif
