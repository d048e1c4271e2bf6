// SPDX-License-Identifier: Apache-2.0
/* test_access.c: lines of several writers on a real file: all of them whole, in each writer's order; and what happens when
 * the disk or the memory is full. */
#include "access.c"

#include "check.h"

#define WRITERS 3u
#define LINES 20000u

static char folder[64], path[128], moved[128];

static void begin(void)
{
	snprintf(folder, sizeof folder, "/tmp/test_access.XXXXXX");
	CHECK(mkdtemp(folder) != NULL);
	snprintf(path, sizeof path, "%s/lines", folder);
	snprintf(moved, sizeof moved, "%s/moved", folder);
}

static void end(void)
{
	unlink(path);
	unlink(moved);
	rmdir(folder);
}

static void *write_lines(void *ctx)
{
	struct access *access = ((void **)ctx)[0];
	unsigned writer = (unsigned)(uintptr_t)((void **)ctx)[1];

	for (unsigned i = 0; i < LINES; i++) {
		char line[128];
		int bytes = snprintf(line, sizeof line, "{\"writer\":%u,\"line\":%u,\"pad\":\"%.*s\"}\n", writer, i,
				     (int)(i % 60), "............................................................");
		access_put(access, writer, span_of(line, (size_t)bytes));
		if (i % 2000 == 1999)
			usleep(WRITE_MS * 1000); /* no more than the memory holds until it is written */
	}
	return NULL;
}

/* How many lines; each is whole, and each writer's come in order. */
static uint64_t read_lines(const char *from)
{
	unsigned next[WRITERS] = {0};
	uint64_t cnt = 0;
	char line[256];
	FILE *file = fopen(from, "r");

	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		unsigned writer, number;
		size_t bytes = strlen(line);
		if (sscanf(line, "{\"writer\":%u,\"line\":%u,", &writer, &number) != 2 || writer >= WRITERS ||
		    number != next[writer] || bytes < 2 || strcmp(line + bytes - 2, "}\n") != 0) {
			printf("%s: %s", from, line);
			check_failures++;
			break;
		}
		next[writer] = number + 1;
		cnt++;
	}
	if (file != NULL)
		fclose(file);
	return cnt;
}

TEST(every_line_of_every_writer)
{
	struct access *access;
	struct access_stats stats;
	pthread_t threads[WRITERS];
	void *contexts[WRITERS][2];

	begin();
	CHECK_EQ(access_open(&access, path, WRITERS), 0);
	for (size_t i = 0; i < WRITERS; i++) {
		contexts[i][0] = access;
		contexts[i][1] = (void *)i;
		pthread_create(&threads[i], NULL, write_lines, contexts[i]);
	}
	for (size_t i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	usleep(2 * WRITE_MS * 1000);
	access_stats(access, &stats);
	CHECK_EQ(stats.lines, WRITERS * LINES);
	CHECK_EQ(stats.lost, 0);
	access_close(access);
	CHECK_EQ(read_lines(path), WRITERS * LINES);
	end();
}

static void put_line(struct access *access, unsigned number)
{
	char line[128];
	int bytes = snprintf(line, sizeof line, "{\"writer\":0,\"line\":%u,\"pad\":\"\"}\n", number);

	access_put(access, 0, span_of(line, (size_t)bytes));
}

TEST(a_file_that_was_moved_away)
{
	struct access *access;

	begin();
	CHECK_EQ(access_open(&access, path, 1), 0);
	put_line(access, 0);
	usleep(2 * WRITE_MS * 1000);
	CHECK_EQ(rename(path, moved), 0);
	access_reopen(access);
	usleep(2 * WRITE_MS * 1000);
	put_line(access, 0);
	access_close(access); /* writes what waits */
	CHECK_EQ(read_lines(moved), 1);
	CHECK_EQ(read_lines(path), 1);
	end();
}

TEST(more_than_memory_holds_is_counted)
{
	static char line[ACCESS_LINE_BYTES_MAX];
	struct access *access;
	struct access_stats stats;
	uint64_t cnt = 2 * ACCESS_RING_BYTES / sizeof line;

	begin();
	memset(line, 'x', sizeof line);
	line[sizeof line - 1] = '\n';
	CHECK_EQ(access_open(&access, path, 1), 0);
	for (uint64_t i = 0; i < cnt; i++) /* within less than WRITE_MS, or some are written meanwhile */
		access_put(access, 0, span_of(line, sizeof line));
	usleep(2 * WRITE_MS * 1000);
	access_stats(access, &stats);
	CHECK(stats.lost > 0);
	CHECK_EQ(stats.lines + stats.lost, cnt);
	put_line(access, 0); /* there is room again */
	usleep(2 * WRITE_MS * 1000);
	access_stats(access, &stats);
	CHECK_EQ(stats.lines + stats.lost, cnt + 1);
	access_close(access);
	end();
}

TEST(a_disk_that_is_full)
{
	struct access *access;
	struct access_stats stats;

	CHECK_EQ(access_open(&access, "/dev/full", 1), 0);
	for (unsigned i = 0; i < 5; i++)
		put_line(access, i);
	usleep(2 * WRITE_MS * 1000);
	access_stats(access, &stats);
	CHECK_EQ(stats.lines, 0);
	CHECK_EQ(stats.lost, 5);
	access_close(access);
}

TEST(a_path_that_cannot_be)
{
	struct access *access;

	CHECK_EQ(access_open(&access, "/nowhere/at/all", 1), -ENOENT);
}

CHECK_MAIN
