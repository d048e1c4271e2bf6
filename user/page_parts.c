// SPDX-License-Identifier: Apache-2.0
#include "page_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_find.h"
#include "limits.h"
#include "reason.h"
#include "times.h"

#define LOOKS_BYTES_MAX 8192 /* and room for what chains may be called */

/* --- pieces --- */

void page_put_string(struct text *text, const struct json_value *value)
{
	uint8_t buffer[256];
	struct span string;

	if (!json_text(value, &string, buffer, sizeof buffer))
		return;
	for (size_t i = 0; i < string.bytes; i++) {
		uint8_t c = string.at[i];
		if (c < ' ' || c == 0x7f)
			text_put(text, "?");
		else if (strchr("&<>\"'", c) != NULL)
			text_put(text, "&#%u;", c);
		else
			text_put(text, "%c", c);
	}
}

void page_put_grouped(struct text *text, uint64_t count)
{
	char digits[24];
	int cnt = snprintf(digits, sizeof digits, "%" PRIu64, count);

	for (int i = 0; i < cnt; i++)
		text_put(text, "%s%c", i > 0 && (cnt - i) % 3 == 0 ? "," : "", digits[i]);
}

void page_put_time(struct text *text, uint64_t ns)
{
	struct text plain;
	char cell[32];

	text_init(&plain, cell, sizeof cell);
	text_put_duration(&plain, 0, ns);
	char *micro = strstr(cell, " us");
	if (micro != NULL) /* a page is not bound to ASCII */
		text_put(text, "%.*s µs", (int)(micro - cell), cell);
	else
		text_put(text, "%s", cell);
}

void page_put_counter(struct text *text, const char *key, uint64_t count)
{
	text_put(text, "<td data-key=\"%s\" data-n=\"%" PRIu64 "\">", key, count);
	page_put_grouped(text, count);
	text_put(text, "</td><td class=\"rate\" data-of=\"%s\"></td>", key);
}

static void put_rect(struct text *text, double from, double part, double all, const char *kind)
{
	double x = all > 0 && from < all ? 100 * from / all : 0, width = all > 0 && part < all ? 100 * part / all : 100;

	if (all > 0 && part > 0) /* what is there is seen */
		text_put(text, "<rect class=\"%s\" x=\"%.2f%%\" width=\"%.2f%%\"></rect>", kind, x,
			 width < 0.7 ? 0.7 : width);
}

void page_put_bar(struct text *text, double from, double part, double all, const char *kind)
{
	text_put(text, "<td class=\"wide\"><svg class=\"bar\" aria-hidden=\"true\">");
	put_rect(text, from, part, all, kind);
	text_put(text, "</svg></td>");
}

static void put_member(struct text *text, struct span object, const char *name)
{
	struct json_value value;

	if (json_find(&value, object, name))
		page_put_string(text, &value);
}

/* --- the head --- */

void page_state(struct page *page, struct span arguments)
{
	struct json_value why;

	if (span_equal(page_find(page, SPAN("ready")), SPAN("true"))) {
		text_put(&page->text, "<span class=\"state good\">ready</span>");
		return;
	}
	text_put(&page->text, "<span class=\"state bad\">not ready: ");
	if (page_value(&why, page, SPAN("not_ready")))
		page_put_string(&page->text, &why);
	text_put(&page->text, "</span>");
}

void page_uptime(struct page *page, struct span arguments)
{
	uint64_t seconds = page_count(page, SPAN("uptime_s")), hours = seconds / 3600;

	if (hours >= 48)
		text_put(&page->text, "%" PRIu64 " days %" PRIu64 " h", hours / 24, hours % 24);
	else if (hours > 0)
		text_put(&page->text, "%" PRIu64 " h %02" PRIu64 " min", hours, seconds / 60 % 60);
	else if (seconds >= 60)
		text_put(&page->text, "%" PRIu64 " min", seconds / 60);
	else
		text_put(&page->text, "%" PRIu64 " s", seconds);
}

