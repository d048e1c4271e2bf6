/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_DRIVER_H
#define TOLLBAR_SYS_DRIVER_H
/* driver.h: what is to be known of an interface and its driver.  Needs no privilege. */
#include <stdbool.h>

struct driver {
	char name[32]; /* empty: it does not say */
	bool up;
	unsigned mtu;
	unsigned queues; /* that receive; 0: it does not say */
};

/* 0; -ENODEV: no such interface; or -errno. */
int driver_look(struct driver *driver, const char *iface);

/* Does a frame that the filter sends back where it came from (XDP_TX) arrive there for certain?  Not from one end of a veth:
 * the other end takes it only where a program of its own runs.  What the driver's name says nothing of is taken to. */
bool driver_sends(const char *iface);

/* Has this driver XDP of its own, so that the filter runs before the kernel's stack (native mode)?  By its name, as of Linux 6.12:
 * what is not known is taken to have none. */
bool driver_is_native(const struct driver *driver);

#endif
