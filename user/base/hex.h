/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_HEX_H
#define TOLLBAR_BASE_HEX_H
/* hex.h: hexadecimal of an exact length, mostly with 0x.  Any case in, lower case out. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* hex_decode: "0x" and exactly 2 * bytes digits.  False leaves out unspecified. */
bool hex_decode(uint8_t *out, size_t bytes, struct span text) __attribute__((warn_unused_result));
/* hex_digits: the same without "0x". */
bool hex_digits(uint8_t *out, size_t bytes, struct span text) __attribute__((warn_unused_result));

/* hex_encode: writes "0x", 2 * bytes digits and a final zero: HEX_BYTES(bytes) bytes.  Returns out. */
#define HEX_BYTES(bytes) (2 * (bytes) + 3)
char *hex_encode(char *out, const uint8_t *at, size_t bytes);

#endif
