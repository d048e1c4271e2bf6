// SPDX-License-Identifier: Apache-2.0
#include "node_native.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "sys/driver.h"

/* What is sold in this offer's asset; a knock may name any chain of an offer. */
static struct filter_terms *terms_of(struct filter_native *native, const struct offer *offer)
{
	struct filter_terms *terms = native->terms;

	for (; terms < &native->terms[native->terms_cnt]; terms++)
		if (terms->chain_id == offer->chain_id &&
		    memcmp(&terms->asset, &offer->asset, sizeof offer->asset) == 0)
			return terms;
	native->terms_cnt++;
	*terms = (struct filter_terms){.chain_id = offer->chain_id, .asset = offer->asset};
	return terms;
}

_Static_assert(OFFERS_MAX <= TOLLBAR_NATIVE_TERMS, "each offer has a place");

static void terms_collect(struct filter_native *native, const struct config *config)
{
	for (size_t i = 0; i < config->offer_cnt; i++)
		terms_of(native, &config->offers[i]);
	for (size_t i = 0; i < config->route_cnt; i++) {
		const struct config_route *route = &config->routes[i];
		for (size_t k = 0; route->native != ROUTE_NOT_NATIVE && k < route->offer_cnt; k++) {
			const struct offer *offer = route->offers[k];
			terms_of(native, offer)->methods |= 1u << offer->method;
			if (offer->max_timeout_s > native->timeout_s)
				native->timeout_s = offer->max_timeout_s;
		}
	}
}

static bool cookies_sent(const struct config *config)
{
	return config->native.cookies_from == COOKIES_FROM_KERNEL ||
	       (config->native.cookies_from == COOKIES_FROM_AUTO && driver_sends(config->interface));
}

int node_native_set(struct filter *filter, const struct config *config, struct payers *payers,
		    const uint8_t cookie_key[16])
{
	const struct config_native *settings = &config->native;
	struct filter_native native = {.port_cnt = settings->listen_cnt,
				       .knock_s = settings->knock ? settings->knock_s : 0,
				       .cookies = (enum config_syn_cookies)settings->cookies,
				       .cookies_per_s = settings->cookies_per_s,
				       .cookies_sent = cookies_sent(config)};

	if (settings->listen_cnt == 0)
		return filter_set_native(filter, NULL);
	for (size_t i = 0; i < settings->listen_cnt; i++) /* v4 and v6 keep the port in the same place */
		native.ports[i] = ntohs(((const struct sockaddr_in *)&settings->listens[i])->sin_port);
	memcpy(native.cookie_key, cookie_key, sizeof native.cookie_key);
	terms_collect(&native, config);
	node_native_payers(filter, config, payers);
	return filter_set_native(filter, &native);
}

void node_native_payers(struct filter *filter, const struct config *config, struct payers *payers)
{
	struct address *admitted;

	if (config->native.listen_cnt == 0)
		return;
	int cnt = payers_admitted(payers, &admitted);
	bool everybody = cnt < 0;
	int error = filter_native_payers(filter, admitted, everybody ? 0 : (size_t)cnt, everybody);
	if (error == 0 && cnt == -ENOMEM)
		error = cnt;
	if (error != 0)
		log_warn("event=native_payers error=\"%s\" note=\"every payer's requests come through\"",
			 strerror(-error));
	free(admitted);
}
