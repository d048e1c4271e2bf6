/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_BUCKET_BPF_H
#define TOLLBAR_BUCKET_BPF_H
/* bucket.bpf.h: how much one source may send: packets, and new TCP connections, a second and at once.  A source is a
 * prefix: an IPv4 address and an IPv6 /64 unless the policy says otherwise.  Compiles for the kernel and for cc (unit
 * tests); all but bucket_check is pure, the time is an argument.
 *
 * A bucket is one number, the moment at which it is full again.  A packet puts that moment off by packet_ns, and is
 * refused when it would then lie more than packet_burst_ns ahead.  This is the token bucket exactly, in integers, without
 * a refill step, and what is refused writes nothing: a flood from one source only reads its bucket.
 *
 * Nobody is refused for what another source sent: a bucket carries the whole source, hashed one to one, not part of it.
 * Each source has two places.  It takes one that is full, which is as good as empty, and when both are in use by others
 * its packets are not counted.  So a flood from forged sources costs honest ones nothing, however large.  What it can do
 * is to let others send more than their limit, while it occupies the table: one packet holds a place for packet_ns, a SYN
 * for connection_ns.  To take half the places it needs 3.3 million packets a second where 100 a second are allowed, or
 * 330,000 SYNs where 10 are.
 *
 * What a limit by source cannot do: an attacker who forges the address of somebody he knows uses up that one's bucket.
 * Listed sources are not limited, unless the policy wants it.
 *
 * Time is that of the last tick (1 to 10 ms, CONFIG_HZ), at half the cost of the exact one.  Within a tick nothing
 * refills, so the burst must hold 10 ms' worth of packets at least; the configuration insists on it.
 *
 * CPUs share the buckets without locks or atomics.  Where two give one free place away at the same moment, its new source
 * carries one packet of the other's.  What one CPU counts between another's read and write of the same
 * bucket is forgotten, a packet or two: two CPUs that judge nothing but packets of one source let 5 to 30 % more through
 * than allowed (tests/bpf/test_bucket.c).  A compare-and-exchange would cost every packet as much as the rest of this
 * does, and buckets for each CPU would multiply the limit by the queues a source can reach, always. */
#ifdef __bpf__
#include "maps.bpf.h"
#endif
#include "packet.bpf.h"

/* The part of an address that is one source.  IPv4 goes where IPv6 has multicast, which is refused before this; so does IPv4
 * behind a translator, all of which is one /64: there an IPv4 address is a source, as without the translator. */
static ALWAYS_INLINE __u64 bucket_source(const struct tollbar_address *source, __u32 version,
					 const struct tollbar_limits *limits)
{
	const __u32 *words = (const __u32 *)source;

	if (LIKELY(version == 4))
		return BE32(0xff000000u) | (__u64)(words[3] & limits->ip4_mask) << 32;
	if (words[0] == TOLLBAR_TRANSLATED) /* between them lies which translator's, 0 for 64:ff9b::/96 */
		return (BE32(0xff010000u) ^ words[1] ^ words[2]) | (__u64)(words[3] & limits->ip4_mask) << 32;
	return (words[0] & limits->ip6_mask[0]) | (__u64)(words[1] & limits->ip6_mask[1]) << 32;
}

/* One to one, so that the hash stands for the source; its low bits choose the set.  A multiplication takes the secret
 * upwards, a shift takes what it made down again.  This is no cipher, and needs not be: who finds sources of his own that
 * share a set gets that they are not limited together, which as many other sources get him as well, and against
 * another's source an occupied set does nothing.  SipHash would cost more than all else here. */
static ALWAYS_INLINE __u64 bucket_hash(__u64 source, const __u64 key[2])
{
	__u64 hash = (source ^ key[0]) * 0x9e3779b97f4a7c15u;

	hash ^= hash >> 32;
	hash *= key[1] | 1;
	hash ^= hash >> 32;
	hash *= 0xd6e8feb86659fd93u;
	return hash ^ hash >> 32;
}

/* The bucket that is this source's own, or now becomes it; 0: both places are taken. */
static ALWAYS_INLINE struct tollbar_bucket *bucket_find(struct tollbar_bucket_set *set, __u64 tag, __u64 now_ns)
{
	struct tollbar_bucket *first = &set->buckets[0], *second = &set->buckets[1];

	if (LIKELY(first->tag == tag))
		return first;
	if (second->tag == tag)
		return second;
	struct tollbar_bucket *bucket = first;
	if (first->packets_full_ns > now_ns || first->connections_full_ns > now_ns) {
		if (second->packets_full_ns > now_ns || second->connections_full_ns > now_ns)
			return 0;
		bucket = second;
	}
	bucket->tag = tag;
	return bucket;
}

/* Takes one from a bucket: 1, or 0 when it is empty. */
static ALWAYS_INLINE int bucket_take(__u64 *full_ns, __u64 now_ns, __u64 one_ns, __u64 burst_ns)
{
	__u64 from_ns = *full_ns > now_ns ? *full_ns : now_ns;

	if (UNLIKELY(from_ns + one_ns - now_ns > burst_ns))
		return 0;
	*full_ns = from_ns + one_ns;
	return 1;
}

/* REASON_OK, RATE or SYN_RATE.  A packet that opens a connection takes from both. */
static ALWAYS_INLINE enum reason bucket_judge(struct tollbar_bucket *bucket, const struct tollbar_limits *limits,
					      __u32 opens, __u64 now_ns)
{
	if (limits->packet_ns &&
	    !bucket_take(&bucket->packets_full_ns, now_ns, limits->packet_ns, limits->packet_burst_ns))
		return RATE;
	if (opens && limits->connection_ns &&
	    !bucket_take(&bucket->connections_full_ns, now_ns, limits->connection_ns, limits->connection_burst_ns))
		return SYN_RATE;
	return REASON_OK;
}

static ALWAYS_INLINE int bucket_asked(enum reason reason, __u32 word)
{
	return word & TOLLBAR_LIMITED && (reason != PASS_ALLOWED || word & TOLLBAR_LIMIT_LISTED);
}

#ifdef __bpf__
static ALWAYS_INLINE struct tollbar_bucket_set *bucket_set(__u64 hash)
{
	__u32 key = (__u32)hash & (TOLLBAR_BUCKET_SETS - 1);

	return bpf_map_lookup_elem(&buckets, &key);
}

/* Fetches the source's buckets for bucket_check: their line is in no near cache, and comes while other things are asked. */
static ALWAYS_INLINE void bucket_fetch(const struct tollbar_address *source, __u32 version)
{
	const struct tollbar_limits *limits = &policy.limits;
	const struct tollbar_bucket_set *set =
		bucket_set(bucket_hash(bucket_source(source, version, limits), limits->key));

	if (set)
		FETCH(set->buckets[0].tag);
}

static ALWAYS_INLINE enum reason bucket_check(const struct tollbar_address *source, const struct packet *packet)
{
	const struct tollbar_limits *limits = &policy.limits;

	if (!packet->opens && !limits->packet_ns)
		return REASON_OK;
	__u64 hash = bucket_hash(bucket_source(source, packet->version, limits), limits->key);
	struct tollbar_bucket_set *set = bucket_set(hash);
	if (UNLIKELY(!set)) /* cannot be: the index is within the array */
		return REASON_OK;
	__u64 now_ns = bpf_ktime_get_coarse_ns();
	struct tollbar_bucket *bucket = bucket_find(set, hash, now_ns);
	return bucket ? bucket_judge(bucket, limits, packet->opens, now_ns) : REASON_OK;
}
#endif

#endif
