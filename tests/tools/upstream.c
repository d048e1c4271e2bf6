// SPDX-License-Identifier: Apache-2.0
/* upstream: a stand-in for an OpenAI-compatible model server, since no real model can be had in a test.  It frames its
 * answers as vLLM and the OpenAI API do; the words it says are numbered tokens, so that a lost or repeated one shows.
 *
 *   POST /v1/chat/completions, /v1/completions   JSON, or server-sent events for "stream":true
 *   GET /v1/models, /health
 *   GET /stats      what it saw: counters, and the last model request's headers and body
 *
 * Per request, by header (for faults and for one process serving many tests):
 *   x-tokens: N   x-tick-us: N   x-delay-ms: N   x-usage: P,C
 *   x-fault: NNN              that status with an OpenAI error body
 *            reset            RST before any answer          reset-mid    RST in the middle of the answer
 *            hang             no answer at all               hang-mid     half of the answer, then silence
 *            garbage          bytes that are not HTTP        truncate     FIN in the middle of the answer
 *            huge             a body of 64 MiB               huge-head    a head of 64 KiB
 *            no-usage         leaves usage out               close-delimited  no length: the close ends the body
 *            payment-headers  the answer carries headers that only a gate may send
 *            tee              no fault: the answer is signed as by a node in a trusted execution environment (tee_* members),
 *                             in a stream together with the usage, asked for or not, in the event that ends the choice
 *            tee-apart        the same in an event of its own, without choices */
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

enum fault {
	FAULT_NONE,
	FAULT_STATUS,
	FAULT_RESET,
	FAULT_RESET_MID,
	FAULT_HANG,
	FAULT_HANG_MID,
	FAULT_GARBAGE,
	FAULT_TRUNCATE,
	FAULT_HUGE,
	FAULT_HUGE_HEAD,
	FAULT_NO_USAGE,
	FAULT_CLOSE_DELIMITED,
	FAULT_PAYMENT_HEADERS,
	FAULT_TEE,
	FAULT_TEE_APART,
};

struct job {
	enum fault fault;
	bool open, chat, stream, with_usage, started, resetting;
	unsigned status, tokens, sent, prompt_tokens, completion_tokens;
	uint64_t tick_ns;
};

#include "report.h"
#include "tee.h"

static const char *const fault_words[] = {
	[FAULT_RESET] = "reset",
	[FAULT_RESET_MID] = "reset-mid",
	[FAULT_HANG] = "hang",
	[FAULT_HANG_MID] = "hang-mid",
	[FAULT_GARBAGE] = "garbage",
	[FAULT_TRUNCATE] = "truncate",
	[FAULT_HUGE] = "huge",
	[FAULT_HUGE_HEAD] = "huge-head",
	[FAULT_NO_USAGE] = "no-usage",
	[FAULT_CLOSE_DELIMITED] = "close-delimited",
	[FAULT_PAYMENT_HEADERS] = "payment-headers",
	[FAULT_TEE] = "tee",
	[FAULT_TEE_APART] = "tee-apart",
};

enum { TOKENS_MAX = 99999, TOKEN_BYTES = 7, EVENT_BYTES_MAX = 512, SIGNED_BYTES_MAX = 2048, HUGE_BYTES = 64 << 20 };
#define MILLISECOND_NS 1000000u
#define RESET_DELAY_NS (20 * MILLISECOND_NS) /* lets what was sent arrive: an RST may discard it */

/* What a request gets that names nothing else. */
static struct job usual = {.tokens = 16, .prompt_tokens = 11, .completion_tokens = 16};
static uint64_t usual_delay_ns;
static struct report usual_answer[2]; /* by chat: made once, the common case copies nothing */
static FILE *body_log;
static struct {
	uint64_t requests, bodies, streams, finished, disconnects, events, active, active_max;
} seen;

