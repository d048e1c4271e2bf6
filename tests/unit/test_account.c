// SPDX-License-Identifier: Apache-2.0
/* test_account.c: a request's line in the access log: good JSON of bounded length whatever its client sent, and what is in it. */
#include "account.c"

#include "base/json_find.h"
#include "check.h"

static struct request request;
static struct worker worker;
static struct offer offer = {.name = "usdc"};
static char line[ACCESS_LINE_BYTES_MAX + 1];

static struct span line_of(void)
{
	size_t bytes = account_line(line, ACCESS_LINE_BYTES_MAX, &request, 1700000000123);

	CHECK(bytes > 0 && line[bytes - 1] == '\n' && memchr(line, '\n', bytes) == line + bytes - 1);
	return span_of(line, bytes - 1);
}

static bool says(struct span json, const char *member, const char *text)
{
	struct json_value value;
	uint8_t buffer[512];
	struct span found;

	return json_find(&value, json, member) && json_text(&value, &found, buffer, sizeof buffer) &&
	       span_equal(found, span_str(text));
}

static void begin(const char *head)
{
	request = (struct request){.worker = &worker, .id = 7, .began_ns = 1000, .mark_ns = 6000};
	request.source.s6_addr[15] = 1;
	if (head != NULL)
		request.has_head = parse_request(&request.head, span_str(head), 0) == PARSE_DONE;
}

TEST(a_head_that_was_never_whole)
{
	begin(NULL);
	request.end = HTTP_BAD;
	struct span json = line_of();
	CHECK(says(json, "time", "2023-11-14T22:13:20.123Z"));
	CHECK(says(json, "source", "::1") && says(json, "transport", "tcp") && says(json, "reason", "http_bad"));
	CHECK_EQ(json_find_u64(json, "status"), 400);
	CHECK_EQ(json_find_u64(json, "total_ns"), 5000);
	CHECK(json_find_member(json, "path").bytes == 0 && json_find_member(json, "payer").bytes == 0);
}

TEST(a_paid_request)
{
	begin("POST /v1/x HTTP/1.1\r\nHost: x\r\n"
	      "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n");
	request.offer = &offer;
	request.verified = true;
	request.charged.at[31] = 42;
	request.exchange = (struct exchange){.status = 200, .any_out = true, .is_stream = true, .relayed_events = 5};
	request_times_step(&request.times, STEP_VERIFY, 4000);
	request.end = CLIENT_GONE; /* in the middle of it */
	struct span json = line_of();
	CHECK(says(json, "trace_id", "4bf92f3577b34da6a3ce929d0e0e4736") && says(json, "charged", "42"));
	CHECK(says(json, "payer", "0x0000000000000000000000000000000000000000") && says(json, "offer", "usdc"));
	CHECK(says(json, "reason", "client_gone") && json_find_bool(json, "verified"));
	CHECK_EQ(json_find_u64(json, "status"), 200);
	CHECK_EQ(json_find_u64(json, "events"), 5);
	CHECK_EQ(json_find_u64(json_find_member(json, "steps_ns"), "verify"), 4000);
}

TEST(the_longest_line)
{
	static char head[HEAD_BYTES_MAX];
	static struct config_route route;

	size_t used = (size_t)snprintf(head, sizeof head, "GET /");
	memset(head + used, '"', 8000); /* each takes two bytes, and the path is cut */
	snprintf(head + used + 8000, sizeof head - used - 8000, " HTTP/1.1\r\nHost: x\r\n\r\n");
	begin(head);
	CHECK(request.has_head);
	memset(route.name, '"', sizeof route.name - 1);
	memset(offer.name, 1, sizeof offer.name - 1); /* six bytes each */
	request.route = &route;
	request.offer = &offer;
	request.id = request.mark_ns = request.body_bytes = UINT64_MAX;
	memset(request.charged.at, 0xff, sizeof request.charged.at);
	request.times = (struct request_times){.has_overhead = true, .has_first_token = true};
	for (enum step step = 0; step < STEP_CNT; step++)
		request_times_step(&request.times, step, UINT64_MAX);
	request.times.overhead_ns = request.times.first_token_ns = UINT64_MAX;
	struct span json = line_of();
	CHECK(json_find_member(json, "path").bytes == 2 + 1 + 2 * 255);
	CHECK_EQ(json_find_u64(json_find_member(json, "steps_ns"), "last_out"), UINT64_MAX);

	char fields[ACCOUNT_FIELDS_BYTES];
	size_t bytes = account_fields(fields, sizeof fields, &request);
	CHECK(bytes > 0 && memcmp(fields + bytes - 2, "\r\n", 2) == 0);
}

CHECK_MAIN
