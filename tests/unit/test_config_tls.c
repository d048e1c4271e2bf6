// SPDX-License-Identifier: Apache-2.0
/* What a configuration says of TLS and of PROXY headers. */
#include "check.h"
#include "config_fixture.h"

/* What is added at the end, line 7, is [node]'s, or another section. */
#define WHOLE                                                                                          \
	"[upstream u]\nurl = http://127.0.0.1:8000\n[route r]\nmatch = GET /x\nupstream = u\n[node]\n" \
	"listen = 127.0.0.1:8402\n"
#define TLS_PART "[tls]\nlisten = 127.0.0.1:8443\ncertificate = c\nkey = k\n" /* lines 8 to 11 */

TEST(listeners_of_both_kinds)
{
	char *mistakes;

	CHECK_EQ(parse(WHOLE TLS_PART "client_ca = a\nclient = optional\nmin = 1.3\n", &mistakes), 0);
	CHECK(config.listen_cnt == 2 && !config.listen_tls[0] && config.listen_tls[1] && config_has_tls(&config));
	CHECK(strcmp(config.tls.certificate, "c") == 0 && strcmp(config.tls.key, "k") == 0);
	CHECK(strcmp(config.tls.client_ca, "a") == 0 && config.tls.client_optional && config.tls.only_13);
	CHECK(strcmp(config.public_url, "http://127.0.0.1:8402") == 0);
	CHECK(!config_proxied(&config, 0) && !config_proxied(&config, 1));
	CHECK_EQ(parse(WHOLE "[tls]\nmin = 1.3\n", &mistakes), 0);
	CHECK(!config_has_tls(&config));
}

TEST(tls_alone)
{
	char *mistakes;

	CHECK_EQ(parse(TLS_PART "proxy_protocol = v2\n[upstream u]\nurl = http://127.0.0.1:8000\n[route r]\n"
				"match = GET /x\nupstream = u\n[node]\ntrusted_proxy = ::1\n",
		       &mistakes),
		 0);
	CHECK(strcmp(config.public_url, "https://127.0.0.1:8443") == 0);
	CHECK(config_proxied(&config, 0) && !config.proxied && !config.tls.client_optional && !config.tls.only_13);
	CHECK_EQ(parse(WHOLE "trusted_proxy = 10.0.0.1\nproxy_protocol = v2\n" TLS_PART, &mistakes), 0);
	CHECK(config_proxied(&config, 0) && !config_proxied(&config, 1));
}

/* text → exactly these mistakes */
static const struct {
	const char *text, *want;
} rows[] = {
	{WHOLE "[tls]\nlisten = 127.0.0.1:8443\n", "f:9: listen: needs certificate and key\n"},
	{WHOLE "[tls]\nlisten = 127.0.0.1:8443\nkey = k\n", "f:9: listen: needs certificate and key\n"},
	{WHOLE "[tls]\nlisten = 127.0.0.1:8402\ncertificate = c\nkey = k\n",
	 "f:9: listen = 127.0.0.1:8402: listened on already\n"},
	{WHOLE TLS_PART "client = optional\n", "f:12: client: there is no client_ca to vouch for certificates\n"},
	{WHOLE TLS_PART "proxy_protocol = v2\n", "f:12: proxy_protocol: there is no trusted_proxy to send it\n"},
	{WHOLE TLS_PART "client_ca = a\nclient = perhaps\n", "f:13: client = perhaps: must be required or optional\n"},
	{WHOLE TLS_PART "min = 1.1\n", "f:12: min = 1.1: must be 1.2 or 1.3\n"},
	{WHOLE "proxy_protocol = v1\n", "f:8: proxy_protocol = v1: must be off or v2\n"},
	{WHOLE "proxy_protocol = v2\n", "f:8: proxy_protocol: there is no trusted_proxy to send it\n"},
};

TEST(mistakes)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *mistakes;
		parse(rows[i].text, &mistakes);
		CHECK_ROW(strcmp(mistakes, rows[i].want) == 0, mistakes);
	}
}

CHECK_MAIN
