/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_DIRECTORY_H
#define TOLLBAR_SYS_DIRECTORY_H
/* directory.h: a directory of ours that one process at a time has open. */

struct directory {
	int fd;	     /* of the directory, -1 when it is not open */
	int lock_fd; /* of "lock" in it, held as long as this process lives */
};

#define DIRECTORY_CLOSED ((struct directory){-1, -1})

/* directory_open: makes it (mode 0700) when it is missing, its parent must exist.  0 or -errno, after which it is still
 * to be closed; -EBUSY when another process, or this one, has it open. */
int directory_open(struct directory *directory, const char *path);
void directory_close(struct directory *directory);
/* Names made in it, and its own, are on the disk.  0 or -errno. */
int directory_sync(const struct directory *directory);

#endif
