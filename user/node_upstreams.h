/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_NODE_UPSTREAMS_H
#define TOLLBAR_NODE_UPSTREAMS_H
/* node_upstreams.h: the part of node.c that is about the model servers: the line to them as the configuration has it, and how
 * they are. */
#include "admin.h"
#include "config.h"
#include "queue.h"

/* hash_key: 16 random bytes. */
struct queue_config node_queue_config(const struct config *config, const uint8_t hash_key[16]);
void node_look_queue(struct queue *queue, const struct config *config, struct admin_view *view);

#endif
