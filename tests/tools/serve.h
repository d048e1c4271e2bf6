// SPDX-License-Identifier: Apache-2.0
#ifndef TOLLBAR_TOOLS_SERVE_H
#define TOLLBAR_TOOLS_SERVE_H
/* serve.h: the HTTP/1.1 server under the test tools: one thread, edge-triggered epoll, keep-alive, timers.  Nothing is
 * allocated per request: a connection's buffers grow when they must and stay with its slot.
 *
 * It trusts its clients (tests and the gate under test) to frame their messages; it is no example of safe parsing.
 *
 * The including tool defines, before the #include:
 *     struct job { ... };                         what it remembers per connection; zeroed before every request
 * and after it:
 *     static void on_request(struct conn *conn);  a whole request is there; ends in conn_done() now or later
 *     static void on_timer(struct conn *conn);    conn_timer() is due
 *     static void on_gone(struct conn *conn);     the client left while a request was open */
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct text {
	const char *at;
	size_t bytes;
};

struct field {
	struct text name, value;
};

struct conn {
	struct conn *next_free;
	int fd;
	size_t heap_place; /* 1-based; 0: no timer */
	uint64_t due_ns;
	bool busy, dead, readable, close_when_done;
	bool continued; /* 100 Continue was sent for this request */
	char *in, *out;
	size_t in_bytes, in_room, out_from, out_bytes, out_room;
	size_t request_bytes; /* of the open request, in `in` */
	struct text method, target, head, body;
	struct field fields[64];
	size_t field_cnt;
	struct job job;
};

static void on_request(struct conn *conn);
static void on_timer(struct conn *conn);
static void on_gone(struct conn *conn);

enum { SERVE_CONNS_MAX = 16384, SERVE_IN_BYTES = 16384, SERVE_BODY_BYTES_MAX = 64 << 20 };

static struct conn *conns_free, *conns_dead;
static struct conn *heap[SERVE_CONNS_MAX + 1];
static size_t heap_cnt;
static uint64_t now_ns, accepted_cnt;
static int epoll_fd;
static volatile sig_atomic_t stopping;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t read_clock(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static bool text_is(struct text text, const char *word)
{
	size_t bytes = strlen(word);
	return text.bytes == bytes && memcmp(text.at, word, bytes) == 0;
}

static uint64_t text_number(struct text text)
{
	uint64_t number = 0;
	for (size_t i = 0; i < text.bytes && isdigit((unsigned char)text.at[i]); i++)
		number = number * 10 + (uint64_t)(text.at[i] - '0');
	return number;
}

/* --- timers: a binary heap by due time, each connection knowing its place --- */

static void heap_put(size_t place, struct conn *conn)
{
	heap[place] = conn;
	conn->heap_place = place;
}

static void heap_sift(size_t place)
{
	struct conn *conn = heap[place];

	for (; place > 1 && heap[place / 2]->due_ns > conn->due_ns; place /= 2)
		heap_put(place, heap[place / 2]);
	for (size_t child; (child = 2 * place) <= heap_cnt; place = child) {
		if (child < heap_cnt && heap[child + 1]->due_ns < heap[child]->due_ns)
			child++;
		if (heap[child]->due_ns >= conn->due_ns)
			break;
		heap_put(place, heap[child]);
	}
	heap_put(place, conn);
}

static void conn_timer_stop(struct conn *conn)
{
	size_t place = conn->heap_place;
	struct conn *last = heap[heap_cnt];

	if (place == 0)
		return;
	conn->heap_place = 0;
	heap_cnt--;
	if (last != conn) {
		heap_put(place, last);
		heap_sift(place);
	}
}

static void conn_timer(struct conn *conn, uint64_t delay_ns)
{
	if (conn->dead)
		return;
	conn->due_ns = now_ns + delay_ns;
	if (conn->heap_place == 0)
		heap_put(++heap_cnt, conn);
	heap_sift(conn->heap_place);
}

/* --- connections --- */

/* Marks it; the loop closes it after the events of this round, since one of them may still name it. */
static void conn_kill(struct conn *conn)
{
	if (conn->dead)
		return;
	conn->dead = true;
	conn_timer_stop(conn);
	conn->next_free = conns_dead;
	conns_dead = conn;
}

/* The next close() sends RST instead of FIN. */
static void conn_reset(struct conn *conn)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	conn->out_bytes = conn->out_from = 0;
	conn_kill(conn);
}

