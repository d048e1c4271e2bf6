// SPDX-License-Identifier: Apache-2.0
/* test_settle.c: what is asked of a facilitator, what its answers mean, and the thread against a facilitator that answers
 * well, slowly, with nonsense, late or not at all. */
#include "../../user/settle.c"

#include <sys/mman.h>

#include "base/clock.h"
#include "base/u256.h"
#include "http_fixture.h"

static struct address address_of(uint8_t fill)
{
	struct address address;

	memset(address.at, fill, sizeof address.at);
	return address;
}

static struct word word_of(uint64_t number)
{
	struct word word = {{0}};

	u256_from_u64(word.at, number);
	return word;
}

static void fill(struct settlement *settlement, enum method method, unsigned version)
{
	*settlement = (struct settlement){
		.claim_id = 1,
		.amount_due = word_of(900),
		.attempts = 1,
		.payment = {.version = (uint8_t)version,
			    .method = (uint8_t)method,
			    .from = address_of(0xaa),
			    .to = address_of(0xbb),
			    .amount = word_of(1000),
			    .valid_after = word_of(17),
			    .deadline = word_of(1740672154),
			    .nonce = word_of(0x1f),
			    .token = address_of(method == METHOD_EIP3009 ? 0 : 0xcc),
			    .spender = address_of(method == METHOD_EIP3009 ? 0 : 0xdd),
			    .facilitator = address_of(method == METHOD_UPTO ? 0xee : 0)},
		.offer = {.name = "chat",
			  .method = (uint8_t)method,
			  .chain_id = 84532,
			  .asset = address_of(0xcc),
			  .pay_to = address_of(0xbb),
			  .facilitator = address_of(method == METHOD_UPTO ? 0xee : 0),
			  .amount = word_of(1000),
			  .max_timeout_s = 60,
			  .token_name = "USD \"Coin\"",
			  .token_version = "2"},
	};
	memset(settlement->payment.signature, 0x11, 64);
	settlement->payment.signature[64] = 28;
}

#define AA "0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BB "0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define CC "0xcccccccccccccccccccccccccccccccccccccccc"
#define DD "0xdddddddddddddddddddddddddddddddddddddddd"
#define EE "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
#define ONES "1111111111111111111111111111111111111111111111111111111111111111"
#define SIGNATURE(v) "0x" ONES ONES v
#define NONCE "0x000000000000000000000000000000000000000000000000000000000000001f"
#define AUTHORIZATION(v)                                                                                           \
	"\"payload\":{\"signature\":\"" SIGNATURE(                                                                 \
		v) "\",\"authorization\":{\"from\":\"" AA "\",\"to\":\"" BB                                        \
		   "\",\"value\":\"1000\",\"validAfter\":\"17\",\"validBefore\":\"1740672154\",\"nonce\":\"" NONCE \
		   "\"}}"
#define TERMS(scheme, amount, extra)                                                                        \
	"{\"scheme\":\"" scheme "\",\"network\":\"eip155:84532\",\"amount\":\"" amount "\",\"asset\":\"" CC \
	"\",\"payTo\":\"" BB "\",\"maxTimeoutSeconds\":60,\"extra\":{" extra "}}"
#define NAMES "\"name\":\"USD \\\"Coin\\\"\",\"version\":\"2\""
#define PERMIT2(witness)                                                                                        \
	"\"payload\":{\"signature\":\"" SIGNATURE(                                                              \
		"1c") "\",\"permit2Authorization\":{\"from\":\"" AA "\",\"permitted\":{\"token\":\"" CC         \
		      "\",\"amount\":\"1000\"},\"spender\":\"" DD                                               \
		      "\",\"nonce\":\"31\",\"deadline\":\"1740672154\",\"witness\":{\"to\":\"" BB "\"," witness \
		      "\"validAfter\":\"17\"}}}"

static void check_body(const struct settlement *settlement, const char *want)
{
	char body[BODY_BYTES_MAX];
	size_t bytes = settle_body(body, sizeof body, settlement);

	CHECK_EQ(bytes, strlen(want));
	if (strcmp(body, want) != 0) {
		printf("got  %s\nwant %s\n", body, want);
		check_failures++;
	}
}

