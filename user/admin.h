/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_ADMIN_H
#define TOLLBAR_ADMIN_H
/* admin.h: the operator's listener: GET / (the status page: page.h), /livez, /readyz, /metrics, /status, /overhead.  Its own thread of the process (the main
 * one), so that it answers however busy the workers are. */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access.h"
#include "admin_overhead.h"
#include "claim.h"
#include "funds.h"
#include "funds_look.h"
#include "queue.h"
#include "results.h"
#include "settle.h"
#include "session.h"
#include "stats.h"
#include "times.h"
#include "verify.h"

struct admin_kernel { /* counters of the attached filter, indexed by reason */
	bool attached;
	bool generic; /* runs in the kernel's slow mode */
	char interface[16];
	uint64_t packets[REASON_CNT];
	uint64_t observed[REASON_CNT];	       /* of these, passed only because of mode observe */
	uint64_t standing_live, standing_over; /* sources dropped now; sources whose penalty is over but remembered */
	uint64_t trace_sent, trace_limited, trace_lost; /* events of sampled drops: filter.h */
};

struct admin_upstream {
	const char *name;
	uint64_t in_flight_max;
	struct queue_upstream_stats queue;
};

/* A consistent enough picture of the process, taken on each request for it. */
struct admin_view {
	bool ready;
	const char *not_ready; /* why: "draining", "store_down", "starting"; NULL when ready */
	uint64_t uptime_s;
	size_t worker_cnt;
	enum verify_engine engine;
	const char *loop;    /* io_uring or epoll */
	const char *sandbox; /* sandbox_state */
	struct stats total;  /* all workers */
	struct times times;  /* and routes */
	struct ledger_stats ledger;
	bool has_ledger;
	struct session_stats sessions;
	bool has_sessions;
	struct settle_stats settle;
	struct access_stats access;
	struct results_stats results;
	bool has_native;
	struct funds_stats funds;	      /* no chains: nothing is asked */
	uint64_t found[LOOK_END_CNT];	      /* what chains showed of settlements in doubt */
	uint64_t queue_requests, queue_bytes; /* gauges */
	uint64_t queue_requests_max, queue_bytes_max, queue_displaced;
	struct admin_upstream upstreams[UPSTREAMS_MAX];
	size_t upstream_cnt;
	struct admin_kernel kernel;
};

struct admin_config {
	struct sockaddr_storage address;
	/* Fills the view; called on the admin thread. */
	void (*look)(void *look_ctx, struct admin_view *view);
	/* The same of /overhead.  False: there is no such route. */
	bool (*look_overhead)(void *look_ctx, struct admin_overhead *view);
	void *look_ctx;
	int stop_fd; /* admin_serve also returns when this becomes readable */
};

struct admin;
/* Binds the listener and takes all memory there will be: 32 clients at one time (more wait in the backlog), one request
 * each, and two seconds for it, so that a slow one costs nothing but its place.  0 or -errno. */
int admin_open(struct admin **admin, const struct admin_config *config);
/* Serves until stop_fd is readable or `wait_ms` passed (-1: for ever).  Returns true when stop_fd is readable. */
bool admin_serve(struct admin *admin, int wait_ms);
void admin_close(struct admin *admin);
/* The port it listens on: what the kernel chose when the address said 0. */
unsigned admin_port(const struct admin *admin);

#define ADMIN_TEXT_BYTES_MAX 262144
/* Text of /metrics (Prometheus exposition) and /status (one JSON object, which `tollbar status` prints: funnel.h).
 * Return bytes written, 0 when it does not fit; ADMIN_TEXT_BYTES_MAX always suffice.  Pure. */
size_t admin_metrics(char *out, size_t out_bytes, const struct admin_view *view);
size_t admin_status(char *out, size_t out_bytes, const struct admin_view *view);

#endif
