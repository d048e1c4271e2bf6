// SPDX-License-Identifier: Apache-2.0
/* store.c: a table in LMDB (tree.h) with a log of commits (wal.h) in front of it.
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
 * Numbers given to what failed are not used again.
 *
 * A start that finds commits missing makes a new log, and with the old one goes what shows the loss.  So the loss is on record
 * in the table before that, and stays there until a commit: by then whoever opened the store has seen to what it means, and a
 * start that died before knows as much as the first. */
#include "sys/store.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "base/assert.h"
#include "base/log.h"
#include "sys/directory.h"
#include "sys/tree.h"
#include "sys/wal.h"

struct store {
	char *path;
	size_t bytes_max;
	struct directory files;
	struct tree
		tree; /* in one transaction since the last checkpoint; none: to be begun, and the log replayed into it */
	struct wal wal;
	size_t damage_cnt;
	bool lost;   /* the table has it on record */
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
static size_t file_bytes_max(size_t bytes_max)
{
	return bytes_max + 4 * WAL_OPS_PER_PAGE * log_bytes(bytes_max) + (1 << 20);
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
	int err = tree_commit(&store->tree, number);

	if (err == -EIO && disk_full(store))
		err = -ENOSPC;
	if (err == 0) {
		wal_restart(&store->wal, number);
		store->unsure = false;
	}
	return err;
}

/* As a commit did it, but for a table that has some of it already, or lacks what was before: what it came to counts. */
static int apply_again(struct store *store, struct span changes, size_t *op_cnt)
{
	struct wal_op op;
	int err = 0;

	for (; err == 0 && wal_next_op(&changes, &op); ++*op_cnt) {
		err = tree_change(&store->tree, &op);
		if (err == -EEXIST) {
			op.change = WAL_PUT;
			err = tree_change(&store->tree, &op);
		}
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
	int err = tree_newest(&store->tree, &newest);

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
	int err = tree_begin(&store->tree, &store->unsure);

	if (err == 0)
		err = replay(store, store->wal.end, &reader, &op_cnt);
	if (err == 0 && reader.last < store->wal.last)
		err = -EBADMSG; /* what the disk took it does not give back */
	if (err != 0)
		tree_drop(&store->tree);
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
	int err = tree_begin(&store->tree, &store->unsure);

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
	int err = tree_begin(&store->tree, &store->unsure);

	if (err == 0)
		err = tree_newest(&store->tree, &newest);
	if (err == 0) {
		store->wal.number = store->wal.last = newest;
		store->damage_cnt = newest > 0;
	}
	return err;
}

/* What the old log holds goes into the table first. */
static int make_log(struct store *store, size_t bytes, bool keep)
{
	int err = store->wal.op_cnt > 0 || store->damage_cnt > 0 ? checkpoint(store) : 0;

	if (err == 0)
		store->lost = store->damage_cnt > 0;
	return err == 0 ? wal_make(&store->wal, bytes, keep) : err;
}

/* What was lost before, and what shows now: all of it goes on record with the next checkpoint. */
static int note_lost(struct store *store, const char *found)
{
	uint64_t before;
	int err = tree_lost(&store->tree, &before);

	if (err != 0 || before + store->damage_cnt == 0)
		return err;
	log_error("event=log_damaged directory=%s found=%s commits=%zu earlier=%zu", store->path, found,
		  store->damage_cnt, (size_t)before);
	store->lost = before > 0;
	store->damage_cnt += before;
	return tree_mark_lost(&store->tree, store->damage_cnt);
}

static int open_log(struct store *store)
{
	static const char *const said[] = {
		[WAL_FOUND] = "holes", [WAL_MISSING] = "missing", [WAL_DAMAGED] = "unreadable"};
	enum wal_found found;
	size_t bytes = log_bytes_here(store);
	int err = wal_open(&store->wal, store->files.fd, &found);

	if (err == 0 && found == WAL_FOREIGN) {
		log_error("event=log_version directory=%s reads=%d", store->path, WAL_VERSION);
		err = -EPROTO;
	}
	if (err != 0)
		return err;
	err = found == WAL_FOUND ? replay_found(store) : note_missing(store);
	if (found == WAL_DAMAGED && store->damage_cnt == 0)
		store->damage_cnt = 1;
	bool damaged = store->damage_cnt > 0;
	bool sized = store->wal.bytes >= bytes && store->wal.bytes <= log_bytes(store->bytes_max);
	if (err == 0)
		err = note_lost(store, damaged ? said[found] : "nothing");
	if (err == 0 && (found != WAL_FOUND || damaged || !sized))
		err = make_log(store, bytes, found != WAL_MISSING && damaged);
	if (err == -ENOSPC && found == WAL_FOUND)
		err = 0;			/* the old one does until there is room */
	if (err == 0 && store->wal.last == 0) { /* from now on a log that is missing is a loss */
		err = !tree_begun(&store->tree) ? tree_begin(&store->tree, &store->unsure) : 0;
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
		err = tree_open(&store->tree, directory, file_bytes_max(store->bytes_max));
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
	if (tree_begun(&store->tree) && store->wal.op_cnt > 0)
		(void)checkpoint(store); /* what it could not do the log does at the next start */
	tree_close(&store->tree);
	wal_close(&store->wal);
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
	int err = !tree_begun(&store->tree) ? recover(store) : 0;

	if (err == 0) {
		wal_clear(&store->wal);
		store->error = 0;
		store->active = true;
	}
	return err;
}

/* Tried once: if it fails the next start is told of the loss again, and that is all. */
static void forget_lost(struct store *store)
{
	if (!tree_begun(&store->tree))
		return; /* that was a checkpoint: the next commit does it */
	store->lost = false;
	if (tree_mark_lost(&store->tree, 0) == 0)
		(void)checkpoint(store);
	else
		tree_drop(&store->tree);
}

int store_commit(struct store *store)
{
	int err = store->error;

	ASSERT(store->active);
	store->active = false;
	if (err == 0 && store->wal.pending > 0)
		err = wal_fits(&store->wal) ? wal_commit(&store->wal) : checkpoint(store);
	if (err != 0)
		tree_drop(&store->tree);
	else if (store->lost)
		forget_lost(store);
	return err;
}

void store_abort(struct store *store)
{
	if (store->active && (store->error != 0 || store->wal.pending > 0))
		tree_drop(&store->tree);
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
		err = tree_change(&store->tree, &op);
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
	ASSERT(store->active);
	return tree_get(&store->tree, key, value);
}

int store_seek(struct store *store, uint64_t *key, struct span *value)
{
	ASSERT(store->active);
	return tree_seek(&store->tree, key, value);
}

int store_last(struct store *store, uint64_t *key)
{
	ASSERT(store->active);
	return tree_last(&store->tree, key);
}

int store_used(struct store *store, size_t *bytes)
{
	ASSERT(store->active);
	return tree_used(&store->tree, bytes);
}
