/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_VERIFIER_H
#define TOLLBAR_TESTS_VERIFIER_H
/* verifier.h: a verifier with the least memory it can have. */
#include "check.h"
#include "signers.h"
#include "verify.h"

static const uint8_t seed[32] = {7};

static inline struct verifier *open_verifier(enum verify_engine engine, size_t repeat_cnt)
{
	struct verify_config config = {
		.seed = seed, .engine = engine, .signer_bytes = SIGNERS_BYTES_MIN, .repeat_cnt = repeat_cnt};
	struct verifier *verifier = verify_init(&config);

	CHECK_NEED(verifier != NULL);
	return verifier;
}

#endif
