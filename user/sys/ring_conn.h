/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_RING_CONN_H
#define TOLLBAR_SYS_RING_CONN_H
/* ring_conn.h: between the ring (what is asked for, what has ended) and conn.c (what that means for a connection).  For
 * ring*.c and conn.c only. */
#include "sys/conn.h"

struct buffer { /* one received buffer while it is pinned */
	uint16_t next;
	uint32_t begin, end;
};

/* A receive completed. */
struct arrival {
	int result; /* bytes, 0 at the end, or -errno */
	bool more;  /* the receive stays armed */
	bool has_buffer;
	unsigned buffer;
};

/* ring.c: one submission each; conn.c keeps the state. */
void ring_receive(struct conn *conn);
void ring_cancel_receive(struct conn *conn);
void ring_send(struct conn *conn, struct span bytes);
void ring_connect(struct conn *conn); /* conn_connected is called once the connect is over */
void ring_cancel_all(struct conn *conn);
/* conn_settle is called at the end of this round. */
void ring_mark(struct conn *conn);
/* conn_receive is called when a buffer came back. */
void ring_starve(struct conn *conn);
void ring_unstarve(struct conn *conn);
/* conn_settle is called at the end of the next round. */
void ring_stall(struct conn *conn);
void ring_unstall(struct conn *conn);
void ring_closed(struct ring *ring); /* a descriptor is free again */
struct buffer *ring_buffer(struct ring *ring, unsigned id);
uint8_t *ring_buffer_bytes(struct ring *ring, unsigned id);
void ring_give_back(struct ring *ring, unsigned id);

/* conn.c */
void conn_received(struct conn *conn, const struct arrival *arrival);
void conn_sent(struct conn *conn, int result);
void conn_connected(struct conn *conn, int result);
void conn_receive(struct conn *conn);
void conn_settle(struct conn *conn);

#endif
