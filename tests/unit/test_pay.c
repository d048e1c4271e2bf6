// SPDX-License-Identifier: Apache-2.0
#include "cmd/pay.c"

#include "cmd/pay_http.c"

#include "check.h"
#include "decode.h"
#include "pay_fixture.h"

/* --- pieces --- */

TEST(stream_is_added_to_a_body_that_does_not_say)
{
	static const struct {
		const char *body, *want; /* NULL: refused */
	} rows[] = {
		{"{}", "{\"stream\":true}"},
		{" {\"a\":1}", "{\"stream\":true,\"a\":1}"},
		{"{\"a\":{\"stream\":false}}", "{\"stream\":true,\"a\":{\"stream\":false}}"},
		{"{\"stream\":false}", "{\"stream\":false}"},
		{"{\"str\\u0065am\":false}", "{\"str\\u0065am\":false}"},
		{"[]", NULL},
		{"", NULL},
		{"{\"a\":}", NULL},
		{"{} x", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t bytes = strlen(rows[i].body);
		char *got = add_stream(rows[i].body, &bytes);
		if (rows[i].want == NULL) {
			CHECK_ROW(got == NULL, rows[i].body);
		} else {
			CHECK_ROW(got != NULL && strcmp(got, rows[i].want) == 0, rows[i].body);
			CHECK_EQ(bytes, strlen(rows[i].want));
		}
		free(got);
	}
}

TEST(the_reason_word_is_found_in_both_kinds_of_refusal)
{
	static const struct {
		const char *body, *want;
	} rows[] = {
		{"{\"x402Version\":1,\"error\":\"invalid\",\"reason\":\"replayed\",\"accepts\":[]}", "replayed"},
		{"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"queue_full\"}}", "queue_full"},
		{"{\"error\":{\"message\":\"m\",\"code\":500}}", ""},
		{"{\"error\":null}", ""},
		{"{\"reason\":\"a\\u001b[2Jb\"}", "a?[2Jb"},
		{"<html>", ""},
		{"", ""},
		{"[{\"reason\":\"x\"}]", ""},
	};
	static struct pay_answer answer;
	char reason[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		answer.body_bytes = strlen(rows[i].body);
		memcpy(answer.body, rows[i].body, answer.body_bytes);
		find_reason(reason, &answer);
		CHECK_ROW(strcmp(reason, rows[i].want) == 0, rows[i].body);
	}
}

/* --- the whole command --- */

static int run(const char *paid_answer, const char *const *arguments)
{
	const char *all[16];
	size_t cnt = 0;

	for (; *arguments != NULL; arguments++)
		all[cnt++] = *arguments;
	all[cnt++] = "URL";
	all[cnt] = NULL;
	server.challenge = V2;
	server.paid_answer = paid_answer;
	return pay_run(all);
}

#define OK_ANSWER                                                                                \
	"HTTP/1.1 200 OK\r\nPAYMENT-RESPONSE: eyJzdWNjZXNzIjp0cnVlfQ==\r\nContent-Length: 7\r\n" \
	"Connection: close\r\n\r\n{\"a\":1}"
#define REPLAY_ANSWER \
	"HTTP/1.1 402 Payment Required\r\nContent-Length: 21\r\nConnection: close\r\n\r\n{\"reason\":\"replayed\"}"
#define CUT_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 70\r\nConnection: close\r\n\r\n{\"a\":1}"

TEST(it_pays_what_it_is_asked_and_says_what_became_of_it)
{
	static const struct {
		const char *arguments[8], *answer;
		int status;
		unsigned asked;
		const char *printed[3]; /* each somewhere in what it printed */
	} rows[] = {
		{{NULL}, OK_ANSWER, SERVED, 2, {"{\"a\":1}", "status 200", "receipt {\"success\":true}"}},
		{{"--data", "{}", "--stream", NULL}, OK_ANSWER, SERVED, 2, {"status 200"}},
		{{"--v1", NULL}, OK_ANSWER, SERVED, 2, {"version=1", "status 200"}},
		{{"--max-amount", "10000", NULL}, OK_ANSWER, SERVED, 2, {"amount=10000"}},
		{{"--max-amount", "9999", NULL}, OK_ANSWER, REFUSED, 1, {"--max-amount"}},
		{{"--method", "permit2", NULL}, OK_ANSWER, REFUSED, 1, {"none of the 1 offers"}},
		{{"--dump-header", NULL}, OK_ANSWER, SERVED, 1, {"PAYMENT-SIGNATURE: "}},
		{{NULL}, REPLAY_ANSWER, REFUSED, 2, {"status 402", "reason replayed"}},
		{{NULL}, CUT_ANSWER, NETWORK, 2, {"in the middle of the answer"}},
		{{"--method", "cash", NULL}, OK_ANSWER, USAGE, 0, {"--method: bad value"}},
		{{"--max-amount", "-1", NULL}, OK_ANSWER, USAGE, 0, {"--max-amount: bad value"}},
		{{"--valid-for", "0", NULL}, OK_ANSWER, USAGE, 0, {"--valid-for: bad value"}},
		{{"--header", "no colon", NULL}, OK_ANSWER, USAGE, 0, {"--header: bad value"}},
		{{"--header", "A: b\r\nC: d", NULL}, OK_ANSWER, USAGE, 0, {"--header: bad value"}},
		{{"--stream", NULL}, OK_ANSWER, USAGE, 0, {"--stream needs --data"}},
		{{"--data", "[]", "--stream", NULL}, OK_ANSWER, USAGE, 0, {"--stream needs --data"}},
		{{"--terms", "/nonexistent", NULL}, OK_ANSWER, USAGE, 0, {"go with --udp"}},
		{{"--tee", NULL}, OK_ANSWER, USAGE, 0, {"go with --udp"}},
	};
	pay_make_key();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int status = run(rows[i].answer, rows[i].arguments);
		CHECK_ROW(status == rows[i].status, printed);
		CHECK_EQ(server.asked_cnt, rows[i].asked);
		for (size_t j = 0; j < 3 && rows[i].printed[j] != NULL; j++)
			CHECK_ROW(strstr(printed, rows[i].printed[j]) != NULL, rows[i].printed[j]);
	}
	unlink(pay_key_path);
}

