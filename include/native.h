/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_NATIVE_H
#define TOLLBAR_NATIVE_H
/* native.h: the native transport on the wire, for kernel and daemon: one datagram is one signed and paid request, without a
 * handshake and without a 402 round trip.  docs/native.md says the same for whoever writes a client.
 *
 * Integers are big-endian, every field has one place, and bytes whose meaning is not given are zero.  Nothing is ever
 * fragmented.  An answer is never longer than what it answers, and nothing but a cookie is sent before a signature held, so
 * nobody can be flooded by way of a node.
 *
 *   client → node   request, knock
 *   node → client   cookie: say it again with this, so that I know you get my answers
 *                   receipt: a request's signature held; what becomes of it
 *                   opened: a knock's did; the source may connect by TCP */
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#include "reasons.h"
#include "sip.h"

#define NATIVE_MAGIC_BYTES "TBR1"
#define NATIVE_BYTES_MAX 1400u
#define NATIVE_SALT_BYTES 16u
#define NATIVE_ID_BYTES 16u
#define NATIVE_COOKIE_BYTES 8u
#define NATIVE_METHOD_MAX 3u /* of enum method (payment.h); the least is 1 */

enum native_kind {
	NATIVE_REQUEST = 1,
	NATIVE_KNOCK = 2,
	NATIVE_COOKIE_REPLY = 3,
	NATIVE_RECEIPT = 4,
	NATIVE_OPENED = 5,
};

/* What all kinds begin with. */
struct native_head {
	__u8 magic[4];
	__u8 kind;
	__u8 method;  /* request: enum method (payment.h); else 0 */
	__be16 bytes; /* of the whole datagram: must equal the UDP payload's */
};

#define NATIVE_FLAG_COOKIE 1u /* the cookie's 8 bytes follow the calldata */
#define NATIVE_FLAG_STREAM 2u /* the answer is to be streamed */
#define NATIVE_FLAGS (NATIVE_FLAG_COOKIE | NATIVE_FLAG_STREAM)

/* The signature is over the EIP-712 digest that the same payment has over HTTP; payee, spender and facilitator are those of the
 * route's offer.  nonce = keccak256("TBR1" || salt || keccak256(calldata)), so the signature commits to the calldata.
 * Calldata: see user/calldata.h. */
struct native_request {
	struct native_head head;
	__be64 chain_id;
	__u8 payer[20];
	__u8 asset[20];
	__u8 amount[16];
	__be64 valid_after; /* Unix seconds */
	__be64 deadline;
	__u8 nonce[32];
	__u8 salt[NATIVE_SALT_BYTES];
	__u8 signature[65]; /* r, s, v */
	__u8 route;	    /* the route's `native` number */
	__be16 flags;
	__be32 calldata_bytes;
	/* calldata, then the cookie if NATIVE_FLAG_COOKIE */
};

#define NATIVE_CALLDATA_BYTES_MIN 4u /* a selector */

/* Opens the source address for TCP until `until`, Unix seconds: a replay opens nothing longer.  The signature is over the
 * EIP-712 struct
 *   Knock(address payer,bytes8 cookie,uint64 until)    domain: name "tollbar", version "1", chainId
 * and the cookie is the node's keyed hash of the source: so a knock is good from one source, at one node.  A knock whose cookie
 * is zero asks for one, and its signature is not looked at. */
struct native_knock {
	struct native_head head;
	__be64 chain_id;
	__u8 payer[20];
	__u8 zero[4];
	__be64 until;
	__u8 cookie[8];
	__u8 signature[65];
	__u8 zero_too[7];
};

struct native_cookie_reply {
	struct native_head head;
	__u8 cookie[8];
	__u8 echo[8]; /* a request's first 8 bytes of nonce; a knock's `until` */
};

struct native_receipt {
	struct native_head head;
	__u8 id[NATIVE_ID_BYTES]; /* the result is at /v1/requests/ID, 32 hex digits; zero when refused */
	__u8 nonce[32];		  /* the request's */
	__be16 reason;		  /* 0: taken; else a number of reasons.h */
	__u8 zero[2];
	__be32 place; /* in line; 0: the model server has it, or had it */
};

