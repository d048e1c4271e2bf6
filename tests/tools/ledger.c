// SPDX-License-Identifier: Apache-2.0
/* ledger DIRECTORY: what the ledger of a stopped daemon has on disk, oldest first, for tests that hold it against what
 * others recorded.  A line a claim: its number, state, whether a settlement is in doubt, amount due, nonce.
 * Exit status 1 when a record or the log is damaged. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/u256.h"
#include "claim_record.h"
#include "sys/store.h"

static const char *const state_words[] = {
	[CLAIM_TAKEN] = "taken",       [CLAIM_FORWARDED] = "forwarded", [CLAIM_OWED] = "owed",
	[CLAIM_SETTLING] = "settling", [CLAIM_SETTLED] = "settled",	[CLAIM_REFUSED] = "refused",
	[CLAIM_UNKNOWN] = "unknown",   [CLAIM_RELEASED] = "released",
};

static void print_record(const struct record *record)
{
	char nonce[HEX_BYTES(32)];
	uint64_t amount;

	if (!u256_to_u64(&amount, record->amount_due.at))
		amount = UINT64_MAX;
	printf("%llu %s %s %llu %s\n", (unsigned long long)record->id, state_words[record->state],
	       record->in_doubt ? "doubt" : "-", (unsigned long long)amount,
	       hex_encode(nonce, record->key.nonce.at, 32));
}

static bool print_all(struct store *store)
{
	struct record record;
	struct span stored;
	bool good = store_damage(store) == 0;
	int err;

	for (uint64_t id = 1; (err = store_seek(store, &id, &stored)) == 0; id++) {
		bool decoded = record_decode(&record, id, stored);
		if (decoded)
			print_record(&record);
		good = good && decoded;
	}
	return good && err == -ENOENT;
}

int main(int argc, char **argv)
{
	struct store *store;

	if (argc != 2) {
		fprintf(stderr, "usage: ledger DIRECTORY\n");
		return 2;
	}
	int err = store_open(&store, argv[1], (size_t)1 << 30);
	if (err == 0)
		err = store_begin(store);
	if (err != 0) {
		fprintf(stderr, "ledger: %s: %s\n", argv[1], strerror(-err));
		return 2;
	}
	bool good = print_all(store);
	store_abort(store);
	store_close(store);
	return good ? 0 : 1;
}