/* The payment that reached the server, decoded. */
static bool sent_payment(struct payment *payment, unsigned version)
{
	const char *name = version == 2 ? "PAYMENT-SIGNATURE: " : "X-PAYMENT: ", *at = strstr(server.asked[1], name);

	if (at == NULL)
		return false;
	at += strlen(name);
	return decode_payment(payment, version, span_of(at, strcspn(at, "\r"))) == REASON_OK;
}

TEST(the_payment_on_the_wire_is_as_asked)
{
	struct payment first, second;
	uint64_t deadline_s, now_s = clock_unix_s();

	pay_make_key();
	CHECK_EQ(run(OK_ANSWER, (const char *[]){"--valid-for", "30", NULL}), SERVED);
	CHECK(sent_payment(&first, 2));
	CHECK(u256_to_u64(&deadline_s, first.deadline.at));
	CHECK(deadline_s >= now_s + 30 && deadline_s <= now_s + 40);
	CHECK_EQ(run(OK_ANSWER, (const char *[]){"--v1", NULL}), SERVED);
	CHECK(sent_payment(&second, 1));
	CHECK(memcmp(&first.nonce, &second.nonce, sizeof(first.nonce)) != 0); /* never one nonce twice */
	unlink(pay_key_path);
}

/* The salt that reached the server. */
static bool sent_salt(uint8_t salt[BIND_SALT_BYTES])
{
	const char *at = strstr(server.asked[1], SALT_NAME);

	return at != NULL && hex_digits(salt, BIND_SALT_BYTES, span_of(at + strlen(SALT_NAME), 2 * BIND_SALT_BYTES));
}

TEST(a_bound_payment_commits_to_the_body)
{
	char path[] = "/tmp/tollbar-test-pay-lines-XXXXXX";
	uint8_t salt[BIND_SALT_BYTES], again[BIND_SALT_BYTES];
	struct payment payment;
	struct word nonce;
	int fd = mkstemp(path);

	pay_make_key();
	const char *arguments[] = {"--bind", "--data", "{\"a\":1}", NULL};
	CHECK_EQ(run(OK_ANSWER, arguments), SERVED);
	CHECK_NEED(sent_payment(&payment, 2) && sent_salt(salt));
	bind_nonce(&nonce, salt, SPAN("{\"a\":1}"));
	CHECK_BYTES(&payment.nonce, &nonce, sizeof(nonce));
	CHECK_EQ(run(OK_ANSWER, arguments), SERVED);
	CHECK(sent_salt(again) && memcmp(salt, again, sizeof(salt)) != 0);

	/* dumped, it is two lines, and both are sent */
	CHECK_EQ(run(OK_ANSWER, (const char *[]){"--bind", "--dump-header", NULL}), SERVED);
	const char *line = strstr(printed, "PAYMENT-SIGNATURE: ");
	CHECK_NEED(line != NULL && strstr(line, "\n" SALT_NAME) != NULL);
	CHECK(write(fd, line, strlen(line)) > 0);
	static struct lines lines;
	CHECK_EQ(read_lines(&lines, path), SERVED);
	CHECK(strlen(lines.payment) > 500 && strchr(lines.payment, '\n') == NULL);
	CHECK_EQ(strlen(lines.salt), strlen(SALT_NAME) + 2 * BIND_SALT_BYTES);
	close(fd);
	unlink(path);
	unlink(pay_key_path);
}

CHECK_MAIN
