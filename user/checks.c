// SPDX-License-Identifier: Apache-2.0
/* checks.c: see checks.h. */
#include "checks.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "parse.h"
#include "sys/sandbox.h"

#define REQUEST_BYTES_MAX (PATH_BYTES_MAX + 2 * URL_BYTES_MAX + 128)

enum phase { PHASE_IDLE, PHASE_CONNECT, PHASE_ANSWER };

struct check { /* of one upstream */
	const struct config_upstream *to;
	unsigned upstream_idx;
	enum phase phase;
	int fd; /* -1 when idle */
	uint64_t began_ms, next_ms;
	struct http_head head;
	size_t head_bytes;
	uint8_t head_at[HEAD_BYTES_MAX];
};

struct checks {
	struct queue *queue;
	pthread_t thread;
	int stop_fd;
	size_t cnt;
	struct check all[];
};

/* --- one check --- */

static void finish(struct checks *checks, struct check *check, enum health_sign sign)
{
	if (check->fd >= 0)
		close(check->fd);
	check->fd = -1;
	check->phase = PHASE_IDLE;
	check->next_ms = check->began_ms + check->to->check_ms;
	queue_note(checks->queue, check->upstream_idx, sign, true, check->began_ms, clock_coarse_ms());
}

static void begin(struct checks *checks, struct check *check, uint64_t now_ms)
{
	check->began_ms = now_ms;
	check->head_bytes = 0;
	check->fd = socket(check->to->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (check->fd < 0) {
		finish(checks, check, SIGN_NONE); /* ours */
		return;
	}
	check->phase = PHASE_CONNECT;
	if (connect(check->fd, (const struct sockaddr *)&check->to->address, check->to->address_bytes) < 0 &&
	    errno != EINPROGRESS)
		finish(checks, check, SIGN_DEAD);
}

static void ask(struct checks *checks, struct check *check)
{
	const struct config_upstream *to = check->to;
	char text[REQUEST_BYTES_MAX];
	int error = 0;
	socklen_t error_bytes = sizeof error;
	bool has_key = to->authorization[0] != 0;

	int bytes = snprintf(text, sizeof text,
			     "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: tollbar\r\nConnection: close\r\n%s%s%s\r\n",
			     to->check, to->host_header, has_key ? "Authorization: " : "", to->authorization,
			     has_key ? "\r\n" : "");
	getsockopt(check->fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes);
	/* So little fits into the buffer of a new connection, or there is no connection. */
	if (error != 0 || send(check->fd, text, (size_t)bytes, MSG_NOSIGNAL) != bytes)
		finish(checks, check, SIGN_DEAD);
	else
		check->phase = PHASE_ANSWER;
}

static void hear(struct checks *checks, struct check *check)
{
	uint8_t piece[4096];
	ssize_t bytes = recv(check->fd, piece, sizeof piece, 0);

	if (bytes < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (bytes <= 0) {
		finish(checks, check, SIGN_DEAD);
		return;
	}
	struct span span = span_of(piece, (size_t)bytes);
	switch (parse_answer_head(&check->head, check->head_at, &check->head_bytes, &span)) {
	case PARSE_DONE:
		finish(checks, check,
		       check->head.status >= 200 && check->head.status <= 299 ? SIGN_GOOD : SIGN_NOT_READY);
		break;
	case PARSE_BAD:
		finish(checks, check, SIGN_NOT_READY);
		break;
	case PARSE_MORE:
		break;
	}
}

/* --- all of them --- */

static void go_on(struct checks *checks, struct check *check, short events)
{
	uint64_t now_ms = clock_coarse_ms();

	if (check->phase == PHASE_IDLE) {
		if (now_ms >= check->next_ms)
			begin(checks, check, now_ms);
	} else if (events != 0 && check->phase == PHASE_CONNECT) {
		ask(checks, check);
	} else if (events != 0) {
		hear(checks, check);
	} else if (now_ms >= check->began_ms + check->to->check_timeout_ms) {
		finish(checks, check, check->phase == PHASE_CONNECT ? SIGN_DEAD : SIGN_SILENT);
	}
}

static uint64_t due_ms(const struct check *check)
{
	return check->phase == PHASE_IDLE ? check->next_ms : check->began_ms + check->to->check_timeout_ms;
}

static void *run(void *ctx)
{
	struct checks *checks = ctx;
	struct pollfd fds[UPSTREAMS_MAX + 1] = {{.fd = checks->stop_fd, .events = POLLIN}};

	sandbox_enter_thread(SANDBOX_CALLS);
	while (fds[0].revents == 0) {
		uint64_t now_ms = clock_coarse_ms(), first_ms = UINT64_MAX;
		for (size_t i = 0; i < checks->cnt; i++) {
			const struct check *check = &checks->all[i];
			fds[i + 1] = (struct pollfd){.fd = check->fd,
						     .events = check->phase == PHASE_CONNECT ? POLLOUT : POLLIN};
			if (due_ms(check) < first_ms)
				first_ms = due_ms(check);
		}
		/* The coarse clock is some milliseconds behind: one more, so as not to wake before the time. */
		poll(fds, checks->cnt + 1, first_ms > now_ms ? (int)(first_ms - now_ms) + 1 : 0);
		for (size_t i = 0; i < checks->cnt; i++)
			go_on(checks, &checks->all[i], fds[i + 1].revents);
	}
	return NULL;
}

int checks_start(struct checks **out, const struct config *config, struct queue *queue)
{
	struct checks *checks = calloc(1, sizeof *checks + config->upstream_cnt * sizeof *checks->all);

	*out = NULL;
	if (checks == NULL)
		return -ENOMEM;
	checks->queue = queue;
	for (size_t i = 0; i < config->upstream_cnt; i++)
		if (config->upstreams[i].check[0] != 0)
			checks->all[checks->cnt++] =
				(struct check){.to = &config->upstreams[i], .upstream_idx = (unsigned)i, .fd = -1};
	if (checks->cnt == 0) {
		free(checks);
		return 0;
	}
	checks->stop_fd = eventfd(0, EFD_CLOEXEC);
	int error = checks->stop_fd < 0 ? -errno : -pthread_create(&checks->thread, NULL, run, checks);
	if (error < 0) {
		if (checks->stop_fd >= 0)
			close(checks->stop_fd);
		free(checks);
		return error;
	}
	*out = checks;
	return 0;
}

void checks_stop(struct checks *checks)
{
	if (checks == NULL)
		return;
	eventfd_write(checks->stop_fd, 1);
	pthread_join(checks->thread, NULL);
	for (size_t i = 0; i < checks->cnt; i++)
		if (checks->all[i].fd >= 0)
			close(checks->all[i].fd);
	close(checks->stop_fd);
	free(checks);
}