/* Token N is " t" and five digits: all events of a stream have one length. */
#define EVENT_HEAD(object, id)                                                                              \
	"data: {\"id\":\"" id "\",\"object\":\"" object "\",\"created\":1700000000,\"model\":\"stand-in\"," \
	"\"system_fingerprint\":\"fp_stand_in_model_server\",\"choices\":["
static const char chat_head[] = EVENT_HEAD("chat.completion.chunk", "chatcmpl-0123456789abcdef");
static const char text_head[] = EVENT_HEAD("text_completion", "cmpl-0123456789abcdef");

static struct {
	char at[EVENT_BYTES_MAX]; /* with its chunk framing */
	size_t bytes, line_bytes, token_at;
} event_template[2];

static void make_event_templates(void)
{
	for (int chat = 0; chat < 2; chat++) {
		char event[EVENT_BYTES_MAX];
		const char *opening = chat ? "{\"index\":0,\"delta\":{\"content\":\"" : "{\"index\":0,\"text\":\"";
		int event_bytes = snprintf(event, sizeof(event),
					   "%s%s t00000\"%s,\"logprobs\":null,\"finish_reason\":null}]}\n\n",
					   chat ? chat_head : text_head, opening, chat ? "}" : "");
		int line_bytes = snprintf(event_template[chat].at, EVENT_BYTES_MAX, "%x\r\n", (unsigned)event_bytes);
		int rest_bytes = snprintf(event_template[chat].at + line_bytes, EVENT_BYTES_MAX - (size_t)line_bytes,
					  "%s\r\n", event);
		event_template[chat].line_bytes = (size_t)line_bytes;
		event_template[chat].bytes = (size_t)(line_bytes + rest_bytes);
		event_template[chat].token_at =
			(size_t)(strstr(event_template[chat].at, " t00000") - event_template[chat].at) + 2;
	}
}

static void put_digits(char *at, unsigned number)
{
	for (int i = 4; i >= 0; i--, number /= 10)
		at[i] = (char)('0' + number % 10);
}

static void send_event(struct conn *conn)
{
	char event[EVENT_BYTES_MAX];
	int chat = conn->job.chat;
	size_t bytes = event_template[chat].bytes, from = 0;

	memcpy(event, event_template[chat].at, bytes);
	put_digits(event + event_template[chat].token_at, conn->job.sent);
	if (conn->job.fault == FAULT_CLOSE_DELIMITED) { /* no chunk framing */
		from = event_template[chat].line_bytes;
		bytes -= from + 2;
	}
	conn->job.sent++;
	seen.events++;
	conn_send(conn, event + from, bytes);
}

static void send_chunk(struct conn *conn, const char *at, size_t bytes)
{
	char chunk[SIGNED_BYTES_MAX + 32];

	if (conn->job.fault == FAULT_CLOSE_DELIMITED) {
		conn_send(conn, at, bytes);
		return;
	}
	int all = snprintf(chunk, sizeof(chunk), "%zx\r\n%.*s\r\n", bytes, (int)bytes, at);
	conn_send(conn, chunk, (size_t)all);
}

/* Counts an answer as over, whichever way it ended first. */
static void close_job(struct conn *conn)
{
	seen.active -= conn->job.open;
	conn->job.open = false;
}

static void finish(struct conn *conn)
{
	seen.finished += conn->job.open;
	close_job(conn);
	conn_done(conn);
}

static bool is_signed(const struct job *job)
{
	return job->fault == FAULT_TEE || job->fault == FAULT_TEE_APART;
}

_Static_assert(sizeof(TEE_MEMBERS) + 2 * EVENT_BYTES_MAX <= SIGNED_BYTES_MAX, "an event holds them all");

/* Members of an object, each behind a comma. */
static void put_members(char *out, size_t out_bytes, const struct job *job, bool usage)
{
	int used = 0;

	out[0] = 0;
	if (usage && job->fault != FAULT_NO_USAGE)
		used = snprintf(out, out_bytes,
				",\"usage\":{\"prompt_tokens\":%u,\"completion_tokens\":%u,\"total_tokens\":%u}",
				job->prompt_tokens, job->completion_tokens,
				job->prompt_tokens + job->completion_tokens);
	if (is_signed(job))
		snprintf(out + used, out_bytes - (size_t)used, "%s", TEE_MEMBERS);
}

