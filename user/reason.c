// SPDX-License-Identifier: Apache-2.0
/* reason.c: see reason.h. */
#include "reason.h"

#include <stddef.h>

#include "payment.h"

struct row {
	const char *word;
	const char *exact, *permit2, *upto;
	unsigned status;
};

/* clang-format off: rows of rows */
static const struct row rows[REASON_CNT] = {[REASON_OK] = {.word = "ok", .status = 200},
#define K(number, name, word_) [name] = {.word = word_},
#define R(number, name, word_, status_, exact_, permit2_, upto_) \
	[name] = {.word = word_, .status = status_, .exact = exact_, .permit2 = permit2_, .upto = upto_},
					    REASONS_KERNEL(K) REASONS_DAEMON(R)
#undef K
#undef R
};
/* clang-format on */

static const char *const messages[REASON_CNT] = {
	[HTTP_BAD] = "The request is not well-formed HTTP/1.1.",
	[HTTP_AMBIGUOUS] = "The length of the request's body can be read in more than one way.",
	[HTTP_LARGE] = "The request's head is too large or has too many fields.",
	[HTTP_VERSION] = "Only HTTP/1.0 and HTTP/1.1 are spoken here.",
	[BODY_LARGE] = "The request's body is larger than this node accepts.",
	[BODY_BAD] = "The request's body is not the JSON object this route expects.",
	[CLIENT_SLOW] = "The request did not arrive in time.",
	[CLIENT_GONE] = "The client closed the connection.",
	[ROUTE_UNKNOWN] = "There is no such route on this node.",
	[METHOD_WRONG] = "This route does not take that method.",
	[EXPECTATION] = "The only expectation this node can meet is 100-continue.",
	[MODEL_UNKNOWN] = "The request names no model that has a price here; nothing was charged.",
	[PAYMENT_MISSING] = "This route is paid: send a payment for one of the offers.",
	[PAYMENT_DUPLICATE] = "There is more than one payment header.",
	[PAYMENT_LARGE] = "The payment header is too large.",
	[PAYMENT_BASE64] = "The payment header is not standard base64.",
	[PAYMENT_JSON] = "The payment is not well-formed JSON.",
	[PAYMENT_FIELD] = "A field of the payment is missing or not of the right form.",
	[PAYMENT_VERSION] = "The payment's x402Version is not 1 or 2, or does not fit its header.",
	[SCHEME_UNKNOWN] = "The payment's scheme is not one this node takes.",
	[OFFER_UNMATCHED] = "The payment matches none of this route's offers.",
	[NETWORK_WRONG] = "The payment is for another network than the offer's.",
	[ASSET_WRONG] = "The payment is in another asset than the offer's.",
	[PAYEE_WRONG] = "The payment goes to another address than the offer's.",
	[AMOUNT_WRONG] = "The payment's amount is not the offer's.",
	[SPENDER_WRONG] = "The permit's spender is not the x402 proxy of this scheme.",
	[FACILITATOR_WRONG] = "The permit names another facilitator than the offer's.",
	[NOT_YET] = "The payment is not valid yet.",
	[EXPIRED] = "The payment has expired, or expires too soon to be settled.",
	[DEADLINE_FAR] = "The payment's deadline is further away than the offer's maxTimeoutSeconds.",
	[PAYER_ZERO] = "The payment's payer is the zero address.",
	[SIGNATURE_FORM] =
		"The signature has not the form of a key's (65 bytes, a low s, a recovery value that counts here).",
	[SIGNATURE_BAD] = "The signature is not the payer's over this payment.",
	[REPLAYED] = "This payment has already been used.",
	[BIND_MISSING] = "This route wants a payment bound to the body: its salt is missing from X-Tollbar-Salt.",
	[BIND_SALT] = "X-Tollbar-Salt is not 32 hexadecimal digits, or is there more than once.",
	[BIND_WRONG] = "The payment is bound to another body than this one.",
	[NONCE_USED] = "The chain has this payment's nonce as used or cancelled.",
	[BALANCE_LOW] = "The payer's balance does not cover this payment and those under way.",
	[ALLOWANCE_LOW] =
		"What Permit2 may take of the payer's tokens does not cover this payment and those under way.",
	[FACTORY_UNLISTED] =
		"The payer's account does not exist yet, and this node does not know the factory that would make it.",
	[ACCOUNT_CODE] = "The payer's account has code, and this node takes payments of plain accounts only.",
	[PAYER_DENIED] = "This payer may not use this node.",
	[MODEL_DENIED] = "This payer may not use this model.",
	[PAYER_RATE] = "This payer has reached its limit of requests per minute.",
	[PAYER_BUSY] = "This payer has reached its limit of requests in flight.",
	[PAYER_UNSETTLED] = "This payer owes too much that is not settled yet; try again later.",
	[UNSETTLED] = "Too much is owed that is not settled yet; try again later.",
	[PAYER_SPEND] = "This payer has reached its limit of spending per day.",
	[QUEUE_FULL] = "The node's queue is full; nothing was charged.",
	[QUEUE_TIMEOUT] = "The request waited too long for the model; nothing was charged.",
	[MEMORY_FULL] = "The node has no room for another request; nothing was charged.",
	[LEDGER_FULL] = "The node has no room to record another payment; nothing was charged.",
	[STORE_DOWN] = "The node cannot record payments at the moment; nothing was charged.",
	[DRAINING] = "The node is shutting down; nothing was charged.",
	[UPSTREAM_DOWN] = "The model server cannot be reached; nothing was charged.",
	[UPSTREAM_BAD] = "The model server's answer was not well-formed HTTP.",
	[UPSTREAM_LARGE] = "The model server's answer was larger than this node holds back until it is settled.",
	[UPSTREAM_FAILED] = "The model server broke off its answer.",
	[UPSTREAM_SLOW] = "The model server did not answer in time.",
	[INTERNAL] = "The node failed in an unexpected way.",
	[CHAIN_DOWN] = "The node cannot see the payer's funds at the moment; nothing was charged.",
	[SETTLE_REFUSED] = "The payment could not be settled, so the answer was not released.",
	[SESSION_OVER] = "This session is over, or never was: pay again.",
	[SESSION_SPENT] = "What is left of this session is too little for another request: pay again.",
	[SESSION_BUSY] = "What is left of this session is held back for requests that are under way: ask again later.",
	[SESSIONS_FULL] = "The node has no room for another session; nothing was charged.",
	[CALLDATA_BAD] = "The request's calldata is not a well-formed inference call that this route can answer.",
	[RESULTS_FULL] = "The node has no room to keep another result; nothing was charged.",
	[RESULT_UNKNOWN] = "There is no request of this id, or its result is not kept any more.",
	[TLS_BAD] = "What came is not well-formed TLS.",
	[TLS_PLAIN] = "This port speaks TLS: use https.",
	[TLS_REFUSED] = "No TLS version, cipher, protocol or certificate that both sides accept.",
	[PROXY_BAD] = "The connection does not begin with a well-formed PROXY protocol header of version 2.",
	[PROXY_UNTRUSTED] = "This port is for the node's own proxies.",
	[SETTLE_UNKNOWN] = "Whether the payment was settled is not known yet; do not pay again for this request.",
};

