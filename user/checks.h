/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CHECKS_H
#define TOLLBAR_CHECKS_H
/* checks.h: asks the upstreams that have a `check` how they are, again and again, and tells the queue: queue_note.
 *
 * One thread, one connection at a time to each.  An answer of 2xx is good; another answer says that it is not ready; none
 * says something only when nobody else got one meanwhile (queue_health.h), so a server at full load is not put out for
 * being late. */
#include "config.h"
#include "queue.h"

struct checks;

/* Starts the thread; *out is NULL when there is nothing to check.  config and queue must outlive it.  0 or -errno. */
int checks_start(struct checks **out, const struct config *config, struct queue *queue);
/* Ends it.  NULL is fine. */
void checks_stop(struct checks *checks);

#endif
