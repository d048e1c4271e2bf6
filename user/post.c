/* SPDX-License-Identifier: Apache-2.0 */
#include "post.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/url.h"
#include "parse.h"
#include "sys/fetch.h"
#include "sys/lookup.h"
#include "sys/ring.h"

#define IDLE_MS_MAX 60000 /* older ones may have been forgotten by what is between us without a word */
#define RECEIVED_CNT 64	  /* buffers of the ring; each is given back at once */
#define RECEIVED_BYTES 4096
#define LENGTH_BYTES_MAX 48					    /* "Content-Length: <digits>\r\n\r\n" */
#define LINE_BYTES_MAX (URL_BYTES_MAX + FETCH_BELOW_BYTES_MAX + 32) /* "POST <path> HTTP/1.1\r\n" */

struct job {
	struct fetch_job job;
	size_t body_bytes;
	struct line *line; /* NULL: waits, or is done */
	struct job *next_waiting;
	struct job *earlier, *later; /* running ones by deadline, which is by start: all have the same time */
	uint64_t deadline_ms;
	uint64_t sent_before; /* by its connection, before this job */
	unsigned tried_cnt;   /* addresses that could not be connected to */
	unsigned next_idx;    /* after these: which to try */
	bool looked_up;	      /* waits for a lookup, or did */
	struct http_answer answer;
};

struct line { /* one connection */
	struct conn conn;
	struct post *post;
	struct job *job;      /* NULL: unused, idle or closing */
	struct line *next;    /* unused or idle */
	unsigned address_idx; /* it connects to */
	bool reused;	      /* has carried a job before this one */
	uint64_t idle_since_ms;
};

struct line_up { /* first come, first served */
	struct job *first, **last;
};

struct post {
	struct fetch_pool pool;
	struct ring *ring;
	struct url url;
	char *fields; /* of every request, but for Content-Length */
	size_t fields_bytes;
	char path[URL_BYTES_MAX];
	unsigned timeout_ms;
	struct job *jobs;
	struct line *lines, *unused, *idle;
	size_t closing_cnt; /* of lines; there are as many as jobs */
	uint8_t *buffers;
	struct line_up waiting, unresolved; /* for a line; for the lookup */
	struct job *oldest, *newest;	    /* running */
	struct addresses addresses;
	unsigned first_idx;    /* of addresses: tried first */
	struct lookup *lookup; /* under way, or NULL */
	struct mailbox *box;
	bool named; /* the host is a name */
};

static uint64_t now_ms(void)
{
	return clock_ns() / 1000000;
}

/* --- lists --- */

static void push(struct line_up *line_up, struct job *job)
{
	job->next_waiting = NULL;
	*line_up->last = job;
	line_up->last = &job->next_waiting;
}

static void leave(struct line_up *line_up, struct job *job)
{
	struct job **at = &line_up->first;

	while (*at != NULL && *at != job)
		at = &(*at)->next_waiting;
	if (*at == NULL)
		return;
	*at = job->next_waiting;
	if (line_up->last == &job->next_waiting)
		line_up->last = at;
}

static struct job *pop(struct line_up *line_up)
{
	struct job *job = line_up->first;

	if (job != NULL)
		leave(line_up, job);
	return job;
}

static void link_running(struct post *post, struct job *job)
{
	job->earlier = post->newest;
	job->later = NULL;
	*(post->newest != NULL ? &post->newest->later : &post->oldest) = job;
	post->newest = job;
}

static void unlink_running(struct post *post, struct job *job)
{
	*(job->earlier != NULL ? &job->earlier->later : &post->oldest) = job->later;
	*(job->later != NULL ? &job->later->earlier : &post->newest) = job->earlier;
}

static void leave_idle(struct line *line)
{
	struct line **at = &line->post->idle;

	while (*at != NULL && *at != line)
		at = &(*at)->next;
	if (*at == line)
		*at = line->next;
}

/* --- the end of a job --- */

/* Something of its body may have left. */
static bool was_sent(const struct job *job)
{
	return job->line != NULL && (job->line->conn.sending || job->line->conn.sent_bytes != job->sent_before);
}

static void close_line(struct line *line)
{
	line->job = NULL;
	line->post->closing_cnt++;
	conn_close(&line->conn);
}

static void detach(struct job *job, bool keep)
{
	struct line *line = job->line;

	job->line = NULL;
	if (line == NULL)
		return;
	if (!keep) {
		close_line(line);
		return;
	}
	line->job = NULL;
	line->reused = true;
	line->idle_since_ms = now_ms();
	line->next = line->post->idle;
	line->post->idle = line;
}

