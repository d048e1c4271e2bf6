/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_SYS_FETCH_H
#define TOLLBAR_SYS_FETCH_H
/* fetch.h: HTTP as a client, over TLS and proxies where they are asked for.  The daemon's only user of libcurl; for what
 * is rare or needs TLS, never on the path of a request.
 *
 * Always: http and https only, certificates checked, no redirects, HTTP/1.1, no signals, bounded time and size.  A body
 * is sent at most once per call: curl's own silent second try on a connection that died is off.  Proxies are taken
 * from the environment (https_proxy, no_proxy), but never for the loopback.
 *
 * Memory: libcurl allocates when it connects and while it runs.  Errors are -errno:
 *   -EINVAL url or scheme   -EHOSTUNREACH name not found   -ECONNREFUSED   -ETIMEDOUT   -ECONNRESET
 *   -EPROTO TLS or HTTP broken   -EMSGSIZE answer too large   -ECANCELED   -EIO anything else */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "sys/fetch_pool.h"

/* --- one call, waited for --- */

struct fetch_call {
	const char *method; /* NULL: GET, or POST with a body */
	const char *url;
	const char *unix_path;	    /* connect to this socket instead of the URL's host, or NULL */
	const char *ca_file;	    /* PEM, or NULL for the system's list */
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

/* --- many at a time --- */

/* A pool (fetch_pool.h) whose carrier is libcurl.  0 or -errno.  All job buffers are allocated here. */
int fetch_pool_open(struct fetch_pool **out, const struct fetch_pool_config *config);

/* A proxy of the environment may stand between us and this host over plain http. */
bool fetch_may_be_proxied(const char *host);

#endif