TEST(settle_body_eip3009)
{
	struct settlement settlement;
	static const char want[] = "{\"x402Version\":2,\"paymentPayload\":{\"x402Version\":2,\"accepted\":" TERMS(
		"exact", "1000", NAMES) "," AUTHORIZATION("1c") "},\"paymentRequirements\":" TERMS("exact", "1000",
												   NAMES) "}";

	fill(&settlement, METHOD_EIP3009, 2);
	check_body(&settlement, want);
	settlement.payment.signature[64] = 1; /* tokens want 28 */
	check_body(&settlement, want);
}

TEST(settle_body_permit2_and_upto)
{
	struct settlement settlement;

	fill(&settlement, METHOD_PERMIT2, 2);
	check_body(&settlement,
		   "{\"x402Version\":2,\"paymentPayload\":{\"x402Version\":2,\"accepted\":" TERMS(
			   "exact", "1000",
			   NAMES ",\"assetTransferMethod\":\"permit2\"") "," PERMIT2("") "},"
											 "\"paymentRequirements\""
											 ":" TERMS("exact", "1000",
												   NAMES ",\"assetT"
													 "ransferMe"
													 "thod\":"
													 "\"permit2"
													 "\"") "}");
#define UPTO_EXTRA "\"assetTransferMethod\":\"permit2\",\"facilitatorAddress\":\"" EE "\""
	fill(&settlement, METHOD_UPTO, 2);
	settlement.offer.token_name[0] = settlement.offer.token_version[0] = 0;
	/* accepted is what was offered, the requirement what is due */
	check_body(&settlement,
		   "{\"x402Version\":2,\"paymentPayload\":{\"x402Version\":2,\"accepted\":" TERMS(
			   "upto", "1000",
			   UPTO_EXTRA) "," PERMIT2("\"facilitator\":\"" EE
						   "\",") "},\"paymentRequirements\":" TERMS("upto", "900",
											     UPTO_EXTRA) "}");
}

TEST(settle_body_version_1)
{
	struct settlement settlement;
	char body[BODY_BYTES_MAX];

	fill(&settlement, METHOD_EIP3009, 1);
	check_body(&settlement,
		   "{\"x402Version\":1,\"paymentPayload\":{\"x402Version\":1,\"scheme\":\"exact\",\"network\":\"base-"
		   "sepolia\"," AUTHORIZATION("1c") "},\"paymentRequirements\":{\"scheme\":\"exact\",\"network\":"
						    "\"base-sepolia\",\"maxAmountRequired\":\"1000\",\"asset\":\"" CC
						    "\",\"payTo\":\"" BB
						    "\",\"maxTimeoutSeconds\":60,\"resource\":\"urn:tollbar:offer:"
						    "chat\",\"description\":\"\","
						    "\"mimeType\":\"application/json\",\"extra\":{" NAMES "}}}");
	settlement.offer.chain_id = 10740; /* no name in version 1 */
	CHECK_EQ(settle_body(body, sizeof body, &settlement), 0);
}

TEST(settle_body_fits_at_its_largest_and_says_when_not)
{
	struct settlement settlement;
	char body[BODY_BYTES_MAX];

	fill(&settlement, METHOD_UPTO, 2);
	settlement.offer.chain_id = UINT64_MAX;
	settlement.offer.max_timeout_s = UINT64_MAX;
	memset(settlement.offer.token_name, '\x01', NAME_BYTES_MAX - 1); /* each becomes six */
	memset(settlement.offer.token_version, '\x01', NAME_BYTES_MAX - 1);
	memset(&settlement.payment.amount, 0xff, 32);
	memset(&settlement.payment.valid_after, 0xff, 32);
	memset(&settlement.payment.deadline, 0xff, 32);
	memset(&settlement.payment.nonce, 0xff, 32);
	memset(&settlement.offer.amount, 0xff, 32);
	memset(&settlement.amount_due, 0xff, 32);
	size_t bytes = settle_body(body, sizeof body, &settlement);
	CHECK(bytes > 3000 && bytes == strlen(body));
	for (size_t n = 1; n <= bytes; n++) {
		memset(body, '#', sizeof body);
		CHECK(settle_body(body, n, &settlement) == 0);
		CHECK(body[n] == '#');
	}
	CHECK_EQ(settle_body(body, bytes + 1, &settlement), bytes);
}

