// SPDX-License-Identifier: Apache-2.0
#include "base/json.c"

#include "check.h"
#include "guard.h"
#include "jansson_oracle.h"
#include "random.h"

static enum json_error check_text(struct span text, unsigned depth_max, enum json_mode mode)
{
	struct json json;

	json_init(&json, text, depth_max, mode);
	CHECK(json_end(&json) == (json.error == JSON_OK));
	return json.error;
}

TEST(syntax_table)
{
	static const struct {
		const char *text;
		enum json_error error;
	} rows[] = {
		/* good */
		{"{}", JSON_OK},
		{"[]", JSON_OK},
		{" \t\r\n{ } \n", JSON_OK},
		{"0", JSON_OK},
		{"-0", JSON_OK},
		{"-1.5e+10", JSON_OK},
		{"1E9", JSON_OK},
		{"0.0e-0", JSON_OK},
		{"true", JSON_OK},
		{"false", JSON_OK},
		{"null", JSON_OK},
		{"\"\"", JSON_OK},
		{"[1,[2,{\"a\":[]}],{}]", JSON_OK},
		{"{\"a\":1,\"b\":{\"a\":2}}", JSON_OK},
		{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\ude00\"", JSON_OK},
		{"\"\\u0000\"", JSON_OK},
		{"\"\x7f\"", JSON_OK},
		{"\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbf\xbf \xf4\x8f\xbf\xbf\"", JSON_OK},
		{"{\"\":0}", JSON_OK},
		/* not JSON */
		{"", JSON_SYNTAX},
		{" ", JSON_SYNTAX},
		{"{", JSON_SYNTAX},
		{"}", JSON_SYNTAX},
		{"[", JSON_SYNTAX},
		{"[}", JSON_SYNTAX},
		{"{]", JSON_SYNTAX},
		{"[1,]", JSON_SYNTAX},
		{"[,1]", JSON_SYNTAX},
		{"[1 2]", JSON_SYNTAX},
		{"[1,,2]", JSON_SYNTAX},
		{"{\"a\"}", JSON_SYNTAX},
		{"{\"a\":}", JSON_SYNTAX},
		{"{\"a\":1,}", JSON_SYNTAX},
		{"{,}", JSON_SYNTAX},
		{"{a:1}", JSON_SYNTAX},
		{"{'a':1}", JSON_SYNTAX},
		{"{1:1}", JSON_SYNTAX},
		{"{\"a\" 1}", JSON_SYNTAX},
		{"{\"a\":1 \"b\":2}", JSON_SYNTAX},
		{"{\"a\"::1}", JSON_SYNTAX},
		{"{null:1}", JSON_SYNTAX},
		/* after the value */
		{"{}{}", JSON_SYNTAX},
		{"{},", JSON_SYNTAX},
		{"1 1", JSON_SYNTAX},
		{"{} x", JSON_SYNTAX},
		{"[]]", JSON_SYNTAX},
		{"null0", JSON_SYNTAX},
		{"truefalse", JSON_SYNTAX},
		/* numbers */
		{"01", JSON_SYNTAX},
		{"-", JSON_SYNTAX},
		{"+1", JSON_SYNTAX},
		{".5", JSON_SYNTAX},
		{"1.", JSON_SYNTAX},
		{"1e", JSON_SYNTAX},
		{"1e+", JSON_SYNTAX},
		{"0x10", JSON_SYNTAX},
		{"1_0", JSON_SYNTAX},
		{"NaN", JSON_SYNTAX},
		{"Infinity", JSON_SYNTAX},
		{"-Infinity", JSON_SYNTAX},
		{"--1", JSON_SYNTAX},
		{"1.e1", JSON_SYNTAX},
		{"-a", JSON_SYNTAX},
		{"\xd9\xa1", JSON_SYNTAX},
		/* literals */
		{"True", JSON_SYNTAX},
		{"nul", JSON_SYNTAX},
		{"tru", JSON_SYNTAX},
		{"fals", JSON_SYNTAX},
		{"undefined", JSON_SYNTAX},
		/* other white space, comments, byte order marks */
		{"\x0b{}", JSON_SYNTAX},
		{"\x0c{}", JSON_SYNTAX},
		{"\xc2\xa0{}", JSON_SYNTAX},
		{"{}//", JSON_SYNTAX},
		{"/**/{}", JSON_SYNTAX},
		{"\xef\xbb\xbf{}", JSON_SYNTAX},
		{"\xff\xfe{\0}", JSON_SYNTAX},
		{"{}\xef\xbb\xbf", JSON_SYNTAX},
		/* strings */
		{"\"", JSON_SYNTAX},
		{"\"a", JSON_SYNTAX},
		{"\"a\n\"", JSON_SYNTAX},
		{"\"a\tb\"", JSON_SYNTAX},
		{"\"\\\"", JSON_SYNTAX},
		{"\"\\x41\"", JSON_SYNTAX},
		{"\"\\u12\"", JSON_SYNTAX},
		{"\"\\u12g4\"", JSON_SYNTAX},
		{"\"\\U0041\"", JSON_SYNTAX},
		{"\"\\'\"", JSON_SYNTAX},
		{"\"\\ud800\"", JSON_SYNTAX},
		{"\"\\udc00\"", JSON_SYNTAX},
		{"\"\\ud800\\ud800\"", JSON_SYNTAX},
		{"\"\\ud800\\u0041\"", JSON_SYNTAX},
		{"\"\\ud800x\"", JSON_SYNTAX},
		{"\"\\udc00\\ud800\"", JSON_SYNTAX},
		/* not UTF-8 */
		{"\"\x80\"", JSON_UTF8},
		{"\"\xff\"", JSON_UTF8},
		{"\"\xc0\x80\"", JSON_UTF8},
		{"\"\xc1\xbf\"", JSON_UTF8},
		{"\"\xc3\"", JSON_UTF8},
		{"\"\xc3(\"", JSON_UTF8},
		{"\"\xe0\x80\xaf\"", JSON_UTF8},
		{"\"\xe0\x9f\xbf\"", JSON_UTF8},
		{"\"\xed\xa0\x80\"", JSON_UTF8},
		{"\"\xe2\x82\"", JSON_UTF8},
		{"\"\xf0\x80\x80\x80\"", JSON_UTF8},
		{"\"\xf0\x8f\xbf\xbf\"", JSON_UTF8},
		{"\"\xf4\x90\x80\x80\"", JSON_UTF8},
		{"\"\xf5\x80\x80\x80\"", JSON_UTF8},
		{"\"\xf8\x88\x80\x80\x80\"", JSON_UTF8},
		{"{\"\xff\":1}", JSON_UTF8},
		/* a name twice, whatever it is written like */
		{"{\"a\":1,\"a\":1}", JSON_DUPLICATE},
		{"{\"from\":1,\"\\u0066rom\":1}", JSON_DUPLICATE},
		{"{\"\\u0066rom\":1,\"f\\u0072om\":1}", JSON_DUPLICATE},
		{"{\"/\":1,\"\\/\":1}", JSON_DUPLICATE},
		{"{\"\":1,\"\":1}", JSON_DUPLICATE},
		{"{\"\xc3\xa9\":1,\"\\u00e9\":1}", JSON_DUPLICATE},
		{"{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":1}", JSON_DUPLICATE},
		{"{\"x\":[{\"y\":{\"a\":1,\"b\":1,\"a\":1}}]}", JSON_DUPLICATE},
		{"{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":1}]}", JSON_OK},
		{"{\"a\":1,\"A\":1}", JSON_OK},
		{"{\"a\":1,\"a\\u0000\":1}", JSON_OK},
		{"{\"a\":{\"b\":1},\"b\":1}", JSON_OK},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct guard guard;
		struct span copy = guard_copy(&guard, rows[i].text, strlen(rows[i].text));
		CHECK_ROW(check_text(copy, 16, JSON_STRICT) == rows[i].error, rows[i].text);
		guard_free(&guard);
	}
}

