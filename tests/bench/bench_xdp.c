// SPDX-License-Identifier: Apache-2.0
/* What a packet costs in the gate, against two yardsticks measured in the same run, sides alternating:
 *
 *   xdp_junk_over_floor      a malformed packet to a service port (SYN+FIN: the last of the header checks), over a program
 *                            that only says XDP_DROP.  Both include what BPF_PROG_TEST_RUN itself costs.
 *   xdp_deny_over_xdpfilter  a well-formed SYN from an unlisted source in allow mode, over the same packet in xdp-filter's
 *                            default-deny IP object, both with the same 9,000 IPv4 addresses on the list.
 *
 * Times are this thread's CPU time, so that other processes on the machine disturb less.  The figures the ratios do not
 * show are printed too: nanoseconds, spread, and what admitted packets cost. */
#include "sys/filter.c"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <glob.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <time.h>

#include "../bpf/frames.h"

#define ROUNDS 31
#define REPEAT 200000
#define LIST_CNT 9000u

static struct filter *filter;
static struct prefix prefixes[LIST_CNT];

static _Noreturn void give_up(const char *what, int err)
{
	fprintf(stderr, "bench_xdp: %s: %s\n", what, strerror(-err));
	exit(err == -EPERM ? 77 : 1);
}

struct side {
	const char *name;
	struct frame *frame;
	int fd;
	uint32_t action; /* what the program must answer, or the figure means nothing */
	double ns[ROUNDS];
};

static double run_ns(const struct side *side, int repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = side->frame->bytes, .data_size_in = (uint32_t)side->frame->used,
		    .repeat = repeat);
	struct timespec from, to;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	int err = bpf_prog_test_run_opts(side->fd, &opts);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	if (err != 0)
		give_up(side->name, err);
	if (opts.retval != side->action) {
		fprintf(stderr, "bench_xdp: %s: action %u, not %u\n", side->name, opts.retval, side->action);
		exit(1);
	}
	return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / repeat;
}

static int double_compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double side_median(struct side *side)
{
	qsort(side->ns, ROUNDS, sizeof *side->ns, double_compare);
	return side->ns[ROUNDS / 2];
}

/* Of the ratios within each round, where both sides ran one after the other under the same load: the median. */
static double ratio_median(const struct side *side, const struct side *yardstick)
{
	double ratios[ROUNDS];

	for (int round = 0; round < ROUNDS; round++)
		ratios[round] = side->ns[round] / yardstick->ns[round];
	qsort(ratios, ROUNDS, sizeof *ratios, double_compare);
	return ratios[ROUNDS / 2];
}

static void sides_run(struct side *sides, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		run_ns(&sides[i], REPEAT / 4); /* warm */
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < cnt; i++)
			sides[i].ns[round] = run_ns(&sides[i], REPEAT);
}

/* --- the programs --- */

static int floor_load(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_DROP},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "floor", "GPL", insns, 2, NULL);

	if (fd < 0)
		give_up("loading XDP_DROP", fd);
	return fd;
}

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static int gate_load(void)
{
	struct bpf_object *object = bpf_object__open_file("build/gate.bpf.o", NULL);
	int err = object == NULL ? -errno : bpf_object__load(object);

	if (err != 0)
		give_up("build/gate.bpf.o", err);
	int fd = bpf_program__fd(bpf_object__find_program_by_name(object, TOLLBAR_PROGRAM));
	err = filter_open_program(&filter, fd);
	if (err != 0)
		give_up("gate's maps", err);
	return fd;
}

static int xdpfilter_load(void)
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
	int err = bpf_object__load(object);
	if (err != 0)
		give_up("xdp-filter", err);
	int addresses_fd = bpf_object__find_map_fd_by_name(object, "filter_ipv4"), cpu_cnt = libbpf_num_possible_cpus();
	uint64_t *values = calloc((size_t)cpu_cnt, sizeof *values);
	for (int cpu = 0; cpu < cpu_cnt; cpu++)
		values[cpu] = 1; /* match as source */
	for (size_t i = 0; i < LIST_CNT; i++)
		if ((err = bpf_map_update_elem(addresses_fd, &prefixes[i].address.s6_addr[12], values, BPF_ANY)) != 0)
			give_up("xdp-filter's list", err);
	free(values);
	return bpf_program__fd(program);
}