/* The end of a stream: the reason it stopped, its usage if asked for, [DONE]. */
static void send_stream_end(struct conn *conn)
{
	const struct job *job = &conn->job;
	const char *head = job->chat ? chat_head : text_head;
	char event[SIGNED_BYTES_MAX], members[SIGNED_BYTES_MAX - EVENT_BYTES_MAX];
	bool together = job->fault == FAULT_TEE;

	put_members(members, sizeof(members), job, job->with_usage || is_signed(job));
	int bytes = snprintf(event, sizeof(event), "%s{\"index\":0,%s,\"finish_reason\":\"stop\"}]%s}\n\n", head,
			     job->chat ? "\"delta\":{}" : "\"text\":\"\"", together ? members : "");

	send_chunk(conn, event, (size_t)bytes);
	if (!together && members[0] != 0) {
		bytes = snprintf(event, sizeof(event), "%s]%s}\n\n", head, members);
		send_chunk(conn, event, (size_t)bytes);
	}
	send_chunk(conn, "data: [DONE]\n\n", 14);
	if (job->fault != FAULT_CLOSE_DELIMITED)
		conn_send(conn, "0\r\n\r\n", 5);
	finish(conn);
}

/* In the middle of an answer: true when the fault ends it here. */
static bool fail_midway(struct conn *conn)
{
	switch (conn->job.fault) {
	case FAULT_RESET_MID:
		conn->job.resetting = true;
		conn_timer(conn, RESET_DELAY_NS);
		return true;
	case FAULT_TRUNCATE:
		close_job(conn);
		conn_kill(conn);
		return true;
	case FAULT_HANG_MID:
		return true;
	default:
		return false;
	}
}

static void stream_on(struct conn *conn)
{
	struct job *job = &conn->job;

	while (job->sent < job->tokens && !conn->dead) {
		if (job->sent >= job->tokens / 2 && fail_midway(conn))
			return;
		send_event(conn);
		if (job->tick_ns != 0) {
			conn_timer(conn, job->tick_ns);
			return;
		}
	}
	if (!conn->dead)
		send_stream_end(conn);
}

static const char *extra_headers(const struct conn *conn)
{
	switch (conn->job.fault) {
	case FAULT_PAYMENT_HEADERS:
		return "PAYMENT-RESPONSE: Zm9yZ2Vk\r\nX-PAYMENT-RESPONSE: Zm9yZ2Vk\r\nPAYMENT-REQUIRED: Zm9yZ2Vk\r\n"
		       "Settlement-Overrides: {\"amount\":\"1\"}\r\n";
	case FAULT_CLOSE_DELIMITED:
		return "Connection: close\r\n";
	default:
		return conn->close_when_done ? "Connection: close\r\n" : "";
	}
}

static void start_stream(struct conn *conn)
{
	char head[512];
	bool framed = conn->job.fault != FAULT_CLOSE_DELIMITED;
	int bytes = snprintf(head, sizeof(head),
			     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
			     "Cache-Control: no-cache\r\n%s%s\r\n",
			     framed ? "Transfer-Encoding: chunked\r\n" : "", extra_headers(conn));

	seen.streams++;
	conn->close_when_done |= !framed;
	conn_send(conn, head, (size_t)bytes);
	stream_on(conn);
}

