/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TOLLBAR_MAPS_BPF_H
#define TOLLBAR_MAPS_BPF_H
/* maps.bpf.h: every map.  The kernel side writes the counters only; all else is written by the daemon (or by
 * `tollbar attach`) and read here.  Nothing is ever inserted on behalf of a packet. */
#include "defs.bpf.h"

#include <bpf/bpf_helpers.h>

#include "abi.h"

/* For the daemon: which abi.h this object was built from.  The program itself does not read it. */
const __u32 tollbar_abi SEC(TOLLBAR_MAP_ABI) __attribute__((used)) = TOLLBAR_ABI;

/* Ports and modes: 16 KiB, one array element the daemon maps into its memory.  Global data, so that reading it is a load
 * and no lookup. */
struct tollbar_policy policy SEC(TOLLBAR_MAP_POLICY);

/* One element of 1 KiB per CPU: no line is shared. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tollbar_counters);
} counters SEC(".maps");

/* Penalised sources.  A plain hash, and written by the daemon only: an LRU map filled from packets would let a spoofed
 * flood push the real offenders out, at several hundred nanoseconds a packet. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TOLLBAR_STANDING_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tollbar_address);
	__type(value, struct tollbar_standing);
} standing SEC(".maps");

/* The lists, one slot per generation.  The daemon fills fresh inner maps of the size it needs, puts them into the slots
 * not in force, and turns the generation bit of the policy word: one store replaces the whole list.  The program starts
 * with empty ones. */
struct exact_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct tollbar_address);
	__type(value, __u32);
} exact_empty SEC(".maps");

struct prefix_map {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tollbar_prefix);
	__type(value, __u32);
} prefix_empty SEC(".maps");

struct { /* single addresses */
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TOLLBAR_GENERATIONS);
	__type(key, __u32);
	__array(values, struct exact_map);
} exact SEC(".maps") = {.values = {&exact_empty, &exact_empty}};

/* The program that goes on with what passed: the operator's, put here by `tollbar attach --next`. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

struct { /* everything shorter */
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TOLLBAR_GENERATIONS);
	__type(key, __u32);
	__array(values, struct prefix_map);
} prefix SEC(".maps") = {.values = {&prefix_empty, &prefix_empty}};

#endif
