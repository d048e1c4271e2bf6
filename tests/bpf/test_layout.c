// SPDX-License-Identifier: Apache-2.0
/* The object's BTF against abi.h as this compiler lays it out, and the object's maps against what the daemon looks for.
 * Reads the file only: needs no privilege. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stddef.h>
#include <stdlib.h>

#include "abi.h"
#include "check.h"
#include "lists_abi.h"
#include "reasons.h"

#define OBJECT "build/gate.bpf.o"
#define FIELDS_MAX 15

struct field {
	const char *name;
	size_t offset, bytes;
};

#define FIELD(type, name)                                                            \
	{                                                                            \
#name, offsetof(struct type, name), sizeof(((struct type *)0)->name) \
	}

static const struct layout {
	const char *name;
	size_t bytes;
	struct field fields[FIELDS_MAX];
} layouts[] = {
	{"tollbar_address", sizeof(struct tollbar_address), {FIELD(tollbar_address, bytes)}},
	{"tollbar_lists_top",
	 sizeof(struct tollbar_lists_top),
	 {FIELD(tollbar_lists_top, seed), FIELD(tollbar_lists_top, blocks_at), FIELD(tollbar_lists_top, block_lines),
	  FIELD(tollbar_lists_top, nets_at), FIELD(tollbar_lists_top, net_lines), FIELD(tollbar_lists_top, chunk_cnt),
	  FIELD(tollbar_lists_top, zero), FIELD(tollbar_lists_top, codes4), FIELD(tollbar_lists_top, codes6)}},
	{"tollbar_policy",
	 sizeof(struct tollbar_policy),
	 {FIELD(tollbar_policy, word), FIELD(tollbar_policy, syns_per_s), FIELD(tollbar_policy, alive_until_ns),
	  FIELD(tollbar_policy, zero), FIELD(tollbar_policy, tcp_ports), FIELD(tollbar_policy, udp_ports),
	  FIELD(tollbar_policy, limits), FIELD(tollbar_policy, trace), FIELD(tollbar_policy, native),
	  FIELD(tollbar_policy, standing_cnt)}},
	{"tollbar_native",
	 sizeof(struct tollbar_native),
	 {FIELD(tollbar_native, tick_ns), FIELD(tollbar_native, valid_after_max), FIELD(tollbar_native, deadline_min),
	  FIELD(tollbar_native, deadline_max), FIELD(tollbar_native, until_min), FIELD(tollbar_native, until_max),
	  FIELD(tollbar_native, cookies_per_s), FIELD(tollbar_native, terms_cnt), FIELD(tollbar_native, zero),
	  FIELD(tollbar_native, cookie_key), FIELD(tollbar_native, payers), FIELD(tollbar_native, tag_key),
	  FIELD(tollbar_native, zero_too), FIELD(tollbar_native, terms), FIELD(tollbar_native, ports)}},
	{"tollbar_native_terms",
	 sizeof(struct tollbar_native_terms),
	 {FIELD(tollbar_native_terms, chain_id), FIELD(tollbar_native_terms, asset),
	  FIELD(tollbar_native_terms, asset_rest), FIELD(tollbar_native_terms, methods)}},
	{"tollbar_payers_top",
	 sizeof(struct tollbar_payers_top),
	 {FIELD(tollbar_payers_top, seed), FIELD(tollbar_payers_top, lines), FIELD(tollbar_payers_top, at)}},
	{"tollbar_payers",
	 sizeof(struct tollbar_payers),
	 {FIELD(tollbar_payers, high), FIELD(tollbar_payers, middle), FIELD(tollbar_payers, low),
	  FIELD(tollbar_payers, moved)}},
	{"tollbar_replays", sizeof(struct tollbar_replays), {FIELD(tollbar_replays, replays)}},
	{"tollbar_replay",
	 sizeof(struct tollbar_replay),
	 {FIELD(tollbar_replay, tag), FIELD(tollbar_replay, mark), FIELD(tollbar_replay, pass_tick)}},
	{"tollbar_opened", sizeof(struct tollbar_opened), {FIELD(tollbar_opened, until_ns)}},
	{"tollbar_limits",
	 sizeof(struct tollbar_limits),
	 {FIELD(tollbar_limits, key), FIELD(tollbar_limits, packet_ns), FIELD(tollbar_limits, packet_burst_ns),
	  FIELD(tollbar_limits, connection_ns), FIELD(tollbar_limits, connection_burst_ns),
	  FIELD(tollbar_limits, ip4_mask), FIELD(tollbar_limits, ip6_mask), FIELD(tollbar_limits, zero)}},
	{"tollbar_flood",
	 sizeof(struct tollbar_flood),
	 {FIELD(tollbar_flood, second_ns), FIELD(tollbar_flood, cnt), FIELD(tollbar_flood, flooded)}},
	{"tollbar_bucket",
	 sizeof(struct tollbar_bucket),
	 {FIELD(tollbar_bucket, tag), FIELD(tollbar_bucket, packets_full_ns),
	  FIELD(tollbar_bucket, connections_full_ns), FIELD(tollbar_bucket, zero)}},
	{"tollbar_bucket_set", sizeof(struct tollbar_bucket_set), {FIELD(tollbar_bucket_set, buckets)}},
	{"tollbar_trace",
	 sizeof(struct tollbar_trace),
	 {FIELD(tollbar_trace, until_ns), FIELD(tollbar_trace, reasons), FIELD(tollbar_trace, every),
	  FIELD(tollbar_trace, second_max), FIELD(tollbar_trace, zero)}},
	/* tollbar_event is in no map's BTF: a ring buffer has no type.  test_trace.c reads one. */
	{"tollbar_tracing",
	 sizeof(struct tollbar_tracing),
	 {FIELD(tollbar_tracing, window_ns), FIELD(tollbar_tracing, seen), FIELD(tollbar_tracing, taken),
	  FIELD(tollbar_tracing, sent), FIELD(tollbar_tracing, limited), FIELD(tollbar_tracing, lost)}},
	{"tollbar_standing",
	 sizeof(struct tollbar_standing),
	 {FIELD(tollbar_standing, until_ns), FIELD(tollbar_standing, offences), FIELD(tollbar_standing, reason)}},
	{"tollbar_counters",
	 sizeof(struct tollbar_counters),
	 {FIELD(tollbar_counters, packets), FIELD(tollbar_counters, observed)}},
};

