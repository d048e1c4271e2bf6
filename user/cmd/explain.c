// SPDX-License-Identifier: Apache-2.0
/* explain.c: one payment header in, every step's result out: the first debugging tool.  It goes on after a refusal as
 * far as the bytes allow, so that one run shows all that is wrong.  It asks no ledger, no list and no chain, and never
 * prints the signature: whoever holds an EIP-3009 authorization can submit it. */
#include <ctype.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/u256.h"
#include "cmd/cmd.h"
#include "config.h"
#include "decode.h"
#include "hash.h"
#include "permit.h"
#include "reason.h"
#include "verify.h"

static const char usage_text[] =
	"usage: tollbar explain -c FILE [--route NAME] [--at UNIX_S] [--v1] HEADER|-\n"
	"\n"
	"Shows what each step makes of one payment header: the value of PAYMENT-SIGNATURE, or of X-PAYMENT with --v1.\n"
	"  -c, --config FILE   the node's configuration: its offers are what the payment is held against\n"
	"  --route NAME        only the offers of this route (default: every offer)\n"
	"  --at UNIX_S         as if it came at this time (default: now)\n"
	"  -                   read the header from standard input\n"
	"Exit status: 0 it would be accepted, 1 refused, 2 usage or configuration.\n";

/* --- one header --- */

struct explanation {
	FILE *out;
	const struct offer *const *offers;
	size_t offer_cnt;
	unsigned version;
	uint64_t now_s;
	enum reason reason; /* of the first step that refused */
};

/* One step's result; the first refusal is the verdict. */
static void show_step(struct explanation *explanation, const char *step, enum reason reason, const char *note)
{
	fprintf(explanation->out, "%-10s  %s%s%s\n", step, reason_word(reason), note[0] == 0 ? "" : ": ", note);
	if (explanation->reason == REASON_OK)
		explanation->reason = reason;
}

static void show_bytes(FILE *out, const char *name, const uint8_t *at, size_t bytes)
{
	char text[HEX_BYTES(32)];

	fprintf(out, "  %-17s %s\n", name, hex_encode(text, at, bytes));
}

static void show_number(FILE *out, const char *name, const struct word *number)
{
	char digits[U256_DECIMAL_BYTES];

	u256_print(digits, number->at);
	fprintf(out, "  %-17s %s\n", name, digits);
}

static void show_time(FILE *out, const char *name, const struct word *time, uint64_t now_s)
{
	char digits[U256_DECIMAL_BYTES];
	uint64_t time_s;

	u256_print(digits, time->at);
	fprintf(out, "  %-17s %s", name, digits);
	if (!u256_to_u64(&time_s, time->at))
		fprintf(out, "  (after the end of time)\n");
	else if (time_s >= now_s)
		fprintf(out, "  (in %" PRIu64 " s)\n", time_s - now_s);
	else
		fprintf(out, "  (%" PRIu64 " s ago)\n", now_s - time_s);
}

static const char *method_name(uint8_t method)
{
	static const char *const names[] = {
		[METHOD_NONE] = "none",
		[METHOD_EIP3009] = "exact/EIP-3009",
		[METHOD_PERMIT2] = "exact/Permit2",
		[METHOD_UPTO] = "upto/Permit2",
	};

	return names[method];
}

/* base64 and JSON on their own, for where they break; decode says it again in one word. */
static void show_encoding(struct explanation *explanation, struct span header)
{
	static uint8_t text[BASE64_DECODED_BYTES_MAX(PAYMENT_BASE64_BYTES_MAX)];
	ssize_t bytes = -1;
	struct json json;
	char note[96];

	fprintf(explanation->out, "%-10s  %zu bytes, x402 version %u\n", "header", header.bytes, explanation->version);
	if (header.bytes <= PAYMENT_BASE64_BYTES_MAX)
		bytes = base64_decode(text, sizeof(text), header);
	if (bytes < 0)
		return;
	snprintf(note, sizeof(note), "%zd bytes", bytes);
	show_step(explanation, "base64", REASON_OK, note);
	if (bytes > PAYMENT_JSON_BYTES_MAX)
		return;
	json_init(&json, span_of(text, (size_t)bytes), JSON_DEPTH_MAX, JSON_STRICT);
	if (json_end(&json)) {
		show_step(explanation, "json", REASON_OK, "");
		return;
	}
	snprintf(note, sizeof(note), "%s at byte %td", json_error_word(json.error), json.at - json.start);
	show_step(explanation, "json", PAYMENT_JSON, note);
}

