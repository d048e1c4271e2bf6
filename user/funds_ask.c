// SPDX-License-Identifier: Apache-2.0
#include "funds_ask.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "funds_line.h"
#include "funds_node.h"
#include "funds_sanity.h"
#include "sys/sandbox.h"

#define WAIT_MS 250
#define AHEAD_MAX 1024	   /* questions nobody waits for, at one time */
#define SIGNATURES_MAX 256 /* questions to strangers' code, waiting or under way */
#define STRANGERS_MAX 192  /* of them: those of a share */

unsigned asker_down_ms = 1000;

/* One HTTP request and what it is about. */
struct round {
	struct batch batch;
	struct question *questions[BATCH_PARTS_MAX];
	struct account_question about[BATCH_PARTS_MAX];
	bool shares[BATCH_PARTS_MAX]; /* the view is asked for by another part of this round */
	size_t cnt;
	bool alone; /* a stranger's code is in it: its failure says nothing of the node */
	struct round *next;
};

struct asker {
	struct asker_config config;
	struct mailbox inbox;
	pthread_t thread;
	sem_t opened;
	int open_error;
	_Atomic bool stopping;
	_Atomic int state; /* enum asker_state */
	_Atomic uint64_t down_until_ms;
	_Atomic unsigned signature_cnt;
	_Atomic uint8_t shares[ASKER_SHARES]; /* of those, by question.share */
	struct {
		_Atomic uint64_t requests, calls, errors, ahead;
	} counts;
	pthread_mutex_t ahead_lock;
	struct question *ahead, *ahead_free; /* linked by mail.next */

	/* the thread's own */
	struct fetch_pool *pool;
	struct line waiting, signatures, patient; /* patient: nobody waits for the answer */
	size_t patient_cnt;
	uint64_t patient_ms; /* since when the first of them does */
	struct round *rounds, *round_free;
	size_t running, signatures_running;
	bool multicall3, was_down;
	size_t checked; /* questions of sanity answered: the chain's, then the offers' */
	bool checking;
	struct batch_scratch scratch;
};

static uint64_t now_ms(void)
{
	return clock_ns() / 1000000;
}

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* --- lines --- */

static bool is_ahead(const struct asker *asker, const struct question *question)
{
	return question >= asker->ahead && question < asker->ahead + AHEAD_MAX;
}

static void add_patient(struct asker *asker, struct question *question)
{
	if (asker->patient_cnt++ == 0)
		asker->patient_ms = now_ms();
	line_push(&asker->patient, question);
}

static struct question *pop_patient(struct asker *asker)
{
	struct question *question = line_pop(&asker->patient);

	asker->patient_cnt -= question != NULL;
	return question;
}

/* Enough of them for a request of their own, or long enough. */
static bool patient_due(const struct asker *asker)
{
	uint64_t wait_ms = asker->config.rules->max_age_ms / 8;

	return asker->patient_cnt >= asker->config.chain->batch ||
	       (asker->patient_cnt > 0 && now_ms() >= asker->patient_ms + wait_ms);
}

static void take_inbox(struct asker *asker)
{
	for (struct mail *mail = mailbox_take(&asker->inbox), *next; mail != NULL; mail = next) {
		struct question *question = (struct question *)mail;
		next = mail->next;
		if (is_ahead(asker, question))
			add_patient(asker, question);
		else
			line_push(question->wants & WANT_SIGNATURE ? &asker->signatures : &asker->waiting, question);
	}
}

/* --- places for questions about signatures --- */

static bool take_place(struct asker *asker, const struct question *question)
{
	_Atomic uint8_t *share = &asker->shares[question->share];
	unsigned most = question->share != 0 ? STRANGERS_MAX : SIGNATURES_MAX;

	if (question->share != 0 && atomic_fetch_add(share, 1) >= ASKER_SHARE_MAX) {
		atomic_fetch_sub(share, 1);
		return false;
	}
	if (atomic_fetch_add(&asker->signature_cnt, 1) < most)
		return true;
	atomic_fetch_sub(&asker->signature_cnt, 1);
	if (question->share != 0)
		atomic_fetch_sub(share, 1);
	return false;
}

