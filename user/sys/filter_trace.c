// SPDX-License-Identifier: Apache-2.0
/* filter_trace.c: the sampled drops of filter.h.
 *
 * tollbar_trace.until_ns says whose turn it is: taken by exchanging a moment that is past for one to come, renewed and given
 * back by exchanging one's own. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "sys/filter_maps.h"

#define LEASE_NS 2000000000u
#define POLL_MS 500

struct filter_tracer {
	struct filter *filter;
	struct ring_buffer *ring;
	void (*visit)(void *ctx, const struct tollbar_event *event);
	void *visit_ctx;
	struct filter_wish wish;
	uint64_t start_ns, until_ns;
};

static bool until_exchange(struct filter *filter, uint64_t was_ns, uint64_t now_ns)
{
	__u64 expected = was_ns;

	return __atomic_compare_exchange_n(&filter->policy->trace.until_ns, &expected, now_ns, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/* Events from before, by a tracer that died, may still be in the ring. */
static int take(void *ctx, void *data, size_t bytes)
{
	struct filter_tracer *tracer = ctx;
	const struct tollbar_event *event = data;

	if (bytes < sizeof *event || event->time_ns < tracer->start_ns || event->reason >= TOLLBAR_REASON_CNT ||
	    !(tracer->wish.reasons >> event->reason & 1))
		return 0;
	tracer->visit(tracer->visit_ctx, event);
	return 0;
}

int filter_trace_start(struct filter_tracer **started, struct filter *filter, const struct filter_wish *wish,
		       void (*visit)(void *ctx, const struct tollbar_event *event), void *visit_ctx)
{
	struct tollbar_trace *shared = &filter->policy->trace;
	uint64_t now_ns = clock_ns(), was_ns = __atomic_load_n(&shared->until_ns, __ATOMIC_RELAXED);
	struct filter_tracer *tracer = calloc(1, sizeof *tracer);

	*started = NULL;
	if (tracer == NULL)
		return -ENOMEM;
	*tracer = (struct filter_tracer){.filter = filter, .visit = visit, .visit_ctx = visit_ctx, .wish = *wish};
	tracer->ring = ring_buffer__new(filter->map_fds[MAP_TRACE], take, tracer, NULL);
	int err = tracer->ring == NULL ? -errno : 0;
	if (err == 0 && (was_ns > now_ns || !until_exchange(filter, was_ns, now_ns + LEASE_NS)))
		err = -EBUSY;
	if (err != 0) {
		ring_buffer__free(tracer->ring);
		free(tracer);
		return err;
	}
	tracer->until_ns = now_ns + LEASE_NS;
	__atomic_store_n(&shared->reasons, wish->reasons, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->every, wish->every, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->second_max, wish->second_max, __ATOMIC_RELAXED);
	tracer->start_ns = clock_ns();
	filter_word_change(filter, 0, TOLLBAR_TRACE);
	*started = tracer;
	return 0;
}

int filter_trace_poll(struct filter_tracer *tracer)
{
	uint64_t until_ns = clock_ns() + LEASE_NS;

	if (!until_exchange(tracer->filter, tracer->until_ns, until_ns))
		return -EBUSY;
	tracer->until_ns = until_ns;
	filter_word_change(tracer->filter, 0, TOLLBAR_TRACE); /* another may have cleared it while ending */
	int cnt = ring_buffer__poll(tracer->ring, POLL_MS);
	return cnt < 0 ? cnt : 0;
}

void filter_trace_stop(struct filter_tracer *tracer)
{
	if (until_exchange(tracer->filter, tracer->until_ns, 0))
		filter_word_change(tracer->filter, TOLLBAR_TRACE, 0);
	ring_buffer__free(tracer->ring);
	free(tracer);
}

void filter_trace_expire(struct filter *filter)
{
	if (__atomic_load_n(&filter->policy->trace.until_ns, __ATOMIC_RELAXED) < clock_ns())
		filter_word_change(filter, TOLLBAR_TRACE, 0);
}

int filter_traced(const struct filter *filter, struct filter_traced *sum)
{
	struct tollbar_tracing *per_cpu = calloc(filter->cpu_cnt, sizeof *per_cpu);
	uint32_t key = 0;
	int err = per_cpu == NULL ? -ENOMEM : bpf_map_lookup_elem(filter->map_fds[MAP_TRACING], &key, per_cpu);

	*sum = (struct filter_traced){0};
	for (size_t cpu = 0; err == 0 && cpu < filter->cpu_cnt; cpu++) {
		sum->sent += per_cpu[cpu].sent;
		sum->limited += per_cpu[cpu].limited;
		sum->lost += per_cpu[cpu].lost;
	}
	free(per_cpu);
	return err;
}
