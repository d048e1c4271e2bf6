// SPDX-License-Identifier: Apache-2.0
#include "signers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/siphash.h"
#include "base/tally.h"

#define NARROW 5 /* windows: 26 KiB a key */
#define WIDE 8	 /* 136 KiB */
#define WAYS 8	 /* signers of a set */
#define GROUP 8	 /* tables built at one time: the most that ec.h builds at the price of one */

#define SIGHTINGS_MIN 3
#define WIDE_USES_MIN 300
#define WIDE_SHARE 4	     /* one part in four of the memory is for wide tables */
#define STRANGERS_A_PLACE 4  /* sightings of those without a place are counted for so many times the places */
#define AGE_USES_A_PLACE 32u /* counts halve after so many signatures a place */

/* What a group costs, and what a signature saves by a wide table: measured with ec.h's lanes, as bench_ec prints them.
 * Only their ratio matters, and only roughly. */
#define NARROW_PRICE_NS 110000
#define WIDE_PRICE_NS 550000
#define WIDE_SAVES_NS 250

#define HUGE_PAGE ((size_t)2 << 20)
#define NOBODY UINT32_MAX

struct known_signer {
	struct address address;
	bool taken, has_narrow, has_wide, in_group;
	struct fading uses;
	uint32_t narrow; /* table memory, the place's own once it had a signer; NOBODY before */
	uint32_t wide;	 /* the signer's, or NOBODY */
	uint8_t key[64];
};

struct group { /* tables that are due */
	uint32_t signers[GROUP];
	unsigned cnt;
	uint64_t lost_ns; /* by having waited */
};

struct signers {
	struct known_signer *places;		 /* set_cnt × WAYS */
	uint32_t set_cnt, place_cnt, narrow_cnt; /* of narrow tables so far given a place */
	uint32_t *wide_owners, wide_cnt, wide_hand;
	struct group narrow_due, wide_due;
	struct tally strangers;
	uint16_t epoch;
	uint64_t age_in; /* signatures until counts halve */
	uint8_t *tables, *wide_tables;
	void *mapped;
	size_t mapped_bytes;
	uint8_t hash_key[16];
};

/* --- sizes --- */

struct sizes {
	size_t wide_cnt, set_cnt, table_bytes;
};

static struct sizes sizes_of(size_t bytes)
{
	struct sizes sizes;
	size_t wide_bytes = ec_table_bytes(WIDE), narrow_bytes = ec_table_bytes(NARROW);

	ASSERT(bytes >= SIGNERS_BYTES_MIN && bytes / narrow_bytes < NOBODY);
	sizes.wide_cnt = bytes / WIDE_SHARE / wide_bytes;
	sizes.set_cnt = (bytes - sizes.wide_cnt * wide_bytes) / narrow_bytes / WAYS;
	sizes.table_bytes = sizes.wide_cnt * wide_bytes + sizes.set_cnt * WAYS * narrow_bytes;
	return sizes;
}

size_t signers_bytes(size_t bytes)
{
	struct sizes sizes = sizes_of(bytes);
	size_t place_cnt = sizes.set_cnt * WAYS;

	return sizeof(struct signers) + sizes.table_bytes + place_cnt * sizeof(struct known_signer) +
	       sizes.wide_cnt * sizeof(uint32_t) + tally_bytes(place_cnt * STRANGERS_A_PLACE);
}

