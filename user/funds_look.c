// SPDX-License-Identifier: Apache-2.0
#include "funds_look.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/u256.h"
#include "funds_node.h"
#include "funds_outcome.h"
#include "sys/sandbox.h"

#define WAITING_MAX 256
#define IDLE_MS 1000
#define CALLS_PER_SUBJECT OUTCOME_TRANSFERS_MAX
#define HEADS 2
#define RESULTS_MAX (HEADS + LOOK_MAX * CALLS_PER_SUBJECT)
#define QUESTION_BYTES_MAX (RESULTS_MAX * 640)
#define ANSWER_BYTES_MAX ((size_t)4 << 20) /* receipts and inputs of large transactions */

/* When logs are asked for: from a little before the payment can have been made until a little after its deadline, as the
 * last PACE_BLOCKS blocks tell time, and half as much again. */
#define PACE_BLOCKS 1000
#define WINDOW_SLACK_S (DEADLINE_SLACK_S + 60)
#define WINDOW_SLACK_BLOCKS 50
/* The final block is so much later than a settlement's answer, which came after the settlement's block: for clocks that differ. */
#define SETTLED_SLACK_S 12
#define WINDOW_S_MAX (UINT64_C(365) * 86400)

const char *const look_words[LOOK_END_CNT] = {
	[LOOK_UNCLEAR] = "chain_unclear",	    [LOOK_PAID] = "chain_paid",
	[LOOK_CANCELLED] = "chain_nonce_cancelled", [LOOK_ELSEWHERE] = "chain_nonce_used_elsewhere",
	[LOOK_LAPSED] = "chain_never_paid",	    [LOOK_GONE] = "chain_reorganised"};

/* The block that everything is read at. */
struct moment {
	uint64_t number, time_s;
	uint64_t past_number, past_time_s; /* one before it, to tell how fast blocks come */
};

struct subject {
	struct settlement *settlement;
	struct outcome_query query;
	uint64_t deadline_s;
	enum look_end end;
	bool used;    /* the nonce is */
	bool wanted;  /* asked about in this request */
	bool covered; /* its events are all there */
	size_t first; /* its first result */
	struct outcome_events events;
	struct word transaction; /* of LOOK_PAID */
};

struct looker {
	const struct funds_look *look;
	const struct config_chain *chain;
	struct mailbox inbox;
	pthread_t thread;
	sem_t opened;
	int open_error;
	bool running;
	_Atomic bool stopping;
	_Atomic unsigned waiting_cnt;
	_Atomic uint64_t ends[LOOK_END_CNT];

	/* the thread's own */
	struct fetch_pool *pool;
	struct fetch_job *job; /* whose answer `results` borrow from */
	struct mail *waiting;
	struct subject subjects[LOOK_MAX];
	size_t cnt;
	struct rpc_batch batch;
	struct rpc_result results[RESULTS_MAX];
};

struct funds_look {
	struct funds_look_config config;
	struct looker lookers[CHAINS_MAX];
	size_t looker_cnt;
};

/* --- one request --- */

static void begin(struct looker *looker)
{
	looker->job = fetch_take(looker->pool);
	ASSERT(looker->job != NULL);
	rpc_begin(&looker->batch, looker->job->body, QUESTION_BYTES_MAX);
}

/* The answers stay until `end`. */
static bool ask(struct looker *looker)
{
	struct fetch_job *job = looker->job;
	size_t bytes = rpc_end(&looker->batch);

	ASSERT(bytes > 0 && looker->batch.cnt <= RESULTS_MAX);
	fetch_start(looker->pool, job, bytes);
	while (fetch_done(looker->pool) == NULL) {
		if (atomic_load(&looker->stopping))
			fetch_cancel_all(looker->pool);
		else
			fetch_wait(looker->pool, IDLE_MS); /* ended by the pool's own timeout */
	}
	return job->error == 0 && job->status == 200 &&
	       rpc_answer(looker->results, looker->batch.cnt, span_of(job->answer, job->answer_bytes));
}

static void end(struct looker *looker)
{
	fetch_give(looker->pool, looker->job);
	looker->job = NULL;
}

/* --- which block --- */

