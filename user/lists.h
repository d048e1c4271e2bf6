/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_LISTS_H
#define TOLLBAR_LISTS_H
/* lists.h: allow and deny files → sorted prefixes → the rules the kernel program looks up.  Pure but for reading the
 * file and the memory of the result.
 *
 * The file: one prefix a line, `#` starts a comment.
 *   192.0.2.7             # one address
 *   198.51.100.0/24
 *   2001:db8::/32
 * Bits outside the prefix must be zero: 192.0.2.7/24 is more likely a slip than a wish. */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LISTS_PREFIXES_MAX 1000000u /* per file; a trie of a million takes some 100 MB in the kernel */

struct prefix {
	struct in6_addr address; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t bits;		 /* of the 128: IPv4's own length plus 96 */
};

struct prefix_list {
	struct prefix *prefixes; /* sorted by address, then length; each once */
	size_t cnt;
};

/* lists_load: the file at path; lists_parse: the same from memory, `name` stands for the file in messages.
 * Each mistake is one line "FILE:LINE: what is wrong" on `mistakes`, all of them, not only the first.
 * Returns the number of mistakes (the list is empty then), 0 (the caller frees it with lists_fini), or -errno. */
int lists_load(struct prefix_list *list, const char *path, FILE *mistakes) __attribute__((warn_unused_result));
int lists_parse(struct prefix_list *list, const char *name, const char *text, size_t text_bytes, FILE *mistakes)
	__attribute__((warn_unused_result));
void lists_fini(struct prefix_list *list);

/* One entry for the kernel: what every listed prefix that contains this one says, taken together. */
struct rule {
	struct prefix prefix;
	uint32_t bits; /* TOLLBAR_LIST_ALLOW | TOLLBAR_LIST_DENY of abi.h */
};

/* lists_merge: two lists → rules, so that the longest matching rule alone answers for both lists.
 * IPv6 prefixes as wide as ::/0 contain the form IPv4 addresses are kept in, but say nothing of IPv4: where there is such
 * a prefix, ::ffff:0:0/96 gets a rule of its own that ends it.
 * Out: *rules, sorted like the lists, freed with free(); *cnt.  Returns 0 or -ENOMEM. */
int lists_merge(struct rule **rules, size_t *cnt, const struct prefix_list *allow, const struct prefix_list *deny)
	__attribute__((warn_unused_result));

#endif
