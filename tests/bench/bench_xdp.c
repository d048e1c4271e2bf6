// SPDX-License-Identifier: Apache-2.0
/* What a packet costs in the gate, against yardsticks measured in the same run, sides alternating:
 *
 *   xdp_junk_over_floor      a malformed packet to a service port (SYN+FIN: the last of the header checks), over a program
 *                            that only says XDP_DROP.  Both include what BPF_PROG_TEST_RUN itself costs.
 *   xdp_deny_over_xdpfilter  a well-formed SYN from a random unlisted source in allow mode with 1,000 IPv4 prefixes, over
 *                            the same in xdp-filter's default-deny IP object, which knows 1,000 single addresses.
 *   xdp_admit_over_floor     a SYN that every check lets through: 1,000 prefixes of each family and 10,000 single
 *                            addresses on the list, 1,000 other sources penalised, limits on packets and connections; over
 *                            XDP_DROP.
 *   xdp_admit_100k_over_1k   the same with 100,000 prefixes of each family, over 1,000.
 *   xdp_admit6_100k_over_1k  the same from IPv6 sources.
 *
 * But for junk, each packet has another source, out of 65,536 (rotate.bpf.c).  What the rotation costs is measured with
 * XDP_DROP as its target and taken off, so it dilutes no ratio.  Lengths of prefixes are mixed as in routing tables.
 *
 * xdp_traced: the malformed packet while a tracer sees all it may in a second, as in a flood. */
#include "xdp_sides.h"

#include <glob.h>

#include "../bpf/frames.h"

#define SOURCE_CNT 65536u

/* --- lists and sources ------------------------------------------------------------------------------------------ */

/* IPv4 between 1.0.0.0 and 222.255.255.255; IPv6 in the parts of 2000::/3 that registries give out. */
static struct in6_addr random_address(bool ip4)
{
	static const uint8_t second[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0c, 0x0d};
	struct in6_addr address = {.s6_addr = {[10] = 255, 255}};

	if (ip4) {
		random_bytes(&address.s6_addr[12], 4);
		address.s6_addr[12] = (uint8_t)(1 + address.s6_addr[12] % 222);
	} else {
		random_bytes(address.s6_addr, 16);
		address.s6_addr[0] = 0x2a;
		address.s6_addr[1] = second[address.s6_addr[1] % sizeof second];
	}
	return address;
}

static bool bit_of(const struct in6_addr *address, unsigned bit)
{
	return address->s6_addr[bit / 8] >> (7 - bit % 8) & 1;
}

/* Takes the bits from `bits` on from another address. */
static void bits_replace(struct in6_addr *address, unsigned bits, const struct in6_addr *other)
{
	for (unsigned bit = bits; bit < 128; bit++)
		if (bit_of(address, bit) != bit_of(other, bit))
			address->s6_addr[bit / 8] = (uint8_t)(address->s6_addr[bit / 8] ^ 0x80 >> bit % 8);
}

static bool covers(const struct prefix *prefix, const struct in6_addr *address)
{
	struct in6_addr same = *address;

	bits_replace(&same, prefix->bits, &prefix->address);
	return memcmp(&same, &prefix->address, sizeof same) == 0;
}

static void prefixes_add(struct prefix_list *list, size_t cnt, bool ip4)
{
	static const uint8_t bits4[] = {16, 18, 19, 20, 21, 22, 22, 23, 23, 24, 24, 24, 24, 24, 24, 28},
			     bits6[] = {29, 32, 32, 32, 32, 36, 40, 44, 48, 48, 48, 48, 48, 48, 56, 64};
	static const struct in6_addr zero;

	for (size_t i = 0; i < cnt; i++) {
		struct prefix prefix = {.address = random_address(ip4)};
		prefix.bits = ip4 ? (uint8_t)(96 + bits4[random_next() % 16]) : bits6[random_next() % 16];
		bits_replace(&prefix.address, prefix.bits, &zero);
		list->prefixes[list->cnt++] = prefix;
	}
}

