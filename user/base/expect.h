/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_EXPECT_H
#define TOLLBAR_BASE_EXPECT_H
/* expect.h: memory that will be written or read soon, and is long out of every cache: it comes while something else is done.
 * Wrong is slower, nothing else: any address will do. */
#include <stddef.h>

#define EXPECT_LINE_BYTES 64

static inline void expect(const void *at, size_t bytes)
{
	const char *from = at;

	for (size_t i = 0; i < bytes; i += EXPECT_LINE_BYTES)
		__builtin_prefetch(from + i, 1);
}

#endif
