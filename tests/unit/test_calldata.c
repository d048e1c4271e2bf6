// SPDX-License-Identifier: Apache-2.0
#include "jansson_names.h"

#include "calldata.c"

#include "base/keccak.h"
#include "check.h"
#include <endian.h>
#include "guard.h"
#include "openai.h"
#include "request.h"
#include "vectors.h"

_Static_assert(CALLDATA_BODY_BYTES <= REQUEST_BODY_BYTES, "a native request needs no large buffer");

#define ROOM 65536

struct outcome {
	enum reason reason;
	enum calldata_call call;
	bool tee;
	size_t bytes;
	uint8_t body[ROOM];
};

static struct outcome got; /* the last one */

/* Where a page without access begins, with room before it: one for all, since there are many to read. */
static uint8_t *guarded_end(void)
{
	static const uint8_t zeros[ROOM];
	static struct guard guard;
	static uint8_t *end;

	if (end == NULL)
		end = (uint8_t *)guard_copy(&guard, zeros, sizeof zeros).at + sizeof zeros;
	return end;
}

static enum reason read_it(const uint8_t *at, size_t bytes, bool stream)
{
	uint8_t *copy = guarded_end() - bytes;

	memcpy(copy, at, bytes);
	got.reason =
		calldata_read(&got.call, &got.tee, got.body, sizeof got.body, &got.bytes, span_of(copy, bytes), stream);
	return got.reason;
}

/* What was read, written again: the same calldata to the byte, so nothing was lost and there is no other spelling of it. */
static bool is_only_spelling(const uint8_t *at, size_t bytes)
{
	static uint8_t again[ROOM];
	size_t again_bytes = calldata_write(again, sizeof again, got.call, got.tee, span_of(got.body, got.bytes));

	return again_bytes == bytes && memcmp(again, at, bytes) == 0;
}

/* A vector of viem's. */
struct example {
	size_t bytes;
	uint8_t calldata[8192];
	bool tee, stream;
	enum calldata_call call;
	struct span body; /* what the model server is to get, in JSON; ends with the vectors */
	char name[64];
};

static bool next_example(struct example *example, struct vectors *vectors)
{
	struct vector vector;

	if (!vectors_next(vectors, &vector))
		return false;
	struct span name = vector_text(&vector, "name");
	snprintf(example->name, sizeof example->name, "%.*s", (int)name.bytes, (const char *)name.at);
	example->bytes = vector_hex(example->calldata, sizeof example->calldata, &vector, "calldata");
	example->tee = vector_bool(&vector, "tee");
	example->stream = vector_bool(&vector, "stream");
	example->body = vector_text(&vector, "body");
	bool is_chat = span_equal(vector_text(&vector, "call"), SPAN("runLLMChat"));
	example->call = is_chat ? CALLDATA_CHAT : CALLDATA_COMPLETION;
	return true;
}

/* check: called with each. */
static void each_example(void (*check)(const struct example *))
{
	static struct example example;
	struct vectors vectors;
	size_t cnt = 0;

	vectors_open(&vectors, "tests/vectors/native.json", "calldata");
	for (; next_example(&example, &vectors); cnt++)
		check(&example);
	vectors_close(&vectors);
	CHECK(cnt >= 70);
}

