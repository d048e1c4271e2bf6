/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_FILTER_H
#define TOLLBAR_SYS_FILTER_H
/* filter.h: the maps of the kernel program on an interface: set policy, penalise, count.  Sole user, with the files
 * filter_*.c, of libbpf's maps; how the program gets there and is found again is hook.h.
 *
 * Opening needs root (CAP_SYS_ADMIN, to find maps by id), or to be of the group that filter_share gave them to.  An open
 * filter keeps its maps by file descriptor: ports, mode, penalties and counters then work without privilege (Linux 5.19 on).
 * filter_load_lists makes maps and needs root each time; a running daemon's lists are replaced from outside with `tollbar
 * attach IFACE --allow FILE`, in one step like any reload.
 *
 * All functions return 0 or -errno unless they say otherwise; what went wrong and what to do about it is logged. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "config.h"
#include "lists.h"
#include "payment.h"

struct filter;

enum filter_mode {
	FILTER_OPEN,  /* every source, except denied and penalised ones */
	FILTER_ALLOW, /* only listed sources; an empty list lets nobody in */
};

/* filter_open: the program attached to iface, by `tollbar attach`, `ip link`, xdp-loader or within a dispatcher.
 * -ENOENT: not attached there; -ENODEV: no such interface; -EPROTO: built from another abi.h; -EPERM: without privilege it
 * cannot be told, see hook_find. */
int filter_open(struct filter **filter, const char *iface);
/* filter_refind: is it still there?  0: yes.  1: another one of ours is now, and this filter speaks of it; its policy is yet
 * to be set.  -ENODEV, -ENOENT: the interface is gone, or has no program of ours: `lost` until it is found again.
 * -EPERM: it cannot be told; what was known stays.  Other threads may go on penalising meanwhile. */
int filter_refind(struct filter *filter, const char *iface);
/* filter_share: from now on, until it is detached, processes of this group may open the filter on iface, too: by pins in
 * /sys/fs/bpf/tollbar, to where they must be able to come.  Needs root. */
int filter_share(struct filter *filter, const char *iface, gid_t group);
/* Leaves the program and its policy in force. */
void filter_close(struct filter *filter);

/* filter_set_ports: replaces the service ports.  None: every packet passes.  Ports are in host order; 0 is refused. */
int filter_set_ports(struct filter *filter, const uint16_t *tcp, size_t tcp_cnt, const uint16_t *udp, size_t udp_cnt);
/* filter_set_mode: takes effect with the next packet.  Any thread. */
void filter_set_mode(struct filter *filter, enum filter_mode mode, bool observe);
/* filter_set_checksum: also check the IPv4 header's, TCP's and UDP's checksum of what would pass. */
void filter_set_checksum(struct filter *filter, bool check);
/* filter_set_fail: closed: while no daemon is alive, service ports are shut, with reason no_daemon.  Open: the policy works on
 * without one.
 * filter_set_alive: one is, for so many seconds from now; 0: not any more. */
void filter_set_fail(struct filter *filter, bool closed);
void filter_set_alive(struct filter *filter, unsigned seconds);
/* filter_set_next: what passes goes on to the XDP program at this path of the BPF file system, whose answer is then the
 * answer; NULL: to none.  -EINVAL: the kernel will not have it behind ours. */
int filter_set_next(struct filter *filter, const char *iface, const char *pinned);
/* filter_set_limits: takes effect with the next packet; what sources have used up stays.  0 or -EIO: no randomness. */
int filter_set_limits(struct filter *filter, const struct config_limits *limits) __attribute__((warn_unused_result));
/* filter_set_syn_cookies: takes effect with the next SYN; per_s is for auto alone.  Says in the log when the kernel's own
 * setting, net.ipv4.tcp_syncookies, does not let it; that setting is the operator's, and other services' too, so it is
 * never changed here. */
void filter_set_syn_cookies(struct filter *filter, enum config_syn_cookies cookies, unsigned per_s);
/* filter_load_lists: both lists replace the ones in force in one step: no packet sees half of them, or none.
 * The new ones are made beside them (lists_image.h), and both are in the kernel until no packet is judged by the old
 * ones: tens of milliseconds, and some more per MiB of them.  What they come to is logged.
 * Any thread and any process: they take turns; -EBUSY when another took longer than PINS_LOCK_MS.  On failure the lists in
 * force stay. */
int filter_load_lists(struct filter *filter, const struct prefix_list *allow, const struct prefix_list *deny);

/* --- the native transport (native.h); filter_native.c --- */

/* What is sold for an asset, and by which methods. */
struct filter_terms {
	uint64_t chain_id;
	struct address asset;
	uint32_t methods; /* bit m: method m */
};

struct filter_native {
	uint16_t ports[LISTENS_MAX]; /* UDP, host order; they must be service ports too */
	size_t port_cnt;
	struct filter_terms terms[TOLLBAR_NATIVE_TERMS]; /* each chain and asset once */
	size_t terms_cnt;
	uint64_t timeout_s; /* the longest max_timeout_s of what is sold */
	uint64_t knock_s;   /* the longest a knock may ask for; 0: there are no knocks */
	enum config_syn_cookies cookies;
	unsigned
		cookies_per_s; /* with auto: requests on one CPU above which those without a cookie are asked for one */
	bool cookies_sent;     /* by the program, by XDP_TX; else the daemon has to */
	uint8_t cookie_key[16];
};

