/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_REASON_H
#define TOLLBAR_REASON_H
/* reason.h: the facts about each row of reasons.h. */
#include "reasons.h"

/* "signature_bad"; "ok" for REASON_OK; never NULL. */
const char *reason_word(enum reason reason);
/* HTTP status; 500 for one that has none. */
unsigned reason_status(enum reason reason);
/* x402 code in the words of an enum method (METHOD_NONE: exact's), or NULL. */
const char *reason_x402(enum reason reason, unsigned method);
/* One sentence for a person; never NULL. */
const char *reason_message(enum reason reason);

#endif
