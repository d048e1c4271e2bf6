// SPDX-License-Identifier: Apache-2.0
/* calldata_write.c: the writer of calldata.h; the reader is calldata.c. */
#include "base/json.h"
#include "base/u256.h"
#include "calldata.h"

#define WORD 32u

/* --- the ABI --- */

struct writing {
	uint8_t *at;
	size_t bytes, used;
	bool bad; /* something does not fit, or has no place */
};

/* The heads of a tuple or an array: reserved together, filled one after the other as the tails are written. */
struct heads {
	size_t base;
	size_t at;
};

static struct heads reserve(struct writing *writing, size_t cnt)
{
	struct heads heads = {writing->used, writing->used};

	writing->bad |= cnt > (writing->bytes - writing->used) / WORD;
	if (writing->bad)
		return heads;
	memset(writing->at + writing->used, 0, cnt * WORD);
	writing->used += cnt * WORD;
	return heads;
}

static void put_number(struct writing *writing, struct heads *heads, uint64_t number)
{
	if (!writing->bad)
		u256_from_u64(writing->at + heads->at, number);
	heads->at += WORD;
}

static struct heads put_tuple(struct writing *writing, struct heads *heads, size_t cnt)
{
	put_number(writing, heads, writing->used - heads->base);
	return reserve(writing, cnt);
}

static struct heads put_array(struct writing *writing, struct heads *heads, size_t cnt)
{
	struct heads length = put_tuple(writing, heads, 1);

	put_number(writing, &length, cnt);
	return reserve(writing, cnt);
}

/* The bytes may lie where they belong already. */
static void put_bytes(struct writing *writing, struct heads *length, struct span text)
{
	size_t padded = (text.bytes + WORD - 1) / WORD * WORD;

	put_number(writing, length, text.bytes);
	writing->bad |= padded > writing->bytes - writing->used;
	if (writing->bad || text.bytes == 0)
		return;
	memmove(writing->at + writing->used, text.at, text.bytes);
	memset(writing->at + writing->used + text.bytes, 0, padded - text.bytes);
	writing->used += padded;
}

static void put_text(struct writing *writing, struct heads *heads, struct span text)
{
	struct heads length = put_tuple(writing, heads, 1);

	put_bytes(writing, &length, text);
}

/* A JSON string without its escapes; one that is absent is empty. */
static void put_string(struct writing *writing, struct heads *heads, const struct json_value *value)
{
	struct heads length = put_tuple(writing, heads, 1);
	struct span text = SPAN("");

	if (value->type != JSON_NONE)
		writing->bad |= !json_text(value, &text, writing->at + writing->used, writing->bytes - writing->used);
	put_bytes(writing, &length, writing->bad ? SPAN("") : text);
}

/* --- the body --- */

/* False: no good object, or a member with another name, which would be lost on the way. */
static bool take_members(struct json_value values[], const struct span names[], size_t cnt, struct span object)
{
	struct json_value name;
	struct json json;

	json_init(&json, object, JSON_NESTING_MAX, JSON_STRICT);
	if (!json_enter(&json, JSON_OBJECT))
		return false;
	while (json_next(&json, &name)) {
		size_t i = 0;

		while (i < cnt && !json_equals(&name, names[i]))
			i++;
		if (i == cnt || !json_read(&json, &values[i]))
			return false;
	}
	return json_end(&json);
}

/* The members of an object by their place in `names`; what is not there is of type JSON_NONE, as all are of what is bad. */
static void read_members(struct writing *writing, struct json_value values[], const struct span names[], size_t cnt,
			 const struct json_value *object)
{
	memset(values, 0, cnt * sizeof *values);
	if (take_members(values, names, cnt, object->text))
		return;
	writing->bad = true;
	memset(values, 0, cnt * sizeof *values);
}

/* An array's elements by way of `put`, or only their count.  Absent: none. */
static size_t each(struct writing *writing, struct heads *heads, const struct json_value *list,
		   void (*put)(struct writing *, struct heads *, const struct json_value *))
{
	struct json_value element;
	struct json json;
	size_t cnt = 0;

	if (list->type == JSON_NONE)
		return 0;
	json_init(&json, list->text, JSON_NESTING_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_ARRAY)) {
		writing->bad = true;
		return 0;
	}
	for (; json_element(&json); cnt++)
		if (put != NULL && json_read(&json, &element))
			put(writing, heads, &element);
	return cnt;
}

static void put_list(struct writing *writing, struct heads *heads, const struct json_value *list,
		     void (*put)(struct writing *, struct heads *, const struct json_value *))
{
	struct heads array = put_array(writing, heads, each(writing, heads, list, NULL));

	each(writing, &array, list, put);
}

/* {"type":"function","function":{...}}, perhaps with an id: what tools and calls are wrapped in. */
static void read_function(struct writing *writing, struct json_value *id, struct json_value values[],
			  const struct span names[], size_t cnt, const struct json_value *object)
{
	static const struct span outside[] = {SPAN("type"), SPAN("function"), SPAN("id")};
	struct json_value around[3];

	read_members(writing, around, outside, id != NULL ? 3 : 2, object);
	writing->bad |= !json_equals(&around[0], SPAN("function"));
	read_members(writing, values, names, cnt, &around[1]);
	if (id != NULL)
		*id = around[2];
}

