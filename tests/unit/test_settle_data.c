// SPDX-License-Identifier: Apache-2.0
/* test_settle_data.c: what is said, to whom it is said again, and what there is no room for; on a clock of the test's own, and on a
 * settlement thread, whose payments it must not delay. */
#include "../../user/settle_data.c"

#include "base/clock.h"
#include "http_fixture.h"
#include "post.h"
#include "settle.h"
#include "settle_fixture.h"
#include "sys/fetch.h"

#define ID "0x0101010101010101010101010101010101010101010101010101010101010101"
#define INPUT "0x0202020202020202020202020202020202020202020202020202020202020202"
#define OUTPUT "0x0303030303030303030303030303030303030303030303030303030303030303"

static struct address payer;
static struct proof proof;

static void make_proof(size_t signature_bytes)
{
	payer = address_of(0xaa);
	proof = (struct proof){.known = true, .timestamp = 1700000000, .signature_bytes = signature_bytes};
	memset(&proof.tee_id, 1, sizeof proof.tee_id);
	memset(&proof.input_hash, 2, sizeof proof.input_hash);
	memset(&proof.output_hash, 3, sizeof proof.output_hash);
	memset(proof.signature, 0xff, signature_bytes);
}

/* The decoded value of the data line, after the lines around it were checked. */
static const char *data_of_lines(const char *lines, const char *type)
{
	static char json[JSON_BYTES_MAX + 1];
	char before[64];
	size_t used = (size_t)snprintf(before, sizeof before, "X-Settlement-Type: %s\r\nX-Settlement-Data: ", type);

	CHECK_NEED(strncmp(lines, before, used) == 0);
	const char *end = strstr(lines + used, "\r\n");
	CHECK_NEED(end != NULL);
	ssize_t bytes =
		base64_decode((uint8_t *)json, JSON_BYTES_MAX, span_of(lines + used, (size_t)(end - lines) - used));
	CHECK_NEED(bytes > 0);
	json[bytes] = 0;
	return json;
}

TEST(what_is_said)
{
	static const char common[] = "{\"tee_id\":\"" ID "\",\"input_hash\":\"" INPUT "\",\"output_hash\":\"" OUTPUT
				     "\",\"tee_signature\":\"////\",\"tee_timestamp\":1700000000";
	char fields[FETCH_FIELDS_BYTES_MAX], want[JSON_BYTES_MAX];

	make_proof(3);
	size_t bytes = settle_data_fields(fields, sizeof fields, DATA_BATCH, &proof, &payer);
	CHECK(bytes == strlen(fields) && strcmp(fields + bytes - 2, "\r\n") == 0);
	snprintf(want, sizeof want, "%s}", common);
	CHECK_EQ(strcmp(data_of_lines(fields, "batch"), want), 0);
	CHECK(settle_data_fields(fields, sizeof fields, DATA_INDIVIDUAL, &proof, &payer) > bytes);
	snprintf(want, sizeof want,
		 "%s,\"timestamp\":1700000000,\"eth_address\":\"0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\","
		 "\"input\":null,\"output\":null}",
		 common);
	CHECK_EQ(strcmp(data_of_lines(fields, "individual"), want), 0);
	CHECK_EQ(settle_data_fields(fields, bytes, DATA_BATCH, &proof, &payer), 0);
	make_proof(PROOF_SIGNATURE_BYTES_MAX);
	proof.timestamp = (UINT64_C(1) << 53) - 1;
	CHECK(settle_data_fields(fields, sizeof fields, DATA_INDIVIDUAL, &proof, &payer) > 0);
}

/* --- on the test's clock --- */

static struct settle_data *data;
static struct fetch_pool *pool;
static struct mailbox box;
static uint64_t test_ms;

static void open_to(unsigned port, unsigned timeout_ms)
{
	static const char *const headers[] = {"Content-Type: application/json"};
	char url[64];

	log_level = LOG_ERROR; /* that it fails is why it is asked here */
	snprintf(url, sizeof url, "http://127.0.0.1:%u/x402/settle", port);
	struct fetch_pool_config config = {.url = url,
					   .headers = headers,
					   .header_cnt = 1,
					   .timeout_ms = timeout_ms,
					   .jobs_max = SETTLE_DATA_RUNNING_MAX + 1,
					   .body_bytes_max = 64,
					   .answer_bytes_max = 4096,
					   .box = &box};
	CHECK_EQ(mailbox_init(&box), 0);
	CHECK_NEED((post_can(url) ? post_open(&pool, &config) : fetch_pool_open(&pool, &config)) == 0);
	data = settle_data_init("test");
	CHECK_NEED(data != NULL);
	make_proof(256);
	test_ms = 1000;
}

