// SPDX-License-Identifier: Apache-2.0
#include "cmd/admin_ask.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "config.h"
#include "parse.h"

#define ANSWER_BYTES_MAX (HEAD_BYTES_MAX + 262144)
#define PATIENCE_NS (5 * UINT64_C(1000000000)) /* for connecting, asking and the whole answer */

/* --- where to --- */

/* "host:port" or "[v6]:port"; the host may be left out. */
static bool target_of_text(struct admin_target *target, const char *text)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const char *colon, *host = text;
	struct addrinfo *found;
	char name[200];
	size_t bytes;

	colon = strrchr(text, ':');
	if (colon == NULL || colon[1] == '\0')
		return false;
	bytes = (size_t)(colon - text);
	if (bytes >= 2 && text[0] == '[' && text[bytes - 1] == ']') {
		host++;
		bytes -= 2;
	}
	if (bytes >= sizeof name)
		return false;
	snprintf(name, sizeof name, "%.*s", (int)bytes, host);
	if (getaddrinfo(bytes > 0 ? name : "127.0.0.1", colon + 1, &hints, &found) != 0)
		return false;
	memcpy(&target->address, found->ai_addr, found->ai_addrlen);
	target->address_bytes = found->ai_addrlen;
	freeaddrinfo(found);
	snprintf(target->shown, sizeof target->shown, "%s", text);
	return true;
}

static bool target_of_config(struct admin_target *target, const char *path)
{
	static struct config config;
	char host[INET6_ADDRSTRLEN], port[8];
	int mistakes = config_load(&config, path, stderr);

	if (mistakes != 0) {
		if (mistakes < 0)
			fprintf(stderr, "tollbar: %s: %s\n", path, strerror(-mistakes));
		return false;
	}
	target->address = config.admin;
	target->address_bytes =
		config.admin.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	if (getnameinfo((struct sockaddr *)&target->address, target->address_bytes, host, sizeof host, port,
			sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		snprintf(target->shown, sizeof target->shown, "%s port %s", host, port);
	return true;
}

bool admin_target(struct admin_target *target, const char *address, const char *config_path)
{
	const char *text = address != NULL ? address : ADMIN_ADDRESS;

	if (config_path != NULL)
		return target_of_config(target, config_path);
	if (target_of_text(target, text))
		return true;
	fprintf(stderr, "tollbar: '%s' is not host:port\n", text);
	return false;
}

/* --- asking --- */

/* Waits until the socket is ready, at most until end_ns: 0 or -errno. */
static int await(int fd, short events, uint64_t end_ns)
{
	struct pollfd polled = {.fd = fd, .events = events};

	for (;;) {
		uint64_t now_ns = clock_ns();
		int cnt;

		if (now_ns >= end_ns)
			return -ETIMEDOUT;
		cnt = poll(&polled, 1, (int)((end_ns - now_ns + 999999) / 1000000));
		if (cnt > 0)
			return 0;
		if (cnt < 0 && errno != EINTR)
			return -errno;
	}
}

static int dial(int fd, const struct admin_target *target, uint64_t end_ns)
{
	socklen_t bytes = sizeof(int);
	int error;

	if (connect(fd, (const struct sockaddr *)&target->address, target->address_bytes) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	error = await(fd, POLLOUT, end_ns);
	if (error == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0)
		return -errno;
	return error > 0 ? -error : error;
}

/* Sends the question and reads until the daemon closes: bytes read or -errno. */
static ssize_t exchange(int fd, const char *path, char *answer, uint64_t end_ns)
{
	char question[1024];
	int bytes = snprintf(question, sizeof question, "GET %s HTTP/1.1\r\nHost: tollbar\r\nConnection: close\r\n\r\n",
			     path);
	size_t used = 0;

	if (bytes >= (int)sizeof question)
		return -EINVAL;
	if (send(fd, question, (size_t)bytes, MSG_NOSIGNAL) != bytes)
		return -EIO; /* less than any new socket takes */
	for (;;) {
		int error = await(fd, POLLIN, end_ns);
		ssize_t received;

		if (error < 0)
			return error;
		received = recv(fd, answer + used, ANSWER_BYTES_MAX - used, 0);
		if (received == 0)
			return (ssize_t)used;
		if (received < 0)
			return -errno;
		used += (size_t)received;
		if (used == ANSWER_BYTES_MAX)
			return -EMSGSIZE;
	}
}

static ssize_t fetch(const struct admin_target *target, const char *path, char *answer)
{
	uint64_t end_ns = clock_ns() + PATIENCE_NS;
	int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ssize_t bytes;

	if (fd < 0)
		return -errno;
	bytes = dial(fd, target, end_ns);
	if (bytes == 0)
		bytes = exchange(fd, path, answer, end_ns);
	close(fd);
	return bytes;
}

/* A whole answer's status and body; 0: it is not one. */
static unsigned answer_read(struct span *body, struct http_head *head, struct span answer)
{
	if (parse_response(head, answer, 0) != PARSE_DONE || head->chunked)
		return 0;
	*body = span_of(answer.at + head->head_bytes, answer.bytes - head->head_bytes);
	return !head->has_length || head->content_bytes == body->bytes ? head->status : 0;
}

/* Did the daemon say in plain words what is wrong with the question? */
static bool in_words(const struct http_head *head, struct span body)
{
	struct span type;

	for (size_t i = 0; i < body.bytes; i++)
		if (body.at[i] < ' ' || body.at[i] > '~')
			return false;
	return parse_field(&type, head, SPAN("content-type")) == 1 &&
	       span_equal(type, SPAN("text/plain; charset=utf-8")) && body.bytes > 0 && body.bytes < 128;
}

bool admin_ask(struct span *body, const struct admin_target *target, const char *path)
{
	static char answer[ANSWER_BYTES_MAX];
	struct http_head head;
	ssize_t bytes = fetch(target, path, answer);

	if (bytes < 0) {
		fprintf(stderr, "tollbar: %s: %s\n", target->shown, strerror((int)-bytes));
		return false;
	}
	unsigned status = answer_read(body, &head, span_of(answer, (size_t)bytes));
	if (status == 200)
		return true;
	if (status == 0 || !in_words(&head, *body))
		*body = SPAN("not a good answer");
	fprintf(stderr, "tollbar: %s: %.*s\n", target->shown, (int)body->bytes, (const char *)body->at);
	return false;
}
