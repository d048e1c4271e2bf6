// SPDX-License-Identifier: Apache-2.0
/* What a configuration means to the sieve: terms, ports, times, who sends cookies. */
#include "node_native.c"

#include "check.h"

/* What the filter was told last. */
static struct filter_native told;
static bool off, told_everybody;
static size_t told_cnt;
static int payers_error;

int filter_set_native(struct filter *filter, const struct filter_native *native)
{
	off = native == NULL;
	if (native != NULL)
		told = *native;
	return 0;
}

int filter_native_payers(struct filter *filter, const struct address *payers, size_t cnt, bool everybody)
{
	told_cnt = cnt;
	told_everybody = everybody;
	return payers_error;
}

static struct config config;

static void config_fill(void)
{
	static const uint8_t methods[] = {METHOD_EIP3009, METHOD_UPTO, METHOD_EIP3009, METHOD_PERMIT2};
	static const uint64_t chains[] = {8453, 8453, 8453, 1}, times_s[] = {60, 300, 90, 10000};

	config = (struct config){.offer_cnt = 4, .route_cnt = 3};
	for (size_t i = 0; i < 4; i++) {
		config.offers[i] = (struct offer){.method = methods[i],
						  .chain_id = chains[i],
						  .asset = {{i == 2 ? 9 : 8}},
						  .max_timeout_s = times_s[i]};
		config.routes[0].offers[i] = &config.offers[i];
	}
	/* the first three by native requests, the last by HTTP alone */
	config.routes[0].offer_cnt = 3;
	config.routes[0].native = 0;
	config.routes[1].offers[0] = &config.offers[3];
	config.routes[1].offer_cnt = 1;
	config.routes[1].native = ROUTE_NOT_NATIVE;
	config.routes[2].native = 255; /* free */
	config.native.listen_cnt = 2;
	config.native.knock_s = 77;
	config.native.cookies = SYN_COOKIES_AUTO;
	config.native.cookies_per_s = 5;
	((struct sockaddr_in *)&config.native.listens[0])->sin_port = htons(8403);
	((struct sockaddr_in6 *)&config.native.listens[1])->sin6_port = htons(9000);
}

static const uint8_t key[16] = {1, 2, 3};

static void set(struct payers *payers)
{
	CHECK_EQ(node_native_set(NULL, &config, payers, key), 0);
}

TEST(terms)
{
	struct payers *payers = payers_init(1);

	config_fill();
	set(payers);
	CHECK(!off);
	CHECK_EQ(told.terms_cnt, 3);
	CHECK(told.terms[0].chain_id == 8453 && told.terms[0].asset.at[0] == 8 &&
	      told.terms[0].methods == (1u << METHOD_EIP3009 | 1u << METHOD_UPTO));
	CHECK(told.terms[1].chain_id == 8453 && told.terms[1].asset.at[0] == 9 &&
	      told.terms[1].methods == 1u << METHOD_EIP3009);
	/* a chain that can be named in a knock, and nothing to be bought there */
	CHECK(told.terms[2].chain_id == 1 && told.terms[2].methods == 0);
	CHECK_EQ(told.timeout_s, 300);
	CHECK(told.port_cnt == 2 && told.ports[0] == 8403 && told.ports[1] == 9000);
	CHECK(told.cookies == SYN_COOKIES_AUTO && told.cookies_per_s == 5);
	CHECK_BYTES(told.cookie_key, key, sizeof key);
	CHECK_EQ(told.knock_s, 0);
	config.native.knock = true;
	set(payers);
	CHECK_EQ(told.knock_s, 77);
	config.native.listen_cnt = 0;
	set(payers);
	CHECK(off);
	payers_fini(payers);
}

TEST(who_sends_cookies)
{
	struct payers *payers = payers_init(1);

	config_fill();
	snprintf(config.interface, sizeof config.interface, "lo"); /* no veth */
	config.native.cookies_from = COOKIES_FROM_AUTO;
	set(payers);
	CHECK(told.cookies_sent);
	config.native.cookies_from = COOKIES_FROM_DAEMON;
	set(payers);
	CHECK(!told.cookies_sent);
	config.native.cookies_from = COOKIES_FROM_KERNEL;
	set(payers);
	CHECK(told.cookies_sent);
	payers_fini(payers);
}

TEST(payer_lists)
{
	static const struct {
		const char *text;
		bool everybody;
		size_t cnt;
	} rows[] = {
		{"[list]\nmode = allow\n", false, 0},
		{"[list]\nmode = allow\n[0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf]\n"
		 "[0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF]\n",
		 false, 2},
		{"[list]\nmode = allow\n[0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf]\n"
		 "[0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF]\ndeny = yes\n",
		 false, 1},
		{"[list]\nmode = deny\n[0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf]\ndeny = yes\n", true, 0},
		{"[list]\nmode = off\n[0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf]\n", true, 0},
	};
	struct payers *payers = payers_init(1);

	config_fill();
	set(payers);
	CHECK(told_everybody); /* no list at all */
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		CHECK_EQ(payers_parse(payers, "payers", rows[i].text, strlen(rows[i].text), stdout), 0);
		node_native_payers(NULL, &config, payers);
		CHECK_ROW(told_everybody == rows[i].everybody && told_cnt == rows[i].cnt, rows[i].text);
	}
	log_level = LOG_ERROR;
	payers_error = -E2BIG; /* the daemon goes on: it has the list itself */
	set(payers);
	payers_error = 0;
	payers_fini(payers);
}

CHECK_MAIN
