// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/text.h"
#include "cmd/init.h"

#define DIGITS_MAX 60

/* Source of addresses and domains: the tokens' own contracts, as @x402/evm 2.27.0 has them; of the last,
 * OpenGradient's own gateway. */
const struct init_asset init_assets[INIT_ASSETS] = {
	{.name = "usdc-base-sepolia",
	 .title = "USDC on Base Sepolia, a test network: no real money",
	 .network = "eip155:84532",
	 .address = "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
	 .token_name = "USDC",
	 .token_version = "2",
	 .decimals = 6,
	 .price = "0.01",
	 .facilitator = "https://x402.org/facilitator"},
	{.name = "usdc-base",
	 .title = "USDC on Base",
	 .network = "eip155:8453",
	 .address = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
	 .token_name = "USD Coin",
	 .token_version = "2",
	 .decimals = 6,
	 .price = "0.01"},
	{.name = "opg-base",
	 .title = "OPG on Base, by Permit2",
	 .network = "eip155:8453",
	 .address = "0xFbC2051AE2265686a469421b2C5A2D5462FbF5eB",
	 .decimals = 18,
	 .price = "0.1"},
};

const struct init_asset *init_asset_named(const char *name)
{
	for (size_t i = 0; i < INIT_ASSETS; i++)
		if (strcmp(init_assets[i].name, name) == 0)
			return &init_assets[i];
	return NULL;
}

bool init_amount(char *out, size_t out_bytes, const char *price, unsigned decimals)
{
	char digits[DIGITS_MAX + 40];
	size_t cnt = 0, behind = 0, point_cnt = 0;
	const char *first = digits;

	for (const char *at = price; *at != 0; at++) {
		if (*at == '.' && point_cnt++ == 0)
			continue;
		if (*at < '0' || *at > '9' || cnt == DIGITS_MAX)
			return false;
		digits[cnt++] = *at;
		behind += point_cnt;
	}
	if (behind > decimals || decimals > 36 || cnt == 0)
		return false;
	for (; behind < decimals; behind++)
		digits[cnt++] = '0';
	digits[cnt] = 0;
	while (*first == '0')
		first++;
	cnt = strlen(first);
	if (cnt == 0 || cnt >= out_bytes)
		return false;
	memcpy(out, first, cnt + 1);
	return true;
}

static void put_node(struct text *text, const struct init_plan *plan)
{
	text_put(text,
		 "# Written by tollbar init.  Every other setting, with its default, is in tollbar.conf(5) and in "
		 "tollbar.example.conf.\n"
		 "# tollbar check FILE says what is wrong with it, tollbar doctor -c FILE what is wrong around it.\n\n"
		 "[node]\n"
		 "listen = %s ; where clients come in\n"
		 "state = %s ; the ledger of what was paid: back it up\n",
		 plan->listen, plan->state);
	if (plan->public_url[0] != 0)
		text_put(text, "public_url = %s ; what clients call this node\n", plan->public_url);
	else
		text_put(text, ";public_url = https://HOST ; what clients call this node, when something stands in "
			       "front of it\n");
	if (plan->interface[0] != 0)
		text_put(text,
			 "interface = %s ; the filter must be there before the daemon starts: tollbar attach %s\n",
			 plan->interface, plan->interface);
	else
		text_put(text, ";interface = %s ; to have packets filtered in the driver, after: tollbar attach %s\n",
			 plan->interface_found[0] != 0 ? plan->interface_found : "eth0",
			 plan->interface_found[0] != 0 ? plan->interface_found : "eth0");
	text_put(text, ";payers = /etc/tollbar/payers.conf ; who may pay, and how much; without it, everybody\n\n");
}

static void put_offer(struct text *text, const struct init_plan *plan, const char *amount)
{
	const struct init_asset *asset = plan->asset;

	text_put(text,
		 "[facilitator]\n"
		 "url = %s ; who brings payments to the chain\n"
		 ";authorization = ; if it wants one; this file should then be readable by root and the daemon's group "
		 "alone\n\n"
		 "[offer request]\n"
		 "# %s.  For a price by what an answer uses see method = upto in tollbar.conf(5).\n"
		 "method = %s\n"
		 "network = %s\n"
		 "asset = %s\n"
		 "pay_to = %s ; who gets the money: look twice\n"
		 "amount = %s ; of one request, in atomic units: %s whole tokens\n",
		 plan->facilitator, asset->title, asset->token_name != NULL ? "eip3009" : "permit2", asset->network,
		 asset->address, plan->pay_to, amount, plan->price);
	if (asset->token_name != NULL)
		text_put(text,
			 "token_name = %s ; the token's own name and version, which clients sign: not yours to choose\n"
			 "token_version = %s\n",
			 asset->token_name, asset->token_version);
}

static void put_chain(struct text *text, const struct init_plan *plan)
{
	bool on = plan->rpc[0] != 0;

	text_put(text,
		 "\n# A node of the chain, so that payers without funds are refused before the model runs.\n"
		 "%s[chain main]\n"
		 "%snetwork = %s\n"
		 "%srpc = %s\n",
		 on ? "" : ";", on ? "" : ";", plan->asset->network, on ? "" : ";", on ? plan->rpc : "https://NODE");
}

static void put_routes(struct text *text, const struct init_plan *plan)
{
	text_put(text,
		 "\n[upstream model]\n"
		 "url = %s ; the model server\n"
		 ";in_flight = 64 ; requests it gets at one time; the others wait in line\n\n"
		 "[route chat]\n"
		 "match = POST /v1/chat/completions\n"
		 "offers = request\n"
		 "upstream = model\n"
		 "description = Chat completions\n\n"
		 "[route models] ; no offers: free\n"
		 "match = GET /v1/models\n"
		 "upstream = model\n",
		 plan->upstream);
}

size_t init_text(char *out, size_t out_bytes, const struct init_plan *plan)
{
	char amount[DIGITS_MAX + 40];
	struct text text;

	if (!init_amount(amount, sizeof amount, plan->price, plan->asset->decimals))
		return 0;
	text_init(&text, out, out_bytes);
	put_node(&text, plan);
	put_offer(&text, plan, amount);
	put_chain(&text, plan);
	put_routes(&text, plan);
	return text_done(&text);
}
