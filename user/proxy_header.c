// SPDX-License-Identifier: Apache-2.0
#include "proxy_header.h"

#include <string.h>

#include "base/crc32c.h"

#define FIXED_BYTES 16
#define RECORD_HEAD_BYTES 3
#define RECORD_CRC32C 3

static const uint8_t signature[12] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

enum command { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 }; /* with the version before it */
enum family { FAMILY_UNSPEC = 0x00, FAMILY_TCP4 = 0x11, FAMILY_TCP6 = 0x21, FAMILY_UNIX = 0x31 };

static size_t get16(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

/* Can these bytes be the begin of a header? */
static bool begins(struct span bytes)
{
	size_t signed_bytes = bytes.bytes < sizeof signature ? bytes.bytes : sizeof signature;

	return memcmp(bytes.at, signature, signed_bytes) == 0 &&
	       (bytes.bytes <= 12 || bytes.at[12] == COMMAND_LOCAL || bytes.at[12] == COMMAND_PROXY) &&
	       (bytes.bytes < FIXED_BYTES || FIXED_BYTES + get16(bytes.at + 14) <= PROXY_HEADER_BYTES_MAX);
}

/* The sum is over the whole header, with zeros in its own place. */
static bool sum_holds(struct span header, size_t at)
{
	static const uint8_t zeros[4];
	uint32_t said = (uint32_t)(get16(header.at + at) << 16 | get16(header.at + at + 2));
	uint32_t sum = crc32c(crc32c(0, header.at, at), zeros, sizeof zeros);

	return crc32c(sum, header.at + at + 4, header.bytes - at - 4) == said;
}

static bool records_good(struct span header, size_t at)
{
	while (at < header.bytes) {
		if (header.bytes - at < RECORD_HEAD_BYTES)
			return false;
		size_t bytes = get16(header.at + at + 1);
		uint8_t type = header.at[at];
		at += RECORD_HEAD_BYTES;
		if (bytes > header.bytes - at)
			return false;
		if (type == RECORD_CRC32C && (bytes != 4 || !sum_holds(header, at)))
			return false;
		at += bytes;
	}
	return true;
}

/* All of it is there. */
static bool read_whole(struct proxy_header *out, struct span header)
{
	const uint8_t *addresses = header.at + FIXED_BYTES;
	size_t address_bytes = header.bytes - FIXED_BYTES;

	if (header.at[12] == COMMAND_LOCAL || header.at[13] == FAMILY_UNSPEC)
		return true; /* what follows is not to be looked at */
	switch (header.at[13]) {
	case FAMILY_TCP4:
		if (address_bytes < 12)
			return false;
		out->has_source = true;
		out->source = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
		memcpy(&out->source.s6_addr[12], addresses, 4);
		return records_good(header, FIXED_BYTES + 12);
	case FAMILY_TCP6:
		if (address_bytes < 36)
			return false;
		out->has_source = true;
		memcpy(&out->source, addresses, sizeof out->source);
		return records_good(header, FIXED_BYTES + 36);
	case FAMILY_UNIX:
		return address_bytes >= 216 && records_good(header, FIXED_BYTES + 216);
	default:
		return false;
	}
}

enum proxy_result proxy_header_read(struct proxy_header *out, struct span bytes)
{
	*out = (struct proxy_header){0};
	if (!begins(bytes))
		return PROXY_WRONG;
	if (bytes.bytes < FIXED_BYTES)
		return PROXY_MORE;
	out->bytes = FIXED_BYTES + get16(bytes.at + 14);
	if (bytes.bytes < out->bytes)
		return PROXY_MORE;
	return read_whole(out, span_of(bytes.at, out->bytes)) ? PROXY_DONE : PROXY_WRONG;
}
