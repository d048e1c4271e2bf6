// SPDX-License-Identifier: Apache-2.0
/* test_store.c: what survives a commit, what an abort or a crash leaves, and what a full table or disk says. */
#include "../../user/sys/store.c"

#include <fcntl.h>
#include <lmdb.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/siphash.h"
#include "check.h"

static char directory[64];

static void make_directory(void)
{
	/* Memory where there is some: these tests are of processes that die, not of machines. */
	snprintf(directory, sizeof directory, "%s/tollbar-store-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK_NEED(mkdtemp(directory) != NULL);
	snprintf(directory + strlen(directory), sizeof directory - strlen(directory), "/journal");
}

static void remove_directory(void)
{
	static const char *const names[] = {"data.mdb", "lock", "wal", "wal.damaged"};
	char path[128];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", directory, names[i]);
		unlink(path);
	}
	CHECK_EQ(rmdir(directory), 0);
	*strrchr(directory, '/') = 0;
	CHECK_EQ(rmdir(directory), 0);
}

static void put_number(struct store *store, uint64_t key, uint64_t value)
{
	CHECK_EQ(store_put(store, key, &value, sizeof value), 0);
}

static uint64_t get_number(struct store *store, uint64_t key)
{
	struct span value = {NULL, 0};
	uint64_t number = UINT64_MAX;

	if (store_get(store, key, &value) == 0 && value.bytes == sizeof number)
		memcpy(&number, value.at, sizeof number);
	return number;
}

TEST(store_keeps_what_was_committed)
{
	struct store *store;
	struct stat st;

	make_directory();
	CHECK_NEED(store_open(&store, directory, 1 << 20) == 0);
	CHECK_NEED(stat(directory, &st) == 0);
	CHECK_EQ(st.st_mode & 0777, 0700);
	CHECK_EQ(store_begin(store), 0);
	put_number(store, 7, 70);
	CHECK_EQ(store_commit(store), 0);
	CHECK_EQ(store_begin(store), 0);
	put_number(store, 7, 71);
	put_number(store, 8, 80);
	CHECK_EQ(get_number(store, 7), 71);
	store_abort(store);
	store_close(store);

	CHECK_NEED(store_open(&store, directory, 1 << 20) == 0);
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(get_number(store, 7), 70);
	CHECK_EQ(get_number(store, 8), UINT64_MAX);
	CHECK_EQ(store_del(store, 7), 0);
	CHECK_EQ(store_del(store, 7), -ENOENT);
	CHECK_EQ(store_commit(store), 0);
	store_close(store);
	remove_directory();
}

TEST(store_walks_in_number_order)
{
	struct store *store;
	struct span value;
	uint64_t key;
	/* in byte order of little-endian keys 256 would come before 2 */
	static const uint64_t keys[] = {2, 255, 256, 65536, UINT64_C(1) << 40};

	make_directory();
	CHECK_NEED(store_open(&store, directory, 1 << 20) == 0);
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_last(store, &key), 0);
	CHECK_EQ(key, 0);
	for (size_t i = 0; i < 5; i++)
		CHECK_EQ(store_append(store, keys[i], &keys[i], sizeof keys[i]), 0);
	key = 0;
	for (size_t i = 0; i < 5; i++, key++) {
		CHECK_EQ(store_seek(store, &key, &value), 0);
		CHECK_EQ(key, keys[i]);
		CHECK_BYTES(value.at, &keys[i], sizeof keys[i]);
	}
	CHECK_EQ(store_seek(store, &key, &value), -ENOENT);
	CHECK_EQ(store_last(store, &key), 0);
	CHECK_EQ(key, keys[4]);
	CHECK_EQ(store_append(store, 9, "x", 1), -EEXIST);
	store_abort(store);
	store_close(store);
	remove_directory();
}

