/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_JSON_H
#define TOLLBAR_BASE_JSON_H
/* json.h: hostile JSON, read in one pass without allocation.  The reader walks the text in its own order and checks all
 * of it on the way (RFC 8259 syntax, UTF-8, depth), also what the caller skips.  Values are spans of the text.
 *
 *   json_init(&json, text, JSON_DEPTH_MAX, JSON_STRICT);
 *   if (json_enter(&json, JSON_OBJECT))
 *           while (json_next(&json, &key))
 *                   if (json_equals(&key, SPAN("model")))
 *                           json_read(&json, &model);
 *   if (!json_end(&json))
 *           refuse: nothing read above counts
 *
 * Refused besides syntax: a byte order mark, anything but white space after the value, a name twice in one object (as
 * the escapes mean it: "\u0066rom" is "from"), a lone surrogate escape, nesting deeper than asked, and more than
 * JSON_NAMES_MAX names in the objects that are open at one time and checked for duplicates. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define JSON_NAMES_MAX 128  /* a payment has about 20, an OpenAI request about 40 */
#define JSON_NESTING_MAX 64 /* the most depth_max can be */

enum json_type { JSON_NONE, JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

enum json_error { JSON_OK, JSON_SYNTAX, JSON_UTF8, JSON_DEPTH, JSON_DUPLICATE, JSON_NAMES };

/* Which objects are searched for duplicate names: every one, or only those entered (values that are skipped or read as
 * a whole are then checked for syntax alone, which is what large request bodies want). */
enum json_mode { JSON_STRICT, JSON_ENTERED };

struct json_value {
	enum json_type type;
	bool escaped;	  /* string with at least one backslash */
	struct span text; /* its bytes as they stand: with quotes, brackets; text.at tells where it is */
};

struct json_name { /* private */
	const uint8_t *at;
	uint32_t bytes;
	uint64_t mark; /* equal names have equal marks */
};

struct json { /* private; about 3 KiB, belongs on the stack */
	const uint8_t *at, *end, *start;
	enum json_error error;
	enum json_mode mode;
	bool unread; /* a value stands at `at` and was neither read nor entered */
	bool fresh;  /* just inside an opening bracket */
	uint8_t depth, depth_max;
	uint8_t name_cnt;
	uint64_t arrays; /* bit d: the container at depth d is an array */
	uint8_t name_base[JSON_NESTING_MAX + 1];
	struct json_name names[JSON_NAMES_MAX];
};

/* depth_max: at most JSON_NESTING_MAX; [] and {} are one deep.  The text is at most 4 GiB. */
void json_init(struct json *json, struct span text, unsigned depth_max, enum json_mode mode);

/* Type of the value that comes next, JSON_NONE when there is none. */
enum json_type json_peek(const struct json *json);

/* Steps into the value that comes next when it is of this type (JSON_OBJECT or JSON_ARRAY); else false, and the value
 * can still be read. */
bool json_enter(struct json *json, enum json_type type);

/* The next member of the object last entered; its value comes next.  A value left unread is skipped.  False: the object
 * is over (the reader is behind it, in the container around it) or the text is bad (json_end says which);
 * name is then of type JSON_NONE.
 * An object may be left halfway only for json_end. */
bool json_next(struct json *json, struct json_value *name);
/* The same for an array. */
bool json_element(struct json *json);

/* The whole value that comes next, checked and passed over.  False only when the text is bad. */
bool json_read(struct json *json, struct json_value *value);

/* Checks the rest, also of objects left halfway: true when all of it was one good JSON value.  json->error says what
 * was wrong, json->at where. */
bool json_end(struct json *json);
const char *json_error_word(enum json_error error);

/* Getters; each false when the value is of another type or does not fit. */

/* Is it this string, escapes undone?  Any bytes, so names may be compared too. */
bool json_equals(const struct json_value *value, struct span text);
/* A string's bytes with escapes undone (none when false): borrowed from the text when there are none, else written to buffer. */
bool json_text(const struct json_value *value, struct span *out, uint8_t *buffer, size_t buffer_bytes);
/* A number that is written as a plain integer (no sign, point or exponent) below 2^64. */
bool json_u64(const struct json_value *value, uint64_t *out);
bool json_bool(const struct json_value *value, bool *out);

/* Writer: appends to a caller's buffer, always zero-terminated; once something does not fit it stays full. */
struct json_writer {
	char *at;
	size_t bytes;
	size_t used;
	bool full;
};

void json_write_init(struct json_writer *writer, char *out, size_t out_bytes);
void json_write(struct json_writer *writer, const char *text);	    /* as it is: punctuation, literals */
void json_write_span(struct json_writer *writer, struct span text); /* as it is: JSON that was checked */
/* Any bytes as a JSON string in ASCII and valid UTF-8, with quotes; what is not UTF-8 becomes U+FFFD. */
void json_write_string(struct json_writer *writer, struct span text);
void json_write_u64(struct json_writer *writer, uint64_t number);
/* Bytes written, without the final zero; 0 when it did not fit. */
size_t json_write_done(const struct json_writer *writer);

#endif
