// SPDX-License-Identifier: Apache-2.0
#include <netdb.h>

/* Names are not looked up while testing: only numbers and "localhost" resolve. */
static int local_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
			     struct addrinfo **found)
{
	struct addrinfo numeric = *hints;
	const char *local = "127.0.0.1";

	numeric.ai_flags |= AI_NUMERICHOST;
	for (const char *a = host, *b = "localhost"; *a == *b; a++, b++)
		if (*a == 0)
			return getaddrinfo(local, service, &numeric, found);
	return getaddrinfo(host, service, &numeric, found);
}
#define getaddrinfo local_getaddrinfo
#include "config.c"
#include "config_check.c"
#include "config_value.c"

#include <unistd.h>

#include "check.h"
#include "config_fixture.h"

#define ADDRESS "0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025"
#define NODE_PART "[node]\nlisten = 127.0.0.1:8402\nstate = /tmp\n"
#define FACILITATOR_PART "[facilitator]\nurl = http://127.0.0.1:4021\n"
#define UPSTREAM_PART "[upstream u]\nurl = http://127.0.0.1:8000\n"
#define OFFER_PART(name)                                                                                    \
	"[offer " name "]\nmethod = eip3009\nnetwork = eip155:8453\nasset = " ADDRESS "\npay_to = " ADDRESS \
	"\namount = 10\ntoken_name = USD Coin\ntoken_version = 2\n"
#define ROUTE_PART "[route r]\nmatch = POST /v1/chat\nupstream = u\noffers = o\n# the end\n"
#define UPTO_PART                                                                                   \
	"[offer p]\nmethod = upto\nnetwork = eip155:1\nasset = " ADDRESS "\npay_to = " ADDRESS "\n" \
	"amount = 1\nfacilitator = " ADDRESS "\n"
#define PRICE_PART(name) "[price " name "]\ninput_usd_per_mtok = 1\noutput_usd_per_mtok = 2\n"
#define SESSION_PART(offers) "[route s]\nmatch = GET /\nupstream = u\nsession = on\noffers = " offers "\n"
#define THREE ADDRESS "," ADDRESS "," ADDRESS
#define NINE THREE "," THREE "," THREE
#define WHOLE NODE_PART FACILITATOR_PART UPSTREAM_PART OFFER_PART("o") ROUTE_PART

