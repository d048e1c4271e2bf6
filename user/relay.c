/* SPDX-License-Identifier: Apache-2.0 */
#include "relay.h"

#include <stdio.h>

#include "base/assert.h"

/* --- header fields --- */

#define TO_UPSTREAM 1u /* never passed to the upstream */
#define TO_CLIENT 2u   /* never passed to the client */
#define BOTH (TO_UPSTREAM | TO_CLIENT)

static const struct {
	const char *name;
	uint8_t bytes;
	uint8_t stop;
} stopped[] = {
#define FIELD(name, stop)                    \
	{                                    \
		name, sizeof(name) - 1, stop \
	}
	/* of one connection only */
	FIELD("connection", BOTH),
	FIELD("keep-alive", BOTH),
	FIELD("proxy-authenticate", BOTH),
	FIELD("proxy-authorization", BOTH),
	FIELD("proxy-connection", BOTH),
	FIELD("te", BOTH),
	FIELD("trailer", BOTH),
	FIELD("transfer-encoding", BOTH),
	FIELD("upgrade", BOTH),
	FIELD("content-length", BOTH), /* written anew */
	FIELD("host", TO_UPSTREAM),    /* written anew */
	FIELD("expect", TO_UPSTREAM),  /* answered here */
	/* the payment, and words that only tollbar may say */
	FIELD("payment-signature", BOTH),
	FIELD("x-payment", BOTH),
	FIELD("payment-required", BOTH),
	FIELD("payment-response", BOTH),
	FIELD("x-payment-response", BOTH),
	FIELD("settlement-overrides", BOTH),
	FIELD("x-tollbar-salt", BOTH),
	FIELD("x-upto-session", BOTH),
	/* what a client could use to pose as somebody else */
	FIELD("forwarded", TO_UPSTREAM),
	FIELD("x-forwarded-for", TO_UPSTREAM),
	FIELD("x-forwarded-host", TO_UPSTREAM),
	FIELD("x-forwarded-proto", TO_UPSTREAM),
	FIELD("x-forwarded-port", TO_UPSTREAM),
	FIELD("x-real-ip", TO_UPSTREAM),
#undef FIELD
};

static bool is_stopped(struct span name, unsigned direction)
{
	for (size_t i = 0; i < sizeof stopped / sizeof *stopped; i++)
		if (stopped[i].bytes == name.bytes && (stopped[i].stop & direction) &&
		    span_equal_nocase(name, span_of(stopped[i].name, stopped[i].bytes)))
			return true;
	return false;
}

/* The names a head's Connection fields list: they too are of one connection only. */
#define HOPS_MAX 16

struct hops {
	struct span names[HOPS_MAX];
	size_t cnt;
	bool full; /* more than anybody honest lists: then no field crosses, and nobody buys time with long lists */
};

static struct span trim(struct span item)
{
	while (item.bytes > 0 && (item.at[0] == ' ' || item.at[0] == '\t'))
		item = span_of(item.at + 1, item.bytes - 1);
	while (item.bytes > 0 && (item.at[item.bytes - 1] == ' ' || item.at[item.bytes - 1] == '\t'))
		item.bytes--;
	return item;
}

static void add_hops(struct hops *hops, struct span list)
{
	while (list.bytes > 0 && !hops->full) {
		const uint8_t *comma = memchr(list.at, ',', list.bytes);
		size_t bytes = comma == NULL ? list.bytes : (size_t)(comma - list.at);
		struct span item = trim(span_of(list.at, bytes));

		if (item.bytes > 0 && hops->cnt == HOPS_MAX)
			hops->full = true;
		else if (item.bytes > 0)
			hops->names[hops->cnt++] = item;
		bytes += comma != NULL;
		list = span_of(list.at + bytes, list.bytes - bytes);
	}
}

static void find_hops(struct hops *hops, const struct http_head *head)
{
	hops->cnt = 0;
	hops->full = false;
	for (size_t i = 0; i < head->field_cnt; i++)
		if (span_equal_nocase(head->fields[i].name, SPAN("connection")))
			add_hops(hops, head->fields[i].value);
}

static bool is_hop(const struct hops *hops, struct span name)
{
	for (size_t i = 0; i < hops->cnt; i++)
		if (span_equal_nocase(hops->names[i], name))
			return true;
	return hops->full;
}

/* A bounded text under construction; `full` sticks. */
struct text {
	char *at;
	size_t bytes, bytes_max;
	bool full;
};

