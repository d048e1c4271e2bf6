// SPDX-License-Identifier: Apache-2.0
/* text.c: see text.h. */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"

void text_init(struct text *text, char *out, size_t out_bytes)
{
	ASSERT(out_bytes > 0);
	out[0] = '\0';
	*text = (struct text){.at = out, .bytes = out_bytes};
}

void text_put(struct text *text, const char *format, ...)
{
	size_t room = text->bytes - text->used;
	va_list arguments;
	int bytes;

	if (text->full)
		return;
	va_start(arguments, format);
	bytes = vsnprintf(text->at + text->used, room, format, arguments);
	va_end(arguments);
	text->full = bytes < 0 || (size_t)bytes >= room;
	if (!text->full)
		text->used += (size_t)bytes;
}

size_t text_done(const struct text *text)
{
	return text->full ? 0 : text->used;
}
