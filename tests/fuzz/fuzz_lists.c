// SPDX-License-Identifier: Apache-2.0
// link: user/lists.c user/lists_image.c user/lists_rules.c user/lists_table.c user/lists_ip4.c user/lists_ip6.c user/base/log.c
/* fuzz_lists.c: any text gives a list or as many mistakes as are counted; a list, the second half of it taken as the deny
 * list, says of both ends of each of its prefixes what it means, by the kernel program's own lookup. */
#include "lists_oracle.h"

#define MUST(expression) ((expression) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

static void compare(const struct prefix_list *allow, const struct prefix_list *deny, const struct prefix_list *all,
		    const struct lists_image *image)
{
	for (size_t i = 0; i < all->cnt; i++) {
		struct in6_addr ends[2] = {all->prefixes[i].address, all->prefixes[i].address};
		for (unsigned bit = all->prefixes[i].bits; bit < 128; bit++)
			ends[1].s6_addr[bit / 8] = (uint8_t)(ends[1].s6_addr[bit / 8] | 0x80 >> bit % 8);
		for (size_t end = 0; end < 2; end++)
			MUST(image_ask(image, &ends[end]) == lists_mean(allow, deny, &ends[end]));
	}
}

static int lines_of(const char *text)
{
	int lines = 0;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		lines++;
	return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	struct prefix_list list;
	struct lists_image image;
	char *mistakes;
	size_t mistakes_bytes;
	FILE *out = open_memstream(&mistakes, &mistakes_bytes);
	int cnt = lists_parse(&list, "f", (const char *)at, bytes, out);

	fclose(out);
	MUST(cnt >= 0 && (cnt == 0 || list.prefixes == NULL));
	MUST(lines_of(mistakes) == (cnt > LISTS_MISTAKES_SHOWN ? LISTS_MISTAKES_SHOWN + 1 : cnt));
	for (size_t i = 0; i < mistakes_bytes; i++)
		MUST(mistakes[i] == '\n' || (mistakes[i] >= ' ' && mistakes[i] < 127));
	free(mistakes);
	if (cnt == 0 && list.cnt > 0) {
		const struct prefix_list allow = {list.prefixes, list.cnt / 2},
					 deny = {list.prefixes + list.cnt / 2, list.cnt - list.cnt / 2};
		MUST(lists_image_init(&image, &allow, &deny, bytes * 0x9e3779b97f4a7c15u) == 0);
		compare(&allow, &deny, &list, &image);
		lists_image_fini(&image);
	}
	lists_fini(&list);
	return 0;
}
