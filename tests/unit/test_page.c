// SPDX-License-Identifier: Apache-2.0
#include "page.c"

#include <stdlib.h>

#include "admin.h"
#include "check.h"
#include "guard.h"
#include "page_parts.c"

static char out[PAGE_BYTES_MAX], status_json[ADMIN_TEXT_BYTES_MAX], overhead_json[ADMIN_TEXT_BYTES_MAX];
static struct admin_view view;
static struct admin_overhead overhead;

static void add(struct histogram *histogram, uint64_t ns, unsigned cnt)
{
	while (cnt-- > 0)
		histogram_add(histogram, ns);
}

static void fill(void)
{
	memset(&view, 0, sizeof view);
	view.loop = "io_uring";
	view.sandbox = "on";
	memset(&overhead, 0, sizeof overhead);
	view.ready = true;
	view.uptime_s = 2 * 3600 + 5 * 60 + 59;
	view.worker_cnt = 2;
	view.total.requests = 1234567;
	view.total.refused[REPLAYED] = 40;
	view.total.refused[PAYMENT_MISSING] = 80;
	view.total.verified = 880;
	view.total.served = 870;
	view.queue_requests = 3;
	view.queue_requests_max = 12;
	view.upstream_cnt = 1;
	view.upstreams[0].name = "model";
	view.upstreams[0].queue.in_flight = 4;
	view.upstreams[0].in_flight_max = 8;
	add(&overhead.times.steps[STEP_HEAD], 800, 1000);
	add(&overhead.times.steps[STEP_PARSE], 15000, 10);
	add(&overhead.times.steps[STEP_VERIFY], 15000, 10);
	add(&overhead.times.steps[STEP_FIRST_BYTE], 35000000, 10);
	add(&overhead.times.overhead, 140000, 10);
	add(&overhead.times.first_token, 35100000, 10);
}

/* Every element is closed where it was opened. */
static bool balanced(const char *html)
{
	static const char *const empty[] = {"meta", "link", "line", "path"};
	char open[32][16];
	size_t depth = 0;

	for (const char *at = strstr(html, "<html"); (at = strchr(at, '<')) != NULL; at++) {
		char name[16];
		bool single = false, closing = at[1] == '/';
		size_t bytes = strcspn(at + 1 + closing, " >\n/");

		snprintf(name, sizeof name, "%.*s", (int)bytes, at + 1 + closing);
		for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
			single |= strcmp(name, empty[i]) == 0;
		if (single)
			continue;
		if (closing && (depth == 0 || strcmp(open[--depth], name) != 0)) {
			printf("</%s> closes <%s>\n", name, open[depth]);
			return false;
		}
		if (!closing && depth == sizeof open / sizeof *open)
			return false;
		if (!closing)
			strcpy(open[depth++], name);
		if (!closing && (strcmp(name, "script") == 0 || strcmp(name, "style") == 0))
			at = strstr(at, strcmp(name, "script") == 0 ? "</script" : "</style") - 1;
	}
	return depth == 0;
}

/* The page of what is in the view, by way of the JSON a daemon would serve. */
static const char *page_of_view(void)
{
	size_t status_bytes = admin_status(status_json, sizeof status_json, &view);
	size_t overhead_bytes = admin_overhead_text(overhead_json, sizeof overhead_json, &overhead);
	size_t bytes = page_html(out, sizeof out, span_of(status_json, status_bytes),
				 span_of(overhead_json, overhead_bytes), overhead.since_s, "0xnonce");

	CHECK(bytes > 0 && bytes == strlen(out));
	CHECK(balanced(out));
	CHECK(strstr(out, "{{") == NULL && strstr(out, "}}\n") == NULL);
	return out;
}

static bool has(const char *part)
{
	return strstr(out, part) != NULL;
}

