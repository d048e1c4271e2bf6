// SPDX-License-Identifier: Apache-2.0
/* load: HTTP load over keep-alive connections, one thread, closed loop: a connection sends its next request when the
 * answer to the last is complete.
 *
 *   load [OPTIONS] URL                   http://A.B.C.D:PORT/PATH, or https
 *     --connections C   default 1
 *     --requests N      stop after N; or
 *     --seconds T       stop after T seconds, finishing what is open; default 5
 *     --data TEXT|@FILE body, sent as JSON by POST (default GET without one)
 *     --header 'K: V'   may be repeated
 *     --expect STATUS   default 200; any other answer makes the exit status 1
 *   paid requests, each with a payment of its own:
 *     --pay N --key FILE [--method eip3009|permit2|upto]   fetches the challenge once and signs N payments before it
 *                       starts; it then ends when they are used up
 *     --headers-file F  the same with payment headers from a file, "NAME: VALUE" a line
 *     --save-headers F  writes the signed ones there in that form and sends nothing
 *
 * Prints one "name value" a line: completed, ok (expected status), errors (broken connections), status_NNN, seconds,
 * rate, p50_us, p99_us (request to last byte), first_p50_us (to first byte), events (server-sent), bytes. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "load_payments.h"
#include "load_tls.h"

enum { CONNECTIONS_MAX = 8192, HEADERS_MAX = 16, LATENCIES_MAX = 1 << 24 };

enum part { PART_HEAD, PART_LENGTH, PART_SIZE_LINE, PART_CHUNK, PART_CHUNK_END, PART_TRAILER, PART_CLOSE };

struct conn {
	int fd;
	SSL *tls; /* NULL: plain */
	enum part part;
	bool open, fresh, close_after, newline;
	unsigned status;
	uint64_t sent_ns, first_ns;
	size_t left; /* of the body or chunk */
	size_t line_bytes, head_bytes;
	char head[IN_BYTES];
};

static struct {
	struct sockaddr_in address;
	char host[64], path[512];
	const char *body, *headers[HEADERS_MAX];
	size_t body_bytes, header_cnt;
	bool tls;
	unsigned connections, expect;
	uint64_t requests, stop_ns;
} want = {.connections = 1, .expect = 200};

static struct {
	uint64_t started, completed, ok, errors, events, bytes, status[600];
	uint32_t *latency_us, *first_us;
	size_t latency_cnt;
} result;

static struct load_request request;
static int epoll_fd;
static uint64_t now_ns;
static unsigned open_cnt;

/* --- the requests --- */

static void make_request(void)
{
	size_t used = 0;

	used += (size_t)snprintf(request.head, sizeof(request.head), "%s %s HTTP/1.1\r\nHost: %s\r\n",
				 want.body != NULL ? "POST" : "GET", want.path, want.host);
	if (want.body != NULL)
		used += (size_t)snprintf(request.head + used, sizeof(request.head) - used,
					 "Content-Type: application/json\r\nContent-Length: %zu\r\n", want.body_bytes);
	for (size_t i = 0; i < want.header_cnt && used < sizeof(request.head); i++)
		used += (size_t)snprintf(request.head + used, sizeof(request.head) - used, "%s\r\n", want.headers[i]);
	if (used >= sizeof(request.head))
		fail("head too long");
	request.head_bytes = used;
	request.rest_bytes = 2 + want.body_bytes;
	request.rest = allocate(request.rest_bytes);
	memcpy(request.rest, "\r\n", 2);
	if (want.body != NULL)
		memcpy(request.rest + 2, want.body, want.body_bytes);
}

/* --- connections --- */

static bool may_start(void)
{
	if (payments.lines != NULL && payments.used == payments.cnt)
		return false;
	return want.requests != 0 ? result.started < want.requests : now_ns < want.stop_ns;
}

static void conn_close(struct conn *conn)
{
	SSL_free(conn->tls);
	conn->tls = NULL;
	close(conn->fd);
	conn->fd = -1;
	conn->open = false;
}

static void conn_open(struct conn *conn)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = conn};
	int one = 1;

	conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conn->fd < 0 || connect(conn->fd, (struct sockaddr *)&want.address, sizeof(want.address)) != 0)
		fail("connect");
	setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (want.tls)
		conn->tls = load_tls_open(conn->fd);
	fcntl(conn->fd, F_SETFL, O_NONBLOCK);
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) != 0)
		fail("epoll_ctl");
}

