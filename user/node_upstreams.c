// SPDX-License-Identifier: Apache-2.0
/* node_upstreams.c: see node_upstreams.h. */
#include "node_upstreams.h"

#include <string.h>

static void add_set(struct queue_config *queue, uint32_t upstreams)
{
	for (size_t i = 0; i < queue->set_cnt; i++)
		if (queue->sets[i] == upstreams)
			return;
	queue->sets[queue->set_cnt++] = upstreams;
}

struct queue_config node_queue_config(const struct config *config, const uint8_t hash_key[16])
{
	struct queue_config queue = {.requests_max = config->queue_requests,
				     .bytes_max = config->queue_bytes,
				     .upstream_cnt = config->upstream_cnt};

	memcpy(queue.hash_key, hash_key, sizeof queue.hash_key);
	for (size_t i = 0; i < config->upstream_cnt; i++) {
		queue.names[i] = config->upstreams[i].name;
		queue.in_flight_max[i] = config->upstreams[i].in_flight;
		queue.checked[i] = config->upstreams[i].check[0] != 0;
	}
	for (size_t i = 0; i < config->route_cnt; i++)
		add_set(&queue, config->routes[i].upstreams);
	return queue;
}

void node_look_queue(struct queue *queue, const struct config *config, struct admin_view *view)
{
	struct queue_stats stats;

	queue_stats(queue, &stats);
	view->queue_requests = stats.requests;
	view->queue_bytes = stats.bytes;
	view->queue_displaced = stats.displaced;
	view->queue_requests_max = config->queue_requests;
	view->queue_bytes_max = config->queue_bytes;
	view->upstream_cnt = config->upstream_cnt;
	for (size_t i = 0; i < view->upstream_cnt; i++) {
		view->upstreams[i].name = config->upstreams[i].name;
		view->upstreams[i].in_flight_max = config->upstreams[i].in_flight;
		view->upstreams[i].queue = stats.upstreams[i];
	}
}
