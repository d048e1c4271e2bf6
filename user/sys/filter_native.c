// SPDX-License-Identifier: Apache-2.0
/* filter_native.c: the sieve's policy, of filter.h. */
#include <bpf/bpf.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "limits.h"
#include "lists_payers.h"
#include "sys/filter_maps.h"

#define CLOCK_SLACK_S 2 /* the kernel's clock is renewed every second, a little late at times */
#define SWEEP_BATCH 1024u

/* --- terms ------------------------------------------------------------------------------------------------------ */

static void terms_write(struct tollbar_native *policy, const struct filter_native *native)
{
	for (size_t i = 0; i < native->terms_cnt; i++) {
		const struct filter_terms *terms = &native->terms[i];
		struct tollbar_native_terms *out = &policy->terms[i];
		out->chain_id = htobe64(terms->chain_id);
		memcpy(out->asset, terms->asset.at, sizeof out->asset);
		memcpy(&out->asset_rest, terms->asset.at + sizeof out->asset, sizeof out->asset_rest);
		out->methods = terms->methods;
	}
	__atomic_store_n(&policy->terms_cnt, (uint32_t)native->terms_cnt, __ATOMIC_RELEASE);
}

/* Made once for as long as the program is loaded: tags made with another key would say nothing any more. */
static int tag_key_write(struct tollbar_native *policy)
{
	if (policy->tag_key[0] != 0)
		return 0;
	if (getrandom(policy->tag_key, sizeof policy->tag_key, 0) != sizeof policy->tag_key)
		return -EIO;
	policy->tag_key[0] |= 1; /* never zero */
	return 0;
}

static uint32_t cookies_bits(const struct filter_native *native)
{
	return (native->cookies == SYN_COOKIES_ON     ? TOLLBAR_COOKIES
		: native->cookies == SYN_COOKIES_AUTO ? TOLLBAR_COOKIES_AUTO
						      : 0) |
	       (native->cookies_sent ? TOLLBAR_COOKIES_SENT : 0);
}

int filter_set_native(struct filter *filter, const struct filter_native *native)
{
	const uint32_t bits = TOLLBAR_NATIVE | TOLLBAR_COOKIES | TOLLBAR_COOKIES_AUTO | TOLLBAR_COOKIES_SENT;
	struct tollbar_native *policy = &filter->policy->native;

	if (native == NULL) {
		filter_word_change(filter, bits, 0);
		return 0;
	}
	int err = tag_key_write(policy);
	if (err != 0)
		return err;
	filter->timeout_s = native->timeout_s;
	filter->knock_s = native->knock_s;
	terms_write(policy, native);
	memcpy(policy->cookie_key, native->cookie_key, sizeof policy->cookie_key);
	__atomic_store_n(&policy->cookies_per_s, native->cookies_per_s, __ATOMIC_RELAXED);
	filter_native_clock(filter, clock_unix_s());
	filter_ports_write(policy->ports, native->ports, native->port_cnt);
	filter_word_change(filter, bits, (native->port_cnt > 0 ? TOLLBAR_NATIVE : 0) | cookies_bits(native));
	return 0;
}

/* Between two calls the kernel's time stands still: its bounds are as wide as now and in CLOCK_SLACK_S taken together. */
void filter_native_clock(struct filter *filter, uint64_t unix_s)
{
	struct tollbar_native *policy = &filter->policy->native;
	uint64_t until_max = filter->knock_s > 0 ? unix_s + filter->knock_s + CLOCK_SLACK_S : 0;

	__atomic_store_n(&policy->valid_after_max, unix_s + CLOCK_SLACK_S, __ATOMIC_RELAXED);
	__atomic_store_n(&policy->deadline_min, unix_s + SETTLE_MARGIN_S, __ATOMIC_RELAXED);
	__atomic_store_n(&policy->deadline_max, unix_s + CLOCK_SLACK_S + filter->timeout_s + DEADLINE_SLACK_S,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&policy->until_min, unix_s, __ATOMIC_RELAXED);
	__atomic_store_n(&policy->until_max, until_max, __ATOMIC_RELAXED);
	__atomic_store_n(&policy->tick_ns, clock_ns(), __ATOMIC_RELAXED);
}

/* --- payers ----------------------------------------------------------------------------------------------------- */

