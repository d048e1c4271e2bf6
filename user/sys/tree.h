/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_TREE_H
#define TOLLBAR_SYS_TREE_H
/* tree.h: the table of store.c in its file, data.mdb, for that alone: entries by key, and the number of the newest commit
 * they hold.  The daemon's only user of LMDB.  One transaction at a time, and everything happens in it; what one commits is
 * there as a whole or not at all, whatever happens meanwhile. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/wal_format.h"

struct tree {
	const char *directory; /* borrowed */
	size_t file_bytes_max;
	struct MDB_env *env; /* NULL after tree_begin failed to open it anew */
	struct MDB_txn *txn;
	struct MDB_cursor *cursor; /* of txn; opened when first sought */
	uint64_t walked;	   /* the key that it stands at, if nothing has changed since it was sought */
	unsigned entries, state;
};

/* tree_open: makes the file when it is missing; it is whole before it has its name.  0 or -errno, -EBADMSG when it is not
 * one of ours, or damaged: that is said, and nothing done to it.  After an error it is still to be closed. */
int tree_open(struct tree *tree, const char *directory, size_t file_bytes_max);
void tree_close(struct tree *tree); /* drops a transaction */

/* *unsure: set when the last transaction's last write failed, so that the disk may hold it or not; else left alone. */
int tree_begin(struct tree *tree, bool *unsure);
static inline bool tree_begun(const struct tree *tree)
{
	return tree->txn != NULL;
}
/* Ends the transaction with everything in it on the disk under this number, or (-errno) as it was before it. */
int tree_commit(struct tree *tree, uint64_t number);
void tree_drop(struct tree *tree);
/* 0 in a tree that has never had a commit. */
int tree_newest(struct tree *tree, uint64_t *number);
/* How many losses the table has on record: store.c says until when.  Never set is 0. */
int tree_mark_lost(struct tree *tree, uint64_t cnt);
int tree_lost(struct tree *tree, uint64_t *cnt);

/* As store.h has it: -EEXIST for WAL_APPEND of a key not above all others, -ENOENT for WAL_DEL of one that is not there. */
int tree_change(struct tree *tree, const struct wal_op *op);
int tree_get(struct tree *tree, uint64_t key, struct span *value);
int tree_seek(struct tree *tree, uint64_t *key, struct span *value);
int tree_last(struct tree *tree, uint64_t *key);
int tree_used(struct tree *tree, size_t *bytes);

#endif
