// SPDX-License-Identifier: Apache-2.0
#include "gate_knock.h"

#include "answer.h"
#include "answer_native.h"
#include "base/clock.h"
#include "worker.h"

void gate_knocks_init(struct worker *worker)
{
	const struct config *config = worker->config;

	knock_terms_init(&worker->natives.knocks.terms, config->offers, config->offer_cnt, config->native.knock_s);
}

static struct knock_from from_of(const struct worker *worker, const struct udp_peer *peer, uint64_t now_ns)
{
	struct knock_from from = {
		.cookie_key = worker->shared->cookie_key, .port = ntohs(peer->port_be), .epoch = native_epoch(now_ns)};

	memcpy(from.source, &peer->source, sizeof from.source);
	return from;
}

enum reason gate_knock(struct worker *worker, const struct udp_datagram *datagram, uint64_t now_ns)
{
	struct knocks *knocks = &worker->natives.knocks;
	struct knock_from from = from_of(worker, &datagram->peer, now_ns);
	struct knock knock;

	if (!worker->config->native.knock)
		return NATIVE_KIND;
	enum reason reason = knock_read(&knock, datagram->bytes, &from, &knocks->terms, clock_unix_s());
	if (reason == NATIVE_COOKIE)
		answer_native_cookie(worker, &datagram->peer,
				     native_cookie(from.cookie_key, from.source, from.port, from.epoch),
				     (const uint8_t *)&knock.wire.until);
	if (reason == REASON_OK)
		reason = payers_listed(worker->shared->payers, &knock.payer);
	if (reason == REASON_OK && knocks->cnt == KNOCKS_MAX)
		reason = MEMORY_FULL;
	if (reason != REASON_OK)
		return reason;
	knocks->waiting[knocks->cnt].knock = knock;
	knocks->waiting[knocks->cnt++].peer = datagram->peer;
	return REASON_OK;
}

size_t gate_knock_items(const struct worker *worker, struct verify_item *items)
{
	const struct knocks *knocks = &worker->natives.knocks;

	for (unsigned i = 0; i < knocks->cnt; i++)
		knock_item(&items[i], &knocks->waiting[i].knock);
	return knocks->cnt;
}

/* For as long as was signed, but never longer than this node opens for anybody. */
static void open_source(struct worker *worker, const struct knock *knock, const struct udp_peer *peer)
{
	uint64_t now_s = clock_unix_s(), most_s = worker->config->native.knock_s;
	uint64_t left_s = knock->until_s > now_s ? knock->until_s - now_s : 0;
	struct native_opened opened;

	if (left_s > most_s)
		left_s = most_s;
	if (worker->shared->open_source != NULL)
		worker->shared->open_source(worker->shared->kernel_ctx, &peer->source,
					    clock_ns() + left_s * UINT64_C(1000000000));
	knock_opened(&opened, knock, peer->source.s6_addr);
	udp_reply(worker->natives.udp, peer, span_of(&opened, sizeof opened));
	stats_add(&worker->stats.knocks, 1);
}

void gate_knocks_verified(struct worker *worker, const struct verify_item *items)
{
	struct knocks *knocks = &worker->natives.knocks;

	for (unsigned i = 0; i < knocks->cnt; i++) {
		const struct udp_peer *peer = &knocks->waiting[i].peer;
		if (items[i].verdict == REASON_OK)
			open_source(worker, &knocks->waiting[i].knock, peer);
		else
			answer_count_datagram(worker, &peer->source, items[i].verdict);
	}
	knocks->cnt = 0;
}
