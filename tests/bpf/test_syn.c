// SPDX-License-Identifier: Apache-2.0
/* SYN cookies in the kernel: which packets are answered, and with what.  In a network namespace of its own with real
 * listeners and connections, which the program looks up; packets come in at its loopback interface.  That the kernel takes
 * the cookies back is shown on live interfaces, in tests/e2e/syn.sh. */
#include "gate_rig.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "syn_reply.h"

#define LOOPBACK_MSS4 (65536 - 40)
#define LOOPBACK_MSS6 (65536 - 60)

static void must(bool good, const char *what)
{
	if (good)
		return;
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static void syncookies_set(const char *value)
{
	int fd = open("/proc/sys/net/ipv4/tcp_syncookies", O_WRONLY | O_CLOEXEC);

	must(fd >= 0 && write(fd, value, 1) == 1, "tcp_syncookies");
	close(fd);
}

static int listener(int family, uint16_t port, int backlog)
{
	struct sockaddr_in6 address = {.sin6_family = (sa_family_t)family, .sin6_port = htons(port)};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	must(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
		     bind(fd, (struct sockaddr *)&address,
			  family == AF_INET ? sizeof(struct sockaddr_in) : sizeof address) == 0 &&
		     listen(fd, backlog) == 0,
	     "listen");
	return fd;
}

/* Into a namespace with its loopback up, once. */
static void namespace_enter(void)
{
	static bool entered;

	if (!entered) {
		struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
		must(unshare(CLONE_NEWNET) == 0, "unshare");
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		must(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0, "loopback");
		close(fd);
	}
	entered = true;
}

#define SYN_READY()                                                   \
	do {                                                          \
		GATE_READY();                                         \
		namespace_enter();                                    \
		syncookies_set("2");                                  \
		filter_set_syn_cookies(filter, SYN_COOKIES_ON, 1000); \
	} while (0)

/* A listener for IPv4, and a SYN to it. */
static int listener4(struct frame *frame)
{
	frame_build(frame, TCP4);
	return listener(AF_INET, FRAME_TCP_PORT, 100);
}

static uint8_t out[FRAME_BYTES_MAX + 64];
static uint32_t out_bytes;

/* The reason counted, after a look at the action; the frame as it comes out is in `out`. */
static enum reason syn_run(struct frame *frame)
{
	struct tollbar_counters before, after;
	enum reason reason = REASON_OK;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->bytes, .data_size_in = (uint32_t)frame->used,
		    .data_out = out, .data_size_out = sizeof out);

	CHECK_EQ(filter_counters(filter, &before), 0);
	CHECK_EQ(bpf_prog_test_run_opts(gate_fd, &opts), 0);
	CHECK_EQ(filter_counters(filter, &after), 0);
	out_bytes = opts.data_size_out;
	for (unsigned i = 0; i < TOLLBAR_REASON_CNT; i++)
		if (after.packets[i] != before.packets[i])
			reason = (enum reason)i;
	bool observed = after.observed[SYN_COOKIE] != before.observed[SYN_COOKIE];
	CHECK_EQ(opts.retval, reason == SYN_COOKIE && !observed ? XDP_TX : REASON_DROPS(reason) ? XDP_DROP : XDP_PASS);
	if (opts.retval != XDP_TX) { /* untouched */
		CHECK_EQ(out_bytes, frame->used);
		CHECK_BYTES(out, frame->bytes, frame->used);
	}
	return reason;
}

static void expect_answer(struct frame *frame, bool six, int tags)
{
	CHECK_EQ(syn_run(frame), SYN_COOKIE);
	reply_check(out, out_bytes, frame, six, tags, six ? LOOPBACK_MSS6 : LOOPBACK_MSS4);
}

/* Frames longer than the answer, shorter, and padded; with the options that stock clients send. */
TEST(answers)
{
	static const uint8_t options[] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7};

	SYN_READY();
	int fd = listener(AF_INET6, FRAME_TCP_PORT, 100); /* for both families */
	for (int six = 0; six < 2; six++)
		for (int tags = 0; tags <= 2; tags++)
			for (int shape = 0; shape < 5; shape++) {
				struct frame frame;
				size_t l4_at = six ? AT_L4_6 : AT_L4_4, length_at = six ? AT_IP6_PAYLOAD : AT_IP4_TOTAL;
				frame_build(&frame, six ? TCP6 : TCP4);
				if (shape == 1) { /* no data: 54 or 74 bytes */
					frame.used -= 4;
					frame.bytes[length_at + 1] = (uint8_t)(frame.bytes[length_at + 1] - 4);
				}
				if (shape == 2)
					frame.used += 300; /* padding */
				if (shape == 3 || shape == 4) {
					frame_insert(&frame, l4_at + 20, options, sizeof options);
					frame.bytes[l4_at + L4_DOFF] = 0xa0;
					frame.bytes[length_at + 1] =
						(uint8_t)(frame.bytes[length_at + 1] + sizeof options);
				}
				if (shape == 4) { /* explicit congestion notification is asked for, and not granted */
					frame.bytes[l4_at + L4_FLAGS] = 0xc2;
					frame.bytes[AT_IP + 1] = six ? 0x20 : 0x02;
				}
				frame_tag(&frame, tags);
				expect_answer(&frame, six, tags);
			}
	close(fd);
}

