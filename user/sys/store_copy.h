/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_STORE_COPY_H
#define TOLLBAR_SYS_STORE_COPY_H
/* store_copy.h: a store as it was at one moment, for whoever only reads, also while a daemon writes.  Nothing in the
 * directory is changed and its lock is not looked at: table and log are copied to a directory of our own, opened there, and
 * their names are gone before anybody else could use them.
 *
 * Why the copy is whole: LMDB never writes over a page that its newest root leads to, and names a new root in one of the
 * first two pages, which are read before and after.  When they are the same no checkpoint came between, so the table is
 * the one they name, and the log holds everything since.  A commit that was being written is in it or is not.  When
 * checkpoints come faster than a copy is made it is tried again, a few times. */
#include "sys/store.h"

/* store_copy_open: close it with store_close.  The copy is made in $TMPDIR, or /tmp.
 * 0 or -errno: -ENOENT no such directory, -ENODATA no table in it, -EBADMSG not a table of ours, -EAGAIN too busy to be
 * copied; what opening, reading and writing files gives. */
int store_copy_open(struct store **out, const char *directory);

#endif
