/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_PAGE_PARTS_H
#define TOLLBAR_PAGE_PARTS_H
/* page_parts.h: the parts of the status page that are more than one number: rows of tables, and words that depend on what is. */
#include "base/json.h"
#include "base/text.h"

#define PAGE_MEMBERS_MAX 32

struct page {
	struct text text;
	struct span overhead; /* the whole of /overhead */
	uint64_t since_s;
	const char *nonce;
	struct { /* of the object of /status: looked up often */
		struct span name, value;
	} members[PAGE_MEMBERS_MAX];
	size_t member_cnt;
};

/* "requests.begun": a value of /status as it stands; empty when there is none. */
struct span page_find(const struct page *page, struct span path);
bool page_value(struct json_value *value, const struct page *page, struct span path);
uint64_t page_count(const struct page *page, struct span path);

/* A JSON string, without what HTML would take for its own; nothing for another value. */
void page_put_string(struct text *text, const struct json_value *value);
void page_put_grouped(struct text *text, uint64_t count); /* 1,234,567 */
void page_put_time(struct text *text, uint64_t ns);
/* A counter's two cells: its total, and a place for the script's rate. */
void page_put_counter(struct text *text, const char *key, uint64_t count);
/* A bar of `part` of `all`, and a cell around it; `kind`: "", or a class of its colour. */
void page_put_bar(struct text *text, double from, double part, double all, const char *kind);

typedef void page_part(struct page *page, struct span arguments);
page_part page_state, page_uptime, page_filter, page_looks, page_share, page_periods, page_routes, page_steps,
	page_refusals, page_upstreams, page_unsettled;

#endif
