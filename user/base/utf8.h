/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_UTF8_H
#define TOLLBAR_BASE_UTF8_H
/* utf8.h: one character at a time.  Source: RFC 3629 section 4. */
#include <stddef.h>
#include <stdint.h>

/* Behind the one character that starts at `at` (at < end) and is not ASCII, or NULL when there is none: overlong forms,
 * surrogates and what lies above U+10FFFF have no encoding. */
const uint8_t *utf8_end(const uint8_t *at, const uint8_t *end);

/* The character's bytes; how many. */
unsigned utf8_put(uint8_t out[4], uint32_t point);

#endif
