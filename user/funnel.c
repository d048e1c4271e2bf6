// SPDX-License-Identifier: Apache-2.0
/* funnel.c: see funnel.h. */
#include "funnel.h"

#include <inttypes.h>

#include "base/json_find.h"
#include "base/log.h"
#include "base/text.h"
#include "limits.h"

#define WORD_BYTES_MAX 64

/* Steps whose time is ours: between the first byte and the model, without waiting for the client. */
static const char *const overhead_steps[] = {"arrival", "parse", "decode", "early", "hash",   "verify",
					     "permit",	"funds", "claim",  "queue", "connect"};

/* A string that may be shown on a terminal; "" when there is none. */
static const char *shown(char out[WORD_BYTES_MAX], const struct json_value *value)
{
	uint8_t buffer[WORD_BYTES_MAX];
	struct span text;

	out[0] = '\0';
	return json_text(value, &text, buffer, sizeof buffer) ? log_safe(out, WORD_BYTES_MAX, text) : out;
}

static const char *word(char out[WORD_BYTES_MAX], struct span object, const char *name)
{
	struct json_value value;

	out[0] = '\0';
	return json_find(&value, object, name) ? shown(out, &value) : out;
}

/* --- pieces of the text --- */

static void put_row(struct text *text, const char *name, uint64_t count)
{
	text_put(text, "  %-16s %12" PRIu64, name, count);
}

/* The members of an object of counts, largest first would need memory: they come in the order of reasons.h. */
static void put_counts(struct text *text, struct span object)
{
	const char *before = "   ";
	struct json_value key, value;
	struct json json;

	json_init(&json, object, JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return;
	while (json_next(&json, &key)) {
		char name[WORD_BYTES_MAX];
		uint64_t count;

		if (!json_read(&json, &value) || !json_u64(&value, &count))
			continue;
		text_put(text, "%s%s %" PRIu64, before, shown(name, &key), count);
		before = ", ";
	}
}

static void put_head(struct text *text, struct span status)
{
	uint64_t minutes = json_find_u64(status, "uptime_s") / 60;
	char why[WORD_BYTES_MAX], loop[WORD_BYTES_MAX], sandbox[WORD_BYTES_MAX];

	if (json_find_bool(status, "ready"))
		text_put(text, "ready");
	else
		text_put(text, "not ready: %s", word(why, status, "not_ready"));
	text_put(text, ", up %" PRIu64 "h%02" PRIu64 "m, %" PRIu64 " workers by %s", minutes / 60, minutes % 60,
		 json_find_u64(status, "workers"), word(loop, status, "event_loop"));
	if (json_find_member(status, "sandbox").bytes > 0)
		text_put(text, ", sandbox %s", word(sandbox, status, "sandbox"));
	text_put(text, "\n\n");
}

/* How many packets ended one way, and of what. */
static void put_packets(struct text *text, struct span kernel, const char *name, const char *reasons, const char *sum)
{
	put_row(text, name, json_find_u64(kernel, sum));
	put_counts(text, json_find_member(kernel, reasons));
	text_put(text, "\n");
}

static void put_kernel(struct text *text, struct span kernel)
{
	char interface[WORD_BYTES_MAX];

	if (!json_find_bool(kernel, "attached")) {
		text_put(text, "  %-16s %12s   no filter\n", "packets in", "-");
		return;
	}
	put_row(text, "packets in", json_find_u64(kernel, "packets"));
	text_put(text, "   filter on %s%s\n", word(interface, kernel, "interface"),
		 json_find_bool(kernel, "generic") ? ", generic mode: slow" : "");
	put_packets(text, kernel, "  dropped", "dropped", "packets_dropped");
	if (json_find_u64(kernel, "packets_answered") > 0)
		put_packets(text, kernel, "  answered", "answered", "packets_answered");
	struct span standing = json_find_member(kernel, "standing");
	if (json_find_u64(standing, "dropped") + json_find_u64(standing, "remembered") > 0) {
		put_row(text, "  penalties", json_find_u64(standing, "dropped"));
		text_put(text, "   now, %" PRIu64 " remembered\n", json_find_u64(standing, "remembered"));
	}
	if (json_find_u64(kernel, "packets_observed") > 0)
		put_packets(text, kernel, "  observed", "observed", "packets_observed");
}

static void put_requests(struct text *text, struct span status)
{
	static const char *const stages[] = {"claimed", "queued", "forwarded"};
	struct span connections = json_find_member(status, "connections"),
		    requests = json_find_member(status, "requests");
	struct span verify = json_find_member(status, "verify"), funds = json_find_member(status, "funds");
	char engine[WORD_BYTES_MAX];

	put_row(text, "connections", json_find_u64(connections, "accepted"));
	text_put(text, "   open %" PRIu64 "\n", json_find_u64(connections, "open"));
	put_row(text, "requests", json_find_u64(requests, "begun"));
	text_put(text, "\n");
	put_row(text, "  refused", json_find_u64(requests, "refused_total"));
	put_counts(text, json_find_member(requests, "refused"));
	text_put(text, "\n");
	put_row(text, "verified", json_find_u64(requests, "verified"));
	if (verify.bytes > 0) {
		put_counts(text, json_find_member(verify, "ways"));
		text_put(text, ", by %s", word(engine, verify, "engine"));
	}
	text_put(text, "\n");
	if (funds.bytes > 0) {
		put_row(text, "funds held", json_find_u64(funds, "held"));
		put_counts(text, json_find_member(funds, "ways"));
		text_put(text, "\n");
	}
	for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
		put_row(text, stages[i], json_find_u64(requests, stages[i]));
		text_put(text, "\n");
	}
	put_row(text, "served", json_find_u64(requests, "served"));
	text_put(text, "   and %" PRIu64 " free, cancelled %" PRIu64 "\n", json_find_u64(requests, "served_free"),
		 json_find_u64(requests, "cancelled"));
}

