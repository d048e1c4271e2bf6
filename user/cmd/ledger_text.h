/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_LEDGER_TEXT_H
#define TOLLBAR_CMD_LEDGER_TEXT_H
/* ledger_text.h: claims as a table, as CSV (RFC 4180) and as a JSON array with one claim a line.  Signatures are left out: a
 * payment can be spent by whoever has its signature.  Pure but for the stream written to. */
#include <stdio.h>

#include "claim_record.h"

enum ledger_form { LEDGER_TABLE, LEDGER_CSV, LEDGER_JSON };

struct ledger_writer {
	FILE *out;
	enum ledger_form form;
	bool with_chain; /* with a column for what the chain shows */
	size_t cnt;	 /* written so far */
};

/* chain: the word in that column, if there is one. */
void ledger_text_put(struct ledger_writer *writer, const struct record *record, const char *chain);
/* Of an empty list too. */
void ledger_text_end(struct ledger_writer *writer);

/* What was put, by state, and what is due by asset: for the end of a table. */
#define LEDGER_ASSETS_MAX 32
struct ledger_sums {
	size_t by_state[CLAIM_STATE_CNT];
	struct {
		uint64_t chain_id;
		struct address asset;
		struct word settled, unsettled, lost; /* lost: refused or expired */
	} assets[LEDGER_ASSETS_MAX];
	size_t asset_cnt;
	size_t left_out; /* claims in further assets */
};

void ledger_sums_add(struct ledger_sums *sums, const struct record *record);
void ledger_sums_print(FILE *out, const struct ledger_sums *sums);

#endif
