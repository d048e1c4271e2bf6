/* SPDX-License-Identifier: Apache-2.0 */
/* ring_uring.c: the ring by io_uring.  The only user of liburing. */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sys/ring_engine.h"

#define SQ_ENTRIES 4096
#define CQ_ENTRIES 16384

/* What a completion is of: the low bits of user_data, whose other bits are the conn, the UDP socket or the reply (or the
 * listener's number). */
enum op { OP_NONE, OP_RECEIVE, OP_SEND, OP_CONNECT, OP_ACCEPT, OP_WAKE, OP_DATAGRAM, OP_REPLY };
#define OP_MASK 7u

static struct io_uring *uring_of(const struct ring *ring)
{
	return ring->engine_state;
}

static struct io_uring_sqe *next_sqe(const struct ring *ring)
{
	struct io_uring *uring = uring_of(ring);
	struct io_uring_sqe *sqe = io_uring_get_sqe(uring);

	while (sqe == NULL) { /* the queue is full: hand it over, nothing is lost */
		io_uring_submit(uring);
		sqe = io_uring_get_sqe(uring);
	}
	return sqe;
}

static void tag(struct io_uring_sqe *sqe, void *of, enum op op)
{
	io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)of | op);
}

/* --- buffers --- */

static void give_back(struct ring *ring, enum group_id id, unsigned buffer)
{
	const struct group *group = &ring->groups[id];

	io_uring_buf_ring_add(group->map, group_at(group, buffer), group->bytes, (unsigned short)buffer,
			      io_uring_buf_ring_mask(group->cnt), 0);
	io_uring_buf_ring_advance(group->map, 1);
}

static int register_group(struct ring *ring, enum group_id id)
{
	const struct group *group = &ring->groups[id];
	struct io_uring_buf_reg reg = {
		.ring_addr = (uint64_t)(uintptr_t)group->map, .ring_entries = group->cnt, .bgid = (uint16_t)id};
	int error = group->cnt > 0 ? io_uring_register_buf_ring(uring_of(ring), &reg, 0) : 0;

	if (error < 0 || group->cnt == 0)
		return error;
	io_uring_buf_ring_init(group->map);
	for (unsigned i = 0; i < group->cnt; i++)
		give_back(ring, id, i);
	return 0;
}

/* --- operations --- */

static void receive(struct conn *conn, bool many)
{
	struct io_uring_sqe *sqe = next_sqe(conn->ring);

	if (many) {
		io_uring_prep_recv_multishot(sqe, conn->fd, NULL, 0, 0);
	} else {
		io_uring_prep_recv(sqe, conn->fd, NULL, 0, 0);
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST; /* a buffer is picked only when there are bytes for it */
	}
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP_STREAM;
	tag(sqe, conn, OP_RECEIVE);
}

/* What is to end another operation ends without a word. */
static void cancel(struct ring *ring, uint64_t user_data)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	io_uring_prep_cancel64(sqe, user_data, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	tag(sqe, NULL, OP_NONE);
}

static void cancel_receive(struct conn *conn)
{
	cancel(conn->ring, (uint64_t)(uintptr_t)conn | OP_RECEIVE);
}

static void send_bytes(struct conn *conn, struct span bytes)
{
	struct io_uring_sqe *sqe = next_sqe(conn->ring);

	/* Not send, which can be told an address: with MSG_FASTOPEN it would connect to it. */
	io_uring_prep_write(sqe, conn->fd, bytes.at, (unsigned)bytes.bytes, 0);
	tag(sqe, conn, OP_SEND);
}

static void wait_connected(struct conn *conn)
{
	struct io_uring_sqe *sqe = next_sqe(conn->ring);

	io_uring_prep_poll_add(sqe, conn->fd, POLLOUT);
	tag(sqe, conn, OP_CONNECT);
}

static void cancel_all(struct conn *conn)
{
	struct io_uring_sqe *sqe = next_sqe(conn->ring);

	io_uring_prep_cancel_fd(sqe, conn->fd, IORING_ASYNC_CANCEL_ALL);
	tag(sqe, NULL, OP_NONE);
}

