// SPDX-License-Identifier: Apache-2.0
// link: user/base/inifile.c user/base/addrtext.c user/base/eip55.c user/base/hex.c user/base/keccak.c user/base/u256.c user/base/url.c -linih
/* fuzz_config.c: any text gives a configuration that keeps its promises, or as many lines of mistakes as are counted. */
#include <assert.h>
#include <netdb.h>
#include <stdlib.h>

/* No name is looked up while fuzzing. */
static int numeric_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
			       struct addrinfo **found)
{
	struct addrinfo numeric = *hints;

	numeric.ai_flags |= AI_NUMERICHOST;
	return getaddrinfo(host, service, &numeric, found);
}
#define getaddrinfo numeric_getaddrinfo
#include "config.c"
#include "config_check.c"
#include "config_value.c"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

static void check_mistakes(const char *text, int cnt)
{
	for (; cnt > 0; cnt--) {
		unsigned line;
		assert(sscanf(text, "f:%u: ", &line) == 1);
		text = strchr(text, '\n');
		assert(text != NULL);
		text++;
	}
	assert(*text == 0);
}

static void check_config(const struct config *config)
{
	assert(config->listen_cnt > 0 && config->route_cnt > 0 && config->public_url[0] != 0);
	assert(config->listen_cnt <= LISTENS_MAX && config->trusted_proxy_cnt <= TRUSTED_PROXIES_MAX);
	for (size_t i = 0; i < config->route_cnt; i++) {
		const struct config_route *route = &config->routes[i];
		assert(route->method[0] != 0 && route->path[0] == '/' && route->upstreams != 0);
		assert(route->upstreams >> config->upstream_cnt == 0);
		for (size_t j = 0; j < config->upstream_cnt; j++)
			assert(config->upstreams[j].address.ss_family != AF_UNSPEC);
		for (size_t j = 0; j < route->offer_cnt; j++) {
			const struct offer *offer = route->offers[j];
			assert(offer >= config->offers && offer < config->offers + config->offer_cnt);
			assert(offer->method != METHOD_NONE && offer->chain_id != 0);
			assert(config->state_directory[0] != 0 && config->facilitator.url[0] != 0);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	static struct config config;
	char *mistakes;
	size_t mistakes_bytes;
	FILE *out = open_memstream(&mistakes, &mistakes_bytes);
	int cnt = config_parse(&config, "f", (const char *)at, bytes, out);

	fclose(out);
	assert(cnt >= 0);
	check_mistakes(mistakes, cnt);
	if (cnt == 0)
		check_config(&config);
	free(mistakes);
	return 0;
}
