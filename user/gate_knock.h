/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_GATE_KNOCK_H
#define TOLLBAR_GATE_KNOCK_H
/* gate_knock.h: a knock's way (knock.h says what one is): looked at when it comes, verified with the requests of its round, and
 * then its source is opened for TCP.  It needs no slot; what waits for the round's batch is bounded, and one too many is
 * dropped, since whoever knocks knocks again. */
#include "knock.h"
#include "sys/udp.h"
#include "verify.h"

struct worker;

#define KNOCKS_MAX 16u /* of one round */

struct knocks {
	struct knock_terms terms;
	struct {
		struct knock knock;
		struct udp_peer peer;
	} waiting[KNOCKS_MAX];
	unsigned cnt;
};

void gate_knocks_init(struct worker *worker);
/* A datagram that is a knock.  Refuses as knock_read and payers_listed; NATIVE_KIND when knocks are off; MEMORY_FULL.
 * After NATIVE_COOKIE its sender was sent one. */
enum reason gate_knock(struct worker *worker, const struct udp_datagram *datagram, uint64_t now_ns)
	__attribute__((warn_unused_result));

/* What waits, for the round's batch: at most KNOCKS_MAX.  After it, gate_knocks_verified with the same items. */
size_t gate_knock_items(const struct worker *worker, struct verify_item *items);
void gate_knocks_verified(struct worker *worker, const struct verify_item *items);

#endif
