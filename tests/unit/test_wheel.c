// SPDX-License-Identifier: Apache-2.0
#include "base/wheel.c"

#include <stdlib.h>

#include "check.h"
#include "random.h"

/* Whatever may be set, moved or cancelled, a timer fires between its deadline and two slots after it. */
#define LATE_MS (2 * WHEEL_SLOT_MS)

struct probe {
	struct timer timer; /* first: fire gets this address */
	uint64_t *now_ms;
	uint64_t fired_ms, want_ms;
	unsigned fired_cnt;
	struct wheel *wheel;
	uint64_t again_ms; /* set again from within fire, this long after */
	struct probe *other;
	uint64_t other_ms; /* 0: cancel the other from within fire */
};

static void fired(struct timer *timer)
{
	struct probe *probe = (struct probe *)timer;

	CHECK(timer->next == NULL);
	probe->fired_ms = *probe->now_ms;
	probe->fired_cnt++;
	if (probe->again_ms > 0) {
		probe->want_ms = *probe->now_ms + probe->again_ms;
		wheel_set(probe->wheel, timer, probe->want_ms);
	}
	if (probe->other != NULL && probe->other_ms == 0)
		wheel_cancel(&probe->other->timer);
	else if (probe->other != NULL)
		wheel_set(probe->wheel, &probe->other->timer, probe->other_ms);
}

static struct wheel wheel;
static uint64_t now_ms;

static struct probe new_probe(void)
{
	return (struct probe){.timer.fire = fired, .now_ms = &now_ms, .wheel = &wheel};
}

static void start(uint64_t ms)
{
	now_ms = ms;
	wheel_init(&wheel, ms);
}

static void run_to(uint64_t ms, uint64_t step_ms)
{
	for (; now_ms < ms; now_ms += step_ms)
		wheel_advance(&wheel, now_ms);
	wheel_advance(&wheel, now_ms);
}

TEST(fires_between_the_deadline_and_two_slots_later)
{
	static const uint64_t after_ms[] = {0,
					    1,
					    31,
					    32,
					    33,
					    63,
					    64,
					    1000,
					    5000,
					    32735,
					    32736,
					    32767,
					    32768,
					    32769,
					    65536,
					    100000,
					    600000,
					    3600000,
					    WHEEL_SLOTS * WHEEL_SLOT_MS - 1,
					    WHEEL_SLOTS * WHEEL_SLOT_MS};

	for (size_t i = 0; i < sizeof after_ms / sizeof *after_ms; i++) {
		for (uint64_t offset = 0; offset < WHEEL_SLOT_MS; offset += 31) {
			start(1000000 + offset);
			struct probe probe = new_probe();
			wheel_set(&wheel, &probe.timer, now_ms + after_ms[i]);
			probe.want_ms = now_ms + after_ms[i];
			run_to(probe.want_ms + LATE_MS, 1);
			CHECK_EQ(probe.fired_cnt, 1);
			CHECK(probe.fired_ms >= probe.want_ms && probe.fired_ms <= probe.want_ms + LATE_MS);
		}
	}
}

TEST(a_deadline_in_the_past_fires_in_the_next_slot)
{
	start(500000);
	struct probe probe = new_probe();
	wheel_set(&wheel, &probe.timer, 3);
	run_to(500000 + LATE_MS, 1);
	CHECK_EQ(probe.fired_cnt, 1);
}

TEST(moving_later_and_earlier)
{
	start(7);
	struct probe later = new_probe(), earlier = new_probe();
	wheel_set(&wheel, &later.timer, 100);
	wheel_set(&wheel, &earlier.timer, 5000);
	wheel_set(&wheel, &later.timer, 3000);
	wheel_set(&wheel, &earlier.timer, 200);
	run_to(199, 1);
	CHECK_EQ(later.fired_cnt + earlier.fired_cnt, 0);
	run_to(200 + LATE_MS, 1);
	CHECK_EQ(earlier.fired_cnt, 1);
	run_to(2999, 1);
	CHECK_EQ(later.fired_cnt, 0);
	run_to(3000 + LATE_MS, 1);
	CHECK_EQ(later.fired_cnt, 1);
}

