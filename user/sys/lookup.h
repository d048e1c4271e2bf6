/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_LOOKUP_H
#define TOLLBAR_SYS_LOOKUP_H
/* lookup.h: a host's name → addresses.  getaddrinfo may take many seconds and cannot be stopped, so each lookup has a thread
 * of its own; whoever no longer wants the answer leaves, and the thread cleans up behind itself.
 *
 * Memory: a lookup allocates, and so does what the C library reads names with.  Rare: at the start, and when connecting
 * failed. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define LOOKUP_ADDRESSES_MAX 8

struct addresses { /* in the order they should be tried */
	struct sockaddr_storage at[LOOKUP_ADDRESSES_MAX];
	socklen_t bytes[LOOKUP_ADDRESSES_MAX];
	unsigned cnt; /* 0: not found */
};

struct lookup;

/* An IPv4 or IPv6 address as text: at once.  False: it is a name. */
bool lookup_numeric(struct addresses *out, const char *host, uint16_t port);

/* Begins; event_fd is written to when it is over, and must stay open until lookup_take or lookup_drop.  0 or -errno. */
int lookup_start(struct lookup **out, const char *host, uint16_t port, int event_fd);
/* True: over, *out filled, the lookup is gone. */
bool lookup_take(struct lookup *lookup, struct addresses *out);
/* The answer is no longer wanted.  Does not wait; NULL is none. */
void lookup_drop(struct lookup *lookup);

#endif
