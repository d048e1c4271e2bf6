// SPDX-License-Identifier: Apache-2.0
/* test_store_crash.c: the files as a crash, a bad disk or a failed write may leave them, made byte by byte while the
 * store that writes them is open, and what the next start finds in them.  Value of a key: the key, many times. */
#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* --- writes that fail --- */

enum fault { FAULT_NONE, FAULT_BEFORE, FAULT_HALF, FAULT_AFTER };

static enum fault log_fault;   /* of the log's next write */
static enum fault table_fault; /* of LMDB's next last write: of a page that says which state counts */
static size_t log_writes;

static ssize_t faulty_pwritev2(int fd, const struct iovec *io, int cnt, off_t offset, int flags)
{
	enum fault fault = log_fault;
	struct iovec half = {io->iov_base, io->iov_len / 8192 * 4096};

	log_writes++;
	if (fault == FAULT_NONE)
		return pwritev2(fd, io, cnt, offset, flags);
	ssize_t put = 0;
	if (fault == FAULT_AFTER)
		put = pwritev2(fd, io, cnt, offset, flags);
	if (fault == FAULT_HALF)
		put = pwritev2(fd, &half, cnt, offset, flags);
	errno = put < 0 ? errno : EIO;
	log_fault = FAULT_NONE;
	return -1;
}

#define pwritev2 faulty_pwritev2
#include "../../user/sys/wal.c"
#undef pwritev2
#include "../../user/sys/store.c"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "check.h"
#include "store_fixture.h"

/* LMDB's own: this definition wins over the C library's. */
ssize_t pwrite(int fd, const void *at, size_t bytes, off_t offset)
{
	if (offset < 2 * WAL_PAGE_BYTES && bytes < WAL_PAGE_BYTES && table_fault != FAULT_NONE) {
		if (table_fault == FAULT_AFTER)
			(void)syscall(SYS_pwrite64, fd, at, bytes, offset);
		table_fault = FAULT_NONE;
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, at, bytes, offset);
}

/* --- files, as they stand --- */

#define BYTES_MAX (1 << 20) /* a log of 16 pages: fifteen small commits */
#define LOG_PAGES 16

static char root[64], live[96], copy[96];
static int stderr_copy;

static struct image take(void)
{
	return take_of(live);
}

static void drop(struct image *image)
{
	free(image->log.at);
	free(image->table.at);
}

/* A start on these files. */
static struct store *boot(const struct image *image)
{
	struct store *store;

	remove_files(copy);
	CHECK_NEED(mkdir(copy, 0700) == 0);
	if (image->log.at != NULL)
		write_file(copy, "wal", image->log.at, image->log.bytes);
	write_file(copy, "data.mdb", image->table.at, image->table.bytes);
	CHECK_NEED(store_open(&store, copy, BYTES_MAX) == 0);
	return store;
}

/* The store will say what is damaged, as it should: not on the terminal. */
static void expect_errors(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	stderr_copy = dup(STDERR_FILENO);
	CHECK(null >= 0 && stderr_copy >= 0 && dup2(null, STDERR_FILENO) >= 0);
	close(null);
}

static struct store *setup(void)
{
	struct store *store;

