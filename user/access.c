// SPDX-License-Identifier: Apache-2.0
#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "limits.h"
#include "stats.h"
#include "sys/sandbox.h"

#define WRITE_MS 200 /* lines wait so long in memory */

/* One writer, one reader.  Both positions only grow; what is between them is to be written. */
struct line_ring {
	_Alignas(64) _Atomic uint64_t put;
	_Atomic uint64_t lost; /* lines; the writer's */
	_Alignas(64) _Atomic uint64_t taken;
	uint8_t *bytes;
};

struct access {
	char path[PATH_BYTES_MAX];
	int fd, stop_fd;
	pthread_t thread;
	_Atomic bool reopening;
	bool failing; /* and it was said */
	_Atomic uint64_t lines, lost;
	unsigned ring_cnt;
	struct line_ring *rings;
};

/* --- the thread --- */

static uint64_t lines_in(struct span bytes)
{
	uint64_t cnt = 0;

	for (size_t i = 0; i < bytes.bytes; i++)
		cnt += bytes.at[i] == '\n';
	return cnt;
}

/* What the disk does not take is lost: it is old by the time there is room again. */
static void write_out(struct access *access, struct span bytes)
{
	while (bytes.bytes > 0) {
		ssize_t written = write(access->fd, bytes.at, bytes.bytes);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			if (!access->failing)
				log_warn("event=access_log file=%s error=%d note=\"lines are lost\"", access->path,
					 errno);
			access->failing = true;
			stats_add(&access->lost, lines_in(bytes));
			return;
		}
		access->failing = false;
		stats_add(&access->lines, lines_in(span_of(bytes.at, (size_t)written)));
		bytes = span_of(bytes.at + written, bytes.bytes - (size_t)written);
	}
}

static void empty(struct access *access, struct line_ring *ring)
{
	uint64_t put = atomic_load_explicit(&ring->put, memory_order_acquire), taken = ring->taken;

	while (taken < put) {
		size_t from = (size_t)(taken % ACCESS_RING_BYTES), to_end = ACCESS_RING_BYTES - from;
		size_t bytes = put - taken < to_end ? (size_t)(put - taken) : to_end;
		write_out(access, span_of(ring->bytes + from, bytes));
		taken += bytes;
		atomic_store_explicit(&ring->taken, taken, memory_order_release);
	}
}

static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

	return fd < 0 ? -errno : fd;
}

static void reopen(struct access *access)
{
	int fd = open_file(access->path);

	if (fd < 0) {
		log_warn("event=access_log file=%s error=%d note=\"the old one stays open\"", access->path, -fd);
		return;
	}
	close(access->fd);
	access->fd = fd;
}

static void *run(void *ctx)
{
	struct access *access = ctx;
	struct pollfd stop = {.fd = access->stop_fd, .events = POLLIN};
	bool stopping = false;

	sandbox_enter_thread(SANDBOX_FILES);
	while (!stopping) {
		stopping = poll(&stop, 1, WRITE_MS) > 0;
		for (unsigned i = 0; i < access->ring_cnt; i++)
			empty(access, &access->rings[i]);
		if (atomic_exchange(&access->reopening, false))
			reopen(access);
	}
	return NULL;
}

/* --- start and end --- */

static void forget(struct access *access)
{
	for (unsigned i = 0; access->rings != NULL && i < access->ring_cnt; i++)
		free(access->rings[i].bytes);
	free(access->rings);
	if (access->fd >= 0)
		close(access->fd);
	if (access->stop_fd >= 0)
		close(access->stop_fd);
	free(access);
}

static int make_rings(struct access *access, unsigned cnt)
{
	access->rings = aligned_alloc(64, cnt * sizeof *access->rings);
	if (access->rings == NULL)
		return -ENOMEM;
	memset(access->rings, 0, cnt * sizeof *access->rings);
	access->ring_cnt = cnt;
	for (unsigned i = 0; i < cnt; i++) {
		access->rings[i].bytes = malloc(ACCESS_RING_BYTES); /* takes memory as it is used */
		if (access->rings[i].bytes == NULL)
			return -ENOMEM;
	}
	return 0;
}

int access_open(struct access **out, const char *path, unsigned writer_cnt)
{
	struct access *access = calloc(1, sizeof *access);

	if (access == NULL)
		return -ENOMEM;
	snprintf(access->path, sizeof access->path, "%s", path);
	access->stop_fd = eventfd(0, EFD_CLOEXEC);
	access->fd = open_file(path);
	int error = access->fd < 0 ? access->fd : access->stop_fd < 0 ? -EMFILE : make_rings(access, writer_cnt);
	if (error == 0)
		error = -pthread_create(&access->thread, NULL, run, access);
	if (error < 0) {
		forget(access);
		return error;
	}
	*out = access;
	return 0;
}

void access_close(struct access *access)
{
	if (access == NULL)
		return;
	eventfd_write(access->stop_fd, 1);
	pthread_join(access->thread, NULL);
	forget(access);
}

void access_reopen(struct access *access)
{
	atomic_store(&access->reopening, true);
}

void access_put(struct access *access, unsigned writer, struct span line)
{
	struct line_ring *ring = &access->rings[writer];
	uint64_t put = atomic_load_explicit(&ring->put, memory_order_relaxed);
	uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_acquire);
	size_t from = (size_t)(put % ACCESS_RING_BYTES), to_end = ACCESS_RING_BYTES - from;
	size_t first = line.bytes < to_end ? line.bytes : to_end;

	ASSERT(line.bytes <= ACCESS_LINE_BYTES_MAX);
	if (line.bytes > ACCESS_RING_BYTES - (put - taken)) {
		stats_add(&ring->lost, 1);
		return;
	}
	memcpy(ring->bytes + from, line.at, first);
	memcpy(ring->bytes, line.at + first, line.bytes - first);
	atomic_store_explicit(&ring->put, put + line.bytes, memory_order_release);
}

void access_stats(const struct access *access, struct access_stats *stats)
{
	stats->lines = atomic_load_explicit(&access->lines, memory_order_relaxed);
	stats->lost = atomic_load_explicit(&access->lost, memory_order_relaxed);
	for (unsigned i = 0; i < access->ring_cnt; i++)
		stats->lost += atomic_load_explicit(&access->rings[i].lost, memory_order_relaxed);
}
