// SPDX-License-Identifier: Apache-2.0
// link: user/base/siphash.c user/base/crc32c.c
/* fuzz_wal.c: bytes found in the log.  First as they are: without the file's key nothing in them is a record.  Then each
 * page with its head put right, as after a bad program rather than a bad disk: what is read stays inside the file, comes
 * in the order of its numbers, and all of its changes can be taken. */
#include "../../user/sys/wal_format.c"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

static const uint8_t key[WAL_KEY_BYTES] = "a key of a file";

static size_t read_all(struct span file, uint64_t last)
{
	struct wal_reader reader = {.file = file, .page = 1, .last = last};
	struct span changes;
	size_t cnt = 0;

	memcpy(reader.key, key, sizeof key);
	for (; wal_read(&reader, &changes); cnt++) {
		struct wal_op op;
		assert(reader.last > last);
		last = reader.last;
		assert(changes.at > file.at && changes.at + changes.bytes <= file.at + file.bytes);
		while (changes.bytes > 0) {
			const uint8_t *end = changes.at + changes.bytes;
			assert(wal_next_op(&changes, &op));
			assert(op.value.at + op.value.bytes <= end && changes.at + changes.bytes == end);
		}
	}
	assert(reader.holes <= cnt);
	return cnt;
}

/* The input, a page for each piece of 64 bytes: the rest of a page may differ in nothing that matters. */
static uint8_t *pages_of(const uint8_t *at, size_t bytes, size_t *pages)
{
	*pages = 1 + (bytes + 63) / 64;
	uint8_t *file = calloc(*pages, WAL_PAGE_BYTES);

	assert(file != NULL);
	for (size_t from = 0; from < bytes; from += 64)
		memcpy(file + (1 + from / 64) * WAL_PAGE_BYTES, at + from, bytes - from < 64 ? bytes - from : 64);
	return file;
}

static void check_front(struct span file)
{
	uint8_t got[WAL_KEY_BYTES], page[WAL_PAGE_BYTES];

	if (wal_decode_front(file, got) != WAL_VERSION)
		return;
	wal_encode_front(page, got);
	assert(memcmp(page, file.at, sizeof(struct front)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	size_t pages;

	check_front(span_of(at, bytes));
	if (bytes > 64 * 64)
		return 0;
	uint8_t *file = pages_of(at, bytes, &pages);
	struct span whole = span_of(file, pages * WAL_PAGE_BYTES);
	assert(read_all(whole, 0) == 0);
	for (size_t page = 1; page < pages; page++) {
		struct head head;
		uint8_t *record = file + page * WAL_PAGE_BYTES;
		memcpy(&head, record, sizeof head);
		if (head.bytes < sizeof head || head.bytes > whole.bytes - page * WAL_PAGE_BYTES)
			continue;
		head.page = (uint32_t)page;
		memcpy(record, &head, sizeof head);
		head.checksum = checksum(record, head.bytes, key);
		memcpy(record, &head, sizeof head);
	}
	assert(read_all(whole, 0) < pages);
	free(file);
	return 0;
}
