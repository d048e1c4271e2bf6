/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_STORE_FIXTURE_H
#define TOLLBAR_TESTS_STORE_FIXTURE_H
/* store_fixture.h: the files of a store as they stand, taken and put elsewhere. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

struct image {
	struct {
		uint8_t *at;
		size_t bytes;
	} log, table;
};

static inline void read_file(const char *directory, const char *name, uint8_t **at, size_t *bytes)
{
	char path[160];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *file = fopen(path, "r");
	CHECK_NEED(file != NULL && fseek(file, 0, SEEK_END) == 0);
	*bytes = (size_t)ftell(file);
	rewind(file);
	*at = malloc(*bytes);
	CHECK_NEED(*at != NULL && fread(*at, 1, *bytes, file) == *bytes);
	fclose(file);
}

static inline void write_file(const char *directory, const char *name, const uint8_t *at, size_t bytes)
{
	char path[160];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *file = fopen(path, "w");
	CHECK_NEED(file != NULL && fwrite(at, 1, bytes, file) == bytes);
	CHECK_EQ(fclose(file), 0);
}

static inline bool exists(const char *directory, const char *name)
{
	char path[160];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	return access(path, F_OK) == 0;
}

static inline void remove_files(const char *directory)
{
	static const char *const names[] = {"data.mdb", "data.new", "lock", "wal", "wal.new", "wal.damaged"};
	char path[160];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", directory, names[i]);
		unlink(path);
	}
	rmdir(directory);
}

static inline struct image take_of(const char *directory)
{
	struct image image;

	read_file(directory, "wal", &image.log.at, &image.log.bytes);
	read_file(directory, "data.mdb", &image.table.at, &image.table.bytes);
	return image;
}

#endif