/* filter_set_native: takes effect with the next datagram, but for the ports: set before these are service ports.  NULL: no
 * port is native.  Repeats of what was claimed before stay known for as long as the program is loaded.  0 or -EIO. */
int filter_set_native(struct filter *filter, const struct filter_native *native) __attribute__((warn_unused_result));
/* filter_native_clock: to be called every second, at unix_s; without it no datagram is in time after a while.  What is
 * refused for its times, the daemon would refuse whenever it asks within two seconds of this. */
void filter_native_clock(struct filter *filter, uint64_t unix_s);
/* filter_native_payers: of the native datagrams only those of listed payers pass; each payer once.  everybody: all do.  One
 * list replaces the other in one step: no datagram sees half of it, or none.  One thread; may sleep for a second.
 * -E2BIG: more than filter_native_room payers.  When the new list cannot be put in force everybody passes, since the
 * daemon has it, and a new payer is not to be kept out by an old list. */
int filter_native_payers(struct filter *filter, const struct address *payers, size_t cnt, bool everybody)
	__attribute__((warn_unused_result));
/* For how many payers there is room: what hook_attach was told. */
size_t filter_native_room(const struct filter *filter);
/* filter_native_claimed: from now on, repeats of this payer's nonce pass once in a quarter of a second.  Any thread; a store into
 * mapped memory.  What is known longest is forgotten for it. */
void filter_native_claimed(struct filter *filter, uint64_t chain_id, const struct address *payer,
			   const struct word *nonce);
/* filter_open_source: until until_ns (CLOCK_MONOTONIC), this very address gets in as if it were on the list of sources, by
 * TCP; it is never shortened.  Any thread, a system call or two.  -ENOSPC: as many are open as the map holds. */
int filter_open_source(struct filter *filter, const struct in6_addr *source, uint64_t until_ns);
/* filter_opened_sweep: forgets those whose time is over: how many there are, or -errno. */
int filter_opened_sweep(struct filter *filter);

/* Penalties.  A source is an IPv4 address (as mapped) or stands for its IPv6 /64: see tollbar_standing_key.  Any thread; a
 * system call or two each.  Penalise only TCP peers that completed a handshake: a UDP source may be anybody's. */
struct filter_standing {
	struct in6_addr source; /* of a /64 the first address */
	struct tollbar_standing entry;
};
/* -ENOENT: nothing is known of it; the entry is then zero. */
int filter_standing_get(struct filter *filter, const struct in6_addr *source, struct tollbar_standing *entry);
/* From now on.  -ENOSPC: as many live penalties as the map holds; those that are over made room first. */
int filter_standing_put(struct filter *filter, const struct in6_addr *source, const struct tollbar_standing *entry);
/* -ENOENT: nothing was known of it. */
int filter_standing_clear(struct filter *filter, const struct in6_addr *source);
/* All entries, live or over, in no order: their number, or -errno.  The caller frees *all. */
int filter_standing_list(struct filter *filter, struct filter_standing **all);
/* How many are dropped now, and how many are over but remembered. */
int filter_standing_count(struct filter *filter, uint64_t *live, uint64_t *over);
/* Forgets every entry that has been over for keep_ns: how many live ones there are, or -errno.  To be called now and then,
 * to give memory back and because packets are cheaper where nobody is penalised. */
int filter_standing_sweep(struct filter *filter, uint64_t keep_ns);

/* filter_counters: sums over all CPUs since attach.  One thread at a time. */
int filter_counters(struct filter *filter, struct tollbar_counters *sum);

/* Sampled drops, as they happen.  One tracer at a time; its wish lapses two seconds after it was polled last, so that one
 * that died costs the kernel next to nothing. */
struct filter_tracer;
struct filter_wish {
	uint64_t reasons; /* bit r: drops for reason r */
	uint32_t every;	  /* one in so many, 1: all of them; counted per CPU, as is ... */
	uint32_t second_max;
};
/* The filter must stay open.  -EBUSY: somebody else traces. */
int filter_trace_start(struct filter_tracer **tracer, struct filter *filter, const struct filter_wish *wish,
		       void (*visit)(void *visit_ctx, const struct tollbar_event *event), void *visit_ctx);
/* Waits for events, at most half a second, and visits all there are: 0, -EINTR after a signal, -EBUSY when it was not called
 * for so long that another tracer took over. */
int filter_trace_poll(struct filter_tracer *tracer);
void filter_trace_stop(struct filter_tracer *tracer);
/* Clears the policy bit that a tracer left which could not stop. */
void filter_trace_expire(struct filter *filter);
/* Events since attach, over all CPUs: into the ring buffer, over second_max, for want of room.  Any thread. */
struct filter_traced {
	uint64_t sent, limited, lost;
};
int filter_traced(const struct filter *filter, struct filter_traced *sum);

/* What is known of the program, and what the policy word says now. */
struct filter_state {
	bool lost;    /* was not there when filter_refind looked last */
	bool generic; /* runs in the kernel's slow mode */
	bool pinned;  /* opened without privilege: lists cannot be loaded by it */
	bool lists;   /* there are some */
	bool armed, observe, checksum, fail_closed, next;
	bool native, has_payers;
	enum filter_mode mode;
};
struct filter_state filter_state(const struct filter *filter);

#endif
