// SPDX-License-Identifier: Apache-2.0
/* What the store of results costs a native request:
 *
 *   results_repeat_over_tag    seeing that a datagram is no repeat, in a full store of the default size, over the keyed hash of
 *                              a datagram of 600 bytes, which is what it is looked for by
 *   results_stream_over_copy   an answer of 400 events of 250 bytes, each written, and read by one reader, over copying
 *                              each out of one buffer and into another
 *   results_repeat_ns, results_event_ns   the same alone: one datagram, one event
 *
 * Times are this thread's CPU time; sides alternate; medians. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/assert.h"
#include "native_payment.h"
#include "results.h"

#define ROUNDS 41
#define ENTRIES 8192
#define DATAGRAMS 20000
#define DATAGRAM_BYTES 600
#define EVENTS 400
#define EVENT_BYTES 250

static struct results *results;
static uint64_t hashes[DATAGRAMS]; /* of strangers' datagrams */

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), by_value);
	return values[ROUNDS / 2];
}

static uint64_t draw(void)
{
	uint64_t number;
	ssize_t drawn = getrandom(&number, sizeof number, 0);

	ASSERT(drawn == sizeof number);
	return number;
}

static struct result *begin(void)
{
	struct results_new new = {.datagram_hash = draw()};
	struct result *result;
	enum reason reason = results_begin(results, &result, &new);

	ASSERT(reason == REASON_OK);
	return result;
}

static void fill(void)
{
	const struct results_config config = {.entries = ENTRIES, .bytes = 64 << 20, .keep_ms = 3600000};

	results = results_init(&config);
	ASSERT(results != NULL);
	for (size_t i = 0; i < ENTRIES; i++) {
		struct result *result = begin();
		result_end(&result, REASON_OK, true);
	}
	for (size_t i = 0; i < DATAGRAMS; i++)
		hashes[i] = draw();
}

/* --- repeats --- */

static double repeat_ns(void)
{
	struct claim_key key = {0};
	struct in6_addr source = IN6ADDR_ANY_INIT;
	struct result_state state;
	double from = cpu_ns();

	for (size_t i = 0; i < DATAGRAMS; i++) {
		bool repeated = results_repeat(results, &key, hashes[i], &source, &state);
		ASSERT(!repeated);
	}
	return (cpu_ns() - from) / DATAGRAMS;
}

static double tag_ns(void)
{
	static const uint8_t key[16] = {1};
	static uint8_t datagram[DATAGRAM_BYTES];
	double from = cpu_ns();
	uint64_t sum = 0;

	for (size_t i = 0; i < DATAGRAMS; i++) {
		datagram[100] = (uint8_t)i;
		sum ^= native_payment_tag(key, span_of(datagram, sizeof datagram));
	}
	ASSERT(sum != 0);
	return (cpu_ns() - from) / DATAGRAMS;
}

/* --- a stream --- */

static uint8_t event[EVENT_BYTES];

static double stream_ns(void)
{
	struct result_reader reader = {0};
	struct result *result = begin();
	uint8_t out[EVENT_BYTES];
	double from = cpu_ns();
	bool open = results_open(results, &reader, result_id(result));

	ASSERT(open);
	for (size_t i = 0; i < EVENTS; i++) {
		event[0] = (uint8_t)i;
		size_t taken = result_append(result, span_of(event, sizeof event));
		size_t read = result_read(&reader, out, sizeof out);
		ASSERT(taken == sizeof event && read == sizeof out && out[0] == event[0]);
	}
	result_end(&result, REASON_OK, true);
	result_close(&reader);
	return (cpu_ns() - from) / EVENTS;
}

static double copy_ns(void)
{
	static uint8_t middle[EVENTS * EVENT_BYTES];
	uint8_t out[EVENT_BYTES];
	double from = cpu_ns();

	for (size_t i = 0; i < EVENTS; i++) {
		event[0] = (uint8_t)i;
		memcpy(middle + i * EVENT_BYTES, event, EVENT_BYTES);
		__asm__ volatile("" ::: "memory"); /* both copies are made */
		memcpy(out, middle + i * EVENT_BYTES, EVENT_BYTES);
		ASSERT(out[0] == event[0]);
	}
	return (cpu_ns() - from) / EVENTS;
}

static void measure(const char *ratio_name, const char *ns_name, double (*ours)(void), double (*other)(void))
{
	static double took[ROUNDS], ratio[ROUNDS];

	for (unsigned round = 0; round < ROUNDS; round++) {
		took[round] = ours();
		ratio[round] = took[round] / other();
	}
	printf("%s %.3f\n%s %.1f\n", ratio_name, median(ratio), ns_name, median(took));
}

int main(void)
{
	fill();
	measure("results_repeat_over_tag", "results_repeat_ns", repeat_ns, tag_ns);
	measure("results_stream_over_copy", "results_event_ns", stream_ns, copy_ns);
	results_fini(results);
	return 0;
}
