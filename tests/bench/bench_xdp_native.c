// SPDX-License-Identifier: Apache-2.0
/* What a native request costs in the gate, against a program that only says XDP_DROP, sides alternating:
 *
 *   xdp_native_admit_over_floor   a request that passes the whole sieve, cookies on auto: one of 10,000 listed payers, each
 *                                 from a source of his own that is on no list, a nonce nobody claimed, beside 100,000
 *                                 claimed ones.  Allow mode with 11,000 listed sources, 1,000 penalised ones, a limit on
 *                                 packets.
 *   xdp_native_refuse_over_floor  the dearest of three that do not pass, from 65,536 sources: one byte too long, another
 *                                 magic, a payer on no list.
 *
 * Each packet has another payer, source and nonce (rotate_native.bpf.c); what that costs is measured with XDP_DROP as its
 * target and taken off.  native_admit_1m: the same with 1,000,000 payers, from 65,536 sources.  native_cookie: a cookie has to
 * be shown, and one is that is neither of this time nor of the one before; the daemon is to answer. */
#include "xdp_sides.h"

#include "../bpf/frames.h"
#include "datagrams.h"

#define SOURCE_CNT 65536u
#define PAYER_CNT 10000u
#define PAYER_CNT_1M 1000000u
#define NOW_S 1800000000u

static uint32_t sources[SOURCE_CNT];
static struct address payers[PAYER_CNT_1M], strangers[SOURCE_CNT];
static struct frame good, lengthy, magic;
static struct gate gate, gate_1m, gate_cookies;

/* --- senders and lists ------------------------------------------------------------------------------------------ */

static void address_draw(uint8_t at[4])
{
	random_bytes(at, 4);
	at[0] = (uint8_t)(1 + at[0] % 222);
}

static void list_draw(struct prefix_list *list)
{
	*list = (struct prefix_list){.prefixes = calloc(11000, sizeof *list->prefixes)};
	if (list->prefixes == NULL)
		give_up("list", -ENOMEM);
	for (; list->cnt < 11000; list->cnt++) {
		struct prefix *prefix = &list->prefixes[list->cnt];
		*prefix = (struct prefix){{.s6_addr = {[10] = 255, 255}}, list->cnt < 1000 ? 120 : 128};
		address_draw(&prefix->address.s6_addr[12]);
		if (list->cnt < 1000)
			prefix->address.s6_addr[15] = 0;
	}
}

/* --- the gates -------------------------------------------------------------------------------------------------- */

static void claims_make(struct filter *filter)
{
	for (unsigned i = 0; i < 100000; i++) {
		struct word nonce;
		random_bytes(nonce.at, sizeof nonce.at);
		filter_native_claimed(filter, DATAGRAM_CHAIN, &payers[i % PAYER_CNT], &nonce);
	}
}

static void native_load(struct gate *loaded, size_t payer_cnt, enum config_syn_cookies cookies)
{
	/* more than a source here sends: the buckets are asked, and let everything through */
	static const struct config_limits limits = {
		.packets_per_s = 1000000, .limit_ip4_bits = 32, .limit_ip6_bits = 64, .limit_listed = true};
	static const uint16_t ports[] = {FRAME_UDP_PORT};
	static const struct prefix_list none;
	struct filter_native native = {.ports = {FRAME_UDP_PORT},
				       .port_cnt = 1,
				       .terms = {{.chain_id = 8453, .methods = 2}, {DATAGRAM_CHAIN, .methods = 2}},
				       .terms_cnt = 2,
				       .timeout_s = 300,
				       .cookies = cookies,
				       .cookies_per_s = UINT32_MAX};
	struct prefix_list list;

	for (size_t i = 0; i < 20; i++)
		native.terms[1].asset.at[i] = (uint8_t)(DATAGRAM_ASSET + i);
	gate_open(loaded, (uint32_t)payer_cnt);
	list_draw(&list);
	int err = filter_load_lists(loaded->filter, &list, &none);
	if (err == 0)
		err = filter_set_limits(loaded->filter, &limits);
	if (err == 0)
		err = filter_set_native(loaded->filter, &native);
	if (err == 0)
		err = filter_native_payers(loaded->filter, payers, payer_cnt, false);
	if (err == 0)
		err = filter_set_ports(loaded->filter, NULL, 0, ports, 1);
	if (err != 0)
		give_up("gate's policy", err);
	gate_penalize(loaded);
	claims_make(loaded->filter);
	filter_native_clock(loaded->filter, NOW_S);
	filter_set_mode(loaded->filter, FILTER_ALLOW, false);
	free(list.prefixes);
}

static void frame_request(struct frame *frame, size_t padding)
{
	struct datagram datagram;

	datagram_request(&datagram, 200, true, NOW_S);
	datagram.used += padding;
	frame_build(frame, UDP4);
	frame->used = L4(8);
	put(frame, datagram.bytes, datagram.used);
	for (int i = 0; i < 2; i++) { /* the lengths of IP and UDP */
		size_t at = i == 0 ? AT_IP4_TOTAL : L4(4), bytes = datagram.used + (i == 0 ? 28 : 8);
		frame->bytes[at] = (uint8_t)(bytes >> 8);
		frame->bytes[at + 1] = (uint8_t)bytes;
	}
}

