// SPDX-License-Identifier: Apache-2.0
#include "ring_rig.h"

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

TEST(a_paused_multishot_receive_is_taken_back_at_the_second_buffer)
{
	NEEDS_IO_URING;
	begin(64, 64);
	int server = listen_apart();
	struct sockaddr_storage to = listener_of(server);
	struct slot *slot = new_slot();
	struct peer peer = {0};

	CHECK_EQ(conn_connect(&slot->conn, &to, sizeof(struct sockaddr_in)), 0);
	run(3);
	peer.fd = accept(server, NULL, NULL);
	fcntl(peer.fd, F_SETFL, O_NONBLOCK);
	for (unsigned i = 0; i < 3; i++) { /* a pause that nothing comes into costs nothing */
		slot->take_max = 0;
		peer_send(&peer, 40);
		run(3);
		CHECK(slot->conn.paused && slot->conn.receiving && !slot->conn.cancelling);
		CHECK_EQ(slot->conn.pinned_cnt, 1);
		slot->take_max = SIZE_MAX;
		conn_resume(&slot->conn);
		CHECK(!slot->conn.paused && slot->conn.receiving);
	}
	slot->take_max = 0;
	for (unsigned i = 0; i < 20; i++) {
		peer_send(&peer, 40);
		run(3);
	}
	CHECK(slot->conn.paused && !slot->conn.receiving);
	CHECK_EQ(slot->conn.pinned_cnt, 2);
	slot->take_max = SIZE_MAX;
	echo_all(&peer, peer.sent, 1, SIZE_MAX);
	finish();
	close(peer.fd);
	close(server);
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

TEST(what_has_not_completed_yet_is_seen_in_the_socket)
{
	struct linger reset = {.l_onoff = 1};
	struct peer spoke = {0}, left = {0}, broke = {0};

	NEEDS_IO_URING;
	begin(16, 64);
	struct slot *speaker = accept_one(&spoke.fd), *leaver = accept_one(&left.fd), *breaker = accept_one(&broke.fd);
	CHECK(conn_quiet(&speaker->conn) && conn_quiet(&leaver->conn) && conn_quiet(&breaker->conn));
	peer_send(&spoke, 1);
	close(left.fd);
	setsockopt(broke.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(broke.fd);
	CHECK(!conn_quiet(&speaker->conn) && !conn_quiet(&leaver->conn) && !conn_quiet(&breaker->conn));
	run(3);
	CHECK(speaker->shown == 1 && conn_quiet(&speaker->conn));
	CHECK(leaver->ended_cnt == 1 && !conn_quiet(&leaver->conn));
	CHECK(breaker->ended_cnt == 1);
	finish();
	close(spoke.fd);
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

static struct slot *open_sink(void)
{
	struct slot *slot = new_slot();

	conn_start_sink(&slot->conn);
	slot->room = SIZE_MAX;
	return slot;
}

/* Writes so many bytes of the stream, all or nothing. */
static void put_bytes(struct slot *slot, size_t bytes)
{
	uint8_t *at = conn_reserve(&slot->conn, bytes);

	CHECK(at != NULL);
	for (size_t i = 0; i < bytes; i++)
		at[i] = byte_at(slot->echoed++);
	conn_commit(&slot->conn, bytes);
}

TEST(a_sink_gives_its_owner_what_is_written)
{
	static uint8_t tail[3000];

	NEEDS_IO_URING;
	begin(16, 64);
	struct slot *slot = open_sink();
	put_bytes(slot, 100);
	put_bytes(slot, 5);
	CHECK_EQ(slot->put, 0); /* not before the round's end */
	run(1);
	CHECK(slot->put == 105 && slot->drained_cnt == 1 && slot->conn.sent_bytes == 105);
	run(5);
	CHECK_EQ(slot->drained_cnt, 1);
	put_bytes(slot, OUT_BYTES);
	for (size_t i = 0; i < sizeof tail; i++)
		tail[i] = byte_at(105 + OUT_BYTES + i);
	conn_write_tail(&slot->conn, span_of(tail, sizeof tail));
	CHECK_EQ(conn_room(&slot->conn), 0);
	run(1);
	CHECK(slot->put == 105 + OUT_BYTES + sizeof tail && slot->drained_cnt == 2);
	conn_close(&slot->conn);
	run(1);
	CHECK_EQ(slot->closed_cnt, 1);
	finish();
}

TEST(a_sink_whose_owner_has_no_room_is_asked_again)
{
	NEEDS_IO_URING;
	begin(16, 64);
	struct slot *slot = open_sink();
	slot->room = 10;
	put_bytes(slot, 100);
	run(3);
	CHECK(slot->put == 10 && slot->drained_cnt == 0 && !conn_idle_out(&slot->conn));
	slot->room = 50;
	run(1);
	CHECK_EQ(slot->put, 60);
	put_bytes(slot, 20);
	slot->room = SIZE_MAX;
	run(1);
	CHECK(slot->put == 120 && slot->drained_cnt == 1);
	finish();
}

TEST(a_finished_sink_closes_when_all_is_taken)
{
	NEEDS_IO_URING;
	begin(16, 64);
	struct slot *slot = open_sink();
	slot->room = 10;
	put_bytes(slot, 100);
	conn_finish(&slot->conn);
	run(2);
	CHECK(slot->put == 10 && slot->closed_cnt == 0);
	slot->room = 90;
	run(1);
	CHECK(slot->put == 100 && slot->closed_cnt == 1 && slot->drained_cnt == 0);
	slot = open_sink(); /* and one that has nothing to say */
	conn_finish(&slot->conn);
	run(1);
	CHECK_EQ(slot->closed_cnt, 1);
	finish();
}

TEST(a_sink_closed_while_its_owner_has_no_room_is_not_asked_again)
{
	NEEDS_IO_URING;
	begin(16, 64);
	struct slot *slot = open_sink(), *other = open_sink();
	slot->room = other->room = 0;
	put_bytes(slot, 100);
	put_bytes(other, 100);
	run(2);
	conn_close(&slot->conn);
	conn_close(&slot->conn); /* twice is once */
	run(1);
	CHECK_EQ(slot->closed_cnt, 1); /* on_output checks that nothing follows */
	other->room = SIZE_MAX;
	run(2);
	CHECK_EQ(other->put, 100);
	finish();
}

CHECK_MAIN
