/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_TREE_CHECK_H
#define TOLLBAR_SYS_TREE_CHECK_H
/* tree_check.h: is this file a tree that LMDB may be trusted with?  LMDB believes what it reads: a wrong pointer in a page
 * makes it die, or leave entries out without a word.  So before it opens a file every page that is in use is looked at
 * once: it is where its parent says, what lies in it fits and does not overlap, keys only grow and stay between those of
 * the parent, the numbers of pages and entries are those on record, no page is used twice, and none that is free is used.
 *
 * Values are not looked at: the ledger's records have checksums of their own.  Nor is the older of the two roots, which
 * LMDB does not use either.  No I/O here.
 *
 * Layout: LMDB 0.9's data format 1, on a little-endian machine with 64-bit words and pages of 4096 bytes, which is what
 * this program is built for. */
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct tree_fault {
	const char *what; /* NULL: none */
	uint64_t page;
};

/* A bit for every page of the file. */
size_t tree_check_bytes(struct span file);
/* seen: tree_check_bytes of zeros. */
struct tree_fault tree_check(struct span file, uint8_t *seen);

#endif
