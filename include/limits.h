/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_LIMITS_H
#define TOLLBAR_LIMITS_H
/* limits.h: compile-time bounds, unit in the name, the sum behind the number in the comment.
 * What an operator may want to change is in the configuration file instead (config.h). */

/* HTTP head: what Node, nginx and the reference servers accept at most (431 above). */
#define HEAD_BYTES_MAX 16384
#define HEAD_FIELDS_MAX 64
/* Payment header, base64: 65-byte signatures need about 1,100; 8 KiB decoded is ceil(8192/3)*4 = 10,924. */
#define PAYMENT_JSON_BYTES_MAX 8192
#define PAYMENT_BASE64_BYTES_MAX 10924
#define JSON_DEPTH_MAX 16

/* Configuration: counts of sections. */
#define OFFERS_MAX 32
#define ROUTES_MAX 64
#define ROUTE_OFFERS_MAX 8
#define UPSTREAMS_MAX 16
#define FACILITATORS_MAX 8
#define PRICES_MAX 256
#define LISTENS_MAX 8
#define CHAINS_MAX 8
#define FACTORIES_MAX 8	   /* of accounts that do not exist yet, by chain */
#define CHAIN_BATCH_MAX 64 /* payers in one request to a node */
#define TRUSTED_PROXIES_MAX 16
#define NAME_BYTES_MAX 64  /* section names, EIP-712 domain name and version, model names: with the final zero */
#define URL_BYTES_MAX 256  /* with the final zero */
#define PATH_BYTES_MAX 256 /* with the final zero */
#define PAYER_MODELS_MAX 16
/* A contract account's signature (ERC-1271): fourteen keys', or a passkey's with all that goes with it.  With it a claim's
 * record still fits where others do: 995 + 960 - 65 bytes are below STORE_VALUE_BYTES_MAX. */
#define SIGNATURE_BYTES_MAX 960

/* Time rules of a payment, seconds. */
#define SETTLE_MARGIN_S 6   /* deadline >= now + 6: what @x402/evm 2.27 requires */
#define DEADLINE_SLACK_S 30 /* deadline <= now + maxTimeoutSeconds + 30: a client clock ahead of ours */
#define CLAIM_MARGIN_S 120  /* a claim leaves the replay table this long after its deadline */

#endif
