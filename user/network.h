/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_NETWORK_H
#define TOLLBAR_NETWORK_H
/* network.h: names of EVM chains in x402.  v2 says CAIP-2 ("eip155:8453"), v1 a name of its own ("base").
 * Source: CAIP-2; the v1 table of @x402/evm 2.27.0. */
#include <stdint.h>

#include "base/span.h"

/* Chain id of a v1 name, or 0.  */
uint64_t network_of_v1(struct span name);
/* v1 name of a chain id, or NULL when v1 has none. */
const char *network_v1_name(uint64_t chain_id);
/* Chain id of "eip155:<decimal>" without leading zeros, at most 2^53 - 1 (what JavaScript can hold), or 0. */
uint64_t network_of_caip2(struct span name);

#endif
