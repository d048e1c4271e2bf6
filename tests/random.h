/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_RANDOM_H
#define TOLLBAR_TESTS_RANDOM_H
/* random.h: repeatable random numbers.  The seed is printed; TEST_SEED=<number> runs the same test again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t random_state;

static inline void random_start(const char *test)
{
	const char *given = getenv("TEST_SEED");

	random_state = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
	printf("%s: TEST_SEED=%llu\n", test, (unsigned long long)random_state);
}

/* splitmix64 */
static inline uint64_t random_u64(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline size_t random_below(size_t bound)
{
	return (size_t)(random_u64() % bound);
}

static inline void random_bytes(uint8_t *out, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)random_u64();
}

#endif
