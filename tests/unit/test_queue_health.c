// SPDX-License-Identifier: Apache-2.0
#include "queue_health.c"

#include "check.h"

#define S(seconds) ((seconds)*1000)

/* The same sign at one time, of a request that went out then. */
static void note(struct health *health, enum health_sign sign, unsigned times, uint64_t now_ms)
{
	for (unsigned i = 0; i < times; i++)
		health_note(health, sign, now_ms, now_ms);
}

TEST(three_bad_signs_in_a_row)
{
	static const struct {
		const char *name;
		enum health_sign signs[8];
		unsigned cnt;
		enum health_state state;
		bool answers;
	} rows[] = {
		{"two are nothing", {SIGN_DEAD, SIGN_DEAD}, 2, HEALTH_UP, false},
		{"three", {SIGN_DEAD, SIGN_DEAD, SIGN_DEAD}, 3, HEALTH_OUT, false},
		{"an answer between", {SIGN_DEAD, SIGN_DEAD, SIGN_GOOD, SIGN_DEAD, SIGN_DEAD}, 5, HEALTH_UP, false},
		{"busy is not dead", {SIGN_DEAD, SIGN_DEAD, SIGN_BUSY, SIGN_DEAD, SIGN_BUSY}, 5, HEALTH_UP, false},
		{"who leaves says nothing", {SIGN_DEAD, SIGN_DEAD, SIGN_NONE, SIGN_DEAD}, 4, HEALTH_OUT, false},
		{"errors", {SIGN_ERROR, SIGN_ERROR, SIGN_ERROR}, 3, HEALTH_OUT, true},
		{"the last one says what it is", {SIGN_DEAD, SIGN_DEAD, SIGN_ERROR}, 3, HEALTH_OUT, true},
		{"errors, then dead", {SIGN_ERROR, SIGN_ERROR, SIGN_ERROR, SIGN_DEAD}, 4, HEALTH_OUT, false},
		{"errors, then an answer", {SIGN_ERROR, SIGN_ERROR, SIGN_ERROR, SIGN_GOOD}, 4, HEALTH_UP, false},
		{"what a check says counts at once", {SIGN_NOT_READY}, 1, HEALTH_OUT, true},
		{"and once", {SIGN_NOT_READY, SIGN_NOT_READY, SIGN_GOOD, SIGN_DEAD}, 4, HEALTH_UP, false},
		{"silence", {SIGN_SILENT, SIGN_SILENT, SIGN_SILENT}, 3, HEALTH_OUT, false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct health health = {0};
		for (unsigned k = 0; k < rows[i].cnt; k++) {
			enum health_state before = health.state;
			bool answers = health.answers;
			bool changed = health_note(&health, rows[i].signs[k], S(10) + k, S(10) + k);
			CHECK_ROW(changed == (before != health.state || answers != health.answers), rows[i].name);
		}
		CHECK_ROW(health.state == rows[i].state, rows[i].name);
		CHECK_ROW(health.answers == rows[i].answers, rows[i].name);
	}
}

TEST(silence_counts_only_where_nobody_was_answered)
{
	struct health health = {0};

	note(&health, SIGN_GOOD, 1, S(20));
	for (unsigned i = 0; i < 100; i++) /* they waited since before that */
		CHECK(!health_note(&health, SIGN_SILENT, S(10), S(130)));
	CHECK(health.state == HEALTH_UP && health.fails == 0);
	for (unsigned i = 0; i < HEALTH_FAILS; i++)
		health_note(&health, SIGN_SILENT, S(21), S(141));
	CHECK_EQ(health.state, HEALTH_OUT);
}

TEST(twice_the_time_out_each_time_up_to_a_minute)
{
	static const unsigned want_s[] = {1, 2, 4, 8, 16, 32, 60, 60};
	struct health health = {0};
	uint64_t now_ms = S(100);

	note(&health, SIGN_DEAD, HEALTH_FAILS, now_ms);
	for (size_t i = 0; i < sizeof want_s / sizeof *want_s; i++) {
		CHECK_EQ(health.state, HEALTH_OUT);
		CHECK_EQ(health.until_ms - now_ms, S(want_s[i]));
		CHECK(!health_due(&health, health.until_ms - 1));
		now_ms = health.until_ms;
		CHECK(health_due(&health, now_ms));
		health_try(&health, now_ms);
		CHECK(!health_due(&health, now_ms)); /* one at a time */
		CHECK(health_note(&health, SIGN_DEAD, now_ms, now_ms + 5));
		now_ms += 5;
	}
	now_ms = health.until_ms;
	health_try(&health, now_ms);
	health_untried(&health, now_ms + 1); /* its client left */
	CHECK(health_due(&health, now_ms + 1));
	health_try(&health, now_ms + 2);
	CHECK(health_note(&health, SIGN_BUSY, now_ms + 2, now_ms + 3));
	CHECK(health.state == HEALTH_UP && health.fails == 0);
	health_untried(&health, now_ms + 4); /* that it was the one is over */
	CHECK_EQ(health.state, HEALTH_UP);
	note(&health, SIGN_DEAD, HEALTH_FAILS, now_ms + 5);
	CHECK_EQ(health.until_ms, now_ms + 5 + HEALTH_BACKOFF_MS); /* a new illness */
}

TEST(what_went_out_before_says_nothing_of_now)
{
	struct health health = {0};

	note(&health, SIGN_DEAD, HEALTH_FAILS, S(10));
	CHECK(!health_note(&health, SIGN_GOOD, S(9), S(10) + 500)); /* a stream that ends well while it shuts down */
	CHECK(!health_note(&health, SIGN_DEAD, S(9), S(10) + 500));
	CHECK(health.state == HEALTH_OUT && health.until_ms == S(11));
	health_try(&health, S(11));
	CHECK(!health_note(&health, SIGN_DEAD, S(9), S(11) + 1));
	CHECK(!health_note(&health, SIGN_GOOD, S(10) + 999, S(11) + 1));
	CHECK_EQ(health.state, HEALTH_TRIED);
	CHECK(health_note(&health, SIGN_ERROR, S(11), S(11) + 2)); /* alive, and not well */
	CHECK(health.state == HEALTH_OUT && health.answers && health.until_ms == S(13) + 2);
}

CHECK_MAIN
