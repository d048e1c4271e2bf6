/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slab.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/assert.h"

int slab_init(struct slab *slab, size_t buffer_cnt, size_t buffer_bytes)
{
	buffer_bytes = (buffer_bytes + 4095) & ~(size_t)4095;
	*slab = (struct slab){.free_cnt = buffer_cnt, .buffer_cnt = buffer_cnt, .buffer_bytes = buffer_bytes};
	slab->free_idx = calloc(buffer_cnt, sizeof *slab->free_idx);
	if (slab->free_idx == NULL)
		return -ENOMEM;
	slab->at = mmap(NULL, buffer_cnt * buffer_bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slab->at == MAP_FAILED) {
		slab->at = NULL;
		slab_fini(slab);
		return -ENOMEM;
	}
	for (size_t i = 0; i < buffer_cnt; i++)
		slab->free_idx[i] = (uint32_t)(buffer_cnt - 1 - i);
	return 0;
}

void slab_fini(struct slab *slab)
{
	if (slab->at != NULL)
		munmap(slab->at, slab->buffer_cnt * slab->buffer_bytes);
	free(slab->free_idx);
	*slab = (struct slab){0};
}

uint8_t *slab_take(struct slab *slab)
{
	if (slab->free_cnt == 0)
		return NULL;
	return slab->at + slab->free_idx[--slab->free_cnt] * slab->buffer_bytes;
}

void slab_give(struct slab *slab, uint8_t *buffer)
{
	ASSERT(slab->free_cnt < slab->buffer_cnt);
	size_t idx = (size_t)(buffer - slab->at) / slab->buffer_bytes;
	ASSERT(idx < slab->buffer_cnt);
	madvise(buffer, slab->buffer_bytes, MADV_DONTNEED);
	slab->free_idx[slab->free_cnt++] = (uint32_t)idx;
}