TEST(nul_bytes)
{
	CHECK_EQ(check_text(span_of("{}\0", 3), 16, JSON_STRICT), JSON_SYNTAX);
	CHECK_EQ(check_text(span_of("\0{}", 3), 16, JSON_STRICT), JSON_SYNTAX);
	CHECK_EQ(check_text(span_of("\"a\0b\"", 5), 16, JSON_STRICT), JSON_SYNTAX);
	CHECK_EQ(check_text(span_of("\"\\\0\"", 4), 16, JSON_STRICT), JSON_SYNTAX);
	CHECK_EQ(check_text(span_of(NULL, 0), 16, JSON_STRICT), JSON_SYNTAX);
}

TEST(depth_edges)
{
	for (unsigned depth = 1; depth <= JSON_NESTING_MAX; depth++) {
		char text[2 * JSON_NESTING_MAX + 16];
		for (unsigned object = 0; object < 2; object++) {
			size_t used = 0;
			for (unsigned i = 0; i < depth; i++)
				text[used++] = '[';
			if (object)
				text[used - 1] = '{';
			if (object)
				text[used++] = '}';
			for (unsigned i = object; i < depth; i++)
				text[used++] = ']';
			CHECK_EQ(check_text(span_of(text, used), depth, JSON_STRICT), JSON_OK);
			CHECK_EQ(check_text(span_of(text, used), depth - 1, JSON_STRICT), JSON_DEPTH);
		}
	}
}

