/* SPDX-License-Identifier: Apache-2.0 */
#include "gate_head.h"

#include "base/clock.h"
#include "decode.h"
#include "purchase.h"
#include "worker.h"

enum reason gate_find_route(struct request *request)
{
	const struct config *config = request->worker->config;
	enum reason reason = ROUTE_UNKNOWN;

	for (size_t i = 0; i < config->route_cnt; i++) {
		const struct config_route *route = &config->routes[i];
		if (!span_equal(request->head.target, span_str(route->path)))
			continue;
		if (span_equal(request->head.method, span_str(route->method))) {
			request->route = route;
			request->route_idx = i;
			request->paid = route->offer_cnt > 0;
			return REASON_OK;
		}
		reason = METHOD_WRONG;
	}
	return reason;
}

enum reason gate_read_payment(struct request *request)
{
	const struct http_head *head = &request->head;

	if (head->payment_field_cnt == 0)
		return purchase_resume(request);
	if (head->payment_field_cnt > 1)
		return PAYMENT_DUPLICATE;
	bool v2 = head->payment_v2.at != NULL;
	return decode_payment(&request->payment, v2 ? 2 : 1, v2 ? head->payment_v2 : head->payment_v1);
}

void gate_set_deadline(struct request *request, unsigned after_ms)
{
	wheel_set(&request->worker->wheel, &request->timer, clock_coarse_ms() + after_ms);
}
