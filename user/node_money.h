/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_NODE_MONEY_H
#define TOLLBAR_NODE_MONEY_H
/* node_money.h: who sees to it that what was sold is paid, put together: the ledger lends a settlement to the chain's looker when it
 * is in doubt, else to a facilitator's settlers, and is told what became of it, as the payer's funds are. */
#include "config.h"

struct shared;

struct node_money { /* zero at first */
	struct shared *shared;
	struct settlers *settlers;
	struct funds_look *look; /* NULL: no chain is asked */
};

/* node_money_open: shared's funds are there; makes its ledger, its sessions, and its settlers, which are ours.
 * 0 or -errno, logged; node_money_close follows in any case. */
int node_money_open(struct node_money *money, const struct config *config, struct shared *shared);
/* When no request is left: everything lent comes back, and the ledger is closed. */
void node_money_close(struct node_money *money);

#endif
