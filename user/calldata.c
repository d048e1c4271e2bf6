// SPDX-License-Identifier: Apache-2.0
/* calldata.c: the reader of calldata.h; the writer is calldata_write.c. */
#include "calldata.h"

#include "base/json.h"
#include "base/u256.h"
#include "base/utf8.h"
#include "limits.h"

#define WORD 32u

/* --- the ABI --- */

/* What is read, and the body that is written on the way.  Heads lie in the order of the fields and tails in the order of the
 * heads, so all of it is read once, from the first byte to the last; the first thing that is wrong makes all further
 * reads empty. */
struct reading {
	struct span words; /* all behind the selector */
	size_t next;	   /* where the next tail must begin */
	bool bad;
	struct json_writer body;
};

/* The heads of a tuple or an array. */
struct heads {
	size_t base; /* what its offsets count from */
	size_t at;   /* the next one */
};

static size_t left(const struct reading *reading)
{
	return reading->words.bytes - reading->next;
}

static struct heads enter(struct reading *reading, size_t cnt)
{
	struct heads heads = {reading->next, reading->next};

	reading->bad |= cnt > left(reading) / WORD;
	if (!reading->bad)
		reading->next += cnt * WORD;
	return heads;
}

static uint64_t take_number(struct reading *reading, struct heads *heads, uint64_t most)
{
	uint64_t number = 0;

	if (reading->bad)
		return 0;
	reading->bad = !u256_to_u64(&number, reading->words.at + heads->at) || number > most;
	heads->at += WORD;
	return reading->bad ? 0 : number;
}

/* Where the tail is: nowhere else than where it must be. */
static void take_offset(struct reading *reading, struct heads *heads)
{
	uint64_t offset = take_number(reading, heads, UINT64_MAX);

	reading->bad |= offset != reading->next - heads->base;
}

static struct heads take_tuple(struct reading *reading, struct heads *heads, size_t cnt)
{
	take_offset(reading, heads);
	return enter(reading, cnt);
}

/* Of anything that has offsets: the count is at most that of the words that are left. */
static struct heads take_array(struct reading *reading, struct heads *heads, size_t *cnt)
{
	struct heads length = take_tuple(reading, heads, 1);

	*cnt = (size_t)take_number(reading, &length, left(reading) / WORD);
	return enter(reading, *cnt);
}

static bool is_text(struct span text)
{
	const uint8_t *at = text.at, *end = text.at + text.bytes;

	while (at != NULL && at < end && *at != 0)
		at = *at < 0x80 ? at + 1 : utf8_end(at, end);
	return at == end;
}

static bool is_zero(const uint8_t *at, size_t bytes)
{
	uint8_t any = 0;

	for (size_t i = 0; i < bytes; i++)
		any |= at[i];
	return any == 0;
}

static struct span take_string(struct reading *reading, struct heads *heads)
{
	struct heads length = take_tuple(reading, heads, 1);
	size_t bytes = (size_t)take_number(reading, &length, left(reading));
	size_t padded = (bytes + WORD - 1) / WORD * WORD;
	struct span text = span_of(reading->words.at + reading->next, bytes);

	reading->bad |= padded > left(reading) || !is_zero(text.at + bytes, padded - bytes) || !is_text(text);
	if (reading->bad)
		return SPAN("");
	reading->next += padded;
	return text;
}

/* --- members of the body, each with its name in front; an empty optional one is left out --- */

static void put_string(struct reading *reading, struct heads *heads, const char *name)
{
	json_write(&reading->body, name);
	json_write_string(&reading->body, take_string(reading, heads));
}

static void put_optional(struct reading *reading, struct heads *heads, const char *name)
{
	struct span text = take_string(reading, heads);

	if (text.bytes == 0)
		return;
	json_write(&reading->body, name);
	json_write_string(&reading->body, text);
}

/* Returns how many there were. */
static size_t put_array(struct reading *reading, struct heads *heads, const char *name,
			void (*put)(struct reading *, struct heads *))
{
	size_t cnt;
	struct heads array = take_array(reading, heads, &cnt);

	if (cnt == 0)
		return 0;
	json_write(&reading->body, name);
	for (size_t i = 0; i < cnt && !reading->bad && !reading->body.full; i++) {
		json_write(&reading->body, i == 0 ? "[" : ",");
		put(reading, &array);
	}
	json_write(&reading->body, "]");
	return cnt;
}

static bool is_one_of(struct span text, const struct span words[], size_t cnt)
{
	size_t i = 0;

	while (i < cnt && !span_equal(text, words[i]))
		i++;
	return i < cnt;
}

/* A name that stands in JSON as it is: what openai_request() takes and price and payer lists are compared with. */
static void put_model(struct reading *reading, struct heads *heads)
{
	struct span model = take_string(reading, heads);

	reading->bad |= model.bytes == 0;
	for (size_t i = 0; i < model.bytes; i++)
		reading->bad |= model.at[i] < 0x20 || model.at[i] == 0x7f || model.at[i] == '"' || model.at[i] == '\\';
	json_write(&reading->body, "{\"model\":");
	json_write_string(&reading->body, model);
}

static void put_call(struct reading *reading, struct heads *heads)
{
	struct heads call = take_tuple(reading, heads, 3);

	put_string(reading, &call, "{\"id\":");
	put_string(reading, &call, ",\"type\":\"function\",\"function\":{\"name\":");
	put_string(reading, &call, ",\"arguments\":");
	json_write(&reading->body, "}}");
}

