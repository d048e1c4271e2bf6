// SPDX-License-Identifier: Apache-2.0
#include "base/url.c"

#include <stdio.h>

#include "check.h"

TEST(url_parts)
{
	static const struct {
		const char *text, *host, *authority, *path; /* host NULL: refused */
		uint16_t port;
		bool tls;
	} rows[] = {
		{"http://h", "h", "h", "", 80, false},
		{"https://h", "h", "h", "", 443, true},
		{"http://h:8080", "h", "h:8080", "", 8080, false},
		{"https://a.example:1/x402/v2", "a.example", "a.example:1", "/x402/v2", 1, true},
		{"http://127.0.0.1:65535/", "127.0.0.1", "127.0.0.1:65535", "/", 65535, false},
		{"http://[::1]:80/a", "::1", "[::1]:80", "/a", 80, false},
		{"http://[fe80::1]", "fe80::1", "[fe80::1]", "", 80, false},
		{"http://h/a:b@c", NULL, NULL, NULL, 0, false},
		{"http://u@h/", NULL, NULL, NULL, 0, false},
		{"http://h/?q", NULL, NULL, NULL, 0, false},
		{"http://h/#f", NULL, NULL, NULL, 0, false},
		{"http://h:0", NULL, NULL, NULL, 0, false},
		{"http://h:65536", NULL, NULL, NULL, 0, false},
		{"http://h:000080", NULL, NULL, NULL, 0, false},
		{"http://h:", NULL, NULL, NULL, 0, false},
		{"http://h:8o", NULL, NULL, NULL, 0, false},
		{"http://[::1", NULL, NULL, NULL, 0, false},
		{"http://[::1]x", NULL, NULL, NULL, 0, false},
		{"http://", NULL, NULL, NULL, 0, false},
		{"http:///a", NULL, NULL, NULL, 0, false},
		{"http://:80", NULL, NULL, NULL, 0, false},
		{"HTTP://h", NULL, NULL, NULL, 0, false},
		{"ftp://h", NULL, NULL, NULL, 0, false},
		{"http:/h", NULL, NULL, NULL, 0, false},
		{"http://h /", NULL, NULL, NULL, 0, false},
		{"", NULL, NULL, NULL, 0, false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct url url;
		CHECK_ROW(url_parse(&url, rows[i].text) == (rows[i].host != NULL), rows[i].text);
		if (rows[i].host == NULL)
			continue;
		CHECK_ROW(strcmp(url.host, rows[i].host) == 0 && url.port == rows[i].port, rows[i].text);
		CHECK_ROW(span_equal(url.authority, span_str(rows[i].authority)), rows[i].text);
		CHECK_ROW(span_equal(url.path, span_str(rows[i].path)) && url.tls == rows[i].tls, rows[i].text);
	}
}

TEST(url_length)
{
	char text[URL_BYTES_MAX + 8];
	struct url url;

	for (size_t bytes = URL_BYTES_MAX - 2; bytes <= URL_BYTES_MAX + 2; bytes++) {
		memset(text, 'a', bytes);
		memcpy(text, "http://", 7);
		text[bytes] = 0;
		CHECK_EQ(url_parse(&url, text), bytes < URL_BYTES_MAX);
	}
}

TEST(url_host_and_port)
{
	char host[URL_BYTES_MAX];
	uint16_t port = 7;

	CHECK(url_split_host(host, &port, "h", true) && port == 7 && strcmp(host, "h") == 0);
	CHECK(!url_split_host(host, &port, "h", false));
	CHECK(url_split_host(host, &port, "[::]:9", false) && port == 9 && strcmp(host, "::") == 0);
	CHECK(!url_split_host(host, &port, "::1:9", false));
}

CHECK_MAIN
