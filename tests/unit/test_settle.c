// SPDX-License-Identifier: Apache-2.0
/* test_settle.c: the settlement thread against a facilitator that answers well, slowly, with nonsense, late or not at
 * all. */
#include "../../user/settle.c"

#include "base/clock.h"
#include "http_fixture.h"
#include "settle_fixture.h"

static struct settler *settler;
static struct mailbox done_box;
static char url[64];

static void collect(void *ctx, struct settlement *settlement)
{
	mailbox_push(ctx, &settlement->mail);
}

static void start(const char *body, unsigned in_flight_max, unsigned timeout_ms)
{
	log_level = LOG_ERROR; /* that the facilitator is down is why it is asked here */
	http_start(body);
	CHECK_EQ(mailbox_init(&done_box), 0);
	snprintf(url, sizeof url, "http://127.0.0.1:%u/x402/", http.port);
	struct settle_config config = {.url = url,
				       .authorization = "Bearer something",
				       .timeout_ms = timeout_ms,
				       .in_flight_max = in_flight_max,
				       .done = collect,
				       .done_ctx = &done_box};
	CHECK_NEED(settle_start(&settler, &config) == 0);
}

static struct settlement *wait_done(void)
{
	static struct mail *untaken;

	for (uint64_t until_ns = clock_ns() + 5000000000u; untaken == NULL && clock_ns() < until_ns;) {
		struct pollfd pfd = {.fd = done_box.event_fd, .events = POLLIN};
		poll(&pfd, 1, 100);
		mailbox_clear(&done_box);
		untaken = mailbox_take(&done_box);
	}
	struct mail *mail = untaken;
	CHECK_NEED(mail != NULL);
	untaken = mail->next;
	return (struct settlement *)mail;
}

static void stop(void)
{
	settle_stop(settler);
	http_stop();
	mailbox_fini(&done_box);
}

TEST(settle_thread_settles_over_kept_connections)
{
	static struct settlement settlements[300];
	struct settle_stats stats;

	start("{\"success\":true,\"transaction\":\"" HASH "\",\"network\":\"eip155:84532\"}", 8, 3000);
	for (int i = 0; i < 300; i++) {
		fill(&settlements[i], METHOD_EIP3009, 2);
		settle_submit(settler, &settlements[i]);
	}
	for (int i = 0; i < 300; i++) {
		struct settlement *settlement = wait_done();
		CHECK(settlement->outcome == CLAIM_SETTLED && settlement->has_transaction);
	}
	CHECK_EQ(http.requests, 300);
	CHECK(http.connections <= 8);
	CHECK(strncmp(http_last(), "POST /x402/settle HTTP/1.1\r\n", 28) == 0);
	CHECK(strstr(http_last(), "\r\nAuthorization: Bearer something\r\n") != NULL);
	CHECK(strstr(http_last(), "\r\nContent-Type: application/json\r\n") != NULL);
	CHECK(strstr(http_last(), "\r\n\r\n{\"x402Version\":2,") != NULL);
	settle_stats(settler, &stats);
	CHECK(stats.asked == 300 && stats.settled == 300 && stats.refused == 0 && stats.unknown == 0);
	CHECK_EQ(stats.facilitator_errors, 0);
	stop();
}

TEST(settle_thread_against_every_facilitator)
{
	static const struct {
		const char *name;
		enum http_mode mode;
		int status;
		const char *body;
		enum claim_state want;
		bool fault;
		const char *word;
	} rows[] = {
		{"good", HTTP_ANSWER, 200, "{\"success\":true}", CLAIM_SETTLED, false, ""},
		{"slow", HTTP_SLOW, 200, "{\"success\":true}", CLAIM_SETTLED, false, ""},
		{"refuses", HTTP_ANSWER, 200, "{\"success\":false,\"errorReason\":\"no\"}", CLAIM_REFUSED, false, "no"},
		{"pending", HTTP_ANSWER, 200, "{\"success\":false,\"errorReason\":\"settlement_pending\"}",
		 CLAIM_UNKNOWN, false, "settlement_pending"},
		{"later", HTTP_ANSWER, 202, "{\"paymentJob\":{}}", CLAIM_UNKNOWN, true, "facilitator_status_202"},
		{"in line", HTTP_ANSWER, 202, "{\"paymentJob\":{\"jobId\":\"a\"}}", CLAIM_UNKNOWN, false,
		 "settlement_pending"},
		{"nonsense", HTTP_ANSWER, 200, "<html>", CLAIM_UNKNOWN, true, "facilitator_answer_bad"},
		{"down", HTTP_ANSWER, 503, "{}", CLAIM_UNKNOWN, true, "facilitator_status_503"},
		{"redirects", HTTP_REDIRECT, 307, "{\"success\":true}", CLAIM_UNKNOWN, true, "facilitator_status_307"},
		{"closes", HTTP_CLOSE, 200, "", CLAIM_UNKNOWN, true, "facilitator_connection"},
		{"cuts", HTTP_CUT, 200, "{\"success\":true}", CLAIM_UNKNOWN, true, "facilitator_connection"},
		{"large", HTTP_LONG, 200, "", CLAIM_UNKNOWN, true, "facilitator_answer_large"},
		{"garbage", HTTP_GARBAGE, 200, "", CLAIM_UNKNOWN, true, "facilitator_connection"},
		{"silent", HTTP_SILENT, 200, "", CLAIM_UNKNOWN, true, "facilitator_timeout"},
	};
	struct settle_stats before, after;
	struct settlement settlement;

	start("", 4, 1000);
	http.delay_ms = 60;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		http.body = rows[i].body;
		http.status = rows[i].status;
		http.mode = rows[i].mode;
		int requests = http.requests;
		settle_stats(settler, &before);
		fill(&settlement, METHOD_UPTO, 2);
		settle_submit(settler, &settlement);
		CHECK_ROW(wait_done() == &settlement, rows[i].name);
		CHECK_ROW(settlement.outcome == rows[i].want, rows[i].name);
		CHECK_ROW(strcmp(settlement.word, rows[i].word) == 0, rows[i].name);
		CHECK_ROW(!settlement.not_sent, rows[i].name);
		CHECK_ROW(http.requests == requests + 1, rows[i].name); /* asked once */
		settle_stats(settler, &after);
		CHECK_ROW(after.facilitator_errors == before.facilitator_errors + rows[i].fault, rows[i].name);
		CHECK_ROW(after.asked == before.asked + 1, rows[i].name);
	}
	stop();
}

