/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_TRACE_BPF_H
#define TOLLBAR_TRACE_BPF_H
/* trace.bpf.h: samples drops into the ring buffer while somebody traces.  What a flood can make it cost is bounded: a
 * counter for every drop that matches, the clock for one in `every`, a record for at most `second_max` a second and CPU. */
#include "maps.bpf.h"
#include "reasons.h"

#define TRACE_SECOND_NS 1000000000ull

/* Is this drop one to show?  The clock tells, too, that the tracer is gone. */
static ALWAYS_INLINE int trace_wants(struct tollbar_tracing *mine, __u32 reason)
{
	if (!(policy.trace.reasons >> (reason & (TOLLBAR_REASON_CNT - 1)) & 1))
		return 0;
	if (++mine->seen < policy.trace.every)
		return 0;
	mine->seen = 0;
	__u64 now_ns = bpf_ktime_get_coarse_ns();
	if (now_ns >= policy.trace.until_ns)
		return 0;
	if (now_ns - mine->window_ns >= TRACE_SECOND_NS) {
		mine->window_ns = now_ns;
		mine->taken = 0;
	}
	if (mine->taken >= policy.trace.second_max) {
		mine->limited++;
		return 0;
	}
	mine->taken++;
	return 1;
}

static ALWAYS_INLINE void trace_fill(struct tollbar_event *event, struct xdp_md *ctx, __u32 reason, __u32 word)
{
	__u64 bytes = bpf_xdp_get_buff_len(ctx);

	event->time_ns = bpf_ktime_get_ns();
	event->ifindex = ctx->ingress_ifindex;
	event->frame_bytes = (__u32)bytes;
	event->reason = (__u16)reason;
	event->observed = (word & TOLLBAR_OBSERVE) != 0;
	/* The BPF verifier of 6.1 forgets the bounds of a value that goes by the stack: from here on it is another one, which
	 * stays in its register up to the call.  Nor does it see that what is not zero is at least one; but no driver brings
	 * a frame without an Ethernet header. */
	asm volatile("" : "+r"(bytes));
	if (bytes > TOLLBAR_EVENT_BYTES)
		bytes = TOLLBAR_EVENT_BYTES;
	event->kept_bytes = (__u16)bytes;
	if (bytes < sizeof(struct ethhdr) || bpf_xdp_load_bytes(ctx, 0, event->frame, (__u32)bytes) != 0)
		event->kept_bytes = 0;
}

static ALWAYS_INLINE void trace_drop(struct xdp_md *ctx, enum reason reason, __u32 word)
{
	__u32 key = 0;

	if (LIKELY(!(word & TOLLBAR_TRACE)) || !REASON_DROPS(reason))
		return;
	struct tollbar_tracing *mine = bpf_map_lookup_elem(&tracing, &key);
	if (!mine || !trace_wants(mine, (__u32)reason))
		return;
	struct tollbar_event *event = bpf_ringbuf_reserve(&trace, sizeof *event, 0);
	if (!event) {
		mine->lost++;
		return;
	}
	trace_fill(event, ctx, (__u32)reason, word);
	bpf_ringbuf_submit(event, 0);
	mine->sent++;
}

#endif
