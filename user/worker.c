/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "answer.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/probe.h"
#include "gate.h"
#include "gate_native.h"
#include "gate_results.h"
#include "sys/sandbox.h"

#define BUFFER_BYTES 4096
#define BUFFERS_MIN 256
#define BUFFERS_MAX 32768
#define SLAB_BUFFERS_MIN 4
#define REPEATS 8192 /* authorisations remembered: 1 MiB, and a second or more at full speed */

#define container_of(at, type, member) ((type *)(void *)((char *)(at)-offsetof(type, member)))

/* --- sizes --- */

static size_t in_flight_total(const struct config *config)
{
	size_t total = 0;

	for (size_t i = 0; i < config->upstream_cnt; i++)
		total += config->upstreams[i].in_flight;
	return total;
}

/* Answers that may come in at one time. */
static size_t running_max(const struct config *config)
{
	size_t cnt = in_flight_total(config);

	return cnt < config->connections ? cnt : config->connections;
}

/* Twice as many as requests may be running here: of those that were cancelled the connections are still closing when
 * others have their places, and some are idle at another upstream. */
static size_t upstream_conn_cnt(const struct config *config)
{
	return (running_max(config) + config->upstream_cnt) * 2;
}

/* A multishot receive fills at most 32 buffers before a pause takes hold, so what slow readers can pin is bounded by the
 * answers that may run at one time.  A client's connection pins one. */
static unsigned buffer_cnt(const struct config *config)
{
	size_t wanted = running_max(config) * 32 + config->connections;
	unsigned cnt = BUFFERS_MIN;

	while (cnt < wanted && cnt < BUFFERS_MAX)
		cnt *= 2;
	return cnt;
}

static size_t slab_buffer_bytes(const struct config *config)
{
	size_t body = config->body_bytes_max + REQUEST_BODY_SLACK;

	return body > config->response_bytes_max ? body : config->response_bytes_max;
}

static size_t slab_buffer_cnt(const struct config *config)
{
	size_t cnt = config->queue_bytes / slab_buffer_bytes(config);

	return cnt > SLAB_BUFFERS_MIN ? cnt : SLAB_BUFFERS_MIN;
}

static struct ring_config ring_config_of(const struct config *config)
{
	return (struct ring_config){.buffer_cnt = buffer_cnt(config),
				    .buffer_bytes = BUFFER_BYTES,
				    .datagram_cnt = config->native.listen_cnt > 0 ? NATIVE_BUFFERS : 0};
}

int worker_choose_loop(const struct config *config)
{
	static const enum ring_loop loops[] = {
		[CHOOSE_LOOP] = RING_AUTO, [CHOOSE_URING] = RING_URING, [CHOOSE_EPOLL] = RING_EPOLL};
	const char *chosen = ring_choose(loops[config->event_loop]);

	if (chosen == NULL)
		log_error("event=loop loop=io_uring error=\"not allowed here\" help=\"allow it (seccomp of the "
			  "container, "
			  "kernel.io_uring_disabled), or event_loop = auto\"");
	else if (config->event_loop == CHOOSE_LOOP && strcmp(chosen, "epoll") == 0)
		log_warn("event=loop loop=epoll note=\"io_uring is not allowed here: requests cost more\"");
	return chosen != NULL ? 0 : -EPERM;
}

const char *worker_loop(void)
{
	return ring_chosen();
}

enum verify_engine worker_engine(const struct config *config)
{
	switch (config->engine) {
	case CHOOSE_LIBSECP256K1:
		return ENGINE_SECP256K1;
	case CHOOSE_PORTABLE:
		return ENGINE_PORTABLE;
	case CHOOSE_AVX512:
		return ENGINE_AVX512;
	default:
		return verify_engine_best();
	}
}

static struct verify_config verify_config_of(const struct config *config, const uint8_t *seed)
{
	return (struct verify_config){.seed = seed,
				      .engine = worker_engine(config),
				      .signer_bytes = config->signer_cache_bytes,
				      .repeat_cnt = REPEATS};
}

