// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "lists_parts.h"

#define TOP_BITS 16u

/* Lengths 17 to 128: bit n is length n + 1. */
typedef unsigned __int128 lengths;

static unsigned lengths_cnt(lengths set)
{
	return (unsigned)(__builtin_popcountll((uint64_t)set) + __builtin_popcountll((uint64_t)(set >> 64)));
}

static unsigned lengths_longest(lengths set)
{
	uint64_t upper = (uint64_t)(set >> 64);

	return upper != 0 ? 128 - (unsigned)__builtin_clzll(upper) : 64 - (unsigned)__builtin_clzll((uint64_t)set);
}

/* Among how many lengths `probes` lookups find the longest match, when the first `rope` of them are fixed until one
 * matches: those longer than the first, that one, those shorter.  The rope of a match is full again. */
static unsigned lengths_within(unsigned probes, unsigned rope)
{
	if (probes == 0 || rope == 0)
		return 0;
	return lengths_within(probes - 1, TOLLBAR_ROPE_LENGTHS) + 1 + lengths_within(probes - 1, rope - 1);
}

struct key {
	uint64_t high, low;
};

static struct key key_of(const struct rule *rule, unsigned bits)
{
	if (bits <= 64)
		return (struct key){rule->high & ~0ull << (64 - bits), 0};
	return (struct key){rule->high, rule->low & ~0ull << (128 - bits)};
}

static bool in_net(const struct rule *rule, const struct key *net, unsigned bits)
{
	struct key own = key_of(rule, bits);

	return own.high == net->high && own.low == net->low;
}

/* Rules that are looked for together: those of more than `above` and less than `below` bits. */
struct range {
	const struct rule *rules;
	size_t cnt;
	unsigned above, below;
};

/* The next network of `bits` that has rules of that length and more, as a range of them; false: there is none. */
static bool group_next(struct range *group, const struct range *all, size_t *at, unsigned bits)
{
	while (*at < all->cnt && (all->rules[*at].bits < bits || all->rules[*at].bits >= all->below))
		++*at;
	if (*at == all->cnt)
		return false;
	const struct rule *first = &all->rules[*at];
	struct key key = key_of(first, bits);
	size_t from = *at;
	while (*at < all->cnt && in_net(&all->rules[*at], &key, bits))
		++*at;
	*group = (struct range){first, *at - from, bits, all->below};
	return true;
}

static unsigned probes_about(unsigned lengths_left)
{
	return lengths_left == 0 ? 0 : 32 - (unsigned)__builtin_clz(lengths_left);
}

/* What looking for `bits` first is about to cost after that, as many strangers coming as there are rules: one that is the
 * only one in its network is found at once, the others of its network and all shorter ones need more lookups, and so
 * does a stranger while there are shorter ones. */
static size_t pivot_cost(const struct range *range, unsigned bits, unsigned longer, unsigned shorter)
{
	size_t crowded = 0, shorter_cnt = 0, at = 0;
	struct range group;

	while (group_next(&group, range, &at, bits))
		crowded += group.cnt > 1 ? group.cnt : 0;
	for (size_t i = 0; i < range->cnt; i++)
		shorter_cnt += range->rules[i].bits > range->above && range->rules[i].bits < bits;
	return crowded * probes_about(longer) + (range->cnt + shorter_cnt) * probes_about(shorter);
}

/* The cheapest of the lengths to look for first that leave no more to do than `probes` and the rope allow. */
static unsigned pivot_of(const struct range *range, lengths set, unsigned probes, unsigned rope)
{
	unsigned longer_max = lengths_within(probes - 1, TOLLBAR_ROPE_LENGTHS);
	unsigned shorter_max = lengths_within(probes - 1, rope - 1), best = 0, longer = 0;
	size_t best_cost = SIZE_MAX;

	for (unsigned shorter = lengths_cnt(set); shorter-- > 0; longer++) {
		unsigned bits = lengths_longest(set);
		set ^= (lengths)1 << (bits - 1);
		if (longer > longer_max || shorter > shorter_max)
			continue;
		size_t cost = pivot_cost(range, bits, longer, shorter);
		if (cost <= best_cost) {
			best_cost = cost;
			best = bits;
		}
	}
	ASSERT(best != 0); /* there were never more lengths than probes for them */
	return best;
}