#define SWITCH_NS 1000000000u

static uint32_t payers_lines(const struct filter *filter)
{
	struct bpf_map_info info = {0};
	uint32_t info_bytes = sizeof info;

	return bpf_obj_get_info_by_fd(filter->map_fds[MAP_PAYERS], &info, &info_bytes) == 0 ? info.max_entries : 0;
}

size_t filter_native_room(const struct filter *filter)
{
	uint32_t lines = payers_lines(filter);

	return lines > TOLLBAR_PAYERS_LINES_OF(0) ? lines - TOLLBAR_PAYERS_LINES_OF(0) : 0;
}

/* The half that is about to be written was in force until the last switch.  A packet that was judged by it then is through by
 * now, if that was a second ago: there is no way to ask that takes no privilege. */
static void last_switch_wait(const struct filter *filter)
{
	uint64_t passed_ns = clock_ns() - filter->payers_ns;

	if (passed_ns < SWITCH_NS)
		usleep((unsigned)((SWITCH_NS - passed_ns) / 1000));
}

/* Makes the half not in force from the list and puts it in force. */
static int payers_switch(struct filter *filter, const struct address *payers, size_t cnt, uint64_t seed)
{
	uint32_t word = __atomic_load_n(&filter->policy->word, __ATOMIC_RELAXED), lines = payers_lines(filter) / 2;
	uint32_t next = !(word & TOLLBAR_PAYERS_GENERATION), at = next * lines;
	struct tollbar_payers_top top;
	struct tollbar_payers *map;

	map = mmap(NULL, 2 * lines * sizeof *map, PROT_READ | PROT_WRITE, MAP_SHARED, filter->map_fds[MAP_PAYERS], 0);
	if (map == MAP_FAILED)
		return -errno;
	last_switch_wait(filter);
	int err = lists_payers_write(map + at, lines, &top, payers, cnt, seed);
	munmap(map, 2 * lines * sizeof *map);
	if (err != 0)
		return err;
	top.at = at;
	filter->policy->native.payers[next] = top;
	filter_word_change(filter, TOLLBAR_PAYERS_GENERATION,
			   TOLLBAR_HAS_PAYERS | (next ? TOLLBAR_PAYERS_GENERATION : 0));
	filter->payers_ns = clock_ns();
	return 0;
}

int filter_native_payers(struct filter *filter, const struct address *payers, size_t cnt, bool everybody)
{
	uint64_t seed, began_ns = clock_ns();

	if (everybody) {
		filter_word_change(filter, TOLLBAR_HAS_PAYERS, 0);
		return 0;
	}
	int err = getrandom(&seed, sizeof seed, 0) != sizeof seed ? -EIO : payers_switch(filter, payers, cnt, seed);
	if (err == 0) {
		log_info("event=native_payers payers=%zu room=%zu ms=%llu", cnt, filter_native_room(filter),
			 (unsigned long long)(clock_ns() - began_ns) / 1000000);
		return 0;
	}
	filter_word_change(filter, TOLLBAR_HAS_PAYERS, 0);
	log_warn("event=native_payers payers=%zu room=%zu error=\"%s\" note=\"the kernel lets every payer pass; the "
		 "list "
		 "holds all the same\"%s",
		 cnt, filter_native_room(filter), strerror(-err),
		 err == -E2BIG ? " help=\"tollbar detach; tollbar attach --payers N\"" : "");
	return err;
}

/* --- claimed nonces --------------------------------------------------------------------------------------------- */

/* The place with this mark, which a line has once; or else one that is free, or the one that is due longest. */
static struct tollbar_replay *replay_place(struct tollbar_replays *line, uint32_t mark, uint32_t now_tick)
{
	struct tollbar_replay *place = NULL;
	uint32_t longest_ticks = 0;

	for (size_t i = 0; i < TOLLBAR_REPLAYS_IN_LINE; i++) {
		struct tollbar_replay *each = &line->replays[i];
		/* since when it is due; none has TOLLBAR_REPLAY_TICKS to go */
		uint32_t ticks = now_tick + TOLLBAR_REPLAY_TICKS - __atomic_load_n(&each->pass_tick, __ATOMIC_RELAXED);
		if (__atomic_load_n(&each->mark, __ATOMIC_RELAXED) == mark)
			return each;
		if (__atomic_load_n(&each->tag, __ATOMIC_RELAXED) == 0)
			ticks = UINT32_MAX;
		if (place == NULL || ticks > longest_ticks) {
			place = each;
			longest_ticks = ticks;
		}
	}
	return place;
}

