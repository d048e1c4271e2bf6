// SPDX-License-Identifier: Apache-2.0
/* What a configuration says of the native transport. */
#include "check.h"
#include "config_fixture.h"

#define ADDRESS "0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025"
#define OFFER(name, amount)                                                                              \
	"[offer " name "]\nmethod = permit2\nnetwork = eip155:1\nasset = " ADDRESS "\npay_to = " ADDRESS \
	"\namount = " amount "\n"
/* The paid route comes last, at line 15: what is added is its own, or another section. */
#define WHOLE                                                                                                       \
	"[node]\nlisten = 127.0.0.1:8402\nstate = /tmp\n[facilitator]\nurl = http://127.0.0.1:4021\n[upstream u]\n" \
	"url = http://127.0.0.1:8000\n" OFFER("o",                                                                  \
					      "10") "# the offer\n[route r]\nmatch = POST /v1/chat\nupstream = u\n" \
						    "offers = o\n"
#define LISTEN "[native]\nlisten = 127.0.0.1:1\n"

TEST(every_setting_of_native_arrives)
{
	const char *text = WHOLE
		"native = 255\ntee = yes\n[native]\nlisten = 0.0.0.0:8402\nlisten = [::]:1\nrequests = 1\nresults = 2\n"
		"results_bytes = 3M\nkeep_s = 4\ncookies = on\ncookies_per_s = 5\ncookies_from = daemon\nknock = "
		"yes\nknock_s = 6\n";
	char *mistakes;

	CHECK_EQ(parse(text, &mistakes), 0);
	CHECK(strcmp(mistakes, "") == 0);
	const struct config_native *native = &config.native;
	CHECK_EQ(native->listen_cnt, 2);
	CHECK_EQ(((struct sockaddr_in *)&native->listens[0])->sin_port, htons(8402)); /* TCP may have it too */
	CHECK_EQ(native->listens[1].ss_family, AF_INET6);
	CHECK(native->requests == 1 && native->results == 2 && native->results_bytes == 3 << 20);
	CHECK(native->cookies_from == COOKIES_FROM_DAEMON);
	CHECK(native->keep_s == 4 && native->cookies == SYN_COOKIES_ON && native->cookies_per_s == 5);
	CHECK(native->knock && native->knock_s == 6);
	CHECK(config.routes[0].native == 255 && config.routes[0].tee);
}

static const struct {
	const char *text, *want;
} rows[] = {
	{WHOLE "native = 1\n[route s]\nmatch = GET /\nupstream = u\nnative = 1\n",
	 "f:19: native: there is no listen in [native]\nf:23: native: there is no listen in [native]\n"
	 "f:23: native: the route is free\nf:23: native: only a POST has a body to be asked with\n"
	 "f:23: native: [route r] has the same\n"},
	{WHOLE "native = 0\n" LISTEN OFFER(
		 "p", "340282366920938463463374607431768211456") "[route s]\nmatch = POST /s\nupstream = u\noffers = "
								 "p\nnative = 1\n",
	 "f:32: native: the amount of offer p is 2^128 or more\n"},
	{WHOLE "native = 0\n" LISTEN OFFER(
		 "p", "340282366920938463463374607431768211455") "[route s]\nmatch = POST /s\nupstream = u\noffers = "
								 "p\nnative = 1\n",
	 ""},
	{WHOLE "native = 256\n" LISTEN, "f:19: native = 256: must be a number from 0 to 255\n"},
	{WHOLE LISTEN "listen = 127.0.0.1:8402\n", ""},
	{WHOLE LISTEN "listen = 127.0.0.1:1\n", "f:21: listen = 127.0.0.1:1: listened on already\n"},
	{WHOLE LISTEN "listen = 8403\n",
	 "f:21: listen = 8403: must be ADDRESS:PORT, numeric, as 0.0.0.0:8402 or [::]:8402\n"},
	{WHOLE LISTEN "requests = 0\n", "f:21: requests = 0: must be a number from 1 to 1048576\n"},
	{WHOLE LISTEN "results_bytes = 1K\n",
	 "f:21: results_bytes = 1K: must be a number from 1048576 to 1099511627776\n"},
	{WHOLE LISTEN "keep_s = 86401\n", "f:21: keep_s = 86401: must be a number from 1 to 86400\n"},
	{WHOLE LISTEN "cookies = yes\n", "f:21: cookies = yes: must be off or auto or on\n"},
	{WHOLE LISTEN "knock = on\n", "f:21: knock = on: must be no or yes\n"},
};

TEST(mistakes)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *mistakes;
		parse(rows[i].text, &mistakes);
		if (strcmp(mistakes, rows[i].want) != 0)
			printf("row %zu got:\n%s", i, mistakes);
		CHECK_ROW(strcmp(mistakes, rows[i].want) == 0, rows[i].want);
	}
}

CHECK_MAIN
