/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_NODE_H
#define TOLLBAR_NODE_H
/* node.h: the running daemon: its workers, ledger and settlement threads, started and ended in the right order.
 *
 * Data goes one way: workers → ledger → settler, and outcomes come back by mail.  The node owns all of them. */
#include <stdbool.h>

#include "admin.h"
#include "config.h"
#include "sys/filter.h"

struct node;

/* Binds the listeners, opens the ledger (which resolves what a crash left), starts every thread.  0 or -errno, logged.
 * peers: the upstreams' addresses, as sealed (sys/peers.h).  config must outlive the node; its offers' domain separators are filled in here. */
int node_start(struct node **node, struct config *config, const struct sockaddr_storage *peers, struct filter *filter);
/* A new payer list, if the file is without mistakes; else they are logged and the old one stays; and the access log is opened
 * anew.  Returns mistakes. */
int node_reload(struct node *node);
/* The filter is another program now, whose policy was set (cmd/policy.h): what the daemon alone knows goes after it: payers, and
 * what the sieve for native datagrams goes by.  0 or -errno. */
int node_filter_found(struct node *node) __attribute__((warn_unused_result));
/* Each second: the kernel is told the time, sessions whose time has come are settled, upstreams that are out are
 * given another chance, and what steps took lately is noted. */
void node_tick(struct node *node);
/* Once a minute or so: the kernel forgets penalties long over, sources that knocked long ago, and a tracer that died. */
void node_tend(struct node *node);
/* node_works: did every worker make a round within the last NODE_ROUND_MS?  One that did not is stuck: said in the log. */
#define NODE_ROUND_MS 5000
bool node_works(const struct node *node);
/* Everything at a glance, for the admin listener. */
void node_look(void *node, struct admin_view *view);
bool node_look_overhead(void *node, struct admin_overhead *view);

/* Drain: readiness off, no new connections, running requests finish. */
void node_drain(struct node *node);
/* Workers ended, and every debt settled or given up on for now. */
bool node_drained(struct node *node);
/* Closes what is left and ends every thread. */
void node_stop(struct node *node);

#endif
