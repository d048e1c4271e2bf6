/* SPDX-License-Identifier: Apache-2.0 */
#include "node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "access.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "checks.h"
#include "funds_look.h"
#include "hash.h"
#include "node_money.h"
#include "node_native.h"
#include "node_tls.h"
#include "node_upstreams.h"
#include "reason.h"
#include "results.h"
#include "settlers.h"
#include "sys/activation.h"
#include "sys/sandbox.h"
#include "sys/store.h"
#include "times_history.h"
#include "worker.h"

#define LISTEN_BACKLOG 4096
#define USAGE_MAX 65536 /* payers whose limits are counted at one time */
#define WORKERS_MAX 256

struct node {
	struct config *config;
	struct filter *filter;
	struct shared shared;
	struct node_money money;
	struct checks *checks;
	struct worker *workers;
	unsigned worker_cnt, started_cnt;
	uint64_t start_ns;
	bool draining;
	struct times *times; /* as the workers', all of them together; the main thread's */
	struct times_history *history;
};

static bool any_paid(const struct config *config)
{
	for (size_t i = 0; i < config->route_cnt; i++)
		if (config->routes[i].offer_cnt > 0)
			return true;
	return false;
}

/* --- listeners --- */

/* The service manager's socket at this address, if it made one: it has an owner of another user's name, so that no worker
 * could have a socket of its own beside it. */
