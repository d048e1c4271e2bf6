// SPDX-License-Identifier: Apache-2.0
/* rates.c: see rates.h. */
#include "rates.h"

#include <inttypes.h>
#include <string.h>

#include "base/json_find.h"
#include "base/log.h"
#include "base/text.h"
#include "reason.h"

/* --- a look --- */

static void read_kernel(struct rates *rates, struct span kernel)
{
	const struct span ended[PACKET_ENDS] = {[PACKET_PASSED] = json_find_member(kernel, "passed"),
						[PACKET_ANSWERED] = json_find_member(kernel, "answered"),
						[PACKET_DROPPED] = json_find_member(kernel, "dropped")};
	struct span observed = json_find_member(kernel, "observed");
	struct json_value value;
	uint8_t buffer[64];
	struct span name;

	if (!json_find_bool(kernel, "attached") || !json_find(&value, kernel, "interface") ||
	    !json_text(&value, &name, buffer, sizeof buffer))
		return;
	log_safe(rates->interface, sizeof rates->interface, name);
	for (size_t i = 0; i < REASON_KERNEL_CNT; i++) {
		enum reason reason = reason_kernel[i];
		rates->reasons[reason] = json_find_u64(ended[reason_packet_end(reason)], reason_word(reason));
		rates->observed[reason] = json_find_u64(observed, reason_word(reason));
	}
}

bool rates_of_status(struct rates *rates, struct span json)
{
	struct span requests = json.bytes > UINT32_MAX ? span_of(NULL, 0) : json_find_member(json, "requests");
	struct span refused = json_find_member(requests, "refused");

	*rates = (struct rates){.has_daemon = true};
	if (requests.bytes == 0)
		return false;
	read_kernel(rates, json_find_member(json, "kernel"));
	for (size_t i = 0; i < REASON_DAEMON_CNT; i++)
		rates->reasons[reason_daemon[i]] = json_find_u64(refused, reason_word(reason_daemon[i]));
#define S(stage) rates->stage = json_find_u64(requests, #stage);
	RATES_STAGES(S)
#undef S
	return true;
}

void rates_of_kernel(struct rates *rates, const struct tollbar_counters *counters, const char *interface)
{
	*rates = (struct rates){0};
	log_safe(rates->interface, sizeof rates->interface, span_str(interface));
	for (size_t i = 0; i < REASON_KERNEL_CNT; i++) {
		enum reason reason = reason_kernel[i];
		uint64_t packets = counters->packets[reason], observed = counters->observed[reason];
		/* the two are counted one after the other: a look may catch them in between */
		rates->reasons[reason] = packets > observed ? packets - observed : 0;
		rates->observed[reason] = observed;
	}
}

/* --- the text --- */

struct table {
	struct text text;
	double seconds;
};

static void put_row(struct table *table, const char *indent, const char *name, uint64_t before, uint64_t after)
{
	uint64_t more = after >= before ? after - before : after;

	if (after != 0)
		text_put(&table->text, "%s%-*s %14.1f %16" PRIu64 "\n", indent, (int)(26 - strlen(indent)), name,
			 (double)more / table->seconds, after);
}

/* A line for all of them, and below it one each. */
static void put_group(struct table *table, const char *name, const enum reason *reasons, size_t cnt,
		      const uint64_t *before, const uint64_t *after)
{
	uint64_t all_before = 0, all_after = 0;

	for (size_t i = 0; i < cnt; i++) {
		all_before += before[reasons[i]];
		all_after += after[reasons[i]];
	}
	put_row(table, "", name, all_before, all_after);
	for (size_t i = 0; i < cnt; i++)
		put_row(table, "  ", reason_word(reasons[i]), before[reasons[i]], after[reasons[i]]);
}

static void put_kernel(struct table *table, const struct rates *before, const struct rates *after)
{
	static const char *const names[PACKET_ENDS] = {[PACKET_PASSED] = "packets passed",
						       [PACKET_ANSWERED] = "packets answered",
						       [PACKET_DROPPED] = "packets dropped"};

	for (unsigned end = 0; end < PACKET_ENDS; end++) {
		enum reason reasons[REASON_KERNEL_CNT];
		size_t cnt = 0;

		for (size_t i = 0; i < REASON_KERNEL_CNT; i++)
			if (reason_packet_end(reason_kernel[i]) == end)
				reasons[cnt++] = reason_kernel[i];
		put_group(table, names[end], reasons, cnt, before->reasons, after->reasons);
	}
	put_group(table, "packets observed", reason_kernel, REASON_KERNEL_CNT, before->observed, after->observed);
}

static void put_daemon(struct table *table, const struct rates *before, const struct rates *after)
{
#define S(stage) put_row(table, "  ", #stage, before->stage, after->stage);
	text_put(&table->text, "requests\n");
	RATES_STAGES(S)
#undef S
	put_group(table, "requests refused", reason_daemon, REASON_DAEMON_CNT, before->reasons, after->reasons);
}

size_t rates_text(char *out, size_t out_bytes, const struct rates *before, const struct rates *after)
{
	struct table table = {
		.seconds = after->time_ns > before->time_ns ? (double)(after->time_ns - before->time_ns) / 1e9 : 1};

	text_init(&table.text, out, out_bytes);
	text_put(&table.text, "%-26s %14s %16s\n", after->interface[0] != '\0' ? after->interface : "no filter",
		 "a second", "total");
	if (after->interface[0] != '\0')
		put_kernel(&table, before, after);
	if (after->has_daemon)
		put_daemon(&table, before, after);
	return text_done(&table.text);
}
