/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_FETCH_H
#define TOLLBAR_SYS_FETCH_H
/* fetch.h: HTTP as a client, over TLS and proxies where they are asked for.  The daemon's only user of libcurl; for what
 * is rare or needs TLS, never on the path of a request.
 *
 * Always: http and https only, certificates checked, no redirects, HTTP/1.1, no signals, bounded time and size.  A body
 * is sent at most once per call: curl's own silent second try on a connection that died is off, because a second
 * "settle" may be answered differently from the first.  Proxies are taken from the environment (https_proxy, no_proxy),
 * but never for the loopback.
 *
 * Memory: libcurl allocates when it connects and while it runs.  Errors are -errno:
 *   -EINVAL url or scheme   -EHOSTUNREACH name not found   -ECONNREFUSED   -ETIMEDOUT   -ECONNRESET
 *   -EPROTO TLS or HTTP broken   -EMSGSIZE answer too large   -ECANCELED   -EIO anything else */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* --- one call, waited for --- */

struct fetch_call {
	const char *method; /* NULL: GET, or POST with a body */
	const char *url;
	const char *unix_path;	    /* connect to this socket instead of the URL's host, or NULL */
	const char *const *headers; /* "Name: value" */
	size_t header_cnt;
	struct span body;			/* at NULL: none */
	unsigned connect_ms, idle_ms, total_ms; /* 0: no limit; idle in whole seconds, rounded up */
	size_t answer_bytes_max;
	/* As they arrive; may be NULL.  Status is known when the first header comes.  false ends the call: -ECANCELED. */
	void (*on_header)(void *ctx, struct span name, struct span value);
	bool (*on_body)(void *ctx, struct span piece);
	void *ctx;
	long status; /* out: 0 when no answer came */
};

int fetch(struct fetch_call *call);

/* --- many POSTs to one URL at a time, over kept connections --- */

struct fetch_pool;

struct fetch_job {
	void *ctx; /* the caller's */
	/* in */
	char *body; /* config.body_bytes_max to write to, until start */
	/* out */
	int error;   /* 0: an answer came, whole */
	bool sent;   /* the request was written, or begun: the server may have acted on it; it is never written twice */
	long status; /* with error 0 */
	const char *answer; /* with error 0; not zero-terminated; until give */
	size_t answer_bytes;
};

struct fetch_pool_config {
	const char *url;
	const char *const *headers;
	size_t header_cnt;
	const char *ca_file; /* PEM, or NULL for the system's list */
	unsigned timeout_ms; /* of one job, connecting included */
	size_t jobs_max;     /* at one time, each with a connection */
	size_t body_bytes_max;
	size_t answer_bytes_max;
};

/* 0 or -errno.  All job buffers are allocated here.  One thread at a time. */
int fetch_pool_open(struct fetch_pool **out, const struct fetch_pool_config *config);
/* Cuts what still runs. */
void fetch_pool_close(struct fetch_pool *pool);

/* NULL when all jobs are in use. */
struct fetch_job *fetch_take(struct fetch_pool *pool);
/* body_bytes of job->body are sent.  A job that cannot start is done at once, with its error. */
void fetch_start(struct fetch_pool *pool, struct fetch_job *job, size_t body_bytes);
/* Moves every transfer on, then waits for one to move, for event_fd to be readable, or timeout_ms. */
void fetch_wait(struct fetch_pool *pool, int event_fd, int timeout_ms);
/* A job that is done, or NULL; it must be given back. */
struct fetch_job *fetch_done(struct fetch_pool *pool);
void fetch_give(struct fetch_pool *pool, struct fetch_job *job);
/* Every job that still runs is done with -ECANCELED. */
void fetch_cancel_all(struct fetch_pool *pool);

#endif
