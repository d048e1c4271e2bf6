// SPDX-License-Identifier: Apache-2.0
#include "claim_record.h"

#include <endian.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/u256.h"

const char *const claim_words[CLAIM_STATE_CNT] = {
	[CLAIM_TAKEN] = "taken",       [CLAIM_FORWARDED] = "forwarded", [CLAIM_OWED] = "owed",
	[CLAIM_SETTLING] = "settling", [CLAIM_SETTLED] = "settled",	[CLAIM_REFUSED] = "refused",
	[CLAIM_UNKNOWN] = "unknown",   [CLAIM_RELEASED] = "released",	[CLAIM_EXPIRED] = "expired",
};

const uint8_t record_header[RECORD_HEADER_BYTES] = {
	't', 'o', 'l', 'l', 'b', 'a', 'r', ' ', 'l', 'e', 'd', 'g', 'e', 'r', RECORD_VERSION, 0};

unsigned record_header_version(struct span stored)
{
	bool ours = stored.bytes == RECORD_HEADER_BYTES && memcmp(stored.at, record_header, 14) == 0;

	return ours ? stored.at[14] | (unsigned)stored.at[15] << 8 : 0;
}

/* One walk over the fields serves both directions, so that encode and decode cannot disagree on the layout.  It is
 * inlined into each of them, where every size and the direction are constants: a start decodes each record there is. */
#define WALK static inline __attribute__((always_inline))

struct codec {
	uint8_t *at, *end;
	bool decode;
	bool bad;
};

WALK void bytes(struct codec *codec, void *field, size_t cnt)
{
	ASSERT(cnt <= (size_t)(codec->end - codec->at));
	if (codec->decode)
		memcpy(field, codec->at, cnt);
	else
		memcpy(codec->at, field, cnt);
	codec->at += cnt;
}

WALK uint64_t number(struct codec *codec, uint64_t value, size_t cnt)
{
	uint64_t little = codec->decode ? 0 : htole64(value);

	bytes(codec, &little, cnt);
	return le64toh(little);
}

WALK void number64(struct codec *codec, uint64_t *field)
{
	*field = number(codec, *field, 8);
}

WALK void number8(struct codec *codec, uint8_t *field)
{
	*field = (uint8_t)number(codec, *field, 1);
}

WALK void number128(struct codec *codec, unsigned __int128 *field)
{
	uint64_t low = number(codec, (uint64_t)*field, 8);
	uint64_t high = number(codec, (uint64_t)(*field >> 64), 8);

	*field = (unsigned __int128)high << 64 | low;
}

/* It ends, and behind its end are zeros alone.  Eight bytes at a time: a start looks at five for each claim. */
WALK bool padded(const char *field, size_t cnt)
{
	uint64_t word = UINT64_MAX, zeros = 0, rest = 0;
	size_t i = 0;

	ASSERT(cnt % sizeof word == 0);
	for (; i < cnt && zeros == 0; i += sizeof word) {
		memcpy(&word, field + i, sizeof word);
		word = le64toh(word);
		zeros = (word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080);
	}
	if (zeros == 0)
		return false;
	for (; i < cnt; i += sizeof word) {
		uint64_t next;
		memcpy(&next, field + i, sizeof next);
		rest |= next;
	}
	return (rest | word >> (__builtin_ctzll(zeros) - 7)) == 0; /* the lowest of the marks is right */
}

/* Zero-terminated, padded with zeros: what stands behind the end of a string in memory stays there. */
WALK void text(struct codec *codec, char *field, size_t cnt)
{
	size_t used = codec->decode ? 0 : strnlen(field, cnt - 1);

	memset(field + used, 0, cnt - used);
	bytes(codec, field, cnt);
	codec->bad = codec->bad || (codec->decode && !padded(field, cnt));
}

WALK bool flag(struct codec *codec, bool value)
{
	uint64_t got = number(codec, value, 1);

	if (got > 1)
		codec->bad = true;
	return got == 1;
}

WALK void payment_fields(struct codec *codec, struct payment *payment)
{
	number8(codec, &payment->version);
	number8(codec, &payment->method);
	bytes(codec, &payment->from, sizeof payment->from);
	bytes(codec, &payment->to, sizeof payment->to);
	bytes(codec, &payment->amount, sizeof payment->amount);
	bytes(codec, &payment->valid_after, sizeof payment->valid_after);
	bytes(codec, &payment->deadline, sizeof payment->deadline);
	bytes(codec, &payment->nonce, sizeof payment->nonce);
	bytes(codec, &payment->token, sizeof payment->token);
	bytes(codec, &payment->spender, sizeof payment->spender);
	bytes(codec, &payment->facilitator, sizeof payment->facilitator);
	bytes(codec, payment->signature, sizeof payment->signature);
}