void page_filter(struct page *page, struct span arguments)
{
	struct json_value interface;

	if (!span_equal(page_find(page, SPAN("kernel.attached")), SPAN("true"))) {
		text_put(&page->text, "no filter");
		return;
	}
	text_put(&page->text, "filter on ");
	if (page_value(&interface, page, SPAN("kernel.interface")))
		page_put_string(&page->text, &interface);
}

/* Chains whose payers are refused, or soon will be. */
static void look_at_chains(struct text *text, const struct page *page)
{
	struct json_value key, value;
	struct json json;

	json_init(&json, page_find(page, SPAN("funds.chains")), JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return;
	while (json_next(&json, &key)) {
		if (!json_read(&json, &value) || json_find_bool(value.text, "up"))
			continue;
		text_put(text, "<li>The node of chain ");
		page_put_string(text, &key);
		text_put(text, " does not answer, or disagrees with the offers</li>");
	}
}

/* What somebody must look at. */
void page_looks(struct page *page, struct span arguments)
{
	static const struct {
		const char *path, *said;
		bool when;
	} looks[] = {
		{"kernel.generic", "The filter runs in generic mode: much slower than the card's driver", true},
		{"ledger.up", "The journal cannot be written: no payment is taken", false},
		{"ledger.full", "The journal is full: no payment is taken", true},
	};
	uint64_t expired = page_count(page, SPAN("claims.unknown_expired")),
		 corrupt = page_count(page, SPAN("ledger.corrupt"));
	char list[LOOKS_BYTES_MAX];
	struct text text;

	text_init(&text, list, sizeof list);
	for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
		if (span_equal(page_find(page, span_str(looks[i].path)), looks[i].when ? SPAN("true") : SPAN("false")))
			text_put(&text, "<li>%s</li>", looks[i].said);
	if (expired > 0)
		text_put(&text, "<li>%" PRIu64 " settlements are past their deadline without an answer</li>", expired);
	if (corrupt > 0)
		text_put(&text, "<li>%" PRIu64 " journal records were not trusted</li>", corrupt);
	look_at_chains(&text, page);
	if (text.used > 0)
		text_put(&page->text, "<ul class=\"looks\">%s</ul>", list);
}

/* --- where the time goes --- */

void page_periods(struct page *page, struct span arguments)
{
	static const struct {
		uint64_t since_s;
		const char *name;
	} periods[] = {{0, "since the start"}, {60, "1 minute"}, {300, "5 minutes"}, {3600, "1 hour"}};

	for (size_t i = 0; i < sizeof periods / sizeof *periods; i++)
		text_put(&page->text, "<option value=\"%" PRIu64 "\"%s>%s</option>", periods[i].since_s,
			 periods[i].since_s == page->since_s ? " selected" : "", periods[i].name);
}

void page_routes(struct page *page, struct span arguments)
{
	struct span chosen = json_find_member(page->overhead, "route");
	struct json_value route;
	struct json json;

	json_init(&json, json_find_member(page->overhead, "routes"), JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_ARRAY))
		return;
	while (json_element(&json) && json_read(&json, &route)) {
		text_put(&page->text, "<option%s>", span_equal(route.text, chosen) ? " selected" : "");
		page_put_string(&page->text, &route);
		text_put(&page->text, "</option>");
	}
}

void page_share(struct page *page, struct span arguments)
{
	uint64_t ours_ns = json_find_u64(json_find_member(page->overhead, "overhead"), "p50_ns"),
		 all_ns = json_find_u64(json_find_member(page->overhead, "first_token"), "p50_ns");
	struct text *text = &page->text;

	if (ours_ns == 0 || all_ns == 0) {
		text_put(text, "<p>No paid request was answered in this time.</p>");
		return;
	}
	double percent = 100.0 * (double)ours_ns / (double)all_ns;
	text_put(text, "<p><b>%.*f %%</b> of the time to first token passes before the model starts: ",
		 percent < 0.1 ? 3 : percent < 10, percent);
	page_put_time(text, ours_ns);
	text_put(text, " of ");
	page_put_time(text, all_ns);
	text_put(text, " (medians)</p><svg class=\"bar\" aria-hidden=\"true\">");
	put_rect(text, 0, (double)ours_ns, (double)all_ns, "");
	text_put(text, "</svg>");
}