static void conn_gone(struct conn *conn)
{
	if (conn->busy && !conn->dead)
		on_gone(conn);
	conn_kill(conn);
}

static void conns_bury(void)
{
	while (conns_dead != NULL) {
		struct conn *conn = conns_dead;
		conns_dead = conn->next_free;
		close(conn->fd);
		conn->next_free = conns_free;
		conns_free = conn;
	}
}

static char *grow(char *buffer, size_t *room, size_t need)
{
	while (*room < need)
		*room = *room == 0 ? SERVE_IN_BYTES : *room * 2;
	buffer = realloc(buffer, *room);
	if (buffer == NULL)
		fail("realloc");
	return buffer;
}

static void conn_flush(struct conn *conn)
{
	while (conn->out_from < conn->out_bytes) {
		ssize_t sent =
			send(conn->fd, conn->out + conn->out_from, conn->out_bytes - conn->out_from, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
			return;
		if (sent < 0) {
			conn_gone(conn);
			return;
		}
		conn->out_from += (size_t)sent;
	}
	conn->out_from = conn->out_bytes = 0;
	if (conn->close_when_done && !conn->busy)
		conn_kill(conn);
}

static void conn_send(struct conn *conn, const char *at, size_t bytes)
{
	if (conn->dead)
		return;
	if (conn->out_bytes == 0) {
		ssize_t sent = send(conn->fd, at, bytes, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN) {
			conn_gone(conn);
			return;
		}
		at += sent > 0 ? sent : 0;
		bytes -= sent > 0 ? (size_t)sent : 0;
	}
	if (bytes == 0)
		return;
	if (conn->out_room < conn->out_bytes + bytes)
		conn->out = grow(conn->out, &conn->out_room, conn->out_bytes + bytes);
	memcpy(conn->out + conn->out_bytes, at, bytes);
	conn->out_bytes += bytes;
}

/* The answer is complete: the next request, if its bytes are here already, is taken up by the loop. */
static void conn_done(struct conn *conn)
{
	conn_timer_stop(conn);
	conn->busy = false;
	conn->in_bytes -= conn->request_bytes;
	memmove(conn->in, conn->in + conn->request_bytes, conn->in_bytes);
	conn->request_bytes = 0;
	conn->continued = false;
	if (conn->close_when_done && conn->out_bytes == 0)
		conn_kill(conn);
}

static void conn_answer(struct conn *conn, const char *status, const char *body, size_t body_bytes)
{
	char head[256];
	int head_bytes = snprintf(head, sizeof(head),
				  "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n",
				  status, body_bytes, conn->close_when_done ? "Connection: close\r\n" : "");

	conn_send(conn, head, (size_t)head_bytes);
	conn_send(conn, body, body_bytes);
	conn_done(conn);
}

/* --- requests --- */

static struct text conn_field(const struct conn *conn, const char *name)
{
	size_t bytes = strlen(name);

	for (size_t i = 0; i < conn->field_cnt; i++) {
		const struct field *field = &conn->fields[i];
		if (field->name.bytes == bytes && strncasecmp(field->name.at, name, bytes) == 0)
			return field->value;
	}
	return (struct text){NULL, 0};
}

static void split_head(struct conn *conn, const char *at, const char *end)
{
	const char *line_end = memchr(at, '\r', (size_t)(end - at));
	const char *space = memchr(at, ' ', (size_t)(line_end - at));

	conn->method = (struct text){at, space == NULL ? 0 : (size_t)(space - at)};
	at = space == NULL ? line_end : space + 1;
	space = memchr(at, ' ', (size_t)(line_end - at));
	conn->target = (struct text){at, (size_t)((space == NULL ? line_end : space) - at)};
	conn->field_cnt = 0;
	for (at = line_end + 2; at < end && conn->field_cnt < 64; at = line_end + 2) {
		line_end = memchr(at, '\r', (size_t)(end - at));
		const char *colon = memchr(at, ':', (size_t)(line_end - at));
		if (colon == NULL)
			continue;
		const char *value = colon + 1;
		while (value < line_end && *value == ' ')
			value++;
		conn->fields[conn->field_cnt++] =
			(struct field){{at, (size_t)(colon - at)}, {value, (size_t)(line_end - value)}};
	}
}

/* A chunked body is joined in place.  Returns its raw size, 0 while it is incomplete; *body gets the joined bytes. */
static size_t join_chunks(char *at, size_t bytes, size_t *body_bytes)
{
	char *from = at, *to = at, *end = at + bytes;
	size_t size;

	/* first pass: is all of it here?  second pass: move */
	for (int pass = 0; pass < 2; pass++) {
		for (from = at;; from += size + 2) {
			char *line_end = memmem(from, (size_t)(end - from), "\r\n", 2);
			if (line_end == NULL)
				return 0;
			size = strtoul(from, NULL, 16);
			from = line_end + 2;
			if (size > (size_t)(end - from) || (size_t)(end - from) < size + 2)
				return 0;
			if (size == 0)
				break;
			if (pass == 1) {
				memmove(to, from, size);
				to += size;
			}
		}
	}
	*body_bytes = (size_t)(to - at);
	return (size_t)(from + 2 - at);
}

/* True when `in` starts with a whole request; its spans point into `in`. */
static bool take_request(struct conn *conn)
{
	char *end = memmem(conn->in, conn->in_bytes, "\r\n\r\n", 4);
	size_t head_bytes, rest_bytes, body_bytes = 0;

	if (end == NULL)
		return false;
	split_head(conn, conn->in, end + 2);
	conn->head = (struct text){conn->in, (size_t)(end + 2 - conn->in)};
	head_bytes = conn->head.bytes + 2;
	rest_bytes = conn->in_bytes - head_bytes;
	conn->body.at = conn->in + head_bytes;
	if (text_is(conn_field(conn, "transfer-encoding"), "chunked")) {
		/* join_chunks gives its length only when the last chunk is here, so nothing is moved before */
		size_t raw_bytes = join_chunks(conn->in + head_bytes, rest_bytes, &body_bytes);
		conn->body.bytes = body_bytes;
		conn->request_bytes = head_bytes + raw_bytes;
		if (raw_bytes != 0)
			goto whole;
	} else {
		body_bytes = text_number(conn_field(conn, "content-length"));
		conn->body.bytes = body_bytes;
		conn->request_bytes = head_bytes + body_bytes;
		if (rest_bytes >= body_bytes)
			goto whole;
	}
	if (!conn->continued && text_is(conn_field(conn, "expect"), "100-continue")) {
		conn->continued = true;
		conn_send(conn, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	}
	return false;
whole:
	conn->close_when_done = text_is(conn_field(conn, "connection"), "close");
	return true;
}

static void conn_read(struct conn *conn)
{
	while (!conn->dead && !conn->busy) {
		if (conn->in_bytes > 0 && take_request(conn)) {
			conn->busy = true;
			memset(&conn->job, 0, sizeof(conn->job));
			on_request(conn);
			continue;
		}
		if (!conn->readable)
			return;
		if (conn->in_room - conn->in_bytes < SERVE_IN_BYTES / 2)
			conn->in = grow(conn->in, &conn->in_room, conn->in_bytes + SERVE_IN_BYTES);
		if (conn->in_bytes > SERVE_BODY_BYTES_MAX) {
			conn_kill(conn);
			return;
		}
		size_t room = conn->in_room - conn->in_bytes;
		ssize_t got = recv(conn->fd, conn->in + conn->in_bytes, room, 0);
		if (got > 0)
			conn->in_bytes += (size_t)got;
		else if (got == 0 || errno != EAGAIN)
			conn_gone(conn);
		if (got < (ssize_t)room)
			conn->readable = false;
	}
}

static void conn_event(struct conn *conn, uint32_t events)
{
	if (conn->dead)
		return;
	if (events & EPOLLIN)
		conn->readable = true;
	if ((events & EPOLLOUT) && conn->out_bytes != 0)
		conn_flush(conn);
	conn_read(conn);
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		conn_gone(conn);
}

static void accept_all(int listen_fd)
{
	for (;;) {
		struct conn *conn = conns_free;
		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;

		if (fd < 0)
			return;
		if (conn == NULL) { /* more clients than a test ever has */
			close(fd);
			continue;
		}
		conns_free = conn->next_free;
		accepted_cnt++;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		char *in = conn->in, *out = conn->out;
		size_t in_room = conn->in_room, out_room = conn->out_room;
		*conn = (struct conn){.fd = fd, .in = in, .out = out, .in_room = in_room, .out_room = out_room};
		struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = conn};
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
			fail("epoll_ctl");
	}
}

static void run_timers(void)
{
	while (heap_cnt > 0 && heap[1]->due_ns <= now_ns) {
		struct conn *conn = heap[1];
		conn_timer_stop(conn);
		on_timer(conn);
		conn_read(conn);
	}
}

static void on_stop_signal(int number)
{
	(void)number;
	stopping = 1;
}

static void serve_loop(int listen_fd)
{
	struct epoll_event events[256], listener = {.events = EPOLLIN, .data.ptr = NULL};
	struct timespec wait;

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &listener) != 0)
		fail("epoll");
	while (!stopping) {
		uint64_t left_ns = heap_cnt == 0	       ? 1000000000u
				   : heap[1]->due_ns <= now_ns ? 0
							       : heap[1]->due_ns - now_ns;
		wait = (struct timespec){(time_t)(left_ns / 1000000000u), (long)(left_ns % 1000000000u)};
		int cnt = epoll_pwait2(epoll_fd, events, 256, &wait, NULL);
		now_ns = read_clock();
		for (int i = 0; i < cnt; i++) {
			if (events[i].data.ptr == NULL)
				accept_all(listen_fd);
			else
				conn_event(events[i].data.ptr, events[i].events);
		}
		run_timers();
		conns_bury();
	}
}

