// SPDX-License-Identifier: Apache-2.0
#include "sys/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "sys/tree_check.h"

#define NAME "data.mdb"
#define NAME_NEW "data.new"
#define PAGE_BYTES 4096
#define CACHE_LINE_BYTES 64

/* No walk: the key behind it would be 0, which nobody asks for after another. */
#define NOWHERE UINT64_MAX

/* In the table of state. */
static const MDB_val newest_key = {6, (void *)(uintptr_t) "newest"};
static const MDB_val lost_key = {4, (void *)(uintptr_t) "lost"};

/* LMDB's own codes are negative and far from any errno. */
static int error_of(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return 0;
	case MDB_NOTFOUND:
		return -ENOENT;
	case MDB_KEYEXIST:
		return -EEXIST;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
		return -ENOSPC;
	case MDB_INVALID:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
		return -EBADMSG;
	default:
		return rc > 0 ? -rc : -EIO;
	}
}

/* --- the file --- */

static int open_tables(struct tree *tree)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(tree->env, NULL, 0, &txn);

	if (rc != 0)
		return error_of(rc);
	rc = mdb_dbi_open(txn, "entries", MDB_CREATE | MDB_INTEGERKEY, &tree->entries);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "state", MDB_CREATE, &tree->state);
	if (rc == 0)
		return error_of(mdb_txn_commit(txn));
	mdb_txn_abort(txn);
	return error_of(rc);
}

static void close_env(struct tree *tree)
{
	if (tree->env != NULL)
		mdb_env_close(tree->env);
	tree->env = NULL;
}

/* MDB_NOLOCK: one thread of one process uses the environment (directory_open), so LMDB needs no reader table.
 * No MDB_WRITEMAP: a full disk must be an error from write, not a SIGBUS.  No MDB_NORDAHEAD: a start reads it all, about
 * in the order of the file, and hardly anything else reads what is not in memory. */
static int open_env(struct tree *tree, const char *path)
{
	int rc = mdb_env_create(&tree->env);

	if (rc != 0)
		return error_of(rc);
	rc = mdb_env_set_mapsize(tree->env, tree->file_bytes_max);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(tree->env, 2);
	if (rc == 0)
		rc = mdb_env_open(tree->env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0600);
	int err = rc == 0 ? open_tables(tree) : error_of(rc);
	if (err != 0)
		close_env(tree);
	return err;
}

static int path_of(char path[PATH_MAX], const struct tree *tree, const char *name)
{
	int bytes = snprintf(path, PATH_MAX, "%s/%s", tree->directory, name);

	return bytes < 0 || bytes >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* The first pages are not written as one: a file that a crash left half made would be taken for somebody else's. */
static int make_file(struct tree *tree, const char *path)
{
	char made[PATH_MAX];
	int err = path_of(made, tree, NAME_NEW);

	if (err != 0)
		return err;
	if (unlink(made) < 0 && errno != ENOENT)
		return -errno;
	err = open_env(tree, made);
	close_env(tree);
	if (err == 0 && rename(made, path) < 0)
		err = -errno;
	if (err != 0)
		unlink(made);
	return err;
}

/* What is wrong with it is said, and nothing done to it: LMDB would die of some faults, and be silent about others. */
static int check_mapped(const char *path, struct span file)
{
	uint8_t *seen = calloc(1, tree_check_bytes(file));

	if (seen == NULL)
		return -ENOMEM;
	struct tree_fault fault = tree_check(file, seen);
	free(seen);
	if (fault.what == NULL)
		return 0;
	log_error("event=table_damaged file=%s page=%llu what=\"%s\"", path, (unsigned long long)fault.page,
		  fault.what);
	return -EBADMSG;
}

static int check_file(const char *path)
{
	struct stat st;
	int err = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fstat(fd, &st) < 0) {
		err = -errno;
	} else if (st.st_size == 0) {
		err = check_mapped(path, span_of(NULL, 0));
	} else {
		size_t bytes = (size_t)st.st_size;
		void *at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
		err = at == MAP_FAILED ? -errno : check_mapped(path, span_of(at, bytes));
		if (at != MAP_FAILED)
			munmap(at, bytes);
	}
	if (fd >= 0)
		close(fd);
	return err;
}

int tree_open(struct tree *tree, const char *directory, size_t file_bytes_max)
{
	char path[PATH_MAX];

	*tree = (struct tree){.directory = directory, .file_bytes_max = file_bytes_max, .walked = NOWHERE};
	int err = path_of(path, tree, NAME);
	if (err == 0 && access(path, F_OK) < 0)
		err = errno == ENOENT ? make_file(tree, path) : -errno;
	if (err == 0)
		err = check_file(path);
	return err == 0 ? open_env(tree, path) : err;
}

void tree_close(struct tree *tree)
{
	tree_drop(tree);
	close_env(tree);
}

/* After an I/O error on its last write LMDB refuses everything until the environment is opened anew. */
static int reopen(struct tree *tree)
{
	char path[PATH_MAX];
	int err = path_of(path, tree, NAME);

	close_env(tree);
	return err == 0 ? open_env(tree, path) : err;
}

/* --- the transaction --- */

