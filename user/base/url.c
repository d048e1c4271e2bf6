// SPDX-License-Identifier: Apache-2.0
#include "base/url.h"

static bool parse_port(uint16_t *port, const char *text)
{
	size_t digits = strspn(text, "0123456789");
	unsigned number = 0;

	if (digits == 0 || digits > 5 || text[digits] != 0)
		return false;
	for (size_t i = 0; i < digits; i++)
		number = 10 * number + (unsigned)(text[i] - '0');
	*port = (uint16_t)number;
	return number >= 1 && number <= 65535;
}

bool url_split_host(char host[URL_BYTES_MAX], uint16_t *port, const char *text, bool port_optional)
{
	bool bracket = *text == '[';
	size_t bytes = strcspn(text += bracket, bracket ? "]" : ":");

	if (bytes == 0 || bytes >= URL_BYTES_MAX || (bracket && text[bytes] != ']'))
		return false;
	memcpy(host, text, bytes);
	host[bytes] = 0;
	text += bytes + bracket;
	if (*text == 0)
		return port_optional;
	return *text == ':' && parse_port(port, text + 1);
}

bool url_parse(struct url *url, const char *text)
{
	static const char bytes_good[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/[]!$&'()*+,;=%";
	size_t bytes = strspn(text, bytes_good);
	char authority[URL_BYTES_MAX];

	if (text[bytes] != 0 || bytes >= URL_BYTES_MAX)
		return false;
	url->tls = strncmp(text, "https://", 8) == 0;
	if (!url->tls && strncmp(text, "http://", 7) != 0)
		return false;
	url->port = url->tls ? 443 : 80;
	text += url->tls ? 8 : 7;
	url->authority = span_of(text, strcspn(text, "/"));
	url->path = span_str(text + url->authority.bytes);
	memcpy(authority, text, url->authority.bytes);
	authority[url->authority.bytes] = 0;
	return url_split_host(url->host, &url->port, authority, true);
}
