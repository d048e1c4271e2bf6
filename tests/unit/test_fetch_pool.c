// SPDX-License-Identifier: Apache-2.0
/* test_fetch_pool.c: both carriers through the same cases: connections are kept, a body is written at most once, what was
 * never sent is known, every failure by its name. */
#include "../../user/sys/fetch_pool.c"

#include <errno.h>

#include "base/clock.h"
#include "http_fixture.h"
#include "post.h"
#include "random.h"
#include "sys/fetch.h"

#define BODY_MAX (1 << 20)
#define ANSWER_MAX 1024

static const struct {
	const char *name;
	int (*open)(struct fetch_pool **out, const struct fetch_pool_config *config);
} carriers[] = {{"libcurl", fetch_pool_open}, {"ring", post_open}};

#define CARRIERS (sizeof carriers / sizeof *carriers)

static bool is_libcurl(size_t carrier)
{
	return carriers[carrier].open == fetch_pool_open;
}

static const char *carrier_name;
static struct fetch_pool *pool;
static struct mailbox box;
static char url[64];

/* False: not here, where io_uring is not allowed. */
static bool open_to(size_t carrier, const char *to, size_t jobs_max, unsigned timeout_ms)
{
	static const char *const headers[] = {"Content-Type: application/json"};
	struct fetch_pool_config config = {.url = to,
					   .headers = headers,
					   .header_cnt = 1,
					   .timeout_ms = timeout_ms,
					   .jobs_max = jobs_max,
					   .body_bytes_max = BODY_MAX,
					   .answer_bytes_max = ANSWER_MAX,
					   .box = &box};

	carrier_name = carriers[carrier].name;
	CHECK_EQ(mailbox_init(&box), 0);
	int error = carriers[carrier].open(&pool, &config);
	if (error != 0) {
		mailbox_fini(&box);
		CHECK_ROW(carriers[carrier].open == post_open && (error == -ENOSYS || error == -EPERM), carrier_name);
	}
	return error == 0;
}

static bool begin(size_t carrier, const char *answer, size_t jobs_max, unsigned timeout_ms)
{
	http_start(answer);
	snprintf(url, sizeof url, "http://127.0.0.1:%u/path", http.port);
	bool can = open_to(carrier, url, jobs_max, timeout_ms);
	if (!can)
		http_stop();
	return can;
}

static void close_all(void)
{
	fetch_pool_close(pool);
	mailbox_fini(&box);
}

static void end(void)
{
	close_all();
	http_stop();
}

static void start_job(int number)
{
	struct fetch_job *job = fetch_take(pool);

	CHECK_NEED(job != NULL);
	job->ctx = &url;
	fetch_start(pool, job, (size_t)snprintf(job->body, BODY_MAX, "{\"body\":%d}", number));
}

static struct fetch_job *wait_done(void)
{
	struct fetch_job *job = fetch_done(pool);

	for (uint64_t until_ns = clock_ns() + 5000000000u; job == NULL && clock_ns() < until_ns;) {
		fetch_wait(pool, 100);
		job = fetch_done(pool);
	}
	CHECK_NEED(job != NULL);
	CHECK_ROW(job->ctx == &url, carrier_name);
	return job;
}

/* One job from its start to its end. */
static int run_job(bool *sent)
{
	start_job(7);
	struct fetch_job *job = wait_done();
	int error = job->error;
	*sent = job->sent;
	fetch_give(pool, job);
	return error;
}

static void expect(int want, bool want_sent)
{
	bool sent;
	int error = run_job(&sent);

	CHECK_ROW(error == want && sent == want_sent, carrier_name);
	if (error != want || sent != want_sent)
		printf("error %d sent %d, want %d %d\n", error, sent, want, want_sent);
}