void filter_native_claimed(struct filter *filter, uint64_t chain_id, const struct address *payer,
			   const struct word *nonce)
{
	const uint64_t chain_be = htobe64(chain_id);
	__u32 chain_words[2], payer_words[5], nonce_words[8], now_tick = (__u32)(clock_ns() >> TOLLBAR_REPLAY_TICK);

	memcpy(chain_words, &chain_be, sizeof chain_words);
	memcpy(payer_words, payer->at, sizeof payer_words);
	memcpy(nonce_words, nonce->at, sizeof nonce_words);
	uint64_t tag = tollbar_tag(filter->policy->native.tag_key, chain_words, payer_words, nonce_words);
	uint32_t mark = tollbar_replay_mark(nonce_words);
	struct tollbar_replay *place = replay_place(&filter->replays[tollbar_replay_line(nonce_words)], mark, now_tick);
	/* The tag last: until then what was there before is held up at most once for it. */
	__atomic_store_n(&place->pass_tick, now_tick + TOLLBAR_REPLAY_TICKS, __ATOMIC_RELAXED);
	__atomic_store_n(&place->mark, mark, __ATOMIC_RELAXED);
	__atomic_store_n(&place->tag, tag, __ATOMIC_RELEASE);
}

/* --- sources that knocked --------------------------------------------------------------------------------------- */

static int opened_write(struct filter *filter, const struct tollbar_address *key, uint64_t until_ns)
{
	int fd = filter->map_fds[MAP_OPENED];
	struct tollbar_opened entry;

	if (bpf_map_lookup_elem(fd, key, &entry) == 0 && entry.until_ns >= until_ns)
		return 0;
	entry.until_ns = until_ns;
	return bpf_map_update_elem(fd, key, &entry, BPF_ANY);
}

int filter_open_source(struct filter *filter, const struct in6_addr *source, uint64_t until_ns)
{
	struct tollbar_address key;

	memcpy(&key, source, sizeof key);
	int err = opened_write(filter, &key, until_ns);
	if (err == -E2BIG && filter_sweep_due(&filter->opened_swept_ns)) {
		filter_opened_sweep(filter);
		err = opened_write(filter, &key, until_ns);
	}
	if (err == 0) /* after the entry is in: see filter_opened_sweep */
		filter_word_change(filter, 0, TOLLBAR_HAS_OPENED);
	return err == -E2BIG ? -ENOSPC : err;
}

/* One walk: how many are open, or -errno.  An entry renewed between the look at it and its end is gone with it: whoever lost
 * it that way knocks again. */
static int opened_walk(struct filter *filter, uint64_t now_ns)
{
	struct tollbar_address keys[SWEEP_BATCH];
	struct tollbar_opened entries[SWEEP_BATCH];
	uint32_t position = 0;
	int err = 0, live = 0;

	for (bool first = true; err == 0; first = false) {
		uint32_t cnt = SWEEP_BATCH;
		err = bpf_map_lookup_batch(filter->map_fds[MAP_OPENED], first ? NULL : &position, &position, keys,
					   entries, &cnt, NULL);
		for (uint32_t i = 0; (err == 0 || err == -ENOENT) && i < cnt; i++) { /* the last batch: -ENOENT */
			if (entries[i].until_ns > now_ns)
				live++;
			else
				bpf_map_delete_elem(filter->map_fds[MAP_OPENED], &keys[i]);
		}
	}
	return err == -ENOENT ? live : err;
}

int filter_opened_sweep(struct filter *filter)
{
	int live = opened_walk(filter, clock_ns());

	if (live == 0) {
		/* One that comes meanwhile is either found by this second look or sets the bit after we cleared it. */
		filter_word_change(filter, TOLLBAR_HAS_OPENED, 0);
		live = opened_walk(filter, clock_ns());
		if (live != 0)
			filter_word_change(filter, 0, TOLLBAR_HAS_OPENED);
	}
	return live;
}
