// SPDX-License-Identifier: Apache-2.0
/* knocks: knocks as somebody would who tries things: from an address that is not his, with another's cookie, or with another's
 * datagram.  Root, for addresses that are not here.
 *
 *   knocks --to ADDRESS:PORT --from ADDRESS:PORT --key FILE --chain N --seconds S [--cookie HEX] [--save FILE]
 *   knocks --to ADDRESS:PORT --from ADDRESS:PORT --send FILE
 *
 * --cookie signs with these 8 bytes instead of asking; --save keeps the signed datagram, --send sends one that was kept.
 * Prints what came back, one line a datagram sent: "opened", "cookie HEX", or "nothing", within half a second. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/url.h"
#include "native_client.h"
#include "sign.h"

enum { WAIT_MS = 500 };

static struct {
	struct sockaddr_storage to, from;
	const char *key, *save, *send;
	uint64_t chain_id, seconds;
	uint8_t cookie[8];
	bool has_cookie;
} wish;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "knocks: %s: %s\n", what, errno != 0 ? strerror(errno) : "bad");
	exit(2);
}

static socklen_t size_of(const struct sockaddr_storage *at)
{
	return at->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static bool read_address(struct sockaddr_storage *out, const char *text)
{
	struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *ip4 = (struct sockaddr_in *)out;
	char host[URL_BYTES_MAX];
	uint16_t port;

	if (!url_split_host(host, &port, text, false))
		return false;
	if (inet_pton(AF_INET, host, &ip4->sin_addr) == 1) {
		ip4->sin_family = AF_INET;
		ip4->sin_port = htons(port);
		return true;
	}
	ip6->sin6_family = AF_INET6;
	ip6->sin6_port = htons(port);
	return inet_pton(AF_INET6, host, &ip6->sin6_addr) == 1;
}

static int open_socket(void)
{
	bool ip6 = wish.from.ss_family == AF_INET6;
	int fd = socket(wish.from.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), yes = 1;

	if (setsockopt(fd, ip6 ? IPPROTO_IPV6 : IPPROTO_IP, ip6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &yes,
		       sizeof(yes)) != 0 ||
	    bind(fd, (const struct sockaddr *)&wish.from, size_of(&wish.from)) != 0 ||
	    connect(fd, (const struct sockaddr *)&wish.to, size_of(&wish.to)) != 0)
		fail("socket");
	return fd;
}

/* Sends it, and prints what came back. */
static bool exchange(struct native_said *said, int fd, const struct native_datagram *sent)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	uint8_t answer[NATIVE_BYTES_MAX];
	char hex[HEX_BYTES(8)];

	if (send(fd, sent->at, sent->bytes, 0) < 0)
		fail("send");
	ssize_t bytes = poll(&wait, 1, WAIT_MS) == 1 ? recv(fd, answer, sizeof(answer), 0) : -1;
	if (bytes < 0 || !native_client_read(said, span_of(answer, (size_t)bytes), sent)) {
		puts("nothing");
		return false;
	}
	if (said->kind == NATIVE_OPENED)
		puts("opened");
	else
		printf("cookie %s\n", hex_encode(hex, said->cookie, sizeof(said->cookie)) + 2);
	return true;
}

static struct signer *read_key(void)
{
	uint8_t key[32], seed[32] = {1};
	char text[66];
	FILE *file = fopen(wish.key, "r");

	if (file == NULL || fread(text, 1, sizeof(text), file) != sizeof(text) ||
	    !hex_decode(key, sizeof(key), span_of(text, sizeof(text))))
		fail(wish.key);
	fclose(file);
	struct signer *signer = sign_init(key, seed);
	if (signer == NULL)
		fail(wish.key);
	return signer;
}

static void keep(const struct native_datagram *sent)
{
	FILE *file = fopen(wish.save, "w");

	if (file == NULL || fwrite(sent->at, 1, sent->bytes, file) != sent->bytes || fclose(file) != 0)
		fail(wish.save);
}

static void knock(int fd)
{
	struct signer *signer = read_key();
	uint64_t until_s = clock_unix_s() + wish.seconds;
	struct native_datagram sent;
	struct native_said said;

	if (!wish.has_cookie) {
		if (!native_client_knock(&sent, wish.chain_id, until_s, NULL, signer))
			fail("signing");
		if (!exchange(&said, fd, &sent) || said.kind != NATIVE_COOKIE_REPLY)
			return;
		memcpy(wish.cookie, said.cookie, sizeof(wish.cookie));
	}
	if (!native_client_knock(&sent, wish.chain_id, until_s, wish.cookie, signer))
		fail("signing");
	if (wish.save != NULL)
		keep(&sent);
	exchange(&said, fd, &sent);
	sign_fini(signer);
}

static void send_kept(int fd)
{
	FILE *file = fopen(wish.send, "r");
	struct native_datagram sent;
	struct native_said said;

	if (file == NULL || (sent.bytes = fread(sent.at, 1, sizeof(sent.at), file)) != sizeof(struct native_knock))
		fail(wish.send);
	fclose(file);
	exchange(&said, fd, &sent);
}

static bool set_option(int option, const char *value)
{
	switch (option) {
	case 't':
		return read_address(&wish.to, value);
	case 'f':
		return read_address(&wish.from, value);
	case 'k':
		return (wish.key = value) != NULL;
	case 'c':
		return (wish.chain_id = strtoull(value, NULL, 10)) != 0;
	case 's':
		return (wish.seconds = strtoull(value, NULL, 10)) != 0;
	case 'C':
		return wish.has_cookie = hex_digits(wish.cookie, sizeof(wish.cookie), span_str(value));
	case 'S':
		return (wish.save = value) != NULL;
	case 'r':
		return (wish.send = value) != NULL;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"to", 1, 0, 't'},    {"from", 1, 0, 'f'},    {"key", 1, 0, 'k'},
		{"chain", 1, 0, 'c'}, {"seconds", 1, 0, 's'}, {"cookie", 1, 0, 'C'},
		{"save", 1, 0, 'S'},  {"send", 1, 0, 'r'},    {0, 0, 0, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!set_option(option, optarg))
			fail("usage: see the file");
	if (wish.to.ss_family == 0 || wish.to.ss_family != wish.from.ss_family ||
	    (wish.key == NULL) == (wish.send == NULL))
		fail("usage: see the file");
	int fd = open_socket();
	if (wish.send != NULL)
		send_kept(fd);
	else
		knock(fd);
	close(fd);
	return 0;
}