TEST(a_busy_node)
{
	fill();
	page_of_view();
	CHECK(strncmp(out, "<!doctype html>\n", 16) == 0);
	CHECK(has("<span class=\"state good\">ready</span>"));
	CHECK(has("up 2 h 05 min · 2 workers · libsecp256k1 · no filter"));
	CHECK(has("data-key=\"requests.begun\" data-n=\"1234567\">1,234,567 so far"));
	CHECK(has("<tr class=\"under\"><th scope=\"row\">refused</th><td data-key=\"requests.refused_total\" "
		  "data-n=\"120\">120"));
	CHECK(has("<th scope=\"row\">In line</th><td>3</td><td>12</td><td class=\"wide\"><svg class=\"bar\" "
		  "aria-hidden=\"true\">"
		  "<rect class=\"\" x=\"0.00%\" width=\"25.00%\">"));
	CHECK(has("<th scope=\"row\">At model</th><td>4</td><td>8</td>"));
	CHECK(has("<b>0.4 %</b> of the time to first token passes before the model starts: 147 µs of 35.7 ms"));
	CHECK(has("<option value=\"0\" selected>since the start"));
	CHECK(has("<style nonce=\"0xnonce\">") && has("<script nonce=\"0xnonce\">"));
}

TEST(the_steps_end_to_end)
{
	fill();
	page_of_view();
	/* two steps of the same median: the second begins where the first ends; the client's own has no bar */
	CHECK(has(
		"<code>parse</code> <small class=\"soft note\">HTTP</small></th><td class=\"wide\"><svg class=\"bar\" "
		"aria-hidden=\"true\"><rect class=\"\" x=\"0.00%\" width=\"50.00%\">"));
	CHECK(has("<code>verify</code> <small class=\"soft note\">signature</small></th><td class=\"wide\"><svg "
		  "class=\"bar\" "
		  "aria-hidden=\"true\"><rect class=\"\" x=\"50.00%\" width=\"50.00%\">"));
	CHECK(has("<code>head</code> <small class=\"soft note\">the client sends the head</small></th><td "
		  "class=\"wide\"><svg "
		  "class=\"bar\" aria-hidden=\"true\"></svg>"));
	CHECK(!has("<code>claim</code>")); /* it never came to that */
}

TEST(the_busiest_refusal_comes_first)
{
	fill();
	page_of_view();
	CHECK(strstr(out, "<code>payment_missing</code>") < strstr(out, "<code>replayed</code>"));
	CHECK(has(
		"<code>replayed</code></th><td class=\"text soft\">node</td><td data-key=\"requests.refused.replayed\" "
		"data-n=\"40\">40</td><td class=\"rate\" data-of=\"requests.refused.replayed\"></td><td "
		"class=\"wide\"><svg "
		"class=\"bar\" aria-hidden=\"true\"><rect class=\"refused\" x=\"0.00%\" width=\"50.00%\">"));
	memset(view.total.refused, 0, sizeof view.total.refused);
	page_of_view();
	CHECK(has("Nothing was refused so far."));
}

TEST(what_is_not_there_is_not_shown)
{
	fill();
	page_of_view();
	CHECK(!has("Packets in") && !has("Datagrams") && !has(">Money<") && !has("Sessions open") && !has("Settled"));
	CHECK(!has("<ul class=\"looks\">"));
	view.kernel.attached = view.has_native = view.has_ledger = view.has_sessions = true;
	snprintf(view.kernel.interface, sizeof view.kernel.interface, "eth0");
	view.kernel.packets[TCP_FLAGS] = 7;
	view.kernel.standing_live = 5;
	page_of_view();
	CHECK(has("Packets in") && has("Datagrams") && has(">Money<") && has("Sessions open") && has("Settled"));
	CHECK(has("filter on eth0") && has("<th scope=\"row\">Sources dropped now</th><td>5</td>"));
	CHECK(has("<code>tcp_flags</code></th><td class=\"text soft\">filter</td>"));
}

