// SPDX-License-Identifier: Apache-2.0
#include "settle_data.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "settle.h"

#define NOTES_MAX 1024
#define TRIES_MAX 4
#define JSON_BYTES_MAX 1536

#define ASKS_MAX 5
#define JOBS_MAX (NOTES_MAX / 2) /* the others' places are for proofs to be told */

static const unsigned ask_ms[ASKS_MAX] = {2000, 10000, 30000, 120000, 600000}; /* before each question after a job */
static const unsigned pause_ms[TRIES_MAX] = {0, 2000, 15000, 60000}; /* before the first try, the second, ... */

struct note { /* one proof to be told */
	struct note *next;
	enum data_type type;
	unsigned tries, asks;
	uint64_t due_ms;
	char job[SETTLE_JOB_BYTES_MAX]; /* it was told, and is in line there; empty: it is to be told */
	struct address payer;
	struct proof proof;
};

struct queue { /* first come, first served; all in it have had the same number of tries, so it is in order of due_ms, too */
	struct note *first, **last;
};

struct call {
	struct fetch_job *job; /* NULL: free */
	struct note *note;
	char fields[FETCH_FIELDS_BYTES_MAX];
};

struct settle_data {
	const char *name;
	pthread_mutex_t lock; /* over what follows, up to the thread's own */
	struct note *unused;
	struct queue fresh;
	struct settle_data_stats stats;
	/* the thread's own */
	struct queue again[TRIES_MAX]; /* by tries; [0] is not used */
	struct queue jobs[ASKS_MAX];   /* by asks */
	struct call calls[SETTLE_DATA_RUNNING_MAX];
	bool failing; /* the last one failed: said once */
	struct note notes[NOTES_MAX];
};

/* --- what is said --- */

static void write_hex(struct json_writer *json, const char *name, const uint8_t *at, size_t bytes)
{
	char text[HEX_BYTES(32)];

	hex_encode(text, at, bytes);
	json_write(json, name);
	json_write_string(json, span_str(text));
}

static size_t write_json(char *out, size_t out_bytes, enum data_type type, const struct proof *proof,
			 const struct address *payer)
{
	char signature[BASE64_ENCODED_BYTES(PROOF_SIGNATURE_BYTES_MAX) + 1];
	struct json_writer json;

	base64_encode(signature, span_of(proof->signature, proof->signature_bytes));
	json_write_init(&json, out, out_bytes);
	write_hex(&json, "{\"tee_id\":", proof->tee_id.at, sizeof proof->tee_id.at);
	write_hex(&json, ",\"input_hash\":", proof->input_hash.at, sizeof proof->input_hash.at);
	write_hex(&json, ",\"output_hash\":", proof->output_hash.at, sizeof proof->output_hash.at);
	json_write(&json, ",\"tee_signature\":");
	json_write_string(&json, span_str(signature));
	json_write(&json, ",\"tee_timestamp\":");
	json_write_u64(&json, proof->timestamp);
	if (type == DATA_INDIVIDUAL) {
		json_write(&json, ",\"timestamp\":");
		json_write_u64(&json, proof->timestamp);
		write_hex(&json, ",\"eth_address\":", payer->at, sizeof payer->at);
		json_write(&json, ",\"input\":null,\"output\":null");
	}
	json_write(&json, "}");
	return json_write_done(&json);
}

size_t settle_data_fields(char *out, size_t out_bytes, enum data_type type, const struct proof *proof,
			  const struct address *payer)
{
	char json[JSON_BYTES_MAX], value[BASE64_ENCODED_BYTES(JSON_BYTES_MAX) + 1];
	size_t json_bytes = write_json(json, sizeof json, type, proof, payer);
	struct text text;

	ASSERT(json_bytes > 0 && proof->known && type != DATA_PRIVATE);
	base64_encode(value, span_of(json, json_bytes));
	text_init(&text, out, out_bytes);
	text_put(&text, "X-Settlement-Type: %s\r\nX-Settlement-Data: %s\r\n",
		 type == DATA_INDIVIDUAL ? "individual" : "batch", value);
	return text_done(&text);
}

/* --- notes --- */

static void push(struct queue *queue, struct note *note)
{
	note->next = NULL;
	*queue->last = note;
	queue->last = &note->next;
}

static struct note *pop(struct queue *queue)
{
	struct note *note = queue->first;

