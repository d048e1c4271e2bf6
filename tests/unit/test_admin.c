// SPDX-License-Identifier: Apache-2.0
#include "admin.c"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "check.h"

static struct admin *admin;
static pthread_t thread;
static int stop_fd;
static _Atomic bool ready;

static void look(void *ctx, struct admin_view *view)
{
	CHECK(ctx == &ready);
	memset(view, 0, sizeof *view);
	view->sandbox = "on";
	view->loop = "io_uring";
	view->ready = ready;
	view->not_ready = ready ? NULL : "draining";
	view->uptime_s = 77;
}

static bool look_overhead(void *ctx, struct admin_overhead *view)
{
	view->covers_s = 77;
	return view->route[0] == 0;
}

static void *serve(void *unused)
{
	CHECK(admin_serve(admin, -1));
	return NULL;
}

static void start(bool v6)
{
	struct admin_config config = {.look = look, .look_overhead = look_overhead, .look_ctx = &ready};

	if (v6)
		*(struct sockaddr_in6 *)&config.address =
			(struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	else
		*(struct sockaddr_in *)&config.address =
			(struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	stop_fd = config.stop_fd = eventfd(0, EFD_CLOEXEC);
	ready = true;
	CHECK_EQ(admin_open(&admin, &config), 0);
	CHECK_EQ(pthread_create(&thread, NULL, serve, NULL), 0);
}

static void stop(void)
{
	CHECK_EQ(eventfd_write(stop_fd, 1), 0);
	pthread_join(thread, NULL);
	admin_close(admin);
	close(stop_fd);
}

static int dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons((uint16_t)admin_port(admin))};
	struct timeval patience = {.tv_sec = 10};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	CHECK_EQ(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

/* Everything the server sends until it closes. */
static const char *read_all(int fd)
{
	static char text[300000];
	size_t used = 0;
	ssize_t received;

	while ((received = recv(fd, text + used, sizeof text - 1 - used, 0)) > 0)
		used += (size_t)received;
	CHECK_EQ(received, 0);
	text[used] = '\0';
	close(fd);
	return text;
}

static const char *ask(const char *request)
{
	int fd = dial();

	CHECK_EQ(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	return read_all(fd);
}

#define GET(target) "GET " target " HTTP/1.1\r\nHost: node\r\n\r\n"

TEST(pages)
{
	const char *text;

	start(false);
	CHECK(strcmp(ask(GET("/livez")),
		     "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
		     "Content-Length: 2\r\nCache-Control: no-store\r\nConnection: close\r\n\r\nok") == 0);
	CHECK(strstr(ask(GET("/readyz")), "HTTP/1.1 200 OK\r\n") != NULL);
	CHECK(strstr(ask(GET("/readyz?verbose")), "\r\n\r\nready") != NULL);
	text = ask(GET("/metrics"));
	CHECK(strstr(text, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n") != NULL);
	CHECK(strstr(text, "\ntollbar_uptime_seconds 77\n") != NULL);
	text = ask(GET("/status"));
	CHECK(strstr(text, "\r\nContent-Type: application/json\r\n") != NULL);
	CHECK(strstr(text, "\r\n\r\n{\"ready\":true,") != NULL);
	CHECK_EQ(atol(strstr(text, "Content-Length: ") + 16), strlen(strstr(text, "\r\n\r\n") + 4));
	text = ask("HEAD /status HTTP/1.1\r\nHost: node\r\n\r\n");
	CHECK(strncmp(text, "HTTP/1.1 200 OK\r\n", 17) == 0 && strcmp(strstr(text, "\r\n\r\n"), "\r\n\r\n") == 0);
	CHECK(atol(strstr(text, "Content-Length: ") + 16) > 1000);
	stop();
}

/* The nonce of a page's answer. */
static const char *nonce_of(char out[HEX_BYTES(16)], const char *text)
{
	const char *at = strstr(text, "script-src 'nonce-");

	CHECK(at != NULL);
	snprintf(out, HEX_BYTES(16), "%s", at != NULL ? at + strlen("script-src 'nonce-") : "");
	return out;
}

TEST(the_status_page)
{
	char one[HEX_BYTES(16)], other[HEX_BYTES(16)], want[64];
	const char *text;

	start(false);
	text = ask(GET("/"));
	CHECK(strncmp(text, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n", 57) == 0);
	CHECK(strstr(text, "\r\nContent-Security-Policy: default-src 'none'; ") != NULL);
	CHECK_EQ(atol(strstr(text, "Content-Length: ") + 16), strlen(strstr(text, "\r\n\r\n") + 4));
	nonce_of(one, text);
	snprintf(want, sizeof want, "<script nonce=\"%s\">", one);
	CHECK(strstr(text, want) != NULL);
	snprintf(want, sizeof want, "<style nonce=\"%s\">", one);
	CHECK(strstr(text, want) != NULL);
	CHECK(strcmp(one, nonce_of(other, ask(GET("/?since=300&route=")))) != 0); /* of each answer its own */
	CHECK(strncmp(ask(GET("/?since=x")), "HTTP/1.1 400 Bad Request\r\n", 26) == 0);
	CHECK(strncmp(ask(GET("/?route=unknown")), "HTTP/1.1 404 Not Found\r\n", 24) == 0);
	stop();
}

TEST(readiness_turns_off_and_liveness_does_not)
{
	start(false);
	ready = false;
	CHECK(strstr(ask(GET("/readyz")), "HTTP/1.1 503 Service Unavailable\r\n") != NULL);
	CHECK(strstr(ask(GET("/readyz")), "\r\n\r\ndraining") != NULL);
	CHECK(strstr(ask(GET("/livez")), "HTTP/1.1 200 OK\r\n") != NULL);
	CHECK(strstr(ask(GET("/status")), "\"not_ready\":\"draining\"") != NULL);
	stop();
}

TEST(refusals)
{
	static char large[HEAD_BYTES_MAX + 100];

	start(false);
	CHECK(strncmp(ask(GET("/index.html")), "HTTP/1.1 404 Not Found\r\n", 24) == 0);
	CHECK(strncmp(ask(GET("/metrics/")), "HTTP/1.1 404 Not Found\r\n", 24) == 0);
	CHECK(strstr(ask("POST /status HTTP/1.1\r\nHost: n\r\nContent-Length: 0\r\n\r\n"),
		     "\r\nAllow: GET, HEAD\r\n") != NULL);
	CHECK(strncmp(ask("nonsense\r\n\r\n"), "HTTP/1.1 400 Bad Request\r\n", 26) == 0);
	CHECK(strstr(ask("GET /status HTTP/1.1\r\n\r\n"), "\r\n\r\nhttp_bad") != NULL); /* no Host */
	memset(large, 'a', sizeof large - 1);
	memcpy(large, "GET /status HTTP/1.1\r\nx: ", 25);
	CHECK(strstr(ask(large), "\r\n\r\nhttp_large") != NULL);
	stop();
}

TEST(a_request_in_single_bytes)
{
	static const char request[] = GET("/livez");
	int fd;

	start(false);
	fd = dial();
	for (size_t i = 0; i < sizeof request - 1; i++)
		CHECK_EQ(send(fd, request + i, 1, MSG_NOSIGNAL), 1);
	CHECK(strstr(read_all(fd), "\r\n\r\nok") != NULL);
	stop();
}

TEST(slow_clients_lose_their_place)
{
	int fds[CLIENT_CNT];
	uint64_t began_ns, took_ns;

	start(false);
	began_ns = clock_ns();
	for (size_t i = 0; i < CLIENT_CNT; i++) {
		fds[i] = dial();
		CHECK_EQ(send(fds[i], "GET", i % 2 ? 3 : 0, MSG_NOSIGNAL), i % 2 ? 3 : 0);
	}
	/* all places are taken: this one waits until the first are dropped */
	CHECK(strstr(ask(GET("/livez")), "\r\n\r\nok") != NULL);
	took_ns = clock_ns() - began_ns;
	CHECK(took_ns >= CLIENT_NS && took_ns < 3 * CLIENT_NS);
	for (size_t i = 0; i < CLIENT_CNT; i++)
		CHECK(strcmp(read_all(fds[i]), "") == 0);
	stop();
}

TEST(clients_that_go_away_free_their_place_at_once)
{
	uint64_t began_ns;

	start(false);
	began_ns = clock_ns();
	for (size_t i = 0; i < 4 * CLIENT_CNT; i++)
		close(dial());
	CHECK(strstr(ask(GET("/livez")), "\r\n\r\nok") != NULL);
	CHECK(clock_ns() - began_ns < CLIENT_NS);
	stop();
}

TEST(waiting_is_bounded)
{
	struct admin_config config = {.look = look, .look_ctx = &ready, .stop_fd = -1};
	uint64_t began_ns;

	*(struct sockaddr_in *)&config.address =
		(struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CHECK_EQ(admin_open(&admin, &config), 0);
	began_ns = clock_ns();
	CHECK(!admin_serve(admin, 0));
	CHECK(!admin_serve(admin, 30));
	CHECK(clock_ns() - began_ns >= 30000000 && clock_ns() - began_ns < 5000000000);
	admin_close(admin);
}

TEST(an_address_in_use_or_not_ours)
{
	struct admin_config config = {.look = look, .look_ctx = &ready, .stop_fd = -1};
	struct sockaddr_in *address = (struct sockaddr_in *)&config.address;
	struct admin *other;

	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CHECK_EQ(admin_open(&admin, &config), 0);
	address->sin_port = htons((uint16_t)admin_port(admin));
	CHECK_EQ(admin_open(&other, &config), -EADDRINUSE);
	address->sin_addr.s_addr = inet_addr("192.0.2.1");
	CHECK_EQ(admin_open(&other, &config), -EADDRNOTAVAIL);
	admin_close(admin);
}

TEST(ipv6)
{
	start(true);
	CHECK(admin_port(admin) != 0);
	stop();
}

CHECK_MAIN