/* Rows are read all over the tables: without huge pages most reads would miss the TLB as well. */
static bool map_tables(struct signers *signers, const struct sizes *sizes)
{
	signers->mapped_bytes = sizes->table_bytes + HUGE_PAGE;
	signers->mapped = mmap(NULL, signers->mapped_bytes, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (signers->mapped == MAP_FAILED)
		return false;
	uintptr_t aligned = ((uintptr_t)signers->mapped + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
	signers->tables = (uint8_t *)aligned;
	signers->wide_tables = signers->tables + signers->place_cnt * ec_table_bytes(NARROW);
	madvise(signers->tables, sizes->table_bytes, MADV_HUGEPAGE); /* a kernel without them: slower, not wrong */
	return true;
}

struct signers *signers_init(size_t bytes, const uint8_t hash_key[16])
{
	struct sizes sizes = sizes_of(bytes);
	struct signers *signers = calloc(1, sizeof *signers);

	if (signers == NULL)
		return NULL;
	signers->mapped = MAP_FAILED;
	signers->set_cnt = (uint32_t)sizes.set_cnt;
	signers->place_cnt = (uint32_t)sizes.set_cnt * WAYS;
	signers->wide_cnt = (uint32_t)sizes.wide_cnt;
	signers->age_in = (uint64_t)signers->place_cnt * AGE_USES_A_PLACE;
	memcpy(signers->hash_key, hash_key, sizeof signers->hash_key);
	signers->places = calloc(signers->place_cnt, sizeof *signers->places);
	signers->wide_owners = calloc(signers->wide_cnt, sizeof *signers->wide_owners);
	if (signers->places == NULL || signers->wide_owners == NULL ||
	    tally_init(&signers->strangers, (size_t)signers->place_cnt * STRANGERS_A_PLACE) < 0 ||
	    !map_tables(signers, &sizes)) {
		signers_fini(signers);
		return NULL;
	}
	for (uint32_t i = 0; i < signers->place_cnt; i++)
		signers->places[i].narrow = signers->places[i].wide = NOBODY;
	for (uint32_t i = 0; i < signers->wide_cnt; i++)
		signers->wide_owners[i] = NOBODY;
	return signers;
}

void signers_fini(struct signers *signers)
{
	if (signers == NULL)
		return;
	if (signers->mapped != MAP_FAILED)
		munmap(signers->mapped, signers->mapped_bytes);
	tally_fini(&signers->strangers);
	free(signers->wide_owners);
	free(signers->places);
	free(signers);
}

/* --- places --- */

static uint64_t hash_of(const struct signers *signers, const struct address *address)
{
	return siphash(signers->hash_key, address->at, sizeof address->at);
}

/* The tally takes the hash's low bits for its sets: the high ones are left for ours. */
static struct known_signer *set_of(const struct signers *signers, uint64_t hash)
{
	return &signers->places[(size_t)((unsigned __int128)hash * signers->set_cnt >> 64) * WAYS];
}

static struct known_signer *find(const struct signers *signers, const struct address *address, uint64_t hash)
{
	struct known_signer *set = set_of(signers, hash);

	for (unsigned way = 0; way < WAYS; way++)
		if (set[way].taken && memcmp(&set[way].address, address, sizeof *address) == 0)
			return &set[way];
	return NULL;
}

static unsigned uses_of(const struct signers *signers, const struct known_signer *signer)
{
	return fading_count(signer->uses, signers->epoch);
}

static uint32_t index_of(const struct signers *signers, const struct known_signer *signer)
{
	return (uint32_t)(signer - signers->places);
}

/* One signature more: time passes. */
static void tick(struct signers *signers)
{
	if (--signers->age_in > 0)
		return;
	signers->age_in = (uint64_t)signers->place_cnt * AGE_USES_A_PLACE;
	signers->epoch++;
	tally_age(&signers->strangers);
}

static uint8_t *narrow_table(const struct signers *signers, const struct known_signer *signer)
{
	return signers->tables + signer->narrow * ec_table_bytes(NARROW);
}

static uint8_t *wide_table(const struct signers *signers, const struct known_signer *signer)
{
	return signers->wide_tables + signer->wide * ec_table_bytes(WIDE);
}

bool signers_find(struct signers *signers, struct signer_table *table, const struct address *address)
{
	struct known_signer *signer = find(signers, address, hash_of(signers, address));

	if (signer == NULL || !signer->has_narrow)
		return false;
	table->signer = signer;
	table->window = signer->has_wide ? WIDE : NARROW;
	table->at = signer->has_wide ? wide_table(signers, signer) : narrow_table(signers, signer);
	return true;
}

/* --- a table for a newcomer --- */

static void group_add(struct signers *signers, struct group *group, struct known_signer *signer)
{
	ASSERT(group->cnt < GROUP && !signer->in_group);
	signer->in_group = true;
	group->signers[group->cnt++] = index_of(signers, signer);
}

static void give_up_wide(struct signers *signers, struct known_signer *signer)
{
	if (signer->wide != NOBODY)
		signers->wide_owners[signer->wide] = NOBODY;
	signer->wide = NOBODY;
	signer->has_wide = false;
}

/* A place for a signer of so many uses: a free one, or the least busy signer's if it is less busy.  NULL: none.  Who is in
 * a group keeps its place until the group is built. */
static struct known_signer *make_place(struct signers *signers, uint64_t hash, unsigned uses)
{
	struct known_signer *set = set_of(signers, hash), *least = NULL;
	unsigned least_uses = uses;

	for (unsigned way = 0; way < WAYS; way++) {
		if (!set[way].taken)
			return &set[way];
		if (!set[way].in_group && uses_of(signers, &set[way]) < least_uses) {
			least = &set[way];
			least_uses = uses_of(signers, least);
		}
	}
	if (least != NULL)
		give_up_wide(signers, least);
	return least;
}

static void settle_in(struct signers *signers, struct known_signer *place, const struct address *address,
		      const uint8_t key[64], unsigned uses)
{
	place->address = *address;
	memcpy(place->key, key, sizeof place->key);
	place->taken = true;
	place->has_narrow = false;
	place->uses = (struct fading){.count = (uint16_t)uses, .epoch = signers->epoch};
	if (place->narrow == NOBODY)
		place->narrow = signers->narrow_cnt++;
	group_add(signers, &signers->narrow_due, place);
}

void signers_sighted(struct signers *signers, const struct address *address, const uint8_t key[64], unsigned lost_ns)
{
	uint64_t hash = hash_of(signers, address);
	struct known_signer *signer = find(signers, address, hash);

	tick(signers);
	if (signer == NULL) {
		unsigned sightings = tally_add(&signers->strangers, hash);
		if (sightings < SIGHTINGS_MIN || signers->narrow_due.cnt == GROUP)
			return;
		signer = make_place(signers, hash, sightings);
		if (signer == NULL)
			return;
		settle_in(signers, signer, address, key, sightings);
	} else {
		fading_add(&signer->uses, signers->epoch);
	}
	if (signer->in_group && !signer->has_narrow)
		signers->narrow_due.lost_ns += lost_ns;
}

/* --- a wide table for the busiest --- */

/* Memory of a wide table: a free one, or that of the next signer in turn if it is far less busy.  One look a call: who asks
 * is busy and comes again. */
static uint32_t make_wide(struct signers *signers, unsigned uses)
{
	uint32_t wide = signers->wide_hand;
	struct known_signer *owner;

	signers->wide_hand = (wide + 1) % signers->wide_cnt;
	if (signers->wide_owners[wide] == NOBODY)
		return wide;
	owner = &signers->places[signers->wide_owners[wide]];
	if (owner->in_group || uses_of(signers, owner) >= uses / 2)
		return NOBODY;
	give_up_wide(signers, owner);
	return wide;
}

static void consider_wide(struct signers *signers, struct known_signer *signer, unsigned uses)
{
	if (uses < WIDE_USES_MIN || signers->wide_cnt == 0 || signer->in_group || signers->wide_due.cnt == GROUP)
		return;
	signer->wide = make_wide(signers, uses);
	if (signer->wide == NOBODY)
		return;
	signers->wide_owners[signer->wide] = index_of(signers, signer);
	group_add(signers, &signers->wide_due, signer);
}

void signers_used(struct signers *signers, const struct signer_table *table)
{
	struct known_signer *signer = table->signer;
	unsigned uses = fading_add(&signer->uses, signers->epoch);

	tick(signers);
	if (signer->wide == NOBODY)
		consider_wide(signers, signer, uses);
	if (signer->wide != NOBODY && !signer->has_wide)
		signers->wide_due.lost_ns += WIDE_SAVES_NS;
}

/* --- building --- */

static unsigned build(struct signers *signers, struct group *group, unsigned window, struct ec_workspace *work)
{
	const uint8_t *keys[GROUP];
	void *memory[GROUP];
	unsigned cnt = group->cnt;

	for (unsigned i = 0; i < cnt; i++) {
		struct known_signer *signer = &signers->places[group->signers[i]];
		keys[i] = signer->key;
		memory[i] = window == WIDE ? wide_table(signers, signer) : narrow_table(signers, signer);
		signer->in_group = false;
		if (window == WIDE)
			signer->has_wide = true;
		else
			signer->has_narrow = true;
	}
	ec_table_build(work, memory, keys, cnt, window);
	*group = (struct group){0};
	return cnt;
}

unsigned signers_build(struct signers *signers, struct ec_workspace *work)
{
	const struct group *narrow = &signers->narrow_due, *wide = &signers->wide_due;
	unsigned built = 0, full = ec_table_group(work);

	if (narrow->cnt >= full || narrow->lost_ns >= NARROW_PRICE_NS)
		built += build(signers, &signers->narrow_due, NARROW, work);
	if (wide->cnt >= full || wide->lost_ns >= WIDE_PRICE_NS)
		built += build(signers, &signers->wide_due, WIDE, work);
	return built;
}
