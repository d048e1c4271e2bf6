// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <endian.h>

#include "base/assert.h"
#include "base/utf8.h"

#define EACH_BYTE (~(uint64_t)0 / 255) /* 0x01 in each of eight bytes */

static bool fail(struct json *json, enum json_error error)
{
	json->error = error;
	json->unread = false;
	return false;
}

static bool at_end(const struct json *json)
{
	return json->at == json->end;
}

static void skip_space(struct json *json)
{
	while (!at_end(json) && (*json->at == ' ' || *json->at == '\n' || *json->at == '\r' || *json->at == '\t'))
		json->at++;
}

/* --- scalars: each starts at its first byte and leaves `at` behind it, or at what is wrong --- */

/* First byte of a string that needs a look: quote, backslash, control byte, not ASCII; or the end. */
static const uint8_t *plain_end(const uint8_t *at, const uint8_t *end)
{
	for (; end - at >= 8; at += 8) {
		uint64_t eight, found;
		memcpy(&eight, at, 8);
		eight = le64toh(eight);
		/* A byte below 0x80 gets its high bit when it is 0 after the xor, or below 0x20.  A borrow only reaches
		 * bytes above one that was found, so the lowest hit is exact. */
		found = (eight ^ EACH_BYTE * '"') - EACH_BYTE;
		found |= (eight ^ EACH_BYTE * '\\') - EACH_BYTE;
		found |= eight - EACH_BYTE * 0x20;
		found = (found | eight) & EACH_BYTE * 0x80;
		if (found != 0)
			return at + __builtin_ctzll(found) / 8;
	}
	while (at < end && *at != '"' && *at != '\\' && *at >= 0x20 && *at < 0x80)
		at++;
	return at;
}

/* Four hex digits of a \u escape, or -1. */
static int32_t hex4(const uint8_t *at)
{
	int32_t unit = 0;

	for (unsigned i = 0; i < 4; i++) {
		unsigned decimal = at[i] - (unsigned)'0', letter = (at[i] | 0x20u) - (unsigned)'a';
		if (decimal > 9 && letter > 5)
			return -1;
		unit = unit << 4 | (int32_t)(decimal <= 9 ? decimal : letter + 10);
	}
	return unit;
}

