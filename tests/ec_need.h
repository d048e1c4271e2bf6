/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_EC_NEED_H
#define TOLLBAR_TESTS_EC_NEED_H
/* ec_need.h: how a test of user/ec begins: with the seed, once a program, and only on a CPU that can run the engine. */
#include "check.h"
#include "ec/ec.h"
#include "random.h"

static inline bool need_cpu(const char *file)
{
	if (random_state == 0)
		random_start(file);
	return ec_supported();
}

#define NEED_CPU                                       \
	do {                                           \
		if (!need_cpu(__FILE__))               \
			CHECK_SKIP("no AVX-512 IFMA"); \
	} while (0)

#endif
