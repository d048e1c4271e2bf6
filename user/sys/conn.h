/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_CONN_H
#define TOLLBAR_SYS_CONN_H
/* conn.h: one TCP connection on a ring (ring.h): its flow control in both directions; or a sink, which is the writing half
 * of one without a socket: what is written goes to its owner.
 *
 * Bytes arrive in the ring's shared buffers and are shown to the owner once.  What the owner does not take stays pinned,
 * receiving stops, and it is shown again after conn_resume: that is the whole flow control.  Connections that we made
 * receive by multishot, which stops only when a second buffer has come; accepted ones receive one buffer at a time, or
 * strangers who send ahead of their answers could pin every buffer there is.
 * Bytes leave through the connection's own output buffer, at most one send at a time, so their order is kept; everything
 * written in one completion round leaves in one send.
 *
 * With a TLS session (conn_secure) all this holds for the plain text: what is received is shown decrypted, and what is
 * written leaves sealed; sent_bytes counts plain text. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/span.h"
#include "sys/tls.h"

struct ring;
struct conn;

struct conn_events {
	/* Bytes arrived; returns how many were taken.  Fewer than given pauses receiving until conn_resume. */
	size_t (*received)(struct conn *conn, struct span bytes);
	/* The peer closed its side (error 0) or the connection failed (-errno); told once, after all bytes were taken. */
	void (*ended)(struct conn *conn, int error);
	/* Everything written so far is in the socket. */
	void (*drained)(struct conn *conn);
	/* conn_connect came to its end: 0 or -errno. */
	void (*connected)(struct conn *conn, int error);
	/* After conn_close, of a sink also after conn_finish: the descriptor is closed and nothing is pending; the conn may be
	 * used again. */
	void (*closed)(struct conn *conn);
	/* A sink's output, at the end of a round: returns how many bytes were taken.  Fewer than given: it is asked again in
	 * the next round, at the latest after RING_TICK_MS. */
	size_t (*output)(struct conn *conn, struct span bytes);
	/* The TLS session failed, as conn->tls says; told once, and nothing is shown or sent of the owner's any more.  It may
	 * conn_finish, so that the peer gets to know why, or conn_close. */
	void (*insecure)(struct conn *conn);
};

/* What ring_epoll.c knows of a connection: what its socket may be ready for, and what was asked for. */
struct conn_poll {
	bool watched;		 /* the descriptor is in the epoll set */
	bool readable, writable; /* as far as known: until a call would have blocked */
	bool hung_up;		 /* the end, or an error, is or will be readable */
	bool receive, many, send, connect, cancel_receive, cancel_all; /* asked for */
	bool listed;						       /* on the list of those with something to try */
	struct span out;
	struct conn *next;
};

/* Lives in its owner's slot.  Fields belong to conn.c and ring.c; the owner may read `owner`. */
struct conn {
	void *owner;
	const struct conn_events *events;
	struct ring *ring;
	int fd;
	struct tls *tls; /* NULL: plain */
	unsigned pending_ops;
	bool sink;	   /* no socket */
	bool stalled;	   /* on the ring's list of sinks whose owner had no room */
	bool accepted;	   /* a stranger's: receives one buffer at a time, so that no more than one can stay pinned */
	bool receiving;	   /* a receive is armed */
	bool paused;	   /* the owner does not take now */
	bool cancelling;   /* a cancel of the receive is under way */
	bool showing;	   /* inside received() */
	bool resume_again; /* conn_resume was called from there */
	bool held;	   /* plain text not taken waits in the TLS session */
	bool starved;	   /* waits for a free buffer */
	bool ended;
	bool end_told;
	bool insecure_told;
	bool connecting;
	bool sending;
	bool closing;
	bool lingering; /* our side is shut; what still comes is thrown away */
	bool finish;	/* linger as soon as everything is sent */
	bool dirty;	/* on the ring's list of connections with something to do at the end of the round */
	int end_error;
	uint16_t pinned_first, pinned_last, pinned_cnt; /* list of received buffers not yet taken */
	uint32_t out_begin, out_end, out_bytes_max;
	uint8_t *out;
	struct span tail;    /* borrowed bytes sent after the output buffer */
	uint64_t sent_bytes; /* so far: tells a slow peer from one that stands still */
	struct conn *next_dirty, *next_starved, *next_stalled;
	int connect_error; /* said at once by the kernel, told by connected() all the same */
	struct conn_poll poll;
};

/* out is the conn's output buffer, the owner's memory.  The process ignores SIGPIPE. */
void conn_init(struct conn *conn, struct ring *ring, const struct conn_events *events, void *owner, uint8_t *out,
	       uint32_t out_bytes_max);
void conn_start(struct conn *conn, int fd); /* an accepted descriptor: begins receiving, one buffer at a time */
/* From here on bytes are a TLS session's; what is pinned, too.  Before the first byte, or from inside received(), which then
 * takes what came before and resumes.  tls is started, and the owner's to end when the conn is closed. */
void conn_secure(struct conn *conn, struct tls *tls);
void conn_start_sink(struct conn *conn); /* only events drained, output and closed come of it */
/* 0 or -errno; the end is told by connected().  The kernel is given `peer` itself, not a copy: see peers.h. */
int conn_connect(struct conn *conn, const struct sockaddr_storage *peer, socklen_t peer_bytes);

size_t conn_room(const struct conn *conn);	       /* bytes conn_write would take now */
bool conn_write(struct conn *conn, struct span bytes); /* all or nothing (false) */
/* Room of at least `bytes` to write into, or NULL; conn_commit says how many were used. */
uint8_t *conn_reserve(struct conn *conn, size_t bytes);
void conn_commit(struct conn *conn, size_t bytes);
/* Borrowed bytes sent after everything written so far; they must stay until drained().  Nothing may be written while a
 * tail is waiting. */
void conn_write_tail(struct conn *conn, struct span bytes);
bool conn_idle_out(const struct conn *conn); /* nothing waits to be sent */

/* Asks the socket, not only what has completed: nothing has arrived that was not shown, and the peer has not closed.  For
 * a kept connection that is about to be written to. */
bool conn_quiet(const struct conn *conn);

void conn_resume(struct conn *conn); /* show what is pinned again, and receive on */
/* Send what was written, then shut our side and discard until the peer closes; a sink closes at once. */
void conn_finish(struct conn *conn);
void conn_close(struct conn *conn); /* now; closed() follows later in the same or a later round */

#endif
