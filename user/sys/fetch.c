// SPDX-License-Identifier: Apache-2.0
#include "sys/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

/* 16 KiB suffices for any head; curl's own limit is 100 KiB a line. */
#define ANSWER_HEAD_BYTES_MAX 65536

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool curl_works;
static char no_proxy[1024];

static void init_once(void)
{
	const char *given = getenv("no_proxy");

	if (given == NULL)
		given = getenv("NO_PROXY");
	snprintf(no_proxy, sizeof no_proxy, "localhost,127.0.0.1,::1%s%s", given != NULL ? "," : "",
		 given != NULL ? given : "");
	curl_works = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static int error_of(CURL *easy, CURLcode code)
{
	curl_off_t began_us = 0;

	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_URL_MALFORMAT:
		return -EINVAL;
	case CURLE_UNSUPPORTED_PROTOCOL: /* of the URL, or the peer speaks none that we do */
		curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &began_us);
		return began_us > 0 ? -EPROTO : -EINVAL;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return -EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_SEND_FAIL_REWIND:	/* seek_upload */
	case CURLE_ABORTED_BY_CALLBACK: /* before_sending: a kept connection died under the request */
	case CURLE_PARTIAL_FILE:
		return -ECONNRESET;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_WEIRD_SERVER_REPLY:
		return -EPROTO;
	case CURLE_FILESIZE_EXCEEDED:
		return -EMSGSIZE;
	default:
		return -EIO;
	}
}

/* What is the same for every transfer. */
static void set_common(CURL *easy, const char *url)
{
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, no_proxy);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "tollbar");
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

/* Adds the caller's headers, and takes away the pause that curl makes before large bodies.  NULL: no memory. */
static struct curl_slist *header_list(const char *const *headers, size_t header_cnt)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	for (size_t i = 0; i < header_cnt && list != NULL; i++) {
		struct curl_slist *longer = curl_slist_append(list, headers[i]);
		if (longer == NULL)
			curl_slist_free_all(list);
		list = longer;
	}
	return list;
}

/* --- a body that is read once --- */

struct upload {
	const char *at;
	size_t bytes, sent;
};

static size_t read_upload(char *out, size_t size, size_t cnt, void *ctx)
{
	struct upload *upload = ctx;
	size_t bytes = upload->bytes - upload->sent;

	if (bytes > size * cnt)
		bytes = size * cnt;
	memcpy(out, upload->at + upload->sent, bytes);
	upload->sent += bytes;
	return bytes;
}

/* curl rewinds to send a body a second time.  The first may have been acted on, so that is for the caller to decide. */
static int seek_upload(void *ctx, curl_off_t offset, int origin)
{
	const struct upload *upload = ctx;
	bool nothing_left_yet = upload->sent == 0 && offset == 0 && origin == SEEK_SET;

	return nothing_left_yet ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static void set_upload(CURL *easy, struct upload *upload)
{
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)upload->bytes);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_upload);
	curl_easy_setopt(easy, CURLOPT_READDATA, upload);
	curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, seek_upload);
	curl_easy_setopt(easy, CURLOPT_SEEKDATA, upload);
}

/* --- one call --- */

struct running_call {
	struct fetch_call *call;
	CURL *easy;
	struct upload upload;
	size_t answer_bytes, head_bytes;
	int error; /* ours, when a callback ended the call */
};

static size_t call_header(char *at, size_t size, size_t cnt, void *ctx)
{
	struct running_call *running = ctx;
	struct fetch_call *call = running->call;
	size_t bytes = size * cnt, end = bytes;
	const char *colon = memchr(at, ':', bytes);

	running->head_bytes += bytes;
	if (running->head_bytes > ANSWER_HEAD_BYTES_MAX) {
		running->error = -EMSGSIZE;
		return 0;
	}
	if (colon == NULL || call->on_header == NULL)
		return bytes;
	curl_easy_getinfo(running->easy, CURLINFO_RESPONSE_CODE, &call->status);
	size_t name = (size_t)(colon - at), value = name + 1;
	while (value < end && (at[value] == ' ' || at[value] == '\t'))
		value++;
	while (end > value && (at[end - 1] == '\r' || at[end - 1] == '\n' || at[end - 1] == ' '))
		end--;
	call->on_header(call->ctx, span_of(at, name), span_of(at + value, end - value));
	return bytes;
}

