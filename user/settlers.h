/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SETTLERS_H
#define TOLLBAR_SETTLERS_H
/* settlers.h: several facilitators, a settlement thread (settle.h) for each, and who is asked.
 *
 * An offer names them in order; the first that is up is asked.  Whom to ask is decided, and on disk, before anybody can have
 * heard of the settlement, and stays decided from the first attempt that may have been heard.  The money would be safe with
 * two: body and nonce are the same, and the chain takes a nonce once.  What a second one says is not: it knows nothing of
 * the first one's transaction, so to it our own success looks like "nonce already used", and where the first one carries
 * out what the second does not support, even a plain refusal is no proof.  Only who may have performed it can tell.
 * So another one is asked only when for certain nobody has heard yet (no connection, no byte of the request left).
 *
 * A facilitator is down for DOWN_MS after a call that brought no answer, or one of its own trouble (5xx). */
#include "config.h"
#include "settle.h"

struct settlers;

struct settlers_config {
	const struct config *config; /* its facilitators and offers; must outlive the settlers */
	void (*done)(void *done_ctx, struct settlement *settlement);
	void *done_ctx;
};

/* 0 or -errno; on an error nothing is left running. */
int settlers_start(struct settlers **out, const struct settlers_config *config);
/* As settle_stop, of each: nothing may be submitted any more.  The ledger, which gets back what it lent and closes after this,
 * may still ask whom it would have asked; so the memory goes only with settlers_free. */
void settlers_stop(struct settlers *settlers);
void settlers_free(struct settlers *settlers);
/* To settlement->facilitator.  One that has left the configuration is not asked: it comes back unknown. */
void settlers_submit(void *settlers, struct settlement *settlement);
/* settlers_pick: whom to ask about a new settlement of this offer (as in a record: by its name): never 0, and the same over
 * restarts.  *up: it is thought to be there; when none is, it is the first.  Any thread, also after settlers_stop: then nobody
 * is up. */
uint64_t settlers_pick(void *settlers, const struct offer *offer, bool *up);
/* settlers_data: who is told what a node signed (settle_data.h): the first in the offer's settle_by that wants it; NULL: none.
 * It lives as long as the settlers. */
struct settler *settlers_data(struct settlers *settlers, const struct offer *offer);
/* Of all together. */
void settlers_stats(struct settlers *settlers, struct settle_stats *stats);
/* Memory for what waits to be told. */
size_t settlers_data_bytes(const struct config *config);
/* How many calls there may be at one time. */
size_t settlers_in_flight(const struct config *config);

#endif
