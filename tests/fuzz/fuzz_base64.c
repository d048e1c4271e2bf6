// SPDX-License-Identifier: Apache-2.0
// link: user/base/base64.c user/base/log.c -lcrypto
/* fuzz_base64.c: what decodes is canonical but for padding, and is what OpenSSL makes of it. */
#include "base/assert.h"
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	size_t room = BASE64_DECODED_BYTES_MAX(bytes);
	uint8_t *ours = malloc(room), *theirs = malloc(room + 4);
	char *again = malloc(BASE64_ENCODED_BYTES(room) + 1);
	ssize_t got = base64_decode(ours, room, span_of(at, bytes));

	if (got >= 0) {
		size_t text_bytes = base64_encode(again, span_of(ours, (size_t)got));
		size_t padding = text_bytes - bytes;
		ASSERT(padding <= 2 && memcmp(again, at, bytes) == 0);
		while (padding > 0)
			ASSERT(again[text_bytes - padding--] == '=');
		ASSERT(EVP_DecodeBlock(theirs, (const unsigned char *)again, (int)text_bytes) >= got);
		ASSERT(memcmp(ours, theirs, (size_t)got) == 0);
		/* one byte less of room is refused */
		ASSERT(got == 0 || base64_decode(ours, (size_t)got - 1, span_of(at, bytes)) < 0);
	} else if (bytes % 4 == 0 && EVP_DecodeBlock(theirs, at, (int)bytes) == (int)(bytes / 4 * 3)) {
		/* OpenSSL takes white space, stray bits and padding inside: encoding them again cannot give the text */
		size_t text_bytes = (size_t)EVP_EncodeBlock((unsigned char *)again, theirs, (int)(bytes / 4 * 3));
		ASSERT(text_bytes != bytes || memcmp(again, at, bytes) != 0);
	}
	free(ours);
	free(theirs);
	free(again);
	return 0;
}
