/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/ring.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/ring_conn.h"
#include "sys/ring_udp.h"

#define SQ_ENTRIES 4096
#define CQ_ENTRIES 16384
#define LISTENERS_MAX 16

/* What a completion is of: the low bits of user_data, whose other bits are the conn, the UDP socket or the reply (or the
 * listener's number). */
enum op { OP_NONE, OP_RECEIVE, OP_SEND, OP_CONNECT, OP_ACCEPT, OP_WAKE, OP_DATAGRAM, OP_REPLY };
#define OP_MASK 7u

/* Buffers the kernel picks from when something arrives. */
enum group_id { GROUP_STREAM, GROUP_DATAGRAM, GROUP_CNT };
struct group {
	struct io_uring_buf_ring *ring;
	uint8_t *bytes_at;
	size_t map_bytes;
	unsigned cnt, bytes;
	unsigned back; /* given back since the last look at who waits for one */
};

struct ring {
	struct io_uring uring;
	struct ring_config config;
	struct group groups[GROUP_CNT];
	struct buffer *buffers; /* of GROUP_STREAM */
	struct conn *dirty, *starved, *stalled;
	struct udp_socket *deaf_udp;
	int listeners[LISTENERS_MAX];
	unsigned listener_cnt;
	unsigned armed_cnt; /* accepts the kernel has, of listeners closed by us, too */
	unsigned deaf;	    /* bit per listener whose accept failed: it waits for a descriptor, or for a quiet round */
	bool fds_back;	    /* a descriptor was closed */
	bool accepting, stopping;
};

static struct io_uring_sqe *next_sqe(struct ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

	while (sqe == NULL) { /* the queue is full: hand it over, nothing is lost */
		io_uring_submit(&ring->uring);
		sqe = io_uring_get_sqe(&ring->uring);
	}
	return sqe;
}

static void tag(struct io_uring_sqe *sqe, void *of, enum op op)
{
	io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)of | op);
}

/* --- received buffers --- */

static uint8_t *group_at(const struct group *group, unsigned id)
{
	return group->bytes_at + (size_t)id * group->bytes;
}

static void group_give_back(struct group *group, unsigned id)
{
	io_uring_buf_ring_add(group->ring, group_at(group, id), group->bytes, (unsigned short)id,
			      io_uring_buf_ring_mask(group->cnt), 0);
	io_uring_buf_ring_advance(group->ring, 1);
	group->back++;
}

uint8_t *ring_buffer_bytes(struct ring *ring, unsigned id)
{
	return group_at(&ring->groups[GROUP_STREAM], id);
}

struct buffer *ring_buffer(struct ring *ring, unsigned id)
{
	return &ring->buffers[id];
}

void ring_give_back(struct ring *ring, unsigned id)
{
	group_give_back(&ring->groups[GROUP_STREAM], id);
}

/* --- what conn.c asks for --- */

void ring_mark(struct conn *conn)
{
	if (conn->dirty)
		return;
	conn->dirty = true;
	conn->next_dirty = conn->ring->dirty;
	conn->ring->dirty = conn;
}

void ring_receive(struct conn *conn)
{
	struct io_uring_sqe *sqe = next_sqe(conn->ring);

	if (conn->accepted) {
		io_uring_prep_recv(sqe, conn->fd, NULL, 0, 0);
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST; /* a buffer is picked only when there are bytes for it */
	} else {
		io_uring_prep_recv_multishot(sqe, conn->fd, NULL, 0, 0);
	}
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP_STREAM;
	tag(sqe, conn, OP_RECEIVE);
	conn->pending_ops++;
}

void ring_cancel_receive(struct conn *conn)
{
	struct io_uring_sqe *sqe = next_sqe(conn->ring);

	io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)conn | OP_RECEIVE, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	tag(sqe, NULL, OP_NONE);
}

void ring_send(struct conn *conn, struct span bytes)
{
	struct io_uring_sqe *sqe = next_sqe(conn->ring);

	io_uring_prep_send(sqe, conn->fd, bytes.at, bytes.bytes, MSG_NOSIGNAL);
	tag(sqe, conn, OP_SEND);
	conn->pending_ops++;
}

