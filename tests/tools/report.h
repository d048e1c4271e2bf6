// SPDX-License-Identifier: Apache-2.0
#ifndef TOLLBAR_TOOLS_REPORT_H
#define TOLLBAR_TOOLS_REPORT_H
/* report.h: what the tools on serve.h say about what they saw: JSON, and the last request that mattered. */
#include "serve.h"

/* A growing JSON text, reused. */
struct report {
	char *at;
	size_t bytes, room;
};

static void report_raw(struct report *report, const char *at, size_t bytes)
{
	if (report->room < report->bytes + bytes + 1)
		report->at = grow(report->at, &report->room, report->bytes + bytes + 1);
	memcpy(report->at + report->bytes, at, bytes);
	report->bytes += bytes;
	report->at[report->bytes] = 0;
}

static void report_words(struct report *report, const char *words)
{
	report_raw(report, words, strlen(words));
}

/* Bytes as a JSON string; anything outside printable ASCII as \u00xx, so one byte is one character. */
static void report_string(struct report *report, struct text text)
{
	char escaped[8];

	report_raw(report, "\"", 1);
	for (size_t i = 0; i < text.bytes; i++) {
		unsigned char byte = (unsigned char)text.at[i];
		if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
			report_raw(report, text.at + i, 1);
			continue;
		}
		snprintf(escaped, sizeof(escaped), "\\u%04x", byte);
		report_raw(report, escaped, 6);
	}
	report_raw(report, "\"", 1);
}

static void report_number(struct report *report, const char *name, uint64_t value)
{
	char words[96];
	snprintf(words, sizeof(words), "\"%s\":%llu,", name, (unsigned long long)value);
	report_words(report, words);
}

/* The last request that mattered, kept whole: {"target":..,"headers":[[name,value]..],"body":..}. */
static struct conn last_seen;

static void remember(const struct conn *conn)
{
	size_t bytes = conn->request_bytes;
	char *in = last_seen.in;
	size_t room = last_seen.in_room;

	if (room < bytes)
		in = grow(in, &room, bytes);
	memcpy(in, conn->in, bytes);
	last_seen.in = in;
	last_seen.in_room = room;
	last_seen.in_bytes = bytes;
	last_seen.head = (struct text){in, conn->head.bytes};
	last_seen.body = (struct text){in + conn->head.bytes + 2, conn->body.bytes};
}

static void report_last(struct report *report)
{
	if (last_seen.in == NULL) {
		report_words(report, "\"last\":null");
		return;
	}
	split_head(&last_seen, last_seen.head.at, last_seen.head.at + last_seen.head.bytes);
	report_words(report, "\"last\":{\"target\":");
	report_string(report, last_seen.target);
	report_words(report, ",\"headers\":[");
	for (size_t i = 0; i < last_seen.field_cnt; i++) {
		report_words(report, i == 0 ? "[" : ",[");
		report_string(report, last_seen.fields[i].name);
		report_words(report, ",");
		report_string(report, last_seen.fields[i].value);
		report_words(report, "]");
	}
	report_words(report, "],\"body\":");
	report_string(report, last_seen.body);
	report_words(report, "}");
}

#endif
