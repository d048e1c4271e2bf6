/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_SYNCOOKIES_H
#define TOLLBAR_SYS_SYNCOOKIES_H
/* syncookies.h: what net.ipv4.tcp_syncookies of this network namespace says: 0 no cookies, 1 when a listener's queue of
 * pending connections is full, 2 always; or -errno.  Read, never changed: it is the operator's, and other services' too. */
int syncookies_kernel(void);

#endif
