/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include "account.h"
#include "base/assert.h"
#include "worker.h"

void request_init(struct request *request, struct worker *worker, uint8_t *memory)
{
	*request = (struct request){.worker = worker, .memory = memory};
	request->head_at = memory;
	memory += HEAD_BYTES_MAX + REQUEST_BODY_BYTES + REQUEST_BODY_SLACK + REQUEST_OUT_BYTES;
	request->exchange.head_at = memory;
	request->exchange.event_at = memory + HEAD_BYTES_MAX;
	request->exchange.held_inline = memory + HEAD_BYTES_MAX + EXCHANGE_EVENT_BYTES;
}

static uint8_t *inline_body(struct request *request)
{
	return request->memory + HEAD_BYTES_MAX;
}

void request_drop_body(struct request *request)
{
	if (request->body_at != NULL && request->body_at != inline_body(request))
		slab_give(&request->worker->slab, request->body_at);
	request->body_at = NULL;
	request->body_bytes = 0;
}

void request_reset(struct request *request)
{
	struct exchange *exchange = &request->exchange;

	ASSERT(request->mails_out == 0 && request->claim == NULL && request->draw.session == NULL &&
	       !request->ticket.granted && request->reading.result == NULL);
	account_request(request);
	request_drop_body(request);
	forward_drop(exchange);
	*exchange = (struct exchange){
		.head_at = exchange->head_at, .event_at = exchange->event_at, .held_inline = exchange->held_inline};
	request->stage = STAGE_HEAD;
	request->head_bytes = 0;
	request->times = (struct request_times){0};
	request->began_ns = request->progress_ns = 0;
	request->has_head = false;
	request->end = REASON_OK;
	request->route = NULL;
	request->close = false;
	request->body_chunked = (struct chunked){0};
	request->discard_left = 0;
	request->body_done = false;
	request->openai = (struct openai_request){0};
	request->paid = request->unpaid = false;
	request->price = NULL;
	request->payment.method = METHOD_NONE;
	request->offer = NULL;
	request->verified = request->entered = false;
	funds_reset(&request->funds);
	request->is_durable = false;
	request->resumed = request->in_session = request->outlived = false;
	request->charged = (struct word){0};
}

size_t request_take_head(struct request *request, struct span bytes, enum parse_result *result)
{
	size_t before = request->head_bytes;
	size_t room = HEAD_BYTES_MAX - before;
	size_t copy = bytes.bytes < room ? bytes.bytes : room;

	memcpy(request->head_at + before, bytes.at, copy);
	request->head_bytes += copy;
	*result = parse_request(&request->head, span_of(request->head_at, request->head_bytes), before);
	if (*result != PARSE_DONE)
		return copy;
	request->has_head = true;
	request->head_bytes = request->head.head_bytes;
	return request->head_bytes - before;
}

static bool take_large_buffer(struct request *request)
{
	uint8_t *larger = slab_take(&request->worker->slab);

	if (larger == NULL)
		return false;
	if (request->body_at != NULL && request->body_bytes > 0)
		memcpy(larger, request->body_at, request->body_bytes);
	request->body_at = larger;
	request->body_bytes_max = request->worker->config->body_bytes_max;
	return true;
}

enum reason request_expect_body(struct request *request)
{
	const struct http_head *head = &request->head;

	request->body_at = inline_body(request);
	request->body_bytes_max = request->worker->config->body_bytes_max;
	if (request->body_bytes_max > REQUEST_BODY_BYTES)
		request->body_bytes_max = REQUEST_BODY_BYTES;
	request->body_bytes = 0;
	request->body_done = !head->chunked && (!head->has_length || head->content_bytes == 0);
	if (head->has_length && head->content_bytes > request->worker->config->body_bytes_max)
		return BODY_LARGE;
	if (head->has_length && head->content_bytes > REQUEST_BODY_BYTES && !take_large_buffer(request))
		return MEMORY_FULL;
	return REASON_OK;
}

static enum reason append(struct request *request, struct span run)
{
	if (run.bytes > request->body_bytes_max - request->body_bytes) {
		if (request->body_bytes + run.bytes > request->worker->config->body_bytes_max)
			return BODY_LARGE;
		if (!take_large_buffer(request))
			return MEMORY_FULL;
	}
	if (run.bytes > 0)
		memcpy(request->body_at + request->body_bytes, run.at, run.bytes);
	request->body_bytes += run.bytes;
	return REASON_OK;
}

static size_t take_chunked(struct request *request, struct span bytes, enum reason *reason)
{
	size_t given = bytes.bytes;

	while (bytes.bytes > 0 && !request->body_done) {
		struct span run = {0};
		enum parse_result result = parse_chunked(&request->body_chunked, &bytes, &run);
		*reason = result == PARSE_BAD ? HTTP_BAD : append(request, run);
		if (*reason != REASON_OK)
			break;
		request->body_done = result == PARSE_DONE;
	}
	return given - bytes.bytes;
}

size_t request_take_body(struct request *request, struct span bytes, enum reason *reason)
{
	if (request->head.chunked)
		return take_chunked(request, bytes, reason);
	size_t left = (size_t)request->head.content_bytes - request->body_bytes;
	size_t take = bytes.bytes < left ? bytes.bytes : left;
	*reason = append(request, span_of(bytes.at, take));
	request->body_done = take == left;
	return take;
}

bool request_asks_result(const struct request *request)
{
	return request->worker->shared->results != NULL && parse_is_result(request->head.target);
}

struct span request_body(const struct request *request)
{
	return span_of(request->body_at, request->body_bytes);
}

void request_insert_usage(struct request *request)
{
	const struct openai_request *openai = &request->openai;
	uint8_t *at = request->body_at + openai->insert_at;
	size_t after = openai->insert_at + openai->replace_bytes;

	ASSERT(openai->insert.bytes <= REQUEST_BODY_SLACK && after <= request->body_bytes);
	memmove(at + openai->insert.bytes, request->body_at + after, request->body_bytes - after);
	memcpy(at, openai->insert.at, openai->insert.bytes);
	request->body_bytes += openai->insert.bytes - openai->replace_bytes;
}
