/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_POLICY_H
#define TOLLBAR_CMD_POLICY_H
/* policy.h: what a configuration's [filter] and its listeners mean to the filter: for the daemon, and for attach before it. */
#include "config.h"
#include "sys/filter.h"

/* policy_set: lists, limits, modes, ports.  A filter that was opened without privilege keeps the lists it has; a configuration
 * that names lists where there are none is then -EPERM.  Mistakes in a list are written to standard error.  0 or -errno.
 * alive: a daemon stands behind it from now on; otherwise, with fail = closed, the ports stay shut until one does. */
int policy_set(struct filter *filter, const struct config *config, bool alive);

#endif
