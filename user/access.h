/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_ACCESS_H
#define TOLLBAR_ACCESS_H
/* access.h: the access log: one line of JSON a request, in a file.  A worker puts a line into memory of its own and goes on;
 * one thread writes them.  A disk that stands still costs lines, which are counted, and never a request its time. */
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct access;

#define ACCESS_LINE_BYTES_MAX 4096
#define ACCESS_RING_BYTES 1048576u /* of each writer; a power of two */

/* Opens (appends to, mode 0640) and starts the thread.  0 or -errno. */
int access_open(struct access **access, const char *path, unsigned writer_cnt);
/* Everything put before is written, as far as the disk lets it.  Nobody puts any more. */
void access_close(struct access *access);
/* From writer number `writer`'s thread alone.  The line comes with its newline, ACCESS_LINE_BYTES_MAX at most. */
void access_put(struct access *access, unsigned writer, struct span line);
/* The file was moved away: lines go to a new one of the same name.  When that cannot be opened the old one stays.  Any
 * thread. */
void access_reopen(struct access *access);

struct access_stats {
	uint64_t lines, lost; /* written; no room for, or not written */
};
void access_stats(const struct access *access, struct access_stats *stats);

#endif
