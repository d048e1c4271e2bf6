// SPDX-License-Identifier: Apache-2.0
#include "sys/store.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"

struct store {
	char *directory;
	size_t bytes_max;
	int directory_fd;
	int lock_fd;
	MDB_env *env;
	MDB_dbi table;
	MDB_txn *txn;
	MDB_cursor *cursor; /* of txn; opened when first sought */
};

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

/* The lock is on a file of ours, held as long as this process lives: LMDB's own locks only serialise transactions. */
static int lock_directory(struct store *store)
{
	if (mkdir(store->directory, 0700) < 0 && errno != EEXIST)
		return -errno;
	store->directory_fd = open(store->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->directory_fd < 0)
		return -errno;
	store->lock_fd = openat(store->directory_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->lock_fd < 0)
		return -errno;
	if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

/* MDB_NOLOCK: one thread of one process uses the environment (lock_directory), so LMDB needs no reader table.
 * No MDB_WRITEMAP: a full disk must be an error from write, not a SIGBUS. */
static int open_env(struct store *store)
{
	int rc = mdb_env_create(&store->env);

	if (rc != 0)
		return error_of(rc);
	rc = mdb_env_set_mapsize(store->env, store->bytes_max);
	if (rc == 0)
		rc = mdb_env_open(store->env, store->directory, MDB_NOLOCK | MDB_NORDAHEAD, 0600);
	if (rc != 0) {
		mdb_env_close(store->env);
		store->env = NULL;
	}
	return error_of(rc);
}

static int open_table(struct store *store)
{
	int rc = mdb_txn_begin(store->env, NULL, 0, &store->txn);

	if (rc != 0)
		return error_of(rc);
	rc = mdb_dbi_open(store->txn, NULL, MDB_INTEGERKEY, &store->table);
	if (rc != 0) {
		mdb_txn_abort(store->txn);
		store->txn = NULL;
		return error_of(rc);
	}
	rc = mdb_txn_commit(store->txn);
	store->txn = NULL;
	return error_of(rc);
}

/* New names must be on disk before the first commit says it is durable. */
static int sync_names(struct store *store)
{
	int err = 0;

	if (fsync(store->directory_fd) < 0)
		return -errno;
	int parent_fd = openat(store->directory_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent_fd < 0)
		return errno == EACCES ? 0 : -errno; /* then it is not ours to have made a name in */
	if (fsync(parent_fd) < 0 && errno != EINVAL)
		err = -errno;
	close(parent_fd);
	return err;
}

int store_open(struct store **out, const char *directory, size_t bytes_max)
{
	*out = NULL;
	if (bytes_max < STORE_BYTES_MIN)
		return -EINVAL;
	struct store *store = calloc(1, sizeof *store);
	if (store == NULL)
		return -ENOMEM;
	store->directory_fd = store->lock_fd = -1;
	store->bytes_max = bytes_max / 4096 * 4096;
	store->directory = strdup(directory);
	int err = store->directory == NULL ? -ENOMEM : lock_directory(store);
	if (err == 0)
		err = open_env(store);
	if (err == 0)
		err = open_table(store);
	if (err == 0)
		err = sync_names(store);
	if (err != 0) {
		store_close(store);
		return err;
	}
	*out = store;
	return 0;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	store_abort(store);
	if (store->env != NULL)
		mdb_env_close(store->env);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	if (store->directory_fd >= 0)
		close(store->directory_fd);
	free(store->directory);
	free(store);
}

/* After an I/O error on its meta page LMDB refuses everything until the environment is opened anew. */
static int reopen(struct store *store)
{
	if (store->env != NULL)
		mdb_env_close(store->env);
	store->env = NULL;
	int err = open_env(store);
	return err == 0 ? open_table(store) : err;
}

int store_begin(struct store *store)
{
	ASSERT(store->txn == NULL);
	if (store->env == NULL) {
		int err = reopen(store);
		if (err != 0)
			return err;
	}
	int rc = mdb_txn_begin(store->env, NULL, 0, &store->txn);
	if (rc == MDB_PANIC) {
		int err = reopen(store);
		if (err != 0)
			return err;
		rc = mdb_txn_begin(store->env, NULL, 0, &store->txn);
	}
	if (rc != 0)
		store->txn = NULL;
	return error_of(rc);
}

/* LMDB wants cursors of a write transaction closed before it ends. */
static MDB_txn *end(struct store *store)
{
	MDB_txn *txn = store->txn;

	if (store->cursor != NULL)
		mdb_cursor_close(store->cursor);
	store->cursor = NULL;
	store->txn = NULL;
	return txn;
}

int store_commit(struct store *store)
{
	ASSERT(store->txn != NULL);
	return error_of(mdb_txn_commit(end(store)));
}

void store_abort(struct store *store)
{
	if (store->txn != NULL)
		mdb_txn_abort(end(store));
}

static int put(struct store *store, uint64_t key, const void *value, size_t bytes, unsigned flags)
{
	MDB_val k = {sizeof key, &key};
	MDB_val v = {bytes, (void *)(uintptr_t)value};

	ASSERT(store->txn != NULL && bytes <= STORE_VALUE_BYTES_MAX);
	return error_of(mdb_put(store->txn, store->table, &k, &v, flags));
}

int store_append(struct store *store, uint64_t key, const void *value, size_t bytes)
{
	return put(store, key, value, bytes, MDB_APPEND);
}

int store_put(struct store *store, uint64_t key, const void *value, size_t bytes)
{
	return put(store, key, value, bytes, 0);
}

int store_get(struct store *store, uint64_t key, struct span *value)
{
	MDB_val k = {sizeof key, &key}, v;

	ASSERT(store->txn != NULL);
	int rc = mdb_get(store->txn, store->table, &k, &v);
	if (rc == 0)
		*value = span_of(v.mv_data, v.mv_size);
	return error_of(rc);
}

int store_del(struct store *store, uint64_t key)
{
	MDB_val k = {sizeof key, &key};

	ASSERT(store->txn != NULL);
	return error_of(mdb_del(store->txn, store->table, &k, NULL));
}

static int cursor_get(struct store *store, uint64_t *key, struct span *value, MDB_cursor_op op)
{
	MDB_val k = {sizeof *key, key}, v;
	int rc = 0;

	ASSERT(store->txn != NULL);
	if (store->cursor == NULL)
		rc = mdb_cursor_open(store->txn, store->table, &store->cursor);
	if (rc == 0)
		rc = mdb_cursor_get(store->cursor, &k, &v, op);
	if (rc != 0)
		return error_of(rc);
	if (k.mv_size != sizeof *key)
		return -EBADMSG;
	memcpy(key, k.mv_data, sizeof *key);
	*value = span_of(v.mv_data, v.mv_size);
	return 0;
}

int store_seek(struct store *store, uint64_t *key, struct span *value)
{
	return cursor_get(store, key, value, MDB_SET_RANGE);
}

int store_last(struct store *store, uint64_t *key)
{
	struct span value;
	int err = cursor_get(store, key, &value, MDB_LAST);

	if (err == -ENOENT) {
		*key = 0;
		return 0;
	}
	return err;
}

int store_used(struct store *store, size_t *bytes)
{
	MDB_stat stat;

	ASSERT(store->txn != NULL);
	int rc = mdb_stat(store->txn, store->table, &stat);
	if (rc == 0)
		*bytes = (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) * stat.ms_psize;
	return error_of(rc);
}