static void finish(struct post *post, struct job *job, int error, bool keep)
{
	job->job.sent = was_sent(job);
	job->job.status = job->answer.head_done ? (long)job->answer.head.status : 0;
	job->job.answer = (const char *)job->answer.body_at;
	job->job.answer_bytes = error == 0 ? job->answer.body_bytes : 0;
	if (job->line == NULL) {
		leave(&post->waiting, job);
		leave(&post->unresolved, job);
	}
	unlink_running(post, job);
	detach(job, keep);
	fetch_finish(&post->pool, &job->job, error);
}

static void start_lookup(struct post *post)
{
	if (post->named && post->lookup == NULL)
		lookup_start(&post->lookup, post->url.host, post->url.port, post->box->event_fd);
}

/* Its connection did not come about. */
static void avoid_address(struct post *post, const struct line *line)
{
	if (line->address_idx == post->first_idx && post->addresses.cnt > 0)
		post->first_idx = (post->first_idx + 1) % post->addresses.cnt;
}

/* No address is left to try: a new lookup may know others.  Once. */
static void await_lookup(struct post *post, struct job *job, int error)
{
	if (!job->looked_up)
		start_lookup(post);
	if (job->looked_up || post->lookup == NULL) {
		finish(post, job, error, false);
		return;
	}
	job->looked_up = true;
	job->tried_cnt = 0;
	push(&post->unresolved, job);
}

/* Nothing of the job has left: on another connection (error 0), or to the next address. */
static void try_again(struct post *post, struct job *job, int error)
{
	detach(job, false);
	if (error == 0 || ++job->tried_cnt < post->addresses.cnt)
		push(&post->waiting, job);
	else
		await_lookup(post, job, error);
}

/* --- the answer --- */

static size_t received(struct conn *conn, struct span bytes)
{
	struct line *line = conn->owner;
	struct post *post = line->post;
	struct job *job = line->job;
	size_t given = bytes.bytes;

	if (job == NULL) { /* an idle facilitator has nothing to say */
		leave_idle(line);
		close_line(line);
		return given;
	}
	if (!was_sent(job)) { /* nor has it an answer to what it was not asked */
		try_again(post, job, line->reused ? 0 : -EPROTO);
		return given;
	}
	enum parse_result result = parse_answer(&job->answer, &bytes);
	if (result == PARSE_BAD) {
		finish(post, job, job->answer.large ? -EMSGSIZE : -EPROTO, false);
	} else if (result == PARSE_DONE) {
		bool whole = bytes.bytes == 0 && conn_idle_out(conn) && !conn->sending;
		finish(post, job, 0, job->answer.head.keep_alive && whole);
	}
	return given;
}

static void ended(struct conn *conn, int error)
{
	struct line *line = conn->owner;
	struct post *post = line->post;
	struct job *job = line->job;

	if (job == NULL) {
		leave_idle(line);
		close_line(line);
	} else if (error == 0 && job->answer.head_done && job->answer.body.frame == FRAME_CLOSE) {
		finish(post, job, 0, false);
	} else if (line->reused && !was_sent(job)) {
		try_again(post, job, 0);
	} else {
		finish(post, job, -ECONNRESET, false);
	}
}

static void connected(struct conn *conn, int error)
{
	struct line *line = conn->owner;

	if (error == 0)
		return;
	avoid_address(line->post, line);
	line->job->next_idx = line->address_idx + 1;
	try_again(line->post, line->job, -ECONNREFUSED);
}

static void drained(struct conn *conn)
{
	(void)conn;
}

static void closed(struct conn *conn)
{
	struct line *line = conn->owner;

	line->post->closing_cnt--;
	line->next = line->post->unused;
	line->post->unused = line;
}

static const struct conn_events line_events = {
	.received = received, .ended = ended, .drained = drained, .connected = connected, .closed = closed};

/* --- the request --- */

static struct line *take_idle(struct post *post)
{
	uint64_t now = now_ms();

	for (struct line *line; (line = post->idle) != NULL;) {
		post->idle = line->next;
		if (now - line->idle_since_ms < IDLE_MS_MAX && conn_quiet(&line->conn))
			return line;
		close_line(line);
	}
	return NULL;
}

static size_t request_bytes_max(const struct post *post, size_t body_bytes)
{
	return LINE_BYTES_MAX + post->fields_bytes + FETCH_FIELDS_BYTES_MAX + LENGTH_BYTES_MAX + body_bytes;
}

static int connect_line(struct post *post, struct job *job, struct line *line)
{
	unsigned idx = (job->tried_cnt == 0 ? post->first_idx : job->next_idx) % post->addresses.cnt;

	conn_init(&line->conn, post->ring, &line_events, line, line->conn.out, line->conn.out_bytes_max);
	line->address_idx = idx;
	line->reused = false;
	job->next_idx = idx + 1;
	return conn_connect(&line->conn, &post->addresses.at[idx], post->addresses.bytes[idx]);
}