static void list_fill(void)
{
	for (uint32_t i = 0; i < LIST_CNT; i++) {
		uint32_t address = htonl(0x0b000000u + i * 2654435761u % 0x10000000u);
		prefixes[i] = (struct prefix){{.s6_addr = {[10] = 255, 255}}, 128};
		memcpy(&prefixes[i].address.s6_addr[12], &address, 4);
	}
}

static void frame_source(struct frame *frame, const struct in6_addr *source)
{
	frame_build(frame, TCP4);
	if (source != NULL)
		memcpy(frame->bytes + AT_IP4_SOURCE, &source->s6_addr[12], 4);
}

static void print_side(struct side *side)
{
	double median = side_median(side);

	printf("xdp_%s_ns %.1f\n", side->name, median);
	printf("xdp_%s_spread_ns %.1f\n", side->name, side->ns[ROUNDS * 3 / 4] - side->ns[ROUNDS / 4]);
}

int main(void)
{
	static const uint16_t ports[] = {FRAME_TCP_PORT};
	static const struct prefix_list none;
	const struct prefix_list listed = {prefixes, LIST_CNT};
	struct frame junk, other, stranger, guest;

	libbpf_set_print(silent);
	list_fill();
	frame_build(&junk, TCP4);
	junk.bytes[L4(L4_FLAGS)] = 3;
	frame_build(&other, ICMP4);
	frame_source(&stranger, NULL);
	frame_source(&guest, &prefixes[LIST_CNT / 2].address);
	enum {
		FLOOR,
		JUNK,
		OTHER,
		NEXT_EMPTY,
		DENY,
		XDPFILTER_DENY,
		ALLOW,
		XDPFILTER_ALLOW,
		SIDE_CNT
	}; /* compared ones side by side */
	int next_fd = gate_load();
	int err = filter_set_ports(filter, ports, 1, NULL, 0);
	if (err != 0)
		give_up("gate's policy", err);
	word_change(filter, 0, TOLLBAR_NEXT); /* and no program there: the tail call comes to nothing */
	filter_close(filter);
	int gate_fd = gate_load(), xdpfilter_fd = xdpfilter_load();
	struct side sides[SIDE_CNT] = {
		[FLOOR] = {"floor", &junk, floor_load(), XDP_DROP, {0}},
		[JUNK] = {"junk", &junk, gate_fd, XDP_DROP, {0}},
		[OTHER] = {"other", &other, gate_fd, XDP_PASS, {0}},
		[NEXT_EMPTY] = {"next_empty", &other, next_fd, XDP_PASS, {0}},
		[DENY] = {"deny", &stranger, gate_fd, XDP_DROP, {0}},
		[ALLOW] = {"allow", &guest, gate_fd, XDP_PASS, {0}},
		[XDPFILTER_DENY] = {"xdpfilter_deny", &stranger, xdpfilter_fd, XDP_DROP, {0}},
		[XDPFILTER_ALLOW] = {"xdpfilter_allow", &guest, xdpfilter_fd, XDP_PASS, {0}},
	};
	err = filter_set_ports(filter, ports, 1, NULL, 0);
	if (err == 0)
		err = filter_load_lists(filter, &listed, &none);
	if (err != 0)
		give_up("gate's policy", err);
	filter_set_mode(filter, FILTER_ALLOW, false);
	sides_run(sides, SIDE_CNT);
	printf("xdp_junk_over_floor %.3f\n", ratio_median(&sides[JUNK], &sides[FLOOR]));
	printf("xdp_deny_over_xdpfilter %.3f\n", ratio_median(&sides[DENY], &sides[XDPFILTER_DENY]));
	for (size_t i = 0; i < SIDE_CNT; i++)
		print_side(&sides[i]);
	return 0;
}
