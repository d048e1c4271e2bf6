// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* rotate.bpf.c: gives each packet of a BPF_PROG_TEST_RUN the next source of a list, then runs the program under test by a
 * tail call.  TEST_RUN alone repeats one packet, whose lookups are then all in the nearest cache. */
#include "defs.bpf.h"

#include <bpf/bpf_helpers.h>

#include "abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

struct { /* read in order, so that the next ones are always prefetched */
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* as many as the loader sets */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct tollbar_address);
} sources SEC(".maps");

const volatile __u32 source_cnt = 1;
__u32 next_idx;

SEC("xdp")
int rotate(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ip4 = (void *)(ethernet + 1);
	struct ipv6hdr *ip6 = (void *)(ethernet + 1);
	__u32 idx = next_idx;
	const struct tollbar_address *source = bpf_map_lookup_elem(&sources, &idx);

	next_idx = idx + 1 < source_cnt ? idx + 1 : 0;
	if (!source || (void *)(ip6 + 1) > data_end)
		return XDP_ABORTED;
	if (ethernet->h_proto == BE16(ETH_P_IP))
		__builtin_memcpy(&ip4->saddr, source->bytes + 12, 4);
	else
		__builtin_memcpy(&ip6->saddr, source->bytes, 16);
	bpf_tail_call(ctx, &target, 0);
	return XDP_ABORTED;
}

char rotate_license[] SEC("license") = "Dual BSD/GPL";
