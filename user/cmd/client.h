/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_CLIENT_H
#define TOLLBAR_CMD_CLIENT_H
/* client.h: what `tollbar pay` and `tollbar knock` share: the key file, and one exchange of datagrams (native.h) with a node. */
#include <stdbool.h>
#include <stdint.h>

#include "base/url.h"
#include "native_client.h"
#include "sign.h"

/* client_key: the private key in a file that nobody but its owner may read; NULL with *why. */
struct signer *client_key(const char **why, const char *path);

#define CLIENT_PORT 8403 /* of the native transport, where none is named */

/* client_node: HOST, HOST:PORT, or an http URL, of which the host is meant.  *port stays as it is where none is named.  False:
 * in no such form. */
bool client_node(char host[URL_BYTES_MAX], uint16_t *port, const char *text);

struct client_exchange {
	const char *host; /* name or address */
	uint16_t port;
	uint64_t end_ns; /* of clock_ns: gives up */
	/* The datagram anew, with this cookie; false: it cannot be made. */
	bool (*add_cookie)(void *ctx, struct native_datagram *sent, const uint8_t cookie[8]);
	void *ctx;
	unsigned sent_cnt, cookie_cnt; /* out: datagrams; cookies that were asked for */
};

/* client_exchange: sends until there is an answer that is not a cookie: again after 250 ms, 500, 1000, and so on; with a cookie as
 * soon as one is asked for.  Nothing is ever fragmented.  A name's addresses are tried in their order, until somebody is there.
 * 0, or -errno: -EHOSTUNREACH no such name, -ECONNREFUSED nobody listens there, -EMSGSIZE more than the path carries in
 * one piece, -ETIMEDOUT no answer, -EPROTO one cookie after the other is asked for, or what the network said. */
int client_exchange(struct native_said *said, struct native_datagram *sent, struct client_exchange *exchange);

#endif
