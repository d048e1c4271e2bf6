// SPDX-License-Identifier: Apache-2.0
#include "top.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_find.h"
#include "base/log.h"
#include "base/text.h"
#include "limits.h"
#include "reason.h"

#define COLUMNS_MAX 400
#define BAR_COLUMNS_MAX 40u
#define BUSIEST_MAX 8
#define BAR_AT 49u /* columns before a rate's bar */

struct frame {
	struct text text;
	const struct top_screen *screen;
	unsigned row_cnt;
	double seconds; /* between the looks */
	const struct rates *before, *after;
	struct span status;
};

static const char plain[] = "", bold[] = "\033[1m", red[] = "\033[31m", green[] = "\033[32m", faint[] = "\033[2m";

/* One line, cut to the screen. */
__attribute__((format(printf, 3, 4))) static void put(struct frame *frame, const char *colour, const char *format, ...)
{
	bool coloured = frame->screen->colour && colour[0] != '\0';
	unsigned columns = frame->screen->columns < COLUMNS_MAX ? frame->screen->columns : COLUMNS_MAX;
	char line[COLUMNS_MAX + 1];
	va_list arguments;

	if (frame->row_cnt == frame->screen->rows)
		return;
	frame->row_cnt++;
	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	text_put(&frame->text, "%s%.*s%s\n", coloured ? colour : "", (int)columns, line, coloured ? "\033[0m" : "");
}

/* As many marks as `part` is of `all`; something where there is something. */
static const char *bar(char out[BAR_COLUMNS_MAX + 1], const struct frame *frame, unsigned at, double part, double all)
{
	unsigned room = frame->screen->columns > at ? frame->screen->columns - at : 0, cnt = 0;

	room = room < BAR_COLUMNS_MAX ? room : BAR_COLUMNS_MAX;
	if (part > 0 && all > 0)
		cnt = part >= all ? room : (unsigned)(part / all * room);
	if (cnt == 0 && part > 0 && room > 0)
		cnt = 1;
	memset(out, '#', cnt);
	out[cnt] = '\0';
	return out;
}

/* A string that may be shown on a terminal; "" when there is none. */
static const char *word(char out[NAME_BYTES_MAX], struct span object, const char *name)
{
	uint8_t buffer[NAME_BYTES_MAX];
	struct json_value value;
	struct span text;

	out[0] = '\0';
	if (json_find(&value, object, name) && json_text(&value, &text, buffer, sizeof buffer))
		log_safe(out, NAME_BYTES_MAX, text);
	return out;
}

/* --- rates --- */

/* A counter that went back is a new daemon's, or a new filter's: it counts from zero. */
static double rate(const struct frame *frame, uint64_t before, uint64_t after)
{
	return (double)(after >= before ? after - before : after) / frame->seconds;
}

static void put_rate(struct frame *frame, const char *colour, const char *name, uint64_t before, uint64_t after,
		     double all)
{
	double per_s = rate(frame, before, after);
	char cells[BAR_COLUMNS_MAX + 1];

	put(frame, colour, "  %-18s %11.1f %13" PRIu64 "  %s", name, per_s, after,
	    bar(cells, frame, BAR_AT, per_s, all));
}

static uint64_t packets(const struct rates *rates, enum packet_end end)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < REASON_KERNEL_CNT; i++)
		if (reason_packet_end(reason_kernel[i]) == end)
			sum += rates->reasons[reason_kernel[i]];
	return sum;
}

static void put_packets(struct frame *frame)
{
	static const struct {
		const char *name, *colour;
	} ends[PACKET_ENDS] = {[PACKET_PASSED] = {"packets passed", plain},
			       [PACKET_ANSWERED] = {"  answered", plain},
			       [PACKET_DROPPED] = {"  dropped", red}};
	double all = 0;

	if (frame->after->interface[0] == '\0')
		return;
	for (unsigned end = 0; end < PACKET_ENDS; end++)
		all += rate(frame, packets(frame->before, end), packets(frame->after, end));
	for (unsigned end = 0; end < PACKET_ENDS; end++)
		put_rate(frame, ends[end].colour, ends[end].name, packets(frame->before, end),
			 packets(frame->after, end), all);
}

static uint64_t refusals(const struct rates *rates)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < REASON_DAEMON_CNT; i++)
		sum += rates->reasons[reason_daemon[i]];
	return sum;
}

static void put_funnel(struct frame *frame)
{
	const struct rates *before = frame->before, *after = frame->after;
	double all = rate(frame, before->begun, after->begun);

	put(frame, faint, "  %-18s %11s %13s", "", "a second", "total");
	put_packets(frame);
	put_rate(frame, plain, "requests", before->begun, after->begun, all);
	put_rate(frame, red, "  refused", refusals(before), refusals(after), all);
	put_rate(frame, plain, "signature held", before->verified, after->verified, all);
	put_rate(frame, plain, "payment claimed", before->claimed, after->claimed, all);
	put_rate(frame, plain, "sent to a model", before->forwarded, after->forwarded, all);
	put_rate(frame, green, "served, paid", before->served, after->served, all);
	put_rate(frame, plain, "  and free", before->served_free, after->served_free, all);
}

/* --- levels --- */

static void put_level(struct frame *frame, const char *name, uint64_t now, uint64_t max)
{
	char cells[BAR_COLUMNS_MAX + 1], of[64];

	snprintf(of, sizeof of, "%" PRIu64 " of %" PRIu64, now, max);
	put(frame, max > 0 && now >= max ? red : plain, "  %-18s %25s  %s", name, of,
	    bar(cells, frame, BAR_AT, (double)now, (double)max));
}