static void show_payment(struct explanation *explanation, const struct payment *payment)
{
	FILE *out = explanation->out;

	fprintf(out, "  %-17s %s\n", "method", method_name(payment->method));
	show_bytes(out, "from", payment->from.at, sizeof(payment->from));
	show_bytes(out, "to", payment->to.at, sizeof(payment->to));
	show_number(out, "amount", &payment->amount);
	show_time(out, "valid after", &payment->valid_after, explanation->now_s);
	show_time(out, "deadline", &payment->deadline, explanation->now_s);
	show_bytes(out, "nonce", payment->nonce.at, sizeof(payment->nonce));
	if (payment->method != METHOD_EIP3009) {
		show_bytes(out, "token", payment->token.at, sizeof(payment->token));
		show_bytes(out, "spender", payment->spender.at, sizeof(payment->spender));
	}
	if (payment->method == METHOD_UPTO)
		show_bytes(out, "facilitator", payment->facilitator.at, sizeof(payment->facilitator));
	fprintf(out, "  %-17s eip155:%" PRIu64 "\n", "accepted network", payment->accepted.chain_id);
	if (payment->accepted.has_terms) {
		show_bytes(out, "accepted asset", payment->accepted.asset.at, sizeof(payment->accepted.asset));
		show_bytes(out, "accepted payTo", payment->accepted.pay_to.at, sizeof(payment->accepted.pay_to));
		show_number(out, "accepted amount", &payment->accepted.amount);
		fprintf(out, "  %-17s %" PRIu64 " s\n", "accepted timeout", payment->accepted.max_timeout_s);
	}
}

static void show_offer(FILE *out, const struct offer *offer)
{
	fprintf(out, "  %-17s %s on eip155:%" PRIu64 "\n", "method", method_name(offer->method), offer->chain_id);
	show_bytes(out, "asset", offer->asset.at, sizeof(offer->asset));
	show_bytes(out, "payTo", offer->pay_to.at, sizeof(offer->pay_to));
	if (offer->method == METHOD_UPTO)
		show_bytes(out, "facilitator", offer->facilitator.at, sizeof(offer->facilitator));
	show_number(out, "amount", &offer->amount);
	fprintf(out, "  %-17s %" PRIu64 " s\n", "timeout", offer->max_timeout_s);
}

/* Every rule, also those behind the first that refuses. */
static void show_permit(struct explanation *explanation, const struct payment *payment, const struct offer *offer)
{
	struct permit permit;
	enum reason reason = permit_payment(&permit, payment, offer, explanation->now_s);

	show_step(explanation, "permit", reason, "");
	for (size_t i = 0; i < permit_check_cnt; i++)
		fprintf(explanation->out, "  %-17s %s\n", permit_checks[i].name,
			reason_word(permit_checks[i].check(payment, offer, explanation->now_s)));
}

static void show_signature(struct explanation *explanation, const struct payment *payment, const struct offer *offer)
{
	struct verify_item item = {.signature = payment->signature, .payer = payment->from, .method = payment->method};
	uint8_t seed[32];
	struct verify_config config = {.seed = seed, .engine = ENGINE_SECP256K1};
	struct verifier *verifier;
	struct address signer;
	struct word hash;

	hash_struct(&hash, payment);
	hash_payment(&item.digest, payment, &offer->domain_separator);
	show_step(explanation, "hash", REASON_OK, "");
	show_bytes(explanation->out, "domain separator", offer->domain_separator.at, sizeof(struct word));
	show_bytes(explanation->out, "struct hash", hash.at, sizeof(hash));
	show_bytes(explanation->out, "digest", item.digest.at, sizeof(item.digest));

	verifier = getentropy(seed, sizeof(seed)) == 0 ? verify_init(&config) : NULL;
	if (verifier == NULL) {
		show_step(explanation, "verify", INTERNAL, "no memory");
		return;
	}
	verify_batch(verifier, &item, 1);
	if (payment->signature_rest_bytes > 0) {
		show_step(explanation, "verify", SIGNATURE_FORM,
			  "longer than a key's: only the payer's own code can say yes");
		verify_fini(verifier);
		return;
	}
	show_step(explanation, "verify", item.verdict, "");
	if (verify_recover(verifier, &signer, &item) == REASON_OK)
		show_bytes(explanation->out, "recovered", signer.at, sizeof(signer));
	verify_fini(verifier);
}

static void show_verdict(const struct explanation *explanation, const struct payment *payment)
{
	enum reason reason = explanation->reason;
	const char *code = reason == REASON_OK ? NULL : reason_x402(reason, payment->method);

	if (reason == REASON_OK) {
		fprintf(explanation->out, "%-10s  accepted, if the payment was not used before\n", "verdict");
		return;
	}
	fprintf(explanation->out, "%-10s  refused: %s (x402: %s): %s\n", "verdict", reason_word(reason),
		code != NULL ? code : "none", reason_message(reason));
}

