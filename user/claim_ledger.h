/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CLAIM_LEDGER_H
#define TOLLBAR_CLAIM_LEDGER_H
/* claim_ledger.h: inside of claim.h, for its own files only.
 *
 *   claim.c          what requests call: takes, changes, hands the claim to the ledger thread
 *   claim_ledger.c   the ledger thread: what changed → one transaction → who waits
 *   claim_ask.c      owed → settling → settled, refused or unknown; when to ask again; when an entry may go
 *   claim_check.c    settled: is it still, once its block is final?
 *   claim_journal.c  records: written, rebuilt from at start, trimmed
 *   claim_record.c   a record's bytes
 *   claim_table.c    the entries
 *   claim_exposure.c sums of what is not settled yet, and their limits
 *
 * A claim's way: a worker changes its state under its shard lock and mails it to `changed` unless it is there already
 * (`queued`).  The ledger thread writes the newest state of everything that came, commits, and only then acts on it:
 * mails waiters, hands settlements out, frees entries.  After claim_owe and claim_release only the ledger thread knows
 * the claim. */
#include <pthread.h>
#include <stdatomic.h>

#include "claim.h"
#include "claim_exposure.h"
#include "claim_record.h"
#include "claim_table.h"
#include "sys/store.h"

#define BATCH_MAX 1024	     /* records in one transaction: about 1 MiB of pages */
#define STAGED_MAX 16384     /* payments not yet on disk: 3 s of a stalled disk at 5,000 claims/s */
#define WHEEL_SLOTS 1024     /* times a quarter of ledger_backoff_ms: 256 s a turn */
#define BACKOFF_STEPS_MAX 60 /* longest wait between two questions, in units of ledger_backoff_ms */

/* First wait before an unknown settlement is asked again.  A constant but for tests, which shorten it before open. */
extern unsigned ledger_backoff_ms;

/* Of its pauses between checks (claim_check.c).  The same. */
extern unsigned check_second_ms;

/* One settlement that may be lent to the settlement thread. */
struct slot {
	struct settlement settlement;
	struct claim *claim;
	struct slot *next;
	bool lent;
	bool answered; /* settlement holds an outcome */
};

/* What was written in this transaction. */
struct batch_item {
	struct claim *claim;
	enum claim_state state;
	bool fresh;		  /* first record of this claim */
	bool more;		  /* it costs something by now, and this record does not say so yet */
	struct claim_wait *drawn; /* waited for this state */
};

struct wheel {
	uint32_t slots[WHEEL_SLOTS];
	uint64_t tick; /* the last one run */
	uint64_t start_ns;
	size_t cnt;
};

struct ledger { /* NOLINT(clang-analyzer-optin.performance.Padding): shard locks have a cache line each */
	struct table table;
	struct exposure *exposure;
	struct ledger_config config;
	struct store *store;
	struct mailbox changed;	 /* struct claim */
	struct mailbox outcomes; /* struct settlement */
	pthread_t thread;
	_Atomic bool closing;
	_Atomic bool store_down;
	_Atomic bool journal_full;
	pthread_mutex_t ask_lock; /* held around config.submit */
	bool asking;		  /* under ask_lock: config.submit may be called */
	struct {
		_Atomic uint64_t unsettled; /* owed, settling or unknown */
		_Atomic uint64_t by_state[CLAIM_STATE_CNT], commits, commit_errors, records;
		_Atomic uint64_t settled, refused, unknown, released, unknown_expired, corrupt, reverted, unchecked;
	} counts;

	/* The ledger thread's own. */
	struct mail *work, **work_last; /* claims to be written, queued = true */
	struct batch_item batch[BATCH_MAX];
	size_t batch_cnt, batch_max;
	uint64_t next_id;
	struct slot *slots, *slot_free;
	/* Lines for a slot (table_line_push): never asked; to be asked again; past their deadline; settled, to be looked up. */
	uint32_t owed, again, late, check;
	size_t check_cnt, checking_cnt; /* claims with `checks`; of them with a slot */
	bool again_next;		/* whose turn it is when both wait */
	struct wheel wheel;
	int store_error;
	uint64_t store_retry_ns;
	unsigned store_delay_ms, close_failures;
	uint64_t trim_id, trim_due_s;
	bool trim_more; /* the last trim stopped at its bound */
	bool pressed;	/* the journal is nearly full: trim what is safe, not what is old */
};

static inline struct claim *claim_of_mail(struct mail *mail)
{
	return (struct claim *)mail; /* its first member */
}

/* What it counts for in the sums of the unsettled, in this state; NULL: nothing. */
static inline const struct word *claim_exposed(const struct claim *claim, enum claim_state state)
{
	switch (state) {
	case CLAIM_TAKEN:
	case CLAIM_FORWARDED:
		return &claim->offer->amount;
	case CLAIM_OWED:
	case CLAIM_SETTLING:
	case CLAIM_UNKNOWN:
		return &claim->amount_due;
	default:
		return NULL;
	}
}

/* claim.c */
void claim_change_exposure(struct ledger *ledger, const struct claim *claim, enum claim_state state);

static inline int claim_unsettled(unsigned state)
{
	return state == CLAIM_OWED || state == CLAIM_SETTLING || state == CLAIM_UNKNOWN;
}