static void close_all(void)
{
	fetch_pool_close(pool);
	settle_data_fini(data);
	mailbox_fini(&box);
}

/* Lets what is due now begin and end. */
static void turn(void)
{
	bool running = true;

	for (uint64_t until_ns = clock_ns() + 5000000000u; running && clock_ns() < until_ns;) {
		struct fetch_job *job;
		settle_data_turn(data, pool, test_ms);
		running = false;
		for (size_t i = 0; i < SETTLE_DATA_RUNNING_MAX; i++)
			running |= data->calls[i].job != NULL;
		fetch_wait(pool, running ? 100 : 0);
		while ((job = fetch_done(pool)) != NULL)
			CHECK(settle_data_done(data, pool, job, test_ms));
	}
	CHECK(!running);
}

static void expect(uint64_t sent, uint64_t failed, uint64_t dropped, uint64_t waiting, const char *row)
{
	struct settle_data_stats stats;

	settle_data_stats(data, &stats);
	CHECK_ROW(stats.sent == sent && stats.failed == failed && stats.dropped == dropped && stats.waiting == waiting,
		  row);
}

TEST(told_once_or_again_by_what_is_known)
{
	static const struct {
		const char *name;
		enum http_mode mode;
		int status;
		bool sent, again;
	} rows[] = {
		{"taken", HTTP_ANSWER, 200, true, false},     {"in line", HTTP_ANSWER, 202, true, false},
		{"wrong", HTTP_ANSWER, 400, false, false},    {"elsewhere", HTTP_REDIRECT, 307, false, false},
		{"too often", HTTP_ANSWER, 429, false, true}, {"broken", HTTP_ANSWER, 500, false, true},
		{"down", HTTP_ANSWER, 503, false, true},      {"a front that lost it", HTTP_ANSWER, 504, false, false},
		{"silent", HTTP_SILENT, 200, false, false},   {"closes", HTTP_CLOSE, 200, false, false},
		{"cuts", HTTP_CUT, 200, false, false},	      {"garbage", HTTP_GARBAGE, 200, false, false},
		{"large", HTTP_LONG, 200, false, false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		http_start("{\"settlementJob\":null}");
		open_to(http.port, 300);
		http.mode = (int)rows[i].mode;
		http.status = rows[i].status;
		settle_data_submit(data, DATA_BATCH, &proof, &payer);
		turn();
		CHECK_EQ(http.requests, 1);
		expect(rows[i].sent, !rows[i].sent && !rows[i].again, 0, rows[i].again, rows[i].name);
		CHECK(strncmp(http_last(), "POST /x402/settle_data HTTP/1.1\r\n", 33) == 0);
		CHECK(strstr(http_last(), "\r\n\r\n{}") != NULL);
		const char *type = strstr(http_last(), "X-Settlement-Type: ");
		CHECK_NEED(type != NULL);
		CHECK(strstr(data_of_lines(type, "batch"), "\"input_hash\":\"" INPUT "\"") != NULL);
		http.mode = HTTP_ANSWER;
		http.status = 200;
		test_ms += pause_ms[1] - 1;
		turn();
		CHECK_EQ(http.requests, 1);
		test_ms += 1;
		turn();
		CHECK_EQ(http.requests, rows[i].again ? 2 : 1);
		expect(rows[i].sent || rows[i].again, !rows[i].sent && !rows[i].again, 0, 0, rows[i].name);
		close_all();
		http_stop();
	}
}

TEST(given_up_after_the_last_try)
{
	uint16_t port;
	int fd = http_dead_port(&port);

	open_to(port, 300);
	settle_data_submit(data, DATA_INDIVIDUAL, &proof, &payer);
	for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
		struct settle_data_stats stats;
		settle_data_stats(data, &stats);
		CHECK_EQ(stats.paused, tries > 0); /* no drain waits for that */
		expect(0, 0, 0, 1, "not yet");
		test_ms += pause_ms[tries];
		turn();
	}
	expect(0, 1, 0, 0, "given up");
	test_ms += 3600000;
	turn();
	expect(0, 1, 0, 0, "for good");
	close_all();
	close(fd);
}

static struct settle_data_stats stats_now(void)
{
	struct settle_data_stats stats;

