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
#include "limits.h"

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

bool fetch_may_be_proxied(const char *host)
{
	static const char *const variables[] = {"http_proxy", "all_proxy", "ALL_PROXY"}; /* as libcurl reads them */
	bool any = false;

	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
		const char *proxy = getenv(variables[i]);
		any |= proxy != NULL && proxy[0] != 0;
	}
	/* init_once excepts these; what no_proxy says beside them is for libcurl to judge. */
	return any && strcasecmp(host, "localhost") != 0 && strcmp(host, "127.0.0.1") != 0 && strcmp(host, "::1") != 0;
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
static void set_common(CURL *easy, const char *url, const char *ca_file)
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
	if (ca_file != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
}

/* false: no memory; the list stays as it was. */
static bool add_header(struct curl_slist **list, const char *header)
{
	struct curl_slist *longer = curl_slist_append(*list, header);

	if (longer != NULL)
		*list = longer;
	return longer != NULL;
}

/* Adds the caller's headers, and takes away the pause that curl makes before large bodies.  NULL: no memory. */
static struct curl_slist *header_list(const char *const *headers, size_t header_cnt)
{
	struct curl_slist *list = NULL;
	bool good = add_header(&list, "Expect:");

	for (size_t i = 0; good && i < header_cnt; i++)
		good = add_header(&list, headers[i]);
	if (!good)
		curl_slist_free_all(list);
	return good ? list : NULL;
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

	set_common(easy, call->url, call->ca_file);
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
	struct curl_slist *headers; /* the pool's and the job's; NULL: the pool's are all */
	unsigned times_sent;
	char *answer;
	size_t answer_bytes, answer_bytes_max;
	bool too_large;
};

struct curl_pool {
	struct fetch_pool pool;
	CURLM *multi;
	struct curl_slist *headers;
	struct slot *slots;
	size_t slot_cnt;
	char *buffers;
	struct mailbox *box;
	char *url;
	int epoll_fd;
	bool timer_set;
	uint64_t timer_ms; /* when curl wants to be called without an event */
};

#define EVENTS_MAX 64

/* curl says what to watch a connection for. */
static int watch(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
	struct curl_pool *curl = ctx;
	struct epoll_event event = {.data.fd = fd};

	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(curl->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	/* A connection that curl forgot and opened again under the same number may be there, or not. */
	if (epoll_ctl(curl->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0 && errno == ENOENT)
		epoll_ctl(curl->epoll_fd, EPOLL_CTL_ADD, fd, &event);
	return 0;
}

static int set_timer(CURLM *multi, long wait_ms, void *ctx)
{
	struct curl_pool *curl = ctx;

	curl->timer_set = wait_ms >= 0;
	curl->timer_ms = clock_ns() / 1000000 + (uint64_t)(wait_ms > 0 ? wait_ms : 0);
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

static int slot_init(struct curl_pool *curl, struct slot *slot, const struct fetch_pool_config *config, char *buffer)
{
	slot->easy = curl_easy_init();
	if (slot->easy == NULL)
		return -ENOMEM;
	slot->job.body = buffer;
	slot->answer = buffer + config->body_bytes_max;
	slot->answer_bytes_max = config->answer_bytes_max;
	set_common(slot->easy, config->url, config->ca_file);
	curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, curl->headers);
	curl_easy_setopt(slot->easy, CURLOPT_TIMEOUT_MS, (long)config->timeout_ms);
	curl_easy_setopt(slot->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->timeout_ms);
	curl_easy_setopt(slot->easy, CURLOPT_WRITEFUNCTION, job_body);
	curl_easy_setopt(slot->easy, CURLOPT_WRITEDATA, slot);
	curl_easy_setopt(slot->easy, CURLOPT_PRIVATE, slot);
	curl_easy_setopt(slot->easy, CURLOPT_PREREQFUNCTION, before_sending);
	curl_easy_setopt(slot->easy, CURLOPT_PREREQDATA, slot);
	fetch_give(&curl->pool, &slot->job);
	return 0;
}

static int watch_mail(struct curl_pool *curl, struct mailbox *box)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = box->event_fd};

	curl->box = box;
	curl->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (curl->epoll_fd < 0 || epoll_ctl(curl->epoll_fd, EPOLL_CTL_ADD, box->event_fd, &event) < 0)
		return -errno;
	return 0;
}

