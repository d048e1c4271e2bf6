// SPDX-License-Identifier: Apache-2.0
/* store.c: an LMDB table with a log of commits (wal.h) in front of it.
 *
 * One LMDB transaction stays open over many of ours.  Changes go into it at once and into the log's record beside; a
 * commit writes that record, one write and one flush.  When the log has no room for a record, and at the end, comes a
 * checkpoint: LMDB's own commit, which also holds the number of the newest commit in it, and the log starts over.  A
 * replay applies, in order, what the log has above the number that the table has; a start goes on behind that, so it
 * writes nothing and a full disk does not keep it from happening.
 *
 * Whatever a crash cuts short, a commit that came back with 0 is found again:
 *
 *   before, in, after the write of a record   Not there, torn (its checksum is wrong) or there: nothing, nothing, all of
 *       it.  Records before it are in other pages.
 *   in a checkpoint   LMDB switches over with its last write.  Before: table and log are as they were.  After: the log
 *       is full of records the table has; their numbers are not above its own.
 *   in the first record after one   It goes over an old record whose rest, and whose followers, may be whole.  All of
 *       those have numbers the table has, whichever of the new pages got to the disk.
 *   making a new log   It is whole on the disk before it gets its name, and the old one holds nothing needed by then.
 *
 * After an error:
 *
 *   in a change, or an abort   LMDB's transaction is given up and the log replayed into a new one.
 *   in the write of a record   It may be on the disk: the next one goes to the same place with a higher number, so it is
 *       never found behind or beside a later one, and a checkpoint's number covers it.
 *   in a checkpoint   Its log is kept, and commits go on while there is room.  But when LMDB's last write failed the disk
 *       may say either, and would say it over what the log gets later: then LMDB must commit before anything else does.
 *
 * Numbers given to what failed are not used again. */
#include "sys/store.h"

#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "base/assert.h"
#include "base/log.h"
#include "sys/directory.h"
#include "sys/wal.h"

struct store {
	char *path;
	size_t bytes_max;
	struct directory files;
	MDB_env *env;
	MDB_dbi table, state;
	MDB_txn *txn;	    /* since the last checkpoint; NULL: to be begun, and the log replayed into it */
	MDB_cursor *cursor; /* of txn; opened when first sought */
	struct wal wal;
	size_t damage_cnt;
	bool active; /* between begin and commit or abort */
	int error;   /* of a change in this transaction, after which LMDB takes no more */
	bool unsure; /* LMDB's last write failed: it must commit before the log takes anything */
};

/* A checkpoint of so much takes about 1.6 ms where a commit takes 0.1, seven times a second at 10,000 claims a second.  A
 * larger log makes them rarer and as much longer, and commits slower, since it is no longer in the processor's cache. */
#define LOG_BYTES ((size_t)4 << 20)

/* LMDB's longest: 64 pages. */
#define WRITE_BYTES_MAX (64 * WAL_PAGE_BYTES)

/* A change may split a page at every level. */
#define PAGES_PER_CHANGE 4

/* In the table of state: the number of the newest commit that the table of entries has. */
static const MDB_val newest_key = {6, (void *)(uintptr_t) "newest"};

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

static size_t log_bytes(size_t bytes_max)
{
	size_t bytes = wal_pages_of(bytes_max / 16);

	return bytes < WAL_BYTES_MIN ? WAL_BYTES_MIN : bytes > LOG_BYTES ? LOG_BYTES : bytes;
}

/* Less on a small disk: the table needs the room more. */
static size_t log_bytes_here(const struct store *store)
{
	size_t bytes = log_bytes(store->bytes_max);
	struct statvfs fs;

	if (fstatvfs(store->files.fd, &fs) != 0)
		return bytes;
	while (bytes > WAL_BYTES_MIN && bytes > fs.f_bavail * fs.f_frsize / 16)
		bytes = wal_pages_of(bytes / 2);
	return bytes < WAL_BYTES_MIN ? WAL_BYTES_MIN : bytes;
}

/* Room beside the table, so that what the log took never fails to fit at a checkpoint: LMDB copies each page it changes,
 * and the copies before that are free again only two of its commits later.  The rest is its own bookkeeping. */
static size_t copies_max(size_t log_bytes)
{
	return 4 * WAL_OPS_PER_PAGE * log_bytes + (1 << 20);
}

