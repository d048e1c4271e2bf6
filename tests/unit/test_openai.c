// SPDX-License-Identifier: Apache-2.0
#include "jansson_names.h"

#include "openai.c"

#include "base/u256.h"
#include "check.h"
#include "guard.h"
#include "random.h"

/* Tables write ' for ": this turns them into JSON, against a guard page. */
static struct span quoted(struct guard *guard, const char *text)
{
	struct span copy = guard_copy(guard, text, strlen(text));

	for (size_t i = 0; i < copy.bytes; i++)
		if (copy.at[i] == '\'')
			guard->map[copy.at + i - guard->map] = '"';
	return copy;
}

/* The body after the edit, as the upstream gets it. */
static size_t apply(char *out, struct span body, const struct openai_request *request)
{
	size_t rest = request->insert_at + request->replace_bytes, used = request->insert_at;

	CHECK(rest <= body.bytes);
	memcpy(out, body.at, used);
	if (request->insert.bytes > 0)
		memcpy(out + used, request->insert.at, request->insert.bytes);
	used += request->insert.bytes;
	memcpy(out + used, body.at + rest, body.bytes - rest);
	return used + body.bytes - rest;
}

static json_t *load(const char *text, size_t bytes)
{
	return json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
}

/* After the edit: the same object, but for stream_options.include_usage being true. */
static void check_edit(struct span body, const struct openai_request *request, const char *row)
{
	char edited[4096];
	size_t edited_bytes = apply(edited, body, request);
	json_t *before = load((const char *)body.at, body.bytes), *after = load(edited, edited_bytes), *options;

	CHECK_ROW(before != NULL && after != NULL, row);
	if (request->insert.bytes == 0) {
		CHECK_ROW(edited_bytes == body.bytes && memcmp(edited, body.at, edited_bytes) == 0, row);
	} else {
		options = json_object_get(before, "stream_options");
		if (!json_is_object(options)) {
			options = json_object();
			json_object_set_new(before, "stream_options", options);
		}
		json_object_set_new(options, "include_usage", json_true());
		CHECK_ROW(json_equal(before, after), row);
	}
	json_decref(before);
	json_decref(after);
}

