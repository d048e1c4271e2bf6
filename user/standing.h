/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_STANDING_H
#define TOLLBAR_STANDING_H
/* standing.h: outcome of a request → what the kernel should think of its source.  Bookkeeping only: the caller tells the
 * filter.
 *
 * Only sources that completed a handshake may be noted: any other address can be borrowed.  Nothing that a request says
 * about itself (payer, X-Forwarded-For) is looked at.  A source is an IPv4 address, also behind a translator, or an IPv6
 * /64 (tollbar_standing_key): who shares one, behind a NAT or on one link, shares its standing.
 *
 * filter.penalty_failures within filter.penalty_window_s bring a penalty (0: never any); the first takes filter.penalty_s,
 * each next one twice as long, up to an hour; an hour without one and the next is a first one again.  The failures are
 * counted here and end with the process.  The penalties, and how many there were, are kept in the kernel's map, so the
 * daemon's end neither frees a source nor makes it a first offender. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "config.h"
#include "reasons.h"

#define STANDING_PENALTY_S_MAX 3600 /* unless filter.penalty_s is more */
#define STANDING_FORGET_S 3600	    /* after a penalty ended: the next one is a first one again */

struct standing;

/* One for all workers: a peer's connections spread over them.  Reads filter.penalty_* and trusted_proxies of the config,
 * which must outlive it.  key: random, so that where a source goes in the table cannot be aimed at.  NULL: no memory. */
struct standing *standing_init(const struct config *config, const uint8_t key[16]);
void standing_fini(struct standing *standing);
size_t standing_bytes(void); /* memory of one, for the line printed at start */

/* standing_note: a request of this source (v4 as mapped) was refused for this reason.  Returns whether that was one too
 * many; counting then begins anew.  Only malformed requests, bad signatures, replays and slow clients count; a missing
 * payment, a limit, or trouble of the node or the upstream never does.  Any thread.
 * Sources share a table by hash: one that meets another's entry takes it over and starts from zero, so nobody is ever
 * penalised for somebody else. */
bool standing_note(struct standing *standing, const struct in6_addr *source, enum reason reason, uint64_t now_ns);

/* standing_penalize: the penalty after the one in `entry` (all zero: there was none), into `entry`.  False, and nothing
 * changed, while that one is still running: what fails then was sent before the source could notice.  Pure. */
bool standing_penalize(struct tollbar_standing *entry, unsigned first_s, enum reason reason, uint64_t now_ns);

/* standing_trusts: a trusted_proxy of the config is this source or, of IPv6, in the same /64 (tollbar_standing_key). */
bool standing_trusts(const struct config *config, const struct in6_addr *source);

#endif