/* MDB_NOLOCK: one thread of one process uses the environment (directory_open), so LMDB needs no reader table.
 * No MDB_WRITEMAP: a full disk must be an error from write, not a SIGBUS. */
static int open_env(struct store *store)
{
	int rc = mdb_env_create(&store->env);

	if (rc != 0)
		return error_of(rc);
	rc = mdb_env_set_mapsize(store->env, store->bytes_max + copies_max(log_bytes(store->bytes_max)));
	if (rc == 0)
		rc = mdb_env_set_maxdbs(store->env, 2);
	if (rc == 0)
		rc = mdb_env_open(store->env, store->path, MDB_NOLOCK | MDB_NORDAHEAD, 0600);
	if (rc != 0) {
		mdb_env_close(store->env);
		store->env = NULL;
	}
	return error_of(rc);
}

static int open_tables(struct store *store)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(store->env, NULL, 0, &txn);

	if (rc != 0)
		return error_of(rc);
	rc = mdb_dbi_open(txn, "entries", MDB_CREATE | MDB_INTEGERKEY, &store->table);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "state", MDB_CREATE, &store->state);
	if (rc == 0)
		return error_of(mdb_txn_commit(txn));
	mdb_txn_abort(txn);
	return error_of(rc);
}

/* After an I/O error on its last write LMDB refuses everything until the environment is opened anew. */
static int reopen(struct store *store)
{
	if (store->env != NULL)
		mdb_env_close(store->env);
	store->env = NULL;
	int err = open_env(store);
	return err == 0 ? open_tables(store) : err;
}

/* --- LMDB's transaction, and the log replayed into it --- */