static bool is_high_surrogate(int32_t unit)
{
	return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low_surrogate(int32_t unit)
{
	return unit >= 0xdc00 && unit < 0xe000;
}

/* Behind one escape; at is its backslash.  NULL for an unknown one and for half of a surrogate pair. */
static const uint8_t *escape_end(const uint8_t *at, const uint8_t *end)
{
	int32_t unit;

	if (end - at < 2)
		return NULL;
	if (at[1] != 'u')
		return at[1] != 0 && strchr("\"\\/bfnrt", at[1]) != NULL ? at + 2 : NULL;
	if (end - at < 6)
		return NULL;
	unit = hex4(at + 2);
	if (unit < 0 || is_low_surrogate(unit))
		return NULL;
	if (!is_high_surrogate(unit))
		return at + 6;
	if (end - at < 12 || at[6] != '\\' || at[7] != 'u' || !is_low_surrogate(hex4(at + 8)))
		return NULL;
	return at + 12;
}

static bool scan_string(struct json *json, bool *escaped)
{
	const uint8_t *at = json->at + 1, *next;

	*escaped = false;
	for (;;) {
		at = plain_end(at, json->end);
		json->at = at;
		if (at == json->end || *at < 0x20)
			return fail(json, JSON_SYNTAX);
		if (*at == '"')
			break;
		if (*at == '\\') {
			*escaped = true;
			next = escape_end(at, json->end);
			if (next == NULL)
				return fail(json, JSON_SYNTAX);
		} else {
			next = utf8_end(at, json->end);
			if (next == NULL)
				return fail(json, JSON_UTF8);
		}
		at = next;
	}
	json->at = at + 1;
	return true;
}

static bool scan_digits(struct json *json)
{
	const uint8_t *first = json->at;

	while (!at_end(json) && *json->at >= '0' && *json->at <= '9')
		json->at++;
	return json->at != first;
}

static bool scan_number(struct json *json)
{
	if (*json->at == '-')
		json->at++;
	if (!at_end(json) && *json->at == '0')
		json->at++; /* nothing may follow a leading zero */
	else if (!scan_digits(json))
		return fail(json, JSON_SYNTAX);
	if (!at_end(json) && *json->at == '.') {
		json->at++;
		if (!scan_digits(json))
			return fail(json, JSON_SYNTAX);
	}
	if (!at_end(json) && (*json->at | 0x20) == 'e') {
		json->at++;
		if (!at_end(json) && (*json->at == '+' || *json->at == '-'))
			json->at++;
		if (!scan_digits(json))
			return fail(json, JSON_SYNTAX);
	}
	return true;
}

static bool scan_literal(struct json *json, const char *word)
{
	size_t bytes = strlen(word);

	if ((size_t)(json->end - json->at) < bytes || memcmp(json->at, word, bytes) != 0)
		return fail(json, JSON_SYNTAX);
	json->at += bytes;
	return true;
}

/* --- strings with their escapes undone, byte by byte --- */

struct decoded {
	const uint8_t *at, *end; /* between the quotes, checked before */
	uint8_t unit[4];
	unsigned unit_bytes, unit_at;
};

static struct decoded decoded_of(const uint8_t *at, size_t bytes)
{
	return (struct decoded){.at = at, .end = at + bytes};
}

static void decode_escape(struct decoded *decoded)
{
	static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	uint8_t letter = decoded->at[1];
	uint32_t point;

	if (letter != 'u') {
		point = (uint8_t)means[strchr(names, letter) - names];
		decoded->at += 2;
	} else {
		point = (uint32_t)hex4(decoded->at + 2);
		decoded->at += 6;
		if (is_high_surrogate((int32_t)point)) {
			point = 0x10000 + ((point - 0xd800) << 10) + ((uint32_t)hex4(decoded->at + 2) - 0xdc00);
			decoded->at += 6;
		}
	}
	decoded->unit_bytes = utf8_put(decoded->unit, point);
	decoded->unit_at = 0;
}

/* The next byte, or -1 at the end. */
static int decoded_byte(struct decoded *decoded)
{
	if (decoded->unit_at == decoded->unit_bytes) {
		if (decoded->at == decoded->end)
			return -1;
		if (*decoded->at != '\\')
			return *decoded->at++;
		decode_escape(decoded);
	}
	return decoded->unit[decoded->unit_at++];
}

static bool decoded_equal(struct decoded a, struct decoded b)
{
	for (;;) {
		int x = decoded_byte(&a), y = decoded_byte(&b);
		if (x != y)
			return false;
		if (x < 0)
			return true;
	}
}

/* --- names --- */

/* The first eight bytes of a name, or something made of all of fewer: a filter before the comparison.  A stranger who
 * sends names of one mark makes us compare, JSON_NAMES_MAX at most. */
static uint64_t mark_of(const uint8_t *at, size_t bytes)
{
	uint64_t eight;
	uint32_t first, last;

	if (bytes >= 8) {
		memcpy(&eight, at, 8);
		return eight;
	}
	if (bytes >= 4) {
		memcpy(&first, at, 4);
		memcpy(&last, at + bytes - 4, 4);
		return (uint64_t)last << 32 | first;
	}
	return bytes == 0
		       ? 0
		       : (uint64_t)bytes << 24 | at[0] | (uint32_t)at[bytes / 2] << 8 | (uint32_t)at[bytes - 1] << 16;
}

static uint64_t mark_name(struct span inner, bool escaped)
{
	struct decoded decoded;
	uint8_t start[8];
	size_t cnt = 0;
	int byte;

	if (!escaped)
		return mark_of(inner.at, inner.bytes);
	decoded = decoded_of(inner.at, inner.bytes);
	while (cnt < sizeof(start) && (byte = decoded_byte(&decoded)) >= 0)
		start[cnt++] = (uint8_t)byte;
	return mark_of(start, cnt);
}

static bool names_equal(const struct json_name *a, const struct json_name *b)
{
	if (a->mark != b->mark)
		return false;
	if (a->bytes == b->bytes && memcmp(a->at, b->at, a->bytes) == 0)
		return true;
	return decoded_equal(decoded_of(a->at, a->bytes), decoded_of(b->at, b->bytes));
}

/* Remembers a name of the innermost object; refuses one it has. */
static bool remember(struct json *json, const struct json_value *name)
{
	struct span inner = span_of(name->text.at + 1, name->text.bytes - 2);
	struct json_name *new = &json->names[json->name_cnt];

	if (json->name_cnt == JSON_NAMES_MAX)
		return fail(json, JSON_NAMES);
	*new = (struct json_name){inner.at, (uint32_t)inner.bytes, mark_name(inner, name->escaped)};
	for (struct json_name *old = &json->names[json->name_base[json->depth]]; old < new; old++)
		if (names_equal(old, new))
			return fail(json, JSON_DUPLICATE);
	json->name_cnt++;
	return true;
}

/* --- structure --- */

static bool open_container(struct json *json, bool array)
{
	if (json->depth == json->depth_max)
		return fail(json, JSON_DEPTH);
	json->depth++;
	json->arrays &= ~((uint64_t)1 << (json->depth - 1));
	json->arrays |= (uint64_t)array << (json->depth - 1);
	json->name_base[json->depth] = json->name_cnt;
	json->fresh = true;
	json->at++;
	return true;
}

static void close_container(struct json *json)
{
	json->name_cnt = json->name_base[json->depth];
	json->depth--;
	json->fresh = false;
	json->at++;
}

/* A member's name and colon. */
static bool scan_name(struct json *json, struct json_value *name, bool check)
{
	if (at_end(json) || *json->at != '"')
		return fail(json, JSON_SYNTAX);
	*name = (struct json_value){.type = JSON_STRING, .text.at = json->at};
	if (!scan_string(json, &name->escaped))
		return false;
	name->text.bytes = (size_t)(json->at - name->text.at);
	if (check && !remember(json, name))
		return false;
	skip_space(json);
	if (at_end(json) || *json->at != ':')
		return fail(json, JSON_SYNTAX);
	json->at++;
	return true;
}

/* From behind a bracket or a value to the next value of the innermost container.  False: the container is over, or the
 * text is bad.  check: look for the name's twin. */
static bool step(struct json *json, struct json_value *name, bool check)
{
	bool array = json->arrays >> (json->depth - 1) & 1;

	skip_space(json);
	if (!at_end(json) && *json->at == (array ? ']' : '}')) {
		close_container(json);
		return false;
	}
	if (!json->fresh) {
		if (at_end(json) || *json->at != ',')
			return fail(json, JSON_SYNTAX);
		json->at++;
		skip_space(json);
	}
	json->fresh = false;
	if (!array && !scan_name(json, name, check))
		return false;
	skip_space(json);
	return true;
}

/* A scalar, or the opening bracket of a container. */
static bool scan_start(struct json *json, bool *escaped)
{
	switch (json_peek(json)) {
	case JSON_OBJECT:
		return open_container(json, false);
	case JSON_ARRAY:
		return open_container(json, true);
	case JSON_STRING:
		return scan_string(json, escaped);
	case JSON_NUMBER:
		return scan_number(json);
	case JSON_TRUE:
		return scan_literal(json, "true");
	case JSON_FALSE:
		return scan_literal(json, "false");
	case JSON_NULL:
		return scan_literal(json, "null");
	case JSON_NONE:
		break;
	}
	return fail(json, JSON_SYNTAX);
}

/* One whole value, without recursion: containers it opens are closed again when depth is back. */
static bool scan_value(struct json *json, bool *escaped)
{
	const unsigned outside = json->depth;
	struct json_value name;
	bool ignored;

	json->unread = false;
	if (!scan_start(json, escaped))
		return false;
	while (json->depth > outside) {
		if (step(json, &name, json->mode == JSON_STRICT))
			scan_start(json, &ignored);
		if (json->error != JSON_OK)
			return false;
	}
	return true;
}

void json_init(struct json *json, struct span text, unsigned depth_max, enum json_mode mode)
{
	ASSERT(depth_max <= JSON_NESTING_MAX && text.bytes <= UINT32_MAX);
	if (text.bytes == 0)
		text = SPAN(""); /* no arithmetic on a NULL */
	json->at = text.at;
	json->start = text.at;
	json->end = text.at + text.bytes;
	json->error = JSON_OK;
	json->mode = mode;
	json->unread = true;
	json->fresh = false;
	json->depth = 0;
	json->depth_max = (uint8_t)depth_max;
	json->name_cnt = 0;
	json->arrays = 0;
	skip_space(json);
}

enum json_type json_peek(const struct json *json)
{
	if (json->error != JSON_OK || at_end(json))
		return JSON_NONE;
	switch (*json->at) {
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case '"':
		return JSON_STRING;
	case 't':
		return JSON_TRUE;
	case 'f':
		return JSON_FALSE;
	case 'n':
		return JSON_NULL;
	case '-':
		return JSON_NUMBER;
	default:
		return *json->at >= '0' && *json->at <= '9' ? JSON_NUMBER : JSON_NONE;
	}
}

bool json_enter(struct json *json, enum json_type type)
{
	ASSERT(type == JSON_OBJECT || type == JSON_ARRAY);
	if (!json->unread || json_peek(json) != type)
		return false;
	json->unread = false;
	return open_container(json, type == JSON_ARRAY);
}

static bool next(struct json *json, struct json_value *name)
{
	bool ignored;

	*name = (struct json_value){0};
	if (json->unread)
		scan_value(json, &ignored);
	if (json->error != JSON_OK || json->depth == 0)
		return false;
	json->unread = step(json, name, true);
	return json->unread;
}

bool json_next(struct json *json, struct json_value *name)
{
	return next(json, name);
}

bool json_element(struct json *json)
{
	struct json_value name;

	return next(json, &name);
}

bool json_read(struct json *json, struct json_value *value)
{
	*value = (struct json_value){.type = json_peek(json), .text.at = json->at};
	if (!json->unread || !scan_value(json, &value->escaped))
		return false;
	value->text.bytes = (size_t)(json->at - value->text.at);
	return true;
}

bool json_end(struct json *json)
{
	bool ignored;

	if (json->unread)
		scan_value(json, &ignored);
	while (json->error == JSON_OK && json->depth > 0)
		if (json_element(json))
			scan_value(json, &ignored);
	if (json->error != JSON_OK)
		return false;
	skip_space(json);
	return at_end(json) || fail(json, JSON_SYNTAX);
}

const char *json_error_word(enum json_error error)
{
	static const char *const words[] = {
		[JSON_OK] = "ok",
		[JSON_SYNTAX] = "syntax",
		[JSON_UTF8] = "not utf-8",
		[JSON_DEPTH] = "nested too deep",
		[JSON_DUPLICATE] = "duplicate name",
		[JSON_NAMES] = "too many names",
	};

	return words[error];
}

/* --- getters --- */

static struct span inside(const struct json_value *value)
{
	return span_of(value->text.at + 1, value->text.bytes - 2);
}

bool json_equals(const struct json_value *value, struct span text)
{
	struct decoded decoded;

	if (value->type != JSON_STRING)
		return false;
	if (!value->escaped)
		return span_equal(inside(value), text);
	decoded = decoded_of(inside(value).at, inside(value).bytes);
	for (size_t i = 0; i < text.bytes; i++)
		if (decoded_byte(&decoded) != text.at[i])
			return false;
	return decoded_byte(&decoded) < 0;
}

bool json_text(const struct json_value *value, struct span *out, uint8_t *buffer, size_t buffer_bytes)
{
	struct decoded decoded;
	size_t bytes = 0;
	int byte;

	*out = SPAN("");
	if (value->type != JSON_STRING)
		return false;
	*out = inside(value);
	if (!value->escaped)
		return true;
	decoded = decoded_of(out->at, out->bytes);
	while ((byte = decoded_byte(&decoded)) >= 0) {
		if (bytes == buffer_bytes)
			return false;
		buffer[bytes++] = (uint8_t)byte;
	}
	*out = span_of(buffer, bytes);
	return true;
}

bool json_u64(const struct json_value *value, uint64_t *out)
{
	uint64_t number = 0;

	if (value->type != JSON_NUMBER)
		return false;
	for (size_t i = 0; i < value->text.bytes; i++) {
		unsigned digit = value->text.at[i] - (unsigned)'0';
		if (digit > 9 || __builtin_mul_overflow(number, 10u, &number) ||
		    __builtin_add_overflow(number, digit, &number))
			return false;
	}
	*out = number;
	return true;
}

bool json_bool(const struct json_value *value, bool *out)
{
	*out = value->type == JSON_TRUE;
	return value->type == JSON_TRUE || value->type == JSON_FALSE;
}
