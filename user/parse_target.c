// SPDX-License-Identifier: Apache-2.0
#include "base/hex.h"
#include "parse.h"

static bool begins(struct span text, struct span with)
{
	return text.bytes >= with.bytes && memcmp(text.at, with.at, with.bytes) == 0;
}

bool parse_is_result(struct span target)
{
	return begins(target, SPAN(RESULTS_PATH));
}

/* The one way an id is written. */
static bool read_id(uint8_t id[NATIVE_ID_BYTES], struct span text)
{
	for (size_t i = 0; i < text.bytes; i++)
		if (text.at[i] >= 'A' && text.at[i] <= 'F')
			return false;
	return hex_digits(id, NATIVE_ID_BYTES, text);
}

/* 1 to 4 digits, no leading zero but "0" itself. */
static bool read_seconds(unsigned *seconds, struct span text)
{
	if (text.bytes < 1 || text.bytes > 4 || (text.at[0] == '0' && text.bytes > 1))
		return false;
	*seconds = 0;
	for (size_t i = 0; i < text.bytes; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		*seconds = *seconds * 10 + (text.at[i] - '0');
	}
	return true;
}

enum reason parse_result_target(struct result_target *result, struct span target)
{
	const struct span wait = SPAN("?wait=");
	size_t before = sizeof RESULTS_PATH - 1;

	if (!parse_is_result(target))
		return ROUTE_UNKNOWN;
	struct span rest = span_of(target.at + before, target.bytes - before);
	const uint8_t *query = memchr(rest.at, '?', rest.bytes);
	struct span id = span_of(rest.at, query != NULL ? (size_t)(query - rest.at) : rest.bytes);
	*result = (struct result_target){0};
	if (!read_id(result->id, id))
		return RESULT_UNKNOWN;
	if (query == NULL)
		return REASON_OK;
	rest = span_of(query, rest.bytes - id.bytes);
	if (!begins(rest, wait) ||
	    !read_seconds(&result->wait_s, span_of(rest.at + wait.bytes, rest.bytes - wait.bytes)))
		return ROUTE_UNKNOWN;
	if (result->wait_s > RESULT_WAIT_S_MAX)
		result->wait_s = RESULT_WAIT_S_MAX;
	return REASON_OK;
}
