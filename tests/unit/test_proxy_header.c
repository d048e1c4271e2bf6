// SPDX-License-Identifier: Apache-2.0
#include "proxy_header.c"

#include "check.h"
#include "guard.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TCP4 "\xc0\x00\x02\x07\xc6\x33\x64\x01\xd4\x31\x21\x02"

/* As a proxy would write it; returns its length. */
static size_t write_header(uint8_t *out, uint8_t command, uint8_t family, const void *block, size_t block_bytes)
{
	memcpy(out, SIGNATURE, 12);
	out[12] = command;
	out[13] = family;
	out[14] = (uint8_t)(block_bytes >> 8);
	out[15] = (uint8_t)block_bytes;
	if (block_bytes > 0)
		memcpy(out + 16, block, block_bytes);
	return 16 + block_bytes;
}

static enum proxy_result read_block(struct proxy_header *header, uint8_t command, uint8_t family, const void *block,
				    size_t block_bytes)
{
	uint8_t bytes[PROXY_HEADER_BYTES_MAX];
	struct guard guard;
	size_t all = write_header(bytes, command, family, block, block_bytes);
	enum proxy_result result = proxy_header_read(header, guard_copy(&guard, bytes, all));

	guard_free(&guard);
	return result;
}

TEST(who_connects)
{
	struct proxy_header header;
	uint8_t six[36] = {0x20, 1, 0xd, 0xb8, [15] = 9, [16] = 0x20, [31] = 1, [33] = 80, [35] = 81};

	CHECK_EQ(read_block(&header, 0x21, 0x11, TCP4, 12), PROXY_DONE);
	CHECK(header.has_source && header.bytes == 28);
	CHECK_BYTES(&header.source, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x07", 16);
	CHECK_EQ(read_block(&header, 0x21, 0x21, six, sizeof six), PROXY_DONE);
	CHECK(header.has_source && header.bytes == 52);
	CHECK_BYTES(&header.source, six, 16);
}

TEST(a_proxy_that_speaks_for_itself)
{
	struct proxy_header header;
	uint8_t unix_block[216] = "/run/x";

	CHECK_EQ(read_block(&header, 0x20, 0x00, "", 0), PROXY_DONE);
	CHECK(!header.has_source && header.bytes == 16);
	CHECK_EQ(read_block(&header, 0x20, 0x11, TCP4, 12), PROXY_DONE); /* a check of its own: no client */
	CHECK(!header.has_source && header.bytes == 28);
	CHECK_EQ(read_block(&header, 0x20, 0xff, "anything", 8), PROXY_DONE);
	CHECK_EQ(read_block(&header, 0x21, 0x00, "anything", 8), PROXY_DONE);
	CHECK(!header.has_source && header.bytes == 24);
	CHECK_EQ(read_block(&header, 0x21, 0x31, unix_block, sizeof unix_block), PROXY_DONE);
	CHECK(!header.has_source && header.bytes == 232);
}

TEST(what_is_no_header)
{
	struct proxy_header header;
	static const struct {
		const char *what;
		uint8_t command, family;
		size_t bytes;
	} rows[] = {
		{"version 1", 0x11, 0x11, 12},	     {"version 3", 0x31, 0x11, 12},
		{"a third command", 0x22, 0x11, 12}, {"udp", 0x21, 0x12, 12},
		{"udp of 6", 0x21, 0x22, 36},	     {"datagrams of unix", 0x21, 0x32, 216},
		{"family 4", 0x21, 0x41, 216},	     {"tcp of no family", 0x21, 0x01, 12},
		{"short 4", 0x21, 0x11, 11},	     {"no 4", 0x21, 0x11, 0},
		{"short 6", 0x21, 0x21, 35},	     {"short unix", 0x21, 0x31, 215},
	};
	uint8_t block[216] = {0}, bytes[64];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		CHECK_ROW(read_block(&header, rows[i].command, rows[i].family, block, rows[i].bytes) == PROXY_WRONG,
			  rows[i].what);
	CHECK_EQ(proxy_header_read(&header, span_str("PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n")), PROXY_WRONG);
	CHECK_EQ(proxy_header_read(&header, span_str("GET / HTTP/1.1\r\n\r\n")), PROXY_WRONG);
	CHECK_EQ(proxy_header_read(&header, span_str("\r\n\r\nGET /")), PROXY_WRONG);
	size_t all = write_header(bytes, 0x21, 0x11, TCP4, 12);
	for (size_t i = 0; i < 12; i++) { /* known at its first wrong byte */
		bytes[i] ^= 1;
		CHECK_EQ(proxy_header_read(&header, span_of(bytes, i + 1)), PROXY_WRONG);
		CHECK_EQ(proxy_header_read(&header, span_of(bytes, all)), PROXY_WRONG);
		bytes[i] ^= 1;
	}
}

TEST(every_prefix_wants_more_and_what_follows_is_left)
{
	uint8_t bytes[64], block[12 + 3 + 5];
	struct proxy_header header;

	memcpy(block, TCP4, 12);
	memcpy(block + 12, "\x05\x00\x05hello", 8);
	size_t all = write_header(bytes, 0x21, 0x11, block, sizeof block);
	for (size_t i = 0; i < all; i++) {
		struct guard guard;
		CHECK_EQ(proxy_header_read(&header, guard_copy(&guard, bytes, i)), PROXY_MORE);
		guard_free(&guard);
	}
	memcpy(bytes + all, "GET / HTTP/1.1", 14);
	CHECK_EQ(proxy_header_read(&header, span_of(bytes, all + 14)), PROXY_DONE);
	CHECK(header.bytes == all && header.has_source);
}

TEST(lengths_that_lie)
{
	struct proxy_header header;
	uint8_t block[64], bytes[16];

	memcpy(block, TCP4, 12);
	for (size_t cut = 1; cut <= 2; cut++) { /* half a record's head */
		memcpy(block + 12, "\x04\x00\x00", 3);
		CHECK_EQ(read_block(&header, 0x21, 0x11, block, 12 + cut), PROXY_WRONG);
	}
	CHECK_EQ(read_block(&header, 0x21, 0x11, block, 15), PROXY_DONE); /* an empty one */
	for (unsigned said = 0; said < 70000; said += 17) {
		block[12] = 0x04;
		block[13] = (uint8_t)(said >> 8);
		block[14] = (uint8_t)said;
		enum proxy_result want = (said & 0xffff) == 17 ? PROXY_DONE : PROXY_WRONG;
		if ((said & 0xffff) <= 14) /* what is left is read as records, too */
			continue;
		CHECK_EQ(read_block(&header, 0x21, 0x11, block, 15 + 17), want);
	}
	write_header(bytes, 0x21, 0x11, NULL, 0);
	bytes[14] = 0x0f;
	bytes[15] = 0xf0; /* all of it as much as is taken */
	CHECK_EQ(proxy_header_read(&header, span_of(bytes, 16)), PROXY_MORE);
	bytes[15] = 0xf1;
	CHECK_EQ(proxy_header_read(&header, span_of(bytes, 16)), PROXY_WRONG);
	bytes[14] = bytes[15] = 0xff;
	CHECK_EQ(proxy_header_read(&header, span_of(bytes, 16)), PROXY_WRONG);
}

TEST(the_sum_is_over_every_byte)
{
	uint8_t bytes[64], block[12 + 7 + 4];
	struct proxy_header header;

	memcpy(block, TCP4, 12);
	memcpy(block + 12, "\x03\x00\x04\0\0\0\0\x04\x00\x01x", 11);
	size_t all = write_header(bytes, 0x21, 0x11, block, sizeof block);
	uint32_t sum = crc32c(0, bytes, all);
	for (unsigned i = 0; i < 4; i++)
		bytes[16 + 15 + i] = (uint8_t)(sum >> (24 - 8 * i));
	CHECK_EQ(proxy_header_read(&header, span_of(bytes, all)), PROXY_DONE);
	for (size_t bit = 16 * 8; bit < all * 8; bit++) { /* of addresses, sum and records */
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (bit / 8 != 16 + 12) /* else it is no sum any more */
			CHECK_EQ(proxy_header_read(&header, span_of(bytes, all)), PROXY_WRONG);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	memcpy(block + 12, "\x03\x00\x03\0\0\0", 6); /* a sum of three bytes */
	CHECK_EQ(read_block(&header, 0x21, 0x11, block, 18), PROXY_WRONG);
}

CHECK_MAIN
