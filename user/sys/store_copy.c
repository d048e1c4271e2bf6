// SPDX-License-Identifier: Apache-2.0
#include "sys/store_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits.h"

#define TRIES 5
#define PIECE_BYTES ((size_t)1 << 18)
#define ROOTS_BYTES_MAX ((size_t)2 << 16) /* two pages of the largest size there is */

struct place {
	int fd; /* of the directory */
	char path[PATH_BYTES_MAX];
};

static int write_whole(int fd, const uint8_t *at, size_t bytes)
{
	while (bytes > 0) {
		ssize_t written = write(fd, at, bytes);
		if (written < 0 && errno != EINTR)
			return -errno;
		if (written > 0) {
			at += written;
			bytes -= (size_t)written;
		}
	}
	return 0;
}

static int copy_bytes(int to, int from)
{
	uint8_t *piece = malloc(PIECE_BYTES);
	int err = piece == NULL ? -ENOMEM : 0;

	while (err == 0) {
		ssize_t got = read(from, piece, PIECE_BYTES);
		if (got == 0)
			break;
		if (got < 0 && errno != EINTR)
			err = -errno;
		else if (got > 0)
			err = write_whole(to, piece, (size_t)got);
	}
	free(piece);
	return err;
}

/* -ENOENT: it is not there. */
static int copy_file(const struct place *to, int from_fd, const char *name)
{
	int from = openat(from_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (from < 0)
		return -errno;
	int copy = openat(to->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int err = copy < 0 ? -errno : copy_bytes(copy, from);
	if (copy >= 0)
		close(copy);
	close(from);
	return err;
}

/* The two pages that name the table's root. */
static int read_roots(int from_fd, uint8_t roots[ROOTS_BYTES_MAX], size_t *bytes)
{
	int fd = openat(from_fd, "data.mdb", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	long page = sysconf(_SC_PAGESIZE);
	size_t want = page > 0 && 2 * (size_t)page <= ROOTS_BYTES_MAX ? 2 * (size_t)page : 8192;

	if (fd < 0)
		return errno == ENOENT ? -ENODATA : -errno;
	ssize_t got = pread(fd, roots, want, 0);
	int err = got < 0 ? -errno : (size_t)got < want ? -EBADMSG : 0;
	close(fd);
	*bytes = want;
	return err;
}

static int copy_once(const struct place *to, int from_fd)
{
	static uint8_t before[ROOTS_BYTES_MAX], after[ROOTS_BYTES_MAX]; /* a command has one thread */
	size_t bytes;
	int err = read_roots(from_fd, before, &bytes);

	if (err == 0)
		err = copy_file(to, from_fd, "data.mdb");
	if (err == 0)
		err = copy_file(to, from_fd, "wal");
	if (err == -ENOENT)
		err = 0; /* no log: store_open says what that means */
	if (err == 0)
		err = read_roots(from_fd, after, &bytes);
	return err == 0 && memcmp(before, after, bytes) != 0 ? -EAGAIN : err;
}

static void remove_names(const struct place *place)
{
	static const char *const names[] = {"data.mdb", "wal", "wal.new", "wal.damaged", "lock"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unlinkat(place->fd, names[i], 0);
	rmdir(place->path);
}

static int make_place(struct place *place)
{
	const char *parent = getenv("TMPDIR");
	int bytes = snprintf(place->path, sizeof place->path, "%s/tollbar-XXXXXX",
			     parent != NULL && parent[0] != 0 ? parent : "/tmp");

	if (bytes < 0 || (size_t)bytes >= sizeof place->path)
		return -ENAMETOOLONG;
	if (mkdtemp(place->path) == NULL)
		return -errno;
	place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return place->fd < 0 ? -errno : 0;
}

/* At least what it takes to read it: nothing is added. */
static int open_copy(struct store **out, const struct place *place)
{
	struct stat st;

	if (fstatat(place->fd, "data.mdb", &st, 0) < 0)
		return -errno;
	return store_open(out, place->path, 2 * (size_t)st.st_size + STORE_BYTES_MIN);
}

int store_copy_open(struct store **out, const char *directory)
{
	struct place place = {.fd = -1};
	int from_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*out = NULL;
	if (from_fd < 0)
		return -errno;
	int err = make_place(&place);
	if (err == 0) {
		err = -EAGAIN;
		for (int i = 0; i < TRIES && err == -EAGAIN; i++)
			err = copy_once(&place, from_fd);
		if (err == 0)
			err = open_copy(out, &place);
		remove_names(&place);
		close(place.fd);
	}
	close(from_fd);
	return err;
}
