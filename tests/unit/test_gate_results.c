// SPDX-License-Identifier: Apache-2.0
/* Results over real sockets from real workers; what writes them is the test. */
#include "gate_results.c"

#include "base/hex.h"
#include "worker_fixture.h"
#include "random.h"

#define KEEP_MS 60000

static const struct results_config roomy = {
	.entries = 64, .bytes = 16 << 20, .result_bytes_max = 2 << 20, .keep_ms = KEEP_MS};
static const struct results_config only_one = {.entries = 1, .bytes = 1 << 20, .keep_ms = KEEP_MS};

/* --- the producer's side --- */

static struct result *begin(char id[33])
{
	static unsigned number;
	struct results_new new = {.datagram_hash = ++number * UINT64_C(0x9e3779b97f4a7c15)};
	struct result *result = NULL;
	char hex[HEX_BYTES(NATIVE_ID_BYTES)];

	memcpy(new.key.nonce.at, &number, sizeof number);
	CHECK_NEED(results_begin(node.shared.results, &result, &new) == REASON_OK);
	hex_encode(hex, result_id(result), NATIVE_ID_BYTES);
	memcpy(id, hex + 2, 33);
	return result;
}

static void put(struct result *result, struct span bytes)
{
	while (bytes.bytes > 0) {
		size_t took = result_append(result, bytes);
		CHECK_NEED(!result_full(result) || took == bytes.bytes);
		bytes = span_of(bytes.at + took, bytes.bytes - took);
	}
}

static void keep(char id[33], const char *answer)
{
	struct result *result = begin(id);

	put(result, span_str(answer));
	result_end(&result, REASON_OK, true);
}

/* Nobody has the result open any more, soon. */
static bool left_alone(void)
{
	struct results_stats stats = {.kept = 1};

	for (unsigned i = 0; i < 5000 && stats.kept > 0; i++) {
		results_tend(node.shared.results, clock_coarse_ms() + KEEP_MS + 1);
		results_stats(node.shared.results, &stats);
		usleep(1000);
	}
	return stats.kept == 0;
}