#define HASH "0x1234567812345678123456781234567812345678123456781234567812345678"

static const struct answer_row {
	long status;
	const char *body;
	enum claim_state want;
	bool has_transaction;
	const char *word;
} answers[] = {
	{200, "{\"success\":true,\"transaction\":\"" HASH "\",\"network\":\"eip155:1\"}", CLAIM_SETTLED, true, ""},
	{200, " {\"payer\":null,\"transaction\":\"" HASH "\",\"success\":true}\n", CLAIM_SETTLED, true, ""},
	{200, "{\"success\":true}", CLAIM_SETTLED, false, ""},
	{200, "{\"success\":true,\"transaction\":\"\"}", CLAIM_SETTLED, false, ""},
	{200, "{\"success\":true,\"transaction\":\"0x12\"}", CLAIM_SETTLED, false, ""},
	{200, "{\"success\":true,\"transaction\":7}", CLAIM_SETTLED, false, ""},
	{200, "{\"success\":true,\"errorReason\":\"odd\"}", CLAIM_SETTLED, false, ""},
	{200, "{\"success\":true,\"extensions\":{\"a\":[{\"success\":false}]}}", CLAIM_SETTLED, false, ""},
	{200, "{\"success\":false,\"errorReason\":\"invalid_exact_evm_signature\"}", CLAIM_REFUSED, false,
	 "invalid_exact_evm_signature"},
	{200, "{\"success\":false,\"errorReason\":\"a\\u0000b\\n\\u00e9\"}", CLAIM_REFUSED, false, "a?b???"},
	{200, "{\"success\":false}", CLAIM_REFUSED, false, "unexpected_settle_error"},
	{200, "{\"success\":false,\"errorReason\":null}", CLAIM_REFUSED, false, "unexpected_settle_error"},
	{200, "{\"success\":false,\"errorReason\":\"reverted\",\"transaction\":\"" HASH "\"}", CLAIM_UNKNOWN, true,
	 "reverted"},
	{200, "{\"success\":false,\"errorReason\":\"invalid_exact_evm_transaction_failed: timeout\"}", CLAIM_UNKNOWN,
	 false, "invalid_exact_evm_transaction_failed: timeout"},
	{200, "{\"success\":false,\"errorReason\":\"unexpected_settle_error\"}", CLAIM_UNKNOWN, false,
	 "unexpected_settle_error"},
	{400, "{\"success\":false,\"errorReason\":\"unexpected_error\"}", CLAIM_UNKNOWN, false, "unexpected_error"},
	{200, "{\"success\":false,\"errorReason\":\"invalid_transaction_state\"}", CLAIM_UNKNOWN, false,
	 "invalid_transaction_state"},
	{200, "{\"success\":false,\"errorReason\":\"unexpected\"}", CLAIM_REFUSED, false, "unexpected"},
	{402, "{\"success\":false,\"errorReason\":\"insufficient_funds\"}", CLAIM_REFUSED, false, "insufficient_funds"},
	{400, "{\"success\":false,\"errorReason\":\"invalid_payload\"}", CLAIM_REFUSED, false, "invalid_payload"},
	{200, "{\"success\":false,\"errorReason\":\"settlement_pending\",\"transaction\":\"" HASH "\"}", CLAIM_UNKNOWN,
	 true, "settlement_pending"},
	{202, "{\"paymentJob\":{\"jobId\":\"7\",\"status\":\"queued\"}}", CLAIM_UNKNOWN, false,
	 "facilitator_status_202"},
	{202, "{\"success\":true}", CLAIM_UNKNOWN, false, "facilitator_status_202"},
	{402, "{\"success\":true}", CLAIM_UNKNOWN, false, "facilitator_status_402"},
	{200, "", CLAIM_UNKNOWN, false, "facilitator_answer_bad"},
	{200, "ok", CLAIM_UNKNOWN, false, "facilitator_answer_bad"},
	{200, "true", CLAIM_UNKNOWN, false, "facilitator_answer_bad"},
	{200, "[{\"success\":true}]", CLAIM_UNKNOWN, false, "facilitator_answer_bad"},
	{200, "{}", CLAIM_UNKNOWN, false, "facilitator_answer_bad"},
	{200, "{\"success\":\"true\"}", CLAIM_UNKNOWN, false, "facilitator_answer_bad"},
	{200, "{\"success\":1}", CLAIM_UNKNOWN, false, "facilitator_answer_bad"},
	{200, "{\"success\":null}", CLAIM_UNKNOWN, false, "facilitator_answer_bad"},
	{200, "{\"success\":true", CLAIM_UNKNOWN, false, "facilitator_answer_bad"},
	{200, "{\"success\":true}{}", CLAIM_UNKNOWN, false, "facilitator_answer_bad"},
	{200, "{\"success\":true,\"success\":false}", CLAIM_UNKNOWN, false, "facilitator_answer_bad"},
	{200, "{\"result\":{\"success\":true}}", CLAIM_UNKNOWN, false, "facilitator_answer_bad"},
	{200, "{\"success\":false,}", CLAIM_UNKNOWN, false, "facilitator_answer_bad"},
	{400, "Bad Request", CLAIM_UNKNOWN, false, "facilitator_status_400"},
	{401, "{\"success\":false,\"errorReason\":\"unauthorized\"}", CLAIM_UNKNOWN, false, "facilitator_status_401"},
	{404, "{\"success\":false}", CLAIM_UNKNOWN, false, "facilitator_status_404"},
	{429, "{\"success\":false,\"errorReason\":\"rate\"}", CLAIM_UNKNOWN, false, "facilitator_status_429"},
	{500, "{\"success\":false,\"errorReason\":\"oops\"}", CLAIM_UNKNOWN, false, "facilitator_status_500"},
	{503, "", CLAIM_UNKNOWN, false, "facilitator_status_503"},
	{302, "{\"success\":true}", CLAIM_UNKNOWN, false, "facilitator_status_302"},
	{0, "{\"success\":true}", CLAIM_UNKNOWN, false, "facilitator_status_0"},
};