static bool read_head(uint64_t *number, uint64_t *time_s, const struct rpc_result *result)
{
	bool has_number = false, has_time = false;
	struct json_value name, value;
	struct json json;

	if (result->outcome != RPC_OBJECT)
		return false;
	json_init(&json, result->object, JSON_NESTING_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return false;
	while (json_next(&json, &name)) {
		if (!json_read(&json, &value) || value.type != JSON_STRING)
			continue;
		struct span text = span_of(value.text.at + 1, value.text.bytes - 2);
		if (json_equals(&name, SPAN("number")))
			has_number = rpc_read_quantity(number, text);
		else if (json_equals(&name, SPAN("timestamp")))
			has_time = rpc_read_quantity(time_s, text);
	}
	return json_end(&json) && has_number && has_time;
}

/* The chain is asked for its id each time: what another one does not know was not "never paid". */
static bool find_final(struct looker *looker, struct moment *moment)
{
	static const char *const names[] = {
		[FINAL_CONFIRMATIONS] = "latest", [FINAL_SAFE] = "safe", [FINAL_FINALIZED] = "finalized"};
	unsigned depth = looker->chain->final == FINAL_CONFIRMATIONS ? looker->chain->confirmations : 0;
	uint64_t chain_id;

	begin(looker);
	rpc_chain_id(&looker->batch);
	rpc_block(&looker->batch, names[looker->chain->final]);
	bool good = ask(looker) && rpc_number(&chain_id, &looker->results[0]) && chain_id == looker->chain->chain_id &&
		    read_head(&moment->number, &moment->time_s, &looker->results[1]) && moment->number >= depth;
	end(looker);
	if (!good)
		return false;
	moment->number -= depth;
	moment->past_number = moment->number > PACE_BLOCKS ? moment->number - PACE_BLOCKS : 0;
	return true;
}

/* So many blocks before the moment's it was this late. */
static uint64_t blocks_since(const struct moment *moment, uint64_t time_s)
{
	uint64_t past_s = moment->time_s > moment->past_time_s ? moment->time_s - moment->past_time_s : 0;
	uint64_t past = moment->number - moment->past_number;

	if (time_s >= moment->time_s)
		return 0;
	if (past_s == 0 || past == 0 || moment->time_s - time_s > WINDOW_S_MAX)
		return moment->number;
	return (moment->time_s - time_s) * past / past_s;
}

/* --- nonces --- */

/* Settled, and not paid at a block that is later.  While the chain has the transaction it named it may only be one that goes
 * into another block. */
static bool is_gone(const struct subject *subject, const struct moment *moment, const struct rpc_result *results)
{
	uint64_t settled_s = subject->settlement->settled_s;
	bool there = subject->query.transaction != NULL && results[1].outcome == RPC_OBJECT;

	return settled_s != 0 && moment->time_s > settled_s + SETTLED_SLACK_S && !there;
}

static void judge_nonce(struct subject *subject, const struct moment *moment, const struct rpc_result *results)
{
	const struct outcome_query *query = &subject->query;
	uint64_t block;

	if (!outcome_nonce_used(&subject->used, query, &results[0])) {
		subject->used = false;
	} else if (!subject->used) {
		if (moment->time_s > subject->deadline_s)
			subject->end = LOOK_LAPSED;
		else if (is_gone(subject, moment, results))
			subject->end = LOOK_GONE;
	} else if (query->transaction != NULL && results[1].outcome == RPC_OBJECT &&
		   outcome_receipt_pays(results[1].object, query, &block) && block <= moment->number) {
		subject->end = LOOK_PAID;
		subject->transaction = *query->transaction;
	}
}

static bool look_at_nonces(struct looker *looker, struct moment *moment)
{
	char block[RPC_QUANTITY_BYTES], past[RPC_QUANTITY_BYTES];
	uint64_t number, past_number;

	begin(looker);
	rpc_block(&looker->batch, rpc_quantity(block, moment->number));
	rpc_block(&looker->batch, rpc_quantity(past, moment->past_number));
	for (size_t i = 0; i < looker->cnt; i++) {
		struct subject *subject = &looker->subjects[i];
		subject->first = looker->batch.cnt;
		outcome_ask_nonce(&looker->batch, &subject->query, block);
		if (subject->query.transaction != NULL)
			rpc_receipt(&looker->batch, subject->query.transaction);
	}
	bool good = ask(looker) && read_head(&number, &moment->time_s, &looker->results[0]) &&
		    read_head(&past_number, &moment->past_time_s, &looker->results[1]) && number == moment->number &&
		    past_number == moment->past_number;
	for (size_t i = 0; i < looker->cnt && good; i++)
		judge_nonce(&looker->subjects[i], moment, &looker->results[looker->subjects[i].first]);
	end(looker);
	return good;
}

/* --- events: by what the nonce was used --- */

static void ask_events(struct looker *looker, struct subject *subject, const struct moment *moment)
{
	uint64_t timeout_s = subject->query.offer->max_timeout_s + WINDOW_SLACK_S;
	uint64_t start_s = subject->deadline_s > timeout_s ? subject->deadline_s - timeout_s : 0;
	uint64_t back = blocks_since(moment, start_s), front = blocks_since(moment, subject->deadline_s);
	char block[RPC_QUANTITY_BYTES];

	back += back / 2 + WINDOW_SLACK_BLOCKS;
	front = front / 2 > WINDOW_SLACK_BLOCKS ? front / 2 - WINDOW_SLACK_BLOCKS : 0;
	back = back < moment->number ? back : moment->number;
	subject->first = looker->batch.cnt;
	outcome_ask_events(&looker->batch, &subject->query, moment->number - back, moment->number - front);
	rpc_block(&looker->batch, rpc_quantity(block, moment->number - back));
	rpc_block(&looker->batch, rpc_quantity(block, moment->number - front));
}

/* From before the payment can have been made to after it can have been settled: what is not there was not logged. */
static bool is_covered(const struct subject *subject, const struct moment *moment, const struct rpc_result heads[2])
{
	uint64_t from, from_s, to, to_s, timeout_s = subject->query.offer->max_timeout_s + DEADLINE_SLACK_S;

	return read_head(&from, &from_s, &heads[0]) && read_head(&to, &to_s, &heads[1]) &&
	       (from == 0 || from_s + timeout_s <= subject->deadline_s) &&
	       (to == moment->number || to_s > subject->deadline_s);
}

static void judge_events(struct subject *subject)
{
	const struct outcome_events *events = &subject->events;

	if (subject->query.payment->method == METHOD_EIP3009) {
		if (events->used) {
			subject->end = events->paid ? LOOK_PAID : LOOK_ELSEWHERE;
			subject->transaction = events->transactions[0];
		} else if (events->cancelled) {
			subject->end = LOOK_CANCELLED;
		}
	} else if (events->transaction_cnt == 0 && events->cancelled && subject->covered) {
		subject->end = LOOK_CANCELLED;
	}
}

static void look_at_events(struct looker *looker, const struct moment *moment)
{
	begin(looker);
	for (size_t i = 0; i < looker->cnt; i++) {
		struct subject *subject = &looker->subjects[i];
		subject->wanted = subject->used && subject->end == LOOK_UNCLEAR;
		if (subject->wanted)
			ask_events(looker, subject, moment);
	}
	if (looker->batch.cnt > 0 && ask(looker)) {
		for (size_t i = 0; i < looker->cnt; i++) {
			struct subject *subject = &looker->subjects[i];
			const struct rpc_result *results = &looker->results[subject->first];
			if (!subject->wanted || !outcome_read_events(&subject->events, &subject->query, results))
				continue;
			subject->covered = is_covered(subject, moment, results + OUTCOME_EVENT_CALLS);
			judge_events(subject);
		}
	}
	end(looker);
}

/* --- transactions: which of the transfers was this permit's --- */

static void judge_transfers(struct subject *subject, const struct rpc_result *results)
{
	const struct outcome_events *events = &subject->events;
	bool all_read = true;

	for (size_t i = 0; i < events->transaction_cnt; i++) {
		all_read &= results[i].outcome == RPC_OBJECT;
		if (results[i].outcome == RPC_OBJECT && outcome_carries(results[i].object, &subject->query)) {
			subject->end = LOOK_PAID;
			subject->transaction = events->transactions[i];
			return;
		}
	}
	if (all_read && !events->more && events->cancelled && subject->covered)
		subject->end = LOOK_CANCELLED;
}

static void look_at_transfers(struct looker *looker)
{
	begin(looker);
	for (size_t i = 0; i < looker->cnt; i++) {
		struct subject *subject = &looker->subjects[i];
		subject->wanted = subject->wanted && subject->end == LOOK_UNCLEAR;
		subject->first = looker->batch.cnt;
		for (size_t k = 0; k < subject->events.transaction_cnt && subject->wanted; k++)
			rpc_transaction(&looker->batch, &subject->events.transactions[k]);
	}
	if (looker->batch.cnt > 0 && ask(looker))
		for (size_t i = 0; i < looker->cnt; i++)
			if (looker->subjects[i].wanted)
				judge_transfers(&looker->subjects[i], &looker->results[looker->subjects[i].first]);
	end(looker);
}

/* --- settlements --- */

static void take_subject(struct looker *looker, struct settlement *settlement)
{
	struct subject *subject = &looker->subjects[looker->cnt++];

	*subject = (struct subject){.settlement = settlement,
				    .query = {.payment = &settlement->payment,
					      .offer = &settlement->offer,
					      .amount_due = &settlement->amount_due,
					      .transaction = settlement->was_named ? &settlement->named : NULL}};
	bool good = u256_to_u64(&subject->deadline_s, settlement->payment.deadline.at);
	ASSERT(good); /* as permit saw to */
}

static void take_waiting(struct looker *looker)
{
	if (looker->waiting == NULL)
		looker->waiting = mailbox_take(&looker->inbox);
	for (looker->cnt = 0; looker->waiting != NULL && looker->cnt < LOOK_MAX;) {
		struct settlement *settlement = (struct settlement *)looker->waiting; /* its first member */
		looker->waiting = looker->waiting->next;
		take_subject(looker, settlement);
	}
}

static void give_back(struct looker *looker, const struct subject *subject)
{
	static const enum claim_state outcomes[LOOK_END_CNT] = {[LOOK_PAID] = CLAIM_SETTLED,
								[LOOK_CANCELLED] = CLAIM_REFUSED,
								[LOOK_ELSEWHERE] = CLAIM_REFUSED,
								[LOOK_LAPSED] = CLAIM_EXPIRED,
								[LOOK_GONE] = CLAIM_UNKNOWN};
	const struct funds_look_config *config = &looker->look->config;
	struct settlement *settlement = subject->settlement;

	atomic_fetch_add(&looker->ends[subject->end], 1);
	atomic_fetch_sub(&looker->waiting_cnt, 1);
	if (subject->end == LOOK_UNCLEAR) {
		config->unclear(config->ctx, settlement);
		return;
	}
	if (settlement->settled_s == 0 || subject->end != LOOK_PAID)
		log_info("event=claim_resolved claim=%llu chain=%s found=%s", (unsigned long long)settlement->claim_id,
			 looker->chain->name, look_words[subject->end]);
	settlement->outcome = outcomes[subject->end];
	settlement->by_chain = true;
	settlement->not_sent = settlement->pending = false;
	settlement->has_transaction = subject->end == LOOK_PAID;
	settlement->transaction = subject->transaction;
	memset(settlement->word, 0, sizeof settlement->word);
	if (subject->end != LOOK_PAID)
		memcpy(settlement->word, look_words[subject->end], strlen(look_words[subject->end]));
	config->done(config->ctx, settlement);
}

static void look_at_all(struct looker *looker)
{
	struct moment moment;

	if (looker->cnt > 0 && !atomic_load(&looker->stopping) && find_final(looker, &moment) &&
	    look_at_nonces(looker, &moment)) {
		look_at_events(looker, &moment);
		look_at_transfers(looker);
	}
	for (size_t i = 0; i < looker->cnt; i++)
		give_back(looker, &looker->subjects[i]);
}

/* --- the thread --- */

static int open_pool(struct looker *looker)
{
	struct funds_node_config node = {.chain = looker->chain,
					 .jobs_max = 1,
					 .body_bytes_max = QUESTION_BYTES_MAX,
					 .answer_bytes_max = ANSWER_BYTES_MAX,
					 .box = &looker->inbox};

	return funds_node_open(&looker->pool, &node);
}

static void *looker_main(void *arg)
{
	struct looker *looker = arg;
	bool last = false;

	looker->open_error = open_pool(looker);
	bool works = looker->open_error == 0;
	sandbox_enter_thread(SANDBOX_CALLS);
	sem_post(&looker->opened);
	while (works && !last) {
		last = atomic_load(&looker->stopping); /* and once more, for what came before that */
		do {
			take_waiting(looker);
			look_at_all(looker);
		} while (looker->cnt > 0);
		if (!last)
			fetch_wait(looker->pool, IDLE_MS);
	}
	if (works)
		fetch_pool_close(looker->pool);
	return NULL;
}

/* A pool is its thread's own, so that opens it. */
static int start_looker(struct looker *looker)
{
	int error = mailbox_init(&looker->inbox);

	if (error == 0)
		error = -pthread_create(&looker->thread, NULL, looker_main, looker);
	if (error != 0)
		return error;
	while (sem_wait(&looker->opened) < 0 && errno == EINTR)
		;
	looker->running = looker->open_error == 0;
	if (!looker->running)
		pthread_join(looker->thread, NULL);
	return looker->open_error;
}

int funds_look_start(struct funds_look **out, const struct funds_look_config *config)
{
	struct funds_look *look = calloc(1, sizeof *look);
	int error = 0;

	*out = NULL;
	if (look == NULL)
		return -ENOMEM;
	look->config = *config;
	for (size_t i = 0; i < config->config->chain_cnt && error == 0; i++) {
		const struct config_chain *chain = &config->config->chains[i];
		if (chain->funds == FUNDS_OFF)
			continue;
		struct looker *looker = &look->lookers[look->looker_cnt++];
		looker->look = look;
		looker->chain = chain;
		looker->inbox.event_fd = -1;
		sem_init(&looker->opened, 0, 0);
		error = start_looker(looker);
	}
	if (error != 0 || look->looker_cnt == 0) {
		funds_look_stop(look);
		funds_look_free(look);
		return error;
	}
	*out = look;
	return 0;
}

void funds_look_stop(struct funds_look *look)
{
	uint64_t one = 1;

	for (size_t i = 0; look != NULL && i < look->looker_cnt; i++) {
		struct looker *looker = &look->lookers[i];
		if (!looker->running)
			continue;
		atomic_store(&looker->stopping, true);
		ssize_t written = write(looker->inbox.event_fd, &one, sizeof one);
		(void)written; /* EAGAIN: the thread has been woken already */
		pthread_join(looker->thread, NULL);
		looker->running = false;
	}
}

void funds_look_free(struct funds_look *look)
{
	for (size_t i = 0; look != NULL && i < look->looker_cnt; i++) {
		mailbox_fini(&look->lookers[i].inbox);
		sem_destroy(&look->lookers[i].opened);
	}
	free(look);
}

/* --- for the ledger thread --- */

static struct looker *looker_of(const struct funds_look *look, const struct offer *offer)
{
	for (size_t i = 0; look != NULL && i < look->looker_cnt; i++)
		if (look->lookers[i].chain->chain_id == offer->chain_id)
			return (struct looker *)&look->lookers[i];
	return NULL;
}

bool funds_look_serves(const struct funds_look *look, const struct offer *offer)
{
	return looker_of(look, offer) != NULL;
}

uint64_t funds_look_again_s(const struct funds_look *look, const struct offer *offer)
{
	const struct looker *looker = looker_of(look, offer);

	return looker != NULL ? looker->chain->recheck_s : 0;
}

bool funds_look_put(struct funds_look *look, struct settlement *settlement)
{
	struct looker *looker = looker_of(look, &settlement->offer);

	ASSERT(looker != NULL);
	if (atomic_fetch_add(&looker->waiting_cnt, 1) >= WAITING_MAX) {
		atomic_fetch_sub(&looker->waiting_cnt, 1);
		return false;
	}
	mailbox_push(&looker->inbox, &settlement->mail);
	return true;
}

size_t funds_look_bytes(const struct funds_look *look)
{
	return look != NULL ? sizeof *look + look->looker_cnt * (QUESTION_BYTES_MAX + ANSWER_BYTES_MAX) : 0;
}

void funds_look_stats(struct funds_look *look, uint64_t ends[LOOK_END_CNT])
{
	memset(ends, 0, LOOK_END_CNT * sizeof *ends);
	for (size_t i = 0; look != NULL && i < look->looker_cnt; i++)
		for (size_t k = 0; k < LOOK_END_CNT; k++)
			ends[k] += atomic_load(&look->lookers[i].ends[k]);
}
