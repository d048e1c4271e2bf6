// SPDX-License-Identifier: Apache-2.0
#include "funds_node.h"

#include <stdio.h>

#include "post.h"
#include "sys/fetch.h"

int funds_node_open(struct fetch_pool **out, const struct funds_node_config *config)
{
	const struct config_chain *chain = config->chain;
	char authorization[URL_BYTES_MAX + 32];
	const char *headers[3] = {"Content-Type: application/json", "Accept: application/json", authorization};

	snprintf(authorization, sizeof authorization, "Authorization: %s", chain->authorization);
	struct fetch_pool_config pool = {
		.url = chain->rpc,
		.headers = headers,
		.header_cnt = chain->authorization[0] != 0 ? 3 : 2,
		.ca_file = chain->ca_file[0] != 0 ? chain->ca_file : NULL,
		.timeout_ms = chain->timeout_ms,
		.jobs_max = config->jobs_max,
		.body_bytes_max = config->body_bytes_max,
		.answer_bytes_max = config->answer_bytes_max,
		.box = config->box,
	};
	return post_can(chain->rpc) ? post_open(out, &pool) : fetch_pool_open(out, &pool);
}