TEST(a_million_brackets)
{
	static char deep[1000000];

	memset(deep, '[', sizeof(deep));
	CHECK_EQ(check_text(span_of(deep, sizeof(deep)), 16, JSON_STRICT), JSON_DEPTH);
}

/* {"0":0,"1":1,...} */
static size_t many_names(char *text, unsigned cnt)
{
	size_t used = 0;

	for (unsigned i = 0; i < cnt; i++)
		used += (size_t)sprintf(text + used, "%c\"%u\":%u", i == 0 ? '{' : ',', i, i);
	text[used++] = '}';
	return used;
}

TEST(name_count_edges)
{
	char text[4096], nested[8192];
	size_t bytes = many_names(text, JSON_NAMES_MAX);

	CHECK_EQ(check_text(span_of(text, bytes), 16, JSON_STRICT), JSON_OK);
	/* names of closed objects give their places back, those of open ones do not */
	size_t used = (size_t)sprintf(nested, "[%.*s,%.*s]", (int)bytes, text, (int)bytes, text);
	CHECK_EQ(check_text(span_of(nested, used), 16, JSON_STRICT), JSON_OK);
	used = (size_t)sprintf(nested, "{\"a\":%.*s}", (int)bytes, text);
	CHECK_EQ(check_text(span_of(nested, used), 16, JSON_STRICT), JSON_NAMES);
	bytes = many_names(text, JSON_NAMES_MAX + 1);
	CHECK_EQ(check_text(span_of(text, bytes), 16, JSON_STRICT), JSON_NAMES);
	CHECK_EQ(check_text(span_of(text, bytes), 16, JSON_ENTERED), JSON_OK);
}

TEST(entered_mode_checks_what_it_enters)
{
	struct json_value name = {0}, value = {0};
	struct json json;

	CHECK_EQ(check_text(SPAN("{\"a\":1,\"a\":2}"), 16, JSON_ENTERED), JSON_OK);
	json_init(&json, SPAN("{\"a\":{\"b\":1,\"b\":2},\"a\":2}"), 16, JSON_ENTERED);
	CHECK(json_enter(&json, JSON_OBJECT) && json_next(&json, &name) && json_read(&json, &value));
	CHECK(!json_next(&json, &name));
	CHECK_EQ(json.error, JSON_DUPLICATE);
	CHECK(!json_end(&json));
}