static void singles_add(struct prefix_list *list, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		list->prefixes[list->cnt++] = (struct prefix){random_address(true), 128};
}

static void prefix_list_init(struct prefix_list *list, size_t cnt4, size_t cnt6, size_t single_cnt)
{
	*list = (struct prefix_list){.prefixes = calloc(cnt4 + cnt6 + single_cnt, sizeof *list->prefixes)};
	if (list->prefixes == NULL)
		give_up("list", -ENOMEM);
	prefixes_add(list, cnt4, true);
	prefixes_add(list, cnt6, false);
	singles_add(list, single_cnt);
}

typedef struct in6_addr source_set[SOURCE_CNT];

/* Somebody within a random one of the prefixes. */
static void guests_draw(source_set sources, const struct prefix *prefixes, size_t cnt, bool ip4)
{
	for (size_t i = 0; i < SOURCE_CNT; i++) {
		const struct prefix *prefix = &prefixes[random_next() % cnt];
		struct in6_addr inside = random_address(ip4);
		sources[i] = prefix->address;
		bits_replace(&sources[i], prefix->bits, &inside);
	}
}

static void strangers_draw(source_set sources, const struct prefix_list *list, bool ip4)
{
	for (size_t i = 0; i < SOURCE_CNT;) {
		bool listed = false;
		sources[i] = random_address(ip4);
		for (size_t k = 0; k < list->cnt && !listed; k++)
			listed = covers(&list->prefixes[k], &sources[i]);
		i += !listed;
	}
}

/* --- the programs ----------------------------------------------------------------------------------------------- */

static void gate_load(struct gate *gate, const struct prefix_list *allow)
{
	/* more than a source here sends: the buckets are asked, and let everything through */
	static const struct config_limits limits = {.packets_per_s = 1000000,
						    .connections_per_s = 1000000,
						    .limit_ip4_bits = 32,
						    .limit_ip6_bits = 64,
						    .limit_listed = true};
	static const uint16_t ports[] = {FRAME_TCP_PORT};
	static const struct prefix_list none;

	gate_open(gate, 1);
	int err = filter_set_ports(gate->filter, ports, 1, NULL, 0);
	if (err == 0)
		err = filter_load_lists(gate->filter, allow, &none);
	if (err == 0)
		err = filter_set_limits(gate->filter, &limits);
	if (err != 0)
		give_up("gate's policy", err);
	gate_penalize(gate);
	filter_set_mode(gate->filter, FILTER_ALLOW, false);
}

/* xdp-filter has no prefixes: as many single addresses stand for them. */
static int xdpfilter_load(const struct prefix *prefixes, size_t cnt)
{
	struct bpf_object *object = NULL;
	glob_t found;

	if (glob("/usr/lib/*/bpf/xdpfilt_dny_ip.o", 0, NULL, &found) == 0)
		object = bpf_object__open_file(found.gl_pathv[0], NULL);
	globfree(&found);
	if (object == NULL) {
		fprintf(stderr, "bench_xdp: xdpfilt_dny_ip.o not found (apt install xdp-tools)\n");
		exit(77);
	}
	struct bpf_map *map;
	bpf_object__for_each_map(map, object) bpf_map__set_pin_path(map, NULL); /* not into the system's bpffs */
	struct bpf_program *program = bpf_object__next_program(object, NULL);
	bpf_program__set_type(program, BPF_PROG_TYPE_XDP);
	bpf_program__set_expected_attach_type(program, BPF_XDP);
	int err = bpf_object__load(object);
	if (err != 0)
		give_up("xdp-filter", err);
	int addresses_fd = bpf_object__find_map_fd_by_name(object, "filter_ipv4"), cpu_cnt = libbpf_num_possible_cpus();
	uint64_t *values = calloc((size_t)cpu_cnt, sizeof *values);
	for (int cpu = 0; cpu < cpu_cnt; cpu++)
		values[cpu] = 1; /* match as source */
	for (size_t i = 0; i < cnt; i++)
		if ((err = bpf_map_update_elem(addresses_fd, &prefixes[i].address.s6_addr[12], values, BPF_ANY)) != 0)
			give_up("xdp-filter's list", err);
	free(values);
	return bpf_program__fd(program);
}

