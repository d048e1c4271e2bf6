// SPDX-License-Identifier: Apache-2.0
#ifndef TOLLBAR_TESTS_WORKER_FIXTURE_H
#define TOLLBAR_TESTS_WORKER_FIXTURE_H
/* worker_fixture.h: real workers on the loopback, as node.c starts them, with one free route and a store of results that the
 * test fills; and clients that speak to them over plain sockets. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "check.h"
#include "worker.h"

#define WORKERS 2

static const char config_text[] = "[node]\nlisten = 127.0.0.1:1\nconnections = 16\nqueue_bytes = 1048576\n"
				  "signer_cache_bytes = 1048576\nengine = libsecp256k1\n"
				  "[timeouts]\nsend_ms = 1000\nhead_ms = 20000\n"
				  "[upstream model]\nurl = http://127.0.0.1:9\n"
				  "[route health]\nmatch = GET /health\nupstream = model\n";

static struct {
	struct config config;
	struct shared shared;
	struct worker workers[WORKERS];
	uint16_t ports[WORKERS];
	unsigned started;
} node;

static int listen_somewhere(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, small = 16384;

	CHECK_NEED(fd >= 0 && bind(fd, (struct sockaddr *)&address, bytes) == 0 && listen(fd, 128) == 0);
	/* Accepted sockets inherit both: what a client does not read stays with us. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	CHECK_NEED(getsockname(fd, (struct sockaddr *)&address, &bytes) == 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static void stop_workers(void)
{
	for (unsigned i = 0; i < node.started; i++) {
		struct worker *worker = &node.workers[i];
		atomic_store(&worker->draining, true);
		atomic_store(&worker->cutting, true);
		worker_wake(worker);
		pthread_join(worker->thread, NULL);
		mailbox_fini(&worker->mailbox);
		free(worker->times);
	}
	node.started = 0;
}

static void stop(void)
{
	stop_workers();
	results_fini(node.shared.results); /* would stop the test if anything were still open */
	reply_fini(node.shared.reply);
	payers_fini(node.shared.payers);
	queue_fini(node.shared.queue);
}

/* False: there is no io_uring here. */
static bool start(const struct results_config *results)
{
	struct queue_config queue = {.requests_max = 4,
				     .bytes_max = 1 << 20,
				     .upstream_cnt = 1,
				     .in_flight_max = {4},
				     .names = {"model"},
				     .sets = {1},
				     .set_cnt = 1};
	struct shared *shared = &node.shared;

	memset(&node, 0, sizeof node);
	log_level = LOG_ERROR;
	CHECK_NEED(config_parse(&node.config, "test", config_text, sizeof config_text - 1, stderr) == 0);
	*shared = (struct shared){.config = &node.config,
				  .queue = queue_init(&queue),
				  .payers = payers_init(16),
				  .reply = reply_init(&node.config),
				  .results = results != NULL ? results_init(results) : NULL};
	CHECK_NEED(shared->queue != NULL && shared->payers != NULL && shared->reply != NULL);
	CHECK_NEED(results == NULL || shared->results != NULL);
	for (unsigned i = 0; i < WORKERS; i++) {
		int fds[LISTENS_MAX] = {listen_somewhere(&node.ports[i])};
		CHECK_NEED(worker_start(&node.workers[i], shared, i, fds, fds) == 0);
		node.started++;
		while (atomic_load(&node.workers[i].state) == WORKER_STARTING)
			usleep(500);
		if (atomic_load(&node.workers[i].state) < 0) {
			stop();
			return false;
		}
	}
	return true;
}

#define NEEDS_WORKERS(config)                      \
	do {                                       \
		if (!start(config))                \
			CHECK_SKIP("no io_uring"); \
	} while (0)

/* --- the client's side --- */

static int dial(unsigned worker, int receive_bytes)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(node.ports[worker]),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval patience = {.tv_sec = 20};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_NEED(fd >= 0);
	if (receive_bytes > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	CHECK_NEED(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
	return fd;
}

static void say(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(int fd, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	int bytes = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	CHECK_NEED(bytes > 0 && (size_t)bytes < sizeof text);
	CHECK_EQ(send(fd, text, (size_t)bytes, MSG_NOSIGNAL), bytes);
}

static void ask(int fd, const char *id, const char *query)
{
	say(fd, "GET /v1/requests/%s%s HTTP/1.1\r\nHost: node\r\n\r\n", id, query);
}

/* Exactly these bytes come next. */
static bool hears(int fd, struct span bytes)
{
	uint8_t got[1 << 16];

	while (bytes.bytes > 0) {
		ssize_t have = recv(fd, got, bytes.bytes < sizeof got ? bytes.bytes : sizeof got, 0);
		if (have <= 0 || memcmp(got, bytes.at, (size_t)have) != 0)
			return false;
		bytes = span_of(bytes.at + have, bytes.bytes - (size_t)have);
	}
	return true;
}

static bool hears_text(int fd, const char *text)
{
	return hears(fd, span_str(text));
}

/* An answer with a Content-Length, or without a body: all of it, zero-terminated. */
static const char *hear_answer(int fd, bool bodyless)
{
	static char answer[4096];
	size_t have = 0, want = SIZE_MAX;

	while (have < want && have < sizeof answer - 1 && recv(fd, answer + have, 1, 0) == 1) {
		answer[++have] = 0;
		const char *length = strcasestr(answer, "\r\ncontent-length: ");
		if (want == SIZE_MAX && have >= 4 && memcmp(answer + have - 4, "\r\n\r\n", 4) == 0)
			want = have + (length != NULL && !bodyless ? strtoul(length + 18, NULL, 10) : 0);
	}
	answer[have] = 0;
	return answer;
}

static bool silent(int fd, int ms)
{
	struct pollfd fd_poll = {.fd = fd, .events = POLLIN};

	return poll(&fd_poll, 1, ms) == 0;
}

/* The other side closes; before that, nothing. */
static bool closes(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) == 0;
}

static bool refused(int fd, const char *status, const char *word)
{
	char code[64];
	const char *answer = hear_answer(fd, false);

	snprintf(code, sizeof code, "\"code\":\"%s\"", word);
	return strncmp(answer + 9, status, 3) == 0 && strstr(answer, code) != NULL;
}

#endif
