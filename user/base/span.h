/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_SPAN_H
#define TOLLBAR_BASE_SPAN_H
/* span.h: borrowed bytes.  A span never owns; it ends with the buffer it points into. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *at;
	size_t bytes;
};

/* A string literal as a span, without its final zero. */
#define SPAN(literal) ((struct span){(const uint8_t *)(literal), sizeof(literal) - 1})

static inline struct span span_of(const void *at, size_t bytes)
{
	return (struct span){(const uint8_t *)at, bytes};
}

static inline struct span span_str(const char *text)
{
	return span_of(text, strlen(text));
}

static inline bool span_equal(struct span a, struct span b)
{
	return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.at, b.at, a.bytes) == 0);
}

/* ASCII case folded; for header names and hex, never for paths. */
static inline bool span_equal_nocase(struct span a, struct span b)
{
	if (a.bytes != b.bytes)
		return false;
	for (size_t i = 0; i < a.bytes; i++) {
		uint8_t x = a.at[i], y = b.at[i];
		if (x >= 'A' && x <= 'Z')
			x = (uint8_t)(x | 0x20);
		if (y >= 'A' && y <= 'Z')
			y = (uint8_t)(y | 0x20);
		if (x != y)
			return false;
	}
	return true;
}

#endif
