/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_MAPS_BPF_H
#define TOLLBAR_MAPS_BPF_H
/* maps.bpf.h: every map.  The kernel side writes the counters, the floods, the buckets, the paces of repeats and, while
 * somebody traces, events; all else is written by the daemon (or by `tollbar attach`) and read here.  Nothing that grows is ever written on behalf of a
 * packet. */
#include "defs.bpf.h"

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "lists_abi.h"

/* For the daemon: which abi.h this object was built from.  The program itself does not read it. */
const __u32 tollbar_abi SEC(TOLLBAR_MAP_ABI) __attribute__((used)) = TOLLBAR_ABI;

/* Ports, modes, limits, native terms, where to look for penalties: 91 KiB, one array element the daemon maps into its memory.  Global
 * data, so that reading it is a load and no lookup. */
struct tollbar_policy policy SEC(TOLLBAR_MAP_POLICY);

/* One element of 1 KiB per CPU: no line is shared. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tollbar_counters);
} counters SEC(".maps");

/* Sampled drops for `tollbar trace`, and how each CPU's sampling stands. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, TOLLBAR_TRACE_RING_BYTES);
} trace SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tollbar_tracing);
} tracing SEC(".maps");

/* Penalised sources.  A plain hash, and written by the daemon only: an LRU map filled from packets would let a spoofed
 * flood push the real offenders out, at several hundred nanoseconds a packet. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TOLLBAR_STANDING_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tollbar_address);
	__type(value, struct tollbar_standing);
} standing SEC(".maps");

/* How many SYNs there are, by CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tollbar_flood);
} syns SEC(".maps");

/* How many native requests there are from senders who proved nothing, by CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tollbar_flood);
} unproved SEC(".maps");

/* The payer list.  The daemon writes the half not in force, then turns the generation bit of the policy word. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TOLLBAR_PAYERS_LINES); /* `tollbar attach --payers` sets another number */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct tollbar_payers);
} payers SEC(".maps");

/* Claimed nonces.  The daemon writes them, by plain stores into these pages; the program moves the moment at which the next
 * repeat of one passes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TOLLBAR_REPLAY_LINES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct tollbar_replays);
} replays SEC(".maps");

/* Sources whose knock the daemon took. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TOLLBAR_OPENED_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tollbar_address);
	__type(value, struct tollbar_opened);
} opened SEC(".maps");

/* What sources have sent lately: the one map written on behalf of packets.  It never grows and nothing in it is looked
 * for by anyone else, so forged sources can fill it, and then it says nothing of them.  Mappable for its alignment alone:
 * a set is then one cache line. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TOLLBAR_BUCKET_SETS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct tollbar_bucket_set);
} buckets SEC(".maps");

/* The lists.  The daemon writes the top and the chunks of the generation not in force, then turns the generation bit of
 * the policy word: one store replaces both lists.  At first there are no chunks. */
struct tollbar_lists_top lists_tops[TOLLBAR_GENERATIONS] SEC(TOLLBAR_MAP_TOPS);

struct lists_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TOLLBAR_CHUNK_LINES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(union tollbar_line));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TOLLBAR_CHUNK_SLOTS);
	__type(key, __u32);
	__array(values, struct lists_chunk);
} lists SEC(".maps");

/* The program that goes on with what passed: the operator's, put here by `tollbar attach --next`. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

#endif
