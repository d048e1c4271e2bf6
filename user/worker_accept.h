/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_WORKER_ACCEPT_H
#define TOLLBAR_WORKER_ACCEPT_H
/* worker_accept.h: a connection until its first request: a place for it, what a proxy says in front (proxy_header.h), the
 * TLS session (sys/tls.h).  All of it has a head's time, timeouts.head_ms.
 *
 * Connections that have not come that far at a TLS listener may hold half of the places: those above are closed, so that
 * half-open sessions keep nobody out who has one. */
#include "request.h"
#include "sys/tls.h"

struct worker;

struct entrance {	 /* a worker's; empty without TLS listeners */
	struct tls *tls; /* as the requests, whose connections they are */
	uint8_t *memory; /* TLS_OUT_BYTES of each, and what was decrypted last */
	size_t memory_bytes;
	unsigned securing_cnt;
};

int entrance_init(struct worker *worker); /* 0 or -errno */
void entrance_fini(struct worker *worker);
size_t entrance_bytes(const struct config *config);

extern const struct conn_events worker_client_events; /* worker.c */

/* Of ring.h: a client at config.listens[listener]. */
void worker_accepted(void *ctx, unsigned listener, int fd);
/* A connection that says nothing gets a head's time, not a keep-alive's; in a drain as little as a packet may need that is on
 * its way. */
void worker_await_first(struct worker *worker, struct request *request);

/* While request->entering. */
size_t worker_enter(struct request *request, struct span bytes); /* bytes came: returns how many it took */
void worker_late(struct request *request);			 /* the time is over */

/* Of conn.h: the TLS session failed.  Before the first request the peer is told, and it is counted. */
void worker_insecure(struct conn *conn);
/* The connection is closed. */
void worker_leave(struct request *request);

#endif
