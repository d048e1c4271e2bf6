/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_REPLY_H
#define TOLLBAR_REPLY_H
/* reply.h: every answer tollbar gives in its own name: 402 challenges, refusals, and the PAYMENT-RESPONSE field.
 * Challenges are made once at start, one per route, reason and method, and sent as they are. */
#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"
#include "config.h"
#include "native.h"
#include "reason.h"
#include "settlement.h"

struct reply;

/* Makes all challenges of a configuration.  NULL: no memory.  The config must outlive it. */
struct reply *reply_init(const struct config *config);
void reply_fini(struct reply *reply);
size_t reply_bytes(const struct reply *reply); /* memory used, for the line printed at start */

/* Is a request on a paid route refused with a challenge for this reason, or with an error body (reply_refusal)? */
bool reply_challenges(enum reason reason);

/* reply_challenge: the whole answer (head and body) of a route for a reason, in the method's words.
 * HTTP/1.1 402, or 412 where the payer must allow Permit2 something first, PAYMENT-REQUIRED (v2, base64),
 * Cache-Control: no-store, Content-Type: application/json; body is the v1 form with a member "reason" holding the
 * word and "error" holding the x402 code: {"x402Version":1,"error":...,"reason":...,"accepts":[v1 requirements]}.
 * Where the route is offered over the native transport, v2's extensions say by which port and number: tollbar-native.
 * Borrowed, constant.  Keep-alive form: the caller appends nothing; when the connection is to be closed use
 * reply_challenge_close, which says Connection: close. */
struct span reply_challenge(const struct reply *reply, size_t route_idx, enum reason reason, unsigned method);
struct span reply_challenge_close(const struct reply *reply, size_t route_idx, enum reason reason, unsigned method);

struct refusal {
	enum reason reason;
	unsigned retry_after_s; /* 0: no Retry-After field */
	bool close;		/* Connection: close */
	bool head_only;		/* the request was HEAD: no body */
	const char *allow;	/* METHOD_WRONG: value of Allow, or NULL */
	struct span extra;	/* complete extra header lines with their CRLF, or empty (PAYMENT-RESPONSE) */
};

/* reply_refusal: any other answer: status line, fields, OpenAI error body
 * {"error":{"message":...,"type":...,"param":null,"code":"<word>"}}; type is invalid_request_error (4xx),
 * permission_error (403), rate_limit_error (429), server_error (5xx).  Cache-Control: no-store.
 * Returns bytes written; out_bytes of 2048 + extra.bytes always suffices. */
size_t reply_refusal(char *out, size_t out_bytes, const struct refusal *refusal);

/* reply_pending: 202, of a native request whose answer has not begun:
 * {"id":"<32 hex digits>","state":"queued","place":<in line, from 1>}, or "running" and 0.  Retry-After: 1.
 * Returns bytes written; REPLY_PENDING_BYTES always suffice. */
#define REPLY_PENDING_BYTES 512
struct pending {
	const uint8_t *id; /* NATIVE_ID_BYTES */
	uint32_t place;	   /* 0: the model server has it */
	bool close;	   /* Connection: close */
};
size_t reply_pending(char *out, size_t out_bytes, const struct pending *pending);

/* reply_stream_error: the same error as a server-sent event "data: {...}\n\n", for a stream whose 200 is already out. */
size_t reply_stream_error(char *out, size_t out_bytes, enum reason reason);

struct receipt {
	unsigned version; /* 2: PAYMENT-RESPONSE, 1: X-PAYMENT-RESPONSE */
	bool success;
	const char *error; /* errorReason when not a success; printable ASCII */
	const struct address *payer;
	bool has_transaction;
	const struct word *transaction;
	const struct offer *offer; /* network; v1 gives the v1 name */
	const struct word *amount; /* upto: actual amount; NULL otherwise */
};

/* reply_receipt: the header line "PAYMENT-RESPONSE: <base64 of SettleResponse JSON>\r\n".  1,024 bytes always suffice. */
size_t reply_receipt(char *out, size_t out_bytes, const struct receipt *receipt);

#endif
