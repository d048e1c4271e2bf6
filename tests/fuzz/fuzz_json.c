// SPDX-License-Identifier: Apache-2.0
// link: user/base/json.c user/base/json_write.c user/base/utf8.c user/base/log.c -ljansson
/* fuzz_json.c: the reader against jansson; walking a text gives the same verdict as skipping it; strings survive the
 * writer. */
#include "base/assert.h"
#include <stdlib.h>

#include "jansson_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

/* A string read, written and read again is the same bytes. */
static void check_string(const struct json_value *value)
{
	size_t room = 6 * value->text.bytes + 3;
	uint8_t *buffer = malloc(value->text.bytes);
	char *out = malloc(room);
	struct json_writer writer;
	struct json_value again;
	struct span text;
	struct json json;

	ASSERT(json_text(value, &text, buffer, value->text.bytes) && json_equals(value, text));
	json_write_init(&writer, out, room);
	json_write_string(&writer, text);
	json_init(&json, span_of(out, json_write_done(&writer)), 1, JSON_STRICT);
	ASSERT(json_read(&json, &again) && json_end(&json) && json_equals(&again, text));
	free(buffer);
	free(out);
}

/* Enters everything. */
static void walk(struct json *json)
{
	struct json_value value;

	if (json_enter(json, JSON_OBJECT)) {
		while (json_next(json, &value)) {
			check_string(&value);
			walk(json);
		}
	} else if (json_enter(json, JSON_ARRAY)) {
		while (json_element(json))
			walk(json);
	} else if (json_read(json, &value) && value.type == JSON_STRING) {
		check_string(&value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	struct json skipped, walked;

	json_init(&skipped, span_of(at, bytes), 16, JSON_STRICT);
	json_end(&skipped);
	ASSERT(jansson_agrees(span_of(at, bytes), skipped.error));
	json_init(&walked, span_of(at, bytes), 16, JSON_ENTERED);
	walk(&walked);
	json_end(&walked);
	ASSERT(walked.error == skipped.error && walked.at == skipped.at);
	return 0;
}
