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

/* What becomes of a packet that ended with a kernel reason and is not only observed. */
enum packet_end { PACKET_PASSED, PACKET_ANSWERED, PACKET_DROPPED, PACKET_ENDS };
enum packet_end reason_packet_end(enum reason reason);

/* All rows of either half, in order. */
#define REASON_COUNT_K(number, name, word) +1
#define REASON_COUNT_R(number, name, word, status, exact, permit2, upto) +1
enum { REASON_KERNEL_CNT = REASONS_KERNEL(REASON_COUNT_K), REASON_DAEMON_CNT = REASONS_DAEMON(REASON_COUNT_R) };
extern const enum reason reason_kernel[REASON_KERNEL_CNT], reason_daemon[REASON_DAEMON_CNT];

#endif
