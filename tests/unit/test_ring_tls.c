// SPDX-License-Identifier: Apache-2.0
/* A TLS session on a connection of the ring: flow control and ends are those of plain bytes (test_ring.c). */
#include "ring_rig.h"

#define INT_MAX __INT_MAX__ /* <openssl/err.h> wants <limits.h>, and finds ours */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>

#include "sys/tls.h"
#include "tls_pair.h"

static struct tls_server *server;
static SSL_CTX *context;
static uint8_t sealed[TLS_OUT_BYTES], opened[TLS_RECORD_BYTES];
static struct tls session;

struct secure_peer {
	struct peer peer; /* sent and got count plain bytes */
	SSL *ssl;
	bool over; /* close_notify came */
};

static struct slot *accept_secure(struct secure_peer *peer)
{
	struct slot *slot = accept_one(&peer->peer.fd);

	CHECK_NEED(tls_start(&session, server, sealed, opened) == 0);
	conn_secure(&slot->conn, &session);
	peer->ssl = SSL_new(context);
	SSL_set_fd(peer->ssl, peer->peer.fd);
	return slot;
}

static void shake(struct secure_peer *peer)
{
	uint64_t until_ns = clock_ns() + 20000000000u;

	while (SSL_connect(peer->ssl) != 1 && clock_ns() < until_ns) {
		ERR_clear_error();
		run(1);
	}
	CHECK(SSL_is_init_finished(peer->ssl));
}

static void say(struct secure_peer *peer, size_t bytes)
{
	uint8_t buffer[20000];

	bytes = bytes < sizeof buffer ? bytes : sizeof buffer;
	for (size_t i = 0; i < bytes; i++)
		buffer[i] = byte_at(peer->peer.sent + i);
	ERR_clear_error();
	int sent = bytes > 0 ? SSL_write(peer->ssl, buffer, (int)bytes) : 0;
	if (sent > 0)
		peer->peer.sent += (uint64_t)sent;
}

static void hear(struct secure_peer *peer, size_t bytes)
{
	uint8_t buffer[20000];

	ERR_clear_error();
	int got = SSL_read(peer->ssl, buffer, (int)(bytes < sizeof buffer ? bytes : sizeof buffer));
	if (got > 0) {
		check_bytes(span_of(buffer, (size_t)got), peer->peer.got);
		peer->peer.got += (uint64_t)got;
		return;
	}
	int why = SSL_get_error(peer->ssl, got);
	peer->over |= why == SSL_ERROR_ZERO_RETURN;
	peer->peer.eof |= why == SSL_ERROR_ZERO_RETURN || why == SSL_ERROR_SYSCALL || why == SSL_ERROR_SSL;
}

static void echo_all(struct secure_peer *peer, uint64_t bytes, size_t piece, size_t read_max)
{
	uint64_t until_ns = clock_ns() + 30000000000u;

	while (peer->peer.got < bytes && !wrong && !peer->peer.eof && clock_ns() < until_ns) {
		if (peer->peer.sent < bytes)
			say(peer, bytes - peer->peer.sent < piece ? (size_t)(bytes - peer->peer.sent) : piece);
		run(1);
		hear(peer, read_max);
		resume_all();
	}
	CHECK_EQ(peer->peer.got, bytes);
}

static void end_all(struct secure_peer *peer)
{
	finish();
	tls_end(&session);
	SSL_free(peer->ssl);
	close(peer->peer.fd);
}

TEST(echo_whatever_the_owner_takes_at_a_time)
{
	static const size_t takes[] = {1, 3, 64, 1000, 5000, SIZE_MAX};

	NEEDS_IO_URING;
	for (size_t i = 0; i < 2 * sizeof takes / sizeof *takes; i++) {
		begin(16, i % 2 ? 64 : 4096);
		struct secure_peer peer = {0};
		struct slot *slot = accept_secure(&peer);
		slot->take_max = takes[i / 2];
		shake(&peer);
		echo_all(&peer, takes[i / 2] < 8 ? 2000 : 100000, i % 2 ? 17000 : 500, SIZE_MAX);
		CHECK(slot->ended_cnt == 0 && slot->insecure_cnt == 0);
		CHECK_EQ(slot->conn.sent_bytes, peer.peer.got); /* plain bytes, and all of them */
		end_all(&peer);
	}
}

TEST(a_reader_who_takes_nothing_pins_one_buffer)
{
	NEEDS_IO_URING;
	begin(64, 512);
	struct secure_peer peer = {0};
	struct slot *slot = accept_secure(&peer);
	shake(&peer);
	slot->take_max = 0;
	for (unsigned i = 0; i < 20; i++) {
		say(&peer, 3000);
		run(3);
	}
	CHECK(slot->conn.paused && slot->conn.held && slot->shown == 0);
	CHECK(slot->conn.pinned_cnt <= 1);
	slot->take_max = SIZE_MAX;
	echo_all(&peer, peer.peer.sent, 1, SIZE_MAX);
	end_all(&peer);
}

