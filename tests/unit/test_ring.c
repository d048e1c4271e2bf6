// SPDX-License-Identifier: Apache-2.0
#include "sys/ring.c"

#include <arpa/inet.h>
#include <fcntl.h>

#include "base/clock.h"
#include "check.h"
#include "random.h"

/* The ring's side of each connection and the test's side of it, in one thread: the ring is run for a round at a time, and
 * between rounds the test reads and writes on plain sockets.  Every byte has a value that says where in the stream it is. */

#define SLOTS 64
#define OUT_BYTES 8192

struct slot {
	struct conn conn;
	uint8_t out[OUT_BYTES];
	bool used;
	uint64_t shown;	  /* bytes taken so far */
	uint64_t echoed;  /* of them written back */
	size_t take_max;  /* of one received() */
	bool echo, greedy_resume;
	unsigned ended_cnt, closed_cnt, connected_cnt;
	int end_error, connect_error;
	unsigned finish_after; /* rounds; 0: never */
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
	write_back(slot);
}

static void on_connected(struct conn *conn, int error)
{
	struct slot *slot = conn->owner;

	slot->connected_cnt++;
	slot->connect_error = error;
}

static void on_closed(struct conn *conn)
{
	struct slot *slot = conn->owner;

	CHECK(conn->fd == -1 && conn->pending_ops == 0 && conn->pinned_cnt == 0);
	slot->closed_cnt++;
	slot->used = false;
}

static const struct conn_events events = {on_received, on_ended, on_drained, on_connected, on_closed};

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

static void on_accepted(void *ctx, int fd)
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
	struct ring_config config = {.buffer_cnt = buffer_cnt,
				     .buffer_bytes = buffer_bytes,
				     .mailbox = &box,
				     .accepted = on_accepted,
				     .mail = on_mail,
				     .round = on_round};
	socklen_t bytes = sizeof address;

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

static void peer_send(struct peer *peer, size_t bytes)
{
	uint8_t buffer[65536];

	bytes = bytes < sizeof buffer ? bytes : sizeof buffer;
	for (size_t i = 0; i < bytes; i++)
		buffer[i] = byte_at(peer->sent + i);
	ssize_t sent = send(peer->fd, buffer, bytes, MSG_NOSIGNAL);
	if (sent > 0)
		peer->sent += (uint64_t)sent;
}

static void peer_read(struct peer *peer, size_t bytes)
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
	struct io_uring uring;
	int error = io_uring_queue_init(4, &uring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

	if (error == 0)
		io_uring_queue_exit(&uring);
	return error == 0;
}

#define NEEDS_IO_URING                             \
	do {                                       \
		if (!can_run())                    \
			CHECK_SKIP("no io_uring"); \
	} while (0)

/* --- tests --- */

static void echo_all(struct peer *peer, uint64_t bytes, size_t piece, size_t read_max)
{
	uint64_t until_ns = clock_ns() + 20000000000u;

	while (peer->got < bytes && !wrong && peer->error == 0 && clock_ns() < until_ns) {
		if (peer->sent < bytes)
			peer_send(peer, bytes - peer->sent < piece ? (size_t)(bytes - peer->sent) : piece);
		run(1);
		peer_read(peer, read_max);
		resume_all();
	}
	CHECK_EQ(peer->got, bytes);
}

TEST(echo_whatever_the_owner_takes_at_a_time)
{
	static const size_t takes[] = {1, 2, 3, 7, 63, 64, 65, 100, 1000, SIZE_MAX};

	NEEDS_IO_URING;
	for (size_t i = 0; i < sizeof takes / sizeof *takes; i++) {
		begin(16, 64);
		struct peer peer = {0};
		struct slot *slot = accept_one(&peer.fd);
		slot->take_max = takes[i];
		echo_all(&peer, takes[i] < 8 ? 3000 : 100000, 500, SIZE_MAX);
		CHECK_EQ(slot->ended_cnt, 0);
		shutdown(peer.fd, SHUT_WR);
		run(5);
		CHECK(slot->ended_cnt == 1 && slot->end_error == 0);
		finish();
		close(peer.fd);
	}
}

