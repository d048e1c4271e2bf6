// SPDX-License-Identifier: Apache-2.0
/* parse_sse.c: where server-sent events end.  Lines end with LF, CRLF or CR.  After a CR that ends an empty line the
 * event is over for a CR sender, while a CRLF sender's LF still belongs to it.  The line before tells which: so nothing
 * waits for a byte that may not come, no LF is torn off, and the answer never depends on where the bytes were cut. */
#include "parse.h"
#include "parse_bytes.h"

enum {
	LINE_FIRST, /* zero: where a stream begins */
	LINE,
	LINE_CR,       /* the CR of a line that was not empty */
	CRLF_FIRST,    /* first byte of a line after CRLF */
	CRLF_EMPTY_CR, /* CR of an empty line after CRLF: its LF comes */
	EMPTY_CR,      /* the event ended at this CR: an LF now would be its second half */
};

/* One byte; *ended is set when the event ends with it, *before when it ended before it and the byte is not taken. */
static uint8_t step(uint8_t state, uint8_t byte, bool *ended, bool *before)
{
	switch (state) {
	case LINE:
		return byte == '\n' ? LINE_FIRST : byte == '\r' ? LINE_CR : LINE;
	case CRLF_FIRST:
		if (byte == '\r')
			return CRLF_EMPTY_CR;
		*ended = byte == '\n';
		return *ended ? LINE_FIRST : LINE;
	case CRLF_EMPTY_CR:
		*ended = byte == '\n';
		*before = !*ended;
		return *ended ? CRLF_FIRST : LINE_FIRST;
	case LINE_CR:
	case EMPTY_CR:
		if (byte == '\n')
			return CRLF_FIRST;
		break;
	default:
		break;
	}
	/* the first byte of a line */
	*ended = byte == '\n' || byte == '\r';
	return byte == '\r' ? EMPTY_CR : byte == '\n' ? LINE_FIRST : LINE;
}

size_t parse_sse(struct sse *sse, struct span bytes, bool *ended)
{
	const uint8_t *at = bytes.at, *end = bytes.at + bytes.bytes;

	*ended = false;
	while (at < end) {
		bool before = false;
		if (sse->state == LINE) {
			at = find_control(at, end);
			if (at == end)
				break;
		}
		sse->state = step(sse->state, *at, ended, &before);
		if (before) {
			*ended = true;
			break;
		}
		at++;
		if (*ended)
			break;
	}
	return (size_t)(at - bytes.at);
}
