/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_STANDING_H
#define TOLLBAR_STANDING_H
/* standing.h: outcome of a request → what the kernel should think of its source.  Bookkeeping only: the caller tells the
 * filter.  One per worker, no locks; a TCP peer keeps to few workers, so each counts for itself.
 *
 * Only sources that completed a handshake may be noted: any other address can be borrowed.  filter.penalty_failures
 * within filter.penalty_window_s bring a penalty (0: never any); the first takes filter.penalty_s, each next one twice as
 * long, up to an hour; an hour without one and the next is a first one again. */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "reasons.h"

struct standing;

/* Reads filter.penalty_* and trusted_proxies of the config, which must outlive it.  key: random, so that where a source
 * goes in the table cannot be aimed at.  NULL: no memory. */
struct standing *standing_init(const struct config *config, const uint8_t key[16]);
void standing_fini(struct standing *standing);
size_t standing_bytes(void); /* memory of one, for the line printed at start */

/* standing_note: a request of this source (v4 as mapped) was refused for this reason.  Returns for how many seconds the
 * kernel should drop the source, 0: not at all.  Only malformed requests, bad signatures, replays and slow clients count;
 * a missing payment, a limit, or trouble of the node or the upstream never does.
 * Sources share a table by hash: one that meets another's entry takes it over and starts from zero, so nobody is ever
 * penalised for somebody else. */
unsigned standing_note(struct standing *standing, const struct in6_addr *source, enum reason reason, uint64_t now_ns);

#endif