TEST(the_end_is_told_after_the_last_byte)
{
	NEEDS_IO_URING;
	begin(16, 64);
	struct peer peer = {0};
	struct slot *slot = accept_one(&peer.fd);
	slot->take_max = 10;
	peer_send(&peer, 1000);
	shutdown(peer.fd, SHUT_WR);
	for (unsigned i = 0; i < 500 && slot->shown < 1000; i++) {
		run(2);
		CHECK_EQ(slot->ended_cnt, 0);
		conn_resume(&slot->conn);
	}
	run(3);
	CHECK_EQ(slot->shown, 1000);
	CHECK_EQ(slot->ended_cnt, 1);
	finish();
	close(peer.fd);
}

TEST(a_client_pins_one_buffer_however_much_it_sends)
{
	NEEDS_IO_URING;
	begin(64, 64);
	struct peer peer = {0};
	struct slot *slot = accept_one(&peer.fd);
	slot->take_max = 0;
	for (unsigned i = 0; i < 20; i++) {
		peer_send(&peer, 5000);
		run(3);
	}
	CHECK_EQ(slot->conn.pinned_cnt, 1);
	CHECK(slot->conn.paused && slot->shown == 0);
	slot->take_max = SIZE_MAX;
	echo_all(&peer, peer.sent, 1, SIZE_MAX); /* all of it is there when it is wanted */
	finish();
	close(peer.fd);
}

TEST(few_buffers_starve_nobody_for_good)
{
	enum { PEERS = 12 };
	struct peer peers[PEERS] = {0};

	NEEDS_IO_URING;
	begin(4, 64);
	for (size_t i = 0; i < PEERS; i++) {
		struct slot *slot = accept_one(&peers[i].fd);
		slot->take_max = 0; /* four of them pin all there is */
		peer_send(&peers[i], 1000);
	}
	run(20);
	for (size_t i = 0; i < SLOTS; i++)
		slots[i].take_max = 5;
	for (unsigned i = 0; i < 20000; i++) {
		bool all = true;
		resume_all();
		run(1);
		for (size_t k = 0; k < PEERS; k++) {
			peer_read(&peers[k], 1000);
			all &= peers[k].got == 1000;
		}
		if (all)
			break;
	}
	for (size_t k = 0; k < PEERS; k++) {
		CHECK_EQ(peers[k].got, 1000);
		close(peers[k].fd);
	}
	finish();
}

TEST(resume_from_inside_received)
{
	NEEDS_IO_URING;
	begin(16, 64);
	struct peer peer = {0};
	struct slot *slot = accept_one(&peer.fd);
	slot->take_max = 3;
	slot->greedy_resume = true;
	echo_all(&peer, 5000, 300, SIZE_MAX);
	CHECK(!slot->conn.paused);
	finish();
	close(peer.fd);
}

TEST(a_slow_reader_gets_every_byte_and_a_tail)
{
	NEEDS_IO_URING;
	begin(16, 64);
	enum { TAIL = 1 << 19 };
	static uint8_t tail[TAIL];
	struct peer peer = {0};
	struct slot *slot = accept_one(&peer.fd);
	slot->echo = false;
	for (size_t i = 0; i < OUT_BYTES; i++)
		slot->out[i] = byte_at(i);
	CHECK_EQ(conn_room(&slot->conn), OUT_BYTES);
	CHECK(conn_reserve(&slot->conn, OUT_BYTES + 1) == NULL);
	conn_commit(&slot->conn, OUT_BYTES);
	CHECK(!conn_write(&slot->conn, SPAN("x"))); /* all or nothing */
	for (size_t i = 0; i < TAIL; i++)
		tail[i] = byte_at(OUT_BYTES + i);
	conn_write_tail(&slot->conn, span_of(tail, TAIL));
	CHECK_EQ(conn_room(&slot->conn), 0);
	random_start("slow reader");
	for (uint64_t until_ns = clock_ns() + 20000000000u; peer.got < OUT_BYTES + TAIL && clock_ns() < until_ns;) {
		run(1);
		peer_read(&peer, 1 + random_below(9000));
	}
	run(2);
	CHECK_EQ(peer.got, OUT_BYTES + TAIL);
	CHECK(conn_idle_out(&slot->conn) && slot->conn.sent_bytes == OUT_BYTES + TAIL);
	finish();
	close(peer.fd);
}

