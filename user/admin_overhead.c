// SPDX-License-Identifier: Apache-2.0
#include "admin_overhead.h"

#include <stdio.h>
#include <string.h>

/* --- the query --- */

/* One hexadecimal digit, or -1. */
static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes percent signs and pluses. */
static bool name_read(char out[NAME_BYTES_MAX], struct span value)
{
	size_t used = 0;

	for (size_t i = 0; i < value.bytes; i++) {
		uint8_t c = value.at[i] == '+' ? ' ' : value.at[i];
		if (c == '%') {
			if (value.bytes - i < 3 || digit(value.at[i + 1]) < 0 || digit(value.at[i + 2]) < 0)
				return false;
			c = (uint8_t)(digit(value.at[i + 1]) << 4 | digit(value.at[i + 2]));
			i += 2;
		}
		if (c == 0 || used == NAME_BYTES_MAX - 1)
			return false;
		out[used++] = (char)c;
	}
	out[used] = 0;
	return true;
}

static bool seconds_read(uint64_t *out, struct span value)
{
	*out = 0;
	for (size_t i = 0; i < value.bytes; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(value.at[i] - '0');
	}
	return value.bytes > 0 && value.bytes <= 9;
}

static bool begins(struct span text, const char *with, struct span *rest)
{
	size_t bytes = strlen(with);

	if (text.bytes < bytes || memcmp(text.at, with, bytes) != 0)
		return false;
	*rest = span_of(text.at + bytes, text.bytes - bytes);
	return true;
}

bool admin_overhead_read(struct admin_overhead *view, struct span query)
{
	view->route[0] = 0;
	view->since_s = 0;
	while (query.bytes > 0) {
		const uint8_t *end = memchr(query.at, '&', query.bytes);
		struct span part = span_of(query.at, end != NULL ? (size_t)(end - query.at) : query.bytes), value;

		if (begins(part, "route=", &value)
			    ? !name_read(view->route, value)
			    : !begins(part, "since=", &value) || !seconds_read(&view->since_s, value))
			return false;
		size_t taken = part.bytes + (end != NULL);
		query = span_of(query.at + taken, query.bytes - taken);
	}
	return true;
}

/* --- the text --- */

static void put_count(struct json_writer *json, const char *before, uint64_t number)
{
	json_write(json, before);
	json_write_u64(json, number);
}

static void put_histogram(struct json_writer *json, const char *before, const struct histogram *histogram)
{
	json_write(json, before);
	put_count(json, "\"count\":", atomic_load_explicit(&histogram->count, memory_order_relaxed));
	put_count(json, ",\"p50_ns\":", histogram_quantile(histogram, 0.5));
	put_count(json, ",\"p90_ns\":", histogram_quantile(histogram, 0.9));
	put_count(json, ",\"p99_ns\":", histogram_quantile(histogram, 0.99));
	put_count(json, ",\"p999_ns\":", histogram_quantile(histogram, 0.999));
	put_count(json, ",\"mean_ns\":", histogram_mean(histogram));
	json_write(json, "}");
}

/* Share of the time to first token that passed before the model was asked, at the median; null before there is one. */
static void put_share(struct json_writer *json, const struct times *times)
{
	uint64_t all_ns = histogram_quantile(&times->first_token, 0.5);
	char text[32] = "null";

	if (all_ns != 0)
		snprintf(text, sizeof text, "%.6f", (double)histogram_quantile(&times->overhead, 0.5) / (double)all_ns);
	json_write(json, ",\"overhead_share\":");
	json_write(json, text);
}

void admin_times(struct json_writer *json, const struct times *times)
{
	json_write(json, ",\"steps\":{");
	for (unsigned step = 0; step < STEP_CNT; step++) {
		json_write(json, step == 0 ? "" : ",");
		json_write_string(json, span_str(step_words[step]));
		put_histogram(json, ":{", &times->steps[step]);
	}
	put_histogram(json, "},\"overhead\":{", &times->overhead);
	put_histogram(json, ",\"first_token\":{", &times->first_token);
	put_share(json, times);
}

size_t admin_overhead_text(char *out, size_t out_bytes, const struct admin_overhead *view)
{
	struct json_writer json;

	json_write_init(&json, out, out_bytes);
	put_count(&json, "{\"covers_s\":", view->covers_s);
	json_write(&json, ",\"route\":");
	if (view->route[0] != 0)
		json_write_string(&json, span_str(view->route));
	else
		json_write(&json, "null");
	json_write(&json, ",\"routes\":[");
	for (size_t i = 0; i < view->route_cnt; i++) {
		json_write(&json, i == 0 ? "" : ",");
		json_write_string(&json, span_str(view->routes[i]));
	}
	json_write(&json, "]");
	admin_times(&json, &view->times);
	json_write(&json, "}\n");
	return json_write_done(&json);
}
