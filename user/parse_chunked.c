// SPDX-License-Identifier: Apache-2.0
/* parse_chunked.c: the chunked coding (RFC 9112 7.1), one state per place in the grammar. */
#include "parse.h"
#include "parse_bytes.h"

#define CHUNK_LINE_BYTES_MAX 256 /* size and extensions */
#define TRAILER_BYTES_MAX 4096	 /* all trailer lines together */
#define CHUNK_BYTES_MAX ((uint64_t)1 << 60)

enum {
	SIZE_FIRST, /* zero: where a body begins */
	SIZE,
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_FIRST,
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	LAST_LF,
	DONE,
	BAD,
};

static uint8_t size_digit(struct chunked *c, uint8_t byte)
{
	unsigned digit = byte <= '9' ? byte - (unsigned)'0' : (byte | 0x20u) - 'a' + 10;

	if (c->left > CHUNK_BYTES_MAX / 16)
		return BAD;
	c->left = c->left * 16 + digit;
	return c->left > CHUNK_BYTES_MAX ? BAD : SIZE;
}

/* One byte outside of chunk data → the next state. */
static uint8_t step(struct chunked *c, uint8_t byte)
{
	switch (c->state) {
	case SIZE_FIRST:
		c->left = 0;
		return byte_is(byte, CLASS_HEX) ? size_digit(c, byte) : BAD;
	case SIZE:
		if (byte_is(byte, CLASS_HEX))
			return size_digit(c, byte);
		/* No white space here: the grammar has it only as a mistake of old senders. */
		return byte == ';' ? EXTENSION : byte == '\r' ? SIZE_LF : BAD;
	case EXTENSION:
		return byte == '\r' ? SIZE_LF : byte_is_control(byte) ? BAD : EXTENSION;
	case SIZE_LF:
		c->line_bytes = 0;
		return byte != '\n' ? BAD : c->left > 0 ? DATA : TRAILER_FIRST;
	case DATA_CR:
		return byte == '\r' ? DATA_LF : BAD;
	case DATA_LF:
		c->line_bytes = 0;
		return byte == '\n' ? SIZE_FIRST : BAD;
	case TRAILER_FIRST:
		return byte == '\r' ? LAST_LF : byte_is(byte, CLASS_TOKEN) ? TRAILER_NAME : BAD;
	case TRAILER_NAME:
		return byte == ':' ? TRAILER_VALUE : byte_is(byte, CLASS_TOKEN) ? TRAILER_NAME : BAD;
	case TRAILER_VALUE:
		return byte == '\r' ? TRAILER_LF : byte_is_control(byte) ? BAD : TRAILER_VALUE;
	case TRAILER_LF:
		return byte == '\n' ? TRAILER_FIRST : BAD;
	case LAST_LF:
		return byte == '\n' ? DONE : BAD;
	default:
		return BAD;
	}
}

static bool line_fits(const struct chunked *c)
{
	return c->line_bytes <= (c->state >= TRAILER_FIRST ? TRAILER_BYTES_MAX : CHUNK_LINE_BYTES_MAX);
}

enum parse_result parse_chunked(struct chunked *chunked, struct span *bytes, struct span *data)
{
	*data = span_of(bytes->at, 0);
	while (bytes->bytes > 0 && chunked->state != DONE && chunked->state != BAD) {
		if (chunked->state == DATA) {
			size_t take = bytes->bytes < chunked->left ? bytes->bytes : (size_t)chunked->left;
			*data = span_of(bytes->at, take);
			bytes->at += take;
			bytes->bytes -= take;
			chunked->left -= take;
			if (chunked->left == 0)
				chunked->state = DATA_CR;
			return PARSE_MORE;
		}
		chunked->line_bytes++;
		chunked->state = line_fits(chunked) ? step(chunked, *bytes->at) : BAD;
		bytes->at++;
		bytes->bytes--;
	}
	return chunked->state == DONE ? PARSE_DONE : chunked->state == BAD ? PARSE_BAD : PARSE_MORE;
}
