/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_GUARD_H
#define TOLLBAR_TESTS_GUARD_H
/* guard.h: bytes that end exactly where a page without access begins: one byte read too far is a crash. */
#include "base/assert.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/span.h"

struct guard {
	uint8_t *map;
	size_t map_bytes;
};

/* A copy of these bytes against the guard page; guard_free ends it. */
static inline struct span guard_copy(struct guard *guard, const void *at, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + page) / page * page;
	uint8_t *copy;

	guard->map_bytes = room + page;
	guard->map = mmap(NULL, guard->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(guard->map != MAP_FAILED && mprotect(guard->map + room, page, PROT_NONE) == 0);
	copy = guard->map + room - bytes;
	if (bytes > 0)
		memcpy(copy, at, bytes);
	return span_of(copy, bytes);
}

static inline void guard_free(struct guard *guard)
{
	munmap(guard->map, guard->map_bytes);
}

#endif
