// SPDX-License-Identifier: Apache-2.0
#include "admin_funds.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

static const struct {
	const char *metric, *help, *member;
	size_t offset;
} counts[] = {
	{"chain_requests_total", "HTTP requests to the chain's node.", "requests",
	 offsetof(struct asker_stats, requests)},
	{"chain_calls_total", "Contract calls and code lookups in them.", "calls", offsetof(struct asker_stats, calls)},
	{"chain_errors_total", "Requests without a usable answer.", "errors", offsetof(struct asker_stats, errors)},
	{"chain_ahead_total", "Payers looked at again before what was known was too old.", "ahead",
	 offsetof(struct asker_stats, ahead)},
};
#define COUNT_CNT (sizeof counts / sizeof *counts)

static uint64_t count_of(const struct asker_stats *asker, size_t which)
{
	uint64_t number;

	memcpy(&number, (const char *)asker + counts[which].offset, sizeof number);
	return number;
}

static const struct {
	const char *word;
	size_t offset;
} ways[] = {
	{"known", offsetof(struct stats, funds_known)},
	{"asked", offsetof(struct stats, funds_asked)},
	{"blind", offsetof(struct stats, funds_blind)},
};
#define WAY_CNT (sizeof ways / sizeof *ways)

static uint64_t way_of(const struct stats *stats, size_t which)
{
	const void *at = (const char *)stats + ways[which].offset;

	return atomic_load_explicit((const _Atomic uint64_t *)at, memory_order_relaxed);
}

static void put_family(struct text *text, const char *name, const char *type, const char *help)
{
	text_put(text, "# HELP tollbar_%s %s\n# TYPE tollbar_%s %s\n", name, help, name, type);
}

/* A chain's name is a section's: nothing in it needs escaping. */
void admin_funds_metrics(struct text *text, const struct stats *stats, const struct funds_stats *funds,
			 const uint64_t found[LOOK_END_CNT])
{
	put_family(
		text, "funds_total", "counter",
		"Payments found covered: by what was known, by asking the chain, or within the exposure without it.");
	for (size_t i = 0; i < WAY_CNT; i++)
		text_put(text, "tollbar_funds_total{way=\"%s\"} %" PRIu64 "\n", ways[i].word, way_of(stats, i));
	put_family(text, "funds_accounts", "gauge", "Payers of whom the chain's word is known.");
	text_put(text, "tollbar_funds_accounts %zu\n", funds->accounts);
	for (size_t which = 0; which < COUNT_CNT; which++) {
		put_family(text, counts[which].metric, "counter", counts[which].help);
		for (size_t i = 0; i < funds->chain_cnt; i++)
			text_put(text, "tollbar_%s{chain=\"%s\"} %" PRIu64 "\n", counts[which].metric,
				 funds->chains[i].name, count_of(&funds->chains[i].asker, which));
	}
	put_family(text, "chain_up", "gauge",
		   "0 while the chain's node does not answer, or disagrees with the offers.");
	for (size_t i = 0; i < funds->chain_cnt; i++)
		text_put(text, "tollbar_chain_up{chain=\"%s\"} %d\n", funds->chains[i].name,
			 !funds->chains[i].asker.down);
	put_family(text, "chain_found_total", "counter", "Settlements in doubt, by what their chain showed of them.");
	for (size_t i = 0; i < LOOK_END_CNT; i++)
		text_put(text, "tollbar_chain_found_total{found=\"%s\"} %" PRIu64 "\n", look_words[i], found[i]);
}

static void write_number(struct json_writer *json, const char *name, uint64_t number)
{
	json_write_string(json, span_str(name));
	json_write(json, ":");
	json_write_u64(json, number);
}

static void write_chain(struct json_writer *json, const char *name, const struct asker_stats *asker)
{
	json_write_string(json, span_str(name));
	json_write(json, asker->down ? ":{\"up\":false" : ":{\"up\":true");
	for (size_t which = 0; which < COUNT_CNT; which++) {
		json_write(json, ",");
		write_number(json, counts[which].member, count_of(asker, which));
	}
	json_write(json, "}");
}

void admin_funds_status(struct json_writer *json, const struct stats *stats, const struct funds_stats *funds)
{
	uint64_t held = 0;

	json_write(json, ",\"funds\":{\"ways\":{");
	for (size_t i = 0; i < WAY_CNT; i++) {
		json_write(json, i == 0 ? "" : ",");
		write_number(json, ways[i].word, way_of(stats, i));
		held += way_of(stats, i);
	}
	json_write(json, "},");
	write_number(json, "held", held);
	json_write(json, ",");
	write_number(json, "accounts", funds->accounts);
	json_write(json, ",\"chains\":{");
	for (size_t i = 0; i < funds->chain_cnt; i++) {
		json_write(json, i == 0 ? "" : ",");
		write_chain(json, funds->chains[i].name, &funds->chains[i].asker);
	}
	json_write(json, "}}");
}
