// SPDX-License-Identifier: Apache-2.0
/* filter_standing.c: the penalties of filter.h. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sys/filter_maps.h"

#define WALK_BATCH 1024u
#define SWEEP_PAUSE_NS 1000000000u /* a full map must not turn every entry into a walk through it */

static struct tollbar_address key_of(const struct in6_addr *source)
{
	struct tollbar_address key;

	memcpy(&key, source, sizeof key);
	tollbar_standing_key(&key);
	return key;
}

int filter_standing_get(struct filter *filter, const struct in6_addr *source, struct tollbar_standing *entry)
{
	struct tollbar_address key = key_of(source);
	int err = bpf_map_lookup_elem(filter->map_fds[MAP_STANDING], &key, entry);

	if (err != 0)
		*entry = (struct tollbar_standing){0};
	return err;
}

/* The count of a key's place, up or down.  It is raised before the key goes in and lowered after it went out, so whatever
 * happens in between, also the end of this process, it is not too low: that would let a penalised source pass.  One that was
 * lost nevertheless (place_mend) wraps to 255, which stays: looked behind for nothing, never passed over. */
static void place_count(struct filter *filter, const struct tollbar_address *key, bool up)
{
	__u8 *cnt = &filter->policy->standing_cnt[tollbar_standing_place(key)],
	     was = __atomic_load_n(cnt, __ATOMIC_RELAXED);

	while (was != UINT8_MAX && !__atomic_compare_exchange_n(cnt, &was, (__u8)(up ? was + 1 : was - 1), false,
								__ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
}

int filter_standing_clear(struct filter *filter, const struct in6_addr *source)
{
	struct tollbar_address key = key_of(source);
	int err = bpf_map_delete_elem(filter->map_fds[MAP_STANDING], &key);

	if (err == 0)
		place_count(filter, &key, false);
	return err;
}

/* A key that is there already keeps its place's count; somebody else may take it away meanwhile. */
static int entry_write(struct filter *filter, const struct tollbar_address *key, const struct tollbar_standing *entry)
{
	int fd = filter->map_fds[MAP_STANDING], err;

	do {
		place_count(filter, key, true);
		err = bpf_map_update_elem(fd, key, entry, BPF_NOEXIST);
		if (err != 0)
			place_count(filter, key, false);
		if (err == -EEXIST)
			err = bpf_map_update_elem(fd, key, entry, BPF_EXIST);
	} while (err == -ENOENT);
	return err;
}

bool filter_sweep_due(uint64_t *swept_ns)
{
	uint64_t now_ns = clock_ns(), last_ns = __atomic_load_n(swept_ns, __ATOMIC_RELAXED);

	return now_ns - last_ns >= SWEEP_PAUSE_NS &&
	       __atomic_compare_exchange_n(swept_ns, &last_ns, now_ns, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

int filter_standing_put(struct filter *filter, const struct in6_addr *source, const struct tollbar_standing *entry)
{
	struct tollbar_address key = key_of(source);
	int err = entry_write(filter, &key, entry);

	if (err == -E2BIG && filter_sweep_due(&filter->swept_ns)) {
		filter_standing_sweep(filter, 0);
		err = entry_write(filter, &key, entry);
	}
	if (err == 0) /* after the entry is in: see filter_standing_sweep */
		filter_word_change(filter, 0, TOLLBAR_HAS_STANDING);
	return err == -E2BIG ? -ENOSPC : err;
}

/* --- walks ------------------------------------------------------------------------------------------------------ */

/* Calls visit with every entry; it may delete it.  0 or -errno. */
static int walk(const struct filter *filter, void (*visit)(void *ctx, const struct filter_standing *found), void *ctx)
{
	struct tollbar_address keys[WALK_BATCH];
	struct tollbar_standing entries[WALK_BATCH];
	uint32_t position = 0;
	int err = 0;

	for (bool first = true; err == 0; first = false) {
		uint32_t cnt = WALK_BATCH;
		err = bpf_map_lookup_batch(filter->map_fds[MAP_STANDING], first ? NULL : &position, &position, keys,
					   entries, &cnt, NULL);
		for (uint32_t i = 0; (err == 0 || err == -ENOENT) && i < cnt;
		     i++) { /* the last batch comes with -ENOENT */
			struct filter_standing found = {.entry = entries[i]};
			memcpy(&found.source, &keys[i], sizeof found.source);
			visit(ctx, &found);
		}
	}
	return err == -ENOENT ? 0 : err;
}

/* A key that went in while the filter was replaced may have its count in the pages of the one before. */
static void place_mend(struct filter *filter, const struct in6_addr *source)
{
	struct tollbar_address key = key_of(source);

	if (__atomic_load_n(&filter->policy->standing_cnt[tollbar_standing_place(&key)], __ATOMIC_RELAXED) == 0)
		place_count(filter, &key, true);
}

struct sweep {
	struct filter *filter;
	uint64_t now_ns, keep_ns;
	int live;
};

static void sweep_one(void *ctx, const struct filter_standing *found)
{
	struct sweep *sweep = ctx;

	if (found->entry.until_ns > sweep->now_ns) {
		sweep->live++;
		place_mend(sweep->filter, &found->source);
	} else if (sweep->now_ns - found->entry.until_ns >= sweep->keep_ns) {
		filter_standing_clear(sweep->filter, &found->source);
	}
}

int filter_standing_sweep(struct filter *filter, uint64_t keep_ns)
{
	struct sweep sweep = {filter, clock_ns(), keep_ns, 0};
	int err = walk(filter, sweep_one, &sweep);

	if (err == 0 && sweep.live == 0) {
		/* A penalty that comes meanwhile is either found by this second look or sets the bit after we cleared it. */
		filter_word_change(filter, TOLLBAR_HAS_STANDING, 0);
		err = walk(filter, sweep_one, &sweep);
		if (err != 0 || sweep.live > 0)
			filter_word_change(filter, 0, TOLLBAR_HAS_STANDING);
	}
	return err != 0 ? err : sweep.live;
}

struct count {
	uint64_t now_ns, live, over;
};

static void count_one(void *ctx, const struct filter_standing *found)
{
	struct count *count = ctx;

	if (found->entry.until_ns > count->now_ns)
		count->live++;
	else
		count->over++;
}

int filter_standing_count(struct filter *filter, uint64_t *live, uint64_t *over)
{
	struct count count = {.now_ns = clock_ns()};
	int err = walk(filter, count_one, &count);

	*live = count.live;
	*over = count.over;
	return err;
}

struct gather {
	struct filter_standing *all;
	int cnt;
};

static void gather_one(void *ctx, const struct filter_standing *found)
{
	struct gather *gather = ctx;

	if (gather->cnt < (int)TOLLBAR_STANDING_MAX)
		gather->all[gather->cnt++] = *found;
}

int filter_standing_list(struct filter *filter, struct filter_standing **all)
{
	struct gather gather = {calloc(TOLLBAR_STANDING_MAX, sizeof *gather.all), 0};
	int err = gather.all == NULL ? -ENOMEM : walk(filter, gather_one, &gather);

	if (err != 0) {
		free(gather.all);
		gather.all = NULL;
	}
	*all = gather.all;
	return err != 0 ? err : gather.cnt;
}
