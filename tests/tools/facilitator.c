// SPDX-License-Identifier: Apache-2.0
/* facilitator: answers /verify and /settle at once from memory.  It checks nothing and moves no money: it is only for
 * measuring (so that a gate is measured on its own work) and for fault tests.  End-to-end tests use the real one.
 *
 *   POST /verify, /settle, GET /supported
 *   GET /stats            counters and the last /settle; GET /stats/0x<nonce>  how often that nonce was settled
 *   POST /mode            body: how to answer from now on
 *     ok                  success
 *     refuse              /settle says success:false        verify-refuse  /verify says isValid:false
 *     error               HTTP 500                          accepted       HTTP 202 with no verdict
 *     garbage             200, not JSON                     empty          200, {} (no verdict)
 *     pending             success:false settlement_pending with a transaction
 *     hang                no answer, nothing settled        late           settles, then no answer: the unknown case
 *     reset               RST                               delay N        ok after N ms */
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

struct job {
	bool settle;
};

#include "report.h"

enum mode {
	MODE_OK,
	MODE_REFUSE,
	MODE_VERIFY_REFUSE,
	MODE_ERROR,
	MODE_ACCEPTED,
	MODE_GARBAGE,
	MODE_EMPTY,
	MODE_PENDING,
	MODE_HANG,
	MODE_LATE,
	MODE_RESET,
	MODE_DELAY,
	MODE_CNT
};

static const char *const mode_words[MODE_CNT] = {
	"ok",	 "refuse",  "verify-refuse", "error", "accepted", "garbage",
	"empty", "pending", "hang",	     "late",  "reset",	  "delay",
};

enum { NONCES_MAX = 1 << 21 }; /* power of two; a bench settles a few hundred thousand */

static enum mode mode;
static uint64_t delay_ns;
static struct {
	uint64_t tag, cnt;
} * nonces;
static struct {
	uint64_t verify, settle, settled, distinct, repeated, gone;
} seen;

/* The string after "key": in a body made by a program, not by a stranger: no escapes in what is looked for. */
static struct text body_string(struct text body, const char *key)
{
	const char *end = body.at + body.bytes, *at = memmem(body.at, body.bytes, key, strlen(key)), *stop;

	if (at == NULL)
		return (struct text){"", 0};
	for (at += strlen(key); at < end && (*at == ' ' || *at == ':' || *at == '\n' || *at == '\t'); at++)
		;
	if (at == end || *at != '"')
		return (struct text){"", 0};
	at++;
	stop = memchr(at, '"', (size_t)(end - at));
	return (struct text){at, stop == NULL ? 0 : (size_t)(stop - at)};
}

static uint64_t nonce_tag(struct text nonce)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < nonce.bytes; i++)
		hash = (hash ^ (uint64_t)(unsigned char)tolower((unsigned char)nonce.at[i])) * 0x100000001b3u;
	return hash | 1; /* 0 marks a free slot */
}

static uint64_t *nonce_count(uint64_t tag)
{
	for (size_t i = (size_t)(tag * 0x9e3779b97f4a7c15u >> 40);; i++) {
		i &= NONCES_MAX - 1;
		if (nonces[i].tag == tag || nonces[i].tag == 0) {
			nonces[i].tag = tag;
			return &nonces[i].cnt;
		}
	}
}

static void count_settlement(struct text nonce)
{
	if (seen.distinct >= NONCES_MAX / 2) {
		fprintf(stderr, "facilitator: too many nonces\n");
		exit(1);
	}
	uint64_t *cnt = nonce_count(nonce_tag(nonce));
	seen.distinct += *cnt == 0;
	seen.repeated += *cnt == 1;
	seen.settled++;
	++*cnt;
}

static void answer_json(struct conn *conn, const char *status, const char *json)
{
	conn_answer(conn, status, json, strlen(json));
}

static void answer_payment(struct conn *conn, bool settle)
{
	struct text payer = body_string(conn->body, "\"from\""), network = body_string(conn->body, "\"network\"");
	char json[512];

	if (!settle) {
		snprintf(json, sizeof(json), "{\"isValid\":%s,%s\"payer\":\"%.*s\"}",
			 mode == MODE_VERIFY_REFUSE ? "false" : "true",
			 mode == MODE_VERIFY_REFUSE ? "\"invalidReason\":\"insufficient_funds\"," : "",
			 (int)payer.bytes, payer.at);
		answer_json(conn, "200 OK", json);
		return;
	}
	/* the same payment always gets the same transaction */
	uint64_t tag = nonce_tag(body_string(conn->body, "\"nonce\""));
	const char *outcome = mode == MODE_REFUSE    ? "false,\"errorReason\":\"insufficient_funds\""
			      : mode == MODE_PENDING ? "false,\"errorReason\":\"settlement_pending\""
						     : "true";
	char transaction[67] = "";
	if (mode != MODE_REFUSE)
		snprintf(transaction, sizeof(transaction), "0x%016llx%016llx%016llx%016llx", (unsigned long long)tag,
			 (unsigned long long)tag * 3, (unsigned long long)tag * 5, (unsigned long long)tag * 7);
	snprintf(json, sizeof(json), "{\"success\":%s,\"transaction\":\"%s\",\"network\":\"%.*s\",\"payer\":\"%.*s\"}",
		 outcome, transaction, (int)network.bytes, network.at, (int)payer.bytes, payer.at);
	answer_json(conn, "200 OK", json);
}

