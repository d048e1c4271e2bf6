/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CLAIM_RECORD_H
#define TOLLBAR_CLAIM_RECORD_H
/* claim_record.h: a claim as it stands in the journal: fixed layout, little-endian, with version and checksum.
 * The checksum, CRC-32C of the id and the fields, finds bytes that a disk lost or a person edited, and a record that
 * stands under another claim's id; it is no protection against somebody who may write the file. */
#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "payment.h"
#include "settlement.h"

#define RECORD_VERSION 3
#define RECORD_BYTES 995 /* four to an LMDB page; counted by record_encode */
/* With a signature of more than 65 bytes, whose rest stands behind everything else. */
#define RECORD_BYTES_MAX (RECORD_BYTES + SIGNATURE_BYTES_MAX - 65)

struct record {
	uint64_t id;
	enum claim_state state;
	bool in_doubt; /* an attempt to settle may have gone through without our knowing */
	bool has_transaction;
	uint32_t attempts;
	uint64_t taken_s, changed_s, deadline_s;
	struct claim_key key;
	struct word amount_due;
	struct word transaction;
	char word[SETTLE_WORD_BYTES_MAX];
	struct payment payment; /* all but `accepted`, which was never a value */
	struct offer offer;	/* as it was when the claim was taken */
	uint64_t facilitator;	/* who was asked, see settle.h; 0: nobody yet */
	char job[SETTLE_JOB_BYTES_MAX];
};

/* The journal's own entry, under this key; every other key is a claim's id.  It has the version of the records: a program
 * that does not know it must not take them for damaged, and forget them. */
#define RECORD_HEADER_KEY 0
#define RECORD_HEADER_BYTES 16
extern const uint8_t record_header[RECORD_HEADER_BYTES];
/* The version it says; 0: it is not a ledger's. */
unsigned record_header_version(struct span stored);

/* Returns bytes written. */
size_t record_encode(uint8_t out[RECORD_BYTES_MAX], const struct record *record);

/* False: wrong length, version or checksum, not the record of this id, or fields that contradict each other.  Nothing of
 * *record may then be used. */
bool record_decode(struct record *record, uint64_t id, struct span stored) __attribute__((warn_unused_result));

/* The word for each state in metrics, exports and the documentation; NULL for 0. */
extern const char *const claim_words[CLAIM_STATE_CNT];

/* Nothing will change any more. */
static inline bool record_final(enum claim_state state)
{
	return state == CLAIM_SETTLED || state == CLAIM_REFUSED || state == CLAIM_RELEASED || state == CLAIM_EXPIRED;
}

#endif
