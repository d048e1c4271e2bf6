/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_QUEUE_FIXTURE_H
#define TOLLBAR_QUEUE_FIXTURE_H
/* queue_fixture.h: a queue before two upstreams. */
#include "queue.c"

#include "check.h"

#define ONLY(idx) (UINT32_C(1) << (idx))
#define BOTH (ONLY(0) | ONLY(1))
#define NOW 1000000

static struct queue *make(size_t requests_max, size_t bytes_max, unsigned in_flight)
{
	struct queue_config config = {
		.requests_max = requests_max,
		.bytes_max = bytes_max,
		.upstream_cnt = 2,
		.in_flight_max = {in_flight, in_flight},
		.names = {"a", "b"},
		.sets = {ONLY(0), ONLY(1), BOTH},
		.set_cnt = 3,
	};

	log_level = LOG_ERROR;
	return queue_init(&config);
}

static void check_stats(struct queue *queue, size_t requests, size_t bytes, unsigned in_flight)
{
	struct queue_stats stats;

	queue_stats(queue, &stats);
	CHECK_EQ(stats.requests, requests);
	CHECK_EQ(stats.bytes, bytes);
	CHECK_EQ(stats.upstreams[0].in_flight, in_flight);
}

#endif