/* Chains whose payers are refused, or soon will be. */
static void put_chains(struct text *text, struct span status)
{
	struct json_value key, value;
	struct json json;

	json_init(&json, json_find_member(json_find_member(status, "funds"), "chains"), JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return;
	while (json_next(&json, &key)) {
		char name[WORD_BYTES_MAX];

		if (json_read(&json, &value) && !json_find_bool(value.text, "up"))
			text_put(text, "  look: the node of chain %s does not answer, or disagrees with the offers\n",
				 shown(name, &key));
	}
}

/* Model servers that are left alone. */
static void put_upstreams(struct text *text, struct span status)
{
	struct json json;

	json_init(&json, json_find_member(status, "upstreams"), JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_ARRAY))
		return;
	while (json_element(&json)) {
		char name[WORD_BYTES_MAX], state[WORD_BYTES_MAX];
		struct json_value value;

		if (!json_read(&json, &value) || *word(state, value.text, "state") == '\0' || strcmp(state, "up") == 0)
			continue;
		text_put(text,
			 "  look: upstream %s is %s: failures %" PRIu64 ", outages %" PRIu64 ", requests moved %" PRIu64
			 "\n",
			 word(name, value.text, "name"), state, json_find_u64(value.text, "failures"),
			 json_find_u64(value.text, "outages"), json_find_u64(value.text, "moved"));
	}
}

/* Proofs of nodes, once there was one. */
static void put_data(struct text *text, struct span facilitator)
{
	uint64_t sent = json_find_u64(facilitator, "data_sent"), waiting = json_find_u64(facilitator, "data_waiting");
	uint64_t failed = json_find_u64(facilitator, "data_failed"),
		 dropped = json_find_u64(facilitator, "data_dropped");

	if (sent == 0 && waiting == 0 && failed == 0 && dropped == 0)
		return;
	put_row(text, "proofs told", sent);
	text_put(text, "   waiting %" PRIu64 ", failed %" PRIu64 ", dropped %" PRIu64 "\n", waiting, failed, dropped);
	if (json_find_u64(facilitator, "data_undone") > 0)
		text_put(text, "  look: %" PRIu64 " proofs were taken by a facilitator, and came to nothing\n",
			 json_find_u64(facilitator, "data_undone"));
}

static void put_money(struct text *text, struct span status)
{
	struct span claims = json_find_member(status, "claims"), ledger = json_find_member(status, "ledger");

	if (claims.bytes == 0)
		return;
	put_row(text, "settled", json_find_u64(ledger, "settled"));
	text_put(text,
		 "   owed %" PRIu64 ", settling %" PRIu64 ", unknown %" PRIu64 ", refused %" PRIu64
		 ", released %" PRIu64 "\n",
		 json_find_u64(claims, "owed"), json_find_u64(claims, "settling"), json_find_u64(claims, "unknown"),
		 json_find_u64(ledger, "refused"), json_find_u64(ledger, "released"));
	put_data(text, json_find_member(status, "facilitator"));
	if (json_find_u64(claims, "unknown_expired") > 0)
		text_put(text, "  look: %" PRIu64 " settlements are past their deadline without an answer\n",
			 json_find_u64(claims, "unknown_expired"));
	if (json_find_u64(ledger, "reverted") > 0)
		text_put(text, "  look: %" PRIu64 " settlements were taken back by their chain\n",
			 json_find_u64(ledger, "reverted"));
	if (json_find_u64(ledger, "corrupt") > 0)
		text_put(text, "  look: %" PRIu64 " journal records were not trusted\n",
			 json_find_u64(ledger, "corrupt"));
	if (!json_find_bool(ledger, "up"))
		text_put(text, "  look: the journal cannot be written\n");
	if (json_find_bool(ledger, "full"))
		text_put(text, "  look: the journal is full\n");
}