static void receive_datagrams(struct ring *ring, struct udp_socket *socket)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	io_uring_prep_recvmsg_multishot(sqe, socket->fd, &socket->form, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP_DATAGRAM;
	tag(sqe, socket, OP_DATAGRAM);
}

static void stop_datagrams(struct ring *ring, struct udp_socket *socket)
{
	cancel(ring, (uint64_t)(uintptr_t)socket | OP_DATAGRAM);
}

static void reply_by(struct ring *ring, struct udp_reply *reply)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	io_uring_prep_sendmsg(sqe, reply->fd, &reply->message, MSG_DONTWAIT | MSG_NOSIGNAL);
	tag(sqe, reply, OP_REPLY);
}

static void accept_from(struct ring *ring, unsigned listener)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	io_uring_prep_multishot_accept(sqe, ring->listeners[listener], NULL, NULL, SOCK_CLOEXEC);
	io_uring_sqe_set_data64(sqe, (uint64_t)listener << 3 | OP_ACCEPT);
}

static void stop_accept(struct ring *ring, unsigned listener)
{
	cancel(ring, (uint64_t)listener << 3 | OP_ACCEPT);
}

static void arm_wake(struct ring *ring)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	io_uring_prep_poll_multishot(sqe, ring->config.mailbox->event_fd, POLLIN);
	tag(sqe, NULL, OP_WAKE);
}

/* --- completions --- */

static void on_datagram(struct ring *ring, struct udp_socket *socket, const struct io_uring_cqe *cqe)
{
	unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	bool has_buffer = cqe->flags & IORING_CQE_F_BUFFER;

	if (!(cqe->flags & IORING_CQE_F_MORE))
		ring_deafened(ring, socket);
	struct io_uring_recvmsg_out *out =
		has_buffer ? io_uring_recvmsg_validate(group_at(&ring->groups[GROUP_DATAGRAM], id), cqe->res,
						       &socket->form)
			   : NULL;
	if (out == NULL) {
		if (has_buffer)
			ring_give_datagram_back(ring, id);
		return;
	}
	udp_received(socket, &(struct udp_arrival){
				     .name = io_uring_recvmsg_name(out),
				     .control = io_uring_recvmsg_cmsg_firsthdr(out, &socket->form),
				     .control_bytes = out->controllen,
				     .payload = span_of(io_uring_recvmsg_payload(out, &socket->form),
							io_uring_recvmsg_payload_length(out, cqe->res, &socket->form)),
				     .buffer = id,
			     });
}

static void handle(struct ring *ring, const struct io_uring_cqe *cqe)
{
	void *of = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)OP_MASK);
	bool more = cqe->flags & IORING_CQE_F_MORE;

	switch ((enum op)(cqe->user_data & OP_MASK)) {
	case OP_RECEIVE:
		conn_received(of, &(struct arrival){.result = cqe->res,
						    .more = more,
						    .has_buffer = cqe->flags & IORING_CQE_F_BUFFER,
						    .buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT});
		break;
	case OP_SEND:
		conn_sent(of, cqe->res);
		break;
	case OP_CONNECT:
		conn_connected(of, cqe->res);
		break;
	case OP_ACCEPT:
		ring_accepted(ring, (unsigned)(cqe->user_data >> 3), cqe->res, more);
		break;
	case OP_WAKE:
		if (!more)
			arm_wake(ring);
		ring_woken(ring);
		break;
	case OP_DATAGRAM:
		on_datagram(ring, of, cqe);
		break;
	case OP_REPLY:
		udp_replied(of, cqe->res);
		break;
	case OP_NONE:
		break;
	}
}

static unsigned turn(struct ring *ring, unsigned wait_ms)
{
	struct __kernel_timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000LL};
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;
	int error = io_uring_submit_and_wait_timeout(uring_of(ring), &cqe, 1, &wait, NULL);

	ASSERT(error >= 0 || error == -ETIME || error == -EINTR || error == -EBUSY || error == -EAGAIN);
	io_uring_for_each_cqe(uring_of(ring), head, cqe)
	{
		handle(ring, cqe);
		seen++;
	}
	io_uring_cq_advance(uring_of(ring), seen);
	return seen;
}

