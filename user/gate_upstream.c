// SPDX-License-Identifier: Apache-2.0
/* gate_upstream.c: see gate_upstream.h. */
#include "gate_upstream.h"

#include "base/clock.h"
#include "worker.h"

_Static_assert(PRIORITY_LOW - PRIORITY_HIGH + 1 == FAIR_BANDS, "a band for each priority");

static const struct in6_addr mapped_prefix = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

/* Who waits in turn with others: the payer, or where nobody pays the source, of IPv6 its /64. */
static struct fair_key key_of(const struct request *request)
{
	struct fair_key key = {0};

	if (request->paid) {
		memcpy(key.at, request->payment.from.at, sizeof request->payment.from.at);
		return key;
	}
	bool mapped = memcmp(&request->source, &mapped_prefix, 12) == 0;
	memcpy(key.at, &request->source, mapped ? 16 : 8);
	return key;
}

/* Of what is asked, in tokens of output.  What is read counts an eighth of what is written, and a token is some four bytes; who
 * does not say how much may be written is taken to mean 1024. */
static uint64_t cost_of(const struct request *request)
{
	uint64_t tokens_max = request->openai.tokens_max;

	return (tokens_max > 0 ? tokens_max : 1024) + request->body_bytes / (8 * 4);
}

/* 0 is the first. */
static unsigned band_of(const struct request *request)
{
	uint8_t priority = PRIORITY_UNSAID;

	if (request->paid)
		priority = payers_priority(request->worker->shared->payers, &request->payment.from);
	if (request->paid && priority == PRIORITY_UNSAID)
		priority = request->offer->priority;
	if (priority == PRIORITY_UNSAID)
		priority = request->route->priority;
	return priority - PRIORITY_HIGH;
}

static void fill_ticket(struct request *request, size_t body_bytes)
{
	struct queue_ticket *ticket = &request->ticket;

	ticket->upstreams = request->route->upstreams;
	ticket->payer = key_of(request);
	ticket->bytes = body_bytes;
}

enum reason gate_line_look(struct request *request, size_t body_bytes)
{
	fill_ticket(request, body_bytes);
	return queue_look(request->worker->shared->queue, &request->ticket, clock_coarse_ms());
}

enum reason gate_line_up(struct request *request, bool *granted)
{
	fill_ticket(request, request->body_bytes);
	request->ticket.band = band_of(request);
	request->ticket.cost = cost_of(request);
	return queue_push(request->worker->shared->queue, &request->ticket, clock_coarse_ms(), granted);
}

/* --- how upstreams are --- */

static void note(struct request *request, enum health_sign sign)
{
	const struct queue_ticket *ticket = &request->ticket;

	if (sign != SIGN_NONE)
		queue_note(request->worker->shared->queue, ticket->upstream_idx, sign, false, ticket->began_ms,
			   clock_coarse_ms());
}

void gate_upstream_began(struct request *request)
{
	unsigned status = request->exchange.status;

	if (status == 429 || status == 503)
		note(request, SIGN_BUSY);
	else
		note(request, status >= 500 ? SIGN_ERROR : SIGN_GOOD);
}

static enum health_sign sign_of(const struct exchange *exchange, enum reason reason)
{
	if (exchange->unsent || reason == UPSTREAM_DOWN || reason == UPSTREAM_FAILED)
		return SIGN_DEAD;
	if (reason == UPSTREAM_SLOW)
		return SIGN_SILENT;
	return reason == UPSTREAM_BAD ? SIGN_ERROR : SIGN_NONE;
}

bool gate_upstream_failed(struct request *request, enum reason reason, bool *granted)
{
	const struct exchange *exchange = &request->exchange;

	if (!request->ticket.granted) /* given back: all of the answer had come */
		return false;
	note(request, sign_of(exchange, reason));
	return exchange->unsent &&
	       queue_again(request->worker->shared->queue, &request->ticket, clock_coarse_ms(), granted) == REASON_OK;
}