	settle_data_stats(data, &stats);
	return stats;
}

static void answer_with(int status, const char *body)
{
	http.status = status;
	atomic_store(&http.body, body);
}

/* A facilitator that puts it in line has it: asked what became of it, ever later, and told no more. */
TEST(a_job_is_asked_after)
{
	static const struct {
		const char *name;
		int status;
		const char *body;
		bool ends, undone;
	} rows[] = {
		{"done", 200, "{\"jobId\":\"settlement-1\",\"status\":\"succeeded\"}", true, false},
		{"failed", 200, "{\"jobId\":\"settlement-1\",\"status\":\"failed\"}", true, true},
		{"gone", 404, "{}", true, true},
		{"at it", 200, "{\"jobId\":\"settlement-1\",\"status\":\"processing\"}", false, false},
		{"another's", 200, "{\"jobId\":\"settlement-2\",\"status\":\"failed\"}", false, false},
		{"trouble", 500, "{}", false, false},
		{"nonsense", 200, "<html>", false, false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		http_start("{\"settlementJob\":{\"jobId\":\"settlement-1\",\"status\":\"queued\"}}");
		open_to(http.port, 1000);
		http.status = 202;
		settle_data_submit(data, DATA_BATCH, &proof, &payer);
		turn();
		expect(1, 0, 0, 0, rows[i].name);
		CHECK_EQ(stats_now().jobs, 1);
		answer_with(rows[i].status, rows[i].body);
		test_ms += ask_ms[0] - 1;
		turn();
		CHECK_EQ(http.requests, 1);
		for (unsigned asks = 0; asks < ASKS_MAX; asks++) {
			test_ms += ask_ms[asks];
			turn();
			CHECK_EQ(http.requests, 2 + (rows[i].ends ? 0 : (int)asks));
			CHECK(strncmp(http_last(), "GET /x402/settle/settlement-1 HTTP/1.1\r\n", 40) == 0);
			CHECK_ROW(stats_now().jobs == (!rows[i].ends && asks + 1 < ASKS_MAX), rows[i].name);
		}
		CHECK_ROW(stats_now().undone == rows[i].undone, rows[i].name);
		expect(1, 0, 0, 0, rows[i].name);
		test_ms += 36000000;
		turn();
		CHECK(take_due(data, UINT64_MAX) == NULL);
		close_all();
		http_stop();
	}
}

TEST(jobs_leave_room_for_proofs)
{
	http_start("{\"settlementJob\":{\"jobId\":7,\"status\":\"queued\"}}");
	open_to(http.port, 3000);
	http.mode = HTTP_RAW;
	answer_with(202, "HTTP/1.1 202 Accepted\r\nContent-Length: 43\r\n\r\n"
			 "{\"settlementJob\":{\"jobId\":7,\"status\":\"q\"}}\n");
	for (unsigned i = 0; i < JOBS_MAX + 9; i++)
		settle_data_submit(data, DATA_BATCH, &proof, &payer);
	turn();
	expect(JOBS_MAX + 9, 0, 0, 0, "all are told");
	CHECK_EQ(stats_now().jobs, JOBS_MAX);
	close_all();
	http_stop();
}

TEST(what_there_is_no_room_for_is_dropped)
{
	http_start("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
	http.mode = HTTP_RAW; /* the other modes take 40 ms for one */
	open_to(http.port, 3000);
	for (int round = 0; round < 3; round++) {
		http.requests = 0;
		for (unsigned i = 0; i < NOTES_MAX + 5; i++) {
			proof.timestamp = i;
			settle_data_submit(data, DATA_BATCH, &proof, &payer);
		}
		uint64_t before = (uint64_t)round;
		expect(before * NOTES_MAX, 0, 5 * (before + 1), NOTES_MAX, "full");
		turn();
		expect((before + 1) * NOTES_MAX, 0, 5 * (before + 1), 0, "room again");
		CHECK_EQ(http.requests, NOTES_MAX);
	}
	CHECK(http.connections <= SETTLE_DATA_RUNNING_MAX);
	close_all();
	http_stop();
}

/* What failed comes before what is new, and nothing overtakes within either. */
TEST(older_ones_first)
{
	uint16_t port;
	int fd = http_dead_port(&port);
	struct note *note;

	open_to(port, 300);
	for (uint64_t i = 0; i < 2 * SETTLE_DATA_RUNNING_MAX; i++) {
		proof.timestamp = i;
		settle_data_submit(data, DATA_BATCH, &proof, &payer);
	}
	turn();
	proof.timestamp = 100;
	settle_data_submit(data, DATA_BATCH, &proof, &payer);
	CHECK_NEED((note = take_due(data, test_ms)) != NULL);
	CHECK_EQ(note->proof.timestamp, 100);
	give(data, note, &data->stats.failed);
	CHECK(take_due(data, test_ms + pause_ms[1] - 1) == NULL);
	uint64_t seen = 0;
	for (uint64_t i = 0; i < 2 * SETTLE_DATA_RUNNING_MAX; i++) {
		CHECK_NEED((note = take_due(data, test_ms + pause_ms[1])) != NULL);
		CHECK_EQ(note->tries, 1);
		seen |= UINT64_C(1) << note->proof.timestamp;
		give(data, note, &data->stats.failed);
	}
	CHECK_EQ(seen, (UINT64_C(1) << 2 * SETTLE_DATA_RUNNING_MAX) - 1);
	CHECK(take_due(data, UINT64_MAX) == NULL);
	close_all();
	close(fd);
}

/* --- on a settlement thread --- */

static void collect(void *ctx, struct settlement *settlement)
{
	mailbox_push(ctx, &settlement->mail);
}

static struct settler *start_settler(char url[64], struct mailbox *done)
{
	struct settler *settler;

	snprintf(url, 64, "http://127.0.0.1:%u/x402", http.port);
	CHECK_EQ(mailbox_init(done), 0);
	struct settle_config config = {.url = url,
				       .timeout_ms = 5000,
				       .in_flight_max = 1,
				       .settle_data = true,
				       .done = collect,
				       .done_ctx = done};
	CHECK_NEED(settle_start(&settler, &config) == 0);
	return settler;
}

static uint64_t wait_sent(struct settler *settler, uint64_t want)
{
	struct settle_stats stats = {0};

	for (uint64_t until_ns = clock_ns() + 10000000000u; stats.data.sent < want && clock_ns() < until_ns;) {
		usleep(2000);
		settle_stats(settler, &stats);
	}
	return stats.data.sent;
}

TEST(a_payment_waits_for_no_data)
{
	static struct settlement settlement;
	struct settle_stats stats;
	struct mailbox done;
	char url[64];

	http_start("{\"success\":true}");
	struct settler *settler = start_settler(url, &done);
	http.mode = HTTP_SLOW;
	http.delay_ms = 1000;
	make_proof(256);
	for (int i = 0; i < 3 * SETTLE_DATA_RUNNING_MAX; i++)
		settle_submit_data(settler, DATA_BATCH, &proof, &payer);
	fill(&settlement, METHOD_EIP3009, 2);
	settle_submit(settler, &settlement);
	struct pollfd pfd = {.fd = done.event_fd, .events = POLLIN};
	CHECK_EQ(poll(&pfd, 1, 8000), 1);
	settle_stats(settler, &stats);
	CHECK(settlement.outcome == CLAIM_SETTLED && stats.settled == 1);
	CHECK(stats.data.waiting >= SETTLE_DATA_RUNNING_MAX);
	http.mode = HTTP_ANSWER;
	CHECK_EQ(wait_sent(settler, 3 * SETTLE_DATA_RUNNING_MAX), 3 * SETTLE_DATA_RUNNING_MAX);
	settle_stop(settler);
	mailbox_fini(&done);
	http_stop();
}

/* A facilitator that does not take data settles payments all the same, and is not thought to be down for it. */
TEST(data_says_nothing_of_a_facilitators_health)
{
	struct settle_stats stats = {0};
	struct mailbox done;
	char url[64];

	log_level = LOG_ERROR;
	http_start("{}");
	struct settler *settler = start_settler(url, &done);
	http.status = 404;
	make_proof(256);
	settle_submit_data(settler, DATA_BATCH, &proof, &payer);
	for (uint64_t until_ns = clock_ns() + 5000000000u; stats.data.failed == 0 && clock_ns() < until_ns;) {
		usleep(2000);
		settle_stats(settler, &stats);
	}
	CHECK(stats.data.failed == 1 && stats.facilitator_errors == 0 && stats.asked == 0);
	http.status = 503;
	settle_submit_data(settler, DATA_BATCH, &proof, &payer);
	while (http.requests < 2)
		usleep(1000);
	CHECK(settle_up(settler));
	settle_stop(settler); /* with one that waits */
	mailbox_fini(&done);
	http_stop();
}

CHECK_MAIN