static void put(struct text *text, struct span bytes)
{
	if (bytes.bytes > text->bytes_max - text->bytes) {
		text->full = true;
		return;
	}
	if (bytes.bytes > 0)
		memcpy(text->at + text->bytes, bytes.at, bytes.bytes);
	text->bytes += bytes.bytes;
}

static void put_field(struct text *text, struct span name, struct span value)
{
	put(text, name);
	put(text, SPAN(": "));
	put(text, value);
	put(text, SPAN("\r\n"));
}

static void put_length(struct text *text, uint64_t length)
{
	char line[48];
	int bytes = snprintf(line, sizeof line, "Content-Length: %llu\r\n", (unsigned long long)length);

	put(text, span_of(line, (size_t)bytes));
}

size_t relay_request_head(char *out, size_t out_bytes, const struct exchange *exchange,
			  const struct config_upstream *upstream)
{
	const struct http_head *head = exchange->request;
	struct text text = {.at = out, .bytes_max = out_bytes};
	bool replace_authorization = upstream->authorization[0] != 0;
	struct hops hops;

	find_hops(&hops, head);
	put(&text, head->method);
	put(&text, SPAN(" "));
	put(&text, head->target);
	put(&text, SPAN(" HTTP/1.1\r\n"));
	put_field(&text, SPAN("Host"), span_str(upstream->host_header));
	if (replace_authorization)
		put_field(&text, SPAN("Authorization"), span_str(upstream->authorization));
	for (size_t i = 0; i < head->field_cnt; i++) {
		struct span name = head->fields[i].name;
		if (is_stopped(name, TO_UPSTREAM) || is_hop(&hops, name))
			continue;
		if (replace_authorization && span_equal_nocase(name, SPAN("authorization")))
			continue;
		/* A compressed answer could not be metered. */
		if (exchange->paid && span_equal_nocase(name, SPAN("accept-encoding")))
			continue;
		put_field(&text, name, head->fields[i].value);
	}
	if (exchange->body.bytes > 0 || head->has_length || head->chunked)
		put_length(&text, exchange->body.bytes);
	put(&text, SPAN("\r\n"));
	return text.full ? 0 : text.bytes;
}

size_t relay_answer_head(char *out, size_t out_bytes, const struct exchange *exchange, struct span extra,
			 bool has_length, uint64_t length)
{
	const struct http_head *head = &exchange->head;
	struct text text = {.at = out, .bytes_max = out_bytes};
	char line[32];
	int bytes = snprintf(line, sizeof line, "HTTP/1.1 %03u %s\r\n", exchange->status,
			     exchange->status == 200 ? "OK" : "");
	struct hops hops;

	find_hops(&hops, head);
	put(&text, span_of(line, (size_t)bytes));
	for (size_t i = 0; i < head->field_cnt; i++) {
		struct span name = head->fields[i].name;
		if (is_stopped(name, TO_CLIENT) || is_hop(&hops, name))
			continue;
		if (exchange->paid && span_equal_nocase(name, SPAN("cache-control")))
			continue;
		put_field(&text, name, head->fields[i].value);
	}
	if (exchange->paid)
		put(&text, SPAN("Cache-Control: private, no-store\r\n"));
	if (exchange->is_stream)
		put(&text, SPAN("X-Accel-Buffering: no\r\n"));
	put(&text, extra);
	put(&text, exchange->fields);
	if (has_length)
		put_length(&text, length);
	else if (exchange->client_chunked)
		put(&text, SPAN("Transfer-Encoding: chunked\r\n"));
	if (exchange->close)
		put(&text, SPAN("Connection: close\r\n"));
	else if (exchange->request->minor == 0)
		put(&text, SPAN("Connection: keep-alive\r\n"));
	put(&text, SPAN("\r\n"));
	return text.full ? 0 : text.bytes;
}

/* --- bodies --- */

/* Looks into one whole event.  false: it is the one the client did not ask for. */
static bool meter_event(struct exchange *exchange, struct openai_event *seen, struct span event)
{
	openai_event(seen, &exchange->usage, event);
	if (exchange->wants_proof)
		openai_event_proof(&exchange->proof, event);
	exchange->content_events += seen->has_content;
	if (seen->is_usage_extra && exchange->strip_usage)
		return false;
	exchange->done_seen |= seen->is_done;
	exchange->relayed_events++;
	return true;
}

