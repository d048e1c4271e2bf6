/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_CLOCK_H
#define TOLLBAR_BASE_CLOCK_H
/* clock.h: the only two clocks.  Facts never call these: time reaches them as an argument. */
#include <stdint.h>
#include <time.h>

/* Monotonic nanoseconds: durations, deadlines, step boundaries. */
static inline uint64_t clock_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Unix seconds: what payments are dated in. */
static inline uint64_t clock_unix_s(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec;
}

#endif
