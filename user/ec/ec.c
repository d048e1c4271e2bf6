// SPDX-License-Identifier: Apache-2.0
#include "ec/ec.h"

#include "base/assert.h"

bool ec_supported(void)
{
#ifdef __x86_64__
	/* The compiler's runtime asks CPUID, and XGETBV for what the system saves. */
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vbmi") &&
	       __builtin_cpu_supports("avx512vbmi2");
#else
	return false;
#endif
}

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