/* Is it of the stream's end?  Nobody reads on after [DONE]: from there all is. */
static bool is_end(const struct exchange *exchange, const struct openai_event *seen)
{
	if (exchange->done_seen || (seen->is_usage_extra && exchange->usage.known))
		return true;
	return exchange->held.bytes > 0 && !seen->has_content; /* what follows a held event stays behind it */
}

static void hold_event(struct exchange *exchange, struct span event)
{
	memcpy(exchange->held_inline + exchange->held.bytes, event.at, event.bytes);
	exchange->held.bytes += event.bytes;
}

/* What was held was not the end, or the end is too large to be held. */
static uint8_t *flush_held(struct exchange *exchange, uint8_t *out)
{
	memcpy(out, exchange->held_inline, exchange->held.bytes);
	out += exchange->held.bytes;
	exchange->held.bytes = 0;
	return out;
}

/* One whole event: metered, then written, held or dropped. */
static uint8_t *pass_event(struct exchange *exchange, uint8_t *out, struct span event)
{
	struct openai_event seen;

	if (!meter_event(exchange, &seen, event))
		return out;
	bool hold = exchange->hold_end && is_end(exchange, &seen);
	if (hold && event.bytes <= EXCHANGE_END_BYTES - exchange->held.bytes) {
		hold_event(exchange, event);
		return out;
	}
	out = flush_held(exchange, out);
	memcpy(out, event.at, event.bytes);
	return out + event.bytes;
}

static uint8_t *flush_part(struct exchange *exchange, uint8_t *out)
{
	out = flush_held(exchange, out);
	memcpy(out, exchange->event_at, exchange->event_bytes);
	out += exchange->event_bytes;
	exchange->event_bytes = 0;
	return out;
}

/* Events are looked at whole: a part waits for its rest, unless it is longer than any event that carries usage. */
static uint8_t *pass_events(struct exchange *exchange, uint8_t *out, struct span run)
{
	while (run.bytes > 0) {
		bool ended;
		size_t bytes = parse_sse(&exchange->sse, run, &ended);
		struct span piece = span_of(run.at, bytes);

		run = span_of(run.at + bytes, run.bytes - bytes);
		if (exchange->event_long || exchange->event_bytes + bytes > EXCHANGE_EVENT_BYTES) {
			out = flush_part(exchange, out);
			memcpy(out, piece.at, piece.bytes);
			out += piece.bytes;
			exchange->event_long = !ended;
			exchange->content_events += ended;
			exchange->relayed_events += ended;
		} else if (!ended || exchange->event_bytes > 0) {
			memcpy(exchange->event_at + exchange->event_bytes, piece.at, piece.bytes);
			exchange->event_bytes += bytes;
			if (ended) {
				out = pass_event(exchange, out, span_of(exchange->event_at, exchange->event_bytes));
				exchange->event_bytes = 0;
			}
		} else {
			out = pass_event(exchange, out, piece);
		}
	}
	return out;
}

#define CHUNK_HEAD_BYTES 10 /* eight digits, CRLF */
#define CHUNK_TAIL_BYTES 2

static void write_chunk_head(uint8_t *at, size_t bytes)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 7; i >= 0; i--, bytes >>= 4)
		at[i] = (uint8_t)digits[bytes & 15];
	memcpy(at + 8, "\r\n", 2);
}

/* Data was written from `data` to `out`; makes it a chunk where the client gets chunks.  Returns the new end. */
static uint8_t *close_chunk(const struct exchange *exchange, uint8_t *start, uint8_t *data, uint8_t *out)
{
	if (out == data)
		return start; /* an empty chunk would end the answer */
	if (exchange->client_chunked) {
		write_chunk_head(start, (size_t)(out - data));
		memcpy(out, "\r\n", 2);
		out += CHUNK_TAIL_BYTES;
	}
	return out;
}

static size_t pass_body(struct exchange *exchange, struct span bytes, enum reason *failure)
{
	size_t overhead = exchange->held.bytes + exchange->event_bytes + CHUNK_HEAD_BYTES + CHUNK_TAIL_BYTES;
	size_t room = conn_room(exchange->client);
	size_t given = bytes.bytes;

	if (room <= overhead)
		return 0;
	if (bytes.bytes > room - overhead)
		bytes.bytes = given = room - overhead;
	uint8_t *start = conn_reserve(exchange->client, overhead + given);
	uint8_t *data = exchange->client_chunked ? start + CHUNK_HEAD_BYTES : start;
	uint8_t *out = data;
	while (bytes.bytes > 0 && !exchange->answer.done) {
		struct span run = {0};
		if (!parse_answer_body(&exchange->answer, &bytes, &run)) {
			*failure = UPSTREAM_BAD;
			break;
		}
		if (exchange->metered && exchange->is_stream) {
			out = pass_events(exchange, out, run);
		} else if (run.bytes > 0) {
			memcpy(out, run.at, run.bytes);
			out += run.bytes;
		}
	}
	out = close_chunk(exchange, start, data, out);
	if (out > start)
		conn_commit(exchange->client, (size_t)(out - start));
	return given - bytes.bytes;
}

