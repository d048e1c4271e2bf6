/* SPDX-License-Identifier: Apache-2.0 */
/* ring_epoll.c: the ring by epoll, where io_uring is forbidden.
 *
 * Connections are watched once, for both directions and by edges: an operation is tried when it is asked for, and again when
 * its socket changed since a call would have blocked.  Whatever is asked for in a round is tried at its end, so the order of
 * things is io_uring's.  Listeners, datagrams and the mailbox are watched by level, since there are few of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/ring_engine.h"

#define EVENTS_MAX 256	       /* of one look; what is more waits for the next */
#define ACCEPTS_MAX 64	       /* of one listener in one round */
#define DATAGRAMS_MAX 64       /* of one socket in one round */
#define DATAGRAM_HEAD_BYTES 16 /* keeps what follows where io_uring has it */

/* What an event is of: the low bits of its data, as in ring_uring.c. */
enum of { OF_CONN, OF_LISTENER, OF_DATAGRAMS, OF_WAKE };
#define OF_MASK 7u

struct poller {
	int epoll_fd;
	struct conn *trying, *last; /* with something to try, in the order it was asked for */
	unsigned stopped_cnt;	    /* accepts whose end is still to be told */
	struct udp_reply *replies, **replies_end;
	unsigned free_cnt[GROUP_CNT];
	struct epoll_event events[EVENTS_MAX];
};

static struct poller *poller_of(const struct ring *ring)
{
	return ring->engine_state;
}

