// SPDX-License-Identifier: Apache-2.0
#include "gate_native.h"

#include "answer.h"
#include "answer_native.h"
#include "base/clock.h"
#include "base/probe.h"
#include "calldata.h"
#include "gate_head.h"
#include "gate_knock.h"
#include "gate_upstream.h"
#include "permit.h"
#include "purchase.h"
#include "results.h"
#include "worker.h"

#define CHAT_PATH "/chat/completions"
#define SECOND_NS UINT64_C(1000000000)

/* --- who must show that he gets our answers --- */

/* Counts a request; are they too many: more than per_s in this second, and after that until a second has passed with less
 * than half of it? */
static bool is_flood(struct native_rate *rate, unsigned per_s, uint64_t now_ns)
{
	uint64_t elapsed_ns = now_ns - rate->second_ns;

	if (elapsed_ns >= SECOND_NS) {
		if (rate->cnt < per_s / 2 || elapsed_ns >= 2 * SECOND_NS)
			rate->flooded = false;
		rate->second_ns = now_ns;
		rate->cnt = 0;
	}
	if (++rate->cnt > per_s)
		rate->flooded = true;
	return rate->flooded;
}

static bool is_asked_for_cookie(struct worker *worker, uint64_t now_ns)
{
	const struct config_native *config = &worker->config->native;
	bool flood = is_flood(&worker->natives.rate, config->cookies_per_s, now_ns);

	return config->cookies == SYN_COOKIES_ON || (config->cookies == SYN_COOKIES_AUTO && flood);
}

/* True: it is his.  Else he was sent one. */
static bool check_cookie(struct worker *worker, const struct udp_peer *peer, uint64_t cookie, const uint8_t echo[8],
			 uint64_t now_ns)
{
	const uint8_t *key = worker->shared->cookie_key;
	uint64_t epoch = native_epoch(now_ns);
	uint16_t port = ntohs(peer->port_be);

	if (native_cookie_holds(cookie, key, &peer->source, port, epoch))
		return true;
	answer_native_cookie(worker, peer, native_cookie(key, &peer->source, port, epoch), echo);
	return false;
}

/* --- the datagram: only looks, records nothing --- */

static const struct config_route *find_route(struct request *request)
{
	const struct config *config = request->worker->config;

	for (size_t i = 0; i < config->route_cnt; i++) {
		if (config->routes[i].native != request->native.order.route)
			continue;
		request->route_idx = i;
		return &config->routes[i];
	}
	return NULL;
}

static enum reason find_offer(struct request *request)
{
	const struct config_route *route = request->route = find_route(request);

	if (route == NULL)
		return ROUTE_UNKNOWN;
	request->paid = true;
	return permit_offer(&request->offer, &request->payment, route->offers, route->offer_cnt);
}

/* Tables it will be looked for in, with more in them than any cache has: they are fetched for all of a round's at once. */
static void expect_steps(struct request *request)
{
	struct shared *shared = request->worker->shared;
	struct claim_key *key = &request->permit.key;

	native_payment_complete(&request->payment, request->offer);
	permit_key(key, &request->payment, request->offer);
	results_expect(shared->results, request->native.tag);
	claim_expect(shared->ledger, key);
	payers_expect(shared->payers, &request->payment.from);
}

/* Everything that is cheaper than a signature and can refuse.  *repeat: it was answered again. */
static enum reason early_outs(struct request *request, bool *repeat)
{
	struct shared *shared = request->worker->shared;

	*repeat = answer_native_repeat(request, &request->permit.key);
	if (*repeat)
		return REASON_OK;
	enum reason reason = permit_payment(&request->permit, &request->payment, request->offer, clock_unix_s());
	if (reason == REASON_OK)
		reason = payers_listed(shared->payers, &request->payment.from);
	if (reason == REASON_OK && purchase_taken(request))
		reason = REPLAYED;
	if (reason == REASON_OK)
		reason = gate_line_look(request, CALLDATA_BYTES_MAX);
	return reason;
}

static void take_request(struct request *request)
{
	bool repeat = false;

	enum reason reason = early_outs(request, &repeat);
	STEP_END(request, EARLY, early);
	if (reason != REASON_OK) {
		answer_refuse(request, reason);
	} else if (repeat) {
		natives_drop_datagram(request);
		answer_done(request);
	} else {
		gate_set_deadline(request, request->worker->config->timeouts.send_ms);
		worker_enlist_verify(request->worker, request); /* → gate_verified, at the end of this round */
	}
}

/* It began when the kernel had it, where that is known: what it waited for us is time of ours. */
static void begin(struct request *request, const struct udp_datagram *datagram, uint64_t now_ns)
{
	uint64_t waited_ns = udp_waited_ns(datagram, clock_unix_ns());
	struct worker *worker = request->worker;

	stats_add(&worker->stats.requests, 1);
	request->began_ns = request->mark_ns = now_ns - waited_ns;
	request->sent_before = request->conn.sent_bytes;
	request->id = (uint64_t)worker->idx << 48 | ++worker->request_id;
	PROBE2(begin, request->id, -1);
	if (waited_ns > 0)
		STEP_END(request, ARRIVAL, arrival);
	native_payment_read(&request->payment, &request->native.order, datagram->bytes);
	request->native.tag = native_payment_tag(worker->shared->key, datagram->bytes);
	enum reason reason = find_offer(request);
	STEP_END(request, PARSE, parse);
	if (reason != REASON_OK) {
		answer_refuse(request, reason);
		return;
	}
	expect_steps(request);
	request->next_verify = NULL;
	*worker->natives.begun_last = request;
	worker->natives.begun_last = &request->next_verify;
}

