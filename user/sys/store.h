/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_STORE_H
#define TOLLBAR_SYS_STORE_H
/* store.h: an ordered table on disk, 64-bit key → bytes, changed in durable transactions: LMDB, with a log of commits in
 * front of it: a commit is one write and one flush.  In the directory: "data.mdb" (the
 * table), "wal" (the log), "lock"; "wal.damaged" when a log that went bad was kept for whoever looks into it.
 *
 * One thread at a time, one transaction at a time: reads happen inside it too.  A commit that came back with 0 is on
 * the disk; one that failed has changed nothing that a later transaction sees, or, when its very last write was torn
 * by an error, all of it: callers never use a key again after a failed commit.
 *
 * Some commits take longer: when the log is full the table is brought up to date on the disk first.
 *
 * Memory: LMDB allocates in transactions: copies of the pages changed since the log was last empty, at most eight times
 * the log, which is a sixteenth of bytes_max, 4 MiB at most.  Beside that a buffer as large as the largest commit;
 * nothing else is allocated after store_open. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct store;

#define STORE_VALUE_BYTES_MAX 1984 /* larger values would go to pages of their own */
#define STORE_BYTES_MIN 65536

/* store_open: makes `directory` (mode 0700) when it is missing, its parent must exist.  bytes_max: the most the table
 * may grow to, at least STORE_BYTES_MIN; the log comes on top, and in data.mdb pages for copies, 32 times the log at
 * most.  0 or -errno; -EBUSY when another process (or this one) has it open, -EBADMSG when data.mdb is not ours, or
 * damaged (tree_check.h), -EPROTO when the log is another version's; which is said, and nothing done to them then. */
int store_open(struct store **out, const char *directory, size_t bytes_max);
void store_close(struct store *store);
/* The most memory that a store of this size takes: the log's buffer and LMDB's copies. */
size_t store_memory(size_t bytes_max);
/* Places where the log that store_open found had lost commits, counting a log that is not there or not one as one.
 * Everything else in it is in the table. */
size_t store_damage(const struct store *store);

/* 0 or -errno.  begin..commit or begin..abort; a failed commit has ended the transaction.  -ENOSPC stands for a full
 * disk and for a table at bytes_max. */
int store_begin(struct store *store);
int store_commit(struct store *store);
void store_abort(struct store *store);

/* In a transaction.  store_append is for a key above all others (cheaper, keeps pages full); -EEXIST when it is not. */
int store_append(struct store *store, uint64_t key, const void *value, size_t bytes);
int store_put(struct store *store, uint64_t key, const void *value, size_t bytes);
/* -ENOENT when there is none.  The value is borrowed until the next change or the end of the transaction. */
int store_get(struct store *store, uint64_t key, struct span *value);
int store_del(struct store *store, uint64_t key);
/* The entry with the smallest key >= *key: -ENOENT when there is none. */
int store_seek(struct store *store, uint64_t *key, struct span *value);
/* The largest key, 0 when the table is empty. */
int store_last(struct store *store, uint64_t *key);
/* Bytes of pages in use: what counts against bytes_max, but for the pages a running transaction copies. */
int store_used(struct store *store, size_t *bytes);

#endif