	if (note == NULL)
		return NULL;
	queue->first = note->next;
	if (queue->first == NULL)
		queue->last = &queue->first;
	return note;
}

void settle_data_submit(struct settle_data *data, enum data_type type, const struct proof *proof,
			const struct address *payer)
{
	pthread_mutex_lock(&data->lock);
	struct note *note = data->unused;
	if (note != NULL) {
		data->unused = note->next;
		*note = (struct note){.type = type, .payer = *payer, .proof = *proof};
		push(&data->fresh, note);
		data->stats.waiting++;
	} else {
		data->stats.dropped++;
	}
	pthread_mutex_unlock(&data->lock);
}

/* The end of one that was counted as waiting, or as a job.  NULL: it counts as nothing more. */
static void give(struct settle_data *data, struct note *note, uint64_t *counter)
{
	pthread_mutex_lock(&data->lock);
	note->next = data->unused;
	data->unused = note;
	if (note->job[0] != 0)
		data->stats.jobs--;
	else
		data->stats.waiting--;
	if (counter != NULL)
		++*counter;
	pthread_mutex_unlock(&data->lock);
}

/* It was told, and is in line there: asked after, when there is room for that. */
static bool follow_job(struct settle_data *data, struct note *note, struct span body, uint64_t now_ms)
{
	if (data->stats.jobs >= JOBS_MAX || !settle_data_job(note->job, body)) /* changed by this thread alone */
		return false;
	pthread_mutex_lock(&data->lock);
	data->stats.waiting--;
	data->stats.sent++;
	data->stats.jobs++;
	pthread_mutex_unlock(&data->lock);
	note->due_ms = now_ms + ask_ms[0];
	push(&data->jobs[0], note);
	return true;
}

/* --- calls --- */

static void pause_note(struct settle_data *data, struct note *note, uint64_t now_ms)
{
	note->due_ms = now_ms + pause_ms[note->tries];
	push(&data->again[note->tries], note);
	pthread_mutex_lock(&data->lock);
	data->stats.paused++;
	pthread_mutex_unlock(&data->lock);
}

static struct note *pop_due(struct queue queues[], unsigned cnt, uint64_t now_ms)
{
	while (cnt-- > 0)
		if (queues[cnt].first != NULL && queues[cnt].first->due_ms <= now_ms)
			return pop(&queues[cnt]);
	return NULL;
}

/* Those that were tried before go first: they are older.  What is told already comes last. */
static struct note *take_due(struct settle_data *data, uint64_t now_ms)
{
	struct note *note = pop_due(data->again, TRIES_MAX, now_ms);

	pthread_mutex_lock(&data->lock);
	if (note != NULL)
		data->stats.paused--;
	else
		note = pop(&data->fresh);
	pthread_mutex_unlock(&data->lock);
	return note != NULL ? note : pop_due(data->jobs, ASKS_MAX, now_ms);
}

static void tell(struct call *call, struct fetch_pool *pool, struct fetch_job *job, struct note *note)
{
	size_t bytes = settle_data_fields(call->fields, sizeof call->fields, note->type, &note->proof, &note->payer);

	ASSERT(bytes > 0);
	call->job = job;
	call->note = note;
	note->tries++;
	memcpy(job->body, "{}", 2);
	job->below = "_data"; /* the pool's URL ends in /settle */
	job->fields = call->fields;
	fetch_start(pool, job, 2);
}

static void ask_after(struct call *call, struct fetch_pool *pool, struct fetch_job *job, struct note *note)
{
	call->job = job;
	call->note = note;
	job->below = job->body; /* the pool's URL ends in /settle */
	job->body[0] = '/';
	memcpy(job->body + 1, note->job, sizeof note->job);
	fetch_start(pool, job, 0);
}

void settle_data_turn(struct settle_data *data, struct fetch_pool *pool, uint64_t now_ms)
{
	for (size_t i = 0; i < SETTLE_DATA_RUNNING_MAX; i++) {
		struct call *call = &data->calls[i];
		struct note *note;
		if (call->job != NULL || (note = take_due(data, now_ms)) == NULL)
			continue;
		struct fetch_job *job = fetch_take(pool);
		ASSERT(job != NULL); /* payments leave SETTLE_DATA_RUNNING_MAX of them */
		if (note->job[0] != 0)
			ask_after(call, pool, job, note);
		else
			tell(call, pool, job, note);
	}
}

