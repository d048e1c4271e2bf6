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

#define SQ_ENTRIES 4096
#define CQ_ENTRIES 16384
#define BUFFER_GROUP 0
#define LISTENERS_MAX 16

/* What a completion is of: the low bits of user_data, whose other bits are the conn (or the listener's number). */
enum op { OP_NONE, OP_RECEIVE, OP_SEND, OP_CONNECT, OP_ACCEPT, OP_WAKE };
#define OP_MASK 7u

struct ring {
	struct io_uring uring;
	struct ring_config config;
	struct io_uring_buf_ring *buffer_ring;
	uint8_t *buffer_bytes_at;
	struct buffer *buffers;
	size_t map_bytes;
	struct conn *dirty, *starved;
	int listeners[LISTENERS_MAX];
	unsigned listener_cnt;
	unsigned buffers_back; /* given back since the last look at the starved */
	unsigned deaf; /* bit per listener whose accept failed: it waits for a descriptor, or for a quiet round */
	bool fds_back; /* a descriptor was closed */
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

uint8_t *ring_buffer_bytes(struct ring *ring, unsigned id)
{
	return ring->buffer_bytes_at + (size_t)id * ring->config.buffer_bytes;
}

struct buffer *ring_buffer(struct ring *ring, unsigned id)
{
	return &ring->buffers[id];
}

void ring_give_back(struct ring *ring, unsigned id)
{
	io_uring_buf_ring_add(ring->buffer_ring, ring_buffer_bytes(ring, id), ring->config.buffer_bytes,
			      (unsigned short)id, io_uring_buf_ring_mask(ring->config.buffer_cnt), 0);
	io_uring_buf_ring_advance(ring->buffer_ring, 1);
	ring->buffers_back++;
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
	sqe->buf_group = BUFFER_GROUP;
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
	if (ring->buffers_back == 0 || ring->starved == NULL)
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

/* --- completions --- */

static void arm_accept(struct ring *ring, unsigned idx)
{
	struct io_uring_sqe *sqe = next_sqe(ring);
	io_uring_prep_multishot_accept(sqe, ring->listeners[idx], NULL, NULL, SOCK_CLOEXEC);
	io_uring_sqe_set_data64(sqe, (uint64_t)idx << 3 | OP_ACCEPT);
}

static void on_accept(struct ring *ring, unsigned idx, const struct io_uring_cqe *cqe)
{
	if (cqe->res >= 0) {
		if (ring->accepting)
			ring->config.accepted(ring->config.ctx, cqe->res);
		else
			close(cqe->res);
	}
	if ((cqe->flags & IORING_CQE_F_MORE) || !ring->accepting)
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
	ring->buffers_back = 0;
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

static int map_buffers(struct ring *ring)
{
	const struct ring_config *config = &ring->config;
	size_t head = (size_t)config->buffer_cnt * sizeof(struct io_uring_buf);

	head = (head + 4095) & ~(size_t)4095;
	ring->map_bytes = head + (size_t)config->buffer_cnt * config->buffer_bytes;
	void *at = mmap(NULL, ring->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	ring->buffer_ring = at;
	ring->buffer_bytes_at = (uint8_t *)at + head;
	ring->buffers = calloc(config->buffer_cnt, sizeof *ring->buffers);
	if (ring->buffers == NULL)
		return -ENOMEM;
	struct io_uring_buf_reg reg = {
		.ring_addr = (uint64_t)(uintptr_t)at, .ring_entries = config->buffer_cnt, .bgid = BUFFER_GROUP};
	int error = io_uring_register_buf_ring(&ring->uring, &reg, 0);
	if (error < 0)
		return error;
	io_uring_buf_ring_init(ring->buffer_ring);
	for (unsigned id = 0; id < config->buffer_cnt; id++)
		io_uring_buf_ring_add(ring->buffer_ring, ring_buffer_bytes(ring, id), config->buffer_bytes,
				      (unsigned short)id, io_uring_buf_ring_mask(config->buffer_cnt), (int)id);
	io_uring_buf_ring_advance(ring->buffer_ring, (int)config->buffer_cnt);
	return 0;
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
	if (ring->buffer_ring != NULL)
		munmap(ring->buffer_ring, ring->map_bytes);
	free(ring->buffers);
	free(ring);
}

size_t ring_bytes(const struct ring_config *config)
{
	return (size_t)config->buffer_cnt *
		       (config->buffer_bytes + sizeof(struct io_uring_buf) + sizeof(struct buffer)) +
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
