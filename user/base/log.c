/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"

enum log_level log_level = LOG_INFO;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_line(enum log_level level, const char *format, ...)
{
	char line[1024];
	va_list args;

	if (level > log_level)
		return;
	int used = snprintf(line, sizeof line, "level=%s ", level_names[level]);
	va_start(args, format);
	int more = vsnprintf(line + used, sizeof line - (size_t)used - 1, format, args);
	va_end(args);
	size_t bytes = (size_t)used + (more > 0 ? (size_t)more : 0);
	if (bytes > sizeof line - 2)
		bytes = sizeof line - 2;
	line[bytes++] = '\n';
	/* A log that cannot be written has nowhere to be reported. */
	ssize_t written = write(STDERR_FILENO, line, bytes);
	(void)written;
}

const char *log_safe(char *out, size_t out_bytes, struct span text)
{
	size_t bytes = text.bytes < out_bytes - 1 ? text.bytes : out_bytes - 1;

	for (size_t i = 0; i < bytes; i++) {
		uint8_t c = text.at[i];
		bool plain = c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '=';
		out[i] = plain ? (char)c : '?';
	}
	out[bytes] = 0;
	return out;
}

_Noreturn void assert_failed(const char *expression, const char *file, int line)
{
	log_error("event=assert expression=\"%s\" file=%s line=%d", expression, file, line);
	abort();
}
