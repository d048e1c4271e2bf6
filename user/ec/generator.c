// SPDX-License-Identifier: Apache-2.0
#include "ec/generator.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "ec/workspace.h"

#define HUGE_PAGE ((size_t)2 << 20)

static const void *generator;

static void make_generator(void)
{
	static const uint8_t g[64] = {
		0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac, 0x55, 0xa0, 0x62, 0x95, 0xce, 0x87, 0x0b, 0x07,
		0x02, 0x9b, 0xfc, 0xdb, 0x2d, 0xce, 0x28, 0xd9, 0x59, 0xf2, 0x81, 0x5b, 0x16, 0xf8, 0x17, 0x98,
		0x48, 0x3a, 0xda, 0x77, 0x26, 0xa3, 0xc4, 0x65, 0x5d, 0xa4, 0xfb, 0xfc, 0x0e, 0x11, 0x08, 0xa8,
		0xfd, 0x17, 0xb4, 0x48, 0xa6, 0x85, 0x54, 0x19, 0x9c, 0x47, 0xd0, 0x8f, 0xfb, 0x10, 0xd4, 0xb8,
	};
	size_t bytes = (EC_GENERATOR_BYTES + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	struct ec_workspace *work = workspace_take(ec_supported() ? EC_LANES : EC_PORTABLE);
	void *memory = aligned_alloc(HUGE_PAGE, bytes);
	const uint8_t *key = g;

	if (work != NULL && memory != NULL) {
		(void)madvise(memory, bytes, MADV_HUGEPAGE); /* slower without, not wrong */
		ec_table_build(work, &memory, &key, 1, GENERATOR_WINDOW);
		generator = memory;
	} else {
		free(memory);
	}
	ec_fini(work);
}

const void *generator_table(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_generator);
	return generator;
}
