// SPDX-License-Identifier: Apache-2.0
/* admin.c: the listener of admin.h.  One poll loop; every client has its place, its buffers and its two seconds. */
#include "admin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/text.h"
#include "page.h"
#include "parse.h"
#include "reason.h"
#include "sys/activation.h"

#define CLIENT_CNT 32
#define BACKLOG_CNT 128
#define CLIENT_NS (2 * UINT64_C(1000000000)) /* from accept to the end */
#define ACCEPT_PAUSE_NS UINT64_C(100000000)  /* after an accept failed for want of descriptors or memory */
#define HEAD_TEXT_BYTES_MAX 1024
#define PAGE_HEAD_BYTES_MAX 512 /* of it, the status page's own lines */

enum client_state {
	CLIENT_FREE,
	CLIENT_READING,
	CLIENT_WRITING,
	CLIENT_CLOSING, /* answered: reads until the client closes too, lest a reset overtakes the answer */
};

struct client {
	enum client_state state;
	int fd;
	uint64_t end_ns;
	size_t in_bytes;
	size_t out_bytes, out_at;
	char in[HEAD_BYTES_MAX];
	char out[HEAD_TEXT_BYTES_MAX + ADMIN_TEXT_BYTES_MAX];
};

struct admin {
	struct admin_config config;
	int listen_fd;
	uint64_t accept_after_ns;
	struct client clients[CLIENT_CNT]; /* 9 MiB, of which only what was used once takes memory */
	struct admin_view view;
	struct admin_overhead overhead;
	char body[ADMIN_TEXT_BYTES_MAX];
	char status_json[ADMIN_TEXT_BYTES_MAX],
		overhead_json[ADMIN_TEXT_BYTES_MAX]; /* what the status page is made of */
	char page_head[PAGE_HEAD_BYTES_MAX];
};

/* --- answers --- */

struct answer {
	unsigned status;
	const char *type;
	const char *extra; /* header lines */
	size_t body_bytes; /* of admin->body */
};

static const char *phrase(unsigned status)
{
	switch (status) {
	case 200:
		return "OK";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 503:
		return "Service Unavailable";
	case 500:
		return "Internal Server Error";
	default:
		return "Bad Request";
	}
}

static struct answer plain(struct admin *admin, unsigned status, const char *text)
{
	size_t bytes = strlen(text);

	memcpy(admin->body, text, bytes);
	return (struct answer){status, "text/plain; charset=utf-8", "", bytes};
}

static struct answer made(struct admin *admin, const char *type,
			  size_t (*make)(char *out, size_t out_bytes, const struct admin_view *view))
{
	size_t bytes = make(admin->body, sizeof admin->body, &admin->view);

	if (bytes == 0)
		return plain(admin, 500, "the text does not fit");
	return (struct answer){200, type, "", bytes};
}

static const char *why(const struct admin_view *view)
{
	return view->not_ready != NULL ? view->not_ready : "not_ready";
}

/* Looks at the overhead that the query asks for.  False: the answer says why not. */
static bool take_overhead(struct admin *admin, struct span query, struct answer *answer)
{
	struct admin_overhead *view = &admin->overhead;

	memset(view, 0, sizeof *view);
	if (!admin_overhead_read(view, query))
		*answer = plain(admin, 400, "can be asked for: route=NAME, since=SECONDS");
	else if (!admin->config.look_overhead(admin->config.look_ctx, view))
		*answer = plain(admin, 404, "there is no such route");
	else
		return true;
	return false;
}

static struct answer answer_overhead(struct admin *admin, struct span query)
{
	struct answer answer;

	if (!take_overhead(admin, query, &answer))
		return answer;
	size_t bytes = admin_overhead_text(admin->body, sizeof admin->body, &admin->overhead);
	return (struct answer){200, "application/json", "", bytes};
}

/* Nothing is loaded but the page itself, and only the script in it runs. */
static const char *page_head(struct admin *admin, const char *nonce)
{
	struct text text;

	text_init(&text, admin->page_head, sizeof admin->page_head);
	text_put(&text,
		 "Content-Security-Policy: default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
		 "connect-src 'self'; "
		 "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n"
		 "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n",
		 nonce, nonce);
	ASSERT(text_done(&text) != 0);
	return admin->page_head;
}

static struct answer answer_page(struct admin *admin, struct span query)
{
	uint8_t random[16];
	char nonce[HEX_BYTES(sizeof random)];
	struct answer answer;

	if (getrandom(random, sizeof random, 0) != sizeof random)
		return plain(admin, 500, "no random bytes");
	hex_encode(nonce, random, sizeof random);
	if (!take_overhead(admin, query, &answer))
		return answer;
	size_t overhead_bytes =
		admin_overhead_text(admin->overhead_json, sizeof admin->overhead_json, &admin->overhead);
	admin->config.look(admin->config.look_ctx, &admin->view);
	size_t status_bytes = admin_status(admin->status_json, sizeof admin->status_json, &admin->view);
	size_t bytes = page_html(admin->body, sizeof admin->body, span_of(admin->status_json, status_bytes),
				 span_of(admin->overhead_json, overhead_bytes), admin->overhead.since_s, nonce);
	if (bytes == 0)
		return plain(admin, 500, "the page does not fit");
	return (struct answer){200, "text/html; charset=utf-8", page_head(admin, nonce), bytes};
}

