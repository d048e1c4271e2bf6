// SPDX-License-Identifier: Apache-2.0
#include "base/inifile.h"

#include <errno.h>
#include <ini.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void inifile_mistake(struct inifile *ini, unsigned line, const char *format, ...)
{
	va_list args;

	ini->mistake_cnt++;
	if (ini->mistakes == NULL)
		return;
	fprintf(ini->mistakes, "%s:%u: ", ini->name, line);
	va_start(args, format);
	vfprintf(ini->mistakes, format, args);
	va_end(args);
	fputc('\n', ini->mistakes);
}

/* The library's handler is not told the line and its result names only the first bad one, so it is fed line by line:
 * whatever it says is about the line in hand. */
struct feed {
	struct inifile *ini;
	unsigned line;
	bool in_section;
	char section[INIFILE_SECTION_BYTES_MAX + 2];
};

static int take_setting(void *ctx, const char *section, const char *key, const char *value)
{
	struct feed *feed = ctx;

	(void)section;
	if (*key == 0)
		inifile_mistake(feed->ini, feed->line, "a value without a name");
	else if (!feed->in_section)
		inifile_mistake(feed->ini, feed->line, "%s: a setting before the first [section]", key);
	else if (feed->section[0] != 0) /* else its section line was a mistake, and that is reported already */
		feed->ini->take(feed->ini->ctx, feed->line, feed->section, key, value);
	return 1;
}

static int take_section(void *ctx, const char *section, const char *key, const char *value)
{
	struct feed *feed = ctx;

	(void)key;
	(void)value;
	/* The library has cut the name to the size of this buffer at most; one byte over our bound shows it was longer. */
	memccpy(feed->section, section, 0, sizeof feed->section - 1);
	feed->section[sizeof feed->section - 1] = 0;
	return 1;
}

/* Only white space or a comment may follow "[name]". */
static bool section_ends_well(const char *line)
{
	const char *after = strchr(line, ']');

	if (after == NULL)
		return false;
	const char *rest = after + 1 + strspn(after + 1, " \t");
	return *rest == 0 || (*rest == ';' && rest > after + 1);
}

static void feed_section(struct feed *feed, const char *line)
{
	char text[INIFILE_LINE_BYTES_MAX + 4];

	/* An empty setting after it makes the library call back, so that a section without settings is seen too. */
	snprintf(text, sizeof text, "%s\n=", line);
	feed->in_section = true;
	feed->section[0] = 0;
	if (!section_ends_well(line) || ini_parse_string(text, take_section, feed) != 0 || feed->section[0] == 0) {
		inifile_mistake(feed->ini, feed->line, "not a section: %s", line);
		feed->section[0] = 0;
	} else if (strlen(feed->section) > INIFILE_SECTION_BYTES_MAX) {
		inifile_mistake(feed->ini, feed->line, "section name is longer than %d bytes",
				INIFILE_SECTION_BYTES_MAX);
		feed->section[0] = 0;
	} else {
		feed->ini->take(feed->ini->ctx, feed->line, feed->section, NULL, NULL);
	}
}

static void feed_line(struct feed *feed, const char *at, size_t bytes)
{
	char line[INIFILE_LINE_BYTES_MAX + 1];

	while (bytes > 0 && (at[bytes - 1] == '\r' || at[bytes - 1] == ' ' || at[bytes - 1] == '\t'))
		bytes--;
	/* Without its leading white space a line cannot continue the one before. */
	while (bytes > 0 && (*at == ' ' || *at == '\t'))
		at++, bytes--;
	if (bytes > INIFILE_LINE_BYTES_MAX) {
		inifile_mistake(feed->ini, feed->line, "line is longer than %d bytes", INIFILE_LINE_BYTES_MAX);
		return;
	}
	for (size_t i = 0; i < bytes; i++) {
		if ((uint8_t)at[i] < 0x20 && at[i] != '\t') {
			inifile_mistake(feed->ini, feed->line, "control byte 0x%02x", (uint8_t)at[i]);
			return;
		}
	}
	memcpy(line, at, bytes);
	line[bytes] = 0;
	if (line[0] == '[')
		feed_section(feed, line);
	else if (ini_parse_string(line, take_setting, feed) != 0) /* the rest may be a secret with its '=' forgotten */
		inifile_mistake(feed->ini, feed->line, "neither [section] nor name = value: %.*s ...",
				(int)strcspn(line, " \t"), line);
}

/* Debian builds the library with these as variables and lines of 200 bytes. */
static void set_library(void)
{
	ini_max_line = INIFILE_LINE_BYTES_MAX + 8;
	ini_allow_multiline = false;
	ini_allow_bom = false;
}

void inifile_parse(struct inifile *ini, const char *text, size_t text_bytes)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct feed feed = {.ini = ini, .line = 1};

	pthread_once(&once, set_library);
	while (text_bytes > 0) {
		const char *end = memchr(text, '\n', text_bytes);
		size_t bytes = end != NULL ? (size_t)(end - text) : text_bytes;
		feed_line(&feed, text, bytes);
		feed.line++;
		bytes += end != NULL;
		text += bytes;
		text_bytes -= bytes;
	}
}

int inifile_slurp(const char *path, char **text, size_t *text_bytes)
{
	FILE *file = fopen(path, "re");
	size_t used = 0, size = 4096;
	int err = 0;

	if (file == NULL)
		return -errno;
	char *buffer = malloc(size);
	while (buffer != NULL) {
		used += fread(buffer + used, 1, size - used, file);
		if (used < size)
			break;
		if (size >= INIFILE_BYTES_MAX) {
			err = -EFBIG;
			break;
		}
		size *= 2;
		char *larger = realloc(buffer, size);
		if (larger == NULL)
			free(buffer);
		buffer = larger;
	}
	if (buffer == NULL)
		err = -ENOMEM;
	else if (ferror(file))
		err = errno != 0 ? -errno : -EIO;
	fclose(file);
	if (err != 0) {
		free(buffer);
		return err;
	}
	*text = buffer;
	*text_bytes = used;
	return 0;
}
