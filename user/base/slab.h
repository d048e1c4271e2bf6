/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_SLAB_H
#define TOLLBAR_BASE_SLAB_H
/* slab.h: a fixed number of buffers of one size, mapped once.  Pages are the kernel's until first touched and go back
 * when a buffer is given back.  One thread. */
#include <stddef.h>
#include <stdint.h>

struct slab {
	uint8_t *at;
	uint32_t *free_idx; /* stack */
	size_t free_cnt, buffer_cnt, buffer_bytes;
};

int slab_init(struct slab *slab, size_t buffer_cnt, size_t buffer_bytes); /* 0 or -errno */
void slab_fini(struct slab *slab);
uint8_t *slab_take(struct slab *slab); /* NULL: none left */
void slab_give(struct slab *slab, uint8_t *buffer);

#endif
