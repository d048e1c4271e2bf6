/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_JUDGE_H
#define TOLLBAR_TESTS_JUDGE_H
/* judge.h: packet.bpf.h compiled by cc, asked as the gate asks it in open mode without lists, with the service ports of
 * frames.h. */
#include "../../bpf/packet.bpf.h"
#include "frames.h"

/* frame: for packet_beyond, as packet_locate takes it. */
static inline enum reason packet_judge(struct packet *packet, const void *frame, const uint8_t *data,
				       const uint8_t *end)
{
	enum reason reason = packet_locate(packet, frame, data, end);

	if (reason != REASON_OK)
		return reason;
	if (packet_port(packet) != (packet->protocol == 6 ? FRAME_TCP_PORT : FRAME_UDP_PORT))
		return PASS_OTHER;
	reason = packet_check(packet, end);
	return reason == REASON_OK ? PASS_OPEN : reason;
}

#endif
