// SPDX-License-Identifier: Apache-2.0
/* The frame parser on any bytes: never outside the frame, and what it says holds against the bytes themselves. */
#include "../../bpf/packet.bpf.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MUST(expression) ((expression) ? (void)0 : abort())

/* Everything that can be known of an accepted packet without following the parser's way to it. */
static void accepted_check(const struct packet *packet, const uint8_t *data, const uint8_t *end, uint32_t beyond)
{
	struct tollbar_address source __attribute__((aligned(8)));
	size_t fixed_bytes = packet->version == 4 ? 20 : 40, kept_at = packet->version == 4 ? 12 : 8;
	size_t kept_bytes = packet->version == 4 ? 4 : 16;

	MUST(packet->version == 4 || packet->version == 6);
	MUST(packet->protocol == 6 || packet->protocol == 17);
	MUST(packet->ip >= data + 14 && packet->ip + fixed_bytes <= packet->l4);
	MUST(packet->ip[0] >> 4 == packet->version);
	MUST(packet->l4_bytes >= 4 && packet->l4_bytes <= (size_t)(end - packet->l4) + beyond);
	packet_source(&source, packet);
	MUST(memcmp(source.bytes + 16 - kept_bytes, packet->ip + kept_at, kept_bytes) == 0);
}

/* The short way says what the long one says, or nothing. */
static void plain_check(const uint8_t *data, const uint8_t *end)
{
	struct packet plain, walked;

	if (!packet_plain(&plain, data, end))
		return;
	MUST(packet_walk(&walked, NULL, data, end) == REASON_OK);
	MUST(plain.ip == walked.ip && plain.l4 == walked.l4 && plain.l4_bytes == walked.l4_bytes);
	MUST(plain.protocol == walked.protocol && plain.version == walked.version);
}

/* beyond: so many bytes of the frame are in further buffers. */
static enum reason frame_judge(const uint8_t *data, size_t bytes, uint32_t beyond)
{
	uint8_t *copy = malloc(bytes == 0 ? 1 : bytes); /* of its own, so that the sanitizer sees its end */
	struct packet packet;

	MUST(copy != NULL);
	memcpy(copy, data, bytes);
	plain_check(copy, copy + bytes);
	enum reason reason = packet_locate(&packet, beyond > 0 ? &beyond : NULL, copy, copy + bytes);
	if (reason == REASON_OK) {
		accepted_check(&packet, copy, copy + bytes, beyond);
		reason = packet_check(&packet, copy + bytes);
		if (reason == REASON_OK && packet.protocol == 17)
			MUST(((unsigned)packet.l4[4] << 8 | packet.l4[5]) == packet.l4_bytes);
		if (reason == REASON_OK && packet.protocol == 6)
			MUST((packet.l4[12] >> 4) * 4u >= 20 && (packet.l4[12] >> 4) * 4u <= packet.l4_bytes);
	}
	free(copy);
	return reason;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint8_t padded[4096 + 32] = {0};

	if (bytes > 4096)
		return 0;
	enum reason reason = frame_judge(data, bytes, 0);
	MUST(reason == REASON_OK || reason == PASS_OTHER || (reason >= FRAME_SHORT && reason < RATE));
	/* Padding after the packet changes nothing, unless bytes were missing. */
	memcpy(padded, data, bytes);
	enum reason again = frame_judge(padded, bytes + 32, 0);
	MUST(again == reason || reason == FRAME_SHORT || reason == IP4_LENGTH || reason == IP6_LENGTH);
	/* Cut into two buffers, it is judged as in one, or refused. */
	size_t first_bytes = bytes > 0 ? data[bytes - 1] % bytes : 0;
	again = frame_judge(data, first_bytes, (uint32_t)(bytes - first_bytes));
	MUST(again == reason || (again >= FRAME_SHORT && again < RATE));
	return 0;
}
