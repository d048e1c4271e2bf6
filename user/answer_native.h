/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_ANSWER_NATIVE_H
#define TOLLBAR_ANSWER_NATIVE_H
/* answer_native.h: what the sender of a datagram is told, and what the store keeps for him.  A request that was taken is
 * answered as any other, into its sink (sys/conn.h), and from there into its result; before that an answer is a receipt, or
 * silence. */
#include "request.h"

/* Refused before it was taken: a receipt, if the signature held; of a repeat that one's. */
void answer_native_refuse(struct request *request, enum reason reason);
/* Its result began: the receipt that says so. */
void answer_native_taken(struct request *request);
/* Is it a repeat of a request whose result is here?  True: it was sent that one's receipt again. */
bool answer_native_repeat(struct request *request, const struct claim_key *key);
/* A cookie, for whoever is to show that he gets what is sent to this address.  echo: of what he sent. */
void answer_native_cookie(struct worker *worker, const struct udp_peer *peer, uint64_t cookie, const uint8_t echo[8]);

/* The sink's side. */
extern const struct conn_events answer_native_events;

#endif