TEST(settle_answer_table)
{
	struct settlement settlement;

	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		const struct answer_row *row = &answers[i];
		fill(&settlement, METHOD_EIP3009, 2);
		memset(settlement.word, 'x', sizeof settlement.word);
		settlement.not_sent = true;
		settle_answer(&settlement, row->status, row->body, strlen(row->body));
		CHECK_ROW(settlement.outcome == row->want, row->body);
		CHECK_ROW(settlement.has_transaction == row->has_transaction, row->body);
		CHECK_ROW(strcmp(settlement.word, row->word) == 0, row->body);
		CHECK_ROW(!settlement.not_sent, row->body);
	}
}

TEST(settle_answer_prefixes_never_settle)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct settlement settlement;

	CHECK(pages != MAP_FAILED && mprotect(pages + page, page, PROT_NONE) == 0);
	fill(&settlement, METHOD_EIP3009, 2);
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		size_t bytes = strlen(answers[i].body);
		while (bytes > 0 && answers[i].body[bytes - 1] == '\n')
			bytes--;
		for (size_t n = 0; n < bytes; n++) {
			char *at = pages + page - n;
			memcpy(at, answers[i].body, n);
			settle_answer(&settlement, 200, at, n);
			/* but for the row that is a good answer with something behind it */
			bool whole = n == 16 && strncmp(answers[i].body, "{\"success\":true}{", 17) == 0;
			CHECK_ROW(settlement.outcome == (whole ? CLAIM_SETTLED : CLAIM_UNKNOWN), answers[i].body);
		}
	}
	munmap(pages, 2 * page);
}

TEST(settle_answer_word_is_cut)
{
	char body[600], long_word[501];
	struct settlement settlement;

	memset(long_word, 'w', sizeof long_word);
	long_word[500] = 0;
	snprintf(body, sizeof body, "{\"success\":false,\"errorReason\":\"%s\"}", long_word);
	fill(&settlement, METHOD_EIP3009, 2);
	settle_answer(&settlement, 200, body, strlen(body));
	CHECK_EQ(settlement.outcome, CLAIM_REFUSED);
	CHECK_EQ(strlen(settlement.word), SETTLE_WORD_BYTES_MAX - 1);
}

/* --- the thread --- */

static struct settler *settler;
static struct mailbox done_box;
static char url[64];

static void collect(void *ctx, struct settlement *settlement)
{
	mailbox_push(ctx, &settlement->mail);
}

static void start(const char *body, unsigned in_flight_max, unsigned timeout_ms)
{
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
