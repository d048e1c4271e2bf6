/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SURVEY_H
#define TOLLBAR_SURVEY_H
/* survey.h: what others say of themselves when they are asked before anything is at stake: a facilitator what it settles, a
 * model server which models it has, anybody what time it is.  Their bytes are a stranger's.  Pure. */
#include "base/span.h"
#include "limits.h"
#include "payment.h"

enum survey {
	SURVEY_YES,
	SURVEY_NO,
	SURVEY_UNREADABLE, /* the answer is not of the form it should have */
};

/* survey_supported: does a facilitator that answers GET /supported with this settle such payments on this chain?  Only version 2
 * counts, since that is what it will be sent.  upto: settler is the address it settles by, zero where it names none.
 * Source: x402 specification v2, section 7.3. */
enum survey survey_supported(struct address *settler, struct span body, bool upto, uint64_t chain_id)
	__attribute__((warn_unused_result));

/* survey_models: is this the list of an OpenAI-compatible server (GET /v1/models)?  first: the name of the first model, printable,
 * empty where it has none or one too long.  Returns how many there are, or -1: it is none. */
int survey_models(char first[NAME_BYTES_MAX], struct span body) __attribute__((warn_unused_result));

/* survey_date: a Date field, "Sun, 06 Nov 1994 08:49:37 GMT", → Unix seconds.  False: it is none.  Source: RFC 9110, 5.6.7; the
 * two forms that are obsolete there are not read. */
bool survey_date(uint64_t *unix_s, struct span value) __attribute__((warn_unused_result));

#endif