static void put_call(struct writing *writing, struct heads *heads, const struct json_value *object)
{
	static const struct span names[] = {SPAN("name"), SPAN("arguments")};
	struct heads call = put_tuple(writing, heads, 3);
	struct json_value id, values[2];

	read_function(writing, &id, values, names, 2, object);
	put_string(writing, &call, &id);
	put_string(writing, &call, &values[0]);
	put_string(writing, &call, &values[1]);
}

static void put_message(struct writing *writing, struct heads *heads, const struct json_value *object)
{
	static const struct span names[] = {
		SPAN("role"), SPAN("content"), SPAN("name"), SPAN("tool_call_id"), SPAN("tool_calls"),
	};
	struct heads message = put_tuple(writing, heads, 5);
	struct json_value values[5];

	read_members(writing, values, names, 5, object);
	if (values[1].type == JSON_NULL)
		values[1].type = JSON_NONE;
	for (unsigned i = 0; i < 4; i++)
		put_string(writing, &message, &values[i]);
	put_list(writing, &message, &values[4], put_call);
}

static void put_tool(struct writing *writing, struct heads *heads, const struct json_value *object)
{
	static const struct span names[] = {SPAN("description"), SPAN("name"), SPAN("parameters")};
	struct heads tool = put_tuple(writing, heads, 3);
	struct json_value values[3];

	read_function(writing, NULL, values, names, 3, object);
	put_string(writing, &tool, &values[0]);
	put_string(writing, &tool, &values[1]);
	put_text(writing, &tool, values[2].type == JSON_NONE ? SPAN("{}") : values[2].text);
}

/* At most 1, with at most two digits behind the point. */
static uint64_t hundredths(struct writing *writing, const struct json_value *value)
{
	uint64_t number = 0, digits = 0;
	bool behind = false;

	if (value->type == JSON_NONE)
		return 100;
	for (size_t i = 0; i < value->text.bytes && number <= 100; i++) {
		uint8_t byte = value->text.at[i];

		if (byte == '.' && !behind) {
			behind = true;
			continue;
		}
		writing->bad |= byte < '0' || byte > '9';
		number = number * 10 + byte - '0';
		digits += behind;
	}
	writing->bad |= value->type != JSON_NUMBER || digits > 2;
	for (; digits < 2; digits++)
		number *= 10;
	writing->bad |= number > 100;
	return number;
}

static uint64_t max_tokens(struct writing *writing, const struct json_value *value)
{
	uint64_t number = 0; /* not said; so nobody may say 0 */

	if (value->type != JSON_NONE)
		writing->bad |= !json_u64(value, &number) || number == 0 || number > UINT32_MAX;
	return number;
}

static void put_limits(struct writing *writing, struct heads *heads, const struct json_value values[3])
{
	put_number(writing, heads, max_tokens(writing, &values[0]));
	if (values[1].type == JSON_STRING) {
		struct heads array = put_array(writing, heads, 1);
		put_string(writing, &array, &values[1]);
	} else {
		put_list(writing, heads, &values[1], put_string);
	}
	put_number(writing, heads, hundredths(writing, &values[2]));
}

/* --- the two calls --- */

static void put_completion(struct writing *writing, bool tee, const struct json_value *body, struct heads *arguments)
{
	static const struct span names[] = {
		SPAN("model"), SPAN("prompt"), SPAN("max_tokens"), SPAN("stop"), SPAN("temperature"), SPAN("stream"),
	};
	struct heads request = put_tuple(writing, arguments, CALLDATA_COMPLETION_FIELDS);
	struct json_value values[6];

	read_members(writing, values, names, 6, body);
	put_number(writing, &request, tee);
	put_string(writing, &request, &values[0]);
	put_string(writing, &request, &values[1]);
	put_limits(writing, &request, values + 2);
}

static void put_chat(struct writing *writing, bool tee, const struct json_value *body, struct heads *arguments)
{
	static const struct span names[] = {
		SPAN("model"),	    SPAN("messages"), SPAN("tools"),	   SPAN("tool_choice"),
		SPAN("max_tokens"), SPAN("stop"),     SPAN("temperature"), SPAN("stream"),
	};
	struct heads request = put_tuple(writing, arguments, CALLDATA_CHAT_FIELDS);
	struct json_value values[8];

	read_members(writing, values, names, 8, body);
	put_number(writing, &request, tee);
	put_string(writing, &request, &values[0]);
	put_list(writing, &request, &values[1], put_message);
	put_list(writing, &request, &values[2], put_tool);
	put_string(writing, &request, &values[3]);
	put_limits(writing, &request, values + 4);
}

size_t calldata_write(uint8_t *out, size_t out_bytes, enum calldata_call call, bool tee, struct span body)
{
	uint32_t selector = call == CALLDATA_CHAT ? CALLDATA_SELECTOR_CHAT : CALLDATA_SELECTOR_COMPLETION;
	struct json_value object = {.text = body};

	if (out_bytes < 4)
		return 0;
	struct writing writing = {.at = out + 4, .bytes = out_bytes - 4};
	for (unsigned i = 0; i < 4; i++)
		out[i] = (uint8_t)(selector >> (24 - 8 * i));
	struct heads arguments = reserve(&writing, 1);
	if (call == CALLDATA_CHAT)
		put_chat(&writing, tee, &object, &arguments);
	else
		put_completion(&writing, tee, &object, &arguments);
	return writing.bad ? 0 : 4 + writing.used;
}
