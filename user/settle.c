// SPDX-License-Identifier: Apache-2.0
/* settle.c: the settlement thread.  Takes what is submitted, keeps up to in_flight_max calls under way, gives each
 * settlement back with what is known.  It never asks twice by itself: that is the ledger's decision, on disk. */
#include "settle.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "limits.h"
#include "post.h"
#include "sys/fetch.h"
#include "sys/sandbox.h"

/* A v2 body is about 2.5 KiB; names of 64 bytes, each escaped to six, in three places stay below 8 KiB. */
#define BODY_BYTES_MAX (8192 + 2 * SIGNATURE_BYTES_MAX)
#define ANSWER_BYTES_MAX 65536
#define WAIT_MS 1000
#define DOWN_MS 5000

struct settler {
	struct settle_config config;
	struct mailbox inbox; /* struct settlement */
	struct mail *waiting, **waiting_last;
	struct fetch_pool *pool;  /* the thread's own */
	struct settle_data *data; /* NULL: off */
	size_t running;		  /* jobs of payments */
	pthread_t thread;
	sem_t opened;
	int open_error;
	_Atomic bool stopping;
	_Atomic uint64_t down_until_ms; /* of the clock since boot; 0: up */
	_Atomic uint64_t asked, settled, refused, unknown, facilitator_errors;
};

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void give_back(struct settler *settler, struct settlement *settlement)
{
	switch (settlement->outcome) {
	case CLAIM_SETTLED:
		count(&settler->settled);
		break;
	case CLAIM_REFUSED:
		count(&settler->refused);
		break;
	default:
		count(&settler->unknown);
	}
	settler->config.done(settler->config.done_ctx, settlement);
}

static void give_back_unknown(struct settler *settler, struct settlement *settlement, bool sent, const char *word)
{
	settlement->outcome = CLAIM_UNKNOWN;
	settlement->not_sent = !sent;
	settlement->pending = false;
	settlement->has_transaction = false;
	snprintf(settlement->word, sizeof settlement->word, "%s", word);
	give_back(settler, settlement);
}

static const char *error_word(int error)
{
	switch (error) {
	case -ETIMEDOUT:
		return "facilitator_timeout";
	case -EMSGSIZE:
		return "facilitator_answer_large";
	case -ECANCELED:
		return "settlement_stopped";
	case -ECONNREFUSED:
	case -EHOSTUNREACH:
		return "facilitator_unreachable";
	default:
		return "facilitator_connection";
	}
}

/* Bodies that settle_answer could make nothing of are the facilitator's errors too; a pending settlement is not. */
static bool says_nothing(const struct settlement *settlement)
{
	return settlement->outcome == CLAIM_UNKNOWN && strncmp(settlement->word, "facilitator_", 12) == 0;
}

static uint64_t now_ms(void)
{
	return clock_ns() / 1000000;
}

bool settle_up(const struct settler *settler)
{
	return atomic_load(&settler->down_until_ms) <= now_ms();
}

static const char *name_of(const struct settler *settler)
{
	return settler->config.name != NULL ? settler->config.name : "";
}

static void note_health(struct settler *settler, const struct fetch_job *job)
{
	bool down = job->error != 0 || job->status >= 500;
	const char *name = name_of(settler);

	if (job->error == -ECANCELED)
		return;
	bool was_down = atomic_exchange(&settler->down_until_ms, down ? now_ms() + DOWN_MS : 0) != 0;
	if (down && !was_down)
		log_warn("event=facilitator_down facilitator=%s error=%d status=%ld", name, -job->error, job->status);
	if (!down && was_down)
		log_info("event=facilitator_up facilitator=%s", name);
}

