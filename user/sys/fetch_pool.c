/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/fetch_pool.h"

#include <string.h>

#include "base/assert.h"

void fetch_pool_init(struct fetch_pool *pool, const struct fetch_carrier *carrier)
{
	*pool = (struct fetch_pool){.carrier = carrier, .done_last = &pool->done};
}

void fetch_pool_close(struct fetch_pool *pool)
{
	if (pool == NULL)
		return;
	fetch_cancel_all(pool);
	pool->carrier->close(pool);
}

struct fetch_job *fetch_take(struct fetch_pool *pool)
{
	struct fetch_job *job = pool->free;

	if (job != NULL)
		pool->free = job->next;
	return job;
}

void fetch_give(struct fetch_pool *pool, struct fetch_job *job)
{
	ASSERT(!job->running);
	job->next = pool->free;
	pool->free = job;
}

void fetch_start(struct fetch_pool *pool, struct fetch_job *job, size_t body_bytes)
{
	ASSERT(!job->running && (job->below == NULL || strlen(job->below) < FETCH_BELOW_BYTES_MAX) &&
	       (job->fields == NULL || strlen(job->fields) < FETCH_FIELDS_BYTES_MAX));
	job->running = true;
	pool->carrier->start(pool, job, body_bytes);
}

void fetch_wait(struct fetch_pool *pool, unsigned timeout_ms)
{
	pool->carrier->wait(pool, timeout_ms);
}

void fetch_finish(struct fetch_pool *pool, struct fetch_job *job, int error)
{
	ASSERT(job->running);
	job->running = false;
	job->below = NULL;
	job->fields = NULL;
	job->error = error;
	job->next = NULL;
	*pool->done_last = job;
	pool->done_last = &job->next;
}

struct fetch_job *fetch_done(struct fetch_pool *pool)
{
	struct fetch_job *job = pool->done;

	if (job == NULL)
		return NULL;
	pool->done = job->next;
	if (pool->done == NULL)
		pool->done_last = &pool->done;
	return job;
}

void fetch_cancel_all(struct fetch_pool *pool)
{
	pool->carrier->cancel_all(pool);
}