static void make_answer(struct report *answer, const struct job *job)
{
	char words[SIGNED_BYTES_MAX];

	answer->bytes = 0;
	snprintf(words, sizeof(words),
		 "{\"id\":\"%scmpl-0123456789abcdef\",\"object\":\"%s\",\"created\":1700000000,\"model\":\"stand-in\","
		 "\"system_fingerprint\":\"fp_stand_in_model_server\",\"choices\":[{\"index\":0,%s\"",
		 job->chat ? "chat" : "", job->chat ? "chat.completion" : "text_completion",
		 job->chat ? "\"message\":{\"role\":\"assistant\",\"content\":" : "\"text\":");
	report_words(answer, words);
	for (unsigned i = 0; i < job->tokens; i++) {
		char token[TOKEN_BYTES] = " t";
		put_digits(token + 2, i);
		report_raw(answer, token, TOKEN_BYTES);
	}
	report_words(answer, job->chat ? "\"},\"finish_reason\":\"stop\"}]" : "\",\"finish_reason\":\"stop\"}]");
	put_members(words, sizeof(words), job, true);
	report_words(answer, words);
	report_words(answer, "}");
}

static bool is_usual(const struct job *job)
{
	return job->fault != FAULT_NO_USAGE && !is_signed(job) && job->tokens == usual.tokens &&
	       job->prompt_tokens == usual.prompt_tokens && job->completion_tokens == usual.completion_tokens;
}

static void send_json(struct conn *conn)
{
	static struct report unusual, message;
	const struct report *answer = &usual_answer[conn->job.chat];
	char head[512];

	if (!is_usual(&conn->job)) {
		make_answer(&unusual, &conn->job);
		answer = &unusual;
	}
	conn->close_when_done |= conn->job.fault == FAULT_CLOSE_DELIMITED;
	message.bytes = 0;
	report_words(&message, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
	if (conn->job.fault != FAULT_CLOSE_DELIMITED) {
		snprintf(head, sizeof(head), "Content-Length: %zu\r\n", answer->bytes);
		report_words(&message, head);
	}
	report_words(&message, extra_headers(conn));
	report_words(&message, "\r\n");
	size_t head_bytes = message.bytes;
	report_raw(&message, answer->at, answer->bytes);
	if (conn->job.fault == FAULT_RESET_MID || conn->job.fault == FAULT_TRUNCATE ||
	    conn->job.fault == FAULT_HANG_MID) {
		conn_send(conn, message.at, head_bytes + answer->bytes / 2);
		fail_midway(conn);
		return;
	}
	conn_send(conn, message.at, message.bytes);
	finish(conn);
}

static void send_status(struct conn *conn, unsigned status)
{
	char body[256], words[64];
	int bytes = snprintf(
		body, sizeof(body),
		"{\"error\":{\"message\":\"asked for\",\"type\":\"stand_in_error\",\"param\":null,\"code\":%u}}",
		status);

	close_job(conn);
	snprintf(words, sizeof(words), "%u Fault", status);
	conn_answer(conn, words, body, (size_t)bytes);
}

static void send_huge(struct conn *conn)
{
	static char filler[HUGE_BYTES];
	char head[128];
	int bytes =
		snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", HUGE_BYTES);

	memset(filler, ' ', sizeof(filler));
	memcpy(filler, "{}", 2);
	conn_send(conn, head, (size_t)bytes);
	conn_send(conn, filler, sizeof(filler));
	finish(conn);
}

static void send_huge_head(struct conn *conn)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n";
	char line[64];

	conn_send(conn, head, sizeof(head) - 1);
	for (unsigned i = 0; i < 2048 && !conn->dead; i++) {
		int bytes = snprintf(line, sizeof(line), "X-Filler-%06u: 0123456789abc\r\n", i);
		conn_send(conn, line, (size_t)bytes);
	}
	conn_send(conn, "\r\n{}", 4);
	finish(conn);
}

