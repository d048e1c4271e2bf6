// SPDX-License-Identifier: Apache-2.0
#include "admin_native.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "reason.h"

#define COUNTER "counter"
#define GAUGE "gauge"

struct number {
	const char *metric, *type, *help, *member;
	size_t offset;
};

static const struct number counts[] = {
#define COUNT(metric, help, member, field)                                   \
	{                                                                    \
		metric, COUNTER, help, member, offsetof(struct stats, field) \
	}
	COUNT("datagrams_total", "Datagrams that came to the native sockets.", "datagrams", datagrams),
	COUNT("native_taken_total", "Native requests that were taken: claimed, and in line.", "taken", native_taken),
	COUNT("native_repeats_total", "Native requests that were taken before, and answered again.", "repeats",
	      native_repeats),
	COUNT("knocks_total", "Knocks whose signature held.", "knocks", knocks),
	COUNT("receipts_total", "Receipts given to the kernel, or dropped.", "receipts", receipts),
	COUNT("replies_dropped_total", "Receipts and cookies there was no place for, or that the kernel refused.",
	      "replies_dropped", replies_dropped),
#undef COUNT
};

static const struct number kept[] = {
#define KEPT(metric, type, help, member)                                                       \
	{                                                                                      \
		"results_" metric, type, help, #member, offsetof(struct results_stats, member) \
	}
	KEPT("running", GAUGE, "Results whose answer is still to come, or coming.", running),
	KEPT("kept", GAUGE, "Results kept for their clients.", kept),
	KEPT("unread", GAUGE, "Results of which nobody had all yet.", unread),
	KEPT("bytes", GAUGE, "Memory they take.", bytes),
	KEPT("bytes_max", GAUGE, "Memory they may take.", bytes_max),
	KEPT("begun_total", COUNTER, "Results begun.", begun),
	KEPT("full_total", COUNTER, "Requests refused because there was no room for a result.", full),
	KEPT("evicted_total", COUNTER, "Results let go of before their time, for want of room.", evicted),
	KEPT("evicted_unread_total", COUNTER, "Of these, those nobody ever had all of.", evicted_unread),
	KEPT("expired_unread_total", COUNTER, "Results nobody ever had all of when their time was over.",
	     expired_unread),
#undef KEPT
};
#define COUNT_CNT (sizeof counts / sizeof *counts)
#define KEPT_CNT (sizeof kept / sizeof *kept)

static uint64_t stat_of(const struct stats *stats, const struct number *number)
{
	const void *at = (const char *)stats + number->offset;

	return atomic_load_explicit((const _Atomic uint64_t *)at, memory_order_relaxed);
}

static uint64_t kept_of(const struct results_stats *results, const struct number *number)
{
	uint64_t value;

	memcpy(&value, (const char *)results + number->offset, sizeof value);
	return value;
}

/* Reasons of the kernel's that the daemon has for datagrams no kernel sieved. */
static bool is_datagram_reason(enum reason reason)
{
	return reason == NATIVE_COOKIE || (reason >= NATIVE_LENGTH && reason <= NATIVE_REPLAY);
}

static uint64_t refused(const struct stats *stats, enum reason reason)
{
	return atomic_load_explicit(&stats->refused[reason], memory_order_relaxed);
}

static void put_family(struct text *text, const char *name, const char *type, const char *help)
{
	text_put(text, "# HELP tollbar_%s %s\n# TYPE tollbar_%s %s\n", name, help, name, type);
}

static void put_number(struct text *text, const struct number *number, uint64_t value)
{
	put_family(text, number->metric, number->type, number->help);
	text_put(text, "tollbar_%s %" PRIu64 "\n", number->metric, value);
}

void admin_native_metrics(struct text *text, const struct stats *stats, const struct results_stats *results)
{
	for (size_t i = 0; i < COUNT_CNT; i++)
		put_number(text, &counts[i], stat_of(stats, &counts[i]));
	put_family(text, "datagrams_refused_total", COUNTER,
		   "Datagrams that no request was made of, by reason; native_cookie was answered by one.");
	for (size_t i = 0; i < REASON_KERNEL_CNT; i++)
		if (is_datagram_reason(reason_kernel[i]))
			text_put(text, "tollbar_datagrams_refused_total{reason=\"%s\"} %" PRIu64 "\n",
				 reason_word(reason_kernel[i]), refused(stats, reason_kernel[i]));
	for (size_t i = 0; i < KEPT_CNT; i++)
		put_number(text, &kept[i], kept_of(results, &kept[i]));
}

static void write_number(struct json_writer *json, const char *before, const char *name, uint64_t number)
{
	json_write(json, before);
	json_write_string(json, span_str(name));
	json_write(json, ":");
	json_write_u64(json, number);
}

void admin_native_status(struct json_writer *json, const struct stats *stats, const struct results_stats *results)
{
	const char *comma = "";

	json_write(json, ",\"native\":{");
	for (size_t i = 0; i < COUNT_CNT; i++)
		write_number(json, i == 0 ? "" : ",", counts[i].member, stat_of(stats, &counts[i]));
	json_write(json, ",\"refused\":{");
	for (size_t i = 0; i < REASON_KERNEL_CNT; i++) {
		uint64_t number = is_datagram_reason(reason_kernel[i]) ? refused(stats, reason_kernel[i]) : 0;
		if (number == 0)
			continue;
		write_number(json, comma, reason_word(reason_kernel[i]), number);
		comma = ",";
	}
	json_write(json, "}},\"results\":{");
	for (size_t i = 0; i < KEPT_CNT; i++)
		write_number(json, i == 0 ? "" : ",", kept[i].member, kept_of(results, &kept[i]));
	json_write(json, "}");
}