static void values_fill(const struct bpf_object *object, const char *map, const void *values, size_t bytes, size_t cnt,
			size_t room)
{
	int fd = bpf_object__find_map_fd_by_name(object, map);
	uint8_t *at = mmap(NULL, cnt * room, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		give_up(map, -errno);
	for (size_t i = 0; i < cnt; i++)
		memcpy(at + i * room, (const uint8_t *)values + i * bytes, bytes);
	munmap(at, cnt * room);
}

/* A program that runs target_fd on requests of these payers in turn. */
static int rotate_load(int target_fd, const struct address *from, uint32_t payer_cnt)
{
	const uint32_t cnts[] = {SOURCE_CNT, payer_cnt}, zero = 0;
	struct bpf_object *object = bpf_object__open_file("build/tests/bpf/rotate_native.bpf.o", NULL);

	if (object == NULL)
		give_up("rotate_native.bpf.o", -errno);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "sources"), SOURCE_CNT);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "payers"), payer_cnt);
	int err = bpf_map__set_initial_value(bpf_object__find_map_by_name(object, ".rodata"), cnts, sizeof cnts);
	if (err == 0)
		err = bpf_object__load(object);
	if (err == 0)
		err = bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "target"), &zero, &target_fd,
					  BPF_ANY);
	if (err != 0)
		give_up("rotate_native.bpf.o", err);
	values_fill(object, "sources", sources, sizeof *sources, SOURCE_CNT, 8);
	values_fill(object, "payers", from, sizeof *from, payer_cnt, 24);
	return bpf_program__fd(bpf_object__next_program(object, NULL));
}

/* --- the sides -------------------------------------------------------------------------------------------------- */

enum { FLOOR, ROTATION, ROTATION_STRANGERS, ADMIT, ADMIT_1M, COOKIE, LENGTH, MAGIC, PAYER, SIDE_CNT };

static struct side sides[SIDE_CNT];

static void side_make(int side, const char *name, struct gate *judging, const struct frame *frame, enum reason reason)
{
	bool many = judging == &gate_1m, refused = REASON_DROPS(reason);

	sides[side] = (struct side){.name = name,
				    .bytes = frame->bytes,
				    .used = frame->used,
				    .fd = rotate_load(judging->fd, refused ? strangers : payers,
						      many	? PAYER_CNT_1M
						      : refused ? SOURCE_CNT
								: PAYER_CNT),
				    .action = refused ? XDP_DROP : XDP_PASS,
				    .gate = judging,
				    .reason = reason,
				    .rotation = &sides[refused ? ROTATION_STRANGERS : ROTATION]};
}

static void side_drops(int side, const char *name, int fd)
{
	sides[side] = (struct side){.name = name, .bytes = good.bytes, .used = good.used, .fd = fd, .action = XDP_DROP};
}

static void sides_make(void)
{
	int drop_fd = floor_load();

	side_drops(FLOOR, "floor", drop_fd);
	side_drops(ROTATION, "native_rotation", rotate_load(drop_fd, payers, PAYER_CNT));
	side_drops(ROTATION_STRANGERS, "native_rotation_strangers", rotate_load(drop_fd, strangers, SOURCE_CNT));
	side_make(ADMIT, "native_admit", &gate, &good, PASS_NATIVE);
	side_make(ADMIT_1M, "native_admit_1m", &gate_1m, &good, PASS_NATIVE);
	side_make(COOKIE, "native_cookie", &gate_cookies, &good, PASS_NATIVE);
	side_make(LENGTH, "native_length", &gate, &lengthy, NATIVE_LENGTH);
	side_make(MAGIC, "native_magic", &gate, &magic, NATIVE_MAGIC);
	side_make(PAYER, "native_payer", &gate, &good, NATIVE_PAYER);
}

static const struct side *dearest_refusal(void)
{
	const struct side *dearest = &sides[LENGTH];

	for (int side = MAGIC; side <= PAYER; side++)
		if (median_ns(&sides[side]) > median_ns(dearest))
			dearest = &sides[side];
	return dearest;
}

int main(void)
{
	const struct side *floor = &sides[FLOOR];

	log_level = LOG_ERROR;
	libbpf_set_print(silent);
	for (size_t i = 0; i < SOURCE_CNT; i++)
		address_draw((uint8_t *)&sources[i]);
	random_bytes(payers->at, sizeof payers);
	random_bytes(strangers->at, sizeof strangers);
	frame_request(&good, 0);
	frame_request(&lengthy, 1);
	frame_request(&magic, 0);
	magic.bytes[L4(8 + AT_MAGIC)] = 'X';
	native_load(&gate, PAYER_CNT, SYN_COOKIES_AUTO);
	native_load(&gate_1m, PAYER_CNT_1M, SYN_COOKIES_AUTO);
	native_load(&gate_cookies, PAYER_CNT, SYN_COOKIES_ON);
	sides_make();
	sides_run(sides, SIDE_CNT);
	print_ratio("xdp_native_admit_over_floor", &sides[ADMIT], floor, floor);
	print_ratio("xdp_native_refuse_over_floor", dearest_refusal(), floor, floor);
	for (size_t i = 0; i < SIDE_CNT; i++)
		print_side(&sides[i], floor, median_ns(floor));
	return 0;
}
