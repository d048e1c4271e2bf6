/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_PEERS_H
#define TOLLBAR_SYS_PEERS_H
/* peers.h: the addresses that workers connect to, in memory nobody can write to any more.
 *
 * A seccomp filter sees the pointer that connect(2) is given, and not what is behind it.  So what is behind it is made to
 * stay as it is: one page at a place of its own, filled once and then read-only; and the filter (sandbox.h) lets a worker
 * connect with a pointer to one of its entries only, and lets nobody map, unmap or unprotect anything that low. */
#include <stddef.h>
#include <sys/socket.h>

#define PEERS_AT 0x10000000ul /* far below where the kernel puts programs, libraries and memory of 64-bit processes */
#define PEERS_BYTES 4096ul
#define PEERS_ENTRY_BYTES 128ul
#define PEERS_MAX (PEERS_BYTES / PEERS_ENTRY_BYTES)

/* Once per process.  addresses[i] becomes entry i; entries left over are like the first, so that each is somebody's.
 * 1 <= cnt <= PEERS_MAX.  NULL: no memory there (errno). */
const struct sockaddr_storage *peers_seal(const struct sockaddr_storage *const *addresses, size_t cnt);

#endif
