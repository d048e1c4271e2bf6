// SPDX-License-Identifier: Apache-2.0
#include "page.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/json_find.h"
#include "limits.h"
#include "page_parts.h"

extern const char page_template[], page_template_end[]; /* page_template.S */

/* --- what there is to show --- */

/* The members of /status, found once.  False: it is no good object, or none of ours. */
static bool members_read(struct page *page, struct span status)
{
	struct json_value key, value;
	struct json json;

	json_init(&json, status, JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return false;
	while (json_next(&json, &key)) {
		if (page->member_cnt == PAGE_MEMBERS_MAX || !json_read(&json, &value))
			return false;
		page->members[page->member_cnt].name = key.text; /* in its quotes */
		page->members[page->member_cnt++].value = value.text;
	}
	return json_end(&json);
}

/* The word before `mark`, and what comes behind it. */
static struct span cut(struct span *rest, uint8_t mark)
{
	const uint8_t *at = rest->bytes > 0 ? memchr(rest->at, mark, rest->bytes) : NULL;
	struct span word = span_of(rest->at, at != NULL ? (size_t)(at - rest->at) : rest->bytes);
	size_t taken = word.bytes + (at != NULL);

	*rest = span_of(rest->at + taken, rest->bytes - taken);
	return word;
}

struct span page_find(const struct page *page, struct span path)
{
	struct span name = cut(&path, '.'), value = {0};
	char member[NAME_BYTES_MAX];

	for (size_t i = 0; i < page->member_cnt; i++)
		if (page->members[i].name.bytes == name.bytes + 2 &&
		    memcmp(page->members[i].name.at + 1, name.at, name.bytes) == 0)
			value = page->members[i].value;
	while (path.bytes > 0 && value.bytes > 0) {
		name = cut(&path, '.');
		ASSERT(name.bytes < sizeof member);
		memcpy(member, name.at, name.bytes);
		member[name.bytes] = '\0';
		value = json_find_member(value, member);
	}
	return value;
}

bool page_value(struct json_value *value, const struct page *page, struct span path)
{
	struct json json;

	json_init(&json, page_find(page, path), JSON_DEPTH_MAX, JSON_ENTERED);
	return json_read(&json, value);
}

uint64_t page_count(const struct page *page, struct span path)
{
	struct json_value value;
	uint64_t count;

	return page_value(&value, page, path) && json_u64(&value, &count) ? count : 0;
}

/* --- words of the template --- */

static void put_nonce(struct page *page, struct span arguments)
{
	text_put(&page->text, "%s", page->nonce);
}

static void put_text(struct page *page, struct span path)
{
	struct json_value value;

	if (page_value(&value, page, path))
		page_put_string(&page->text, &value);
}

static void put_count(struct page *page, struct span path)
{
	page_put_grouped(&page->text, page_count(page, path));
}

static void put_time(struct page *page, struct span path)
{
	page_put_time(&page->text, page_count(page, path));
}

static void put_bytes(struct page *page, struct span path)
{
	text_put(&page->text, "%.1f MiB", (double)page_count(page, path) / 1048576);
}

/* A counter that has a tile: its rate in large, for whom there is one. */
static void put_tile(struct page *page, struct span path)
{
	text_put(&page->text,
		 "<p class=\"big rate\"><span data-of=\"%.*s\"></span> <small>a second</small></p>"
		 "<p class=\"n\" data-key=\"%.*s\" data-n=\"%" PRIu64 "\">",
		 (int)path.bytes, path.at, (int)path.bytes, path.at, page_count(page, path));
	put_count(page, path);
	text_put(&page->text, " so far</p>");
}

static void put_row(struct page *page, const char *head, struct span arguments)
{
	struct span path = cut(&arguments, ' '), of = cut(&arguments, ' ');
	char key[NAME_BYTES_MAX];

	ASSERT(path.bytes < sizeof key);
	memcpy(key, path.at, path.bytes);
	key[path.bytes] = '\0';
	text_put(&page->text, "<tr%s><th scope=\"row\">%.*s</th>", head, (int)arguments.bytes, arguments.at);
	page_put_counter(&page->text, key, page_count(page, path));
	if (span_equal(of, SPAN("-")))
		text_put(&page->text, "<td></td>");
	else
		page_put_bar(&page->text, 0, (double)page_count(page, path), (double)page_count(page, of),
			     span_equal(path, SPAN("requests.refused_total")) ? "refused" : "");
	text_put(&page->text, "</tr>\n");
}

static void put_stage(struct page *page, struct span arguments)
{
	put_row(page, "", arguments);
}

static void put_under(struct page *page, struct span arguments)
{
	put_row(page, " class=\"under\"", arguments);
}

/* What is there now, of what may be. */
static void put_level(struct page *page, struct span arguments)
{
	struct span path = cut(&arguments, ' '), max = cut(&arguments, ' ');

	text_put(&page->text, "<tr><th scope=\"row\">%.*s</th><td>", (int)arguments.bytes, arguments.at);
	put_count(page, path);
	text_put(&page->text, "</td><td>");
	put_count(page, max);
	text_put(&page->text, "</td>");
	page_put_bar(&page->text, 0, (double)page_count(page, path), (double)page_count(page, max), "");
	text_put(&page->text, "</tr>\n");
}

static const struct {
	const char *word;
	page_part *put;
} placeholders[] = {
	{"nonce", put_nonce},	       {"text", put_text},
	{"count", put_count},	       {"time", put_time},
	{"bytes", put_bytes},	       {"tile", put_tile},
	{"stage", put_stage},	       {"under", put_under},
	{"level", put_level},	       {"state", page_state},
	{"uptime", page_uptime},       {"filter", page_filter},
	{"looks", page_looks},	       {"share", page_share},
	{"periods", page_periods},     {"routes", page_routes},
	{"steps", page_steps},	       {"refusals", page_refusals},
	{"upstreams", page_upstreams}, {"unsettled", page_unsettled},
};

static void put_word(struct page *page, struct span arguments)
{
	struct span word = cut(&arguments, ' ');

	for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++)
		if (span_equal(word, span_str(placeholders[i].word))) {
			placeholders[i].put(page, arguments);
			return;
		}
	ASSERT(false); /* the template is ours, and says nothing else */
}

