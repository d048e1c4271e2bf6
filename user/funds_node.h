/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_FUNDS_NODE_H
#define TOLLBAR_FUNDS_NODE_H
/* funds_node.h: connections to a chain's node, as its [chain] section says: by a ring of our own where it is near, by
 * libcurl over TLS and proxies. */
#include "config.h"
#include "sys/fetch_pool.h"

struct funds_node_config {
	const struct config_chain *chain;
	size_t jobs_max;
	size_t body_bytes_max, answer_bytes_max; /* of each */
	struct mailbox *box;			 /* whose mail ends a wait */
};

/* 0 or -errno.  The pool is the calling thread's own. */
int funds_node_open(struct fetch_pool **out, const struct funds_node_config *config);

#endif