static void give_place(struct asker *asker, const struct question *question)
{
	atomic_fetch_sub(&asker->signature_cnt, 1);
	if (question->share != 0)
		atomic_fetch_sub(&asker->shares[question->share], 1);
}

/* --- the end of a question --- */

static void finish(struct asker *asker, struct question *question, int error)
{
	question->error = error;
	if (question->wants & WANT_SIGNATURE)
		give_place(asker, question);
	if (!is_ahead(asker, question)) {
		mailbox_push(question->box, &question->mail);
		return;
	}
	pthread_mutex_lock(&asker->ahead_lock);
	question->mail.next = (struct mail *)asker->ahead_free;
	asker->ahead_free = question;
	pthread_mutex_unlock(&asker->ahead_lock);
}

/* It was never sent. */
static void give_up(struct asker *asker, struct question *question, int error)
{
	struct account_question about;

	if (question->wants & WANT_VIEW) {
		accounts_begin(asker->config.accounts, &about, question->account, asker->config.rules, now_ms());
		accounts_end(asker->config.accounts, &about, NULL, is_ahead(asker, question));
	}
	finish(asker, question, error);
}

/* Those who wait would only find out the same, later. */
static void give_up_all(struct asker *asker, struct line *line, int error)
{
	for (struct question *question; (question = line_pop(line)) != NULL;)
		give_up(asker, question, error);
}

static void give_up_lines(struct asker *asker, int error)
{
	give_up_all(asker, &asker->waiting, error);
	give_up_all(asker, &asker->signatures, error);
	give_up_all(asker, &asker->patient, error);
	asker->patient_cnt = 0;
}

static void is_down(struct asker *asker, const char *why, int error)
{
	if (!asker->was_down)
		log_warn("event=chain_down chain=%s why=\"%s\" error=%d", asker->config.chain->name, why, -error);
	asker->was_down = true;
	count(&asker->counts.errors, 1);
	atomic_store(&asker->down_until_ms, now_ms() + asker_down_ms);
	give_up_lines(asker, -EHOSTDOWN);
}

static void is_up(struct asker *asker)
{
	if (asker->was_down)
		log_info("event=chain_up chain=%s", asker->config.chain->name);
	asker->was_down = false;
}

/* --- do chain and offers agree? --- */

static const struct offer *offer_to_check(const struct asker *asker)
{
	size_t left = asker->checked;

	for (size_t i = 0; i < asker->config.offer_cnt && left > 0; i++) {
		const struct offer *offer = &asker->config.offers[i];
		if (offer->chain_id == asker->config.chain->chain_id && --left == 0)
			return offer;
	}
	return NULL;
}

static void check_next(struct asker *asker)
{
	struct fetch_job *job;
	const struct offer *offer = offer_to_check(asker);

	if (asker->checking || asker_is_down(asker) || (job = fetch_take(asker->pool)) == NULL)
		return;
	if (asker->checked > 0 && offer == NULL) { /* all of them */
		fetch_give(asker->pool, job);
		atomic_store(&asker->state, ASKER_SOUND);
		log_info("event=chain_sound chain=%s network=eip155:%llu multicall3=%s", asker->config.chain->name,
			 (unsigned long long)asker->config.chain->chain_id, asker->multicall3 ? "yes" : "no");
		return;
	}
	size_t bytes = sanity_question(job->body, BATCH_BODY_BYTES(asker->config.chain->batch), offer);
	ASSERT(bytes > 0);
	job->ctx = NULL;
	asker->checking = true;
	count(&asker->counts.requests, 1);
	fetch_start(asker->pool, job, bytes);
}

