// SPDX-License-Identifier: Apache-2.0
#include "calldata_write.c"

#include "check.h"
#include "guard.h"

/* Tables write ' for ": this turns them into JSON. */
static struct span quoted(char out[1024], const char *text)
{
	snprintf(out, 1024, "%s", text);
	for (char *at = out; (at = strchr(at, '\'')) != NULL;)
		*at = '"';
	return span_str(out);
}

#define COMPLETION(members) "{'model':'m','prompt':'p'" members "}"
#define CHAT(members) "{'model':'m','messages':[{'role':'user','content':'c'" members "}]}"
#define TOOLS(tool) "{'model':'m','messages':[],'tools':[" tool "]}"

/* What has no place in the ABI is refused, not left out. */
TEST(bodies)
{
	static const struct {
		enum calldata_call call;
		const char *body; /* with ' for " */
		bool good;
	} rows[] = {
		{CALLDATA_COMPLETION, COMPLETION(""), true},
		{CALLDATA_COMPLETION, " " COMPLETION("") "\n", true},
		{CALLDATA_COMPLETION, COMPLETION(",'stream':true"), true},
		{CALLDATA_COMPLETION, COMPLETION(",'stream_options':{}"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'top_p':1"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'model':'n'"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'messages':[]"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'temperature':0"), true},
		{CALLDATA_COMPLETION, COMPLETION(",'temperature':1"), true},
		{CALLDATA_COMPLETION, COMPLETION(",'temperature':1.0"), true},
		{CALLDATA_COMPLETION, COMPLETION(",'temperature':1.00"), true},
		{CALLDATA_COMPLETION, COMPLETION(",'temperature':0.99"), true},
		{CALLDATA_COMPLETION, COMPLETION(",'temperature':0.999"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'temperature':1.000"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'temperature':1.01"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'temperature':10"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'temperature':18446744073709551617"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'temperature':-0"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'temperature':1e0"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'temperature':'1'"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'temperature':null"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'max_tokens':1"), true},
		{CALLDATA_COMPLETION, COMPLETION(",'max_tokens':0"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'max_tokens':4294967295"), true},
		{CALLDATA_COMPLETION, COMPLETION(",'max_tokens':4294967296"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'max_tokens':1.5"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'max_tokens':-1"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'stop':'a'"), true},
		{CALLDATA_COMPLETION, COMPLETION(",'stop':['a','b']"), true},
		{CALLDATA_COMPLETION, COMPLETION(",'stop':[]"), true},
		{CALLDATA_COMPLETION, COMPLETION(",'stop':[1]"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'stop':{}"), false},
		{CALLDATA_COMPLETION, COMPLETION(",'stop':null"), false},
		{CALLDATA_COMPLETION, "{'model':'m','prompt':['p']}", false},
		{CALLDATA_COMPLETION, "{'model':7,'prompt':'p'}", false},
		{CALLDATA_COMPLETION, "['model','prompt']", false},
		{CALLDATA_COMPLETION, "'model'", false},
		{CALLDATA_COMPLETION, "{'model':'m','prompt':'p'", false},
		{CALLDATA_COMPLETION, COMPLETION("") "{}", false},
		{CALLDATA_COMPLETION, "", false},
		{CALLDATA_CHAT, CHAT(""), true},
		{CALLDATA_CHAT, CHAT(",'refusal':''"), false},
		{CALLDATA_CHAT, CHAT(",'name':null"), false},
		{CALLDATA_CHAT, "{'model':'m','messages':[{'role':'user','content':null}]}", true},
		{CALLDATA_CHAT, "{'model':'m','messages':[{'role':'user','content':[{'type':'text','text':'t'}]}]}",
		 false},
		{CALLDATA_CHAT, "{'model':'m','messages':['hello']}", false},
		{CALLDATA_CHAT, "{'model':'m','messages':{}}", false},
		{CALLDATA_CHAT, "{'model':'m','messages':[],'prompt':''}", false},
		{CALLDATA_CHAT, "{'model':'m','messages':[],'tool_choice':{}}", false},
		{CALLDATA_CHAT, TOOLS("{'type':'function','function':{'name':'f'}}"), true},
		{CALLDATA_CHAT, TOOLS("{'type':'function','function':{'name':'f','strict':true}}"), false},
		{CALLDATA_CHAT, TOOLS("{'type':'other','function':{'name':'f'}}"), false},
		{CALLDATA_CHAT, TOOLS("{'function':{'name':'f'}}"), false},
		{CALLDATA_CHAT, TOOLS("{'type':'function'}"), false},
		{CALLDATA_CHAT, TOOLS("{'type':'function','id':'1','function':{'name':'f'}}"), false},
		{CALLDATA_CHAT, CHAT(",'tool_calls':[{'id':'1','type':'function','function':{'name':'f'}}]"), true},
		{CALLDATA_CHAT, CHAT(",'tool_calls':[{'id':1,'type':'function','function':{'name':'f'}}]"), false},
		{CALLDATA_CHAT, CHAT(",'tool_calls':[{'id':'1','type':'function','function':'f'}]"), false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t out[2048];
		char body[1024];
		size_t bytes = calldata_write(out, sizeof out, rows[i].call, false, quoted(body, rows[i].body));
		CHECK_ROW((bytes > 0) == rows[i].good, rows[i].body);
		CHECK_ROW(bytes % WORD == (rows[i].good ? 4 : 0), rows[i].body);
	}
}

/* What is said in two ways is written in one. */
TEST(other_spellings_of_a_body)
{
	static const struct {
		enum calldata_call call;
		const char *one, *other;
	} rows[] = {
		{CALLDATA_COMPLETION, COMPLETION(""), "{'prompt':'p','\\u006dodel':'\\u006d','temperature':1}"},
		{CALLDATA_COMPLETION, COMPLETION(",'stop':'a','temperature':0.7"),
		 COMPLETION(",'stop':['a'],'temperature':0.70,'stream':false")},
		{CALLDATA_CHAT, CHAT(""), CHAT(",'name':'','tool_calls':[]")},
		{CALLDATA_CHAT, TOOLS("{'type':'function','function':{'name':'f'}}"),
		 TOOLS("{'type':'function','function':{'description':'','name':'f','parameters':{}}}")},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t one[2048], other[2048];
		char body[1024];
		size_t bytes = calldata_write(one, sizeof one, rows[i].call, true, quoted(body, rows[i].one));
		size_t others = calldata_write(other, sizeof other, rows[i].call, true, quoted(body, rows[i].other));
		CHECK_ROW(bytes > 0 && bytes == others && memcmp(one, other, bytes) == 0, rows[i].one);
	}
}

TEST(never_passes_its_end)
{
	static const char text[] = CHAT(",'name':'\\n\\t','tool_calls':[{'id':'1','type':'function','function':"
					"{'name':'f','arguments':'a longer text than a word has bytes'}}]");
	uint8_t whole[2048];
	char body[1024];
	struct span chat = quoted(body, text);
	size_t bytes = calldata_write(whole, sizeof whole, CALLDATA_CHAT, true, chat);

	CHECK_NEED(bytes > 0);
	for (size_t room = 0; room <= bytes; room++) {
		struct guard guard;
		uint8_t *out = (uint8_t *)guard_copy(&guard, whole, room).at;
		CHECK_EQ(calldata_write(out, room, CALLDATA_CHAT, true, chat), room == bytes ? bytes : 0);
		CHECK(room < bytes || memcmp(out, whole, bytes) == 0);
		guard_free(&guard);
	}
}

CHECK_MAIN
