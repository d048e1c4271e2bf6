// SPDX-License-Identifier: Apache-2.0
#include "waterfall.h"

#include <inttypes.h>
#include <string.h>

#include "base/json_find.h"
#include "base/log.h"
#include "base/text.h"
#include "limits.h"
#include "times.h"

#define BAR_CELLS 32u

/* Where a step stands in the picture.  Only what comes before the model, and is not waiting for the client, has a bar: next
 * to a model's time there would be nothing to see. */
static const struct {
	const char *title;
	enum step first, last;
} parts[] = {
	{"before the model", STEP_ARRIVAL, STEP_CONNECT},
	{"the model", STEP_FIRST_BYTE, STEP_FIRST_BYTE},
	{"after it", STEP_SETTLE, STEP_LAST_OUT},
};
#define PART_CNT (sizeof parts / sizeof *parts)

static struct span times_of(struct span steps, enum step step)
{
	return json_find_member(steps, step_words[step]);
}

/* The medians of the drawn steps, laid end to end: the whole width. */
static uint64_t width_ns(struct span steps)
{
	uint64_t sum_ns = 0;

	for (enum step step = 0; step < STEP_CNT; step++)
		if (step_is_overhead(step))
			sum_ns += json_find_u64(times_of(steps, step), "p50_ns");
	return sum_ns;
}

static void put_bar(struct text *text, uint64_t from_ns, uint64_t ns, uint64_t all_ns)
{
	unsigned from = (unsigned)((double)from_ns / (double)all_ns * BAR_CELLS);
	unsigned to = (unsigned)((double)(from_ns + ns) / (double)all_ns * BAR_CELLS);
	char bar[BAR_CELLS + 1];

	memset(bar, ' ', BAR_CELLS);
	bar[BAR_CELLS] = 0;
	from = from < BAR_CELLS ? from : BAR_CELLS - 1;
	to = to > from ? to : from + 1;
	memset(bar + from, '#', (to < BAR_CELLS ? to : BAR_CELLS) - from);
	text_put(text, "  |%s|", bar);
}

static void put_times(struct text *text, const char *name, struct span times)
{
	static const char *const quantiles[] = {"p50_ns", "p90_ns", "p99_ns", "p999_ns"};

	text_put(text, "  %-12s %9" PRIu64, name, json_find_u64(times, "count"));
	for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
		text_put_duration(text, 11, json_find_u64(times, quantiles[i]));
}

static void put_part(struct text *text, struct span steps, size_t part, uint64_t all_ns)
{
	uint64_t at_ns = 0;

	text_put(text, "%s\n", parts[part].title);
	for (enum step step = parts[part].first; step <= parts[part].last; step++) {
		struct span times = times_of(steps, step);
		if (json_find_u64(times, "count") == 0)
			continue;
		put_times(text, step_words[step], times);
		if (step_is_overhead(step) && all_ns > 0) {
			uint64_t ns = json_find_u64(times, "p50_ns");
			put_bar(text, at_ns, ns, all_ns);
			at_ns += ns;
		} else if (step_waits_for_client(step)) {
			text_put(text, "  the client's own");
		}
		text_put(text, "\n");
	}
}

static void put_period(struct text *text, uint64_t seconds)
{
	if (seconds < 120)
		text_put(text, "the last %" PRIu64 " s", seconds);
	else if (seconds < 2 * 3600)
		text_put(text, "the last %" PRIu64 " min", seconds / 60);
	else
		text_put(text, "the last %" PRIu64 " h %02" PRIu64 " min", seconds / 3600, seconds / 60 % 60);
}

static void put_title(struct text *text, struct span json)
{
	struct json_value value;
	uint8_t buffer[NAME_BYTES_MAX];
	char name[NAME_BYTES_MAX];
	struct span route;

	put_period(text, json_find_u64(json, "covers_s"));
	if (json_find(&value, json, "route") && json_text(&value, &route, buffer, sizeof buffer))
		text_put(text, ", route %s", log_safe(name, sizeof name, route));
	text_put(text, "\n\n  %-12s %9s %10s %10s %10s %10s\n", "step", "count", "p50", "p90", "p99", "p99.9");
}

static void put_share(struct text *text, struct span overhead, struct span first_token)
{
	uint64_t ours_ns = json_find_u64(overhead, "p50_ns"), all_ns = json_find_u64(first_token, "p50_ns");

	if (json_find_u64(overhead, "count") == 0 || all_ns == 0) {
		text_put(text, "\nno paid request was answered in this time\n");
		return;
	}
	double percent = 100.0 * (double)ours_ns / (double)all_ns;
	text_put(text, "\n%.*f %% of the time to first token passes before the model starts (medians)\n",
		 percent < 0.1 ? 3 : percent < 10, percent);
}

size_t waterfall_text(char *out, size_t out_bytes, struct span json)
{
	struct span steps, overhead, first_token;
	struct text text;

	if (json.bytes > UINT32_MAX || json_find_member(json, "covers_s").bytes == 0)
		return 0;
	steps = json_find_member(json, "steps");
	overhead = json_find_member(json, "overhead");
	first_token = json_find_member(json, "first_token");
	text_init(&text, out, out_bytes);
	put_title(&text, json);
	for (size_t part = 0; part < PART_CNT; part++)
		put_part(&text, steps, part, width_ns(steps));
	text_put(&text, "of paid requests\n");
	put_times(&text, "overhead", overhead);
	text_put(&text, "\n");
	put_times(&text, "first token", first_token);
	text_put(&text, "\n");
	put_share(&text, overhead, first_token);
	return text_done(&text);
}
