// SPDX-License-Identifier: Apache-2.0
/* trace.c: tollbar trace: dropped packets as they come, a bounded sample of them. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/hex.h"
#include "cmd/cmd.h"
#include "cmd/interface.h"
#include "headers.h"
#include "reason.h"
#include "sys/filter.h"

enum { DONE = 0, FAILED = 1, USAGE = 2 };

#define NS UINT64_C(1000000000)
#define ENDPOINT_BYTES (INET6_ADDRSTRLEN + 8)
#define NUMBER_MAX 4000000000u

static const char usage_text[] =
	"usage: tollbar trace [-i IFACE] [--reason WORD]... [--every N] [--rate M] [--count N] [--seconds T] [--json]\n"
	"\n"
	"Prints packets the filter drops, as they come: time, reason, source, destination, length, first bytes.  With\n"
	"observe those it would drop, marked so.  Works without a daemon; one tracer at a time.\n"
	"\n"
	"  -i IFACE       the interface; can be left out where only one has a filter\n"
	"  --reason WORD  only drops for this reason; may be repeated; default all\n"
	"  --every N      one in N of them (counted per CPU); default 1\n"
	"  --rate M       at most M a second and CPU, so that a flood costs no more than that; default 100\n"
	"  --count N      ends after N packets\n"
	"  --seconds T    ends after T seconds\n"
	"  --json         one JSON object a line\n"
	"\n"
	"Ends by itself, or by Ctrl-C, saying on standard error what it did not show.\n"
	"Exit status: 0, 1 it could not be done, 2 usage.\n";

struct trace {
	const char *iface;
	struct filter_wish wish;
	uint64_t count_max, seconds_max; /* 0: no end */
	bool json;

	char name[IF_NAMESIZE];
	int64_t unix_ns; /* what to add to CLOCK_MONOTONIC for the time of day */
	uint64_t shown;
};

static volatile sig_atomic_t ending;

static void on_signal(int number)
{
	ending = number;
}

/* --- one event --- */

/* "2026-11-21T14:03:22.123456Z"; the clock part begins at 11. */
static void put_time(char out[32], uint64_t unix_ns)
{
	time_t seconds = (time_t)(unix_ns / NS);
	struct tm utc;

	gmtime_r(&seconds, &utc);
	size_t used = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(out + used, 32 - used, ".%06uZ", (unsigned)(unix_ns % NS / 1000));
}

static const char *address_text(char out[INET6_ADDRSTRLEN], const struct in6_addr *address)
{
	if (IN6_IS_ADDR_V4MAPPED(address))
		return inet_ntop(AF_INET, &address->s6_addr[12], out, INET6_ADDRSTRLEN);
	return inet_ntop(AF_INET6, address, out, INET6_ADDRSTRLEN);
}

/* "192.0.2.7:40000", "[2001:db8::7]:40000", without the port where there is none, "?" without an address */
static const char *endpoint_text(char out[ENDPOINT_BYTES], const struct headers *headers,
				 const struct in6_addr *address, uint16_t port)
{
	char text[INET6_ADDRSTRLEN];

	if (headers->version == 0)
		return "?";
	address_text(text, address);
	if (!headers->has_ports)
		snprintf(out, ENDPOINT_BYTES, "%s", text);
	else if (strchr(text, ':') != NULL)
		snprintf(out, ENDPOINT_BYTES, "[%s]:%u", text, port);
	else
		snprintf(out, ENDPOINT_BYTES, "%s:%u", text, port);
	return out;
}

static const char *protocol_text(char out[16], int protocol)
{
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP)
		return protocol == IPPROTO_TCP ? "tcp" : "udp";
	snprintf(out, 16, protocol < 0 ? "?" : "protocol %d", protocol);
	return out;
}

static void print_line(const struct tollbar_event *event, const struct headers *headers, const char *when,
		       const char *hex)
{
	char from[ENDPOINT_BYTES], to[ENDPOINT_BYTES], protocol[16];

	printf("%.15s  %s%s  %s > %s  %s  %u bytes  %s\n", when + 11, reason_word((enum reason)event->reason),
	       event->observed ? " (observed)" : "",
	       endpoint_text(from, headers, &headers->source, headers->source_port),
	       endpoint_text(to, headers, &headers->destination, headers->destination_port),
	       protocol_text(protocol, headers->protocol), event->frame_bytes, hex + 2);
}

/* One end of the packet; null for what could not be read. */
static void print_end(const char *name, const struct headers *headers, const struct in6_addr *address, uint16_t port)
{
	char text[INET6_ADDRSTRLEN];

	if (headers->version != 0)
		printf(",\"%s\":\"%s\"", name, address_text(text, address));
	else
		printf(",\"%s\":null", name);
	if (headers->has_ports)
		printf(",\"%s_port\":%u", name, port);
	else
		printf(",\"%s_port\":null", name);
}

static void print_json(const struct tollbar_event *event, const struct headers *headers, const char *when,
		       const char *hex, const char *iface)
{
	printf("{\"time\":\"%s\",\"interface\":\"%s\",\"reason\":\"%s\",\"dropped\":%s", when, iface,
	       reason_word((enum reason)event->reason), event->observed ? "false" : "true");
	print_end("source", headers, &headers->source, headers->source_port);
	print_end("destination", headers, &headers->destination, headers->destination_port);
	if (headers->protocol >= 0)
		printf(",\"protocol\":%d", headers->protocol);
	else
		printf(",\"protocol\":null");
	printf(",\"bytes\":%u,\"frame\":\"%s\"}\n", event->frame_bytes, hex + 2);
}