	expect_errors();
	snprintf(root, sizeof root, "%s/tollbar-crash-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK_NEED(mkdtemp(root) != NULL);
	snprintf(live, sizeof live, "%s/live", root);
	snprintf(copy, sizeof copy, "%s/copy", root);
	CHECK_NEED(store_open(&store, live, BYTES_MAX) == 0);
	return store;
}

static void cleanup(struct store *store)
{
	store_close(store);
	remove_files(live);
	remove_files(copy);
	CHECK_EQ(rmdir(root), 0);
	dup2(stderr_copy, STDERR_FILENO);
	close(stderr_copy);
}

/* --- keys --- */

/* One commit of `cnt` keys from `key` on, of `bytes` each. */
static int commit(struct store *store, uint64_t key, uint64_t cnt, size_t bytes)
{
	uint64_t value[STORE_VALUE_BYTES_MAX / 8];
	int err = store_begin(store);

	if (err != 0)
		return err;
	for (uint64_t until = key + cnt; key < until; key++) {
		for (size_t i = 0; i < bytes / 8; i++)
			value[i] = key;
		err = store_append(store, key, value, bytes);
		if (err != 0) {
			store_abort(store);
			return err;
		}
	}
	return store_commit(store);
}

static bool has(struct store *store, uint64_t key)
{
	struct span value;

	if (store_get(store, key, &value) != 0)
		return false;
	for (size_t i = 0; i < value.bytes; i += 8)
		CHECK(memcmp(value.at + i, &key, 8) == 0);
	return true;
}

/* Exactly the keys from 1 to `last`, but for `missing`. */
static bool holds(struct store *store, uint64_t last, uint64_t missing)
{
	uint64_t key, want = 0;
	struct span value;
	bool right = true;

	CHECK_EQ(store_begin(store), 0);
	for (key = 0; store_seek(store, &key, &value) == 0; key++) {
		if (++want == missing)
			want++;
		right = right && key == want && has(store, key);
	}
	store_abort(store);
	return right && want + (missing == want + 1) == last;
}

/* A start that dies, or gives up, before its first commit: the next one knows of the loss as well. */
static bool again_with(struct store **store, uint64_t last, uint64_t missing, size_t damage)
{
	struct image died = take_of(copy);

	store_close(*store);
	CHECK_NEED(store_open(store, copy, BYTES_MAX) == 0);
	bool right = store_damage(*store) == damage && holds(*store, last, missing);
	store_close(*store);
	*store = boot(&died);
	drop(&died);
	return right && store_damage(*store) == damage && holds(*store, last, missing);
}

static bool boots_with(const struct image *image, uint64_t last, uint64_t missing, size_t damage)
{
	struct store *store = boot(image);
	bool right = holds(store, last, missing) && store_damage(store) == damage &&
		     exists(copy, "wal.damaged") == (damage > 0 && image->log.at != NULL);

	right = right && again_with(&store, last, missing, damage);
	/* and it works, for the next start too */
	CHECK_EQ(commit(store, last + 1, 1, 8), 0);
	store_close(store);
	CHECK_NEED(store_open(&store, copy, BYTES_MAX) == 0);
	right = right && holds(store, last + 1, missing) && store_damage(store) == 0;
	store_close(store);
	return right;
}

/* --- crashes --- */

static bool crashes_with(uint64_t last, uint64_t missing)
{
	struct image image = take();
	bool right = boots_with(&image, last, missing, 0);

	drop(&image);
	return right;
}

/* The table's file has its name only when it is whole: what a start that died half way left is nobody's. */
TEST(crash_in_making_the_table_leaves_nothing_in_the_way)
{
	struct store *store = setup();
	struct image whole = take();

	store_close(store);
	for (size_t bytes = 0; bytes <= whole.table.bytes; bytes += 512) {
		remove_files(live);
		CHECK_NEED(mkdir(live, 0700) == 0);
		write_file(live, "data.new", whole.table.at, bytes);
		CHECK_NEED(store_open(&store, live, BYTES_MAX) == 0);
		CHECK(!exists(live, "data.new") && store_damage(store) == 0);
		CHECK_EQ(commit(store, 1, 1, 64), 0);
		CHECK(holds(store, 1, 0));
		store_close(store);
	}
	drop(&whole);
	cleanup(NULL);
}

TEST(crash_after_any_commit_keeps_it)
{
	struct store *store = setup();
	size_t checkpoints = 0;

	for (uint64_t key = 1; key <= 4 * LOG_PAGES; key++) {
		size_t writes = log_writes;
		CHECK_EQ(commit(store, key, 1, 64), 0);
		checkpoints += log_writes == writes;
		struct image image = take();
		CHECK(boots_with(&image, key, 0, 0));
		drop(&image);
	}
	CHECK_EQ(checkpoints, 4);
	cleanup(store);
}

/* A record of three pages of which some got to the disk, in pages and in sectors: all of it or nothing. */
static void check_torn(const struct image *before, const struct image *after, uint64_t last, size_t at, unsigned *seed)
{
	const size_t bytes = 3 * WAL_PAGE_BYTES;
	struct image torn = {.table = after->table, .log = {malloc(after->log.bytes), after->log.bytes}};

	for (unsigned mask = 0; mask < 8 + 40; mask++) {
		bool whole = true;
		memcpy(torn.log.at, before->log.at, torn.log.bytes);
		for (size_t sector = 0; sector < bytes; sector += 512) {
			const uint8_t *from = after->log.at + at + sector;
			bool there = mask < 8 ? (mask >> sector / WAL_PAGE_BYTES & 1) != 0 : rand_r(seed) % 8 != 0;
			if (there)
				memcpy(torn.log.at + at + sector, from, 512);
			whole = whole && memcmp(torn.log.at + at + sector, from, 512) == 0;
		}
		CHECK(boots_with(&torn, whole ? last + 5 : last, 0, 0));
	}
	free(torn.log.at);
}

TEST(crash_in_the_write_of_a_record_leaves_all_or_nothing)
{
	struct store *store = setup();
	unsigned seed = (unsigned)getpid();
	uint64_t key = 1;

	printf("seed %u\n", seed);
	for (unsigned i = 0; i < 12; i++) { /* at each place of the log, over what earlier rounds left */
		struct image before = take();
		size_t at = store->wal.end, writes = log_writes;
		CHECK_EQ(commit(store, key, 5, 1984), 0);
		struct image after = take();
		if (log_writes > writes)
			check_torn(&before, &after, key - 1, at, &seed);
		key += 5;
		drop(&before);
		drop(&after);
	}
	cleanup(store);
}

TEST(crash_in_a_checkpoint_is_before_or_after_it)
{
	struct store *store = setup();
	struct image before, after;
	uint64_t key = 1;

	for (;; key++) {
		size_t writes = log_writes;
		before = take();
		CHECK_EQ(commit(store, key, 1, 64), 0);
		after = take();
		if (log_writes == writes)
			break;
		drop(&before);
		drop(&after);
	}
	CHECK(memcmp(before.log.at, after.log.at, after.log.bytes) == 0);
	CHECK(boots_with(&after, key, 0, 0));
	memcpy(after.table.at, before.table.at, 2 * WAL_PAGE_BYTES); /* every page but the one that says so */
	CHECK(boots_with(&after, key - 1, 0, 0));
	drop(&before);
	drop(&after);
	cleanup(store);
}

TEST(crash_after_a_commit_larger_than_the_log_keeps_it)
{
	struct store *store = setup();
	const uint64_t cnt = 100; /* three times the log */

	for (uint64_t key = 1; key <= 3 * (cnt + 1); key += cnt + 1) {
		CHECK_EQ(commit(store, key, 1, 64), 0);
		CHECK(crashes_with(key, 0));
		CHECK_EQ(commit(store, key + 1, cnt, 1984), 0);
		CHECK(holds(store, key + cnt, 0) && crashes_with(key + cnt, 0));
	}
	cleanup(store);
}

/* The files as they stand, under a new process. */
static struct store *crash(struct store *store)
{
	struct image image = take();

