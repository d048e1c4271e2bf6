/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_WAL_FORMAT_H
#define TOLLBAR_SYS_WAL_FORMAT_H
/* wal_format.h: the bytes of the log of commits (wal.h).  No I/O here.
 *
 *   page 0        magic, version, the log's key, checksum; written once, before the file gets its name
 *   other pages   records, each from the start of a page on, never two in one page
 *
 * A record is one commit: its number, the number of the commit before it, its changes, and a checksum over all of that
 * and the page it stands in.  Numbers only grow, also over attempts that failed, so of all that a page may still hold
 * from earlier only what is newer than the newest known counts.  Integers are the machine's own, as in LMDB's files.
 *
 * The checksum is two.  CRC-32C of the changes finds what a crash tore or a disk lost.  SipHash, keyed with random bytes
 * of the file, of that and the head, says that the head is one of this file's: clients choose some of the bytes in a
 * record, and must not be able to write one that passes for a record of its own, and a page of an older file must not
 * either.  It is no protection against somebody who may read the file. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define WAL_PAGE_BYTES 4096 /* what a disk or a page cache may write as one: no record harms another's page */
#define WAL_KEY_BYTES 16
#define WAL_HEAD_BYTES 32   /* of a record */
#define WAL_CHANGE_BYTES 11 /* of a change, before its value */

enum wal_change { WAL_APPEND = 1, WAL_PUT, WAL_DEL };

struct wal_op {
	enum wal_change change;
	uint64_t key;
	struct span value; /* empty for WAL_DEL */
};

static inline size_t wal_pages_of(size_t bytes)
{
	return (bytes + WAL_PAGE_BYTES - 1) / WAL_PAGE_BYTES * WAL_PAGE_BYTES;
}

#define WAL_VERSION 2 /* 1 had SipHash of all */

/* Page 0: all of it is written or read.  Gives its version, which fronts of every version say at the same place; 0: not a log,
 * or its bytes have changed.  The key is there if it is WAL_VERSION. */
void wal_encode_front(uint8_t page[WAL_PAGE_BYTES], const uint8_t key[WAL_KEY_BYTES]);
uint32_t wal_decode_front(struct span file, uint8_t key[WAL_KEY_BYTES]) __attribute__((warn_unused_result));

/* Writes one change; returns where the next goes.  The caller has WAL_CHANGE_BYTES + value.bytes there. */
uint8_t *wal_encode_op(uint8_t *at, const struct wal_op *op);
/* Fills in the head of the record that is `bytes` long with it, of which the changes are there, and the zeros behind it
 * up to the page's end. */
void wal_encode_record(uint8_t *record, size_t bytes, const uint8_t key[WAL_KEY_BYTES], uint64_t number,
		       uint64_t previous, size_t page);

struct wal_reader {
	struct span file; /* from its page 0 on */
	uint8_t key[WAL_KEY_BYTES];
	size_t page;   /* looked at next; begin with 1 */
	uint64_t last; /* the newest commit known: in, what the table holds; then of the record read last */
	size_t end;    /* the page behind the record read last; 0: none was */
	size_t holes;  /* records read whose previous one was neither in the table nor in the log */
};

/* The next record newer than all before; *changes are its own, every one of them well-formed.  False: there is none.
 *
 * It looks at every page to the end, so a record that went bad is noticed by the next good one, which then stands
 * alone.  What cannot be told apart: the very last record, when it went bad, looks like one that a crash cut short. */
bool wal_read(struct wal_reader *reader, struct span *changes) __attribute__((warn_unused_result));
/* Takes the first change off a record's changes; false: there is none left, or (never after wal_read) it is not
 * well-formed. */
bool wal_next_op(struct span *changes, struct wal_op *op) __attribute__((warn_unused_result));

#endif