TEST(connections_are_kept)
{
	for (size_t c = 0; c < CARRIERS; c++) {
		if (!begin(c, "answer", 4, 3000))
			continue;
		for (int round = 0; round < 50; round++) {
			for (int i = 0; i < 4; i++)
				start_job(i);
			CHECK(fetch_take(pool) == NULL);
			for (int i = 0; i < 4; i++) {
				struct fetch_job *job = wait_done();
				CHECK_ROW(job->error == 0 && job->status == 200 && job->sent, carrier_name);
				CHECK(job->answer_bytes == 6 && memcmp(job->answer, "answer", 6) == 0);
				fetch_give(pool, job);
			}
		}
		CHECK_EQ(http.requests, 200);
		CHECK_ROW(http.connections <= 4, carrier_name);
		CHECK_ROW(strncmp(http_last(), "POST /path HTTP/1.1\r\nHost: 127.0.0.1:", 37) == 0, carrier_name);
		CHECK_ROW(strstr(http_last(), "\r\nUser-Agent: tollbar\r\n") != NULL, carrier_name);
		CHECK_ROW(strstr(http_last(), "\r\nContent-Type: application/json\r\n") != NULL, carrier_name);
		CHECK_ROW(strstr(http_last(), "\r\nContent-Length: 10\r\n") != NULL, carrier_name);
		CHECK_ROW(strstr(http_last(), "\r\n\r\n{\"body\":") != NULL, carrier_name);
		CHECK_ROW(strcasestr(http_last(), "\r\nexpect:") == NULL, carrier_name);
		end();
	}
}

TEST(what_lies_below_is_got)
{
	for (size_t carrier = 0; carrier < CARRIERS; carrier++) {
		if (!begin(carrier, "{}", 1, 3000))
			continue;
		for (int turn = 0; turn < 4; turn++) { /* in turns over one connection */
			char below[FETCH_BELOW_BYTES_MAX];
			bool get = turn % 2 == 1;
			struct fetch_job *job = fetch_take(pool);
			CHECK_NEED(job != NULL);
			memset(below, 'j', sizeof below);
			memcpy(below, "/", 1);
			below[turn == 1 ? 3 : sizeof below - 1] = 0;
			job->ctx = &url;
			job->below = get ? below : NULL;
			fetch_start(pool, job, get ? 0 : (size_t)snprintf(job->body, BODY_MAX, "{\"body\":1}"));
			CHECK_NEED(wait_done() == job);
			CHECK_ROW(job->error == 0 && job->status == 200 && job->answer_bytes == 2, carrier_name);
			CHECK_ROW(job->below == NULL, carrier_name);
			fetch_give(pool, job);
			char line[128];
			snprintf(line, sizeof line, "%s /path%s HTTP/1.1\r\n", get ? "GET" : "POST", get ? below : "");
			CHECK_ROW(strncmp(http_last(), line, strlen(line)) == 0, carrier_name);
			CHECK_ROW((strcasestr(http_last(), "\r\nContent-Length:") != NULL) == !get, carrier_name);
			CHECK_ROW((strstr(http_last(), "{\"body\":1}") != NULL) == !get, carrier_name);
		}
		CHECK_ROW(http.connections == 1, carrier_name);
		end();
	}
}

TEST(a_body_is_sent_once)
{
	for (size_t c = 0; c < CARRIERS; c++) {
		if (!begin(c, "answer", 1, 3000))
			continue;
		http.mode = HTTP_CLOSE_SECOND;
		expect(0, true);
		expect(-ECONNRESET, true); /* on the kept connection, which dies after it was read */
		CHECK_EQ(http.requests, 2);
		expect(0, true); /* and the pool goes on with a new one */
		end();
	}
}

/* The facilitator closes what it promised to keep.  Whether that was noticed while nothing was to be done, or only when
 * the next job comes, nothing was sent: a new connection, and no job notices.  (libcurl calls a reset an error of the next
 * job, and reads what was said unasked as its answer.) */
TEST(a_kept_connection_that_ended_costs_nobody_anything)
{
	static const struct {
		const char *name;
		enum http_mode mode;
		bool noticed, ring_only;
	} rows[] = {
		{"closed", HTTP_LEAVE, false, false},	     {"closed, noticed", HTTP_LEAVE, true, false},
		{"reset", HTTP_RESET, false, true},	     {"reset, noticed", HTTP_RESET, true, true},
		{"spoke unasked", HTTP_CHATTY, false, true}, {"spoke unasked, noticed", HTTP_CHATTY, true, true},
	};

	for (size_t c = 0; c < CARRIERS; c++)
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			if (is_libcurl(c) && rows[i].ring_only)
				continue;
			if (!begin(c, "answer", 2, 3000))
				continue;
			http.mode = rows[i].mode;
			for (int round = 1; round <= 5; round++) {
				bool sent;
				CHECK_ROW(run_job(&sent) == 0, rows[i].name);
				CHECK_ROW(http.requests == round && http.connections == round, rows[i].name);
				usleep(20000);
				if (rows[i].noticed)
					fetch_wait(pool, 10);
			}
			end();
		}
}