static bool hold_room(struct exchange *exchange, size_t bytes, size_t response_bytes_max, struct slab *slab,
		      enum reason *failure)
{
	if (exchange->held.bytes + bytes <= exchange->held_bytes_max)
		return true;
	if (exchange->held_at != exchange->held_inline || exchange->held.bytes + bytes > response_bytes_max) {
		*failure = UPSTREAM_LARGE;
		return false;
	}
	uint8_t *larger = slab_take(slab);
	if (larger == NULL) {
		*failure = MEMORY_FULL;
		return false;
	}
	memcpy(larger, exchange->held_at, exchange->held.bytes);
	exchange->held_at = larger;
	exchange->held_bytes_max = response_bytes_max;
	exchange->held.at = larger;
	return true;
}

static size_t hold_body(struct exchange *exchange, struct span bytes, enum reason *failure)
{
	const struct forward_config *config = forward_config_of(exchange->forward);
	size_t given = bytes.bytes;

	while (bytes.bytes > 0 && !exchange->answer.done) {
		struct span run = {0};
		if (!parse_answer_body(&exchange->answer, &bytes, &run)) {
			*failure = UPSTREAM_BAD;
			break;
		}
		if (!hold_room(exchange, run.bytes, config->config->response_bytes_max, config->slab, failure))
			break;
		if (run.bytes > 0)
			memcpy(exchange->held_at + exchange->held.bytes, run.at, run.bytes);
		exchange->held.bytes += run.bytes;
	}
	return given - bytes.bytes;
}

size_t relay_body(struct exchange *exchange, struct span bytes, enum reason *failure)
{
	ASSERT(exchange->relay == RELAY_PASS || exchange->relay == RELAY_HOLD);
	return exchange->relay == RELAY_PASS ? pass_body(exchange, bytes, failure)
					     : hold_body(exchange, bytes, failure);
}

_Static_assert(EXCHANGE_END_BYTES + EXCHANGE_EVENT_BYTES <= EXCHANGE_HELD_BYTES, "the last event has its place");

void relay_end(struct exchange *exchange)
{
	struct span event = span_of(exchange->event_at, exchange->event_bytes);
	struct openai_event seen;

	/* A last event without its empty line: it may be the one that says what to pay. */
	if (event.bytes > 0 && meter_event(exchange, &seen, event))
		hold_event(exchange, event);
	exchange->event_bytes = 0;
}

void relay_append(struct exchange *exchange, struct span bytes)
{
	uint8_t *start = conn_reserve(exchange->client, bytes.bytes + CHUNK_HEAD_BYTES + CHUNK_TAIL_BYTES);

	/* Where the head promised a length, nothing may be added. */
	if (start == NULL || !exchange->is_stream || (!exchange->metered && exchange->answer.frame == FRAME_LENGTH))
		return;
	uint8_t *data = exchange->client_chunked ? start + CHUNK_HEAD_BYTES : start;
	memcpy(data, bytes.at, bytes.bytes);
	uint8_t *out = close_chunk(exchange, start, data, data + bytes.bytes);
	conn_commit(exchange->client, (size_t)(out - start));
}

bool relay_finish(struct exchange *exchange)
{
	if (exchange->relay != RELAY_PASS)
		return true;
	relay_end(exchange);
	size_t need = exchange->held.bytes + CHUNK_HEAD_BYTES + CHUNK_TAIL_BYTES + 5;
	uint8_t *start = conn_reserve(exchange->client, need);
	if (start == NULL)
		return false;
	uint8_t *data = exchange->client_chunked ? start + CHUNK_HEAD_BYTES : start;
	uint8_t *out = flush_held(exchange, data);
	out = close_chunk(exchange, start, data, out);
	if (exchange->client_chunked) {
		memcpy(out, "0\r\n\r\n", 5);
		out += 5;
	}
	conn_commit(exchange->client, (size_t)(out - start));
	return true;
}
