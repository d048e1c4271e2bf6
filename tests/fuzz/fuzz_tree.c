// SPDX-License-Identifier: Apache-2.0
/* fuzz_tree.c: a small tree as LMDB writes it, and bytes of it changed: the input is a list of (page, offset, byte).  The
 * check must stay inside the file, whatever points wherever. */
#include "../../user/sys/tree_check.c"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

enum { ROOTS = 2, NAMES = 2, TOP = 3, LEFT = 4, RIGHT = 5, STATE = 6, FREE = 7, LIST = 8, PAGES = 14, FREE_PAGE = 12 };

static uint8_t *base;

static void put_head(uint64_t page, uint16_t flags)
{
	struct page_head head = {.number = page, .flags = flags, .lower = HEAD_BYTES, .upper = PAGE_BYTES};

	memcpy(base + page * PAGE_BYTES, &head, sizeof head);
}

static void put_node(uint64_t page, const uint16_t words[3], const void *key, size_t key_bytes, struct span value)
{
	uint8_t *at = base + page * PAGE_BYTES;
	struct page_head head;
	uint16_t all[4] = {words[0], words[1], words[2], (uint16_t)key_bytes};

	memcpy(&head, at, sizeof head);
	head.upper = (uint16_t)(head.upper - (NODE_BYTES + key_bytes + value.bytes + 1) / 2 * 2);
	memcpy(at + head.lower, &head.upper, sizeof head.upper);
	head.lower += 2;
	memcpy(at, &head, sizeof head);
	memcpy(at + head.upper, all, sizeof all);
	memcpy(at + head.upper + NODE_BYTES, key, key_bytes);
	memcpy(at + head.upper + NODE_BYTES + key_bytes, value.at, value.bytes);
}

static void put_value(uint64_t page, const void *key, size_t key_bytes, uint16_t flags, size_t value_bytes,
		      struct span stored)
{
	put_node(page, (uint16_t[]){(uint16_t)value_bytes, 0, flags}, key, key_bytes, stored);
}

static void put_leaf(uint64_t page, uint64_t first)
{
	put_head(page, LEAF);
	for (uint64_t key = first; key < first + 4; key++)
		put_value(page, &key, sizeof key, PLAIN, 7, SPAN("a value"));
}

static void put_root(uint64_t page)
{
	struct root one = {.head = {.number = page, .flags = ROOT},
			   .magic = MAGIC,
			   .version = VERSION,
			   .free = {.page_bytes = PAGE_BYTES,
				    .flags = INTEGER_KEYS,
				    .depth = 1,
				    .leaf_cnt = 1,
				    .overflow_cnt = 2,
				    .entry_cnt = 2,
				    .root = FREE},
			   .names = {.depth = 1, .leaf_cnt = 1, .entry_cnt = 2, .root = NAMES},
			   .last_page = PAGES - 1,
			   .txn = page};

	memcpy(base + page * PAGE_BYTES, &one, sizeof one);
}

static void put_free(void)
{
	uint64_t txn = 1, list[] = {1, FREE_PAGE}, first = LIST, none = 0;
	struct page_head head = {.number = LIST, .flags = OVERFLOW, .cnt = 2};

	put_head(FREE, LEAF);
	put_value(FREE, &txn, sizeof txn, PLAIN, sizeof list, span_of(list, sizeof list));
	txn++;
	put_value(FREE, &txn, sizeof txn, BIG, 5000, span_of(&first, sizeof first));
	memcpy(base + LIST * PAGE_BYTES, &head, sizeof head);
	memcpy(base + LIST * PAGE_BYTES + HEAD_BYTES, &none, sizeof none);
}

static void make_base(void)
{
	struct tree_head entries = {
		.flags = INTEGER_KEYS, .depth = 2, .branch_cnt = 1, .leaf_cnt = 2, .entry_cnt = 8, .root = TOP};
	struct tree_head state = {.depth = 1, .leaf_cnt = 1, .entry_cnt = 1, .root = STATE};
	uint64_t key = 5;

	base = calloc(PAGES, PAGE_BYTES);
	assert(base != NULL);
	put_root(0);
	put_root(1);
	put_head(NAMES, LEAF);
	put_value(NAMES, "entries", 7, SUBTREE, sizeof entries, span_of(&entries, sizeof entries));
	put_value(NAMES, "state", 5, SUBTREE, sizeof state, span_of(&state, sizeof state));
	put_head(TOP, BRANCH);
	put_node(TOP, (uint16_t[]){LEFT, 0, 0}, "", 0, SPAN(""));
	put_node(TOP, (uint16_t[]){RIGHT, 0, 0}, &key, sizeof key, SPAN(""));
	put_leaf(LEFT, 1);
	put_leaf(RIGHT, 5);
	put_head(STATE, LEAF);
	put_value(STATE, "newest", 6, PLAIN, 8, SPAN("12345678"));
	put_free();
}

static struct tree_fault check_copy(uint8_t *copy, size_t bytes)
{
	struct span file = span_of(copy, bytes);
	uint8_t *seen = calloc(1, tree_check_bytes(file));

	assert(seen != NULL);
	struct tree_fault fault = tree_check(file, seen);
	free(seen);
	return fault;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	if (base == NULL) {
		make_base();
		assert(check_copy(base, PAGES * PAGE_BYTES).what == NULL);
	}
	/* the first byte: how much of the file there is */
	size_t file_bytes = bytes > 0 && at[0] < 2 * PAGES ? (size_t)at[0] * PAGE_BYTES / 2 : PAGES * PAGE_BYTES;
	uint8_t *copy = malloc(file_bytes > 0 ? file_bytes : 1);
	assert(copy != NULL);
	memcpy(copy, base, file_bytes);
	for (size_t i = 1; i + 4 <= bytes; i += 4) {
		size_t offset = at[i] % PAGES * PAGE_BYTES + (at[i + 1] | (size_t)at[i + 2] << 8) % PAGE_BYTES;
		if (offset < file_bytes)
			copy[offset] = at[i + 3];
	}
	(void)check_copy(copy, file_bytes);
	free(copy);
	return 0;
}