static void reset_answer(struct http_answer *answer)
{
	answer->head_done = answer->large = false;
	answer->head_bytes = answer->body_bytes = 0;
}

/* Returns its bytes, at most request_bytes_max. */
static size_t write_request(const struct post *post, const struct job *job, char *at)
{
	const char *below = job->job.below;
	const char *end = below != NULL ? below : post->path[0] == 0 ? "/" : "";
	const char *fields = job->job.fields != NULL ? job->job.fields : "";
	bool get = fetch_is_get(&job->job, job->body_bytes);
	size_t bytes =
		(size_t)snprintf(at, LINE_BYTES_MAX, "%s %s%s HTTP/1.1\r\n", get ? "GET" : "POST", post->path, end);

	memcpy(at + bytes, post->fields, post->fields_bytes);
	bytes += post->fields_bytes;
	bytes += (size_t)snprintf(at + bytes, FETCH_FIELDS_BYTES_MAX, "%s", fields);
	if (get) {
		memcpy(at + bytes, "\r\n", 2);
		return bytes + 2;
	}
	bytes += (size_t)snprintf(at + bytes, LENGTH_BYTES_MAX, "Content-Length: %zu\r\n\r\n", job->body_bytes);
	memcpy(at + bytes, job->job.body, job->body_bytes);
	return bytes + job->body_bytes;
}

static void put_on(struct post *post, struct job *job, struct line *line)
{
	struct conn *conn = &line->conn;
	uint8_t *at = conn_reserve(conn, request_bytes_max(post, job->body_bytes));

	ASSERT(at != NULL); /* an idle line has sent all, and its buffer holds the longest request */
	conn_commit(conn, write_request(post, job, (char *)at));
	line->job = job;
	job->line = line;
	job->sent_before = conn->sent_bytes;
	reset_answer(&job->answer);
}

/* On a line of its own that was not in use. */
static void put_on_new(struct post *post, struct job *job)
{
	struct line *line = post->unused;
	int error = connect_line(post, job, line);

	if (error != 0) {
		try_again(post, job, error);
		return;
	}
	post->unused = line->next;
	put_on(post, job, line);
}

static void assign(struct post *post)
{
	while (post->waiting.first != NULL) {
		struct line *line = take_idle(post);
		bool known = post->addresses.cnt > 0;
		if (line == NULL && known && post->unused == NULL)
			return; /* some are being closed */
		struct job *job = pop(&post->waiting);
		if (line != NULL)
			put_on(post, job, line);
		else if (known)
			put_on_new(post, job);
		else
			await_lookup(post, job, -EHOSTUNREACH);
	}
}

/* --- the carrier --- */

static void start(struct fetch_pool *pool, struct fetch_job *fetch_job, size_t body_bytes)
{
	struct post *post = (struct post *)pool;   /* its first member */
	struct job *job = (struct job *)fetch_job; /* the same */

	job->body_bytes = body_bytes;
	job->line = NULL;
	job->deadline_ms = now_ms() + post->timeout_ms;
	job->tried_cnt = 0;
	job->looked_up = false;
	reset_answer(&job->answer);
	link_running(post, job);
	push(&post->waiting, job);
}

static void take_lookup(struct post *post)
{
	struct addresses found;

	if (post->lookup == NULL || !lookup_take(post->lookup, &found))
		return;
	post->lookup = NULL;
	if (found.cnt > 0) {
		post->addresses = found;
		post->first_idx = 0;
	}
	for (struct job *job; (job = pop(&post->unresolved)) != NULL;)
		push(&post->waiting, job);
}

static void expire(struct post *post)
{
	uint64_t now = now_ms();

	while (post->oldest != NULL && post->oldest->deadline_ms <= now) {
		struct job *job = post->oldest;
		if (job->line != NULL && job->line->conn.connecting) {
			avoid_address(post, job->line);
			start_lookup(post);
		}
		finish(post, job, -ETIMEDOUT, false);
	}
}

static unsigned sleep_ms(const struct post *post, unsigned timeout_ms)
{
	if (post->pool.done != NULL || post->waiting.first != NULL)
		return 0; /* who waits does so for a line that is being closed: a round or two */
	if (post->oldest == NULL)
		return timeout_ms;
	uint64_t now = now_ms(), deadline = post->oldest->deadline_ms;
	uint64_t left = deadline > now ? deadline - now : 0;
	return left < timeout_ms ? (unsigned)left : timeout_ms;
}

static void wait_some(struct fetch_pool *pool, unsigned timeout_ms)
{
	struct post *post = (struct post *)pool;

	take_lookup(post);
	assign(post);
	ring_turn(post->ring, sleep_ms(post, timeout_ms));
	expire(post);
}