static struct answer answer_path(struct admin *admin, struct span path, struct span query)
{
	if (span_equal(path, SPAN("/livez")))
		return plain(admin, 200, "ok");
	if (span_equal(path, SPAN("/overhead")))
		return answer_overhead(admin, query);
	if (span_equal(path, SPAN("/")))
		return answer_page(admin, query);
	admin->config.look(admin->config.look_ctx, &admin->view);
	if (span_equal(path, SPAN("/readyz")))
		return admin->view.ready ? plain(admin, 200, "ready") : plain(admin, 503, why(&admin->view));
	if (span_equal(path, SPAN("/metrics")))
		return made(admin, "text/plain; version=0.0.4; charset=utf-8", admin_metrics);
	return made(admin, "application/json", admin_status);
}

static bool is_known(struct span path)
{
	return span_equal(path, SPAN("/livez")) || span_equal(path, SPAN("/readyz")) ||
	       span_equal(path, SPAN("/metrics")) || span_equal(path, SPAN("/status")) ||
	       span_equal(path, SPAN("/overhead")) || span_equal(path, SPAN("/"));
}

static struct answer answer_request(struct admin *admin, const struct http_head *head)
{
	const uint8_t *mark = memchr(head->target.at, '?', head->target.bytes);
	size_t path_bytes = mark != NULL ? (size_t)(mark - head->target.at) : head->target.bytes;
	struct span path = span_of(head->target.at, path_bytes);
	struct span query = mark != NULL ? span_of(mark + 1, head->target.bytes - path_bytes - 1) : (struct span){0};
	struct answer answer;

	if (!is_known(path))
		return plain(admin, 404, "there are /, /livez, /readyz, /metrics, /status and /overhead");
	if (!span_equal(head->method, SPAN("GET")) && !span_equal(head->method, SPAN("HEAD"))) {
		answer = plain(admin, 405, "GET or HEAD");
		answer.extra = "Allow: GET, HEAD\r\n";
		return answer;
	}
	return answer_path(admin, path, query);
}

static void start_answer(struct client *client, const struct admin *admin, const struct answer *answer, bool head_only)
{
	struct text text;

	text_init(&text, client->out, HEAD_TEXT_BYTES_MAX);
	text_put(&text,
		 "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%sCache-Control: no-store\r\n"
		 "Connection: close\r\n\r\n",
		 answer->status, phrase(answer->status), answer->type, answer->body_bytes, answer->extra);
	client->out_bytes = text_done(&text);
	ASSERT(client->out_bytes != 0);
	if (!head_only) {
		memcpy(client->out + client->out_bytes, admin->body, answer->body_bytes);
		client->out_bytes += answer->body_bytes;
	}
	client->state = CLIENT_WRITING;
}

/* --- one client; each returns false when it is to be dropped --- */

static bool send_some(struct client *client)
{
	ssize_t sent = send(client->fd, client->out + client->out_at, client->out_bytes - client->out_at, MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EAGAIN || errno == EINTR;
	client->out_at += (size_t)sent;
	if (client->out_at == client->out_bytes) {
		shutdown(client->fd, SHUT_WR);
		client->state = CLIENT_CLOSING;
	}
	return true;
}

static bool receive_some(struct admin *admin, struct client *client)
{
	ssize_t received = recv(client->fd, client->in + client->in_bytes, sizeof client->in - client->in_bytes, 0);
	size_t seen = client->in_bytes;
	struct http_head head;
	struct answer answer;

	if (received <= 0)
		return received < 0 && (errno == EAGAIN || errno == EINTR);
	client->in_bytes += (size_t)received;
	switch (parse_request(&head, span_of(client->in, client->in_bytes), seen)) {
	case PARSE_MORE:
		return client->in_bytes < sizeof client->in;
	case PARSE_BAD:
		answer = plain(admin, 400, reason_word(head.refusal));
		start_answer(client, admin, &answer, false);
		break;
	case PARSE_DONE:
		answer = answer_request(admin, &head);
		start_answer(client, admin, &answer, span_equal(head.method, SPAN("HEAD")));
		break;
	}
	return send_some(client); /* the socket is new and empty: mostly all of it goes at once */
}

static bool discard_some(const struct client *client)
{
	char rest[4096];
	ssize_t received = recv(client->fd, rest, sizeof rest, 0);

	return received > 0 || (received < 0 && (errno == EAGAIN || errno == EINTR));
}

static void drop(struct client *client)
{
	close(client->fd);
	client->state = CLIENT_FREE;
}

static void serve_client(struct admin *admin, struct client *client)
{
	bool stays = true;

	switch (client->state) {
	case CLIENT_READING:
		stays = receive_some(admin, client);
		break;
	case CLIENT_WRITING:
		stays = send_some(client);
		break;
	case CLIENT_CLOSING:
		stays = discard_some(client);
		break;
	case CLIENT_FREE:
		break;
	}
	if (!stays)
		drop(client);
}

/* --- the loop --- */

static struct client *free_place(struct admin *admin)
{
	for (size_t i = 0; i < CLIENT_CNT; i++)
		if (admin->clients[i].state == CLIENT_FREE)
			return &admin->clients[i];
	return NULL;
}

static void accept_all(struct admin *admin)
{
	struct client *client;

	while ((client = free_place(admin)) != NULL) {
		int fd = accept4(admin->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno != EAGAIN && errno != ECONNABORTED)
				admin->accept_after_ns = clock_ns() + ACCEPT_PAUSE_NS;
			return;
		}
		client->fd = fd;
		client->state = CLIENT_READING;
		client->in_bytes = client->out_bytes = client->out_at = 0;
		client->end_ns = clock_ns() + CLIENT_NS;
	}
}

