// SPDX-License-Identifier: Apache-2.0
/* test_settle_message.c: what is asked of a facilitator, and what its answers mean. */
#include "../../user/settle_message.c"

#include <sys/mman.h>
#include <unistd.h>

#include "settle_fixture.h"

#define BODY_BYTES_MAX (8192 + 2 * SIGNATURE_BYTES_MAX)

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

/* As the client sent it, whatever its 65th byte is. */
TEST(settle_body_with_a_long_signature)
{
	struct settlement settlement;
	char body[BODY_BYTES_MAX], hex[HEX_BYTES(SIGNATURE_BYTES_MAX)], want[64 + sizeof hex];
	uint8_t signature[SIGNATURE_BYTES_MAX];
	static const size_t lengths[] = {66, 130, SIGNATURE_BYTES_MAX};

	for (size_t i = 0; i < 3; i++) {
		size_t bytes = lengths[i];
		fill(&settlement, METHOD_EIP3009, 2);
		memset(signature, 0x5c, bytes);
		signature[64] = 1;
		signature[bytes - 1] = 0xee;
		memcpy(settlement.payment.signature, signature, 65);
		settlement.payment.signature_rest_bytes = (uint16_t)(bytes - 65);
		memcpy(settlement.payment.signature_rest, signature + 65, bytes - 65);
		CHECK(settle_body(body, sizeof body, &settlement) > 0);
		snprintf(want, sizeof want, "\"payload\":{\"signature\":\"%s\",", hex_encode(hex, signature, bytes));
		CHECK(strstr(body, want) != NULL);
	}
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
	settlement.payment.signature_rest_bytes = sizeof settlement.payment.signature_rest;
	size_t bytes = settle_body(body, sizeof body, &settlement);
	CHECK(bytes > 3000 && bytes == strlen(body));
	for (size_t n = 1; n <= bytes; n++) {
		memset(body, '#', sizeof body);
		CHECK(settle_body(body, n, &settlement) == 0);
		CHECK(body[n] == '#');
	}
	CHECK_EQ(settle_body(body, bytes + 1, &settlement), bytes);
}

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
	{202, "{\"paymentJob\":{\"jobId\":\"7\",\"status\":\"queued\"}}", CLAIM_UNKNOWN, false, "settlement_pending"},
	{202, "{\"paymentJob\":{\"jobId\":\"../7\"}}", CLAIM_UNKNOWN, false, "facilitator_status_202"},
	{202, "{\"paymentJob\":[]}", CLAIM_UNKNOWN, false, "facilitator_status_202"},
	{202, "{\"jobId\":\"7\"}", CLAIM_UNKNOWN, false, "facilitator_status_202"},
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

TEST(settle_jobs_are_named_safely)
{
	static const struct {
		const char *json, *want;
	} rows[] = {
		{"\"" UUID "\"", UUID},
		{"\"a:b_c.d-1\"", "a:b_c.d-1"},
		{"42", "42"},
		{"\"pay\\u006dent-1\"", "payment-1"},
		{"18446744073709551615", "18446744073709551615"},
		{"\"\"", ""},
		{"\"..\"", ""},
		{"\".\"", ""},
		{"\"a/b\"", ""},
		{"\"a b\"", ""},
		{"\"a?b\"", ""},
		{"\"a%2fb\"", ""},
		{"\"a\\u0000b\"", ""},
		{"\"a\\r\\nHost: b\"", ""},
		{"\"\\u00e9\"", ""},
		{"-1", ""},
		{"1.5", ""},
		{"null", ""},
		{"{}", ""},
		{"\"" ONES "\"", ""},
		{"\"12345678901234567890123456789012345678901234567\"",
		 "12345678901234567890123456789012345678901234567"},
		{"\"123456789012345678901234567890123456789012345678\"", ""},
	};
	struct settlement settlement;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char body[256];
		int bytes = snprintf(body, sizeof body, "{\"paymentJob\":{\"status\":\"queued\",\"jobId\":%s}}",
				     rows[i].json);
		fill(&settlement, METHOD_UPTO, 2);
		settle_answer(&settlement, 202, body, (size_t)bytes);
		CHECK_ROW(strcmp(settlement.job, rows[i].want) == 0, rows[i].json);
		CHECK_ROW(settlement.pending == (rows[i].want[0] != 0), rows[i].json);
		CHECK_ROW(settlement.outcome == CLAIM_UNKNOWN, rows[i].json);
	}
}