static int sources_fill(int fd, const source_set sources)
{
	void *at = mmap(NULL, sizeof(source_set), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	memcpy(at, sources, sizeof(source_set));
	munmap(at, sizeof(source_set));
	return 0;
}

/* A program that runs target_fd with each of the sources in turn. */
static int rotate_load(int target_fd, const source_set sources)
{
	static const uint32_t source_cnt = SOURCE_CNT, zero = 0;
	struct bpf_object *object = bpf_object__open_file("build/tests/bpf/rotate.bpf.o", NULL);

	if (object == NULL)
		give_up("rotate.bpf.o", -errno);
	struct bpf_map *addresses = bpf_object__find_map_by_name(object, "sources");
	int err = bpf_map__set_max_entries(addresses, SOURCE_CNT);
	if (err == 0)
		err = bpf_map__set_initial_value(bpf_object__find_map_by_name(object, ".rodata"), &source_cnt,
						 sizeof source_cnt);
	if (err == 0)
		err = bpf_object__load(object);
	if (err == 0)
		err = sources_fill(bpf_map__fd(addresses), sources);
	if (err == 0)
		err = bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "target"), &zero, &target_fd,
					  BPF_ANY);
	if (err != 0)
		give_up("rotate.bpf.o", err);
	return bpf_program__fd(bpf_object__next_program(object, NULL));
}

/* --- the sides -------------------------------------------------------------------------------------------------- */

static struct gate gate_prefixes, gate, gate_long, gate_million;
static struct frame frame4, frame6, junk, other;
static source_set strangers, strangers6, guests, guests6, singles, guests_long, guests6_long, singles_long, neighbours;
static int xdpfilter_fd;

static void gates_load(void)
{
	struct prefix_list list;

	prefix_list_init(&list, 1000, 1000, 0);
	strangers_draw(strangers, &list, true);
	strangers_draw(strangers6, &list, false);
	gate_load(&gate_prefixes, &list);
	prefix_list_init(&list, 1000, 1000, 10000);
	guests_draw(guests, list.prefixes, 1000, true);
	guests_draw(guests6, list.prefixes + 1000, 1000, false);
	guests_draw(singles, list.prefixes + 2000, 10000, true);
	gate_load(&gate, &list);
	guests_draw(neighbours, list.prefixes + 2000, 1000, true);
	xdpfilter_fd = xdpfilter_load(list.prefixes + 2000, 1000);
	prefix_list_init(&list, 100000, 100000, 10000);
	guests_draw(guests_long, list.prefixes, 100000, true);
	guests_draw(guests6_long, list.prefixes + 100000, 100000, false);
	gate_load(&gate_long, &list);
	prefix_list_init(&list, 1000, 0, 1000000);
	guests_draw(singles_long, list.prefixes + 1000, 1000000, true);
	gate_load(&gate_million, &list);
}

static void frames_build(void)
{
	frame_build(&frame4, TCP4);
	frame_build(&frame6, TCP6);
	frame_build(&other, ICMP4);
	frame_build(&junk, TCP4);
	junk.bytes[L4(L4_FLAGS)] = 3;
}

enum { /* compared ones side by side */
       FLOOR,
       JUNK,
       TRACED,
       OTHER,
       ROTATION,
       DENY,
       XDPFILTER_DENY,
       ADMIT,
       ADMIT_100K,
       ADMIT_SINGLE,
       ADMIT_1M,
       XDPFILTER_ADMIT,
       ROTATION6,
       DENY6,
       ADMIT6,
       ADMIT6_100K,
       SIDE_CNT
};

