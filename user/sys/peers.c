/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/peers.h"

#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"

_Static_assert(sizeof(struct sockaddr_storage) == PEERS_ENTRY_BYTES, "the filter's mask goes by it");

const struct sockaddr_storage *peers_seal(const struct sockaddr_storage *const *addresses, size_t cnt)
{
	struct sockaddr_storage *peers = mmap((void *)PEERS_AT, PEERS_BYTES, PROT_READ | PROT_WRITE,
					      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	ASSERT(cnt >= 1 && cnt <= PEERS_MAX);
	if (peers == MAP_FAILED)
		return NULL;
	for (size_t i = 0; i < PEERS_MAX; i++)
		peers[i] = *addresses[i < cnt ? i : 0];
	return mprotect(peers, PEERS_BYTES, PROT_READ) == 0 ? peers : NULL;
}