TEST(defaults)
{
	char *mistakes;

	CHECK_EQ(parse(WHOLE, &mistakes), 0);
	CHECK_EQ(strcmp(mistakes, ""), 0);
	CHECK_EQ(config.connections, 1024);
	CHECK_EQ(config.workers, 0);
	CHECK_EQ(config.body_bytes_max, 1 << 20);
	CHECK_EQ(config.response_bytes_max, 4 << 20);
	CHECK_EQ(config.queue_requests, 256);
	CHECK_EQ(config.queue_bytes, 64 << 20);
	CHECK_EQ(config.claims, 262144);
	CHECK_EQ(config.ledger_bytes, 1 << 30);
	CHECK_EQ(config.keep_s, 604800);
	CHECK_EQ(config.sessions, 4096);
	const struct config_session *session = &config.routes[0].session;
	CHECK(!session->on && session->idle_s == 100 && session->margin_s == 60);
	CHECK_EQ(config.event_loop, CHOOSE_LOOP);
	CHECK(config.sandbox);
	CHECK_EQ(config.engine, CHOOSE_ENGINE);
	CHECK_EQ(config.signer_cache_bytes, 64 << 20);
	CHECK_EQ(config.log_level, LOG_INFO);
	CHECK_EQ(((struct sockaddr_in *)&config.admin)->sin_port, htons(9402));
	CHECK_EQ(((struct sockaddr_in *)&config.admin)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CHECK_EQ(config.filter.allow_mode, false);
	CHECK_EQ(config.filter.penalty_failures, 20);
	CHECK_EQ(config.filter.penalty_window_s, 10);
	CHECK_EQ(config.filter.penalty_s, 60);
	CHECK(!config.filter.fail_closed && !config.filter.checksum);
	CHECK_EQ(config.filter.fail_s, 10);
	CHECK_EQ(config.filter.limits.packets_per_s + config.filter.limits.connections_per_s, 0);
	CHECK(config.filter.syn_cookies == SYN_COOKIES_OFF && config.filter.syn_cookies_per_s == 1000);
	CHECK(config.filter.limits.limit_ip4_bits == 32 && config.filter.limits.limit_ip6_bits == 64);
	CHECK(config.native.listen_cnt == 0 && config.native.requests == 4096 && config.native.results == 8192);
	CHECK(config.native.results_bytes == 64 << 20 && config.native.keep_s == 300);
	CHECK(config.native.cookies == SYN_COOKIES_AUTO && config.native.cookies_per_s == 20000);
	CHECK(config.native.cookies_from == COOKIES_FROM_AUTO);
	CHECK(!config.native.knock && config.native.knock_s == 300);
	CHECK(config.routes[0].native == ROUTE_NOT_NATIVE && !config.routes[0].tee);
	CHECK_EQ(config.facilitator.timeout_ms, 10000);
	CHECK_EQ(config.facilitator.in_flight, 32);
	CHECK(!config.facilitator.settle_data);
	CHECK_EQ(config.timeouts.head_ms, 5000);
	CHECK_EQ(config.timeouts.drain_ms, 300000);
	CHECK_EQ(config.upstreams[0].in_flight, 64);
	CHECK_EQ(config.offers[0].max_timeout_s, 60);
	CHECK(strcmp(config.routes[0].mime_type, "application/json") == 0);
	CHECK(strcmp(config.public_url, "http://127.0.0.1:8402") == 0);
}

TEST(every_setting_arrives)
{
	const char *text =
		"[route r]\nmatch = POST /v1/x?y=1\noffers = b,  a\nupstream = u6,u\ndescription = two "
		"words\nmime_type "
		"= text/plain\nbind_body = accept\nsession = on\nsession_idle_s = 1\nsession_margin_s = 20\n"
		"[route free]\nmatch = GET /v1/models\nupstream = u\noffers =\npriority = low\n"
		"[upstream u]\nurl = http://localhost:8000/\nin_flight = 3\nauthorization = Bearer key\ncheck = /h?x\n"
		"check_ms = 200\ncheck_timeout_ms = 20\n"
		"[upstream u6]\nurl = http://[::1]:81\n"
		"[offer a]\npriority = high\nmethod = upto\nnetwork = eip155:84532\nasset = "
		"0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913\n"
		"pay_to = " ADDRESS
		"\namount = 115792089237316195423570985008687907853269984665640564039457584007913129639935\n"
		"facilitator = 0x17c5185167401ed00cf5f5b2fc97d9bbfdb7d025\ninput_per_mtok = 0\n"
		"output_per_mtok = 1000000000000000000000000000\nmax_timeout_s = 300\nsession_reserve = 7\n"
		"[offer b]\nmethod = permit2\nnetwork = eip155:1\nasset = " ADDRESS "\npay_to = " ADDRESS
		"\namount = 1\n"
		"[price x]\nmodel = a/b:c\ninput_usd_per_mtok = 2.50\noutput_usd_per_mtok = 0.000000000001\n"
		"[price gpt]\ninput_usd_per_mtok = 0\noutput_usd_per_mtok = 1000000000.000000000000\n"
		"[chain c]\nnetwork = eip155:10\nrpc = https://n.example/v2/key/\nauthorization = Bearer n\nca_file "
		"= /c\n"
		"funds = cached\nmax_age_s = 2\nlag_s = 3\nsuspect_s = 4\ntimeout_ms = 500\nin_flight = 6\nbatch = "
		"7\nexposure = 8\nfinal = safe\nconfirmations = 9\nrecheck_s = 11\ncontracts = yes\nerc6492_factories "
		"= " ADDRESS " ,0x17c5185167401ed00cf5f5b2fc97d9bbfdb7d025\n"
		"[chain d]\nnetwork = eip155:1\nrpc = http://localhost:1\nfunds = strict\n"
		"[timeouts]\nhead_ms = 1\nbody_ms = 2\nidle_ms = 3\nsend_ms = 4\nqueue_ms = 5\nconnect_ms = "
		"6\nfirst_byte_ms = 7\n"
		"token_ms = 8\ntotal_ms = 9\nsettle_ms = 10\ndrain_ms = 11\n"
		"[facilitator]\nurl = https://f.example/base/\nauthorization = Bearer f\ntimeout_ms = 100\nin_flight = "
		"1\nsettle_data = on\n"
		"[filter]\nmode = allow\nobserve = yes\nallow = /a\ndeny = /d\npenalty_failures = 0\npenalty_window_s "
		"= 4\npenalty_s = 5\nfail = closed\nfail_s = 6\nchecksum = yes\n"
		"packets_per_s = 6\npackets_burst = 7\nconnections_per_s = 8\nconnections_burst = "
		"9\n"
		"limit_ip4_bits = 24\nlimit_ip6_bits = 48\nlimit_listed = yes\nsyn_cookies = on\nsyn_cookies_per_s = "
		"10\n"
		"[node]\nlisten = 0.0.0.0:1\nlisten = [::]:65535\nadmin = [::1]:9\ninterface = eth0.100\npublic_url = "
		"https://n.example/\n"
		"state = /s\npayers = /p\nworkers = 2\nconnections = 3\nbody_bytes_max = 2K\nresponse_bytes_max = 1G\n"
		"queue_requests = 4\nqueue_bytes = 3M\nclaims = 4096\nsessions = 5\nledger_bytes = 2T\nkeep_s = "
		"86400\nevent_loop = epoll\nsandbox = off\nengine = "
		"libsecp256k1\nsigner_cache_bytes = 1M\ntrusted_proxy "
		"= 10.0.0.1\n"
		"trusted_proxy = fd00::1\nlog = debug\n";
	char *mistakes;
	const struct in6_addr mapped = {.s6_addr = {[10] = 0xff, 0xff, 10, 0, 0, 1}};

	CHECK_EQ(parse(text, &mistakes), 0);
	CHECK(strcmp(mistakes, "") == 0);
	CHECK_EQ(config.listen_cnt, 2);
	CHECK_EQ(((struct sockaddr_in *)&config.listens[0])->sin_port, htons(1));
	CHECK_EQ(config.listens[1].ss_family, AF_INET6);
	CHECK_EQ(((struct sockaddr_in6 *)&config.listens[1])->sin6_port, htons(65535));
	CHECK_EQ(config.admin.ss_family, AF_INET6);
	CHECK(strcmp(config.interface, "eth0.100") == 0);
	CHECK(strcmp(config.public_url, "https://n.example") == 0);
	CHECK(strcmp(config.state_directory, "/s") == 0);
	CHECK(strcmp(config.payers_file, "/p") == 0);
	CHECK_EQ(config.workers, 2);
	CHECK_EQ(config.connections, 3);
	CHECK_EQ(config.body_bytes_max, 2048);
	CHECK_EQ(config.response_bytes_max, 1 << 30);
	CHECK_EQ(config.queue_requests, 4);
	CHECK_EQ(config.queue_bytes, 3 << 20);
	CHECK_EQ(config.claims, 4096);
	CHECK_EQ(config.ledger_bytes, 2ull << 40);
	CHECK_EQ(config.keep_s, 86400);
	CHECK_EQ(config.event_loop, CHOOSE_EPOLL);
	CHECK(!config.sandbox);
	CHECK_EQ(config.engine, CHOOSE_LIBSECP256K1);
	CHECK_EQ(config.signer_cache_bytes, 1 << 20);
	CHECK_EQ(config.trusted_proxy_cnt, 2);
	CHECK_BYTES(&config.trusted_proxies[0], &mapped, sizeof mapped);
	CHECK_EQ(config.log_level, LOG_DEBUG);
	CHECK(config.filter.allow_mode && config.filter.observe);
	CHECK(strcmp(config.filter.allow_file, "/a") == 0 && strcmp(config.filter.deny_file, "/d") == 0);
	CHECK_EQ(config.filter.penalty_failures, 0);
	CHECK_EQ(config.filter.penalty_window_s, 4);
	CHECK_EQ(config.filter.penalty_s, 5);
	CHECK(config.filter.fail_closed && config.filter.checksum);
	CHECK_EQ(config.filter.fail_s, 6);
	const struct config_limits *limits = &config.filter.limits;
	CHECK(limits->packets_per_s == 6 && limits->packets_burst == 7);
	CHECK(limits->connections_per_s == 8 && limits->connections_burst == 9);
	CHECK(config.filter.syn_cookies == SYN_COOKIES_ON && config.filter.syn_cookies_per_s == 10);
	CHECK(limits->limit_ip4_bits == 24 && limits->limit_ip6_bits == 48 && limits->limit_listed);
	CHECK(strcmp(config.facilitator.url, "https://f.example/base") == 0);
	CHECK(strcmp(config.facilitator.authorization, "Bearer f") == 0);
	CHECK_EQ(config.facilitator.timeout_ms, 100);
	CHECK_EQ(config.facilitator.in_flight, 1);
	CHECK(config.facilitator.settle_data);
	const unsigned *timeouts = &config.timeouts.head_ms;
	for (unsigned i = 0; i < 11; i++)
		CHECK_EQ(timeouts[i], i + 1);
	CHECK_EQ(config.upstream_cnt, 2);
	CHECK(strcmp(config.upstreams[0].url, "http://localhost:8000") == 0);
	CHECK(strcmp(config.upstreams[0].host_header, "localhost:8000") == 0);
	CHECK_EQ(config.upstreams[0].in_flight, 3);
	CHECK(strcmp(config.upstreams[0].authorization, "Bearer key") == 0);
	CHECK_EQ(((struct sockaddr_in *)&config.upstreams[0].address)->sin_port, htons(8000));
	CHECK_EQ(config.upstreams[0].address_bytes, sizeof(struct sockaddr_in));
	CHECK(strcmp(config.upstreams[0].check, "/h?x") == 0 && config.upstreams[0].check_ms == 200);
	CHECK(config.upstreams[0].check_timeout_ms == 20 && config.upstreams[1].check_timeout_ms == 2000);
	CHECK(config.upstreams[1].check[0] == 0 && config.upstreams[1].check_ms == 5000);
	CHECK_EQ(config.upstreams[1].address.ss_family, AF_INET6);
	CHECK(strcmp(config.upstreams[1].host_header, "[::1]:81") == 0);
	CHECK_EQ(config.offer_cnt, 2);
	const struct offer *upto = &config.offers[0];
	struct word most;
	memset(&most, 0xff, sizeof most);
	CHECK_EQ(upto->method, METHOD_UPTO);
	CHECK_EQ(upto->chain_id, 84532);
	CHECK_EQ(upto->asset.at[0], 0x83);
	CHECK_EQ(upto->facilitator.at[19], 0x25);
	CHECK_BYTES(&upto->amount, &most, sizeof most);
	CHECK_EQ(upto->max_timeout_s, 300);
	CHECK(upto->token_usd == 0 && config.prices[0].input_usd == 2500000000000 && config.prices[0].output_usd == 1);
	CHECK(strcmp(config.prices[0].model, "a/b:c") == 0 && strcmp(config.prices[1].model, "gpt") == 0);
	CHECK(config.price_cnt == 2 && config.prices[1].output_usd == USD_MAX);
	const struct config_session *session = &config.routes[0].session;
	CHECK(session->on && session->idle_s == 1 && session->margin_s == 20 && config.sessions == 5);
	CHECK(!config.routes[1].session.on && upto->session_reserve.at[31] == 7 && upto->session_reserve.at[0] == 0);
	CHECK(config.routes[0].bind_body == BIND_ACCEPT && config.routes[1].bind_body == BIND_OFF);
	CHECK(upto->input_per_mtok == 0 && upto->output_per_mtok == PRICE_MAX);
	CHECK_EQ(config.offers[1].method, METHOD_PERMIT2);
	CHECK_EQ(config.chain_cnt, 2);
	const struct config_chain *chain = &config.chains[0];
	CHECK(chain->chain_id == 10 && strcmp(chain->rpc, "https://n.example/v2/key") == 0);
	CHECK(strcmp(chain->authorization, "Bearer n") == 0 && strcmp(chain->ca_file, "/c") == 0);
	CHECK(chain->final == FINAL_SAFE && chain->confirmations == 9 && chain->recheck_s == 11);
	CHECK(chain->factory_cnt == 2 && chain->factories[1].at[0] == 0x17 && chain->factories[1].at[19] == 0x25);
	CHECK(chain->funds == FUNDS_CACHED && chain->max_age_s == 2 && chain->lag_s == 3 && chain->suspect_s == 4);
	CHECK(chain->timeout_ms == 500 && chain->in_flight == 6 && chain->batch == 7);
	CHECK(chain->exposure == 8 && chain->contracts);
	CHECK(config.chains[1].funds == FUNDS_STRICT && config.chains[1].max_age_s == 30 &&
	      !config.chains[1].contracts);
	CHECK_EQ(config.route_cnt, 2);
	const struct config_route *route = &config.routes[0];
	CHECK(strcmp(route->method, "POST") == 0 && strcmp(route->path, "/v1/x?y=1") == 0);
	CHECK_EQ(route->offer_cnt, 2);
	CHECK(route->offers[0] == &config.offers[1] && route->offers[1] == upto);
	CHECK_EQ(route->upstreams, 3);
	CHECK(strcmp(route->description, "two words") == 0 && strcmp(route->mime_type, "text/plain") == 0);
	CHECK_EQ(config.routes[1].offer_cnt, 0);
	CHECK(route->priority == PRIORITY_NORMAL && config.routes[1].priority == PRIORITY_LOW);
	CHECK(upto->priority == PRIORITY_HIGH && config.offers[1].priority == PRIORITY_UNSAID);
}

TEST(ten_mistakes_ten_lines)
{
	const char *text = "[node]\n"
			   "listen = 127.0.0.1\n" /* 2: no port */
			   "conections = 5\n"	  /* 3: unknown */
			   "workers = 1000\n"	  /* 4: range */
			   "state = /tmp\n"
			   "state = /var\n" /* 6: again */
			   "[upstream u]\n"
			   "url = http://127.0.0.1:8000/v1\n" /* 8: path */
			   "[offer o]\n"		      /* 9: token_version missing */
			   "method = eip3009\n"
			   "network = base\n" /* 11: form */
			   "asset = " ADDRESS "\n"
			   "pay_to = 0x17c5185167401ED00cF5F5b2fc97D9BBfDb7D025\n" /* 13: checksum */
			   "amount = 10\n"
			   "token_name = USD Coin\n"
			   "[route r]\n"
			   "match = POST /v1/chat\n"
			   "upstream = w\n" /* 18: unknown */
			   "offers = o\n"
			   "[facilitator]\n"
			   "url = http://127.0.0.1:4021\n"
			   "[limits]\n" /* 22: unknown section */
			   "anything = goes\n";
	static const unsigned lines[] = {2, 3, 4, 6, 8, 9, 11, 13, 18, 22};
	unsigned found[sizeof lines / sizeof *lines] = {0}, total = 0;
	char *mistakes, *rest;

	CHECK_EQ(parse(text, &mistakes), 10);
	rest = mistakes;
	for (char *line; (line = strsep(&rest, "\n")) != NULL && *line != 0; total++) {
		CHECK_ROW(strncmp(line, "f:", 2) == 0, line);
		for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
			found[i] += lines[i] == strtoul(line + 2, NULL, 10);
	}
	CHECK_EQ(total, 10);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		CHECK_EQ(found[i], 1);
}

/* text → exactly these mistakes, in this order */
static const struct {
	const char *text, *want;
} rows[] = {
	{"", "f:0: [node]: listen is missing\nf:0: no [route NAME]: nothing would be served\n"},
	{NODE_PART, "f:0: no [route NAME]: nothing would be served\n"},
	{WHOLE "[node]\nworkers = x\n",
	 "f:21: [node] again; it began at line 1\nf:22: workers = x: must be a number from 0 to 256\n"},
	{WHOLE "[timeouts]\n[timeouts]\nhead_ms = 0\n",
	 "f:22: [timeouts] again; it began at line 21\nf:23: head_ms = 0: must be a number from 1 to 86400000\n"},
	{WHOLE OFFER_PART("o"), "f:21: [offer o] again; it began at line 8\n"},
	{WHOLE "[route  r]\nupstream = x\n", "f:21: [route r] again; it began at line 16\n"},
	{WHOLE "[node x]\n", "f:21: [node x]: this section takes no name\n"},
	{WHOLE "[offer]\n", "f:21: [offer]: needs a name of letters, digits, '.', '_', '-'\n"},
	{WHOLE "[offer a b]\nx = y\n", "f:21: [offer a b]: needs a name of letters, digits, '.', '_', '-'\n"},
	{WHOLE "[offers o]\n", "f:21: unknown section [offers o]\n"},
	{WHOLE "[Node]\n", "f:21: unknown section [Node]\n"},
	{WHOLE "junk hush\n", "f:21: neither [section] nor name = value: junk ...\n"},
	{"x = y\n" WHOLE, "f:1: x: a setting before the first [section]\n"},
	{WHOLE "[route s]\n", "f:21: [route s]: match is missing\nf:21: [route s]: upstream is missing\n"},
	{WHOLE "[upstream v]\nurl = http://127.0.0.1:1\ncheck = health\ncheck_ms = 1\n",
	 "f:23: check = health: must be a path, as /health\nf:24: check_ms = 1: must be a number from 100 to "
	 "3600000\n"},
	{WHOLE "[route s]\nupstream = u, w,u,\nmatch = GET /\n",
	 "f:22: upstream: there is no [upstream w]\nf:22: upstream: u again\nf:22: upstream: there is no [upstream "
	 "]\n"},
	{WHOLE "[route s]\nupstream = u\nmatch = POST /v1/chat\n", "f:23: match: [route r] has the same\n"},
	{WHOLE "[route s]\nupstream = u\nmatch = GET /v1/chat\n", ""},
	{WHOLE "[route s]\nupstream = u\nmatch = /x\n",
	 "f:23: match = /x: must be METHOD /PATH, as POST /v1/chat/completions\n"},
	{WHOLE "[route s]\nupstream = u\nmatch = GET /a#b\n",
	 "f:23: match = GET /a#b: must be METHOD /PATH, as POST /v1/chat/completions\n"},
	{WHOLE "[route s]\nupstream = u\nmatch = GET /a b\n",
	 "f:23: match = GET /a b: must be METHOD /PATH, as POST /v1/chat/completions\n"},
	{WHOLE "[route s]\nupstream = u\nmatch = GET /a\noffers = o p, q\n",
	 "f:24: offers: there is no [offer o p]\nf:24: offers: there is no [offer q]\n"},
	{WHOLE "[route s]\nupstream = u\nmatch = GET /a\noffers = o,\n", "f:24: offers: an empty name\n"},
	{WHOLE OFFER_PART("p") "[route s]\nupstream = u\nmatch = GET /a\noffers = p, o\n",
	 "f:32: offers: p and o have the same method, network and asset: a payment could be for either\n"},
	{WHOLE "[offer p]\nmethod = upto\nnetwork = eip155:1\nasset = " ADDRESS "\npay_to = " ADDRESS "\namount = 1\n",
	 "f:21: [offer p]: facilitator is missing\nf:21: [offer p]: input_per_mtok is missing\n"
	 "f:21: [offer p]: output_per_mtok is missing\n"},
	{WHOLE "[offer p]\nmethod = permit2\nnetwork = eip155:1\nasset = " ADDRESS "\npay_to = " ADDRESS
	       "\namount = 1\ninput_per_mtok = 1\n",
	 "f:27: input_per_mtok: only an upto offer has it\n"},
	{WHOLE "[offer p]\nmethod = permit2\nnetwork = eip155:1\nasset = " ADDRESS "\npay_to = " ADDRESS
	       "\namount = 1\ntoken_usd = 1\n" PRICE_PART("m"),
	 "f:27: token_usd: only an upto offer has it\n"},
	{WHOLE UPTO_PART "token_usd = 0.05\ntoken_decimals = 18\n" PRICE_PART("m"), ""},
	{WHOLE UPTO_PART "token_usd = 0.05\n" PRICE_PART("m"), "f:21: [offer p]: token_decimals is missing\n"},
	{WHOLE UPTO_PART "token_usd = 1\ntoken_decimals = 6\ninput_per_mtok = 1\n" PRICE_PART("m"),
	 "f:30: input_per_mtok: the offer goes by model: it has token_usd\n"},
	{WHOLE UPTO_PART "token_usd = 1\ntoken_decimals = 6\n",
	 "f:28: token_usd: there is no [price NAME]: nothing could be bought\n"},
	{WHOLE PRICE_PART("m") PRICE_PART("n") "model = m\n", "f:27: model: [price m] has the same\n"},
	{WHOLE "[price m]\nmodel =\n",
	 "f:21: [price m]: input_usd_per_mtok is missing\nf:21: [price m]: output_usd_per_mtok is missing\n"},
	{WHOLE OFFER_PART("p") "unsettled_max = 9\npayer_unsettled_max = 1e3\n",
	 "f:30: payer_unsettled_max = 1e3: must be a whole number of atomic units from 0 (no limit) to 2^256 - 1\n"
	 "f:29: unsettled_max: smaller than amount: every request would be refused\n"},
	{WHOLE OFFER_PART("p") "unsettled_max = 10\npayer_unsettled_max = 0\n", ""},
	{WHOLE
	 "[facilitator b]\nurl = http://127.0.0.1:4022\n[facilitator a]\nurl = http://127.0.0.1:4023\n" OFFER_PART(
		 "p") "settle_by = a, default ,b\n",
	 ""},
	{WHOLE "[facilitator b]\n" OFFER_PART("p") "settle_by = a,b,b,\n[facilitator default]\nurl = http://h:1\n",
	 "f:21: [facilitator b]: url is missing\nf:30: settle_by: there is no [facilitator a]\nf:30: settle_by: b "
	 "again\n"
	 "f:30: settle_by: there is no [facilitator ]\nf:31: [facilitator default]: this is the one without a name\n"},
	{WHOLE "[facilitator b c]\nurl = http://h:1\n",
	 "f:21: [facilitator b c]: needs a name of letters, digits, '.', '_', '-'\n"},
	{WHOLE "[offer p]\nmethod = erc20\n",
	 "f:22: method = erc20: must be eip3009 or permit2 or upto\nf:21: [offer p]: network is missing\n"
	 "f:21: [offer p]: asset is missing\nf:21: [offer p]: pay_to is missing\nf:21: [offer p]: amount is missing\n"},
	{"[node]\nlisten = 127.0.0.1:1\n" UPSTREAM_PART OFFER_PART("o") ROUTE_PART,
	 "f:0: [facilitator]: url is missing\nf:1: [node]: state is missing: paid routes need a ledger\n"},
	{"[node]\nlisten = 127.0.0.1:1\nstate =\n[facilitator]\n" UPSTREAM_PART OFFER_PART("o") ROUTE_PART,
	 "f:4: [facilitator]: url is missing\nf:3: state: empty: paid routes need a ledger\n"},
	{"[node]\nlisten = 127.0.0.1:1\n" UPSTREAM_PART "[route r]\nmatch = GET /\nupstream = u\n", ""},
	{WHOLE "[upstream w]\nauthorization = secret\x01\n",
	 "f:22: control byte 0x01\nf:21: [upstream w]: url is missing\n"},
	{WHOLE "[upstream w]\nurl = http://127.0.0.1:1\nauthorization = s\xc3\xa9"
	       "cret\n",
	 "f:23: authorization: only printable ASCII\n"},
	{"[node]\nlisten = 127.0.0.1:1\nadmin = 127.0.0.1:1\nqueue_bytes = 1K\n" UPSTREAM_PART
	 "[route r]\nmatch = GET /\nupstream = u\n",
	 "f:3: admin: the same address as a listen\n"
	 "f:4: queue_bytes: smaller than body_bytes_max: the largest body could never wait\n"},
	{WHOLE "[filter]\npackets_per_s = 1000\npackets_burst = 11\nconnections_burst = 1\nconnections_per_s = 9\n",
	 ""},
	{WHOLE "[filter]\npackets_per_s = 1000\npackets_burst = 10\nconnections_burst = 1\nconnections_per_s = 10\n",
	 "f:23: packets_burst: must be 11 or more: one, and what comes in 10 ms\n"
	 "f:24: connections_burst: must be 2 or more: one, and what comes in 10 ms\n"},
	{WHOLE "[filter]\nmode = allow\nconnections_per_s = 10\n",
	 "f:23: connections_per_s: limits nobody: in mode allow every source is listed; set limit_listed = yes\n"},
	{WHOLE "[filter]\nmode = allow\nconnections_per_s = 10\nlimit_listed = yes\n", ""},
	{WHOLE UPTO_PART "input_per_mtok = 1\noutput_per_mtok = 1\nmax_timeout_s = 61\n" SESSION_PART("p"), ""},
	{WHOLE UPTO_PART "input_per_mtok = 1\noutput_per_mtok = 1\n" SESSION_PART("o, p"),
	 "f:33: session: payments of offer p end within session_margin_s of 60: raise its max_timeout_s\n"},
	{WHOLE SESSION_PART("o") "bind_body = require\n",
	 "f:24: session: none of the offers is upto\n"
	 "f:24: session: bind_body = require: one payment is for one body there\n"},
	{WHOLE SESSION_PART(""), "f:24: session: the route is free\n"},
	{WHOLE "[offer p]\nmethod = permit2\nnetwork = eip155:1\nasset = " ADDRESS "\npay_to = " ADDRESS
	       "\namount = 1\nsession_reserve = 1\n",
	 "f:27: session_reserve: only an upto offer has it\n"},
	{WHOLE UPTO_PART "input_per_mtok = 1\noutput_per_mtok = 1\nsession_reserve = 2\n",
	 "f:30: session_reserve: more than the amount: no request would fit\n"},
	{WHOLE "[route s]\nmatch = GET /\nupstream = u\nbind_body = off\n", ""},
	{WHOLE "[route s]\nmatch = GET /\nupstream = u\nbind_body = accept\n",
	 "f:24: bind_body: the route is free: there is no payment to bind\n"},
	{WHOLE "[route s]\nmatch = GET /\nupstream = u\nbind_body = yes\n",
	 "f:24: bind_body = yes: must be off or accept or require\n"},
	{WHOLE "tee = yes\n", "f:21: tee: only native requests can ask for it\n"},
	{WHOLE "[chain a]\n[chain b]\nnetwork = eip155:1\nrpc = http://a\n[chain c]\nnetwork = eip155:1\nrpc = "
	       "http://secret@x\nfunds = strict\nexposure = 1\n",
	 "f:27: rpc: must be http://HOST[:PORT][/PATH] or https://..., shorter than 256 bytes\n"
	 "f:21: [chain a]: network is missing\nf:21: [chain a]: rpc is missing\n"
	 "f:26: network: [chain b] has the same\nf:29: exposure: only with funds = cached\n"},
	{WHOLE "[chain a]\nnetwork = eip155:1\nrpc = http://a\ncontracts = yes\nin_flight = 1\n",
	 "f:25: in_flight: 1 with contracts = yes: a stranger's code could keep everybody waiting\n"},
	{WHOLE "[chain a]\nnetwork = eip155:1\nrpc = http://a\ncontracts = yes\nin_flight = 2\n", ""},
	{WHOLE "[chain a]\nnetwork = eip155:1\nrpc = http://a\nerc6492_factories = " ADDRESS "\n",
	 "f:24: erc6492_factories: only with contracts = yes\n"},
	{WHOLE "[chain a]\nnetwork = eip155:1\nrpc = http://a\ncontracts = yes\nerc6492_factories = " ADDRESS ",\n",
	 "f:25: erc6492_factories = " ADDRESS ",: must be an address: 0x and 40 hexadecimal digits\n"},
	{WHOLE "[chain a]\nnetwork = eip155:1\nrpc = http://a\ncontracts = yes\nerc6492_factories = " NINE "\n",
	 "f:25: erc6492_factories = " NINE ": must be 8 addresses at most\n"},
	{WHOLE "[chain a]\nnetwork = eip155:1\nrpc = http://a\n[offer big]\nmethod = permit2\nnetwork = "
	       "eip155:1\nasset = " ADDRESS "\npay_to = " ADDRESS
	       "\namount = 170141183460469231731687303715884105728\n",
	 "f:29: amount: 2^127 or more, which no balance is compared with\n"},
};

TEST(mistakes_of_the_whole_file)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *mistakes;
		parse(rows[i].text, &mistakes);
		if (strcmp(mistakes, rows[i].want) != 0)
			printf("row %zu got:\n%s", i, mistakes);
		CHECK_ROW(strcmp(mistakes, rows[i].want) == 0, rows[i].want);
	}
}

