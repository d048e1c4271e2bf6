/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_CHECK_H
#define TOLLBAR_TESTS_CHECK_H
/* check.h: the whole test framework.
 *
 *   TEST(name) { CHECK(x == 1); CHECK_EQ(a, b); }      registers itself
 *   CHECK_MAIN                                          runs all, prints one line per failure and the closing count
 *
 * A test that cannot run here says CHECK_SKIP("why") and is counted as skipped, never as passed. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check_test {
	const char *name;
	void (*run)(void);
	struct check_test *next;
};

static struct check_test *check_first, **check_last __attribute__((unused)) = &check_first;
static int check_failures;
static const char *check_skipped;

#define TEST(id)                                                      \
	static void test_##id(void);                                  \
	static struct check_test entry_##id = {#id, test_##id, NULL}; \
	__attribute__((constructor)) static void register_##id(void)  \
	{                                                             \
		*check_last = &entry_##id;                            \
		check_last = &entry_##id.next;                        \
	}                                                             \
	static void test_##id(void)

#define CHECK(expression)                                                       \
	do {                                                                    \
		if (!(expression)) {                                            \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #expression); \
			check_failures++;                                       \
		}                                                               \
	} while (0)

#define CHECK_EQ(got, want)                                                                                          \
	do {                                                                                                         \
		long long got_ = (long long)(got), want_ = (long long)(want);                                        \
		if (got_ != want_) {                                                                                 \
			printf("%s:%d: %s is %lld, want %s = %lld\n", __FILE__, __LINE__, #got, got_, #want, want_); \
			check_failures++;                                                                            \
		}                                                                                                    \
	} while (0)

#define CHECK_BYTES(got, want, bytes)                                                           \
	do {                                                                                    \
		if (memcmp(got, want, bytes) != 0) {                                            \
			printf("%s:%d: %s differs from %s\n", __FILE__, __LINE__, #got, #want); \
			check_failures++;                                                       \
		}                                                                               \
	} while (0)

/* For what the rest of the test cannot do without: ends the program. */
#define CHECK_NEED(expression)                                                  \
	do {                                                                    \
		if (!(expression)) {                                            \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #expression); \
			exit(1);                                                \
		}                                                               \
	} while (0)

/* For tables: names the row in the message. */
#define CHECK_ROW(expression, row)                                                               \
	do {                                                                                     \
		if (!(expression)) {                                                             \
			printf("%s:%d: row \"%s\": %s\n", __FILE__, __LINE__, row, #expression); \
			check_failures++;                                                        \
		}                                                                                \
	} while (0)

#define CHECK_SKIP(why)                \
	do {                           \
		check_skipped = (why); \
		return;                \
	} while (0)

static inline int check_main(void)
{
	int passed = 0, failed = 0, skipped = 0;

	for (struct check_test *test = check_first; test != NULL; test = test->next) {
		int before = check_failures;
		check_skipped = NULL;
		test->run();
		if (check_failures != before) {
			printf("FAIL %s\n", test->name);
			failed++;
		} else if (check_skipped != NULL) {
			printf("SKIP %s: %s\n", test->name, check_skipped);
			skipped++;
		} else {
			passed++;
		}
	}
	printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
	return failed != 0;
}

#define CHECK_MAIN                                \
	int main(void)                            \
	{                                         \
		setvbuf(stdout, NULL, _IOLBF, 0); \
		return check_main();              \
	}

#endif
