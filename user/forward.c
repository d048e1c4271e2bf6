/* SPDX-License-Identifier: Apache-2.0 */
#include "forward.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/clock.h"
#include "relay.h"

struct upstream_conn {
	struct conn conn;
	struct forward *forward;
	struct exchange *exchange; /* NULL: idle, or closing */
	unsigned upstream_idx;
	bool reused;		    /* has served an exchange before this one */
	struct upstream_conn *next; /* free or idle list */
};

struct forward {
	struct forward_config config;
	struct upstream_conn *conns, *unused;
	struct upstream_conn *idle[UPSTREAMS_MAX];
	uint8_t *out_at;
	size_t out_map_bytes;
};

static const struct conn_events upstream_events;

/* --- connections --- */

struct forward *forward_init(const struct forward_config *config)
{
	struct forward *forward = calloc(1, sizeof *forward);

	if (forward == NULL)
		return NULL;
	forward->config = *config;
	forward->conns = calloc(config->conn_cnt, sizeof *forward->conns);
	forward->out_map_bytes = config->conn_cnt * FORWARD_OUT_BYTES;
	forward->out_at = mmap(NULL, forward->out_map_bytes, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (forward->conns == NULL || forward->out_at == MAP_FAILED) {
		forward_fini(forward);
		return NULL;
	}
	for (size_t i = 0; i < config->conn_cnt; i++) {
		struct upstream_conn *upstream = &forward->conns[i];
		upstream->forward = forward;
		upstream->next = forward->unused;
		forward->unused = upstream;
	}
	return forward;
}

void forward_fini(struct forward *forward)
{
	if (forward == NULL)
		return;
	if (forward->out_at != NULL && forward->out_at != MAP_FAILED)
		munmap(forward->out_at, forward->out_map_bytes);
	free(forward->conns);
	free(forward);
}

size_t forward_bytes(size_t conn_cnt)
{
	return conn_cnt * (FORWARD_OUT_BYTES + sizeof(struct upstream_conn));
}

const struct forward_config *forward_config_of(const struct forward *forward)
{
	return &forward->config;
}

static struct upstream_conn *pop_idle(struct forward *forward, unsigned upstream_idx)
{
	struct upstream_conn *upstream = forward->idle[upstream_idx];

	if (upstream != NULL)
		forward->idle[upstream_idx] = upstream->next;
	return upstream;
}

static void leave_idle(struct upstream_conn *upstream)
{
	struct upstream_conn **at = &upstream->forward->idle[upstream->upstream_idx];

	while (*at != NULL && *at != upstream)
		at = &(*at)->next;
	if (*at == upstream)
		*at = upstream->next;
}

static void close_one_idle(struct forward *forward)
{
	for (size_t i = 0; i < UPSTREAMS_MAX; i++) {
		struct upstream_conn *upstream = pop_idle(forward, (unsigned)i);
		if (upstream != NULL) {
			conn_close(&upstream->conn);
			return;
		}
	}
}

void forward_close_idle(struct forward *forward)
{
	for (size_t i = 0; i < UPSTREAMS_MAX; i++)
		for (struct upstream_conn *upstream; (upstream = pop_idle(forward, (unsigned)i)) != NULL;)
			conn_close(&upstream->conn);
}

static struct upstream_conn *open_conn(struct forward *forward, unsigned upstream_idx)
{
	const struct config_upstream *to = &forward->config.config->upstreams[upstream_idx];
	struct upstream_conn *upstream = forward->unused;

