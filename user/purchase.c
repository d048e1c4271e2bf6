/* SPDX-License-Identifier: Apache-2.0 */
#include "purchase.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/hex.h"
#include "worker.h"

static struct shared *shared_of(const struct request *request)
{
	return request->worker->shared;
}

/* Does its payment open a session, or stand for one?  A native one is for one call alone: its nonce is the call's. */
static bool by_session(const struct request *request)
{
	return request->route->session.on && request->payment.method == METHOD_UPTO && !request->native.is;
}

enum reason purchase_resume(struct request *request)
{
	struct span id;

	if (!request->route->session.on || parse_field(&id, &request->head, SPAN("x-upto-session")) == 0)
		return PAYMENT_MISSING;
	request->resumed = session_find(shared_of(request)->sessions, id, request->route, clock_unix_s(),
					&request->payment, &request->permit);
	if (!request->resumed)
		return SESSION_OVER;
	request->offer = request->permit.offer;
	return REASON_OK;
}

bool purchase_taken(const struct request *request)
{
	const struct claim_key *key = &request->permit.key;

	if (!claim_seen(shared_of(request)->ledger, key))
		return false;
	return !by_session(request) || !session_seen(shared_of(request)->sessions, key, request->route);
}

const struct word *purchase_reserve(const struct request *request)
{
	return by_session(request) ? &request->offer->session_reserve : &request->offer->amount;
}

enum reason purchase_take(struct request *request)
{
	struct shared *shared = shared_of(request);
	enum reason reason;

	if (by_session(request))
		reason = session_take(shared->sessions, &request->draw, &request->permit, &request->payment,
				      request->route, clock_unix_s(), !request->resumed, &request->durable);
	else
		reason = claim_take(shared->ledger, &request->permit, &request->payment, &request->durable);
	if (reason != REASON_OK)
		return reason;
	request->in_session = by_session(request);
	request->claim = request->in_session ? NULL : request->durable.claim;
	request->mails_out++;
	return REASON_OK;
}

bool purchase_held(const struct request *request)
{
	return request->claim != NULL || request->draw.session != NULL;
}

bool purchase_progress(struct request *request, const struct word *due)
{
	if (request->in_session)
		return session_draw(&request->draw, due);
	claim_forward(shared_of(request)->ledger, request->claim, due, NULL);
	return true;
}

void purchase_charge(struct request *request, const struct word *due, struct claim_wait *settled,
		     struct claim_wait *durable)
{
	struct claim *claim = request->claim;

	ASSERT(purchase_held(request));
	request->mails_out += (settled != NULL ? 1u : 0u) + (durable != NULL ? 1u : 0u);
	if (request->in_session) {
		ASSERT(settled == NULL || durable == NULL);
		session_charge(&request->draw, due, clock_unix_s(), &request->charged,
			       settled != NULL ? settled : durable);
		return;
	}
	request->claim = NULL;
	request->charged = *due;
	claim_owe(shared_of(request)->ledger, claim, due, settled, durable);
}

void purchase_release(struct request *request)
{
	if (request->draw.session != NULL)
		session_leave(&request->draw, clock_unix_s());
	if (request->claim != NULL)
		claim_release(shared_of(request)->ledger, request->claim);
	request->claim = NULL;
}

void purchase_lost(struct request *request)
{
	if (request->draw.session != NULL)
		session_lost(&request->draw);
	request->claim = NULL;
}

struct span purchase_line(const struct request *request, char out[PURCHASE_LINE_BYTES])
{
	char id[HEX_BYTES(SESSION_ID_BYTES)];

	if (!request->in_session)
		return (struct span){0};
	hex_encode(id, request->draw.id, sizeof request->draw.id);
	return span_of(out, (size_t)snprintf(out, PURCHASE_LINE_BYTES, "X-Upto-Session: %s\r\n", id + 2));
}
