// SPDX-License-Identifier: Apache-2.0
#include "sys/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"

#define NAME "wal"
#define NAME_NEW "wal.new"
#define NAME_DAMAGED "wal.damaged"

/* Past the page cache, but for file systems that do not know how. */
static int open_file(int directory_fd, const char *name, int flags)
{
	flags |= O_RDWR | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(directory_fd, name, flags | O_DIRECT, 0600);

	return fd < 0 && errno == EINVAL ? openat(directory_fd, name, flags, 0600) : fd;
}

static int map_buffer(struct wal *wal, size_t bytes)
{
	if (wal->buffer != NULL)
		munmap(wal->buffer, wal->buffer_bytes);
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	wal->buffer = at == MAP_FAILED ? NULL : at;
	wal->buffer_bytes = bytes;
	wal_clear(wal);
	return wal->buffer == NULL ? -ENOMEM : 0;
}

static int read_whole(int fd, uint8_t *at, size_t bytes)
{
	for (size_t have = 0; have < bytes;) {
		ssize_t got = pread(fd, at + have, bytes - have, (off_t)have);
		if (got < 0)
			return -errno;
		if (got == 0)
			return -EBADMSG;
		have += (size_t)got;
	}
	return 0;
}

static int read_front(struct wal *wal, enum wal_found *found)
{
	struct stat st;

	if (fstat(wal->fd, &st) < 0)
		return -errno;
	*found = WAL_DAMAGED;
	if (!S_ISREG(st.st_mode) || st.st_size < WAL_BYTES_MIN || (size_t)st.st_size > WAL_BYTES_MAX ||
	    st.st_size % WAL_PAGE_BYTES != 0)
		return map_buffer(wal, WAL_BYTES_MIN);
	wal->bytes = (size_t)st.st_size;
	int err = map_buffer(wal, wal->bytes);
	if (err == 0)
		err = read_whole(wal->fd, wal->buffer, WAL_PAGE_BYTES);
	uint32_t version = err == 0 ? wal_decode_front(span_of(wal->buffer, WAL_PAGE_BYTES), wal->key) : 0;
	if (version != 0)
		*found = version == WAL_VERSION ? WAL_FOUND : WAL_FOREIGN;
	return err;
}

int wal_open(struct wal *wal, int directory_fd, enum wal_found *found)
{
	*wal = (struct wal){.directory_fd = directory_fd, .end = WAL_PAGE_BYTES};
	wal->fd = open_file(directory_fd, NAME, 0);
	if (wal->fd >= 0)
		return read_front(wal, found);
	*found = WAL_MISSING;
	return errno == ENOENT ? 0 : -errno;
}

void wal_close(struct wal *wal)
{
	if (wal->buffer != NULL)
		munmap(wal->buffer, wal->buffer_bytes);
	if (wal->fd >= 0)
		close(wal->fd);
	*wal = (struct wal){.fd = -1};
}

static int write_whole(int fd, const uint8_t *at, size_t bytes)
{
	for (size_t have = 0; have < bytes;) {
		ssize_t put = pwrite(fd, at + have, bytes - have, (off_t)have);
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		have += (size_t)put;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* The buffer is zeros but for the front: it is the new file. */
static int make_file(struct wal *wal, bool keep)
{
	if (getrandom(wal->key, sizeof wal->key, 0) != (ssize_t)sizeof wal->key)
		return -EIO;
	wal_encode_front(wal->buffer, wal->key);
	int err = write_whole(wal->fd, wal->buffer, wal->bytes);
	if (err != 0)
		return err;
	if (keep) { /* for whoever looks into it: a file system without links must not keep the rest from starting */
		unlinkat(wal->directory_fd, NAME_DAMAGED, 0);
		if (linkat(wal->directory_fd, NAME, wal->directory_fd, NAME_DAMAGED, 0) < 0)
			log_warn("event=wal_keep file=" NAME_DAMAGED " error=%d", errno);
	}
	if (renameat(wal->directory_fd, NAME_NEW, wal->directory_fd, NAME) < 0)
		return -errno;
	return fsync(wal->directory_fd) < 0 ? -EIO : 0; /* and nothing else: the old one has no name any more */
}

int wal_make(struct wal *wal, size_t bytes, bool keep)
{
	struct wal made = {.directory_fd = wal->directory_fd,
			   .bytes = bytes,
			   .last = wal->last,
			   .number = wal->number,
			   .end = WAL_PAGE_BYTES};

	ASSERT(bytes >= WAL_BYTES_MIN && bytes <= WAL_BYTES_MAX && bytes % WAL_PAGE_BYTES == 0);
	made.fd = open_file(wal->directory_fd, NAME_NEW, O_CREAT | O_TRUNC);
	int err = made.fd < 0 ? -errno : map_buffer(&made, bytes);
	if (err == 0)
		err = make_file(&made, keep);
	if (err != 0)
		unlinkat(wal->directory_fd, NAME_NEW, 0);
	wal_close(err == 0 ? wal : &made);
	if (err == 0)
		*wal = made;
	return err;
}

int wal_load(struct wal *wal, size_t until, struct wal_reader *reader)
{
	ASSERT(until <= wal->bytes);
	wal_clear(wal);
	int err = read_whole(wal->fd, wal->buffer, until);
	*reader = (struct wal_reader){.file = span_of(wal->buffer, until), .page = 1};
	memcpy(reader->key, wal->key, sizeof reader->key);
	return err;
}

void wal_restart(struct wal *wal, uint64_t number)
{
	wal->last = number;
	wal->end = WAL_PAGE_BYTES;
	wal->op_cnt = 0;
	wal_clear(wal);
	madvise(wal->buffer, wal->buffer_bytes, MADV_DONTNEED); /* what a replay or a large commit touched */
}

void wal_resume(struct wal *wal, const struct wal_reader *reader, size_t op_cnt)
{
	wal_restart(wal, reader->last);
	wal->number = reader->last;
	wal->op_cnt = op_cnt;
	if (reader->end > 0)
		wal->end = reader->end * WAL_PAGE_BYTES;
}

void wal_clear(struct wal *wal)
{
	wal->used = WAL_HEAD_BYTES;
	wal->pending = 0;
	wal->overflow = false;
}

void wal_add(struct wal *wal, const struct wal_op *op)
{
	size_t bytes = WAL_CHANGE_BYTES + op->value.bytes;

	wal->pending++;
	wal->overflow = wal->overflow || bytes > wal->buffer_bytes - wal->used;
	if (wal->overflow)
		return;
	wal_encode_op(wal->buffer + wal->used, op);
	wal->used += bytes;
}

bool wal_fits(const struct wal *wal)
{
	return !wal->overflow && wal_pages_of(wal->used) <= wal->bytes - wal->end &&
	       wal->op_cnt + wal->pending <= wal->bytes / WAL_PAGE_BYTES * WAL_OPS_PER_PAGE;
}

int wal_commit(struct wal *wal)
{
	size_t bytes = wal_pages_of(wal->used);
	struct iovec io = {wal->buffer, bytes};

	ASSERT(wal_fits(wal));
	wal_encode_record(wal->buffer, wal->used, wal->key, ++wal->number, wal->last, wal->end / WAL_PAGE_BYTES);
	ssize_t put = pwritev2(wal->fd, &io, 1, (off_t)wal->end, RWF_DSYNC);
	int err = put < 0 ? -errno : put != (ssize_t)bytes ? -EIO : 0;
	if (err == 0) {
		wal->last = wal->number;
		wal->end += bytes;
		wal->op_cnt += wal->pending;
	}
	wal_clear(wal);
	return err;
}
