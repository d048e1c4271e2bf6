// SPDX-License-Identifier: Apache-2.0
/* test_wal_format.c: records of the log: written and read back, every bit and prefix, and which of many are read. */
#include "../../user/sys/wal_format.c"

#include "check.h"
#include "guard.h"

#define PAGES 8

static const uint8_t key[WAL_KEY_BYTES] = "0123456789abcde";
static uint8_t file[PAGES * WAL_PAGE_BYTES];

/* A record of one change whose value fills as many pages. */
static void write_record(size_t page, size_t pages, uint64_t number, uint64_t previous)
{
	static uint8_t value[3000];
	uint8_t *record = file + page * WAL_PAGE_BYTES, *at = record + WAL_HEAD_BYTES;
	size_t left = (pages - 1) * WAL_PAGE_BYTES + 1;

	memset(value, (int)number, sizeof value);
	while (left > 0) {
		size_t bytes = left < sizeof value ? left : sizeof value;
		at = wal_encode_op(at, &(struct wal_op){WAL_PUT, number, span_of(value, bytes)});
		left -= bytes;
	}
	wal_encode_record(record, (size_t)(at - record), key, number, previous, page);
}

static struct wal_reader reader_at(uint64_t last)
{
	struct wal_reader reader = {.file = span_of(file, sizeof file), .page = 1, .last = last};

	memcpy(reader.key, key, sizeof key);
	return reader;
}

/* The numbers that are read, as decimal digits. */
static uint64_t numbers(struct wal_reader *reader)
{
	struct span changes;
	struct wal_op op;
	uint64_t all = 0;

	while (wal_read(reader, &changes)) {
		CHECK(wal_next_op(&changes, &op) && op.change == WAL_PUT && op.key == reader->last);
		CHECK(op.value.bytes > 0 && op.value.at[0] == (uint8_t)op.key);
		all = all * 10 + reader->last;
	}
	return all;
}

