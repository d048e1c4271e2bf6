// SPDX-License-Identifier: Apache-2.0
/* frame.c: see headers.h. */
#include "headers.h"

#include <string.h>

enum { TAGS_MAX = 4, EXTENSIONS_MAX = 8 };
enum { TYPE_IP4 = 0x0800, TYPE_TAG = 0x8100, TYPE_IP6 = 0x86dd, TYPE_OUTER_TAG = 0x88a8 };

/* The next bytes, or NULL when they are not all there. */
static const uint8_t *take(struct span *rest, size_t bytes)
{
	const uint8_t *at = rest->at;

	if (rest->bytes < bytes)
		return NULL;
	*rest = span_of(at + bytes, rest->bytes - bytes);
	return at;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Ethernet and its tags; 0 when they are cut. */
static unsigned read_type(struct span *rest)
{
	const uint8_t *at = take(rest, 14);
	unsigned type = at != NULL ? get16(at + 12) : 0;

	for (int i = 0; i < TAGS_MAX && (type == TYPE_TAG || type == TYPE_OUTER_TAG); i++) {
		at = take(rest, 4);
		type = at != NULL ? get16(at + 2) : 0;
	}
	return type;
}

static void map4(struct in6_addr *out, const uint8_t *address)
{
	*out = (struct in6_addr){.s6_addr = {[10] = 0xff, 0xff}};
	memcpy(&out->s6_addr[12], address, 4);
}

/* Out: may ports follow? */
static bool read_ip4(struct headers *headers, struct span *rest)
{
	const uint8_t *ip = take(rest, 20);

	if (ip == NULL)
		return false;
	size_t options_bytes = (ip[0] & 15u) > 5 ? ((ip[0] & 15u) - 5) * 4 : 0;
	headers->version = 4;
	headers->protocol = ip[9];
	map4(&headers->source, ip + 12);
	map4(&headers->destination, ip + 16);
	return (get16(ip + 6) & 0x1fff) == 0 && take(rest, options_bytes) != NULL;
}

static bool is_extension(int next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_DSTOPTS;
}

static bool read_ip6(struct headers *headers, struct span *rest)
{
	const uint8_t *ip = take(rest, 40);

	if (ip == NULL)
		return false;
	headers->version = 6;
	headers->protocol = ip[6];
	memcpy(&headers->source, ip + 8, 16);
	memcpy(&headers->destination, ip + 24, 16);
	for (int i = 0; i < EXTENSIONS_MAX && is_extension(headers->protocol); i++) {
		const uint8_t *header = take(rest, 8);
		if (header == NULL)
			return false;
		bool fragment = headers->protocol == IPPROTO_FRAGMENT;
		headers->protocol = header[0];
		if (fragment ? (get16(header + 2) & 0xfff8) != 0 : take(rest, header[1] * 8u) == NULL)
			return false;
	}
	return true;
}

void headers_read(struct headers *headers, struct span bytes)
{
	unsigned type = read_type(&bytes);
	const uint8_t *ports = NULL;

	*headers = (struct headers){.protocol = -1};
	bool more = type == TYPE_IP4 ? read_ip4(headers, &bytes) : type == TYPE_IP6 && read_ip6(headers, &bytes);
	if (more && (headers->protocol == IPPROTO_TCP || headers->protocol == IPPROTO_UDP))
		ports = take(&bytes, 4);
	if (ports == NULL)
		return;
	headers->has_ports = true;
	headers->source_port = get16(ports);
	headers->destination_port = get16(ports + 2);
}
