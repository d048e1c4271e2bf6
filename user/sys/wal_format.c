// SPDX-License-Identifier: Apache-2.0
#include "sys/wal_format.h"

#include "base/crc32c.h"
#include "base/siphash.h"

struct front {
	char magic[12];
	uint32_t version;
	uint8_t key[WAL_KEY_BYTES];
	uint64_t checksum; /* of the bytes before it, with the key */
};

struct head {
	uint64_t checksum; /* SipHash of the rest of the head, and of the CRC of what follows */
	uint64_t number, previous;
	uint32_t bytes, page;
};

_Static_assert(sizeof(struct head) == WAL_HEAD_BYTES, "a record's head has no padding");
_Static_assert(sizeof(struct front) == 40, "the front has no padding");

static const char magic[12] = "tollbar wal";

void wal_encode_front(uint8_t page[WAL_PAGE_BYTES], const uint8_t key[WAL_KEY_BYTES])
{
	struct front front = {.version = WAL_VERSION};

	memcpy(front.magic, magic, sizeof magic);
	memcpy(front.key, key, sizeof front.key);
	front.checksum = siphash(key, &front, offsetof(struct front, checksum));
	memset(page, 0, WAL_PAGE_BYTES);
	memcpy(page, &front, sizeof front);
}

uint32_t wal_decode_front(struct span file, uint8_t key[WAL_KEY_BYTES])
{
	struct front front;

	if (file.bytes < WAL_PAGE_BYTES)
		return 0;
	memcpy(&front, file.at, sizeof front);
	if (memcmp(front.magic, magic, sizeof magic) != 0 ||
	    front.checksum != siphash(front.key, &front, offsetof(struct front, checksum)))
		return 0;
	memcpy(key, front.key, sizeof front.key);
	return front.version;
}

uint8_t *wal_encode_op(uint8_t *at, const struct wal_op *op)
{
	uint16_t bytes = (uint16_t)op->value.bytes;

	*at++ = (uint8_t)op->change;
	memcpy(at, &bytes, sizeof bytes);
	at += sizeof bytes;
	memcpy(at, &op->key, sizeof op->key);
	at += sizeof op->key;
	if (bytes > 0)
		memcpy(at, op->value.at, bytes);
	return at + bytes;
}

bool wal_next_op(struct span *changes, struct wal_op *op)
{
	uint16_t bytes;

	if (changes->bytes < WAL_CHANGE_BYTES)
		return false;
	op->change = (enum wal_change)changes->at[0];
	memcpy(&bytes, changes->at + 1, sizeof bytes);
	memcpy(&op->key, changes->at + 3, sizeof op->key);
	if (op->change < WAL_APPEND || op->change > WAL_DEL || (op->change == WAL_DEL && bytes > 0) ||
	    bytes > changes->bytes - WAL_CHANGE_BYTES)
		return false;
	op->value = span_of(changes->at + WAL_CHANGE_BYTES, bytes);
	*changes = span_of(op->value.at + bytes, changes->bytes - WAL_CHANGE_BYTES - bytes);
	return true;
}

static uint64_t checksum(const uint8_t *record, size_t bytes, const uint8_t key[WAL_KEY_BYTES])
{
	const size_t from = sizeof((struct head *)NULL)->checksum;
	struct {
		uint8_t head[WAL_HEAD_BYTES - sizeof(uint64_t)];
		uint32_t changes;
	} summed = {.changes = crc32c(0, record + WAL_HEAD_BYTES, bytes - WAL_HEAD_BYTES)};

	memcpy(summed.head, record + from, sizeof summed.head);
	return siphash(key, &summed, sizeof summed);
}

void wal_encode_record(uint8_t *record, size_t bytes, const uint8_t key[WAL_KEY_BYTES], uint64_t number,
		       uint64_t previous, size_t page)
{
	struct head head = {.number = number, .previous = previous, .bytes = (uint32_t)bytes, .page = (uint32_t)page};

	memcpy(record, &head, sizeof head);
	head.checksum = checksum(record, bytes, key);
	memcpy(record, &head, sizeof head);
	memset(record + bytes, 0, wal_pages_of(bytes) - bytes);
}

static bool well_formed(struct span changes)
{
	struct wal_op op;

	while (wal_next_op(&changes, &op))
		;
	return changes.bytes == 0;
}

/* Is there a record newer than all known in the reader's page? */
static bool look(const struct wal_reader *reader, struct head *head)
{
	size_t offset = reader->page * WAL_PAGE_BYTES;
	const uint8_t *record = reader->file.at + offset;

	memcpy(head, record, sizeof *head);
	return head->number > reader->last && head->page == reader->page && head->bytes >= sizeof *head &&
	       head->bytes <= reader->file.bytes - offset &&
	       head->checksum == checksum(record, head->bytes, reader->key) &&
	       well_formed(span_of(record + sizeof *head, head->bytes - sizeof *head));
}

bool wal_read(struct wal_reader *reader, struct span *changes)
{
	struct head head;

	for (; reader->page < reader->file.bytes / WAL_PAGE_BYTES; reader->page++) {
		if (!look(reader, &head))
			continue;
		*changes = span_of(reader->file.at + reader->page * WAL_PAGE_BYTES + sizeof head,
				   head.bytes - sizeof head);
		reader->holes += head.previous > reader->last;
		reader->last = head.number;
		reader->page += wal_pages_of(head.bytes) / WAL_PAGE_BYTES;
		reader->end = reader->page;
		return true;
	}
	return false;
}
