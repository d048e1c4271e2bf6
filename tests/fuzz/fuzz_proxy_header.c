// SPDX-License-Identifier: Apache-2.0
// link: user/base/crc32c.c user/base/log.c
/* fuzz_proxy_header.c: a PROXY header of anybody's: however it comes in pieces the verdict is the same, and what is read of
 * it is what stands there.  Where the input's last bit says so, its sum is put right first. */
#include "../../user/proxy_header.c"

#include <stdlib.h>

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

static void check_done(const struct proxy_header *header, const uint8_t *at, size_t bytes)
{
	ASSERT(header->bytes >= 16 && header->bytes <= PROXY_HEADER_BYTES_MAX && header->bytes <= bytes);
	ASSERT(header->bytes == 16u + (size_t)at[14] * 256 + at[15] && (at[12] == 0x20 || at[12] == 0x21));
	if (header->has_source) {
		ASSERT(at[12] == 0x21 && (at[13] == 0x11 || at[13] == 0x21));
		ASSERT(at[13] == 0x11 ? IN6_IS_ADDR_V4MAPPED(&header->source) &&
						memcmp(&header->source.s6_addr[12], at + 16, 4) == 0
				      : memcmp(&header->source, at + 16, 16) == 0);
	}
}

/* The first record of TCP over IPv4, if it is a sum. */
static void put_sum_right(uint8_t *at, size_t bytes)
{
	size_t all = bytes < 16 ? 0 : 16u + (size_t)at[14] * 256 + at[15];

	if (all < 35 || all > bytes || at[13] != 0x11 || memcmp(at + 28, "\3\0\4", 3) != 0)
		return;
	memset(at + 31, 0, 4);
	uint32_t sum = crc32c(0, at, all);
	for (unsigned i = 0; i < 4; i++)
		at[31 + i] = (uint8_t)(sum >> (24 - 8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
	struct proxy_header whole, part;
	uint8_t *at = malloc(bytes + 1);

	if (bytes > 2 * PROXY_HEADER_BYTES_MAX || at == NULL) {
		free(at);
		return -1;
	}
	memcpy(at, input, bytes);
	if (bytes > 0 && input[bytes - 1] & 1)
		put_sum_right(at, bytes);
	enum proxy_result result = proxy_header_read(&whole, span_of(at, bytes));
	if (result == PROXY_DONE)
		check_done(&whole, at, bytes);
	for (size_t cut = 0, step = 1; cut < bytes; cut += step, step += cut / 8) {
		enum proxy_result early = proxy_header_read(&part, span_of(at, cut));
		if (early == PROXY_MORE)
			continue;
		ASSERT(early == result && part.bytes == whole.bytes);
		break;
	}
	free(at);
	return 0;
}
