/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_INIFILE_H
#define TOLLBAR_BASE_INIFILE_H
/* inifile.h: INI text → (line, section, key, value), every line with its number, and the place where mistakes are
 * reported.  Sole user of libinih.
 *
 *   [section]
 *   key = value   ; a comment after white space and ';', or a line that starts with ';' or '#'
 *
 * Stricter than the library: no continuation lines, no text before the first section or after ']', no control bytes, no
 * line over INIFILE_LINE_BYTES_MAX, no section name over INIFILE_SECTION_BYTES_MAX, no empty key. */
#include <stddef.h>
#include <stdio.h>

#define INIFILE_LINE_BYTES_MAX 1000
#define INIFILE_SECTION_BYTES_MAX 48  /* the library cuts names at 49 */
#define INIFILE_BYTES_MAX (64u << 20) /* a list of half a million payers */

struct inifile {
	const char *name; /* stands for the file in messages */
	FILE *mistakes;	  /* may be NULL */
	int mistake_cnt;
	/* Called for each section line (key and value NULL) and each setting.  line counts from 1.
	 * The strings end with the call. */
	void (*take)(void *ctx, unsigned line, const char *section, const char *key, const char *value);
	void *ctx;
};

/* inifile_mistake: one line "NAME:LINE: what is wrong". */
void inifile_mistake(struct inifile *ini, unsigned line, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* inifile_parse: reads all lines; mistakes of form are reported, counted and left out. */
void inifile_parse(struct inifile *ini, const char *text, size_t text_bytes);

/* inifile_slurp: a whole file in memory the caller frees.  0 or -errno (-EFBIG over INIFILE_BYTES_MAX). */
int inifile_slurp(const char *path, char **text, size_t *text_bytes);

#endif
