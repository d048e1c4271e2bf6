/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_STATS_H
#define TOLLBAR_STATS_H
/* stats.h: what each worker counts, and its sum; what it times is in times.h.  Plain relaxed atomics with one writer each: no locks, no sharing. */
#include <stdatomic.h>
#include <stdint.h>

#include "reasons.h"

struct stats {
	_Atomic uint64_t connections_accepted;
	_Atomic uint64_t connections_open;	    /* gauge */
	_Atomic uint64_t tls_sessions, tls_resumed; /* of which the client said something; the latter by a ticket */
	/* How they ended, before how many began: a sum that is made meanwhile never has more ends than beginnings. */
	_Atomic uint64_t ended_answered, ended_refused, ended_left; /* left: the client, before its head was whole */
	_Atomic uint64_t requests;				    /* heads and datagrams that began */
	_Atomic uint64_t datagrams;				    /* native ones that came */
	_Atomic uint64_t native_taken;	 /* of the requests among them, those whose result began */
	_Atomic uint64_t native_repeats; /* those that were answered again */
	_Atomic uint64_t knocks;	 /* that opened their source */
	_Atomic uint64_t receipts, replies_dropped;
	_Atomic uint64_t free_served; /* answers on free routes */
	_Atomic uint64_t verified;    /* signatures that held */
	_Atomic uint64_t signatures_repeated, signatures_hot, signatures_cold, signatures_alone; /* verify.h: ways */
	_Atomic uint64_t signatures_undecided, signer_tables;
	_Atomic uint64_t funds_known, funds_asked, funds_blind; /* payments held: funds.h, ways */
	_Atomic uint64_t claimed;
	_Atomic uint64_t queued;
	_Atomic uint64_t forwarded;
	_Atomic uint64_t served;    /* paid answers of which a byte was sent */
	_Atomic uint64_t cancelled; /* upstream cancelled because the client left */
	_Atomic uint64_t events_relayed;
	_Atomic uint64_t refused[REASON_CNT];
};

/* One writer: a plain add is enough, and readers see whole values. */
static inline void stats_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void stats_set(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

/* Adds one worker's counts into a sum that nobody else writes. */
void stats_merge(struct stats *into, const struct stats *from);

#endif
