/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/ring.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"

#define SQ_ENTRIES 4096
#define CQ_ENTRIES 16384
#define NO_BUFFER 0xffff
#define BUFFER_GROUP 0
#define LISTENERS_MAX 16

/* What a completion is of: the low bits of user_data, whose other bits are the conn (or the listener's number). */
enum op { OP_NONE, OP_RECEIVE, OP_SEND, OP_CONNECT, OP_ACCEPT, OP_WAKE };
#define OP_MASK 7u

struct buffer { /* one received buffer while it is pinned */
	uint16_t next;
	uint32_t begin, end;
};

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
	unsigned deaf;	       /* bit per listener whose accept failed: it waits for a descriptor, or for a quiet round */
	bool fds_back;	       /* a descriptor was closed */
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

static uint8_t *buffer_at(struct ring *ring, unsigned id)
{
	return ring->buffer_bytes_at + (size_t)id * ring->config.buffer_bytes;
}

static void buffer_give_back(struct ring *ring, unsigned id)
{
	io_uring_buf_ring_add(ring->buffer_ring, buffer_at(ring, id), ring->config.buffer_bytes, (unsigned short)id,
			      io_uring_buf_ring_mask(ring->config.buffer_cnt), 0);
	io_uring_buf_ring_advance(ring->buffer_ring, 1);
	ring->buffers_back++;
}

static void pin(struct conn *conn, unsigned id, uint32_t begin, uint32_t end)
{
	struct buffer *buffers = conn->ring->buffers;

	buffers[id] = (struct buffer){NO_BUFFER, begin, end};
	if (conn->pinned_cnt++ == 0)
		conn->pinned_first = (uint16_t)id;
	else
		buffers[conn->pinned_last].next = (uint16_t)id;
	conn->pinned_last = (uint16_t)id;
}

static void unpin_all(struct conn *conn)
{
	while (conn->pinned_cnt > 0) {
		uint16_t id = conn->pinned_first;
		conn->pinned_first = conn->ring->buffers[id].next;
		conn->pinned_cnt--;
		buffer_give_back(conn->ring, id);
	}
}

/* --- the end of a round --- */

static void mark_dirty(struct conn *conn)
{
	if (conn->dirty)
		return;
	conn->dirty = true;
	conn->next_dirty = conn->ring->dirty;
	conn->ring->dirty = conn;
}

static void arm_receive(struct conn *conn)
{
	if (conn->receiving || conn->paused || conn->ended || conn->closing || conn->connecting || conn->starved)
		return;
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
	conn->receiving = true;
	conn->pending_ops++;
}

static void cancel_receive(struct conn *conn)
{
	if (!conn->receiving || conn->cancelling)
		return;
	struct io_uring_sqe *sqe = next_sqe(conn->ring);
	io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)conn | OP_RECEIVE, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	tag(sqe, NULL, OP_NONE);
	conn->cancelling = true;
}

static void submit_send(struct conn *conn)
{
	struct span bytes = span_of(conn->out + conn->out_begin, conn->out_end - conn->out_begin);

	if (bytes.bytes == 0)
		bytes = conn->tail;
	if (bytes.bytes == 0 || conn->sending || conn->connecting)
		return;
	struct io_uring_sqe *sqe = next_sqe(conn->ring);
	io_uring_prep_send(sqe, conn->fd, bytes.at, bytes.bytes, MSG_NOSIGNAL);
	tag(sqe, conn, OP_SEND);
	conn->sending = true;
	conn->pending_ops++;
}

static void start_linger(struct conn *conn)
{
	conn->lingering = true;
	shutdown(conn->fd, SHUT_WR);
	unpin_all(conn);
	conn->paused = false;
	if (conn->ended)
		conn_close(conn);
	else
		arm_receive(conn);
}

static void finish_close(struct conn *conn)
{
	unpin_all(conn);
	close(conn->fd);
	conn->fd = -1;
	conn->ring->fds_back = true;
	conn->closing = false;
	conn->events->closed(conn);
}

static void settle_conn(struct conn *conn)
{
	if (conn->closing) {
		if (conn->pending_ops == 0)
			finish_close(conn);
		return;
	}
	submit_send(conn);
	if (conn->finish && !conn->lingering && conn_idle_out(conn))
		start_linger(conn);
}

static void settle_dirty(struct ring *ring)
{
	while (ring->dirty != NULL) {
		struct conn *conn = ring->dirty;
		ring->dirty = conn->next_dirty;
		conn->dirty = false;
		settle_conn(conn);
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
		arm_receive(conn);
		conn = next;
	}
}

/* --- completions --- */

static void tell_end(struct conn *conn)
{
	if (!conn->ended || conn->end_told || conn->closing || conn->pinned_cnt > 0)
		return;
	conn->end_told = true;
	if (conn->lingering)
		conn_close(conn);
	else
		conn->events->ended(conn, conn->end_error);
}

