// SPDX-License-Identifier: Apache-2.0
#include "base/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WAYS 8

struct tally_set { /* one cache line */
	struct {
		uint32_t tag;
		struct fading seen;
	} entries[WAYS];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct tally_set) == 64, "one cache line");

static size_t set_cnt_of(size_t entry_cnt)
{
	size_t cnt = 1;

	while (cnt * WAYS < entry_cnt)
		cnt *= 2;
	return cnt;
}

size_t tally_bytes(size_t entry_cnt)
{
	return set_cnt_of(entry_cnt) * sizeof(struct tally_set);
}

int tally_init(struct tally *tally, size_t entry_cnt)
{
	*tally = (struct tally){.set_cnt = set_cnt_of(entry_cnt)};
	tally->sets = aligned_alloc(sizeof(struct tally_set), tally_bytes(entry_cnt));
	if (tally->sets == NULL)
		return -ENOMEM;
	memset(tally->sets, 0, tally_bytes(entry_cnt));
	return 0;
}

void tally_fini(struct tally *tally)
{
	free(tally->sets);
	*tally = (struct tally){0};
}

static struct tally_set *set_of(const struct tally *tally, uint64_t hash)
{
	return &tally->sets[(uint32_t)hash & (tally->set_cnt - 1)];
}

unsigned tally_add(struct tally *tally, uint64_t hash)
{
	struct tally_set *set = set_of(tally, hash);
	uint32_t tag = (uint32_t)(hash >> 32);
	unsigned least = UINT32_MAX, least_way = 0;

	for (unsigned way = 0; way < WAYS; way++) {
		unsigned count = fading_count(set->entries[way].seen, tally->epoch);
		if (count > 0 && set->entries[way].tag == tag)
			return fading_add(&set->entries[way].seen, tally->epoch);
		if (count < least) {
			least = count;
			least_way = way;
		}
	}
	set->entries[least_way].tag = tag;
	set->entries[least_way].seen = (struct fading){.count = 1, .epoch = tally->epoch};
	return 1;
}

unsigned tally_look(const struct tally *tally, uint64_t hash)
{
	const struct tally_set *set = set_of(tally, hash);

	for (unsigned way = 0; way < WAYS; way++)
		if (set->entries[way].tag == (uint32_t)(hash >> 32))
			return fading_count(set->entries[way].seen, tally->epoch);
	return 0;
}

void tally_age(struct tally *tally)
{
	tally->epoch++;
}
