// SPDX-License-Identifier: Apache-2.0
#include "lists.c"

#include "check.h"
#include <time.h>

static const struct {
	const char *text, *mistakes;
	size_t cnt;
} parse_rows[] = {
	{"", "", 0},
	{"\n# nothing\n  \t\r\n", "", 0},
	{"192.0.2.7", "", 1},
	{"192.0.2.7\r\n  198.51.100.0/24\t# a net\n2001:db8::/32\n::/0\n0.0.0.0/0\n", "", 5},
	{"192.0.2.7/32\n192.0.2.7\n", "", 1},
	{"::ffff:0:0/95\n", "f:1: \"::ffff:0:0/95\" has bits set beyond its length\n", 0},
	{"::fffe:0:0/95\n", "", 1},
	{"255.255.255.255/32\nffff::/16\n", "", 2},
	{"192.0.2.7/24\n", "f:1: \"192.0.2.7/24\" has bits set beyond its length\n", 0},
	{"2001:db8::1/64\n", "f:1: \"2001:db8::1/64\" has bits set beyond its length\n", 0},
	{"128.0.0.0/1\n128.0.0.0/0\n", "f:2: \"128.0.0.0/0\" has bits set beyond its length\n", 0},
	{"192.0.2.0/33\n", "f:1: prefix length must be 0 to 32, not \"33\"\n", 0},
	{"2001:db8::/129\n", "f:1: prefix length must be 0 to 128, not \"129\"\n", 0},
	{"192.0.2.0/\n10.0.0.0/08\n10.0.0.0/+8\n10.0.0.0/8/8\n10.0.0.0/4294967304\n",
	 "f:1: prefix length must be 0 to 32, not \"\"\n"
	 "f:2: prefix length must be 0 to 32, not \"08\"\n"
	 "f:3: prefix length must be 0 to 32, not \"+8\"\n"
	 "f:4: prefix length must be 0 to 32, not \"8/8\"\n"
	 "f:5: prefix length must be 0 to 32, not \"4294967304\"\n",
	 0},
	{"::ffff:192.0.2.7\n", "f:1: \"::ffff:192.0.2.7\" is an IPv4 address: write it as a.b.c.d\n", 0},
	{"::ffff:0:0/96\n", "f:1: \"::ffff:0:0\" is an IPv4 address: write it as a.b.c.d\n", 0},
	{"example.net\n\n10.1\n010.0.0.1\n10.0.0.1 10.0.0.2\n",
	 "f:1: \"example.net\" is not an IPv4 or IPv6 address\n"
	 "f:3: \"10.1\" is not an IPv4 or IPv6 address\n"
	 "f:4: \"010.0.0.1\" is not an IPv4 or IPv6 address\n"
	 "f:5: \"10.0.0.1 10.0.0.2\" is not an IPv4 or IPv6 address\n",
	 0},
	{"1111111111111111111111111111111111111111111111111111111111111111\n",
	 "f:1: not a prefix (one a line, comments start with #)\n", 0},
};

TEST(parse)
{
	for (size_t i = 0; i < sizeof parse_rows / sizeof *parse_rows; i++) {
		struct prefix_list list;
		char said[1024] = "";
		int lines = 0;
		FILE *mistakes = fmemopen(said, sizeof said, "w");
		int result = lists_parse(&list, "f", parse_rows[i].text, strlen(parse_rows[i].text), mistakes);
		fclose(mistakes);
		CHECK_ROW(strcmp(said, parse_rows[i].mistakes) == 0, parse_rows[i].text);
		for (const char *at = said; *at != 0; at++)
			lines += *at == '\n';
		CHECK_EQ(result, lines);
		CHECK_EQ(list.cnt, parse_rows[i].cnt);
		lists_fini(&list);
	}
}

TEST(zero_byte_is_a_mistake)
{
	struct prefix_list list;

	CHECK_EQ(lists_parse(&list, "f", "10.0.0.1\0/8", 11, NULL), 1);
	CHECK(list.prefixes == NULL);
}

