// SPDX-License-Identifier: Apache-2.0
/* settle_message.c: what is said to a facilitator and what its answer means.  Pure.
 * Source: x402 spec v2 section 7 and v1, schemas of @x402/core 2.27.0. */
#include "settle.h"

#include <stdio.h>

#include "base/hex.h"
#include "base/json.h"
#include "base/u256.h"
#include "network.h"

/* --- question --- */

/* Names and digits have nothing to escape, so they are not looked at for it: a body is nearly all of these. */
static void member(struct json_writer *json, const char *name)
{
	json_write(json, json->used > 0 && json->at[json->used - 1] != '{' ? ",\"" : "\"");
	json_write(json, name);
	json_write(json, "\":");
}

static void text_member(struct json_writer *json, const char *name, const char *text)
{
	member(json, name);
	json_write_string(json, span_str(text));
}

static void number_member(struct json_writer *json, const char *name, uint64_t number)
{
	member(json, name);
	json_write_u64(json, number);
}

static void decimal_member(struct json_writer *json, const char *name, const struct word *number)
{
	char quoted[1 + U256_DECIMAL_BYTES + 1] = "\"";
	size_t digits = u256_print(quoted + 1, number->at);

	memcpy(quoted + 1 + digits, "\"", 2);
	member(json, name);
	json_write(json, quoted);
}

static void hex_member(struct json_writer *json, const char *name, const uint8_t *at, size_t bytes)
{
	char quoted[1 + HEX_BYTES(SIGNATURE_BYTES_MAX) + 1];

	quoted[0] = '"';
	hex_encode(quoted + 1, at, bytes);
	memcpy(quoted + HEX_BYTES(bytes), "\"", 2); /* in the place of the final zero */
	member(json, name);
	json_write(json, quoted);
}

static void address_member(struct json_writer *json, const char *name, const struct address *address)
{
	hex_member(json, name, address->at, sizeof address->at);
}

static void enter(struct json_writer *json, const char *name)
{
	member(json, name);
	json_write(json, "{");
}

static void leave(struct json_writer *json)
{
	json_write(json, "}");
}

static const char *scheme(const struct offer *offer)
{
	return offer->method == METHOD_UPTO ? "upto" : "exact";
}

/* False: version 1 has no name for the chain. */
static bool network_member(struct json_writer *json, unsigned version, uint64_t chain_id)
{
	char caip2[32];
	const char *name = caip2;

	snprintf(caip2, sizeof caip2, "eip155:%llu", (unsigned long long)chain_id);
	if (version == 1)
		name = network_v1_name(chain_id);
	if (name == NULL)
		return false;
	text_member(json, "network", name);
	return true;
}

static void extra_member(struct json_writer *json, const struct offer *offer)
{
	enter(json, "extra");
	if (offer->token_name[0] != 0)
		text_member(json, "name", offer->token_name);
	if (offer->token_version[0] != 0)
		text_member(json, "version", offer->token_version);
	if (offer->method != METHOD_EIP3009)
		text_member(json, "assetTransferMethod", "permit2");
	if (offer->method == METHOD_UPTO)
		address_member(json, "facilitatorAddress", &offer->facilitator);
	leave(json);
}

/* What version 1 wants to know of the resource.  The record has the offer's name, and that is enough to tell by. */
static void resource_members(struct json_writer *json, const struct offer *offer)
{
	char urn[sizeof "urn:tollbar:offer:" + NAME_BYTES_MAX];

	snprintf(urn, sizeof urn, "urn:tollbar:offer:%s", offer->name);
	text_member(json, "resource", urn);
	text_member(json, "description", "");
	text_member(json, "mimeType", "application/json");
}

static bool requirements(struct json_writer *json, unsigned version, const struct offer *offer,
			 const struct word *amount)
{
	text_member(json, "scheme", scheme(offer));
	if (!network_member(json, version, offer->chain_id))
		return false;
	decimal_member(json, version == 1 ? "maxAmountRequired" : "amount", amount);
	address_member(json, "asset", &offer->asset);
	address_member(json, "payTo", &offer->pay_to);
	number_member(json, "maxTimeoutSeconds", offer->max_timeout_s);
	if (version == 1)
		resource_members(json, offer);
	extra_member(json, offer);
	return true;
}

/* Tokens' ecrecover knows 27 and 28 only; clients may send 0 and 1 for EIP-3009, and decode lets them.  A longer signature
 * is its account's own affair. */
