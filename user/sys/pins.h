/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_PINS_H
#define TOLLBAR_SYS_PINS_H
/* pins.h: what keeps BPF objects alive between two commands: names in the BPF file system, under tollbar/, apart for each
 * interface and network namespace. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PINS_FOLDER "/sys/fs/bpf"

/* May pins be relied on?  Mounts the file system where it is missing, but not in a mount namespace that ends with this
 * command. */
bool pins_last(void);
/* Pins the object behind fd, in place of what had that name.  0 or -errno. */
int pins_put(int fd, const char *iface, const char *name);
/* A descriptor, or -errno. */
int pins_get(const char *iface, const char *name);
/* All pins of an interface, whatever they are called. */
void pins_remove(const char *iface);
/* pins_share: the group may use what is pinned under these names, and nothing else of the interface's.  0 or -errno.
 * The folder all pins are in can be passed through from then on, and stays, so that it may be mounted elsewhere: the BPF file
 * system as a whole is usually root's alone. */
int pins_share(const char *iface, const char *const *names, size_t cnt, gid_t group);
/* For what two commands at once would spoil: a descriptor that keeps others out until it is closed, or its process ends.
 * -EBUSY: another one has had it for PINS_LOCK_MS; or -errno.  Needs root, as the folder is root's alone. */
#define PINS_LOCK_MS 5000
int pins_lock(void);

#endif
