// SPDX-License-Identifier: Apache-2.0
#include "sys/tree_check.h"

#include <stdbool.h>
#include <string.h>

#define PAGE_BYTES 4096
#define HEAD_BYTES 16 /* of a page */
#define NODE_BYTES 8  /* before its key */
#define DEPTH_MAX 16  /* more entries than there are atoms of memory to hold them */
#define NO_PAGE UINT64_MAX
#define MAGIC 0xBEEFC0DEu
#define VERSION 1
#define FIRST_PAGE 2   /* after the two roots */
#define FETCH_BYTES 64 /* a cache line: where a page's first nodes are */

enum page_flags { BRANCH = 1, LEAF = 2, OVERFLOW = 4, ROOT = 8 };
enum node_flags { PLAIN = 0, BIG = 1, SUBTREE = 2 };
enum { INTEGER_KEYS = 8, NO_SUBDIR = 0x4000 }; /* of a tree's flags; the second in that of free pages only */

struct page_head {
	uint64_t number;
	uint16_t unused, flags;
	union {
		struct {
			uint16_t lower, upper; /* behind the last pointer, and where nodes begin */
		};
		uint32_t cnt; /* OVERFLOW: pages in a row */
	};
};

struct tree_head {
	uint32_t page_bytes; /* of the tree of free pages; else 0 */
	uint16_t flags, depth;
	uint64_t branch_cnt, leaf_cnt, overflow_cnt, entry_cnt, root;
};

struct root {
	struct page_head head;
	uint32_t magic, version;
	uint64_t address, map_bytes;
	struct tree_head free, names;
	uint64_t last_page, txn;
};

struct node {
	uint64_t child;		/* BRANCH */
	struct span key, value; /* value of a BIG one: its page's number */
	size_t value_bytes;
	unsigned flags;
};

struct check {
	struct span file;
	uint8_t *seen;
	uint64_t page_cnt, last_page;
	struct tree_fault fault;
};

struct walk {
	const struct tree_head *tree;
	bool (*entry)(struct check *check, uint64_t page, const struct node *node);
	struct tree_head found; /* counts */
};

_Static_assert(sizeof(struct page_head) == HEAD_BYTES, "a page's head has no padding");
_Static_assert(sizeof(struct tree_head) == 48, "a tree's head has no padding");
_Static_assert(offsetof(struct root, free) == 40 && sizeof(struct root) == 152, "a root has no padding");

static bool wrong(struct check *check, uint64_t page, const char *what)
{
	if (check->fault.what == NULL)
		check->fault = (struct tree_fault){what, page};
	return false;
}

static const uint8_t *page_at(const struct check *check, uint64_t page)
{
	return check->file.at + page * PAGE_BYTES;
}

/* Each page is used once, or free once. */
static bool use(struct check *check, uint64_t page)
{
	if (page < FIRST_PAGE || page > check->last_page || page / 8 >= tree_check_bytes(check->file))
		return wrong(check, page, "page out of range");
	uint8_t bit = (uint8_t)(1u << page % 8);
	if ((check->seen[page / 8] & bit) != 0)
		return wrong(check, page, "page used twice");
	check->seen[page / 8] |= bit;
	return true;
}

/* --- one page --- */

static bool read_head(struct check *check, uint64_t page, enum page_flags flags, struct page_head *head)
{
	*head = (struct page_head){0};
	if (!use(check, page))
		return false;
	if (page >= check->page_cnt)
		return wrong(check, page, "page behind the end");
	memcpy(head, page_at(check, page), sizeof *head);
	if (head->number != page || head->flags != flags)
		return wrong(check, page, "not the page it should be");
	return true;
}

/* Its i-th node; every byte of it is in the page. */
static bool read_node(struct check *check, uint64_t page, const struct page_head *head, size_t i, struct node *node)
{
	const uint8_t *at = page_at(check, page);
	uint16_t offset, words[4];

	*node = (struct node){.flags = PLAIN};
	memcpy(&offset, at + HEAD_BYTES + 2 * i, sizeof offset);
	if (offset < head->upper || offset % 2 != 0 || offset > PAGE_BYTES - NODE_BYTES)
		return wrong(check, page, "node out of its page");
	memcpy(words, at + offset, sizeof words);
	size_t room = PAGE_BYTES - NODE_BYTES - offset, key_bytes = words[3], stored = 0;
	if (head->flags == BRANCH) {
		node->child = words[0] | (uint64_t)words[1] << 16 | (uint64_t)words[2] << 32;
	} else {
		node->flags = words[2];
		node->value_bytes = words[0] | (size_t)words[1] << 16;
		stored = node->flags == BIG ? sizeof(uint64_t) : node->value_bytes;
	}
	if (key_bytes > room || stored > room - key_bytes)
		return wrong(check, page, "node longer than its page");
	node->key = span_of(at + offset + NODE_BYTES, key_bytes);
	node->value = span_of(node->key.at + key_bytes, stored);
	return true;
}