static void signature_member(struct json_writer *json, const struct payment *payment)
{
	uint8_t signature[SIGNATURE_BYTES_MAX];
	const size_t key_bytes = sizeof payment->signature, rest_bytes = payment->signature_rest_bytes;

	memcpy(signature, payment->signature, key_bytes);
	memcpy(signature + key_bytes, payment->signature_rest, rest_bytes);
	if (payment->method == METHOD_EIP3009 && rest_bytes == 0 && signature[64] < 27)
		signature[64] = (uint8_t)(signature[64] + 27);
	hex_member(json, "signature", signature, key_bytes + rest_bytes);
}

static void authorization(struct json_writer *json, const struct payment *payment)
{
	enter(json, "authorization");
	address_member(json, "from", &payment->from);
	address_member(json, "to", &payment->to);
	decimal_member(json, "value", &payment->amount);
	decimal_member(json, "validAfter", &payment->valid_after);
	decimal_member(json, "validBefore", &payment->deadline);
	hex_member(json, "nonce", payment->nonce.at, sizeof payment->nonce.at);
	leave(json);
}

static void permit2_authorization(struct json_writer *json, const struct payment *payment)
{
	enter(json, "permit2Authorization");
	address_member(json, "from", &payment->from);
	enter(json, "permitted");
	address_member(json, "token", &payment->token);
	decimal_member(json, "amount", &payment->amount);
	leave(json);
	address_member(json, "spender", &payment->spender);
	decimal_member(json, "nonce", &payment->nonce);
	decimal_member(json, "deadline", &payment->deadline);
	enter(json, "witness");
	address_member(json, "to", &payment->to);
	if (payment->method == METHOD_UPTO)
		address_member(json, "facilitator", &payment->facilitator);
	decimal_member(json, "validAfter", &payment->valid_after);
	leave(json);
	leave(json);
}

static void payload(struct json_writer *json, const struct payment *payment)
{
	enter(json, "payload");
	signature_member(json, payment);
	if (payment->method == METHOD_EIP3009)
		authorization(json, payment);
	else
		permit2_authorization(json, payment);
	leave(json);
}

static bool payment_payload(struct json_writer *json, const struct payment *payment, const struct offer *offer)
{
	bool named;

	enter(json, "paymentPayload");
	number_member(json, "x402Version", payment->version);
	if (payment->version == 1) {
		text_member(json, "scheme", scheme(offer));
		named = network_member(json, 1, offer->chain_id);
	} else {
		enter(json, "accepted");
		named = requirements(json, payment->version, offer, &offer->amount);
		leave(json);
	}
	payload(json, payment);
	leave(json);
	return named;
}

size_t settle_body(char *out, size_t out_bytes, const struct settlement *settlement)
{
	const struct payment *payment = &settlement->payment;
	const struct offer *offer = &settlement->offer;
	/* exact: what was signed is what moves */
	const struct word *amount = offer->method == METHOD_UPTO ? &settlement->amount_due : &offer->amount;
	struct json_writer json;

	json_write_init(&json, out, out_bytes);
	json_write(&json, "{");
	number_member(&json, "x402Version", payment->version);
	bool named = payment_payload(&json, payment, offer);
	enter(&json, "paymentRequirements");
	named = requirements(&json, payment->version, offer, amount) && named;
	leave(&json);
	leave(&json);
	return named ? json_write_done(&json) : 0;
}

/* --- answer --- */

#define PENDING "settlement_pending"

/* Statuses that say something of us or of the moment, never of the payment, whatever the body says. */
static bool is_verdict(long http_status)
{
	switch (http_status) {
	case 401:
	case 404:
	case 405:
	case 407:
	case 408:
	case 425:
	case 429:
		return false;
	default:
		return http_status == 200 || (http_status >= 400 && http_status < 500);
	}
}

struct verdict {
	bool has_success, success;
	struct span reason;
	uint8_t reason_bytes[256];
	bool has_transaction;
	struct word transaction;
};

/* A no that is not the last word: the facilitator or its node stumbled, or a transaction is on its way and what becomes of
 * it only the chain knows.  @x402/evm says "transaction_failed" of a broadcast whose receipt it could not get to keep, and
 * of a node that did not answer, as well as of a transfer that reverted. */
