// SPDX-License-Identifier: Apache-2.0
/* json_write.c: the writer of json.h; the reader is json.c. */
#include <stdio.h>

#include "base/json.h"
#include "base/utf8.h"

static void put(struct json_writer *writer, const char *at, size_t bytes)
{
	if (writer->full || writer->bytes - writer->used <= bytes) { /* one more for the final zero */
		writer->full = true;
		return;
	}
	memcpy(writer->at + writer->used, at, bytes);
	writer->used += bytes;
	writer->at[writer->used] = 0;
}

void json_write_init(struct json_writer *writer, char *out, size_t out_bytes)
{
	*writer = (struct json_writer){.at = out, .bytes = out_bytes, .full = out_bytes == 0};
	if (out_bytes > 0)
		out[0] = 0;
}

void json_write(struct json_writer *writer, const char *text)
{
	put(writer, text, strlen(text));
}

void json_write_span(struct json_writer *writer, struct span text)
{
	put(writer, (const char *)text.at, text.bytes);
}

static void put_escape(struct json_writer *writer, uint8_t byte)
{
	char escape[8] = {'\\', (char)byte};

	if (byte != '"' && byte != '\\')
		snprintf(escape, sizeof(escape), "\\u%04x", byte);
	json_write(writer, escape);
}

/* What stands for itself in a string, from `at` on. */
static size_t plain_bytes(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *start = at;

	while (at < end && *at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\')
		at++;
	return (size_t)(at - start);
}

void json_write_string(struct json_writer *writer, struct span text)
{
	put(writer, "\"", 1);
	for (size_t i = 0, next; i < text.bytes && !writer->full; i = next) {
		const uint8_t *at = text.at + i, *stop;
		size_t plain = plain_bytes(at, text.at + text.bytes);
		next = i + 1;
		if (plain > 0) {
			put(writer, (const char *)at, plain);
			next = i + plain;
		} else if (*at < 0x80) {
			put_escape(writer, *at);
		} else if ((stop = utf8_end(at, text.at + text.bytes)) != NULL) {
			put(writer, (const char *)at, (size_t)(stop - at));
			next = i + (size_t)(stop - at);
		} else {
			json_write(writer, "\\ufffd");
		}
	}
	put(writer, "\"", 1);
}

void json_write_u64(struct json_writer *writer, uint64_t number)
{
	char digits[20], *at = digits + sizeof(digits);

	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	put(writer, at, (size_t)(digits + sizeof(digits) - at));
}

size_t json_write_done(const struct json_writer *writer)
{
	return writer->full ? 0 : writer->used;
}
