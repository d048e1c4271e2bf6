/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_LANDLOCK_H
#define TOLLBAR_SYS_LANDLOCK_H
/* landlock.h: files and TCP ports the calling thread, and what it starts, may still reach; everything else is refused
 * (EACCES), for what rings do, too.  Descriptors that are open stay usable.  By system calls: glibc has no functions for
 * them.  Source: the kernel's Documentation/userspace-api/landlock.rst. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum landlock_access { /* of a folder and all in it, or of one file */
		       LANDLOCK_READ = 1,
		       LANDLOCK_LIST = 2,
		       LANDLOCK_WRITE = 4, /* also making files, renaming and removing them */
};

struct landlock_path {
	const char *path; /* one that does not exist is left out */
	unsigned access;  /* enum landlock_access */
};

struct landlock_config {
	const struct landlock_path *paths;
	size_t path_cnt;
	const uint16_t *connect_ports, *bind_ports; /* TCP */
	size_t connect_port_cnt, bind_port_cnt;
	bool connect_anywhere; /* connect_ports mean nothing */
};

/* Version of what the kernel has: 0: nothing; from 4 on, TCP ports. */
#define LANDLOCK_TCP 4
int landlock_version(void);
/* 0 or -errno.  No new privileges were asked for before.  Ports are left out where the kernel does not know them. */
int landlock_enter(const struct landlock_config *config);

#endif
