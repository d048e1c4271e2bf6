// SPDX-License-Identifier: Apache-2.0
#include "account.h"

#include "worker.h"

void account_request(struct request *request)
{
	size_t set = request->route != NULL ? request->route_idx + 1 : 0;

	if (request->began_ns == 0) /* a connection that was never asked anything */
		return;
	times_add(&request->worker->times[set], &request->times);
	request->times = (struct request_times){0};
}
