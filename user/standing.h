/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_STANDING_H
#define TOLLBAR_STANDING_H
/* standing.h: outcome → what the kernel should think of this source.  Bookkeeping only, one per worker: sources that
 * completed a TCP handshake and then kept failing.  Never keyed on a payer, and never about the operator's own proxies:
 * behind one address stand many honest clients. */
#include <netinet/in.h>
#include <stdint.h>

#include "config.h"
#include "reasons.h"

struct standing;

/* key: 16 random bytes.  The config must outlive it.  NULL: no memory. */
struct standing *standing_init(const struct config *config, const uint8_t key[16]);
void standing_fini(struct standing *standing);

/* standing_note: one request of this source (IPv4 as mapped) ended with this reason.  Only what an honest client never
 * does counts: broken HTTP, broken payment headers, bad signatures, replays, dripping bytes.
 * Returns for how many seconds the kernel should drop the source now; 0: not at all.  Doubles for repeat offenders, up
 * to an hour. */
unsigned standing_note(struct standing *standing, const struct in6_addr *source, enum reason reason, uint64_t now_ns);

#endif