static void start_request(struct conn *conn)
{
	struct iovec parts[3] = {{request.head, request.head_bytes}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 1};
	size_t bytes = request.head_bytes + request.rest_bytes;

	if (payments.lines != NULL) {
		struct span line = payments.lines[payments.used++];
		parts[message.msg_iovlen++] = (struct iovec){(void *)(uintptr_t)line.at, line.bytes};
		bytes += line.bytes;
	}
	parts[message.msg_iovlen++] = (struct iovec){request.rest, request.rest_bytes};
	conn->part = PART_HEAD;
	conn->open = conn->fresh = true;
	conn->head_bytes = 0;
	conn->sent_ns = now_ns;
	result.started++;
	open_cnt++;
	ssize_t sent = conn->tls != NULL ? load_tls_send(conn->tls, parts, message.msg_iovlen)
					 : sendmsg(conn->fd, &message, MSG_NOSIGNAL);
	if (conn->tls != NULL && sent < 0)
		fail("TLS write");
	if (sent >= 0 && (size_t)sent != bytes) {
		/* more than a socket buffer holds: the rest may wait, this is not what is being measured */
		fcntl(conn->fd, F_SETFL, 0);
		for (size_t i = 0, skip = (size_t)sent; i < message.msg_iovlen; i++) {
			size_t part_skip = skip < parts[i].iov_len ? skip : parts[i].iov_len;
			skip -= part_skip;
			if (send(conn->fd, (char *)parts[i].iov_base + part_skip, parts[i].iov_len - part_skip,
				 MSG_NOSIGNAL) < 0)
				break;
		}
		fcntl(conn->fd, F_SETFL, O_NONBLOCK);
	}
}

static void next_request(struct conn *conn)
{
	if (!may_start())
		return;
	if (conn->fd < 0)
		conn_open(conn);
	start_request(conn);
}

static void finish_request(struct conn *conn)
{
	result.completed++;
	result.status[conn->status < 600 ? conn->status : 0]++;
	result.ok += conn->status == want.expect;
	if (result.latency_cnt < LATENCIES_MAX) {
		result.latency_us[result.latency_cnt] = (uint32_t)((now_ns - conn->sent_ns) / 1000);
		result.first_us[result.latency_cnt++] = (uint32_t)((conn->first_ns - conn->sent_ns) / 1000);
	}
	conn->open = false;
	open_cnt--;
	if (conn->close_after)
		conn_close(conn);
	next_request(conn);
}

static void break_request(struct conn *conn)
{
	if (conn->open && conn->part == PART_CLOSE) {
		conn->close_after = true;
		finish_request(conn);
		return;
	}
	if (conn->open) {
		result.errors++;
		open_cnt--;
	}
	conn_close(conn);
	next_request(conn);
}

/* The head is whole in conn->head: what follows it? */
static void read_head(struct conn *conn)
{
	const char *length = strcasestr(conn->head, "\r\ncontent-length:");

	conn->status = (unsigned)strtoul(conn->head + 9, NULL, 10);
	conn->close_after = strcasestr(conn->head, "\r\nconnection: close") != NULL;
	conn->part = PART_CLOSE;
	if (strcasestr(conn->head, "\r\ntransfer-encoding: chunked") != NULL) {
		conn->part = PART_SIZE_LINE;
		conn->left = conn->line_bytes = 0;
	} else if (length != NULL) {
		conn->part = PART_LENGTH;
		conn->left = strtoul(length + 17, NULL, 10);
	}
}

/* An event ends with an empty line. */
static void count_events(struct conn *conn, const char *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if (at[i] == '\n' && conn->newline)
			result.events++;
		if (at[i] != '\r')
			conn->newline = at[i] == '\n' && !conn->newline;
	}
}

static size_t take_head(struct conn *conn, const char *at, size_t bytes)
{
	size_t before = conn->head_bytes;
	size_t room = sizeof(conn->head) - 1 - before;

	bytes = bytes < room ? bytes : room;
	memcpy(conn->head + before, at, bytes);
	conn->head[before + bytes] = 0;
	char *end = strstr(conn->head + (before < 3 ? 0 : before - 3), "\r\n\r\n");
	if (end == NULL) {
		conn->head_bytes += bytes;
		return bytes;
	}
	end[2] = 0;
	conn->newline = false;
	read_head(conn);
	return (size_t)(end + 4 - conn->head) - before;
}