static void finish(struct settler *settler, struct fetch_job *job)
{
	struct settlement *settlement = job->ctx;

	settler->running--;
	note_health(settler, job);
	if (job->error != 0) {
		if (job->error != -ECANCELED)
			count(&settler->facilitator_errors);
		log_debug("event=settle claim=%llu error=%d", (unsigned long long)settlement->claim_id, -job->error);
		bool sent = job->sent;
		int error = job->error;
		fetch_give(settler->pool, job);
		give_back_unknown(settler, settlement, sent, error_word(error));
		return;
	}
	if (settlement->job[0] != 0)
		settle_job_answer(settlement, job->status, job->answer, job->answer_bytes);
	else
		settle_answer(settlement, job->status, job->answer, job->answer_bytes);
	if (says_nothing(settlement))
		count(&settler->facilitator_errors);
	fetch_give(settler->pool, job);
	give_back(settler, settlement);
}

static void start_job(struct settler *settler, struct fetch_job *job, struct settlement *settlement, size_t body_bytes)
{
	job->ctx = settlement;
	settler->running++;
	count(&settler->asked);
	fetch_start(settler->pool, job, body_bytes);
}

/* The facilitator has it in line already. */
static void ask_after(struct settler *settler, struct settlement *settlement, struct fetch_job *job)
{
	_Static_assert(1 + SETTLE_JOB_BYTES_MAX <= FETCH_BELOW_BYTES_MAX, "a job's name fits behind the URL");
	snprintf(job->body, BODY_BYTES_MAX, "/%s", settlement->job);
	job->below = job->body;
	start_job(settler, job, settlement, 0);
}

static void ask(struct settler *settler, struct settlement *settlement, struct fetch_job *job)
{
	size_t bytes = settle_body(job->body, BODY_BYTES_MAX, settlement);

	if (bytes == 0) { /* the record cannot be said in its protocol version */
		log_error("event=settle_body claim=%llu version=%u", (unsigned long long)settlement->claim_id,
			  settlement->payment.version);
		fetch_give(settler->pool, job);
		give_back_unknown(settler, settlement, false, "settlement_unsayable");
		return;
	}
	start_job(settler, job, settlement, bytes);
}

static void take_inbox(struct settler *settler)
{
	struct mail *mail = mailbox_take(&settler->inbox);
	if (mail == NULL)
		return;
	*settler->waiting_last = mail;
	while (mail->next != NULL)
		mail = mail->next;
	settler->waiting_last = &mail->next;
}

static struct settlement *next_waiting(struct settler *settler)
{
	struct settlement *settlement = (struct settlement *)settler->waiting; /* its first member */

	settler->waiting = settlement->mail.next;
	if (settler->waiting == NULL)
		settler->waiting_last = &settler->waiting;
	return settlement;
}

static void start_waiting(struct settler *settler)
{
	while (settler->waiting != NULL && settler->running < settler->config.in_flight_max) {
		struct fetch_job *job = fetch_take(settler->pool);
		ASSERT(job != NULL); /* there are more */
		struct settlement *settlement = next_waiting(settler);
		if (settlement->job[0] != 0)
			ask_after(settler, settlement, job);
		else
			ask(settler, settlement, job);
	}
}

static void finish_done(struct settler *settler)
{
	struct fetch_job *job;

	while ((job = fetch_done(settler->pool)) != NULL)
		if (settler->data == NULL || !settle_data_done(settler->data, settler->pool, job, now_ms()))
			finish(settler, job);
}

static void run(struct settler *settler)
{
	while (!atomic_load(&settler->stopping)) {
		take_inbox(settler);
		start_waiting(settler);
		if (settler->data != NULL)
			settle_data_turn(settler->data, settler->pool, now_ms());
		fetch_wait(settler->pool, WAIT_MS);
		finish_done(settler);
	}
	fetch_cancel_all(settler->pool);
	finish_done(settler);
	take_inbox(settler);
	while (settler->waiting != NULL)
		give_back_unknown(settler, next_waiting(settler), false, "settlement_stopped");
	fetch_pool_close(settler->pool);
}