static void checked(struct asker *asker, const struct fetch_job *job)
{
	const struct offer *offer = offer_to_check(asker);
	struct sanity_report report = {.text = "no answer"};
	enum sanity sanity = SANITY_NO_ANSWER;

	asker->checking = false;
	if (job->error == -ECANCELED)
		return; /* we end */
	if (job->error == 0)
		sanity = sanity_answer(&report, asker->config.chain->chain_id, offer,
				       span_of(job->answer, job->answer_bytes));
	if (sanity == SANITY_NO_ANSWER) {
		is_down(asker, report.text, job->error);
		return;
	}
	if (sanity == SANITY_WRONG) {
		log_error("event=chain_wrong chain=%s offer=%s what=%s", asker->config.chain->name,
			  offer != NULL ? offer->name : "-", report.text);
		atomic_store(&asker->state, ASKER_WRONG);
		return;
	}
	if (offer == NULL)
		asker->multicall3 = report.has_multicall3;
	asker->checked++;
}

/* --- asking --- */

/* Which part asks for the view that part i wants, too.  Questions may be their owners' again by now. */
static size_t viewing_part(const struct round *round, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (round->batch.parts[k].wants & WANT_VIEW && round->about[k].idx == round->about[i].idx)
			return k;
	return i;
}

static void add_question(struct asker *asker, struct round *round, struct question *question)
{
	size_t i = round->cnt++;
	struct batch_part *part = &round->batch.parts[i];

	round->questions[i] = question;
	round->shares[i] = false;
	*part = (struct batch_part){.wants = question->wants,
				    .key = question->key,
				    .payment = question->payment,
				    .digest = &question->digest};
	if (!(question->wants & WANT_VIEW))
		return;
	accounts_begin(asker->config.accounts, &round->about[i], question->account, asker->config.rules, now_ms());
	round->shares[i] = viewing_part(round, i) != i;
	if (round->shares[i])
		part->wants = (uint8_t)(part->wants & ~WANT_VIEW);
}

static void send_round(struct asker *asker, struct round *round, struct fetch_job *job)
{
	struct batch *batch = &round->batch;

	batch->part_cnt = round->cnt;
	size_t bytes = batch_question(job->body, BATCH_BODY_BYTES(asker->config.chain->batch), batch, asker->multicall3,
				      &asker->scratch);
	ASSERT(bytes > 0);
	job->ctx = round;
	asker->running++;
	asker->signatures_running += round->alone;
	count(&asker->counts.requests, 1);
	count(&asker->counts.calls, batch->call_cnt + batch->rpc_cnt - (batch->aggregated ? 1 : batch->call_cnt));
	fetch_start(asker->pool, job, bytes);
}

static struct round *take_round(struct asker *asker, bool alone)
{
	struct round *round = asker->round_free;

	asker->round_free = round->next; /* as many as jobs */
	round->cnt = 0;
	round->alone = alone;
	return round;
}

/* Strangers' code gets half of the places at most. */
static bool may_ask_signature(const struct asker *asker)
{
	return asker->signatures.first != NULL && asker->signatures_running < (asker->config.chain->in_flight + 1) / 2;
}

/* Those who wait, and in the room they leave, those who do not. */
static void fill_round(struct asker *asker, struct round *round)
{
	size_t most = asker->config.chain->batch;

	while (asker->waiting.first != NULL && round->cnt < most)
		add_question(asker, round, line_pop(&asker->waiting));
	while (asker->patient.first != NULL && round->cnt < most)
		add_question(asker, round, pop_patient(asker));
}

static void ask_waiting(struct asker *asker)
{
	struct fetch_job *job = NULL;

	while ((asker->waiting.first != NULL || patient_due(asker)) && (job = fetch_take(asker->pool)) != NULL) {
		struct round *round = take_round(asker, false);
		fill_round(asker, round);
		send_round(asker, round, job);
	}
	while (may_ask_signature(asker) && (job = fetch_take(asker->pool)) != NULL) {
		struct round *round = take_round(asker, true);
		add_question(asker, round, line_pop(&asker->signatures));
		send_round(asker, round, job);
	}
}

/* --- answers --- */

