/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_GATE_RIG_H
#define TOLLBAR_TESTS_GATE_RIG_H
/* gate_rig.h: the gate in the kernel for one test program: loaded, not attached, run on a frame at a time by
 * BPF_PROG_TEST_RUN, its policy set through the daemon's own calls. */
#include "sys/filter.c"
#include "sys/filter_lists.c"
#include "sys/filter_native.c"
#include "sys/filter_standing.c"
#include "sys/filter_trace.c"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdlib.h>

#include "check.h"
#include "frames.h"

#define OBJECT "build/gate.bpf.o"

static struct bpf_object *object;
static struct filter *filter;
static int gate_fd = -1;
static uint32_t verified_insns;
static const char *unavailable; /* why nothing here can run */

static const uint16_t tcp_ports[] = {FRAME_TCP_PORT}, udp_ports[] = {FRAME_UDP_PORT};

static inline int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static inline void gate_load(void)
{
	struct bpf_prog_info info = {0};
	uint32_t info_bytes = sizeof info;

	log_level = LOG_ERROR;
	libbpf_set_print(silent);
	object = bpf_object__open_file(OBJECT, NULL);
	struct bpf_program *gate = object == NULL ? NULL : bpf_object__find_program_by_name(object, TOLLBAR_PROGRAM);
	if (gate != NULL)
		bpf_program__set_flags(gate, BPF_F_XDP_HAS_FRAGS);
	if (object != NULL) /* as `tollbar attach --payers 1000000` */
		bpf_map__set_max_entries(bpf_object__find_map_by_name(object, TOLLBAR_MAP_PAYERS),
					 TOLLBAR_PAYERS_LINES_OF(1000000u));
	int err = object == NULL ? -errno : bpf_object__load(object);
	if (err == -EPERM) {
		unavailable = "no CAP_BPF";
		return;
	}
	if (err != 0) {
		printf("%s: %s\n", OBJECT, strerror(-err));
		exit(1);
	}
	gate_fd = bpf_program__fd(bpf_object__find_program_by_name(object, TOLLBAR_PROGRAM));
	err = bpf_obj_get_info_by_fd(gate_fd, &info, &info_bytes);
	verified_insns = info.verified_insns;
	if (err == 0)
		err = filter_open_program(&filter, "", gate_fd);
	if (err == -EPERM)
		unavailable = "no CAP_SYS_ADMIN to find maps by id";
	else if (err != 0) {
		printf("filter_open_program: %s\n", strerror(-err));
		exit(1);
	}
}

static const struct config_limits no_limits = {.limit_ip4_bits = 32, .limit_ip6_bits = 64};

/* Every test starts from here: our ports, open mode, no lists, no limits. */
static inline bool gate_ready(void)
{
	static const struct prefix_list none;

	if (gate_fd < 0 && unavailable == NULL)
		gate_load();
	if (unavailable != NULL)
		return false;
	CHECK_EQ(filter_set_ports(filter, tcp_ports, 1, udp_ports, 1), 0);
	CHECK_EQ(filter_load_lists(filter, &none, &none), 0);
	CHECK_EQ(filter_set_limits(filter, &no_limits), 0);
	filter_set_syn_cookies(filter, SYN_COOKIES_OFF, 0);
	filter_set_mode(filter, FILTER_OPEN, false);
	return true;
}

#define GATE_READY()                             \
	do {                                     \
		if (!gate_ready())               \
			CHECK_SKIP(unavailable); \
	} while (0)

struct outcome {
	uint32_t action;
	unsigned reason, counted, observed; /* counted: all counters together; reason: the one that moved */
};

static inline struct outcome gate_run(struct frame *frame)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->bytes, .data_size_in = (uint32_t)frame->used);
	struct tollbar_counters before, after;
	struct outcome outcome = {0};

	CHECK_EQ(filter_counters(filter, &before), 0);
	CHECK_EQ(bpf_prog_test_run_opts(gate_fd, &opts), 0);
	CHECK_EQ(filter_counters(filter, &after), 0);
	outcome.action = opts.retval;
	for (unsigned i = 0; i < TOLLBAR_REASON_CNT; i++) {
		outcome.counted += (unsigned)(after.packets[i] - before.packets[i]);
		outcome.observed += (unsigned)(after.observed[i] - before.observed[i]);
		if (after.packets[i] != before.packets[i])
			outcome.reason = i;
	}
	return outcome;
}

static inline bool passes(enum reason reason)
{
	return reason == PASS_OTHER || reason == PASS_OPEN || reason == PASS_ALLOWED || reason == PASS_NATIVE ||
	       reason == PASS_KNOCKED;
}

static inline void expect(struct frame *frame, enum reason want, const char *name)
{
	struct outcome outcome = gate_run(frame);

	CHECK_ROW(outcome.reason == want, name);
	CHECK_ROW(outcome.counted == 1 && outcome.observed == 0, name);
	CHECK_ROW(outcome.action == (passes(want) ? XDP_PASS : XDP_DROP), name);
}

/* Observe counts under the same reason and drops nothing. */
static inline void expect_observed(struct frame *frame, enum reason want, const char *name)
{
	struct outcome outcome = gate_run(frame);

	CHECK_ROW(outcome.reason == want && outcome.counted == 1, name);
	CHECK_ROW(outcome.observed == (passes(want) ? 0 : 1), name);
	CHECK_ROW(outcome.action == XDP_PASS, name);
}

static inline void frame_from(struct frame *frame, const char *source)
{
	struct in_addr ip4;
	struct in6_addr ip6;

	if (inet_pton(AF_INET, source, &ip4) == 1) {
		frame_build(frame, TCP4);
		memcpy(frame->bytes + AT_IP4_SOURCE, &ip4, 4);
	} else {
		CHECK_EQ(inet_pton(AF_INET6, source, &ip6), 1);
		frame_build(frame, TCP6);
		memcpy(frame->bytes + AT_IP6_SOURCE, &ip6, 16);
	}
}

static inline void lists_set(const char *allow_text, const char *deny_text)
{
	struct prefix_list allow, deny;

	CHECK_EQ(lists_parse(&allow, "allow", allow_text, strlen(allow_text), stdout), 0);
	CHECK_EQ(lists_parse(&deny, "deny", deny_text, strlen(deny_text), stdout), 0);
	CHECK_EQ(filter_load_lists(filter, &allow, &deny), 0);
	lists_fini(&allow);
	lists_fini(&deny);
}

#endif