static size_t call_body(char *at, size_t size, size_t cnt, void *ctx)
{
	struct running_call *running = ctx;
	struct fetch_call *call = running->call;
	size_t bytes = size * cnt;

	curl_easy_getinfo(running->easy, CURLINFO_RESPONSE_CODE, &call->status);
	running->answer_bytes += bytes;
	if (running->answer_bytes > call->answer_bytes_max) {
		running->error = -EMSGSIZE;
		return 0;
	}
	if (call->on_body != NULL && !call->on_body(call->ctx, span_of(at, bytes))) {
		running->error = -ECANCELED;
		return 0;
	}
	return bytes;
}

static void set_call(struct running_call *running, struct curl_slist *headers)
{
	const struct fetch_call *call = running->call;
	CURL *easy = running->easy;

	set_common(easy, call->url);
	if (call->body.at != NULL)
		set_upload(easy, &running->upload);
	if (call->method != NULL)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
	if (call->unix_path != NULL)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, call->unix_path);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_ms);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->total_ms);
	if (call->idle_ms != 0) {
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)(call->idle_ms / 1000 + 1));
	}
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, call_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, running);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, call_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, running);
}

int fetch(struct fetch_call *call)
{
	struct running_call running = {.call = call, .upload = {(const char *)call->body.at, call->body.bytes, 0}};

	call->status = 0;
	pthread_once(&once, init_once);
	running.easy = curl_works ? curl_easy_init() : NULL;
	struct curl_slist *headers = header_list(call->headers, call->header_cnt);
	CURLcode code = CURLE_OUT_OF_MEMORY;
	if (running.easy != NULL && headers != NULL) {
		set_call(&running, headers);
		code = curl_easy_perform(running.easy);
		curl_easy_getinfo(running.easy, CURLINFO_RESPONSE_CODE, &call->status);
	}
	int error = running.error != 0 ? running.error : error_of(running.easy, code);
	curl_easy_cleanup(running.easy);
	curl_slist_free_all(headers);
	return error;
}

/* --- pool --- */

struct slot { /* a job and what runs it */
	struct fetch_job job;
	CURL *easy;
	unsigned times_sent;
	char *answer;
	size_t answer_bytes, answer_bytes_max;
	bool too_large, running;
	struct slot *next; /* free or done */
};

struct fetch_pool {
	CURLM *multi;
	struct curl_slist *headers;
	struct slot *slots;
	size_t slot_cnt;
	char *buffers;
	struct slot *free, *done;
	int epoll_fd, event_fd; /* event_fd: the caller's, watched since its first fetch_wait */
	bool timer_set;
	uint64_t timer_ms; /* when curl wants to be called without an event */
};

#define EVENTS_MAX 64

