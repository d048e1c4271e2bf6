// SPDX-License-Identifier: Apache-2.0
#include "survey.c"

#include <time.h>

#include "check.h"

#define SUPPORTED(kinds) "{\"kinds\":[" kinds "],\"extensions\":[],\"signers\":{\"eip155:*\":[]}}"
#define SETTLER "0x1111111111111111111111111111111111111111"
#define EXACT "{\"x402Version\":2,\"scheme\":\"exact\",\"network\":\"eip155:84532\"}"
#define UPTO                                                                  \
	"{\"x402Version\":2,\"scheme\":\"upto\",\"network\":\"eip155:8453\"," \
	"\"extra\":{\"facilitatorAddress\":\"" SETTLER "\"}}"

TEST(facilitator)
{
	static const struct {
		const char *body;
		bool upto;
		uint64_t chain_id;
		enum survey want;
	} rows[] = {
		{SUPPORTED(EXACT "," UPTO), false, 84532, SURVEY_YES},
		{SUPPORTED(EXACT "," UPTO), true, 8453, SURVEY_YES},
		{SUPPORTED(EXACT "," UPTO), true, 84532, SURVEY_NO},
		{SUPPORTED(EXACT "," UPTO), false, 8453, SURVEY_NO},
		{SUPPORTED(""), false, 8453, SURVEY_NO},
		{SUPPORTED("{\"x402Version\":2,\"scheme\":\"exact\",\"network\":\"eip155:*\"}"), false, 1, SURVEY_YES},
		/* version 1's kinds, and what is no kind at all */
		{SUPPORTED("{\"x402Version\":1,\"scheme\":\"exact\",\"network\":\"eip155:1\"}"), false, 1, SURVEY_NO},
		{SUPPORTED("{\"scheme\":\"exact\",\"network\":\"eip155:1\"}"), false, 1, SURVEY_NO},
		{SUPPORTED("7,null,[],{\"extra\":4}"), false, 1, SURVEY_NO},
		{SUPPORTED("{\"x402Version\":2,\"scheme\":\"exact\",\"network\":\"base\"}"), false, 8453, SURVEY_NO},
		/* no answer to the question */
		{"{}", false, 1, SURVEY_UNREADABLE},
		{"[]", false, 1, SURVEY_UNREADABLE},
		{"{\"kinds\":{}}", false, 1, SURVEY_UNREADABLE},
		{"{\"kinds\":[" EXACT, false, 84532, SURVEY_UNREADABLE},
		{SUPPORTED(EXACT) "x", false, 84532, SURVEY_UNREADABLE},
		{"<html>", false, 1, SURVEY_UNREADABLE},
		{"", false, 1, SURVEY_UNREADABLE},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct address settler;
		CHECK_ROW(survey_supported(&settler, span_str(rows[i].body), rows[i].upto, rows[i].chain_id) ==
				  rows[i].want,
			  rows[i].body);
	}
}

TEST(facilitators_own_address)
{
	struct address settler, want, zero = {0};

	memset(want.at, 0x11, sizeof want.at);
	CHECK_EQ(survey_supported(&settler, span_str(SUPPORTED(EXACT "," UPTO "," UPTO)), true, 8453), SURVEY_YES);
	CHECK_BYTES(settler.at, want.at, sizeof want.at);
	CHECK_EQ(survey_supported(&settler, span_str(SUPPORTED(EXACT)), false, 84532), SURVEY_YES);
	CHECK_BYTES(settler.at, zero.at, sizeof zero.at);
	CHECK_EQ(survey_supported(&settler,
				  span_str(SUPPORTED("{\"x402Version\":2,\"scheme\":\"upto\",\"network\":\"eip155:1\","
						     "\"extra\":{\"facilitatorAddress\":\"0x11\"}}")),
				  true, 1),
		 SURVEY_YES);
	CHECK_BYTES(settler.at, zero.at, sizeof zero.at);
}

TEST(every_prefix_of_an_answer_is_none)
{
	static const char body[] = SUPPORTED(EXACT "," UPTO);
	struct address settler;

	for (size_t bytes = 0; bytes + 1 < sizeof body; bytes++) {
		char *copy = malloc(bytes + 1); /* of its own, so that a sanitizer sees its end */
		memcpy(copy, body, bytes);
		CHECK_EQ(survey_supported(&settler, span_of(copy, bytes), true, 8453), SURVEY_UNREADABLE);
		free(copy);
	}
}

TEST(models)
{
	static const struct {
		const char *body;
		int want;
		const char *first;
	} rows[] = {
		{"{\"object\":\"list\",\"data\":[{\"id\":\"llama-3\",\"object\":\"model\"},{\"id\":\"qwen\"}]}", 2,
		 "llama-3"},
		{"{\"data\":[]}", 0, ""},
		{"{\"data\":[{}]}", 1, ""},
		{"{\"data\":[{\"id\":7},{\"id\":\"a b\\u0007\"}]}", 2, "a?b?"},
		{"{\"data\":[{\"id\":\"0123456789012345678901234567890123456789012345678901234567890123\"}]}", 1, ""},
		{"{\"data\":{}}", -1, ""},
		{"{\"error\":\"not found\"}", -1, ""},
		{"{\"data\":[{\"id\":\"cut\"}", -1, ""},
		{"Ollama is running", -1, ""},
		{"", -1, ""},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char first[NAME_BYTES_MAX];
		CHECK_ROW(survey_models(first, span_str(rows[i].body)) == rows[i].want, rows[i].body);
		CHECK_ROW(strcmp(first, rows[i].first) == 0, rows[i].body);
	}
}

TEST(dates)
{
	static const struct {
		const char *text;
		long long want; /* -1: none */
	} rows[] = {
		{"Thu, 01 Jan 1970 00:00:00 GMT", 0},
		{"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
		{"Tue, 29 Feb 2000 23:59:59 GMT", 951868799},
		{"Wed, 01 Mar 2000 00:00:00 GMT", 951868800},
		{"Mon, 01 Mar 2100 00:00:00 GMT", 4107542400},
		{"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
		{"Sun, 06 Nov 1994 08:49:37 UTC", -1},
		{"Sun, 06 Nov 1969 08:49:37 GMT", -1},
		{"Sun, 00 Nov 1994 08:49:37 GMT", -1},
		{"Sun, 06 Nob 1994 08:49:37 GMT", -1},
		{"Sun, 06 Nov 1994 24:49:37 GMT", -1},
		{"Sun, 06 Nov 1994 08:-1:37 GMT", -1},
		{"Sunday, 06-Nov-94 08:49:37 GMT", -1},
		{"Sun Nov  6 08:49:37 1994", -1},
		{"", -1},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint64_t unix_s = 0;
		bool is = survey_date(&unix_s, span_str(rows[i].text));
		CHECK_ROW(is == (rows[i].want >= 0), rows[i].text);
		CHECK_ROW(!is || unix_s == (uint64_t)rows[i].want, rows[i].text);
	}
}

/* Against the C library, day by day. */
TEST(dates_of_every_day)
{
	for (time_t at = 43200; at < (time_t)86400 * 365 * 200; at += 86400) {
		struct tm parts;
		char text[64];
		uint64_t unix_s = 0;
		strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &parts));
		if (!survey_date(&unix_s, span_str(text)) || unix_s != (uint64_t)at) {
			CHECK_ROW(false, text);
			break;
		}
	}
}

CHECK_MAIN
