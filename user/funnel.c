// SPDX-License-Identifier: Apache-2.0
/* funnel.c: see funnel.h.
 *
 * The JSON is small and read once a call, so each number is looked up by name from the start of its object: no picture of
 * it is kept.  Whether all of it is well-formed is checked before. */
#include "funnel.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "limits.h"

#define WORD_BYTES_MAX 64

/* Steps whose time is ours: between the first byte and the model, without waiting for the client. */
static const char *const overhead_steps[] = {"parse",  "decode", "early", "hash",   "verify",
					     "permit", "claim",	 "queue", "connect"};

/* --- looking things up --- */

/* The value of an object's member; empty when there is none. */
static struct span member(struct span object, const char *name)
{
	struct json_value key, value;
	struct span found = span_of(NULL, 0);
	struct json json;

	json_init(&json, object, JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return found;
	while (json_next(&json, &key))
		if (json_equals(&key, span_str(name)) && json_read(&json, &value))
			found = value.text;
	return json_end(&json) ? found : span_of(NULL, 0);
}

static bool value_of(struct json_value *value, struct span object, const char *name)
{
	struct json json;

	json_init(&json, member(object, name), JSON_DEPTH_MAX, JSON_ENTERED);
	return json_read(&json, value);
}

static uint64_t number(struct span object, const char *name)
{
	struct json_value value;
	uint64_t out;

	return value_of(&value, object, name) && json_u64(&value, &out) ? out : 0;
}

static bool flag(struct span object, const char *name)
{
	struct json_value value;
	bool out;

	return value_of(&value, object, name) && json_bool(&value, &out) && out;
}

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
	return value_of(&value, object, name) ? shown(out, &value) : out;
}

/* --- pieces of the text --- */

static void put_duration(struct text *text, uint64_t ns)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double value = (double)ns;
	unsigned unit = 0;

	while (unit < 3 && value >= 999.5) {
		value /= 1000;
		unit++;
	}
	text_put(text, "%.*f %s", unit > 0 && value < 99.95, value, units[unit]);
}

/* A duration as a column of its own. */
static void put_column(struct text *text, uint64_t ns)
{
	char cell[32];
	struct text inner;

	text_init(&inner, cell, sizeof cell);
	put_duration(&inner, ns);
	text_put(text, "  %9s", cell);
}

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
	uint64_t minutes = number(status, "uptime_s") / 60;
	char why[WORD_BYTES_MAX];

	if (flag(status, "ready"))
		text_put(text, "ready");
	else
		text_put(text, "not ready: %s", word(why, status, "not_ready"));
	text_put(text, ", up %" PRIu64 "h%02" PRIu64 "m, %" PRIu64 " workers\n\n", minutes / 60, minutes % 60,
		 number(status, "workers"));
}

static void put_kernel(struct text *text, struct span kernel)
{
	char interface[WORD_BYTES_MAX];

	if (!flag(kernel, "attached")) {
		text_put(text, "  %-16s %12s   no filter\n", "packets in", "-");
		return;
	}
	put_row(text, "packets in", number(kernel, "packets"));
	text_put(text, "   filter on %s%s\n", word(interface, kernel, "interface"),
		 flag(kernel, "generic") ? ", generic mode: slow" : "");
	put_row(text, "  dropped", number(kernel, "packets_dropped"));
	put_counts(text, member(kernel, "dropped"));
	text_put(text, "\n");
	if (number(kernel, "packets_observed") == 0)
		return;
	put_row(text, "  observed", number(kernel, "packets_observed"));
	put_counts(text, member(kernel, "observed"));
	text_put(text, "\n");
}

static void put_requests(struct text *text, struct span status)
{
	static const char *const stages[] = {"claimed", "queued", "forwarded"};
	struct span connections = member(status, "connections"), requests = member(status, "requests");
	struct span verify = member(status, "verify");
	char engine[WORD_BYTES_MAX];

	put_row(text, "connections", number(connections, "accepted"));
	text_put(text, "   open %" PRIu64 "\n", number(connections, "open"));
	put_row(text, "requests", number(requests, "begun"));
	text_put(text, "\n");
	put_row(text, "  refused", number(requests, "refused_total"));
	put_counts(text, member(requests, "refused"));
	text_put(text, "\n");
	put_row(text, "verified", number(requests, "verified"));
	if (verify.bytes > 0) {
		put_counts(text, member(verify, "ways"));
		text_put(text, ", by %s", word(engine, verify, "engine"));
	}
	text_put(text, "\n");
	for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
		put_row(text, stages[i], number(requests, stages[i]));
		text_put(text, "\n");
	}
	put_row(text, "served", number(requests, "served"));
	text_put(text, "   and %" PRIu64 " free, cancelled %" PRIu64 "\n", number(requests, "served_free"),
		 number(requests, "cancelled"));
}

