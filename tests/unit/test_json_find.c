// SPDX-License-Identifier: Apache-2.0
#include "base/json_find.c"

#include "check.h"

static const char object[] = "{\"a\":7,\"b\":{\"c\":true,\"d\":\"x\",\"e\":{}},\"f\":[1,2],\"a\\u0062\":8}";

TEST(what_is_there)
{
	struct span all = span_str(object), inner = json_find_member(all, "b");
	struct json_value value;

	CHECK_EQ(json_find_u64(all, "a"), 7);
	CHECK_EQ(json_find_u64(all, "ab"), 8); /* as its escapes mean it */
	CHECK(span_equal(inner, SPAN("{\"c\":true,\"d\":\"x\",\"e\":{}}")));
	CHECK(json_find_bool(inner, "c"));
	CHECK(json_find(&value, inner, "d") && json_equals(&value, SPAN("x")));
	CHECK(span_equal(json_find_member(inner, "e"), SPAN("{}")));
	CHECK(span_equal(json_find_member(all, "f"), SPAN("[1,2]")));
}

TEST(what_is_not)
{
	struct span all = span_str(object);
	struct json_value value;

	CHECK_EQ(json_find_member(all, "c").bytes, 0); /* of an inner object */
	CHECK_EQ(json_find_member(all, "").bytes, 0);
	CHECK_EQ(json_find_u64(all, "b"), 0);
	CHECK(!json_find_bool(all, "a"));
	CHECK(!json_find(&value, all, "x"));
	CHECK_EQ(json_find_member(json_find_member(all, "x"), "a").bytes, 0);
}

TEST(what_is_no_good_json)
{
	static const char *const texts[] = {"",		 "7", "[]", "{", "{\"a\":7", "{\"a\":7}}", "{\"a\":7,\"a\":8}",
					    "{\"a\":07}"};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		CHECK_ROW(json_find_u64(span_str(texts[i]), "a") == 0, texts[i]);
}

CHECK_MAIN
