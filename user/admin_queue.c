// SPDX-License-Identifier: Apache-2.0
#include "admin_queue.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "queue_health.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct family {
	const char *metric, *type, *help, *member; /* member: of the JSON */
	size_t offset;				   /* of a uint64_t in what it is about */
};

static const struct family line[] = {
	{"queue_requests", "gauge", "Requests in line now.", "requests", offsetof(struct admin_view, queue_requests)},
	{"queue_requests_max", "gauge", "Requests that may be in line.", "requests_max",
	 offsetof(struct admin_view, queue_requests_max)},
	{"queue_bytes", "gauge", "Bytes of bodies in line now.", "bytes", offsetof(struct admin_view, queue_bytes)},
	{"queue_bytes_max", "gauge", "Bytes of bodies that may be in line.", "bytes_max",
	 offsetof(struct admin_view, queue_bytes_max)},
	{"queue_displaced_total", "counter", "Requests that gave their seat to a payer who had fewer.", "displaced",
	 offsetof(struct admin_view, queue_displaced)},
};

static const struct family upstream[] = {
	{"upstream_in_flight_max", "gauge", "Requests that may be at this model server.", "in_flight_max",
	 offsetof(struct admin_upstream, in_flight_max)},
	{"upstream_requests_total", "counter", "Requests that were given a place there.", "requests",
	 offsetof(struct admin_upstream, queue.requests)},
	{"upstream_failures_total", "counter", "Of requests and checks: no connection, no answer, a server's error.",
	 "failures", offsetof(struct admin_upstream, queue.failures)},
	{"upstream_outages_total", "counter", "Times it was left alone.", "outages",
	 offsetof(struct admin_upstream, queue.outages)},
	{"upstream_moved_total", "counter", "Requests that could not reach it, and went to another.", "moved",
	 offsetof(struct admin_upstream, queue.moved)},
};

static uint64_t number_of(const void *of, const struct family *family)
{
	uint64_t number;

	memcpy(&number, (const char *)of + family->offset, sizeof number);
	return number;
}

/* --- Prometheus --- */

static void put_family(struct text *text, const char *name, const char *type, const char *help)
{
	text_put(text, "# HELP tollbar_%s %s\n# TYPE tollbar_%s %s\n", name, help, name, type);
}

/* A label's value: an operator's name for an upstream may hold anything. */
static void put_sample(struct text *text, const char *name, const char *label, uint64_t number)
{
	text_put(text, "tollbar_%s{upstream=\"", name);
	for (; *label != '\0'; label++) {
		if (*label == '\n')
			text_put(text, "\\n");
		else
			text_put(text, "%s%c", *label == '"' || *label == '\\' ? "\\" : "", *label);
	}
	text_put(text, "\"} %" PRIu64 "\n", number);
}

void admin_queue_metrics(struct text *text, const struct admin_view *view)
{
	for (size_t i = 0; i < COUNT(line); i++) {
		put_family(text, line[i].metric, line[i].type, line[i].help);
		text_put(text, "tollbar_%s %" PRIu64 "\n", line[i].metric, number_of(view, &line[i]));
	}
	put_family(text, "upstream_up", "gauge", "0 while this model server is left alone, or tried again.");
	for (size_t k = 0; k < view->upstream_cnt; k++)
		put_sample(text, "upstream_up", view->upstreams[k].name, view->upstreams[k].queue.state == HEALTH_UP);
	put_family(text, "upstream_in_flight", "gauge", "Requests at this model server now.");
	for (size_t k = 0; k < view->upstream_cnt; k++)
		put_sample(text, "upstream_in_flight", view->upstreams[k].name, view->upstreams[k].queue.in_flight);
	for (size_t i = 0; i < COUNT(upstream); i++) {
		put_family(text, upstream[i].metric, upstream[i].type, upstream[i].help);
		for (size_t k = 0; k < view->upstream_cnt; k++)
			put_sample(text, upstream[i].metric, view->upstreams[k].name,
				   number_of(&view->upstreams[k], &upstream[i]));
	}
}

/* --- JSON --- */

static void write_numbers(struct json_writer *json, const void *of, const struct family *families, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		json_write(json, i == 0 ? "\"" : ",\"");
		json_write(json, families[i].member);
		json_write(json, "\":");
		json_write_u64(json, number_of(of, &families[i]));
	}
}

static void write_upstream(struct json_writer *json, const struct admin_upstream *one)
{
	json_write(json, "{\"name\":");
	json_write_string(json, span_str(one->name));
	json_write(json, ",\"state\":");
	json_write_string(json, span_str(health_words[one->queue.state]));
	json_write(json, ",\"in_flight\":");
	json_write_u64(json, one->queue.in_flight);
	json_write(json, ",");
	write_numbers(json, one, upstream, COUNT(upstream));
	json_write(json, "}");
}

void admin_queue_status(struct json_writer *json, const struct admin_view *view)
{
	json_write(json, ",\"queue\":{");
	write_numbers(json, view, line, COUNT(line));
	json_write(json, "},\"upstreams\":[");
	for (size_t i = 0; i < view->upstream_cnt; i++) {
		if (i > 0)
			json_write(json, ",");
		write_upstream(json, &view->upstreams[i]);
	}
	json_write(json, "]");
}
