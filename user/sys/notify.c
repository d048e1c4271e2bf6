// SPDX-License-Identifier: Apache-2.0
#include "sys/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

static const struct timeval patience = {.tv_sec = 1};

/* "/path", or "@name" for one without a file.  false: neither, or too long. */
static bool address_set(struct notify *notify, const char *name)
{
	size_t bytes = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || bytes < 2 || bytes >= sizeof notify->address.sun_path)
		return false;
	notify->address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(notify->address.sun_path, name, bytes);
	if (name[0] == '@')
		notify->address.sun_path[0] = 0;
	/* an abstract name ends where the address does, a path with its zero */
	notify->address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes + (name[0] == '/'));
	return true;
}

/* The variable as a whole number above zero; 0: not there, or not one. */
static uint64_t number_of(const char *variable)
{
	const char *text = getenv(variable);
	char *end;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	uint64_t number = strtoull(text, &end, 10);
	return *end == 0 && errno == 0 ? number : 0;
}

/* A watchdog is meant for the process it names, or for whoever hears of it. */
static uint64_t watchdog_ns(void)
{
	uint64_t us = number_of("WATCHDOG_USEC");

	if (getenv("WATCHDOG_PID") != NULL && number_of("WATCHDOG_PID") != (uint64_t)getpid())
		return 0;
	return us <= UINT64_MAX / 1000 ? us * 1000 : 0;
}

void notify_open(struct notify *notify)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*notify = (struct notify){.fd = -1};
	if (name == NULL)
		return;
	if (!address_set(notify, name)) {
		log_warn("event=notify error=\"NOTIFY_SOCKET is no socket's name\"");
		return;
	}
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify->fd < 0) {
		log_warn("event=notify error=\"%s\"", strerror(errno));
		return;
	}
	setsockopt(notify->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	notify->watchdog_ns = watchdog_ns();
}

void notify_close(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	notify->fd = -1;
}

/* Not connected: a manager that started anew has the same name and another socket. */
static void say(const struct notify *notify, const char *text)
{
	if (notify->fd < 0)
		return;
	if (sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&notify->address,
		   notify->address_bytes) < 0)
		log_warn("event=notify error=\"%s\"", strerror(errno));
}

void notify_ready(const struct notify *notify, const char *status)
{
	char text[NOTIFY_BYTES_MAX];

	snprintf(text, sizeof text, "READY=1\nSTATUS=%.400s", status);
	say(notify, text);
}

void notify_status(const struct notify *notify, const char *status)
{
	char text[NOTIFY_BYTES_MAX];

	snprintf(text, sizeof text, "STATUS=%.400s", status);
	say(notify, text);
}

void notify_reloading(const struct notify *notify)
{
	char text[NOTIFY_BYTES_MAX];

	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_ns() / 1000);
	say(notify, text);
}

void notify_stopping(const struct notify *notify, uint64_t within_ms)
{
	char text[NOTIFY_BYTES_MAX];

	snprintf(text, sizeof text, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64, within_ms * 1000);
	say(notify, text);
}

void notify_alive(struct notify *notify, uint64_t now_ns)
{
	if (notify->watchdog_ns == 0 || now_ns - notify->alive_ns < notify->watchdog_ns / 4)
		return;
	notify->alive_ns = now_ns;
	say(notify, "WATCHDOG=1");
}
