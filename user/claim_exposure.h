/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CLAIM_EXPOSURE_H
#define TOLLBAR_CLAIM_EXPOSURE_H
/* claim_exposure.h: inside of claim.h, for its own files only: what is taken or owed and not yet settled, by asset in all
 * and by payer, held against the limits of the offers.  Of a claim that is taken or forwarded it is the most it may cost
 * (the offer's amount), of one that is owed, settling or unknown what is due; final ones are over.
 *
 * Sums are of whole claims, added and taken back one by one, and at a start rebuilt from the journal: so they are exact
 * after a crash too.  Assets are those of the configured offers; payers are counted only when an offer limits them.
 * Any thread may call; one short lock. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "claim.h"
#include "payment.h"
#include "reasons.h"

#define EXPOSURE_NONE UINT8_MAX /* of an asset no offer has any more: not counted */

struct exposure;

/* payers_max: as many claims as there may be.  64 bytes each when an offer limits payers.  NULL: no memory. */
struct exposure *exposure_init(const struct offer *offers, size_t offer_cnt, size_t payers_max);
void exposure_fini(struct exposure *exposure);

/* Which asset's sums this offer counts in; EXPOSURE_NONE: none of them. */
uint8_t exposure_asset(const struct exposure *exposure, const struct offer *offer);

/* The same the other way: not for EXPOSURE_NONE. */
const struct address *exposure_address(const struct exposure *exposure, uint8_t asset);

/* Adds the offer's amount unless a limit of the offer would be passed.  Refuses: PAYER_UNSETTLED, UNSETTLED. */
enum reason exposure_take(struct exposure *exposure, uint8_t asset, const struct offer *offer,
			  const struct address *payer) __attribute__((warn_unused_result));
/* What is known already (a claim found at the start), whatever the limits say. */
void exposure_add(struct exposure *exposure, uint8_t asset, const struct address *payer, const struct word *amount);
/* Takes back a part of what was added; last: nothing of that claim is left. */
void exposure_drop(struct exposure *exposure, uint8_t asset, const struct address *payer, const struct word *amount,
		   bool last);

/* Fills stats->unsettled. */
void exposure_stats(struct exposure *exposure, struct ledger_stats *stats);

#endif
