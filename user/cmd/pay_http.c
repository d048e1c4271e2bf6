// SPDX-License-Identifier: Apache-2.0
/* pay_http.c: one answer over HTTP: what is printed as it comes, what is kept, what is said of it at the end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/pay.h"

enum { CONNECT_MS = 10000, TOTAL_MS = 600000 };

static void keep(char *out, size_t out_bytes, struct span value)
{
	if (value.bytes < out_bytes) {
		memcpy(out, value.at, value.bytes);
		out[value.bytes] = 0;
	}
}

static void on_header(void *context, struct span name, struct span value)
{
	struct pay_answer *answer = context;

	if (span_equal_nocase(name, SPAN("PAYMENT-REQUIRED")))
		keep(answer->challenge, sizeof(answer->challenge), value);
	else if (span_equal_nocase(name, SPAN("PAYMENT-RESPONSE")) ||
		 span_equal_nocase(name, SPAN("X-PAYMENT-RESPONSE")))
		keep(answer->receipt, sizeof(answer->receipt), value);
}

/* The body is what was asked for; a 202 says that it is not there yet. */
static bool is_served(const struct pay_answer *answer)
{
	return answer->call.status >= 200 && answer->call.status < 300 && answer->call.status != 202;
}

static bool on_body(void *context, struct span piece)
{
	struct pay_answer *answer = context;
	size_t room = KEPT_BYTES_MAX - answer->body_bytes;

	if (is_served(answer))
		return fwrite(piece.at, 1, piece.bytes, stdout) == piece.bytes && fflush(stdout) == 0;
	piece.bytes = piece.bytes < room ? piece.bytes : room;
	memcpy(answer->body + answer->body_bytes, piece.at, piece.bytes);
	answer->body_bytes += piece.bytes;
	return true;
}

bool pay_ask(struct pay_answer *answer, const char *url, const char *ca_file, const char *const *headers,
	     size_t header_cnt, struct span body)
{
	int error;

	memset(answer, 0, sizeof(*answer));
	answer->call = (struct fetch_call){
		.url = url,
		.ca_file = ca_file,
		.headers = headers,
		.header_cnt = header_cnt,
		.body = body,
		.connect_ms = CONNECT_MS,
		.total_ms = TOTAL_MS,
		.answer_bytes_max = SIZE_MAX, /* goes through, is not kept */
		.on_header = on_header,
		.on_body = on_body,
		.ctx = answer,
	};
	error = fetch(&answer->call);
	if (error == 0)
		return true;
	pay_complain(NETWORK, "%s: %s%s", url, strerror(-error),
		     answer->call.status != 0 ? ", in the middle of the answer" : "");
	return false;
}

/* --- what it says --- */

/* The reason word: "reason" of a challenge, or error.code of an OpenAI error; "" when there is none. */
static void find_reason(char out[64], const struct pay_answer *answer)
{
	struct json_value key, reason = {0}, code = {0};
	struct span text;
	uint8_t buffer[64];
	struct json json;

	out[0] = 0;
	json_init(&json, span_of(answer->body, answer->body_bytes), JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return;
	while (json_next(&json, &key)) {
		if (json_equals(&key, SPAN("reason"))) {
			json_read(&json, &reason);
		} else if (json_equals(&key, SPAN("error")) && json_enter(&json, JSON_OBJECT)) {
			while (json_next(&json, &key))
				if (json_equals(&key, SPAN("code")))
					json_read(&json, &code);
		}
	}
	if (json_end(&json) &&
	    (json_text(&reason, &text, buffer, sizeof(buffer)) || json_text(&code, &text, buffer, sizeof(buffer))))
		log_safe(out, 64, text);
}

static void print_receipt(const struct pay_answer *answer)
{
	static uint8_t json[HEAD_BYTES_MAX];
	ssize_t bytes = base64_decode(json, sizeof(json), span_str(answer->receipt));

	if (answer->receipt[0] == 0)
		return;
	fputs("receipt ", stderr);
	for (ssize_t i = 0; i < bytes; i++) /* a server's bytes: no control sequences for the terminal */
		fputc(json[i] >= 0x20 && json[i] < 0x7f ? json[i] : '?', stderr);
	fputs(bytes < 0 ? "not base64\n" : "\n", stderr);
}

int pay_conclude(const struct pay_answer *answer)
{
	char reason[64];

	if (isatty(STDOUT_FILENO))
		puts(""); /* an answer need not end its line */
	fprintf(stderr, "status %ld\n", answer->call.status);
	print_receipt(answer);
	if (is_served(answer))
		return SERVED;
	find_reason(reason, answer);
	if (reason[0] != 0)
		fprintf(stderr, "reason %s\n", reason);
	fwrite(answer->body, 1, answer->body_bytes, stdout);
	return REFUSED;
}
