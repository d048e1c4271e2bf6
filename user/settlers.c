// SPDX-License-Identifier: Apache-2.0
#include "settlers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/siphash.h"

struct settlers {
	const struct config *config;
	void (*done)(void *done_ctx, struct settlement *settlement);
	void *done_ctx;
	pthread_mutex_t stop_lock;
	bool stopped; /* (stop_lock) `each` are gone */
	struct settler *each[FACILITATORS_MAX];
	uint64_t tags[FACILITATORS_MAX];
	size_t cnt;
};

static const struct config_facilitator *facilitator_at(const struct config *config, size_t idx)
{
	return idx == 0 ? &config->facilitator : &config->alternates[idx - 1];
}

/* Of its name, so that a facilitator may move to another URL, or to another place in the file. */
static uint64_t tag_of(const struct config_facilitator *facilitator)
{
	static const uint8_t key[16] = "tollbar who asks"; /* a constant: tags are on disk */
	uint64_t tag = siphash(key, facilitator->name, strlen(facilitator->name));

	return tag != 0 ? tag : 1;
}

static int start_one(struct settlers *settlers, const struct config_facilitator *facilitator)
{
	struct settle_config settle = {
		.name = facilitator->name[0] != 0 ? facilitator->name : "default",
		.url = facilitator->url,
		.authorization = facilitator->authorization[0] != 0 ? facilitator->authorization : NULL,
		.ca_file = facilitator->ca_file[0] != 0 ? facilitator->ca_file : NULL,
		.timeout_ms = facilitator->timeout_ms,
		.in_flight_max = facilitator->in_flight,
		.settle_data = facilitator->settle_data,
		.done = settlers->done,
		.done_ctx = settlers->done_ctx,
	};
	int err = settle_start(&settlers->each[settlers->cnt], &settle);

	if (err == 0)
		settlers->tags[settlers->cnt++] = tag_of(facilitator);
	else
		log_error("event=settle_start facilitator=%s error=%d", settle.name, -err);
	return err;
}

int settlers_start(struct settlers **out, const struct settlers_config *config)
{
	struct settlers *settlers = calloc(1, sizeof *settlers);
	int err = settlers == NULL ? -ENOMEM : 0;

	*out = NULL;
	if (settlers != NULL)
		*settlers =
			(struct settlers){.config = config->config, .done = config->done, .done_ctx = config->done_ctx};
	if (settlers != NULL)
		pthread_mutex_init(&settlers->stop_lock, NULL);
	for (size_t i = 0; err == 0 && i <= config->config->alternate_cnt; i++)
		err = start_one(settlers, facilitator_at(config->config, i));
	if (err == 0) {
		*out = settlers;
	} else if (settlers != NULL) {
		settlers_stop(settlers);
		settlers_free(settlers);
	}
	return err;
}

void settlers_stop(struct settlers *settlers)
{
	pthread_mutex_lock(&settlers->stop_lock);
	settlers->stopped = true;
	pthread_mutex_unlock(&settlers->stop_lock);
	for (size_t i = 0; i < settlers->cnt; i++)
		settle_stop(settlers->each[i]);
}

void settlers_free(struct settlers *settlers)
{
	if (settlers == NULL)
		return;
	pthread_mutex_destroy(&settlers->stop_lock);
	free(settlers);
}

void settlers_submit(void *ctx, struct settlement *settlement)
{
	struct settlers *settlers = ctx;

	for (size_t i = 0; i < settlers->cnt; i++) {
		if (settlers->tags[i] == settlement->facilitator) {
			settle_submit(settlers->each[i], settlement);
			return;
		}
	}
	settlement->outcome = CLAIM_UNKNOWN;
	settlement->not_sent = true;
	settlement->pending = settlement->has_transaction = false;
	snprintf(settlement->word, sizeof settlement->word, "facilitator_removed");
	settlers->done(settlers->done_ctx, settlement);
}

uint64_t settlers_pick(void *ctx, const struct offer *offer, bool *up)
{
	static const struct offer any = {.settle_by_cnt = 1};
	struct settlers *settlers = ctx;
	const struct offer *found = &any; /* the offer is gone: the first facilitator */

	for (size_t i = 0; i < settlers->config->offer_cnt; i++)
		if (strcmp(settlers->config->offers[i].name, offer->name) == 0)
			found = &settlers->config->offers[i];
	uint8_t picked = found->settle_by[0];
	*up = false;
	pthread_mutex_lock(&settlers->stop_lock);
	for (size_t i = 0; !settlers->stopped && !*up && i < found->settle_by_cnt; i++) {
		*up = settle_up(settlers->each[found->settle_by[i]]);
		if (*up)
			picked = found->settle_by[i];
	}
	pthread_mutex_unlock(&settlers->stop_lock);
	return settlers->tags[picked];
}

struct settler *settlers_data(struct settlers *settlers, const struct offer *offer)
{
	for (size_t i = 0; i < offer->settle_by_cnt; i++)
		if (facilitator_at(settlers->config, offer->settle_by[i])->settle_data)
			return settlers->each[offer->settle_by[i]];
	return NULL;
}

void settlers_stats(struct settlers *settlers, struct settle_stats *stats)
{
	*stats = (struct settle_stats){0};
	for (size_t i = 0; i < settlers->cnt; i++) {
		struct settle_stats one;
		settle_stats(settlers->each[i], &one);
		stats->asked += one.asked;
		stats->settled += one.settled;
		stats->refused += one.refused;
		stats->unknown += one.unknown;
		stats->facilitator_errors += one.facilitator_errors;
		stats->data.sent += one.data.sent;
		stats->data.failed += one.data.failed;
		stats->data.dropped += one.data.dropped;
		stats->data.waiting += one.data.waiting;
		stats->data.paused += one.data.paused;
		stats->data.jobs += one.data.jobs;
		stats->data.undone += one.data.undone;
	}
}

size_t settlers_in_flight(const struct config *config)
{
	size_t sum = 0;

	for (size_t i = 0; i <= config->alternate_cnt; i++)
		sum += facilitator_at(config, i)->in_flight;
	return sum;
}

size_t settlers_data_bytes(const struct config *config)
{
	size_t sum = 0;

	for (size_t i = 0; i <= config->alternate_cnt; i++)
		sum += facilitator_at(config, i)->settle_data ? settle_data_bytes() : 0;
	return sum;
}