static size_t field_cnt(const struct layout *layout)
{
	size_t cnt = 0;

	while (cnt < FIELDS_MAX && layout->fields[cnt].name != NULL)
		cnt++;
	return cnt;
}

static void layout_compare(const struct btf *btf, const struct layout *layout)
{
	int id = btf__find_by_name_kind(btf, layout->name, BTF_KIND_STRUCT);

	CHECK_ROW(id > 0, layout->name);
	if (id <= 0)
		return;
	const struct btf_type *type = btf__type_by_id(btf, (__u32)id);
	CHECK_EQ(type->size, layout->bytes);
	CHECK_EQ(btf_vlen(type), field_cnt(layout)); /* every field is in the table above */
	for (size_t i = 0; i < field_cnt(layout) && i < btf_vlen(type); i++) {
		const struct btf_member *member = btf_members(type) + i;
		CHECK_ROW(strcmp(btf__name_by_offset(btf, member->name_off), layout->fields[i].name) == 0,
			  layout->fields[i].name);
		CHECK_EQ(btf_member_bit_offset(type, (__u32)i), layout->fields[i].offset * 8);
		CHECK_EQ(btf__resolve_size(btf, member->type), layout->fields[i].bytes);
	}
}

TEST(structs)
{
	struct btf *btf = btf__parse(OBJECT, NULL);

	CHECK(btf != NULL);
	for (size_t i = 0; btf != NULL && i < sizeof layouts / sizeof *layouts; i++)
		layout_compare(btf, &layouts[i]);
	btf__free(btf);
}

/* Kernel reasons index tollbar_counters, and their number alone tells whether they drop. */
TEST(reasons)
{
	static const struct {
		const char *name;
		int number;
	} rows[] = {
#define K(number, name, word) {#name, number},
		REASONS_KERNEL(K)
#undef K
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		CHECK_ROW(rows[i].number > 0 && rows[i].number < (int)TOLLBAR_REASON_CNT, rows[i].name);
		bool lets_live = strncmp(rows[i].name, "PASS_", 5) == 0 || rows[i].number == SYN_COOKIE ||
				 rows[i].number == NATIVE_COOKIE;
		CHECK_ROW(lets_live != REASON_DROPS(rows[i].number), rows[i].name);
	}
}

