/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_FILTER_H
#define TOLLBAR_SYS_FILTER_H
/* filter.h: the kernel program on an interface: attach, find, set policy, penalise, count.  Sole user of libbpf and
 * libxdp.
 *
 * Attaching and opening need root (CAP_NET_ADMIN, CAP_BPF, and CAP_SYS_ADMIN to find maps by id).  An open filter keeps
 * its maps by file descriptor: ports, mode, penalties and counters then work without privilege (Linux 5.19 on).
 * filter_load_lists makes maps and needs CAP_BPF each time; a running daemon's lists are replaced from outside with
 * `tollbar attach IFACE --allow FILE`, in one step like any reload.
 *
 * All functions return 0 or -errno unless they say otherwise; what went wrong and what to do about it is logged. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "lists.h"

struct filter;

enum filter_mode {
	FILTER_OPEN,	    /* every source, except denied and penalised ones */
	FILTER_ALLOW,	    /* only listed sources; an empty list lets nobody in */
};

struct filter_attach {
	bool replace; /* another program, not behind libxdp's dispatcher, makes room and comes back at detach */
	bool generic; /* skip native mode; otherwise generic is the fallback, said aloud */
};

/* filter_attach: puts the program on the interface, behind libxdp's dispatcher where the kernel allows one, else alone,
 * held by a link pinned in /sys/fs/bpf/tollbar/.  It outlives this process and passes everything until a policy is set.
 * Where our program is attached already (by anyone) nothing happens: settings change without attaching again.
 * -EBUSY: another program is there and `replace` is not set, or its owner holds it by a link.
 *
 * Under `ip netns exec` pins would vanish with the command, so there the program is attached by netlink, alone.  To share
 * an interface in a namespace use `nsenter --net=/run/netns/NAME tollbar attach IFACE`. */
int filter_attach(const char *iface, const struct filter_attach *how);
/* filter_detach: takes our program away however it was attached, and puts back the one it replaced.
 * -ENOENT: it is not there. */
int filter_detach(const char *iface);

/* filter_open: the program attached to iface, by `tollbar attach`, `ip link`, xdp-loader or within a dispatcher.
 * -ENOENT: not attached there; -EPROTO: built from another abi.h. */
int filter_open(struct filter **filter, const char *iface);
/* Leaves the program and its policy in force. */
void filter_close(struct filter *filter);

/* filter_set_ports: replaces the service ports.  None: every packet passes.  Ports are in host order; 0 is refused. */
int filter_set_ports(struct filter *filter, const uint16_t *tcp, size_t tcp_cnt, const uint16_t *udp, size_t udp_cnt);
/* filter_set_mode: takes effect with the next packet.  Any thread. */
void filter_set_mode(struct filter *filter, enum filter_mode mode, bool observe);
/* filter_load_lists: both lists replace the ones in force in one step: no packet sees half of them, or none.
 * One thread at a time.  On failure the lists in force stay. */
int filter_load_lists(struct filter *filter, const struct prefix_list *allow, const struct prefix_list *deny);

/* filter_penalize: drop everything from source (IPv4 as mapped) for this long; again: from now on.  Any thread; one
 * system call.  -ENOSPC: as many live penalties as the map holds.
 * Only for TCP peers that completed a handshake: a UDP source may be anybody's. */
int filter_penalize(struct filter *filter, const struct in6_addr *source, unsigned seconds);
/* -ENOENT: was not penalised. */
int filter_unpenalize(struct filter *filter, const struct in6_addr *source);
/* Penalties past their time say nothing but take room.  Called by filter_penalize when the map is full; call it now and
 * then to give memory back.  Returns how many are still live, or -errno. */
int filter_sweep(struct filter *filter);

/* filter_counters: sums over all CPUs since attach.  One thread at a time. */
int filter_counters(struct filter *filter, struct tollbar_counters *sum);

/* What the policy word says now. */
struct filter_state {
	bool armed, observe;
	enum filter_mode mode;
};
struct filter_state filter_state(const struct filter *filter);

#endif
