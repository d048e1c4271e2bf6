// SPDX-License-Identifier: Apache-2.0
/* points.c: where a daemon can be made to die or its disk to fail: at every change of a claim's state, and at every write
 * and flush of its ledger.  It is linked beside the very objects of the shipped daemon into one of its own,
 * build/tests/crash/tollbar: the linker puts the calls of WRAP lines through here (--wrap), and the C library's write
 * functions, which LMDB calls too, are defined here.  The shipped daemon has none of it.
 *
 *   TOLLBAR_CRASH=POINT:N:HOW   when POINT is passed for the Nth time:
 *     kill    SIGKILL: what was written is written
 *     cut     as when power is cut: of what was written since the last flush any part is lost, then SIGKILL
 *     eio, enospc, short          a write or a flush fails, or a write stops half way; the daemon lives on
 *   TOLLBAR_CRASH=count         prints "point NAME COUNT" for each at the end
 *   TOLLBAR_CRASH_SEED=N        what is lost in a cut
 *
 * POINT is a call's name with ".before" or ".after", or for a write ".in": half of it is on the disk.  Only the thread that
 * comes to the point dies in it; the others may be anywhere, as they may in life. */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <liburing.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "claim_ledger.h"
#include "settle.h"
#include "sys/wal.h"

enum when { BEFORE, IN, AFTER, WHEN_CNT };
enum how { KILL, CUT, FAIL_EIO, FAIL_ENOSPC, SHORT };

static const char *const when_words[] = {"before", "in", "after"};
static const char *const how_words[] = {"kill", "cut", "eio", "enospc", "short"};

struct point {
	const char *name;
	struct point *next;
	_Atomic unsigned passed[WHEN_CNT];
	bool reaches[WHEN_CNT];
};

static struct point *points;
static struct {
	struct point *point;
	enum when when;
	enum how how;
	unsigned nth;
} target;
static bool counting;
static unsigned seed;

/* --- what is on the disk for certain, and what a power cut may take --- */

enum { UNFLUSHED_MAX = 4096, SECTOR_BYTES = 512 };

/* What stood there before a write that was not flushed yet.  One thread at a time writes: the ledger's. */
static struct unflushed {
	int fd;
	off_t offset;
	size_t bytes;
	uint8_t *before;
} unflushed[UNFLUSHED_MAX];
static size_t unflushed_cnt;

static bool power_matters(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	return target.point != NULL && target.how == CUT && flags >= 0 && (flags & O_DSYNC) == 0 &&
	       fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static void note_write(int fd, off_t offset, size_t bytes)
{
	if (!power_matters(fd))
		return;
	uint8_t *before = calloc(1, bytes);
	if (before == NULL || unflushed_cnt == UNFLUSHED_MAX)
		abort();
	if (pread(fd, before, bytes, offset) < 0)
		memset(before, 0, bytes);
	unflushed[unflushed_cnt++] = (struct unflushed){fd, offset, bytes, before};
}

static void note_flush(int fd)
{
	size_t kept = 0;

	for (size_t i = 0; i < unflushed_cnt; i++) {
		if (unflushed[i].fd != fd)
			unflushed[kept++] = unflushed[i];
		else
			free(unflushed[i].before);
	}
	unflushed_cnt = kept;
}

/* Each sector of each write got there or did not, in any order. */
static void lose_unflushed(void)
{
	unsigned lost_of_8 = (unsigned)rand_r(&seed) % 9;

	while (unflushed_cnt > 0) {
		const struct unflushed *one = &unflushed[--unflushed_cnt];
		for (size_t at = 0; at < one->bytes; at += SECTOR_BYTES) {
			size_t bytes = one->bytes - at < SECTOR_BYTES ? one->bytes - at : SECTOR_BYTES;
			if ((unsigned)rand_r(&seed) % 8 < lost_of_8)
				(void)syscall(SYS_pwrite64, one->fd, one->before + at, bytes, one->offset + (off_t)at);
		}
	}
}

/* Some sectors of a write that was under way.  By another descriptor: this one may take whole blocks only. */
static void write_torn(int fd, const uint8_t *at, size_t bytes, off_t offset)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int plain = open(path, O_WRONLY | O_CLOEXEC);
	for (size_t from = 0; from < bytes; from += SECTOR_BYTES) {
		size_t piece = bytes - from < SECTOR_BYTES ? bytes - from : SECTOR_BYTES;
		if (rand_r(&seed) % 2 == 0)
			(void)syscall(SYS_pwrite64, plain, at + from, piece, offset + (off_t)from);
	}
}