static bool was_taken(const struct fetch_job *job)
{
	return job->error == 0 && job->status >= 200 && job->status <= 299;
}

/* For certain it did not take it.  A 504 is not the facilitator's own word. */
static bool may_tell_again(const struct fetch_job *job)
{
	if (job->error != 0)
		return !job->sent && job->error != -ECANCELED;
	return job->status == 429 || (job->status >= 500 && job->status != 504);
}

static void say(struct settle_data *data, const struct fetch_job *job)
{
	bool failing = !was_taken(job);

	if (failing && !data->failing)
		log_warn("event=settle_data_failing facilitator=%s error=%d status=%ld", data->name, -job->error,
			 job->status);
	if (!failing && data->failing)
		log_info("event=settle_data_works facilitator=%s", data->name);
	data->failing = failing;
}

static void end_question(struct settle_data *data, const struct fetch_job *job, struct note *note, uint64_t now_ms)
{
	enum data_job is =
		job->error != 0 ? DATA_JOB_RUNS
				: settle_data_job_is(note->job, job->status, span_of(job->answer, job->answer_bytes));

	if (is == DATA_JOB_FAILED || is == DATA_JOB_GONE) {
		log_warn("event=settle_data_undone facilitator=%s job=%s why=%s", data->name, note->job,
			 is == DATA_JOB_GONE ? "gone" : "failed");
		give(data, note, &data->stats.undone);
	} else if (is == DATA_JOB_DONE || job->error == -ECANCELED || ++note->asks == ASKS_MAX) {
		give(data, note, NULL);
	} else {
		note->due_ms = now_ms + ask_ms[note->asks];
		push(&data->jobs[note->asks], note);
	}
}

static void end_call(struct settle_data *data, const struct fetch_job *job, struct note *note, uint64_t now_ms)
{
	if (note->job[0] != 0) {
		end_question(data, job, note, now_ms);
		return;
	}
	if (job->error == -ECANCELED) { /* the end of the process */
		give(data, note, &data->stats.dropped);
		return;
	}
	say(data, job);
	if (job->status == 202 && was_taken(job) &&
	    follow_job(data, note, span_of(job->answer, job->answer_bytes), now_ms))
		return;
	if (was_taken(job)) {
		give(data, note, &data->stats.sent);
	} else if (may_tell_again(job) && note->tries < TRIES_MAX) {
		pause_note(data, note, now_ms);
	} else {
		give(data, note, &data->stats.failed);
	}
}

bool settle_data_done(struct settle_data *data, struct fetch_pool *pool, struct fetch_job *job, uint64_t now_ms)
{
	for (size_t i = 0; i < SETTLE_DATA_RUNNING_MAX; i++) {
		struct call *call = &data->calls[i];
		if (call->job != job)
			continue;
		call->job = NULL;
		end_call(data, job, call->note, now_ms);
		fetch_give(pool, job);
		return true;
	}
	return false;
}

/* --- life --- */

void settle_data_stats(struct settle_data *data, struct settle_data_stats *stats)
{
	pthread_mutex_lock(&data->lock);
	*stats = data->stats;
	pthread_mutex_unlock(&data->lock);
}

size_t settle_data_bytes(void)
{
	return sizeof(struct settle_data);
}

struct settle_data *settle_data_init(const char *name)
{
	struct settle_data *data = calloc(1, sizeof *data);

	if (data == NULL)
		return NULL;
	data->name = name;
	pthread_mutex_init(&data->lock, NULL);
	data->fresh.last = &data->fresh.first;
	for (unsigned tries = 0; tries < TRIES_MAX; tries++)
		data->again[tries].last = &data->again[tries].first;
	for (unsigned asks = 0; asks < ASKS_MAX; asks++)
		data->jobs[asks].last = &data->jobs[asks].first;
	for (size_t i = NOTES_MAX; i-- > 0;) {
		data->notes[i].next = data->unused;
		data->unused = &data->notes[i];
	}
	return data;
}

void settle_data_fini(struct settle_data *data)
{
	if (data == NULL)
		return;
	if (data->stats.waiting > 0)
		log_warn("event=settle_data_dropped facilitator=%s count=%llu", data->name,
			 (unsigned long long)data->stats.waiting);
	pthread_mutex_destroy(&data->lock);
	free(data);
}
