/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_LISTS_ORACLE_H
#define TOLLBAR_TESTS_LISTS_ORACLE_H
/* lists_oracle.h: what two lists mean, said as plainly as can be, and what the kernel program's own lookup, compiled by cc,
 * finds in their image. */
#include "lists_image.h" /* netinet/in.h has to come before linux/in.h */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/lists.bpf.h"

static unsigned lines_read; /* by the last image_ask */
static const struct lists_image *asked_image;

const union tollbar_line *lists_line(const struct lists_view *view, __u32 at)
{
	if (at / TOLLBAR_CHUNK_LINES >= asked_image->top->chunk_cnt)
		abort(); /* an image never leads beyond its end */
	lines_read++;
	return &asked_image->lines[at];
}

static inline uint64_t half_of(const struct in6_addr *address, size_t from)
{
	uint64_t half = 0;

	for (size_t i = from; i < from + 8; i++)
		half = half << 8 | address->s6_addr[i];
	return half;
}

static inline bool mapped(const struct in6_addr *address)
{
	return half_of(address, 0) == 0 && half_of(address, 8) >> 32 == 0xffff;
}

static inline uint32_t image_ask(const struct lists_image *image, const struct in6_addr *address)
{
	struct lists_view view = {.top = image->top};
	struct lists_source source = {half_of(address, 0), half_of(address, 8)};

	lines_read = 0;
	asked_image = image;
	if (image->top == NULL)
		return TOLLBAR_CODE_NONE;
	return mapped(address) ? lists_ip4(&view, (uint32_t)source.low) : lists_ip6(&view, &source);
}

/* Any prefix of the address's own family. */
static inline bool list_has(const struct prefix_list *list, const struct in6_addr *address)
{
	for (size_t i = 0; i < list->cnt; i++) {
		const struct prefix *prefix = &list->prefixes[i];
		unsigned bytes = prefix->bits / 8, rest = prefix->bits % 8;
		if (mapped(address) != (prefix->bits >= 96 && mapped(&prefix->address)))
			continue;
		if (memcmp(address, &prefix->address, bytes) == 0 &&
		    (rest == 0 || (address->s6_addr[bytes] ^ prefix->address.s6_addr[bytes]) >> (8 - rest) == 0))
			return true;
	}
	return false;
}

static inline uint32_t lists_mean(const struct prefix_list *allow, const struct prefix_list *deny,
				  const struct in6_addr *address)
{
	if (list_has(deny, address))
		return TOLLBAR_CODE_DENY;
	return list_has(allow, address) ? TOLLBAR_CODE_ALLOW : TOLLBAR_CODE_NONE;
}

#endif
