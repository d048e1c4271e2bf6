// SPDX-License-Identifier: Apache-2.0
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lists_parts.h"

#define MAPPED_BITS 96
#define MAPPED_PREFIX 0x0000ffffu

static int rule_compare(const void *left, const void *right)
{
	const struct rule *a = left, *b = right;

	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	return a->bits - b->bits;
}

/* Wider IPv6 prefixes contain the form IPv4 addresses are kept in, but say nothing of IPv4. */
static bool is_ip4(const struct prefix *prefix, uint64_t high, uint64_t low)
{
	return prefix->bits >= MAPPED_BITS && high == 0 && low >> 32 == MAPPED_PREFIX;
}

static void rules_append(struct rules *rules, bool ip4, const struct prefix_list *list, uint8_t code)
{
	for (size_t i = 0; i < list->cnt; i++) {
		const struct prefix *prefix = &list->prefixes[i];
		uint64_t high, low;
		memcpy(&high, &prefix->address.s6_addr[0], 8);
		memcpy(&low, &prefix->address.s6_addr[8], 8);
		high = be64toh(high);
		low = be64toh(low);
		if (is_ip4(prefix, high, low) != ip4)
			continue;
		rules->rules[rules->cnt++] = ip4 ? (struct rule){low << 32, 0, (uint8_t)(prefix->bits - MAPPED_BITS),
								 code, TOLLBAR_CODE_NONE}
						 : (struct rule){high, low, prefix->bits, code, TOLLBAR_CODE_NONE};
	}
}

static bool rules_sorted(const struct rules *rules)
{
	for (size_t i = 1; i < rules->cnt; i++)
		if (rule_compare(&rules->rules[i - 1], &rules->rules[i]) > 0)
			return false;
	return true;
}

static bool within(const struct rule *rule, const struct rule *wide)
{
	uint64_t high = rule->high ^ wide->high, low = rule->low ^ wide->low;

	if (wide->bits <= 64)
		return wide->bits == 0 || high >> (64 - wide->bits) == 0;
	return high == 0 && low >> (128 - wide->bits) == 0;
}

/* Codes are numbered so that the greater of two beats the other.  A rule adds something to what is around it or it goes;
 * so a kept one has at most one around it: a deny within an allow. */
static void rules_inherit(struct rules *rules)
{
	struct rule *all = rules->rules;
	struct rule open[2]; /* those kept around the present one, innermost last */
	size_t depth = 0, kept = 0;

	for (size_t i = 0; i < rules->cnt;) {
		struct rule rule = all[i++];
		for (; i < rules->cnt && rule_compare(&rule, &all[i]) == 0; i++)
			rule.code = all[i].code > rule.code ? all[i].code : rule.code;
		while (depth > 0 && !within(&rule, &open[depth - 1]))
			depth--;
		rule.around = depth > 0 ? open[depth - 1].code : TOLLBAR_CODE_NONE;
		if (rule.code <= rule.around)
			continue;
		open[depth++] = rule;
		all[kept++] = rule;
	}
	rules->cnt = kept;
}

int lists_rules_init(struct rules *rules, bool ip4, const struct prefix_list *allow, const struct prefix_list *deny)
{
	*rules = (struct rules){0};
	if (allow->cnt + deny->cnt == 0)
		return 0;
	rules->rules = calloc(allow->cnt + deny->cnt, sizeof *rules->rules);
	if (rules->rules == NULL)
		return -ENOMEM;
	rules_append(rules, ip4, allow, TOLLBAR_CODE_ALLOW);
	rules_append(rules, ip4, deny, TOLLBAR_CODE_DENY);
	if (!rules_sorted(rules))
		qsort(rules->rules, rules->cnt, sizeof *rules->rules, rule_compare);
	rules_inherit(rules);
	return 0;
}

void lists_rules_fini(struct rules *rules)
{
	free(rules->rules);
	*rules = (struct rules){0};
}
