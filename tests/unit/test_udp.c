// SPDX-License-Identifier: Apache-2.0
/* Datagrams over real loopback sockets: the node's side is the ring, the test's are plain sockets, in one thread. */
#include "sys/udp.c"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/clock.h"
#include "check.h"

#ifndef RIG_LOOP
#define RIG_LOOP RING_URING
#endif
#define SEEN_MAX 512

static struct ring *ring;
static struct udp *udp;
static struct mailbox box;
static struct udp_datagram seen[SEEN_MAX];
static uint8_t seen_bytes[SEEN_MAX][RING_DATAGRAM_BYTES];
static unsigned seen_cnt, held_cnt;
static bool hold; /* buffers are kept */
static uint16_t port_be;

static void on_datagram_seen(void *ctx, const struct udp_datagram *datagram)
{
	ASSERT(seen_cnt < SEEN_MAX);
	seen[seen_cnt] = *datagram;
	memcpy(seen_bytes[seen_cnt++], datagram->bytes.at, datagram->bytes.bytes);
	CHECK((uintptr_t)datagram->bytes.at % 8 == 0);
	if (hold)
		held_cnt++;
	else
		udp_give_back(udp, datagram->buffer);
}

static void on_mail(void *ctx)
{
}

static bool on_round(void *ctx)
{
	if (udp != NULL)
		udp_flush(udp);
	return true;
}

static void run(unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++)
		ring_turn(ring, 2);
}

static bool run_until_seen(unsigned cnt)
{
	for (unsigned i = 0; i < 1000 && seen_cnt < cnt; i++)
		ring_turn(ring, 10);
	return seen_cnt >= cnt;
}

static struct sockaddr_storage address_of(const char *text)
{
	struct sockaddr_storage address = {0};
	struct sockaddr_in ip4 = {.sin_family = AF_INET};
	struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &ip4.sin_addr) == 1)
		memcpy(&address, &ip4, sizeof ip4);
	else if (inet_pton(AF_INET6, text, &ip6.sin6_addr) == 1)
		memcpy(&address, &ip6, sizeof ip6);
	return address;
}

/* false: this machine has no such address. */
static bool begin(const char *listen, unsigned buffer_cnt, unsigned reply_cnt)
{
	struct ring_config config = {.loop = RIG_LOOP,
				     .buffer_cnt = 8,
				     .buffer_bytes = 64,
				     .datagram_cnt = buffer_cnt,
				     .mailbox = &box,
				     .mail = on_mail,
				     .round = on_round};
	struct sockaddr_storage address = address_of(listen);
	socklen_t bytes = sizeof address;
	int fd = udp_bind(&address);

	seen_cnt = held_cnt = 0;
	hold = false;
	if (fd < 0)
		return false;
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	port_be = ((struct sockaddr_in *)&address)->sin_port;
	CHECK_EQ(mailbox_init(&box), 0);
	CHECK_EQ(ring_init(&ring, &config), 0);
	udp = udp_init(&(struct udp_config){.ring = ring, .reply_cnt = reply_cnt, .received = on_datagram_seen});
	CHECK(udp != NULL);
	udp_listen(udp, fd);
	run(1);
	return true;
}

static void finish(void)
{
	udp_stop(udp);
	run(2);
	ring_fini(ring);
	udp_fini(udp);
	udp = NULL;
	mailbox_fini(&box);
}

/* A client that hears only what comes from where it speaks to. */
static int dial(const char *to)
{
	struct sockaddr_storage address = address_of(to);
	int fd = socket(address.ss_family, SOCK_DGRAM, 0);

	((struct sockaddr_in *)&address)->sin_port = port_be; /* IPv6 has it in the same place */
	socklen_t bytes = address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	CHECK_EQ(connect(fd, (struct sockaddr *)&address, bytes), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static bool need_ring(void)
{
	struct ring_config config = {.loop = RIG_LOOP,
				     .buffer_cnt = 8,
				     .buffer_bytes = 64,
				     .mailbox = &box,
				     .mail = on_mail,
				     .round = on_round};
	struct ring *probe;

	if (mailbox_init(&box) != 0 || ring_init(&probe, &config) != 0)
		return false;
	ring_fini(probe);
	mailbox_fini(&box);
	return true;
}

#define NEEDS_IO_URING    \
	if (!need_ring()) \
	CHECK_SKIP("io_uring is not allowed here")

static bool is_text(const struct in6_addr *address, const char *want)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, address, text, sizeof text);
	return strcmp(text, want) == 0;
}

