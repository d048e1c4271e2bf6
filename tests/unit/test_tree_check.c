// SPDX-License-Identifier: Apache-2.0
/* test_tree_check.c: whatever LMDB writes is accepted; of whatever a disk made of it either the check says so, or LMDB
 * finds every entry that was there, and does not die.  The latter is tried in a child. */
#include "../../user/sys/tree_check.c"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "sys/store.h"

#define BYTES_MAX (64u << 20)
#define VALUE_BYTES 943 /* a claim's record */

static char root[64], directory[96];
static int stderr_copy;

/* The store will say what is damaged, as it should: not on the terminal. */
static void setup(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	stderr_copy = dup(STDERR_FILENO);
	CHECK(null >= 0 && stderr_copy >= 0 && dup2(null, STDERR_FILENO) >= 0);
	close(null);
	snprintf(root, sizeof root, "%s/tollbar-tree-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK_NEED(mkdtemp(root) != NULL);
	snprintf(directory, sizeof directory, "%s/store", root);
}

static void remove_file(const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	unlink(path);
}

static void cleanup(void)
{
	static const char *const names[] = {"data.mdb", "lock", "wal", "wal.damaged"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		remove_file(names[i]);
	CHECK_EQ(rmdir(directory), 0);
	CHECK_EQ(rmdir(root), 0);
	dup2(stderr_copy, STDERR_FILENO);
	close(stderr_copy);
}

struct image {
	uint8_t *at;
	size_t bytes;
};

static struct image read_file(const char *name)
{
	struct image image;
	struct stat st;
	char path[128];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_NEED(fd >= 0 && fstat(fd, &st) == 0);
	image.bytes = (size_t)st.st_size;
	image.at = malloc(image.bytes);
	CHECK_NEED(image.at != NULL && read(fd, image.at, image.bytes) == st.st_size);
	close(fd);
	return image;
}

static void write_file(const char *name, const struct image *image)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK_NEED(fd >= 0 && write(fd, image->at, image->bytes) == (ssize_t)image->bytes);
	close(fd);
}

static struct tree_fault check_image(const struct image *image)
{
	struct span file = span_of(image->at, image->bytes);
	uint8_t *seen = calloc(1, tree_check_bytes(file));

	CHECK_NEED(seen != NULL);
	struct tree_fault fault = tree_check(file, seen);
	free(seen);
	return fault;
}

static void put(struct store *store, uint64_t key, size_t bytes)
{
	static uint8_t value[STORE_VALUE_BYTES_MAX];

	memcpy(value, &key, sizeof key);
	CHECK_EQ(store_put(store, key, value, bytes), 0);
}

/* --- what LMDB writes --- */

static bool accepted(void)
{
	struct image image = read_file("data.mdb");
	struct tree_fault fault = check_image(&image);

	if (fault.what != NULL)
		printf("page %llu: %s\n", (unsigned long long)fault.page, fault.what);
	free(image.at);
	return fault.what == NULL;
}

TEST(tree_check_accepts_any_history)
{
	unsigned seed = (unsigned)getpid();
	struct store *store;

	printf("seed %u\n", seed);
	setup();
	for (unsigned round = 0; round < 40; round++) {
		CHECK_NEED(store_open(&store, directory, BYTES_MAX) == 0);
		unsigned commit_cnt = (unsigned)rand_r(&seed) % 60;
		for (unsigned i = 0; i < commit_cnt; i++) {
			CHECK_EQ(store_begin(store), 0);
			for (unsigned change = (unsigned)rand_r(&seed) % 60; change > 0; change--) {
				uint64_t key = 1 + (uint64_t)rand_r(&seed) % 4000;
				if (rand_r(&seed) % 3 == 0)
					(void)store_del(store, key);
				else
					put(store, key, 8 + (size_t)rand_r(&seed) % (STORE_VALUE_BYTES_MAX - 8));
			}
			CHECK_EQ(store_commit(store), 0);
		}
		store_close(store);
		CHECK(accepted());
	}
	cleanup();
}

/* So many free pages that their list is a long value. */
TEST(tree_check_accepts_long_lists_of_free_pages)
{
	struct store *store;

	setup();
	for (unsigned round = 0; round < 3; round++) {
		CHECK_NEED(store_open(&store, directory, BYTES_MAX) == 0);
		for (uint64_t key = 1; key <= 20000;) {
			CHECK_EQ(store_begin(store), 0);
			for (unsigned i = 0; i < 1000; i++, key++)
				put(store, key, VALUE_BYTES);
			CHECK_EQ(store_commit(store), 0);
		}
		store_close(store);
		CHECK(accepted());
		CHECK_NEED(store_open(&store, directory, BYTES_MAX) == 0);
		for (uint64_t key = 1; key <= 20000;) {
			CHECK_EQ(store_begin(store), 0);
			for (unsigned i = 0; i < 1000; i++, key++)
				CHECK_EQ(store_del(store, key), 0);
			CHECK_EQ(store_commit(store), 0);
			if (key % 5000 == 1)
				CHECK(accepted());
		}
		store_close(store);
		CHECK(accepted());
	}
	cleanup();
}

/* --- what a disk makes of it --- */

#define ENTRY_CNT 400

static struct image make_image(void)
{
	struct store *store;

	CHECK_NEED(store_open(&store, directory, 4 << 20) == 0);
	for (uint64_t key = 1; key <= ENTRY_CNT + 60; key++) {
		CHECK_EQ(store_begin(store), 0);
		put(store, key, VALUE_BYTES);
		CHECK_EQ(store_commit(store), 0);
	}
	for (uint64_t key = ENTRY_CNT + 1; key <= ENTRY_CNT + 60; key++) {
		CHECK_EQ(store_begin(store), 0);
		CHECK_EQ(store_del(store, key), 0);
		CHECK_EQ(store_commit(store), 0);
	}
	store_close(store);
	return read_file("data.mdb");
}

/* All entries, and room for more: 0.  Refused: 1.  Something else: 2. */
static int use_file(void)
{
	struct rlimit none = {0, 0};
	struct store *store;
	struct span value;
	uint64_t key = 0, cnt = 0;
	int err;

	setrlimit(RLIMIT_CORE, &none);
	alarm(20);
	if (store_open(&store, directory, 4 << 20) != 0)
		return 1;
	if (store_begin(store) != 0)
		return 1;
	for (; (err = store_seek(store, &key, &value)) == 0; key++)
		if (key != ++cnt || value.bytes != VALUE_BYTES)
			return 2;
	if (err != -ENOENT || cnt != ENTRY_CNT)
		return 2;
	for (uint64_t more = 1; more <= 40; more++)
		if (store_put(store, ENTRY_CNT + more, &more, sizeof more) != 0)
			return 2;
	if (store_commit(store) != 0)
		return 2;
	store_close(store);
	return 0;
}

static bool lmdb_gets_along_with(const struct image *image, const struct image *log)
{
	int status;

	write_file("data.mdb", image);
	write_file("wal", log);
	pid_t child = fork();
	if (child == 0)
		_exit(use_file());
	CHECK_NEED(waitpid(child, &status, 0) == child);
	return WIFEXITED(status) && WEXITSTATUS(status) <= 1;
}

TEST(tree_check_finds_what_would_mislead_lmdb)
{
	unsigned seed = (unsigned)getpid(), found = 0, tried = 0;

	printf("seed %u\n", seed);
	setup();
	struct image image = make_image(), log = read_file("wal");
	size_t page_cnt = image.bytes / PAGE_BYTES;
	for (unsigned i = 0; i < 40000 && tried < 400; i++) {
		size_t page = (size_t)rand_r(&seed) % page_cnt;
		size_t in_page = (size_t)rand_r(&seed) % (rand_r(&seed) % 4 == 0 ? PAGE_BYTES : 40);
		uint8_t *byte = &image.at[page * PAGE_BYTES + in_page], mask = (uint8_t)(1 + rand_r(&seed) % 255);
		*byte ^= mask;
		if (check_image(&image).what != NULL) {
			found++;
		} else {
			bool good = lmdb_gets_along_with(&image, &log);
			if (!good)
				printf("page %zu, byte %zu, mask %02x\n", page, in_page, mask);
			CHECK(good);
			tried++;
		}
		*byte ^= mask;
	}
	CHECK(found > 100 && tried == 400);
	free(image.at);
	free(log.at);
	cleanup();
}

TEST(tree_check_finds_a_file_that_was_cut_short)
{
	setup();
	struct image image = make_image(), log = read_file("wal"), part = image;
	size_t whole = image.bytes;

	for (part.bytes = 0; part.bytes < whole; part.bytes += PAGE_BYTES / 2)
		if (check_image(&part).what == NULL)
			CHECK(lmdb_gets_along_with(&part, &log));
	part.bytes = 0; /* LMDB would take it for a new one */
	CHECK(check_image(&part).what != NULL);
	CHECK(check_image(&image).what == NULL && lmdb_gets_along_with(&image, &log));
	free(image.at);
	free(log.at);
	cleanup();
}

/* Nothing is done to it: whoever looks into it finds it as it was. */
TEST(tree_check_keeps_a_damaged_file_from_being_used)
{
	struct store *store;

	setup();
	struct image image = make_image(), log = read_file("wal");
	uint64_t used = 0;
	for (uint64_t page = FIRST_PAGE; page < image.bytes / PAGE_BYTES; page++) {
		uint8_t *flags = &image.at[page * PAGE_BYTES + offsetof(struct page_head, flags)];
		*flags ^= LEAF;
		if (check_image(&image).what != NULL) {
			write_file("data.mdb", &image);
			CHECK_EQ(store_open(&store, directory, 4 << 20), -EBADMSG);
			struct image after = read_file("data.mdb");
			CHECK(after.bytes == image.bytes && memcmp(after.at, image.at, image.bytes) == 0);
			free(after.at);
			used++;
		}
		*flags ^= LEAF;
	}
	CHECK(used > 90);
	free(image.at);
	free(log.at);
	cleanup();
}

CHECK_MAIN
