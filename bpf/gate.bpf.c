// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* gate.bpf.c: the XDP program in front of the service ports.
 *
 *   packet → heartbeat → native → lists, opened → standing → native again → bucket → checksum → syn → verdict
 *
 * Attached alone it passes everything: ports, modes and lists arrive through the maps, and changing them never
 * re-attaches.  It may refuse a packet; it never says that one is paid for.  Everything that is not TCP or UDP to a
 * service port passes: ARP, neighbour discovery, ICMP and with it path MTU discovery, tunnels, other services. */
#include "defs.bpf.h"

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "reasons.h"

#include "allow.bpf.h"
#include "bucket.bpf.h"
#include "checksum.bpf.h"
#include "maps.bpf.h"
#include "native.bpf.h"
#include "opened.bpf.h"
#include "packet.bpf.h"
#include "standing.bpf.h"
#include "syn.bpf.h"
#include "trace.bpf.h"
#include "verdict.bpf.h"

_Static_assert(NATIVE_REPLAY < TOLLBAR_REASON_CNT, "kernel reasons index tollbar_counters");

static ALWAYS_INLINE int service_port(const struct packet *packet)
{
	const __u64 *ports = packet->protocol == IPPROTO_TCP ? policy.tcp_ports : policy.udp_ports;
	__u16 port = packet_port(packet);

	return ports[port / 64u] >> (port % 64u) & 1;
}

/* Is there nobody behind the service ports, where that shuts them? */
static ALWAYS_INLINE int daemon_gone(__u32 word)
{
	return UNLIKELY(word & TOLLBAR_FAIL_CLOSED) &&
	       bpf_ktime_get_coarse_ns() >= *(volatile __u64 *)&policy.alive_until_ns;
}

static ALWAYS_INLINE enum reason judge(struct xdp_md *ctx, __u32 word)
{
	const void *data = (const void *)(long)ctx->data, *data_end = (const void *)(long)ctx->data_end;
	struct packet packet;
	struct tollbar_address source __attribute__((aligned(8)));

	if (UNLIKELY(!(word & TOLLBAR_ARMED)))
		return PASS_OTHER;
	enum reason reason = packet_locate(&packet, ctx, data, data_end);
	if (reason != REASON_OK)
		return reason;
	if (!service_port(&packet))
		return PASS_OTHER;
	__u32 native = native_asked(&packet, word);
	reason = packet_check(&packet, data_end);
	if (UNLIKELY(reason != REASON_OK))
		return reason;
	if (daemon_gone(word))
		return NO_DAEMON;
	/* As numbers, before the lists: with pointers kept for later the BPF verifier would walk all that follows once for
	 * every way through the headers. */
	__u64 ip_at = (__u64)(packet.ip - (const __u8 *)data), l4_at = (__u64)(packet.l4 - (const __u8 *)data);
	barrier_var(ip_at);
	barrier_var(l4_at);
	if (UNLIKELY(native)) {
		reason = native_check(ctx, (__u32)ip_at, (__u32)l4_at, packet.version, word);
		if (reason != REASON_OK)
			return reason;
	}
	/* Of what is asked of a source, lists first: where they refuse, two reads have done it. */
	enum reason listed = allow_check(&packet, word);
	if (UNLIKELY(listed == NOT_ALLOWED) && UNLIKELY(word & (TOLLBAR_NATIVE | TOLLBAR_HAS_OPENED)))
		listed = opened_check(ctx, (__u32)ip_at, packet.version, packet.protocol | native, word);
	if (REASON_DROPS(listed))
		return listed;
	packet_source(&source, &packet);
	reason = standing_check(&source, word);
	if (UNLIKELY(reason != REASON_OK))
		return reason;
	if (UNLIKELY(native))
		reason = native_admit(ctx, (__u32)ip_at, (__u32)l4_at, packet.version, word);
	if (LIKELY(reason == REASON_OK) && UNLIKELY(bucket_asked(listed, word)))
		reason = bucket_check(&source, &packet);
	if (LIKELY(reason == REASON_OK) && UNLIKELY(word & TOLLBAR_CHECKSUM))
		reason = checksum_check(ctx, (__u32)ip_at, (__u32)l4_at, packet.l4_bytes, packet.protocol);
	if (LIKELY(reason == REASON_OK) && UNLIKELY(syn_asked(&packet, word)))
		reason = syn_answer(ctx, (__u32)ip_at, packet.version, word);
	if (UNLIKELY(reason != REASON_OK))
		return reason;
	return native ? PASS_NATIVE : listed;
}

static ALWAYS_INLINE __u32 policy_word(void)
{
	return *(volatile __u32 *)&policy.word; /* once per packet: modes and generation change together */
}

static ALWAYS_INLINE int decide(struct xdp_md *ctx, __u32 word)
{
	enum reason reason = judge(ctx, word);

	trace_drop(ctx, reason, word);
	return verdict(reason, word);
}

SEC(TOLLBAR_SECTION)
int tollbar_gate(struct xdp_md *ctx)
{
	__u32 word = policy_word();
	int action = decide(ctx, word);

	if (UNLIKELY(word & TOLLBAR_NEXT) && action == XDP_PASS)
		bpf_tail_call(ctx, &next, 0); /* comes back only when the slot is empty */
	return action;
}

/* For `ip link ... sec xdp.frags` on interfaces with jumbo frames; `tollbar attach` loads the one above in the same way.
 * It has no next program: a map of programs serves either kind, not both, and somebody may load both of these at once. */
SEC(TOLLBAR_SECTION_FRAGS)
int tollbar_frags(struct xdp_md *ctx)
{
	__u32 word = policy_word();

	return decide(ctx, word);
}

char tollbar_license[] SEC("license") = "Dual BSD/GPL";