static const char walk_text[] = " { \"a\" : [ 1 , \"x\\u0041\" , { } ] , \"skipped\":{\"deep\":[[]]}, "
				"\"\\u0062\":{\"c\":true,\"d\":null},\"e\":12 } ";

TEST(walk)
{
	struct json_value name = {0}, value = {0};
	struct json json;
	struct guard guard;
	struct span text = guard_copy(&guard, walk_text, sizeof(walk_text) - 1), string;
	uint64_t number;
	bool truth;
	uint8_t buffer[2];

	json_init(&json, text, 16, JSON_STRICT);
	CHECK(!json_enter(&json, JSON_ARRAY));
	CHECK(json_enter(&json, JSON_OBJECT));
	CHECK(!json_enter(&json, JSON_OBJECT));
	CHECK(json_next(&json, &name) && json_equals(&name, SPAN("a")) && json_enter(&json, JSON_ARRAY));
	CHECK(json_element(&json) && json_read(&json, &value) && json_u64(&value, &number) && number == 1);
	CHECK(json_element(&json) && json_read(&json, &value) && json_equals(&value, SPAN("xA")));
	CHECK(!json_equals(&value, SPAN("x")) && !json_equals(&value, SPAN("xAA")) && !json_equals(&value, SPAN("")));
	CHECK(span_equal(value.text, SPAN("\"x\\u0041\"")) && value.text.at == text.at + 15);
	CHECK(json_text(&value, &string, buffer, 2) && span_equal(string, SPAN("xA")));
	CHECK(!json_text(&value, &string, buffer, 1));
	CHECK(json_element(&json) && json_peek(&json) == JSON_OBJECT && json_read(&json, &value));
	CHECK(value.type == JSON_OBJECT && span_equal(value.text, SPAN("{ }")));
	CHECK(!json_element(&json));
	CHECK(json_next(&json, &name) && json_equals(&name, SPAN("skipped")));
	CHECK(json_next(&json, &name) && json_equals(&name, SPAN("b")) && json_enter(&json, JSON_OBJECT));
	CHECK(json_next(&json, &name) && json_equals(&name, SPAN("c")) && json_read(&json, &value));
	CHECK(json_bool(&value, &truth) && truth && !json_read(&json, &value));
	CHECK(json_next(&json, &name) && json_equals(&name, SPAN("d")) && json_read(&json, &value));
	CHECK(value.type == JSON_NULL && !json_bool(&value, &truth) && !json_next(&json, &name));
	CHECK(json_next(&json, &name) && json_equals(&name, SPAN("e")));
	CHECK(!json_next(&json, &name));
	CHECK(json_end(&json) && json_end(&json));
	guard_free(&guard);
}

TEST(left_halfway_is_still_checked)
{
	struct json_value name = {0};
	struct json json;

	json_init(&json, SPAN("{\"a\":[[1],2],\"b\":3}"), 16, JSON_STRICT);
	CHECK(json_enter(&json, JSON_OBJECT) && json_next(&json, &name) && json_enter(&json, JSON_ARRAY));
	CHECK(json_element(&json) && json_enter(&json, JSON_ARRAY));
	CHECK(json_end(&json));
	json_init(&json, SPAN("{\"a\":[[1],2],\"a\":3}"), 16, JSON_STRICT);
	CHECK(json_enter(&json, JSON_OBJECT) && json_next(&json, &name) && json_enter(&json, JSON_ARRAY));
	CHECK(!json_end(&json) && json.error == JSON_DUPLICATE);
	CHECK(!json_next(&json, &name) && !json_read(&json, &name) && json_peek(&json) == JSON_NONE);
}