/* --- passing a point --- */

static _Noreturn void die(void)
{
	char words[96];
	int bytes =
		snprintf(words, sizeof words, "event=crash point=%s.%s\n", target.point->name, when_words[target.when]);

	(void)syscall(SYS_write, STDERR_FILENO, words, (size_t)bytes);
	if (target.how == CUT)
		lose_unflushed();
	for (;;)
		kill(getpid(), SIGKILL);
}

static bool comes_to(struct point *point, enum when when)
{
	unsigned passed = atomic_fetch_add(&point->passed[when], 1) + 1;

	return point == target.point && when == target.when && passed == target.nth;
}

static void pass(struct point *point, enum when when)
{
	if (comes_to(point, when))
		die();
}

/* A write or flush: true when it is to fail; else it may be the last thing this process does. */
static bool fails(struct point *point)
{
	if (!comes_to(point, BEFORE))
		return false;
	if (target.how == KILL || target.how == CUT)
		die();
	fprintf(stderr, "event=fault point=%s.before how=%s\n", point->name, how_words[target.how]);
	return true;
}

static int fail_now(void)
{
	errno = target.how == FAIL_ENOSPC ? ENOSPC : EIO;
	return -1;
}

#define POINT(id, ...)                                                          \
	static struct point point_##id = {.name = #id, .reaches = __VA_ARGS__}; \
	__attribute__((constructor(101))) static void add_##id(void)            \
	{                                                                       \
		point_##id.next = points;                                       \
		points = &point_##id;                                           \
	}

/* A call that takes other arguments by now must not build. */
#define SAME_TYPE(id) _Static_assert(__builtin_types_compatible_p(__typeof__(id), __typeof__(__real_##id)), #id)

