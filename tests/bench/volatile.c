// SPDX-License-Identifier: Apache-2.0
/* volatile.c: linked beside the shipped daemon's own objects into one whose log is never written: everything else of a
 * commit is done, the batch, the record, the table in memory, the mail.  What it forgets when it ends is everything.  For
 * measuring alone, and a program of its own for that reason: the shipped one cannot be told to run without its log. */
#include "sys/wal.h"

int __wrap_wal_commit(struct wal *wal);
bool __wrap_wal_fits(const struct wal *wal);

int __wrap_wal_commit(struct wal *wal)
{
	wal_encode_record(wal->buffer, wal->used, wal->key, ++wal->number, wal->last, wal->end / WAL_PAGE_BYTES);
	wal->last = wal->number;
	wal_clear(wal);
	return 0;
}

/* So that there is never a checkpoint. */
bool __wrap_wal_fits(const struct wal *wal)
{
	return !wal->overflow;
}