/* Listens and says where: "port N" on standard output, and in port_file (written whole, then renamed into place). */
static int serve_listen(const char *address, const char *port, const char *port_file)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	struct sockaddr_in6 bound = {0};
	socklen_t bound_bytes = sizeof(bound);
	struct rlimit files;
	struct sigaction stop = {.sa_handler = on_stop_signal};
	int one = 1;

	if (getaddrinfo(address, port, &hints, &found) != 0) {
		fprintf(stderr, "bad address %s port %s\n", address, port);
		exit(2);
	}
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)&bound, &bound_bytes) != 0)
		fail("listen");
	freeaddrinfo(found);
	unsigned port_number = ntohs(bound.sin6_port); /* at the same place in sockaddr_in */
	if (port_file != NULL) {
		char temporary[4096];
		snprintf(temporary, sizeof(temporary), "%s.new", port_file);
		FILE *file = fopen(temporary, "w");
		if (file == NULL || fprintf(file, "%u\n", port_number) < 0 || fclose(file) != 0 ||
		    rename(temporary, port_file) != 0)
			fail(port_file);
	}
	printf("port %u\n", port_number);
	fflush(stdout);

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	struct conn *slots = calloc(SERVE_CONNS_MAX, sizeof(*slots));
	if (slots == NULL)
		fail("calloc");
	for (size_t i = 0; i < SERVE_CONNS_MAX; i++) {
		slots[i].next_free = conns_free;
		conns_free = &slots[i];
	}
	now_ns = read_clock();
	return fd;
}

#endif