static const struct job_row {
	long status;
	const char *body;
	enum claim_state want;
	bool has_job, pending, has_transaction;
	const char *word;
} job_answers[] = {
	{200, OF_JOB("queued", ""), CLAIM_UNKNOWN, true, true, false, "settlement_pending"},
	{200, OF_JOB("processing", ",\"result\":null"), CLAIM_UNKNOWN, true, true, false, "settlement_pending"},
	{200, OF_JOB("anything", ""), CLAIM_UNKNOWN, true, true, false, "settlement_pending"},
	{200, OF_JOB("succeeded", ",\"result\":{\"success\":true,\"transaction\":\"" HASH "\"}"), CLAIM_SETTLED, true,
	 false, true, ""},
	{200, OF_JOB("completed", ",\"result\":{\"success\":true}"), CLAIM_SETTLED, true, false, false, ""},
	{200, OF_JOB("succeeded", ",\"result\":{\"success\":false,\"errorReason\":\"no\"}"), CLAIM_REFUSED, true, false,
	 false, "no"},
	{200, OF_JOB("succeeded", ",\"result\":{\"success\":false,\"errorReason\":\"settlement_pending\"}"),
	 CLAIM_UNKNOWN, true, true, false, "settlement_pending"},
	{200, OF_JOB("failed", ",\"error\":\"socket hang up\""), CLAIM_UNKNOWN, false, false, false,
	 "facilitator_job_failed"},
	{404, "{\"error\":\"Settlement job not found\"}", CLAIM_UNKNOWN, false, false, false, "facilitator_job_gone"},
	{410, "", CLAIM_UNKNOWN, false, false, false, "facilitator_job_gone"},
	{500, OF_JOB("succeeded", ",\"result\":{\"success\":true}"), CLAIM_UNKNOWN, true, false, false,
	 "facilitator_status_500"},
	{402, "{\"success\":false,\"errorReason\":\"no\"}", CLAIM_UNKNOWN, true, false, false,
	 "facilitator_status_402"},
	/* what is said of another job, or of none, is not about this one */
	{200, "{\"jobId\":\"payment-2\",\"status\":\"succeeded\",\"result\":{\"success\":true}}", CLAIM_UNKNOWN, true,
	 false, false, "facilitator_answer_bad"},
	{200, "{\"status\":\"succeeded\",\"result\":{\"success\":true}}", CLAIM_UNKNOWN, true, false, false,
	 "facilitator_answer_bad"},
	{200, "{\"success\":true}", CLAIM_UNKNOWN, true, false, false, "facilitator_answer_bad"},
	{200, OF_JOB("succeeded", ""), CLAIM_UNKNOWN, true, false, false, "facilitator_answer_bad"},
	{200, OF_JOB("succeeded", ",\"result\":true"), CLAIM_UNKNOWN, true, false, false, "facilitator_answer_bad"},
	{200, OF_JOB("succeeded", ",\"result\":{}"), CLAIM_UNKNOWN, true, false, false, "facilitator_answer_bad"},
	{200, OF_JOB("succeeded", ",\"result\":{\"success\":\"true\"}"), CLAIM_UNKNOWN, true, false, false,
	 "facilitator_answer_bad"},
	{200, OF_JOB("queued", ",\"result\":{\"success\":true}"), CLAIM_UNKNOWN, true, true, false,
	 "settlement_pending"},
	{200, OF_JOB("queued", ",\"status\":\"succeeded\""), CLAIM_UNKNOWN, true, false, false,
	 "facilitator_answer_bad"},
	{200, "", CLAIM_UNKNOWN, true, false, false, "facilitator_answer_bad"},
	{200, "[]", CLAIM_UNKNOWN, true, false, false, "facilitator_answer_bad"},
};

TEST(settle_job_answer_table)
{
	struct settlement settlement;

	for (size_t i = 0; i < sizeof job_answers / sizeof *job_answers; i++) {
		const struct job_row *row = &job_answers[i];
		fill(&settlement, METHOD_UPTO, 2);
		snprintf(settlement.job, sizeof settlement.job, UUID);
		settle_job_answer(&settlement, row->status, row->body, strlen(row->body));
		CHECK_ROW(settlement.outcome == row->want && settlement.pending == row->pending, row->body);
		CHECK_ROW((strcmp(settlement.job, UUID) == 0) == row->has_job, row->body);
		CHECK_ROW(row->has_job || settlement.job[0] == 0, row->body);
		CHECK_ROW(settlement.has_transaction == row->has_transaction, row->body);
		CHECK_ROW(strcmp(settlement.word, row->word) == 0, row->body);
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

CHECK_MAIN