/* The native transport, where it is offered. */
static void put_native(struct text *text, struct span status)
{
	struct span native = json_find_member(status, "native"), results = json_find_member(status, "results");

	if (native.bytes == 0)
		return;
	put_row(text, "datagrams", json_find_u64(native, "datagrams"));
	put_counts(text, json_find_member(native, "refused"));
	text_put(text, "\n");
	put_row(text, "  taken", json_find_u64(native, "taken"));
	text_put(text, "   receipts %" PRIu64 ", repeats %" PRIu64 ", replies dropped %" PRIu64 "\n",
		 json_find_u64(native, "receipts"), json_find_u64(native, "repeats"),
		 json_find_u64(native, "replies_dropped"));
	put_row(text, "  results", json_find_u64(results, "running") + json_find_u64(results, "kept"));
	text_put(text, "   running %" PRIu64 ", never fetched %" PRIu64 "\n", json_find_u64(results, "running"),
		 json_find_u64(results, "evicted_unread") + json_find_u64(results, "expired_unread"));
}

static void put_sessions(struct text *text, struct span status)
{
	struct span sessions = json_find_member(status, "sessions");

	if (sessions.bytes == 0)
		return;
	put_row(text, "sessions open", json_find_u64(sessions, "open"));
	text_put(text,
		 "   requests %" PRIu64 ", settled idle %" PRIu64 ", spent %" PRIu64 ", at their deadline %" PRIu64
		 ", evicted %" PRIu64 "\n",
		 json_find_u64(sessions, "requests"), json_find_u64(sessions, "idle"), json_find_u64(sessions, "spent"),
		 json_find_u64(sessions, "deadline"), json_find_u64(sessions, "evicted"));
}

static void put_step(struct text *text, const char *name, struct span times)
{
	text_put(text, "  %-16s %12" PRIu64, name, json_find_u64(times, "count"));
	text_put_duration(text, 11, json_find_u64(times, "p50_ns"));
	text_put_duration(text, 11, json_find_u64(times, "p99_ns"));
	text_put(text, "\n");
}

static void put_steps(struct text *text, struct span status)
{
	struct json_value key, value;
	struct json json;

	text_put(text, "\n  %-16s %12s  %9s  %9s\n", "step", "count", "p50", "p99");
	json_init(&json, json_find_member(status, "steps"), JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return;
	while (json_next(&json, &key)) {
		char name[WORD_BYTES_MAX];

		if (json_read(&json, &value) && json_find_u64(value.text, "count") > 0)
			put_step(text, shown(name, &key), value.text);
	}
	put_step(text, "overhead", json_find_member(status, "overhead"));
	put_step(text, "first token", json_find_member(status, "first_token"));
}

static void put_overhead(struct text *text, struct span status)
{
	struct span overhead = json_find_member(status, "overhead"),
		    first_token = json_find_member(status, "first_token");
	struct span steps = json_find_member(status, "steps");
	uint64_t all_ns = json_find_u64(first_token, "p50_ns");
	const char *before = "; ";
	double percent;

	if (json_find_u64(overhead, "count") == 0 || all_ns == 0) {
		text_put(text, "\noverhead: no paid request was answered yet\n");
		return;
	}
	text_put(text, "\noverhead: ");
	text_put_duration(text, 0, json_find_u64(overhead, "p50_ns"));
	text_put(text, " p50, ");
	text_put_duration(text, 0, json_find_u64(overhead, "p99_ns"));
	percent = 100.0 * (double)json_find_u64(overhead, "p50_ns") / (double)all_ns;
	text_put(text, " p99 before the model starts = %.*f %% of the time to first token (p50 ",
		 percent < 0.1 ? 3 : percent < 10, percent);
	text_put_duration(text, 0, all_ns);
	text_put(text, ")");
	for (size_t i = 0; i < sizeof overhead_steps / sizeof *overhead_steps; i++) {
		struct span times = json_find_member(steps, overhead_steps[i]);

		if (json_find_u64(times, "count") == 0)
			continue;
		text_put(text, "%s%s ", before, overhead_steps[i]);
		text_put_duration(text, 0, json_find_u64(times, "p50_ns"));
		before = ", ";
	}
	text_put(text, "\n");
}

size_t funnel_text(char *out, size_t out_bytes, struct span json)
{
	struct text text;

	/* one lookup reads, and so checks, all of it */
	if (json.bytes > UINT32_MAX || json_find_member(json, "requests").bytes == 0)
		return 0;
	text_init(&text, out, out_bytes);
	put_head(&text, json);
	put_kernel(&text, json_find_member(json, "kernel"));
	put_requests(&text, json);
	put_native(&text, json);
	put_sessions(&text, json);
	put_money(&text, json);
	put_upstreams(&text, json);
	put_chains(&text, json);
	put_steps(&text, json);
	put_overhead(&text, json);
	return text_done(&text);
}