/* The kernel alone knows its secret, but the cookie must depend on what it protects. */
TEST(cookies_differ)
{
	static const size_t places[] = {AT_IP4_SOURCE + 3, AT_L4_4, AT_L4_4 + 1, AT_L4_4 + 7};
	struct frame frame;

	SYN_READY();
	int fd = listener4(&frame);
	CHECK_EQ(syn_run(&frame), SYN_COOKIE);
	uint32_t cookie = reply_check(out, out_bytes, &frame, false, 0, LOOPBACK_MSS4);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		frame.bytes[places[i]] ^= 1;
		CHECK_EQ(syn_run(&frame), SYN_COOKIE);
		CHECK(reply_check(out, out_bytes, &frame, false, 0, LOOPBACK_MSS4) != cookie);
	}
	close(fd);
}

TEST(only_armed)
{
	struct frame frame;

	SYN_READY();
	int fd = listener4(&frame);
	filter_set_syn_cookies(filter, SYN_COOKIES_OFF, 1);
	CHECK_EQ(syn_run(&frame), PASS_OPEN);
	filter_set_syn_cookies(filter, SYN_COOKIES_ON, 1);
	expect_answer(&frame, false, 0);
	filter_set_mode(filter, FILTER_OPEN, true);
	CHECK_EQ(syn_run(&frame), SYN_COOKIE); /* observed: syn_run saw that it passed as it was */
	filter_set_mode(filter, FILTER_ALLOW, false);
	CHECK_EQ(syn_run(&frame), NOT_ALLOWED);
	lists_set("192.0.2.7", "");
	expect_answer(&frame, false, 0);
	close(fd);
}

TEST(limits_come_first)
{
	struct config_limits limits = no_limits;
	struct frame frame;

	SYN_READY();
	int fd = listener(AF_INET, FRAME_TCP_PORT, 100);
	limits.connections_per_s = 1;
	limits.connections_burst = 2;
	CHECK_EQ(filter_set_limits(filter, &limits), 0);
	frame_from(&frame, "203.0.113.1");
	expect_answer(&frame, false, 0);
	expect_answer(&frame, false, 0);
	CHECK_EQ(syn_run(&frame), SYN_RATE);
	close(fd);
}

TEST(what_passes)
{
	static const struct {
		const char *name;
		enum frame_kind kind;
		struct {
			size_t at;
			uint8_t value;
		} patch;
	} rows[] = {
		{"ack", TCP4, {L4(L4_FLAGS), 0x10}},
		{"syn and ack", TCP4, {L4(L4_FLAGS), 0x12}},
		{"reset", TCP6, {L6(L4_FLAGS), 0x04}},
		{"fin and ack", TCP4, {L4(L4_FLAGS), 0x11}},
		{"udp", UDP4, {L4(0), 1}},
		{"syn with ip options", TCP4_OPTIONS, {L4(0), 1}},
	};
	struct frame frame;

	SYN_READY();
	int fd = listener(AF_INET6, FRAME_TCP_PORT, 100);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		frame_build(&frame, rows[i].kind);
		frame.bytes[rows[i].patch.at] = rows[i].patch.value;
		CHECK_ROW(syn_run(&frame) == PASS_OPEN, rows[i].name);
	}
	extension_row_build(&frame, &extension_rows[0]);
	CHECK_EQ(syn_run(&frame), PASS_OPEN); /* behind a hop-by-hop header */
	frame_build(&frame, TCP4);
	frame.bytes[L4(3)] ^= 1;
	CHECK_EQ(syn_run(&frame), PASS_OTHER); /* another port */
	frame.bytes[L4(3)] ^= 1;
	frame.bytes[L4(L4_FLAGS)] = 0x03;
	CHECK_EQ(syn_run(&frame), TCP_FLAGS);
	close(fd);
}