static void end(struct conn *conn, int error)
{
	if (conn->ended)
		return;
	conn->ended = true;
	if (conn->end_error == 0)
		conn->end_error = error;
	tell_end(conn);
}

/* One call of received().  The owner may call conn_resume from inside it: that is remembered, not nested. */
static size_t take(struct conn *conn, unsigned id, uint32_t begin, uint32_t bytes_end)
{
	size_t bytes = bytes_end - begin;

	conn->showing = true;
	conn->resume_again = false;
	size_t taken = conn->events->received(conn, span_of(buffer_at(conn->ring, id) + begin, bytes));
	conn->showing = false;
	ASSERT(taken <= bytes);
	return taken;
}

/* Shows one buffer; what is not taken is pinned. */
static void show(struct conn *conn, unsigned id, uint32_t begin, uint32_t bytes_end)
{
	size_t taken = take(conn, id, begin, bytes_end);

	if (taken < bytes_end - begin && !conn->closing && !conn->lingering) {
		pin(conn, id, begin + (uint32_t)taken, bytes_end);
		conn->paused = true;
		if (conn->resume_again)
			conn_resume(conn);
		else
			cancel_receive(conn);
	} else {
		buffer_give_back(conn->ring, id);
	}
}

static void on_receive(struct conn *conn, const struct io_uring_cqe *cqe)
{
	struct ring *ring = conn->ring;
	unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

	if (!(cqe->flags & IORING_CQE_F_MORE)) {
		conn->receiving = false;
		conn->cancelling = false;
		conn->pending_ops--;
		mark_dirty(conn);
	}
	if (cqe->res > 0) {
		if (conn->closing || conn->lingering)
			buffer_give_back(ring, id);
		else if (conn->paused)
			pin(conn, id, 0, (uint32_t)cqe->res);
		else
			show(conn, id, 0, (uint32_t)cqe->res);
	} else if (cqe->flags & IORING_CQE_F_BUFFER) {
		buffer_give_back(ring, id);
	}
	if (conn->closing)
		return;
	if (cqe->res == -ENOBUFS) {
		if (!conn->starved) {
			conn->starved = true;
			conn->next_starved = ring->starved;
			ring->starved = conn;
		}
	} else if (cqe->res == 0) {
		end(conn, 0);
	} else if (cqe->res < 0 && cqe->res != -ECANCELED) {
		end(conn, cqe->res);
	} else {
		arm_receive(conn);
	}
}

/* The peer takes no more.  What it said before that is still received (an upstream may refuse a request it has not read to
 * its end), then comes the end; unless the owner has to take what is pinned first, and waits for a drained() to do so. */
static void break_off(struct conn *conn, int error)
{
	conn->out_begin = conn->out_end = 0;
	conn->tail = (struct span){0};
	if (conn->end_error == 0)
		conn->end_error = error;
	shutdown(conn->fd, SHUT_RDWR);
	if (conn->pinned_cnt == 0 && !conn->ended)
		return;
	unpin_all(conn);
	conn->ended = true;
	tell_end(conn);
}

static void on_send(struct conn *conn, const struct io_uring_cqe *cqe)
{
	conn->sending = false;
	conn->pending_ops--;
	mark_dirty(conn);
	if (conn->closing)
		return;
	if (cqe->res < 0) {
		break_off(conn, cqe->res);
		return;
	}
	uint32_t sent = (uint32_t)cqe->res;
	conn->sent_bytes += sent;
	if (conn->out_begin < conn->out_end) {
		conn->out_begin += sent;
		if (conn->out_begin == conn->out_end)
			conn->out_begin = conn->out_end = 0;
	} else {
		conn->tail.at += sent;
		conn->tail.bytes -= sent;
	}
	if (conn_idle_out(conn) && !conn->finish)
		conn->events->drained(conn);
}

static void on_connect(struct conn *conn, const struct io_uring_cqe *cqe)
{
	conn->connecting = false;
	conn->pending_ops--;
	mark_dirty(conn);
	if (conn->closing)
		return;
	if (cqe->res == 0)
		arm_receive(conn);
	conn->events->connected(conn, cqe->res);
}

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
		on_receive(of, cqe);
		break;
	case OP_SEND:
		on_send(of, cqe);
		break;
	case OP_CONNECT:
		on_connect(of, cqe);
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

