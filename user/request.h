/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_REQUEST_H
#define TOLLBAR_REQUEST_H
/* request.h: the struct that travels.  One slot per client connection, one request at a time in it; the fields are
 * grouped by the step that fills them.  All its memory is the slot's: nothing is allocated for a request. */
#include <netinet/in.h>

#include "bind.h"
#include "claim.h"
#include "config.h"
#include "forward.h"
#include "funds.h"
#include "native_payment.h"
#include "openai.h"
#include "parse.h"
#include "payment.h"
#include "queue.h"
#include "results.h"
#include "session.h"
#include "stats.h"
#include "sys/ring.h"
#include "sys/udp.h"
#include "times.h"

struct result;
struct worker;

enum stage {
	STAGE_FREE,    /* no connection, and no datagram */
	STAGE_HEAD,    /* reading, or waiting for, a request's head */
	STAGE_VERIFY,  /* on the worker's list for the next batch; the body may be arriving */
	STAGE_BODY,    /* waiting for the rest of the body */
	STAGE_FUNDS,   /* waiting for what the chain says of the payer */
	STAGE_QUEUE,   /* in line for the model server */
	STAGE_FORWARD, /* the model server has it */
	STAGE_DURABLE, /* the answer's begin waits until the claim is on disk; its end, until the debt is */
	STAGE_SETTLE,  /* the answer waits for its settlement */
	STAGE_RESULT,  /* the answer is a native request's result: gate_results.h */
	STAGE_SEND,    /* the whole answer was given to the connection */
	STAGE_DISCARD, /* refused early: the rest of its body is thrown away */
	STAGE_CLOSING, /* everything was given back; the connection's close is under way */
	STAGE_CLOSED,  /* connection gone; mail may still be on its way */
};

/* Memory of one slot. */
#define REQUEST_BODY_BYTES 16384 /* larger bodies take a buffer from the slab */
#define REQUEST_BODY_SLACK 64	 /* room for what include_usage adds */
#define REQUEST_OUT_BYTES 65536
#define REQUEST_SLOT_BYTES                                                                               \
	(HEAD_BYTES_MAX + REQUEST_BODY_BYTES + REQUEST_BODY_SLACK + REQUEST_OUT_BYTES + HEAD_BYTES_MAX + \
	 EXCHANGE_EVENT_BYTES + EXCHANGE_HELD_BYTES)

/* Of a request that came as a datagram: gate_native.h. */
struct request_native {
	bool is;	   /* the conn is a sink, and the request the only one in it */
	bool proven;	   /* its signature held: its sender may be answered */
	bool bound;	   /* and its nonce is its calldata's */
	bool cut;	   /* its answer broke off */
	bool spread;	   /* it was forwarded: memory behind its body was used */
	bool has_datagram; /* in `buffer` still */
	unsigned buffer;
	struct udp_peer peer;
	struct native_order order;
	uint64_t tag;	       /* tells a repeat from another */
	struct result *result; /* from when it is taken until its slot is free */
};

struct request {
	struct conn conn;
	struct worker *worker;
	struct request *next; /* free list */
	enum stage stage;
	struct timer timer;
	uint64_t sent_mark;   /* conn.sent_bytes when the send deadline was set */
	uint64_t sent_before; /* and when the request began */
	struct in6_addr source;
	/* The connection before its first request: worker_accept.h. */
	bool entering, awaits_proxy, awaits_tls;
	bool proxied;	    /* source is what a proxy said: nothing for the kernel, which sees the proxy */
	uint8_t *memory;    /* REQUEST_SLOT_BYTES */
	unsigned mails_out; /* claim_wait, ticket and reader mails still to come: the slot must stay */

	/* time */
	uint64_t id;	   /* of this request, for probes */
	uint64_t began_ns; /* first byte of the head */
	uint64_t mark_ns;  /* end of the last step */
	struct request_times times;

	enum reason end; /* why there is no good answer */

	/* parse */
	bool has_head;
	uint8_t *head_at;
	size_t head_bytes;
	struct http_head head;
	const struct config_route *route;
	size_t route_idx;
	bool close; /* the connection ends after this answer */
	bool late;  /* its connection came in a drain, which goes on for those who fetch results */

	/* body */
	uint8_t *body_at;
	size_t body_bytes, body_bytes_max;
	struct chunked body_chunked;
	uint64_t discard_left;
	bool body_done;
	struct openai_request openai;
	enum data_type data; /* what becomes of a node's proof: answer_proof.h */

	/* decode, permit, verify */
	bool paid;
	bool unpaid; /* on a paid route without a payment: what its body asks for may be a mistake to be told of first */
	struct payment payment;
	struct binding binding;
	const struct offer *offer;
	const struct model_price *price; /* NULL: the offer's own */
	struct permit permit;
	struct word digest; /* what was signed */
	bool verified;	    /* else its account's code must still say yes */
	struct request *next_verify;
	bool enlisted; /* on the worker's list for the next batch */

	/* payers, funds, claim */
	bool entered; /* payers_leave must follow */
	struct funds_wait funds;
	struct claim *claim; /* while it is ours to release, forward or owe; NULL in a session */
	struct session_draw draw;
	bool resumed;	 /* X-Upto-Session stands for the payment */
	bool in_session; /* draw.id is its session's */
	bool outlived;	 /* its session was settled over its head */
	struct claim_wait durable, settled;
	bool is_durable;
	struct word charged;  /* what the payer owes for this request */
	uint64_t progress_ns; /* last claim_forward */

	/* queue, forward */
	struct queue_ticket ticket;
	bool in_line; /* the ticket's mail is still to come */
	struct exchange exchange;

	struct request_native native;

	/* results */
	struct result_reader reading; /* open while its client reads a result, or waits for it */
	bool reading_waits;	      /* its mail is still to come */
};

/* Slot life.  A native request uses the memory of the body and, once it is forwarded, what is behind it. */
void request_init(struct request *request, struct worker *worker, uint8_t *memory);
/* Ready for the next request on the same connection. */
void request_reset(struct request *request);
void request_drop_body(struct request *request);

/* request_take_head: bytes of a head.  Returns bytes taken; *result tells whether the head is complete or bad. */
size_t request_take_head(struct request *request, struct span bytes, enum parse_result *result);

/* request_expect_body: after the head: where the body goes.  Refuses BODY_LARGE, MEMORY_FULL. */
enum reason request_expect_body(struct request *request) __attribute__((warn_unused_result));
/* request_take_body: bytes of the body; sets body_done at its end.  Returns bytes taken.
 * *reason: HTTP_BAD, BODY_LARGE, MEMORY_FULL. */
size_t request_take_body(struct request *request, struct span bytes, enum reason *reason);
/* The head is about the result of a native request, and there are such. */
bool request_asks_result(const struct request *request);
/* Applies openai.insert to the body. */
void request_insert_usage(struct request *request);
struct span request_body(const struct request *request);

#endif
