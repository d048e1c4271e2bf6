/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CLAIM_TABLE_H
#define TOLLBAR_CLAIM_TABLE_H
/* claim_table.h: the claims in memory: a hash of fixed-size entries, and a small pool of payments on their way to the
 * journal.  Everything is reserved at init, and its pages come with their first use; running out is NULL.
 *
 * A shard lock covers the entries of its buckets: their place in the chain and the fields marked (lock).  Fields marked
 * (ledger) belong to the ledger thread alone. */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/expect.h"
#include "base/mailbox.h"
#include "claim.h"
#include "payment.h"
#include "settlement.h"

#define CLAIM_NONE UINT32_MAX
#define TABLE_SHARDS 64

struct slot;

struct claim {
	struct mail mail; /* to the ledger thread, or its work list; in one of them while `queued` */
	struct claim_key key;
	uint64_t hash;
	struct word amount_due;	    /* (lock) */
	const struct offer *offer;  /* NULL when rebuilt from the journal: nobody can owe more on it */
	struct claim_wait *durable; /* until its first record is on disk; again from claim_owe until the debt is */
	struct claim_wait *settled; /* (lock) same */
	struct claim_wait *drawn;   /* (lock) who waits for the next commit of it: a list by their next */
	uint64_t deadline_s;
	uint64_t id;		/* (ledger) journal key, 0 until it is on disk */
	uint64_t due_tick;	/* (ledger) while it waits in the wheel */
	struct slot *slot;	/* (ledger) settlement that is prepared, lent or come back */
	uint32_t staged;	/* (ledger) its payment in the pool, CLAIM_NONE once it is on disk */
	uint32_t attempts;	/* (ledger) */
	uint32_t chain_next;	/* (lock) */
	uint32_t list_next;	/* (ledger) wheel or line; free list */
	uint32_t line_child;	/* (ledger) line */
	int error;		/* (lock) -errno of the commit that should have made it durable; it is released */
	uint8_t state;		/* (lock) enum claim_state, 0 when free */
	uint8_t checks;		/* (ledger) settled, and to be looked up: questions so far, and 1; 0: not */
	uint16_t check_after_s; /* (ledger) first pause before one of them */
	uint8_t asset;		/* whose sums it is counted in: claim_exposure.h */
	bool queued;		/* (lock) */
	bool linked;		/* (lock) in its chain: the key is taken */
	bool in_doubt;		/* (ledger) an attempt to settle may have gone through without our knowing */
	bool has_job;		/* (ledger) the facilitator works on it, and can be asked how far it is */
	bool looks;		/* (ledger) its chain can be asked what became of it */
	bool pending;		/* (ledger) its last answer said that the outcome will be known soon */
	bool ended;		/* (ledger) its debt is over: config.ended was told */
};

struct staged {
	uint32_t next;
	struct payment payment;
};

struct table {
	struct {
		pthread_mutex_t lock;
	} __attribute__((aligned(64))) shards[TABLE_SHARDS];
	pthread_mutex_t
		free_lock; /* of what is free and what was ever used; taken inside a shard lock, never around one */
	uint8_t hash_key[16];
	uint64_t bucket_mask;
	uint32_t *buckets;
	struct claim *claims;
	uint32_t claim_free, claims_used; /* given back; ever taken */
	size_t claims_max;
	struct staged *staged;
	uint32_t staged_free, staged_used;
	size_t staged_max;
};

/* 0 or -errno; table_fini is for half-made and zeroed tables too. */
int table_init(struct table *table, size_t claims_max, size_t staged_max);
void table_fini(struct table *table);

uint64_t table_hash(const struct table *table, const struct claim_key *key);
/* The lock of the shard that keys with this hash live in. */
void table_lock(struct table *table, uint64_t hash);
void table_unlock(struct table *table, uint64_t hash);

/* A claim with this hash will be looked for or linked soon: fetches where. */
static inline void table_expect(const struct table *table, uint64_t hash)
{
	__builtin_prefetch(&table->buckets[hash & table->bucket_mask], 1);
}

/* The next to be written, and the one after it: the first, which was fetched before, says where its payment is. */
static inline void table_expect_work(const struct table *table, const struct claim *next)
{
	if (next->staged != CLAIM_NONE)
		expect(&table->staged[next->staged], offsetof(struct payment, signature_rest));
	if (next->mail.next != NULL)
		expect(next->mail.next, sizeof *next);
}

/* Under the lock: is the key taken? */
bool table_find(const struct table *table, const struct claim_key *key, uint64_t hash);
/* Under the lock: makes the key taken, or free again. */
void table_link(struct table *table, struct claim *claim);
void table_unlink(struct table *table, struct claim *claim);

/* An entry that is not linked yet, with key and hash set, the rest zero; with a payment in the pool unless payment is
 * NULL.  NULL when either is used up. */
struct claim *table_claim(struct table *table, const struct claim_key *key, uint64_t hash,
			  const struct payment *payment);
/* Gives the pooled payment back. */
void table_unstage(struct table *table, struct claim *claim);
/* Gives the entry back; it must be unlinked, and nobody may know it any more. */
void table_free(struct table *table, struct claim *claim);

static inline uint32_t table_index(const struct table *table, const struct claim *claim)
{
	return (uint32_t)(claim - table->claims);
}

/* A line: entries by deadline, the nearest first; of two with one deadline the older claim (a pairing heap, linked by
 * list_next and line_child).  *line is its first, CLAIM_NONE when it is empty.  Ledger thread only. */
void table_line_push(struct table *table, uint32_t *line, struct claim *claim);
struct claim *table_line_first(const struct table *table, uint32_t line); /* NULL when empty */
struct claim *table_line_pop(struct table *table, uint32_t *line);	  /* the same, and it leaves */

#endif