static void put_money(struct text *text, struct span status)
{
	struct span claims = member(status, "claims"), ledger = member(status, "ledger");

	if (claims.bytes == 0)
		return;
	put_row(text, "settled", number(ledger, "settled"));
	text_put(text,
		 "   owed %" PRIu64 ", settling %" PRIu64 ", unknown %" PRIu64 ", refused %" PRIu64
		 ", released %" PRIu64 "\n",
		 number(claims, "owed"), number(claims, "settling"), number(claims, "unknown"),
		 number(ledger, "refused"), number(ledger, "released"));
	if (number(claims, "unknown_expired") > 0)
		text_put(text, "  look: %" PRIu64 " settlements are past their deadline without an answer\n",
			 number(claims, "unknown_expired"));
	if (number(ledger, "corrupt") > 0)
		text_put(text, "  look: %" PRIu64 " journal records were not trusted\n", number(ledger, "corrupt"));
	if (!flag(ledger, "up"))
		text_put(text, "  look: the journal cannot be written\n");
	if (flag(ledger, "full"))
		text_put(text, "  look: the journal is full\n");
}

static void put_step(struct text *text, const char *name, struct span times)
{
	text_put(text, "  %-16s %12" PRIu64, name, number(times, "count"));
	put_column(text, number(times, "p50_ns"));
	put_column(text, number(times, "p99_ns"));
	text_put(text, "\n");
}

static void put_steps(struct text *text, struct span status)
{
	struct json_value key, value;
	struct json json;

	text_put(text, "\n  %-16s %12s  %9s  %9s\n", "step", "count", "p50", "p99");
	json_init(&json, member(status, "steps"), JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return;
	while (json_next(&json, &key)) {
		char name[WORD_BYTES_MAX];

		if (json_read(&json, &value) && number(value.text, "count") > 0)
			put_step(text, shown(name, &key), value.text);
	}
	put_step(text, "overhead", member(status, "overhead"));
	put_step(text, "first token", member(status, "first_token"));
}

static void put_overhead(struct text *text, struct span status)
{
	struct span overhead = member(status, "overhead"), first_token = member(status, "first_token");
	struct span steps = member(status, "steps");
	uint64_t all_ns = number(first_token, "p50_ns");
	const char *before = "; ";
	double percent;

	if (number(overhead, "count") == 0 || all_ns == 0) {
		text_put(text, "\noverhead: no paid request was answered yet\n");
		return;
	}
	text_put(text, "\noverhead: ");
	put_duration(text, number(overhead, "p50_ns"));
	text_put(text, " p50, ");
	put_duration(text, number(overhead, "p99_ns"));
	percent = 100.0 * (double)number(overhead, "p50_ns") / (double)all_ns;
	text_put(text, " p99 before the model starts = %.*f %% of the time to first token (p50 ",
		 percent < 0.1 ? 3 : percent < 10, percent);
	put_duration(text, all_ns);
	text_put(text, ")");
	for (size_t i = 0; i < sizeof overhead_steps / sizeof *overhead_steps; i++) {
		struct span times = member(steps, overhead_steps[i]);

		if (number(times, "count") == 0)
			continue;
		text_put(text, "%s%s ", before, overhead_steps[i]);
		put_duration(text, number(times, "p50_ns"));
		before = ", ";
	}
	text_put(text, "\n");
}

size_t funnel_text(char *out, size_t out_bytes, struct span json)
{
	struct text text;

	/* one lookup reads, and so checks, all of it */
	if (json.bytes > UINT32_MAX || member(json, "requests").bytes == 0)
		return 0;
	text_init(&text, out, out_bytes);
	put_head(&text, json);
	put_kernel(&text, member(json, "kernel"));
	put_requests(&text, json);
	put_money(&text, json);
	put_steps(&text, json);
	put_overhead(&text, json);
	return text_done(&text);
}