/* Nodes lie side by side from `upper` to the end: what is not counted is lost, what is counted twice overlaps. */
static bool check_layout(struct check *check, uint64_t page, const struct page_head *head, size_t *node_cnt)
{
	size_t sum = 0;

	*node_cnt = 0;
	if (head->lower < HEAD_BYTES + 2 || head->lower % 2 != 0 || head->upper < head->lower ||
	    head->upper > PAGE_BYTES)
		return wrong(check, page, "bounds of its nodes");
	*node_cnt = (size_t)(head->lower - HEAD_BYTES) / 2;
	for (size_t i = 0; i < *node_cnt; i++) {
		struct node node;
		if (!read_node(check, page, head, i, &node))
			return false;
		sum += (NODE_BYTES + node.key.bytes + node.value.bytes + 1) / 2 * 2;
	}
	return sum == PAGE_BYTES - (size_t)head->upper || wrong(check, page, "nodes with gaps or overlaps");
}

/* --- a tree --- */

static int compare(const struct walk *walk, struct span a, struct span b)
{
	uint64_t x, y;

	if ((walk->tree->flags & INTEGER_KEYS) != 0) {
		memcpy(&x, a.at, sizeof x);
		memcpy(&y, b.at, sizeof y);
		return (x > y) - (x < y);
	}
	int order = memcmp(a.at, b.at, a.bytes < b.bytes ? a.bytes : b.bytes);
	return order != 0 ? order : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

/* What every key of a page is: at least `from` (no bytes: anything), less than `until`. */
struct bounds {
	struct span from, until;
};

static bool check_key(struct check *check, const struct walk *walk, uint64_t page, struct span key,
		      struct bounds *bounds, bool first)
{
	bool sized = (walk->tree->flags & INTEGER_KEYS) != 0 ? key.bytes == sizeof(uint64_t) : key.bytes > 0;

	if (!sized)
		return wrong(check, page, "a key's length");
	if (bounds->from.bytes > 0 && compare(walk, key, bounds->from) < (first ? 0 : 1))
		return wrong(check, page, "keys out of order");
	if (bounds->until.bytes > 0 && compare(walk, key, bounds->until) >= 0)
		return wrong(check, page, "a key of another page");
	bounds->from = key;
	return true;
}

static bool check_leaf(struct check *check, struct walk *walk, uint64_t page, struct bounds bounds)
{
	struct page_head head;
	struct node node;
	size_t node_cnt;

	if (!read_head(check, page, LEAF, &head) || !check_layout(check, page, &head, &node_cnt))
		return false;
	walk->found.leaf_cnt++;
	for (size_t i = 0; i < node_cnt; i++) {
		if (!read_node(check, page, &head, i, &node) ||
		    !check_key(check, walk, page, node.key, &bounds, i == 0) || !walk->entry(check, page, &node))
			return false;
		walk->found.entry_cnt++;
		if (node.flags == BIG)
			walk->found.overflow_cnt += (HEAD_BYTES + node.value_bytes + PAGE_BYTES - 1) / PAGE_BYTES;
	}
	return true;
}

static bool check_level(struct check *check, struct walk *walk, uint64_t page, unsigned level, struct bounds bounds);

/* Of a big file a page is never in the cache: the next ones' heads and nodes come while this one is looked at.  Nothing in
 * them is checked yet. */
static void fetch_head(const uint8_t *page)
{
	__builtin_prefetch(page);
}

static void fetch_nodes(const uint8_t *page)
{
	uint16_t lower, offset;

	memcpy(&lower, page + offsetof(struct page_head, lower), sizeof lower);
	for (size_t at = HEAD_BYTES; at < lower && at < FETCH_BYTES; at += sizeof offset) {
		memcpy(&offset, page + at, sizeof offset);
		__builtin_prefetch(page + offset % PAGE_BYTES);
	}
}

static void fetch_child(struct check *check, uint64_t page, const struct page_head *head, size_t i, size_t node_cnt,
			void (*fetch)(const uint8_t *page))
{
	struct node node;

	if (i < node_cnt && read_node(check, page, head, i, &node) && node.child < check->page_cnt)
		fetch(page_at(check, node.child));
}

/* The first key of a branch stands for "anything before the second". */
static bool check_branch(struct check *check, struct walk *walk, uint64_t page, unsigned level, struct bounds bounds)
{
	struct page_head head;
	struct node node, next;
	size_t node_cnt;

	if (!read_head(check, page, BRANCH, &head) || !check_layout(check, page, &head, &node_cnt))
		return false;
	walk->found.branch_cnt++;
	for (size_t i = 0; i < node_cnt; i++) {
		fetch_child(check, page, &head, i + 3, node_cnt, fetch_head);
		fetch_child(check, page, &head, i + 1, node_cnt, fetch_nodes);
		struct bounds of_child = {bounds.from, bounds.until};
		if (!read_node(check, page, &head, i, &node))
			return false;
		if (i + 1 < node_cnt) {
			struct bounds keys = bounds;
			if (!read_node(check, page, &head, i + 1, &next) ||
			    !check_key(check, walk, page, next.key, &keys, i == 0))
				return false;
			of_child.until = next.key;
			bounds.from = next.key;
		}
		if (!check_level(check, walk, node.child, level - 1, of_child))
			return false;
	}
	return true;
}

static bool check_level(struct check *check, struct walk *walk, uint64_t page, unsigned level, struct bounds bounds)
{
	return level > 1 ? check_branch(check, walk, page, level, bounds) : check_leaf(check, walk, page, bounds);
}

static bool check_tree(struct check *check, struct walk *walk, uint64_t at_page)
{
	const struct tree_head *tree = walk->tree, *found = &walk->found;

	if (tree->depth > DEPTH_MAX || (tree->depth == 0) != (tree->root == NO_PAGE))
		return wrong(check, at_page, "a tree's depth");
	if (tree->depth > 0 && !check_level(check, walk, tree->root, tree->depth, (struct bounds){0}))
		return false;
	if (found->branch_cnt != tree->branch_cnt || found->leaf_cnt != tree->leaf_cnt ||
	    found->overflow_cnt != tree->overflow_cnt || found->entry_cnt != tree->entry_cnt)
		return wrong(check, at_page, "a tree's numbers of pages and entries");
	return true;
}

/* --- what is in them --- */

static bool plain_entry(struct check *check, uint64_t page, const struct node *node)
{
	return node->flags == PLAIN || wrong(check, page, "a value's kind");
}

/* Trees by name: one for the entries, one for the state. */
static bool named_entry(struct check *check, uint64_t page, const struct node *node)
{
	struct tree_head tree;
	bool entries = span_equal(node->key, SPAN("entries")), state = span_equal(node->key, SPAN("state"));

	if (node->flags != SUBTREE || node->value.bytes != sizeof tree || (!entries && !state))
		return wrong(check, page, "a tree's name or kind");
	memcpy(&tree, node->value.at, sizeof tree);
	if (tree.flags != (entries ? INTEGER_KEYS : 0) || tree.page_bytes != 0)
		return wrong(check, page, "a tree's flags");
	struct walk walk = {.tree = &tree, .entry = plain_entry};
	return check_tree(check, &walk, page);
}

/* The bytes of a long value, in pages in a row. */
static bool read_big(struct check *check, uint64_t page, const struct node *node, struct span *value)
{
	struct page_head head;
	uint64_t first, cnt = (HEAD_BYTES + node->value_bytes + PAGE_BYTES - 1) / PAGE_BYTES;

	memcpy(&first, node->value.at, sizeof first);
	if (!read_head(check, first, OVERFLOW, &head))
		return false;
	if (head.cnt != cnt || cnt > check->page_cnt - first)
		return wrong(check, first, "a long value's pages");
	for (uint64_t i = 1; i < cnt; i++)
		if (!use(check, first + i))
			return false;
	*value = span_of(page_at(check, first) + HEAD_BYTES, node->value_bytes);
	return true;
}

/* A list of free pages: how many, then their numbers. */
static bool free_entry(struct check *check, uint64_t page, const struct node *node)
{
	struct span list = node->value;
	uint64_t cnt, free;

	if (node->flags != PLAIN && node->flags != BIG)
		return wrong(check, page, "a value's kind");
	if (node->flags == BIG && !read_big(check, page, node, &list))
		return false;
	if (list.bytes < sizeof cnt)
		return wrong(check, page, "a list of free pages");
	memcpy(&cnt, list.at, sizeof cnt);
	if (cnt > list.bytes / sizeof cnt - 1)
		return wrong(check, page, "a list of free pages");
	for (uint64_t i = 1; i <= cnt; i++) {
		memcpy(&free, list.at + i * sizeof free, sizeof free);
		if (!use(check, free))
			return false;
	}
	return true;
}

/* --- the file --- */

size_t tree_check_bytes(struct span file)
{
	/* free pages may lie behind the end: they were never written */
	return (file.bytes / PAGE_BYTES + 7) / 8 + PAGE_BYTES;
}

static bool read_root(struct check *check, uint64_t page, struct root *root)
{
	memcpy(root, page_at(check, page), sizeof *root);
	return (root->head.flags == ROOT && root->magic == MAGIC && root->version == VERSION &&
		root->free.page_bytes == PAGE_BYTES) ||
	       wrong(check, page, "not a root");
}

struct tree_fault tree_check(struct span file, uint8_t *seen)
{
	struct check check = {.file = file, .seen = seen, .page_cnt = file.bytes / PAGE_BYTES};
	struct root roots[2];

	if (check.page_cnt < FIRST_PAGE) {
		wrong(&check, 0, "no roots");
		return check.fault;
	}
	if (!read_root(&check, 0, &roots[0]) || !read_root(&check, 1, &roots[1]))
		return check.fault;
	uint64_t page = roots[0].txn < roots[1].txn; /* the newer one, as LMDB has it */
	const struct root *root = &roots[page];
	struct walk names = {.tree = &root->names, .entry = named_entry};
	struct walk free = {.tree = &root->free, .entry = free_entry};
	check.last_page = root->last_page;
	if (root->names.flags != 0 || (root->free.flags | NO_SUBDIR) != (INTEGER_KEYS | NO_SUBDIR))
		wrong(&check, page, "a tree's flags");
	else if (check_tree(&check, &names, page))
		(void)check_tree(&check, &free, page);
	return check.fault;
}