	store_close(store);
	remove_files(live);
	CHECK_NEED(mkdir(live, 0700) == 0);
	write_file(live, "wal", image.log.at, image.log.bytes);
	write_file(live, "data.mdb", image.table.at, image.table.bytes);
	drop(&image);
	CHECK_NEED(store_open(&store, live, BYTES_MAX) == 0);
	return store;
}

/* A start goes on in the log where it found its end: over what was torn, and with what was written but not said. */
TEST(crash_after_crash_keeps_what_all_of_them_committed)
{
	static const enum fault faults[] = {FAULT_NONE, FAULT_BEFORE, FAULT_HALF, FAULT_AFTER};
	struct store *store = setup();
	unsigned seed = (unsigned)getpid();
	uint64_t last = 0, behind_front = 0;

	printf("seed %u\n", seed);
	for (unsigned round = 0; round < 60; round++) {
		for (int cnt = rand_r(&seed) % 4; cnt > 0; cnt--)
			CHECK_EQ(commit(store, ++last, 1, 64), 0);
		enum fault fault = faults[rand_r(&seed) % 4];
		size_t writes = log_writes, cnt = 1 + (size_t)rand_r(&seed) % 24;
		log_fault = fault;
		int err = commit(store, last + 1, cnt, 400);
		bool in_log = log_writes > writes; /* else it was a checkpoint */
		log_fault = FAULT_NONE;
		CHECK_EQ(err, in_log && fault != FAULT_NONE ? -EIO : 0);
		if (err == 0 || fault == FAULT_AFTER)
			last += cnt;
		store = crash(store);
		CHECK_EQ(store_damage(store), 0);
		CHECK(holds(store, last, 0));
		behind_front += store->wal.end > WAL_PAGE_BYTES;
	}
	CHECK(behind_front > 40);
	cleanup(store);
}

/* --- a disk that forgets --- */

TEST(damage_is_said_and_everything_else_is_kept)
{
	struct store *store = setup();

	for (uint64_t key = 1; key <= LOG_PAGES + 8; key++)
		CHECK_EQ(commit(store, key, 1, 64), 0);
	uint64_t in_log = store->wal.end / WAL_PAGE_BYTES - 1, first = LOG_PAGES + 8 - in_log + 1;
	CHECK(in_log >= 6 && in_log < LOG_PAGES - 1);
	struct image image = take();
	for (uint64_t i = 0; i < in_log; i++) {
		for (size_t at = 0; at < WAL_HEAD_BYTES + WAL_CHANGE_BYTES + 64; at += 5) {
			image.log.at[(1 + i) * WAL_PAGE_BYTES + at] ^= 0x10;
			/* the last one cannot be told from one that was being written */
			bool last = i + 1 == in_log;
			CHECK(boots_with(&image, last ? first + i - 1 : LOG_PAGES + 8, last ? 0 : first + i, !last));
			image.log.at[(1 + i) * WAL_PAGE_BYTES + at] ^= 0x10;
		}
	}
	image.log.at[20] ^= 1; /* the log's key */
	CHECK(boots_with(&image, first - 1, 0, 1));
	image.log.at[20] ^= 1;
	image.log.bytes -= 100;
	CHECK(boots_with(&image, first - 1, 0, 1));
	drop(&image);
	cleanup(store);
}

TEST(damage_is_said_of_files_that_do_not_belong_together)
{
	struct store *store = setup();
	uint64_t key = 1;

	CHECK_EQ(commit(store, key++, 1, 64), 0);
	struct image old = take();
	while (key <= 2 * LOG_PAGES + 4)
		CHECK_EQ(commit(store, key++, 1, 64), 0);
	struct image image = take();
	uint64_t in_log = store->wal.end / WAL_PAGE_BYTES - 1;
	CHECK(in_log > 1 && in_log < LOG_PAGES - 1);

	struct image mixed = {.table = old.table, .log = image.log}; /* the table from a backup */
	store_close(store);
	store = boot(&mixed);
	CHECK_EQ(store_damage(store), 1);
	CHECK_EQ(store_begin(store), 0);
	for (uint64_t i = 1; i < key; i++)
		CHECK_EQ(has(store, i), i >= key - in_log);
	store_abort(store);
	store_close(store);
	mixed = (struct image){.table = old.table}; /* the log is gone, before and after the first checkpoint */
	CHECK(boots_with(&mixed, 0, 0, 1));
	mixed = (struct image){.table = image.table};
	CHECK(boots_with(&mixed, key - 1 - in_log, 0, 1));
	mixed = (struct image){.table = image.table,
			       .log = old.log}; /* the log from a backup: what is in it is known */
	CHECK(boots_with(&mixed, key - 1 - in_log, 0, 0));
	drop(&old);
	drop(&image);
	cleanup(NULL);
}

/* --- writes that fail --- */

/* What a crash now would leave: nothing of the commit that failed, or all of it. */
static void check_nothing_or_all(uint64_t last, uint64_t cnt, bool written)
{
	struct image image = take();
	struct store *store = boot(&image);
	uint64_t got = 0;

	CHECK(store_begin(store) == 0 && store_last(store, &got) == 0);
	store_abort(store);
	CHECK_EQ(got, written ? last + cnt : last);
	CHECK(holds(store, got, 0));
	store_close(store);
	drop(&image);
}

TEST(failed_log_write_never_comes_back_behind_a_later_commit)
{
	static const enum fault faults[] = {FAULT_BEFORE, FAULT_HALF, FAULT_AFTER};
	struct store *store = setup();
	uint64_t last = 0;

	for (size_t i = 0; i < 60; i++) {
		uint64_t cnt = i % 2 == 0 ? 1 : 9;
		size_t writes = log_writes;
		log_fault = faults[i % 3];
		int err = commit(store, last + 1, cnt, 1984);
		if (log_writes == writes) { /* a checkpoint instead */
			log_fault = FAULT_NONE;
			CHECK_EQ(err, 0);
			last += cnt;
			continue;
		}
		CHECK_EQ(err, -EIO);
		CHECK(holds(store, last, 0));
		check_nothing_or_all(last, cnt, i % 3 == 2);
		CHECK_EQ(commit(store, ++last, 1, 8), 0); /* the same keys, so that one that came back would show */
		CHECK(holds(store, last, 0) && crashes_with(last, 0));
	}
	cleanup(store);
}

TEST(failed_checkpoint_loses_nothing)
{
	struct store *store = setup();
	struct rlimit limit = {512 << 10, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
	uint64_t key = 1;
	int err;

	signal(SIGXFSZ, SIG_IGN);
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
	while ((err = commit(store, key, 1, 1984)) == 0) /* until the table's file may not grow */
		key++;
	CHECK_EQ(err, -EFBIG);
	CHECK(key > 60);
	CHECK_EQ(commit(store, key, 1, 1984), -EFBIG);
	CHECK(holds(store, key - 1, 0));
	CHECK_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
	CHECK(crashes_with(key - 1, 0));
	CHECK_EQ(commit(store, key, 1, 1984), 0);
	CHECK(holds(store, key, 0) && crashes_with(key, 0));
	cleanup(store);
}

/* LMDB's last write failed: the disk may have it or not, and the store what it sees. */
TEST(failed_last_write_of_a_checkpoint_is_settled_before_the_next_commit)
{
	static const enum fault faults[] = {FAULT_BEFORE, FAULT_AFTER};
	struct store *store = setup();
	size_t failures = 0;
	uint64_t key = 1;

	for (size_t i = 0; failures < 8; i++) {
		table_fault = faults[failures % 2];
		int err = commit(store, key, 1, 64);
		if (err == 0) {
			key++;
			continue;
		}
		failures++;
		CHECK_EQ(err, -EIO);
		if (failures > 4) { /* and again when it would be settled */
			table_fault = faults[failures % 2];
			CHECK_EQ(store_begin(store), -EIO);
		}
		table_fault = FAULT_NONE;
		CHECK_EQ(store_begin(store), 0);
		key += has(store, key);
		store_abort(store);
		CHECK(holds(store, key - 1, 0) && crashes_with(key - 1, 0));
		CHECK_EQ(commit(store, key, 1, 64), 0);
		CHECK(holds(store, key, 0) && crashes_with(key, 0));
		key++;
	}
	cleanup(store);
}

TEST(abort_and_failed_change_leave_what_was_committed)
{
	struct store *store = setup();
	uint64_t value = 9;

	for (uint64_t key = 1; key <= 2 * LOG_PAGES; key++) {
		CHECK_EQ(commit(store, key, 1, 64), 0);
		CHECK_EQ(store_begin(store), 0);
		CHECK_EQ(store_put(store, key, &value, sizeof value), 0);
		CHECK_EQ(store_del(store, 1), 0);
		CHECK_EQ(store_append(store, key + 1, &value, sizeof value), 0);
		store_abort(store);
		CHECK(holds(store, key, 0));
		CHECK_EQ(commit(store, key, 1, 64), -EEXIST);
		CHECK(holds(store, key, 0));
	}
	cleanup(store);
}

CHECK_MAIN
