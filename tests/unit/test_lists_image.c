// SPDX-License-Identifier: Apache-2.0
/* What the kernel program finds in an image, by its own code, against what the two lists mean. */
#include "lists_image.c"

#include <time.h>

#include "check.h"
#include "lists_oracle.h"

/* --- rows ------------------------------------------------------------------------------------------------------- */

static uint32_t ask(const char *allow_text, const char *deny_text, const char *address_text)
{
	struct prefix_list allow, deny, address;
	struct lists_image image;

	CHECK_EQ(lists_parse(&allow, "allow", allow_text, strlen(allow_text), stdout), 0);
	CHECK_EQ(lists_parse(&deny, "deny", deny_text, strlen(deny_text), stdout), 0);
	CHECK_EQ(lists_parse(&address, "address", address_text, strlen(address_text), stdout), 0);
	CHECK_EQ(lists_image_init(&image, &allow, &deny, 0x123456789abcdef), 0);
	uint32_t code = image_ask(&image, &address.prefixes->address);
	CHECK_EQ(code, lists_mean(&allow, &deny, &address.prefixes->address));
	lists_image_fini(&image);
	lists_fini(&allow);
	lists_fini(&deny);
	lists_fini(&address);
	return code;
}

TEST(rows)
{
	enum { NONE = TOLLBAR_CODE_NONE, A = TOLLBAR_CODE_ALLOW, D = TOLLBAR_CODE_DENY };
	static const struct {
		const char *allow, *deny, *address;
		uint32_t code;
	} rows[] = {
		{"", "", "10.0.0.1", NONE},
		{"10.0.0.1", "", "10.0.0.1", A},
		{"10.0.0.1", "", "10.0.0.2", NONE},
		{"10.0.0.1", "10.0.0.0/8", "10.0.0.1", D},
		{"10.0.0.0/8", "10.0.0.1", "10.0.0.1", D},
		{"10.0.0.0/8", "10.0.0.1", "10.0.0.2", A},
		{"10.0.0.0/8", "10.0.0.1", "10.0.1.1", A},
		{"10.1.0.0/16", "10.0.0.0/8\n10.1.2.0/24", "10.1.3.1", D},
		{"10.0.0.0/8", "10.1.0.0/16", "10.2.0.1", A},
		{"0.0.0.0/0", "255.255.255.255", "255.255.255.254", A},
		{"0.0.0.0/0", "255.255.255.255", "255.255.255.255", D},
		{"0.0.0.0/0", "128.0.0.0/1", "127.255.255.255", A},
		{"10.0.0.0/25\n10.0.0.128/25", "", "10.0.0.200", A}, /* a whole /24 after all */
		{"10.0.0.0/26\n10.0.0.128/25", "", "10.0.0.64", NONE},
		/* a wide IPv6 prefix is not about IPv4, nor the other way round */
		{"::/0", "", "10.0.0.1", NONE},
		{"::/0", "", "2001:db8::1", A},
		{"::/0", "0.0.0.0/0", "10.0.0.1", D},
		{"::/0", "0.0.0.0/0", "2001:db8::1", A},
		{"::/0\n10.0.0.0/8", "::/64", "10.0.0.1", A},
		{"::/0\n10.0.0.0/8", "::/64", "::1", D},
		{"0.0.0.0/0", "", "::1", NONE},
		/* lengths that meet: 16 is the top's last, 17 the tables' first, 64 and 65 are in different halves */
		{"2001::/16", "2001::/17", "2001:8000::", A},
		{"2001::/16", "2001::/17", "2001:7fff::", D},
		{"2001:db8::/64", "2001:db8::/65", "2001:db8:0:0:8000::", A},
		{"2001:db8::/64", "2001:db8::/65", "2001:db8:0:0:7fff::", D},
		{"2001:db8::/127", "2001:db8::1", "2001:db8::", A},
		{"2001:db8::/127", "2001:db8::1", "2001:db8::1", D},
		{"ffff::/16", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", D},
		{"ffff::/16", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", A},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char name[160];
		snprintf(name, sizeof name, "%s, not %s: %s", rows[i].allow, rows[i].deny, rows[i].address);
		CHECK_ROW(ask(rows[i].allow, rows[i].deny, rows[i].address) == rows[i].code, name);
	}
}

/* --- random lists ----------------------------------------------------------------------------------------------- */

static uint64_t random_state;

static uint32_t random_next(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33);
}

static void bit_flip(struct in6_addr *address, unsigned bit)
{
	address->s6_addr[bit / 8] = (uint8_t)(address->s6_addr[bit / 8] ^ 0x80 >> bit % 8);
}

static void bits_clear(struct in6_addr *address, unsigned from)
{
	for (unsigned bit = from; bit < 128; bit++)
		if (address->s6_addr[bit / 8] >> (7 - bit % 8) & 1)
			bit_flip(address, bit);
}

/* How a list is made: lengths within [bits_min, bits_max], and one bit in `rarity` that differs from the base. */
struct kind {
	const char *base;
	unsigned bits_min, bits_max, rarity;
};

static const struct kind kinds[] = {
	{"0.0.0.0", 0, 32, 8},	    /* within each other */
	{"10.20.30.0", 22, 32, 3},  /* crowded in a few /24 */
	{"10.0.0.0", 16, 25, 6},    /* around the lines' lengths */
	{"0.0.0.0", 30, 32, 2},	    /* all over */
	{"::", 0, 128, 8},	    /* within each other */
	{"2001:db8::", 0, 128, 40}, /* near one path, every length */
	{"2001:db8::", 32, 64, 12}, /* as networks are given out */
	{"::", 120, 128, 2},	    /* all over */
	{"::fffe:0:0", 80, 128, 8}, /* beside IPv4 */
};
#define KIND_CNT (sizeof kinds / sizeof *kinds)

static void random_address(struct in6_addr *address, unsigned *first_bit, const struct kind *kind)
{
	struct prefix_list base;

	CHECK_NEED(lists_parse(&base, "base", kind->base, strlen(kind->base), stdout) == 0);
	*address = base.prefixes->address;
	lists_fini(&base);
	*first_bit = mapped(address) ? 96 : 0;
	for (unsigned bit = *first_bit; bit < 128; bit++)
		if (random_next() % kind->rarity == 0)
			bit_flip(address, bit);
}

static void random_list(struct prefix_list *list, struct prefix *room, size_t cnt, const struct kind *kind)
{
	*list = (struct prefix_list){room, 0};
	while (list->cnt < cnt) {
		struct prefix prefix;
		unsigned first_bit;
		random_address(&prefix.address, &first_bit, kind);
		unsigned bits = kind->bits_min + random_next() % (kind->bits_max - kind->bits_min + 1) + first_bit;
		prefix.bits = (uint8_t)bits;
		bits_clear(&prefix.address, bits);
		if (first_bit == 0 && bits >= 96 && mapped(&prefix.address))
			continue; /* no list says this */
		room[list->cnt++] = prefix;
	}
}

struct asked {
	const struct lists_image *image;
	const struct prefix_list *allow, *deny;
};

static void compare_at(const struct asked *asked, const struct in6_addr *address)
{
	CHECK_EQ(image_ask(asked->image, address), lists_mean(asked->allow, asked->deny, address));
	CHECK(lines_read <= 1 + 2 * TOLLBAR_NET_PROBES_MAX);
}

/* The first address of a prefix, the last, and those beyond either end. */
static void compare_around(const struct asked *asked, const struct prefix *prefix)
{
	struct in6_addr first = prefix->address, last = first, before = first, after;

	for (unsigned bit = prefix->bits; bit < 128; bit++)
		bit_flip(&last, bit);
	after = last;
	for (unsigned bit = 128; bit-- > 0;) { /* borrow and carry */
		bit_flip(&before, bit);
		if (!(before.s6_addr[bit / 8] >> (7 - bit % 8) & 1))
			break;
	}
	for (unsigned bit = 128; bit-- > 0;) {
		bit_flip(&after, bit);
		if (after.s6_addr[bit / 8] >> (7 - bit % 8) & 1)
			break;
	}
	compare_at(asked, &first);
	compare_at(asked, &last);
	compare_at(asked, &before);
	compare_at(asked, &after);
}

static void compare(const struct prefix_list *allow, const struct prefix_list *deny, const struct kind *kind,
		    size_t random_cnt)
{
	struct lists_image image;
	struct asked asked = {&image, allow, deny};

	CHECK_NEED(lists_image_init(&image, allow, deny, random_state) == 0);
	for (size_t i = 0; i < allow->cnt; i += allow->cnt / 2000 + 1)
		compare_around(&asked, &allow->prefixes[i]);
	for (size_t i = 0; i < deny->cnt; i += deny->cnt / 2000 + 1)
		compare_around(&asked, &deny->prefixes[i]);
	for (size_t i = 0; i < random_cnt; i++) {
		struct in6_addr address;
		unsigned first_bit;
		random_address(&address, &first_bit, kind);
		compare_at(&asked, &address);
	}
	lists_image_fini(&image);
}

static void compare_lists(unsigned rounds, unsigned cnt_max)
{
	struct prefix *rooms = malloc(2 * cnt_max * sizeof *rooms);
	uint64_t seed = (uint64_t)time(NULL);
	int before = check_failures;

	random_state = seed;
	for (unsigned round = 0; round < rounds; round++) {
		const struct kind *kind = &kinds[round % KIND_CNT], *other = &kinds[random_next() % KIND_CNT];
		struct prefix_list allow, deny;
		random_list(&allow, rooms, random_next() % cnt_max, kind);
		random_list(&deny, rooms + cnt_max, random_next() % cnt_max, random_next() % 2 ? kind : other);
		compare(&allow, &deny, kind, 20);
		if (check_failures != before) {
			printf("seed %llu, round %u, kind %s\n", (unsigned long long)seed, round, kind->base);
			break;
		}
	}
	free(rooms);
}

TEST(short_lists)
{
	compare_lists(KIND_CNT * 60, 40);
}

TEST(long_lists)
{
	compare_lists(KIND_CNT, 3000);
}

/* --- size and shape --------------------------------------------------------------------------------------------- */

static size_t path_list(struct prefix *room, unsigned bits_min)
{
	size_t cnt = 0;

	for (unsigned bits = bits_min; bits <= 128; bits++) { /* one of each length, beside one path */
		struct in6_addr address = {.s6_addr = {0x20}};
		bit_flip(&address, bits - 1);
		room[cnt++] = (struct prefix){address, (uint8_t)bits};
	}
	return cnt;
}

/* The worst list there is: every length below one /16, on the way to an address that none of them contains. */
TEST(every_length)
{
	struct prefix room[128];
	struct prefix_list allow = {room, path_list(room, 17)}, none = {0};
	struct in6_addr end = {.s6_addr = {0x20}};
	struct lists_image image;

	CHECK_EQ(lists_image_init(&image, &allow, &none, 1), 0);
	CHECK_EQ(image.ip6_cnt, 112);
	for (size_t i = 0; i < allow.cnt; i++) {
		struct asked asked = {&image, &allow, &none};
		compare_around(&asked, &allow.prefixes[i]);
		CHECK_EQ(image_ask(&image, &allow.prefixes[i].address), TOLLBAR_CODE_ALLOW);
	}
	CHECK_EQ(image_ask(&image, &end), TOLLBAR_CODE_NONE);
	CHECK(lines_read > 1 && lines_read <= 1 + 2 * TOLLBAR_NET_PROBES_MAX);
	lists_image_fini(&image);
}

/* Of networks that all have one length a stranger costs two lines: the /16's and the table's. */
TEST(one_length_one_probe)
{
	struct prefix room[500];
	struct prefix_list allow = {room, 0}, none = {0};
	struct lists_image image;
	unsigned more = 0;

	for (unsigned i = 0; i < 500; i++)
		room[allow.cnt++] =
			(struct prefix){{.s6_addr = {0x20, 1, (uint8_t)(i >> 8), (uint8_t)i, 0, (uint8_t)(i * 7)}}, 48};
	CHECK_EQ(lists_image_init(&image, &allow, &none, 99), 0);
	for (unsigned i = 0; i < 500; i++) {
		struct in6_addr stranger = room[i].address;
		stranger.s6_addr[5] ^= 0x80;
		CHECK_EQ(image_ask(&image, &stranger), TOLLBAR_CODE_NONE);
		more += lines_read > 2;
		CHECK(lines_read <= 3);
	}
	CHECK(more < 250); /* the other line, where the home line says so */
	lists_image_fini(&image);
}

TEST(what_says_no_more_is_left_out)
{
	static const char allow_text[] = "10.0.0.0/8\n10.1.0.0/16\n10.1.2.3\n2001:db8::/32\n2001:db8::1\n2001:db8::/32",
			  deny_text[] = "10.1.2.0/24\n10.1.2.3\n10.1.2.128/25\n2001:db8::1\n2001:db8::1";
	struct prefix_list allow, deny;
	struct lists_image image;

	CHECK_EQ(lists_parse(&allow, "allow", allow_text, sizeof allow_text - 1, stdout), 0);
	CHECK_EQ(lists_parse(&deny, "deny", deny_text, sizeof deny_text - 1, stdout), 0);
	CHECK_EQ(lists_image_init(&image, &allow, &deny, 1), 0);
	CHECK_EQ(image.ip4_cnt, 2);
	CHECK_EQ(image.ip6_cnt, 2);
	CHECK_EQ(image.top->block_lines, 0);
	CHECK_EQ(image.top->net_lines, 2);
	lists_image_fini(&image);
	lists_fini(&allow);
	lists_fini(&deny);
}

TEST(chunks_where_the_codes_do_not_suffice)
{
	static const struct {
		const char *allow;
		uint32_t chunk_cnt;
	} rows[] = {
		{"0.0.0.0/0", 0},     {"::/0\n10.0.0.0/8", 0},		 {"10.0.0.0/16\n2001::/16", 0},
		{"10.0.0.0/17", 1},   {"10.0.0.0/17\n10.0.128.0/17", 0}, {"255.255.255.255", 1},
		{"2001:db8::/32", 1},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct prefix_list allow, none = {0};
		struct lists_image image;
		CHECK_EQ(lists_parse(&allow, "allow", rows[i].allow, strlen(rows[i].allow), stdout), 0);
		CHECK_EQ(lists_image_init(&image, &allow, &none, 1), 0);
		CHECK_ROW(image.top->chunk_cnt == rows[i].chunk_cnt, rows[i].allow);
		lists_image_fini(&image);
		lists_fini(&allow);
	}
}

TEST(nothing_listed)
{
	struct prefix_list none = {0};
	struct lists_image image;

	CHECK_EQ(lists_image_init(&image, &none, &none, 1), 0);
	CHECK(image.top == NULL && image.lines == NULL);
	lists_image_fini(&image);
}

/* --- the table -------------------------------------------------------------------------------------------------- */

TEST(table_grows)
{
	uint64_t hashes[24];
	struct table table;
	unsigned found = 0;

	for (uint64_t i = 0; i < 24; i++) /* all in the first quarter: 13 lines are not enough */
		hashes[i] = (i * 0x2aaaaaau) << 32 | (23 - i) * 0x2aaaaaau;
	CHECK_EQ(lists_table_init(&table, hashes, 24, 3), 0);
	CHECK(table.line_cnt > 13 && table.line_cnt <= 64 + 4 * 24);
	for (size_t i = 0; i < table.line_cnt * 3u; i++)
		found += table.places[i] != TABLE_FREE;
	CHECK_EQ(found, 24);
	lists_table_fini(&table);
}

TEST(table_gives_up)
{
	static uint64_t hashes[100]; /* all the same */
	struct table table;

	CHECK_EQ(lists_table_init(&table, hashes, 100, 5), -E2BIG);
	lists_table_fini(&table);
}

CHECK_MAIN