TEST(finish_sends_all_then_waits_for_the_peer)
{
	NEEDS_IO_URING;
	begin(16, 64);
	struct peer peer = {0};
	struct slot *slot = accept_one(&peer.fd);
	peer_send(&peer, 40);
	run(3);
	slot->take_max = 0;
	peer_send(&peer, 5000); /* a body that nobody will read: a close now would reset the answer away */
	run(3);
	conn_finish(&slot->conn);
	run(5);
	CHECK(slot->used && slot->closed_cnt == 0);
	peer_send(&peer, 5000);
	run(5);
	for (unsigned i = 0; i < 100 && !peer.eof; i++) {
		peer_read(&peer, 1000);
		run(1);
	}
	CHECK(peer.eof && peer.error == 0);
	CHECK_EQ(peer.got, 40);
	CHECK_EQ(slot->conn.pinned_cnt, 0);
	close(peer.fd);
	run(300); /* 64 bytes a round */
	CHECK(slot->closed_cnt == 1 && slot->ended_cnt == 0);
	finish();
}

TEST(a_reset_is_told_once_while_nothing_is_pinned)
{
	NEEDS_IO_URING;
	begin(16, 64);
	struct peer peer = {0};
	struct slot *slot = accept_one(&peer.fd);
	reset(peer.fd);
	run(5);
	CHECK_EQ(slot->ended_cnt, 1);
	CHECK_EQ(slot->end_error, -ECONNRESET);
	finish();
}

TEST(a_broken_send_ends_a_paused_connection)
{
	NEEDS_IO_URING;
	for (unsigned with_fin = 0; with_fin < 2; with_fin++) {
		begin(16, 64);
		struct peer peer = {0};
		struct slot *slot = accept_one(&peer.fd);
		slot->take_max = 0;
		slot->echo = false;
		peer_send(&peer, 10);
		run(3);
		CHECK(slot->conn.paused);
		if (with_fin) { /* its end is seen, yet cannot be told while a byte is pinned */
			shutdown(peer.fd, SHUT_WR);
			run(3);
		}
		CHECK_EQ(slot->ended_cnt, 0);
		reset(peer.fd);
		for (unsigned i = 0; i < 5; i++) {
			conn_write(&slot->conn, SPAN("nobody reads this"));
			run(3);
		}
		CHECK_EQ(slot->ended_cnt, 1);
		CHECK_EQ(slot->conn.pinned_cnt, 0);
		finish();
	}
}

/* --- connections that we make --- */

static struct sockaddr_storage listener_of(int fd)
{
	struct sockaddr_storage at = {0};
	socklen_t bytes = sizeof at;

	CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &bytes), 0);
	return at;
}

