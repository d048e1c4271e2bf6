/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_RESULTS_H
#define TOLLBAR_RESULTS_H
/* results.h: the answers to native requests, from the moment a request is taken until its client has fetched them.  What is
 * kept is what an HTTP client would have got, byte for byte: head, framing, body.
 *
 *   results_begin ─► result_append ... ─► result_end ─► kept for keep_ms, or until its room is needed
 *
 * A result has one producer and any number of readers, on any threads, each at its own pace: what was written is never
 * moved or changed, so reading takes no lock.  Whoever knows its id may read it: the id is 122 random bits, and 6 that say
 * where it is kept.
 *
 * Everything is mapped at start: a table of entries, and one pool of blocks.  Room is made by letting go of results that
 * have ended and that nobody reads just now: first those somebody read to the end, the one read longest ago first; then
 * the others, the one that ended longest ago first.  A running result, and one with a reader, stays.  A new one gets its
 * first block at its begin, so that a status line always has room; and none is begun while less than a quarter of the
 * pool is free or can be made so, because that is needed for the answers of those that run. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "base/span.h"
#include "native.h"
#include "payment.h"
#include "reasons.h"

struct results;
struct result;

struct results_config {
	size_t entries;		 /* results at one time, running or kept */
	size_t bytes;		 /* of them all */
	size_t result_bytes_max; /* of one; 0: a sixteenth of bytes */
	uint64_t keep_ms;	 /* after its end; not 0 */
};

/* NULL: no memory, or a configuration that has room for nothing. */
struct results *results_init(const struct results_config *config);
/* Every result must have ended, and every reader left. */
void results_fini(struct results *results);
size_t results_bytes(const struct results_config *config); /* memory, for the line printed at start */
/* Now and then: lets go of what was kept long enough.  Any thread. */
void results_tend(struct results *results, uint64_t now_ms);

/* --- the producer --- */

struct results_new {
	struct claim_key key;
	struct in6_addr source; /* v4 as mapped */
	uint64_t datagram_hash; /* keyed, of all a repeat has in common with it: the signed fields and the calldata */
};

/* What one may know of a result without reading it. */
struct result_state {
	uint8_t id[NATIVE_ID_BYTES];
	uint32_t place;	    /* as result_place said last */
	enum reason reason; /* of its end */
	bool ended, whole;
};

/* results_begin: *out is the caller's until result_end, which must follow.  Whoever calls has the payment's claim; if that was
 * given back, the same datagram may begin again, and then that one is what repeats of it find.
 * Refuses: RESULTS_FULL. */
enum reason results_begin(struct results *results, struct result **out, const struct results_new *new)
	__attribute__((warn_unused_result));
const uint8_t *result_id(const struct result *result); /* NATIVE_ID_BYTES */
/* In line, from 1; 0 (as it begins): the model server has it. */
void result_place(struct result *result, uint32_t place);
/* Returns how many bytes were taken.  Fewer than given: this result is as long as one may be (result_full), and nothing more
 * will ever be taken; or what runs and what is being read uses up the pool, and there may be room a little later. */
size_t result_append(struct result *result, struct span bytes);
bool result_full(const struct result *result);
/* result_end: the answer is complete, or will not go on.  reason: REASON_OK, or why there is no good answer.
 * whole: its framing says where it ends; if not, readers learn it by the connection's end.
 * Sets *result to NULL; harmless when it is. */
void result_end(struct result **result, enum reason reason, bool whole);

/* results_repeat will be asked soon: fetches where it looks. */
void results_expect(const struct results *results, uint64_t datagram_hash);
/* results_repeat: is this the datagram of a result that is here, from where it came first?  True: *state.  Every datagram
 * asks, so a no costs next to nothing: one load, and in one of a hundred a lock. */
bool results_repeat(struct results *results, const struct claim_key *key, uint64_t datagram_hash,
		    const struct in6_addr *source, struct result_state *state);

/* --- a reader --- */

/* Lives in whoever reads, who sets mail.arrived and box. */
struct result_reader {
	struct mail mail;
	struct mailbox *box;
	struct result *result; /* NULL: not open */
	uint64_t offset;       /* read so far */
	uint32_t block;	       /* where that is */
	bool waiting;	       /* a mail will come; set and cleared under the result's lock */
	struct result_reader *next, **at;
};

/* False: there is no such result, or not any more.  Else it stays until result_close, which must follow. */
bool results_open(struct results *results, struct result_reader *reader, const uint8_t id[NATIVE_ID_BYTES]);
/* Copies on from where the reader is.  0: nothing is there yet, or it is over; result_wait says which. */
size_t result_read(struct result_reader *reader, uint8_t *out, size_t out_bytes);

enum result_wait {
	RESULT_MORE, /* there is something to read */
	RESULT_OVER, /* all of it was read */
	RESULT_WAIT, /* neither: the reader's mail comes once, when that has changed */
};
/* Not while a mail is still to come. */
enum result_wait result_wait(struct result_reader *reader) __attribute__((warn_unused_result));
void result_look(const struct result_reader *reader, struct result_state *state);
/* Ends reading.  True: the reader was waiting, and no mail will come now.  A mail that is on its way already still comes. */
bool result_close(struct result_reader *reader);

/* --- what can be seen --- */

struct results_stats {
	uint64_t running, kept, bytes, bytes_max;	  /* gauges; bytes: in whole blocks */
	uint64_t unread;				  /* gauge: running or kept, and nobody had all of it yet */
	uint64_t begun, full;				  /* full: RESULTS_FULL */
	uint64_t evicted, evicted_unread, expired_unread; /* unread: nobody ever had all of it */
};
void results_stats(struct results *results, struct results_stats *stats);

#endif