TEST(every_prefix_is_refused)
{
	size_t whole = sizeof(walk_text) - 2; /* up to the last brace */

	for (size_t bytes = 0; bytes < whole; bytes++) {
		struct guard guard;
		struct span copy = guard_copy(&guard, walk_text, bytes);
		CHECK(check_text(copy, 16, JSON_STRICT) == JSON_SYNTAX);
		guard_free(&guard);
	}
	CHECK_EQ(check_text(span_of(walk_text, whole), 16, JSON_STRICT), JSON_OK);
}

TEST(numbers)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t number;
	} rows[] = {
		{"0", true, 0},
		{"18446744073709551615", true, UINT64_MAX},
		{"18446744073709551616", false, 0},
		{"-1", false, 0},
		{"-0", false, 0},
		{"1.0", false, 0},
		{"1e2", false, 0},
		{"99999999999999999999999", false, 0},
		{"\"1\"", false, 0},
		{"true", false, 0},
		{"300", true, 300},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct json_value value = {0};
		struct json json;
		uint64_t number;
		json_init(&json, span_str(rows[i].text), 1, JSON_STRICT);
		CHECK_ROW(json_read(&json, &value) && json_end(&json), rows[i].text);
		bool good = json_u64(&value, &number);
		CHECK_ROW(good == rows[i].good && (!good || number == rows[i].number), rows[i].text);
	}
}

/* --- against jansson --- */

static void random_json(char *text, size_t *used, unsigned depth)
{
	static const char *const scalars[] = {
		"0",
		"-12.5e3",
		"true",
		"false",
		"null",
		"\"\"",
		"\"plain ascii text\"",
		"\"0x1\"",
		"\"\\u0041\"",
		"\"\\ud83d\\ude00\"",
		"\"\xc3\xa9\"",
		"\"\\n\\\\\"",
		"1234567",
		"\"\xf0\x9f\x98\x80\"",
	};
	static const char *const names[] = {"a",  "b", "from",	   "\\u0066rom", "fro\\u006d",
					    "to", "",  "\xc3\xa9", "\\u00e9",	 "z"};
	size_t kind = depth == 0 ? 2 : random_below(4), cnt = random_below(5);

	if (kind >= 2) {
		*used += (size_t)sprintf(text + *used, "%s", scalars[random_below(sizeof(scalars) / sizeof(*scalars))]);
		return;
	}
	text[(*used)++] = kind == 0 ? '{' : '[';
	for (size_t i = 0; i < cnt; i++) {
		if (i > 0)
			text[(*used)++] = ',';
		if (kind == 0)
			*used += (size_t)sprintf(text + *used,
						 "\"%s\":", names[random_below(sizeof(names) / sizeof(*names))]);
		random_json(text, used, depth - 1);
	}
	text[(*used)++] = kind == 0 ? '}' : ']';
}

TEST(random_texts_agree_with_jansson)
{
	static const char structure[] = "{}[]\",:\\ue0-+.tn\x80\xc3\x00 ";
	unsigned good = 0, bad = 0;

	random_start("json against jansson");
	for (int round = 0; round < 60000; round++) {
		char text[65536];
		size_t used = 0;
		random_json(text, &used, 3);
		for (size_t hits = random_below(3); hits > 0; hits--)
			text[random_below(used)] =
				random_below(2) ? structure[random_below(sizeof(structure))] : (char)random_below(256);
		struct guard guard;
		struct span copy = guard_copy(&guard, text, used);
		enum json_error error = check_text(copy, 16, JSON_STRICT);
		CHECK_ROW(jansson_agrees(copy, error), text);
		if (error == JSON_OK)
			good++;
		else
			bad++;
		guard_free(&guard);
	}
	CHECK(good > 5000 && bad > 5000);
}