/* curl says what to watch a connection for. */
static int watch(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
	struct fetch_pool *pool = ctx;
	struct epoll_event event = {.data.fd = fd};

	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(pool->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	/* A connection that curl forgot and opened again under the same number may be there, or not. */
	if (epoll_ctl(pool->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0 && errno == ENOENT)
		epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, fd, &event);
	return 0;
}

static int set_timer(CURLM *multi, long wait_ms, void *ctx)
{
	struct fetch_pool *pool = ctx;

	pool->timer_set = wait_ms >= 0;
	pool->timer_ms = clock_ns() / 1000000 + (uint64_t)(wait_ms > 0 ? wait_ms : 0);
	return 0;
}

/* Called before a request is written.  A second time is curl's own retry after a kept connection died; the server may have
 * acted on the first, so whether to ask again is for the caller to decide. */
static int before_sending(void *ctx, char *peer, char *local, int peer_port, int local_port)
{
	struct slot *slot = ctx;

	return ++slot->times_sent == 1 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static size_t job_body(char *at, size_t size, size_t cnt, void *ctx)
{
	struct slot *slot = ctx;
	size_t bytes = size * cnt;

	if (bytes > slot->answer_bytes_max - slot->answer_bytes) {
		slot->too_large = true;
		return 0;
	}
	memcpy(slot->answer + slot->answer_bytes, at, bytes);
	slot->answer_bytes += bytes;
	return bytes;
}

static int slot_init(struct fetch_pool *pool, struct slot *slot, const struct fetch_pool_config *config, char *buffer)
{
	slot->easy = curl_easy_init();
	if (slot->easy == NULL)
		return -ENOMEM;
	slot->job.body = buffer;
	slot->answer = buffer + config->body_bytes_max;
	slot->answer_bytes_max = config->answer_bytes_max;
	set_common(slot->easy, config->url);
	curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, pool->headers);
	if (config->ca_file != NULL)
		curl_easy_setopt(slot->easy, CURLOPT_CAINFO, config->ca_file);
	curl_easy_setopt(slot->easy, CURLOPT_TIMEOUT_MS, (long)config->timeout_ms);
	curl_easy_setopt(slot->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->timeout_ms);
	curl_easy_setopt(slot->easy, CURLOPT_WRITEFUNCTION, job_body);
	curl_easy_setopt(slot->easy, CURLOPT_WRITEDATA, slot);
	curl_easy_setopt(slot->easy, CURLOPT_PRIVATE, slot);
	curl_easy_setopt(slot->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, buffer); /* head and body leave in one send */
	curl_easy_setopt(slot->easy, CURLOPT_PREREQFUNCTION, before_sending);
	curl_easy_setopt(slot->easy, CURLOPT_PREREQDATA, slot);
	slot->next = pool->free;
	pool->free = slot;
	return 0;
}

static int pool_init(struct fetch_pool *pool, const struct fetch_pool_config *config)
{
	size_t bytes = config->body_bytes_max + config->answer_bytes_max;

	pool->multi = curl_multi_init();
	pool->headers = header_list(config->headers, config->header_cnt);
	pool->slots = calloc(config->jobs_max, sizeof *pool->slots);
	pool->buffers = calloc(config->jobs_max, bytes);
	if (pool->multi == NULL || pool->headers == NULL || pool->slots == NULL || pool->buffers == NULL)
		return -ENOMEM;
	pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (pool->epoll_fd < 0)
		return -errno;
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, watch);
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, (long)config->jobs_max);
	curl_multi_setopt(pool->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	for (size_t i = 0; i < config->jobs_max; i++) {
		pool->slot_cnt = i + 1;
		int err = slot_init(pool, &pool->slots[i], config, pool->buffers + i * bytes);
		if (err != 0)
			return err;
	}
	return 0;
}

int fetch_pool_open(struct fetch_pool **out, const struct fetch_pool_config *config)
{
	*out = NULL;
	pthread_once(&once, init_once);
	if (!curl_works || config->jobs_max == 0)
		return curl_works ? -EINVAL : -EIO;
	struct fetch_pool *pool = calloc(1, sizeof *pool);
	if (pool == NULL)
		return -ENOMEM;
	pool->epoll_fd = pool->event_fd = -1;
	int err = pool_init(pool, config);
	if (err != 0) {
		fetch_pool_close(pool);
		return err;
	}
	*out = pool;
	return 0;
}

void fetch_pool_close(struct fetch_pool *pool)
{
	if (pool == NULL)
		return;
	fetch_cancel_all(pool);
	for (size_t i = 0; i < pool->slot_cnt; i++)
		curl_easy_cleanup(pool->slots[i].easy);
	curl_multi_cleanup(pool->multi);
	if (pool->epoll_fd >= 0)
		close(pool->epoll_fd);
	curl_slist_free_all(pool->headers);
	free(pool->buffers);
	free(pool->slots);
	free(pool);
}

struct fetch_job *fetch_take(struct fetch_pool *pool)
{
	struct slot *slot = pool->free;

	if (slot == NULL)
		return NULL;
	pool->free = slot->next;
	slot->next = NULL;
	return &slot->job;
}

