/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_DRIVER_H
#define TOLLBAR_SYS_DRIVER_H
/* driver.h: what is to be known of an interface's driver. */
#include <stdbool.h>

/* Does a frame that the filter sends back where it came from (XDP_TX) arrive there for certain?  Not from one end of a veth:
 * the other end takes it only where a program of its own runs.  What the driver's name says nothing of is taken to. */
bool driver_sends(const char *iface);

#endif