TEST(strings_mean_what_jansson_says)
{
	random_start("json strings");
	for (int round = 0; round < 20000; round++) {
		char text[1024];
		uint8_t buffer[1024];
		size_t used = 0;
		struct json_value value = {0};
		struct span string;
		struct json json;
		text[used++] = '"';
		for (size_t pieces = random_below(12); pieces > 0; pieces--) {
			static const char *const piece[] = {
				"a",	   "\\n",     "\\\"",		"\\\\",		"\\/",
				"\\u00e9", "\\u20ac", "\\ud83d\\ude00", "\xe2\x82\xac", "plain text of some length",
				"\\u0000"};
			used += (size_t)sprintf(text + used, "%s", piece[random_below(sizeof(piece) / sizeof(*piece))]);
		}
		text[used++] = '"';
		json_t *theirs = json_loadb(text, used, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		json_init(&json, span_of(text, used), 1, JSON_STRICT);
		CHECK(theirs != NULL && json_read(&json, &value) && json_end(&json));
		CHECK(json_text(&value, &string, buffer, sizeof(buffer)));
		CHECK(span_equal(string, span_of(json_string_value(theirs), json_string_length(theirs))));
		CHECK(json_equals(&value, string));
		json_decref(theirs);
	}
}

/* --- writer --- */

TEST(writer_output_reads_back)
{
	random_start("json writer");
	for (int round = 0; round < 20000; round++) {
		uint8_t in[64];
		char out[512];
		struct json_writer writer;
		struct json_value value = {0};
		struct json json;
		size_t bytes = random_below(sizeof(in));
		random_bytes(in, bytes);
		for (size_t i = 0; i < bytes; i++)
			if (random_below(2))
				in[i] &= 0x7f;
		json_write_init(&writer, out, sizeof(out));
		json_write_string(&writer, span_of(in, bytes));
		size_t used = json_write_done(&writer);
		CHECK(used >= 2 && strlen(out) == used);
		json_init(&json, span_of(out, used), 1, JSON_STRICT);
		CHECK(json_read(&json, &value) && json_end(&json));
		bool ascii = true;
		for (size_t i = 0; i < bytes; i++)
			ascii = ascii && in[i] < 0x80;
		if (ascii)
			CHECK(json_equals(&value, span_of(in, bytes)));
	}
}

TEST(writer_table)
{
	static const struct {
		struct span in;
		const char *out;
	} rows[] = {
		{SPAN(""), "\"\""},
		{SPAN("a\"b\\c/"), "\"a\\\"b\\\\c/\""},
		{SPAN("\0\n\x1f\x7f"), "\"\\u0000\\u000a\\u001f\\u007f\""},
		{SPAN("\xc3\xa9\xf0\x9f\x98\x80"), "\"\xc3\xa9\xf0\x9f\x98\x80\""},
		{SPAN("\xff\xc3"), "\"\\ufffd\\ufffd\""},
		{SPAN("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char out[64];
		struct json_writer writer;
		json_write_init(&writer, out, sizeof(out));
		json_write_string(&writer, rows[i].in);
		CHECK_ROW(json_write_done(&writer) == strlen(rows[i].out) && strcmp(out, rows[i].out) == 0,
			  rows[i].out);
	}
}

TEST(writer_never_passes_its_end)
{
	static const char whole[] = "{\"a\":\"\\u0001\",\"n\":18446744073709551615,\"o\":[{}]}";

	for (size_t room = 0; room <= sizeof(whole); room++) {
		char out[sizeof(whole) + 1];
		struct json_writer writer;
		memset(out, '#', sizeof(out));
		json_write_init(&writer, out, room);
		json_write(&writer, "{\"a\":");
		json_write_string(&writer, SPAN("\x01"));
		json_write(&writer, ",\"n\":");
		json_write_u64(&writer, UINT64_MAX);
		json_write(&writer, ",\"o\":");
		json_write_span(&writer, span_of("[{}]more", 4));
		json_write(&writer, "}");
		CHECK_EQ(json_write_done(&writer), room >= sizeof(whole) ? sizeof(whole) - 1 : 0);
		CHECK(out[room] == '#');
		if (room >= sizeof(whole))
			CHECK(strcmp(out, whole) == 0);
	}
}

CHECK_MAIN
