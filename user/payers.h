/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_PAYERS_H
#define TOLLBAR_PAYERS_H
/* payers.h: who may pay here, and how much of what.  A list loaded from a file (validated whole before it is swapped in)
 * and the usage counted against its limits.  Any thread may call; a reload never blocks a request.
 *
 * The list may be asked about a payer before the signature is verified (a sieve); usage is only ever counted after. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/span.h"
#include "payment.h"
#include "reasons.h"

struct payers;

/* The file:
 *   [list]
 *   mode = allow            ; allow: only listed payers without deny = yes; deny: everyone but those with deny = yes;
 *                           ; off: nobody is refused, only the limits count.  Must be given
 *   [default]               ; limits of payers that have no section, and of settings a section leaves out
 *   requests_per_minute = 600
 *   in_flight = 16
 *   spend_per_day = 1000000 ; atomic units of the asset paid in, per UTC day; 0 = no limit
 *   models = *
 *   [0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025]
 *   requests_per_minute = 60
 *   models = llama-3, qwen-2
 *   priority = high         ; high, normal or low: in line for a model server; left out: as the offer or the route says
 *   deny = no
 * 0 means no limit, and no limit is what holds where neither the section nor [default] says otherwise.  A mixed-case
 * address must have its EIP-55 checksum right.  Mistakes are reported like config's.
 *
 * requests_per_minute is a leaky bucket: that many at once, then one each 60/n seconds.  spend_per_day is one sum over all
 * assets, counted on the UTC day the request ends, while what requests in flight may still cost is held against it. */

/* usage_max: payers whose usage is tracked at one time; a payer about whom nothing need be remembered (no
 * request for a minute, nothing spent today) gives its place up.  NULL: no memory. */
struct payers *payers_init(size_t usage_max);
void payers_fini(struct payers *payers);
/* Number of mistakes (the list in force stays), 0 (the new list is in force), or -errno.  path NULL: no list, everybody
 * may pay without limits.  Reads and allocates in the caller's thread; others wait only while one pointer is swapped. */
int payers_load(struct payers *payers, const char *path, FILE *mistakes);
int payers_parse(struct payers *payers, const char *name, const char *text, size_t text_bytes, FILE *mistakes);

/* payers_listed: the list's mode and deny settings alone, for when the model is not known yet.
 * Refuses: PAYER_DENIED. */
enum reason payers_listed(struct payers *payers, const struct address *payer) __attribute__((warn_unused_result));

/* payers_admitted: whom the list in force admits by name, for a sieve that has to know them beforehand: their number; *all is
 * the caller's to free.  -ENOENT: everybody may pay, or everybody but some; -ENOMEM. */
int payers_admitted(struct payers *payers, struct address **all);

/* payers_may: the list alone.  model is empty when the request names none: only a payer of all models may do that.
 * Refuses: PAYER_DENIED, MODEL_DENIED. */
enum reason payers_may(struct payers *payers, const struct address *payer, struct span model)
	__attribute__((warn_unused_result));

/* payers_enter will be called for this payer soon: fetches where he is counted. */
void payers_expect(const struct payers *payers, const struct address *payer);
/* payers_enter: counts one request against every limit of a *verified* payer, all or none; on REASON_OK payers_leave
 * must follow.  amount is the most the request may cost.  now_s: Unix seconds.
 * Out: retry_after_s on a refusal, when the limit will have room.
 * Refuses: PAYER_RATE, PAYER_BUSY, PAYER_SPEND, MEMORY_FULL (usage table full of active payers). */
enum reason payers_enter(struct payers *payers, const struct address *payer, const struct word *amount, uint64_t now_s,
			 unsigned *retry_after_s) __attribute__((warn_unused_result));
/* The request is over; of `amount` entered, `spent` was charged (zero when released): the rest is given back. */
void payers_leave(struct payers *payers, const struct address *payer, const struct word *amount,
		  const struct word *spent, uint64_t now_s);
/* payers_priority: the list's word about this payer's place in line: enum priority. */
uint8_t payers_priority(struct payers *payers, const struct address *payer);
/* At start: what the ledger remembers of today. */
void payers_recover_spend(struct payers *payers, const struct address *payer, const struct word *spent,
			  uint64_t taken_s, uint64_t now_s);

#endif
