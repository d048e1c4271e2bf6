// SPDX-License-Identifier: Apache-2.0
#include "ec/ec.h"

#include <stdlib.h>

#include "base/assert.h"
#include "ec/workspace.h"

bool ec_window_valid(unsigned window)
{
	return (window >= 4 && window <= 8) || window == 13;
}

/* ceil(129 / window) positions of 2^(window - 1) odd multiples. */
size_t ec_table_bytes(unsigned window)
{
	ASSERT(ec_window_valid(window));
	return ((129 + window - 1) / window * 64) << (window - 1);
}

#ifdef __x86_64__
bool ec_supported(void)
{
	/* The compiler's runtime asks CPUID, and XGETBV for what the system saves. */
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vbmi") &&
	       __builtin_cpu_supports("avx512vbmi2");
}

static size_t lanes_bytes(void)
{
	return sizeof(union lanes_work);
}

static void lanes_table(struct ec_workspace *work, void *const memory[], const uint8_t *const keys[], size_t cnt,
			unsigned window)
{
	table_build(&work->lanes->table, memory, keys, cnt, window);
}

static void lanes_cold(struct ec_workspace *work, struct ec_item *const items[], size_t cnt)
{
	cold_verify(&work->lanes->cold, items, cnt);
}

static void lanes_hot(struct ec_workspace *work, struct ec_item *const items[], size_t cnt)
{
	hot_verify(&work->lanes->hot, items, cnt);
}

#else
/* Nobody has a workspace for lanes here. */
bool ec_supported(void)
{
	return false;
}

static size_t lanes_bytes(void)
{
	return 0;
}

static void lanes_table(struct ec_workspace *work, void *const memory[], const uint8_t *const keys[], size_t cnt,
			unsigned window)
{
	ASSERT(ec_supported());
}

static void lanes_cold(struct ec_workspace *work, struct ec_item *const items[], size_t cnt)
{
	ASSERT(ec_supported());
}

static void lanes_hot(struct ec_workspace *work, struct ec_item *const items[], size_t cnt)
{
	ASSERT(ec_supported());
}
#endif

/* --- one of two engines --- */

static size_t memory_bytes(enum ec_engine engine)
{
	size_t bytes = engine == EC_LANES ? lanes_bytes() : sizeof(struct portable_work);

	return (bytes + 63) / 64 * 64;
}

size_t ec_bytes(enum ec_engine engine)
{
	return sizeof(struct ec_workspace) + memory_bytes(engine);
}

struct ec_workspace *workspace_take(enum ec_engine engine)
{
	struct ec_workspace *work = malloc(sizeof(*work));
	void *memory = aligned_alloc(64, memory_bytes(engine));

	if (work == NULL || memory == NULL) {
		free(memory);
		free(work);
		return NULL;
	}
	work->engine = engine;
	work->memory = memory;
	return work;
}

struct ec_workspace *ec_init(enum ec_engine engine)
{
	if ((engine == EC_LANES && !ec_supported()) || generator_table() == NULL)
		return NULL;
	return workspace_take(engine);
}

void ec_fini(struct ec_workspace *work)
{
	if (work != NULL)
		free(work->memory);
	free(work);
}

bool ec_has_cold(const struct ec_workspace *work)
{
	return work->engine == EC_LANES;
}

unsigned ec_table_group(const struct ec_workspace *work)
{
	return work->engine == EC_LANES ? 8 : 1;
}

void ec_table_build(struct ec_workspace *work, void *const memory[], const uint8_t *const keys[], size_t cnt,
		    unsigned window)
{
	if (work->engine == EC_LANES) {
		lanes_table(work, memory, keys, cnt, window);
		return;
	}
	for (size_t i = 0; i < cnt; i++)
		portable_table(work->portable, memory[i], keys[i], window);
}

void ec_cold(struct ec_workspace *work, struct ec_item *const items[], size_t cnt)
{
	ASSERT(ec_has_cold(work));
	lanes_cold(work, items, cnt);
}

void ec_hot(struct ec_workspace *work, struct ec_item *const items[], size_t cnt)
{
	if (work->engine == EC_LANES)
		lanes_hot(work, items, cnt);
	else
		portable_hot(work->portable, items, cnt);
}
