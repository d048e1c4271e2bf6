/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_FUNDS_LOOK_H
#define TOLLBAR_FUNDS_LOOK_H
/* funds_look.h: what became of settlements of which the facilitator gave no outcome to rely on, as their chain shows it.  One
 * thread for each chain that is asked; up to LOOK_MAX settlements go out together, in two to four requests to the node.
 *
 * Everything is read at one block, which is taken for final: so many blocks behind the newest, or the node's own `safe` or
 * `finalized`, as the [chain] section says.
 *
 *   nonce not used there, and its time is past the deadline   nothing was paid, and nobody can settle it any more: EXPIRED
 *   nonce used, and the payment is found (funds_outcome.h)    SETTLED, with the transaction
 *   nonce used, by its owner to cancel, or for something else REFUSED: nothing was paid
 *   settled before, but not used there               UNKNOWN, by_chain: the block it was in is not of this chain any more
 *   anything else, and a node that does not answer            unclear: who asked goes on as if nobody had looked
 */
#include "config.h"
#include "settlement.h"

struct funds_look;

#define LOOK_MAX 16

struct funds_look_config {
	const struct config *config;
	/* A settlement comes back by one of the two: with its outcome, or as it was. */
	void (*done)(void *ctx, struct settlement *settlement);
	void (*unclear)(void *ctx, struct settlement *settlement);
	void *ctx;
};

enum look_end { LOOK_UNCLEAR, LOOK_PAID, LOOK_CANCELLED, LOOK_ELSEWHERE, LOOK_LAPSED, LOOK_GONE, LOOK_END_CNT };
extern const char *const look_words[LOOK_END_CNT]; /* in the log, the ledger and the metrics */

/* 0 or -errno; *out is NULL when there is no chain to ask. */
int funds_look_start(struct funds_look **out, const struct funds_look_config *config);
/* Every settlement comes back before this returns, and none may be put any more; the ledger, which closes after this, may
 * still ask funds_look_serves.  NULL is harmless, here and below. */
void funds_look_stop(struct funds_look *look);
void funds_look_free(struct funds_look *look);
/* Is this offer's chain asked? */
bool funds_look_serves(const struct funds_look *look, const struct offer *offer);
/* How long after they were settled its settlements are looked up once more; 0: never. */
uint64_t funds_look_again_s(const struct funds_look *look, const struct offer *offer);
/* Lends a settlement whose offer's chain is asked.  False: enough of them wait already, and it was not taken. */
bool funds_look_put(struct funds_look *look, struct settlement *settlement) __attribute__((warn_unused_result));

/* Memory of all. */
size_t funds_look_bytes(const struct funds_look *look);
/* Counts of all chains, monotonic. */
void funds_look_stats(struct funds_look *look, uint64_t ends[LOOK_END_CNT]);

#endif