/* Takes one piece of the answer; returns its size.  *done when the answer is complete. */
static size_t take(struct conn *conn, const char *at, size_t bytes, bool *done)
{
	size_t piece;

	switch (conn->part) {
	case PART_HEAD:
		piece = take_head(conn, at, bytes);
		*done = conn->part == PART_LENGTH && conn->left == 0;
		return piece;
	case PART_LENGTH:
	case PART_CHUNK:
		piece = bytes < conn->left ? bytes : conn->left;
		count_events(conn, at, piece);
		conn->left -= piece;
		*done = conn->part == PART_LENGTH && conn->left == 0;
		if (conn->part == PART_CHUNK && conn->left == 0)
			conn->part = PART_CHUNK_END;
		return piece;
	case PART_SIZE_LINE:
		if (isxdigit((unsigned char)*at))
			conn->left = conn->left * 16 + (size_t)(*at <= '9' ? *at - '0' : (*at | 0x20) - 'a' + 10);
		if (*at == '\n')
			conn->part = conn->left == 0 ? PART_TRAILER : PART_CHUNK;
		return 1;
	case PART_CHUNK_END:
		if (*at == '\n')
			conn->part = PART_SIZE_LINE;
		return 1;
	case PART_TRAILER: /* ends at an empty line */
		*done = *at == '\n' && conn->line_bytes == 0;
		conn->line_bytes = *at == '\n' ? 0 : conn->line_bytes + (*at != '\r');
		return 1;
	case PART_CLOSE:
	default:
		count_events(conn, at, bytes);
		return bytes;
	}
}

/* Edge-triggered: a close that came with the last bytes is not reported again, so it is read at once. */
static void conn_event(struct conn *conn, bool closed)
{
	static char in[IN_BYTES];

	while (conn->fd >= 0) {
		ssize_t got = conn->tls != NULL ? load_tls_recv(conn->tls, in, sizeof(in))
						: recv(conn->fd, in, sizeof(in), 0);
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			break_request(conn);
			return;
		}
		result.bytes += (size_t)got;
		if (conn->fresh)
			conn->first_ns = now_ns;
		conn->fresh = false;
		for (size_t used = 0; used < (size_t)got;) {
			bool done = false;
			if (!conn->open) /* bytes nobody asked for */
				fail("bytes after the answer");
			used += take(conn, in + used, (size_t)got - used, &done);
			if (!done)
				continue;
			if (used != (size_t)got)
				fail("bytes after the answer");
			finish_request(conn);
		}
		if (conn->tls == NULL && got < (ssize_t)sizeof(in) && !closed)
			return;
	}
}

static void run(void)
{
	struct conn *conns = allocate(want.connections * sizeof(*conns));
	struct epoll_event events[256];

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < want.connections; i++) {
		conns[i].fd = -1;
		now_ns = clock_ns();
		next_request(&conns[i]);
	}
	while (open_cnt > 0) {
		int cnt = epoll_wait(epoll_fd, events, 256, 1000);
		now_ns = clock_ns();
		for (int i = 0; i < cnt; i++)
			conn_event(events[i].data.ptr, (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
		if (want.requests == 0 && now_ns > want.stop_ns + 60000000000u) {
			fprintf(stderr, "load: %u answers never came\n", open_cnt);
			result.errors += open_cnt;
			break;
		}
	}
	free(conns);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static uint32_t percentile(uint32_t *at, unsigned percent)
{
	if (result.latency_cnt == 0)
		return 0;
	qsort(at, result.latency_cnt, sizeof(*at), compare_u32);
	return at[(result.latency_cnt - 1) * percent / 100];
}

static void print_result(double seconds)
{
	printf("completed %llu\nok %llu\nerrors %llu\n", (unsigned long long)result.completed,
	       (unsigned long long)result.ok, (unsigned long long)result.errors);
	for (unsigned i = 0; i < 600; i++)
		if (result.status[i] != 0)
			printf("status_%03u %llu\n", i, (unsigned long long)result.status[i]);
	printf("seconds %.3f\nrate %.1f\n", seconds, seconds > 0 ? (double)result.completed / seconds : 0);
	printf("p50_us %u\np99_us %u\n", percentile(result.latency_us, 50), percentile(result.latency_us, 99));
	printf("first_p50_us %u\n", percentile(result.first_us, 50));
	printf("events %llu\nbytes %llu\n", (unsigned long long)result.events, (unsigned long long)result.bytes);
}

/* --- the command line --- */

static _Noreturn void usage(void)
{
	fprintf(stderr,
		"usage: load [--connections C] [--requests N | --seconds T] [--data TEXT|@FILE] [--header 'K: V']\n"
		"            [--expect STATUS] [--pay N --key FILE [--method M] | --headers-file F] [--save-headers F] "
		"URL\n");
	exit(2);
}

static void read_url(const char *url)
{
	char address[48];
	unsigned port;

	want.address.sin_family = AF_INET;
	want.tls = strncmp(url, "https:", 6) == 0;
	if (sscanf(url, want.tls ? "https://%47[0-9.]:%u%511s" : "http://%47[0-9.]:%u%511s", address, &port,
		   want.path) != 3 ||
	    inet_pton(AF_INET, address, &want.address.sin_addr) != 1)
		usage();
	want.address.sin_port = htons((uint16_t)port);
	snprintf(want.host, sizeof(want.host), "%s:%u", address, port);
}

static enum method read_method(const char *word)
{
	static const char *const words[] = {
		[METHOD_EIP3009] = "eip3009", [METHOD_PERMIT2] = "permit2", [METHOD_UPTO] = "upto"};

	for (size_t i = 1; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i]) == 0)
			return (enum method)i;
	usage();
}