static void finish_part(struct asker *asker, struct round *round, size_t i, int error)
{
	struct question *question = round->questions[i];
	const struct batch_part *part = &round->batch.parts[i], *viewed = part;

	if (round->shares[i])
		viewed = &round->batch.parts[viewing_part(round, i)];
	bool good = error == 0 && part->good && viewed->good;

	if (question->wants & WANT_VIEW)
		accounts_end(asker->config.accounts, &round->about[i], good ? &viewed->view : NULL,
			     is_ahead(asker, question));
	question->nonce_used = part->nonce_used;
	question->signature_holds = good && part->signature_holds;
	finish(asker, question, good ? 0 : error != 0 ? error : -EPROTO);
}

static void answered(struct asker *asker, struct round *round, const struct fetch_job *job)
{
	int error = job->error;

	asker->running--;
	asker->signatures_running -= round->alone;
	if (error == 0 && (job->status != 200 ||
			   !batch_answer(&round->batch, span_of(job->answer, job->answer_bytes), &asker->scratch)))
		error = -EPROTO;
	for (size_t i = 0; i < round->cnt; i++)
		finish_part(asker, round, i, error);
	bool alone = round->alone;
	round->next = asker->round_free;
	asker->round_free = round;
	if (error != 0 && error != -ECANCELED && !alone)
		is_down(asker, "no usable answer", error);
	else if (error != 0)
		count(&asker->counts.errors, 1);
	else
		is_up(asker);
}

static void finish_done(struct asker *asker)
{
	struct fetch_job *job;

	while ((job = fetch_done(asker->pool)) != NULL) {
		struct round *round = job->ctx;
		if (round == NULL)
			checked(asker, job);
		else
			answered(asker, round, job);
		fetch_give(asker->pool, job);
	}
}

/* --- the thread --- */

static void step(struct asker *asker)
{
	take_inbox(asker);
	if (atomic_load(&asker->state) == ASKER_UNCHECKED)
		check_next(asker);
	if (atomic_load(&asker->state) == ASKER_SOUND) {
		ask_waiting(asker);
	} else {
		give_up_lines(asker, -EHOSTDOWN);
	}
	fetch_wait(asker->pool, WAIT_MS); /* patience ends within that */
	finish_done(asker);
}

static void run(struct asker *asker)
{
	while (!atomic_load(&asker->stopping))
		step(asker);
	fetch_cancel_all(asker->pool);
	finish_done(asker);
	take_inbox(asker);
	give_up_lines(asker, -ECANCELED);
	fetch_pool_close(asker->pool);
}

static int open_pool(struct asker *asker)
{
	const struct config_chain *chain = asker->config.chain;
	struct funds_node_config node = {.chain = chain,
					 .jobs_max = chain->in_flight,
					 .body_bytes_max = BATCH_BODY_BYTES(chain->batch),
					 .answer_bytes_max = BATCH_ANSWER_BYTES(chain->batch),
					 .box = &asker->inbox};

	return funds_node_open(&asker->pool, &node);
}

static void *asker_main(void *arg)
{
	struct asker *asker = arg;

	asker->open_error = open_pool(asker);
	bool works = asker->open_error == 0;
	sandbox_enter_thread(SANDBOX_CALLS);
	sem_post(&asker->opened);
	if (works)
		run(asker);
	return NULL;
}

static int asker_init(struct asker *asker)
{
	size_t in_flight = asker->config.chain->in_flight;

	asker->inbox.event_fd = -1;
	line_init(&asker->waiting);
	line_init(&asker->signatures);
	line_init(&asker->patient);
	pthread_mutex_init(&asker->ahead_lock, NULL);
	sem_init(&asker->opened, 0, 0);
	asker->rounds = calloc(in_flight, sizeof *asker->rounds);
	asker->ahead = calloc(AHEAD_MAX, sizeof *asker->ahead);
	if (asker->rounds == NULL || asker->ahead == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < in_flight; i++)
		asker->rounds[i].next = i + 1 < in_flight ? &asker->rounds[i + 1] : NULL;
	asker->round_free = asker->rounds;
	for (size_t i = 0; i < AHEAD_MAX; i++)
		asker->ahead[i].mail.next = i + 1 < AHEAD_MAX ? &asker->ahead[i + 1].mail : NULL;
	asker->ahead_free = asker->ahead;
	return mailbox_init(&asker->inbox);
}

