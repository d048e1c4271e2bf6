/* SPDX-License-Identifier: Apache-2.0 */
#include "body.h"

#include "price.h"
#include "worker.h"

/* Forms (audio, files) name no model we could check; payers with a list of models may not send them. */
static bool is_form(const struct request *request)
{
	struct span type = request->head.content_type;

	return type.bytes >= 10 && span_equal_nocase(span_of(type.at, 10), SPAN("multipart/"));
}

enum reason body_read(struct request *request)
{
	const struct worker *worker = request->worker;
	struct span body = request_body(request);
	enum reason reason = bind_check(&request->binding, &request->payment.nonce, body);

	if (reason == REASON_OK && body.bytes > 0 && !is_form(request))
		reason = openai_request(&request->openai, body);
	if (reason == REASON_OK)
		reason = payers_may(worker->shared->payers, &request->payment.from, request->openai.model);
	if (reason == REASON_OK)
		reason = price_find(&request->price, request->offer, worker->config, request->openai.model);
	return reason;
}

bool body_asked_first(const struct request *request)
{
	const struct http_head *head = &request->head;
	bool is_short = head->has_length && head->content_bytes > 0 && head->content_bytes <= REQUEST_BODY_BYTES;

	return is_short && !head->expect_continue && price_by_model(request->route);
}

enum reason body_read_unpaid(struct request *request)
{
	struct openai_request *openai = &request->openai;
	bool named = openai_request(openai, request_body(request)) == REASON_OK && openai->model.bytes > 0;

	return named && !price_known(request->worker->config, openai->model) ? MODEL_UNKNOWN : PAYMENT_MISSING;
}