struct paying {
	size_t cnt;
	const char *key_file, *headers_file, *save_file;
	enum method method;
};

static void read_options(int argc, char **argv, struct paying *paying, double *seconds)
{
	static const struct option options[] = {
		{"connections", 1, 0, 'c'},  {"requests", 1, 0, 'n'},	  {"seconds", 1, 0, 's'},
		{"data", 1, 0, 'd'},	     {"header", 1, 0, 'H'},	  {"expect", 1, 0, 'e'},
		{"pay", 1, 0, 'p'},	     {"key", 1, 0, 'k'},	  {"method", 1, 0, 'm'},
		{"headers-file", 1, 0, 'f'}, {"save-headers", 1, 0, 'S'}, {0, 0, 0, 0},
	};

	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 'c':
			want.connections = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'n':
			want.requests = strtoull(optarg, NULL, 10);
			break;
		case 's':
			*seconds = strtod(optarg, NULL);
			break;
		case 'd':
			want.body = optarg[0] == '@' ? read_file(optarg + 1, &want.body_bytes) : optarg;
			want.body_bytes = optarg[0] == '@' ? want.body_bytes : strlen(optarg);
			break;
		case 'H':
			if (want.header_cnt == HEADERS_MAX)
				usage();
			want.headers[want.header_cnt++] = optarg;
			break;
		case 'e':
			want.expect = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'p':
			paying->cnt = strtoull(optarg, NULL, 10);
			break;
		case 'k':
			paying->key_file = optarg;
			break;
		case 'm':
			paying->method = read_method(optarg);
			break;
		case 'f':
			paying->headers_file = optarg;
			break;
		case 'S':
			paying->save_file = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind != argc - 1 || want.connections == 0 || want.connections > CONNECTIONS_MAX ||
	    (paying->cnt != 0 && paying->key_file == NULL))
		usage();
	read_url(argv[optind]);
}

int main(int argc, char **argv)
{
	struct paying paying = {0};
	double seconds = 5;

	signal(SIGPIPE, SIG_IGN);
	read_options(argc, argv, &paying, &seconds);
	make_request();
	if (paying.cnt != 0)
		sign_payments(paying.cnt, paying.key_file, paying.method, &want.address, &request);
	else if (paying.headers_file != NULL)
		load_payments(paying.headers_file);
	if (paying.save_file != NULL) {
		save_payments(paying.save_file);
		return 0;
	}
	if (payments.lines != NULL && want.requests == 0)
		want.requests = payments.cnt;
	result.latency_us = allocate(LATENCIES_MAX * sizeof(uint32_t));
	result.first_us = allocate(LATENCIES_MAX * sizeof(uint32_t));
	uint64_t start_ns = clock_ns();
	want.stop_ns = start_ns + (uint64_t)(seconds * 1e9);
	run();
	print_result((double)(clock_ns() - start_ns) / 1e9);
	return result.errors != 0 || result.ok != result.completed || result.completed == 0;
}