static uint16_t own_port_be(int fd)
{
	struct sockaddr_storage own = {0};
	socklen_t bytes = sizeof own;

	CHECK_EQ(getsockname(fd, (struct sockaddr *)&own, &bytes), 0);
	return ((struct sockaddr_in *)&own)->sin_port;
}

TEST(answers_leave_from_the_address_that_was_written_to)
{
	static const struct {
		const char *listen, *to, *source, *local;
	} rows[] = {
		{"0.0.0.0", "127.0.0.1", "::ffff:127.0.0.1", "::ffff:127.0.0.1"},
		{"0.0.0.0", "127.77.0.9", "::ffff:127.0.0.1", "::ffff:127.77.0.9"},
		{"127.0.0.5", "127.0.0.5", "::ffff:127.0.0.1", "::ffff:127.0.0.5"},
		{"::1", "::1", "::1", "::1"},
		{"::", "::1", "::1", "::1"},
		{"::", "127.77.0.9", "::ffff:127.0.0.1", "::ffff:127.77.0.9"},
	};
	unsigned run_cnt = 0;

	NEEDS_IO_URING;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char got[64];
		if (!begin(rows[i].listen, 8, 4))
			continue; /* a machine without IPv6 */
		int fd = dial(rows[i].to);
		CHECK_EQ(send(fd, "question", 8, 0), 8);
		CHECK(run_until_seen(1));
		CHECK_BYTES(seen_bytes[0], "question", 8);
		CHECK_EQ(seen[0].bytes.bytes, 8);
		CHECK_ROW(is_text(&seen[0].peer.source, rows[i].source), rows[i].to);
		CHECK_ROW(is_text(&seen[0].peer.local, rows[i].local), rows[i].to);
		CHECK_EQ(seen[0].peer.port_be, own_port_be(fd));
		udp_reply(udp, &seen[0].peer, SPAN("answer"));
		run(2);
		CHECK_ROW(recv(fd, got, sizeof got, 0) == 6 && memcmp(got, "answer", 6) == 0, rows[i].to);
		CHECK(udp_counts(udp)->replied == 1 && udp_counts(udp)->dropped == 0);
		close(fd);
		finish();
		run_cnt++;
	}
	CHECK(run_cnt >= 3);
}

/* One that is not fetched at once: the time it waited in the socket is seen, by either protocol. */
TEST(what_waited_is_seen_to_have)
{
	static const char *const addresses[] = {"127.0.0.1", "::1"};
	const uint64_t pause_ns = 30000000;
	unsigned run_cnt = 0;

	NEEDS_IO_URING;
	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
		if (!begin(addresses[i], 8, 4))
			continue; /* a machine without IPv6 */
		int fd = dial(addresses[i]);
		uint64_t sent_ns = clock_unix_ns();
		CHECK_EQ(send(fd, "question", 8, 0), 8);
		CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = (long)pause_ns}, NULL), 0);
		CHECK(run_until_seen(1));
		uint64_t now_ns = clock_unix_ns(), waited_ns = udp_waited_ns(&seen[0], now_ns);
		CHECK(waited_ns >= pause_ns && waited_ns <= now_ns - sent_ns);
		CHECK(is_text(&seen[0].peer.local, i == 0 ? "::ffff:127.0.0.1" : "::1")); /* both fit into its room */
		close(fd);
		finish();
		run_cnt++;
	}
	CHECK(run_cnt >= 1);
}