static bool is_final(const struct verdict *verdict)
{
	static const char *const stumbles[] = {
		PENDING,
		"unexpected_", /* settle_error, verify_error, error */
		"invalid_exact_evm_transaction_failed",
		"invalid_upto_evm_transaction_failed",
		"invalid_exact_evm_failed_to_get_receipt",
		"invalid_upto_evm_failed_to_get_receipt",
		"invalid_exact_evm_failed_to_execute_transfer",
		"invalid_transaction_state",
		"transaction_failed",
	};

	for (size_t i = 0; i < sizeof stumbles / sizeof *stumbles; i++) {
		size_t bytes = strlen(stumbles[i]);
		if (verdict->reason.bytes >= bytes && memcmp(verdict->reason.at, stumbles[i], bytes) == 0)
			return false;
	}
	return !verdict->has_transaction;
}

static void set_word(struct settlement *settlement, struct span word)
{
	size_t bytes = word.bytes < sizeof settlement->word - 1 ? word.bytes : sizeof settlement->word - 1;

	for (size_t i = 0; i < bytes; i++)
		settlement->word[i] = word.at[i] >= 0x20 && word.at[i] < 0x7f ? (char)word.at[i] : '?';
	settlement->word[bytes] = 0;
}

/* False: not one JSON object with a boolean `success`. */
static bool read_verdict(struct verdict *verdict, struct span body)
{
	struct json json;
	struct json_value name, value;

	*verdict = (struct verdict){.has_success = false};
	json_init(&json, body, JSON_NESTING_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return false;
	while (json_next(&json, &name)) {
		if (json_equals(&name, SPAN("success"))) {
			verdict->has_success = json_read(&json, &value) && json_bool(&value, &verdict->success);
		} else if (json_equals(&name, SPAN("errorReason"))) {
			if (!json_read(&json, &value) ||
			    !json_text(&value, &verdict->reason, verdict->reason_bytes, sizeof verdict->reason_bytes))
				verdict->reason = span_of("", 0);
		} else if (json_equals(&name, SPAN("transaction"))) {
			struct span hex;
			uint8_t digits[80];
			verdict->has_transaction = json_read(&json, &value) &&
						   json_text(&value, &hex, digits, sizeof digits) &&
						   hex_decode(verdict->transaction.at, 32, hex);
		}
	}
	return json_end(&json) && verdict->has_success;
}

/* Nothing is known yet; the word stays if nothing better is found. */
static void begin_answer(struct settlement *settlement, long http_status)
{
	settlement->outcome = CLAIM_UNKNOWN;
	settlement->not_sent = settlement->pending = false;
	settlement->has_transaction = false;
	memset(&settlement->transaction, 0, sizeof settlement->transaction);
	snprintf(settlement->word, sizeof settlement->word, "facilitator_status_%ld", http_status);
}

static void set_pending(struct settlement *settlement)
{
	settlement->pending = true;
	set_word(settlement, SPAN(PENDING));
}

/* good: it may settle; else it contradicts the status it came with. */
static void take_verdict(struct settlement *settlement, const struct verdict *verdict, bool good)
{
	if (verdict->has_transaction) {
		settlement->has_transaction = true;
		settlement->transaction = verdict->transaction;
	}
	if (verdict->success) {
		if (!good)
			return;
		settlement->outcome = CLAIM_SETTLED;
		settlement->word[0] = 0;
		return;
	}
	set_word(settlement, verdict->reason.bytes > 0 ? verdict->reason : SPAN("unexpected_settle_error"));
	settlement->pending = span_equal(verdict->reason, SPAN(PENDING));
	if (is_final(verdict))
		settlement->outcome = CLAIM_REFUSED;
}

/* --- jobs --- */

struct report {
	char job[SETTLE_JOB_BYTES_MAX]; /* empty: none, or not one that can be asked after */
	bool ended, failed;
	struct json_value result;
};

static void read_job_name(char job[SETTLE_JOB_BYTES_MAX], const struct json_value *value)
{
	struct span name;
	uint8_t bytes[SETTLE_JOB_BYTES_MAX];
	uint64_t number;

	memset(job, 0, SETTLE_JOB_BYTES_MAX);
	if (json_u64(value, &number))
		snprintf(job, SETTLE_JOB_BYTES_MAX, "%llu", (unsigned long long)number);
	else if (json_text(value, &name, bytes, sizeof bytes) && name.bytes < SETTLE_JOB_BYTES_MAX &&
		 memchr(name.at, 0, name.bytes) == NULL)
		memcpy(job, name.at, name.bytes);
	if (!settlement_job_good(job))
		memset(job, 0, SETTLE_JOB_BYTES_MAX);
}

/* {"jobId", "status", "result"}; false: not one JSON object. */
static bool read_report(struct report *report, struct span body)
{
	struct json json;
	struct json_value name, value;

	*report = (struct report){.ended = false};
	json_init(&json, body, JSON_NESTING_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return false;
	while (json_next(&json, &name)) {
		if (!json_read(&json, &value))
			break;
		if (json_equals(&name, SPAN("jobId"))) {
			read_job_name(report->job, &value);
		} else if (json_equals(&name, SPAN("status"))) {
			report->failed = json_equals(&value, SPAN("failed"));
			report->ended =
				json_equals(&value, SPAN("succeeded")) || json_equals(&value, SPAN("completed"));
		} else if (json_equals(&name, SPAN("result"))) {
			report->result = value;
		}
	}
	return json_end(&json);
}

/* {member: a report} that names a job. */
static bool find_job(struct report *report, struct span body, struct span member)
{
	struct json json;
	struct json_value name, value = {0};

	json_init(&json, body, JSON_NESTING_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return false;
	while (json_next(&json, &name))
		if (json_equals(&name, member))
			(void)json_read(&json, &value);
	return json_end(&json) && value.type == JSON_OBJECT && read_report(report, value.text) && report->job[0] != 0;
}

static void take_job(struct settlement *settlement, struct span body)
{
	struct report report;

	if (!find_job(&report, body, SPAN("paymentJob")))
		return;
	memcpy(settlement->job, report.job, sizeof settlement->job);
	set_pending(settlement);
}

bool settle_data_job(char job[SETTLE_JOB_BYTES_MAX], struct span body)
{
	struct report report;
	bool named = find_job(&report, body, SPAN("settlementJob"));

	memset(job, 0, SETTLE_JOB_BYTES_MAX);
	if (named)
		memcpy(job, report.job, SETTLE_JOB_BYTES_MAX);
	return named;
}

enum data_job settle_data_job_is(const char job[SETTLE_JOB_BYTES_MAX], long http_status, struct span body)
{
	struct report report;

	if (http_status == 404 || http_status == 410)
		return DATA_JOB_GONE;
	if (http_status != 200 || !read_report(&report, body) || strcmp(report.job, job) != 0)
		return DATA_JOB_RUNS; /* as far as is known */
	return report.failed ? DATA_JOB_FAILED : report.ended ? DATA_JOB_DONE : DATA_JOB_RUNS;
}

/* The next question is by POST again. */
static void lose_job(struct settlement *settlement, const char *word)
{
	memset(settlement->job, 0, sizeof settlement->job);
	snprintf(settlement->word, sizeof settlement->word, "%s", word);
}

void settle_job_answer(struct settlement *settlement, long http_status, const char *body, size_t body_bytes)
{
	struct report report;
	struct verdict verdict;

	begin_answer(settlement, http_status);
	if (http_status == 404 || http_status == 410) {
		lose_job(settlement, "facilitator_job_gone");
		return;
	}
	if (http_status != 200)
		return;
	set_word(settlement, SPAN("facilitator_answer_bad"));
	if (!read_report(&report, span_of(body, body_bytes)) || strcmp(report.job, settlement->job) != 0)
		return;
	if (report.failed)
		lose_job(settlement, "facilitator_job_failed");
	else if (!report.ended)
		set_pending(settlement);
	else if (report.result.type == JSON_OBJECT && read_verdict(&verdict, report.result.text))
		take_verdict(settlement, &verdict, true);
}

void settle_answer(struct settlement *settlement, long http_status, const char *body, size_t body_bytes)
{
	struct verdict verdict;

	begin_answer(settlement, http_status);
	memset(settlement->job, 0, sizeof settlement->job);
	if (http_status == 202)
		take_job(settlement, span_of(body, body_bytes));
	else if (is_verdict(http_status) && read_verdict(&verdict, span_of(body, body_bytes)))
		take_verdict(settlement, &verdict, http_status == 200);
	else if (http_status == 200)
		set_word(settlement, SPAN("facilitator_answer_bad"));
}