TEST(requests)
{
	static const struct {
		const char *body, *model;
		enum reason reason;
		bool stream, include_usage, injected;
	} rows[] = {
		{"{}", "", 0, false, false, false},
		{"{'model':'a'}", "a", 0, false, false, false},
		{" \t\r\n{ 'model' : 'meta/llama-3:8b' , 'messages' : [ { 'role' : 'user' } ] } \n", "meta/llama-3:8b",
		 0, false, false, false},
		{"{'mod\\u0065l':'a'}", "a", 0, false, false, false},
		{"{'model':''}", "", 0, false, false, false},
		{"{'model':'\xc3\xa9'}", "\xc3\xa9", 0, false, false, false},
		{"{'stream':false}", "", 0, false, false, false},
		{"{'stream':true}", "", 0, true, false, true},
		{" {'stream':true}", "", 0, true, false, true},
		{"{'model':'m','stream':true,'n':1}", "m", 0, true, false, true},
		{"{'stream_options':null,'stream':true}", "", 0, true, false, true},
		{"{'stream':true,'stream_options':{}}", "", 0, true, false, true},
		{"{'stream':true,'stream_options':{ }}", "", 0, true, false, true},
		{"{'stream':true,'stream_options':{'include_usage':false}}", "", 0, true, false, true},
		{"{'stream':true,'stream_options':{'include_usage':true}}", "", 0, true, true, false},
		{"{'stream':true,'stream_options':{ 'include\\u005fusage' : false , 'x':[{}]}}", "", 0, true, false,
		 true},
		{"{'stream':true,'stream_options':{'x':{'include_usage':true}}}", "", 0, true, false, true},
		{"{'stream_options':{'x':1,'include_usage':true},'stream':true}", "", 0, true, true, false},
		{"{'stream_options':{'include_usage':true}}", "", 0, false, true, false},
		{"{'stream_options':{'include_usage':false}}", "", 0, false, false, false},
		{"{'x':{'stream':true,'model':'no','stream_options':1},'model':'a'}", "a", 0, false, false, false},
		{"{'strea':1,'streams':2,'stream_option':3,'max_tokens':4}", "", 0, false, false, false},
		{"", "", BODY_BAD, false, false, false},
		{" ", "", BODY_BAD, false, false, false},
		{"null", "", BODY_BAD, false, false, false},
		{"[{'model':'a'}]", "", BODY_BAD, false, false, false},
		{"'{}'", "", BODY_BAD, false, false, false},
		{"{'model':'a'} x", "", BODY_BAD, false, false, false},
		{"{'model':'a'}{}", "", BODY_BAD, false, false, false},
		{"{'model':'a',}", "", BODY_BAD, false, false, false},
		{"\xef\xbb\xbf{'model':'a'}", "", BODY_BAD, false, false, false},
		{"{'model':'a','model':'b'}", "", BODY_BAD, false, false, false},
		{"{'model':'a','\\u006dodel':'a'}", "", BODY_BAD, false, false, false},
		{"{'x':1,'x':1}", "", BODY_BAD, false, false, false},
		{"{'stream':true,'stream':true}", "", BODY_BAD, false, false, false},
		{"{'stream_options':{'include_usage':true,'include_usage':true}}", "", BODY_BAD, false, false, false},
		{"{'stream_options':{'x':1,'\\u0078':1}}", "", BODY_BAD, false, false, false},
		{"{'model':null}", "", BODY_BAD, false, false, false},
		{"{'model':['a']}", "", BODY_BAD, false, false, false},
		{"{'model':'\\u0061'}", "", BODY_BAD, false, false, false},
		{"{'model':'a\\/b'}", "", BODY_BAD, false, false, false},
		{"{'stream':null}", "", BODY_BAD, false, false, false},
		{"{'stream':1}", "", BODY_BAD, false, false, false},
		{"{'stream':'true'}", "", BODY_BAD, false, false, false},
		{"{'stream_options':[]}", "", BODY_BAD, false, false, false},
		{"{'stream_options':true}", "", BODY_BAD, false, false, false},
		{"{'stream_options':{'include_usage':null}}", "", BODY_BAD, false, false, false},
		{"{'stream_options':{'include_usage':1}}", "", BODY_BAD, false, false, false},
		{"{'Model':'b'}", "", BODY_BAD, false, false, false},
		{"{'model':'a','MODEL':'b'}", "", BODY_BAD, false, false, false},
		{"{'model':'a','\\u004dodel':'b'}", "", BODY_BAD, false, false, false},
		{"{'Stream':true}", "", BODY_BAD, false, false, false},
		{"{'\xc5\xbftream':true}", "", BODY_BAD, false, false, false},
		{"{'\\u017ftream':true}", "", BODY_BAD, false, false, false},
		{"{'stream_optionS':{}}", "", BODY_BAD, false, false, false},
		{"{'stream_options':{'Include_Usage':false}}", "", BODY_BAD, false, false, false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct openai_request request;
		struct guard guard;
		struct span body = quoted(&guard, rows[i].body);
		enum reason reason = openai_request(&request, body);

		CHECK_ROW(reason == rows[i].reason, rows[i].body);
		if (reason == REASON_OK && rows[i].reason == REASON_OK) {
			CHECK_ROW(span_equal(request.model, span_str(rows[i].model)), rows[i].body);
			CHECK_ROW(request.stream == rows[i].stream, rows[i].body);
			CHECK_ROW(request.include_usage == rows[i].include_usage, rows[i].body);
			CHECK_ROW((request.insert.bytes != 0) == rows[i].injected, rows[i].body);
			check_edit(body, &request, rows[i].body);
		}
		guard_free(&guard);
	}
}

TEST(tokens_max_of_a_request)
{
	static const struct {
		const char *text;
		enum reason reason;
		uint64_t tokens_max;
	} rows[] = {
		{"{'model':'m'}", REASON_OK, 0},
		{"{'max_tokens':7}", REASON_OK, 7},
		{"{'max_completion_tokens':8}", REASON_OK, 8},
		{"{'max_tokens':9,'max_completion_tokens':8}", REASON_OK, 9},
		{"{'max_completion_tokens':8,'max_tokens':9}", REASON_OK, 9},
		{"{'max_tokens':9007199254740991}", REASON_OK, 9007199254740991},
		{"{'max_tokens':9007199254740992}", REASON_OK, 0},
		{"{'max_tokens':null}", REASON_OK, 0},
		{"{'max_tokens':-1}", REASON_OK, 0},
		{"{'max_tokens':1.5}", REASON_OK, 0},
		{"{'max_tokens':'7'}", REASON_OK, 0},
		{"{'max_tokens':{'max_tokens':[7]}}", REASON_OK, 0},
		{"{'Max_tokens':7}", REASON_OK, 0}, /* nothing is permitted by it: a look-alike does no harm */
		{"{'max_tokens':7,'max_tokens':8}", BODY_BAD, 0},
		{"{'max_tokens':7x}", BODY_BAD, 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct openai_request request;
		struct guard guard;
		enum reason reason = openai_request(&request, quoted(&guard, rows[i].text));
		CHECK_ROW(reason == rows[i].reason, rows[i].text);
		CHECK_ROW(reason != REASON_OK || request.tokens_max == rows[i].tokens_max, rows[i].text);
		guard_free(&guard);
	}
}

TEST(edits_are_the_smallest)
{
	static const struct {
		const char *body, *edited;
	} rows[] = {
		{" {'stream':true}", " {'stream_options':{'include_usage':true},'stream':true}"},
		{"{'stream':true,'stream_options':{}}", "{'stream':true,'stream_options':{'include_usage':true}}"},
		{"{'stream':true,'stream_options': null }",
		 "{'stream':true,'stream_options': {'include_usage':true} }"},
		{"{'stream':true,'stream_options':{'a':1}}",
		 "{'stream':true,'stream_options':{'include_usage':true,'a':1}}"},
		{"{'stream':true,'stream_options':{'include_usage':false}}",
		 "{'stream':true,'stream_options':{'include_usage':true}}"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct openai_request request;
		struct guard guard, want_guard;
		struct span body = quoted(&guard, rows[i].body), want = quoted(&want_guard, rows[i].edited);
		char edited[256];

		CHECK_EQ(openai_request(&request, body), REASON_OK);
		CHECK_ROW(span_equal(span_of(edited, apply(edited, body, &request)), want), rows[i].body);
		guard_free(&guard);
		guard_free(&want_guard);
	}
}

TEST(no_prefix_of_a_body_passes)
{
	static const char text[] = "{'model':'m','messages':[{'role':'user','content':'hi \\u00e9 \xe2\x82\xac'}],"
				   "'stream':true,'stream_options':{'include_usage':false,'x':[1,-2.5e3,null]}}";
	struct openai_request request;
	struct guard guard;

	for (size_t bytes = 0; bytes < sizeof text; bytes++) {
		char prefix[sizeof text];

		snprintf(prefix, sizeof prefix, "%.*s", (int)bytes, text);
		CHECK_EQ(openai_request(&request, quoted(&guard, prefix)),
			 bytes == sizeof text - 1 ? REASON_OK : BODY_BAD);
		guard_free(&guard);
	}
}

/* A random object whose interesting members come in random order, form and spacing. */
static size_t random_body(char *out, size_t out_bytes)
{
	static const char *const members[] = {
		"\"stream\":true",
		"\"stream\" : false",
		"\"model\":\"m-%zu\"",
		"\"stream_options\":null",
		"\"stream_options\": {\n}",
		"\"stream_options\":{\"a\":[%zu],\"include_usage\":false}",
		"\"stream_options\":{\"include_usage\" : true }",
		"\"n\":%zu",
		"\"s\\u0074ream\":true",
		"\"messages\":[{\"content\":\"\\\"stream\\\":true, {%zu\"}]",
	};
	size_t used = (size_t)snprintf(out, out_bytes, "%s", random_below(2) ? "{" : "\n{ "), cnt = random_below(6);

	for (size_t i = 0; i < cnt; i++) {
		used += (size_t)snprintf(out + used, out_bytes - used, "%s",
					 i == 0		   ? ""
					 : random_below(2) ? ","
							   : " ,\r\n");
		used += (size_t)snprintf(out + used, out_bytes - used,
					 members[random_below(sizeof members / sizeof *members)], random_below(100));
	}
	return used + (size_t)snprintf(out + used, out_bytes - used, "%s", random_below(2) ? "}" : " }\t");
}

TEST(random_bodies_agree_with_jansson)
{
	unsigned edited = 0;

	random_start("bodies against jansson");
	for (unsigned i = 0; i < 20000; i++) {
		char text[1024];
		size_t bytes = random_body(text, sizeof text);
		struct openai_request request;
		enum reason reason = openai_request(&request, span_of(text, bytes));
		json_t *json = load(text, bytes);

		CHECK_ROW((reason == REASON_OK) == (json != NULL), text);
		if (reason == REASON_OK && json != NULL) {
			CHECK_ROW(request.stream == json_is_true(json_object_get(json, "stream")), text);
			check_edit(span_of(text, bytes), &request, text);
			edited += request.insert.bytes != 0;
		}
		json_decref(json);
	}
	CHECK(edited > 1000);
}

TEST(usage_of_an_answer)
{
	static const struct {
		const char *json;
		bool known;
		uint64_t input, output;
	} rows[] = {
		{"{'usage':{'prompt_tokens':12,'completion_tokens':34,'total_tokens':46}}", true, 12, 34},
		{"{'id':'x','choices':[{}],'usage':{'input_tokens':1,'output_tokens':2}}", true, 1, 2},
		{"{'usage':{'prompt_tokens':0,'completion_tokens':0}}", true, 0, 0},
		{"{'usage':{'prompt_tokens':7,'total_tokens':7}}", true, 7, 0},
		{"{'usage':{'completion_tokens':7}}", true, 0, 7},
		{"{'usage':{'prompt_tokens':9007199254740991,'completion_tokens':1}}", true, 9007199254740991, 1},
		{"{'usage':{'prompt_tokens':9007199254740992,'completion_tokens':1}}", false, 0, 0},
		{"{'usage':{'prompt_tokens':-1,'completion_tokens':1}}", false, 0, 0},
		{"{'usage':{'prompt_tokens':1.0,'completion_tokens':1}}", false, 0, 0},
		{"{'usage':{'prompt_tokens':1,'completion_tokens':1e2}}", false, 0, 0},
		{"{'usage':{'prompt_tokens':'1','completion_tokens':1}}", false, 0, 0},
		{"{'usage':{'prompt_tokens':null,'completion_tokens':1}}", false, 0, 0},
		{"{'usage':{'total_tokens':5}}", false, 0, 0},
		{"{'usage':{}}", false, 0, 0},
		{"{'usage':null}", false, 0, 0},
		{"{'usage':[1]}", false, 0, 0},
		{"{'x':{'usage':{'prompt_tokens':1}}}", false, 0, 0},
		{"{}", false, 0, 0},
		{"", false, 0, 0},
		{"{'usage':{'prompt_tokens':1,'completion_tokens':1}", false, 0, 0},
		{"{'usage':{'prompt_tokens':1,'prompt_tokens':2}}", false, 0, 0},
		{"[{'usage':{'prompt_tokens':1}}]", false, 0, 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct openai_usage usage = {0}, kept = {true, 5, 6};
		struct guard guard;
		struct span json = quoted(&guard, rows[i].json);

		openai_usage(&usage, json);
		CHECK_ROW(usage.known == rows[i].known && usage.input == rows[i].input &&
				  usage.output == rows[i].output,
			  rows[i].json);
		openai_usage(&kept, json);
		CHECK_ROW(kept.known && kept.input == (rows[i].known ? rows[i].input : 5), rows[i].json);
		guard_free(&guard);
	}
}

#define CONTENT "{'choices':[{'delta':{'content':'x'}}]}"
#define EXTRA "{'choices':[],'usage':{'prompt_tokens':3,'completion_tokens':4}}"

TEST(events)
{
	static const struct {
		const char *event;
		bool is_data, is_done, has_content, is_usage_extra;
		bool known;
	} rows[] = {
		{"data: " CONTENT "\n\n", true, false, true, false, false},
		{"data:" CONTENT "\r\n\r\n", true, false, true, false, false},
		{"data: " CONTENT "\r\r", true, false, true, false, false},
		{"data: [DONE]\n\n", true, true, false, false, false},
		{"data:[DONE]\r\n\r\n", true, true, false, false, false},
		{"data: [DONE]\r\r", true, true, false, false, false},
		{"data: [DONE] \n\n", true, false, true, false, false},
		{"data: " EXTRA "\n\n", true, false, false, true, true},
		{"data: " EXTRA "\r\n\r\n", true, false, false, true, true},
		{"id: 7\r\nevent: message\r\ndata: " EXTRA "\r\n\r\n", true, false, false, true, true},
		{": comment\ndata: " EXTRA "\n\n", true, false, false, true, true},
		{"data: {'choices':[],\ndata: 'usage':{'prompt_tokens':3,\ndata: 'completion_tokens':4}}\n\n", true,
		 false, false, true, true},
		{"data: {'choices':[],\r\ndata:'usage':\r\ndata:{'prompt_tokens':3,'completion_tokens':4}}\r\n\r\n",
		 true, false, false, true, true},
		{"data: {'choices':[],'usage':null}\n\n", true, false, true, false, false},
		{"data: {'choices':[{}],'usage': null}\n\n", true, false, true, false, false},
		{"data: {'choices':[{'usage':null}],'usage':{'prompt_tokens':3,'completion_tokens':4}}\n\n", true,
		 false, true, false, true},
		{"data: {'choices':[],'usage':{}}\n\n", true, false, false, true, false},
		/* a signature over the answer is no extra */
		{"data: {'choices':[],'tee_id':'0x1','usage':{'prompt_tokens':3,'completion_tokens':4}}\n\n", true,
		 false, false, false, true},
		{"data: {'choices':[],'usage':{'prompt_tokens':3,'completion_tokens':4},'tee_':1}\n\n", true, false,
		 false, false, true},
		{"data: {'choices':[],'tee':1,'usage':{'prompt_tokens':3,'completion_tokens':4}}\n\n", true, false,
		 false, true, true},
		{"data: {'choices':[],'usage':5}\n\n", true, false, false, false, false},
		{"data: {'choices':[{'delta':{}}],'usage':{'prompt_tokens':3,'completion_tokens':4}}\n\n", true, false,
		 true, false, true},
		{"data: {'usage':{'prompt_tokens':3,'completion_tokens':4}}\n\n", true, false, true, false, true},
		{"data: {'choices':[{'x':'\\\"usage\\\":'}]}\n\n", true, false, true, false, false},
		{"data: {'choices':[],'usage':{'prompt_tokens':3,'completion_tokens':4}\n\n", true, false, true, false,
		 false},
		{"data: not json 'usage': 1\n\n", true, false, true, false, false},
		{"data\n\n", true, false, true, false, false},
		{"data:\n\n", true, false, true, false, false},
		{": keep-alive\n\n", false, false, false, false, false},
		{"event: ping\n\n", false, false, false, false, false},
		{"database: 1\n\n", false, false, false, false, false},
		{" data: 1\n\n", false, false, false, false, false},
		{"\n", false, false, false, false, false},
		{"", false, false, false, false, false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct openai_usage usage = {0};
		struct openai_event event;
		struct guard guard;

		openai_event(&event, &usage, quoted(&guard, rows[i].event));
		CHECK_ROW(event.is_data == rows[i].is_data, rows[i].event);
		CHECK_ROW(event.is_done == rows[i].is_done, rows[i].event);
		CHECK_ROW(event.has_content == rows[i].has_content, rows[i].event);
		CHECK_ROW(event.is_usage_extra == rows[i].is_usage_extra, rows[i].event);
		CHECK_ROW(usage.known == rows[i].known, rows[i].event);
		CHECK_ROW(!usage.known || (usage.input == 3 && usage.output == 4), rows[i].event);
		guard_free(&guard);
	}
}

TEST(an_event_on_many_lines_is_joined_within_bounds)
{
	static char text[2 * OPENAI_EVENT_JOIN_BYTES + 64];
	struct openai_usage usage = {0};
	struct openai_event event;

	for (size_t line_bytes = OPENAI_EVENT_JOIN_BYTES - 2; line_bytes <= OPENAI_EVENT_JOIN_BYTES + 2; line_bytes++) {
		memcpy(text, "data: ", 6);
		memset(text + 6, ' ', line_bytes);
		memcpy(text + 6 + line_bytes, "\ndata: {\"usage\":1}\n\n", 20);
		openai_event(&event, &usage, span_of(text, 6 + line_bytes + 20));
		CHECK(event.is_data && event.has_content && !usage.known);
	}
	memset(text, 'x', sizeof text);
	for (size_t at = 0; at + 64 < sizeof text; at += 1000)
		memcpy(text + at, "\ndata:", 6);
	openai_event(&event, &usage, span_of(text, sizeof text));
	CHECK(event.is_data && event.has_content && !usage.known);
}

#define HASH_64 "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define PROOF_SIGNED "'tee_signature':'AQIDBA=='"
#define PROOF_REST                                                                                   \
	",'tee_timestamp':1700000000,'tee_request_hash':'" HASH_64 "','tee_output_hash':'0x" HASH_64 \
	"','tee_id':'0x" HASH_64 "'"

TEST(proofs)
{
	static const struct {
		const char *json;
		bool known;
	} rows[] = {
		{"{" PROOF_SIGNED PROOF_REST "}", true},
		{"{'usage':{'prompt_tokens':1},'choices':[]," PROOF_SIGNED PROOF_REST ",'model':'x'}", true},
		{"{'tee_signature':'AQIDBA'" PROOF_REST "}", true},
		{"{'tee_signature':''" PROOF_REST "}", false},
		{"{'tee_signature':'AQIDB'" PROOF_REST "}", false},
		{"{'tee_signature':'AQID BA='" PROOF_REST "}", false},
		{"{'tee_signature':'AQID\\n'" PROOF_REST "}", false},
		{"{'tee_signature':'AQ\\u0049D'" PROOF_REST "}", false},
		{"{'tee_signature':null" PROOF_REST "}", false},
		{"{'tee_signature':1" PROOF_REST "}", false},
		{"{'tee_signature':'AQID','tee_signature':'AQID'" PROOF_REST "}", false},
		{"{'x':{" PROOF_SIGNED PROOF_REST "}}", false},
		{"[{" PROOF_SIGNED PROOF_REST "}]", false},
		{"{" PROOF_SIGNED PROOF_REST, false},
		{"{" PROOF_SIGNED PROOF_REST "} x", false},
		{"{" PROOF_SIGNED "}", false},
		{"{" PROOF_SIGNED ",'tee_timestamp':'1700000000'}", false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct proof proof = {.known = true};
		struct guard guard;

		openai_proof(&proof, quoted(&guard, rows[i].json));
		CHECK_ROW(proof.known == rows[i].known, rows[i].json);
		if (proof.known) {
			CHECK(proof.timestamp == 1700000000 && proof.signature_bytes == 4);
			CHECK(memcmp(proof.signature, "\1\2\3\4", 4) == 0);
			CHECK(proof.tee_id.at[1] == 0x11 && proof.input_hash.at[31] == 0xff);
			CHECK_EQ(memcmp(&proof.input_hash, &proof.output_hash, 32), 0);
		}
		guard_free(&guard);
	}
}

/* Each member in turn is changed to another value: only those of its form make a proof. */
TEST(proofs_by_member)
{
	static const struct {
		const char *from, *to;
		bool known;
	} rows[] = {
		{":1700000000", ":0", true},
		{":1700000000", ":9007199254740991", true},
		{":1700000000", ":9007199254740992", false},
		{":1700000000", ":-1", false},
		{":1700000000", ":1.5", false},
		{":1700000000", ":1e9", false},
		{":1700000000", ":true", false},
		{"'tee_timestamp'", "'tee_time'", false},
		{"'tee_id':'0x00", "'tee_id':'00", true},
		{"'tee_id':'0x00", "'tee_id':'0x", false},
		{"'tee_id':'0x00", "'tee_id':'0x0000", false},
		{"'tee_id':'0x00", "'tee_id':'0x0g", false},
		{"'tee_id':'0x00", "'tee_id':'0X00", false},
		{"'tee_id':'0x00", "'tee_id':'\\u0030x00", false},
		{"'tee_id'", "'id'", false},
		{"'tee_request_hash'", "'tee_output_hash'", false},
		{"'tee_request_hash':'00", "'tee_request_hash':['x'],'y':'00", false},
		{"'tee_output_hash':'0x00", "'tee_output_hash':'0x ", false},
	};
	static const char whole[] = "{" PROOF_SIGNED PROOF_REST "}";

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *at = strstr(whole, rows[i].from);
		struct proof proof = {.known = false};
		struct guard guard;
		char json[1024];

		CHECK_NEED(at != NULL);
		snprintf(json, sizeof json, "%.*s%s%s", (int)(at - whole), whole, rows[i].to,
			 at + strlen(rows[i].from));
		openai_proof(&proof, quoted(&guard, json));
		CHECK_ROW(proof.known == rows[i].known, rows[i].to);
		guard_free(&guard);
	}
}

/* The longest signature there may be, and one byte more; every prefix. */
TEST(proofs_at_their_bounds)
{
	static const char rest[] = "\",\"tee_timestamp\":1,\"tee_request_hash\":\"" HASH_64
				   "\",\"tee_output_hash\":\"" HASH_64 "\",\"tee_id\":\"" HASH_64 "\"}";
	uint8_t bytes[PROOF_SIGNATURE_BYTES_MAX + 1];
	char json[2048];

	memset(bytes, 0xa5, sizeof bytes);
	for (size_t cnt = PROOF_SIGNATURE_BYTES_MAX - 2; cnt <= PROOF_SIGNATURE_BYTES_MAX + 1; cnt++) {
		size_t used = (size_t)snprintf(json, sizeof json, "{\"tee_signature\":\"");
		struct proof proof = {.known = false};

		used += base64_encode(json + used, span_of(bytes, cnt));
		used += (size_t)snprintf(json + used, sizeof json - used, "%s", rest);
		openai_proof(&proof, span_of(json, used));
		CHECK_EQ(proof.known, cnt <= PROOF_SIGNATURE_BYTES_MAX);
		if (proof.known)
			CHECK(proof.signature_bytes == cnt && memcmp(proof.signature, bytes, cnt) == 0);
		for (size_t prefix = 0; prefix < used; prefix++) {
			struct guard guard;
			proof.known = false;
			openai_proof(&proof, guard_copy(&guard, json, prefix));
			CHECK(!proof.known);
			guard_free(&guard);
		}
	}
}

TEST(proofs_in_events)
{
	static const struct {
		const char *event;
		bool known; /* after one that was known */
	} rows[] = {
		{"data: {" PROOF_SIGNED PROOF_REST "}\n\n", true},
		{"event: x\r\ndata:{" PROOF_SIGNED "\r\ndata:" PROOF_REST "}\r\n\r\n", true},
		{"data: [DONE]\n\n", true},
		{"data: {'choices':[{'delta':{'content':'\\'tee_signature\\''}}]}\n\n", true},
		{": 'tee_signature'\n\n", true},
		{"data: {" PROOF_SIGNED "}\n\n", false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct proof proof = {.known = true};
		struct guard guard;

		openai_event_proof(&proof, quoted(&guard, rows[i].event));
		CHECK_ROW(proof.known == rows[i].known, rows[i].event);
		guard_free(&guard);
	}
}

CHECK_MAIN
