// SPDX-License-Identifier: Apache-2.0
/* test_fetch.c: one bounded call, every failure by its name. */
#include "../../user/sys/fetch.c"

#include "base/clock.h"
#include "http_fixture.h"

static char url[64];
static char taken[1 << 17];
static size_t taken_bytes;
static char content_type[64];

static void serve(const char *body)
{
	http_start(body);
	snprintf(url, sizeof url, "http://127.0.0.1:%u/path", http.port);
	taken_bytes = 0;
	content_type[0] = 0;
}

static bool take_piece(void *ctx, struct span piece)
{
	memcpy(taken + taken_bytes, piece.at, piece.bytes);
	taken_bytes += piece.bytes;
	return ctx == NULL;
}

static void take_header(void *ctx, struct span name, struct span value)
{
	if (span_equal_nocase(name, SPAN("content-type")))
		snprintf(content_type, sizeof content_type, "%.*s", (int)value.bytes, (const char *)value.at);
}

static struct fetch_call call_of(const char *to)
{
	return (struct fetch_call){.url = to,
				   .connect_ms = 2000,
				   .total_ms = 3000,
				   .answer_bytes_max = 65536,
				   .on_body = take_piece,
				   .on_header = take_header};
}

TEST(fetch_get_and_post)
{
	static const char *const headers[] = {"X-One: 1", "Content-Type: text/plain"};
	struct fetch_call call;

	serve("hello");
	call = call_of(url);
	CHECK_EQ(fetch(&call), 0);
	CHECK_EQ(call.status, 200);
	CHECK_EQ(taken_bytes, 5);
	CHECK_BYTES(taken, "hello", 5);
	CHECK(strcmp(content_type, "application/json") == 0);
	CHECK(strncmp(http_last(), "GET /path HTTP/1.1\r\n", 20) == 0);
	call.headers = headers;
	call.header_cnt = 2;
	call.body = SPAN("body bytes");
	http.status = 404;
	CHECK_EQ(fetch(&call), 0);
	CHECK_EQ(call.status, 404);
	CHECK(strncmp(http_last(), "POST /path HTTP/1.1\r\n", 21) == 0);
	CHECK(strstr(http_last(), "X-One: 1\r\n") != NULL && strstr(http_last(), "\r\n\r\nbody bytes") != NULL);
	CHECK(strcasestr(http_last(), "expect") == NULL);
	call.method = "PUT";
	CHECK_EQ(fetch(&call), 0);
	CHECK(strncmp(http_last(), "PUT /path HTTP/1.1\r\n", 20) == 0);
	http_stop();
}

TEST(fetch_over_a_unix_socket)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "/tmp/tollbar-fetch-%d", getpid());
	unlink(address.sun_path);
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
	taken_bytes = 0;
	http_run(fd, "local");
	struct fetch_call call = call_of("http://localhost/status");
	call.unix_path = address.sun_path;
	CHECK_EQ(fetch(&call), 0);
	CHECK_EQ(call.status, 200);
	CHECK_BYTES(taken, "local", 5);
	http_stop();
	unlink(address.sun_path);
}

TEST(fetch_failures_by_name)
{
	static const struct {
		const char *name;
		enum http_mode mode;
		int want;
		size_t bytes_max;
	} rows[] = {
		{"silent", HTTP_SILENT, -ETIMEDOUT, 65536}, {"closed", HTTP_CLOSE, -ECONNRESET, 65536},
		{"cut", HTTP_CUT, -ECONNRESET, 65536},	    {"large", HTTP_LONG, -EMSGSIZE, 65536},
		{"garbage", HTTP_GARBAGE, -EPROTO, 65536},  {"one byte too many", HTTP_ANSWER, -EMSGSIZE, 4},
		{"just fits", HTTP_ANSWER, 0, 5},
	};
	struct fetch_call call;
	uint16_t port;
	int fd = http_dead_port(&port);

	serve("hello");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		call = call_of(url);
		call.total_ms = rows[i].mode == HTTP_SILENT ? 100 : 3000;
		call.answer_bytes_max = rows[i].bytes_max;
		call.body = SPAN("x");
		taken_bytes = 0;
		http.mode = rows[i].mode;
		CHECK_ROW(fetch(&call) == rows[i].want, rows[i].name);
	}
	http.mode = HTTP_REDIRECT;
	http.status = 302;
	int requests = http.requests;
	call = call_of(url);
	CHECK_EQ(fetch(&call), 0);
	CHECK_EQ(call.status, 302);
	CHECK_EQ(http.requests, requests + 1); /* not followed */
	call = call_of(url);
	call.ctx = &call; /* take_piece ends it */
	http.mode = HTTP_ANSWER;
	CHECK_EQ(fetch(&call), -ECANCELED);
	snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
	call = call_of(url);
	CHECK_EQ(fetch(&call), -ECONNREFUSED);
	call = call_of("file:///etc/hostname");
	CHECK_EQ(fetch(&call), -EINVAL);
	call = call_of("gopher://127.0.0.1/");
	CHECK_EQ(fetch(&call), -EINVAL);
	call = call_of("http://name.invalid/");
	CHECK_EQ(fetch(&call), -EHOSTUNREACH);
	close(fd);
	http_stop();
}

CHECK_MAIN