/* A walk goes on from where it stands; what changes meanwhile, before it, behind it or under it, must not lead it astray. */
TEST(store_walks_while_it_changes)
{
	enum { KEYS = 2000, STEPS = 20000 };
	static bool have[KEYS + 1];
	unsigned seed = (unsigned)getpid();
	uint64_t at = 0, found;
	struct store *store;
	struct span value;

	printf("seed %u\n", seed);
	make_directory();
	CHECK_NEED(store_open(&store, directory, 8 << 20) == 0);
	CHECK_NEED(store_begin(store) == 0);
	for (int i = 0; i < STEPS; i++) {
		uint64_t key = (uint64_t)rand_r(&seed) % KEYS;
		switch (rand_r(&seed) % 16) {
		case 0:
			at = key;
			break;
		case 1: /* where it stands, or beside that */
			key = at + key % 3 > 0 ? at + key % 3 - 1 : 0;
			__attribute__((fallthrough));
		case 2:
			if (key < KEYS) {
				CHECK_EQ(store_del(store, key), have[key] ? 0 : -ENOENT);
				have[key] = false;
			}
			break;
		case 3:
		case 4:
		case 5:
			put_number(store, key, key);
			have[key] = true;
			break;
		case 6:
			CHECK_EQ(store_get(store, key, &value), have[key] ? 0 : -ENOENT);
			CHECK_EQ(store_last(store, &found), 0);
			break;
		case 7:
			if (key % 8 == 0) {
				CHECK_EQ(store_commit(store), 0);
				CHECK_EQ(store_begin(store), 0);
			}
			break;
		default:
			for (found = at; found < KEYS && !have[found]; found++)
				;
			if (store_seek(store, &at, &value) != 0) {
				CHECK_EQ(found, KEYS);
				at = 0;
				break;
			}
			CHECK_EQ(at, found);
			CHECK(value.bytes == sizeof found && memcmp(value.at, &found, sizeof found) == 0);
			at++;
			break;
		}
	}
	store_abort(store);
	store_close(store);
	remove_directory();
}

TEST(store_is_opened_once)
{
	struct store *store, *second;

	make_directory();
	CHECK_NEED(store_open(&store, directory, 1 << 20) == 0);
	CHECK_EQ(store_open(&second, directory, 1 << 20), -EBUSY);
	CHECK(second == NULL);
	pid_t child = fork();
	if (child == 0)
		_exit(store_open(&second, directory, 1 << 20) == -EBUSY ? 0 : 1);
	int status;
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	store_close(store);
	CHECK_NEED(store_open(&store, directory, 1 << 20) == 0);
	store_close(store);
	CHECK_EQ(store_open(&store, directory, STORE_BYTES_MIN - 1), -EINVAL);
	CHECK_EQ(store_open(&store, "/tmp/tollbar-no-such-parent/journal", 1 << 20), -ENOENT);
	CHECK_EQ(store_open(&store, "/dev/null", 1 << 20), -ENOTDIR);
	remove_directory();
}

/* It says why, as it should: not on the terminal. */
static int open_quietly(struct store **store)
{
	int err_fd = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	CHECK(dup2(null, STDERR_FILENO) >= 0);
	int err = store_open(store, directory, 1 << 20);
	dup2(err_fd, STDERR_FILENO);
	close(err_fd);
	close(null);
	return err;
}

TEST(store_of_another_layout_is_refused)
{
	struct store *store;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi table;
	uint64_t key = 0;
	MDB_val k = {sizeof key, &key}, v = {4, "text"};

	make_directory();
	CHECK_EQ(mkdir(directory, 0700), 0);
	CHECK_EQ(mdb_env_create(&env), 0);
	CHECK_EQ(mdb_env_open(env, directory, MDB_NOLOCK, 0600), 0);
	CHECK_EQ(mdb_txn_begin(env, NULL, 0, &txn), 0);
	CHECK_EQ(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &table), 0);
	CHECK_EQ(mdb_put(txn, table, &k, &v, 0), 0);
	CHECK_EQ(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	CHECK_EQ(open_quietly(&store), -EBADMSG);
	remove_directory();
}

/* Its front, all of it that says something: magic, version, key, checksum. */
static void write_version(int fd, uint32_t version)
{
	uint8_t front[40];
	uint64_t sum;

	CHECK_EQ(pread(fd, front, sizeof front, 0), sizeof front);
	memcpy(front + 12, &version, sizeof version);
	sum = siphash(front + 16, front, 32);
	memcpy(front + 32, &sum, sizeof sum);
	CHECK_EQ(pwrite(fd, front, sizeof front, 0), sizeof front);
}

