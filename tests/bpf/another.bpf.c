// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* another.bpf.c: a second XDP program for the tests of living beside others: counts TCP over IPv4,
 * and answers what it is told to. */
#include "defs.bpf.h"

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} another_seen SEC(".maps");

struct { /* an XDP action; 0: XDP_PASS */
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} another_verdict SEC(".maps");

SEC("xdp")
int another(struct xdp_md *ctx)
{
	const struct ethhdr *ethernet = (void *)(long)ctx->data;
	const struct iphdr *ip = (const void *)(ethernet + 1);
	__u32 key = 0;
	__u64 *seen = bpf_map_lookup_elem(&another_seen, &key);
	__u32 *action = bpf_map_lookup_elem(&another_verdict, &key);

	if ((const void *)(ip + 1) > (const void *)(long)ctx->data_end || ethernet->h_proto != BE16(ETH_P_IP))
		return XDP_PASS;
	if (seen && ip->protocol == IPPROTO_TCP)
		__sync_fetch_and_add(seen, 1);
	return action && *action ? (int)*action : XDP_PASS;
}

char another_license[] SEC("license") = "Dual BSD/GPL";