int tree_begin(struct tree *tree, bool *unsure)
{
	int rc = tree->env == NULL ? MDB_PANIC : mdb_txn_begin(tree->env, NULL, 0, &tree->txn);

	if (rc == MDB_PANIC) {
		*unsure = true;
		int err = reopen(tree);
		if (err != 0)
			return err;
		rc = mdb_txn_begin(tree->env, NULL, 0, &tree->txn);
	}
	if (rc != 0)
		tree->txn = NULL;
	return error_of(rc);
}

/* LMDB wants cursors of a write transaction closed before it ends. */
static MDB_txn *end(struct tree *tree)
{
	MDB_txn *txn = tree->txn;

	tree->walked = NOWHERE;
	if (tree->cursor != NULL)
		mdb_cursor_close(tree->cursor);
	tree->cursor = NULL;
	tree->txn = NULL;
	return txn;
}

void tree_drop(struct tree *tree)
{
	if (tree->txn != NULL)
		mdb_txn_abort(end(tree));
}

static int put_number(struct tree *tree, MDB_val key, uint64_t number)
{
	MDB_val value = {sizeof number, &number};

	return mdb_put(tree->txn, tree->state, &key, &value, 0);
}

static int get_number(struct tree *tree, MDB_val key, uint64_t *number)
{
	MDB_val value;
	int rc = mdb_get(tree->txn, tree->state, &key, &value);

	*number = 0;
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc == 0 && value.mv_size != sizeof *number)
		return -EBADMSG;
	if (rc == 0)
		memcpy(number, value.mv_data, sizeof *number);
	return error_of(rc);
}

int tree_commit(struct tree *tree, uint64_t number)
{
	int rc = put_number(tree, newest_key, number);

	if (rc == 0)
		rc = mdb_txn_commit(end(tree));
	else
		tree_drop(tree);
	return error_of(rc);
}

int tree_newest(struct tree *tree, uint64_t *number)
{
	return get_number(tree, newest_key, number);
}

int tree_mark_lost(struct tree *tree, uint64_t cnt)
{
	return error_of(put_number(tree, lost_key, cnt));
}

int tree_lost(struct tree *tree, uint64_t *cnt)
{
	return get_number(tree, lost_key, cnt);
}

/* --- entries --- */

int tree_change(struct tree *tree, const struct wal_op *op)
{
	uint64_t key = op->key;
	MDB_val k = {sizeof key, &key};
	MDB_val v = {op->value.bytes, (void *)(uintptr_t)op->value.at};

	tree->walked = NOWHERE;
	if (op->change == WAL_DEL)
		return error_of(mdb_del(tree->txn, tree->entries, &k, NULL));
	return error_of(mdb_put(tree->txn, tree->entries, &k, &v, op->change == WAL_APPEND ? MDB_APPEND : 0));
}

int tree_get(struct tree *tree, uint64_t key, struct span *value)
{
	MDB_val k = {sizeof key, &key}, v;
	int rc = mdb_get(tree->txn, tree->entries, &k, &v);

	if (rc == 0)
		*value = span_of(v.mv_data, v.mv_size);
	return error_of(rc);
}

static int cursor_get(struct tree *tree, uint64_t *key, struct span *value, MDB_cursor_op op)
{
	MDB_val k = {sizeof *key, key}, v;
	int rc = 0;

	if (tree->cursor == NULL)
		rc = mdb_cursor_open(tree->txn, tree->entries, &tree->cursor);
	if (rc == 0)
		rc = mdb_cursor_get(tree->cursor, &k, &v, op);
	if (rc != 0)
		return error_of(rc);
	if (k.mv_size != sizeof *key)
		return -EBADMSG;
	memcpy(key, k.mv_data, sizeof *key);
	*value = span_of(v.mv_data, v.mv_size);
	return 0;
}

/* A walk is after the page that the file has next, more often than not: LMDB gives a row of new pages a row of places.  Its
 * entries lie where this one's do, so each fetches one of those.  It may be the wrong page, or none: that costs nothing. */
static void fetch_ahead(struct span value)
{
	for (size_t i = 0; i < value.bytes; i += CACHE_LINE_BYTES)
		__builtin_prefetch(value.at + PAGE_BYTES + i);
}

/* Who asks for what is behind the last he got walks: that needs no search. */
int tree_seek(struct tree *tree, uint64_t *key, struct span *value)
{
	bool walks = tree->walked != NOWHERE && *key == tree->walked + 1;
	int err = cursor_get(tree, key, value, walks ? MDB_NEXT : MDB_SET_RANGE);

	tree->walked = err == 0 ? *key : NOWHERE;
	if (walks && err == 0)
		fetch_ahead(*value);
	return err;
}

int tree_last(struct tree *tree, uint64_t *key)
{
	struct span value;

	tree->walked = NOWHERE;
	int err = cursor_get(tree, key, &value, MDB_LAST);

	if (err == -ENOENT) {
		*key = 0;
		return 0;
	}
	return err;
}

int tree_used(struct tree *tree, size_t *bytes)
{
	MDB_stat stat;
	int rc = mdb_stat(tree->txn, tree->entries, &stat);

	if (rc == 0)
		*bytes = (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) * stat.ms_psize;
	return error_of(rc);
}
