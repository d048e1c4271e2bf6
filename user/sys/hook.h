/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_HOOK_H
#define TOLLBAR_SYS_HOOK_H
/* hook.h: the kernel program on an interface: put it there, take it away, find it.  Sole user of libxdp, and with it of
 * the part of libbpf that loads and attaches.  Needs root: CAP_NET_ADMIN, CAP_BPF, and CAP_SYS_ADMIN to find by id.
 *
 * All functions return 0 or -errno unless they say otherwise; what went wrong and what to do about it is logged. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOOK_PAYERS_MAX 16777216u /* 1 GiB */

struct hook_attach {
	bool replace;	 /* another program, not behind libxdp's dispatcher, makes room and comes back at detach */
	bool generic;	 /* skip native mode; otherwise generic is the fallback, said aloud */
	uint32_t payers; /* room in the kernel's list of payers (filter_native_payers); 0: as many as usual */
};

/* hook_attach: puts the program on the interface, behind libxdp's dispatcher where the kernel allows one, else alone,
 * held by a link pinned in /sys/fs/bpf/tollbar/.  It outlives this process and passes everything until a policy is set.
 * Where our program is attached already (by anyone) nothing happens: settings change without attaching again.
 * -EBUSY: another program is there and `replace` is not set, or its owner holds it by a link.
 *
 * Under `ip netns exec` pins would vanish with the command, so there the program is attached by netlink, alone.  To share
 * an interface in a namespace use `nsenter --net=/run/netns/NAME tollbar attach IFACE`. */
int hook_attach(const char *iface, const struct hook_attach *how);
/* hook_detach: takes our program away however it was attached, and puts back the one it replaced.
 * -ENOENT: it is not there.  -EBUSY: it is behind a dispatcher whose pins cannot be seen from here. */
int hook_detach(const char *iface);

/* hook_find: a descriptor of our program on iface, whoever attached it: `tollbar attach`, `ip link`, xdp-loader, or as
 * one of a dispatcher's programs.  The caller closes it.  -ENOENT: it is not there; -ENODEV: nor is the interface.
 * generic: it runs in the kernel's generic mode, after the driver, at a small part of the speed.
 *
 * Without privilege it is found by what hook_share pinned; -EPERM: nothing is, or not for this group, or the driver runs
 * another program now than it did then, behind which ours may be or not. */
int hook_find(const char *iface, bool *generic);
/* The kernel's number of a program: another one after each load.  0: it does not say. */
uint32_t hook_program_id(int fd);
/* hook_share: pins our program on iface, and the one the driver runs, for hook_find without privilege.  Names of these pins
 * go to names, at most HOOK_PINS, and their number to cnt. */
#define HOOK_PINS 2
int hook_share(const char *iface, const char *names[HOOK_PINS], size_t *cnt);

#endif
