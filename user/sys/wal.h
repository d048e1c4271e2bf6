/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_WAL_H
#define TOLLBAR_SYS_WAL_H
/* wal.h: the log of commits in front of the table (store.c): one file, made at its full size and written with zeros, so
 * that a commit changes no metadata and is one write and one flush.  Where the file system lets it the write goes past
 * the page cache: cheaper, and after an error there is no cached page that says other than the disk.
 *
 * Memory: a buffer as large as the file, of which only as much is touched as the largest commit has. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/wal_format.h"

#define WAL_BYTES_MIN (16 * WAL_PAGE_BYTES)
#define WAL_BYTES_MAX ((size_t)64 << 20) /* of a file that is read */

/* Changes that the log takes, for each of its pages: bounds what a checkpoint has to do. */
#define WAL_OPS_PER_PAGE 8

struct wal {
	int directory_fd; /* borrowed */
	int fd;
	size_t bytes; /* of the file */
	uint8_t key[WAL_KEY_BYTES];
	uint64_t last;	 /* the commit known to be durable last, here or in the table */
	uint64_t number; /* the one given out last: grows also when a commit fails */
	size_t end;	 /* where the next record goes */
	size_t op_cnt;	 /* in the records before that */

	uint8_t *buffer;
	size_t buffer_bytes;
	size_t used;	/* of the record being made; WAL_HEAD_BYTES when it is empty */
	size_t pending; /* changes in it, also those that found no room */
	bool overflow;
};

enum wal_found { WAL_FOUND, WAL_MISSING, WAL_DAMAGED, WAL_FOREIGN };

/* wal_open: opens the file when it is there and can be read; else it is to be made, but for one of another version
 * (WAL_FOREIGN), which is not ours to touch.  0 or -errno. */
int wal_open(struct wal *wal, int directory_fd, enum wal_found *found);
void wal_close(struct wal *wal);

/* Makes the file anew, with nothing in it; there is never a moment without the one or the other.  keep: the old one
 * stays as "wal.damaged".  Nothing in the old one may be needed any more.  0 or -errno; after -ENOSPC the old one, if it was
 * open, still is. */
int wal_make(struct wal *wal, size_t bytes, bool keep);
/* Reads the file's pages up to offset `until` for wal_read.  They stand in the buffer: the record being made is gone. */
int wal_load(struct wal *wal, size_t until, struct wal_reader *reader);
/* The table holds everything up to this commit: records start at the front again. */
void wal_restart(struct wal *wal, uint64_t number);
/* Records go on behind the last that `reader` found, which made so many changes. */
void wal_resume(struct wal *wal, const struct wal_reader *reader, size_t op_cnt);

/* Adds a change to the record being made, or only counts it when there is no room. */
void wal_add(struct wal *wal, const struct wal_op *op);
void wal_clear(struct wal *wal);
/* The record being made can be written behind the others. */
bool wal_fits(const struct wal *wal);
/* Writes it and starts the next.  0: it is on the disk.  -errno: it counts as not written, and the next takes its
 * place. */
int wal_commit(struct wal *wal);

#endif
