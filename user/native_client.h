/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_NATIVE_CLIENT_H
#define TOLLBAR_NATIVE_CLIENT_H
/* native_client.h: the client's side of the native transport (native.h): an offer and a call → a signed datagram, a key and a time →
 * a knock, and what the node's answers say.
 * Used by `tollbar pay --udp`, `tollbar knock` and the tools; the daemon has no use for it.  No I/O, no clock, no allocation. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "native.h"
#include "pay_client.h"
#include "reasons.h"

struct native_datagram {
	uint8_t at[NATIVE_BYTES_MAX];
	size_t bytes;
};

/* What a request may carry: there is always room for a cookie, because one may be asked for. */
#define NATIVE_CLIENT_CALLDATA_MAX (NATIVE_BYTES_MAX - sizeof(struct native_request) - sizeof(uint64_t))

struct native_wish {
	const struct pay_offer *offer;
	struct span calldata;
	uint8_t route; /* the number that the node gave its route */
	bool stream;
	uint8_t salt[NATIVE_SALT_BYTES]; /* random */
	uint64_t now_s, valid_for_s;	 /* as for pay_fill */
};

/* native_client_request: signed, without a cookie.  False: the calldata is too short or too long, the amount does not fit
 * 128 bits, or as sign_digest. */
bool native_client_request(struct native_datagram *out, const struct native_wish *wish, const struct signer *signer)
	__attribute__((warn_unused_result));

/* native_client_knock: a knock that asks for a cookie (cookie NULL: nothing in it is signed), or one signed with it.
 * False as sign_digest. */
bool native_client_knock(struct native_datagram *out, uint64_t chain_id, uint64_t until_s, const uint8_t cookie[8],
			 const struct signer *signer) __attribute__((warn_unused_result));

/* native_client_add_cookie: to a request, or in place of the one it has: its signature does not cover it. */
void native_client_add_cookie(struct native_datagram *request, const uint8_t cookie[8]);

/* What a node said. */
struct native_said {
	uint8_t kind; /* enum native_kind: NATIVE_COOKIE_REPLY, NATIVE_RECEIPT or NATIVE_OPENED */
	union {
		uint8_t cookie[8];
		struct {
			uint8_t id[NATIVE_ID_BYTES];
			uint16_t reason; /* 0: taken; else an enum reason, perhaps one that is newer than we are */
			uint32_t place;
		} receipt;
		struct {
			uint64_t until_s;
			uint8_t source[16];
		} opened;
	};
};

/* native_client_read: false when the datagram is no answer to what was sent: another kind or length, stray bytes, or to
 * something else.  Anybody can send us one. */
bool native_client_read(struct native_said *said, struct span answer, const struct native_datagram *sent)
	__attribute__((warn_unused_result));

#endif
