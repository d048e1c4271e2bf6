/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_INTERFACE_H
#define TOLLBAR_CMD_INTERFACE_H
/* interface.h: the filter a subcommand is about.  It works through the attached program's maps: no daemon is asked. */
#include <net/if.h>

#include "sys/filter.h"

/* Opens the filter on `iface` or, when that is NULL, on the one interface that has one.  Out: its name.
 * NULL: standard error says why, and what to do. */
struct filter *interface_filter(char name[IF_NAMESIZE], const char *iface);

#endif