struct native_opened {
	struct native_head head;
	__be64 until;	 /* Unix seconds */
	__u8 source[16]; /* for which address; IPv4 as ::ffff:a.b.c.d */
};

#define NATIVE_OFFSET(type, field) __builtin_offsetof(struct type, field)
_Static_assert(sizeof(struct native_head) == 8, "native_head");
_Static_assert(sizeof(struct native_request) == 208, "native_request");
_Static_assert(NATIVE_OFFSET(native_request, payer) == 16, "native_request.payer");
_Static_assert(NATIVE_OFFSET(native_request, asset) == 36, "native_request.asset");
_Static_assert(NATIVE_OFFSET(native_request, amount) == 56, "native_request.amount");
_Static_assert(NATIVE_OFFSET(native_request, valid_after) == 72, "native_request.valid_after");
_Static_assert(NATIVE_OFFSET(native_request, deadline) == 80, "native_request.deadline");
_Static_assert(NATIVE_OFFSET(native_request, nonce) == 88, "native_request.nonce");
_Static_assert(NATIVE_OFFSET(native_request, salt) == 120, "native_request.salt");
_Static_assert(NATIVE_OFFSET(native_request, signature) == 136, "native_request.signature");
_Static_assert(NATIVE_OFFSET(native_request, route) == 201, "native_request.route");
_Static_assert(NATIVE_OFFSET(native_request, flags) == 202, "native_request.flags");
_Static_assert(NATIVE_OFFSET(native_request, calldata_bytes) == 204, "native_request.calldata_bytes");
_Static_assert(sizeof(struct native_knock) == 128, "native_knock");
_Static_assert(NATIVE_OFFSET(native_knock, payer) == NATIVE_OFFSET(native_request, payer), "the sieve reads one place");
_Static_assert(NATIVE_OFFSET(native_knock, until) == 40, "native_knock.until");
_Static_assert(NATIVE_OFFSET(native_knock, cookie) == 48, "native_knock.cookie");
_Static_assert(NATIVE_OFFSET(native_knock, signature) == 56, "native_knock.signature");
_Static_assert(NATIVE_OFFSET(native_knock, zero) == 9 * 4, "native_form_knock");
_Static_assert(NATIVE_OFFSET(native_knock, zero_too) == 30 * 4 + 1, "native_form_knock");
_Static_assert(sizeof(struct native_cookie_reply) == 24, "native_cookie_reply");
_Static_assert(sizeof(struct native_receipt) == 64, "native_receipt");
_Static_assert(sizeof(struct native_opened) == 32, "native_opened");

/* --- for both sides: what is on the wire is judged and a cookie made in one place --- */

#ifdef __bpf__
#define NATIVE_INLINE static inline __attribute__((always_inline))
#else
/* In a frame nothing is aligned. */
#define NATIVE_INLINE static inline __attribute__((always_inline, no_sanitize("alignment")))
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE_BE16(value) ((__u16)__builtin_bswap16((__u16)(value))) /* either way, also of constants */
#define NATIVE_BE32(value) __builtin_bswap32(value)
#define NATIVE_BE64(value) __builtin_bswap64(value)
#define NATIVE_MAGIC_WORD 0x31524254u /* NATIVE_MAGIC_BYTES, as it is loaded */
#else
#define NATIVE_BE16(value) ((__u16)(value))
#define NATIVE_BE32(value) (value)
#define NATIVE_BE64(value) (value)
#define NATIVE_MAGIC_WORD 0x54425231u
#endif

NATIVE_INLINE enum reason native_form_request(const struct native_request *request, __u32 bytes)
{
	__u32 flags = NATIVE_BE16(request->flags), calldata_bytes = NATIVE_BE32(request->calldata_bytes);

	if (request->head.method - 1u >= NATIVE_METHOD_MAX)
		return NATIVE_METHOD;
	if (flags & ~NATIVE_FLAGS)
		return NATIVE_FIELD;
	if (calldata_bytes < NATIVE_CALLDATA_BYTES_MIN || calldata_bytes > NATIVE_BYTES_MAX ||
	    calldata_bytes + (flags & NATIVE_FLAG_COOKIE ? NATIVE_COOKIE_BYTES : 0) != bytes - sizeof *request)
		return NATIVE_LENGTH;
	return REASON_OK;
}

