// SPDX-License-Identifier: Apache-2.0
/* How long a paid request takes to the model server, by UDP and by HTTP:
 *
 *   time_to_queue_over_http           median time from the first packet sent until the model server has the request, of one
 *                                     signed datagram over that of a fresh TCP connection with x402's round trip: asked
 *                                     without a payment, 402, asked again with one.  Client and node are 10 ms and back apart
 *   time_to_queue_over_http_1ms       the same, 1 ms and back apart
 *   time_to_queue_over_http_loopback  the same without a way: what the node itself does
 *   ..._udp_us, ..._http_us           the two medians
 *
 *   bench_queue ROUND-TRIP-MS HTTP-PORT UDP-PORT UPSTREAM-PORT KEY-FILE
 *
 * Both ends are seen here, by one clock: this process is the client and the model server, which is beside the node.  The same
 * payer, known, and the same offer and prompt on both sides; payments are signed before the clock starts, on both.  One
 * request at a time, on an idle node, the sides taking turns. */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "../tools/load_payments.h"
#include "calldata.h"
#include "native_client.h"
#include "path.h"

enum { ROUNDS = 201, WARM_UP = 40, CONNECTIONS_MAX = 64, WAIT_MS = 5000, PAUSE_US = 3000 };

#define BODY                                                                                             \
	"{\"model\":\"stand-in\",\"messages\":[{\"role\":\"user\",\"content\":\"Say something, please: " \
	"what is a toll bar, and who was it that opened it?\"}],\"max_tokens\":64}"
#define ANSWER                                                                           \
	"{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"A gate.\"}}]," \
	"\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":3,\"total_tokens\":23}}"

/* --- the model server: a thread that says when it had a request --- */

static _Atomic uint64_t got_ns; /* 0: none since it was set to that */

static int listen_on(const char *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

	at.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, CONNECTIONS_MAX) != 0)
		fail("model server");
	return fd;
}

/* One whole request, which the daemon sends in one piece or two.  False: the connection is over. */
static bool take_request(int fd)
{
	static char request[IN_BYTES];
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
	char out[1024];
	size_t got = 0;

	for (;;) {
		ssize_t more = read(fd, request + got, sizeof(request) - 1 - got);
		if (more <= 0)
			return false;
		got += (size_t)more;
		request[got] = 0;
		const char *end = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "\r\nContent-Length:");
		if (end != NULL && length != NULL &&
		    got >= (size_t)(end + 4 - request) + strtoul(length + 17, NULL, 10))
			break;
	}
	atomic_store(&got_ns, clock_ns());
	int bytes = snprintf(out, sizeof(out), "%s%zu\r\n\r\n%s", answer, sizeof(ANSWER) - 1, ANSWER);
	return write(fd, out, (size_t)bytes) == bytes;
}

static void *serve(void *listener)
{
	struct pollfd fds[1 + CONNECTIONS_MAX] = {{.fd = *(int *)listener, .events = POLLIN}};
	nfds_t cnt = 1;

	while (poll(fds, cnt, -1) >= 0) {
		for (nfds_t i = cnt; i-- > 1;) {
			if (fds[i].revents == 0 || take_request(fds[i].fd))
				continue;
			close(fds[i].fd);
			fds[i] = fds[--cnt];
		}
		if (fds[0].revents != 0 && cnt <= CONNECTIONS_MAX)
			fds[cnt++] = (struct pollfd){.fd = accept(fds[0].fd, NULL, NULL), .events = POLLIN};
	}
	fail("model server");
}

/* When the request that was sent at from_ns got there, after that. */
static double wait_for_it(uint64_t from_ns)
{
	uint64_t at_ns;

	while ((at_ns = atomic_load(&got_ns)) == 0) {
		if (clock_ns() - from_ns > WAIT_MS * UINT64_C(1000000))
			fail("a request that never arrived");
		usleep(50);
	}
	return (double)(at_ns - from_ns) / 1000;
}

/* --- by HTTP --- */

static struct sockaddr_in http = {.sin_family = AF_INET}, udp = {.sin_family = AF_INET};
static struct load_request request;

/* Reads one answer, by its Content-Length; its status. */
static long read_answer(int fd)
{
	static char answer[IN_BYTES];
	size_t got = 0;
	ssize_t more;

	while ((more = read(fd, answer + got, sizeof(answer) - 1 - got)) > 0) {
		got += (size_t)more;
		answer[got] = 0;
		const char *end = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "\r\nContent-Length:");
		if (end != NULL && length != NULL && got >= (size_t)(end + 4 - answer) + strtoul(length + 17, NULL, 10))
			return strtol(answer + sizeof("HTTP/1.1"), NULL, 10);
	}
	fail("an answer by HTTP");
}

static void ask(int fd, struct span payment)
{
	struct iovec parts[] = {{request.head, request.head_bytes},
				{(void *)(uintptr_t)payment.at, payment.bytes},
				{request.rest, request.rest_bytes}};

	if (writev(fd, parts, 3) < 0)
		fail("asking by HTTP");
}