void ring_connect(struct conn *conn, socklen_t peer_bytes)
{
	struct io_uring_sqe *sqe = next_sqe(conn->ring);

	io_uring_prep_connect(sqe, conn->fd, (struct sockaddr *)&conn->peer, peer_bytes);
	tag(sqe, conn, OP_CONNECT);
	conn->pending_ops++;
}

void ring_cancel_all(struct conn *conn)
{
	struct io_uring_sqe *sqe = next_sqe(conn->ring);

	io_uring_prep_cancel_fd(sqe, conn->fd, IORING_ASYNC_CANCEL_ALL);
	tag(sqe, NULL, OP_NONE);
}

void ring_closed(struct ring *ring)
{
	ring->fds_back = true;
}

void ring_starve(struct conn *conn)
{
	if (conn->starved)
		return;
	conn->starved = true;
	conn->next_starved = conn->ring->starved;
	conn->ring->starved = conn;
}

void ring_unstarve(struct conn *conn)
{
	struct conn **at = &conn->ring->starved;

	if (!conn->starved)
		return;
	while (*at != conn)
		at = &(*at)->next_starved;
	*at = conn->next_starved;
	conn->starved = false;
}

void ring_stall(struct conn *conn)
{
	if (conn->stalled)
		return;
	conn->stalled = true;
	conn->next_stalled = conn->ring->stalled;
	conn->ring->stalled = conn;
}

void ring_unstall(struct conn *conn)
{
	struct conn **at = &conn->ring->stalled;

	if (!conn->stalled)
		return;
	while (*at != conn)
		at = &(*at)->next_stalled;
	*at = conn->next_stalled;
	conn->stalled = false;
}

/* --- what udp.c asks for --- */

void ring_receive_datagrams(struct ring *ring, struct udp_socket *socket)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	io_uring_prep_recvmsg_multishot(sqe, socket->fd, &socket->form, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP_DATAGRAM;
	tag(sqe, socket, OP_DATAGRAM);
}

void ring_stop_datagrams(struct ring *ring, struct udp_socket *socket)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)socket | OP_DATAGRAM, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	tag(sqe, NULL, OP_NONE);
}

void ring_reply(struct ring *ring, struct udp_reply *reply)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	io_uring_prep_sendmsg(sqe, reply->fd, &reply->message, MSG_DONTWAIT | MSG_NOSIGNAL);
	tag(sqe, reply, OP_REPLY);
}

void ring_give_datagram_back(struct ring *ring, unsigned id)
{
	group_give_back(&ring->groups[GROUP_DATAGRAM], id);
}

/* --- the end of a round --- */

static void settle_dirty(struct ring *ring)
{
	while (ring->dirty != NULL) {
		struct conn *conn = ring->dirty;
		ring->dirty = conn->next_dirty;
		conn->dirty = false;
		conn_settle(conn);
	}
}

static void feed_starved(struct ring *ring)
{
	unsigned back = ring->groups[GROUP_STREAM].back;

	ring->groups[GROUP_STREAM].back = 0;
	if (back == 0 || ring->starved == NULL)
		return;
	struct conn *conn = ring->starved;
	ring->starved = NULL;
	while (conn != NULL) {
		struct conn *next = conn->next_starved;
		conn->starved = false;
		conn_receive(conn);
		conn = next;
	}
}

/* Their owners may have room by now. */
static void wake_stalled(struct ring *ring)
{
	while (ring->stalled != NULL) {
		struct conn *conn = ring->stalled;
		ring_unstall(conn);
		ring_mark(conn);
	}
}

/* Sockets whose receive ended: for want of buffers, or of memory, which a quiet round may have given back. */
static void hear_again(struct ring *ring, bool quiet)
{
	if (ring->groups[GROUP_DATAGRAM].back == 0 && !quiet)
		return;
	ring->groups[GROUP_DATAGRAM].back = 0;
	while (ring->deaf_udp != NULL) {
		struct udp_socket *socket = ring->deaf_udp;
		ring->deaf_udp = socket->next_deaf;
		if (!socket->stopped)
			ring_receive_datagrams(ring, socket);
	}
}