static void put_message(struct reading *reading, struct heads *heads)
{
	static const struct span roles[] = {
		SPAN("system"), SPAN("developer"), SPAN("user"), SPAN("assistant"), SPAN("tool"),
	};
	struct heads message = take_tuple(reading, heads, 5);
	struct span role = take_string(reading, &message);

	reading->bad |= !is_one_of(role, roles, sizeof roles / sizeof *roles);
	json_write(&reading->body, "{\"role\":");
	json_write_string(&reading->body, role);
	put_string(reading, &message, ",\"content\":");
	put_optional(reading, &message, ",\"name\":");
	put_optional(reading, &message, ",\"tool_call_id\":");
	if (put_array(reading, &message, ",\"tool_calls\":", put_call) > 0)
		reading->bad |= !span_equal(role, SPAN("assistant"));
	json_write(&reading->body, "}");
}

static bool is_object(struct span text)
{
	struct json_value value;
	struct json json;

	json_init(&json, text, JSON_DEPTH_MAX, JSON_STRICT);
	return json_read(&json, &value) && value.type == JSON_OBJECT && value.text.bytes == text.bytes &&
	       json_end(&json);
}

static void put_tool(struct reading *reading, struct heads *heads)
{
	struct heads tool = take_tuple(reading, heads, 3);
	struct span description = take_string(reading, &tool);

	put_string(reading, &tool, "{\"type\":\"function\",\"function\":{\"name\":");
	if (description.bytes > 0) {
		json_write(&reading->body, ",\"description\":");
		json_write_string(&reading->body, description);
	}
	struct span parameters = take_string(reading, &tool);
	reading->bad |= !is_object(parameters);
	json_write(&reading->body, ",\"parameters\":");
	json_write_span(&reading->body, parameters);
	json_write(&reading->body, "}}");
}

static void put_choice(struct reading *reading, struct heads *heads)
{
	static const struct span choices[] = {SPAN("none"), SPAN("auto"), SPAN("required")};
	struct span choice = take_string(reading, heads);

	if (choice.bytes == 0)
		return;
	reading->bad |= !is_one_of(choice, choices, sizeof choices / sizeof *choices);
	json_write(&reading->body, ",\"tool_choice\":");
	json_write_string(&reading->body, choice);
}

static void put_stop(struct reading *reading, struct heads *heads)
{
	put_string(reading, heads, "");
}

/* What both calls end with. */
static void put_limits(struct reading *reading, struct heads *heads)
{
	uint64_t max_tokens = take_number(reading, heads, UINT32_MAX);

	if (max_tokens > 0) {
		json_write(&reading->body, ",\"max_tokens\":");
		json_write_u64(&reading->body, max_tokens);
	}
	put_array(reading, heads, ",\"stop\":", put_stop);

	uint64_t hundredths = take_number(reading, heads, 100);
	json_write(&reading->body, hundredths == 100 ? ",\"temperature\":1"
				   : hundredths == 0 ? ",\"temperature\":0"
				   : hundredths < 10 ? ",\"temperature\":0.0"
						     : ",\"temperature\":0.");
	if (hundredths % 100 != 0)
		json_write_u64(&reading->body, hundredths % 10 == 0 ? hundredths / 10 : hundredths);
}

/* --- the two calls --- */

static void put_completion(struct reading *reading, struct heads *request)
{
	put_model(reading, request);
	put_string(reading, request, ",\"prompt\":");
	put_limits(reading, request);
}

static void put_chat(struct reading *reading, struct heads *request)
{
	put_model(reading, request);
	reading->bad |= put_array(reading, request, ",\"messages\":", put_message) == 0;
	put_array(reading, request, ",\"tools\":", put_tool);
	put_choice(reading, request);
	put_limits(reading, request);
}

static bool read_selector(enum calldata_call *call, struct span calldata)
{
	if (calldata.bytes < 4)
		return false;
	uint32_t selector = (uint32_t)calldata.at[0] << 24 | (uint32_t)calldata.at[1] << 16 |
			    (uint32_t)calldata.at[2] << 8 | calldata.at[3];
	*call = selector == CALLDATA_SELECTOR_CHAT ? CALLDATA_CHAT : CALLDATA_COMPLETION;
	return selector == CALLDATA_SELECTOR_CHAT || selector == CALLDATA_SELECTOR_COMPLETION;
}

enum reason calldata_read(enum calldata_call *call, bool *tee, uint8_t *out, size_t out_bytes, size_t *body_bytes,
			  struct span calldata, bool stream)
{
	struct reading reading = {.bad = false};

	if (!read_selector(call, calldata))
		return CALLDATA_BAD;
	reading.words = span_of(calldata.at + 4, calldata.bytes - 4);
	json_write_init(&reading.body, (char *)out, out_bytes);

	struct heads arguments = enter(&reading, 1);
	struct heads request = take_tuple(&reading, &arguments,
					  *call == CALLDATA_CHAT ? CALLDATA_CHAT_FIELDS : CALLDATA_COMPLETION_FIELDS);
	*tee = take_number(&reading, &request, 1) == 1;
	if (*call == CALLDATA_CHAT)
		put_chat(&reading, &request);
	else
		put_completion(&reading, &request);
	json_write(&reading.body, stream ? ",\"stream\":true}" : "}");

	*body_bytes = json_write_done(&reading.body);
	return reading.bad || left(&reading) > 0 || *body_bytes == 0 ? CALLDATA_BAD : REASON_OK;
}