WALK void offer_fields(struct codec *codec, struct offer *offer)
{
	text(codec, offer->name, sizeof offer->name);
	number8(codec, &offer->method);
	number64(codec, &offer->chain_id);
	bytes(codec, &offer->asset, sizeof offer->asset);
	bytes(codec, &offer->pay_to, sizeof offer->pay_to);
	bytes(codec, &offer->facilitator, sizeof offer->facilitator);
	bytes(codec, &offer->amount, sizeof offer->amount);
	number64(codec, &offer->max_timeout_s);
	text(codec, offer->token_name, sizeof offer->token_name);
	text(codec, offer->token_version, sizeof offer->token_version);
	number128(codec, &offer->input_per_mtok);
	number128(codec, &offer->output_per_mtok);
	bytes(codec, &offer->domain_separator, sizeof offer->domain_separator);
}

WALK void record_fields(struct codec *codec, struct record *record)
{
	record->state = (enum claim_state)number(codec, record->state, 1);
	record->in_doubt = flag(codec, record->in_doubt);
	record->has_transaction = flag(codec, record->has_transaction);
	record->attempts = (uint32_t)number(codec, record->attempts, 4);
	number64(codec, &record->taken_s);
	number64(codec, &record->changed_s);
	number64(codec, &record->deadline_s);
	number64(codec, &record->key.chain_id);
	bytes(codec, &record->key.token, sizeof record->key.token);
	bytes(codec, &record->key.from, sizeof record->key.from);
	bytes(codec, &record->key.nonce, sizeof record->key.nonce);
	bytes(codec, &record->amount_due, sizeof record->amount_due);
	bytes(codec, &record->transaction, sizeof record->transaction);
	text(codec, record->word, sizeof record->word);
	payment_fields(codec, &record->payment);
	offer_fields(codec, &record->offer);
	number64(codec, &record->facilitator);
	text(codec, record->job, sizeof record->job);
}

/* version 2, bytes 2, checksum 4; then the fields, which behind the id are what the checksum is of */
#define HEAD_BYTES 8

static uint32_t checksum(uint64_t id, const uint8_t *record, size_t record_bytes)
{
	uint64_t little = htole64(id);

	return crc32c(crc32c(0, &little, sizeof little), record + HEAD_BYTES, record_bytes - HEAD_BYTES);
}

/* The fields that every record has. */
WALK struct codec walk(uint8_t record[RECORD_BYTES], bool decode)
{
	return (struct codec){.at = record, .end = record + RECORD_BYTES, .decode = decode};
}

/* What permit and claim saw to when the record was made. */
static bool coherent(const struct record *record)
{
	const struct payment *payment = &record->payment;
	const struct offer *offer = &record->offer;
	uint64_t deadline_s;

	return payment->signature_rest_bytes <= sizeof payment->signature_rest && record->state >= CLAIM_TAKEN &&
	       record->state <= CLAIM_EXPIRED && payment->version >= 1 && payment->version <= 2 &&
	       payment->method >= METHOD_EIP3009 && payment->method <= METHOD_UPTO &&
	       payment->method == offer->method && u256_to_u64(&deadline_s, payment->deadline.at) &&
	       deadline_s == record->deadline_s && record->key.chain_id == offer->chain_id &&
	       memcmp(&record->key.from, &payment->from, sizeof payment->from) == 0 &&
	       memcmp(&record->key.nonce, &payment->nonce, sizeof payment->nonce) == 0 &&
	       u256_compare(record->amount_due.at, offer->amount.at) <= 0 && settlement_job_good(record->job);
}

size_t record_encode(uint8_t out[RECORD_BYTES_MAX], const struct record *record)
{
	struct record copy = *record; /* the walk writes back what it reads */
	const struct payment *payment = &record->payment;
	size_t record_bytes = RECORD_BYTES + payment->signature_rest_bytes;
	struct codec codec = walk(out, false);

	ASSERT(coherent(record));
	codec.at += HEAD_BYTES;
	record_fields(&codec, &copy);
	ASSERT(codec.at == codec.end);
	memcpy(out + RECORD_BYTES, payment->signature_rest, payment->signature_rest_bytes);
	codec = walk(out, false);
	number(&codec, RECORD_VERSION, 2);
	number(&codec, record_bytes, 2);
	number(&codec, checksum(record->id, out, record_bytes), 4);
	return record_bytes;
}

bool record_decode(struct record *record, uint64_t id, struct span stored)
{
	if (stored.bytes < RECORD_BYTES || stored.bytes > RECORD_BYTES_MAX)
		return false;
	struct codec codec = walk((uint8_t *)(uintptr_t)stored.at, true); /* which only reads */
	if (number(&codec, 0, 2) != RECORD_VERSION || number(&codec, 0, 2) != stored.bytes ||
	    number(&codec, 0, 4) != checksum(id, stored.at, stored.bytes))
		return false;
	memset(record, 0, sizeof *record);
	record->id = id;
	record_fields(&codec, record);
	record->payment.signature_rest_bytes = (uint16_t)(stored.bytes - RECORD_BYTES);
	memcpy(record->payment.signature_rest, stored.at + RECORD_BYTES, record->payment.signature_rest_bytes);
	return !codec.bad && coherent(record);
}
