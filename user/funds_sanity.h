/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_FUNDS_SANITY_H
#define TOLLBAR_FUNDS_SANITY_H
/* funds_sanity.h: does the chain agree with the configuration?  One question about the chain itself, and one about each
 * offer on it: is it the chain that is meant, is the asset a contract there, and is the domain payments are signed under the
 * contract's own.  A wrong name or version is the classic failure: every signature is then for nobody.  Pure. */
#include "base/span.h"
#include "payment.h"

enum sanity {
	SANITY_SOUND,
	SANITY_WRONG,	  /* report.text says what */
	SANITY_NO_ANSWER, /* nothing can be said; report.text says why */
};

struct sanity_report {
	bool has_multicall3; /* of the chain itself */
	char text[384];
};

/* The JSON-RPC batch; 0 when it does not fit.  offer: NULL for the chain itself. */
size_t sanity_question(char *out, size_t out_bytes, const struct offer *offer);
/* offer: as asked about, its domain_separator filled in. */
enum sanity sanity_answer(struct sanity_report *report, uint64_t chain_id, const struct offer *offer, struct span body)
	__attribute__((warn_unused_result));

#endif