TEST(a_clock_that_was_set_is_no_wait)
{
	const uint64_t s = 1000000000;
	static const struct {
		uint64_t stamp_s, now_s, want_s;
	} rows[] = {{0, 1800000000, 0},		 {1800000000, 1800000007, 7}, {1800000000, 1799999999, 0},
		    {1800000000, 1800000061, 0}, {1800000000, 1800000000, 0}, {1800000000, 1800000060, 60}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		CHECK_EQ(udp_waited_ns(&(struct udp_datagram){.stamp_ns = rows[i].stamp_s * s}, rows[i].now_s * s),
			 rows[i].want_s * s);
}

TEST(what_is_too_long_is_seen_to_be)
{
	static const size_t sizes[] = {0, 1, 7, 1400, UDP_BYTES_MAX - 1, UDP_BYTES_MAX, UDP_BYTES_MAX + 1, 9000};
	static uint8_t bytes[9000];

	NEEDS_IO_URING;
	CHECK(begin("127.0.0.1", 8, 4));
	int fd = dial("127.0.0.1");
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		CHECK_EQ(send(fd, bytes, sizes[i], 0), (ssize_t)sizes[i]);
		CHECK(run_until_seen((unsigned)i + 1));
		size_t got = seen[i].bytes.bytes;
		CHECK(sizes[i] <= UDP_BYTES_MAX ? got == sizes[i] : got > UDP_BYTES_MAX && got < RING_DATAGRAM_BYTES);
		CHECK_BYTES(seen_bytes[i], bytes, got);
	}
	close(fd);
	finish();
}

static void send_numbers(int fd, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		CHECK_EQ(send(fd, &i, sizeof i, 0), sizeof i);
}

TEST(who_holds_all_buffers_leaves_the_rest_in_the_socket)
{
	enum { BUFFERS = 8, ALL = 100 };

	NEEDS_IO_URING;
	CHECK(begin("127.0.0.1", BUFFERS, 4));
	int fd = dial("127.0.0.1");
	hold = true;
	send_numbers(fd, 0, ALL);
	run(20);
	CHECK_EQ(seen_cnt, BUFFERS);
	for (unsigned given = 0; given < 50; given++) { /* one by one */
		CHECK(held_cnt > 0);
		held_cnt--;
		udp_give_back(udp, seen[given].buffer);
		run(4);
	}
	CHECK_EQ(seen_cnt, BUFFERS + 50);
	for (unsigned given = 50; given < ALL; given++) {
		CHECK(run_until_seen(given + 1));
		udp_give_back(udp, seen[given].buffer);
	}
	for (uint32_t i = 0; i < ALL; i++)
		CHECK(memcmp(seen_bytes[i], &i, sizeof i) == 0);
	CHECK_EQ(udp_counts(udp)->received, ALL);
	close(fd);
	finish();
}

/* Lengths by turns, so that each reply needs a place of its own. */
static void reply_apart(uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		udp_reply(udp, &seen[0].peer, span_of(&i, sizeof i - i % 2));
}

TEST(a_reply_without_a_place_is_dropped_and_counted)
{
	enum { PLACES = 4, ASKED = 10 };

	NEEDS_IO_URING;
	CHECK(begin("127.0.0.1", 16, PLACES));
	int fd = dial("127.0.0.1");
	send_numbers(fd, 0, 1);
	CHECK(run_until_seen(1));
	reply_apart(ASKED);
	CHECK_EQ(udp_counts(udp)->dropped, ASKED - PLACES);
	run(3);
	for (uint32_t i = 0, got = 0; i < PLACES; i++)
		CHECK(recv(fd, &got, sizeof got, 0) == (ssize_t)(sizeof got - i % 2) && got == i);
	uint32_t more;
	CHECK(recv(fd, &more, sizeof more, 0) < 0);
	CHECK_EQ(udp_counts(udp)->replied, PLACES);
	reply_apart(PLACES); /* the places are free again */
	run(3);
	CHECK_EQ(udp_counts(udp)->replied, 2 * PLACES);
	close(fd);
	finish();
}

