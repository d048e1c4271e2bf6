/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_BASE64_H
#define TOLLBAR_BASE_BASE64_H
/* base64.h: RFC 4648 section 4, strictly: standard alphabet, right or absent padding, no stray bits, no white space.
 * So every text has one meaning, and all but padding is canonical. */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/span.h"

#define BASE64_ENCODED_BYTES(bytes) (((bytes) + 2) / 3 * 4)
#define BASE64_DECODED_BYTES_MAX(bytes) ((bytes) / 4 * 3 + 2)

/* base64_decode: number of bytes decoded, or -1 when the text is not base64 or does not fit in out_bytes.
 * out may be overwritten past that number, never past out_bytes. */
ssize_t base64_decode(uint8_t *out, size_t out_bytes, struct span text) __attribute__((warn_unused_result));

/* base64_encode: writes BASE64_ENCODED_BYTES(in.bytes) characters, padded, and a final zero.  Returns the number of
 * characters. */
size_t base64_encode(char *out, struct span in);

#endif
