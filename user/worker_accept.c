// SPDX-License-Identifier: Apache-2.0
#include "worker_accept.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "answer.h"
#include "base/clock.h"
#include "gate.h"
#include "proxy_header.h"
#include "worker.h"

#define DRAIN_FIRST_MS 1000

_Static_assert(PROXY_HEADER_BYTES_MAX <= HEAD_BYTES_MAX, "it is gathered where the head goes afterwards");

/* --- memory --- */

static size_t entrance_memory(const struct config *config)
{
	return config_has_tls(config) ? config->connections * (size_t)TLS_OUT_BYTES + TLS_RECORD_BYTES : 0;
}

size_t entrance_bytes(const struct config *config)
{
	size_t library = config_has_tls(config) ? config->connections * (sizeof(struct tls) + TLS_SESSION_BYTES) : 0;

	return entrance_memory(config) + library;
}

int entrance_init(struct worker *worker)
{
	struct entrance *entrance = &worker->entrance;

	entrance->memory_bytes = entrance_memory(worker->config);
	if (entrance->memory_bytes == 0)
		return 0;
	entrance->tls = calloc(worker->config->connections, sizeof *entrance->tls);
	entrance->memory = mmap(NULL, entrance->memory_bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return entrance->tls == NULL || entrance->memory == MAP_FAILED ? -ENOMEM : 0;
}

void entrance_fini(struct worker *worker)
{
	struct entrance *entrance = &worker->entrance;

	if (entrance->memory != NULL && entrance->memory != MAP_FAILED)
		munmap(entrance->memory, entrance->memory_bytes);
	free(entrance->tls);
}

/* --- a place --- */

/* All zero: the peer is gone already. */
static struct in6_addr source_of(int fd)
{
	struct sockaddr_storage peer = {0};
	socklen_t peer_bytes = sizeof peer;
	struct in6_addr source = IN6ADDR_ANY_INIT;

	if (getpeername(fd, (struct sockaddr *)&peer, &peer_bytes) < 0)
		return source;
	if (peer.ss_family == AF_INET6)
		return ((struct sockaddr_in6 *)&peer)->sin6_addr;
	if (peer.ss_family == AF_INET) {
		source.s6_addr[10] = source.s6_addr[11] = 0xff;
		memcpy(&source.s6_addr[12], &((struct sockaddr_in *)&peer)->sin_addr, 4);
	}
	return source;
}

/* No slot: says so without one, where it can be said in plain text, and closes. */
static void turn_away(struct worker *worker, int fd, bool plain)
{
	char text[2048];
	struct refusal refusal = {.reason = MEMORY_FULL, .retry_after_s = 1, .close = true};
	size_t bytes = reply_refusal(text, sizeof text, &refusal);

	stats_add(&worker->stats.refused[MEMORY_FULL], 1);
	ssize_t sent = plain ? send(fd, text, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	(void)sent;
	close(fd);
}

void worker_await_first(struct worker *worker, struct request *request)
{
	bool draining = atomic_load_explicit(&worker->draining, memory_order_relaxed);
	unsigned ms = worker->config->timeouts.head_ms;

	wheel_set(&worker->wheel, &request->timer,
		  clock_coarse_ms() + (draining && ms > DRAIN_FIRST_MS ? DRAIN_FIRST_MS : ms));
}

/* Ends a connection that no request came on. */
static void refuse(struct request *request, enum reason reason)
{
	answer_count(request, reason);
	gate_client_gone(request);
}

/* --- TLS --- */

static void secure(struct request *request)
{
	struct worker *worker = request->worker;
	struct entrance *entrance = &worker->entrance;
	size_t idx = (size_t)(request - worker->requests), all = worker->config->connections;
	struct tls *tls = &entrance->tls[idx];

	request->awaits_tls = false;
	if (entrance->securing_cnt >= (all + 1) / 2 ||
	    tls_start(tls, worker->shared->tls, entrance->memory + TLS_RECORD_BYTES + idx * TLS_OUT_BYTES,
		      entrance->memory) != 0) {
		refuse(request, MEMORY_FULL);
		return;
	}
	entrance->securing_cnt++;
	conn_secure(&request->conn, tls);
}

/* The way to the first request is over, well or not. */
static void entered(struct request *request)
{
	if (request->entering && request->conn.tls != NULL)
		request->worker->entrance.securing_cnt--;
	request->entering = false;
}

static const enum reason fault_reasons[] = {
	[TLS_FAULT_BAD] = TLS_BAD, [TLS_FAULT_PLAIN] = TLS_PLAIN, [TLS_FAULT_REFUSED] = TLS_REFUSED};

void worker_insecure(struct conn *conn)
{
	struct request *request = conn->owner;
	struct tls *tls = conn->tls;
	char text[2048];

	if (request->stage != STAGE_HEAD || request->began_ns != 0) {
		gate_client_gone(request);
		return;
	}
	answer_count(request, fault_reasons[tls->fault]);
	if (tls->fault == TLS_FAULT_PLAIN) { /* who does not speak TLS reads no alert */
		struct refusal refusal = {.reason = TLS_PLAIN, .close = true};
		tls_put(tls, span_of(text, reply_refusal(text, sizeof text, &refusal)));
	}
	entered(request);
	conn_finish(conn);
}

void worker_leave(struct request *request)
{
	entered(request);
	if (request->conn.tls != NULL)
		tls_end(request->conn.tls);
	request->conn.tls = NULL;
}

/* --- the proxy's word --- */

static bool may_speak(const struct config *config, const struct in6_addr *proxy)
{
	for (size_t i = 0; i < config->trusted_proxy_cnt; i++)
		if (memcmp(&config->trusted_proxies[i], proxy, sizeof *proxy) == 0)
			return true;
	return false;
}

static size_t take_proxy(struct request *request, struct span bytes)
{
	struct proxy_header header;
	size_t before = request->head_bytes, room = PROXY_HEADER_BYTES_MAX - before;
	size_t copy = bytes.bytes < room ? bytes.bytes : room;

	memcpy(request->head_at + before, bytes.at, copy);
	request->head_bytes += copy;
	enum proxy_result result = proxy_header_read(&header, span_of(request->head_at, request->head_bytes));
	if (result == PROXY_MORE)
		return copy;
	if (result == PROXY_WRONG) {
		refuse(request, PROXY_BAD);
		return copy;
	}
	request->head_bytes = 0;
	request->awaits_proxy = false;
	if (header.has_source) {
		request->source = header.source;
		request->proxied = true;
	}
	return header.bytes - before;
}

size_t worker_enter(struct request *request, struct span bytes)
{
	struct stats *stats = &request->worker->stats;
	size_t taken = 0;

	if (request->awaits_proxy) {
		taken = take_proxy(request, bytes);
		if (request->awaits_proxy)
			return taken;
	}
	if (request->awaits_tls) {
		secure(request);
		conn_resume(&request->conn); /* what came with the header is the session's already */
		return taken;
	}
	if (request->conn.tls != NULL) {
		stats_add(&stats->tls_sessions, 1);
		if (tls_resumed(request->conn.tls))
			stats_add(&stats->tls_resumed, 1);
	}
	entered(request);
	return taken;
}

void worker_late(struct request *request)
{
	const struct tls *tls = request->conn.tls;
	bool begun = request->head_bytes > 0 || (tls != NULL && tls->heard && tls->state == TLS_HANDSHAKE);

	if (begun && request->stage == STAGE_HEAD)
		answer_count(request, CLIENT_SLOW);
}

/* --- accepting --- */

static void begin(struct worker *worker, struct request *request, unsigned listener, int fd)
{
	const struct config *config = worker->config;

	conn_init(&request->conn, worker->ring, &worker_client_events, request,
		  request->memory + HEAD_BYTES_MAX + REQUEST_BODY_BYTES + REQUEST_BODY_SLACK, REQUEST_OUT_BYTES);
	request->source = source_of(fd);
	request->stage = STAGE_HEAD;
	request->id = request->mark_ns = 0;
	request->late = worker->drain_begun && !worker->deaf;
	request->awaits_tls = config->listen_tls[listener];
	request->awaits_proxy = config_proxied(config, listener);
	request->entering = request->awaits_tls || request->awaits_proxy;
	request->proxied = false;
}

void worker_accepted(void *ctx, unsigned listener, int fd)
{
	struct worker *worker = ctx;
	const struct config *config = worker->config;
	struct request *request = worker->unused;

	stats_add(&worker->stats.connections_accepted, 1);
	if (request == NULL) {
		turn_away(worker, fd, !config->listen_tls[listener]);
		return;
	}
	worker->unused = request->next;
	worker->open_cnt++;
	stats_add(&worker->stats.connections_open, 1);
	begin(worker, request, listener, fd);
	worker_await_first(worker, request);
	conn_start(&request->conn, fd);
	if (request->awaits_proxy && IN6_IS_ADDR_UNSPECIFIED(&request->source))
		gate_client_gone(request); /* a proxy's look whether somebody listens ends so */
	else if (request->awaits_proxy && !may_speak(config, &request->source))
		refuse(request, PROXY_UNTRUSTED);
	else if (request->awaits_tls && !request->awaits_proxy)
		secure(request);
}
