// SPDX-License-Identifier: Apache-2.0
/* verdict: what the gate decides about a payment header, many at a time and without a network.
 *
 *     verdict CONFIG < lines
 *
 * Each line is `<1|2> <Unix seconds> <header>`: which x402 version's header it came in, the time it came, its bytes.
 * Each answer is one reason word, "ok" when the payment may buy the configuration's first route.  The steps are the
 * gate's, in the gate's order; only the claim (replay) is missing, because it is not a fact. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "decode.h"
#include "hash.h"
#include "permit.h"
#include "reply.h"
#include "verify.h"

#define LINE_BYTES_MAX (1 << 20)

static enum reason judge(struct verifier *verifier, const struct config_route *route, unsigned version, uint64_t now_s,
			 struct span header)
{
	struct payment payment;
	const struct offer *offer;
	struct permit permit;
	enum reason reason = decode_payment(&payment, version, header);

	if (reason == REASON_OK)
		reason = permit_offer(&offer, &payment, route->offers, route->offer_cnt);
	if (reason == REASON_OK)
		reason = permit_payment(&permit, &payment, offer, now_s);
	if (reason != REASON_OK)
		return reason;

	struct verify_item item = {.signature = payment.signature, .payer = payment.from, .method = payment.method};
	hash_payment(&item.digest, &payment, &offer->domain_separator);
	verify_batch(verifier, &item, 1);
	return payment.signature_rest_bytes == 0 ? item.verdict
						 : SIGNATURE_FORM; /* as the worker has it, without a chain */
}

/* Returns false when the line is not of the form above. */
static bool judge_line(struct verifier *verifier, const struct config_route *route, char *line)
{
	char *at;
	unsigned long version = strtoul(line, &at, 10);
	unsigned long long now_s = *at == ' ' ? strtoull(at + 1, &at, 10) : 0;

	if (now_s == 0 || *at != ' ' || (version != 1 && version != 2))
		return false;
	enum reason reason = judge(verifier, route, (unsigned)version, now_s, span_str(at + 1));
	puts(reason == REASON_OK ? "ok" : reason_word(reason));
	return true;
}

static int judge_all(const struct config *config)
{
	static const uint8_t seed[32] = {1};
	const struct verify_config verify = {
		.seed = seed, .engine = verify_engine_best(), .signer_bytes = (size_t)1 << 20};
	struct verifier *verifier = verify_init(&verify);
	char *line = malloc(LINE_BYTES_MAX);
	int status = 0;

	if (verifier == NULL || line == NULL) {
		fputs("verdict: no memory\n", stderr);
		status = 1;
	}
	while (status == 0 && fgets(line, LINE_BYTES_MAX, stdin) != NULL) {
		line[strcspn(line, "\n")] = 0;
		if (!judge_line(verifier, &config->routes[0], line)) {
			fputs("verdict: a line is not `<1|2> <seconds> <header>`\n", stderr);
			status = 1;
		}
	}
	free(line);
	if (verifier != NULL)
		verify_fini(verifier);
	return status;
}

int main(int argc, char **argv)
{
	static struct config config;

	if (argc != 2) {
		fputs("usage: verdict CONFIG < lines\n", stderr);
		return 2;
	}
	int mistakes = config_load(&config, argv[1], stderr);
	if (mistakes != 0 || config.route_cnt == 0) {
		fprintf(stderr, "verdict: %s: %s\n", argv[1], mistakes < 0 ? strerror(-mistakes) : "not usable");
		return 2;
	}
	for (size_t i = 0; i < config.offer_cnt; i++)
		hash_domain(&config.offers[i].domain_separator, &config.offers[i]);
	return judge_all(&config);
}
