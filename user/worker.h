/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_WORKER_H
#define TOLLBAR_WORKER_H
/* worker.h: one thread, one ring, its connections.  Workers share only what `shared` points to. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/mailbox.h"
#include "base/slab.h"
#include "base/wheel.h"
#include "claim.h"
#include "config.h"
#include "funds.h"
#include "payers.h"
#include "queue.h"
#include "reply.h"
#include "request.h"
#include "results.h"
#include "standing.h"
#include "stats.h"
#include "verify.h"
#include "worker_accept.h"
#include "worker_native.h"
#include "worker_verify.h"

struct shared { /* one per process */
	const struct config *config;
	const struct sockaddr_storage *peers; /* the upstreams' addresses: sys/peers.h */
	struct ledger *ledger;		      /* NULL when every route is free */
	struct settlers *settlers;	      /* the same */
	struct sessions *sessions;	      /* NULL when no route has them */
	struct funds *funds;		      /* NULL without a [chain] */
	struct queue *queue;
	struct results *results; /* NULL where native requests are not taken */
	struct payers *payers;
	struct reply *reply;
	struct access *access;	/* NULL without an access log */
	struct tls_server *tls; /* NULL without [tls] */
	struct standing *standing;
	/* To the kernel; NULL without a filter.  Any thread. */
	/* A source's requests failed too often, lastly for this reason. */
	void (*penalize)(void *kernel_ctx, const struct in6_addr *source, enum reason reason);
	/* A payment was claimed: native requests that repeat it need not come through. */
	void (*claimed)(void *kernel_ctx, const struct claim_key *key);
	/* A knock opens the service ports to this source, until a time of clock_ns. */
	void (*open_source)(void *kernel_ctx, const struct in6_addr *source, uint64_t until_ns);
	void *kernel_ctx;
	uint8_t key[16];	/* random, of keyed hashes */
	uint8_t cookie_key[16]; /* random, of native cookies: the kernel's, too */
};

struct worker {
	struct shared *shared;
	const struct config *config;
	unsigned idx;
	int listen_fds[LISTENS_MAX], native_fds[LISTENS_MAX];
	pthread_t thread;
	_Atomic bool draining;	   /* set by anyone: no new connections, no second requests, end when empty */
	_Atomic bool cutting;	   /* set by anyone: the drain's time is over, close what is left */
	_Atomic int state;	   /* enum worker_state, or -errno when the start failed */
	_Atomic uint64_t round_ms; /* clock_coarse_ms of its last round, one each RING_TICK_MS at least */
	struct stats stats;
	struct times *times; /* of each route, at 1 + its index; at 0 of requests without one */

	/* the thread's own */
	struct ring *ring;
	struct mailbox mailbox;
	struct wheel wheel;
	struct slab slab;
	struct forward *forward;
	struct verifier *verifier;
	struct request *requests, *unused;
	uint8_t *memory;
	size_t memory_bytes, open_cnt; /* open_cnt: of both kinds of slots */
	struct entrance entrance;
	struct natives natives;
	struct request *verify_first, **verify_last;
	size_t verify_cnt;
	uint64_t request_id;
	uint64_t log_second, log_dropped;
	uint8_t log_lines[REASON_CNT]; /* refusals logged in this second */
	bool drain_begun;
	bool deaf; /* draining: no connections any more */
};

enum worker_state { WORKER_STARTING, WORKER_RUNNING, WORKER_ENDED };

/* Starts the thread.  listen_fds, and native_fds (udp_bind), are the worker's from here on.  0 or -errno. */
int worker_start(struct worker *worker, struct shared *shared, unsigned idx, const int *listen_fds,
		 const int *native_fds);
/* Wakes a worker so that it looks at draining and cutting. */
void worker_wake(struct worker *worker);
/* Memory one worker takes, printed at start. */
struct worker_memory {
	size_t slots, native, buffers, upstream, slab, verifier, tls, total;
	size_t shared; /* once per process */
};
void worker_memory(struct worker_memory *memory, const struct config *config);

/* How every ring of this process goes, a facilitator's too (ring_choose); once, before the first of them.  0, or -EPERM, logged. */
int worker_choose_loop(const struct config *config);
const char *worker_loop(void); /* io_uring or epoll */

/* Who verifies signatures, by configuration and CPU.  What the configuration names need not run here: see verify_engine_runs. */
enum verify_engine worker_engine(const struct config *config);

/* For gate.c, answer.c and worker_native.c. */
void worker_init_request(struct worker *worker, struct request *request, uint8_t *memory);
void worker_free_request(struct request *request); /* connection closed and no mail out */

#endif