static const struct {
	const char *title;
	enum step first, last;
} parts[] = {
	{"Before the model", STEP_ARRIVAL, STEP_CONNECT},
	{"The model", STEP_FIRST_BYTE, STEP_FIRST_BYTE},
	{"After it", STEP_SETTLE, STEP_LAST_OUT},
};

/* What a step is, in words for who does not know the code. */
static const char *const step_notes[STEP_CNT] = {
	[STEP_ARRIVAL] = "a datagram, from the card",
	[STEP_HEAD] = "the client sends the head",
	[STEP_PARSE] = "HTTP",
	[STEP_DECODE] = "the payment header",
	[STEP_EARLY] = "terms, lists, replay",
	[STEP_HASH] = "EIP-712 digest",
	[STEP_VERIFY] = "signature",
	[STEP_BODY] = "the client sends the body",
	[STEP_PERMIT] = "payment against terms",
	[STEP_FUNDS] = "what the chain says",
	[STEP_CLAIM] = "taken once",
	[STEP_QUEUE] = "in line",
	[STEP_CONNECT] = "to the model server",
	[STEP_FIRST_BYTE] = "until it says something",
	[STEP_SETTLE] = "the facilitator",
	[STEP_FIRST_OUT] = "to the client",
	[STEP_LAST_OUT] = "the rest of the answer",
};

static void put_times(struct text *text, struct span times)
{
	static const struct {
		const char *name, *head;
	} quantiles[] = {{"p50_ns", "<td>"},
			 {"p90_ns", "<td class=\"desk\">"},
			 {"p99_ns", "<td>"},
			 {"p999_ns", "<td class=\"desk\">"}};

	for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
		text_put(text, "%s", quantiles[i].head);
		page_put_time(text, json_find_u64(times, quantiles[i].name));
		text_put(text, "</td>");
	}
	text_put(text, "<td class=\"desk\">");
	page_put_grouped(text, json_find_u64(times, "count"));
	text_put(text, "</td></tr>\n");
}

/* Steps of the node's own before the model have bars, laid end to end; next to a model's time there would be nothing to see. */
static void put_part(struct page *page, const struct span steps[STEP_CNT], size_t part, double all_ns)
{
	double at_ns = 0;

	text_put(&page->text, "<tbody><tr><th scope=\"rowgroup\" colspan=\"7\">%s</th></tr>\n", parts[part].title);
	for (enum step step = parts[part].first; step <= parts[part].last; step++) {
		if (json_find_u64(steps[step], "count") == 0)
			continue;
		text_put(&page->text,
			 "<tr%s><th scope=\"row\"><code>%s</code> <small class=\"soft note\">%s</small></th>",
			 step_is_overhead(step) ? "" : " class=\"client\"", step_words[step], step_notes[step]);
		double ns = step_is_overhead(step) ? (double)json_find_u64(steps[step], "p50_ns") : 0;
		page_put_bar(&page->text, at_ns, ns, all_ns, "");
		at_ns += ns;
		put_times(&page->text, steps[step]);
	}
	text_put(&page->text, "</tbody>\n");
}

void page_steps(struct page *page, struct span arguments)
{
	struct span object = json_find_member(page->overhead, "steps"), steps[STEP_CNT];
	double all_ns = 0;

	for (enum step step = 0; step < STEP_CNT; step++) {
		steps[step] = json_find_member(object, step_words[step]);
		if (step_is_overhead(step))
			all_ns += (double)json_find_u64(steps[step], "p50_ns");
	}
	for (size_t part = 0; part < sizeof parts / sizeof *parts; part++)
		put_part(page, steps, part, all_ns);
}

/* --- why they are refused --- */

