/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_SIEVE_H
#define TOLLBAR_TESTS_SIEVE_H
/* sieve.h: bpf/native.bpf.h compiled by cc, going by a policy of datagrams.h. */
#include "../bpf/native.bpf.h"
#include "datagrams.h"

static inline void sieve_policy(struct tollbar_native *native, const struct datagram_policy *policy)
{
	*native = (struct tollbar_native){.valid_after_max = policy->valid_after_max,
					  .deadline_min = policy->deadline_min,
					  .deadline_max = policy->deadline_max,
					  .until_min = policy->until_min,
					  .until_max = policy->until_max,
					  .terms_cnt = DATAGRAM_TERMS};
	for (size_t i = 0; i < DATAGRAM_TERMS; i++) {
		native->terms[i].chain_id = NATIVE_BE64(policy->terms[i].chain_id);
		memcpy(native->terms[i].asset, policy->terms[i].asset, 16);
		memcpy(&native->terms[i].asset_rest, policy->terms[i].asset + 16, 4);
		native->terms[i].methods = policy->terms[i].methods;
	}
}

#endif