static double by_http(size_t round)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	atomic_store(&got_ns, 0);
	uint64_t from_ns = clock_ns();
	if (connect(fd, (const struct sockaddr *)&http, sizeof(http)) != 0)
		fail("connecting");
	ask(fd, SPAN(""));
	if (read_answer(fd) != 402)
		fail("no 402");
	ask(fd, payments.lines[round]);
	double us = wait_for_it(from_ns);
	if (read_answer(fd) != 200)
		fail("no 200");
	close(fd);
	return us;
}

/* --- by UDP --- */

static struct native_datagram datagrams[WARM_UP + ROUNDS];

static void sign_datagrams(const char *key_file)
{
	static uint8_t calldata[NATIVE_CLIENT_CALLDATA_MAX];
	static struct pay_challenge challenge;
	struct signer *signer = read_key(key_file);
	bool too_dear;

	read_challenge(&challenge, &http, &request);
	const struct pay_offer *offer = pay_choose(&challenge, METHOD_EIP3009, NULL, &too_dear);
	struct native_wish wish = {.offer = offer, .route = challenge.native_route, .now_s = clock_unix_s()};
	size_t bytes = calldata_write(calldata, sizeof(calldata), CALLDATA_CHAT, false, SPAN(BODY));
	if (offer == NULL || !challenge.is_native || bytes == 0)
		fail("no offer by UDP");
	wish.calldata = span_of(calldata, bytes);
	for (size_t i = 0; i < WARM_UP + ROUNDS; i++) {
		if (getrandom(wish.salt, sizeof(wish.salt), 0) != sizeof(wish.salt) ||
		    !native_client_request(&datagrams[i], &wish, signer))
			fail("signing");
	}
	sign_fini(signer);
}

static double by_udp(size_t round)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	struct native_said said;
	uint8_t answer[NATIVE_BYTES_MAX];

	atomic_store(&got_ns, 0);
	uint64_t from_ns = clock_ns();
	if (sendto(fd, datagrams[round].at, datagrams[round].bytes, 0, (const struct sockaddr *)&udp, sizeof(udp)) < 0)
		fail("sending");
	double us = wait_for_it(from_ns);
	ssize_t bytes = poll(&wait, 1, WAIT_MS) == 1 ? recv(fd, answer, sizeof(answer), 0) : -1;
	if (bytes < 0 || !native_client_read(&said, span_of(answer, (size_t)bytes), &datagrams[round]) ||
	    said.kind != NATIVE_RECEIPT || said.receipt.reason != REASON_OK)
		fail("no receipt");
	close(fd);
	return us;
}

/* --- both --- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), by_value);
	return values[ROUNDS / 2];
}

static void make_request(const char *port)
{
	static char rest[sizeof(BODY) + 64];

	request.head_bytes = (size_t)snprintf(request.head, sizeof(request.head),
					      "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n"
					      "Content-Type: application/json\r\nContent-Length: %zu\r\n",
					      port, sizeof(BODY) - 1);
	request.rest = rest;
	request.rest_bytes = (size_t)snprintf(rest, sizeof(rest), "\r\n%s", BODY);
}

static void print(unsigned long round_trip_ms, double over_udp, double over_http)
{
	char name[64] = "time_to_queue_over_http";

	if (round_trip_ms == 0)
		snprintf(name + strlen(name), sizeof(name) - strlen(name), "_loopback");
	else if (round_trip_ms != 10)
		snprintf(name + strlen(name), sizeof(name) - strlen(name), "_%lums", round_trip_ms);
	printf("%s %.4f\n%s_udp_us %.1f\n%s_http_us %.1f\n", name, over_udp / over_http, name, over_udp, name,
	       over_http);
}

int main(int argc, char **argv)
{
	static double http_us[ROUNDS], udp_us[ROUNDS];
	pthread_t thread;
	int listener;

	if (argc != 6)
		fail("usage: bench_queue ROUND-TRIP-MS HTTP-PORT UDP-PORT UPSTREAM-PORT KEY-FILE");
	const unsigned long round_trip_ms = strtoul(argv[1], NULL, 10);
	listener = listen_on(argv[4]); /* in the node's namespace, whoever reads from it */
	if (pthread_create(&thread, NULL, serve, &listener) != 0)
		fail("a thread");
	if (round_trip_ms > 0)
		path_open(round_trip_ms * 1000000 / 2);
	inet_pton(AF_INET, round_trip_ms > 0 ? PATH_FAR : "127.0.0.1", &http.sin_addr);
	http.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	udp.sin_addr = http.sin_addr;
	udp.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	make_request(argv[2]);
	sign_payments(WARM_UP + ROUNDS, argv[5], METHOD_EIP3009, &http, &request);
	sign_datagrams(argv[5]);
	for (size_t i = 0; i < WARM_UP + ROUNDS; i++) {
		double a = i % 2 ? by_udp(i) : by_http(i);
		usleep(PAUSE_US);
		double b = i % 2 ? by_http(i) : by_udp(i);
		usleep(PAUSE_US);
		if (i < WARM_UP)
			continue;
		http_us[i - WARM_UP] = i % 2 ? b : a;
		udp_us[i - WARM_UP] = i % 2 ? a : b;
	}
	print(round_trip_ms, median(udp_us), median(http_us));
	return 0;
}