void fetch_give(struct fetch_pool *pool, struct fetch_job *job)
{
	struct slot *slot = (struct slot *)job; /* its first member */

	ASSERT(!slot->running);
	slot->next = pool->free;
	pool->free = slot;
}

static void finish(struct fetch_pool *pool, struct slot *slot, int error)
{
	slot->running = false;
	slot->job.error = error;
	slot->job.sent = slot->times_sent > 0;
	slot->job.status = 0;
	curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &slot->job.status);
	slot->job.answer = slot->answer;
	slot->job.answer_bytes = error == 0 ? slot->answer_bytes : 0;
	slot->next = pool->done;
	pool->done = slot;
}

void fetch_start(struct fetch_pool *pool, struct fetch_job *job, size_t body_bytes)
{
	struct slot *slot = (struct slot *)job;

	slot->times_sent = 0;
	slot->answer_bytes = 0;
	slot->too_large = false;
	curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_bytes);
	slot->running = true;
	if (curl_multi_add_handle(pool->multi, slot->easy) != CURLM_OK)
		finish(pool, slot, -ENOMEM);
}

/* Which transfers are over: curl keeps a list of them. */
static void collect(struct fetch_pool *pool)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(pool->multi, &left)) != NULL) {
		struct slot *slot = NULL;
		if (message->msg != CURLMSG_DONE)
			continue;
		CURLcode code = message->data.result; /* the message goes with the handle */
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
		curl_multi_remove_handle(pool->multi, slot->easy);
		finish(pool, slot, slot->too_large ? -EMSGSIZE : error_of(slot->easy, code));
	}
}

static void watch_event(struct fetch_pool *pool, int event_fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = event_fd};

	if (pool->event_fd == event_fd)
		return;
	int error = epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, event_fd, &event);
	ASSERT(error == 0);
	pool->event_fd = event_fd;
}

/* How long to sleep: as asked, but not past curl's own timer. */
static int sleep_ms(const struct fetch_pool *pool, int timeout_ms)
{
	uint64_t now_ms = clock_ns() / 1000000;

	if (!pool->timer_set)
		return timeout_ms;
	if (pool->timer_ms <= now_ms)
		return 0;
	return pool->timer_ms - now_ms < (uint64_t)timeout_ms ? (int)(pool->timer_ms - now_ms) : timeout_ms;
}

static void run_timer(struct fetch_pool *pool)
{
	int running;

	if (!pool->timer_set || clock_ns() / 1000000 < pool->timer_ms)
		return;
	pool->timer_set = false;
	curl_multi_socket_action(pool->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

void fetch_wait(struct fetch_pool *pool, int event_fd, int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int running;

	watch_event(pool, event_fd);
	run_timer(pool); /* what was started since goes out before we sleep */
	collect(pool);
	int cnt = epoll_wait(pool->epoll_fd, events, EVENTS_MAX, pool->done != NULL ? 0 : sleep_ms(pool, timeout_ms));
	for (int i = 0; i < cnt; i++) {
		uint32_t got = events[i].events;
		int mask = (got & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
			   (got & EPOLLOUT ? CURL_CSELECT_OUT : 0) | (got & EPOLLERR ? CURL_CSELECT_ERR : 0);
		if (events[i].data.fd != event_fd)
			curl_multi_socket_action(pool->multi, events[i].data.fd, mask, &running);
	}
	run_timer(pool);
	collect(pool);
}

struct fetch_job *fetch_done(struct fetch_pool *pool)
{
	struct slot *slot = pool->done;

	if (slot == NULL)
		return NULL;
	pool->done = slot->next;
	slot->next = NULL;
	return &slot->job;
}

void fetch_cancel_all(struct fetch_pool *pool)
{
	for (size_t i = 0; i < pool->slot_cnt; i++) {
		struct slot *slot = &pool->slots[i];
		if (!slot->running)
			continue;
		curl_multi_remove_handle(pool->multi, slot->easy);
		finish(pool, slot, -ECANCELED);
	}
}