	if (upstream == NULL) {
		close_one_idle(forward); /* its slot is free when the close completed: the next request gets it */
		return NULL;
	}
	conn_init(&upstream->conn, forward->config.ring, &upstream_events, upstream,
		  forward->out_at + (size_t)(upstream - forward->conns) * FORWARD_OUT_BYTES, FORWARD_OUT_BYTES);
	upstream->upstream_idx = upstream_idx;
	upstream->reused = false;
	upstream->exchange = NULL;
	if (conn_connect(&upstream->conn, &forward->config.peers[upstream_idx], to->address_bytes) < 0)
		return NULL;
	forward->unused = upstream->next;
	return upstream;
}

static void upstream_closed(struct conn *conn)
{
	struct upstream_conn *upstream = conn->owner;

	upstream->next = upstream->forward->unused;
	upstream->forward->unused = upstream;
}

/* --- the end of an exchange --- */

/* Lets go of the connection; it is kept when the answer ended where its framing said. */
static void detach(struct exchange *exchange, bool keep)
{
	struct upstream_conn *upstream = exchange->upstream;

	wheel_cancel(&exchange->timer);
	if (upstream == NULL)
		return;
	exchange->upstream = NULL;
	upstream->exchange = NULL;
	if (!keep) {
		conn_close(&upstream->conn);
		return;
	}
	upstream->reused = true;
	upstream->next = upstream->forward->idle[upstream->upstream_idx];
	upstream->forward->idle[upstream->upstream_idx] = upstream;
}

static void fail(struct exchange *exchange, enum reason reason)
{
	detach(exchange, false);
	exchange->forward->config.events->ended(exchange, reason);
}

static void complete(struct exchange *exchange)
{
	const struct conn *conn = &exchange->upstream->conn;
	bool keep = exchange->head.keep_alive && exchange->answer.frame != FRAME_CLOSE && conn_idle_out(conn) &&
		    !conn->ended && conn->end_error == 0;

	if (exchange->relay == RELAY_PASS && exchange->hold_end) {
		relay_end(exchange);
		detach(exchange, keep);
		exchange->forward->config.events->complete(exchange);
		return;
	}
	if (!relay_finish(exchange))
		return; /* tried again by forward_resume */
	detach(exchange, keep);
	exchange->forward->config.events->ended(exchange, REASON_OK);
}

void forward_finish(struct exchange *exchange)
{
	exchange->finishing = !relay_finish(exchange); /* if so, tried again by forward_resume */
	if (!exchange->finishing)
		exchange->forward->config.events->ended(exchange, REASON_OK);
}

void forward_cancel(struct exchange *exchange)
{
	if (exchange->forward != NULL)
		detach(exchange, false);
	exchange->relay = RELAY_NONE;
	exchange->finishing = false;
}

void forward_drop(struct exchange *exchange)
{
	if (exchange->held_at != NULL && exchange->held_at != exchange->held_inline)
		slab_give(exchange->forward->config.slab, exchange->held_at);
	exchange->held_at = NULL;
	exchange->held = (struct span){0};
}

/* --- timeouts --- */

static const struct config_timeouts *timeouts_of(const struct exchange *exchange)
{
	return &exchange->forward->config.config->timeouts;
}

static void set_deadline(struct exchange *exchange, unsigned phase_ms)
{
	uint64_t deadline_ms = clock_coarse_ms() + phase_ms;

	if (deadline_ms > exchange->total_deadline_ms)
		deadline_ms = exchange->total_deadline_ms;
	wheel_set(exchange->forward->config.wheel, &exchange->timer, deadline_ms);
}

static void on_timeout(struct timer *timer)
{
	struct exchange *exchange = (struct exchange *)(void *)((char *)timer - offsetof(struct exchange, timer));

	/* While we ourselves do not take (the client is slow, or the settlement is on its way), the upstream is not at
	 * fault; those waits have deadlines of their own. */
	bool waiting = exchange->upstream != NULL && exchange->upstream->conn.paused;
	if (waiting && clock_coarse_ms() < exchange->total_deadline_ms) {
		set_deadline(exchange, timeouts_of(exchange)->token_ms);
		return;
	}
	exchange->unsent = exchange->upstream != NULL && exchange->upstream->conn.connecting && !exchange->retried;
	fail(exchange, UPSTREAM_SLOW);
}

/* --- the request --- */

static bool write_request(struct exchange *exchange, struct upstream_conn *upstream)
{
	const struct config_upstream *to = &exchange->forward->config.config->upstreams[exchange->upstream_idx];
	struct conn *conn = &upstream->conn;
	size_t room = conn_room(conn);
	uint8_t *at = conn_reserve(conn, room);
	size_t bytes = relay_request_head((char *)at, room, exchange, to);

	if (bytes == 0)
		return false;
	if (exchange->body.bytes > 0 && exchange->body.bytes <= room - bytes) {
		memcpy(at + bytes, exchange->body.at, exchange->body.bytes);
		conn_commit(conn, bytes + exchange->body.bytes);
	} else {
		conn_commit(conn, bytes);
		if (exchange->body.bytes > 0)
			conn_write_tail(conn, exchange->body);
	}
	return true;
}

static void start_on(struct exchange *exchange, struct upstream_conn *upstream)
{
	exchange->upstream = upstream;
	upstream->exchange = exchange;
	exchange->head_bytes = 0;
	if (!write_request(exchange, upstream)) {
		fail(exchange, UPSTREAM_BAD);
		return;
	}
	set_deadline(exchange, upstream->conn.connecting ? timeouts_of(exchange)->connect_ms
							 : timeouts_of(exchange)->first_byte_ms);
}

void forward_start(struct forward *forward, struct exchange *exchange, unsigned upstream_idx)
{
	exchange->forward = forward;
	exchange->upstream_idx = upstream_idx;
	exchange->unsent = false;
	exchange->held_at = exchange->held_inline;
	exchange->held_bytes_max = forward->config.config->response_bytes_max;
	if (exchange->held_bytes_max > EXCHANGE_HELD_BYTES)
		exchange->held_bytes_max = EXCHANGE_HELD_BYTES;
	exchange->held = span_of(exchange->held_inline, 0);
	exchange->total_deadline_ms = clock_coarse_ms() + timeouts_of(exchange)->total_ms;
	exchange->timer.fire = on_timeout;

	struct upstream_conn *upstream = pop_idle(forward, upstream_idx);
	if (upstream == NULL)
		upstream = open_conn(forward, upstream_idx);
	if (upstream != NULL) {
		start_on(exchange, upstream);
		return;
	}
	fail(exchange, MEMORY_FULL); /* a slot, or a descriptor: the upstream has no part in it */
}

/* A kept connection may have been closed by the upstream while our request was on its way.  When not one byte of an
 * answer came, it was not at work on it: once more, on a new connection. */
static bool retry(struct exchange *exchange)
{
	struct upstream_conn *old = exchange->upstream;

	if (!old->reused || exchange->any_in || exchange->retried)
		return false;
	exchange->retried = true;
	exchange->written = false;
	detach(exchange, false);
	struct upstream_conn *upstream = open_conn(exchange->forward, exchange->upstream_idx);
	if (upstream == NULL)
		exchange->forward->config.events->ended(exchange, UPSTREAM_DOWN);
	else
		start_on(exchange, upstream);
	return true;
}

/* --- the answer --- */

/* Takes head bytes; returns how many.  When the head is whole the gate has said what to do. */
static size_t take_head(struct exchange *exchange, struct span bytes, enum reason *failure)
{
	size_t given = bytes.bytes;
	enum parse_result result = parse_answer_head(&exchange->head, exchange->head_at, &exchange->head_bytes, &bytes);

	if (result == PARSE_BAD)
		*failure = UPSTREAM_BAD;
	if (result != PARSE_DONE)
		return given;
	exchange->head_done = true;
	exchange->status = exchange->head.status;
	struct span type = exchange->head.content_type;
	exchange->is_stream = type.bytes >= 17 && span_equal_nocase(span_of(type.at, 17), SPAN("text/event-stream"));
	bool bodyless = span_equal(exchange->request->method, SPAN("HEAD"));
	parse_answer_frame(&exchange->answer, &exchange->head, bodyless);
	exchange->forward->config.events->began(exchange);
	return given - bytes.bytes;
}

/* Is this still the same exchange on the same connection, and does it want bytes? */
static bool is_on(const struct upstream_conn *upstream, const struct exchange *exchange)
{
	return upstream->exchange == exchange && exchange->upstream == upstream;
}

/* One piece of the body to where it goes; returns bytes taken. */
static size_t take_body(struct exchange *exchange, struct span bytes, enum reason *failure)
{
	size_t taken = relay_body(exchange, bytes, failure);

	if (taken > 0 && exchange->relay == RELAY_PASS)
		exchange->forward->config.events->relayed(exchange);
	return taken;
}

static size_t received(struct conn *conn, struct span bytes)
{
	struct upstream_conn *upstream = conn->owner;
	struct exchange *exchange = upstream->exchange;
	size_t given = bytes.bytes;
	enum reason failure = REASON_OK;

	if (exchange == NULL) { /* an idle upstream has nothing to say */
		leave_idle(upstream);
		conn_close(conn);
		return given;
	}
	if (!exchange->any_in) {
		exchange->any_in = true;
		exchange->forward->config.events->first_byte(exchange);
	}
	while (bytes.bytes > 0 && failure == REASON_OK) {
		if (exchange->head_done && (exchange->relay == RELAY_WAIT || exchange->answer.done))
			break;
		size_t taken = exchange->head_done ? take_body(exchange, bytes, &failure)
						   : take_head(exchange, bytes, &failure);
		bytes = span_of(bytes.at + taken, bytes.bytes - taken);
		if (!is_on(upstream, exchange))
			return given;
		if (taken == 0)
			break;
	}
	if (failure != REASON_OK) {
		fail(exchange, failure);
		return given;
	}
	if (exchange->head_done && exchange->answer.done && exchange->relay != RELAY_WAIT) {
		if (bytes.bytes > 0) /* more than its framing said: this connection cannot be trusted again */
			exchange->head.keep_alive = false;
		complete(exchange);
		return given;
	}
	set_deadline(exchange,
		     exchange->any_in ? timeouts_of(exchange)->token_ms : timeouts_of(exchange)->first_byte_ms);
	return given - bytes.bytes;
}

static void ended(struct conn *conn, int error)
{
	struct upstream_conn *upstream = conn->owner;
	struct exchange *exchange = upstream->exchange;

	if (exchange == NULL) {
		leave_idle(upstream);
		conn_close(conn);
	} else if (error == 0 && exchange->head_done && exchange->answer.frame == FRAME_CLOSE &&
		   !exchange->answer.done) {
		exchange->answer.done = true;
		if (exchange->relay != RELAY_WAIT)
			complete(exchange);
	} else if (exchange->answer.done && exchange->relay != RELAY_NONE) {
		return; /* all of the answer is here; it only waits to be passed on */
	} else if (!retry(exchange)) {
		fail(exchange, exchange->any_in ? UPSTREAM_FAILED : UPSTREAM_DOWN);
	}
}

static void drained(struct conn *conn)
{
	struct upstream_conn *upstream = conn->owner;
	struct exchange *exchange = upstream->exchange;

	if (exchange != NULL && !exchange->written) {
		exchange->written = true;
		exchange->forward->config.events->written(exchange);
	}
}

static void connected(struct conn *conn, int error)
{
	struct upstream_conn *upstream = conn->owner;
	struct exchange *exchange = upstream->exchange;

	if (exchange == NULL)
		conn_close(conn);
	else if (error == 0)
		set_deadline(exchange, timeouts_of(exchange)->first_byte_ms);
	else {
		exchange->unsent = !exchange->retried;
		fail(exchange, UPSTREAM_DOWN);
	}
}

static const struct conn_events upstream_events = {
	.received = received,
	.ended = ended,
	.drained = drained,
	.connected = connected,
	.closed = upstream_closed,
};

/* --- what the gate says --- */

void forward_wait(struct exchange *exchange)
{
	exchange->relay = RELAY_WAIT;
}

/* The rest of the answer, also when nothing more will arrive to start it. */
static void go_on(struct exchange *exchange)
{
	struct upstream_conn *upstream = exchange->upstream;

	conn_resume(&upstream->conn);
	if (is_on(upstream, exchange) && exchange->answer.done)
		complete(exchange);
}

void forward_hold(struct exchange *exchange)
{
	bool waited = exchange->relay == RELAY_WAIT;

	exchange->relay = RELAY_HOLD;
	if (waited)
		go_on(exchange);
}

/* Writes the answer's head into the client's connection. */
static void write_head(struct exchange *exchange, struct span extra, bool has_length, uint64_t length)
{
	const struct forward_events *events = exchange->forward->config.events;
	size_t room = conn_room(exchange->client);
	uint8_t *at = conn_reserve(exchange->client, room);
	char more[FORWARD_FIELDS_BYTES];
	size_t more_bytes = events->fields != NULL ? events->fields(exchange, more, sizeof more) : 0;
	exchange->fields = span_of(more, more_bytes);
	size_t bytes = relay_answer_head((char *)at, room, exchange, extra, has_length, length);
	exchange->fields = (struct span){0};

	/* The client's buffer is empty here and holds four heads; a head that came in fits out again. */
	ASSERT(bytes > 0);
	conn_commit(exchange->client, bytes);
	exchange->any_out = true;
}

void forward_pass(struct exchange *exchange, struct span extra)
{
	bool waited = exchange->relay == RELAY_WAIT;
	bool rewritten = exchange->metered && exchange->is_stream;
	bool bodyless = exchange->answer.frame == FRAME_NONE;
	bool has_length = !rewritten && (bodyless ? exchange->head.has_length : exchange->answer.frame == FRAME_LENGTH);

	exchange->relay = RELAY_PASS;
	exchange->client_chunked = !has_length && !bodyless && exchange->request->minor == 1;
	if (!has_length && !bodyless && exchange->request->minor == 0)
		exchange->close = true;
	write_head(exchange, extra, has_length, exchange->head.content_bytes);
	exchange->forward->config.events->relayed(exchange);
	if (waited)
		go_on(exchange);
}

void forward_release(struct exchange *exchange, struct span extra)
{
	exchange->client_chunked = false;
	bool bodyless = exchange->answer.frame == FRAME_NONE && !exchange->head.has_length;
	write_head(exchange, extra, !bodyless, exchange->held.bytes);
	if (exchange->held.bytes > 0 && !conn_write(exchange->client, exchange->held))
		conn_write_tail(exchange->client, exchange->held);
}

void forward_resume(struct exchange *exchange)
{
	struct upstream_conn *upstream = exchange->upstream;

	if (exchange->finishing) {
		forward_finish(exchange);
		return;
	}
	if (upstream != NULL && exchange->relay == RELAY_PASS && upstream->conn.paused)
		conn_resume(&upstream->conn);
	if (exchange->upstream != NULL && exchange->upstream == upstream && exchange->relay == RELAY_PASS &&
	    exchange->answer.done)
		complete(exchange);
}
