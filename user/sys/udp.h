/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_UDP_H
#define TOLLBAR_SYS_UDP_H
/* udp.h: datagrams on a ring (ring.h): received into the ring's buffers, answered from the address they came to, which
 * matters where a node has several.
 *
 * A buffer is the owner's until he gives it back.  While he has all of them datagrams wait in the socket, and where that is
 * full the kernel drops them: so nobody has to be asked to slow down. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "sys/ring.h"

struct udp;

struct udp_peer {
	struct in6_addr source; /* IPv4 as mapped */
	struct in6_addr local;	/* what it wrote to */
	uint32_t interface;	/* by which it came, if the source's address alone does not say where it is */
	uint16_t port_be;
	uint16_t socket; /* the number of its listener */
};

struct udp_datagram {
	struct udp_peer peer;
	struct span bytes; /* in its buffer; what was longer than UDP_BYTES_MAX is cut off after more than that */
	unsigned buffer;
	uint64_t stamp_ns; /* Unix time at which the kernel had it from the card; 0: it did not say */
};

#define UDP_BYTES_MAX 1920
#define UDP_REPLY_BYTES_MAX 64

struct udp_config {
	struct ring *ring;  /* with datagram_cnt */
	unsigned reply_cnt; /* under way at one time */
	void *ctx;
	void (*received)(void *ctx, const struct udp_datagram *datagram);
};

struct udp_counts {
	uint64_t received;
	uint64_t replied; /* given to the kernel, and taken */
	uint64_t dropped; /* replies: no place for one, or the kernel refused it */
};

/* A socket bound to this address, one of those of all workers: the descriptor, or -errno.  Receives what udp_listen asks for. */
int udp_bind(const struct sockaddr_storage *address);

struct udp *udp_init(const struct udp_config *config); /* NULL: no memory */
void udp_fini(struct udp *udp);			       /* after ring_fini; closes the sockets */
size_t udp_bytes(unsigned reply_cnt);		       /* memory, for the line printed at start */
/* Receives from a socket of udp_bind until udp_stop; at most LISTENS_MAX. */
void udp_listen(struct udp *udp, int fd);
void udp_stop(struct udp *udp);
void udp_give_back(struct udp *udp, unsigned buffer);
/* How long it waited between the card and now, so for the worker, too; 0: not known, or the clock was set in between. */
uint64_t udp_waited_ns(const struct udp_datagram *datagram, uint64_t now_unix_ns);
/* At most UDP_REPLY_BYTES_MAX bytes, copied; leaves after udp_flush, if there is a place for it.  What comes one after the other
 * for one peer takes one place and one way through the kernel, which makes datagrams of it at its end. */
void udp_reply(struct udp *udp, const struct udp_peer *peer, struct span bytes);
void udp_flush(struct udp *udp); /* at the end of a round */
const struct udp_counts *udp_counts(const struct udp *udp);

#endif
