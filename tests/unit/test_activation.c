// SPDX-License-Identifier: Apache-2.0
/* Sockets handed over as a service manager does it: in a child of its own for each case, at descriptor 3 and up. */
#include "sys/activation.c"

#include <sys/wait.h>

#include "check.h"

static struct sockaddr_storage any_address(int family)
{
	struct sockaddr_storage address = {0};

	if (family == AF_INET6)
		*(struct sockaddr_in6 *)&address =
			(struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	else
		*(struct sockaddr_in *)&address =
			(struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	return address;
}

/* Bound to the address, or to a free port, which is written back; listening when it is a stream that shall. */
static int socket_at(struct sockaddr_storage *address, int type, bool listening)
{
	socklen_t bytes = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	int fd = socket(address->ss_family, type | SOCK_NONBLOCK, 0), on = 1;

	CHECK_NEED(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
	CHECK_NEED(bind(fd, (struct sockaddr *)address, bytes) == 0 &&
		   getsockname(fd, (struct sockaddr *)address, &bytes) == 0);
	CHECK_NEED(!listening || listen(fd, 8) == 0);
	return fd;
}

/* A child with these descriptors from 3 on; what it finds wrong is counted here too. */
static void in_child(const int *fds, int cnt, const char *pid, const char *names, void (*body)(void *ctx), void *ctx)
{
	fflush(stdout);
	pid_t child = fork();

	CHECK_NEED(child >= 0);
	if (child == 0) {
		char text[16];
		int kept[8];
		for (int i = 0; i < cnt; i++)
			kept[i] = fcntl(fds[i], F_DUPFD, 64);
		for (int i = 0; i < cnt; i++)
			dup2(kept[i], FIRST_FD + i);
		snprintf(text, sizeof text, "%d", cnt);
		setenv("LISTEN_FDS", text, 1);
		snprintf(text, sizeof text, "%d", (int)getpid());
		setenv("LISTEN_PID", pid != NULL ? pid : text, 1);
		if (names != NULL)
			setenv("LISTEN_FDNAMES", names, 1);
		check_failures = 0;
		body(ctx);
		fflush(stdout);
		_exit(check_failures);
	}
	int status;
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

static bool same_socket(int a, int b)
{
	unsigned long long cookies[2];
	socklen_t bytes = sizeof *cookies;

	return getsockopt(a, SOL_SOCKET, SO_COOKIE, &cookies[0], &bytes) == 0 &&
	       getsockopt(b, SOL_SOCKET, SO_COOKIE, &cookies[1], &bytes) == 0 && cookies[0] == cookies[1];
}

struct two {
	struct sockaddr_storage v4, v6;
};

static void both_families(void *ctx)
{
	const struct two *at = ctx;
	struct sockaddr_storage other = at->v4;

	CHECK_EQ(activation_open(), 0);
	CHECK_EQ(strcmp(handed.sockets[0].name, "api"), 0);
	CHECK_EQ(strcmp(handed.sockets[1].name, "-"), 0);
	CHECK_EQ(activation_complete(), -EADDRNOTAVAIL);
	CHECK_EQ(activation_take(&at->v4, SOCK_DGRAM, 0), -ENOENT);
	((struct sockaddr_in *)&other)->sin_port ^= 1;
	CHECK_EQ(activation_take(&other, SOCK_STREAM, 0), -ENOENT);
	other = at->v4;
	((struct sockaddr_in *)&other)->sin_addr.s_addr = 0; /* every address is not this one */
	CHECK_EQ(activation_take(&other, SOCK_STREAM, 0), -ENOENT);
	int fd = activation_take(&at->v4, SOCK_STREAM, 0), again = activation_take(&at->v4, SOCK_STREAM, 1);
	CHECK(fd > FIRST_FD && again > fd);
	CHECK(same_socket(fd, FIRST_FD) && same_socket(again, FIRST_FD));
	CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(FIRST_FD, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(activation_complete(), -EADDRNOTAVAIL); /* the other one still waits */
	CHECK(same_socket(activation_take(&at->v6, SOCK_STREAM, 0), FIRST_FD + 1));
	CHECK_EQ(activation_complete(), 0);
}

TEST(one_for_each_address)
{
	struct two at = {any_address(AF_INET), any_address(AF_INET6)};
	int fds[] = {socket_at(&at.v4, SOCK_STREAM, true), socket_at(&at.v6, SOCK_STREAM, true)};

	in_child(fds, 2, NULL, "api", both_families, &at);
	close(fds[0]);
	close(fds[1]);
}

static void in_turn(void *ctx)
{
	CHECK_EQ(activation_open(), 0);
	for (unsigned worker = 0; worker < 5; worker++) {
		int fd = activation_take(ctx, SOCK_STREAM, worker);
		CHECK(same_socket(fd, FIRST_FD + (int)(worker % 3)));
		CHECK_EQ(activation_complete(), worker < 2 ? -EADDRNOTAVAIL : 0);
	}
}

TEST(several_at_one_address_are_dealt_in_turn)
{
	struct sockaddr_storage at = any_address(AF_INET);
	int fds[3];

	for (size_t i = 0; i < 3; i++)
		fds[i] = socket_at(&at, SOCK_STREAM, true);
	in_child(fds, 3, NULL, "a:b\n\"=:c", in_turn, &at);
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
}

static void by_kind(void *ctx)
{
	CHECK_EQ(activation_open(), 0);
	CHECK(same_socket(activation_take(ctx, SOCK_DGRAM, 7), FIRST_FD + 1));
	CHECK_EQ(activation_complete(), -EADDRNOTAVAIL);
	CHECK(same_socket(activation_take(ctx, SOCK_STREAM, 7), FIRST_FD));
	CHECK_EQ(activation_complete(), 0);
}

TEST(datagrams_are_another_kind)
{
	struct sockaddr_storage at = any_address(AF_INET);
	int fds[2] = {socket_at(&at, SOCK_STREAM, true)};

	fds[1] = socket_at(&at, SOCK_DGRAM, false);
	in_child(fds, 2, NULL, NULL, by_kind, &at);
	close(fds[0]);
	close(fds[1]);
}

static void none(void *ctx)
{
	CHECK_EQ(activation_open(), 0);
	CHECK_EQ(activation_take(ctx, SOCK_STREAM, 0), -ENOENT);
	CHECK_EQ(activation_complete(), 0);
}

TEST(meant_for_another_process)
{
	struct sockaddr_storage at = any_address(AF_INET);
	int fd = socket_at(&at, SOCK_STREAM, true);

	in_child(&fd, 1, "1", NULL, none, &at);
	in_child(&fd, 1, "", NULL, none, &at);
	close(fd);
}

static void no_socket(void *ctx)
{
	CHECK_EQ(activation_open(), -ENOTSOCK);
	CHECK_EQ(activation_complete(), 0);
}

TEST(what_is_no_listening_socket)
{
	struct sockaddr_storage at = any_address(AF_INET);
	int deaf = socket_at(&at, SOCK_STREAM, false), file = open("/dev/null", O_RDONLY);

	in_child(&deaf, 1, NULL, NULL, no_socket, NULL);
	in_child(&file, 1, NULL, NULL, no_socket, NULL);
	close(deaf);
	close(file);
}

TEST(numbers_in_the_environment)
{
	static const struct {
		const char *cnt;
		int want;
	} rows[] = {{"0", 0}, {"", 0}, {"-1", 0}, {"1x", 0}, {"257", -E2BIG}, {"99999999999999999999", -E2BIG}};
	char pid[16];

	snprintf(pid, sizeof pid, "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		setenv("LISTEN_FDS", rows[i].cnt, 1);
		CHECK_ROW(activation_open() == rows[i].want, rows[i].cnt);
		CHECK_ROW(handed.cnt == 0, rows[i].cnt);
	}
	unsetenv("LISTEN_FDS");
	CHECK_EQ(activation_open(), 0);
	unsetenv("LISTEN_PID");
}

CHECK_MAIN
