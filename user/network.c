// SPDX-License-Identifier: Apache-2.0
/* network.c: see network.h. */
#include "network.h"

#define CHAIN_ID_MAX ((UINT64_C(1) << 53) - 1)

static const struct {
	struct span name;
	uint64_t chain_id;
} v1_networks[] = {
	{SPAN("base"), 8453},	       {SPAN("base-sepolia"), 84532},
	{SPAN("ethereum"), 1},	       {SPAN("sepolia"), 11155111},
	{SPAN("abstract"), 2741},      {SPAN("abstract-testnet"), 11124},
	{SPAN("avalanche"), 43114},    {SPAN("avalanche-fuji"), 43113},
	{SPAN("celo"), 42220},	       {SPAN("educhain"), 41923},
	{SPAN("flare"), 14},	       {SPAN("iotex"), 4689},
	{SPAN("megaeth"), 4326},       {SPAN("monad"), 143},
	{SPAN("peaq"), 3338},	       {SPAN("polygon"), 137},
	{SPAN("polygon-amoy"), 80002}, {SPAN("sei"), 1329},
	{SPAN("sei-testnet"), 1328},   {SPAN("skale-base-sepolia"), 324705682},
	{SPAN("stable"), 988},	       {SPAN("stable-testnet"), 2201},
	{SPAN("story"), 1514},
};

#define V1_NETWORK_CNT (sizeof v1_networks / sizeof *v1_networks)

uint64_t network_of_v1(struct span name)
{
	for (size_t i = 0; i < V1_NETWORK_CNT; i++)
		if (span_equal(v1_networks[i].name, name))
			return v1_networks[i].chain_id;
	return 0;
}

const char *network_v1_name(uint64_t chain_id)
{
	for (size_t i = 0; i < V1_NETWORK_CNT; i++)
		if (v1_networks[i].chain_id == chain_id)
			return (const char *)v1_networks[i].name.at;
	return NULL;
}

uint64_t network_of_caip2(struct span name)
{
	static const char prefix[] = "eip155:";
	const size_t prefix_bytes = sizeof prefix - 1;
	uint64_t id = 0;

	if (name.bytes <= prefix_bytes || memcmp(name.at, prefix, prefix_bytes) != 0 || name.at[prefix_bytes] == '0')
		return 0;
	for (size_t i = prefix_bytes; i < name.bytes; i++) {
		if (name.at[i] < '0' || name.at[i] > '9')
			return 0;
		id = id * 10 + (uint64_t)(name.at[i] - '0'); /* no overflow: id was at most 2^53 - 1 */
		if (id > CHAIN_ID_MAX)
			return 0;
	}
	return id;
}