/* One setting put at the end of its section: good or one mistake. */
static const struct {
	const char *section, *setting;
	bool good;
} values[] = {
	{"node", "listen = 127.0.0.1:8402", false}, /* again */
	{"node", "listen = 127.0.0.1:8403", true},
	{"node", "listen = localhost:1", false},
	{"node", "listen = ::1:80", false},
	{"node", "listen = [::1]:0", false},
	{"node", "listen = [::1]:65536", false},
	{"node", "listen = [::1]:1K", false},
	{"node", "listen = [127.0.0.1]:80", false},
	{"node", "listen = [::1]80", false},
	{"node", "listen = 127.0.0.1:", false},
	{"node", "listen =", false},
	{"node", "interface = abcdefghijklmno", true},
	{"node", "interface = abcdefghijklmnop", false},
	{"node", "interface = a/b", false},
	{"node", "interface = ..", false},
	{"node", "public_url = ftp://x", false},
	{"node", "public_url = http://", false},
	{"node", "public_url = http://x\"y", false},
	{"node", "public_url = http://u@x", false},
	{"node", "public_url = http://x/?q", false},
	{"node", "public_url = http://x:1/p", true},
	{"node", "connections = 0", false},
	{"node", "connections = 1048576", true},
	{"node", "connections = 1048577", false},
	{"node", "connections = -1", false},
	{"node", "connections = +1", false},
	{"node", "connections = 1 0", false},
	{"node", "connections = 0x10", false},
	{"node", "connections = 18446744073709551617", false},
	{"node", "connections = 18014398509481985K", false},
	{"node", "connections = 1KK", false},
	{"node", "connections = K", false},
	{"node", "trusted_proxy = 10.0.0.0/8", false},
	{"node", "log = loud", false},
	{"node", "log =", false},
	{"upstream u", "in_flight = 0", false},
	{"upstream v", "url = http://nohost.invalid:80", false},
	{"upstream v", "url = https://127.0.0.1", false},
	{"upstream v", "url = http://127.0.0.1", true},
	{"upstream v", "url = http://127.0.0.1:", false},
	{"upstream v", "url = http://[::1", false},
	{"filter", "packets_per_s = 10000001", false},
	{"filter", "packets_per_s = 10000000", true},
	{"filter", "syn_cookies = auto", true},
	{"filter", "syn_cookies = yes", false},
	{"filter", "syn_cookies_per_s = 0", false},
	{"filter", "limit_ip4_bits = 0", false},
	{"filter", "limit_ip4_bits = 33", false},
	{"filter", "limit_ip6_bits = 65", false},
	{"offer o", "max_timeout_s = 6", false},
	{"offer o", "max_timeout_s = 7", true},
};

