// SPDX-License-Identifier: Apache-2.0
/* status.c: tollbar status: asks a running daemon how it does. */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/interface.h"
#include "cmd/watch.h"
#include "config.h"
#include "funnel.h"
#include "parse.h"

#define ANSWER_BYTES_MAX (HEAD_BYTES_MAX + 262144)
#define PATIENCE_NS (5 * UINT64_C(1000000000)) /* for connecting, asking and the whole answer */

static const char usage_text[] =
	"usage: tollbar status [-a ADDRESS|-c FILE] [--json]\n"
	"       tollbar status --watch [-a ADDRESS|-c FILE|-i IFACE] [--interval SECONDS] [--count N]\n\n"
	"The funnel, how long each step takes, and what it adds to the time to first token; or, watching, how many "
	"packets\n"
	"and requests a second end for each reason.\n\n"
	"  -a ADDRESS  host:port of the daemon's admin listener; default 127.0.0.1:9402\n"
	"  -c FILE     take the address from the daemon's configuration\n"
	"  --json      print the daemon's own JSON\n"
	"  --watch     look again and again: in place on a terminal, else one table after the other\n"
	"  -i IFACE    watch the filter on IFACE alone: works without a daemon, and takes root\n"
	"  --interval SECONDS, --count N  between looks (default 1); how many tables (default: until Ctrl-C)\n\n"
	"Exit status: 0, 1 the daemon or the filter cannot be reached, 2 usage or configuration.\n";

struct wish {
	const char *address, *path, *iface;
	bool json, watch;
	unsigned long interval_s, count;
};

struct target {
	struct sockaddr_storage address;
	socklen_t address_bytes;
	char shown[256];
};

/* --- where to --- */

/* "host:port" or "[v6]:port"; the host may be left out. */
static bool target_of_text(struct target *target, const char *text)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const char *colon, *host = text;
	struct addrinfo *found;
	char name[200];
	size_t bytes;

	ASSERT(text != NULL);
	colon = strrchr(text, ':');
	if (colon == NULL || colon[1] == '\0')
		return false;
	bytes = (size_t)(colon - text);
	if (bytes >= 2 && text[0] == '[' && text[bytes - 1] == ']') {
		host++;
		bytes -= 2;
	}
	if (bytes >= sizeof name)
		return false;
	snprintf(name, sizeof name, "%.*s", (int)bytes, host);
	if (getaddrinfo(bytes > 0 ? name : "127.0.0.1", colon + 1, &hints, &found) != 0)
		return false;
	memcpy(&target->address, found->ai_addr, found->ai_addrlen);
	target->address_bytes = found->ai_addrlen;
	freeaddrinfo(found);
	snprintf(target->shown, sizeof target->shown, "%s", text);
	return true;
}