/* A stranger who reads nothing: what is sealed for him is bounded, and nothing of it is lost. */
TEST(a_slow_reader_gets_it_all)
{
	NEEDS_IO_URING;
	begin(16, 4096);
	struct secure_peer peer = {0};
	struct slot *slot = accept_secure(&peer);
	shake(&peer);
	for (unsigned i = 0; i < 2000; i++) {
		say(&peer, 5000);
		run(1);
		resume_all();
	}
	CHECK(peer.peer.sent > 100000 && peer.peer.got == 0);
	CHECK(slot->shown < peer.peer.sent); /* receiving stopped */
	echo_all(&peer, peer.peer.sent, 1, 700);
	end_all(&peer);
}

TEST(the_end_is_told_after_the_last_byte)
{
	NEEDS_IO_URING;
	for (unsigned how = 0; how < 2; how++) { /* close_notify, and without */
		begin(16, 64);
		struct secure_peer peer = {0};
		struct slot *slot = accept_secure(&peer);
		shake(&peer);
		slot->take_max = 10;
		slot->echo = false;
		say(&peer, 1000);
		if (how == 0)
			SSL_shutdown(peer.ssl);
		shutdown(peer.peer.fd, SHUT_WR);
		for (unsigned i = 0; i < 500 && slot->shown < 1000; i++) {
			run(2);
			CHECK_EQ(slot->ended_cnt, 0);
			conn_resume(&slot->conn);
		}
		run(3);
		CHECK(slot->shown == 1000 && slot->ended_cnt == 1 && slot->end_error == 0);
		end_all(&peer);
	}
}

TEST(a_finished_connection_says_close_notify)
{
	NEEDS_IO_URING;
	begin(16, 4096);
	struct secure_peer peer = {0};
	struct slot *slot = accept_secure(&peer);
	shake(&peer);
	say(&peer, 100);
	run(5);
	conn_finish(&slot->conn);
	for (unsigned i = 0; i < 1000 && !peer.peer.eof; i++) {
		run(1);
		hear(&peer, SIZE_MAX);
	}
	CHECK(peer.over && peer.peer.got == 100);
	shutdown(peer.peer.fd, SHUT_WR);
	for (unsigned i = 0; i < 1000 && slot->closed_cnt == 0; i++)
		run(1);
	CHECK(slot->closed_cnt == 1 && slot->ended_cnt == 0);
	end_all(&peer);
}

TEST(what_is_no_tls_is_told_once_and_answered_by_an_alert)
{
	static const uint8_t wrong_message[] = {22, 3, 1, 0, 5, 9, 0, 0, 1, 0};
	uint8_t answer[64];

	NEEDS_IO_URING;
	begin(16, 64);
	struct secure_peer peer = {0};
	struct slot *slot = accept_secure(&peer);
	for (unsigned i = 0; i < 5; i++) {
		CHECK(send(peer.peer.fd, wrong_message, sizeof wrong_message, MSG_NOSIGNAL) > 0);
		run(3);
	}
	CHECK(slot->insecure_cnt == 1 && slot->shown == 0 && session.state == TLS_FAILED);
	CHECK(recv(peer.peer.fd, answer, sizeof answer, 0) == 7 && answer[0] == 21); /* a fatal alert */
	CHECK_EQ(recv(peer.peer.fd, answer, sizeof answer, 0), 0);
	shutdown(peer.peer.fd, SHUT_WR);
	for (unsigned i = 0; i < 1000 && slot->closed_cnt == 0; i++)
		run(1);
	CHECK(slot->closed_cnt == 1 && slot->ended_cnt == 0);
	end_all(&peer);
}

/* The peer resets while bytes are under way in both directions. */
TEST(a_reset_at_any_time)
{
	NEEDS_IO_URING;
	for (unsigned rounds = 0; rounds < 40; rounds++) {
		begin(16, 512);
		struct secure_peer peer = {0};
		struct slot *slot = accept_secure(&peer);
		for (unsigned i = 0; i < rounds; i++) {
			if (SSL_is_init_finished(peer.ssl))
				say(&peer, 4000);
			else
				SSL_connect(peer.ssl);
			ERR_clear_error();
			run(1);
		}
		reset(peer.peer.fd);
		for (unsigned i = 0; i < 1000 && slot->ended_cnt == 0; i++) {
			run(1);
			resume_all();
		}
		CHECK_EQ(slot->ended_cnt, 1);
		peer.peer.fd = -1;
		end_all(&peer);
	}
}

int main(void)
{
	char folder[] = "/tmp/tollbar-ring-tls-XXXXXX", cert[64], key[64], problem[TLS_PROBLEM_BYTES];
	struct tls_files files = {.certificate = cert, .key = key, .client_ca = ""};

	setvbuf(stdout, NULL, _IOLBF, 0);
	CHECK_NEED(mkdtemp(folder) != NULL);
	snprintf(cert, sizeof cert, "%s/cert", folder);
	snprintf(key, sizeof key, "%s/key", folder);
	tls_pair_write(cert, key, "ring", 1, NULL);
	CHECK_NEED(tls_server_open(&server, &files, problem) == 0);
	unlink(cert);
	unlink(key);
	rmdir(folder);
	context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	signal(SIGPIPE, SIG_IGN);
	int failed = check_main();
	SSL_CTX_free(context);
	tls_server_close(server);
	return failed;
}