void ring_run(struct ring *ring)
{
	bool more = false;

	while (!ring->stopping) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;

		feed_starved(ring);
		ring->buffers_back = 0;
		settle_dirty(ring);
		struct __kernel_timespec wait = {.tv_nsec = more ? 0 : RING_TICK_MS * 1000000ll};
		int error = io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1, &wait, NULL);
		ASSERT(error >= 0 || error == -ETIME || error == -EINTR || error == -EBUSY || error == -EAGAIN);
		io_uring_for_each_cqe(&ring->uring, head, cqe)
		{
			handle(ring, cqe);
			seen++;
		}
		io_uring_cq_advance(&ring->uring, seen);
		listen_again(ring, seen == 0);
		more = ring->config.round(ring->config.ctx);
	}
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
		io_uring_buf_ring_add(ring->buffer_ring, buffer_at(ring, id), config->buffer_bytes, (unsigned short)id,
				      io_uring_buf_ring_mask(config->buffer_cnt), (int)id);
	io_uring_buf_ring_advance(ring->buffer_ring, (int)config->buffer_cnt);
	return 0;
}

int ring_init(struct ring **out, const struct ring_config *config)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
			 IORING_SETUP_SUBMIT_ALL,
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

/* --- connections --- */

void conn_init(struct conn *conn, struct ring *ring, const struct conn_events *events, void *owner, uint8_t *out,
	       uint32_t out_bytes_max)
{
	*conn = (struct conn){.owner = owner,
			      .events = events,
			      .ring = ring,
			      .fd = -1,
			      .out = out,
			      .out_bytes_max = out_bytes_max};
}

void conn_start(struct conn *conn, int fd)
{
	conn->fd = fd;
	conn->accepted = true;
	arm_receive(conn);
}

int conn_connect(struct conn *conn, const struct sockaddr_storage *peer, socklen_t peer_bytes)
{
	int one = 1;

	conn->fd = socket(peer->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conn->fd < 0)
		return -errno;
	setsockopt(conn->fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof one);
	conn->peer = *peer;
	conn->connecting = true;
	struct io_uring_sqe *sqe = next_sqe(conn->ring);
	io_uring_prep_connect(sqe, conn->fd, (struct sockaddr *)&conn->peer, peer_bytes);
	tag(sqe, conn, OP_CONNECT);
	conn->pending_ops++;
	return 0;
}

size_t conn_room(const struct conn *conn)
{
	return conn->tail.bytes > 0 ? 0 : conn->out_bytes_max - conn->out_end;
}

uint8_t *conn_reserve(struct conn *conn, size_t bytes)
{
	return conn_room(conn) < bytes ? NULL : conn->out + conn->out_end;
}

void conn_commit(struct conn *conn, size_t bytes)
{
	ASSERT(bytes <= conn_room(conn));
	conn->out_end += (uint32_t)bytes;
	mark_dirty(conn);
}

bool conn_write(struct conn *conn, struct span bytes)
{
	uint8_t *at = conn_reserve(conn, bytes.bytes);

	if (at == NULL)
		return false;
	memcpy(at, bytes.at, bytes.bytes);
	conn_commit(conn, bytes.bytes);
	return true;
}

void conn_write_tail(struct conn *conn, struct span bytes)
{
	ASSERT(conn->tail.bytes == 0);
	conn->tail = bytes;
	mark_dirty(conn);
}

bool conn_idle_out(const struct conn *conn)
{
	return conn->out_begin == conn->out_end && conn->tail.bytes == 0;
}

void conn_resume(struct conn *conn)
{
	if (conn->showing) {
		conn->resume_again = true;
		return;
	}
	conn->paused = false;
	while (conn->pinned_cnt > 0 && !conn->paused && !conn->closing && !conn->lingering) {
		uint16_t id = conn->pinned_first;
		struct buffer buffer = conn->ring->buffers[id];
		size_t taken = take(conn, id, buffer.begin, buffer.end);

		if (conn->closing || conn->lingering)
			return; /* what was pinned is given back there */
		if (taken < buffer.end - buffer.begin) {
			conn->ring->buffers[id].begin += (uint32_t)taken;
			conn->paused = !conn->resume_again;
		} else {
			conn->pinned_first = buffer.next;
			conn->pinned_cnt--;
			buffer_give_back(conn->ring, id);
		}
	}
	tell_end(conn);
	arm_receive(conn);
}

void conn_finish(struct conn *conn)
{
	conn->finish = true;
	mark_dirty(conn);
}

void conn_close(struct conn *conn)
{
	if (conn->closing || conn->fd < 0)
		return;
	conn->closing = true;
	if (conn->starved) { /* leave the list, whose links run through the conns */
		struct conn **at = &conn->ring->starved;
		while (*at != conn)
			at = &(*at)->next_starved;
		*at = conn->next_starved;
		conn->starved = false;
	}
	if (conn->pending_ops > 0) {
		struct io_uring_sqe *sqe = next_sqe(conn->ring);
		io_uring_prep_cancel_fd(sqe, conn->fd, IORING_ASYNC_CANCEL_ALL);
		tag(sqe, NULL, OP_NONE);
	}
	mark_dirty(conn);
}
