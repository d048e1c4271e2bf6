/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_CLOCK_H
#define TOLLBAR_BASE_CLOCK_H
/* clock.h: the only clocks.  Facts never call these: time reaches them as an argument. */
#include <stdint.h>
#include <time.h>

/* Monotonic nanoseconds: durations, deadlines, step boundaries. */
static inline uint64_t clock_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Monotonic milliseconds at the tick's resolution (1 to 10 ms), five times cheaper: timeouts. */
static inline uint64_t clock_coarse_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

/* Unix nanoseconds: what the kernel stamps datagrams with. */
static inline uint64_t clock_unix_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Unix milliseconds: what logs are dated in. */
static inline uint64_t clock_unix_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

/* Unix seconds: what payments are dated in. */
static inline uint64_t clock_unix_s(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec;
}

#endif