#define WRAP(type, id, parameters, arguments)        \
	POINT(id, {[BEFORE] = true, [AFTER] = true}) \
	type __real_##id parameters;                 \
	type __wrap_##id parameters;                 \
	SAME_TYPE(id);                               \
	type __wrap_##id parameters                  \
	{                                            \
		pass(&point_##id, BEFORE);           \
		type result = __real_##id arguments; \
		pass(&point_##id, AFTER);            \
		return result;                       \
	}

#define WRAP_VOID(id, parameters, arguments)         \
	POINT(id, {[BEFORE] = true, [AFTER] = true}) \
	void __real_##id parameters;                 \
	void __wrap_##id parameters;                 \
	SAME_TYPE(id);                               \
	void __wrap_##id parameters                  \
	{                                            \
		pass(&point_##id, BEFORE);           \
		__real_##id arguments;               \
		pass(&point_##id, AFTER);            \
	}

/* --- a claim's state: in memory, on its way, told --- */

WRAP(enum reason, claim_take,
     (struct ledger * ledger, const struct permit *permit, const struct payment *payment, struct claim_wait *durable),
     (ledger, permit, payment, durable))
WRAP_VOID(claim_release, (struct ledger * ledger, struct claim *claim), (ledger, claim))
WRAP_VOID(claim_forward,
	  (struct ledger * ledger, struct claim *claim, const struct word *due, struct claim_wait *durable),
	  (ledger, claim, due, durable))
WRAP_VOID(claim_owe,
	  (struct ledger * ledger, struct claim *claim, const struct word *due, struct claim_wait *settled,
	   struct claim_wait *durable),
	  (ledger, claim, due, settled, durable))
WRAP_VOID(mailbox_push, (struct mailbox * box, struct mail *mail), (box, mail))
WRAP(int, io_uring_submit_and_wait_timeout,
     (struct io_uring * uring, struct io_uring_cqe **cqe, unsigned wait_nr, struct __kernel_timespec *ts,
      sigset_t *mask),
     (uring, cqe, wait_nr, ts, mask))

WRAP(bool, ask_begin, (struct ledger * ledger, struct claim *claim), (ledger, claim))
WRAP_VOID(ask_submit, (struct ledger * ledger, struct claim *claim), (ledger, claim))
WRAP_VOID(settle_submit, (void *settler, struct settlement *settlement), (settler, settlement))
WRAP_VOID(ledger_settled, (struct ledger * ledger, struct settlement *settlement), (ledger, settlement))
WRAP_VOID(ask_answered, (struct ledger * ledger, struct slot *slot), (ledger, slot))
WRAP_VOID(ask_done, (struct ledger * ledger, struct claim *claim, enum claim_state outcome), (ledger, claim, outcome))

/* --- the ledger: in a transaction, in a commit, in a checkpoint, at a start --- */

WRAP(int, journal_open, (struct ledger * ledger), (ledger))
WRAP(int, journal_write,
     (struct ledger * ledger, struct claim *claim, struct record *record, enum claim_state state,
      const struct word *due, uint64_t now_s),
     (ledger, claim, record, state, due, now_s))
WRAP(int, store_open, (struct store * *out, const char *directory, size_t bytes_max), (out, directory, bytes_max))
WRAP(int, store_begin, (struct store * store), (store))
WRAP(int, store_commit, (struct store * store), (store))
WRAP(int, store_append, (struct store * store, uint64_t key, const void *value, size_t bytes),
     (store, key, value, bytes))
WRAP(int, store_put, (struct store * store, uint64_t key, const void *value, size_t bytes), (store, key, value, bytes))
WRAP(int, wal_load, (struct wal * wal, size_t until, struct wal_reader *reader), (wal, until, reader))
WRAP(int, wal_make, (struct wal * wal, size_t bytes, bool keep), (wal, bytes, keep))
WRAP(int, wal_commit, (struct wal * wal), (wal))
WRAP_VOID(wal_restart, (struct wal * wal, uint64_t number), (wal, number))
WRAP(int, mdb_txn_commit, (MDB_txn * txn), (txn))

/* --- the disk: the log's write, which is its flush too; the table's pages; the page that says which of them count --- */

POINT(write_log, {[BEFORE] = true, [IN] = true, [AFTER] = true})
POINT(write_pages, {[BEFORE] = true, [IN] = true, [AFTER] = true})
POINT(write_root, {[BEFORE] = true, [AFTER] = true}) /* within one sector: all of it or nothing */
POINT(flush, {[BEFORE] = true, [AFTER] = true})

ssize_t pwritev2(int fd, const struct iovec *io, int cnt, off_t offset, int flags)
{
	struct iovec half = {io->iov_base, io->iov_len / 2 / WAL_PAGE_BYTES * WAL_PAGE_BYTES};

	if (fails(&point_write_log))
		return target.how != SHORT ? fail_now() : syscall(SYS_pwritev2, fd, &half, 1, offset, 0, flags);
	if (comes_to(&point_write_log, IN)) {
		write_torn(fd, io->iov_base, io->iov_len, offset);
		die();
	}
	ssize_t put = syscall(SYS_pwritev2, fd, io, cnt, offset, 0, flags);
	pass(&point_write_log, AFTER);
	return put;
}

static ssize_t write_page(struct point *point, int fd, const void *at, size_t bytes, off_t offset)
{
	if (fails(point))
		return target.how != SHORT ? fail_now() : syscall(SYS_pwrite64, fd, at, bytes / 2, offset);
	note_write(fd, offset, bytes);
	if (comes_to(point, IN)) {
		write_torn(fd, at, bytes, offset);
		die();
	}
	ssize_t put = syscall(SYS_pwrite64, fd, at, bytes, offset);
	pass(point, AFTER);
	return put;
}

ssize_t pwrite(int fd, const void *at, size_t bytes, off_t offset)
{
	bool root = offset < 2 * WAL_PAGE_BYTES && bytes < WAL_PAGE_BYTES;

	return write_page(root ? &point_write_root : &point_write_pages, fd, at, bytes, offset);
}

/* LMDB's for pages in a row; everybody else's are no files. */
ssize_t writev(int fd, const struct iovec *io, int cnt)
{
	struct stat st;
	ssize_t sum = 0;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return syscall(SYS_writev, fd, io, cnt);
	for (int i = 0; i < cnt; i++) {
		off_t offset = lseek(fd, 0, SEEK_CUR);
		ssize_t put = write_page(&point_write_pages, fd, io[i].iov_base, io[i].iov_len, offset);
		if (put < 0)
			return sum > 0 ? sum : put;
		lseek(fd, offset + put, SEEK_SET);
		sum += put;
		if ((size_t)put < io[i].iov_len)
			break;
	}
	return sum;
}

static int flush(int fd, long call)
{
	if (fails(&point_flush))
		return fail_now();
	int result = (int)syscall(call, fd);
	if (result == 0)
		note_flush(fd);
	pass(&point_flush, AFTER);
	return result;
}

int fdatasync(int fd)
{
	return flush(fd, SYS_fdatasync);
}

int fsync(int fd)
{
	return flush(fd, SYS_fsync);
}

/* A disk with little room, which the store gives a small log: a checkpoint every few commits. */
int fstatvfs(int fd, struct statvfs *out)
{
	*out = (struct statvfs){
		.f_bsize = 4096, .f_frsize = 4096, .f_blocks = 1 << 20, .f_bfree = 256, .f_bavail = 256};
	return 0;
}

/* --- what was asked for --- */

static void print_counts(void)
{
	if (!counting)
		return;
	for (const struct point *point = points; point != NULL; point = point->next)
		for (int when = BEFORE; when < WHEN_CNT; when++)
			if (point->reaches[when])
				fprintf(stderr, "point %s.%s %u\n", point->name, when_words[when],
					atomic_load(&point->passed[when]));
}

static _Noreturn void refuse(const char *words)
{
	fprintf(stderr, "TOLLBAR_CRASH=%s: not POINT:N:HOW\n", words);
	exit(2);
}

static int word_of(const char *word, const char *const *words, int cnt)
{
	for (int i = 0; i < cnt; i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	return -1;
}

/* After the points have added themselves. */
__attribute__((constructor(102))) static void arm(void)
{
	const char *words = getenv("TOLLBAR_CRASH"), *number = getenv("TOLLBAR_CRASH_SEED");
	char name[64], when[16], how[16];
	unsigned nth;

	ledger_backoff_ms = 100; /* unknown outcomes are asked about again while a test waits */
	seed = number == NULL ? 1 : (unsigned)strtoul(number, NULL, 10);
	counting = words != NULL && strcmp(words, "count") == 0;
	if (words == NULL || counting)
		return;
	if (sscanf(words, "%63[a-z0-9_].%15[a-z]:%u:%15[a-z]", name, when, &nth, how) != 4)
		refuse(words);
	struct point *point = points;
	while (point != NULL && strcmp(point->name, name) != 0)
		point = point->next;
	int when_at = word_of(when, when_words, WHEN_CNT), how_at = word_of(how, how_words, SHORT + 1);
	if (point == NULL || when_at < 0 || how_at < 0 || !point->reaches[when_at] || nth == 0)
		refuse(words);
	target.when = (enum when)when_at;
	target.how = (enum how)how_at;
	target.nth = nth;
	target.point = point;
}

__attribute__((destructor)) static void at_end(void)
{
	print_counts();
}
