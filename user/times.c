// SPDX-License-Identifier: Apache-2.0
#include "times.h"

const char *const step_words[STEP_CNT] = {
#define S(name, word) [STEP_##name] = word,
	STEPS(S)
#undef S
};

bool step_waits_for_client(enum step step)
{
	return step == STEP_HEAD || step == STEP_BODY;
}

bool step_is_overhead(enum step step)
{
	return step <= STEP_CONNECT && !step_waits_for_client(step);
}

void request_times_step(struct request_times *times, enum step step, uint64_t ns)
{
	times->steps_ns[step] += ns;
	times->steps_done |= 1u << step;
}

bool request_times_did(const struct request_times *times, enum step step)
{
	return times->steps_done & 1u << step;
}

uint64_t request_times_waited_ns(const struct request_times *times)
{
	uint64_t waited_ns = 0;

	for (unsigned step = 0; step < STEP_CNT; step++)
		if (step_waits_for_client(step))
			waited_ns += times->steps_ns[step];
	return waited_ns;
}

void times_add(struct times *times, const struct request_times *request)
{
	for (unsigned step = 0; step < STEP_CNT; step++)
		if (request_times_did(request, step))
			histogram_add(&times->steps[step], request->steps_ns[step]);
	if (request->has_overhead)
		histogram_add(&times->overhead, request->overhead_ns);
	if (request->has_first_token)
		histogram_add(&times->first_token, request->first_token_ns);
}

void times_merge(struct times *into, const struct times *from)
{
	for (unsigned step = 0; step < STEP_CNT; step++)
		histogram_merge(&into->steps[step], &from->steps[step]);
	histogram_merge(&into->overhead, &from->overhead);
	histogram_merge(&into->first_token, &from->first_token);
}
