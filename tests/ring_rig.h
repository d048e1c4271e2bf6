// SPDX-License-Identifier: Apache-2.0
#ifndef TOLLBAR_TESTS_RING_RIG_H
#define TOLLBAR_TESTS_RING_RIG_H
/* ring_rig.h: the ring over real loopback sockets.  Its side of each connection and the test's are in one thread: the ring
 * is run for a round at a time, and between rounds the test reads and writes on plain sockets.  Every byte has a value
 * that says where in the stream it is.  Includes ring.c.  RIG_LOOP says which way it goes. */
#include "sys/ring.c"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>

#include "base/clock.h"
#include "check.h"
#include "random.h"

#ifndef RIG_LOOP
#define RIG_LOOP RING_URING
#endif
#define SLOTS 64
#define OUT_BYTES 8192

struct slot {
	struct conn conn;
	uint8_t out[OUT_BYTES];
	bool used;
	uint64_t shown;	 /* bytes taken so far */
	uint64_t echoed; /* of them written back */
	size_t take_max; /* of one received() */
	bool echo, greedy_resume;
	unsigned ended_cnt, closed_cnt, connected_cnt, drained_cnt, insecure_cnt;
	uint64_t put; /* a sink: bytes that came out */
	size_t room;  /* of its owner */
	int end_error, connect_error;
};

static struct ring *ring;
static struct mailbox box;
static struct slot slots[SLOTS];
static int listener;
static struct sockaddr_in address;
static unsigned accepted_cnt, mail_cnt, rounds_left;
static bool wrong; /* a byte out of place */

static uint8_t byte_at(uint64_t position)
{
	return (uint8_t)(position * 31 + (position >> 8) * 7);
}

static void check_bytes(struct span bytes, uint64_t position)
{
	for (size_t i = 0; i < bytes.bytes; i++)
		wrong |= bytes.at[i] != byte_at(position + i);
}

static void write_back(struct slot *slot)
{
	while (slot->echo && slot->echoed < slot->shown && conn_room(&slot->conn) > 0) {
		uint8_t *at = conn_reserve(&slot->conn, 1);
		*at = byte_at(slot->echoed++);
		conn_commit(&slot->conn, 1);
	}
}

static size_t on_received(struct conn *conn, struct span bytes)
{
	struct slot *slot = conn->owner;
	size_t take = bytes.bytes < slot->take_max ? bytes.bytes : slot->take_max;

	CHECK(!conn->closing && slot->ended_cnt == 0);
	check_bytes(span_of(bytes.at, take), slot->shown);
	slot->shown += take;
	write_back(slot);
	if (slot->greedy_resume)
		conn_resume(conn); /* from inside: remembered, not nested */
	return take;
}

static void on_ended(struct conn *conn, int error)
{
	struct slot *slot = conn->owner;

	slot->ended_cnt++;
	slot->end_error = error;
}

static void on_drained(struct conn *conn)
{
	struct slot *slot = conn->owner;

	CHECK(conn_idle_out(conn));
	slot->drained_cnt++;
	write_back(slot);
}

static size_t on_output(struct conn *conn, struct span bytes)
{
	struct slot *slot = conn->owner;
	size_t take = bytes.bytes < slot->room ? bytes.bytes : slot->room;

	CHECK(bytes.bytes > 0 && slot->closed_cnt == 0);
	check_bytes(span_of(bytes.at, take), slot->put);
	slot->put += take;
	slot->room -= take;
	return take;
}

static void on_connected(struct conn *conn, int error)
{
	struct slot *slot = conn->owner;

	slot->connected_cnt++;
	slot->connect_error = error;
}

static void on_insecure(struct conn *conn)
{
	struct slot *slot = conn->owner;

	slot->insecure_cnt++;
	conn_finish(conn);
}

static void on_closed(struct conn *conn)
{
	struct slot *slot = conn->owner;

	CHECK(conn->fd == -1 && conn->pending_ops == 0 && conn->pinned_cnt == 0 && !conn->held);
	slot->closed_cnt++;
	slot->used = false;
}

static const struct conn_events events = {.received = on_received,
					  .ended = on_ended,
					  .drained = on_drained,
					  .connected = on_connected,
					  .closed = on_closed,
					  .output = on_output,
					  .insecure = on_insecure};

static struct slot *new_slot(void)
{
	for (size_t i = 0; i < SLOTS; i++) {
		if (slots[i].used)
			continue;
		slots[i] = (struct slot){.used = true, .take_max = SIZE_MAX, .echo = true};
		conn_init(&slots[i].conn, ring, &events, &slots[i], slots[i].out, OUT_BYTES);
		return &slots[i];
	}
	return NULL;
}