TEST(answers_of_every_form)
{
#define OK "HTTP/1.1 200 OK\r\n"
#define SIXTEEN "0123456789abcdef"
#define KIB16 SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN
	static const struct {
		const char *raw;
		bool closes, kept; /* by the facilitator, at the end; by us */
		int error;
		long status;
		const char *answer;
	} rows[] = {
		{OK "Content-Length: 5\r\n\r\nhello", false, true, 0, 200, "hello"},
		{OK "Content-Length: 0\r\n\r\n", false, true, 0, 200, ""},
		{OK "Content-Length: 5\r\nConnection: close\r\n\r\nhello", false, false, 0, 200, "hello"},
		{OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x\r\nlo\r\n0\r\nT: v\r\n\r\n", false, true, 0, 200,
		 "hello"},
		{OK "\r\nhello", true, false, 0, 200, "hello"},
		{"HTTP/1.0 200 OK\r\n\r\nhello", true, false, 0, 200, "hello"},
		{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, false, 0, 200, "hello"},
		{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello", false, true, 0, 200,
		 "hello"},
		{"HTTP/1.1 204 None\r\n\r\n", false, true, 0, 204, ""},
		{"HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 5\r\n\r\nhello", false, true, 0, 200, "hello"},
		{"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\nHTTP/1.1 402 Pay\r\nContent-Length: 2\r\n\r\n{}", false,
		 true, 0, 402, "{}"},
		{"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n", false, true, 0, 503, ""},
		{OK "Content-Length: 6\r\n\r\nhello", true, false, -ECONNRESET, 0, NULL},
		{OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", true, false, -ECONNRESET, 0, NULL},
		{"HTTP/1.1 100 Continue\r\n\r\n", true, false, -ECONNRESET, 0, NULL},
		{"", true, false, -ECONNRESET, 0, NULL},
		{"RTSP/1.0 200 OK\r\n\r\n", true, false, -EPROTO, 0, NULL},
		{OK "Content-Length: 128\r\n\r\n" KIB16, false, true, 0, 200, KIB16},
	};

	for (size_t c = 0; c < CARRIERS; c++)
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			if (!begin(c, rows[i].raw, 1, 2000))
				continue;
			http.mode = rows[i].closes ? HTTP_RAW_CLOSE : HTTP_RAW;
			for (int round = 1; round <= 2; round++) {
				start_job(round);
				struct fetch_job *job = wait_done();
				CHECK_ROW(job->error == rows[i].error && job->sent, rows[i].raw);
				if (rows[i].answer != NULL) {
					CHECK_ROW(job->status == rows[i].status, rows[i].raw);
					CHECK_ROW(job->answer_bytes == strlen(rows[i].answer) &&
							  memcmp(job->answer, rows[i].answer, job->answer_bytes) == 0,
						  rows[i].raw);
				}
				fetch_give(pool, job);
				CHECK_ROW(http.requests == round, rows[i].raw);
				CHECK_ROW(http.connections == (rows[i].kept ? 1 : round), rows[i].raw);
			}
			end();
		}
}

/* (libcurl takes it for an empty answer.) */
TEST(a_head_that_breaks_off_is_no_answer)
{
	for (size_t c = 0; c < CARRIERS; c++) {
		if (is_libcurl(c) || !begin(c, OK "Content-", 1, 2000))
			continue;
		http.mode = HTTP_RAW_CLOSE;
		expect(-ECONNRESET, true);
		end();
	}
}

TEST(an_answer_without_an_end_is_too_large)
{
	static char chunks[4096], plain[4096];

	snprintf(chunks, sizeof chunks, OK "Transfer-Encoding: chunked\r\n\r\n%x\r\n%0*d\r\n%x\r\n%0*d\r\n", 1000, 1000,
		 0, 1000, 1000, 0);
	snprintf(plain, sizeof plain, OK "\r\n%0*d", ANSWER_MAX + 1, 0);
	for (size_t c = 0; c < CARRIERS; c++)
		for (int i = 0; i < 2; i++) {
			if (!begin(c, i == 0 ? chunks : plain, 1, 2000))
				continue;
			http.mode = HTTP_RAW;
			expect(-EMSGSIZE, true);
			http.mode = HTTP_ANSWER;
			http.body = "answer";
			expect(0, true);
			end();
		}
}

