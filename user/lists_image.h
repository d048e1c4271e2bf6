/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_LISTS_IMAGE_H
#define TOLLBAR_LISTS_IMAGE_H
/* lists_image.h: both lists → the form the kernel program reads (include/lists_abi.h).  Pure but for the memory. */
#include <stddef.h>
#include <stdint.h>

#include "lists.h"
#include "lists_abi.h"

struct lists_image {
	struct tollbar_lists_top *top; /* both NULL: nothing is listed */
	union tollbar_line *lines;     /* top->chunk_cnt chunks of them */
	size_t ip4_cnt, ip6_cnt; /* rules left of each family: prefixes that say no more than a wider one are gone */
};

/* lists_image_init: what the lists say of each source.  A prefix speaks for its own family only, ::/0 not for IPv4; of all
 * prefixes around a source one in the deny list is enough for TOLLBAR_CODE_DENY, else one in the allow list for
 * TOLLBAR_CODE_ALLOW.  The order of the lists does not matter, nor that a prefix is there twice.
 * In: seed, random; the lists are not kept.  Out: image, freed with lists_image_fini (needed after success only).
 * Returns 0, -ENOMEM, or -E2BIG: more than TOLLBAR_CHUNKS_MAX chunks. */
int lists_image_init(struct lists_image *image, const struct prefix_list *allow, const struct prefix_list *deny,
		     uint64_t seed) __attribute__((warn_unused_result));
void lists_image_fini(struct lists_image *image);

#endif
