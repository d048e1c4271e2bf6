/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_ACTIVATION_H
#define TOLLBAR_SYS_ACTIVATION_H
/* activation.h: sockets that the service manager opened before this process and hands over (LISTEN_FDS): on ports that take
 * privilege, and over a restart, when connections wait in them until the next process is there.  One set a process, as there
 * is one environment.
 *
 * The configuration stays what decides: a socket is used when a setting names its address, and one that no setting names keeps
 * the daemon from starting, since clients would wait in it for ever.
 *
 * Several at one address (ReusePort=yes) are dealt to the workers in turn.  A single one is shared by all, and then the kernel
 * wakes the first worker first: of two, it served all of 64 connections.  That is said in the log.
 * Source: sd_listen_fds(3) of systemd 252. */
#include <stddef.h>
#include <sys/socket.h>

#define ACTIVATION_MAX 256

/* activation_open: takes note of them.  0, also without any; -errno, logged: the environment speaks of sockets that are none. */
int activation_open(void);
/* activation_take: a descriptor, the caller's own, of a socket of this type at exactly this address: of several the one whose
 * turn it is.  It blocks.  -ENOENT: none there. */
int activation_take(const struct sockaddr_storage *address, int type, unsigned turn);
/* activation_complete: was each of them taken?  0, or -EADDRNOTAVAIL, and the log says which was not. */
int activation_complete(void);

#endif
