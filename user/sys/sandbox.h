/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_SANDBOX_H
#define TOLLBAR_SYS_SANDBOX_H
/* sandbox.h: what is left to the process once it has opened what it needs: no program to become, few files, few ports, few
 * system calls, no capability; and to each kind of thread its share of that.  The only user of libseccomp.
 *
 * Who writes to a worker's memory has that thread in hand, and in time perhaps others: they share their memory.  So the first
 * wall, a worker's own, is the lowest, and the process's stands behind it.  A call that no wall has a place for fails with
 * EPERM, as it does in containers, and libraries go on without; one that only somebody else's code would make (a program, a
 * debugger, a module) ends the process at once, before it is made: the kernel's log and the service manager say so
 * (SIGSYS), and a daemon starts again from its ledger.
 *
 * Memory: the filters, made once at sandbox_enter; libseccomp allocates there and nowhere else but for a moment at
 * sandbox_enter_thread. */
#include "sys/landlock.h"

enum sandbox_kind {
	SANDBOX_MAIN,	/* starts and ends the others, signals, the admin listener */
	SANDBOX_WORKER, /* reads what strangers send: its sockets, its ring, and the addresses of peers.h */
	SANDBOX_FILES,	/* the ledger's, the access log's */
	SANDBOX_CALLS,	/* asks facilitators and nodes: names, TLS */
	SANDBOX_KIND_CNT
};

#define SANDBOX_PORTS_MAX 32

struct sandbox_config {
	struct landlock_config process; /* for all threads; bind_ports for those that listen */
	const uint16_t *worker_ports;	/* of peers.h: a worker connects to no other; SANDBOX_PORTS_MAX at most */
	size_t worker_port_cnt;
	bool filter; /* there is one: its maps are written, and it is looked for when it changes */
};

/* Before the first thread, after what needs privilege; binding to low ports can still be done, until the main thread enters its own.
 * What this kernel lacks, or forbids, is left out, and said in the log and by sandbox_state.  0 or -errno, logged. */
int sandbox_enter(const struct sandbox_config *config);
/* A thread, once it has what it needs, before it reads what others sent.  Nothing where sandbox_enter was not called.  A thread that
 * cannot enter stops the process. */
void sandbox_enter_thread(enum sandbox_kind kind);

/* "off", "on", or for example "without_landlock_tcp": one word. */
const char *sandbox_state(void);

#endif
