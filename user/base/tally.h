/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_TALLY_H
#define TOLLBAR_BASE_TALLY_H
/* tally.h: how often something was counted lately, for things of which there may be any number: a fixed table of tags and
 * counts in sets of eight.  A new one takes the place of the least counted in its set, so many that come once do not push
 * out what comes often.  A count may be lost, and is then too small; it is too big only when two hashes agree in their low
 * and their high half (once in 2^32 a pair).  Hashes must be keyed (siphash.h): whoever could choose a set could empty it. */
#include <stddef.h>
#include <stdint.h>

/* A count that halves with every epoch that passes. */
struct fading {
	uint16_t count, epoch;
};

struct tally {
	struct tally_set *sets;
	size_t set_cnt; /* a power of two */
	uint16_t epoch;
};

/* Room for at least entry_cnt.  0 or -ENOMEM. */
int tally_init(struct tally *tally, size_t entry_cnt);
void tally_fini(struct tally *tally);
size_t tally_bytes(size_t entry_cnt);

/* Counts once.  Returns the count with this one. */
unsigned tally_add(struct tally *tally, uint64_t hash);
unsigned tally_look(const struct tally *tally, uint64_t hash);
/* Every count is halved. */
void tally_age(struct tally *tally);

/* The same arithmetic for counts kept elsewhere. */
static inline unsigned fading_count(struct fading fading, uint16_t epoch)
{
	unsigned ages = (uint16_t)(epoch - fading.epoch);

	return ages < 16 ? (unsigned)fading.count >> ages : 0;
}

static inline unsigned fading_add(struct fading *fading, uint16_t epoch)
{
	unsigned count = fading_count(*fading, epoch);

	count += count < UINT16_MAX;
	*fading = (struct fading){.count = (uint16_t)count, .epoch = epoch};
	return count;
}

#endif