static void put_levels(struct frame *frame)
{
	struct span queue = json_find_member(frame->status, "queue");
	struct json_value upstream;
	struct json json;

	put(frame, plain, "%s", "");
	put_level(frame, "in line", json_find_u64(queue, "requests"), json_find_u64(queue, "requests_max"));
	json_init(&json, json_find_member(frame->status, "upstreams"), JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_ARRAY))
		return;
	while (json_element(&json) && json_read(&json, &upstream)) {
		char name[NAME_BYTES_MAX], at[NAME_BYTES_MAX + 3];

		snprintf(at, sizeof at, "at %s", word(name, upstream.text, "name"));
		put_level(frame, at, json_find_u64(upstream.text, "in_flight"),
			  json_find_u64(upstream.text, "in_flight_max"));
	}
}

/* --- the rest --- */

static void put_head(struct frame *frame)
{
	uint64_t minutes = json_find_u64(frame->status, "uptime_s") / 60;
	char engine[NAME_BYTES_MAX], why[NAME_BYTES_MAX];
	bool ready = json_find_bool(frame->status, "ready"), filtered = frame->after->interface[0] != '\0';

	put(frame, ready ? bold : red, "tollbar: %s%s, up %" PRIu64 "h%02" PRIu64 "m, %" PRIu64 " workers, %s, %s%s",
	    ready ? "ready" : "not ready: ", ready ? "" : word(why, frame->status, "not_ready"), minutes / 60,
	    minutes % 60, json_find_u64(frame->status, "workers"),
	    word(engine, json_find_member(frame->status, "verify"), "engine"), filtered ? "filter on " : "no filter",
	    frame->after->interface);
	put(frame, plain, "%s", "");
}

static void put_overhead(struct frame *frame)
{
	struct span overhead = json_find_member(frame->status, "overhead");
	uint64_t p50_ns = json_find_u64(overhead, "p50_ns"),
		 all_ns = json_find_u64(json_find_member(frame->status, "first_token"), "p50_ns");
	struct text text;
	char line[160];

	put(frame, plain, "%s", "");
	if (p50_ns == 0 || all_ns == 0) {
		put(frame, plain, "  no paid request was answered yet");
		return;
	}
	text_init(&text, line, sizeof line);
	text_put_duration(&text, 0, p50_ns);
	text_put(&text, " p50, ");
	text_put_duration(&text, 0, json_find_u64(overhead, "p99_ns"));
	text_put(&text, " p99 before the model: %.2f %% of the time to first token",
		 100.0 * (double)p50_ns / (double)all_ns);
	put(frame, plain, "  %s", line);
}

struct refusal {
	enum reason reason;
	double per_s;
	uint64_t before, total;
};

static int busier(const void *a, const void *b)
{
	const struct refusal *one = a, *other = b;

	if (one->per_s != other->per_s)
		return one->per_s > other->per_s ? -1 : 1;
	return one->total > other->total ? -1 : one->total < other->total;
}

static size_t gather(struct frame *frame, struct refusal *out, const enum reason *reasons, size_t reason_cnt)
{
	size_t cnt = 0;

	for (size_t i = 0; i < reason_cnt; i++) {
		uint64_t before = frame->before->reasons[reasons[i]], after = frame->after->reasons[reasons[i]];

		if (after > 0)
			out[cnt++] = (struct refusal){reasons[i], rate(frame, before, after), before, after};
	}
	return cnt;
}

/* Packets and requests have each their own measure, so each their own list. */
static void put_refusals(struct frame *frame, const char *title, const enum reason *reasons, size_t reason_cnt)
{
	struct refusal found[REASON_CNT];
	size_t cnt = gather(frame, found, reasons, reason_cnt);

	if (cnt == 0)
		return;
	qsort(found, cnt, sizeof *found, busier);
	put(frame, plain, "%s", "");
	put(frame, faint, "  %s, busiest first", title);
	for (size_t i = 0; i < cnt && i < BUSIEST_MAX; i++)
		put_rate(frame, plain, reason_word(found[i].reason), found[i].before, found[i].total, found[0].per_s);
}

static void put_drops(struct frame *frame)
{
	enum reason drops[REASON_KERNEL_CNT];
	size_t cnt = 0;

	for (size_t i = 0; i < REASON_KERNEL_CNT; i++)
		if (reason_packet_end(reason_kernel[i]) == PACKET_DROPPED)
			drops[cnt++] = reason_kernel[i];
	put_refusals(frame, "packets dropped", drops, cnt);
}

size_t top_text(char *out, size_t out_bytes, const struct rates *before, const struct rates *after, struct span status,
		const struct top_screen *screen)
{
	struct frame frame = {
		.screen = screen,
		.before = before,
		.after = after,
		.status = status,
		.seconds = after->time_ns > before->time_ns ? (double)(after->time_ns - before->time_ns) / 1e9 : 1};

	if (status.bytes > UINT32_MAX || json_find_member(status, "requests").bytes == 0)
		return 0;
	text_init(&frame.text, out, out_bytes);
	put_head(&frame);
	put_funnel(&frame);
	put_levels(&frame);
	put_overhead(&frame);
	put_refusals(&frame, "requests refused", reason_daemon, REASON_DAEMON_CNT);
	put_drops(&frame);
	return text_done(&frame.text);
}