/* Moves the claim from one gauge to the other; amount_due must be that of the new state already.  Under the lock while a
 * request still knows the claim.  A claim that is new (state 0) is added to the sums of the unsettled by who makes it. */
static inline void claim_set_state(struct ledger *ledger, struct claim *claim, enum claim_state state)
{
	/* One counter and one step: a drain that looks between two would believe that nothing is owed. */
	int change = claim_unsettled(state) - claim_unsettled(claim->state);

	if (change != 0)
		atomic_fetch_add(&ledger->counts.unsettled, (uint64_t)change);
	if (claim->state != 0)
		claim_change_exposure(ledger, claim, state);
	if (claim->state != 0)
		atomic_fetch_sub_explicit(&ledger->counts.by_state[claim->state], 1, memory_order_relaxed);
	if (state != 0)
		atomic_fetch_add_explicit(&ledger->counts.by_state[state], 1, memory_order_relaxed);
	claim->state = (uint8_t)state;
}

static inline void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* claim_ledger.c */
void *ledger_main(void *arg);
/* Ledger thread: this claim is to be written. */
void ledger_work(struct ledger *ledger, struct claim *claim);
/* The entry is gone: key free, nobody knows it. */
void ledger_free(struct ledger *ledger, struct claim *claim);
/* What it owed is over: config.ended is told, once. */
void ledger_ended(struct ledger *ledger, struct claim *claim, const struct word *amount, enum claim_state end);
/* Mails a claim_wait; settlement NULL: nothing to say but the outcome. */
void ledger_mail(struct claim_wait *wait, int error, enum claim_state outcome, const struct settlement *settlement);
/* The same to all of a list. */
void ledger_mail_all(struct claim_wait *list, int error, enum claim_state outcome);

/* claim_ask.c */
int ask_init(struct ledger *ledger);
void ask_fini(struct ledger *ledger);
/* Gives the claim a slot and the state CLAIM_SETTLING when it may be asked about now; else false. */
bool ask_begin(struct ledger *ledger, struct claim *claim);
/* It is owed on disk: waits for a slot. */
void ask_wait(struct ledger *ledger, struct claim *claim);
/* Somebody waits, and a slot is free. */
bool ask_ready(struct ledger *ledger);
/* Free slots go to those who wait. */
void ask_assign(struct ledger *ledger);
/* What will be asked, from the record that says so. */
void ask_fill(struct ledger *ledger, struct claim *claim, const struct record *record);
/* CLAIM_SETTLING is on disk: the settlement goes out. */
void ask_submit(struct ledger *ledger, struct claim *claim);
/* A settlement came back. */
void ask_answered(struct ledger *ledger, struct slot *slot);
/* The outcome is on disk. */
void ask_done(struct ledger *ledger, struct claim *claim, enum claim_state outcome);
/* The claim will not be asked about with this slot. */
void ask_give(struct ledger *ledger, struct claim *claim);
/* Recovered as unknown: asked again as soon as there is a slot. */
void ask_again(struct ledger *ledger, struct claim *claim);
/* An unknown claim: asks again later, or expires. */
void ask_later(struct ledger *ledger, struct claim *claim, uint64_t now_s);
/* Keeps the entry until its payment has expired for certain. */
void ask_keep(struct ledger *ledger, struct claim *claim, uint64_t now_s);
/* In the wheel, for so long from now on. */
void ask_arm(struct ledger *ledger, struct claim *claim, uint64_t delay_ms);
/* Everything in the wheel that is due. */
void ask_timers(struct ledger *ledger);
unsigned ask_tick_ms(void);

/* claim_check.c */
/* Settled by a facilitator's word: is it to be looked up?  True: the caller says when, by check_later. */
bool check_wanted(struct ledger *ledger, struct claim *claim, const struct offer *offer);
void check_later(struct ledger *ledger, struct claim *claim);
/* Somebody waits to be looked up, and may be. */
bool check_ready(const struct ledger *ledger);
/* In a transaction, with a slot: the question goes out.  -errno of the store. */
int check_submit(struct ledger *ledger, struct claim *claim);
void check_answered(struct ledger *ledger, struct claim *claim);
/* In a transaction, at the start, behind all others: settled claims of which nothing but this is wanted. */
int check_recover(struct ledger *ledger, uint64_t now_s);

/* claim_journal.c */
struct trimmed {
	size_t records, expired; /* of these */
};
int journal_open(struct ledger *ledger);
/* In a transaction: the claim's newest state, as snapshot by the caller; *record is what was written.  -EBADMSG: its
 * record on disk is no longer good. */
int journal_write(struct ledger *ledger, struct claim *claim, struct record *record, enum claim_state state,
		  const struct word *amount_due, uint64_t now_s);
/* In a transaction: its record.  -EBADMSG: there is none that is good. */
int journal_read(struct ledger *ledger, const struct claim *claim, struct record *record);
/* A claim as its record has it, in the table.  NULL: no room. */
struct claim *journal_rebuild(struct ledger *ledger, const struct record *record);
/* In a transaction: writes something small, to learn whether the store works. */
int journal_probe(struct ledger *ledger);
/* In a transaction: deletes a bounded number of records whose time is over, and adds them up. */
int journal_trim(struct ledger *ledger, uint64_t now_s, struct trimmed *trimmed);
/* In a transaction: is there room for more claims? */
int journal_room(struct ledger *ledger);

#endif