/* --- completions --- */

static void arm_accept(struct ring *ring, unsigned idx)
{
	struct io_uring_sqe *sqe = next_sqe(ring);
	io_uring_prep_multishot_accept(sqe, ring->listeners[idx], NULL, NULL, SOCK_CLOEXEC);
	io_uring_sqe_set_data64(sqe, (uint64_t)idx << 3 | OP_ACCEPT);
	ring->armed_cnt++;
}

static void on_accept(struct ring *ring, unsigned idx, const struct io_uring_cqe *cqe)
{
	if (cqe->res >= 0) /* after the end of accepting, too: nobody else could answer it */
		ring->config.accepted(ring->config.ctx, cqe->res);
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	ring->armed_cnt--;
	if (!ring->accepting)
		return;
	if (cqe->res == -EMFILE || cqe->res == -ENFILE || cqe->res == -ENOMEM || cqe->res == -ENOBUFS)
		ring->deaf |= 1u << idx; /* at once it would only fail again */
	else
		arm_accept(ring, idx);
}

static void listen_again(struct ring *ring, bool quiet)
{
	if (!quiet && !ring->fds_back)
		return;
	ring->fds_back = false;
	for (unsigned i = 0; ring->deaf != 0 && i < ring->listener_cnt; i++)
		if (ring->deaf & 1u << i)
			arm_accept(ring, i);
	ring->deaf = 0;
}

static void arm_wake(struct ring *ring)
{
	struct io_uring_sqe *sqe = next_sqe(ring);
	io_uring_prep_poll_multishot(sqe, ring->config.mailbox->event_fd, POLLIN);
	tag(sqe, NULL, OP_WAKE);
}

static void on_wake(struct ring *ring, const struct io_uring_cqe *cqe)
{
	if (!(cqe->flags & IORING_CQE_F_MORE))
		arm_wake(ring);
	mailbox_clear(ring->config.mailbox);
	ring->config.mail(ring->config.ctx);
}

