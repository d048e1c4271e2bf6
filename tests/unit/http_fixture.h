/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_HTTP_FIXTURE_H
#define TOLLBAR_TESTS_HTTP_FIXTURE_H
/* http_fixture.h: an HTTP/1.1 server on the loopback, in this process, that answers as a test tells it to: well, slowly,
 * with nonsense, or not at all.  One thread per connection. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

enum http_mode {
	HTTP_ANSWER,
	HTTP_SLOW,	   /* answers after http_delay_ms */
	HTTP_SILENT,	   /* reads, never answers */
	HTTP_CLOSE,	   /* reads the whole request, closes */
	HTTP_CLOSE_SECOND, /* the same from the second request of a connection on */
	HTTP_CUT,	   /* closes in the middle of the answer */
	HTTP_LONG,	   /* 100,000 bytes */
	HTTP_GARBAGE,	   /* not HTTP */
	HTTP_REDIRECT,
	HTTP_LEAVE,  /* answers, promises to stay, closes */
	HTTP_RESET,  /* the same, with a reset */
	HTTP_CHATTY, /* answers, and then once more what nobody asked */
	HTTP_RAW,    /* the body is all of the answer, head included; one byte at a time */
	HTTP_RAW_CLOSE,
	HTTP_DEAF, /* does not read, until told to close */
};

#define HTTP_REQUEST_BYTES (128 << 10)

static struct {
	int fd;
	uint16_t port;
	pthread_t thread;
	_Atomic int mode, status, delay_ms, connections, requests, stop, threads;
	_Atomic(const char *) body;		  /* of the answer */
	void (*_Atomic saw)(const char *request); /* each request, whole; may be NULL */
	/* Instead of body: what to answer to this one; kept by whoever made it.  May be NULL. */
	const char *(*_Atomic answer)(const char *request);
	pthread_mutex_t lock;
	char last[HTTP_REQUEST_BYTES + 1]; /* under the lock */
} http = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The last request, whole; until the next call. */
static inline const char *http_last(void)
{
	static char copy[HTTP_REQUEST_BYTES + 1];

	pthread_mutex_lock(&http.lock);
	memcpy(copy, http.last, sizeof copy);
	pthread_mutex_unlock(&http.lock);
	return copy;
}

/* Reads one request; its bytes, or 0 at the end of the connection. */
static inline size_t http_read(int fd, char *request)
{
	size_t have = 0, want = 0;

	while (want == 0 || have < want) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		int ready = poll(&pfd, 1, 50);
		if (atomic_load(&http.stop))
			return 0;
		if (ready == 0)
			continue;
		ssize_t got = read(fd, request + have, HTTP_REQUEST_BYTES - have);
		if (got <= 0)
			return 0;
		have += (size_t)got;
		request[have] = 0;
		char *end = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "content-length:");
		if (want == 0 && end != NULL)
			want = (size_t)(end + 4 - request) +
			       (length != NULL && length < end ? strtoul(length + 15, NULL, 10) : 0);
	}
	return have;
}