static void on_payment(struct conn *conn, bool settle)
{
	if (settle) {
		seen.settle++;
		remember(conn);
		if (mode == MODE_OK || mode == MODE_DELAY || mode == MODE_LATE)
			count_settlement(body_string(conn->body, "\"nonce\""));
	} else {
		seen.verify++;
	}
	conn->job.settle = settle;
	switch (mode) {
	case MODE_ERROR:
		answer_json(conn, "500 Internal Server Error", "{\"error\":\"asked for\"}");
		return;
	case MODE_ACCEPTED:
		answer_json(conn, "202 Accepted", "{\"paymentJob\":{\"jobId\":\"1\",\"status\":\"waiting\"}}");
		return;
	case MODE_GARBAGE:
		answer_json(conn, "200 OK", "<html>not what was asked</html>");
		return;
	case MODE_EMPTY:
		answer_json(conn, "200 OK", "{}");
		return;
	case MODE_HANG:
	case MODE_LATE:
		return;
	case MODE_RESET:
		conn_reset(conn);
		return;
	case MODE_DELAY:
		conn_timer(conn, delay_ns);
		return;
	default:
		answer_payment(conn, settle);
	}
}

static void on_timer(struct conn *conn)
{
	answer_payment(conn, conn->job.settle);
}

static void on_gone(struct conn *conn)
{
	seen.gone++;
}

static bool set_mode(struct text words)
{
	const char *space = memchr(words.at, ' ', words.bytes), *end = words.at + words.bytes;
	struct text word = {words.at, space == NULL ? words.bytes : (size_t)(space - words.at)};

	for (int i = 0; i < MODE_CNT; i++) {
		if (!text_is(word, mode_words[i]))
			continue;
		mode = (enum mode)i;
		if (space != NULL)
			delay_ns = text_number((struct text){space + 1, (size_t)(end - space - 1)}) * 1000000u;
		return true;
	}
	return false;
}

static void answer_stats(struct conn *conn)
{
	static struct report report;
	struct text nonce = {conn->target.at + 7, conn->target.bytes > 7 ? conn->target.bytes - 7 : 0};

	report.bytes = 0;
	report_words(&report, "{");
	if (nonce.bytes != 0) {
		report_number(&report, "settled", *nonce_count(nonce_tag(nonce)));
	} else {
		report_number(&report, "verify", seen.verify);
		report_number(&report, "settle", seen.settle);
		report_number(&report, "settled", seen.settled);
		report_number(&report, "nonces", seen.distinct);
		report_number(&report, "repeated", seen.repeated);
		report_number(&report, "gone", seen.gone);
	}
	report_last(&report);
	report_words(&report, "}");
	conn_answer(conn, "200 OK", report.at, report.bytes);
}

static void on_request(struct conn *conn)
{
	static const char supported[] =
		"{\"kinds\":["
		"{\"x402Version\":2,\"scheme\":\"exact\",\"network\":\"eip155:84532\"},"
		"{\"x402Version\":1,\"scheme\":\"exact\",\"network\":\"base-sepolia\"},"
		"{\"x402Version\":2,\"scheme\":\"upto\",\"network\":\"eip155:84532\","
		"\"extra\":{\"facilitatorAddress\":\"0x1111111111111111111111111111111111111111\"}}"
		"],\"extensions\":[],\"signers\":{\"eip155:*\":[\"0x1111111111111111111111111111111111111111\"]}}";

	if (text_is(conn->target, "/settle"))
		on_payment(conn, true);
	else if (text_is(conn->target, "/verify"))
		on_payment(conn, false);
	else if (text_is(conn->target, "/supported"))
		answer_json(conn, "200 OK", supported);
	else if (text_is(conn->target, "/mode"))
		answer_json(conn, set_mode(conn->body) ? "200 OK" : "400 Bad Request", "{}");
	else if (conn->target.bytes >= 6 && memcmp(conn->target.at, "/stats", 6) == 0)
		answer_stats(conn);
	else
		answer_json(conn, "404 Not Found", "{\"error\":\"no such path\"}");
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: facilitator [--bind ADDR] [--port N] [--port-file F] [--mode WORDS]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", 1, 0, 'p'}, {"port-file", 1, 0, 'f'}, {"bind", 1, 0, 'b'}, {"mode", 1, 0, 'm'}, {0, 0, 0, 0},
	};
	const char *address = "127.0.0.1", *port = "0", *port_file = NULL;

	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 'p':
			port = optarg;
			break;
		case 'f':
			port_file = optarg;
			break;
		case 'b':
			address = optarg;
			break;
		case 'm':
			if (!set_mode((struct text){optarg, strlen(optarg)}))
				usage();
			break;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
	nonces = calloc(NONCES_MAX, sizeof(*nonces));
	if (nonces == NULL)
		fail("calloc");
	serve_loop(serve_listen(address, port, port_file));
	return 0;
}
