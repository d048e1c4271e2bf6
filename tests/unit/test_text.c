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

TEST(durations)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {
		{0, "0 ns"},
		{999, "999 ns"},
		{1000, "1.0 us"},
		{1049, "1.0 us"},
		{1050, "1.1 us"},
		{99949, "99.9 us"},
		{99950, "100 us"},
		{999499, "999 us"},
		{999500, "1.0 ms"},
		{35100000, "35.1 ms"},
		{999500000, "1.0 s"},
		{61000000000, "61.0 s"},
		{1000000000000, "1000 s"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char cell[32];
		struct text text;

		text_init(&text, cell, sizeof cell);
		text_put_duration(&text, 0, rows[i].ns);
		CHECK_ROW(strcmp(cell, rows[i].text) == 0, cell);
		text_init(&text, cell, sizeof cell);
		text_put_duration(&text, 11, rows[i].ns);
		CHECK_ROW(strlen(cell) == 11 && strcmp(cell + 11 - strlen(rows[i].text), rows[i].text) == 0, cell);
	}
}

CHECK_MAIN
