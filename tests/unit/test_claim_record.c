// SPDX-License-Identifier: Apache-2.0
/* test_claim_record.c: what a record's strings may be.  Whole records are test_claim_journal.c's and the fuzzer's. */
#include "../../user/claim_record.c"

#include "check.h"

#define FIELD_BYTES 24

/* Each length, and behind it one byte that should not be there, in each place. */
TEST(record_text_ends_and_is_padded)
{
	static const uint8_t strays[] = {1, 0x7f, 0x80, 0xff};
	char field[FIELD_BYTES];

	for (size_t used = 0; used <= FIELD_BYTES; used++) {
		for (size_t i = 0; i < sizeof strays; i++) {
			memset(field, 0, sizeof field);
			memset(field, strays[i], used);
			CHECK_EQ(padded(field, sizeof field), used < FIELD_BYTES);
			for (size_t stray = used + 1; stray < FIELD_BYTES; stray++) {
				field[stray] = (char)strays[i];
				CHECK(!padded(field, sizeof field));
				field[stray] = 0;
			}
		}
	}
}

TEST(record_job_names)
{
	static const struct {
		const char *name;
		bool good;
	} rows[] = {
		{"", true},    {"job-1", true}, {"a.b_c:D-9", true}, {"zZaA09", true}, {".", false},   {"..", false},
		{".a", false}, {"a.", true},	{"a/b", false},	     {"a b", false},   {"a;", false},  {"@", false},
		{"[", false},  {"`", false},	{"{", false},	     {"a\x80", false}, {"%41", false}, {"\x1f", false},
	};
	char job[SETTLE_JOB_BYTES_MAX];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		memset(job, 0, sizeof job);
		strcpy(job, rows[i].name);
		CHECK_ROW(settlement_job_good(job) == rows[i].good, rows[i].name);
	}
	/* all there are, one by one */
	for (unsigned c = 1; c < 256; c++) {
		memset(job, 0, sizeof job);
		job[0] = 'a';
		job[1] = (char)c;
		bool good =
			strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:", (int)c) != NULL;
		CHECK_EQ(settlement_job_good(job), good);
	}
	memset(job, 'a', sizeof job);
	CHECK(!settlement_job_good(job));
	job[sizeof job - 1] = 0;
	CHECK(settlement_job_good(job));
}

CHECK_MAIN