const enum reason reason_kernel[REASON_KERNEL_CNT] = {
#define K(number, name, word) name,
	REASONS_KERNEL(K)
#undef K
};

const enum reason reason_daemon[REASON_DAEMON_CNT] = {
#define R(number, name, word, status, exact, permit2, upto) name,
	REASONS_DAEMON(R)
#undef R
};

static const struct row *row_of(enum reason reason)
{
	static const struct row unknown = {.word = "unknown"};
	unsigned number = reason;

	return number < REASON_CNT && rows[number].word != NULL ? &rows[number] : &unknown;
}

const char *reason_word(enum reason reason)
{
	return row_of(reason)->word;
}

unsigned reason_status(enum reason reason)
{
	unsigned status = row_of(reason)->status;

	return status != 0 ? status : 500;
}

const char *reason_x402(enum reason reason, unsigned method)
{
	const struct row *row = row_of(reason);

	switch (method) {
	case METHOD_PERMIT2:
		return row->permit2;
	case METHOD_UPTO:
		return row->upto;
	default:
		return row->exact;
	}
}

const char *reason_message(enum reason reason)
{
	unsigned number = reason;

	return number < REASON_CNT && messages[number] != NULL ? messages[number] : "The request was refused.";
}

enum packet_end reason_packet_end(enum reason reason)
{
	return REASON_DROPS(reason)				 ? PACKET_DROPPED
	       : reason == SYN_COOKIE || reason == NATIVE_COOKIE ? PACKET_ANSWERED
								 : PACKET_PASSED;
}