static int pool_init(struct curl_pool *curl, const struct fetch_pool_config *config)
{
	size_t bytes = config->body_bytes_max + config->answer_bytes_max;

	curl->multi = curl_multi_init();
	curl->url = strdup(config->url);
	curl->headers = header_list(config->headers, config->header_cnt);
	curl->slots = calloc(config->jobs_max, sizeof *curl->slots);
	curl->buffers = calloc(config->jobs_max, bytes);
	if (curl->multi == NULL || curl->url == NULL || curl->headers == NULL || curl->slots == NULL ||
	    curl->buffers == NULL)
		return -ENOMEM;
	int err = watch_mail(curl, config->box);
	if (err != 0)
		return err;
	curl_multi_setopt(curl->multi, CURLMOPT_SOCKETFUNCTION, watch);
	curl_multi_setopt(curl->multi, CURLMOPT_SOCKETDATA, curl);
	curl_multi_setopt(curl->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(curl->multi, CURLMOPT_TIMERDATA, curl);
	curl_multi_setopt(curl->multi, CURLMOPT_MAXCONNECTS, (long)config->jobs_max);
	curl_multi_setopt(curl->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	for (size_t i = 0; i < config->jobs_max; i++) {
		curl->slot_cnt = i + 1;
		err = slot_init(curl, &curl->slots[i], config, curl->buffers + i * bytes);
		if (err != 0)
			return err;
	}
	return 0;
}

/* --- its carrier --- */

static void drop_headers(const struct curl_pool *curl, struct slot *slot)
{
	if (slot->headers == NULL)
		return;
	curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, curl->headers); /* before those it points to go */
	curl_slist_free_all(slot->headers);
	slot->headers = NULL;
}

static void finish(struct curl_pool *curl, struct slot *slot, int error)
{
	slot->job.sent = slot->times_sent > 0;
	slot->job.status = 0;
	curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &slot->job.status);
	slot->job.answer = slot->answer;
	slot->job.answer_bytes = error == 0 ? slot->answer_bytes : 0;
	drop_headers(curl, slot);
	fetch_finish(&curl->pool, &slot->job, error);
}

/* A list of its own only for a job that has fields of its own. */
static CURLcode set_headers(const struct curl_pool *curl, struct slot *slot)
{
	const char *at = slot->job.fields, *end;
	char line[FETCH_FIELDS_BYTES_MAX];

	if (at == NULL)
		return CURLE_OK;
	for (const struct curl_slist *from = curl->headers; from != NULL; from = from->next)
		if (!add_header(&slot->headers, from->data))
			return CURLE_OUT_OF_MEMORY;
	for (; (end = strstr(at, "\r\n")) != NULL; at = end + 2) {
		snprintf(line, sizeof line, "%.*s", (int)(end - at), at);
		if (!add_header(&slot->headers, line))
			return CURLE_OUT_OF_MEMORY;
	}
	return curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, slot->headers);
}

static CURLcode set_url(const struct curl_pool *curl, struct slot *slot)
{
	char url[URL_BYTES_MAX + FETCH_BELOW_BYTES_MAX + 16];
	int bytes = snprintf(url, sizeof url, "%s%s", curl->url, slot->job.below != NULL ? slot->job.below : "");

	if (bytes < 0 || (size_t)bytes >= sizeof url)
		return CURLE_URL_MALFORMAT;
	return curl_easy_setopt(slot->easy, CURLOPT_URL, url);
}

static void set_method(struct slot *slot, size_t body_bytes)
{
	if (fetch_is_get(&slot->job, body_bytes)) {
		curl_easy_setopt(slot->easy, CURLOPT_HTTPGET, 1L);
		return;
	}
	curl_easy_setopt(slot->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, slot->job.body); /* head and body leave in one send */
	curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_bytes);
}

static void start(struct fetch_pool *pool, struct fetch_job *job, size_t body_bytes)
{
	struct curl_pool *curl = (struct curl_pool *)pool; /* its first member */
	struct slot *slot = (struct slot *)job;		   /* the same */

	slot->times_sent = 0;
	slot->answer_bytes = 0;
	slot->too_large = false;
	set_method(slot, body_bytes);
	CURLcode code = set_url(curl, slot);
	if (code == CURLE_OK)
		code = set_headers(curl, slot);
	if (code != CURLE_OK)
		finish(curl, slot, error_of(slot->easy, code));
	else if (curl_multi_add_handle(curl->multi, slot->easy) != CURLM_OK)
		finish(curl, slot, -ENOMEM);
}

