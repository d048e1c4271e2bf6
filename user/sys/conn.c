/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/ring_conn.h"

#define NO_BUFFER 0xffff

/* --- buffers the owner has not taken --- */

static void pin(struct conn *conn, unsigned id, uint32_t begin, uint32_t end)
{
	*ring_buffer(conn->ring, id) = (struct buffer){NO_BUFFER, begin, end};
	if (conn->pinned_cnt++ == 0)
		conn->pinned_first = (uint16_t)id;
	else
		ring_buffer(conn->ring, conn->pinned_last)->next = (uint16_t)id;
	conn->pinned_last = (uint16_t)id;
}

static void unpin_all(struct conn *conn)
{
	conn->held = false;
	while (conn->pinned_cnt > 0) {
		uint16_t id = conn->pinned_first;
		conn->pinned_first = ring_buffer(conn->ring, id)->next;
		conn->pinned_cnt--;
		ring_give_back(conn->ring, id);
	}
}

static bool any_pinned(const struct conn *conn)
{
	return conn->pinned_cnt > 0 || conn->held;
}

/* Receives on, unless something speaks against it. */
void conn_receive(struct conn *conn)
{
	if (conn->receiving || conn->paused || conn->ended || conn->closing || conn->connecting || conn->starved)
		return;
	conn->receiving = true;
	ring_receive(conn);
}

static void cancel_receive(struct conn *conn)
{
	if (!conn->receiving || conn->cancelling)
		return;
	conn->cancelling = true;
	ring_cancel_receive(conn);
}

/* Most pauses are over before anything comes: a receive is taken back only when something does. */
static void pin_more(struct conn *conn, unsigned id, uint32_t bytes)
{
	pin(conn, id, 0, bytes);
	cancel_receive(conn);
}

/* What leaves next: the output buffer, then the tail. */
static struct span first_out(const struct conn *conn)
{
	if (conn->out_begin < conn->out_end)
		return span_of(conn->out + conn->out_begin, conn->out_end - conn->out_begin);
	return conn->tail;
}

/* So many bytes of first_out left. */
static void take_off(struct conn *conn, size_t bytes)
{
	conn->sent_bytes += bytes;
	if (conn->out_begin < conn->out_end) {
		conn->out_begin += (uint32_t)bytes;
		if (conn->out_begin == conn->out_end)
			conn->out_begin = conn->out_end = 0;
	} else {
		conn->tail.at += bytes;
		conn->tail.bytes -= bytes;
	}
}

/* The same sealed; what was sealed before goes first. */
static struct span first_sealed(struct conn *conn)
{
	if (tls_out(conn->tls).bytes == 0)
		tls_seal(conn->tls, first_out(conn));
	return tls_out(conn->tls);
}

static void send_next(struct conn *conn)
{
	if (conn->sending || conn->connecting)
		return;
	struct span bytes = conn->tls == NULL ? first_out(conn) : first_sealed(conn);
	if (bytes.bytes == 0)
		return;
	conn->sending = true;
	ring_send(conn, bytes);
}

/* --- the end of a round --- */

static void start_linger(struct conn *conn)
{
	conn->lingering = true;
	shutdown(conn->fd, SHUT_WR);
	unpin_all(conn);
	conn->paused = false;
	if (conn->ended)
		conn_close(conn);
	else
		conn_receive(conn);
}

static void finish_close(struct conn *conn)
{
	unpin_all(conn);
	if (conn->sink) {
		ring_unstall(conn);
		conn->sink = false;
	} else {
		close(conn->fd);
		conn->fd = -1;
		conn->poll = (struct conn_poll){0};
		ring_closed(conn->ring);
	}
	conn->closing = false;
	conn->events->closed(conn);
}

static void settle_sink(struct conn *conn)
{
	bool any = !conn_idle_out(conn);

	while (!conn_idle_out(conn) && !conn->closing) {
		struct span bytes = first_out(conn);
		size_t taken = conn->events->output(conn, bytes);

		ASSERT(taken <= bytes.bytes);
		take_off(conn, taken);
		if (taken < bytes.bytes) {
			ring_stall(conn);
			return;
		}
	}
	if (conn->closing || conn->finish)
		finish_close(conn);
	else if (any)
		conn->events->drained(conn);
}

void conn_settle(struct conn *conn)
{
	if (conn->closing) {
		if (conn->pending_ops == 0)
			finish_close(conn);
		return;
	}
	if (conn->sink) {
		settle_sink(conn);
		return;
	}
	send_next(conn);
	if (conn->finish && !conn->lingering && conn_idle_out(conn)) {
		if (conn->tls != NULL && tls_bye(conn->tls))
			send_next(conn);
		else
			start_linger(conn);
	}
}

/* --- what has happened --- */