TEST(wal_front_bits_and_prefixes)
{
	uint8_t page[WAL_PAGE_BYTES], got[WAL_KEY_BYTES];

	wal_encode_front(page, key);
	CHECK_EQ(wal_decode_front(span_of(page, sizeof page), got), WAL_VERSION);
	CHECK_BYTES(got, key, sizeof key);
	CHECK_EQ(wal_decode_front(span_of(page, sizeof page - 1), got), 0);
	for (size_t bit = 0; bit < sizeof(struct front) * 8; bit++) {
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK_EQ(wal_decode_front(span_of(page, sizeof page), got), 0);
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

/* A whole one of another version says so: it is not to be taken for a damaged one. */
TEST(wal_front_of_another_version)
{
	uint8_t page[WAL_PAGE_BYTES], got[WAL_KEY_BYTES];
	struct front front;

	wal_encode_front(page, key);
	memcpy(&front, page, sizeof front);
	front.version = 1;
	front.checksum = siphash(key, &front, offsetof(struct front, checksum));
	memcpy(page, &front, sizeof front);
	CHECK_EQ(wal_decode_front(span_of(page, sizeof page), got), 1);
}

TEST(wal_record_bits)
{
	struct wal_reader reader;
	uint8_t *record = file + WAL_PAGE_BYTES;

	memset(file, 0, sizeof file);
	write_record(1, 1, 5, 4);
	for (size_t bit = 0; bit < (WAL_HEAD_BYTES + WAL_CHANGE_BYTES + 1) * 8; bit++) {
		record[bit / 8] ^= (uint8_t)(1 << bit % 8);
		reader = reader_at(4);
		CHECK_EQ(numbers(&reader), 0);
		record[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	reader = reader_at(4);
	CHECK_EQ(numbers(&reader), 5);
	reader.key[3] ^= 1; /* another file's */
	reader.page = 1;
	reader.last = 4;
	CHECK_EQ(numbers(&reader), 0);
	memcpy(file + 2 * WAL_PAGE_BYTES, record, WAL_PAGE_BYTES); /* a write that went astray */
	memset(record, 0, WAL_PAGE_BYTES);
	reader = reader_at(4);
	CHECK_EQ(numbers(&reader), 0);
}

TEST(wal_which_records_are_read)
{
	static const struct {
		const char *name;
		struct {
			size_t page, pages;
			uint64_t number, previous;
		} records[5];
		uint64_t last, want;
		size_t holes;
	} rows[] = {
		{"none", {{0}}, 0, 0, 0},
		{"in order", {{1, 1, 1, 0}, {2, 3, 2, 1}, {5, 1, 3, 2}}, 0, 123, 0},
		{"the table has some", {{1, 1, 1, 0}, {2, 3, 2, 1}, {5, 1, 3, 2}}, 2, 3, 0},
		{"the table has all", {{1, 1, 1, 0}, {2, 1, 2, 1}}, 3, 0, 0},
		{"over an older log", {{1, 1, 6, 5}, {2, 1, 2, 1}, {3, 1, 3, 2}}, 5, 6, 0},
		{"a number that failed", {{1, 1, 1, 0}, {2, 1, 4, 1}}, 0, 14, 0},
		{"one is lost", {{1, 1, 1, 0}, {3, 1, 3, 2}, {4, 1, 4, 3}}, 0, 134, 1},
		{"two are lost", {{2, 1, 2, 1}, {4, 1, 4, 3}}, 0, 24, 2},
		{"the table is older", {{1, 1, 7, 6}, {2, 1, 8, 7}}, 3, 78, 1},
		{"the last is lost", {{1, 1, 1, 0}}, 0, 1, 0},
		{"to the last page", {{1, 1, 1, 0}, {2, PAGES - 2, 2, 1}}, 0, 12, 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		memset(file, 0, sizeof file);
		for (size_t j = 0; j < 5 && rows[i].records[j].page != 0; j++)
			write_record(rows[i].records[j].page, rows[i].records[j].pages, rows[i].records[j].number,
				     rows[i].records[j].previous);
		struct wal_reader reader = reader_at(rows[i].last);
		CHECK_ROW(numbers(&reader) == rows[i].want, rows[i].name);
		CHECK_ROW(reader.holes == rows[i].holes, rows[i].name);
	}
}

TEST(wal_record_that_claims_more_than_there_is)
{
	struct wal_reader reader;

	memset(file, 0, sizeof file);
	write_record(6, 2, 1, 0);
	reader = reader_at(0);
	CHECK_EQ(numbers(&reader), 1);
	reader = reader_at(0);
	reader.file.bytes -= WAL_PAGE_BYTES;
	CHECK_EQ(numbers(&reader), 0);
}

TEST(wal_changes_every_prefix)
{
	uint8_t bytes[64], *end = bytes;
	const struct wal_op ops[] = {
		{WAL_APPEND, 1, SPAN("")}, {WAL_PUT, UINT64_MAX, SPAN("value")}, {WAL_DEL, 3, {NULL, 0}}};
	struct wal_op op;
	size_t ends[4] = {0}, cnt = 0;

	for (size_t i = 0; i < 3; i++) {
		end = wal_encode_op(end, &ops[i]);
		ends[i + 1] = (size_t)(end - bytes);
	}
	for (size_t n = 0; n <= ends[3]; n++) {
		struct guard guard;
		struct span changes = guard_copy(&guard, bytes, n);
		for (cnt = 0; wal_next_op(&changes, &op); cnt++) {
			CHECK(op.change == ops[cnt].change && op.key == ops[cnt].key);
			CHECK(span_equal(op.value, ops[cnt].value));
		}
		CHECK(n >= ends[cnt] && (cnt == 3 || n < ends[cnt + 1]));
		guard_free(&guard);
	}
	CHECK_EQ(cnt, 3);
	bytes[0] = 0;
	CHECK(!wal_next_op(&(struct span){bytes, ends[3]}, &op));
	bytes[0] = WAL_DEL + 1;
	CHECK(!wal_next_op(&(struct span){bytes, ends[3]}, &op));
	bytes[0] = WAL_DEL;
	bytes[1] = 1; /* one that carries a value */
	CHECK(!wal_next_op(&(struct span){bytes, ends[3]}, &op));
}

CHECK_MAIN
