/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_RING_ENGINE_H
#define TOLLBAR_SYS_RING_ENGINE_H
/* ring_engine.h: between ring.c (whose turn it is, who waits for what) and the two ways to get work done by the kernel:
 * ring_uring.c (io_uring) and ring_epoll.c (epoll, for containers that forbid io_uring).  For these three only.
 *
 * An engine is asked for operations and tells each one's end during turn(), never while it is asked; an operation that was
 * asked for ends exactly once (a receive, an accept and a socket's datagrams: with more = false), cancelled ones with
 * -ECANCELED unless something came before. */
#include "sys/ring.h"
#include "sys/ring_conn.h"
#include "sys/ring_udp.h"

#define RING_LISTENERS_MAX 16

/* Buffers that the engine picks from when something arrives. */
enum group_id { GROUP_STREAM, GROUP_DATAGRAM, GROUP_CNT };
struct group {
	void *map;	     /* the engine's own part, then the buffers */
	uint8_t *bytes_at;   /* the first buffer */
	size_t head_bytes;   /* of the engine's part */
	unsigned cnt, bytes; /* buffers, and the length of each */
	unsigned back;	     /* given back since the last look at who waits for one */
};

struct ring_engine {
	const char *name;
	size_t head_bytes; /* of its own for each buffer */
	size_t own_bytes;  /* beside them, for the line printed at start */
	int (*init)(
		struct ring *ring); /* ring->groups are mapped; 0 or -errno; what it made is in ring->engine_state */
	void (*fini)(struct ring *ring);
	void (*give_back)(struct ring *ring, enum group_id group, unsigned id);

	/* conn.c's; many: a receive that stays armed */
	void (*receive)(struct conn *conn, bool many);
	void (*cancel_receive)(struct conn *conn);
	void (*send)(struct conn *conn, struct span bytes);
	void (*connect)(struct conn *conn); /* ends when the connect that is under way does */
	void (*cancel_all)(struct conn *conn);

	/* udp.c's */
	void (*receive_datagrams)(struct ring *ring, struct udp_socket *socket);
	void (*stop_datagrams)(struct ring *ring, struct udp_socket *socket);
	void (*reply)(struct ring *ring, struct udp_reply *reply);

	void (*accept)(struct ring *ring, unsigned listener);
	void (*stop_accept)(struct ring *ring, unsigned listener); /* its descriptor is closed next */

	/* Hands over what was asked for, waits at most wait_ms for an end, tells those that are there; returns how many. */
	unsigned (*turn)(struct ring *ring, unsigned wait_ms);
};

struct ring {
	const struct ring_engine *engine;
	void *engine_state;
	struct ring_config config;
	struct group groups[GROUP_CNT];
	struct buffer *buffers; /* of GROUP_STREAM */
	struct conn *dirty, *starved, *stalled;
	struct udp_socket *deaf_udp;
	int listeners[RING_LISTENERS_MAX];
	unsigned listener_cnt;
	unsigned armed_cnt; /* accepts the engine has, of listeners closed by us, too */
	unsigned deaf;	    /* bit per listener whose accept failed: it waits for a descriptor, or for a quiet round */
	bool fds_back;	    /* a descriptor was closed */
	bool accepting, stopping;
};

extern const struct ring_engine ring_uring, ring_epoll;
bool ring_uring_allowed(void); /* on this kernel, to this process: asked by trying */

static inline uint8_t *group_at(const struct group *group, unsigned id)
{
	return group->bytes_at + (size_t)id * group->bytes;
}

/* ring.c: what the engines tell beside conn.c's and udp.c's ends. */
void ring_accepted(struct ring *ring, unsigned listener, int result, bool more); /* a descriptor, or -errno */
void ring_woken(struct ring *ring);				  /* the mailbox's event_fd is readable */
void ring_deafened(struct ring *ring, struct udp_socket *socket); /* its datagrams have ended */

#endif
