/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_TEXT_H
#define TOLLBAR_BASE_TEXT_H
/* text.h: formatted text, piece by piece, into a caller's buffer.  Always zero-terminated; once something does not fit the
 * text stays full and nothing more is added, so that one check at the end is enough. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *at;
	size_t bytes; /* of the buffer, at least 1 */
	size_t used;  /* without the final zero */
	bool full;
};

void text_init(struct text *text, char *out, size_t out_bytes);
void text_put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Nanoseconds with three digits and a unit, right-aligned in `columns`, or as wide as it is where that is less. */
void text_put_duration(struct text *text, int columns, uint64_t ns);
/* Bytes written, without the final zero; 0 when it did not fit. */
size_t text_done(const struct text *text);

#endif
