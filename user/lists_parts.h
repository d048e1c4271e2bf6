/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_LISTS_PARTS_H
#define TOLLBAR_LISTS_PARTS_H
/* lists_parts.h: what the files behind lists_image.h hand each other.  Only lists_*.c include it.
 * Functions that return int return 0 or -ENOMEM; what they made is freed by its fini, also after a failure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lists.h"
#include "lists_abi.h"

/* --- lists_rules.c: two lists → the rules of one family --- */

/* What every listed prefix that contains this one says, taken together.  IPv4 addresses are the upper half of high. */
struct rule {
	uint64_t high, low; /* host order; bits beyond the length are zero */
	uint8_t bits;	    /* IPv4: 0 to 32 */
	uint8_t code;	    /* ALLOW or DENY */
	uint8_t around;	    /* the code of the next wider rule, or NONE; always less than code */
};

struct rules {
	struct rule *rules; /* by address, then length: one comes after all that contain it */
	size_t cnt;
};

int lists_rules_init(struct rules *rules, bool ip4, const struct prefix_list *allow, const struct prefix_list *deny);
void lists_rules_fini(struct rules *rules);

/* --- lists_table.c: where each key of a table goes --- */

/* An item per place, or TABLE_FREE: item i is in one of the two lines that hashes[i] gives.  There are as many lines as it
 * takes.  lists_table_init may also return -E2BIG. */
#define TABLE_FREE 0xffffffffu

struct table {
	uint32_t *places; /* line_cnt times per_line */
	uint32_t line_cnt;
	bool *moved; /* per line: some item whose home it is went to its other line */
};

int lists_table_init(struct table *table, const uint64_t *hashes, size_t item_cnt, unsigned per_line);
void lists_table_fini(struct table *table);

/* --- lists_ip4.c, lists_ip6.c: the rules of one family → codes, lines and what goes into its table --- */

struct block {
	uint64_t codes;
	uint32_t key;
};

struct ip4 {
	uint32_t codes[65536 / TOLLBAR_CODES_PER_WORD];
	uint64_t words[65536];
	union tollbar_line *lines; /* those the words name, from TOLLBAR_LISTS_BODY on */
	uint32_t line_cnt;
	struct block *blocks;
	size_t block_cnt, block_room;
};

/* In: ip4, all zero.  The same for ip6. */
int lists_ip4_init(struct ip4 *ip4, const struct rules *rules);
void lists_ip4_fini(struct ip4 *ip4);

struct net {
	uint64_t high, low;	    /* as in the table */
	uint64_t key_high, key_low; /* without the bits beyond the key's length */
	uint32_t word;
};

struct ip6 {
	uint32_t codes[65536 / TOLLBAR_CODES_PER_WORD];
	uint32_t words[65536]; /* zero where the code of the /16 says it all */
	struct net *nets;
	size_t net_cnt, net_room;
};

int lists_ip6_init(struct ip6 *ip6, const struct rules *rules);
void lists_ip6_fini(struct ip6 *ip6);

/* Code idx of an array of them. */
static inline uint32_t code_get(const uint32_t *codes, size_t idx)
{
	return codes[idx / TOLLBAR_CODES_PER_WORD] >> idx % TOLLBAR_CODES_PER_WORD * 2 & 3;
}

static inline void codes_set(uint32_t *codes, size_t idx, size_t cnt, uint32_t code)
{
	for (size_t i = idx; i < idx + cnt; i++) {
		unsigned shift = i % TOLLBAR_CODES_PER_WORD * 2;
		uint32_t *word = &codes[i / TOLLBAR_CODES_PER_WORD];
		*word = (*word & ~(3u << shift)) | code << shift;
	}
}

#endif