static void print_event(void *ctx, const struct tollbar_event *event)
{
	struct trace *trace = ctx;
	size_t kept = event->kept_bytes < TOLLBAR_EVENT_BYTES ? event->kept_bytes : TOLLBAR_EVENT_BYTES;
	char hex[HEX_BYTES(TOLLBAR_EVENT_BYTES)], when[32];
	struct headers headers;

	if (trace->count_max != 0 && trace->shown == trace->count_max)
		return;
	trace->shown++;
	headers_read(&headers, span_of(event->frame, kept));
	hex_encode(hex, event->frame, kept);
	put_time(when, event->time_ns + (uint64_t)trace->unix_ns);
	if (trace->json)
		print_json(event, &headers, when, hex, trace->name);
	else
		print_line(event, &headers, when, hex);
}

/* --- the loop --- */

static bool over(const struct trace *trace, uint64_t start_ns)
{
	return ending != 0 || (trace->count_max != 0 && trace->shown == trace->count_max) ||
	       (trace->seconds_max != 0 && clock_ns() - start_ns >= trace->seconds_max * NS) || ferror(stdout);
}

static int64_t unix_offset_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * (int64_t)NS + now.tv_nsec - (int64_t)clock_ns();
}

static int watch(struct trace *trace, struct filter *filter)
{
	struct filter_traced before, after;
	struct filter_tracer *tracer;
	uint64_t start_ns = clock_ns();

	trace->unix_ns = unix_offset_ns();
	int err = filter_traced(filter, &before);
	if (err == 0)
		err = filter_trace_start(&tracer, filter, &trace->wish, print_event, trace);
	if (err != 0)
		return err;
	while (err == 0 && !over(trace, start_ns)) {
		err = filter_trace_poll(tracer);
		fflush(stdout); /* a reader sees each round's events, and we see whether it is gone */
		err = err == -EINTR ? 0 : err;
	}
	filter_trace_stop(tracer);
	if (err == 0 && filter_traced(filter, &after) == 0)
		fprintf(stderr, "%s: %" PRIu64 " shown, %" PRIu64 " more over the rate, %" PRIu64 " lost\n",
			trace->name, trace->shown, after.limited - before.limited, after.lost - before.lost);
	return err;
}

static int run(struct trace *trace)
{
	const struct sigaction end = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
	struct filter *filter = interface_filter(trace->name, trace->iface);

	if (filter == NULL)
		return FAILED;
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	int err = watch(trace, filter);
	filter_close(filter);
	if (err != 0)
		fprintf(stderr, "tollbar trace: %s: %s\n", trace->name,
			err == -EBUSY ? "somebody else is tracing" : strerror(-err));
	return err == 0 ? DONE : FAILED;
}

/* --- arguments --- */

static bool number_read(uint64_t *out, const char *option, const char *text)
{
	char *end;
	unsigned long long number = strtoull(text, &end, 10);

	*out = number;
	if (*text >= '0' && *text <= '9' && *end == '\0' && number > 0 && number <= NUMBER_MAX)
		return true;
	fprintf(stderr, "tollbar trace: --%s \"%s\" is not a number from 1 to %u\n", option, text, NUMBER_MAX);
	return false;
}

static bool reason_read(uint64_t *reasons, const char *word)
{
	for (size_t i = 0; i < REASON_KERNEL_CNT; i++)
		if (REASON_DROPS(reason_kernel[i]) && strcmp(word, reason_word(reason_kernel[i])) == 0) {
			*reasons |= UINT64_C(1) << reason_kernel[i];
			return true;
		}
	fprintf(stderr, "tollbar trace: no packet is dropped for \"%s\"; there are", word);
	for (size_t i = 0; i < REASON_KERNEL_CNT; i++)
		if (REASON_DROPS(reason_kernel[i]))
			fprintf(stderr, " %s", reason_word(reason_kernel[i]));
	fputs("\n", stderr);
	return false;
}

static bool option_take(struct trace *trace, int option)
{
	uint64_t number = 0;

	switch (option) {
	case 'i':
		trace->iface = optarg;
		return true;
	case 'r':
		return reason_read(&trace->wish.reasons, optarg);
	case 'e':
		if (!number_read(&number, "every", optarg))
			return false;
		trace->wish.every = (uint32_t)number;
		return true;
	case 'm':
		if (!number_read(&number, "rate", optarg))
			return false;
		trace->wish.second_max = (uint32_t)number;
		return true;
	case 'c':
		return number_read(&trace->count_max, "count", optarg);
	case 's':
		return number_read(&trace->seconds_max, "seconds", optarg);
	case 'j':
		return trace->json = true;
	default:
		return false; /* getopt has said why */
	}
}

int cmd_trace(int argc, char **argv)
{
	static const struct option options[] = {
		{"reason", required_argument, NULL, 'r'},  {"every", required_argument, NULL, 'e'},
		{"rate", required_argument, NULL, 'm'},	   {"count", required_argument, NULL, 'c'},
		{"seconds", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},	   {0},
	};
	struct trace trace = {.wish = {.every = 1, .second_max = 100}};
	int option;

	optind = 0; /* tests call this more than once */
	while ((option = getopt_long(argc, argv, "i:h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage_text, stdout);
			return DONE;
		}
		if (!option_take(&trace, option))
			return USAGE;
	}
	if (optind != argc) {
		fputs(usage_text, stderr);
		return USAGE;
	}
	if (trace.wish.reasons == 0)
		trace.wish.reasons = UINT64_MAX;
	return run(&trace);
}