void worker_memory(struct worker_memory *memory, const struct config *config)
{
	struct ring_config ring = ring_config_of(config);
	struct verify_config verify = verify_config_of(config, NULL);

	memory->slots = config->connections * (REQUEST_SLOT_BYTES + sizeof(struct request));
	memory->native = natives_bytes(config);
	memory->buffers = ring_bytes(&ring);
	memory->upstream = forward_bytes(upstream_conn_cnt(config));
	memory->slab = slab_buffer_cnt(config) * slab_buffer_bytes(config);
	memory->verifier = verify_bytes(&verify);
	memory->tls = entrance_bytes(config);
	memory->total = memory->slots + memory->native + memory->buffers + memory->upstream + memory->slab +
			memory->verifier + memory->tls;
	memory->shared = verify_shared_bytes(&verify);
}

/* --- a client's connection --- */

static size_t take_head(struct request *request, struct span bytes)
{
	enum parse_result result;

	if (request->began_ns == 0) {
		stats_add(&request->worker->stats.requests, 1);
		request->began_ns = request->mark_ns = clock_ns();
		request->sent_before = request->conn.sent_bytes;
		request->id = (uint64_t)request->worker->idx << 48 | ++request->worker->request_id;
		PROBE2(begin, request->id, request->conn.fd);
		wheel_set(&request->worker->wheel, &request->timer,
			  clock_coarse_ms() + request->worker->config->timeouts.head_ms);
	}
	size_t taken = request_take_head(request, bytes, &result);
	if (result != PARSE_MORE) {
		STEP_END(request, HEAD, head);
		gate_head(request, result);
	}
	return taken;
}

static size_t take_body(struct request *request, struct span bytes)
{
	enum reason reason = REASON_OK;
	size_t taken = request_take_body(request, bytes, &reason);

	if (reason != REASON_OK)
		answer_refuse(request, reason);
	else if (request->body_done && request->stage == STAGE_BODY)
		gate_body(request);
	return taken;
}

static size_t discard(struct request *request, struct span bytes)
{
	size_t take = bytes.bytes < request->discard_left ? bytes.bytes : (size_t)request->discard_left;

	request->discard_left -= take;
	if (request->discard_left == 0)
		answer_done(request);
	return take;
}

static size_t client_received(struct conn *conn, struct span bytes)
{
	struct request *request = conn->owner;
	size_t taken = request->entering ? worker_enter(request, bytes) : 0;

	while (taken < bytes.bytes && !conn->closing && !conn->finish && !request->entering) {
		struct span rest = span_of(bytes.at + taken, bytes.bytes - taken);
		bool wants_body =
			(request->stage == STAGE_BODY || request->stage == STAGE_VERIFY) && !request->body_done;

		if (request->stage == STAGE_HEAD)
			taken += take_head(request, rest);
		else if (wants_body)
			taken += take_body(request, rest);
		else if (request->stage == STAGE_DISCARD)
			taken += discard(request, rest);
		else
			break; /* the next request waits until this one is answered */
	}
	return conn->closing || conn->finish ? bytes.bytes : taken;
}

static void client_ended(struct conn *conn, int error)
{
	struct request *request = conn->owner;

	if (error == 0 && request->stage == STAGE_SEND && !conn_idle_out(conn)) {
		conn_finish(conn); /* it has said all it wants to say, and still listens */
		return;
	}
	gate_client_gone(request);
}

static void client_drained(struct conn *conn)
{
	struct request *request = conn->owner;

	if (request->stage == STAGE_SEND)
		answer_next(request);
	else if (request->stage == STAGE_FORWARD)
		forward_resume(&request->exchange);
	else if (request->stage == STAGE_RESULT)
		gate_result_more(request);
}

static void client_closed(struct conn *conn)
{
	struct request *request = conn->owner;
	struct worker *worker = request->worker;

	wheel_cancel(&request->timer);
	worker_leave(request);
	request->stage = STAGE_CLOSED;
	stats_add(&worker->stats.connections_open, (uint64_t)-1);
	worker_free_request(request);
}

const struct conn_events worker_client_events = {
	.received = client_received,
	.ended = client_ended,
	.drained = client_drained,
	.closed = client_closed,
	.insecure = worker_insecure,
};

