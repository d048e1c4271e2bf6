// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* gate.bpf.c: the XDP program in front of the service ports.
 *
 *   packet → standing → lists → verdict
 *
 * Attached alone it passes everything: ports, modes and lists arrive through the maps, and changing them never
 * re-attaches.  It may refuse a packet; it never says that one is paid for.  Everything that is not TCP or UDP to a
 * service port passes: ARP, neighbour discovery, ICMP and with it path MTU discovery, tunnels, other services. */
#include "defs.bpf.h"

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "reasons.h"

#include "allow.bpf.h"
#include "maps.bpf.h"
#include "packet.bpf.h"
#include "standing.bpf.h"
#include "verdict.bpf.h"

_Static_assert(RATE < TOLLBAR_REASON_CNT, "kernel reasons index tollbar_counters");

static ALWAYS_INLINE int service_port(const struct packet *packet)
{
	const __u64 *ports = packet->protocol == IPPROTO_TCP ? policy.tcp_ports : policy.udp_ports;
	__u16 port = packet_port(packet);

	return ports[port / 64u] >> (port % 64u) & 1;
}

static ALWAYS_INLINE enum reason judge(const void *data, const void *data_end, __u32 word)
{
	struct packet packet;
	struct tollbar_address source __attribute__((aligned(8)));

	if (UNLIKELY(!(word & TOLLBAR_ARMED)))
		return PASS_OTHER;
	enum reason reason = packet_locate(&packet, data, data_end);
	if (reason != REASON_OK)
		return reason;
	if (!service_port(&packet))
		return PASS_OTHER;
	reason = packet_check(&packet, data_end);
	if (UNLIKELY(reason != REASON_OK))
		return reason;
	packet_source(&source, &packet);
	reason = standing_check(&source, word);
	if (UNLIKELY(reason != REASON_OK))
		return reason;
	return allow_check(&source, word);
}

SEC(TOLLBAR_SECTION)
int tollbar_gate(struct xdp_md *ctx)
{
	const void *data = (const void *)(long)ctx->data, *data_end = (const void *)(long)ctx->data_end;
	__u32 word = *(volatile __u32 *)&policy.word; /* once: modes and generation change together */

	return verdict(judge(data, data_end, word), word);
}

char tollbar_license[] SEC("license") = "Dual BSD/GPL";
