/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_UNIT_NODE_FIXTURE_H
#define TOLLBAR_TESTS_UNIT_NODE_FIXTURE_H
/* node_fixture.h: a node on the loopback that answers datagrams from a script and keeps them, for what speaks to one.
 *
 *   node_start(AF_INET, "c-r");  ... node.port ... node_stop();  ... node.got[] ...
 *
 * One letter for each datagram it gets, and silence when there is none left:
 *   -  nothing          c  a cookie, 8 times 0x41 the first time, 0x42 the second
 *   o  opened           O  the same, but first what is no answer
 *   r  a receipt: taken, second in line     R  a receipt: refused, replayed */
#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "native_client.h"
#include "reasons.h"

static struct {
	int fd;
	uint16_t port;
	const char *script;
	struct native_datagram got[16];
	unsigned got_cnt;
	struct sockaddr_storage from;
	socklen_t from_bytes;
	pthread_t thread;
} node;

#define NODE_ID "0123456789abcdef" /* of a receipt's result */

static void node_answer(const void *at, size_t bytes)
{
	CHECK(sendto(node.fd, at, bytes, 0, (struct sockaddr *)&node.from, node.from_bytes) == (ssize_t)bytes);
}

static void node_cookie(const uint8_t *got, uint8_t echo_change)
{
	struct native_cookie_reply cookie = {.head = {"TBR1", NATIVE_COOKIE_REPLY, 0, htobe16(24)}};
	size_t echo_at =
		got[4] == NATIVE_KNOCK ? offsetof(struct native_knock, until) : offsetof(struct native_request, nonce);

	memset(cookie.cookie, 0x40 + (int)node.got_cnt, sizeof(cookie.cookie));
	memcpy(cookie.echo, got + echo_at, 8);
	cookie.echo[7] ^= echo_change;
	node_answer(&cookie, sizeof(cookie));
}

static void node_opened(const uint8_t *got, bool noise)
{
	struct native_opened opened = {.head = {"TBR1", NATIVE_OPENED, 0, htobe16(32)}};

	memcpy(&opened.until, got + offsetof(struct native_knock, until), 8);
	memcpy(opened.source, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x07", 16);
	if (noise) {
		node_answer(got, 128); /* an echo */
		node_answer(&opened, 31);
		node_answer(&opened, 0);
		node_cookie(got, 1);
	}
	node_answer(&opened, sizeof(opened));
}

static void node_receipt(const uint8_t *got, enum reason reason)
{
	struct native_receipt receipt = {.head = {"TBR1", NATIVE_RECEIPT, 0, htobe16(64)},
					 .reason = htobe16((uint16_t)reason)};

	memcpy(receipt.nonce, got + offsetof(struct native_request, nonce), sizeof(receipt.nonce));
	if (reason == REASON_OK) {
		memcpy(receipt.id, NODE_ID, sizeof(receipt.id));
		receipt.place = htobe32(2);
	}
	node_answer(&receipt, sizeof(receipt));
}

static void node_do(char what, const uint8_t *got)
{
	switch (what) {
	case 'c':
		node_cookie(got, 0);
		return;
	case 'o':
	case 'O':
		node_opened(got, what == 'O');
		return;
	case 'r':
	case 'R':
		node_receipt(got, what == 'R' ? REPLAYED : REASON_OK);
		return;
	default:
		return;
	}
}

static void *node_serve(void *unused)
{
	uint8_t bytes[2048];
	ssize_t got;

	while (node.from_bytes = sizeof(node.from),
	       (got = recvfrom(node.fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&node.from, &node.from_bytes)) >
		       1) {
		struct native_datagram *kept = &node.got[node.got_cnt];
		CHECK_NEED(got >= 128 && got <= NATIVE_BYTES_MAX && node.got_cnt < 16);
		memcpy(kept->at, bytes, (size_t)got);
		kept->bytes = (size_t)got;
		char what = node.script[0];
		if (what != 0)
			node.script++;
		node.got_cnt++;
		node_do(what, kept->at);
	}
	return unused;
}

/* A socket with a port of the loopback of its own, or of its IPv6 twin; node.port. */
static void node_open(int family)
{
	struct sockaddr_in ip4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	bool is_ip6 = family == AF_INET6;
	struct sockaddr *at = is_ip6 ? (struct sockaddr *)&ip6 : (struct sockaddr *)&ip4;
	socklen_t bytes = is_ip6 ? sizeof(ip6) : sizeof(ip4);

	node.fd = socket(family, SOCK_DGRAM, 0);
	CHECK_NEED(node.fd >= 0 && bind(node.fd, at, bytes) == 0 && getsockname(node.fd, at, &bytes) == 0);
	node.port = ntohs(is_ip6 ? ip6.sin6_port : ip4.sin_port);
}

static void node_start(int family, const char *script)
{
	node_open(family);
	node.script = script;
	node.got_cnt = 0;
	CHECK_NEED(pthread_create(&node.thread, NULL, node_serve, NULL) == 0);
}

/* After what was sent before: a datagram of one byte ends the thread. */
static void node_stop(void)
{
	struct sockaddr_storage to;
	socklen_t bytes = sizeof(to);
	int fd;

	CHECK_NEED(getsockname(node.fd, (struct sockaddr *)&to, &bytes) == 0);
	fd = socket(to.ss_family, SOCK_DGRAM, 0);
	CHECK_NEED(sendto(fd, "", 1, 0, (struct sockaddr *)&to, bytes) == 1);
	pthread_join(node.thread, NULL);
	close(fd);
	close(node.fd);
}

#endif