void worker_free_request(struct request *request)
{
	struct worker *worker = request->worker;

	if (request->stage != STAGE_CLOSED || request->mails_out > 0 || request->enlisted)
		return;
	request_reset(request);
	request->stage = STAGE_FREE;
	worker->open_cnt--;
	if (request->native.is) {
		natives_give(request);
	} else {
		request->next = worker->unused;
		worker->unused = request;
	}
}

static void on_timer(struct timer *timer)
{
	struct request *request = container_of(timer, struct request, timer);

	if (request->entering)
		worker_late(request);
	gate_timeout(request);
}

/* --- mail --- */

static void finish_mail(struct request *request, void (*told)(struct request *))
{
	request->mails_out--;
	told(request);
	worker_free_request(request);
}

static void durable_arrived(struct mail *mail)
{
	finish_mail(container_of(mail, struct request, durable.mail), gate_durable);
}

static void settled_arrived(struct mail *mail)
{
	finish_mail(container_of(mail, struct request, settled.mail), gate_settled);
}

static void granted_arrived(struct mail *mail)
{
	finish_mail(container_of(mail, struct request, ticket.mail), gate_granted);
}

static void funded_arrived(struct mail *mail)
{
	finish_mail(container_of(mail, struct request, funds.question.mail), gate_funded);
}

static void result_arrived(struct mail *mail)
{
	finish_mail(container_of(mail, struct request, reading.mail), gate_result_mailed);
}

static void take_mail(void *ctx)
{
	struct worker *worker = ctx;

	for (struct mail *mail = mailbox_take(&worker->mailbox), *next; mail != NULL; mail = next) {
		next = mail->next;
		mail->arrived(mail);
	}
}

void worker_wake(struct worker *worker)
{
	uint64_t one = 1;
	ssize_t written = write(worker->mailbox.event_fd, &one, sizeof one);
	(void)written;
}

/* --- the thread --- */

static void drain(struct worker *worker)
{
	bool cutting = atomic_load_explicit(&worker->cutting, memory_order_relaxed), begins = !worker->drain_begun;
	bool wanted = natives_drain(worker, cutting);

	worker->drain_begun = true;
	if (!wanted && !worker->deaf) {
		worker->deaf = true;
		ring_stop_accepting(worker->ring);
	}
	forward_close_idle(worker->forward);
	for (size_t i = 0; worker->open_cnt > 0 && i < worker->config->connections; i++) {
		struct request *request = &worker->requests[i];
		bool idle = request->stage == STAGE_HEAD && request->began_ns == 0;
		bool over = request->stage == STAGE_FREE || request->stage >= STAGE_CLOSING;
		bool first = request->conn.sent_bytes == 0;
		if (!over && ((idle && !first && !wanted) || cutting))
			gate_client_gone(request);
		else if (idle && begins)
			worker_await_first(worker, request);
	}
	if (worker->open_cnt == 0 && !wanted && !ring_accepts(worker->ring))
		ring_stop(worker->ring);
}

static bool on_round(void *ctx)
{
	struct worker *worker = ctx;

	gate_native_round(worker);
	worker_verify_round(worker);
	natives_tend(worker);
	uint64_t now_ms = clock_coarse_ms();
	atomic_store_explicit(&worker->round_ms, now_ms, memory_order_relaxed);
	wheel_advance(&worker->wheel, now_ms);
	if (atomic_load_explicit(&worker->draining, memory_order_relaxed))
		drain(worker);
	return worker->verify_first != NULL;
}

void worker_init_request(struct worker *worker, struct request *request, uint8_t *memory)
{
	request_init(request, worker, memory);
	request->timer.fire = on_timer;
	request->durable.box = request->settled.box = request->ticket.box = &worker->mailbox;
	request->durable.mail.arrived = durable_arrived;
	request->settled.mail.arrived = settled_arrived;
	request->ticket.mail.arrived = granted_arrived;
	request->funds.question.box = &worker->mailbox;
	request->funds.question.mail.arrived = funded_arrived;
	request->reading.box = &worker->mailbox;
	request->reading.mail.arrived = result_arrived;
}