static void asker_fini(struct asker *asker)
{
	mailbox_fini(&asker->inbox);
	sem_destroy(&asker->opened);
	pthread_mutex_destroy(&asker->ahead_lock);
	free(asker->rounds);
	free(asker->ahead);
	free(asker);
}

/* A pool is its thread's own, so that opens it. */
static int start_thread(struct asker *asker)
{
	int error = pthread_create(&asker->thread, NULL, asker_main, asker);

	if (error != 0)
		return -error;
	while (sem_wait(&asker->opened) < 0 && errno == EINTR)
		;
	if (asker->open_error != 0)
		pthread_join(asker->thread, NULL);
	return asker->open_error;
}

int asker_start(struct asker **out, const struct asker_config *config)
{
	struct asker *asker = calloc(1, sizeof *asker);

	*out = NULL;
	if (asker == NULL)
		return -ENOMEM;
	asker->config = *config;
	int error = asker_init(asker);
	if (error == 0)
		error = start_thread(asker);
	if (error != 0) {
		asker_fini(asker);
		return error;
	}
	*out = asker;
	return 0;
}

void asker_stop(struct asker *asker)
{
	uint64_t one = 1;

	if (asker == NULL)
		return;
	atomic_store(&asker->stopping, true);
	ssize_t written = write(asker->inbox.event_fd, &one, sizeof one);
	(void)written; /* EAGAIN: the thread has been woken already */
	pthread_join(asker->thread, NULL);
	asker_fini(asker);
}

size_t asker_bytes(const struct config_chain *chain)
{
	return sizeof(struct asker) + AHEAD_MAX * sizeof(struct question) +
	       chain->in_flight *
		       (sizeof(struct round) + BATCH_BODY_BYTES(chain->batch) + BATCH_ANSWER_BYTES(chain->batch));
}

/* --- for everybody --- */

enum asker_state asker_state(struct asker *asker)
{
	return (enum asker_state)atomic_load(&asker->state);
}

bool asker_is_down(const struct asker *asker)
{
	return now_ms() < atomic_load_explicit(&asker->down_until_ms, memory_order_relaxed);
}

bool asker_put(struct asker *asker, struct question *question)
{
	if (question->wants & WANT_SIGNATURE && !take_place(asker, question))
		return false;
	mailbox_push(&asker->inbox, &question->mail);
	return true;
}

void asker_ahead(struct asker *asker, const struct account_key *key, uint32_t account)
{
	struct account_question about;

	pthread_mutex_lock(&asker->ahead_lock);
	struct question *question = asker->ahead_free;
	if (question != NULL)
		asker->ahead_free = (struct question *)question->mail.next;
	pthread_mutex_unlock(&asker->ahead_lock);
	if (question == NULL) { /* the next request of this payer tries again */
		accounts_begin(asker->config.accounts, &about, account, asker->config.rules, now_ms());
		accounts_end(asker->config.accounts, &about, NULL, true);
		return;
	}
	*question = (struct question){.account = account, .key = *key, .wants = WANT_VIEW};
	count(&asker->counts.ahead, 1);
	mailbox_push(&asker->inbox, &question->mail);
}

void asker_stats(struct asker *asker, struct asker_stats *stats)
{
	*stats = (struct asker_stats){
		.requests = atomic_load(&asker->counts.requests),
		.calls = atomic_load(&asker->counts.calls),
		.errors = atomic_load(&asker->counts.errors),
		.ahead = atomic_load(&asker->counts.ahead),
		.down = asker_is_down(asker) || asker_state(asker) != ASKER_SOUND,
	};
}