static void tell_end(struct conn *conn)
{
	if (!conn->ended || conn->end_told || conn->closing || any_pinned(conn))
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

/* What received() is of a TLS session: its plain text, record by record. */
static size_t take_sealed(struct conn *conn, struct span bytes)
{
	struct tls *tls = conn->tls;
	struct span plain;
	size_t taken;

	tls_feed(tls, bytes);
	do {
		if (conn->closing || !tls_peek(tls, &plain))
			break;
		taken = conn->events->received(conn, plain);
		ASSERT(taken <= plain.bytes);
		tls_take(tls, taken);
	} while (taken == plain.bytes);
	conn->held = tls_holds(tls) || tls->blocked;
	if (tls_out(tls).bytes > 0)
		ring_mark(conn);
	return bytes.bytes - tls_unfed(tls);
}

/* The session ended with its last record, or broke: what was not sent cannot be any more. */
static void look_at_session(struct conn *conn)
{
	if (conn->tls->state == TLS_OVER) {
		end(conn, 0);
	} else if (conn->tls->state == TLS_FAILED && !conn->insecure_told) {
		conn->insecure_told = true;
		conn->held = false;
		conn->out_begin = conn->out_end = 0;
		conn->tail = (struct span){0};
		conn->events->insecure(conn);
	}
}

/* One call of received().  The owner may call conn_resume from inside it: that is remembered, not nested. */
static size_t take(struct conn *conn, struct span bytes)
{
	conn->showing = true;
	conn->resume_again = false;
	size_t taken = conn->tls == NULL ? conn->events->received(conn, bytes) : take_sealed(conn, bytes);
	conn->showing = false;
	ASSERT(taken <= bytes.bytes);
	return taken;
}

/* Shows one buffer; what is not taken is pinned. */
static void show(struct conn *conn, unsigned id, uint32_t begin, uint32_t bytes_end)
{
	size_t taken = take(conn, span_of(ring_buffer_bytes(conn->ring, id) + begin, bytes_end - begin));
	bool over = conn->closing || conn->lingering, whole = taken == bytes_end - begin;

	if (over || whole)
		ring_give_back(conn->ring, id);
	else
		pin(conn, id, begin + (uint32_t)taken, bytes_end);
	if (!over && any_pinned(conn)) {
		conn->paused = true;
		if (conn->resume_again)
			conn_resume(conn);
	}
}

void conn_received(struct conn *conn, const struct arrival *arrival)
{
	struct ring *ring = conn->ring;
	unsigned id = arrival->buffer;
	int result = arrival->result;

	if (!arrival->more) {
		conn->receiving = false;
		conn->cancelling = false;
		conn->pending_ops--;
		ring_mark(conn);
	}
	if (result > 0) {
		if (conn->closing || conn->lingering)
			ring_give_back(ring, id);
		else if (conn->paused)
			pin_more(conn, id, (uint32_t)result);
		else
			show(conn, id, 0, (uint32_t)result);
		if (conn->tls != NULL && !conn->closing)
			look_at_session(conn);
	} else if (arrival->has_buffer) {
		ring_give_back(ring, id);
	}
	if (conn->closing)
		return;
	if (result == -ENOBUFS) {
		ring_starve(conn);
	} else if (result == 0) {
		end(conn, 0);
	} else if (result < 0 && result != -ECANCELED) {
		end(conn, result);
	} else {
		conn_receive(conn);
	}
}

/* The peer takes no more.  What it said before that is still received (an upstream may refuse a request it has not read to
 * its end), then comes the end; unless the owner has to take what is pinned first, and waits for a drained() to do so. */
static void break_off(struct conn *conn, int error)
{
	conn->out_begin = conn->out_end = 0;
	conn->tail = (struct span){0};
	if (conn->tls != NULL)
		tls_sent(conn->tls, tls_out(conn->tls).bytes);
	if (conn->end_error == 0)
		conn->end_error = error;
	shutdown(conn->fd, SHUT_RDWR);
	if (!any_pinned(conn) && !conn->ended)
		return;
	unpin_all(conn);
	conn->ended = true;
	tell_end(conn);
}

static void sealed_sent(struct conn *conn, size_t bytes)
{
	size_t plain = tls_sent(conn->tls, bytes);

	if (plain > 0)
		take_off(conn, plain);
	if (!conn->tls->blocked || tls_out(conn->tls).bytes > 0)
		return;
	conn->tls->blocked = false;
	conn_resume(conn);
}

void conn_sent(struct conn *conn, int result)
{
	conn->sending = false;
	conn->pending_ops--;
	ring_mark(conn);
	if (conn->closing)
		return;
	if (result < 0) {
		break_off(conn, result);
		return;
	}
	if (conn->tls == NULL)
		take_off(conn, (size_t)result);
	else
		sealed_sent(conn, (size_t)result);
	if (conn_idle_out(conn) && !conn->finish && !conn->closing)
		conn->events->drained(conn);
}

/* How a connect that is over went, and its socket waits from here on: the ring's operations on it are to wait, too. */
static int connect_result(const struct conn *conn)
{
	socklen_t bytes = sizeof(int);
	int error = -conn->connect_error;

	if (error == 0 && getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0)
		error = errno;
	if (error == 0 && fcntl(conn->fd, F_SETFL, 0) < 0)
		error = errno;
	return -error;
}

void conn_connected(struct conn *conn, int result)
{
	conn->connecting = false;
	conn->pending_ops--;
	ring_mark(conn);
	if (conn->closing)
		return;
	if (result >= 0)
		result = connect_result(conn);
	if (result == 0)
		conn_receive(conn);
	conn->events->connected(conn, result);
}

/* --- what the owner calls --- */

void conn_init(struct conn *conn, struct ring *ring, const struct conn_events *events, void *owner, uint8_t *out,
	       uint32_t out_bytes_max)
{
	*conn = (struct conn){
		.owner = owner, .events = events, .ring = ring, .fd = -1, .out = out, .out_bytes_max = out_bytes_max};
}

void conn_start(struct conn *conn, int fd)
{
	conn->fd = fd;
	conn->accepted = true;
	conn_receive(conn);
}

void conn_secure(struct conn *conn, struct tls *tls)
{
	conn->tls = tls;
}

void conn_start_sink(struct conn *conn)
{
	conn->sink = true;
}

int conn_connect(struct conn *conn, const struct sockaddr_storage *peer, socklen_t peer_bytes)
{
	int one = 1;

	conn->fd = socket(peer->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (conn->fd < 0)
		return -errno;
	setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	/* By a system call, which a filter sees; what a ring connects to it does not. */
	if (connect(conn->fd, (const struct sockaddr *)peer, peer_bytes) < 0 && errno != EINPROGRESS)
		conn->connect_error = -errno;
	conn->connecting = true;
	ring_connect(conn);
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
	ring_mark(conn);
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
	ring_mark(conn);
}

bool conn_idle_out(const struct conn *conn)
{
	return conn->out_begin == conn->out_end && conn->tail.bytes == 0 &&
	       (conn->tls == NULL || tls_out(conn->tls).bytes == 0);
}

bool conn_quiet(const struct conn *conn)
{
	uint8_t byte;

	return !conn->ended && recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* Shows the first of the pinned buffers again. */
static void show_pinned(struct conn *conn)
{
	uint16_t id = conn->pinned_first;
	struct buffer buffer = *ring_buffer(conn->ring, id);
	size_t taken = take(conn, span_of(ring_buffer_bytes(conn->ring, id) + buffer.begin, buffer.end - buffer.begin));

	if (conn->closing || conn->lingering)
		return;
	if (taken < buffer.end - buffer.begin) {
		ring_buffer(conn->ring, id)->begin += (uint32_t)taken;
		conn->paused = !conn->resume_again;
	} else {
		conn->pinned_first = buffer.next;
		conn->pinned_cnt--;
		ring_give_back(conn->ring, id);
	}
}

void conn_resume(struct conn *conn)
{
	if (conn->showing) {
		conn->resume_again = true;
		return;
	}
	conn->paused = false;
	while (any_pinned(conn) && !conn->paused && !conn->closing && !conn->lingering) {
		if (conn->pinned_cnt == 0)
			take(conn, (struct span){0});
		else
			show_pinned(conn);
		if (conn->tls != NULL && !conn->closing && !conn->lingering)
			look_at_session(conn);
		if (conn->closing || conn->lingering)
			return; /* what was pinned is given back there */
		if (conn->held)
			conn->paused = !conn->resume_again;
	}
	tell_end(conn);
	conn_receive(conn);
}

void conn_finish(struct conn *conn)
{
	conn->finish = true;
	ring_mark(conn);
}

/* A connection that ends between two answers says so; it waits for nothing. */
static void say_bye(struct conn *conn)
{
	if (conn->sending || !conn_idle_out(conn) || !tls_bye(conn->tls))
		return;
	struct span bytes = tls_out(conn->tls);
	ssize_t sent = send(conn->fd, bytes.at, bytes.bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)sent;
}

void conn_close(struct conn *conn)
{
	if (conn->closing || (conn->fd < 0 && !conn->sink))
		return;
	if (conn->tls != NULL && conn->fd >= 0 && !conn->lingering)
		say_bye(conn);
	conn->closing = true;
	ring_unstarve(conn);
	if (conn->pending_ops > 0)
		ring_cancel_all(conn);
	ring_mark(conn);
}
