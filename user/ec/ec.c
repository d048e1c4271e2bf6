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

struct ec_workspace *ec_init(void)
{
	if (!ec_supported() || table_generator() == NULL)
		return NULL;
	return aligned_alloc(64, sizeof(struct ec_workspace));
}

void ec_fini(struct ec_workspace *work)
{
	free(work);
}

size_t ec_bytes(void)
{
	return sizeof(struct ec_workspace);
}

void ec_table_build(struct ec_workspace *work, void *const memory[], const uint8_t *const keys[], size_t cnt,
		    unsigned window)
{
	table_build(&work->table, memory, keys, cnt, window);
}

void ec_cold(struct ec_workspace *work, struct ec_item *const items[], size_t cnt)
{
	cold_verify(&work->cold, items, cnt);
}

void ec_hot(struct ec_workspace *work, struct ec_item *const items[], size_t cnt)
{
	hot_verify(&work->hot, items, cnt);
}

#else
/* Nobody has a workspace here. */
bool ec_supported(void)
{
	return false;
}

struct ec_workspace *ec_init(void)
{
	return NULL;
}

void ec_fini(struct ec_workspace *work)
{
	ASSERT(work == NULL);
}

size_t ec_bytes(void)
{
	return 0;
}

void ec_table_build(struct ec_workspace *work, void *const memory[], const uint8_t *const keys[], size_t cnt,
		    unsigned window)
{
	ASSERT(ec_supported());
}

void ec_cold(struct ec_workspace *work, struct ec_item *const items[], size_t cnt)
{
	ASSERT(ec_supported());
}

void ec_hot(struct ec_workspace *work, struct ec_item *const items[], size_t cnt)
{
	ASSERT(ec_supported());
}
#endif
