/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_RING_H
#define TOLLBAR_SYS_RING_H
/* ring.h: one thread's event loop over io_uring, or over epoll where io_uring is forbidden, as containers do; what a
 * connection on it does is conn.h, and the same on both.
 *
 * Single-threaded: every function, also conn.h's, is called from the thread that called ring_init, which is also the only
 * submitter. */
#include "base/mailbox.h"
#include "sys/conn.h"

enum ring_loop { RING_AUTO, RING_URING, RING_EPOLL }; /* auto: as ring_choose found */

struct ring_config {
	enum ring_loop loop;
	unsigned buffer_cnt;	 /* received buffers, power of two, at most 32768 */
	unsigned buffer_bytes;	 /* of each */
	unsigned datagram_cnt;	 /* the same for udp.h, RING_DATAGRAM_BYTES each; 0: none */
	struct mailbox *mailbox; /* its event_fd wakes the loop */
	void *ctx;
	/* A new client at the listener of this number, by the order of ring_accept; the descriptor is the owner's. */
	void (*accepted)(void *ctx, unsigned listener, int fd);
	void (*mail)(void *ctx); /* the mailbox may have something */
	/* Every completion of one round was handled; from ring_run at least every RING_TICK_MS, before output is submitted.
	 * true: there is more to do, the next round must not sleep. */
	bool (*round)(void *ctx);
};

#define RING_TICK_MS 50
#define RING_DATAGRAM_BYTES 2048 /* a datagram of UDP_BYTES_MAX (udp.h), and what the kernel says of it */

/* ring_choose: what RING_AUTO is from now on, in all of the process; once, before there are threads.  For RING_AUTO itself
 * the kernel is asked: io_uring, or epoll where that is refused; without it RING_AUTO is io_uring.
 * The loop's name, for the log; NULL: io_uring was asked for, and this kernel or container does not allow it. */
const char *ring_choose(enum ring_loop loop);
const char *ring_chosen(void);

/* 0 or -errno (-ENOSYS or -EPERM: io_uring, and it is not allowed). */
int ring_init(struct ring **ring, const struct ring_config *config);
void ring_fini(struct ring *ring);
/* Accepts from a listening socket until ring_stop_accepting. */
void ring_accept(struct ring *ring, int listen_fd);
void ring_stop_accepting(struct ring *ring);
/* ring_accepts: may somebody still come in?  After ring_stop_accepting for a round or two: who was accepted meanwhile. */
bool ring_accepts(const struct ring *ring);
/* One round: submits, waits at most wait_ms for a completion, handles what there is; returns what round() said. */
bool ring_turn(struct ring *ring, unsigned wait_ms);
/* Round after round until ring_stop. */
void ring_run(struct ring *ring);
void ring_stop(struct ring *ring);
size_t ring_bytes(const struct ring_config *config); /* memory, for the line printed at start */

#endif
