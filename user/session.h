/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SESSION_H
#define TOLLBAR_SESSION_H
/* session.h: one upto authorisation, many requests, one settlement.  A session is a claim whose amount grows: each request
 * draws on it, and it is settled once, when nobody has used it for a while, when it is spent, or before its deadline.
 *
 *   session_take ──► session_draw, each second ──► session_charge   what it cost, on disk before its answer's end leaves
 *   (reserves)                                 └─► session_leave    nothing was served, nothing is charged
 *
 * A session belongs to one payment (its claim key, whatever bytes carried it) and one route.  Its id is 128 random bits: who
 * has it may spend what is left of the session, as who has the payment may, so it is a secret between payer and node.
 *
 * Requests of one session cannot overdraw it: each reserves what it may cost before it goes upstream, takes more only from what
 * nobody has reserved, and is never charged more than it has reserved.
 *
 * Any thread may call; one short lock.  Time comes in as an argument: Unix seconds. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "claim.h"
#include "config.h"
#include "payment.h"
#include "reasons.h"

#define SESSION_ID_BYTES 16

struct sessions;
struct session;

/* A request's part of a session. */
struct session_draw {
	struct session *session; /* NULL: none, or over for this request */
	uint8_t id[SESSION_ID_BYTES];
	struct word reserved; /* held back for it */
	struct word running;  /* of it, what it has cost so far */
};

/* Why a session was settled. */
enum session_end { END_IDLE, END_SPENT, END_DEADLINE, END_EVICTED, END_DRAINED, END_CNT };

struct session_stats {
	uint64_t open;	   /* gauge */
	uint64_t running;  /* gauge: requests in them */
	uint64_t opened;   /* all there were */
	uint64_t requests; /* that drew on one */
	uint64_t ended[END_CNT];
	uint64_t given_back; /* nothing was served on them: their payments are free again */
	uint64_t cut;	     /* requests that outlived their session */
};

/* sessions_max: open at one time.  NULL: no memory. */
struct sessions *sessions_init(struct ledger *ledger, size_t sessions_max);
void sessions_fini(struct sessions *sessions);
size_t sessions_bytes(size_t sessions_max);

/* session_find: an id as the header has it (32 hex digits) → the payment it stands for (without its signature) and its permit.
 * False: there is none for this route, it is over, or too near its deadline. */
bool session_find(struct sessions *sessions, struct span id, const struct config_route *route, uint64_t now_s,
		  struct payment *payment, struct permit *permit) __attribute__((warn_unused_result));
/* Is this payment's session open on this route?  For the early out: session_take's answer counts. */
bool session_seen(struct sessions *sessions, const struct claim_key *key, const struct config_route *route);

/* session_take: joins the payment's session, or opens it (may_open: the payment was presented and verified) and takes the
 * claim.  On REASON_OK durable will be mailed once, when the claim is on disk, as by claim_take.
 * Refuses: SESSION_OVER (not open, and may not be opened), SESSION_SPENT, SESSION_BUSY (what is left is reserved by others),
 * SESSIONS_FULL (and none is idle), and what claim_take refuses: REPLAYED also for a session of another route. */
enum reason session_take(struct sessions *sessions, struct session_draw *draw, const struct permit *permit,
			 const struct payment *payment, const struct config_route *route, uint64_t now_s, bool may_open,
			 struct claim_wait *durable) __attribute__((warn_unused_result));
/* session_draw: what the request has cost so far goes on record.  False: the session was settled over its head, because of its
 * deadline; it must not go on. */
bool session_draw(struct session_draw *draw, const struct word *due);
/* session_charge: the request is over and cost this much; *charged is what it is charged, at most what could be reserved.
 * durable (NULL: nobody waits) is mailed when that is on disk, as by claim_draw; at once when the session is over. */
void session_charge(struct session_draw *draw, const struct word *due, uint64_t now_s, struct word *charged,
		    struct claim_wait *durable);
/* Nothing was served.  When nothing ever was on this session and nobody is in it, the payment is free again. */
void session_leave(struct session_draw *draw, uint64_t now_s);
/* The claim never became durable: durable came back with an error. */
void session_lost(struct session_draw *draw);

/* Each second: settles what is idle or near its deadline. */
void sessions_tend(struct sessions *sessions, uint64_t now_s);
/* No more requests come: settles each session as soon as nobody is in it. */
void sessions_drain(struct sessions *sessions);
void session_stats(struct sessions *sessions, struct session_stats *stats);

#endif
