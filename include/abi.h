/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_ABI_H
#define TOLLBAR_ABI_H
/* abi.h: what the kernel program and the daemon say to each other: map names, keys and values.
 *
 * Fixed-width types only, padding is a named field and stays zero (map keys compare as bytes).  Sizes and offsets are
 * asserted below under both compilers, and tests/bpf/test_layout.c compares them with the object's BTF.
 * Any change of meaning raises TOLLBAR_ABI; the daemon refuses a program with another number. */
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#include "native_abi.h"

#define TOLLBAR_ABI 8u

/* How the program is recognised among others on an interface. The kernel cuts names at 15 characters. */
#define TOLLBAR_PROGRAM "tollbar_gate"
#define TOLLBAR_SECTION "xdp"
#define TOLLBAR_PROGRAM_FRAGS "tollbar_frags" /* the same for `ip link` where frames may take several buffers */
#define TOLLBAR_SECTION_FRAGS "xdp.frags"
#define TOLLBAR_MAP_ABI ".rodata.abi"
#define TOLLBAR_MAP_POLICY ".data.policy"
#define TOLLBAR_MAP_COUNTERS "counters"
#define TOLLBAR_MAP_STANDING "standing"
#define TOLLBAR_MAP_TOPS ".data.lists"
#define TOLLBAR_MAP_LISTS "lists"
#define TOLLBAR_MAP_NEXT "next"
#define TOLLBAR_MAP_BUCKETS "buckets"
#define TOLLBAR_MAP_SYNS "syns"
#define TOLLBAR_MAP_UNPROVED "unproved"
#define TOLLBAR_MAP_PAYERS "payers"
#define TOLLBAR_MAP_REPLAYS "replays"
#define TOLLBAR_MAP_OPENED "opened"
#define TOLLBAR_MAP_TRACE "trace"
#define TOLLBAR_MAP_TRACING "tracing"

/* An IPv6 address, or an IPv4 one as ::ffff:a.b.c.d, in network byte order.  The two cannot be confused: a frame whose
 * IPv6 source lies in ::ffff:0:0/96 is refused as a martian before any lookup. */
struct tollbar_address {
	__u8 bytes[16];
};

/* There are two of each list (lists_abi.h); the policy word says which is in force. */
#define TOLLBAR_GENERATIONS 2u

/* Bits of tollbar_policy.word.  The program reads it once per packet; the daemon changes it with one atomic store. */
#define TOLLBAR_ARMED 1u      /* there is a service port; without it every packet passes untouched */
#define TOLLBAR_MODE_ALLOW 2u /* only listed sources may reach a service port */
#define TOLLBAR_OBSERVE 4u    /* count what would be dropped, drop nothing */
#define TOLLBAR_HAS_LISTS 8u  /* the lists of this generation are not empty; a lookup is skipped if they are */
#define TOLLBAR_HAS_STANDING 32u
#define TOLLBAR_GENERATION 64u	   /* which lists are in force: 0 or 1 */
#define TOLLBAR_LIMITED 128u	   /* tollbar_policy.limits hold for sources on no list */
#define TOLLBAR_LIMIT_LISTED 256u  /* and for those on the allowlist too */
#define TOLLBAR_NEXT 1024u	   /* what passes goes on to the program in the map `next`, if there is one */
#define TOLLBAR_CHECKSUM 2048u	   /* checksums of what would pass are checked too */
#define TOLLBAR_FAIL_CLOSED 4096u  /* service ports are shut while no daemon says that it lives */
#define TOLLBAR_SYN_COOKIES 8192u  /* SYNs are answered with a cookie */
#define TOLLBAR_SYN_AUTO 16384u	   /* as soon as there are more than syns_per_s */
#define TOLLBAR_TRACE 32768u	   /* drops are sampled as tollbar_policy.trace says */
#define TOLLBAR_NATIVE 65536u	   /* some UDP service port speaks the native transport: tollbar_policy.native */
#define TOLLBAR_HAS_PAYERS 131072u /* there only payers on the list pass */
#define TOLLBAR_PAYERS_GENERATION 262144u
#define TOLLBAR_COOKIES 524288u	      /* every native request needs a cookie */
#define TOLLBAR_COOKIES_AUTO 1048576u /* as soon as there are more than cookies_per_s without */
#define TOLLBAR_COOKIES_SENT \
	2097152u /* what lacks one is answered with one here; else it passes, for the daemon to answer */
#define TOLLBAR_HAS_OPENED 4194304u /* sources that knocked are let in like listed ones */