static struct slot *newest;

static void on_accepted(void *ctx, unsigned idx, int fd)
{
	struct slot *slot = new_slot();

	accepted_cnt++;
	if (slot == NULL) {
		close(fd);
		return;
	}
	newest = slot;
	conn_start(&slot->conn, fd);
}

static void on_mail(void *ctx)
{
	for (struct mail *mail = mailbox_take(&box); mail != NULL; mail = mail->next)
		mail_cnt++;
}

static bool on_round(void *ctx)
{
	if (--rounds_left == 0)
		ring_stop(ring);
	return true; /* the test drives: no round sleeps */
}

static void run(unsigned rounds)
{
	uint64_t one = 1;

	CHECK_EQ(write(box.event_fd, &one, sizeof one), sizeof one); /* nor does the first one */
	rounds_left = rounds;
	ring->stopping = false;
	ring_run(ring);
}

static void begin(unsigned buffer_cnt, unsigned buffer_bytes)
{
	struct ring_config config = {.loop = RIG_LOOP,
				     .buffer_cnt = buffer_cnt,
				     .buffer_bytes = buffer_bytes,
				     .mailbox = &box,
				     .accepted = on_accepted,
				     .mail = on_mail,
				     .round = on_round};
	socklen_t bytes = sizeof address;

	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	memset(slots, 0, sizeof slots);
	accepted_cnt = mail_cnt = 0;
	wrong = false;
	CHECK_EQ(mailbox_init(&box), 0);
	CHECK_EQ(ring_init(&ring, &config), 0);
	address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	listener = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_EQ(bind(listener, (struct sockaddr *)&address, bytes), 0);
	CHECK_EQ(listen(listener, 128), 0);
	CHECK_EQ(getsockname(listener, (struct sockaddr *)&address, &bytes), 0);
	ring_accept(ring, listener);
}

static bool any_used(void)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (slots[i].used)
			return true;
	return false;
}

static void finish(void)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (slots[i].used)
			conn_close(&slots[i].conn);
	for (unsigned i = 0; i < 1000 && any_used(); i++)
		run(1);
	CHECK(!any_used());
	CHECK(!wrong);
	ring_stop_accepting(ring); /* closes the listener */
	run(2);
	ring_fini(ring);
	mailbox_fini(&box);
}

/* The test's side: a socket that does not block. */
static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), small = 16384;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	CHECK_EQ(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static struct slot *accept_one(int *fd)
{
	unsigned before = accepted_cnt;

	*fd = dial();
	for (unsigned i = 0; i < 1000 && accepted_cnt == before; i++)
		run(1);
	CHECK_EQ(accepted_cnt, before + 1);
	return newest;
}

struct peer {
	int fd;
	uint64_t sent, got;
	bool eof;
	int error;
};

static inline void peer_send(struct peer *peer, size_t bytes)
{
	uint8_t buffer[65536];

	bytes = bytes < sizeof buffer ? bytes : sizeof buffer;
	for (size_t i = 0; i < bytes; i++)
		buffer[i] = byte_at(peer->sent + i);
	ssize_t sent = send(peer->fd, buffer, bytes, MSG_NOSIGNAL);
	if (sent > 0)
		peer->sent += (uint64_t)sent;
}

static inline void peer_read(struct peer *peer, size_t bytes)
{
	uint8_t buffer[65536];
	ssize_t got = recv(peer->fd, buffer, bytes < sizeof buffer ? bytes : sizeof buffer, 0);

	if (got > 0) {
		check_bytes(span_of(buffer, (size_t)got), peer->got);
		peer->got += (uint64_t)got;
	} else if (got == 0) {
		peer->eof = true;
	} else if (errno != EAGAIN) {
		peer->error = errno;
	}
}

static void reset(int fd)
{
	struct linger linger = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	close(fd);
}

/* Whoever is paused goes on, as an owner would in its own time. */
static void resume_all(void)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (slots[i].used && slots[i].conn.paused && conn_room(&slots[i].conn) > 0)
			conn_resume(&slots[i].conn);
}

static bool can_run(void)
{
	struct ring_config config = {.loop = RIG_LOOP,
				     .buffer_cnt = 8,
				     .buffer_bytes = 64,
				     .mailbox = &box,
				     .mail = on_mail,
				     .round = on_round};
	struct ring *probe;

	CHECK_EQ(mailbox_init(&box), 0);
	int error = ring_init(&probe, &config);
	if (error == 0)
		ring_fini(probe);
	mailbox_fini(&box);
	return error == 0;
}

#define NEEDS_IO_URING                             \
	do {                                       \
		if (!can_run())                    \
			CHECK_SKIP("no io_uring"); \
	} while (0)

#endif