static int txn_begin(struct store *store)
{
	int rc = store->env == NULL ? MDB_PANIC : mdb_txn_begin(store->env, NULL, 0, &store->txn);

	if (rc == MDB_PANIC) {
		store->unsure = true;
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
static MDB_txn *txn_end(struct store *store)
{
	MDB_txn *txn = store->txn;

	if (store->cursor != NULL)
		mdb_cursor_close(store->cursor);
	store->cursor = NULL;
	store->txn = NULL;
	return txn;
}

static void txn_drop(struct store *store)
{
	if (store->txn != NULL)
		mdb_txn_abort(txn_end(store));
}

/* 0 in a table that has never had a commit. */
static int get_newest(struct store *store, uint64_t *number)
{
	MDB_val key = newest_key, value;
	int rc = mdb_get(store->txn, store->state, &key, &value);

	*number = 0;
	if (rc == MDB_NOTFOUND)
		return 0;
	if (rc == 0 && value.mv_size != sizeof *number)
		return -EBADMSG;
	if (rc == 0)
		memcpy(number, value.mv_data, sizeof *number);
	return error_of(rc);
}

/* Ends LMDB's transaction with everything in it durable, or as it was before it. */
static int txn_commit(struct store *store, uint64_t number)
{
	MDB_val key = newest_key, value = {sizeof number, &number};
	int rc = mdb_put(store->txn, store->state, &key, &value, 0);

	if (rc == 0)
		rc = mdb_txn_commit(txn_end(store));
	else
		txn_drop(store);
	return error_of(rc);
}

/* LMDB says EIO of a write that was cut short, which is how a full disk begins. */
static bool disk_full(const struct store *store)
{
	struct statvfs fs;

	return fstatvfs(store->files.fd, &fs) == 0 && fs.f_bavail * fs.f_frsize < WRITE_BYTES_MAX;
}

static int checkpoint(struct store *store)
{
	uint64_t number = ++store->wal.number;
	int err = txn_commit(store, number);

	if (err == -EIO && disk_full(store))
		err = -ENOSPC;
	if (err == 0) {
		wal_restart(&store->wal, number);
		store->unsure = false;
	}
	return err;
}

static int apply_put(struct store *store, const struct wal_op *op, unsigned flags)
{
	uint64_t key = op->key;
	MDB_val k = {sizeof key, &key};
	MDB_val v = {op->value.bytes, (void *)(uintptr_t)op->value.at};

	return error_of(mdb_put(store->txn, store->table, &k, &v, flags));
}

/* Without the log.  -errno as store_append, store_put and store_del have it. */
static int apply(struct store *store, const struct wal_op *op)
{
	uint64_t key = op->key;
	MDB_val k = {sizeof key, &key};

	switch (op->change) {
	case WAL_APPEND:
		return apply_put(store, op, MDB_APPEND);
	case WAL_PUT:
		return apply_put(store, op, 0);
	case WAL_DEL:
		break;
	}
	return error_of(mdb_del(store->txn, store->table, &k, NULL));
}

/* As a commit did it, but for a table that has some of it already, or lacks what was before: what it came to counts. */
static int apply_again(struct store *store, struct span changes, size_t *op_cnt)
{
	struct wal_op op;
	int err = 0;

	for (; err == 0 && wal_next_op(&changes, &op); ++*op_cnt) {
		err = apply(store, &op);
		if (err == -EEXIST)
			err = apply_put(store, &op, 0);
		if (err == -ENOENT)
			err = 0;
	}
	return err;
}

/* Applies the records of the log's first `until` bytes that the table does not have.  Out: *reader, as wal_read left
 * it, and how many changes they were. */
static int replay(struct store *store, size_t until, struct wal_reader *reader, size_t *op_cnt)
{
	struct span changes;
	uint64_t newest;
	int err = get_newest(store, &newest);

	if (err == 0)
		err = wal_load(&store->wal, until, reader);
	if (err != 0)
		return err;
	reader->last = newest;
	for (*op_cnt = 0; err == 0 && wal_read(reader, &changes);)
		err = apply_again(store, changes, op_cnt);
	return err;
}

/* LMDB's transaction was given up, or ended: a new one with all that is committed. */
static int recover_once(struct store *store)
{
	struct wal_reader reader;
	size_t op_cnt;
	int err = txn_begin(store);

	if (err == 0)
		err = replay(store, store->wal.end, &reader, &op_cnt);
	if (err == 0 && reader.last < store->wal.last)
		err = -EBADMSG; /* what the disk took it does not give back */
	if (err != 0)
		txn_drop(store);
	return err;
}

/* A table that is ahead of the log is one LMDB was not sure of. */
static int recover(struct store *store)
{
	int err = recover_once(store);

	if (err == 0 && store->unsure) {
		err = checkpoint(store);
		if (err == 0)
			err = recover_once(store);
	}
	return err;
}

/* --- open and close --- */

/* Goes on in the log where the last process stopped: a start needs no room on the disk. */
static int replay_found(struct store *store)
{
	struct wal_reader reader;
	size_t op_cnt;
	int err = txn_begin(store);

	if (err == 0)
		err = replay(store, store->wal.bytes, &reader, &op_cnt);
	if (err == 0) {
		wal_resume(&store->wal, &reader, op_cnt);
		store->damage_cnt = reader.holes;
	}
	return err;
}

/* There is no log, or none that can be read.  That is right once, before the first commit of all. */
static int note_missing(struct store *store)
{
	uint64_t newest;
	int err = txn_begin(store);

	if (err == 0)
		err = get_newest(store, &newest);
	if (err == 0) {
		store->wal.number = store->wal.last = newest;
		store->damage_cnt = newest > 0;
	}
	return err;
}

/* What the old log holds goes into the table first. */
static int make_log(struct store *store, size_t bytes, bool keep)
{
	int err = store->wal.op_cnt > 0 ? checkpoint(store) : 0;

	return err == 0 ? wal_make(&store->wal, bytes, keep) : err;
}

static int open_log(struct store *store)
{
	static const char *const said[] = {
		[WAL_FOUND] = "holes", [WAL_MISSING] = "missing", [WAL_DAMAGED] = "unreadable"};
	enum wal_found found;
	size_t bytes = log_bytes_here(store);
	int err = wal_open(&store->wal, store->files.fd, &found);

	if (err != 0)
		return err;
	err = found == WAL_FOUND ? replay_found(store) : note_missing(store);
	if (found == WAL_DAMAGED && store->damage_cnt == 0)
		store->damage_cnt = 1;
	if (err == 0 && store->damage_cnt > 0)
		log_error("event=log_damaged directory=%s found=%s commits=%zu", store->path, said[found],
			  store->damage_cnt);
	bool sized = store->wal.bytes >= bytes && store->wal.bytes <= log_bytes(store->bytes_max);
	if (err == 0 && (found != WAL_FOUND || store->damage_cnt > 0 || !sized))
		err = make_log(store, bytes, found != WAL_MISSING && store->damage_cnt > 0);
	if (err == -ENOSPC && found == WAL_FOUND)
		err = 0;			/* the old one does until there is room */
	if (err == 0 && store->wal.last == 0) { /* from now on a log that is missing is a loss */
		err = store->txn == NULL ? txn_begin(store) : 0;
		if (err == 0)
			err = checkpoint(store);
	}
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
	store->files = DIRECTORY_CLOSED;
	store->wal.fd = -1;
	store->bytes_max = bytes_max / 4096 * 4096;
	store->path = strdup(directory);
	int err = store->path == NULL ? -ENOMEM : directory_open(&store->files, directory);
	if (err == 0)
		err = open_env(store);
	if (err == 0)
		err = open_tables(store);
	if (err == 0)
		err = open_log(store);
	if (err == 0)
		err = directory_sync(&store->files);
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
	if (store->txn != NULL && store->wal.op_cnt > 0)
		(void)checkpoint(store); /* what it could not do the log does at the next start */
	txn_drop(store);
	wal_close(&store->wal);
	if (store->env != NULL)
		mdb_env_close(store->env);
	directory_close(&store->files);
	free(store->path);
	free(store);
}

size_t store_memory(size_t bytes_max)
{
	return (1 + WAL_OPS_PER_PAGE) * log_bytes(bytes_max);
}

size_t store_damage(const struct store *store)
{
	return store->damage_cnt;
}

/* --- transactions --- */

int store_begin(struct store *store)
{
	ASSERT(!store->active);
	int err = store->txn == NULL ? recover(store) : 0;

	if (err == 0) {
		wal_clear(&store->wal);
		store->error = 0;
		store->active = true;
	}
	return err;
}

int store_commit(struct store *store)
{
	int err = store->error;

	ASSERT(store->active);
	store->active = false;
	if (err == 0 && store->wal.pending == 0)
		return 0;
	if (err == 0 && !wal_fits(&store->wal))
		return checkpoint(store);
	if (err == 0)
		err = wal_commit(&store->wal);
	if (err != 0)
		txn_drop(store);
	return err;
}

void store_abort(struct store *store)
{
	if (store->active && (store->error != 0 || store->wal.pending > 0))
		txn_drop(store);
	store->active = false;
}

static int has_room(struct store *store)
{
	size_t used = 0;
	int err = store_used(store, &used);

	return err == 0 && used + PAGES_PER_CHANGE * WAL_PAGE_BYTES > store->bytes_max ? -ENOSPC : err;
}

static int change(struct store *store, enum wal_change change, uint64_t key, struct span value)
{
	struct wal_op op = {change, key, value};

	ASSERT(store->active && value.bytes <= STORE_VALUE_BYTES_MAX);
	int err = store->error != 0 || change == WAL_DEL ? store->error : has_room(store);
	if (err == 0)
		err = apply(store, &op);
	if (err == 0)
		wal_add(&store->wal, &op);
	else if (err != -EEXIST && err != -ENOENT) /* those two changed nothing */
		store->error = err;
	return err;
}

int store_append(struct store *store, uint64_t key, const void *value, size_t bytes)
{
	return change(store, WAL_APPEND, key, span_of(value, bytes));
}

int store_put(struct store *store, uint64_t key, const void *value, size_t bytes)
{
	return change(store, WAL_PUT, key, span_of(value, bytes));
}

int store_del(struct store *store, uint64_t key)
{
	return change(store, WAL_DEL, key, span_of(NULL, 0));
}

int store_get(struct store *store, uint64_t key, struct span *value)
{
	MDB_val k = {sizeof key, &key}, v;

	ASSERT(store->active);
	int rc = mdb_get(store->txn, store->table, &k, &v);
	if (rc == 0)
		*value = span_of(v.mv_data, v.mv_size);
	return error_of(rc);
}

static int cursor_get(struct store *store, uint64_t *key, struct span *value, MDB_cursor_op op)
{
	MDB_val k = {sizeof *key, key}, v;
	int rc = 0;

	ASSERT(store->active);
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

	ASSERT(store->active);
	int rc = mdb_stat(store->txn, store->table, &stat);
	if (rc == 0)
		*bytes = (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) * stat.ms_psize;
	return error_of(rc);
}