static void start(struct conn *conn)
{
	conn->job.started = true;
	switch (conn->job.fault) {
	case FAULT_STATUS:
		send_status(conn, conn->job.status);
		return;
	case FAULT_RESET:
		close_job(conn);
		conn_reset(conn);
		return;
	case FAULT_HANG:
		return;
	case FAULT_GARBAGE:
		conn->close_when_done = true;
		conn_send(conn, "\x01\x02 this is not HTTP\r\n\r\n", 23);
		finish(conn);
		return;
	case FAULT_HUGE:
		send_huge(conn);
		return;
	case FAULT_HUGE_HEAD:
		send_huge_head(conn);
		return;
	default:
		if (conn->job.stream)
			start_stream(conn);
		else
			send_json(conn);
	}
}

static void on_timer(struct conn *conn)
{
	if (!conn->job.started) {
		start(conn);
	} else if (conn->job.resetting) {
		close_job(conn);
		conn_reset(conn);
	} else {
		stream_on(conn);
	}
}

static void on_gone(struct conn *conn)
{
	seen.disconnects += conn->job.open;
	close_job(conn);
}

/* "key": true somewhere in the body.  A quote inside a JSON string is escaped, so what is found is a key. */
static bool body_says(struct text body, const char *key)
{
	const char *at = memmem(body.at, body.bytes, key, strlen(key)), *end = body.at + body.bytes;

	if (at == NULL)
		return false;
	for (at += strlen(key); at < end && (*at == ' ' || *at == ':' || *at == '\n' || *at == '\t'); at++)
		;
	return end - at >= 4 && memcmp(at, "true", 4) == 0;
}

static void read_fault(struct job *job, struct text word)
{
	if (word.bytes == 0)
		return;
	if (isdigit((unsigned char)word.at[0])) {
		job->fault = FAULT_STATUS;
		job->status = (unsigned)text_number(word);
		return;
	}
	for (size_t i = 0; i < sizeof(fault_words) / sizeof(fault_words[0]); i++)
		if (fault_words[i] != NULL && text_is(word, fault_words[i]))
			job->fault = (enum fault)i;
}

static void read_wishes(struct conn *conn, uint64_t *delay_ns)
{
	struct job *job = &conn->job;

	for (size_t i = 0; i < conn->field_cnt; i++) {
		struct text name = conn->fields[i].name, value = conn->fields[i].value;
		if (name.bytes < 7 || name.bytes > 10 || (name.at[0] | 0x20) != 'x' || name.at[1] != '-')
			continue;
		if (name.bytes == 7 && strncasecmp(name.at, "x-fault", 7) == 0) {
			read_fault(job, value);
		} else if (name.bytes == 8 && strncasecmp(name.at, "x-tokens", 8) == 0) {
			job->tokens = (unsigned)text_number(value);
			job->tokens = job->tokens > TOKENS_MAX ? TOKENS_MAX : job->tokens;
			job->completion_tokens = job->tokens;
		} else if (name.bytes == 9 && strncasecmp(name.at, "x-tick-us", 9) == 0) {
			job->tick_ns = text_number(value) * 1000;
		} else if (name.bytes == 10 && strncasecmp(name.at, "x-delay-ms", 10) == 0) {
			*delay_ns = text_number(value) * MILLISECOND_NS;
		} else if (name.bytes == 7 && strncasecmp(name.at, "x-usage", 7) == 0) {
			const char *comma = memchr(value.at, ',', value.bytes);
			job->prompt_tokens = (unsigned)text_number(value);
			if (comma != NULL)
				job->completion_tokens = (unsigned)text_number(
					(struct text){comma + 1, (size_t)(value.at + value.bytes - comma - 1)});
		}
	}
}

static void answer_model_request(struct conn *conn, bool chat)
{
	uint64_t delay_ns = usual_delay_ns;

	conn->job = usual;
	conn->job.open = true;
	conn->job.chat = chat;
	seen.requests++;
	seen.bodies += conn->body.bytes != 0;
	seen.active++;
	seen.active_max = seen.active > seen.active_max ? seen.active : seen.active_max;
	remember(conn);
	if (body_log != NULL) {
		fprintf(body_log, "%.*s\n", (int)conn->body.bytes, conn->body.at);
		fflush(body_log);
	}
	conn->job.stream = body_says(conn->body, "\"stream\"");
	conn->job.with_usage = conn->job.stream && body_says(conn->body, "\"include_usage\"");
	read_wishes(conn, &delay_ns);
	if (delay_ns != 0)
		conn_timer(conn, delay_ns);
	else
		start(conn);
}

