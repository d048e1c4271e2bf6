// SPDX-License-Identifier: Apache-2.0
#include "cmd/client.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hex.h"

enum { PAUSE_MS = 250, COOKIES_MAX = 8 };
#define NS_PER_MS 1000000u

/* --- the key --- */

static struct signer *read_key(int fd)
{
	struct signer *signer = NULL;
	uint8_t key[32], seed[32];
	char text[80];
	ssize_t bytes = read(fd, text, sizeof(text));

	while (bytes > 0 && (text[bytes - 1] == '\n' || text[bytes - 1] == '\r'))
		bytes--;
	if (bytes > 0 && hex_decode(key, sizeof(key), span_of(text, (size_t)bytes)) &&
	    getrandom(seed, sizeof(seed), 0) == sizeof(seed))
		signer = sign_init(key, seed);
	explicit_bzero(text, sizeof(text));
	explicit_bzero(key, sizeof(key));
	return signer;
}

struct signer *client_key(const char **why, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct signer *signer = NULL;
	struct stat about;

	if (fd < 0 || fstat(fd, &about) != 0) {
		*why = strerror(errno);
	} else if (!S_ISREG(about.st_mode) || (about.st_mode & 077) != 0) {
		*why = "others can read this key; chmod 600 it";
	} else {
		signer = read_key(fd);
		*why = "not a private key (0x and 64 hexadecimal digits)";
	}
	if (fd >= 0)
		close(fd);
	return signer;
}

/* --- the exchange --- */

bool client_node(char host[URL_BYTES_MAX], uint16_t *port, const char *text)
{
	struct url url;

	if (strstr(text, "://") == NULL)
		return url_split_host(host, port, text, true);
	if (!url_parse(&url, text))
		return false;
	memcpy(host, url.host, sizeof(url.host));
	return true;
}

/* A socket that hears this node alone, or -errno. */
static int connect_to(const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool ip6 = address->ai_family == AF_INET6;
	int whole = ip6 ? IPV6_PMTUDISC_DO : IP_PMTUDISC_DO, error;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, ip6 ? IPPROTO_IPV6 : IPPROTO_IP, ip6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &whole,
		       sizeof(whole)) == 0 &&
	    connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

/* 0: an answer to what was sent; -ETIMEDOUT: none until then. */
static int hear(struct native_said *said, const struct native_datagram *sent, int fd, uint64_t until_ns)
{
	uint8_t answer[NATIVE_BYTES_MAX];
	uint64_t now_ns;

	while ((now_ns = clock_ns()) < until_ns) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		if (poll(&wait, 1, (int)((until_ns - now_ns) / NS_PER_MS) + 1) <= 0)
			continue;
		ssize_t bytes = recv(fd, answer, sizeof(answer), MSG_TRUNC);
		if (bytes < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (bytes > 0 && (size_t)bytes <= sizeof(answer) &&
		    native_client_read(said, span_of(answer, (size_t)bytes), sent))
			return 0;
	}
	return -ETIMEDOUT;
}

/* No way there, or nobody at its end: another address of the same node may do. */
static bool is_nobody(int error)
{
	return error == -ECONNREFUSED || error == -EHOSTUNREACH || error == -ENETUNREACH || error == -EADDRNOTAVAIL;
}

static int exchange_over(int fd, struct native_said *said, struct native_datagram *sent,
			 struct client_exchange *exchange)
{
	uint64_t pause_ns = PAUSE_MS * (uint64_t)NS_PER_MS, now_ns;

	while ((now_ns = clock_ns()) < exchange->end_ns) {
		uint64_t until_ns = exchange->end_ns - now_ns < pause_ns ? exchange->end_ns : now_ns + pause_ns;
		if (send(fd, sent->at, sent->bytes, 0) < 0)
			return -errno;
		exchange->sent_cnt++;
		int error = hear(said, sent, fd, until_ns);
		if (error == -ETIMEDOUT) {
			pause_ns *= 2;
			continue;
		}
		if (error != 0 || said->kind != NATIVE_COOKIE_REPLY)
			return error;
		if (exchange->cookie_cnt++ == COOKIES_MAX || !exchange->add_cookie(exchange->ctx, sent, said->cookie))
			return -EPROTO;
	}
	return -ETIMEDOUT;
}

int client_exchange(struct native_said *said, struct native_datagram *sent, struct client_exchange *exchange)
{
	const struct addrinfo wanted = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
	struct addrinfo *found, *address;
	char service[8];
	int error = -ECONNREFUSED;

	exchange->sent_cnt = exchange->cookie_cnt = 0;
	snprintf(service, sizeof(service), "%u", exchange->port);
	if (getaddrinfo(exchange->host, service, &wanted, &found) != 0)
		return -EHOSTUNREACH;
	for (address = found; address != NULL && is_nobody(error); address = address->ai_next) {
		int fd = connect_to(address);
		error = fd < 0 ? fd : exchange_over(fd, said, sent, exchange);
		if (fd >= 0)
			close(fd);
	}
	freeaddrinfo(found);
	return error;
}
