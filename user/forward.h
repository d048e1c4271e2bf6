/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_FORWARD_H
#define TOLLBAR_FORWARD_H
/* forward.h: request → upstream → response.  Pooled keep-alive connections to the model servers, one exchange at a time
 * on each; answers are passed on piece by piece as they arrive, or held until the gate says they may leave.
 *
 * forward knows nothing of payments.  It tells the gate that an answer began, and the gate says what becomes of it:
 * pass it on, hold it, or wait.  One per worker; single-threaded. */
#include <stdbool.h>
#include <stddef.h>

#include "base/slab.h"
#include "base/span.h"
#include "base/wheel.h"
#include "config.h"
#include "openai.h"
#include "parse.h"
#include "reasons.h"
#include "sys/ring.h"

struct forward;
struct exchange;
struct upstream_conn;

struct forward_events {
	/* The answer's head is there: exchange->status, is_stream.  Must call forward_pass, forward_hold, forward_wait or
	 * forward_cancel before it returns. */
	void (*began)(struct exchange *exchange);
	/* hold_end: all of the answer came, and all but its end is passed on; exchange->usage is final, the upstream
	 * connection already given back.  forward_finish gives the end on, then ended follows. */
	void (*complete)(struct exchange *exchange);
	/* All of the answer came (REASON_OK): passed on to the client's connection, or held.  Otherwise it failed:
	 * UPSTREAM_DOWN, UPSTREAM_SLOW, UPSTREAM_BAD, UPSTREAM_LARGE, UPSTREAM_FAILED (broke off), MEMORY_FULL.  The
	 * upstream connection is already given back; told once. */
	void (*ended)(struct exchange *exchange, enum reason reason);
	/* The request is written to the upstream's socket. */
	void (*written)(struct exchange *exchange);
	/* First byte of the answer came. */
	void (*first_byte)(struct exchange *exchange);
	/* NULL, or more header lines for an answer that begins to leave: each with its CRLF, FORWARD_FIELDS_BYTES at most.
	 * Returns bytes written. */
	size_t (*fields)(struct exchange *exchange, char *out, size_t out_bytes);
	/* Bytes of an answer that is passed on were given to the client's connection. */
	void (*relayed)(struct exchange *exchange);
};

#define FORWARD_FIELDS_BYTES 512
#define EXCHANGE_HELD_BYTES 32768  /* answers held in the slot itself; larger ones take a buffer from the slab */
#define EXCHANGE_EVENT_BYTES 16384 /* part of a server-sent event whose rest has not come yet */
#define EXCHANGE_END_BYTES 8192	   /* of a stream's end, kept back in the place of a held answer; more is passed on */

enum relay { RELAY_NONE, RELAY_WAIT, RELAY_PASS, RELAY_HOLD };

struct exchange {
	/* in, set by the gate before forward_start */
	void *owner;
	struct conn *client;
	const struct http_head *request; /* the client's head */
	struct span body;		 /* must stay until ended or cancelled */
	bool metered;			 /* look into events for usage */
	bool strip_usage;		 /* drop the chunk that include_usage added */
	bool paid;			 /* answers are private and never cached; payment fields are ours alone */
	bool wants_proof;		 /* look into events for a node's proof */
	bool hold_end;			 /* keep the end of a metered stream back; to be set before forward_pass */
	bool close;			 /* the client's connection will be closed after this answer */

	/* out */
	unsigned status;
	bool is_stream; /* text/event-stream */
	bool any_out;	/* something of the answer was given to the client's connection */
	bool unsent;	/* it failed because no connection could be made: the upstream saw nothing of it */
	struct openai_usage usage;
	struct proof proof;	 /* of a stream that was passed on */
	uint64_t content_events; /* events passed on that carry part of an answer */
	uint64_t relayed_events;
	struct span held; /* body of a held answer; the end of a stream that is kept back */

	/* forward.c's own */
	struct span fields; /* of the answer's head, while it is written */
	struct forward *forward;
	struct upstream_conn *upstream;
	unsigned upstream_idx;
	enum relay relay;
	struct http_body answer; /* of the upstream */
	bool client_chunked;
	bool head_done, any_in, written, retried;
	struct http_head head;
	struct sse sse;
	uint64_t total_deadline_ms;
	struct timer timer;
	uint8_t *head_at; /* HEAD_BYTES_MAX bytes, the slot's */
	size_t head_bytes;
	uint8_t *event_at; /* EXCHANGE_EVENT_BYTES bytes, the slot's */
	size_t event_bytes;
	bool done_seen;	      /* [DONE] came */
	bool finishing;	      /* forward_finish was called; the client's connection had no room yet */
	bool event_long;      /* the current event outgrew the buffer and is passed on unseen */
	uint8_t *held_inline; /* EXCHANGE_HELD_BYTES bytes, the slot's */
	uint8_t *held_at;
	size_t held_bytes_max;
};

struct forward_config {
	const struct config *config;
	struct ring *ring;
	struct wheel *wheel;
	struct slab *slab;		      /* of config->response_bytes_max or more */
	const struct sockaddr_storage *peers; /* the upstreams' addresses, by index: sys/peers.h */
	size_t conn_cnt;		      /* upstream connections of this worker */
	const struct forward_events *events;
};

#define FORWARD_OUT_BYTES 65536 /* output buffer of one upstream connection */

struct forward *forward_init(const struct forward_config *config); /* NULL: no memory */
void forward_fini(struct forward *forward);
size_t forward_bytes(size_t conn_cnt); /* memory, for the line printed at start */

/* Starts an exchange; everything else is told by the events (never from inside this call, but for ended when no
 * connection can even be begun). */
void forward_start(struct forward *forward, struct exchange *exchange, unsigned upstream_idx);

/* extra: complete header lines added to the answer's head, each with CRLF. */
void forward_pass(struct exchange *exchange, struct span extra);
void forward_hold(struct exchange *exchange);
void forward_wait(struct exchange *exchange);
/* After ended(REASON_OK) of a held answer: gives head and body to the client's connection.  exchange->held must stay
 * until it drained; forward_drop gives it back then (and at once when nothing is held). */
void forward_release(struct exchange *exchange, struct span extra);
void forward_drop(struct exchange *exchange);
/* After complete: the end may leave.  ended(REASON_OK) follows, from inside or when the client's connection has room. */
void forward_finish(struct exchange *exchange);
/* Ends it now; no event follows.  Harmless when it has ended. */
void forward_cancel(struct exchange *exchange);
/* The client's connection has room again. */
void forward_resume(struct exchange *exchange);
/* Closes what is idle, for a drain. */
void forward_close_idle(struct forward *forward);
/* For relay.c. */
const struct forward_config *forward_config_of(const struct forward *forward);

#endif
