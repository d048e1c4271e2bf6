// SPDX-License-Identifier: Apache-2.0
#include "sys/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int directory_open(struct directory *directory, const char *path)
{
	*directory = DIRECTORY_CLOSED;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	directory->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory->fd < 0)
		return -errno;
	directory->lock_fd = openat(directory->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (directory->lock_fd < 0)
		return -errno;
	if (flock(directory->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

void directory_close(struct directory *directory)
{
	if (directory->lock_fd >= 0)
		close(directory->lock_fd);
	if (directory->fd >= 0)
		close(directory->fd);
	*directory = DIRECTORY_CLOSED;
}

int directory_sync(const struct directory *directory)
{
	int err = 0;

	if (fsync(directory->fd) < 0)
		return -errno;
	int parent_fd = openat(directory->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent_fd < 0)
		return errno == EACCES ? 0 : -errno; /* then it is not ours to have made a name in */
	if (fsync(parent_fd) < 0 && errno != EINVAL)
		err = -errno;
	close(parent_fd);
	return err;
}
