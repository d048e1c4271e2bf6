// SPDX-License-Identifier: Apache-2.0
#include "sys/activation.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define FIRST_FD 3 /* after the standard three, says the protocol */
#define NAME_BYTES 64

static struct {
	size_t cnt;
	struct handed {
		int fd, type;
		unsigned taken_cnt;
		struct sockaddr_storage address;
		char name[NAME_BYTES]; /* for the log */
	} sockets[ACTIVATION_MAX];
} handed;

static unsigned long number_of(const char *variable)
{
	const char *text = getenv(variable);
	char *end;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return 0;
	unsigned long number = strtoul(text, &end, 10);
	return *end == 0 ? number : 0;
}

/* The nth of "name:name:...", or "-". */
static void name_copy(char name[NAME_BYTES], size_t nth)
{
	const char *at = getenv("LISTEN_FDNAMES");

	while (at != NULL && nth-- > 0)
		at = (at = strchr(at, ':')) != NULL ? at + 1 : NULL;
	size_t bytes = at != NULL ? strcspn(at, ":") : 0;
	log_safe(name, NAME_BYTES, bytes > 0 ? span_of(at, bytes) : SPAN("-"));
}

/* false: no socket, or one that cannot be listened on. */
static bool handed_set(struct handed *one, int fd)
{
	socklen_t bytes = sizeof one->address, option_bytes = sizeof(int);
	int listening = 0;

	one->fd = fd;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (getsockname(fd, (struct sockaddr *)&one->address, &bytes) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &one->type, &option_bytes) < 0)
		return false;
	if (one->type == SOCK_DGRAM)
		return true;
	option_bytes = sizeof listening;
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &option_bytes) == 0 && listening;
}

int activation_open(void)
{
	unsigned long cnt = number_of("LISTEN_FDS");

	handed.cnt = 0;
	if (cnt == 0 || number_of("LISTEN_PID") != (unsigned long)getpid())
		return 0;
	if (cnt > ACTIVATION_MAX) {
		log_error("event=activation sockets=%lu error=\"at most %d\"", cnt, ACTIVATION_MAX);
		return -E2BIG;
	}
	for (size_t i = 0; i < cnt; i++) {
		struct handed *one = &handed.sockets[i];
		*one = (struct handed){0};
		name_copy(one->name, i);
		if (!handed_set(one, FIRST_FD + (int)i)) {
			log_error("event=activation fd=%d name=%s error=\"not a socket that takes connections\"",
				  one->fd, one->name);
			return -ENOTSOCK;
		}
	}
	handed.cnt = cnt;
	return 0;
}

static bool address_equal(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a->ss_family == AF_INET6 && a6->sin6_port == b6->sin6_port &&
	       memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0;
}

int activation_take(const struct sockaddr_storage *address, int type, unsigned turn)
{
	struct handed *found[ACTIVATION_MAX];
	unsigned cnt = 0;

	for (size_t i = 0; i < handed.cnt; i++)
		if (handed.sockets[i].type == type && address_equal(&handed.sockets[i].address, address))
			found[cnt++] = &handed.sockets[i];
	if (cnt == 0)
		return -ENOENT;
	struct handed *one = found[turn % cnt];
	int fd = fcntl(one->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	fcntl(fd, F_SETFL, 0);
	one->taken_cnt++;
	return fd;
}

int activation_complete(void)
{
	int error = 0;

	for (size_t i = 0; i < handed.cnt; i++) {
		const struct handed *one = &handed.sockets[i];
		const struct sockaddr_in *in =
			(const void *)&one->address; /* v4 and v6 keep the port in the same place */
		const struct sockaddr_in6 *in6 = (const void *)&one->address;
		bool v6 = one->address.ss_family == AF_INET6;
		char shown[INET6_ADDRSTRLEN] = "-";

		if (one->taken_cnt > 1)
			log_warn("event=activation name=%s workers=%u note=\"they share one socket: nearly all "
				 "connections come to "
				 "one of them\" help=\"a ListenStream= line for each, and ReusePort=yes\"",
				 one->name, one->taken_cnt);
		if (one->taken_cnt > 0)
			continue;
		inet_ntop(v6 ? AF_INET6 : AF_INET, v6 ? (const void *)&in6->sin6_addr : (const void *)&in->sin_addr,
			  shown, sizeof shown);
		log_error("event=activation name=%s address=%s port=%u error=\"no setting names this address and kind, "
			  "or more "
			  "sockets share it than there are workers\"",
			  one->name, shown, ntohs(in->sin_port));
		error = -EADDRNOTAVAIL;
	}
	return error;
}