TEST(replies_of_a_round_to_one_peer_leave_together_and_arrive_apart)
{
	enum { PLACES = 4, CNT = 2 * UDP_MERGED_MAX + 5 };
	static const char *const to[] = {"127.0.0.1", "::1"};

	NEEDS_IO_URING;
	for (unsigned i = 0; i < 2; i++) {
		uint8_t bytes[UDP_REPLY_BYTES_MAX] = {0}, got[2 * UDP_REPLY_BYTES_MAX];
		if (!begin(to[i], 16, PLACES))
			continue; /* a machine without IPv6 */
		int fd = dial(to[i]), other = dial(to[i]);
		send_numbers(fd, 0, 1);
		send_numbers(other, 0, 1);
		CHECK(run_until_seen(2));
		for (unsigned k = 0; k < CNT; k++) {
			bytes[0] = (uint8_t)k;
			udp_reply(udp, &seen[0].peer, span_of(bytes, sizeof bytes));
		}
		udp_reply(udp, &seen[1].peer, SPAN("another's"));
		run(3);
		for (unsigned k = 0; k < CNT; k++) {
			bytes[0] = (uint8_t)k;
			CHECK(recv(fd, got, sizeof got, 0) == sizeof bytes && memcmp(got, bytes, sizeof bytes) == 0);
		}
		CHECK(recv(fd, got, sizeof got, 0) < 0);
		CHECK(recv(other, got, sizeof got, 0) == 9 && memcmp(got, "another's", 9) == 0);
		CHECK(udp_counts(udp)->replied == CNT + 1 && udp_counts(udp)->dropped == 0);
		close(fd);
		close(other);
		finish();
	}
}

TEST(a_reply_that_the_kernel_refuses_is_counted)
{
	struct udp_peer peer = {.port_be = htons(9), .local = {.s6_addr = {[10] = 0xff, 0xff, 192, 0, 2, 1}}};

	NEEDS_IO_URING;
	CHECK(begin("0.0.0.0", 8, 4));
	peer.source = mapped((struct in_addr){htonl(INADDR_LOOPBACK)});
	udp_reply(udp, &peer, SPAN("from an address that is not ours"));
	run(2);
	CHECK(udp_counts(udp)->replied == 0 && udp_counts(udp)->dropped == 1);
	finish();
}

TEST(after_stop_nothing_is_received_and_replies_still_leave)
{
	char got[8];

	NEEDS_IO_URING;
	CHECK(begin("127.0.0.1", 8, 4));
	int fd = dial("127.0.0.1");
	send_numbers(fd, 0, 1);
	CHECK(run_until_seen(1));
	udp_stop(udp);
	send_numbers(fd, 1, 20);
	run(10);
	CHECK_EQ(seen_cnt, 1);
	udp_reply(udp, &seen[0].peer, SPAN("late"));
	run(2);
	CHECK_EQ(recv(fd, got, sizeof got, 0), 4);
	close(fd);
	finish();
}

/* Two sockets of one address: each datagram is one's alone, and one source's always the same one's. */
TEST(workers_share_an_address)
{
	struct sockaddr_storage address = address_of("127.0.0.1");
	socklen_t bytes = sizeof address;
	int first = udp_bind(&address);

	CHECK(first >= 0 && getsockname(first, (struct sockaddr *)&address, &bytes) == 0);
	int second = udp_bind(&address), fds[32], mixed = 0, of_first = 0;
	CHECK(second >= 0);
	port_be = ((struct sockaddr_in *)&address)->sin_port;
	for (int i = 0; i < 32; i++) {
		fds[i] = dial("127.0.0.1");
		send_numbers(fds[i], 0, 3);
		int cnt = 0;
		uint32_t got;
		while (recv(first, &got, sizeof got, MSG_DONTWAIT) == sizeof got)
			cnt++;
		mixed += cnt != 0 && cnt != 3;
		of_first += cnt == 3;
		close(fds[i]);
	}
	CHECK_EQ(mixed, 0);
	CHECK(of_first > 0 && of_first < 32);
	close(first);
	close(second);
}

CHECK_MAIN
