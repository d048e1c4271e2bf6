// SPDX-License-Identifier: Apache-2.0
#include "cmd/ask_url.h"

#include <stdio.h>

#include "limits.h"
#include "survey.h"
#include "sys/fetch.h"

static struct {
	uint8_t bytes[ASK_URL_ANSWER_BYTES_MAX];
	size_t used;
} answer; /* large, and there is one */

static void take_header(void *ctx, struct span name, struct span value)
{
	struct asked *asked = ctx;

	if (span_equal_nocase(name, SPAN("date")) && !survey_date(&asked->date_s, value))
		asked->date_s = 0;
}

static bool take_body(void *ctx, struct span piece)
{
	memcpy(answer.bytes + answer.used, piece.at, piece.bytes); /* fetch stops at the most it may be */
	answer.used += piece.bytes;
	return true;
}

void ask_url(struct asked *asked, const char *base, const char *path)
{
	char url[URL_BYTES_MAX + 64], authorization[URL_BYTES_MAX + 32];
	const char *headers[] = {authorization};
	bool authorized = asked->authorization != NULL && asked->authorization[0] != 0;
	struct fetch_call call = {.url = url,
				  .headers = headers,
				  .header_cnt = authorized ? 1 : 0,
				  .ca_file = asked->ca_file != NULL && asked->ca_file[0] != 0 ? asked->ca_file : NULL,
				  .total_ms = asked->ms,
				  .answer_bytes_max = sizeof answer.bytes,
				  .on_header = take_header,
				  .on_body = take_body,
				  .ctx = asked};

	snprintf(url, sizeof url, "%s%s", base, path);
	snprintf(authorization, sizeof authorization, "Authorization: %s", authorized ? asked->authorization : "");
	answer.used = 0;
	asked->date_s = 0;
	asked->error = fetch(&call);
	asked->status = call.status;
	asked->body = span_of(answer.bytes, answer.used);
}