static const char plain[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
static const char chunked_head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/* --- what is there --- */

TEST(what_is_kept_is_sent_as_it_was_recorded)
{
	char id[33], other[33];

	NEEDS_WORKERS(&roomy);
	keep(id, plain);
	keep(other, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	for (unsigned i = 0; i < WORKERS; i++) {
		int fd = dial(i, 0);
		ask(fd, id, "");
		CHECK(hears_text(fd, plain));
		ask(fd, other, "?wait=60");
		CHECK(hears_text(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
		ask(fd, id, ""); /* one after the other, both sent at once */
		ask(fd, other, "");
		CHECK(hears_text(fd, plain));
		CHECK(hears_text(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
		CHECK(silent(fd, 20));
		close(fd);
	}
	int fd = dial(0, 0);
	say(fd, "GET /v1/requests/%s HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n", id);
	CHECK(hears_text(fd, plain) && closes(fd));
	close(fd);
	CHECK(left_alone());
	stop();
}

TEST(what_broke_off_ends_with_the_connection)
{
	char id[33];

	NEEDS_WORKERS(&roomy);
	struct result *result = begin(id);
	int fd = dial(0, 0);
	ask(fd, id, "?wait=10");
	put(result, span_str(chunked_head));
	CHECK(hears_text(fd, chunked_head));
	result_end(&result, UPSTREAM_FAILED, false);
	CHECK(closes(fd));
	close(fd);
	CHECK(left_alone());
	stop();
}

TEST(what_ended_with_nothing_is_refused)
{
	static const struct {
		enum reason reason;
		const char *status, *word;
	} rows[] = {
		{QUEUE_TIMEOUT, "503", "queue_timeout"}, {UPSTREAM_SLOW, "504", "upstream_slow"},
		{REASON_OK, "500", "internal"},		 {CLIENT_GONE, "500", "internal"},
		{SETTLE_REFUSED, "500", "internal"},
	};
	char id[33];

	NEEDS_WORKERS(&roomy);
	int fd = dial(0, 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct result *result = begin(id);
		if (i == 0)
			result_end(&result, rows[i].reason, false);
		ask(fd, id, "?wait=10");
		CHECK(i == 0 || silent(fd, 20));
		result_end(&result, rows[i].reason, false);
		CHECK_ROW(refused(fd, rows[i].status, rows[i].word), rows[i].word);
	}
	close(fd);
	CHECK(left_alone());
	stop();
}

/* --- what is not there yet --- */

TEST(how_far_it_is)
{
	char id[33], want[256];

	NEEDS_WORKERS(&roomy);
	struct result *result = begin(id);
	int fd = dial(0, 0);
	for (unsigned place = 0; place < 3; place++) {
		const char *state = place == 0 ? "running" : "queued";
		result_place(result, place);
		ask(fd, id, place == 1 ? "?wait=0" : "");
		snprintf(want, sizeof want,
			 "HTTP/1.1 202 Accepted\r\nRetry-After: 1\r\nCache-Control: no-store\r\n"
			 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n"
			 "{\"id\":\"%s\",\"state\":\"%s\",\"place\":%u}",
			 38 + 32 - 8 + strlen(state), id, state, place);
		CHECK(hears_text(fd, want));
	}
	put(result, span_str(plain));
	ask(fd, id, "");
	CHECK(hears_text(fd, plain));
	result_end(&result, REASON_OK, true);
	close(fd);
	CHECK(left_alone());
	stop();
}

TEST(who_waits_is_answered_in_time)
{
	char id[33];

	NEEDS_WORKERS(&roomy);
	struct result *result = begin(id);
	int fd = dial(0, 0);
	uint64_t began_ns = clock_ns();
	ask(fd, id, "?wait=1");
	CHECK(strncmp(hear_answer(fd, false), "HTTP/1.1 202 ", 13) == 0);
	uint64_t took_ms = (clock_ns() - began_ns) / 1000000;
	CHECK(took_ms >= 900 && took_ms < 10000);
	ask(fd, id, "?wait=1"); /* the connection is as it was */
	CHECK(silent(fd, 50));
	put(result, span_str(plain));
	CHECK(hears_text(fd, plain));
	result_end(&result, REASON_OK, true);
	ask(fd, id, "");
	CHECK(hears_text(fd, plain));
	close(fd);
	CHECK(left_alone());
	stop();
}

/* Each piece is with everybody before the next one is made; on one worker and on the other. */
TEST(pieces_arrive_as_they_are_made)
{
	enum { CLIENTS = 8, PIECES = 20 };
	int fds[CLIENTS];
	char id[33];

	NEEDS_WORKERS(&roomy);
	struct result *result = begin(id);
	for (unsigned i = 0; i < CLIENTS; i++) {
		fds[i] = dial(i % WORKERS, 0);
		ask(fds[i], id, "?wait=60");
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		CHECK(silent(fds[i], 5));
	put(result, span_str(chunked_head));
	for (unsigned i = 0; i < CLIENTS; i++)
		CHECK(hears_text(fds[i], chunked_head));
	for (unsigned piece = 0; piece < PIECES; piece++) {
		char text[32];
		snprintf(text, sizeof text, "5\r\ntok%02u\r\n", piece);
		put(result, span_str(text));
		for (unsigned i = 0; i < CLIENTS; i++)
			CHECK(hears_text(fds[i], text));
	}
	put(result, SPAN("0\r\n\r\n"));
	result_end(&result, REASON_OK, true);
	for (unsigned i = 0; i < CLIENTS; i++) {
		CHECK(hears_text(fds[i], "0\r\n\r\n"));
		ask(fds[i], id, ""); /* once more, from the start */
		CHECK(hears_text(fds[i], chunked_head) && hears_text(fds[i], "5\r\ntok00\r\n"));
		close(fds[i]);
	}
	CHECK(left_alone());
	stop();
}

/* --- slow readers, and those who leave --- */

enum { LONG_BYTES = 1 << 20 };
static uint8_t long_answer[LONG_BYTES];

static struct span make_long(void)
{
	int head = snprintf((char *)long_answer, 128, "HTTP/1.1 200 OK\r\nContent-Length: %07d\r\n\r\n", 0);

	CHECK_NEED(head > 0);
	snprintf((char *)long_answer, 128, "HTTP/1.1 200 OK\r\nContent-Length: %07d\r\n\r", LONG_BYTES - head);
	long_answer[head - 1] = '\n';
	for (size_t i = (size_t)head; i < LONG_BYTES; i++)
		long_answer[i] = (uint8_t)(i * 31 + (i >> 8) * 7);
	return span_of(long_answer, LONG_BYTES);
}

/* Reads all of the long answer, `piece` bytes at a time with a pause after each. */
static void *read_slowly(void *ctx)
{
	int fd = *(int *)ctx;
	size_t piece = 40000;
	bool good = true;

	for (size_t at = 0; at < LONG_BYTES && good; at += piece) {
		good = hears(fd, span_of(long_answer + at, LONG_BYTES - at < piece ? LONG_BYTES - at : piece));
		usleep(5000);
	}
	return good ? ctx : NULL;
}

TEST(slow_and_fast_at_once)
{
	char id[33];
	pthread_t slow;
	void *good;

	NEEDS_WORKERS(&roomy);
	random_start("gate_results");
	struct span whole = make_long();
	struct result *result = begin(id);
	int slow_fd = dial(0, 8192), same = dial(0, 0), other = dial(1, 0);
	ask(slow_fd, id, "?wait=60");
	ask(same, id, "?wait=60");
	CHECK_EQ(pthread_create(&slow, NULL, read_slowly, &slow_fd), 0);
	for (size_t at = 0; at < LONG_BYTES;) {
		size_t piece = 1 + random_below(100000);
		piece = piece < LONG_BYTES - at ? piece : LONG_BYTES - at;
		put(result, span_of(whole.at + at, piece));
		CHECK(hears(same, span_of(whole.at + at, piece)));
		at += piece;
	}
	result_end(&result, REASON_OK, true);
	ask(other, id, ""); /* late, while the slow one is still at it */
	CHECK(hears(other, whole));
	pthread_join(slow, &good);
	CHECK(good != NULL);
	ask(slow_fd, id, "?wait=1");
	CHECK(hears(slow_fd, whole));
	close(slow_fd);
	close(same);
	close(other);
	CHECK(left_alone());
	stop();
}

TEST(who_takes_nothing_is_cut_off)
{
	char id[33];
	struct stats *stats = &node.workers[0].stats;

	NEEDS_WORKERS(&roomy);
	struct result *result = begin(id);
	put(result, make_long());
	result_end(&result, REASON_OK, true);
	int fd = dial(0, 8192);
	ask(fd, id, "");
	CHECK(hears(fd, span_of(long_answer, 100)));
	CHECK(left_alone()); /* send_ms, and it is let go of */
	CHECK_EQ(atomic_load(&stats->refused[CLIENT_GONE]), 1);
	close(fd);
	stop();
}

TEST(who_leaves_holds_nothing)
{
	char id[33];

	NEEDS_WORKERS(&roomy);
	for (unsigned i = 0; i < 40; i++) {
		struct result *result = begin(id);
		int fd = dial(i % WORKERS, 0);
		ask(fd, id, "?wait=60");
		if (i % 4 < 2)
			put(result, span_str(chunked_head));
		if (i % 4 == 0)
			CHECK(hears_text(fd, chunked_head));
		else if (i % 4 == 2)
			CHECK(silent(fd, 5)); /* it waits */
		close(fd);
		if (i % 8 < 4)
			put(result, SPAN("5\r\nhello\r\n")); /* beside the client's leaving */
		result_end(&result, REASON_OK, false);
	}
	CHECK(left_alone());
	stop();
}

/* --- what is not there --- */

TEST(requests_that_are_refused)
{
	static const struct {
		const char *name, *text, *status, *word;
		bool closes;
	} rows[] = {
		{"unknown", "GET /v1/requests/%s HTTP/1.1\r\nHost: n\r\n\r\n", "404", "result_unknown", false},
		{"upper case", "GET /v1/requests/%.31sF HTTP/1.1\r\nHost: n\r\n\r\n", "404", "result_unknown", false},
		{"short", "GET /v1/requests/%.31s HTTP/1.1\r\nHost: n\r\n\r\n", "404", "result_unknown", false},
		{"long", "GET /v1/requests/%s0 HTTP/1.1\r\nHost: n\r\n\r\n", "404", "result_unknown", false},
		{"wait", "GET /v1/requests/%s?wait=soon HTTP/1.1\r\nHost: n\r\n\r\n", "404", "route_unknown", false},
		{"query", "GET /v1/requests/%s?x=1 HTTP/1.1\r\nHost: n\r\n\r\n", "404", "route_unknown", false},
		{"method", "POST /v1/requests/%s HTTP/1.1\r\nHost: n\r\nContent-Length: 2\r\n\r\n{}", "405",
		 "method_wrong", false},
		{"delete", "DELETE /v1/requests/%s HTTP/1.1\r\nHost: n\r\n\r\n", "405", "method_wrong", false},
		{"body", "GET /v1/requests/%s HTTP/1.1\r\nHost: n\r\nContent-Length: 2\r\n\r\n{}", "413", "body_large",
		 true},
		{"chunks", "GET /v1/requests/%s HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		 "413", "body_large", true},
		{"1.0", "GET /v1/requests/%s HTTP/1.0\r\nHost: n\r\n\r\n", "505", "http_version", true},
		{"1.0 kept", "GET /v1/requests/%s HTTP/1.0\r\nHost: n\r\nConnection: keep-alive\r\n\r\n", "505",
		 "http_version", true},
	};
	char id[33], other[33];

	NEEDS_WORKERS(&roomy);
	keep(id, plain);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int fd = dial(0, 0);
		char text[512];
		memcpy(other, id, sizeof other);
		if (i == 0)
			other[31] = other[31] == '0' ? '1' : '0';
		int bytes = snprintf(text, sizeof text, rows[i].text, other);
		CHECK_EQ(send(fd, text, (size_t)bytes, MSG_NOSIGNAL), bytes);
		CHECK_ROW(refused(fd, rows[i].status, rows[i].word), rows[i].name);
		if (rows[i].closes) {
			CHECK_ROW(closes(fd), rows[i].name);
		} else {
			ask(fd, id, "");
			CHECK_ROW(hears_text(fd, plain), rows[i].name);
		}
		close(fd);
	}
	CHECK(left_alone());
	stop();
}

TEST(only_get_is_allowed)
{
	char id[33];

	NEEDS_WORKERS(&roomy);
	keep(id, plain);
	int fd = dial(0, 0);
	say(fd, "HEAD /v1/requests/%s HTTP/1.1\r\nHost: n\r\n\r\n", id);
	const char *answer = hear_answer(fd, true);
	CHECK(strncmp(answer, "HTTP/1.1 405 ", 13) == 0 && strstr(answer, "\r\nAllow: GET\r\n") != NULL);
	ask(fd, id, "");
	CHECK(hears_text(fd, plain)); /* there was no body before it */
	close(fd);
	CHECK(left_alone());
	stop();
}

TEST(gone_is_unknown)
{
	char id[33], other[33];

	NEEDS_WORKERS(&only_one);
	int fd = dial(0, 0);
	keep(id, plain);
	ask(fd, id, "");
	CHECK(hears_text(fd, plain));
	keep(other, plain); /* in its place */
	ask(fd, id, "?wait=60");
	CHECK(refused(fd, "404", "result_unknown"));
	ask(fd, other, "");
	CHECK(hears_text(fd, plain));
	results_tend(node.shared.results, clock_coarse_ms() + KEEP_MS + 1);
	for (unsigned i = 0; i < 1000 && !left_alone(); i++)
		usleep(1000);
	ask(fd, other, "?wait=60");
	CHECK(refused(fd, "404", "result_unknown"));
	close(fd);
	stop();
}

TEST(without_native_requests_the_path_is_like_any_other)
{
	NEEDS_WORKERS(NULL);
	int fd = dial(0, 0);
	ask(fd, "00112233445566778899aabbccddeeff", "");
	CHECK(refused(fd, "404", "route_unknown"));
	say(fd, "POST /v1/requests/ HTTP/1.1\r\nHost: n\r\nContent-Length: 0\r\n\r\n");
	CHECK(refused(fd, "404", "route_unknown"));
	close(fd);
	stop();
}

/* --- the end of the process --- */

static void drain(void)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		atomic_store(&node.workers[i].draining, true);
		worker_wake(&node.workers[i]);
	}
}

TEST(a_drain_lets_those_who_wait_have_it)
{
	char id[33], other[33];

	NEEDS_WORKERS(&roomy);
	struct result *result = begin(id), *late = begin(other);
	int waits = dial(0, 0), reads = dial(1, 0), in_vain = dial(0, 0);
	ask(reads, id, "?wait=60");
	ask(waits, other, "?wait=60");
	put(result, span_str(chunked_head));
	CHECK(hears_text(reads, chunked_head));
	struct result *never = begin(id);
	ask(in_vain, id, "?wait=1");
	CHECK(silent(waits, 20));
	drain();
	CHECK(silent(waits, 50) && silent(reads, 1));
	put(result, SPAN("0\r\n\r\n"));
	result_end(&result, REASON_OK, true);
	CHECK(hears_text(reads, "0\r\n\r\n") && closes(reads));
	put(late, span_str(plain));
	result_end(&late, REASON_OK, true);
	CHECK(hears_text(waits, plain) && closes(waits));
	const char *answer = hear_answer(in_vain, false);
	CHECK(strncmp(answer, "HTTP/1.1 202 ", 13) == 0 && strstr(answer, "\r\nConnection: close\r\n") != NULL);
	CHECK(closes(in_vain));
	result_end(&never, INTERNAL, false);
	close(waits);
	close(reads);
	close(in_vain);
	for (unsigned i = 0; i < 5000 && atomic_load(&node.workers[0].state) != WORKER_ENDED; i++)
		usleep(1000);
	CHECK_EQ(atomic_load(&node.workers[0].state), WORKER_ENDED);
	CHECK(left_alone());
	stop();
}

TEST(a_drain_whose_time_is_over_waits_for_nobody)
{
	char id[33];

	NEEDS_WORKERS(&roomy);
	struct result *result = begin(id);
	int waits = dial(0, 0), reads = dial(1, 0);
	put(result, span_str(chunked_head));
	ask(reads, id, "");
	CHECK(hears_text(reads, chunked_head));
	struct result *other = begin(id);
	ask(waits, id, "?wait=60");
	CHECK(silent(waits, 20));
	stop_workers();
	CHECK(closes(waits) && closes(reads));
	result_end(&result, REASON_OK, false); /* as if another worker had it */
	result_end(&other, INTERNAL, false);
	CHECK(left_alone());
	stop();
	close(waits);
	close(reads);
}

CHECK_MAIN