/* Taken for a damaged one, all commits in it would be lost. */
TEST(store_log_of_another_version_is_refused)
{
	static const uint32_t versions[] = {1, WAL_VERSION - 1, WAL_VERSION + 1, UINT32_MAX};
	struct store *store;
	char path[128];

	make_directory();
	CHECK_NEED(store_open(&store, directory, 1 << 20) == 0);
	CHECK_EQ(store_begin(store), 0);
	put_number(store, 7, 70);
	CHECK_EQ(store_commit(store), 0);
	tree_drop(&store->tree); /* so that it is in the log alone */
	store_close(store);
	snprintf(path, sizeof path, "%s/wal", directory);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
		write_version(fd, versions[i]);
		CHECK_EQ(open_quietly(&store), -EPROTO);
		CHECK(store == NULL);
	}
	write_version(fd, WAL_VERSION);
	close(fd);
	CHECK_NEED(store_open(&store, directory, 1 << 20) == 0);
	CHECK_EQ(store_damage(store), 0);
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(get_number(store, 7), 70);
	store_abort(store);
	store_close(store);
	remove_directory();
}

/* The log's size goes by the table's: a change of that must not lose what is in it. */
TEST(store_opened_with_another_size_keeps_everything)
{
	static const struct {
		size_t bytes_max, log_bytes;
	} rows[] = {{1 << 20, 1 << 16}, {16 << 20, 1 << 20}, {STORE_BYTES_MIN * 4, 1 << 16}, {1 << 30, 4 << 20}};
	struct store *store;
	struct stat st;
	char path[128];

	make_directory();
	snprintf(path, sizeof path, "%s/wal", directory);
	for (uint64_t i = 0; i < 4; i++) {
		pid_t child = fork(); /* dies with what it committed in the log only */
		if (child == 0) {
			bool done = store_open(&store, directory, rows[i].bytes_max) == 0 && store_begin(store) == 0 &&
				    store_append(store, i + 1, &i, sizeof i) == 0 && store_commit(store) == 0;
			_exit(done ? 0 : 1);
		}
		int status;
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK_EQ(status, 0);
		CHECK_NEED(stat(path, &st) == 0);
		CHECK_EQ(st.st_size, rows[i].log_bytes);
		CHECK_EQ(st.st_mode & 0777, 0600);
	}
	CHECK_NEED(store_open(&store, directory, 1 << 20) == 0);
	CHECK_EQ(store_damage(store), 0);
	CHECK_EQ(store_begin(store), 0);
	for (uint64_t i = 0; i < 4; i++)
		CHECK_EQ(get_number(store, i + 1), i);
	store_abort(store);
	store_close(store);
	remove_directory();
}

/* Appends until it fails; returns the error, counts what was committed. */
static int fill(struct store *store, uint64_t *key)
{
	char value[900];
	int err = 0;

	memset(value, 'x', sizeof value);
	while (err == 0) {
		err = store_begin(store);
		if (err != 0)
			break;
		err = store_append(store, *key + 1, value, sizeof value);
		if (err != 0)
			store_abort(store);
		else
			err = store_commit(store);
		if (err == 0)
			++*key;
	}
	return err;
}

static size_t count(struct store *store)
{
	struct span value;
	size_t cnt = 0;

	CHECK_EQ(store_begin(store), 0);
	for (uint64_t key = 0; store_seek(store, &key, &value) == 0; key++)
		cnt++;
	store_abort(store);
	return cnt;
}

TEST(store_full_table_is_enospc_and_loses_nothing)
{
	struct store *store;
	uint64_t key = 0;
	size_t used = 0;

	make_directory();
	CHECK_NEED(store_open(&store, directory, 1 << 20) == 0);
	CHECK_EQ(fill(store, &key), -ENOSPC);
	CHECK(key > 500);
	CHECK_EQ(count(store), key);
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_used(store, &used), 0);
	CHECK(used > (1 << 20) * 3 / 4 && used <= 1 << 20);
	store_abort(store);
	store_close(store);
	CHECK_NEED(store_open(&store, directory, 1 << 20) == 0);
	CHECK_EQ(count(store), key);
	store_close(store);
	remove_directory();
}

/* A small disk with a ballast on it, in a mount namespace of our own: it goes with the process, however that ends. */
static bool mount_small(int *ballast_fd)
{
	char ballast[128];

	make_directory();
	CHECK_EQ(mkdir(directory, 0700), 0);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tollbar-store", directory, "tmpfs", 0, "size=512k") < 0) {
		remove_directory();
		return false;
	}
	snprintf(ballast, sizeof ballast, "%s/ballast", directory);
	*ballast_fd = open(ballast, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(*ballast_fd >= 0 && posix_fallocate(*ballast_fd, 0, 150000) == 0);
	return true;
}

static void unmount_small(int ballast_fd)
{
	close(ballast_fd);
	CHECK_EQ(umount(directory), 0);
	remove_directory();
}

