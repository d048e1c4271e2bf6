// SPDX-License-Identifier: Apache-2.0
#include "base/text.c"

#include "check.h"

TEST(pieces_join_until_one_does_not_fit)
{
	char out[8] = "xxxxxxx";
	struct text text;

	text_init(&text, out, 7);
	CHECK(strcmp(out, "") == 0);
	CHECK_EQ(text_done(&text), 0);
	text_put(&text, "%d-%s", 12, "ab");
	CHECK(strcmp(out, "12-ab") == 0);
	CHECK_EQ(text_done(&text), 5);
	text_put(&text, "c");
	CHECK(strcmp(out, "12-abc") == 0);
	CHECK_EQ(text_done(&text), 6);
	text_put(&text, "%s", "");
	CHECK_EQ(text_done(&text), 6);
	text_put(&text, "d");
	CHECK_EQ(text_done(&text), 0);
	text_put(&text, "%s", ""); /* full for good */
	CHECK_EQ(text_done(&text), 0);
	CHECK_EQ(out[6], '\0');
	CHECK_EQ(out[7], '\0'); /* untouched */
}

CHECK_MAIN