TEST(sorted_and_each_once)
{
	static const char text[] = "2001:db8::/32\n10.0.0.0/8\n2001:db8::/48\n10.0.0.0/16\n10.0.0.0/8\n9.0.0.0/8\n";
	static const uint8_t bits[] = {104, 104, 112, 32, 48};
	struct prefix_list list;

	CHECK_EQ(lists_parse(&list, "f", text, sizeof text - 1, NULL), 0);
	CHECK_EQ(list.cnt, 5);
	for (size_t i = 0; i < 5 && i < list.cnt; i++)
		CHECK_EQ(list.prefixes[i].bits, bits[i]);
	CHECK_EQ(list.prefixes[0].address.s6_addr[12], 9);
	lists_fini(&list);
}

TEST(file)
{
	char path[] = "/tmp/tollbar-lists-XXXXXX";
	struct prefix_list list;
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");

	for (unsigned i = 0; i < 20000; i++) /* beyond the first read and the first room */
		fprintf(file, "10.%u.%u.0/24 # net %u\n", i / 256, i % 256, i);
	fclose(file);
	CHECK_EQ(lists_load(&list, path, NULL), 0);
	CHECK_EQ(list.cnt, 20000);
	lists_fini(&list);
	remove(path);
	CHECK_EQ(lists_load(&list, path, NULL), -ENOENT);
	CHECK_EQ(lists_load(&list, "/tmp", NULL), -EIO);
}

/* What the kernel does with the rules: the longest match answers. */
static uint32_t rules_ask(const struct rule *rules, size_t cnt, const struct in6_addr *address)
{
	const struct rule *best = NULL;

	for (size_t i = 0; i < cnt; i++)
		if (within(address, &rules[i].prefix.address, rules[i].prefix.bits) &&
		    (best == NULL || rules[i].prefix.bits > best->prefix.bits))
			best = &rules[i];
	return best != NULL ? best->bits : 0;
}

/* What the lists mean: any prefix of the address's own family. */
static bool list_has(const struct prefix_list *list, const struct in6_addr *address)
{
	bool ip4 = within(address, &mapped, MAPPED_BITS);

	for (size_t i = 0; i < list->cnt; i++) {
		const struct prefix *prefix = &list->prefixes[i];
		if (ip4 == (prefix->bits >= MAPPED_BITS && within(&prefix->address, &mapped, MAPPED_BITS)) &&
		    within(address, &prefix->address, prefix->bits))
			return true;
	}
	return false;
}

static uint32_t lists_ask(const char *allow_text, const char *deny_text, const char *address_text)
{
	struct prefix_list allow, deny;
	struct prefix address = {0};
	struct rule *rules;
	size_t cnt;
	unsigned family_bits;

	CHECK_EQ(lists_parse(&allow, "allow", allow_text, strlen(allow_text), stdout), 0);
	CHECK_EQ(lists_parse(&deny, "deny", deny_text, strlen(deny_text), stdout), 0);
	CHECK_EQ(lists_merge(&rules, &cnt, &allow, &deny), 0);
	CHECK(prefix_address(&address, &family_bits, address_text));
	uint32_t bits = rules_ask(rules, cnt, &address.address);
	CHECK_EQ(!!(bits & TOLLBAR_LIST_ALLOW), list_has(&allow, &address.address));
	CHECK_EQ(!!(bits & TOLLBAR_LIST_DENY), list_has(&deny, &address.address));
	free(rules);
	lists_fini(&allow);
	lists_fini(&deny);
	return bits;
}