/* A job's whole life: in line, asked after, ended; then one that the facilitator forgot, which is asked for anew. */
TEST(settle_thread_asks_after_a_job)
{
	static const struct {
		int status;
		const char *body, *line;
		enum claim_state want;
		const char *job;
	} rows[] = {
		{202, "{\"paymentJob\":{\"jobId\":\"" UUID "\"}}", "POST /x402/settle ", CLAIM_UNKNOWN, UUID},
		{200, OF_JOB("queued", ""), "GET /x402/settle/" UUID " ", CLAIM_UNKNOWN, UUID},
		{503, "", "GET /x402/settle/" UUID " ", CLAIM_UNKNOWN, UUID},
		{404, "{}", "GET /x402/settle/" UUID " ", CLAIM_UNKNOWN, ""},
		{202, "{\"paymentJob\":{\"jobId\":\"8\"}}", "POST /x402/settle ", CLAIM_UNKNOWN, "8"},
		{200, "{\"jobId\":\"8\",\"status\":\"succeeded\",\"result\":{\"success\":true}}", "GET /x402/settle/8 ",
		 CLAIM_SETTLED, "8"},
	};
	struct settlement settlement;

	start("", 1, 3000);
	fill(&settlement, METHOD_UPTO, 2);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		http.status = rows[i].status;
		http.body = rows[i].body;
		settle_submit(settler, &settlement);
		CHECK_NEED(wait_done() == &settlement);
		CHECK_ROW(strncmp(http_last(), rows[i].line, strlen(rows[i].line)) == 0, rows[i].line);
		CHECK_ROW(strstr(http_last(), "\r\nAuthorization: Bearer something\r\n") != NULL, rows[i].line);
		CHECK_ROW(settlement.outcome == rows[i].want, rows[i].body);
		CHECK_ROW(strcmp(settlement.job, rows[i].job) == 0, rows[i].body);
	}
	CHECK_EQ(http.requests, (int)(sizeof rows / sizeof *rows));
	stop();
}

TEST(settle_thread_says_what_was_never_sent)
{
	struct settlement settlement;

	start("", 1, 2000);
	http_stop(); /* nobody listens there any more */
	fill(&settlement, METHOD_EIP3009, 2);
	settle_submit(settler, &settlement);
	CHECK(wait_done() == &settlement);
	CHECK_EQ(settlement.outcome, CLAIM_UNKNOWN);
	CHECK(settlement.not_sent);
	CHECK(strcmp(settlement.word, "facilitator_unreachable") == 0);
	fill(&settlement, METHOD_EIP3009, 1);
	settlement.offer.chain_id = 10740;
	settle_submit(settler, &settlement);
	CHECK(wait_done() == &settlement);
	CHECK_EQ(settlement.outcome, CLAIM_UNKNOWN);
	CHECK(settlement.not_sent);
	settle_stop(settler);
	mailbox_fini(&done_box);
}

TEST(settle_stop_gives_everything_back)
{
	static struct settlement settlements[20];
	int not_sent = 0;

	start("", 4, 60000);
	http.mode = HTTP_SILENT;
	for (int i = 0; i < 20; i++) {
		fill(&settlements[i], METHOD_PERMIT2, 2);
		settle_submit(settler, &settlements[i]);
	}
	while (http.requests < 4)
		usleep(1000);
	settle_stop(settler);
	for (int i = 0; i < 20; i++) {
		struct settlement *settlement = wait_done();
		CHECK(settlement->outcome == CLAIM_UNKNOWN);
		not_sent += settlement->not_sent;
	}
	CHECK_EQ(not_sent, 16);
	http_stop();
	mailbox_fini(&done_box);
}

TEST(settle_start_refuses_what_cannot_work)
{
	char long_url[URL_BYTES_MAX + 64];
	struct settle_config config = {.url = long_url, .timeout_ms = 1, .in_flight_max = 1, .done = collect};

	memset(long_url, 'a', sizeof long_url);
	long_url[sizeof long_url - 1] = 0;
	CHECK_EQ(settle_start(&settler, &config), -ENAMETOOLONG);
	CHECK(settler == NULL);
	config.url = "http://127.0.0.1";
	config.in_flight_max = 0;
	CHECK_EQ(settle_start(&settler, &config), -EINVAL);
	config.in_flight_max = 1;
	config.timeout_ms = 0;
	CHECK_EQ(settle_start(&settler, &config), -EINVAL);
}

CHECK_MAIN