static int listen_apart(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK_EQ(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
	CHECK_EQ(listen(fd, 8), 0);
	return fd;
}

TEST(connect_write_early_and_hear_an_answer_before_the_reset)
{
	NEEDS_IO_URING;
	begin(64, 4096);
	static uint8_t body[4 << 20];
	int server = listen_apart();
	struct sockaddr_storage to = listener_of(server);
	struct slot *slot = new_slot();
	struct peer peer = {0};

	slot->echo = false;
	CHECK_EQ(conn_connect(&slot->conn, &to, sizeof(struct sockaddr_in)), 0);
	CHECK(conn_write(&slot->conn, SPAN("head"))); /* leaves when it is connected */
	conn_write_tail(&slot->conn, span_of(body, sizeof body));
	run(5);
	CHECK(slot->connected_cnt == 1 && slot->connect_error == 0);
	peer.fd = accept(server, NULL, NULL);
	char head[4] = {0};
	CHECK_EQ(recv(peer.fd, head, 4, 0), 4);
	CHECK(memcmp(head, "head", 4) == 0);
	peer_send(&peer, 300); /* an answer, and then a close with most of the request unread: a reset */
	close(peer.fd);
	run(20);
	CHECK_EQ(slot->shown, 300);
	CHECK_EQ(slot->ended_cnt, 1);
	CHECK(slot->end_error < 0); /* not a clean end: what is close-delimited is not whole */
	finish();
	close(server);
}

TEST(connect_to_nobody)
{
	NEEDS_IO_URING;
	begin(16, 64);
	int server = listen_apart();
	struct sockaddr_storage to = listener_of(server);
	struct slot *slot = new_slot();

	close(server);
	CHECK_EQ(conn_connect(&slot->conn, &to, sizeof(struct sockaddr_in)), 0);
	run(5);
	CHECK(slot->connected_cnt == 1 && slot->connect_error == -ECONNREFUSED && slot->ended_cnt == 0);
	finish();
}

TEST(a_multishot_receive_pauses_and_goes_on)
{
	NEEDS_IO_URING;
	begin(256, 64);
	int server = listen_apart();
	struct sockaddr_storage to = listener_of(server);
	struct slot *slot = new_slot();
	struct peer peer = {0};

	CHECK_EQ(conn_connect(&slot->conn, &to, sizeof(struct sockaddr_in)), 0);
	run(3);
	peer.fd = accept(server, NULL, NULL);
	fcntl(peer.fd, F_SETFL, O_NONBLOCK);
	random_start("multishot");
	for (unsigned i = 0; i < 2000; i++) {
		slot->take_max = random_below(3) == 0 ? SIZE_MAX : random_below(100);
		peer_send(&peer, random_below(600));
		run((unsigned)random_below(3) + 1);
		peer_read(&peer, 5000);
		if (random_below(2) == 0)
			resume_all();
	}
	slot->take_max = SIZE_MAX;
	echo_all(&peer, peer.sent, 1, SIZE_MAX);
	finish();
	close(peer.fd);
	close(server);
}

/* --- everything at once --- */

static void storm_step(struct peer *peers, size_t peer_cnt)
{
	struct peer *peer = &peers[random_below(peer_cnt)];
	struct slot *slot = &slots[random_below(SLOTS)];

	if (peer->fd <= 0) {
		*peer = (struct peer){.fd = dial()};
	} else if (random_below(30) == 0) {
		if (random_below(2) == 0)
			reset(peer->fd);
		else
			close(peer->fd);
		peer->fd = 0;
	} else if (random_below(20) == 0) {
		shutdown(peer->fd, SHUT_WR);
	} else {
		peer_send(peer, random_below(3000));
		peer_read(peer, random_below(3000));
	}
	if (slot->used) {
		slot->take_max = random_below(4) == 0 ? random_below(100) : SIZE_MAX;
		if (random_below(25) == 0)
			conn_close(&slot->conn);
		else if (random_below(40) == 0)
			conn_finish(&slot->conn);
		else if (!slot->conn.closing)
			conn_resume(&slot->conn);
	}
	/* an owner closes what has ended */
	for (size_t i = 0; i < SLOTS; i++) {
		CHECK(slots[i].ended_cnt <= 1 && slots[i].closed_cnt <= 1);
		if (slots[i].used && slots[i].ended_cnt > 0)
			conn_close(&slots[i].conn);
	}
}

TEST(connections_close_at_every_moment)
{
	struct peer peers[40] = {0};

	NEEDS_IO_URING;
	random_start("ring storm");
	begin(8, 64);
	for (unsigned i = 0; i < 20000 && !wrong; i++) {
		storm_step(peers, 40);
		if (random_below(3) == 0)
			run(1);
	}
	for (size_t i = 0; i < 40; i++)
		if (peers[i].fd > 0)
			close(peers[i].fd);
	run(50);
	finish();
	/* every buffer is the kernel's again */
	begin(8, 64);
	struct peer peer = {0};
	accept_one(&peer.fd);
	echo_all(&peer, 10000, 1000, SIZE_MAX);
	finish();
	close(peer.fd);
}

TEST(mail_wakes_the_ring)
{
	struct mail mails[3] = {0};

	NEEDS_IO_URING;
	begin(16, 64);
	run(1);
	for (size_t i = 0; i < 3; i++) {
		mailbox_push(&box, &mails[i]);
		run(2);
		CHECK_EQ(mail_cnt, i + 1);
	}
	finish();
}

TEST(nobody_is_accepted_after_the_end_of_accepting)
{
	NEEDS_IO_URING;
	begin(16, 64);
	struct peer peer = {0};
	accept_one(&peer.fd);
	ring_stop_accepting(ring);
	run(3);
	int late = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(late, (struct sockaddr *)&address, sizeof address) < 0 && errno == ECONNREFUSED);
	echo_all(&peer, 1000, 100, SIZE_MAX); /* who is in stays in */
	close(late);
	close(peer.fd);
	finish();
}

CHECK_MAIN