static int watch(const struct ring *ring, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = {.events = events, .data.u64 = data};

	return epoll_ctl(poller_of(ring)->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void unwatch(const struct ring *ring, int fd)
{
	epoll_ctl(poller_of(ring)->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* --- buffers: a stack of those that are free, in front of them --- */

static void give_back(struct ring *ring, enum group_id id, unsigned buffer)
{
	uint16_t *ids = ring->groups[id].map;

	ids[poller_of(ring)->free_cnt[id]++] = (uint16_t)buffer;
}

static bool pick(struct ring *ring, enum group_id id, unsigned *buffer)
{
	const uint16_t *ids = ring->groups[id].map;
	unsigned *free_cnt = &poller_of(ring)->free_cnt[id];

	if (*free_cnt == 0)
		return false;
	*buffer = ids[--*free_cnt];
	return true;
}

/* --- what a connection asks for --- */

static void try_later(struct conn *conn)
{
	struct poller *poller = poller_of(conn->ring);

	if (conn->poll.listed)
		return;
	conn->poll.listed = true;
	conn->poll.next = NULL;
	if (poller->trying == NULL)
		poller->trying = conn;
	else
		poller->last->poll.next = conn;
	poller->last = conn;
}

/* The first operation: the socket may be ready for anything, and is tried. */
static void watch_conn(struct conn *conn)
{
	if (conn->poll.watched)
		return;
	conn->poll.watched = conn->poll.readable = conn->poll.writable = true;
	int error = watch(conn->ring, conn->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, (uint64_t)(uintptr_t)conn);
	ASSERT(error == 0 || error == -ENOMEM || error == -ENOSPC);
	if (error != 0)
		shutdown(conn->fd,
			 SHUT_RDWR); /* the kernel has no room to watch it: it ends, as it would for want of memory */
}

static void receive(struct conn *conn, bool many)
{
	watch_conn(conn);
	conn->poll.receive = true;
	conn->poll.many = many;
	try_later(conn);
}

static void cancel_receive(struct conn *conn)
{
	conn->poll.cancel_receive = true;
	try_later(conn);
}

static void send_bytes(struct conn *conn, struct span bytes)
{
	watch_conn(conn);
	conn->poll.send = true;
	conn->poll.out = bytes;
	try_later(conn);
}

/* Watched once the connecting has begun: its end is the first edge. */
static void wait_connected(struct conn *conn)
{
	watch_conn(conn);
	conn->poll.writable = false;
	conn->poll.connect = true;
}

static void cancel_all(struct conn *conn)
{
	conn->poll.cancel_all = true;
	try_later(conn);
}

/* --- what can be done now; each returns how many ends it told --- */

static unsigned end_receive(struct conn *conn, int result)
{
	conn->poll.receive = conn->poll.cancel_receive = false;
	conn_received(conn, &(struct arrival){.result = result});
	return 1;
}

static unsigned receive_now(struct conn *conn)
{
	struct ring *ring = conn->ring;
	const struct group *group = &ring->groups[GROUP_STREAM];
	unsigned buffer;

	if (!pick(ring, GROUP_STREAM, &buffer))
		return end_receive(conn, -ENOBUFS);
	ssize_t bytes = recv(conn->fd, group_at(group, buffer), group->bytes, MSG_DONTWAIT);
	if (bytes > 0) {
		/* Less than there was room for is all there is; of an end that came with it no edge will tell. */
		conn->poll.readable = (size_t)bytes == group->bytes || conn->poll.hung_up;
		conn->poll.receive = conn->poll.many;
		conn_received(conn, &(struct arrival){.result = (int)bytes,
						      .more = conn->poll.many,
						      .has_buffer = true,
						      .buffer = buffer});
		if (conn->poll.receive && conn->poll.readable)
			try_later(conn);
		return 1;
	}
	int error = bytes < 0 ? errno : 0;
	give_back(ring, GROUP_STREAM, buffer);
	if (error == EAGAIN) {
		conn->poll.readable = false;
		return 0;
	}
	return end_receive(conn, -error);
}

static unsigned send_now(struct conn *conn)
{
	ssize_t bytes = send(conn->fd, conn->poll.out.at, conn->poll.out.bytes, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (bytes < 0 && errno == EAGAIN) {
		conn->poll.writable = false;
		return 0;
	}
	conn->poll.send = false;
	conn_sent(conn, bytes < 0 ? -errno : (int)bytes);
	return 1;
}

static unsigned connect_now(struct conn *conn)
{
	conn->poll.connect = false;
	conn_connected(conn, 0);
	return 1;
}

static unsigned cancel_now(struct conn *conn)
{
	unsigned told = 0;

	conn->poll.cancel_all = false;
	if (conn->poll.receive)
		told += end_receive(conn, -ECANCELED);
	if (conn->poll.send) {
		conn->poll.send = false;
		conn_sent(conn, -ECANCELED);
		told++;
	}
	if (conn->poll.connect) {
		conn->poll.connect = false;
		conn_connected(conn, -ECANCELED);
		told++;
	}
	return told;
}

static unsigned try_conn(struct conn *conn)
{
	const struct conn_poll *poll = &conn->poll;
	unsigned told = 0;

	if (poll->cancel_all)
		return cancel_now(conn);
	if (poll->connect && poll->writable)
		told += connect_now(conn);
	if (poll->send && poll->writable)
		told += send_now(conn);
	if (poll->cancel_receive && poll->receive)
		return told + end_receive(conn, -ECANCELED);
	conn->poll.cancel_receive = false; /* too late: it has ended */
	if (poll->receive && poll->readable)
		told += receive_now(conn);
	return told;
}

/* Each of those that are on the list now, once: what they ask for meanwhile is for the next time. */
static unsigned try_all(struct ring *ring)
{
	struct poller *poller = poller_of(ring);
	struct conn *conn = poller->trying;
	unsigned told = 0;

	poller->trying = NULL;
	while (conn != NULL) {
		struct conn *next = conn->poll.next;
		conn->poll.listed = false;
		told += try_conn(conn);
		conn = next;
	}
	return told;
}

static void on_conn(struct conn *conn, uint32_t events)
{
	struct conn_poll *poll = &conn->poll;

	poll->hung_up |= (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	poll->readable |= (events & EPOLLIN) != 0 || poll->hung_up;
	poll->writable |= (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
	if (poll->receive || poll->send || poll->connect)
		try_later(conn);
}

/* --- datagrams --- */

static void receive_datagrams(struct ring *ring, struct udp_socket *socket)
{
	if (watch(ring, socket->fd, EPOLLIN, (uint64_t)(uintptr_t)socket | OF_DATAGRAMS) != 0)
		ring_deafened(ring, socket);
}

static void stop_datagrams(struct ring *ring, struct udp_socket *socket)
{
	unwatch(ring, socket->fd);
}

/* false: nothing more for now. */
static bool receive_datagram(struct ring *ring, struct udp_socket *socket)
{
	unsigned buffer;

	if (!pick(ring, GROUP_DATAGRAM, &buffer)) {
		unwatch(ring, socket->fd);
		ring_deafened(ring, socket);
		return false;
	}
	uint8_t *name = group_at(&ring->groups[GROUP_DATAGRAM], buffer) + DATAGRAM_HEAD_BYTES;
	uint8_t *control = name + socket->form.msg_namelen;
	uint8_t *payload = control + socket->form.msg_controllen;
	struct iovec piece = {payload, RING_DATAGRAM_BYTES - (size_t)(payload - name) - DATAGRAM_HEAD_BYTES};
	struct msghdr message = {.msg_name = name,
				 .msg_namelen = socket->form.msg_namelen,
				 .msg_control = control,
				 .msg_controllen = socket->form.msg_controllen,
				 .msg_iov = &piece,
				 .msg_iovlen = 1};
	ssize_t bytes = recvmsg(socket->fd, &message, MSG_DONTWAIT);
	if (bytes < 0) {
		give_back(ring, GROUP_DATAGRAM, buffer);
		return errno != EAGAIN; /* an error of an earlier reply's way, say: it is told once */
	}
	udp_received(socket, &(struct udp_arrival){.name = name,
						   .control = control,
						   .control_bytes = message.msg_controllen,
						   .payload = span_of(payload, (size_t)bytes),
						   .buffer = buffer});
	return true;
}

static unsigned on_datagrams(struct ring *ring, struct udp_socket *socket)
{
	unsigned cnt = 0;

	while (cnt < DATAGRAMS_MAX && !socket->stopped && receive_datagram(ring, socket))
		cnt++;
	return cnt;
}

static void reply_by(struct ring *ring, struct udp_reply *reply)
{
	struct poller *poller = poller_of(ring);

	reply->next = NULL;
	*poller->replies_end = reply;
	poller->replies_end = &reply->next;
}

static unsigned send_replies(struct poller *poller)
{
	struct udp_reply *reply = poller->replies;
	unsigned told = 0;

	poller->replies = NULL;
	poller->replies_end = &poller->replies;
	while (reply != NULL) {
		struct udp_reply *next = reply->next;
		ssize_t bytes = sendmsg(reply->fd, &reply->message, MSG_DONTWAIT | MSG_NOSIGNAL);
		udp_replied(reply, bytes < 0 ? -errno : (int)bytes);
		told++;
		reply = next;
	}
	return told;
}

/* --- listeners --- */

static void accept_from(struct ring *ring, unsigned listener)
{
	int fd = ring->listeners[listener];

	fcntl(fd, F_SETFL, O_NONBLOCK);
	/* where several workers share one socket, not all of them wake */
	int error = watch(ring, fd, EPOLLIN | EPOLLEXCLUSIVE, (uint64_t)listener << 3 | OF_LISTENER);
	ASSERT(error == 0); /* few, and at the start */
}

static void stop_accept(struct ring *ring, unsigned listener)
{
	unwatch(ring, ring->listeners[listener]);
	poller_of(ring)->stopped_cnt++;
}

static unsigned on_listener(struct ring *ring, unsigned listener)
{
	unsigned cnt = 0;

	while (cnt < ACCEPTS_MAX && listener < ring->listener_cnt) {
		int fd = accept4(ring->listeners[listener], NULL, NULL, SOCK_CLOEXEC);
		int error = fd < 0 ? errno : 0;

		if (error == EAGAIN)
			break;
		cnt++;
		if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS) {
			unwatch(ring, ring->listeners[listener]);
			ring_accepted(ring, listener, -error, false);
			break;
		}
		ring_accepted(ring, listener, error != 0 ? -error : fd, true); /* who gave up meanwhile is none */
	}
	return cnt;
}

static unsigned tell_stopped(struct ring *ring)
{
	struct poller *poller = poller_of(ring);
	unsigned cnt = poller->stopped_cnt;

	poller->stopped_cnt = 0;
	for (unsigned i = 0; i < cnt; i++)
		ring_accepted(ring, 0, -ECANCELED, false);
	return cnt;
}

/* --- rounds --- */

static unsigned handle(struct ring *ring, const struct epoll_event *event)
{
	void *of = (void *)(uintptr_t)(event->data.u64 & ~(uint64_t)OF_MASK);

	switch ((enum of)(event->data.u64 & OF_MASK)) {
	case OF_CONN:
		on_conn(of, event->events);
		return 0; /* what comes of it is counted when it is tried */
	case OF_LISTENER:
		return on_listener(ring, (unsigned)(event->data.u64 >> 3));
	case OF_DATAGRAMS:
		return on_datagrams(ring, of);
	case OF_WAKE:
		ring_woken(ring);
		return 1;
	}
	return 0;
}

static unsigned turn(struct ring *ring, unsigned wait_ms)
{
	struct poller *poller = poller_of(ring);
	unsigned told = tell_stopped(ring) + send_replies(poller) + try_all(ring);
	bool waits = told == 0 && poller->trying == NULL;
	int cnt = epoll_wait(poller->epoll_fd, poller->events, EVENTS_MAX, waits ? (int)wait_ms : 0);

	ASSERT(cnt >= 0 || errno == EINTR);
	for (int i = 0; i < cnt; i++)
		told += handle(ring, &poller->events[i]);
	return told + try_all(ring);
}

/* --- start and end --- */

static int init(struct ring *ring)
{
	struct poller *poller = calloc(1, sizeof *poller);

	if (poller == NULL)
		return -ENOMEM;
	poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (poller->epoll_fd < 0) {
		int error = -errno;
		free(poller);
		return error;
	}
	ring->engine_state = poller;
	poller->replies_end = &poller->replies;
	for (enum group_id id = 0; id < GROUP_CNT; id++)
		for (unsigned i = ring->groups[id].cnt; i-- > 0;)
			give_back(ring, id, i);
	return watch(ring, ring->config.mailbox->event_fd, EPOLLIN, OF_WAKE);
}

static void fini(struct ring *ring)
{
	close(poller_of(ring)->epoll_fd);
	free(ring->engine_state);
}

const struct ring_engine ring_epoll = {
	.name = "epoll",
	.head_bytes = sizeof(uint16_t),
	.own_bytes = sizeof(struct poller),
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
