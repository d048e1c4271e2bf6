// SPDX-License-Identifier: Apache-2.0
/* test_store_copy.c: a store read beside the process that writes it: whole, of one moment, and nothing in it is touched. */
#include "../../user/sys/store_copy.c"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

#include "check.h"

static char root[64], directory[96], other[96];

static void setup(void)
{
	snprintf(root, sizeof root, "%s/tollbar-copy-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK_NEED(mkdtemp(root) != NULL);
	snprintf(directory, sizeof directory, "%s/store", root);
	snprintf(other, sizeof other, "%s/copies", root);
	CHECK_EQ(mkdir(other, 0700), 0);
	setenv("TMPDIR", other, 1);
}

static size_t names_in(const char *path)
{
	DIR *opened = opendir(path);
	size_t cnt = 0;

	CHECK_NEED(opened != NULL);
	for (struct dirent *entry; (entry = readdir(opened)) != NULL;)
		cnt += entry->d_name[0] != '.';
	closedir(opened);
	return cnt;
}

static void cleanup(void)
{
	struct place place = {.fd = open(directory, O_RDONLY | O_DIRECTORY)};

	unsetenv("TMPDIR");
	CHECK_EQ(names_in(other), 0); /* no copy is left behind */
	rmdir(other);
	snprintf(place.path, sizeof place.path, "%s", directory);
	if (place.fd >= 0) {
		remove_names(&place);
		close(place.fd);
	}
	CHECK_EQ(rmdir(root), 0);
}

static void put(struct store *store, uint64_t key, uint64_t value)
{
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_put(store, key, &value, sizeof value), 0);
	CHECK_EQ(store_commit(store), 0);
}

static uint64_t get(struct store *store, uint64_t key)
{
	struct span value;
	uint64_t number = 0;

	CHECK_EQ(store_begin(store), 0);
	if (store_get(store, key, &value) == 0 && value.bytes == sizeof number)
		memcpy(&number, value.at, sizeof number);
	store_abort(store);
	return number;
}

TEST(what_is_no_store)
{
	struct store *store;

	setup();
	CHECK_EQ(store_copy_open(&store, directory), -ENOENT);
	CHECK_EQ(mkdir(directory, 0700), 0);
	CHECK_EQ(store_copy_open(&store, directory), -ENODATA);
	char path[128];
	snprintf(path, sizeof path, "%s/data.mdb", directory);
	FILE *file = fopen(path, "w");
	CHECK_NEED(file != NULL);
	fputs("short", file);
	fclose(file);
	CHECK_EQ(store_copy_open(&store, directory), -EBADMSG);
	file = fopen(path, "w");
	for (int i = 0; i < 65536; i++)
		fputc('x', file);
	fclose(file);
	CHECK_EQ(store_copy_open(&store, directory), -EBADMSG);
	CHECK_EQ(store_copy_open(&store, path), -ENOTDIR);
	CHECK(store == NULL);
	setenv("TMPDIR", "/nonexistent", 1);
	CHECK_EQ(store_copy_open(&store, directory), -ENOENT);
	setenv("TMPDIR", other, 1);
	cleanup();
}

TEST(beside_an_open_store)
{
	struct store *store, *copy, *second;
	uint64_t eight = 8;

	setup();
	CHECK_NEED(store_open(&store, directory, 1 << 20) == 0);
	put(store, 1, 5); /* in the log alone */
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_put(store, 2, &eight, sizeof eight), 0); /* not committed */
	CHECK_NEED(store_copy_open(&copy, directory) == 0);
	CHECK(get(copy, 1) == 5 && get(copy, 2) == 0);
	CHECK_EQ(store_damage(copy), 0);
	CHECK_EQ(store_open(&second, directory, 1 << 20), -EBUSY);
	CHECK_EQ(store_commit(store), 0);
	put(copy, 3, 9); /* a copy's own */
	CHECK_EQ(get(store, 3), 0);
	store_close(copy);
	store_close(store);
	CHECK_NEED(store_copy_open(&copy, directory) == 0); /* nobody has it open */
	CHECK(get(copy, 1) == 5 && get(copy, 2) == 8);
	store_close(copy);
	cleanup();
}

/* Two keys get the same number in every commit, beside others that make the table churn. */
static _Atomic bool writing;
static _Atomic uint64_t written;

static void *write_on(void *arg)
{
	struct store *store = arg;
	uint8_t filler[1000] = {7};

	for (uint64_t n = 1; writing; n++) {
		if (store_begin(store) != 0)
			return "begin";
		int err = store_put(store, 1, &n, sizeof n);
		for (uint64_t i = 0; i < 8 && err == 0; i++)
			err = store_put(store, 10 + (n * 8 + i) % 300, filler, sizeof filler);
		if (err == 0)
			err = store_put(store, 1000, &n, sizeof n);
		if (err != 0 || store_commit(store) != 0)
			return "commit";
		written = n;
		if (n % 16 == 0)
			usleep(2000); /* a disk is slower than memory */
	}
	return NULL;
}

TEST(of_one_moment_while_checkpoints_go_on)
{
	struct store *store, *copy;
	pthread_t writer;
	int copies = 0;
	uint64_t last = 0;
	void *error;

	setup();
	CHECK_NEED(store_open(&store, directory, 1 << 20) == 0);
	writing = true;
	CHECK_EQ(pthread_create(&writer, NULL, write_on, store), 0);
	for (int i = 0; i < 60; i++) {
		uint64_t before = written;
		int err = store_copy_open(&copy, directory);
		CHECK(err == 0 || err == -EAGAIN);
		if (err != 0)
			continue;
		uint64_t first = get(copy, 1), second = get(copy, 1000);
		CHECK_EQ(first, second);
		CHECK(first >= before && first <= written + 1 && first >= last);
		CHECK_EQ(store_damage(copy), 0);
		last = first;
		copies++;
		store_close(copy);
	}
	writing = false;
	pthread_join(writer, &error);
	CHECK(error == NULL && copies > 10 && written > 100);
	store_close(store);
	cleanup();
}

CHECK_MAIN
