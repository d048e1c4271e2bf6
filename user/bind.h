/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BIND_H
#define TOLLBAR_BIND_H
/* bind.h: a payment that is for one body only.  x402 signs no part of the request, so a payment that somebody caught buys
 * whatever he likes.  But the nonce is the client's to choose, and it is signed: chosen as
 *
 *   keccak256("TBR1" || salt || keccak256(body))        salt: 16 random bytes, sent in X-Tollbar-Salt as 32 hex digits
 *
 * the one signature commits to the body, and no other body goes with it.  A Permit2 nonce is the same 32 bytes, read
 * big-endian.  The body is what the client sent, before anything is changed in it. */
#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "config.h"
#include "parse.h"
#include "payment.h"
#include "reasons.h"

#define BIND_SALT_BYTES 16

struct binding {
	bool is_bound;
	uint8_t salt[BIND_SALT_BYTES];
};

/* bind_read: what the head says, before there is a body.  Refuses BIND_MISSING, BIND_SALT (not 32 hex digits, or more than
 * one such field). */
enum reason bind_read(struct binding *binding, enum bind_mode mode, const struct http_head *head)
	__attribute__((warn_unused_result));
/* bind_check: is the nonce this body's?  Refuses BIND_WRONG.  Hashes the whole body. */
enum reason bind_check(const struct binding *binding, const struct word *nonce, struct span body)
	__attribute__((warn_unused_result));

/* bind_nonces: what the nonces of these bodies must be, hashed eight side by side where the CPU can (ec/keccak8.h). */
struct bind_job {
	const uint8_t *salt; /* BIND_SALT_BYTES */
	struct span body;
	struct word *nonce; /* out */
};
void bind_nonces(const struct bind_job jobs[], size_t cnt);

/* bind_nonce: one; also the client's side. */
void bind_nonce(struct word *nonce, const uint8_t salt[BIND_SALT_BYTES], struct span body);

#endif
