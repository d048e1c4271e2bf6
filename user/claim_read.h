/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CLAIM_READ_H
#define TOLLBAR_CLAIM_READ_H
/* claim_read.h: a ledger's records, for commands that only look, beside a running daemon too (sys/store_copy.h). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "claim_record.h"

struct ledger_reading {
	/* Each record as it stands, oldest first; false ends it. */
	bool (*each)(void *ctx, const struct record *record);
	void *ctx;
	size_t bad;    /* out: records that cannot be trusted */
	size_t damage; /* out: places where the log lost commits */
};

/* 0 or -errno, as store_copy_open, and -EPROTO: not a ledger, or one of another version. */
int ledger_read(const char *directory, struct ledger_reading *reading);

#endif
