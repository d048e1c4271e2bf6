/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_ANSWER_PROOF_H
#define TOLLBAR_ANSWER_PROOF_H
/* answer_proof.h: what a node signed of an answer, from the client's wish (X-SETTLEMENT-TYPE) to the facilitator
 * (settle_data.h), where one of the offer's wants it.  `batch` and `individual` are told; `private` is not, nor what
 * nobody asked for, nor a wish in other words or said twice. */
#include "request.h"

/* Before the request is forwarded: is there anybody to tell? */
void answer_expect_proof(struct request *request);
/* The answer is whole and given to the client's connection, and what it costs is settled, or on disk as a debt. */
void answer_tell_proof(struct request *request);

/* A success's transaction as a header line, at most 96 bytes with the final zero, for clients that look for it where
 * OpenGradient's servers say it; empty where nobody is told of proofs.  Returns its bytes. */
size_t answer_transaction(const struct request *request, const struct claim_wait *settled, char *out, size_t out_bytes);

#endif
