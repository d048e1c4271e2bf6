// SPDX-License-Identifier: Apache-2.0
/* What the service manager hears, at a real socket of ours in its place. */
#include "sys/notify.c"

#include <fcntl.h>

#include "check.h"

static int manager_fd;
static char manager_name[64];

/* The manager's socket, a file or an abstract name, and the environment that names it. */
static void manager_start(bool abstract)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(manager_name, sizeof manager_name, abstract ? "@tollbar-test-%d" : "/tmp/tollbar-test-%d.notify",
		 (int)getpid());
	size_t bytes = strlen(manager_name);
	memcpy(address.sun_path, manager_name, bytes);
	if (abstract)
		address.sun_path[0] = 0;
	manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CHECK_NEED(bind(manager_fd, (struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes + !abstract)) == 0);
	setenv("NOTIFY_SOCKET", manager_name, 1);
}

static void manager_stop(void)
{
	close(manager_fd);
	unlink(manager_name);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

/* The next datagram, or "" when there is none. */
static const char *heard(void)
{
	static char text[NOTIFY_BYTES_MAX + 1];
	ssize_t bytes = recv(manager_fd, text, sizeof text - 1, 0);

	text[bytes > 0 ? bytes : 0] = 0;
	return text;
}

static bool hears(const char *want)
{
	const char *got = heard();

	if (strcmp(got, want) == 0)
		return true;
	printf("heard \"%s\", want \"%s\"\n", got, want);
	return false;
}

static void whole_life(bool abstract)
{
	struct notify notify;

	manager_start(abstract);
	notify_open(&notify);
	CHECK(notify.fd >= 0 && notify.watchdog_ns == 0);
	CHECK(hears(""));
	notify_ready(&notify, "Serving");
	CHECK(hears("READY=1\nSTATUS=Serving"));
	notify_status(&notify, "Serving unfiltered");
	CHECK(hears("STATUS=Serving unfiltered"));
	uint64_t before_us = clock_ns() / 1000, said_us = 0;
	notify_reloading(&notify);
	CHECK_EQ(sscanf(heard(), "RELOADING=1\nMONOTONIC_USEC=%" SCNu64, &said_us), 1);
	CHECK(said_us >= before_us && said_us <= clock_ns() / 1000);
	notify_alive(&notify, clock_ns()); /* nobody asked for it */
	CHECK(hears(""));
	notify_stopping(&notify, 310000);
	CHECK(hears("STOPPING=1\nEXTEND_TIMEOUT_USEC=310000000"));
	notify_close(&notify);
	manager_stop();
}

TEST(a_socket_with_a_path)
{
	whole_life(false);
}

TEST(an_abstract_socket)
{
	whole_life(true);
}

TEST(nobody_to_tell)
{
	struct notify notify;

	setenv("WATCHDOG_USEC", "1000000", 1); /* as when a shell was started by a unit with a watchdog */
	notify_open(&notify);
	CHECK_EQ(notify.fd, -1);
	notify_ready(&notify, "x");
	notify_alive(&notify, clock_ns());
	notify_close(&notify);
	unsetenv("WATCHDOG_USEC");
}

TEST(names_that_are_none)
{
	char longer[200];
	struct notify notify;
	const char *const names[] = {"", "/", "@", "relative", "vsock:2:1", longer};

	memset(longer, 'x', sizeof longer - 1);
	longer[0] = '/';
	longer[sizeof longer - 1] = 0;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		setenv("NOTIFY_SOCKET", names[i], 1);
		notify_open(&notify);
		CHECK_ROW(notify.fd == -1, names[i]);
	}
	longer[sizeof notify.address.sun_path - 1] = 0; /* the longest that fits with its zero */
	setenv("NOTIFY_SOCKET", longer, 1);
	notify_open(&notify);
	CHECK(notify.fd >= 0);
	notify_ready(&notify, "x"); /* there is none: said in the log, and that is all */
	notify_close(&notify);
	unsetenv("NOTIFY_SOCKET");
}

TEST(watchdog_settings)
{
	char own[16];
	static const struct {
		const char *us, *pid;
		uint64_t want_ns;
	} rows[] = {
		{"30000000", NULL, 30000000000},
		{"30000000", "own", 30000000000},
		{"30000000", "1", 0}, /* another process's */
		{"30000000", "", 0},
		{"30000000", "x", 0},
		{"0", "own", 0},
		{"", "own", 0},
		{"-1", "own", 0},
		{"1s", "own", 0},
		{"18446744073709551615", "own", 0}, /* cannot be nanoseconds */
		{"18446744073709551616", "own", 0},
		{NULL, "own", 0},
	};

	snprintf(own, sizeof own, "%d", (int)getpid());
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *pid = rows[i].pid;
		unsetenv("WATCHDOG_USEC");
		unsetenv("WATCHDOG_PID");
		if (rows[i].us != NULL)
			setenv("WATCHDOG_USEC", rows[i].us, 1);
		if (pid != NULL)
			setenv("WATCHDOG_PID", strcmp(pid, "own") == 0 ? own : pid, 1);
		CHECK_ROW(watchdog_ns() == rows[i].want_ns, rows[i].us != NULL ? rows[i].us : "none");
	}
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

/* However often it is called: once each quarter of the time, so that three may be late. */
TEST(signs_of_life)
{
	struct notify notify;
	uint64_t now_ns = UINT64_C(1000000000000), second_ns = 1000000000;
	unsigned cnt = 0;

	manager_start(true);
	setenv("WATCHDOG_USEC", "20000000", 1);
	notify_open(&notify);
	for (unsigned i = 0; i < 100; i++) { /* 50 s of calls, two a second: at 0, 5, ... 45 */
		notify_alive(&notify, now_ns + i * second_ns / 2);
		if (strcmp(heard(), "WATCHDOG=1") == 0)
			cnt++;
	}
	CHECK_EQ(cnt, 10);
	notify_close(&notify);
	manager_stop();
}

/* A line that is too long is cut, not refused: the manager still learns that we are ready. */
TEST(a_long_status)
{
	struct notify notify;
	char status[2 * NOTIFY_BYTES_MAX];

	memset(status, 's', sizeof status - 1);
	status[sizeof status - 1] = 0;
	manager_start(true);
	notify_open(&notify);
	notify_ready(&notify, status);
	const char *got = heard();
	CHECK_EQ(strlen(got), strlen("READY=1\nSTATUS=") + 400);
	CHECK(strncmp(got, "READY=1\nSTATUS=sss", 18) == 0);
	notify_close(&notify);
	manager_stop();
}

/* A manager that reads nothing: its queue fills, and each word then costs a second at most. */
TEST(a_manager_that_does_not_read)
{
	struct notify notify;

	manager_start(true);
	notify_open(&notify);
	fcntl(notify.fd, F_SETFL, O_NONBLOCK);
	while (sendto(notify.fd, "x", 1, 0, (struct sockaddr *)&notify.address, notify.address_bytes) == 1)
		;
	fcntl(notify.fd, F_SETFL, 0);
	uint64_t before_ns = clock_ns();
	notify_status(&notify, "unheard");
	CHECK(clock_ns() - before_ns < 30 * UINT64_C(1000000000)); /* it came back */
	notify_close(&notify);
	manager_stop();
}

CHECK_MAIN
