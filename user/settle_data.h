/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SETTLE_DATA_H
#define TOLLBAR_SETTLE_DATA_H
/* settle_data.h: data settlement: a facilitator is told what a node signed of an answer (POST URL/settle_data), and brings it to a
 * chain.  Part of a settlement thread (settle.h), which has the connections.
 *
 * Nobody waits for it and nothing depends on it: what there is no room for is dropped, and what does not go through is given
 * up, each counted.  It is told again, a few times and ever later, only while for certain the facilitator did not take it
 * (no byte of the request left, or it answered 429 or 5xx): there, one proof told twice is two entries.
 *
 * A facilitator that puts it in line (202 with a job) has it, and is asked a few times, ever later, what became of it (GET
 * URL/settle/JOB): a job that failed is counted and said.  Only so many are asked after, and none is told again for that.
 *
 * The members tee_id, input_hash, output_hash, tee_signature, tee_timestamp are the node's.  An entry of its own
 * (individual) names the payer besides.  The words of request and answer are not told, only what they hash to: where an
 * individual entry wants them it gets null.
 * Source: OpenGradient/inference-facilitator all_networks.ts, all_networks_types_helpers.ts @015ceb56 (GET /settle/:jobId). */
#include <stddef.h>

#include "settlement.h"
#include "sys/fetch_pool.h"

#define SETTLE_DATA_RUNNING_MAX 4 /* calls at one time, besides those of payments */

struct settle_data;

struct settle_data_stats {
	uint64_t sent;	  /* the facilitator has them */
	uint64_t failed;  /* it would not, or could not be asked often enough */
	uint64_t dropped; /* no room, or the end of the process */
	uint64_t waiting; /* now */
	uint64_t paused;  /* now, of those: tried before, and not due yet */
	uint64_t jobs;	  /* now: sent, in line there, and asked after */
	uint64_t undone;  /* sent, and what became of it is that it failed, or that nobody knows it any more */
};

/* For `name` see settle_config; NULL: no memory. */
struct settle_data *settle_data_init(const char *name);
/* After the last of its jobs; what waits is dropped.  A drain waits for what is not paused. */
void settle_data_fini(struct settle_data *data);
size_t settle_data_bytes(void); /* memory, for the line printed at start */

/* Any thread; type is not DATA_PRIVATE, and the proof is known. */
void settle_data_submit(struct settle_data *data, enum data_type type, const struct proof *proof,
			const struct address *payer);
void settle_data_stats(struct settle_data *data, struct settle_data_stats *stats);

/* For the settlement thread: starts what is due, as far as there are jobs (each with room for SETTLE_JOB_BYTES_MAX in its body). */
void settle_data_turn(struct settle_data *data, struct fetch_pool *pool, uint64_t now_ms);
/* A job that is done: false when it is not one of ours, else it is given back. */
bool settle_data_done(struct settle_data *data, struct fetch_pool *pool, struct fetch_job *job, uint64_t now_ms);

/* settle_data_fields: the two header lines that say it all; returns bytes written, FETCH_FIELDS_BYTES_MAX always suffice.
 * Pure. */
size_t settle_data_fields(char *out, size_t out_bytes, enum data_type type, const struct proof *proof,
			  const struct address *payer);

#endif