TEST(what_somebody_must_look_at)
{
	fill();
	view.ready = false;
	view.not_ready = "store_down";
	view.has_ledger = true;
	view.ledger.store_down = true;
	view.ledger.unknown_expired = 2;
	view.funds.chain_cnt = 1;
	view.funds.chains[0].name = "<b>";
	view.funds.chains[0].asker.down = true;
	page_of_view();
	CHECK(has("<span class=\"state bad\">not ready: store_down</span>"));
	CHECK(has("<li>The journal cannot be written: no payment is taken</li><li>2 settlements are past"));
	CHECK(has("<li>The node of chain &#60;b&#62; does not answer"));
}

TEST(names_are_no_markup)
{
	fill();
	view.upstreams[0].name = "\"><script>alert('1')</script>&amp;\n\x7f";
	overhead.routes[0] = "</option><script>";
	overhead.routes[1] = "chat";
	overhead.route_cnt = 2;
	strcpy(overhead.route, "chat");
	overhead.since_s = 300;
	page_of_view();
	CHECK(has("At &#34;&#62;&#60;script&#62;alert(&#39;1&#39;)&#60;/script&#62;&#38;amp;?"
		  "?</th>"));
	CHECK(has("<option>&#60;/option&#62;&#60;script&#62;</option><option selected>chat</option>"));
	CHECK(has("<option value=\"300\" selected>"));
	CHECK(strstr(strstr(out, "<script") + 1, "<script") == NULL);
}

/* The longest page there can be fits. */
TEST(everything_at_its_largest)
{
	static const char name[] = "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""
				   "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"";

	CHECK_EQ(sizeof name, NAME_BYTES_MAX);
	fill();
	view.kernel.attached = view.has_native = view.has_ledger = view.has_sessions = true;
	memset(view.kernel.packets, 0xff, sizeof view.kernel.packets);
	memset(&view.total, 0xff, sizeof view.total);
	memset(&view.ledger, 0xff, sizeof view.ledger);
	view.ledger.asset_cnt = sizeof view.ledger.assets / sizeof *view.ledger.assets;
	view.ledger.store_down = view.ledger.journal_full = true;
	view.upstream_cnt = UPSTREAMS_MAX;
	for (size_t i = 0; i < UPSTREAMS_MAX; i++)
		view.upstreams[i].name = name;
	overhead.route_cnt = ROUTES_MAX;
	for (size_t i = 0; i < ROUTES_MAX; i++)
		overhead.routes[i] = name;
	for (unsigned step = 0; step < STEP_CNT; step++)
		add(&overhead.times.steps[step], UINT64_MAX, 1);
	page_of_view();
	CHECK(strlen(out) < PAGE_BYTES_MAX / 2);
}

TEST(what_is_no_status)
{
	static const char *const texts[] = {
		"", "{}", "[]", "{\"requests\":", "{\"requests\":{}} x", "{\"requests\":{},\"requests\":{}}"};
	static const char least[] = "{\"requests\":{},\"kernel\":[7],\"upstreams\":{},\"claims\":{\"unsettled\":7}}",
			  covers[] = "{\"covers_s\":1}";

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		CHECK_ROW(page_html(out, sizeof out, span_str(texts[i]), SPAN(covers), 0, "n") == 0, texts[i]);
		CHECK_ROW(page_html(out, sizeof out, SPAN(least), span_str(texts[i]), 0, "n") == 0, texts[i]);
	}
	CHECK(page_html(out, sizeof out, SPAN(least), SPAN(covers), 0, "n") > 0);
	CHECK_EQ(page_html(out, 1000, SPAN(least), SPAN(covers), 0, "n"), 0);
}

TEST(every_prefix)
{
	fill();
	page_of_view();
	size_t bytes = strlen(status_json) - 1; /* without its newline */
	for (size_t i = 0; i < bytes; i++) {
		struct guard guard;
		CHECK_EQ(
			page_html(out, sizeof out, guard_copy(&guard, status_json, i), span_str(overhead_json), 0, "n"),
			0);
		guard_free(&guard);
	}
}

CHECK_MAIN