/* What a tracer wants to see.  It renews until_ns while it lives: when it dies, sampling ends with its last word. */
struct tollbar_trace {
	__u64 until_ns;	  /* CLOCK_MONOTONIC; 0: nobody traces */
	__u64 reasons;	  /* bit r: drops for reason r */
	__u32 every;	  /* one in so many of them, counted per CPU */
	__u32 second_max; /* and at most so many a second and CPU */
	__u64 zero[5];
};

/* One bit per port, port p is bit p % 64 of word p / 64. */
#define TOLLBAR_PORT_WORDS 1024u

/* How much one source may send.  A pace of 0 is no limit. */
struct tollbar_limits {
	__u64 key[2];	       /* random, of the hash that says where a source has its bucket */
	__u64 packet_ns;       /* one packet in so many nanoseconds, */
	__u64 packet_burst_ns; /* and so many nanoseconds' worth of them at once */
	__u64 connection_ns;   /* the same for packets that open a TCP connection */
	__u64 connection_burst_ns;
	__u32 ip4_mask;	   /* network order: the part of an address that is one source */
	__u32 ip6_mask[2]; /* of its upper half */
	__u32 zero;
};

/* How many keys of the standing map fall on each of these places, at least: where there is none, nobody is penalised, and a
 * packet is spared the lookup.  255 stays for good. */
#define TOLLBAR_STANDING_PLACES 65536u /* a power of two */

struct tollbar_policy {
	__u32 word;
	__u32 syns_per_s;     /* to service ports, on one CPU */
	__u64 alive_until_ns; /* read with TOLLBAR_FAIL_CLOSED: a daemon lives until then; CLOCK_MONOTONIC */
	__u32 zero[12]; /* the word has its cache line to itself: ports change rarely, but they are read next to it */
	__u64 tcp_ports[TOLLBAR_PORT_WORDS];
	__u64 udp_ports[TOLLBAR_PORT_WORDS];
	struct tollbar_limits limits;
	struct tollbar_trace trace;
	struct tollbar_native native;
	__u8 standing_cnt[TOLLBAR_STANDING_PLACES];
};

/* 64:ff9b::/32: IPv4 addresses behind a translator (RFC 6052, RFC 8215); network order. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define TOLLBAR_TRANSLATED 0x9bff6400u
#else
#define TOLLBAR_TRANSLATED 0x0064ff9bu
#endif

/* Is an address a source by itself?  IPv4 is, translated or not: all of it is in one /64 each; and what little else is in
 * ::/64.  Of other IPv6 the /64 is the source: whoever has one address of it can take another with every connection. */
static inline int tollbar_standing_single(const struct tollbar_address *address)
{
	__u32 words[2];

	__builtin_memcpy(words, address, sizeof words);
	return !(words[0] | words[1]) || words[0] == TOLLBAR_TRANSLATED;
}

/* Key of the standing map: the address, or of a /64 the first one. */
static inline void tollbar_standing_key(struct tollbar_address *key)
{
	if (!tollbar_standing_single(key))
		__builtin_memset(key->bytes + 8, 0, 8);
}

/* The place of a key of the standing map. */
static inline __u32 tollbar_standing_place(const struct tollbar_address *key)
{
	__u64 halves[2], hash;

	__builtin_memcpy(halves, key, sizeof halves);
	hash = halves[0] ^ halves[1];
	hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15u;
	return (__u32)(hash >> 48);
}

/* Value of the standing map: the source is dropped until this moment (CLOCK_MONOTONIC, nanoseconds).  The rest is not read
 * in the kernel: it is kept here so that it outlives the daemon. */
struct tollbar_standing {
	__u64 until_ns;
	__u32 offences; /* penalties so far, this one included; an operator's do not count */
	__u32 reason;	/* number of the refusal that brought the last one; 0: an operator did */
};

/* Value of the buckets map: two buckets, one cache line.  See bucket.bpf.h. */
#define TOLLBAR_BUCKET_SETS 32768u /* a power of two; 65,536 sources, 2 MiB */
#define TOLLBAR_BUCKETS_IN_SET 2u

struct tollbar_bucket {
	__u64 tag;	       /* whose it is */
	__u64 packets_full_ns; /* the moment it is full again; CLOCK_MONOTONIC as of the last tick */
	__u64 connections_full_ns;
	__u64 zero;
};

struct tollbar_bucket_set {
	struct tollbar_bucket buckets[TOLLBAR_BUCKETS_IN_SET];
};

/* Value of the syns map and of the unproved map, per CPU: how many there are; see flood.bpf.h. */
struct tollbar_flood {
	__u64 second_ns; /* when the second began in which they are counted */
	__u32 cnt;
	__u32 flooded; /* 1: too many, in this second or the one before */
};