static void answer_stats(struct conn *conn)
{
	static struct report report;

	report.bytes = 0;
	report_words(&report, "{");
	report_number(&report, "requests", seen.requests);
	report_number(&report, "bodies", seen.bodies);
	report_number(&report, "streams", seen.streams);
	report_number(&report, "events", seen.events);
	report_number(&report, "finished", seen.finished);
	report_number(&report, "disconnects", seen.disconnects);
	report_number(&report, "active", seen.active);
	report_number(&report, "active_max", seen.active_max);
	report_number(&report, "connections", accepted_cnt);
	report_last(&report);
	report_words(&report, "}");
	conn_answer(conn, "200 OK", report.at, report.bytes);
}

static void on_request(struct conn *conn)
{
	static const char models[] = "{\"object\":\"list\",\"data\":[{\"id\":\"stand-in\",\"object\":\"model\","
				     "\"created\":1700000000,\"owned_by\":\"tests\"}]}";
	bool post = text_is(conn->method, "POST"), get = text_is(conn->method, "GET");

	if (post && text_is(conn->target, "/v1/chat/completions"))
		answer_model_request(conn, true);
	else if (post && text_is(conn->target, "/v1/completions"))
		answer_model_request(conn, false);
	else if (get && text_is(conn->target, "/v1/models"))
		conn_answer(conn, "200 OK", models, sizeof(models) - 1);
	else if (get && text_is(conn->target, "/health"))
		conn_answer(conn, "200 OK", "{}", 2);
	else if (get && text_is(conn->target, "/stats"))
		answer_stats(conn);
	else
		conn_answer(conn, "404 Not Found", "{\"error\":{\"message\":\"no such path\"}}", 36);
}

static _Noreturn void usage(void)
{
	fprintf(stderr,
		"usage: upstream [--bind ADDR] [--port N] [--port-file F] [--tokens N] [--tick-us N] [--delay-ms N]\n"
		"                [--usage P,C] [--log FILE: one line per model request, its body]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", 1, 0, 'p'},	{"port-file", 1, 0, 'f'}, {"tokens", 1, 0, 't'},
		{"tick-us", 1, 0, 'k'}, {"delay-ms", 1, 0, 'd'},  {"bind", 1, 0, 'b'},
		{"usage", 1, 0, 'u'},	{"log", 1, 0, 'l'},	  {0, 0, 0, 0},
	};
	const char *address = "127.0.0.1", *port = "0", *port_file = NULL, *usage_words = NULL;

	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 'p':
			port = optarg;
			break;
		case 'f':
			port_file = optarg;
			break;
		case 't':
			usual.tokens = usual.completion_tokens = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'k':
			usual.tick_ns = strtoull(optarg, NULL, 10) * 1000;
			break;
		case 'd':
			usual_delay_ns = strtoull(optarg, NULL, 10) * MILLISECOND_NS;
			break;
		case 'b':
			address = optarg;
			break;
		case 'u':
			usage_words = optarg;
			break;
		case 'l':
			body_log = fopen(optarg, "a");
			if (body_log == NULL)
				fail(optarg);
			break;
		default:
			usage();
		}
	}
	if (optind != argc || usual.tokens > TOKENS_MAX ||
	    (usage_words != NULL && sscanf(usage_words, "%u,%u", &usual.prompt_tokens, &usual.completion_tokens) != 2))
		usage();
	make_event_templates();
	for (int chat = 0; chat < 2; chat++) {
		usual.chat = chat;
		make_answer(&usual_answer[chat], &usual);
	}
	serve_loop(serve_listen(address, port, port_file));
	return 0;
}