static inline void http_send(int fd, const char *bytes, size_t cnt)
{
	while (cnt > 0) {
		ssize_t sent = send(fd, bytes, cnt, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		bytes += sent;
		cnt -= (size_t)sent;
	}
}

static inline void http_reply(int fd, const char *body, size_t body_bytes, size_t body_sent)
{
	char head[256];
	int bytes = snprintf(head, sizeof head,
			     "HTTP/1.1 %d Whatever\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
			     "Location: http://127.0.0.1:%u/elsewhere\r\n\r\n",
			     atomic_load(&http.status), body_bytes, http.port);

	http_send(fd, head, (size_t)bytes);
	http_send(fd, body, body_sent);
}

static inline void http_wait_while(enum http_mode mode)
{
	while (!atomic_load(&http.stop) && atomic_load(&http.mode) == (int)mode)
		usleep(1000);
}

static inline void http_reset(int fd)
{
	struct linger reset = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

/* The modes in which an answer is followed by something unexpected.  False: the connection is over. */
static inline bool http_answer_oddly(int fd, enum http_mode mode, const char *body)
{
	size_t body_bytes = strlen(body);
	int one = 1;

	switch (mode) {
	case HTTP_CHATTY:
		http_reply(fd, body, body_bytes, body_bytes);
		usleep(5000);
		http_send(fd, "HTTP/1.1 408 Slow\r\nContent-Length: 2\r\n\r\n{}", 43);
		return true;
	case HTTP_RAW:
	case HTTP_RAW_CLOSE:
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		for (size_t i = 0; i < body_bytes; i++)
			http_send(fd, body + i, 1);
		return mode == HTTP_RAW;
	default:
		http_reply(fd, body, body_bytes, body_bytes);
		if (mode == HTTP_RESET) {
			usleep(5000); /* or it would take the answer back */
			http_reset(fd);
		}
		return false;
	}
}

/* False: the connection is over. */
static inline bool http_answer(int fd, int nth, const char *body)
{
	static const char large[100000];
	size_t body_bytes = strlen(body);
	enum http_mode mode = (enum http_mode)atomic_load(&http.mode);

	switch (mode) {
	case HTTP_SLOW:
		usleep((unsigned)atomic_load(&http.delay_ms) * 1000);
		http_reply(fd, body, body_bytes, body_bytes);
		return true;
	case HTTP_SILENT:
		http_wait_while(mode);
		return false;
	case HTTP_LEAVE:
	case HTTP_RESET:
	case HTTP_CHATTY:
	case HTTP_RAW:
	case HTTP_RAW_CLOSE:
		return http_answer_oddly(fd, mode, body);
	case HTTP_CLOSE:
		return false;
	case HTTP_CLOSE_SECOND:
		if (nth > 1)
			return false;
		http_reply(fd, body, body_bytes, body_bytes);
		return true;
	case HTTP_CUT:
		http_reply(fd, body, body_bytes, body_bytes / 2);
		return false;
	case HTTP_LONG:
		http_reply(fd, large, sizeof large, sizeof large);
		return true;
	case HTTP_GARBAGE:
		http_send(fd, "\x16\x03\x01 what?\r\n\r\n", 14);
		return false;
	default:
		http_reply(fd, body, body_bytes, body_bytes);
		return true;
	}
}

static inline void *http_connection(void *arg)
{
	char *request = malloc(HTTP_REQUEST_BYTES + 1);
	int fd = (int)(intptr_t)arg;

	http_wait_while(HTTP_DEAF);
	for (int nth = 1; request != NULL && http_read(fd, request) > 0; nth++) {
		atomic_fetch_add(&http.requests, 1);
		void (*saw)(const char *) = atomic_load(&http.saw);
		if (saw != NULL)
			saw(request);
		pthread_mutex_lock(&http.lock);
		snprintf(http.last, sizeof http.last, "%s", request);
		pthread_mutex_unlock(&http.lock);
		const char *(*answer)(const char *) = atomic_load(&http.answer);
		/* loaded once: the test may name another body while this one is being sent */
		if (!http_answer(fd, nth, answer != NULL ? answer(request) : atomic_load(&http.body)))
			break;
	}
	close(fd);
	free(request);
	atomic_fetch_sub(&http.threads, 1);
	return NULL;
}

static inline void *http_main(void *arg)
{
	while (!atomic_load(&http.stop)) {
		struct pollfd pfd = {.fd = http.fd, .events = POLLIN};
		pthread_t thread;
		if (poll(&pfd, 1, 20) <= 0)
			continue;
		int fd = accept(http.fd, NULL, NULL);
		if (fd < 0)
			continue;
		atomic_fetch_add(&http.connections, 1);
		atomic_fetch_add(&http.threads, 1);
		if (pthread_create(&thread, NULL, http_connection, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
	}
	return NULL;
}

static inline void http_run(int fd, const char *body)
{
	CHECK_EQ(listen(fd, 64), 0);
	http.fd = fd;
	http.body = body;
	http.mode = HTTP_ANSWER;
	http.status = 200;
	http.connections = http.requests = http.stop = http.threads = 0;
	CHECK_EQ(pthread_create(&http.thread, NULL, http_main, NULL), 0);
}

static inline void http_start(const char *body)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one); /* a test may come back to the port */
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, bytes) == 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	http.port = ntohs(address.sin_port);
	http_run(fd, body);
}

/* A port nobody listens on: bound, not listening. */
static inline int http_dead_port(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, bytes) == 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static inline void http_stop(void)
{
	atomic_store(&http.stop, 1);
	pthread_join(http.thread, NULL);
	while (atomic_load(&http.threads) > 0)
		usleep(1000);
	close(http.fd);
}

#endif
