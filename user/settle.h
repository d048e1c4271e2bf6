/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SETTLE_H
#define TOLLBAR_SETTLE_H
/* settle.h: owed claims → facilitator.  One thread, many requests at a time.  A timeout is not a failure, a 202 is not a
 * success, and a body without a boolean `success` is neither.
 *
 * A facilitator says what became of a settlement at once (200), or that it has a transaction on the way
 * (settlement_pending: asked again with the identical body, for which the reference looks up that same transaction), or
 * that it has put it in line (202 with a job: asked after by GET URL/settle/JOB until it ends; OpenGradient's does so).  A
 * job that failed, or that nobody knows any more, is an attempt without an answer.
 * Source: @x402/evm 2.27.0; OpenGradient/inference-facilitator all_networks.ts @015ceb56. */
#include <stddef.h>

#include "base/span.h"
#include "settle_data.h"

struct settler;

struct settle_config {
	const char *name;					     /* in the log; NULL: none */
	const char *url;					     /* of the facilitator; "/settle" is appended */
	const char *authorization;				     /* value of the Authorization header, or NULL */
	const char *ca_file;					     /* PEM, or NULL for the system's list */
	unsigned timeout_ms;					     /* of one call */
	unsigned in_flight_max;					     /* calls at one time */
	bool settle_data;					     /* settle_data.h: told to this facilitator */
	void (*done)(void *done_ctx, struct settlement *settlement); /* called on the settlement thread */
	void *done_ctx;
};

struct settle_stats {
	uint64_t asked, settled, refused, unknown;
	uint64_t facilitator_errors; /* connection failed, timed out, or an answer that says nothing */
	struct settle_data_stats data;
};

/* 0 or -errno. */
int settle_start(struct settler **out, const struct settle_config *config);
/* Gives every settlement back (unknown, when it was in flight) and joins the thread. */
void settle_stop(struct settler *settler);
void settle_submit(void *settler, struct settlement *settlement);
/* As settle_data_submit, to a settler that was started with settle_data. */
void settle_submit_data(struct settler *settler, enum data_type type, const struct proof *proof,
			const struct address *payer);
/* Is the facilitator thought to be there?  Not for a while after a call that brought no answer, or one of its own trouble
 * (5xx).  Any thread. */
bool settle_up(const struct settler *settler);
void settle_stats(struct settler *settler, struct settle_stats *stats);

/* settle_body: the POST /settle body, as the facilitator API wants it, from our own record of what was verified (never
 * from the client's bytes).  Returns bytes written, or 0 when it does not fit.  Pure; tested against the npm schema. */
size_t settle_body(char *out, size_t out_bytes, const struct settlement *settlement);
/* settle_answer: HTTP status and body → outcome, transaction, word.  A refusal that names a transaction, or a word for the
 * facilitator's own trouble, is not taken for the last one: unknown.  Pure. */
void settle_answer(struct settlement *settlement, long http_status, const char *body, size_t body_bytes);
/* settle_job_answer: the same of what GET says of settlement->job, which goes when there is nothing to ask after. */
void settle_job_answer(struct settlement *settlement, long http_status, const char *body, size_t body_bytes);
/* Data settlement's jobs (settle_data.h), which are asked after in the same way.  settle_data_job: the one that 202 names; false: none.
 * settle_data_job_is: what GET says of it. */
bool settle_data_job(char job[SETTLE_JOB_BYTES_MAX], struct span body);
enum data_job { DATA_JOB_RUNS, DATA_JOB_DONE, DATA_JOB_FAILED, DATA_JOB_GONE };
enum data_job settle_data_job_is(const char job[SETTLE_JOB_BYTES_MAX], long http_status, struct span body);

#endif