static int map_slots(struct worker *worker)
{
	size_t cnt = worker->config->connections;

	worker->requests = calloc(cnt, sizeof *worker->requests);
	worker->memory_bytes = cnt * REQUEST_SLOT_BYTES;
	worker->memory = mmap(NULL, worker->memory_bytes, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (worker->requests == NULL || worker->memory == MAP_FAILED)
		return -ENOMEM;
	for (size_t i = cnt; i-- > 0;) {
		struct request *request = &worker->requests[i];
		worker_init_request(worker, request, worker->memory + i * REQUEST_SLOT_BYTES);
		request->next = worker->unused;
		worker->unused = request;
	}
	return 0;
}

static int start(struct worker *worker)
{
	const struct config *config = worker->config;
	struct ring_config ring = ring_config_of(config);
	uint8_t seed[32];

	if (getrandom(seed, sizeof seed, 0) != sizeof seed)
		return -EIO;
	ring.mailbox = &worker->mailbox;
	ring.ctx = worker;
	ring.accepted = worker_accepted;
	ring.mail = take_mail;
	ring.round = on_round;
	wheel_init(&worker->wheel, clock_coarse_ms());
	worker->verify_last = &worker->verify_first;
	int error = map_slots(worker);
	if (error == 0)
		error = slab_init(&worker->slab, slab_buffer_cnt(config), slab_buffer_bytes(config));
	if (error == 0)
		error = ring_init(&worker->ring, &ring);
	if (error == 0)
		error = natives_init(worker);
	if (error == 0)
		error = entrance_init(worker);
	if (error < 0)
		return error;
	struct forward_config forward = {.config = config,
					 .ring = worker->ring,
					 .wheel = &worker->wheel,
					 .slab = &worker->slab,
					 .peers = worker->shared->peers,
					 .conn_cnt = upstream_conn_cnt(config),
					 .events = &gate_forward_events};
	worker->forward = forward_init(&forward);
	struct verify_config verify = verify_config_of(config, seed);
	worker->verifier = verify_init(&verify);
	return worker->forward == NULL || worker->verifier == NULL ? -ENOMEM : 0;
}

static void end(struct worker *worker)
{
	if (worker->ring != NULL)
		ring_fini(worker->ring);
	natives_fini(worker);
	entrance_fini(worker);
	forward_fini(worker->forward);
	verify_fini(worker->verifier);
	slab_fini(&worker->slab);
	if (worker->memory != NULL && worker->memory != MAP_FAILED)
		munmap(worker->memory, worker->memory_bytes);
	free(worker->requests);
}

static void *run(void *ctx)
{
	struct worker *worker = ctx;
	int error = start(worker);

	if (error < 0) {
		log_error("event=worker_start worker=%u error=%d", worker->idx, -error);
		atomic_store(&worker->state, error);
		end(worker);
		return NULL;
	}
	for (size_t i = 0; i < worker->config->listen_cnt; i++)
		ring_accept(worker->ring, worker->listen_fds[i]);
	natives_listen(worker);
	sandbox_enter_thread(SANDBOX_WORKER);
	atomic_store(&worker->round_ms, clock_coarse_ms());
	atomic_store(&worker->state, WORKER_RUNNING);
	ring_run(worker->ring);
	end(worker);
	atomic_store(&worker->state, WORKER_ENDED);
	return NULL;
}

int worker_start(struct worker *worker, struct shared *shared, unsigned idx, const int *listen_fds,
		 const int *native_fds)
{
	worker->shared = shared;
	worker->config = shared->config;
	worker->idx = idx;
	memcpy(worker->listen_fds, listen_fds, shared->config->listen_cnt * sizeof *listen_fds);
	memcpy(worker->native_fds, native_fds, shared->config->native.listen_cnt * sizeof *native_fds);
	worker->times = calloc(shared->config->route_cnt + 1, sizeof *worker->times);
	if (worker->times == NULL)
		return -ENOMEM;
	int error = mailbox_init(&worker->mailbox);
	if (error < 0)
		return error;
	return -pthread_create(&worker->thread, NULL, run, worker);
}