static bool target_of_config(struct target *target, const char *path)
{
	static struct config config;
	char host[INET6_ADDRSTRLEN], port[8];
	int mistakes = config_load(&config, path, stderr);

	if (mistakes != 0) {
		if (mistakes < 0)
			fprintf(stderr, "tollbar: %s: %s\n", path, strerror(-mistakes));
		return false;
	}
	target->address = config.admin;
	target->address_bytes =
		config.admin.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	if (getnameinfo((struct sockaddr *)&target->address, target->address_bytes, host, sizeof host, port,
			sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		snprintf(target->shown, sizeof target->shown, "%s port %s", host, port);
	return true;
}

/* --- asking --- */

/* Waits until the socket is ready, at most until end_ns: 0 or -errno. */
static int await(int fd, short events, uint64_t end_ns)
{
	struct pollfd polled = {.fd = fd, .events = events};

	for (;;) {
		uint64_t now_ns = clock_ns();
		int cnt;

		if (now_ns >= end_ns)
			return -ETIMEDOUT;
		cnt = poll(&polled, 1, (int)((end_ns - now_ns + 999999) / 1000000));
		if (cnt > 0)
			return 0;
		if (cnt < 0 && errno != EINTR)
			return -errno;
	}
}

static int dial(int fd, const struct target *target, uint64_t end_ns)
{
	socklen_t bytes = sizeof(int);
	int error;

	if (connect(fd, (const struct sockaddr *)&target->address, target->address_bytes) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	error = await(fd, POLLOUT, end_ns);
	if (error == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0)
		return -errno;
	return error > 0 ? -error : error;
}

/* Sends the question and reads until the daemon closes: bytes read or -errno. */
static ssize_t exchange(int fd, char *answer, uint64_t end_ns)
{
	static const char question[] = "GET /status HTTP/1.1\r\nHost: tollbar\r\nConnection: close\r\n\r\n";
	size_t used = 0;

	if (send(fd, question, sizeof question - 1, MSG_NOSIGNAL) != (ssize_t)sizeof question - 1)
		return -EIO; /* less than any new socket takes */
	for (;;) {
		int error = await(fd, POLLIN, end_ns);
		ssize_t received;

		if (error < 0)
			return error;
		received = recv(fd, answer + used, ANSWER_BYTES_MAX - used, 0);
		if (received == 0)
			return (ssize_t)used;
		if (received < 0)
			return -errno;
		used += (size_t)received;
		if (used == ANSWER_BYTES_MAX)
			return -EMSGSIZE;
	}
}

static ssize_t fetch(const struct target *target, char *answer)
{
	uint64_t end_ns = clock_ns() + PATIENCE_NS;
	int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ssize_t bytes;

	if (fd < 0)
		return -errno;
	bytes = dial(fd, target, end_ns);
	if (bytes == 0)
		bytes = exchange(fd, answer, end_ns);
	close(fd);
	return bytes;
}

/* The body of a whole 200 answer. */
static bool body_of(struct span *body, struct span answer)
{
	struct http_head head;

	if (parse_response(&head, answer, 0) != PARSE_DONE || head.status != 200 || head.chunked)
		return false;
	*body = span_of(answer.at + head.head_bytes, answer.bytes - head.head_bytes);
	return !head.has_length || head.content_bytes == body->bytes;
}

/* The daemon's JSON; false, and said why, when there is none. */
static bool ask(struct span *body, const struct target *target)
{
	static char answer[ANSWER_BYTES_MAX];
	ssize_t bytes = fetch(target, answer);

	if (bytes < 0) {
		fprintf(stderr, "tollbar: %s: %s\n", target->shown, strerror((int)-bytes));
		return false;
	}
	if (!body_of(body, span_of(answer, (size_t)bytes))) {
		fprintf(stderr, "tollbar: %s: not a good answer\n", target->shown);
		return false;
	}
	return true;
}

static int print(struct span body, bool as_json)
{
	static char text[FUNNEL_BYTES_MAX];

	/* checked either way: what is printed as the daemon's JSON is its JSON */
	if (funnel_text(text, sizeof text, body) == 0) {
		fputs("tollbar: the answer is not a tollbar's\n", stderr);
		return 1;
	}
	if (as_json)
		fwrite(body.at, 1, body.bytes, stdout);
	else
		fputs(text, stdout);
	return 0;
}

static int report(const struct target *target, bool as_json)
{
	struct span body;

	return ask(&body, target) ? print(body, as_json) : 1;
}

/* --- watching --- */

static int look_at_daemon(void *ctx, struct rates *rates)
{
	struct span body;

	if (!ask(&body, ctx))
		return -EIO;
	if (rates_of_status(rates, body))
		return 0;
	fputs("tollbar: the answer is not a tollbar's\n", stderr);
	return -EPROTO;
}

struct kernel {
	struct filter *filter;
	char name[IF_NAMESIZE];
};

static int look_at_kernel(void *ctx, struct rates *rates)
{
	const struct kernel *kernel = ctx;
	struct tollbar_counters counters;
	int err = filter_counters(kernel->filter, &counters);

	if (err == 0)
		rates_of_kernel(rates, &counters, kernel->name);
	else
		fprintf(stderr, "tollbar: %s: %s\n", kernel->name, strerror(-err));
	return err;
}

static int watch_kernel(struct watch *watch, const char *iface)
{
	struct kernel kernel = {.filter = interface_filter(kernel.name, iface)};

	if (kernel.filter == NULL)
		return 1;
	watch->look = look_at_kernel;
	watch->look_ctx = &kernel;
	int status = watch_run(watch);
	watch->look_ctx = NULL;
	filter_close(kernel.filter);
	return status;
}

static int watch_daemon(struct watch *watch, struct target *target)
{
	watch->look = look_at_daemon;
	watch->look_ctx = target;
	int status = watch_run(watch);
	if (status != 0)
		fputs("tollbar: without a daemon the filter alone can be watched: -i IFACE\n", stderr);
	return status;
}

/* --- arguments --- */

static bool number_read(unsigned long *out, const char *option, const char *text, unsigned long max)
{
	char *end;

	*out = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && *out > 0 && *out <= max)
		return true;
	fprintf(stderr, "tollbar: --%s \"%s\" is not a number from 1 to %lu\n", option, text, max);
	return false;
}

static bool option_take(struct wish *wish, int option)
{
	switch (option) {
	case 'a':
		wish->address = optarg;
		return true;
	case 'c':
		wish->path = optarg;
		return true;
	case 'i':
		wish->iface = optarg;
		return true;
	case 'j':
		return wish->json = true;
	case 'w':
		return wish->watch = true;
	case 's':
		return number_read(&wish->interval_s, "interval", optarg, 3600);
	case 'n':
		return number_read(&wish->count, "count", optarg, 1000000000);
	default:
		fputs(usage_text, stderr);
		return false;
	}
}

/* What does not go together, or NULL. */
static const char *mismatch(const struct wish *wish)
{
	if ((wish->address != NULL) + (wish->path != NULL) + (wish->iface != NULL) > 1)
		return "-a, -c and -i: one of them";
	if (wish->watch)
		return wish->json ? "--json shows one moment, --watch many" : NULL;
	return wish->iface != NULL || wish->interval_s != 0 || wish->count != 0
		       ? "-i, --interval and --count go with --watch"
		       : NULL;
}

static int obey(const struct wish *wish)
{
	struct watch watch = {.seconds = wish->interval_s != 0 ? (unsigned)wish->interval_s : 1,
			      .count_max = wish->count};
	const char *address = wish->address != NULL ? wish->address : "127.0.0.1:9402";
	struct target target;

	if (wish->iface != NULL)
		return watch_kernel(&watch, wish->iface);
	if (wish->path != NULL && !target_of_config(&target, wish->path))
		return 2;
	if (wish->path == NULL && !target_of_text(&target, address)) {
		fprintf(stderr, "tollbar: '%s' is not host:port\n", address);
		return 2;
	}
	return wish->watch ? watch_daemon(&watch, &target) : report(&target, wish->json);
}

int cmd_status(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},	    {"watch", no_argument, NULL, 'w'},
		{"interval", required_argument, NULL, 's'}, {"count", required_argument, NULL, 'n'},
		{"help", no_argument, NULL, 'h'},	    {0}};
	struct wish wish = {0};
	int option;

	optind = 0; /* tests call this more than once */
	while ((option = getopt_long(argc, argv, "a:c:i:h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage_text, stdout);
			return 0;
		}
		if (!option_take(&wish, option))
			return 2;
	}
	const char *wrong = optind != argc ? "no other arguments" : mismatch(&wish);
	if (wrong == NULL)
		return obey(&wish);
	fprintf(stderr, "tollbar: %s\n\n%s", wrong, usage_text);
	return 2;
}
