// SPDX-License-Identifier: Apache-2.0
#include "account.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "access.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/text.h"
#include "base/u256.h"
#include "reason.h"
#include "worker.h"

#define TARGET_BYTES_MAX 256 /* of a path in the log */
#define TRACE_ID_DIGITS 32

/* --- pieces of the line --- */

static void put_string(struct json_writer *json, const char *before, struct span text)
{
	json_write(json, before);
	json_write_string(json, text);
}

static void put_number(struct json_writer *json, const char *before, uint64_t number)
{
	json_write(json, before);
	json_write_u64(json, number);
}

static void put_time(struct json_writer *json, uint64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm parts;
	char text[40];

	gmtime_r(&seconds, &parts);
	size_t used = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text + used, sizeof text - used, ".%03uZ", (unsigned)(unix_ms % 1000));
	put_string(json, "{\"time\":", span_str(text));
}

/* The trace that a client says the request belongs to: W3C Trace Context, version 00. */
static bool trace_id(struct span *id, const struct http_head *head)
{
	uint8_t bytes[TRACE_ID_DIGITS / 2];
	struct span value;

	if (parse_field(&value, head, SPAN("traceparent")) != 1 || value.bytes != 55 ||
	    memcmp(value.at, "00-", 3) != 0 || value.at[35] != '-')
		return false;
	*id = span_of(value.at + 3, TRACE_ID_DIGITS);
	return hex_digits(bytes, sizeof bytes, *id);
}

static unsigned status_of(const struct request *request)
{
	if (request->exchange.any_out)
		return request->exchange.status;
	return request->end != REASON_OK ? reason_status(request->end) : 200;
}

static void put_asked(struct json_writer *json, const struct request *request)
{
	char source[INET6_ADDRSTRLEN];
	struct span id;

	inet_ntop(AF_INET6, &request->source, source, sizeof source);
	put_string(json, ",\"source\":", span_str(source));
	put_string(json, ",\"transport\":", span_str(request->native.is ? "udp" : "tcp"));
	if (request->has_head) {
		struct span target = request->head.target;
		target.bytes = target.bytes < TARGET_BYTES_MAX ? target.bytes : TARGET_BYTES_MAX;
		put_string(json, ",\"method\":", request->head.method);
		put_string(json, ",\"path\":", target);
		if (trace_id(&id, &request->head))
			put_string(json, ",\"trace_id\":", id);
	}
	if (request->route != NULL)
		put_string(json, ",\"route\":", span_str(request->route->name));
	put_number(json, ",\"body_bytes\":", request->body_bytes);
}

static void put_paid(struct json_writer *json, const struct request *request)
{
	char payer[HEX_BYTES(sizeof(struct address))], amount[U256_DECIMAL_BYTES];

	if (request->offer == NULL)
		return;
	hex_encode(payer, request->payment.from.at, sizeof request->payment.from.at);
	u256_print(amount, request->charged.at);
	put_string(json, ",\"payer\":", span_str(payer));
	json_write(json, request->verified || request->resumed ? ",\"verified\":true" : ",\"verified\":false");
	put_string(json, ",\"offer\":", span_str(request->offer->name));
	put_string(json, ",\"charged\":", span_str(amount));
}

static void put_times(struct json_writer *json, const struct request_times *times)
{
	const char *comma = "";

	if (times->has_overhead)
		put_number(json, ",\"overhead_ns\":", times->overhead_ns);
	if (times->has_first_token)
		put_number(json, ",\"first_token_ns\":", times->first_token_ns);
	json_write(json, ",\"steps_ns\":{");
	for (unsigned step = 0; step < STEP_CNT; step++) {
		if (!request_times_did(times, step))
			continue;
		put_string(json, comma, span_str(step_words[step]));
		put_number(json, ":", times->steps_ns[step]);
		comma = ",";
	}
	json_write(json, "}}\n");
}

size_t account_line(char *out, size_t out_bytes, const struct request *request, uint64_t unix_ms)
{
	struct json_writer json;

	json_write_init(&json, out, out_bytes);
	put_time(&json, unix_ms);
	put_number(&json, ",\"id\":", request->id);
	put_asked(&json, request);
	put_number(&json, ",\"status\":", status_of(request));
	if (request->end != REASON_OK)
		put_string(&json, ",\"reason\":", span_str(reason_word(request->end)));
	if (request->exchange.is_stream)
		put_number(&json, ",\"events\":", request->exchange.relayed_events);
	put_number(&json, ",\"sent_bytes\":", request->conn.sent_bytes - request->sent_before);
	put_paid(&json, request);
	put_number(&json, ",\"total_ns\":", request->mark_ns - request->began_ns);
	put_times(&json, &request->times);
	return json_write_done(&json);
}

/* --- Server-Timing --- */

size_t account_fields(char *out, size_t out_bytes, const struct request *request)
{
	static const enum step shown[] = {STEP_VERIFY, STEP_FUNDS, STEP_QUEUE, STEP_FIRST_BYTE, STEP_SETTLE};
	const struct request_times *times = &request->times;
	struct text text;

	text_init(&text, out, out_bytes);
	text_put(&text, "Server-Timing: node;dur=%.3f", (double)times->overhead_ns / 1e6);
	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
		if (times->steps_done & 1u << shown[i])
			text_put(&text, ", %s;dur=%.3f", step_words[shown[i]], (double)times->steps_ns[shown[i]] / 1e6);
	text_put(&text, "\r\n");
	return text_done(&text);
}

/* --- the end of a request --- */

static void log_request(struct request *request)
{
	char line[ACCESS_LINE_BYTES_MAX];
	size_t bytes = account_line(line, sizeof line, request, clock_unix_ms());

	access_put(request->worker->shared->access, request->worker->idx, span_of(line, bytes));
}

static void count_end(struct stats *stats, const struct request *request)
{
	if (request->end != REASON_OK)
		stats_add(&stats->ended_refused, 1);
	else if (request->has_head || request->native.is)
		stats_add(&stats->ended_answered, 1);
	else
		stats_add(&stats->ended_left, 1);
}

void account_request(struct request *request)
{
	size_t set = request->route != NULL ? request->route_idx + 1 : 0;

	if (request->began_ns == 0) /* a connection that was never asked anything */
		return;
	count_end(&request->worker->stats, request);
	times_add(&request->worker->times[set], &request->times);
	if (request->worker->shared->access != NULL)
		log_request(request);
}