/* --- start and end --- */

static struct io_uring_restriction may(unsigned short kind, uint8_t what)
{
	struct io_uring_restriction restriction = {.opcode = kind};

	restriction.sqe_op = what; /* or sqe_flags: one byte */
	return restriction;
}

/* What a ring does no seccomp filter sees.  So it is told once what it may do: no file can be opened by it, no socket made,
 * and nobody connected to, whoever has the thread in hand.  Then it is started. */
static int enable(struct ring *ring)
{
	unsigned fd = (unsigned)uring_of(ring)->ring_fd;
	struct io_uring_restriction may_do[8];
	unsigned cnt = 0;

	may_do[cnt++] = may(IORING_RESTRICTION_SQE_OP, IORING_OP_RECV);
	may_do[cnt++] = may(IORING_RESTRICTION_SQE_OP, IORING_OP_WRITE);
	may_do[cnt++] = may(IORING_RESTRICTION_SQE_OP, IORING_OP_POLL_ADD);
	may_do[cnt++] = may(IORING_RESTRICTION_SQE_OP, IORING_OP_ASYNC_CANCEL);
	may_do[cnt++] = may(IORING_RESTRICTION_SQE_FLAGS_ALLOWED, IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS);
	if (ring->config.accepted != NULL)
		may_do[cnt++] = may(IORING_RESTRICTION_SQE_OP, IORING_OP_ACCEPT);
	if (ring->config.datagram_cnt > 0) {
		may_do[cnt++] = may(IORING_RESTRICTION_SQE_OP, IORING_OP_RECVMSG);
		may_do[cnt++] = may(IORING_RESTRICTION_SQE_OP, IORING_OP_SENDMSG);
	}
	/* By number: Debian 12's liburing declares the functions for these two, and has them not. */
	int error = io_uring_register(fd, IORING_REGISTER_RESTRICTIONS, may_do, cnt);
	if (error >= 0)
		error = io_uring_register(fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	return error < 0 ? error : 0;
}

static int init(struct ring *ring)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
						  IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL |
						  IORING_SETUP_R_DISABLED,
					 .cq_entries = CQ_ENTRIES};
	struct io_uring *uring = calloc(1, sizeof *uring);

	if (uring == NULL)
		return -ENOMEM;
	int error = io_uring_queue_init_params(SQ_ENTRIES, uring, &params);
	if (error < 0) {
		free(uring);
		return error;
	}
	ring->engine_state = uring;
	io_uring_register_ring_fd(uring); /* one descriptor lookup less a round; not missed where refused */
	for (enum group_id id = 0; id < GROUP_CNT && error >= 0; id++)
		error = register_group(ring, id);
	if (error >= 0)
		error = enable(ring);
	if (error >= 0)
		arm_wake(ring);
	return error < 0 ? error : 0;
}

static void fini(struct ring *ring)
{
	io_uring_queue_exit(uring_of(ring));
	free(ring->engine_state);
}

bool ring_uring_allowed(void)
{
	struct io_uring uring;
	int error = io_uring_queue_init(4, &uring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

	if (error == 0)
		io_uring_queue_exit(&uring);
	return error == 0;
}

const struct ring_engine ring_uring = {
	.name = "io_uring",
	.head_bytes = sizeof(struct io_uring_buf),
	.own_bytes = SQ_ENTRIES * sizeof(struct io_uring_sqe) + CQ_ENTRIES * sizeof(struct io_uring_cqe),
	.init = init,
	.fini = fini,
	.give_back = give_back,
	.receive = receive,
	.cancel_receive = cancel_receive,
	.send = send_bytes,
	.connect = wait_connected,
	.cancel_all = cancel_all,
	.receive_datagrams = receive_datagrams,
	.stop_datagrams = stop_datagrams,
	.reply = reply_by,
	.accept = accept_from,
	.stop_accept = stop_accept,
	.turn = turn,
};