NATIVE_INLINE enum reason native_form_knock(const struct native_knock *knock, __u32 bytes)
{
	const __u32 *words = (const void *)knock; /* by fours, as the zeros can be read in three loads */

	if (bytes != sizeof *knock)
		return NATIVE_LENGTH;
	if (knock->head.method != 0)
		return NATIVE_METHOD;
	return words[9] | (words[30] & NATIVE_BE32(0x00ffffff)) | words[31] ? NATIVE_FIELD : REASON_OK;
}

/* native_form: is this a request or a knock with every length right, and every byte that means nothing zero?
 * In:  payload, bytes: of the datagram; end: nothing is read from there on.  A datagram whose fixed part is not all before it
 *      is refused as too short.
 * After REASON_OK the fixed part of the kind, payload->kind, and `bytes` may be relied on.
 * Refuses: NATIVE_LENGTH, NATIVE_MAGIC, NATIVE_KIND (also what only a node sends), NATIVE_METHOD, NATIVE_FIELD. */
NATIVE_INLINE enum reason native_form(const struct native_head *payload, const void *end, __u32 bytes)
{
	const struct native_request *request = (const void *)payload;
	const struct native_knock *knock = (const void *)payload;

	if (bytes < sizeof *knock || bytes > NATIVE_BYTES_MAX || (const void *)(knock + 1) > end)
		return NATIVE_LENGTH;
	if (*(const __u32 *)payload->magic != NATIVE_MAGIC_WORD)
		return NATIVE_MAGIC;
	if (payload->bytes != NATIVE_BE16(bytes))
		return NATIVE_LENGTH;
	if (payload->kind == NATIVE_KNOCK)
		return native_form_knock(knock, bytes);
	if (payload->kind != NATIVE_REQUEST)
		return NATIVE_KIND;
	if (bytes < sizeof *request || (const void *)(request + 1) > end)
		return NATIVE_LENGTH;
	return native_form_request(request, bytes);
}

/* native_cookie: what a source has to show to be known to get our answers: a keyed hash of its address, its port and the
 * time, so that nothing is kept for anybody.
 * In:  key, 16 random bytes, the node's own; source: 16 bytes, IPv4 as ::ffff:a.b.c.d; port in host order; epoch: native_epoch.
 * Out: the cookie's bytes, as an integer in memory order; never 0, which in a knock asks for one. */
#define NATIVE_EPOCH_NS 64000000000ull

NATIVE_INLINE __u64 native_epoch(__u64 monotonic_ns)
{
	return monotonic_ns / NATIVE_EPOCH_NS;
}

NATIVE_INLINE __u64 native_cookie(const void *key, const void *source, __u16 port, __u64 epoch)
{
	struct tollbar_sip sip;
	__u64 keys[2], words[2], cookie;

	__builtin_memcpy(keys, key, sizeof keys);
	__builtin_memcpy(words, source, sizeof words);
	tollbar_sip_begin(&sip, keys);
	tollbar_sip_word(&sip, words[0]);
	tollbar_sip_word(&sip, words[1]);
	tollbar_sip_word(&sip, epoch << 16 | port);
	cookie = tollbar_sip_end(&sip, 24, 0);
	return cookie ? cookie : 1;
}

/* native_cookie_holds: is it this source's, of this epoch or of the one before?  A cookie is good for 64 to 128 seconds. */
NATIVE_INLINE int native_cookie_holds(__u64 cookie, const void *key, const void *source, __u16 port, __u64 epoch)
{
	return cookie == native_cookie(key, source, port, epoch) ||
	       cookie == native_cookie(key, source, port, epoch - 1);
}

#endif
