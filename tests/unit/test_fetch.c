// SPDX-License-Identifier: Apache-2.0
/* test_fetch.c: bounded calls, kept connections, at most one send of a body, every failure by its name. */
#include "../../user/sys/fetch.c"

#include "base/clock.h"
#include "http_fixture.h"

static char url[64];
static char taken[1 << 17];
static size_t taken_bytes;
static char content_type[64];

static void start(const char *body)
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

	start("hello");
	call = call_of(url);
	CHECK_EQ(fetch(&call), 0);
	CHECK_EQ(call.status, 200);
	CHECK_EQ(taken_bytes, 5);
	CHECK_BYTES(taken, "hello", 5);
	CHECK(strcmp(content_type, "application/json") == 0);
	CHECK(strncmp(http.last, "GET /path HTTP/1.1\r\n", 20) == 0);
	call.headers = headers;
	call.header_cnt = 2;
	call.body = SPAN("body bytes");
	http.status = 404;
	CHECK_EQ(fetch(&call), 0);
	CHECK_EQ(call.status, 404);
	CHECK(strncmp(http.last, "POST /path HTTP/1.1\r\n", 21) == 0);
	CHECK(strstr(http.last, "X-One: 1\r\n") != NULL && strstr(http.last, "\r\n\r\nbody bytes") != NULL);
	CHECK(strcasestr(http.last, "expect") == NULL);
	call.method = "PUT";
	CHECK_EQ(fetch(&call), 0);
	CHECK(strncmp(http.last, "PUT /path HTTP/1.1\r\n", 20) == 0);
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

/* A port nobody listens on: bound, not listening. */
static int dead_port(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, bytes) == 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	*port = ntohs(address.sin_port);
	return fd;
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
		{"cut", HTTP_CUT, -ECONNRESET, 65536},	    {"large", HTTP_LARGE, -EMSGSIZE, 65536},
		{"garbage", HTTP_GARBAGE, -EPROTO, 65536},  {"one byte too many", HTTP_ANSWER, -EMSGSIZE, 4},
		{"just fits", HTTP_ANSWER, 0, 5},
	};
	struct fetch_call call;
	uint16_t port;
	int fd = dead_port(&port);

	start("hello");
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

/* --- pool --- */

static struct fetch_pool *pool;

static void open_pool(size_t jobs_max, unsigned timeout_ms)
{
	static const char *const headers[] = {"Content-Type: application/json"};
	struct fetch_pool_config config = {.url = url,
					   .headers = headers,
					   .header_cnt = 1,
					   .timeout_ms = timeout_ms,
					   .jobs_max = jobs_max,
					   .body_bytes_max = 1024,
					   .answer_bytes_max = 1024};

	CHECK_NEED(fetch_pool_open(&pool, &config) == 0);
}

static void start_job(void *ctx)
{
	struct fetch_job *job = fetch_take(pool);

	CHECK_NEED(job != NULL);
	job->ctx = ctx;
	fetch_start(pool, job, (size_t)snprintf(job->body, 1024, "{\"body\":%d}", 7));
}

static struct fetch_job *wait_done(void)
{
	struct fetch_job *job = NULL;

	for (uint64_t until_ns = clock_ns() + 5000000000u; job == NULL && clock_ns() < until_ns;) {
		fetch_wait(pool, -1, 100);
		job = fetch_done(pool);
	}
	CHECK_NEED(job != NULL);
	return job;
}

TEST(fetch_pool_keeps_its_connections)
{
	start("answer");
	open_pool(4, 3000);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 4; i++)
			start_job(&url);
		CHECK(fetch_take(pool) == NULL);
		for (int i = 0; i < 4; i++) {
			struct fetch_job *job = wait_done();
			CHECK(job->error == 0 && job->status == 200 && job->sent && job->ctx == &url);
			CHECK(job->answer_bytes == 6 && memcmp(job->answer, "answer", 6) == 0);
			fetch_give(pool, job);
		}
	}
	CHECK_EQ(http.requests, 200);
	CHECK(http.connections <= 4);
	CHECK(strstr(http.last, "\r\n\r\n{\"body\":7}") != NULL);
	fetch_pool_close(pool);
	http_stop();
}

TEST(fetch_pool_sends_a_body_once)
{
	start("answer");
	open_pool(1, 3000);
	http.mode = HTTP_CLOSE_SECOND;
	start_job(NULL);
	struct fetch_job *job = wait_done();
	CHECK_EQ(job->error, 0);
	fetch_give(pool, job);
	start_job(NULL); /* on the kept connection, which dies after it was read: curl would try again */
	job = wait_done();
	CHECK_EQ(job->error, -ECONNRESET);
	CHECK(job->sent);
	CHECK_EQ(http.requests, 2);
	fetch_give(pool, job);
	start_job(NULL); /* and the pool goes on with a new one */
	job = wait_done();
	CHECK_EQ(job->error, 0);
	fetch_give(pool, job);
	fetch_pool_close(pool);
	http_stop();
}

TEST(fetch_pool_knows_what_was_never_sent)
{
	uint16_t port;
	int fd = dead_port(&port);

	snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
	open_pool(1, 3000);
	start_job(NULL);
	struct fetch_job *job = wait_done();
	CHECK_EQ(job->error, -ECONNREFUSED);
	CHECK(!job->sent);
	fetch_give(pool, job);
	fetch_pool_close(pool);
	close(fd);
}

TEST(fetch_pool_timeout_large_and_cancel)
{
	start("answer");
	open_pool(2, 80);
	http.mode = HTTP_SILENT;
	start_job(NULL);
	struct fetch_job *job = wait_done();
	CHECK_EQ(job->error, -ETIMEDOUT);
	CHECK(job->sent && job->answer_bytes == 0);
	fetch_give(pool, job);
	fetch_pool_close(pool);
	open_pool(2, 5000);
	http.mode = HTTP_LARGE;
	start_job(NULL);
	job = wait_done();
	CHECK_EQ(job->error, -EMSGSIZE);
	fetch_give(pool, job);
	http.mode = HTTP_SILENT;
	start_job(NULL);
	start_job(NULL);
	fetch_wait(pool, -1, 10);
	fetch_cancel_all(pool);
	for (int i = 0; i < 2; i++) {
		job = fetch_done(pool);
		CHECK_NEED(job != NULL);
		CHECK_EQ(job->error, -ECANCELED);
	}
	CHECK(fetch_done(pool) == NULL);
	fetch_pool_close(pool);
	http_stop();
}

CHECK_MAIN
