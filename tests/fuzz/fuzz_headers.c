// SPDX-License-Identifier: Apache-2.0
/* What is read of a dropped frame: never outside its bytes, and where the
 * filter's own parser finds a packet, the same addresses and ports. */
// link: user/headers.c
#include "headers.h"

#include <stdlib.h>

#include "../../bpf/packet.bpf.h"

#define MUST(expression) ((expression) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint8_t *copy = malloc(bytes == 0 ? 1 : bytes); /* of its own, so that the sanitizer sees its end */
	struct tollbar_address source __attribute__((aligned(8)));
	struct headers headers;
	struct packet packet;

	MUST(copy != NULL);
	memcpy(copy, data, bytes);
	headers_read(&headers, span_of(copy, bytes));
	MUST(headers.version == 0 || headers.version == 4 || headers.version == 6);
	MUST(headers.version != 0 || (headers.protocol == -1 && !headers.has_ports));
	MUST(!headers.has_ports || headers.protocol == 6 || headers.protocol == 17);
	if (packet_locate(&packet, NULL, copy, copy + bytes) == REASON_OK) {
		packet_source(&source, &packet);
		MUST(headers.version == packet.version && headers.protocol == packet.protocol);
		MUST(memcmp(&headers.source, &source, sizeof source) == 0);
		MUST(headers.has_ports && headers.destination_port == packet_port(&packet));
	}
	free(copy);
	return 0;
}