static struct side sides[SIDE_CNT];

static void side_still(int side, const char *name, struct frame *frame, int fd, uint32_t action)
{
	sides[side] =
		(struct side){.name = name, .bytes = frame->bytes, .used = frame->used, .fd = fd, .action = action};
}

static void side_rotating(int side, const char *name, int fd, const source_set sources, uint32_t action)
{
	bool ip4 = side < ROTATION6;

	side_still(side, name, ip4 ? &frame4 : &frame6, rotate_load(fd, sources), action);
	if (side != ROTATION && side != ROTATION6)
		sides[side].rotation = &sides[ip4 ? ROTATION : ROTATION6];
}

static void side_counts(int side, struct gate *counting, enum reason reason)
{
	sides[side].gate = counting;
	sides[side].reason = reason;
}

static void side_admits(int side, const char *name, struct gate *admitting, const source_set sources)
{
	side_rotating(side, name, admitting->fd, sources, XDP_PASS);
	side_counts(side, admitting, PASS_ALLOWED);
}

static void sides_make(void)
{
	int drop_fd = floor_load();

	side_still(FLOOR, "floor", &junk, drop_fd, XDP_DROP);
	side_still(JUNK, "junk", &junk, gate.fd, XDP_DROP);
	side_counts(JUNK, &gate, TCP_FLAGS);
	side_still(TRACED, "traced", &junk, gate.fd, XDP_DROP);
	side_counts(TRACED, &gate, TCP_FLAGS);
	sides[TRACED].traced = true;
	side_still(OTHER, "other", &other, gate.fd, XDP_PASS);
	side_counts(OTHER, &gate, PASS_OTHER);
	side_rotating(ROTATION, "rotation", drop_fd, strangers, XDP_DROP);
	side_rotating(ROTATION6, "rotation6", drop_fd, strangers6, XDP_DROP);
	side_rotating(DENY, "deny", gate_prefixes.fd, strangers, XDP_DROP);
	side_counts(DENY, &gate_prefixes, NOT_ALLOWED);
	side_rotating(DENY6, "deny6", gate_prefixes.fd, strangers6, XDP_DROP);
	side_counts(DENY6, &gate_prefixes, NOT_ALLOWED);
	side_rotating(XDPFILTER_DENY, "xdpfilter_deny", xdpfilter_fd, strangers, XDP_DROP);
	side_rotating(XDPFILTER_ADMIT, "xdpfilter_admit", xdpfilter_fd, neighbours, XDP_PASS);
	side_admits(ADMIT, "admit", &gate, guests);
	side_admits(ADMIT_100K, "admit_100k", &gate_long, guests_long);
	side_admits(ADMIT_SINGLE, "admit_single", &gate, singles);
	side_admits(ADMIT_1M, "admit_1m", &gate_million, singles_long);
	side_admits(ADMIT6, "admit6", &gate, guests6);
	side_admits(ADMIT6_100K, "admit6_100k", &gate_long, guests6_long);
}

int main(void)
{
	const struct side *floor = &sides[FLOOR];

	log_level = LOG_ERROR;
	libbpf_set_print(silent);
	frames_build();
	gates_load();
	sides_make();
	sides_run(sides, SIDE_CNT);
	print_ratio("xdp_junk_over_floor", &sides[JUNK], floor, floor);
	print_ratio("xdp_deny_over_xdpfilter", &sides[DENY], &sides[XDPFILTER_DENY], floor);
	print_ratio("xdp_admit_over_floor", &sides[ADMIT], floor, floor);
	print_ratio("xdp_admit_100k_over_1k", &sides[ADMIT_100K], &sides[ADMIT], floor);
	print_ratio("xdp_admit6_100k_over_1k", &sides[ADMIT6_100K], &sides[ADMIT6], floor);
	for (size_t i = 0; i < SIDE_CNT; i++)
		print_side(&sides[i], floor, median_ns(floor));
	return 0;
}