TEST(what_was_never_sent_is_known)
{
	uint16_t port;
	int fd = http_dead_port(&port);

	snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
	for (size_t c = 0; c < CARRIERS; c++) {
		if (!open_to(c, url, 1, 3000))
			continue;
		for (int i = 0; i < 3; i++)
			expect(-ECONNREFUSED, false);
		close_all();
	}
	close(fd);
}

/* A listener whose line is full: connecting takes for ever. */
TEST(what_never_connected_was_never_sent)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fill[3];

	CHECK(bind(listener, (struct sockaddr *)&address, bytes) == 0 && listen(listener, 0) == 0);
	CHECK_EQ(getsockname(listener, (struct sockaddr *)&address, &bytes), 0);
	for (size_t i = 0; i < 3; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(fill[i], (struct sockaddr *)&address, sizeof address);
	}
	usleep(10000);
	snprintf(url, sizeof url, "http://127.0.0.1:%u/", ntohs(address.sin_port));
	for (size_t c = 0; c < CARRIERS; c++) {
		if (!open_to(c, url, 2, 100))
			continue;
		start_job(1);
		expect(-ETIMEDOUT, false);
		close_all(); /* the other one is given back there, or here */
	}
	for (size_t i = 0; i < 3; i++)
		close(fill[i]);
	close(listener);
}

/* A facilitator that does not read: part of a large body is in its socket. */
TEST(what_was_sent_in_part_was_sent)
{
	for (size_t c = 0; c < CARRIERS; c++) {
		if (!begin(c, "answer", 1, 150))
			continue;
		http.mode = HTTP_DEAF;
		struct fetch_job *job = fetch_take(pool);
		CHECK_NEED(job != NULL);
		job->ctx = &url;
		memset(job->body, 'x', BODY_MAX);
		fetch_start(pool, job, BODY_MAX);
		CHECK(wait_done() == job);
		CHECK_ROW(job->error == -ETIMEDOUT && job->sent, carrier_name);
		fetch_give(pool, job);
		end();
	}
}

TEST(time_size_and_cancel)
{
	for (size_t c = 0; c < CARRIERS; c++) {
		if (!begin(c, "answer", 2, 80))
			continue;
		http.mode = HTTP_SILENT;
		start_job(1);
		struct fetch_job *job = wait_done();
		CHECK_ROW(job->error == -ETIMEDOUT && job->sent && job->answer_bytes == 0, carrier_name);
		fetch_give(pool, job);
		close_all();
		CHECK_NEED(open_to(c, url, 2, 5000));
		http.mode = HTTP_LONG;
		expect(-EMSGSIZE, true);
		http.mode = HTTP_GARBAGE;
		expect(-EPROTO, true);
		http.mode = HTTP_SILENT;
		int before = http.requests;
		start_job(1);
		start_job(2);
		while (http.requests < before + 2)
			fetch_wait(pool, 10);
		fetch_cancel_all(pool);
		for (int i = 0; i < 2; i++) {
			job = fetch_done(pool);
			CHECK_NEED(job != NULL);
			CHECK_ROW(job->error == -ECANCELED && job->sent, carrier_name);
			fetch_give(pool, job);
		}
		CHECK(fetch_done(pool) == NULL);
		http.mode = HTTP_ANSWER;
		expect(0, true);
		end();
	}
}

TEST(mail_ends_a_wait)
{
	for (size_t c = 0; c < CARRIERS; c++) {
		struct mail mail = {0};
		if (!begin(c, "answer", 1, 60000))
			continue;
		http.mode = HTTP_SILENT;
		start_job(1);
		while (http.requests == 0)
			fetch_wait(pool, 10);
		for (int i = 0; i < 3; i++) {
			mailbox_push(&box, &mail);
			fetch_wait(pool, 60000); /* longer than a test may run */
			CHECK_ROW(mailbox_take(&box) == &mail, carrier_name);
		}
		struct pollfd pfd = {.fd = box.event_fd, .events = POLLIN};
		CHECK_ROW(poll(&pfd, 1, 0) == 0, carrier_name); /* cleared */
		end();
	}
}