static enum reason explain_header(struct explanation *explanation, struct span header)
{
	const struct offer *offer;
	struct payment payment;
	enum reason reason;

	show_encoding(explanation, header);
	reason = decode_payment(&payment, explanation->version, header);
	show_step(explanation, "decode", reason,
		  reason == PAYMENT_VERSION ? "not the version of this header; see --v1" : "");
	if (reason == REASON_OK) {
		show_payment(explanation, &payment);
		reason = permit_offer(&offer, &payment, explanation->offers, explanation->offer_cnt);
		show_step(explanation, "offer", reason, reason == REASON_OK ? offer->name : "");
	}
	if (reason == REASON_OK) {
		show_offer(explanation->out, offer);
		show_permit(explanation, &payment, offer);
		show_signature(explanation, &payment, offer);
	}
	show_verdict(explanation, &payment);
	return explanation->reason;
}

/* --- the command --- */

struct arguments {
	const char *config, *route, *header;
	unsigned version;
	uint64_t now_s;
};

static bool parse_seconds(uint64_t *seconds, const char *text)
{
	uint8_t number[32];

	return u256_decimal(number, span_str(text)) && u256_to_u64(seconds, number);
}

/* 0, or the exit status. */
static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"route", required_argument, NULL, 'r'},
		{"at", required_argument, NULL, 't'},	  {"v1", no_argument, NULL, '1'},
		{"help", no_argument, NULL, 'h'},	  {0},
	};
	int option;

	*arguments = (struct arguments){.version = 2, .now_s = clock_unix_s()};
	optind = 1;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'c') {
			arguments->config = optarg;
		} else if (option == 'r') {
			arguments->route = optarg;
		} else if (option == '1') {
			arguments->version = 1;
		} else if (option == 't' && parse_seconds(&arguments->now_s, optarg)) {
			continue;
		} else {
			fputs(usage_text, option == 'h' ? stdout : stderr);
			return option == 'h' ? -1 : 2;
		}
	}
	if (arguments->config == NULL || optind != argc - 1) {
		fputs(usage_text, stderr);
		return 2;
	}
	arguments->header = argv[optind];
	return 0;
}

static struct span trim(struct span text)
{
	while (text.bytes > 0 && isspace(text.at[text.bytes - 1]))
		text.bytes--;
	while (text.bytes > 0 && isspace(text.at[0])) {
		text.at++;
		text.bytes--;
	}
	return text;
}

/* The offers of the route, or of the whole configuration.  False: no such route. */
static bool choose_offers(const struct offer **offers, size_t *offer_cnt, const struct config *config,
			  const char *route)
{
	*offer_cnt = 0;
	if (route == NULL) {
		for (size_t i = 0; i < config->offer_cnt; i++)
			offers[(*offer_cnt)++] = &config->offers[i];
		return true;
	}
	for (size_t i = 0; i < config->route_cnt; i++) {
		const struct config_route *candidate = &config->routes[i];
		if (strcmp(candidate->name, route) != 0)
			continue;
		for (size_t k = 0; k < candidate->offer_cnt; k++)
			offers[(*offer_cnt)++] = candidate->offers[k];
		return true;
	}
	return false;
}

static int explain_with(const struct config *config, const struct arguments *arguments)
{
	static uint8_t input[HEAD_BYTES_MAX];
	const struct offer *offers[OFFERS_MAX + ROUTE_OFFERS_MAX];
	struct explanation explanation = {
		.out = stdout, .offers = offers, .version = arguments->version, .now_s = arguments->now_s};
	struct span header = span_str(arguments->header);

	if (!choose_offers(offers, &explanation.offer_cnt, config, arguments->route)) {
		fprintf(stderr, "tollbar explain: %s has no route '%s'\n", arguments->config, arguments->route);
		return 2;
	}
	if (strcmp(arguments->header, "-") == 0)
		header = span_of(input, fread(input, 1, sizeof(input), stdin));
	return explain_header(&explanation, trim(header)) == REASON_OK ? 0 : 1;
}

int cmd_explain(int argc, char **argv)
{
	struct arguments arguments;
	struct config *config;
	int status = parse_arguments(&arguments, argc, argv), mistakes;

	if (status != 0)
		return status < 0 ? 0 : status;
	config = calloc(1, sizeof(*config));
	mistakes = config == NULL ? -1 : config_load(config, arguments.config, stderr);
	if (mistakes == 0) {
		for (size_t i = 0; i < config->offer_cnt; i++)
			hash_domain(&config->offers[i].domain_separator, &config->offers[i]);
		status = explain_with(config, &arguments);
	} else {
		if (mistakes < 0)
			fprintf(stderr, "tollbar explain: cannot read %s\n", arguments.config);
		status = 2;
	}
	free(config);
	return status;
}