static int listen_on_activated(const struct sockaddr_storage *address, unsigned worker)
{
	int one = 1, fd = activation_take(address, SOCK_STREAM, worker);

	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

static int listen_on(const struct sockaddr_storage *address)
{
	socklen_t bytes = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	int one = 1;
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* accepted sockets inherit it */
	/* A ring that just ended gives its port back a few milliseconds late. */
	for (int tries = 0; bind(fd, (const struct sockaddr *)address, bytes) < 0; tries++) {
		int error = -errno;
		if (error != -EADDRINUSE || tries == 20) {
			close(fd);
			return error;
		}
		usleep(10000);
	}
	if (listen(fd, LISTEN_BACKLOG) < 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

static int open_listeners(const struct config *config, unsigned worker, int fds[LISTENS_MAX])
{
	for (size_t i = 0; i < config->listen_cnt; i++) {
		fds[i] = listen_on_activated(&config->listens[i], worker);
		if (fds[i] == -ENOENT)
			fds[i] = listen_on(&config->listens[i]);
		if (fds[i] < 0) {
			log_error("event=listen listen=%zu error=%d", i, -fds[i]);
			for (size_t k = 0; k < i; k++)
				close(fds[k]);
			return fds[i];
		}
	}
	return 0;
}

static int open_natives(const struct config_native *config, int fds[LISTENS_MAX])
{
	for (size_t i = 0; i < config->listen_cnt; i++) {
		fds[i] = udp_bind(&config->listens[i]);
		if (fds[i] < 0) {
			log_error("event=listen native=%zu error=%d", i, -fds[i]);
			for (size_t k = 0; k < i; k++)
				close(fds[k]);
			return fds[i];
		}
	}
	return 0;
}

/* --- the filter --- */

static void penalize(void *ctx, const struct in6_addr *source, enum reason reason)
{
	const struct node *node = ctx;
	struct tollbar_standing entry;
	char shown[INET6_ADDRSTRLEN];
	uint64_t now_ns = clock_ns();

	filter_standing_get(node->filter, source, &entry);
	if (!standing_penalize(&entry, node->config->filter.penalty_s, reason, now_ns))
		return;
	int error = filter_standing_put(node->filter, source, &entry);
	inet_ntop(AF_INET6, source, shown, sizeof shown);
	log_info("event=penalty source=%s reason=%s seconds=%llu offences=%u error=%d", shown, reason_word(reason),
		 (unsigned long long)((entry.until_ns - now_ns) / 1000000000u), entry.offences, -error);
}

static void claimed(void *ctx, const struct claim_key *key)
{
	const struct node *node = ctx;

	filter_native_claimed(node->filter, key->chain_id, &key->from, &key->nonce);
}

static void open_source(void *ctx, const struct in6_addr *source, uint64_t until_ns)
{
	const struct node *node = ctx;
	int error = filter_open_source(node->filter, source, until_ns);

	if (error != 0)
		log_warn("event=open_source error=\"%s\"", strerror(-error));
}

/* What the kernel remembers of a proxy from before it was trusted ends here; an operator's word about it stays. */
static void pardon_proxies(const struct node *node)
{
	for (size_t i = 0; i < node->config->trusted_proxy_cnt; i++) {
		struct tollbar_standing entry;
		if (filter_standing_get(node->filter, &node->config->trusted_proxies[i], &entry) == 0 &&
		    entry.reason != REASON_OK)
			filter_standing_clear(node->filter, &node->config->trusted_proxies[i]);
	}
}

/* Sets of histograms: of requests without a route, and of each route. */
static size_t times_cnt(const struct node *node)
{
	return node->config->route_cnt + 1;
}

static const struct times *times_now(struct node *node)
{
	memset(node->times, 0, times_cnt(node) * sizeof *node->times);
	for (unsigned i = 0; i < node->started_cnt; i++)
		for (size_t set = 0; set < times_cnt(node); set++)
			times_merge(&node->times[set], &node->workers[i].times[set]);
	return node->times;
}

void node_tick(struct node *node)
{
	uint64_t now_s = clock_ns() / 1000000000u;

	if (node->filter != NULL)
		filter_native_clock(node->filter, clock_unix_s());
	if (node->shared.sessions != NULL)
		sessions_tend(node->shared.sessions, clock_unix_s());
	if (node->shared.tls != NULL)
		tls_server_tend(node->shared.tls, now_s);
	if (node->shared.results != NULL)
		results_tend(node->shared.results, clock_coarse_ms());
	queue_tend(node->shared.queue, clock_coarse_ms());
	if (times_history_due(node->history, now_s))
		times_history_note(node->history, times_now(node), now_s);
}

void node_tend(struct node *node)
{
	if (node->filter != NULL) {
		filter_standing_sweep(node->filter, STANDING_FORGET_S * UINT64_C(1000000000));
		filter_opened_sweep(node->filter);
		filter_trace_expire(node->filter);
	}
}

/* --- start --- */

static unsigned worker_cnt_of(const struct config *config)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned cnt = config->workers > 0 ? config->workers : (unsigned)(cores > 0 ? cores : 1);

	return cnt < WORKERS_MAX ? cnt : WORKERS_MAX;
}

static int load_payers(struct node *node)
{
	const char *path = node->config->payers_file;
	int found = payers_load(node->shared.payers, path[0] != 0 ? path : NULL, stderr);

	if (found != 0)
		log_warn("event=payers_load file=%s mistakes=%d", path, found);
	return found;
}

static struct results_config results_config_of(const struct config *config)
{
	return (struct results_config){.entries = config->native.results,
				       .bytes = config->native.results_bytes,
				       .keep_ms = (uint64_t)config->native.keep_s * 1000};
}

static int open_access(struct node *node)
{
	const char *path = node->config->access_log;
	int error = path[0] != 0 ? access_open(&node->shared.access, path, node->worker_cnt) : 0;

	if (error < 0)
		log_error("event=access_open file=%s error=%d", path, -error);
	return error;
}

static int open_sieve(struct node *node)
{
	struct shared *shared = &node->shared;

	if (node->config->native.listen_cnt > 0) {
		shared->claimed = claimed;
		shared->open_source = open_source;
	}
	return node_filter_found(node);
}

int node_filter_found(struct node *node)
{
	const struct shared *shared = &node->shared;

	return node_native_set(node->filter, node->config, shared->payers, shared->cookie_key);
}

static int open_shared(struct node *node)
{
	struct shared *shared = &node->shared;

	shared->config = node->config;
	if (worker_choose_loop(node->config) < 0)
		return -EPERM;
	if (!verify_engine_runs(worker_engine(node->config))) {
		log_error("event=engine engine=%s error=\"this CPU lacks what it needs\"",
			  verify_engine_name(worker_engine(node->config)));
		return -ENOTSUP;
	}
	if (getrandom(shared->key, sizeof shared->key, 0) != sizeof shared->key ||
	    getrandom(shared->cookie_key, sizeof shared->cookie_key, 0) != sizeof shared->cookie_key)
		return -EIO;
	struct queue_config queue = node_queue_config(node->config, shared->key);
	shared->queue = queue_init(&queue);
	shared->payers = payers_init(USAGE_MAX);
	shared->reply = reply_init(node->config);
	if (shared->queue == NULL || shared->payers == NULL || shared->reply == NULL)
		return -ENOMEM;
	if (node->config->native.listen_cnt > 0) {
		struct results_config results = results_config_of(node->config);
		shared->results = results_init(&results);
		if (shared->results == NULL)
			return -ENOMEM;
	}
	if (node->filter != NULL) {
		shared->standing = standing_init(node->config, shared->key);
		if (shared->standing == NULL)
			return -ENOMEM;
		shared->penalize = penalize;
		shared->kernel_ctx = node;
		pardon_proxies(node);
	}
	int error = open_access(node);
	if (error == 0)
		error = node_tls_open(&shared->tls, node->config);
	if (error == 0 && load_payers(node) != 0)
		error = -EINVAL;
	return error == 0 && node->filter != NULL ? open_sieve(node) : error;
}

static void print_memory(const struct node *node)
{
	struct worker_memory memory;
	const double mib = 1024 * 1024;
	const struct funds *funds = node->shared.funds;
	struct results_config results = results_config_of(node->config);
	struct queue_config queue = node_queue_config(node->config, node->shared.key);

	worker_memory(&memory, node->config);
	log_info("event=memory workers=%u connections=%u slots_mib=%.1f receive_mib=%.1f upstream_mib=%.1f "
		 "large_mib=%.1f native_mib=%.1f tls_mib=%.1f results_mib=%.1f verify_mib=%.1f total_mib=%.1f "
		 "replies_kib=%zu "
		 "standing_kib=%zu sessions_kib=%zu queue_kib=%zu "
		 "funds_mib=%.1f settle_data_kib=%zu "
		 "claims=%zu "
		 "journal_mib=%.1f engine=%s loop=%s",
		 node->worker_cnt, node->config->connections, (double)memory.slots / mib, (double)memory.buffers / mib,
		 (double)memory.upstream / mib, (double)memory.slab / mib, (double)memory.native / mib,
		 (double)memory.tls / mib, node->shared.results != NULL ? (double)results_bytes(&results) / mib : 0.0,
		 (double)memory.verifier / mib, ((double)memory.total * node->worker_cnt + (double)memory.shared) / mib,
		 reply_bytes(node->shared.reply) / 1024, node->shared.standing != NULL ? standing_bytes() / 1024 : 0,
		 node->shared.sessions != NULL ? sessions_bytes(node->config->sessions) / 1024 : 0,
		 queue_bytes(&queue) / 1024,
		 funds != NULL ? (double)(funds_bytes(funds) + funds_look_bytes(node->money.look)) / mib : 0.0,
		 settlers_data_bytes(node->config) / 1024, node->config->claims,
		 node->shared.ledger == NULL ? 0.0 : (double)store_memory(node->config->ledger_bytes) / mib,
		 verify_engine_name(worker_engine(node->config)), worker_loop());
}

static int start_workers(struct node *node)
{
	node->workers = calloc(node->worker_cnt, sizeof *node->workers);
	if (node->workers == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < node->worker_cnt; i++) {
		struct worker *worker = &node->workers[i];
		int fds[LISTENS_MAX], native_fds[LISTENS_MAX];
		int error = open_listeners(node->config, i, fds);
		if (error == 0)
			error = open_natives(&node->config->native, native_fds);
		if (error == 0)
			error = worker_start(worker, &node->shared, i, fds, native_fds);
		if (error < 0)
			return error;
		node->started_cnt++;
		while (atomic_load(&worker->state) == WORKER_STARTING)
			usleep(500);
		if (atomic_load(&worker->state) < 0)
			return atomic_load(&worker->state);
	}
	return 0;
}

int node_start(struct node **out, struct config *config, const struct sockaddr_storage *peers, struct filter *filter)
{
	struct node *node = calloc(1, sizeof *node);

	if (node == NULL)
		return -ENOMEM;
	node->config = config;
	node->filter = filter;
	node->shared.peers = peers;
	node->start_ns = clock_ns();
	node->worker_cnt = worker_cnt_of(config);
	node->times = calloc(times_cnt(node), sizeof *node->times);
	node->history = times_history_init(times_cnt(node));
	if (node->times == NULL || node->history == NULL) {
		node_stop(node);
		return -ENOMEM;
	}
	for (size_t i = 0; i < config->offer_cnt; i++)
		hash_domain(&config->offers[i].domain_separator, &config->offers[i]);
	int error = open_shared(node);
	if (error == 0 && any_paid(config) && config->chain_cnt > 0)
		error = funds_open(&node->shared.funds, config);
	if (error == 0 && any_paid(config))
		error = node_money_open(&node->money, config, &node->shared);
	if (error == 0)
		error = checks_start(&node->checks, config, node->shared.queue);
	if (error == 0) {
		print_memory(node);
		error = start_workers(node);
	}
	if (error < 0) {
		node_stop(node);
		return error;
	}
	*out = node;
	return 0;
}

int node_reload(struct node *node)
{
	int mistakes = load_payers(node);

	if (mistakes == 0)
		log_info("event=payers_loaded file=%s", node->config->payers_file);
	if (mistakes == 0 && node->filter != NULL)
		node_native_payers(node->filter, node->config, node->shared.payers);
	if (node->shared.tls != NULL)
		node_tls_reload(node->shared.tls, node->config);
	if (node->shared.access != NULL)
		access_reopen(node->shared.access);
	return mistakes;
}

/* --- end --- */

void node_drain(struct node *node)
{
	node->draining = true;
	if (node->shared.sessions != NULL)
		sessions_drain(node->shared.sessions);
	for (unsigned i = 0; i < node->started_cnt; i++) {
		atomic_store(&node->workers[i].draining, true);
		worker_wake(&node->workers[i]);
	}
}

/* But for proofs that a facilitator would not take, and that wait for another try. */
static bool proofs_told(struct node *node)
{
	struct settle_stats stats;

	if (node->shared.settlers == NULL)
		return true;
	settlers_stats(node->shared.settlers, &stats);
	return stats.data.waiting == stats.data.paused;
}

bool node_drained(struct node *node)
{
	for (unsigned i = 0; i < node->started_cnt; i++)
		if (atomic_load(&node->workers[i].state) == WORKER_RUNNING)
			return false;
	return (node->shared.ledger == NULL || ledger_unsettled(node->shared.ledger) == 0) && proofs_told(node);
}

static void join_workers(struct node *node)
{
	node_drain(node);
	for (unsigned i = 0; i < node->started_cnt; i++) {
		atomic_store(&node->workers[i].cutting, true);
		worker_wake(&node->workers[i]);
		pthread_join(node->workers[i].thread, NULL);
	}
}

void node_stop(struct node *node)
{
	join_workers(node);
	checks_stop(node->checks);
	node_money_close(&node->money);
	sessions_fini(node->shared.sessions);
	funds_close(node->shared.funds);
	results_fini(node->shared.results);
	access_close(node->shared.access);
	tls_server_close(node->shared.tls);
	standing_fini(node->shared.standing);
	reply_fini(node->shared.reply);
	payers_fini(node->shared.payers);
	queue_fini(node->shared.queue);
	for (unsigned i = 0; i < node->started_cnt; i++)
		mailbox_fini(&node->workers[i].mailbox); /* nobody is left who could write to one */
	for (unsigned i = 0; node->workers != NULL && i < node->worker_cnt; i++)
		free(node->workers[i].times);
	times_history_fini(node->history);
	free(node->times);
	free(node->workers);
	free(node);
}

/* --- what can be seen --- */

bool node_works(const struct node *node)
{
	uint64_t now_ms = clock_coarse_ms();
	bool all = true;

	for (unsigned i = 0; i < node->started_cnt; i++) {
		const struct worker *worker = &node->workers[i];
		uint64_t round_ms = atomic_load_explicit(&worker->round_ms, memory_order_relaxed);

		if (atomic_load(&worker->state) != WORKER_RUNNING || now_ms < round_ms + NODE_ROUND_MS)
			continue;
		log_error("event=worker_stuck worker=%u ms=%llu", i, (unsigned long long)(now_ms - round_ms));
		all = false;
	}
	return all;
}

static void look_at_kernel(const struct node *node, struct admin_kernel *kernel)
{
	struct tollbar_counters counters;
	struct filter_traced traced;

	if (node->filter == NULL || filter_counters(node->filter, &counters) < 0)
		return;
	kernel->attached = !filter_state(node->filter).lost;
	kernel->generic = filter_state(node->filter).generic;
	filter_standing_count(node->filter, &kernel->standing_live, &kernel->standing_over);
	if (filter_traced(node->filter, &traced) == 0) {
		kernel->trace_sent = traced.sent;
		kernel->trace_limited = traced.limited;
		kernel->trace_lost = traced.lost;
	}
	memcpy(kernel->interface, node->config->interface, sizeof kernel->interface);
	for (size_t i = 0; i < TOLLBAR_REASON_CNT; i++) {
		kernel->packets[i] = counters.packets[i];
		kernel->observed[i] = counters.observed[i];
	}
}

void node_look(void *ctx, struct admin_view *view)
{
	struct node *node = ctx;

	memset(view, 0, sizeof *view);
	view->uptime_s = (clock_ns() - node->start_ns) / 1000000000u;
	view->worker_cnt = node->worker_cnt;
	view->engine = worker_engine(node->config);
	view->loop = worker_loop();
	view->sandbox = sandbox_state();
	for (unsigned i = 0; i < node->started_cnt; i++)
		stats_merge(&view->total, &node->workers[i].stats);
	const struct times *times = times_now(node);
	for (size_t set = 0; set < times_cnt(node); set++)
		times_merge(&view->times, &times[set]);
	if (node->shared.ledger != NULL) {
		view->has_ledger = true;
		ledger_stats(node->shared.ledger, &view->ledger);
		settlers_stats(node->money.settlers, &view->settle);
	}
	view->has_sessions = node->shared.sessions != NULL;
	if (view->has_sessions)
		session_stats(node->shared.sessions, &view->sessions);
	if (node->shared.funds != NULL)
		funds_stats(node->shared.funds, &view->funds);
	view->has_native = node->shared.results != NULL;
	if (view->has_native)
		results_stats(node->shared.results, &view->results);
	funds_look_stats(node->money.look, view->found);
	if (node->shared.access != NULL)
		access_stats(node->shared.access, &view->access);
	node_look_queue(node->shared.queue, node->config, view);
	look_at_kernel(node, &view->kernel);
	if (node->draining)
		view->not_ready = "draining";
	else if (view->ledger.store_down)
		view->not_ready = "store_down";
	view->ready = view->not_ready == NULL;
}

/* What one set of histograms holds goes into the view; the moment since which that is. */
static uint64_t look_at_times(const struct node *node, struct admin_overhead *view, size_t set, uint64_t since_s)
{
	if (view->since_s != 0)
		return times_history_since(node->history, &view->times, set, &node->times[set], since_s);
	times_merge(&view->times, &node->times[set]);
	return node->start_ns / 1000000000u;
}

bool node_look_overhead(void *ctx, struct admin_overhead *view)
{
	struct node *node = ctx;
	uint64_t now_s = clock_ns() / 1000000000u, since_s = now_s > view->since_s ? now_s - view->since_s : 0;
	bool found = view->route[0] == 0;

	times_now(node);
	for (size_t set = 0; set < times_cnt(node); set++) {
		const char *name = set > 0 ? node->config->routes[set - 1].name : "";
		if (view->route[0] != 0 && strcmp(name, view->route) != 0)
			continue;
		found = true;
		view->covers_s = now_s - look_at_times(node, view, set, since_s);
	}
	view->route_cnt = node->config->route_cnt;
	for (size_t i = 0; i < view->route_cnt; i++)
		view->routes[i] = node->config->routes[i].name;
	return found;
}