TEST(without_a_listener)
{
	struct frame frame4, frame6;

	SYN_READY();
	frame_build(&frame4, TCP4);
	frame_build(&frame6, TCP6);
	CHECK_EQ(syn_run(&frame4), PASS_OPEN);
	CHECK_EQ(syn_run(&frame6), PASS_OPEN);
	int fd = listener(AF_INET, FRAME_TCP_PORT, 100);
	expect_answer(&frame4, false, 0);
	CHECK_EQ(syn_run(&frame6), PASS_OPEN);
	close(fd);
}

/* 0: never; 2: always; 1: when the listener has as many pending as it wants, and here it has none. */
TEST(the_kernels_setting)
{
	struct frame frame;

	SYN_READY();
	int fd = listener4(&frame);
	CHECK_EQ(syncookies_kernel(), 2);
	expect_answer(&frame, false, 0);
	syncookies_set("0");
	CHECK_EQ(syncookies_kernel(), 0);
	CHECK_EQ(syn_run(&frame), PASS_OPEN);
	syncookies_set("1");
	CHECK_EQ(syncookies_kernel(), 1);
	CHECK_EQ(syn_run(&frame), PASS_OPEN);
	close(fd);
}

/* --- connections the kernel knows --- */

/* -1: the address is in use, by a connection whose last packet is still under way. */
static int try_connect(uint16_t port)
{
	struct sockaddr_in from = {.sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(0x7f000001)},
			   to = {.sin_family = AF_INET,
				 .sin_port = htons(FRAME_TCP_PORT),
				 .sin_addr.s_addr = htonl(0x7f000001)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	must(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
		     bind(fd, (struct sockaddr *)&from, sizeof from) == 0,
	     "bind");
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	must(errno == EADDRNOTAVAIL, "connect");
	close(fd);
	return -1;
}

static int connect_from(uint16_t port)
{
	int fd = try_connect(port);

	for (unsigned tries = 0; fd < 0 && tries < 1000; tries++) {
		usleep(10000);
		fd = try_connect(port);
	}
	must(fd >= 0, "connect");
	return fd;
}

static void frame_between(struct frame *frame, uint16_t port)
{
	static const uint8_t loopback[] = {127, 0, 0, 1, 127, 0, 0, 1};

	frame_build(frame, TCP4);
	memcpy(frame->bytes + AT_IP4_SOURCE, loopback, 8);
	frame->bytes[L4(0)] = (uint8_t)(port >> 8);
	frame->bytes[L4(1)] = (uint8_t)port;
}

TEST(connections_are_the_kernels)
{
	struct frame frame, other;
	char byte;

	SYN_READY();
	int fd = listener(AF_INET, FRAME_TCP_PORT, 100);
	int client = connect_from(41000), server = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	must(server >= 0, "accept");
	frame_between(&frame, 41000);
	frame_between(&other, 41001);
	CHECK_EQ(syn_run(&frame), PASS_OPEN); /* established */
	expect_answer(&other, false, 0);
	close(server); /* first, so that TIME_WAIT is here */
	CHECK_EQ(read(client, &byte, 1), 0);
	close(client);
	CHECK_EQ(syn_run(&frame), PASS_OPEN); /* TIME_WAIT */
	client = connect_from(41000);	      /* as the kernel allows */
	server = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	CHECK(server >= 0);
	close(client);
	close(server);
	close(fd);
}

/* --- armed by load --- */

/* The thread stays on one CPU, where the SYNs are counted. */
static void stay_here(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	must(sched_setaffinity(0, sizeof cpus, &cpus) == 0, "sched_setaffinity");
}

static unsigned answered(struct frame *frame, unsigned cnt)
{
	unsigned answer_cnt = 0;

	for (unsigned i = 0; i < cnt; i++) {
		frame->bytes[L4(7)]++;
		answer_cnt += syn_run(frame) == SYN_COOKIE;
	}
	return answer_cnt;
}

TEST(armed_by_load)
{
	struct frame frame, ack;

	SYN_READY();
	stay_here();
	int fd = listener4(&frame);
	filter_set_syn_cookies(filter, SYN_COOKIES_AUTO, 50);
	CHECK_EQ(answered(&frame, 50), 0);
	CHECK_EQ(answered(&frame, 20), 20); /* at once */
	ack = frame;
	ack.bytes[L4(L4_FLAGS)] = 0x10;
	for (int i = 0; i < 100; i++)
		CHECK_EQ(syn_run(&ack), PASS_OPEN);
	usleep(1100000);
	CHECK_EQ(answered(&frame, 1), 1); /* a second with too many is just over */
	usleep(2100000);
	CHECK_EQ(answered(&frame, 50), 0); /* and one without any */
	close(fd);
}

CHECK_MAIN