TEST(selectors_are_the_hashes_of_the_signatures)
{
#define MESSAGES "(string,string,string,string,(string,string,string)[])[]"
	static const struct {
		uint32_t selector;
		const char *signature;
	} rows[] = {
		{CALLDATA_SELECTOR_COMPLETION, "runLLMCompletion((uint8,string,string,uint32,string[],uint32))"},
		{CALLDATA_SELECTOR_CHAT,
		 "runLLMChat((uint8,string," MESSAGES ",(string,string,string)[],string,uint32,string[],uint32))"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t hash[32];
		keccak256(hash, rows[i].signature, strlen(rows[i].signature));
		CHECK_ROW(be32toh(*(uint32_t *)hash) == rows[i].selector, rows[i].signature);
	}
}

static void check_body(const struct example *example)
{
	json_t *body = json_loadb((const char *)got.body, got.bytes, JSON_REJECT_DUPLICATES, NULL);
	json_t *want = json_loadb((const char *)example->body.at, example->body.bytes, 0, NULL);
	struct openai_request request;

	CHECK_ROW(body != NULL && json_equal(body, want), example->name);
	CHECK_ROW(got.body[got.bytes] == 0, example->name);
	CHECK_ROW(openai_request(&request, span_of(got.body, got.bytes)) == REASON_OK, example->name);
	CHECK_ROW(request.stream == example->stream && (request.insert.bytes > 0) == example->stream, example->name);
	const char *model = json_string_value(json_object_get(want, "model"));
	CHECK_ROW(span_equal(request.model, span_str(model)), example->name);
	json_decref(body);
	json_decref(want);
}

static void check_example(const struct example *example)
{
	CHECK_ROW(read_it(example->calldata, example->bytes, example->stream) == REASON_OK, example->name);
	CHECK_ROW(got.call == example->call && got.tee == example->tee, example->name);
	check_body(example);
	CHECK_ROW(is_only_spelling(example->calldata, example->bytes), example->name);
}

TEST(calls_of_another_encoder)
{
	each_example(check_example);
}

static void check_cut(const struct example *example)
{
	static uint8_t longer[sizeof example->calldata + WORD];

	/* what no datagram can carry, at every eleventh byte: it says the same more slowly */
	for (size_t bytes = 0; bytes<example->bytes; bytes += example->bytes> CALLDATA_BYTES_MAX ? 11 : 1)
		CHECK_ROW(read_it(example->calldata, bytes, false) == CALLDATA_BAD, example->name);
	memcpy(longer, example->calldata, example->bytes);
	for (size_t more = 1; more <= WORD; more++)
		CHECK_ROW(read_it(longer, example->bytes + more, false) == CALLDATA_BAD, example->name);
}

TEST(every_prefix_and_every_tail_is_refused)
{
	each_example(check_cut);
}

static void check_room(const struct example *example)
{
	enum calldata_call call;
	struct guard guard;
	size_t bytes;
	bool tee;

	CHECK_EQ(read_it(example->calldata, example->bytes, true), REASON_OK);
	CHECK_ROW(got.bytes < 6 * example->bytes, example->name);
	for (size_t room = 0; room <= got.bytes + 1; room += room < got.bytes - 2 ? 13 : 1) {
		struct span out = guard_copy(&guard, got.body, room);
		enum reason reason = calldata_read(&call, &tee, (uint8_t *)out.at, room, &bytes,
						   span_of(example->calldata, example->bytes), true);
		CHECK_ROW(reason == (room > got.bytes ? REASON_OK : CALLDATA_BAD), example->name);
		guard_free(&guard);
	}
}

TEST(a_body_that_does_not_fit_is_refused)
{
	each_example(check_room);
}

/* As many bytes that grow as a datagram can carry. */
TEST(the_longest_body_fits)
{
	static uint8_t calldata[CALLDATA_BYTES_MAX], out[CALLDATA_BODY_BYTES];
	static char body[8192];
	size_t room = 0, bytes, body_bytes;
	enum calldata_call call;
	bool tee;

	for (size_t cnt = 0;; cnt++, room = bytes) {
		size_t used = (size_t)snprintf(body, sizeof body, "{\"model\":\"m\",\"prompt\":\"");
		for (size_t i = 0; i < cnt; i++)
			used += (size_t)snprintf(body + used, sizeof body - used, "\\u0001");
		used += (size_t)snprintf(body + used, sizeof body - used, "\",\"max_tokens\":4294967295}");
		bytes = calldata_write(calldata, sizeof calldata, CALLDATA_COMPLETION, true, span_of(body, used));
		if (bytes == 0)
			break;
		CHECK_EQ(calldata_read(&call, &tee, out, sizeof out, &body_bytes, span_of(calldata, bytes), true),
			 REASON_OK);
		CHECK(body_bytes > 6 * cnt && tee);
	}
	CHECK(room > CALLDATA_BYTES_MAX - WORD);
}

/* Each byte changed: refused, or it means something else and is that meaning's only spelling. */
static void check_changes(const struct example *example)
{
	static const uint8_t changes[] = {0x01, 0x20, 0x80, 0xff};
	static uint8_t changed[sizeof example->calldata];

	if (example->bytes > CALLDATA_BYTES_MAX)
		return;
	memcpy(changed, example->calldata, example->bytes);
	for (size_t i = 0; i < example->bytes; i++) {
		for (size_t k = 0; k < sizeof changes; k++) {
			changed[i] = example->calldata[i] ^ changes[k];
			if (read_it(changed, example->bytes, false) == REASON_OK)
				CHECK_ROW(is_only_spelling(changed, example->bytes), example->name);
		}
		changed[i] = example->calldata[i];
	}
}

TEST(changed_bytes)
{
	each_example(check_changes);
}

/* No word may be any of these: as an offset or a count they are far outside, and as text they have a zero byte or are not UTF-8. */
static void check_bombs(const struct example *example)
{
	static const struct word bombs[] = {
		{.at = {[0] = 0x80, [31] = 1}},					 /* 2^255 + 1 */
		{.at = {[23] = 1}},						 /* 2^64 */
		{.at = {[24] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, /* 2^64 - 1 */
		{.at = {[24] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xe0}}, /* 2^64 - 32 */
		{.at = {[24] = 0x80}},						 /* 2^63 */
		{.at = {[27] = 1}},						 /* 2^32 */
	};
	static uint8_t changed[sizeof example->calldata];

	memcpy(changed, example->calldata, example->bytes);
	for (size_t at = 4; at < example->bytes; at += WORD) {
		for (size_t k = 0; k < sizeof bombs / sizeof *bombs; k++) {
			memcpy(changed + at, &bombs[k], WORD);
			CHECK_ROW(read_it(changed, example->bytes, false) == CALLDATA_BAD, example->name);
		}
		memcpy(changed + at, example->calldata + at, WORD);
	}
}

TEST(no_word_may_be_huge)
{
	each_example(check_bombs);
}

/* Every offset, at any word boundary but its own: backward, forward, onto itself, onto another's tail. */
static void check_offsets(const struct example *example)
{
	static uint8_t changed[sizeof example->calldata];

	if (example->bytes > CALLDATA_BYTES_MAX)
		return;
	for (size_t at = 4; at < example->bytes; at += WORD) {
		memcpy(changed, example->calldata, example->bytes);
		for (size_t offset = 0; offset <= example->bytes; offset += WORD) {
			u256_from_u64(changed + at, offset);
			if (memcmp(changed, example->calldata, example->bytes) != 0 &&
			    read_it(changed, example->bytes, false) == REASON_OK)
				CHECK_ROW(is_only_spelling(changed, example->bytes), example->name);
		}
	}
}

TEST(offsets_lead_nowhere_else)
{
	each_example(check_offsets);
}

#define MANY 100000

static char *many_messages(size_t cnt, size_t *bytes)
{
	static const char one[] = "{\"role\":\"user\",\"content\":\"\"},";
	char *body = malloc(64 + cnt * sizeof one);

	CHECK_NEED(body != NULL);
	*bytes = (size_t)sprintf(body, "{\"model\":\"m\",\"messages\":[");
	for (size_t i = 0; i < cnt; i++, *bytes += sizeof one - 1)
		memcpy(body + *bytes, one, sizeof one - 1);
	*bytes += (size_t)sprintf(body + *bytes - 1, "]}") - 1;
	return body;
}

TEST(a_hundred_thousand_messages)
{
	size_t room = MANY * 12 * WORD + 1024, body_bytes, calldata_bytes, out_bytes = (size_t)MANY * 64;
	uint8_t *calldata = malloc(room), *out = malloc(out_bytes);
	char *body = many_messages(MANY, &body_bytes);
	enum calldata_call call;
	bool tee;

	CHECK_NEED(calldata != NULL && out != NULL);
	calldata_bytes = calldata_write(calldata, room, CALLDATA_CHAT, false, span_of(body, body_bytes));
	struct span all = span_of(calldata, calldata_bytes);
	CHECK(calldata_bytes > MANY * 12 * WORD);
	CHECK_EQ(calldata_read(&call, &tee, out, out_bytes, &body_bytes, all, false), REASON_OK);
	CHECK_EQ(calldata_read(&call, &tee, out, CALLDATA_BODY_BYTES, &body_bytes, all, false), CALLDATA_BAD);
	/* the count alone, and one message for all of them */
	size_t count_at = 4 + WORD + CALLDATA_CHAT_FIELDS * WORD + 2 * WORD;
	CHECK_EQ(calldata_read(&call, &tee, out, out_bytes, &body_bytes, span_of(calldata, count_at + WORD), false),
		 CALLDATA_BAD);
	for (size_t i = 1; i < MANY; i++)
		memcpy(calldata + count_at + WORD + i * WORD, calldata + count_at + WORD, WORD);
	CHECK_EQ(calldata_read(&call, &tee, out, out_bytes, &body_bytes, all, false), CALLDATA_BAD);
	free(calldata);
	free(out);
	free(body);
}

#define CHAT(messages) "{'model':'m','messages':" messages
#define HELLO CHAT("[{'role':'user','content':'hello'}]")
#define TOOL(parameters) HELLO ",'tools':[{'type':'function','function':{'name':'f','parameters':" parameters "}}]}"

TEST(values)
{
	static const struct {
		const char *body; /* with ' for " */
		bool good;
	} rows[] = {
		{HELLO "}", true},
		{CHAT("[]") "}", false},
		{CHAT("[{'role':'system','content':''}]") "}", true},
		{CHAT("[{'role':'developer','content':''}]") "}", true},
		{CHAT("[{'role':'assistant','content':''}]") "}", true},
		{CHAT("[{'role':'tool','content':'','tool_call_id':'1'}]") "}", true},
		{CHAT("[{'role':'function','content':''}]") "}", false},
		{CHAT("[{'role':'User','content':''}]") "}", false},
		{CHAT("[{'role':'user ','content':''}]") "}", false},
		{CHAT("[{'role':'','content':''}]") "}", false},
		{CHAT("[{'role':'user','content':'a\\u0000b'}]") "}", false},
		{CHAT("[{'role':'user','content':'\\u0000'}]") "}", false},
		{CHAT("[{'role':'user','content':'\\u0001\\ud83d\\ude00'}]") "}", true},
		{CHAT("[{'role':'assistant','content':'','tool_calls':[{'id':'1','type':'function','function':"
		      "{'name':'f','arguments':'not json'}}]}]") "}",
		 true},
		{CHAT("[{'role':'user','content':'','tool_calls':[{'id':'1','type':'function','function':"
		      "{'name':'f','arguments':'{}'}}]}]") "}",
		 false},
		{"{'model':'','messages':[{'role':'user','content':''}]}", false},
		{"{'messages':[{'role':'user','content':''}]}", false},
		{"{'model':'a\\u0022b','messages':[{'role':'user','content':''}]}", false},
		{"{'model':'a\\\\b','messages':[{'role':'user','content':''}]}", false},
		{"{'model':'a\\nb','messages':[{'role':'user','content':''}]}", false},
		{"{'model':'a\\u007fb','messages':[{'role':'user','content':''}]}", false},
		{"{'model':'a/b:c d\xc3\xa9','messages':[{'role':'user','content':''}]}", true},
		{HELLO ",'tool_choice':'none'}", true},
		{HELLO ",'tool_choice':'auto'}", true},
		{HELLO ",'tool_choice':'required'}", true},
		{HELLO ",'tool_choice':'any'}", false},
		{HELLO ",'tool_choice':'AUTO'}", false},
		{TOOL("{}"), true},
		{TOOL("{'a':{'b':[1,2.5e3,null]}}"), true},
		{TOOL("[]"), false},
		{TOOL("null"), false},
		{TOOL("'{}'"), false},
		{TOOL("{'a':[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}"), true},	 /* 16 deep */
		{TOOL("{'a':[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}"), false}, /* 17 */
		{HELLO ",'max_tokens':1,'stop':['a',''],'temperature':0.5}", true},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		static uint8_t calldata[ROOM];
		char body[1024];
		snprintf(body, sizeof body, "%s", rows[i].body);
		for (char *at = body; (at = strchr(at, '\'')) != NULL;)
			*at = '"';
		size_t bytes = calldata_write(calldata, sizeof calldata, CALLDATA_CHAT, false, span_str(body));
		CHECK_ROW(bytes > 0, rows[i].body);
		CHECK_ROW(read_it(calldata, bytes, false) == (rows[i].good ? REASON_OK : CALLDATA_BAD), rows[i].body);
		CHECK_ROW(!rows[i].good || is_only_spelling(calldata, bytes), rows[i].body);
	}
}

/* Where the numbers of a completion are, and what they may be. */
TEST(numbers_at_both_sides_of_their_bounds)
{
	enum { MODE = 0, MAX_TOKENS = 3, TEMPERATURE = 5 };
	static const struct {
		unsigned field;
		uint64_t number;
		bool good;
	} rows[] = {
		{MODE, 0, true},
		{MODE, 1, true},
		{MODE, 2, false},
		{MODE, 256, false},
		{MAX_TOKENS, 0, true},
		{MAX_TOKENS, 1, true},
		{MAX_TOKENS, UINT32_MAX, true},
		{MAX_TOKENS, UINT64_C(1) << 32, false},
		{TEMPERATURE, 0, true},
		{TEMPERATURE, 100, true},
		{TEMPERATURE, 101, false},
		{TEMPERATURE, UINT64_C(1) << 32, false},
	};
	uint8_t calldata[1024];
	size_t bytes = calldata_write(calldata, sizeof calldata, CALLDATA_COMPLETION, false,
				      SPAN("{\"model\":\"m\",\"prompt\":\"p\"}"));

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t *word = calldata + 4 + WORD + rows[i].field * WORD, was[WORD];
		memcpy(was, word, WORD);
		u256_from_u64(word, rows[i].number);
		CHECK_EQ(read_it(calldata, bytes, false), rows[i].good ? REASON_OK : CALLDATA_BAD);
		CHECK(!rows[i].good || is_only_spelling(calldata, bytes));
		word[0] = 1; /* 2^248 more */
		CHECK_EQ(read_it(calldata, bytes, false), CALLDATA_BAD);
		memcpy(word, was, WORD);
	}
}

/* Parameters are copied as they stand: white space around them would be another spelling. */
TEST(parameters_and_text_as_bytes)
{
	static const struct {
		const char *was, *is;
	} rows[] = {
		{"{\"a\":10}", "{\"a\":1} "}, {"{\"a\":10}", " {\"a\":1}"},	 {"{\"a\":10}", "{\"a\":01}"},
		{"{\"a\":10}", "{\"a\":1}}"}, {"{\"a\":10}", "{\"a\":\"\xff\""}, {"hello", "hel\xc3o"},
		{"hello", "hell\xc3"},	      {"hello", "\xed\xa0\x80lo"},	 {"hello", "\xc0\x80llo"},
	};
	static const char body[] =
		"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}],\"tools\":"
		"[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"a\":10}}}]}";
	uint8_t calldata[2048];
	size_t bytes = calldata_write(calldata, sizeof calldata, CALLDATA_CHAT, false, SPAN(body));

	CHECK_EQ(read_it(calldata, bytes, false), REASON_OK);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t *at = memmem(calldata, bytes, rows[i].was, strlen(rows[i].was));
		CHECK_NEED(at != NULL && strlen(rows[i].is) == strlen(rows[i].was));
		memcpy(at, rows[i].is, strlen(rows[i].is));
		CHECK_ROW(read_it(calldata, bytes, false) == CALLDATA_BAD, rows[i].is);
		memcpy(at, rows[i].was, strlen(rows[i].was));
	}
}

TEST(temperatures_are_written_as_people_do)
{
	static const struct {
		unsigned hundredths;
		const char *text;
	} rows[] = {{0, "0}"}, {1, "0.01}"}, {10, "0.1}"}, {25, "0.25}"}, {70, "0.7}"}, {99, "0.99}"}, {100, "1}"}};
	uint8_t calldata[1024];
	size_t bytes = calldata_write(calldata, sizeof calldata, CALLDATA_COMPLETION, false,
				      SPAN("{\"model\":\"m\",\"prompt\":\"p\"}"));

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		u256_from_u64(calldata + 4 + 6 * WORD, rows[i].hundredths);
		CHECK_EQ(read_it(calldata, bytes, false), REASON_OK);
		const char *at = strstr((const char *)got.body, "\"temperature\":");
		CHECK_ROW(at != NULL && strcmp(at + 14, rows[i].text) == 0, rows[i].text);
	}
}

TEST(other_selectors)
{
	uint8_t calldata[1024];
	size_t bytes = calldata_write(calldata, sizeof calldata, CALLDATA_COMPLETION, false,
				      SPAN("{\"model\":\"m\",\"prompt\":\"p\"}"));

	for (unsigned bit = 0; bit < 32; bit++) {
		calldata[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK_EQ(read_it(calldata, bytes, false), CALLDATA_BAD);
		calldata[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (unsigned i = 0; i < 4; i++) /* a completion's words are no chat */
		calldata[i] = (uint8_t)(CALLDATA_SELECTOR_CHAT >> (24 - 8 * i));
	CHECK_EQ(read_it(calldata, bytes, false), CALLDATA_BAD);
}

CHECK_MAIN
