// SPDX-License-Identifier: Apache-2.0
#include "parse_target.c"

#include "check.h"
#include "guard.h"

#define ID "00112233445566778899aabbccddeeff"

TEST(targets)
{
	static const struct {
		const char *name, *target;
		enum reason reason;
		unsigned wait_s;
	} rows[] = {
		{"plain", "/v1/requests/" ID, REASON_OK, 0},
		{"no wait", "/v1/requests/" ID "?wait=0", REASON_OK, 0},
		{"a second", "/v1/requests/" ID "?wait=1", REASON_OK, 1},
		{"the bound", "/v1/requests/" ID "?wait=60", REASON_OK, 60},
		{"over it", "/v1/requests/" ID "?wait=61", REASON_OK, 60},
		{"far over it", "/v1/requests/" ID "?wait=9999", REASON_OK, 60},
		{"five digits", "/v1/requests/" ID "?wait=10000", ROUTE_UNKNOWN, 0},
		{"many digits", "/v1/requests/" ID "?wait=4294967297", ROUTE_UNKNOWN, 0},
		{"leading zero", "/v1/requests/" ID "?wait=01", ROUTE_UNKNOWN, 0},
		{"two zeros", "/v1/requests/" ID "?wait=00", ROUTE_UNKNOWN, 0},
		{"no number", "/v1/requests/" ID "?wait=", ROUTE_UNKNOWN, 0},
		{"negative", "/v1/requests/" ID "?wait=-1", ROUTE_UNKNOWN, 0},
		{"plus", "/v1/requests/" ID "?wait=+1", ROUTE_UNKNOWN, 0},
		{"fraction", "/v1/requests/" ID "?wait=1.5", ROUTE_UNKNOWN, 0},
		{"exponent", "/v1/requests/" ID "?wait=1e1", ROUTE_UNKNOWN, 0},
		{"unit", "/v1/requests/" ID "?wait=1s", ROUTE_UNKNOWN, 0},
		{"encoded", "/v1/requests/" ID "?wait=%31", ROUTE_UNKNOWN, 0},
		{"colon", "/v1/requests/" ID "?wait=:", ROUTE_UNKNOWN, 0},
		{"slash", "/v1/requests/" ID "?wait=/", ROUTE_UNKNOWN, 0},
		{"twice", "/v1/requests/" ID "?wait=1&wait=1", ROUTE_UNKNOWN, 0},
		{"another key", "/v1/requests/" ID "?wait=1&x=1", ROUTE_UNKNOWN, 0},
		{"first another", "/v1/requests/" ID "?x=1&wait=1", ROUTE_UNKNOWN, 0},
		{"another case", "/v1/requests/" ID "?Wait=1", ROUTE_UNKNOWN, 0},
		{"empty query", "/v1/requests/" ID "?", ROUTE_UNKNOWN, 0},
		{"two question marks", "/v1/requests/" ID "??wait=1", ROUTE_UNKNOWN, 0},
		{"upper case", "/v1/requests/00112233445566778899AABBCCDDEEFF", RESULT_UNKNOWN, 0},
		{"one capital", "/v1/requests/00112233445566778899aabbccddeefF", RESULT_UNKNOWN, 0},
		{"with 0x", "/v1/requests/0x112233445566778899aabbccddeeff", RESULT_UNKNOWN, 0},
		{"short", "/v1/requests/00112233445566778899aabbccddeef", RESULT_UNKNOWN, 0},
		{"long", "/v1/requests/" ID "0", RESULT_UNKNOWN, 0},
		{"none", "/v1/requests/", RESULT_UNKNOWN, 0},
		{"none, but a query", "/v1/requests/?wait=1", RESULT_UNKNOWN, 0},
		{"short, and a query", "/v1/requests/00?wait=1", RESULT_UNKNOWN, 0},
		{"no hex", "/v1/requests/g0112233445566778899aabbccddeeff", RESULT_UNKNOWN, 0},
		{"encoded", "/v1/requests/%30112233445566778899aabbccddee", RESULT_UNKNOWN, 0},
		{"deeper", "/v1/requests/" ID "/", RESULT_UNKNOWN, 0},
		{"two slashes", "/v1/requests//" ID, RESULT_UNKNOWN, 0},
		{"dots", "/v1/requests/../requests/" ID, RESULT_UNKNOWN, 0},
		{"no slash", "/v1/requests", ROUTE_UNKNOWN, 0},
		{"elsewhere", "/v1/requestz/" ID, ROUTE_UNKNOWN, 0},
		{"another case", "/V1/requests/" ID, ROUTE_UNKNOWN, 0},
		{"slash", "/", ROUTE_UNKNOWN, 0},
		{"star", "*", ROUTE_UNKNOWN, 0},
		{"nothing", "", ROUTE_UNKNOWN, 0},
	};
	static const uint8_t id[NATIVE_ID_BYTES] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
						    0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
	struct guard guard;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct result_target result;
		struct span target = guard_copy(&guard, rows[i].target, strlen(rows[i].target));
		enum reason reason = parse_result_target(&result, target);
		CHECK_ROW(reason == rows[i].reason, rows[i].name);
		CHECK_ROW(parse_is_result(target) == (strncmp(rows[i].target, "/v1/requests/", 13) == 0), rows[i].name);
		guard_free(&guard);
		if (reason != REASON_OK)
			continue;
		CHECK_ROW(result.wait_s == rows[i].wait_s, rows[i].name);
		CHECK_ROW(memcmp(result.id, id, sizeof id) == 0, rows[i].name);
	}
}

/* Every prefix, and every byte changed to every other: only what is written the one way is taken. */
TEST(nothing_but_the_exact_form)
{
	static const char good[] = "/v1/requests/" ID "?wait=7";
	struct result_target result, other;
	char text[sizeof good];

	CHECK_EQ(parse_result_target(&result, span_str(good)), REASON_OK);
	for (size_t bytes = 0; bytes < sizeof good - 1; bytes++)
		CHECK_EQ(parse_result_target(&other, span_of(good, bytes)) == REASON_OK, bytes == sizeof good - 8);
	for (size_t at = 0; at < sizeof good - 1; at++) {
		bool in_id = at >= 13 && at < 45, in_wait = at == sizeof good - 2;
		memcpy(text, good, sizeof good);
		for (unsigned byte = 0; byte < 256; byte++) {
			text[at] = (char)byte;
			bool digit = byte >= '0' && byte <= '9', hex = digit || (byte >= 'a' && byte <= 'f');
			bool taken = parse_result_target(&other, span_of(text, sizeof good - 1)) == REASON_OK;
			CHECK_EQ(taken, (in_id && hex) || (in_wait && digit) || (char)byte == good[at]);
			if (taken && (char)byte != good[at])
				CHECK(memcmp(&other, &result, sizeof other) != 0);
		}
	}
}

CHECK_MAIN
