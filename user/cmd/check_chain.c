/* SPDX-License-Identifier: Apache-2.0 */
/* check_chain.c: do the nodes of the configuration answer, and do their chains agree with the offers? */
#include <stdio.h>
#include <string.h>

#include "cmd/check_chain.h"
#include "funds_sanity.h"
#include "hash.h"
#include "sys/fetch.h"

#define ANSWER_BYTES_MAX (256 << 10) /* two contracts' code, at most 24 KiB each in hex, and a few words */

struct answer {
	uint8_t bytes[ANSWER_BYTES_MAX];
	size_t used;
};

static bool take(void *ctx, struct span piece)
{
	struct answer *answer = ctx;

	memcpy(answer->bytes + answer->used, piece.at, piece.bytes); /* fetch stops at ANSWER_BYTES_MAX */
	answer->used += piece.bytes;
	return true;
}

static enum sanity ask(struct sanity_report *report, const struct config_chain *chain, const struct offer *offer)
{
	static struct answer answer;
	char question[4096], authorization[URL_BYTES_MAX + 32];
	const char *headers[] = {"Content-Type: application/json", authorization};
	size_t bytes = sanity_question(question, sizeof question, offer);
	struct fetch_call call = {.url = chain->rpc,
				  .headers = headers,
				  .header_cnt = chain->authorization[0] != 0 ? 2 : 1,
				  .ca_file = chain->ca_file[0] != 0 ? chain->ca_file : NULL,
				  .body = span_of(question, bytes),
				  .total_ms = chain->timeout_ms,
				  .answer_bytes_max = sizeof answer.bytes,
				  .on_body = take,
				  .ctx = &answer};

	snprintf(authorization, sizeof authorization, "Authorization: %s", chain->authorization);
	answer.used = 0;
	int error = fetch(&call);
	if (error == 0 && call.status == 200)
		return sanity_answer(report, chain->chain_id, offer, span_of(answer.bytes, answer.used));
	snprintf(report->text, sizeof report->text, "no answer from rpc: %s",
		 error != 0 ? strerror(-error) : "not a 200");
	return SANITY_NO_ANSWER;
}

struct sayer {
	void (*say)(void *ctx, const char *text);
	void *ctx;
};

static int say(const struct sayer *sayer, const struct config_chain *chain, const struct offer *offer,
	       const struct sanity_report *report)
{
	char text[sizeof report->text + 2 * NAME_BYTES_MAX + 32];

	snprintf(text, sizeof text, "[chain %s]%s%s: %s", chain->name, offer != NULL ? " and offer " : "",
		 offer != NULL ? offer->name : "", report->text);
	sayer->say(sayer->ctx, text);
	return 1;
}

int check_chain(const struct config *config, const struct config_chain *chain,
		void (*say_one)(void *ctx, const char *text), void *ctx)
{
	const struct sayer sayer = {say_one, ctx};
	struct sanity_report report;
	int mistake_cnt = 0;

	if (chain->funds == FUNDS_OFF)
		return 0;
	if (ask(&report, chain, NULL) != SANITY_SOUND)
		return say(&sayer, chain, NULL, &report);
	for (size_t i = 0; i < config->offer_cnt; i++) {
		struct offer offer = config->offers[i];
		if (offer.chain_id != chain->chain_id)
			continue;
		hash_domain(&offer.domain_separator, &offer);
		if (ask(&report, chain, &offer) != SANITY_SOUND)
			mistake_cnt += say(&sayer, chain, &offer, &report);
	}
	return mistake_cnt;
}
