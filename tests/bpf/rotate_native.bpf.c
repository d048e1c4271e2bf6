// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* rotate_native.bpf.c: as rotate.bpf.c, for native requests: each gets the next payer of a list, from the payer's own source,
 * and a nonce of its own.  Ethernet, IPv4 and UDP stand in front, without tags and options. */
#include "defs.bpf.h"

#include <bpf/bpf_helpers.h>

#include "native.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

/* Read in order, so that the next ones are always prefetched; as many as the loader sets. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64); /* an IPv4 address */
} sources SEC(".maps");

struct payer {
	__u32 words[6]; /* the last is none of it */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct payer);
} payers SEC(".maps");

const volatile __u32 source_cnt = 1, payer_cnt = 1;
__u64 packets;

SEC("xdp")
int rotate_native(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct native_request *request = (void *)(ip + 1) + sizeof(struct udphdr);
	__u32 payer_idx = packets % payer_cnt, source_idx = payer_idx % source_cnt;
	const __u64 *source = bpf_map_lookup_elem(&sources, &source_idx);
	const struct payer *payer = bpf_map_lookup_elem(&payers, &payer_idx);

	packets++;
	if (!source || !payer || (void *)(request + 1) > data_end)
		return XDP_ABORTED;
	ip->saddr = (__u32)*source;
	__builtin_memcpy((__u32 *)request->payer, payer->words, 20);
	*(__u64 *)(request->nonce + 24) = packets * 0x9e3779b97f4a7c15u;
	bpf_tail_call(ctx, &target, 0);
	return XDP_ABORTED;
}

char rotate_license[] SEC("license") = "Dual BSD/GPL";
