// SPDX-License-Identifier: Apache-2.0
/* manager.c: a stand-in for the service manager: opens sockets, starts a daemon with them, hears what it says, and starts it
 * anew when it goes silent.  What happens is written to LOG, a line each: "started PID", "heard TEXT" (lines joined by '|'),
 * "silent", "ended STATUS" (128 and the signal).
 *
 *   manager --log LOG [--watchdog-ms N] [--listen IPV4:PORT]... -- PROGRAM ARGUMENT...
 *
 * SIGHUP ends the daemon in order and starts it anew; the sockets stay open meanwhile.  SIGTERM ends both; the exit status is
 * the daemon's. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define SOCKETS_MAX 16
#define FIRST_FD 3

static struct {
	FILE *log;
	uint64_t watchdog_ns;
	int sockets[SOCKETS_MAX], socket_cnt;
	int notify_fd, signal_fd;
	char notify_name[64];
	pid_t daemon;
	uint64_t heard_ns; /* the last sign of life; 0: not ready yet */
	bool ending;
} manager = {.notify_fd = -1};

static char *nothing[] = {NULL}, **command = nothing; /* the daemon's command line */

static void give_up(const char *what)
{
	fprintf(stderr, "manager: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void listen_at(char *text)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	char *colon = strrchr(text, ':');
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (colon == NULL || manager.socket_cnt == SOCKETS_MAX)
		give_up(text);
	*colon = 0;
	address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (inet_pton(AF_INET, text, &address.sin_addr) != 1 || fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0)
		give_up(text);
	manager.sockets[manager.socket_cnt++] = fd;
}

static void open_notify(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(manager.notify_name, sizeof manager.notify_name, "@tollbar-manager-%d", (int)getpid());
	size_t bytes = strlen(manager.notify_name);
	memcpy(address.sun_path + 1, manager.notify_name + 1, bytes - 1);
	manager.notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (manager.notify_fd < 0 || bind(manager.notify_fd, (struct sockaddr *)&address,
					  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes)) < 0)
		give_up("notify socket");
}

static void set_number(const char *variable, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof text, "%llu", (unsigned long long)number);
	setenv(variable, text, 1);
}

/* In the child: what it inherits, and who it becomes. */
static void become_daemon(void)
{
	int high[SOCKETS_MAX];
	sigset_t none;

	for (int i = 0; i < manager.socket_cnt; i++)
		high[i] = fcntl(manager.sockets[i], F_DUPFD_CLOEXEC, FIRST_FD + SOCKETS_MAX);
	for (int i = 0; i < manager.socket_cnt; i++)
		dup2(high[i], FIRST_FD + i);
	if (manager.socket_cnt > 0) {
		set_number("LISTEN_FDS", (uint64_t)manager.socket_cnt);
		set_number("LISTEN_PID", (uint64_t)getpid());
	}
	setenv("NOTIFY_SOCKET", manager.notify_name, 1);
	if (manager.watchdog_ns > 0) {
		set_number("WATCHDOG_USEC", manager.watchdog_ns / 1000);
		set_number("WATCHDOG_PID", (uint64_t)getpid());
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(command[0], command);
	give_up(command[0]);
}

static void start_daemon(void)
{
	manager.heard_ns = 0;
	manager.daemon = fork();
	if (manager.daemon < 0)
		give_up("fork");
	if (manager.daemon == 0)
		become_daemon();
	fprintf(manager.log, "started %d\n", (int)manager.daemon);
}

static void hear(void)
{
	char text[1024];
	ssize_t bytes = recv(manager.notify_fd, text, sizeof text - 1, MSG_DONTWAIT);

	if (bytes < 0)
		return;
	text[bytes] = 0;
	for (char *at = text; (at = strchr(at, '\n')) != NULL;)
		*at = '|';
	if (strstr(text, "READY=1") != NULL || strstr(text, "WATCHDOG=1") != NULL)
		manager.heard_ns = clock_ns();
	fprintf(manager.log, "heard %s\n", text);
}

/* Whoever came to its end is started anew, unless that was wanted: then its status is ours. */
static void reap(void)
{
	int status;

	if (waitpid(manager.daemon, &status, WNOHANG) != manager.daemon)
		return;
	hear(); /* its last words may still be there */
	int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	fprintf(manager.log, "ended %d\n", code);
	if (manager.ending || manager.heard_ns == 0) /* told to, or it cannot start */
		exit(code);
	start_daemon();
}

static void take_signal(void)
{
	struct signalfd_siginfo info;

	if (read(manager.signal_fd, &info, sizeof info) != sizeof info)
		return;
	if (info.ssi_signo == SIGCHLD) {
		reap();
		return;
	}
	manager.ending |= info.ssi_signo != SIGHUP;
	kill(manager.daemon, SIGTERM);
}

static void watch(void)
{
	if (manager.watchdog_ns == 0 || manager.heard_ns == 0 || clock_ns() - manager.heard_ns < manager.watchdog_ns)
		return;
	fprintf(manager.log, "silent\n");
	kill(manager.daemon, SIGABRT);
	manager.heard_ns = clock_ns();
}

static char **parse(int argc, char **argv)
{
	static const struct option options[] = {{"log", required_argument, NULL, 'o'},
						{"watchdog-ms", required_argument, NULL, 'w'},
						{"listen", required_argument, NULL, 'l'},
						{0}};
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (option == 'o')
			manager.log = fopen(optarg, "ae");
		else if (option == 'w')
			manager.watchdog_ns = strtoull(optarg, NULL, 10) * 1000000;
		else if (option == 'l')
			listen_at(optarg);
		else
			exit(2);
	}
	if (manager.log == NULL || argv[optind] == NULL) {
		fputs("manager: --log LOG and a program\n", stderr);
		exit(2);
	}
	setvbuf(manager.log, NULL, _IOLBF, 0);
	return argv + optind;
}

int main(int argc, char **argv)
{
	sigset_t set;

	command = parse(argc, argv);
	open_notify();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	manager.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	start_daemon();
	for (;;) {
		struct pollfd polled[] = {{.fd = manager.notify_fd, .events = POLLIN},
					  {.fd = manager.signal_fd, .events = POLLIN}};
		poll(polled, 2, 50);
		if (polled[0].revents != 0)
			hear();
		if (polled[1].revents != 0)
			take_signal();
		watch();
	}
}