/* Per CPU.  packets[r] counts packets that ended with kernel reason r (reasons.h, numbers below 64); of these,
 * observed[r] passed only because of TOLLBAR_OBSERVE.  Dropped is the difference for every r that drops. */
#define TOLLBAR_REASON_CNT 64u

struct tollbar_counters {
	__u64 packets[TOLLBAR_REASON_CNT];
	__u64 observed[TOLLBAR_REASON_CNT];
};

/* A sampled drop, in the ring buffer. */
#define TOLLBAR_EVENT_BYTES 104u /* of the frame: Ethernet, two tags, IPv6, an extension or two, TCP */

struct tollbar_event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 ifindex;
	__u32 frame_bytes; /* all of the frame */
	__u16 reason;
	__u16 kept_bytes; /* of `frame`; what is behind them means nothing */
	__u32 observed;	  /* 1: it passed, only because of TOLLBAR_OBSERVE */
	__u8 frame[TOLLBAR_EVENT_BYTES];
};

/* Per CPU, written by the program. */
struct tollbar_tracing {
	__u64 window_ns; /* start of the second that `taken` counts in */
	__u32 seen;	 /* since the last sample */
	__u32 taken;
	__u64 sent;    /* events put in the ring buffer, ever */
	__u64 limited; /* not put, for second_max */
	__u64 lost;    /* not put, for want of room */
};

#define TOLLBAR_TRACE_RING_BYTES 262144u /* two thousand events */

#define TOLLBAR_STANDING_MAX 65536u /* sources at one time; 16 + 16 bytes each, about 6 MiB with the table */

#define TOLLBAR_OFFSET_OF(type, field) __builtin_offsetof(struct type, field)
_Static_assert(sizeof(struct tollbar_address) == 16, "tollbar_address");
_Static_assert(sizeof(struct tollbar_limits) == 64, "tollbar_limits");
_Static_assert(TOLLBAR_OFFSET_OF(tollbar_limits, ip4_mask) == 48, "tollbar_limits.ip4_mask");
_Static_assert(sizeof(struct tollbar_trace) == 64, "tollbar_trace");
_Static_assert(sizeof(struct tollbar_policy) == 64 + 2 * 8192 + 128 + 9600 + TOLLBAR_STANDING_PLACES, "tollbar_policy");
_Static_assert(TOLLBAR_STANDING_PLACES == 1u << 16, "tollbar_standing_place");
_Static_assert(TOLLBAR_OFFSET_OF(tollbar_policy, alive_until_ns) == 8, "tollbar_policy.alive_until_ns");
_Static_assert(TOLLBAR_OFFSET_OF(tollbar_policy, tcp_ports) == 64, "tollbar_policy.tcp_ports");
_Static_assert(TOLLBAR_OFFSET_OF(tollbar_policy, udp_ports) == 64 + 8192, "tollbar_policy.udp_ports");
_Static_assert(TOLLBAR_OFFSET_OF(tollbar_policy, limits) == 64 + 2 * 8192, "tollbar_policy.limits");
_Static_assert(sizeof(struct tollbar_bucket) == 32, "tollbar_bucket");
_Static_assert(sizeof(struct tollbar_bucket_set) == 64, "tollbar_bucket_set");
_Static_assert(sizeof(struct tollbar_flood) == 16, "tollbar_flood");
_Static_assert(TOLLBAR_OFFSET_OF(tollbar_policy, trace) == 64 + 2 * 8192 + 64, "tollbar_policy.trace");
_Static_assert(TOLLBAR_OFFSET_OF(tollbar_policy, native) == 64 + 2 * 8192 + 128, "tollbar_policy.native");
_Static_assert(TOLLBAR_OFFSET_OF(tollbar_policy, standing_cnt) == 64 + 2 * 8192 + 128 + 9600,
	       "tollbar_policy.standing_cnt");
_Static_assert(sizeof(struct tollbar_event) == 128, "tollbar_event");
_Static_assert(TOLLBAR_OFFSET_OF(tollbar_event, frame) == 24, "tollbar_event.frame");
_Static_assert(sizeof(struct tollbar_tracing) == 40, "tollbar_tracing");
_Static_assert(sizeof(struct tollbar_standing) == 16, "tollbar_standing");
_Static_assert(sizeof(struct tollbar_counters) == 1024, "tollbar_counters");
_Static_assert(TOLLBAR_OFFSET_OF(tollbar_counters, observed) == 512, "tollbar_counters.observed");

#endif
