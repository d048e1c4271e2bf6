// SPDX-License-Identifier: Apache-2.0
// link: user/base/crc32c.c user/base/u256.c user/base/log.c
/* fuzz_record.c: bytes found in the journal.  First as they are: without the right checksum they are never trusted.  Then
 * with the checksum put right, as after a bad program rather than a bad disk: what is accepted is coherent, its strings
 * end, and it encodes to the same bytes again. */
#include "../../user/claim_record.c"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

static void check_accepted(const struct record *record, struct span stored)
{
	uint8_t again[RECORD_BYTES_MAX];

	assert(record->state >= CLAIM_TAKEN && record->state <= CLAIM_EXPIRED);
	assert(strnlen(record->word, sizeof record->word) < sizeof record->word);
	assert(strnlen(record->offer.name, NAME_BYTES_MAX) < NAME_BYTES_MAX);
	assert(strnlen(record->offer.token_name, NAME_BYTES_MAX) < NAME_BYTES_MAX);
	assert(strnlen(record->offer.token_version, NAME_BYTES_MAX) < NAME_BYTES_MAX);
	assert(memcmp(&record->amount_due, &record->offer.amount, sizeof record->amount_due) <= 0);
	assert(record_encode(again, record) == stored.bytes);
	assert(memcmp(again, stored.at, stored.bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	uint8_t stored[RECORD_BYTES_MAX] = {0};
	size_t stored_bytes = bytes < RECORD_BYTES ? RECORD_BYTES : bytes < sizeof stored ? bytes : sizeof stored;
	struct record record;

	if (record_decode(&record, 1, span_of(at, bytes)))
		check_accepted(&record, span_of(at, bytes));
	memcpy(stored, at, bytes < sizeof stored ? bytes : sizeof stored);
	struct codec codec = walk(stored, false);
	number(&codec, RECORD_VERSION, 2);
	number(&codec, stored_bytes, 2);
	number(&codec, checksum(1, stored, stored_bytes), 4);
	if (record_decode(&record, 1, span_of(stored, stored_bytes)))
		check_accepted(&record, span_of(stored, stored_bytes));
	assert(!record_decode(&record, 2, span_of(stored, stored_bytes)));
	return 0;
}