static int net_push(struct ip6 *ip6, const struct net *net)
{
	if (ip6->net_cnt == ip6->net_room) {
		size_t room = ip6->net_room == 0 ? 256 : ip6->net_room * 2;
		struct net *grown = realloc(ip6->nets, room * sizeof *grown);
		if (grown == NULL)
			return -ENOMEM;
		ip6->nets = grown;
		ip6->net_room = room;
	}
	ip6->nets[ip6->net_cnt++] = *net;
	return 0;
}

static int rope_make(uint32_t *rope, struct ip6 *ip6, struct range range, unsigned probes);

/* The entry for a network, of range.above bits, and its rules of that length and more.  A match there says to go on with
 * the longer ones, and what holds if none of them matches. */
static int net_make(struct ip6 *ip6, const struct range *group, unsigned probes)
{
	const struct rule *first = group->rules;
	unsigned bits = group->above;
	struct key key = key_of(first, bits);
	struct net net = {key.high, key.low, key.high, key.low, 0};
	uint32_t rope = 0, code = first->bits == bits ? first->code : first->around;
	int err = 0;

	if (group->cnt == 1 && first->bits > bits) {
		net.high = first->high;
		net.low = first->low;
		net.word = TOLLBAR_LAST_WORD(first->code, first->around, first->bits, bits);
	} else {
		err = rope_make(&rope, ip6, *group, probes);
		net.word = TOLLBAR_NET_WORD(code, rope, bits);
	}
	return err == 0 ? net_push(ip6, &net) : err;
}

/* What to look for among the rules of a range, all within one network of range.above bits, with so many lookups. */
static int rope_make(uint32_t *rope, struct ip6 *ip6, struct range range, unsigned probes)
{
	lengths set = 0;
	int err = 0;

	*rope = 0;
	for (size_t i = 0; i < range.cnt; i++)
		if (range.rules[i].bits > range.above && range.rules[i].bits < range.below)
			set |= (lengths)1 << (range.rules[i].bits - 1);
	for (unsigned i = 0; err == 0 && set != 0; i++) {
		unsigned bits = pivot_of(&range, set, probes--, TOLLBAR_ROPE_LENGTHS - i);
		struct range group;
		size_t at = 0;
		*rope |= (bits - 1) << i * TOLLBAR_ROPE_SHIFT;
		while (err == 0 && group_next(&group, &range, &at, bits))
			err = net_make(ip6, &group, probes);
		set &= ((lengths)1 << (bits - 1)) - 1;
		range.below = bits;
	}
	return err;
}

int lists_ip6_init(struct ip6 *ip6, const struct rules *rules)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < rules->cnt;) {
		const struct rule *first = &rules->rules[i];
		size_t net16 = first->high >> 48, from = i;
		if (first->bits <= TOP_BITS) {
			codes_set(ip6->codes, net16, (size_t)1 << (TOP_BITS - first->bits), first->code);
			i++;
			continue;
		}
		struct key key = key_of(first, TOP_BITS);
		uint32_t rope;
		while (i < rules->cnt && in_net(&rules->rules[i], &key, TOP_BITS))
			i++;
		struct range range = {first, i - from, TOP_BITS, 129};
		err = rope_make(&rope, ip6, range, TOLLBAR_NET_PROBES_MAX);
		ip6->words[net16] = TOLLBAR_NET_WORD(code_get(ip6->codes, net16), rope, 0);
		codes_set(ip6->codes, net16, 1, TOLLBAR_CODE_DEEPER);
	}
	return err;
}

void lists_ip6_fini(struct ip6 *ip6)
{
	free(ip6->nets);
	ip6->nets = NULL;
}
