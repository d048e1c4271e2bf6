// SPDX-License-Identifier: Apache-2.0
#ifndef TOLLBAR_TOOLS_CHALLENGE_H
#define TOLLBAR_TOOLS_CHALLENGE_H
/* challenge.h: what a paid route says to a request without a payment, for tools that then make many. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "pay_client.h"
#include "sign.h"

enum { IN_BYTES = 65536 };

/* A request's bytes around the line of its payment header. */
struct load_request {
	char head[16384], *rest;
	size_t head_bytes, rest_bytes;
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, errno != 0 ? strerror(errno) : "bad");
	exit(2);
}

static void *allocate(size_t bytes)
{
	void *at = calloc(1, bytes > 0 ? bytes : 1);
	if (at == NULL)
		fail("memory");
	return at;
}

static char *fetch_challenge(const struct sockaddr_in *address, const struct load_request *request)
{
	static char answer[IN_BYTES];
	size_t got = 0;
	ssize_t more;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct iovec parts[] = {{(void *)(uintptr_t)request->head, request->head_bytes},
				{"Connection: close\r\n", 19},
				{request->rest, request->rest_bytes}};

	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 || writev(fd, parts, 3) < 0)
		fail("challenge");
	while (got < sizeof(answer) - 1 && (more = read(fd, answer + got, sizeof(answer) - 1 - got)) > 0)
		got += (size_t)more;
	close(fd);
	return answer;
}

static void read_challenge(struct pay_challenge *challenge, const struct sockaddr_in *address,
			   const struct load_request *request)
{
	static uint8_t json[IN_BYTES];
	char *answer = fetch_challenge(address, request), *at = strcasestr(answer, "\r\nPAYMENT-REQUIRED:"),
	     *body = strstr(answer, "\r\n\r\n");

	errno = 0;
	if (at != NULL && at < body) {
		at += 19 + strspn(at + 19, " ");
		ssize_t bytes = base64_decode(json, sizeof(json), span_of(at, strcspn(at, "\r")));
		if (bytes > 0 && pay_read_challenge(challenge, span_of(json, (size_t)bytes), 2))
			return;
	} else if (body != NULL && pay_read_challenge(challenge, span_str(body + 4), 1)) {
		return;
	}
	fprintf(stderr, "%.*s\n", 400, answer);
	fail("no challenge");
}

#endif