static void on_datagram(struct ring *ring, struct udp_socket *socket, const struct io_uring_cqe *cqe)
{
	unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	bool has_buffer = cqe->flags & IORING_CQE_F_BUFFER;

	if (!(cqe->flags & IORING_CQE_F_MORE) && !socket->stopped) {
		socket->next_deaf = ring->deaf_udp;
		ring->deaf_udp = socket;
	}
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

	switch ((enum op)(cqe->user_data & OP_MASK)) {
	case OP_RECEIVE:
		conn_received(of, &(struct arrival){.result = cqe->res,
						    .more = cqe->flags & IORING_CQE_F_MORE,
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
		on_accept(ring, (unsigned)(cqe->user_data >> 3), cqe);
		break;
	case OP_WAKE:
		on_wake(ring, cqe);
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

bool ring_turn(struct ring *ring, unsigned wait_ms)
{
	struct __kernel_timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000LL};
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;

	feed_starved(ring);
	wake_stalled(ring);
	settle_dirty(ring);
	int error = io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1, &wait, NULL);
	ASSERT(error >= 0 || error == -ETIME || error == -EINTR || error == -EBUSY || error == -EAGAIN);
	io_uring_for_each_cqe(&ring->uring, head, cqe)
	{
		handle(ring, cqe);
		seen++;
	}
	io_uring_cq_advance(&ring->uring, seen);
	listen_again(ring, seen == 0);
	hear_again(ring, seen == 0);
	return ring->config.round(ring->config.ctx);
}

void ring_run(struct ring *ring)
{
	bool more = false;

	while (!ring->stopping)
		more = ring_turn(ring, more ? 0 : RING_TICK_MS);
}

void ring_stop(struct ring *ring)
{
	ring->stopping = true;
}

/* --- start and end --- */

static int map_group(struct ring *ring, enum group_id id, unsigned cnt, unsigned bytes)
{
	struct group *group = &ring->groups[id];
	size_t head = (size_t)cnt * sizeof(struct io_uring_buf);

	head = (head + 4095) & ~(size_t)4095;
	group->cnt = cnt;
	group->bytes = bytes;
	group->map_bytes = head + (size_t)cnt * bytes;
	void *at = mmap(NULL, group->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	group->ring = at;
	group->bytes_at = (uint8_t *)at + head;
	struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)(uintptr_t)at, .ring_entries = cnt, .bgid = (uint16_t)id};
	int error = io_uring_register_buf_ring(&ring->uring, &reg, 0);
	if (error < 0)
		return error;
	io_uring_buf_ring_init(group->ring);
	for (unsigned i = 0; i < cnt; i++)
		io_uring_buf_ring_add(group->ring, group_at(group, i), bytes, (unsigned short)i,
				      io_uring_buf_ring_mask(cnt), (int)i);
	io_uring_buf_ring_advance(group->ring, (int)cnt);
	return 0;
}

static int map_buffers(struct ring *ring)
{
	const struct ring_config *config = &ring->config;

	ring->buffers = calloc(config->buffer_cnt, sizeof *ring->buffers);
	if (ring->buffers == NULL)
		return -ENOMEM;
	int error = map_group(ring, GROUP_STREAM, config->buffer_cnt, config->buffer_bytes);
	if (error == 0 && config->datagram_cnt > 0)
		error = map_group(ring, GROUP_DATAGRAM, config->datagram_cnt, RING_DATAGRAM_BYTES);
	return error;
}

int ring_init(struct ring **out, const struct ring_config *config)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
						  IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
					 .cq_entries = CQ_ENTRIES};
	struct ring *ring = calloc(1, sizeof *ring);

	if (ring == NULL)
		return -ENOMEM;
	ring->config = *config;
	int error = io_uring_queue_init_params(SQ_ENTRIES, &ring->uring, &params);
	if (error < 0) {
		free(ring);
		return error;
	}
	io_uring_register_ring_fd(&ring->uring); /* one descriptor lookup less a round; not missed where refused */
	error = map_buffers(ring);
	if (error < 0) {
		ring_fini(ring);
		return error;
	}
	arm_wake(ring);
	*out = ring;
	return 0;
}

void ring_fini(struct ring *ring)
{
	io_uring_queue_exit(&ring->uring);
	for (unsigned i = 0; i < GROUP_CNT; i++)
		if (ring->groups[i].ring != NULL)
			munmap(ring->groups[i].ring, ring->groups[i].map_bytes);
	free(ring->buffers);
	free(ring);
}

size_t ring_bytes(const struct ring_config *config)
{
	return (size_t)config->buffer_cnt *
		       (config->buffer_bytes + sizeof(struct io_uring_buf) + sizeof(struct buffer)) +
	       (size_t)config->datagram_cnt * (RING_DATAGRAM_BYTES + sizeof(struct io_uring_buf)) +
	       SQ_ENTRIES * sizeof(struct io_uring_sqe) + CQ_ENTRIES * sizeof(struct io_uring_cqe);
}

void ring_accept(struct ring *ring, int listen_fd)
{
	ASSERT(ring->listener_cnt < LISTENERS_MAX);
	ring->accepting = true;
	ring->listeners[ring->listener_cnt] = listen_fd;
	arm_accept(ring, ring->listener_cnt++);
}

void ring_stop_accepting(struct ring *ring)
{
	ring->accepting = false;
	for (unsigned i = 0; i < ring->listener_cnt; i++) {
		struct io_uring_sqe *sqe = next_sqe(ring);
		io_uring_prep_cancel64(sqe, (uint64_t)i << 3 | OP_ACCEPT, 0);
		tag(sqe, NULL, OP_NONE);
		/* The listener stops answering at once; other workers' sockets are their own. */
		close(ring->listeners[i]);
	}
	ring->listener_cnt = 0;
}

bool ring_accepts(const struct ring *ring)
{
	return ring->armed_cnt > 0;
}
