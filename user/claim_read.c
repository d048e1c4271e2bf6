// SPDX-License-Identifier: Apache-2.0
#include "claim_read.h"

#include <errno.h>

#include "sys/store_copy.h"

static int read_all(struct store *store, struct ledger_reading *reading)
{
	struct record record;
	struct span stored;
	uint64_t id = RECORD_HEADER_KEY;
	int err = store_get(store, id, &stored);

	if (err == -ENOENT || (err == 0 && record_header_version(stored) != RECORD_VERSION))
		return -EPROTO;
	for (id++; err == 0 && (err = store_seek(store, &id, &stored)) == 0; id++) {
		if (!record_decode(&record, id, stored))
			reading->bad++;
		else if (!reading->each(reading->ctx, &record))
			return 0;
	}
	return err == -ENOENT ? 0 : err;
}

int ledger_read(const char *directory, struct ledger_reading *reading)
{
	struct store *store;
	int err = store_copy_open(&store, directory);

	reading->bad = reading->damage = 0;
	if (err != 0)
		return err;
	reading->damage = store_damage(store);
	err = store_begin(store);
	if (err == 0) {
		err = read_all(store, reading);
		store_abort(store);
	}
	store_close(store);
	return err;
}