static void cancel_all(struct fetch_pool *pool)
{
	struct post *post = (struct post *)pool;

	while (post->oldest != NULL)
		finish(post, post->oldest, -ECANCELED, false);
}

static void close_pool(struct fetch_pool *pool)
{
	struct post *post = (struct post *)pool;

	for (struct line *line; (line = post->idle) != NULL;) {
		post->idle = line->next;
		close_line(line);
	}
	while (post->closing_cnt > 0) /* the kernel still has their buffers */
		ring_turn(post->ring, 1);
	if (post->ring != NULL)
		ring_fini(post->ring);
	lookup_drop(post->lookup);
	free(post->fields);
	free(post->buffers);
	free(post->lines);
	free(post->jobs);
	free(post);
}

static const struct fetch_carrier carrier = {start, wait_some, cancel_all, close_pool};

/* --- opening --- */

/* The same for every request. */
static int make_fields(struct post *post, const struct fetch_pool_config *config)
{
	size_t bytes;
	FILE *out = open_memstream(&post->fields, &bytes);

	if (out == NULL)
		return -ENOMEM;
	snprintf(post->path, sizeof post->path, "%.*s", (int)post->url.path.bytes, (const char *)post->url.path.at);
	fprintf(out, "Host: %.*s\r\nUser-Agent: tollbar\r\n", (int)post->url.authority.bytes,
		(const char *)post->url.authority.at);
	for (size_t i = 0; i < config->header_cnt; i++)
		fprintf(out, "%s\r\n", config->headers[i]);
	if (fclose(out) != 0)
		return -ENOMEM;
	post->fields_bytes = bytes;
	return 0;
}

static int make_lines(struct post *post, const struct fetch_pool_config *config)
{
	size_t out_bytes = request_bytes_max(post, config->body_bytes_max);
	size_t bytes = config->body_bytes_max + config->answer_bytes_max + HEAD_BYTES_MAX + out_bytes;

	post->jobs = calloc(config->jobs_max, sizeof *post->jobs);
	post->lines = calloc(config->jobs_max, sizeof *post->lines);
	post->buffers = calloc(config->jobs_max, bytes);
	if (post->jobs == NULL || post->lines == NULL || post->buffers == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < config->jobs_max; i++) {
		struct job *job = &post->jobs[i];
		struct line *line = &post->lines[i];
		uint8_t *buffer = post->buffers + i * bytes;
		job->answer.head_at = buffer;
		job->answer.body_at = buffer + HEAD_BYTES_MAX;
		job->answer.body_bytes_max = config->answer_bytes_max;
		job->job.body = (char *)buffer + HEAD_BYTES_MAX + config->answer_bytes_max;
		line->post = post;
		line->conn.out = buffer + bytes - out_bytes;
		line->conn.out_bytes_max = (uint32_t)out_bytes;
		line->next = post->unused;
		post->unused = line;
		fetch_give(&post->pool, &job->job);
	}
	return 0;
}

static void on_mail(void *ctx)
{
	(void)ctx; /* whoever waits takes it */
}

static bool on_round(void *ctx)
{
	(void)ctx;
	return false;
}

static int open_post(struct post *post, const struct fetch_pool_config *config)
{
	struct ring_config ring = {.buffer_cnt = RECEIVED_CNT,
				   .buffer_bytes = RECEIVED_BYTES,
				   .mailbox = config->box,
				   .mail = on_mail,
				   .round = on_round};
	int error = make_fields(post, config);

	if (error == 0)
		error = make_lines(post, config);
	if (error == 0)
		error = ring_init(&post->ring, &ring);
	post->named = !lookup_numeric(&post->addresses, post->url.host, post->url.port);
	if (error == 0)
		start_lookup(post);
	return error;
}

bool post_can(const char *url)
{
	struct url parts;

	return url_parse(&parts, url) && !parts.tls && !fetch_may_be_proxied(parts.host);
}

int post_open(struct fetch_pool **out, const struct fetch_pool_config *config)
{
	*out = NULL;
	struct post *post = calloc(1, sizeof *post);
	if (post == NULL)
		return -ENOMEM;
	fetch_pool_init(&post->pool, &carrier);
	post->waiting.last = &post->waiting.first;
	post->unresolved.last = &post->unresolved.first;
	post->timeout_ms = config->timeout_ms;
	post->box = config->box;
	int error = -EINVAL;
	if (config->jobs_max > 0 && url_parse(&post->url, config->url) && !post->url.tls)
		error = open_post(post, config);
	if (error != 0)
		fetch_pool_close(&post->pool);
	else
		*out = &post->pool;
	return error;
}