/* --- the template --- */

/* Is there such a value, and does it say yes? */
static bool holds(const struct page *page, struct span path)
{
	struct span value = page_find(page, path);

	return value.bytes > 0 && !span_equal(value, SPAN("false")) && !span_equal(value, SPAN("null"));
}

/* Text is copied; {{if PATH}} ... {{end}}, one in the other, leaves out what does not hold; any other word is put. */
static void put_template(struct page *page, struct span rest)
{
	unsigned depth = 0, left_out = 0; /* how deep we are; from which depth on nothing is put, 0: all is */

	while (rest.bytes > 0) {
		const uint8_t *open = memmem(rest.at, rest.bytes, "{{", 2);
		struct span before = span_of(rest.at, open != NULL ? (size_t)(open - rest.at) : rest.bytes);

		if (left_out == 0)
			text_put(&page->text, "%.*s", (int)before.bytes, before.at);
		if (open == NULL)
			break;
		rest = span_of(open + 2, rest.bytes - before.bytes - 2);
		struct span word = cut(&rest, '}'), name = word;
		ASSERT(rest.bytes > 0 && *rest.at == '}');
		rest = span_of(rest.at + 1, rest.bytes - 1);
		if (span_equal(cut(&name, ' '), SPAN("if"))) {
			depth++;
			if (left_out == 0 && !holds(page, name))
				left_out = depth;
		} else if (span_equal(word, SPAN("end"))) {
			left_out = left_out == depth ? 0 : left_out;
			depth--;
		} else if (left_out == 0) {
			put_word(page, word);
		}
	}
	ASSERT(depth == 0);
}

size_t page_html(char *out, size_t out_bytes, struct span status, struct span overhead, uint64_t since_s,
		 const char *nonce)
{
	struct page page = {.overhead = overhead, .since_s = since_s, .nonce = nonce};

	if (status.bytes > UINT32_MAX || overhead.bytes > UINT32_MAX || !members_read(&page, status) ||
	    page_find(&page, SPAN("requests")).bytes == 0 || json_find_member(overhead, "covers_s").bytes == 0)
		return 0;
	text_init(&page.text, out, out_bytes);
	// cppcheck-suppress comparePointers
	put_template(&page, span_of(page_template, (size_t)(page_template_end - page_template)));
	return text_done(&page.text);
}
