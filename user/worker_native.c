// SPDX-License-Identifier: Apache-2.0
#include "worker_native.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "answer_native.h"
#include "base/clock.h"
#include "base/expect.h"
#include "calldata.h"
#include "gate.h"
#include "gate_native.h"
#include "results.h"
#include "worker.h"

#define PLACES_MS 1000
#define SPREAD_MIN 64u /* free slots that may keep all their memory, however few requests run */

_Static_assert(CALLDATA_BODY_BYTES <= REQUEST_BODY_BYTES, "what calldata asks for fits a slot");
_Static_assert(UDP_BYTES_MAX > NATIVE_BYTES_MAX, "a datagram that is too long is seen to be");

static void *map(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static void on_datagram(void *ctx, const struct udp_datagram *datagram)
{
	gate_datagram(ctx, datagram);
}

int natives_init(struct worker *worker)
{
	struct natives *natives = &worker->natives;
	const struct config_native *config = &worker->config->native;
	struct udp_config udp = {
		.ring = worker->ring, .reply_cnt = NATIVE_REPLIES, .ctx = worker, .received = on_datagram};

	if (config->listen_cnt == 0)
		return 0;
	gate_knocks_init(worker);
	natives->begun_last = &natives->begun;
	natives->slot_cnt = config->requests;
	natives->requests = map(config->requests * sizeof *natives->requests);
	natives->memory = map(config->requests * (size_t)REQUEST_SLOT_BYTES);
	natives->udp = udp_init(&udp);
	return natives->requests == NULL || natives->memory == NULL || natives->udp == NULL ? -ENOMEM : 0;
}

void natives_fini(struct worker *worker)
{
	struct natives *natives = &worker->natives;

	udp_fini(natives->udp);
	if (natives->memory != NULL)
		munmap(natives->memory, natives->slot_cnt * (size_t)REQUEST_SLOT_BYTES);
	if (natives->requests != NULL)
		munmap(natives->requests, natives->slot_cnt * sizeof *natives->requests);
}

size_t natives_bytes(const struct config *config)
{
	if (config->native.listen_cnt == 0)
		return 0;
	return config->native.requests * (REQUEST_SLOT_BYTES + sizeof(struct request)) + udp_bytes(NATIVE_REPLIES);
}

void natives_listen(struct worker *worker)
{
	for (size_t i = 0; i < worker->config->native.listen_cnt; i++)
		udp_listen(worker->natives.udp, worker->native_fds[i]);
}

/* Who asks how far his request is reads it from its result, whichever worker he asks. */
static void update_places(struct worker *worker)
{
	const struct natives *natives = &worker->natives;

	for (unsigned i = 0; i < natives->touched_cnt; i++) {
		const struct request *request = &natives->requests[i];
		if (request->stage == STAGE_QUEUE)
			result_place(request->native.result, queue_place(worker->shared->queue, &request->ticket));
	}
}

void natives_tend(struct worker *worker)
{
	struct natives *natives = &worker->natives;
	uint64_t now_ms = clock_coarse_ms();

	if (natives->udp == NULL)
		return;
	udp_flush(natives->udp);
	const struct udp_counts *counts = udp_counts(natives->udp);
	stats_set(&worker->stats.datagrams, counts->received);
	stats_set(&worker->stats.replies_dropped, counts->dropped);
	if (now_ms - natives->places_ms < PLACES_MS)
		return;
	natives->places_ms = now_ms;
	update_places(worker);
}

/* Drain's end would take unfetched answers along, which are paid for. */
static bool are_results_wanted(struct worker *worker)
{
	struct natives *natives = &worker->natives;
	struct results_stats stats;

	results_stats(worker->shared->results, &stats);
	if (natives->ran_ms == 0 || stats.running > 0)
		natives->ran_ms = clock_coarse_ms();
	return stats.unread > 0 && clock_coarse_ms() - natives->ran_ms < RESULTS_LINGER_MS;
}

bool natives_drain(struct worker *worker, bool cutting)
{
	struct natives *natives = &worker->natives;

	if (natives->udp == NULL)
		return false;
	udp_stop(natives->udp);
	for (unsigned i = 0; cutting && i < natives->touched_cnt; i++)
		if (natives->requests[i].stage != STAGE_FREE && natives->requests[i].stage < STAGE_CLOSING)
			gate_client_gone(&natives->requests[i]);
	return !cutting && are_results_wanted(worker);
}

/* --- slots --- */

/* The head a client would have sent: what the model server is asked with, and what frames the answer. */
static void write_head(struct http_head *head)
{
	head->method = SPAN("POST");
	head->minor = 1;
	head->keep_alive = head->has_length = true;
	head->content_type = SPAN("application/json");
	head->fields[0] = (struct http_field){SPAN("Content-Type"), head->content_type};
	head->field_cnt = 1;
}

static struct request *touch(struct worker *worker)
{
	struct natives *natives = &worker->natives;

	if (natives->touched_cnt == natives->slot_cnt)
		return NULL;
	struct request *request = &natives->requests[natives->touched_cnt];
	worker_init_request(worker, request, natives->memory + natives->touched_cnt * (size_t)REQUEST_SLOT_BYTES);
	write_head(&request->head);
	natives->touched_cnt++;
	return request;
}

struct request *natives_take(struct worker *worker, const struct udp_datagram *datagram)
{
	struct natives *natives = &worker->natives;
	struct request *request = natives->unused;

	if (request != NULL)
		natives->unused = request->next;
	else if ((request = touch(worker)) == NULL)
		return NULL;
	worker->open_cnt++;
	conn_init(&request->conn, worker->ring, &answer_native_events, request,
		  request->memory + HEAD_BYTES_MAX + REQUEST_BODY_BYTES + REQUEST_BODY_SLACK, REQUEST_OUT_BYTES);
	conn_start_sink(&request->conn);
	if (natives->unused != NULL)
		expect(natives->unused, sizeof *natives->unused);
	request->source = datagram->peer.source;
	request->body_at = request->memory + HEAD_BYTES_MAX;
	request->body_bytes_max = REQUEST_BODY_BYTES;
	request->native = (struct request_native){.is = true,
						  .spread = request->native.spread,
						  .has_datagram = true,
						  .buffer = datagram->buffer,
						  .peer = datagram->peer};
	return request;
}

/* At least half of the slots that are free may be without. */
static unsigned spread_max(const struct config *config)
{
	size_t total = SPREAD_MIN;

	for (size_t i = 0; i < config->upstream_cnt; i++)
		total += config->upstreams[i].in_flight;
	return total < config->native.requests ? (unsigned)total : config->native.requests;
}

/* The pages that are wholly behind the body. */
static void give_pages_back(const struct request *request)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t begin = (uintptr_t)request->conn.out, end = (uintptr_t)request->memory + REQUEST_SLOT_BYTES;

	begin = (begin + page - 1) & ~(page - 1);
	end &= ~(page - 1);
	madvise((void *)begin, end - begin, MADV_DONTNEED);
}

void natives_give(struct request *request)
{
	struct natives *natives = &request->worker->natives;

	if (request->native.spread && natives->spread_cnt > spread_max(request->worker->config)) {
		give_pages_back(request);
		request->native.spread = false;
		natives->spread_cnt--;
	}
	request->next = natives->unused;
	natives->unused = request;
}

void natives_drop_datagram(struct request *request)
{
	if (!request->native.has_datagram)
		return;
	request->native.has_datagram = false;
	request->native.order.calldata = (struct span){0};
	udp_give_back(request->worker->natives.udp, request->native.buffer);
}

void natives_spread(struct request *request)
{
	if (!request->native.is || request->native.spread)
		return;
	request->native.spread = true;
	request->worker->natives.spread_cnt++;
}
