// SPDX-License-Identifier: Apache-2.0
/* filter_lists.c: the lists of filter.h. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "lists_image.h"
#include "sys/filter_maps.h"
#include "sys/pins.h"

#define FENCE_SLOT (TOLLBAR_CHUNK_SLOTS - 1)

/* A fresh chunk with these lines, or with zeros for NULL; -errno. */
static int chunk_map(const union tollbar_line *lines)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	size_t bytes = TOLLBAR_CHUNK_LINES * sizeof *lines;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "lists_chunk", 4, sizeof *lines, TOLLBAR_CHUNK_LINES, &opts);

	if (fd < 0 || lines == NULL)
		return fd;
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		int err = -errno;
		close(fd);
		return err;
	}
	memcpy(at, lines, bytes);
	munmap(at, bytes);
	return fd;
}

struct chunks {
	uint32_t slots[TOLLBAR_CHUNKS_MAX + 1], cnt;
	int fds[TOLLBAR_CHUNKS_MAX + 1];
};

static int chunk_add(struct chunks *chunks, uint32_t slot, const union tollbar_line *lines)
{
	int fd = chunk_map(lines);

	if (fd < 0)
		return fd;
	chunks->slots[chunks->cnt] = slot;
	chunks->fds[chunks->cnt++] = fd;
	return 0;
}

/* All at once: each change of an outer map waits, see chunks_delete. */
static int chunks_write(const struct filter *filter, uint32_t generation, const struct lists_image *image)
{
	struct chunks chunks = {.cnt = 0};
	int err = chunk_add(&chunks, FENCE_SLOT, NULL);

	for (uint32_t i = 0; err == 0 && i < filter->tops[generation].chunk_cnt; i++)
		err = chunk_add(&chunks, generation * TOLLBAR_CHUNKS_MAX + i,
				&image->lines[(size_t)i * TOLLBAR_CHUNK_LINES]);
	uint32_t cnt = chunks.cnt;
	if (err == 0)
		err = bpf_map_update_batch(filter->map_fds[MAP_LISTS], chunks.slots, chunks.fds, &cnt, NULL);
	while (chunks.cnt > 0)
		close(chunks.fds[--chunks.cnt]);
	return err;
}

/* The kernel lets a change of an outer map return only when no program still uses the old state.  That costs
 * milliseconds each time; up to Linux 6.7 even a lookup does. */
static void chunks_delete(const struct filter *filter, uint32_t generation)
{
	for (uint32_t i = 0; i < filter->tops[generation].chunk_cnt && i < TOLLBAR_CHUNKS_MAX; i++) {
		uint32_t slot = generation * TOLLBAR_CHUNKS_MAX + i;
		bpf_map_delete_elem(filter->map_fds[MAP_LISTS], &slot);
	}
	filter->tops[generation].chunk_cnt = 0;
}

/* Makes the generation not in force from the image and puts it in force.  Taking the fence out, which is there for this
 * alone, then waits until no packet is judged by the generation before, and that can go. */
static int image_switch(struct filter *filter, const struct lists_image *image)
{
	static const struct tollbar_lists_top nothing;
	uint32_t old = (__atomic_load_n(&filter->policy->word, __ATOMIC_RELAXED) & TOLLBAR_GENERATION) != 0;
	uint32_t next = !old, fence = FENCE_SLOT;

	chunks_delete(filter, next); /* there are some if a process ended in the middle of this */
	filter->tops[next] = image->top != NULL ? *image->top : nothing;
	int err = chunks_write(filter, next, image);
	if (err != 0) {
		chunks_delete(filter, next);
		return err;
	}
	filter_word_change(filter, TOLLBAR_GENERATION | TOLLBAR_HAS_LISTS,
			   (next ? TOLLBAR_GENERATION : 0) | (image->top != NULL ? TOLLBAR_HAS_LISTS : 0));
	if (bpf_map_delete_elem(filter->map_fds[MAP_LISTS], &fence) == 0)
		chunks_delete(filter, old);
	return 0;
}

/* Two at once would write the same chunks. */
static int image_switch_alone(struct filter *filter, const struct lists_image *image)
{
	int lock_fd = pins_lock();

	if (lock_fd < 0) {
		log_error("event=lists error=\"%s\" note=\"%s\"", strerror(-lock_fd),
			  lock_fd == -EBUSY ? "somebody else is replacing lists" : "cannot keep others out");
		return lock_fd;
	}
	int err = image_switch(filter, image);
	close(lock_fd);
	return err;
}

int filter_load_lists(struct filter *filter, const struct prefix_list *allow, const struct prefix_list *deny)
{
	struct lists_image image;
	uint64_t seed, began_ns = clock_ns();

	if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
		return -errno;
	int err = lists_image_init(&image, allow, deny, seed);
	if (err == 0)
		err = image_switch_alone(filter, &image);
	if (err == 0)
		log_info("event=lists allow=%zu deny=%zu ip4_rules=%zu ip6_rules=%zu kernel_kib=%zu ms=%llu",
			 allow->cnt, deny->cnt, image.ip4_cnt, image.ip6_cnt,
			 (image.top != NULL ? image.top->chunk_cnt : (size_t)0) * TOLLBAR_CHUNK_LINES *
				 sizeof *image.lines / 1024,
			 (unsigned long long)(clock_ns() - began_ns) / 1000000);
	lists_image_fini(&image);
	return err;
}