TEST(cancelling_is_final_and_harmless_twice)
{
	start(0);
	struct probe probe = new_probe();
	wheel_cancel(&probe.timer);
	wheel_set(&wheel, &probe.timer, 50);
	wheel_cancel(&probe.timer);
	wheel_cancel(&probe.timer);
	run_to(1000, 1);
	CHECK_EQ(probe.fired_cnt, 0);
	wheel_set(&wheel, &probe.timer, 1100);
	run_to(1100 + LATE_MS, 1);
	CHECK_EQ(probe.fired_cnt, 1);
}

TEST(a_timer_may_set_itself_again)
{
	start(0);
	struct probe probe = new_probe();
	probe.again_ms = 1; /* within the very slot that is being looked at */
	wheel_set(&wheel, &probe.timer, 10);
	run_to(1000, 1);
	CHECK(probe.fired_cnt >= 1000 / LATE_MS && probe.fired_cnt <= 1000);
}

TEST(a_timer_may_cancel_or_move_the_next_one_due)
{
	static const struct {
		const char *name;
		uint64_t other_ms;
		unsigned at_200, at_2000;
	} rows[] = {{"cancelled", 0, 0, 0}, {"moved later", 1500, 0, 1}, {"moved earlier", 20, 1, 1}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		start(0);
		struct probe first = new_probe(), second = new_probe();
		first.other = &second;
		first.other_ms = rows[i].other_ms;
		wheel_set(&wheel, &first.timer, 40);
		wheel_set(&wheel, &second.timer, 41); /* the same slot, after it */
		run_to(200, 1);
		CHECK_ROW(second.fired_cnt == rows[i].at_200, rows[i].name);
		run_to(2000, 1);
		CHECK_ROW(second.fired_cnt == rows[i].at_2000, rows[i].name);
	}
}

TEST(a_long_sleep_fires_everything_once)
{
	static struct probe probes[300];

	start(12345);
	for (size_t i = 0; i < 300; i++) {
		probes[i] = new_probe();
		wheel_set(&wheel, &probes[i].timer, now_ms + i * 997);
	}
	now_ms += 10 * 3600 * 1000ull; /* the machine was suspended */
	wheel_advance(&wheel, now_ms);
	for (size_t i = 0; i < 300; i++)
		CHECK_EQ(probes[i].fired_cnt, 1);
}

TEST(random_use)
{
	enum { CNT = 200 };
	static struct probe probes[CNT];

	random_start("wheel");
	start(random_below(1u << 30));
	for (size_t i = 0; i < CNT; i++)
		probes[i] = new_probe();
	for (unsigned step = 0; step < 50000; step++) {
		struct probe *probe = &probes[random_below(CNT)];
		size_t what = random_below(10);
		if (what == 0) {
			wheel_cancel(&probe->timer);
			probe->want_ms = 0;
		} else if (what < 4) {
			probe->want_ms = now_ms + random_below(what == 1 ? 100 : 200000);
			wheel_set(&wheel, &probe->timer, probe->want_ms);
		}
		now_ms += random_below(what == 9 ? 400 : 20);
		wheel_advance(&wheel, now_ms);
		for (size_t i = 0; i < CNT; i++) {
			if (probes[i].fired_cnt > 0) {
				CHECK(probes[i].want_ms != 0 && probes[i].fired_ms >= probes[i].want_ms);
				probes[i].fired_cnt = 0;
				probes[i].want_ms = 0;
			} else if (probes[i].want_ms != 0) {
				CHECK(now_ms < probes[i].want_ms + LATE_MS);
			}
		}
	}
}

CHECK_MAIN