/* Drops who is out of time; the earliest moment somebody else will be, or `end_ns`. */
static uint64_t drop_late(struct admin *admin, uint64_t now_ns, uint64_t end_ns)
{
	for (size_t i = 0; i < CLIENT_CNT; i++) {
		struct client *client = &admin->clients[i];

		if (client->state == CLIENT_FREE)
			continue;
		if (client->end_ns <= now_ns)
			drop(client);
		else if (client->end_ns < end_ns)
			end_ns = client->end_ns;
	}
	return end_ns;
}

static int wait_until(uint64_t now_ns, uint64_t end_ns)
{
	if (end_ns == UINT64_MAX)
		return -1;
	return end_ns <= now_ns ? 0 : (int)((end_ns - now_ns + 999999) / 1000000);
}

/* The stop descriptor, the listener when somebody could be accepted, and every client: its index is 2 more. */
static void fill(struct pollfd polled[CLIENT_CNT + 2], struct admin *admin, bool accepting)
{
	accepting = accepting && free_place(admin) != NULL;
	polled[0] = (struct pollfd){.fd = admin->config.stop_fd, .events = POLLIN};
	polled[1] = (struct pollfd){.fd = accepting ? admin->listen_fd : -1, .events = POLLIN};
	for (size_t i = 0; i < CLIENT_CNT; i++) {
		const struct client *client = &admin->clients[i];

		polled[i + 2] = (struct pollfd){.fd = client->state == CLIENT_FREE ? -1 : client->fd,
						.events = client->state == CLIENT_WRITING ? POLLOUT : POLLIN};
	}
}

bool admin_serve(struct admin *admin, int wait_ms)
{
	uint64_t now_ns = clock_ns(), last_ns = wait_ms < 0 ? UINT64_MAX : now_ns + (uint64_t)wait_ms * 1000000;
	struct pollfd polled[CLIENT_CNT + 2];

	do {
		uint64_t end_ns = drop_late(admin, now_ns, last_ns);
		bool accepting = admin->accept_after_ns <= now_ns;

		if (!accepting && admin->accept_after_ns < end_ns)
			end_ns = admin->accept_after_ns;
		fill(polled, admin, accepting);
		if (poll(polled, CLIENT_CNT + 2, wait_until(now_ns, end_ns)) > 0) {
			if (polled[0].revents != 0)
				return true;
			for (size_t i = 0; i < CLIENT_CNT; i++)
				if (polled[i + 2].revents != 0)
					serve_client(admin, &admin->clients[i]);
			if (polled[1].revents != 0)
				accept_all(admin);
		}
		now_ns = clock_ns();
	} while (now_ns < last_ns);
	return false;
}

/* --- beginning and end --- */

static int open_listener(const struct sockaddr_storage *address)
{
	socklen_t bytes = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, error;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	    bind(fd, (const struct sockaddr *)address, bytes) == 0 && listen(fd, BACKLOG_CNT) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int admin_open(struct admin **admin, const struct admin_config *config)
{
	struct admin *new = calloc(1, sizeof *new);

	if (new == NULL)
		return -ENOMEM;
	new->config = *config;
	new->listen_fd = activation_take(&config->address, SOCK_STREAM, 0);
	if (new->listen_fd >= 0)
		fcntl(new->listen_fd, F_SETFL, O_NONBLOCK);
	else if (new->listen_fd == -ENOENT)
		new->listen_fd = open_listener(&config->address);
	if (new->listen_fd < 0) {
		int error = new->listen_fd;

		free(new);
		return error;
	}
	*admin = new;
	return 0;
}

void admin_close(struct admin *admin)
{
	for (size_t i = 0; i < CLIENT_CNT; i++)
		if (admin->clients[i].state != CLIENT_FREE)
			drop(&admin->clients[i]);
	close(admin->listen_fd);
	free(admin);
}

unsigned admin_port(const struct admin *admin)
{
	struct sockaddr_in6 address = {.sin6_port = 0}; /* IPv4 keeps its port in the same place */
	socklen_t bytes = sizeof address;

	ASSERT(getsockname(admin->listen_fd, (struct sockaddr *)&address, &bytes) == 0);
	return ntohs(address.sin6_port);
}
