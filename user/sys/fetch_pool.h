/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_FETCH_POOL_H
#define TOLLBAR_SYS_FETCH_POOL_H
/* fetch_pool.h: many POSTs to one URL, and calls of what lies below it, over kept connections.  How they get there is a
 * carrier's matter: libcurl (fetch.h) where TLS or a proxy is asked for, a ring of our own (post.h) where not.  What holds
 * for both:
 *
 * A body is written at most once.  A kept connection that is found closed before a byte of it was written is replaced;
 * one that breaks later ends the job, because a second "settle" may be answered differently from the first.  Bounded
 * time and size; no redirects.  Errors are those of fetch.h.
 *
 * Single-threaded: a pool belongs to the thread that opened it. */
#include <stdbool.h>
#include <stddef.h>

#include "base/mailbox.h"

/* With the final zero. */
#define FETCH_BELOW_BYTES_MAX 64
#define FETCH_FIELDS_BYTES_MAX 2048

struct fetch_job {
	void *ctx; /* the caller's */
	/* in */
	char *body;	    /* config.body_bytes_max to write to, until start */
	const char *below;  /* the URL goes on with this, or NULL */
	const char *fields; /* header lines of this job alone, each with its CRLF, or NULL */
	/* out */
	int error;   /* 0: an answer came, whole */
	bool sent;   /* the request was written, or begun: the server may have acted on it; it is never written twice */
	long status; /* with error 0 */
	const char *answer; /* with error 0; not zero-terminated; until give */
	size_t answer_bytes;
	struct fetch_job *next; /* the pool's: free or done */
	bool running;		/* the pool's: from start until done */
};

struct fetch_pool_config {
	const char *url;
	const char *const *headers; /* "Name: value" */
	size_t header_cnt;
	const char *ca_file; /* PEM, or NULL for the system's list */
	unsigned timeout_ms; /* of one job, connecting included */
	size_t jobs_max;     /* at one time, each with a connection */
	size_t body_bytes_max;
	size_t answer_bytes_max;
	struct mailbox *box; /* the caller's: mail ends a wait, which clears its event_fd */
};

struct fetch_pool;

struct fetch_carrier {
	void (*start)(struct fetch_pool *pool, struct fetch_job *job, size_t body_bytes);
	void (*wait)(struct fetch_pool *pool, unsigned timeout_ms);
	void (*cancel_all)(struct fetch_pool *pool);
	void (*close)(struct fetch_pool *pool); /* after cancel_all */
};

struct fetch_pool { /* the first member of a carrier's own; fields are theirs and fetch_pool.c's */
	const struct fetch_carrier *carrier;
	struct fetch_job *free, *done, **done_last;
};

/* Cuts what still runs. */
void fetch_pool_close(struct fetch_pool *pool);

/* NULL when all jobs are in use. */
struct fetch_job *fetch_take(struct fetch_pool *pool);
/* POSTs body_bytes of job->body; none and `below`: GETs.  What the job points to is kept until it is done, and no part of
 * the job any more then.  A job that cannot start is done, with its error. */
void fetch_start(struct fetch_pool *pool, struct fetch_job *job, size_t body_bytes);
/* Moves every transfer on, then waits for one to move, for mail, or timeout_ms. */
void fetch_wait(struct fetch_pool *pool, unsigned timeout_ms);
/* A job that is done, or NULL; it must be given back. */
struct fetch_job *fetch_done(struct fetch_pool *pool);
void fetch_give(struct fetch_pool *pool, struct fetch_job *job);
/* Every job that still runs is done with -ECANCELED. */
void fetch_cancel_all(struct fetch_pool *pool);

static inline bool fetch_is_get(const struct fetch_job *job, size_t body_bytes)
{
	return job->below != NULL && body_bytes == 0;
}

/* For carriers: a pool without jobs (each is then given to it), and the end of a job whose `sent`, `status` and `answer`
 * are set. */
void fetch_pool_init(struct fetch_pool *pool, const struct fetch_carrier *carrier);
void fetch_finish(struct fetch_pool *pool, struct fetch_job *job, int error);

#endif