TEST(merge)
{
	enum { NONE, A = TOLLBAR_LIST_ALLOW, D = TOLLBAR_LIST_DENY };
	CHECK_EQ(lists_ask("", "", "10.0.0.1"), NONE);
	CHECK_EQ(lists_ask("10.0.0.1", "", "10.0.0.1"), A);
	CHECK_EQ(lists_ask("10.0.0.1", "", "10.0.0.2"), NONE);
	CHECK_EQ(lists_ask("10.0.0.1", "10.0.0.0/8", "10.0.0.1"), A | D);
	CHECK_EQ(lists_ask("10.0.0.0/8", "10.0.0.1", "10.0.0.1"), A | D);
	CHECK_EQ(lists_ask("10.0.0.0/8", "10.0.0.1", "10.0.0.2"), A);
	CHECK_EQ(lists_ask("10.1.0.0/16", "10.0.0.0/8\n10.1.2.0/24", "10.1.3.1"), A | D);
	CHECK_EQ(lists_ask("10.0.0.0/8", "10.1.0.0/16", "10.2.0.1"), A);
	/* a wide IPv6 prefix is not about IPv4, nor the other way round */
	CHECK_EQ(lists_ask("::/0", "", "10.0.0.1"), NONE);
	CHECK_EQ(lists_ask("::/0", "", "2001:db8::1"), A);
	CHECK_EQ(lists_ask("::/0", "0.0.0.0/0", "10.0.0.1"), D);
	CHECK_EQ(lists_ask("::/0", "0.0.0.0/0", "2001:db8::1"), A);
	CHECK_EQ(lists_ask("::/0\n10.0.0.0/8", "::/64", "10.0.0.1"), A);
	CHECK_EQ(lists_ask("::/0\n10.0.0.0/8", "::/64", "::1"), A | D);
	CHECK_EQ(lists_ask("0.0.0.0/0", "", "::1"), NONE);
}

static uint32_t random_state;

static uint32_t random_next(void)
{
	random_state = random_state * 1664525u + 1013904223u;
	return random_state >> 8;
}

/* Few distinct bits, so that prefixes lie within each other often. */
static void random_list(struct prefix_list *list, struct prefix *room, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		bool ip4 = random_next() & 1;
		unsigned first = ip4 ? MAPPED_BITS : 0, bits = random_next() % (129 - first) + first;
		struct in6_addr address = ip4 ? mapped : (struct in6_addr){0};
		for (unsigned bit = first; bit < bits; bit++)
			if (random_next() % 8 == 0 || (!ip4 && bit >= 80 && bit < 96))
				address.s6_addr[bit / 8] = (uint8_t)(address.s6_addr[bit / 8] | 0x80 >> bit % 8);
		if (!ip4 && bits >= MAPPED_BITS && within(&address, &mapped, MAPPED_BITS))
			address.s6_addr[0] |= 0x20;
		room[i] = (struct prefix){address, (uint8_t)bits};
	}
	*list = (struct prefix_list){room, cnt};
	list_sort(list);
}

TEST(merge_equals_meaning)
{
	struct prefix allow_room[24], deny_room[24], probe_room[24];
	uint32_t seed = (uint32_t)time(NULL);
	int before = check_failures;

	random_state = seed;
	for (int round = 0; round < 2000; round++) {
		struct prefix_list allow, deny, probes;
		struct rule *rules;
		size_t cnt;
		random_list(&allow, allow_room, random_next() % 24);
		random_list(&deny, deny_room, random_next() % 24);
		random_list(&probes, probe_room, 24);
		CHECK_EQ(lists_merge(&rules, &cnt, &allow, &deny), 0);
		for (size_t i = 0; i < probes.cnt; i++) {
			const struct in6_addr *address = &probes.prefixes[i].address;
			uint32_t bits = rules_ask(rules, cnt, address);
			CHECK_EQ(!!(bits & TOLLBAR_LIST_ALLOW), list_has(&allow, address));
			CHECK_EQ(!!(bits & TOLLBAR_LIST_DENY), list_has(&deny, address));
		}
		free(rules);
	}
	if (check_failures != before)
		printf("seed %u\n", seed);
}

CHECK_MAIN
