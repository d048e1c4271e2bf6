/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_NOTIFY_H
#define TOLLBAR_SYS_NOTIFY_H
/* notify.h: what the service manager hears of this process: a datagram of NAME=VALUE lines to the socket that the environment
 * names, and nothing when it names none.
 * Source: sd_notify(3), sd_watchdog_enabled(3) of systemd 252, whose library this does without. */
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOTIFY_BYTES_MAX 512

struct notify {
	int fd; /* -1: nobody wants to know */
	struct sockaddr_un address;
	socklen_t address_bytes;
	uint64_t watchdog_ns; /* so long without a sign of life and this process is killed; 0: never */
	uint64_t alive_ns;    /* when the last one was sent */
};

/* notify_open: reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.  What of them is wrong is logged, and then as if not there:
 * this process would serve as well. */
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);

/* Of the rest, what cannot be sent is logged.  A manager that does not read holds nobody up for more than a second.
 * status: one line for people, cut after 400 bytes. */
void notify_ready(const struct notify *notify, const char *status); /* the first time, and after reloading */
void notify_status(const struct notify *notify, const char *status);
void notify_reloading(const struct notify *notify);
/* within_ms: how long ending may take before the manager loses patience, whatever it has been configured to. */
void notify_stopping(const struct notify *notify, uint64_t within_ms);
/* notify_alive: the sign of life, to be called while all is well, more often than it is sent: each quarter of the time. */
void notify_alive(struct notify *notify, uint64_t now_ns);

#endif
