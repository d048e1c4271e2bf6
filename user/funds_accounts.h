/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_FUNDS_ACCOUNTS_H
#define TOLLBAR_FUNDS_ACCOUNTS_H
/* funds_accounts.h: what the chain last said of each payer, and what of it is spoken for.  No I/O, no clock: time arrives
 * as an argument (milliseconds, monotonic).  Any thread may call; a shard lock covers an account.
 *
 *   available = balance
 *             - reserved   by requests in flight: the most they may cost
 *             - owed       debts of which no outcome is known: what they cost
 *             - settled    since the balance was asked for, so that the answer cannot show it
 *
 * Of an answer it is assumed that it shows what was settled lag_ms before it was asked for: nodes behind one address
 * do not all know the newest block.  Between lag_ms and twice that, a settlement may be counted both ways: a payer
 * short of money is then refused too early, never too late.
 *
 * Each debt ends once, by the outcome of its claim, in whatever order outcomes and requests come: a session may be settled before
 * a request in it is over, whose part is then part of that outcome and still to be owed.  So sums come out even, and only what
 * is at stake counts.
 *
 * Permit2 payments draw on the allowance, too, and are summed apart for it.  Amounts are atomic units of one token;
 * what the chain says above 2^128 - 1 is cut to that, and nothing of 2^127 or above is ever held. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payment.h"

struct accounts;

struct account_key { /* compared as bytes: no padding */
	uint64_t chain_id;
	struct address token, owner;
};
_Static_assert(sizeof(struct account_key) == 48, "account_key is compared as bytes");

enum draw { DRAW_ALL, DRAW_PERMIT2, DRAWS };

struct account_view { /* as the chain says */
	unsigned __int128 balance;
	unsigned __int128 allowance; /* of Permit2 */
	bool has_code;
};

struct account_rules {
	uint64_t max_age_ms; /* an older view is not gone by */
	uint64_t lag_ms;
	uint64_t suspect_ms;	    /* after a refused settlement, every payment is asked about for so long */
	unsigned __int128 exposure; /* what one payer may have reserved and owe while the chain does not answer */
};

/* A part of an account's funds held for one request. */
struct account_hold {
	uint32_t idx; /* of the account */
	bool held;
	bool permit2;
	unsigned __int128 amount;
};

struct hold_wish {
	struct account_key key;
	bool permit2;
	unsigned __int128 amount;
	const struct account_rules *rules;
	uint64_t now_ms;
	uint64_t since_ms; /* only an answer asked for at this time or later counts; 0: any within its age */
	bool must_ask;	   /* whatever is known */
	bool asked;	   /* the chain was asked for this request: there is nothing more to ask */
	bool down;	   /* the chain does not answer */
	bool code_agrees;  /* the account's code, if it has any, said yes to this payment */
};

enum hold_verdict {
	HOLD_HELD,
	HOLD_BLIND,	/* held, too, but within rules.exposure: the chain does not say */
	HOLD_ASK,	/* ask the chain, and come back */
	HOLD_ASK_ALL,	/* the same, and about the payment's nonce, too: settlements of this payer failed */
	HOLD_ASK_CODE,	/* the account has code: ask that about the signature */
	HOLD_BALANCE,	/* too little */
	HOLD_ALLOWANCE, /* the same */
	HOLD_DOWN,	/* the chain does not answer, and there is no exposure left */
	HOLD_FULL,	/* no room for another account */
};

/* A refusal for want of funds is given on an answer at most this old; else the chain is asked once more.  So a payer
 * without funds costs a question a second, however often he tries. */
#define REFUSE_AGE_MS 1000

/* Takes all memory there will be.  NULL when it is short. */
struct accounts *accounts_init(size_t cnt_max);
void accounts_fini(struct accounts *accounts);
size_t accounts_bytes(size_t cnt_max);

/* accounts_hold: judges, and reserves what is held.  Out: hold; hold->idx also on HOLD_ASK and HOLD_ASK_ALL, pinned for
 * accounts_begin.
 * *ahead: with HOLD_HELD, the view is half as old as it may get: the caller asks for another (accounts_begin), while
 * nobody waits; given to one caller at a time. */
enum hold_verdict accounts_hold(struct accounts *accounts, struct account_hold *hold, bool *ahead,
				const struct hold_wish *wish) __attribute__((warn_unused_result));
/* Of what is held, or beyond it, `due` is owed from now on, for a settlement that ends with accounts_ended; the rest is free, the
 * hold is over.  What is not held is let be. */
void accounts_owe(struct accounts *accounts, struct account_hold *hold, const struct word *due);
/* All of it is free again. */
void accounts_release(struct accounts *accounts, struct account_hold *hold);

/* --- debts: a settlement's outcome, and what is found on disk --- */

struct debt {
	struct account_key key;
	bool permit2;
	unsigned __int128 amount;
};
enum debt_end {
	DEBT_SETTLED,
	DEBT_REFUSED, /* nothing moved, as far as is known: the payer is suspect */
	DEBT_DROPPED, /* nobody was asked for it */
};
/* What was owed or recovered is over.  An account that is no longer known owes nothing: nothing happens. */
void accounts_ended(struct accounts *accounts, const struct debt *debt, enum debt_end end,
		    const struct account_rules *rules, uint64_t now_ms);
/* A settlement was refused, whatever becomes of the debt. */
void accounts_suspect(struct accounts *accounts, const struct account_key *key, const struct account_rules *rules,
		      uint64_t now_ms);
/* A debt that is none of a hold's, as is found at a start.  False: no room. */
bool accounts_recover(struct accounts *accounts, const struct debt *debt, uint64_t now_ms);

/* --- asking --- */

/* One question about an account, from accounts_begin to accounts_end. */
struct account_question {
	uint32_t idx;
	struct account_key key; /* out */
	uint64_t asked_ms;
	unsigned __int128 settled[DRAWS];
};
/* The question leaves now.  The account was given by accounts_hold (idx), which pinned it. */
void accounts_begin(struct accounts *accounts, struct account_question *question, uint32_t idx,
		    const struct account_rules *rules, uint64_t now_ms);
/* view: NULL when no answer came.  ahead: it was accounts_hold's *ahead. */
void accounts_end(struct accounts *accounts, const struct account_question *question, const struct account_view *view,
		  bool ahead);
/* Cuts to 128 bits. */
unsigned __int128 account_amount(const struct word *amount);

/* Accounts known. */
size_t accounts_cnt(struct accounts *accounts);

#endif