struct refusal {
	struct json_value reason;
	const char *path, *by;
	uint64_t count;
};

#define REFUSALS_MAX ((size_t)REASON_KERNEL_CNT * 2 + REASON_DAEMON_CNT)

static int busier(const void *a, const void *b)
{
	const struct refusal *one = a, *other = b;

	return one->count > other->count ? -1 : one->count < other->count;
}

static size_t gather(struct refusal *refusals, size_t cnt, struct span object, const char *path, const char *by)
{
	struct json_value key, value;
	struct json json;
	uint64_t count;

	json_init(&json, object, JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return cnt;
	while (json_next(&json, &key))
		if (json_read(&json, &value) && json_u64(&value, &count) && cnt < REFUSALS_MAX)
			refusals[cnt++] = (struct refusal){key, path, by, count};
	return cnt;
}

static void put_refusal(struct text *text, const struct refusal *refusal, double all)
{
	char key[2 * NAME_BYTES_MAX], shown[NAME_BYTES_MAX];
	struct text safe;

	text_init(&safe, shown, sizeof shown);
	page_put_string(&safe, &refusal->reason);
	snprintf(key, sizeof key, "%s.%s", refusal->path, shown);
	text_put(text, "<tr><th scope=\"row\"><code>%s</code></th><td class=\"text soft\">%s</td>", shown, refusal->by);
	page_put_counter(text, key, refusal->count);
	page_put_bar(text, 0, (double)refusal->count, all, "refused");
	text_put(text, "</tr>\n");
}

void page_refusals(struct page *page, struct span arguments)
{
	static const struct {
		const char *path, *by;
	} from[] = {{"kernel.dropped", "filter"}, {"native.refused", "datagram"}, {"requests.refused", "node"}};
	struct refusal refusals[REFUSALS_MAX];
	size_t cnt = 0;

	for (size_t i = 0; i < sizeof from / sizeof *from; i++)
		cnt = gather(refusals, cnt, page_find(page, span_str(from[i].path)), from[i].path, from[i].by);
	qsort(refusals, cnt, sizeof *refusals, busier);
	for (size_t i = 0; i < cnt; i++)
		put_refusal(&page->text, &refusals[i], (double)refusals[0].count);
	if (cnt == 0)
		text_put(&page->text, "<tr><td colspan=\"5\">Nothing was refused so far.</td></tr>");
}

/* --- the rest --- */

void page_upstreams(struct page *page, struct span arguments)
{
	struct json_value upstream;
	struct json json;

	json_init(&json, page_find(page, SPAN("upstreams")), JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_ARRAY))
		return;
	while (json_element(&json) && json_read(&json, &upstream)) {
		uint64_t now = json_find_u64(upstream.text, "in_flight"),
			 max = json_find_u64(upstream.text, "in_flight_max");
		text_put(&page->text, "<tr><th scope=\"row\">At ");
		put_member(&page->text, upstream.text, "name");
		text_put(&page->text, "</th><td>");
		page_put_grouped(&page->text, now);
		text_put(&page->text, "</td><td>");
		page_put_grouped(&page->text, max);
		text_put(&page->text, "</td>");
		page_put_bar(&page->text, 0, (double)now, (double)max, "");
		text_put(&page->text, "</tr>\n");
	}
}

void page_unsettled(struct page *page, struct span arguments)
{
	struct json_value asset;
	struct json json;

	json_init(&json, page_find(page, SPAN("claims.unsettled")), JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_ARRAY))
		return;
	while (json_element(&json) && json_read(&json, &asset)) {
		text_put(&page->text,
			 "<tr><th scope=\"row\" class=\"amount\">Not settled yet, atomic units <small class=\"soft\">");
		put_member(&page->text, asset.text, "network");
		text_put(&page->text, " ");
		put_member(&page->text, asset.text, "asset");
		text_put(&page->text, "</small></th><td>");
		put_member(&page->text, asset.text, "amount");
		text_put(&page->text, "</td></tr>\n");
	}
}