TEST(maps)
{
	static const struct {
		const char *name;
		enum bpf_map_type type;
		size_t key_bytes, value_bytes, entries;
	} rows[] = {
		{TOLLBAR_MAP_ABI, BPF_MAP_TYPE_ARRAY, 4, 4, 1},
		{TOLLBAR_MAP_POLICY, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tollbar_policy), 1},
		{TOLLBAR_MAP_COUNTERS, BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct tollbar_counters), 1},
		{TOLLBAR_MAP_STANDING, BPF_MAP_TYPE_HASH, sizeof(struct tollbar_address),
		 sizeof(struct tollbar_standing), TOLLBAR_STANDING_MAX},
		{TOLLBAR_MAP_TOPS, BPF_MAP_TYPE_ARRAY, 4, TOLLBAR_GENERATIONS * sizeof(struct tollbar_lists_top), 1},
		{TOLLBAR_MAP_LISTS, BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4, TOLLBAR_CHUNK_SLOTS},
		{TOLLBAR_MAP_NEXT, BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 1},
		{TOLLBAR_MAP_BUCKETS, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tollbar_bucket_set), TOLLBAR_BUCKET_SETS},
		{TOLLBAR_MAP_SYNS, BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct tollbar_flood), 1},
		{TOLLBAR_MAP_UNPROVED, BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct tollbar_flood), 1},
		{TOLLBAR_MAP_PAYERS, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tollbar_payers), TOLLBAR_PAYERS_LINES},
		{TOLLBAR_MAP_REPLAYS, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tollbar_replays), TOLLBAR_REPLAY_LINES},
		{TOLLBAR_MAP_OPENED, BPF_MAP_TYPE_HASH, sizeof(struct tollbar_address), sizeof(struct tollbar_opened),
		 TOLLBAR_OPENED_MAX},
		{TOLLBAR_MAP_TRACE, BPF_MAP_TYPE_RINGBUF, 0, 0, TOLLBAR_TRACE_RING_BYTES},
		{TOLLBAR_MAP_TRACING, BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct tollbar_tracing), 1},
	};
	struct bpf_object *object = bpf_object__open_file(OBJECT, NULL);

	CHECK(object != NULL);
	for (size_t i = 0; object != NULL && i < sizeof rows / sizeof *rows; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, rows[i].name);
		CHECK_ROW(map != NULL, rows[i].name);
		CHECK_ROW(strlen(rows[i].name) < BPF_OBJ_NAME_LEN, rows[i].name);
		if (map == NULL)
			continue;
		CHECK_ROW(bpf_map__type(map) == rows[i].type, rows[i].name);
		CHECK_ROW(bpf_map__key_size(map) == rows[i].key_bytes, rows[i].name);
		CHECK_ROW(bpf_map__value_size(map) == rows[i].value_bytes, rows[i].name);
		CHECK_ROW(bpf_map__max_entries(map) == rows[i].entries, rows[i].name);
	}
	bpf_object__close(object);
}

static void program_check(const char *name, const char *section)
{
	struct bpf_object *object = bpf_object__open_file(OBJECT, NULL);
	struct bpf_program *program = object == NULL ? NULL : bpf_object__find_program_by_name(object, name);

	CHECK(program != NULL && strlen(name) < BPF_OBJ_NAME_LEN);
	CHECK(program != NULL && strcmp(bpf_program__section_name(program), section) == 0);
	CHECK(program != NULL && bpf_program__type(program) == BPF_PROG_TYPE_XDP);
	bpf_object__close(object);
}

TEST(programs)
{
	program_check(TOLLBAR_PROGRAM, TOLLBAR_SECTION);
	program_check(TOLLBAR_PROGRAM_FRAGS, TOLLBAR_SECTION_FRAGS);
}

TEST(abi_version)
{
	struct bpf_object *object = bpf_object__open_file(OBJECT, NULL);
	struct bpf_map *map = object == NULL ? NULL : bpf_object__find_map_by_name(object, TOLLBAR_MAP_ABI);
	size_t bytes = 0;
	const __u32 *value = map == NULL ? NULL : bpf_map__initial_value(map, &bytes);

	CHECK(value != NULL && bytes == 4 && *value == TOLLBAR_ABI);
	bpf_object__close(object);
}

CHECK_MAIN