TEST(store_full_disk_is_enospc_and_goes_on_when_there_is_room)
{
	struct store *store;
	uint64_t key = 0;
	int fd;

	if (!mount_small(&fd))
		CHECK_SKIP("needs root to mount a small tmpfs");
	CHECK_NEED(store_open(&store, directory, 2 << 20) == 0);
	CHECK_EQ(fill(store, &key), -ENOSPC);
	uint64_t before = key;
	CHECK(before > 20);
	CHECK_EQ(count(store), before);
	CHECK_EQ(ftruncate(fd, 0), 0);
	key++; /* a key that failed is never used again */
	CHECK_EQ(fill(store, &key), -ENOSPC);
	CHECK(key > before + 20);
	CHECK_EQ(count(store), key - 1);
	store_close(store);
	unmount_small(fd);
}

/* A child fills the disk and dies; → what was committed. */
static uint64_t fill_and_die(void)
{
	uint64_t key = 0;
	int fds[2], status;

	CHECK_EQ(pipe(fds), 0);
	pid_t child = fork();
	if (child == 0) {
		struct store *store;
		if (store_open(&store, directory, 2 << 20) != 0 || fill(store, &key) != -ENOSPC ||
		    write(fds[1], &key, sizeof key) != sizeof key)
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	close(fds[1]);
	CHECK_EQ(read(fds[0], &key, sizeof key), sizeof key);
	close(fds[0]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status));
	return key;
}

TEST(store_starts_on_a_disk_that_is_full)
{
	struct store *store;
	int fd;

	if (!mount_small(&fd))
		CHECK_SKIP("needs root to mount a small tmpfs");
	uint64_t key = fill_and_die(), cnt = key, before;
	CHECK(key > 20);
	for (int start = 0; start < 4; start++) {
		if (start == 3) /* now there is room */
			CHECK_EQ(ftruncate(fd, 0), 0);
		CHECK_NEED(store_open(&store, directory, 2 << 20) == 0);
		CHECK_EQ(store_damage(store), 0);
		CHECK_EQ(count(store), cnt);
		before = ++key;
		CHECK_EQ(fill(store, &key), -ENOSPC);
		cnt += key - before;
		CHECK_EQ(count(store), cnt);
		store_close(store);
	}
	CHECK(key > before + 20);
	unmount_small(fd);
}

/* A child commits numbers and says so over a pipe; killed at any time, everything it said must be there, and nothing
 * half-done: keys 2k and 2k+1 are always written together. */
static void crash_child(int out_fd)
{
	struct store *store;

	if (store_open(&store, directory, 64 << 20) != 0)
		_exit(1);
	uint64_t key = 0;
	if (store_begin(store) != 0 || store_last(store, &key) != 0)
		_exit(1);
	store_abort(store);
	key &= ~UINT64_C(1);
	for (;;) {
		key += 2;
		if (store_begin(store) != 0 || store_append(store, key, &key, sizeof key) != 0 ||
		    store_append(store, key + 1, &key, sizeof key) != 0 || store_commit(store) != 0)
			_exit(1);
		if (write(out_fd, &key, sizeof key) != sizeof key)
			_exit(1);
	}
}

static uint64_t crash_round(unsigned alive_us)
{
	uint64_t said = 0, got;
	int fds[2], status;

	CHECK_EQ(pipe(fds), 0);
	pid_t child = fork();
	if (child == 0) {
		close(fds[0]);
		crash_child(fds[1]);
	}
	close(fds[1]);
	usleep(alive_us);
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status));
	while (read(fds[0], &got, sizeof got) == sizeof got)
		said = got;
	close(fds[0]);
	return said;
}

TEST(store_survives_kill)
{
	uint64_t said = 0;
	unsigned seed = (unsigned)getpid();

	printf("seed %u\n", seed);
	make_directory();
	for (int round = 0; round < 30; round++) {
		uint64_t now = crash_round(500 + (unsigned)rand_r(&seed) % 12000);
		if (now != 0)
			said = now;
		struct store *store;
		uint64_t last = 0;
		CHECK_NEED(store_open(&store, directory, 64 << 20) == 0);
		CHECK_EQ(store_begin(store), 0);
		CHECK_EQ(store_last(store, &last), 0);
		CHECK(last == 0 || last % 2 == 1);
		CHECK(last >= said);
		CHECK(said == 0 || get_number(store, said) == said);
		store_abort(store);
		store_close(store);
	}
	CHECK(said > 0);
	remove_directory();
}

CHECK_MAIN