TEST(values_one_by_one)
{
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		char text[2048], head[64], *mistakes;
		snprintf(head, sizeof head, "[%s]\n", values[i].section);
		const char *at = strstr(WHOLE, head);
		size_t before = at != NULL ? (size_t)(at - WHOLE) + strlen(head) : strlen(WHOLE);
		snprintf(text, sizeof text, "%.*s%s%s\n%s", (int)before, WHOLE, at != NULL ? "" : head,
			 values[i].setting, &WHOLE[before]);
		CHECK_ROW(parse(text, &mistakes) == (values[i].good ? 0 : 1), values[i].setting);
	}
}

/* A secret is not repeated to a terminal or a log. */
TEST(secrets_stay_out_of_messages)
{
	char text[2048], *mistakes;

	snprintf(text, sizeof text, "%s[upstream w]\nurl = http://127.0.0.1\nauthorization = Bearer hush%0300d\n",
		 WHOLE, 1);
	CHECK_EQ(parse(text, &mistakes), 1);
	CHECK(strstr(mistakes, "hush") == NULL);
	CHECK(strstr(mistakes, "f:23: authorization: longer than 255 bytes") != NULL);
}

TEST(limits_on_sections)
{
	char *mistakes, *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	fputs(WHOLE, out);
	for (unsigned i = 1; i <= UPSTREAMS_MAX; i++)
		fprintf(out, "[upstream u%u]\nurl = http://127.0.0.1\n", i);
	fclose(out);
	CHECK_EQ(parse(text, &mistakes), 1);
	CHECK(strstr(mistakes, "[upstream u16]: at most 16 sections of this kind") != NULL);
	free(text);
}