/* --- whatever the facilitator does --- */

#define STORM_JOBS 600
static _Atomic int seen[STORM_JOBS];

static void saw(const char *request)
{
	const char *body = strstr(request, "\"body\":");

	if (body != NULL)
		atomic_fetch_add(&seen[atoi(body + 7)], 1);
}

/* Every job ends once; what was answered was seen once, nothing twice, and what was "not sent" never. */
static void judge(struct fetch_job *job)
{
	int number = atoi(job->body + 8), times = atomic_load(&seen[number]);

	CHECK_ROW(times <= 1, carrier_name);
	CHECK_ROW(job->error != 0 || (times == 1 && job->sent && job->status == 200), carrier_name);
	CHECK_ROW(job->error != 0 || (job->answer_bytes == 6 && memcmp(job->answer, "answer", 6) == 0), carrier_name);
	CHECK_ROW(job->sent || times == 0, carrier_name);
	fetch_give(pool, job);
}

TEST(a_storm_of_faults)
{
	static const enum http_mode modes[] = {HTTP_ANSWER, HTTP_ANSWER, HTTP_ANSWER, HTTP_LEAVE,
					       HTTP_RESET,  HTTP_CLOSE,	 HTTP_CUT,    HTTP_CLOSE_SECOND};

	random_start("storm of faults");
	for (size_t c = 0; c < CARRIERS; c++) {
		int answered = 0, done = 0;
		if (!begin(c, "answer", 16, 5000))
			continue;
		memset((void *)seen, 0, sizeof seen);
		http.saw = saw;
		for (int number = 0; done < STORM_JOBS;) {
			if (random_below(8) == 0)
				http.mode = (int)modes[random_below(sizeof modes / sizeof *modes)];
			struct fetch_job *job = number < STORM_JOBS ? fetch_take(pool) : NULL;
			if (job != NULL) {
				job->ctx = &url;
				fetch_start(pool, job,
					    (size_t)snprintf(job->body, BODY_MAX, "{\"body\":%d}", number++));
			}
			if (job == NULL || random_below(3) == 0)
				fetch_wait(pool, 100);
			for (; (job = fetch_done(pool)) != NULL; done++) {
				answered += job->error == 0;
				judge(job);
			}
		}
		CHECK_ROW(answered > STORM_JOBS / 4, carrier_name);
		http.saw = NULL;
		end();
	}
}

/* A job's own header lines are sent with it and with no other; a POST may go below, too. */
TEST(fields_are_the_jobs_own)
{
	static char fields[FETCH_FIELDS_BYTES_MAX];
	int used = snprintf(fields, sizeof fields, "X-One: 1\r\nX-Long: ");

	memset(fields + used, 'l', sizeof fields - 3 - (size_t)used);
	memcpy(fields + sizeof fields - 3, "\r\n", 3);
	for (size_t carrier = 0; carrier < CARRIERS; carrier++) {
		if (!begin(carrier, "{}", 1, 3000))
			continue;
		for (int turn = 0; turn < 4; turn++) {
			bool own = turn % 2 == 0;
			struct fetch_job *job = fetch_take(pool);
			CHECK_NEED(job != NULL);
			job->ctx = &url;
			job->below = own ? "_data" : NULL;
			job->fields = own ? fields : NULL;
			fetch_start(pool, job, (size_t)snprintf(job->body, BODY_MAX, "{\"turn\":%d}", turn));
			CHECK_NEED(wait_done() == job);
			CHECK_ROW(job->error == 0 && job->fields == NULL && job->below == NULL, carrier_name);
			fetch_give(pool, job);
			const char *last = http_last(),
				   *line = own ? "POST /path_data HTTP/1.1\r\n" : "POST /path HTTP/1.1\r\n";
			CHECK_ROW(strncmp(last, line, strlen(line)) == 0, carrier_name);
			CHECK_ROW((strstr(last, fields) != NULL) == own, carrier_name);
			CHECK_ROW((strstr(last, "X-One") != NULL) == own, carrier_name);
			CHECK_ROW(strstr(last, "\r\nContent-Type: application/json\r\n") != NULL, carrier_name);
			CHECK_ROW(strstr(last, "{\"turn\":") != NULL, carrier_name);
		}
		CHECK_ROW(http.connections == 1, carrier_name);
		end();
	}
}

CHECK_MAIN
