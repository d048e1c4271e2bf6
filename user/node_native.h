/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_NODE_NATIVE_H
#define TOLLBAR_NODE_NATIVE_H
/* node_native.h: what the configuration, the payer list and the clock mean to the filter's sieve for native datagrams.  The main
 * thread's. */
#include "config.h"
#include "payers.h"
#include "sys/filter.h"

/* node_native_set: all of it, for a filter that knows nothing yet; without [native] the sieve is off.
 * cookie_key: the daemon's own, so that either believes the other's cookies.  0 or -errno. */
int node_native_set(struct filter *filter, const struct config *config, struct payers *payers,
		    const uint8_t cookie_key[16]) __attribute__((warn_unused_result));
/* node_native_payers: the list in force was replaced.  What goes wrong is logged; the daemon asks the list in any case. */
void node_native_payers(struct filter *filter, const struct config *config, struct payers *payers);

#endif