TEST(example_file)
{
	static const char *const places[] = {"tollbar.example.conf", "../tollbar.example.conf",
					     "../../tollbar.example.conf"};
	const char *path = NULL;

	for (size_t i = 0; i < 3 && path == NULL; i++)
		path = access(places[i], R_OK) == 0 ? places[i] : NULL;
	if (path == NULL)
		CHECK_SKIP("run from the top of the tree");
	CHECK_EQ(config_load(&config, path, stdout), 0);
	CHECK_EQ(config.route_cnt, 2);
	CHECK_EQ(config.routes[0].offer_cnt, 3);
}

/* The example promises to show every setting with its default: with the ';' taken off it must say the same. */
TEST(example_shows_all_settings_with_their_defaults)
{
	static struct config plain;
	char *text, *mistakes;
	size_t bytes;

	if (inifile_slurp("tollbar.example.conf", &text, &bytes) != 0)
		CHECK_SKIP("run from the top of the tree");
	CHECK_EQ(config_parse(&plain, "example", text, bytes, stdout), 0);
	text = realloc(text, bytes + 1);
	text[bytes] = 0;
	for (unsigned kind = 0; kind < SECTION_KINDS; kind++) {
		for (const struct setting *setting = kinds[kind].settings; setting->key != NULL; setting++) {
			char plain_form[64], quiet_form[64];
			snprintf(plain_form, sizeof plain_form, "\n%s =", setting->key);
			snprintf(quiet_form, sizeof quiet_form, "\n;%s =", setting->key);
			CHECK_ROW(strstr(text, plain_form) != NULL || strstr(text, quiet_form) != NULL, setting->key);
		}
	}
	for (char *at = text; (at = strstr(at, "\n;")) != NULL;) {
		bool sample = strncmp(at, "\n;interface", 11) == 0 || strncmp(at, "\n;trusted_proxy", 15) == 0 ||
			      strncmp(at, "\n;listen", 8) == 0 || strncmp(at, "\n;native", 8) == 0;
		at[1] = sample ? ';' : ' ';
		at += 2;
	}
	CHECK_EQ(parse(text, &mistakes), 0);
	CHECK(strcmp(mistakes, "") == 0);
	for (size_t i = 0; i < config.route_cnt; i++) /* pointers into its own struct */
		for (size_t j = 0; j < config.routes[i].offer_cnt; j++)
			plain.routes[i].offers[j] = config.routes[i].offers[j];
	CHECK_BYTES(&plain, &config, sizeof plain);
	free(text);
}

TEST(missing_file)
{
	CHECK_EQ(config_load(&config, "/nonexistent/tollbar.conf", NULL), -ENOENT);
	CHECK_EQ(config_load(&config, "/tmp", NULL), -EISDIR);
}

CHECK_MAIN
