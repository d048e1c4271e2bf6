/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BENCH_XDP_SIDES_H
#define TOLLBAR_BENCH_XDP_SIDES_H
/* xdp_sides.h: programs that are run on packets in turn, and compared.  For bench_xdp.c and bench_xdp_native.c, which say what
 * is measured.
 *
 * With each of the gate's figures stands what it was when tests/bpf/verdict_cost was written, as a multiple of the floor, so
 * that a change shows.  The floor is a program that only says XDP_DROP, at what BPF_PROG_TEST_RUN itself costs.  Times are
 * this thread's CPU time, so that other processes on the machine disturb less.  The figures the ratios do not show are
 * printed too: nanoseconds, and spread. */
#include "sys/filter.c"
#include "sys/filter_lists.c"
#include "sys/filter_native.c"

#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <time.h>

#include "reasons.h"

#define ROUNDS 31
#define REPEAT 131072 /* each of 65,536 sources twice */
#define PENALIZED_CNT 1000u
#define RECORD "tests/bpf/verdict_cost"

static _Noreturn void give_up(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-err));
	exit(err == -EPERM ? 77 : 1);
}

static uint64_t random_state = 1;

static uint32_t random_next(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 32);
}

static void random_bytes(uint8_t *at, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		at[i] = (uint8_t)random_next();
}

/* --- the programs ----------------------------------------------------------------------------------------------- */

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static int floor_load(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_DROP},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_XDP); /* or no tail call reaches it */
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "floor", "GPL", insns, 2, &opts);

	if (fd < 0)
		give_up("loading XDP_DROP", fd);
	return fd;
}

struct gate {
	struct filter *filter;
	int fd;
};

/* payers: how many there is to be room for. */
static void gate_open(struct gate *gate, uint32_t payers)
{
	struct bpf_object *object = bpf_object__open_file("build/gate.bpf.o", NULL);
	int err = object == NULL ? -errno : 0;

	if (err == 0)
		err = bpf_map__set_max_entries(bpf_object__find_map_by_name(object, TOLLBAR_MAP_PAYERS),
					       TOLLBAR_PAYERS_LINES_OF(payers));
	if (err == 0)
		err = bpf_object__load(object);

	if (err != 0)
		give_up("build/gate.bpf.o", err);
	gate->fd = bpf_program__fd(bpf_object__find_program_by_name(object, TOLLBAR_PROGRAM));
	err = filter_open_program(&gate->filter, "", gate->fd);
	if (err != 0)
		give_up("gate", err);
}

static void gate_penalize(struct gate *gate)
{
	int err = 0;

	for (unsigned i = 0; err == 0 && i < PENALIZED_CNT; i++) {
		struct in6_addr source = {.s6_addr = {[10] = 255, 255, 240, 0, (uint8_t)(i >> 8), (uint8_t)i}};
		err = filter_standing_put(gate->filter, &source,
					  &(struct tollbar_standing){clock_ns() + 3600000000000u, 1, SIGNATURE_BAD});
	}
	if (err != 0)
		give_up("gate's penalties", err);
}

/* --- measuring -------------------------------------------------------------------------------------------------- */

struct side {
	const char *name;
	const uint8_t *bytes; /* the frame */
	size_t used;
	int fd;
	uint32_t action;   /* what the program must answer, or the figure means nothing */
	struct gate *gate; /* and what it must count, every time, if it is ours */
	enum reason reason;
	const struct side *rotation; /* what is taken off, but for the floor */
	bool traced;
	double ns[ROUNDS];
};

/* A tracer that asked for everything and is given its share of this second, without one that reads. */
static void trace_set(struct filter *filter, bool on)
{
	filter->policy->trace = (struct tollbar_trace){
		.until_ns = clock_ns() + 10000000000u, .reasons = UINT64_MAX, .every = 1, .second_max = 100};
	filter_word_change(filter, TOLLBAR_TRACE, on ? TOLLBAR_TRACE : 0);
}

static double run_ns(const struct side *side, int repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = side->bytes, .data_size_in = (uint32_t)side->used,
		    .repeat = repeat);
	struct timespec from, to;

	if (side->gate != NULL)
		trace_set(side->gate->filter, side->traced);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	int err = bpf_prog_test_run_opts(side->fd, &opts);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	if (err != 0)
		give_up(side->name, err);
	if (opts.retval != side->action) {
		fprintf(stderr, "%s: action %u, not %u\n", side->name, opts.retval, side->action);
		exit(1);
	}
	return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / repeat;
}

/* Warms up, and sees that every packet ends as it should. */
static void side_check(const struct side *side)
{
	struct tollbar_counters before, after;

	if (side->gate != NULL && filter_counters(side->gate->filter, &before) != 0)
		give_up("counters", -EIO);
	run_ns(side, REPEAT);
	if (side->gate == NULL)
		return;
	if (filter_counters(side->gate->filter, &after) != 0 ||
	    after.packets[side->reason] - before.packets[side->reason] != REPEAT) {
		fprintf(stderr, "%s: not every packet ended with reason %d\n", side->name, side->reason);
		exit(1);
	}
}

static void sides_run(struct side *sides, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		side_check(&sides[i]);
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < cnt; i++)
			sides[i].ns[round] = run_ns(&sides[i], REPEAT);
}

/* What a round of this side cost without the rotation. */
static double side_ns(const struct side *side, const struct side *floor, int round)
{
	return side->rotation == NULL ? side->ns[round]
				      : side->ns[round] - side->rotation->ns[round] + floor->ns[round];
}

static int double_compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double median_ns(const struct side *side)
{
	double ns[ROUNDS];

	memcpy(ns, side->ns, sizeof ns);
	qsort(ns, ROUNDS, sizeof *ns, double_compare);
	return ns[ROUNDS / 2];
}

/* Of the ratios within each round, where both sides ran one after the other under the same load: the median. */
static void print_ratio(const char *name, const struct side *side, const struct side *yardstick,
			const struct side *floor)
{
	double ratios[ROUNDS];

	for (int round = 0; round < ROUNDS; round++)
		ratios[round] = side_ns(side, floor, round) / side_ns(yardstick, floor, round);
	qsort(ratios, ROUNDS, sizeof *ratios, double_compare);
	printf("%s %.3f\n", name, ratios[ROUNDS / 2]);
}

/* What a side was, over the floor; 0 when the file does not say. */
static double recorded(const char *name)
{
	FILE *file = fopen(RECORD, "r");
	char line[128], word[64];
	double ratio = 0, found = 0;

	if (file == NULL)
		give_up(RECORD, -errno);
	while (found == 0 && fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "%63s %lf", word, &ratio) == 2 && strcmp(word, name) == 0)
			found = ratio;
	fclose(file);
	return found;
}

static void print_side(const struct side *side, const struct side *floor, double floor_ns)
{
	double ns[ROUNDS];

	for (int round = 0; round < ROUNDS; round++)
		ns[round] = side_ns(side, floor, round);
	qsort(ns, ROUNDS, sizeof *ns, double_compare);
	if (side->gate != NULL)
		printf("# %s is %.2f times the floor, recorded %.2f\n", side->name, ns[ROUNDS / 2] / floor_ns,
		       recorded(side->name));
	printf("xdp_%s_ns %.1f\n", side->name, ns[ROUNDS / 2]);
	printf("xdp_%s_spread_ns %.1f\n", side->name, ns[ROUNDS * 3 / 4] - ns[ROUNDS / 4]);
}

#endif
