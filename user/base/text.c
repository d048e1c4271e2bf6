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

void text_put_duration(struct text *text, int columns, uint64_t ns)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double value = (double)ns;
	unsigned unit = 0;
	char cell[32];

	while (unit < 3 && value >= 999.5) {
		value /= 1000;
		unit++;
	}
	snprintf(cell, sizeof cell, "%.*f %s", unit > 0 && value < 99.95, value, units[unit]);
	text_put(text, "%*s", columns, cell);
}

size_t text_done(const struct text *text)
{
	return text->full ? 0 : text->used;
}