/* Which transfers are over: curl keeps a list of them. */
static void collect(struct curl_pool *curl)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(curl->multi, &left)) != NULL) {
		struct slot *slot = NULL;
		if (message->msg != CURLMSG_DONE)
			continue;
		CURLcode code = message->data.result; /* the message goes with the handle */
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
		curl_multi_remove_handle(curl->multi, slot->easy);
		finish(curl, slot, slot->too_large ? -EMSGSIZE : error_of(slot->easy, code));
	}
}

/* How long to sleep: as asked, but not past curl's own timer. */
static unsigned sleep_ms(const struct curl_pool *curl, unsigned timeout_ms)
{
	uint64_t now_ms = clock_ns() / 1000000;

	if (curl->pool.done != NULL || (curl->timer_set && curl->timer_ms <= now_ms))
		return 0;
	bool sooner = curl->timer_set && curl->timer_ms - now_ms < timeout_ms;
	return sooner ? (unsigned)(curl->timer_ms - now_ms) : timeout_ms;
}

static void run_timer(struct curl_pool *curl)
{
	int running;

	if (!curl->timer_set || clock_ns() / 1000000 < curl->timer_ms)
		return;
	curl->timer_set = false;
	curl_multi_socket_action(curl->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static void move(struct curl_pool *curl, const struct epoll_event *event)
{
	uint32_t got = event->events;
	int mask = (got & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) | (got & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (got & EPOLLERR ? CURL_CSELECT_ERR : 0);
	int running;

	if (event->data.fd == curl->box->event_fd)
		mailbox_clear(curl->box);
	else
		curl_multi_socket_action(curl->multi, event->data.fd, mask, &running);
}

static void wait_some(struct fetch_pool *pool, unsigned timeout_ms)
{
	struct curl_pool *curl = (struct curl_pool *)pool;
	struct epoll_event events[EVENTS_MAX];

	run_timer(curl); /* what was started since goes out before we sleep */
	collect(curl);
	int cnt = epoll_wait(curl->epoll_fd, events, EVENTS_MAX, (int)sleep_ms(curl, timeout_ms));
	for (int i = 0; i < cnt; i++)
		move(curl, &events[i]);
	run_timer(curl);
	collect(curl);
}

static void cancel_all(struct fetch_pool *pool)
{
	struct curl_pool *curl = (struct curl_pool *)pool;

	for (size_t i = 0; i < curl->slot_cnt; i++) {
		struct slot *slot = &curl->slots[i];
		if (!slot->job.running)
			continue;
		curl_multi_remove_handle(curl->multi, slot->easy);
		finish(curl, slot, -ECANCELED);
	}
}

static void close_pool(struct fetch_pool *pool)
{
	struct curl_pool *curl = (struct curl_pool *)pool;

	for (size_t i = 0; i < curl->slot_cnt; i++)
		curl_easy_cleanup(curl->slots[i].easy);
	curl_multi_cleanup(curl->multi);
	if (curl->epoll_fd >= 0)
		close(curl->epoll_fd);
	curl_slist_free_all(curl->headers);
	free(curl->buffers);
	free(curl->slots);
	free(curl->url);
	free(curl);
}

static const struct fetch_carrier carrier = {start, wait_some, cancel_all, close_pool};

int fetch_pool_open(struct fetch_pool **out, const struct fetch_pool_config *config)
{
	*out = NULL;
	pthread_once(&once, init_once);
	if (!curl_works || config->jobs_max == 0)
		return curl_works ? -EINVAL : -EIO;
	struct curl_pool *curl = calloc(1, sizeof *curl);
	if (curl == NULL)
		return -ENOMEM;
	fetch_pool_init(&curl->pool, &carrier);
	curl->epoll_fd = -1;
	int err = pool_init(curl, config);
	if (err != 0) {
		fetch_pool_close(&curl->pool);
		return err;
	}
	*out = &curl->pool;
	return 0;
}
