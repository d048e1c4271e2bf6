// SPDX-License-Identifier: Apache-2.0
#include "repeats.h"

#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"

struct entry {
	struct authorisation held;
	bool used;
} __attribute__((aligned(128)));
_Static_assert(sizeof(struct authorisation) == 32 + 65 + 20, "an authorisation is compared as bytes");

struct repeats {
	struct entry *entries;
	size_t cnt;
	uint8_t hash_key[16];
};

static size_t round_up(size_t cnt)
{
	size_t power = 1;

	while (power < cnt)
		power *= 2;
	return power;
}

size_t repeats_bytes(size_t cnt)
{
	return round_up(cnt) * sizeof(struct entry);
}

struct repeats *repeats_init(size_t cnt, const uint8_t hash_key[16])
{
	struct repeats *repeats = calloc(1, sizeof *repeats);

	if (repeats == NULL)
		return NULL;
	repeats->cnt = round_up(cnt);
	memcpy(repeats->hash_key, hash_key, sizeof repeats->hash_key);
	repeats->entries = aligned_alloc(_Alignof(struct entry), repeats_bytes(cnt));
	if (repeats->entries == NULL) {
		repeats_fini(repeats);
		return NULL;
	}
	memset(repeats->entries, 0, repeats_bytes(cnt));
	return repeats;
}

void repeats_fini(struct repeats *repeats)
{
	if (repeats == NULL)
		return;
	free(repeats->entries);
	free(repeats);
}

size_t repeats_place(const struct repeats *repeats, const struct word *digest)
{
	size_t place = siphash(repeats->hash_key, digest->at, sizeof digest->at) & (repeats->cnt - 1);

	__builtin_prefetch(&repeats->entries[place]);
	__builtin_prefetch((const char *)&repeats->entries[place] + 64);
	return place;
}

bool repeats_has(const struct repeats *repeats, size_t place, const struct authorisation *authorisation)
{
	const struct entry *entry = &repeats->entries[place];

	return entry->used && memcmp(&entry->held, authorisation, sizeof *authorisation) == 0;
}

void repeats_add(struct repeats *repeats, size_t place, const struct authorisation *authorisation)
{
	repeats->entries[place].held = *authorisation;
	repeats->entries[place].used = true;
}