static int open_pool(struct settler *settler)
{
	const struct settle_config *config = &settler->config;
	char url[URL_BYTES_MAX + 16], authorization[URL_BYTES_MAX + 32];
	const char *headers[3] = {"Content-Type: application/json", "Accept: application/json"};
	size_t url_bytes = strlen(config->url);

	while (url_bytes > 0 && config->url[url_bytes - 1] == '/')
		url_bytes--;
	int used = snprintf(url, sizeof url, "%.*s/settle", (int)url_bytes, config->url);
	if (used < 0 || (size_t)used >= sizeof url)
		return -ENAMETOOLONG;
	if (config->authorization != NULL) {
		used = snprintf(authorization, sizeof authorization, "Authorization: %s", config->authorization);
		if (used < 0 || (size_t)used >= sizeof authorization)
			return -ENAMETOOLONG;
		headers[2] = authorization;
	}
	struct fetch_pool_config pool = {
		.url = url,
		.headers = headers,
		.header_cnt = config->authorization != NULL ? 3 : 2,
		.ca_file = config->ca_file,
		.timeout_ms = config->timeout_ms,
		.jobs_max = config->in_flight_max + (config->settle_data ? SETTLE_DATA_RUNNING_MAX : 0),
		.body_bytes_max = BODY_BYTES_MAX,
		.answer_bytes_max = ANSWER_BYTES_MAX,
		.box = &settler->inbox,
	};
	return post_can(url) ? post_open(&settler->pool, &pool) : fetch_pool_open(&settler->pool, &pool);
}

static void *settle_main(void *arg)
{
	struct settler *settler = arg;

	settler->open_error = open_pool(settler);
	bool works = settler->open_error == 0;
	sandbox_enter_thread(SANDBOX_CALLS);
	sem_post(&settler->opened);
	if (works)
		run(settler);
	return NULL;
}

static void settler_fini(struct settler *settler)
{
	settle_data_fini(settler->data);
	sem_destroy(&settler->opened);
	mailbox_fini(&settler->inbox);
	free(settler);
}

/* A pool is its thread's own, so that opens it. */
static int start_thread(struct settler *settler)
{
	int error = pthread_create(&settler->thread, NULL, settle_main, settler);

	if (error != 0)
		return -error;
	while (sem_wait(&settler->opened) < 0 && errno == EINTR)
		;
	if (settler->open_error != 0)
		pthread_join(settler->thread, NULL);
	return settler->open_error;
}

int settle_start(struct settler **out, const struct settle_config *config)
{
	*out = NULL;
	if (config->done == NULL || config->url == NULL || config->timeout_ms == 0 || config->in_flight_max == 0)
		return -EINVAL;
	struct settler *settler = calloc(1, sizeof *settler);
	if (settler == NULL)
		return -ENOMEM;
	settler->config = *config;
	settler->waiting_last = &settler->waiting;
	sem_init(&settler->opened, 0, 0);
	if (config->settle_data)
		settler->data = settle_data_init(name_of(settler));
	int err = mailbox_init(&settler->inbox);
	if (err == 0 && config->settle_data && settler->data == NULL)
		err = -ENOMEM;
	if (err == 0)
		err = start_thread(settler);
	if (err != 0) {
		settler_fini(settler);
		return err;
	}
	*out = settler;
	return 0;
}

static void wake(struct settler *settler)
{
	uint64_t one = 1;
	ssize_t written = write(settler->inbox.event_fd, &one, sizeof one);

	(void)written; /* EAGAIN: the thread has been woken already */
}

void settle_stop(struct settler *settler)
{
	atomic_store(&settler->stopping, true);
	wake(settler);
	pthread_join(settler->thread, NULL);
	settler_fini(settler);
}

void settle_submit(void *settler, struct settlement *settlement)
{
	struct settler *to = settler;

	mailbox_push(&to->inbox, &settlement->mail);
}

void settle_submit_data(struct settler *settler, enum data_type type, const struct proof *proof,
			const struct address *payer)
{
	settle_data_submit(settler->data, type, proof, payer);
	wake(settler);
}

void settle_stats(struct settler *settler, struct settle_stats *stats)
{
	*stats = (struct settle_stats){
		.asked = atomic_load(&settler->asked),
		.settled = atomic_load(&settler->settled),
		.refused = atomic_load(&settler->refused),
		.unknown = atomic_load(&settler->unknown),
		.facilitator_errors = atomic_load(&settler->facilitator_errors),
	};
	if (settler->data != NULL)
		settle_data_stats(settler->data, &stats->data);
}
