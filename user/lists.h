/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_LISTS_H
#define TOLLBAR_LISTS_H
/* lists.h: allow and deny files → prefixes.  Pure but for reading the file and the memory of the result.  What the two
 * lists say together is lists_image.h.
 *
 * The file: one prefix a line, `#` starts a comment.
 *   192.0.2.7             # one address
 *   198.51.100.0/24
 *   2001:db8::/32
 * Bits outside the prefix must be zero: 192.0.2.7/24 is more likely a slip than a wish.  Lines may end in CR LF, the last
 * one in nothing; a byte order mark at the start is skipped. */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LISTS_PREFIXES_MAX 2000000u /* per file: a million single addresses, and networks beside them */
#define LISTS_MISTAKES_SHOWN 100    /* per file; of the others only their number */

struct prefix {
	struct in6_addr address; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t bits;		 /* of the 128: IPv4's own length plus 96 */
};

struct prefix_list {
	struct prefix *prefixes; /* as in the file */
	size_t cnt;
};

/* lists_load: the file at path; lists_parse: the same from memory, `name` stands for the file in messages.
 * Each mistake is one line "FILE:LINE: what is wrong" on `mistakes`, up to LISTS_MISTAKES_SHOWN, then one line with the
 * number of the others.  What is quoted from the file is printable.
 * Returns the number of mistakes (the list is empty then), 0 (the caller frees it with lists_fini), or -errno. */
int lists_load(struct prefix_list *list, const char *path, FILE *mistakes) __attribute__((warn_unused_result));
int lists_parse(struct prefix_list *list, const char *name, const char *text, size_t text_bytes, FILE *mistakes)
	__attribute__((warn_unused_result));
void lists_fini(struct prefix_list *list);
/* lists_add: one address more (IPv4 as mapped).  0 or -ENOMEM. */
int lists_add(struct prefix_list *list, const struct in6_addr *address) __attribute__((warn_unused_result));

#endif
