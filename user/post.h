/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_POST_H
#define TOLLBAR_POST_H
/* post.h: POSTs to a plain http:// URL over kept connections on a ring of our own: the carrier (sys/fetch_pool.h) for a
 * facilitator on the same machine or private network, at about half of libcurl's cost.  All that one round has brought
 * is sent in one submission.
 *
 * A name is looked up on a thread of its own, at the start and again when none of its addresses could be connected to;
 * jobs that wait for it keep their time limits, those under way do not notice.  A lookup that finds nothing leaves the
 * addresses that were known.  An address that refused, or did not answer in time, is not the first to be tried again. */
#include "sys/fetch_pool.h"

/* Is this URL one for post_open: http://, and no proxy of the environment may apply to its host? */
bool post_can(const char *url);

/* 0 or -errno (-ENOSYS or -EPERM: this kernel or container does not allow io_uring).  ca_file is not looked at. */
int post_open(struct fetch_pool **out, const struct fetch_pool_config *config);

#endif