/* Is it a request that may have a slot?  A knock that is good waits for the round's end. */
static enum reason look(struct worker *worker, const struct udp_datagram *datagram, uint64_t now_ns, bool *is_request)
{
	struct span bytes = datagram->bytes;
	const struct native_head *head = (const void *)bytes.at;
	enum reason reason = native_form(head, bytes.at + bytes.bytes, (uint32_t)bytes.bytes);

	if (reason != REASON_OK)
		return reason;
	if (head->kind == NATIVE_KNOCK)
		return gate_knock(worker, datagram, now_ns);
	*is_request = true;
	if (!is_asked_for_cookie(worker, now_ns))
		return REASON_OK;
	const struct native_request *request = (const void *)bytes.at;
	uint64_t cookie = 0;
	if (be16toh(request->flags) & NATIVE_FLAG_COOKIE)
		memcpy(&cookie, bytes.at + bytes.bytes - sizeof cookie, sizeof cookie);
	return check_cookie(worker, &datagram->peer, cookie, request->nonce, now_ns) ? REASON_OK : NATIVE_COOKIE;
}

void gate_datagram(struct worker *worker, const struct udp_datagram *datagram)
{
	uint64_t now_ns = clock_ns();
	bool is_request = false;
	struct request *request = NULL;
	enum reason reason = look(worker, datagram, now_ns, &is_request);

	if (reason == REASON_OK && is_request) {
		request = natives_take(worker, datagram);
		reason = request != NULL ? REASON_OK : MEMORY_FULL;
	}
	if (reason != REASON_OK)
		answer_count_datagram(worker, &datagram->peer.source, reason);
	if (request != NULL)
		begin(request, datagram, now_ns); /* → gate_native_round */
	else
		udp_give_back(worker->natives.udp, datagram->buffer);
}

void gate_native_round(struct worker *worker)
{
	struct natives *natives = &worker->natives;
	struct request *request = natives->begun;

	natives->begun = NULL;
	natives->begun_last = &natives->begun;
	while (request != NULL) {
		struct request *next = request->next_verify; /* which is then the verifier's */
		take_request(request);
		request = next;
	}
}

/* --- the signature held --- */

static bool takes_chats(const struct config_route *route)
{
	size_t path_bytes = strlen(route->path), bytes = sizeof CHAT_PATH - 1;

	return path_bytes >= bytes && memcmp(&route->path[path_bytes - bytes], CHAT_PATH, bytes) == 0;
}

void gate_native_bind(struct request *const batch[], const struct verify_item items[], size_t cnt)
{
	struct request *requests[VERIFY_BATCH_MAX];
	struct bind_job jobs[VERIFY_BATCH_MAX];
	struct word nonces[VERIFY_BATCH_MAX];
	size_t job_cnt = 0;

	for (size_t i = 0; i < cnt; i++) {
		const struct native_order *order = &batch[i]->native.order;

		if (!batch[i]->native.is || items[i].verdict != REASON_OK)
			continue;
		jobs[job_cnt] = (struct bind_job){order->binding.salt, order->calldata, &nonces[job_cnt]};
		requests[job_cnt++] = batch[i];
	}
	if (job_cnt == 0)
		return;
	bind_nonces(jobs, job_cnt);
	for (size_t i = 0; i < job_cnt; i++)
		requests[i]->native.bound = memcmp(&nonces[i], &requests[i]->payment.nonce, sizeof nonces[i]) == 0;
}

enum reason gate_native_open(struct request *request)
{
	const struct native_order *order = &request->native.order;
	enum calldata_call call = CALLDATA_CHAT;
	bool tee = true;
	enum reason reason = request->native.bound ? REASON_OK : BIND_WRONG;

	if (reason == REASON_OK)
		reason = calldata_read(&call, &tee, request->body_at, request->body_bytes_max, &request->body_bytes,
				       order->calldata, order->stream);
	if (reason == REASON_OK &&
	    ((call == CALLDATA_CHAT) != takes_chats(request->route) || (tee && !request->route->tee)))
		reason = CALLDATA_BAD;
	natives_drop_datagram(request);
	request->head.target = span_str(request->route->path);
	request->head.content_bytes = request->body_bytes;
	request->has_head = request->body_done = true;
	return reason;
}

enum reason gate_native_take(struct request *request)
{
	struct results_new new = {
		.key = request->permit.key, .source = request->source, .datagram_hash = request->native.tag};
	enum reason reason = results_begin(request->worker->shared->results, &request->native.result, &new);

	if (reason == REASON_OK)
		answer_native_taken(request);
	return reason;
}

void gate_native_forward(struct request *request)
{
	natives_spread(request);
	result_place(request->native.result, 0);
}

void gate_native_cut(struct request *request)
{
	bool draining = atomic_load_explicit(&request->worker->draining, memory_order_relaxed);

	request->native.cut = true;
	answer_count(request, draining ? DRAINING : RESULTS_FULL);
}
