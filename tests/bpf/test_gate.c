// SPDX-License-Identifier: Apache-2.0
/* The gate in the kernel, through BPF_PROG_TEST_RUN and the daemon's own calls: frame in, action, reason and counter out. */
#include "gate_rig.h"

#include <sys/utsname.h>

static void each_frame(void (*visit)(struct frame *frame, enum reason want, const char *name))
{
	struct frame frame;

	for (size_t i = 0; i < FRAME_ROW_CNT; i++) {
		frame_row_build(&frame, &frame_rows[i]);
		visit(&frame, frame_rows[i].want, frame_rows[i].name);
	}
	for (size_t i = 0; i < EXTENSION_ROW_CNT; i++) {
		extension_row_build(&frame, &extension_rows[i]);
		visit(&frame, extension_rows[i].want, extension_rows[i].name);
	}
}

TEST(frames)
{
	GATE_READY();
	each_frame(expect);
}

/* As it comes out of `ip link`: nothing is configured, everything passes, whatever is wrong with it. */
static void expect_untouched(struct frame *frame, enum reason want, const char *name)
{
	expect(frame, PASS_OTHER, name);
}

TEST(unarmed)
{
	GATE_READY();
	CHECK_EQ(filter_set_ports(filter, NULL, 0, NULL, 0), 0);
	filter_set_mode(filter, FILTER_ALLOW, false);
	each_frame(expect_untouched);
}

TEST(observe)
{
	GATE_READY();
	filter_set_mode(filter, FILTER_OPEN, true);
	each_frame(expect_observed);
}

/* With an empty allowlist every open service port closes; all else stays as it was. */
static void expect_closed(struct frame *frame, enum reason want, const char *name)
{
	expect(frame, want == PASS_OPEN ? NOT_ALLOWED : want, name);
}

TEST(allow_mode_without_list)
{
	GATE_READY();
	filter_set_mode(filter, FILTER_ALLOW, false);
	each_frame(expect_closed);
}

/* --- lists --- */

static const struct {
	const char *allow, *deny, *source;
	enum reason open, allowing; /* what is wanted in each mode */
} list_rows[] = {
	{"192.0.2.7", "", "192.0.2.7", PASS_ALLOWED, PASS_ALLOWED},
	{"192.0.2.7", "", "192.0.2.6", PASS_OPEN, NOT_ALLOWED},
	{"192.0.2.0/24", "", "192.0.2.255", PASS_ALLOWED, PASS_ALLOWED},
	{"192.0.2.0/24", "", "192.0.3.0", PASS_OPEN, NOT_ALLOWED},
	{"192.0.2.0/24", "", "192.0.1.255", PASS_OPEN, NOT_ALLOWED},
	{"192.0.2.6/31", "", "192.0.2.7", PASS_ALLOWED, PASS_ALLOWED},
	{"192.0.2.6/31", "", "192.0.2.8", PASS_OPEN, NOT_ALLOWED},
	{"0.0.0.0/0", "", "203.0.113.9", PASS_ALLOWED, PASS_ALLOWED},
	{"0.0.0.0/0", "", "2001:db8::9", PASS_OPEN, NOT_ALLOWED},
	{"::/0", "", "2001:db8::9", PASS_ALLOWED, PASS_ALLOWED},
	{"::/0", "", "203.0.113.9", PASS_OPEN, NOT_ALLOWED},
	{"2001:db8::/32", "", "2001:db8:ffff::1", PASS_ALLOWED, PASS_ALLOWED},
	{"2001:db8::/32", "", "2001:db9::1", PASS_OPEN, NOT_ALLOWED},
	{"2001:db8::1", "", "2001:db8::1", PASS_ALLOWED, PASS_ALLOWED},
	{"2001:db8::1", "", "2001:db8::2", PASS_OPEN, NOT_ALLOWED},
	/* deny beats allow, whichever is longer, in every mode */
	{"192.0.2.7", "192.0.2.7", "192.0.2.7", BLOCKED, BLOCKED},
	{"192.0.2.7", "192.0.2.0/24", "192.0.2.7", BLOCKED, BLOCKED},
	{"192.0.2.0/24", "192.0.2.7", "192.0.2.7", BLOCKED, BLOCKED},
	{"192.0.2.0/24", "192.0.2.7", "192.0.2.8", PASS_ALLOWED, PASS_ALLOWED},
	{"192.0.2.0/25", "192.0.2.0/24", "192.0.2.7", BLOCKED, BLOCKED},
	{"192.0.2.0/24", "192.0.2.0/25", "192.0.2.7", BLOCKED, BLOCKED},
	{"192.0.2.0/24", "192.0.2.0/25", "192.0.2.128", PASS_ALLOWED, PASS_ALLOWED},
	{"", "192.0.2.0/24", "192.0.2.7", BLOCKED, BLOCKED},
	{"", "192.0.2.0/24", "192.0.3.7", PASS_OPEN, NOT_ALLOWED},
	{"2001:db8::1", "::/0", "2001:db8::1", BLOCKED, BLOCKED},
	{"2001:db8::1", "::/0", "192.0.2.7", PASS_OPEN, NOT_ALLOWED},
};

TEST(lists)
{
	GATE_READY();
	for (size_t i = 0; i < sizeof list_rows / sizeof *list_rows; i++) {
		char name[128];
		struct frame frame;
		snprintf(name, sizeof name, "allow %s deny %s source %s", list_rows[i].allow, list_rows[i].deny,
			 list_rows[i].source);
		lists_set(list_rows[i].allow, list_rows[i].deny);
		frame_from(&frame, list_rows[i].source);
		filter_set_mode(filter, FILTER_OPEN, false);
		expect(&frame, list_rows[i].open, name);
		filter_set_mode(filter, FILTER_OPEN, true);
		expect_observed(&frame, list_rows[i].open, name);
		filter_set_mode(filter, FILTER_ALLOW, false);
		expect(&frame, list_rows[i].allowing, name);
		filter_set_mode(filter, FILTER_ALLOW, true);
		expect_observed(&frame, list_rows[i].allowing, name);
	}
}

TEST(malformed_beats_lists)
{
	struct frame frame;

	GATE_READY();
	lists_set("192.0.2.8", "192.0.2.7");
	filter_set_mode(filter, FILTER_ALLOW, false);
	frame_from(&frame, "192.0.2.7");
	frame.bytes[L4(L4_FLAGS)] = 3;
	expect(&frame, TCP_FLAGS, "denied source");
	frame_from(&frame, "192.0.2.8");
	frame.bytes[L4(L4_FLAGS)] = 3;
	expect(&frame, TCP_FLAGS, "allowed source");
	frame_from(&frame, "192.0.2.7");
	frame.bytes[L4(3)] ^= 1;
	expect(&frame, PASS_OTHER, "denied source, another port");
}

TEST(reload_replaces_all)
{
	struct frame kept, gone;

	GATE_READY();
	filter_set_mode(filter, FILTER_ALLOW, false);
	frame_from(&kept, "192.0.2.7");
	frame_from(&gone, "198.51.100.9");
	for (int round = 0; round < 4; round++) { /* through both generations twice */
		lists_set("192.0.2.7\n198.51.100.0/24", "");
		expect(&kept, PASS_ALLOWED, "kept, first list");
		expect(&gone, PASS_ALLOWED, "gone, first list");
		lists_set("192.0.2.0/24", "");
		expect(&kept, PASS_ALLOWED, "kept, second list");
		expect(&gone, NOT_ALLOWED, "gone, second list");
	}
	lists_set("", "");
	expect(&kept, NOT_ALLOWED, "kept, no list");
}

TEST(long_lists)
{
	static struct prefix prefixes[20000];
	struct prefix_list allow = {prefixes, 0}, none = {0};
	struct frame frame;

	GATE_READY();
	for (unsigned i = 0; i < 20000; i++) { /* every other address and every other /24 of 10/8 */
		struct in6_addr address = {.s6_addr = {[10] = 255, 255, 10, (uint8_t)(i >> 7), (uint8_t)(i << 1), 0}};
		if (i % 2 == 0)
			address.s6_addr[15] = 1;
		prefixes[allow.cnt++] = (struct prefix){address, i % 2 == 0 ? 128 : 120};
	}
	CHECK_EQ(filter_load_lists(filter, &allow, &none), 0);
	filter_set_mode(filter, FILTER_ALLOW, false);
	frame_from(&frame, "10.156.62.200"); /* i = 19999 */
	expect(&frame, PASS_ALLOWED, "last prefix");
	frame_from(&frame, "10.156.60.1"); /* i = 19998 */
	expect(&frame, PASS_ALLOWED, "last address");
	frame_from(&frame, "10.156.60.2");
	expect(&frame, NOT_ALLOWED, "beside the last address");
	frame_from(&frame, "10.156.63.200");
	expect(&frame, NOT_ALLOWED, "beside the last prefix");
}

/* Every source is answered by the kernel as by the same code in user space, which test_lists_image.c compares with what
 * lists mean: here it is the maps that are tested, chunk by chunk. */
TEST(lists_of_several_chunks)
{
	enum { CNT = 60000 };
	struct prefix *prefixes = malloc(CNT * sizeof *prefixes);
	struct prefix_list allow = {prefixes, 0}, deny = {0};
	struct frame frame;
	char source[INET6_ADDRSTRLEN];

	GATE_READY();
	for (unsigned i = 0; i < CNT; i++) { /* half of them IPv4, each in a /16 or /32 with few others */
		uint32_t mixed = i * 2654435761u;
		struct prefix four = {{.s6_addr = {[10] = 255,
						   255,
						   (uint8_t)(1 + mixed % 200),
						   (uint8_t)(mixed >> 8),
						   (uint8_t)(mixed >> 16),
						   7}},
				      128};
		struct prefix six = {{.s6_addr = {0x20, 1, (uint8_t)(mixed >> 8), (uint8_t)(mixed >> 16),
						  (uint8_t)(mixed >> 24), 1, [15] = 7}},
				     128};
		prefixes[allow.cnt++] = i % 2 ? four : six;
	}
	CHECK_EQ(filter_load_lists(filter, &allow, &deny), 0);
	filter_set_mode(filter, FILTER_ALLOW, false);
	for (unsigned i = 0; i < CNT; i += 29) {
		const uint8_t *at = prefixes[i].address.s6_addr;
		CHECK(inet_ntop(i % 2 ? AF_INET : AF_INET6, i % 2 ? at + 12 : at, source, sizeof source) != NULL);
		frame_from(&frame, source);
		expect(&frame, PASS_ALLOWED, source);
		frame.bytes[i % 2 ? AT_IP4_SOURCE + 3 : AT_IP6_SOURCE + 15] = 9;
		expect(&frame, NOT_ALLOWED, source);
	}
	lists_set("", "");
	expect(&frame, NOT_ALLOWED, "no list");
	free(prefixes);
}

/* --- ports --- */

TEST(port_edges)
{
	static const uint16_t ports[] = {1, 63, 64, 65535};
	static const struct {
		uint16_t port;
		enum reason want;
	} rows[] = {{0, PASS_OTHER}, {1, PASS_OPEN},   {2, PASS_OTHER},	    {62, PASS_OTHER},  {63, PASS_OPEN},
		    {64, PASS_OPEN}, {65, PASS_OTHER}, {65534, PASS_OTHER}, {65535, PASS_OPEN}};
	static const uint16_t zero[] = {0};

	GATE_READY();
	CHECK_EQ(filter_set_ports(filter, ports, 4, NULL, 0), 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct frame frame;
		frame_build(&frame, TCP4);
		frame.bytes[L4(2)] = (uint8_t)(rows[i].port >> 8);
		frame.bytes[L4(3)] = (uint8_t)rows[i].port;
		expect(&frame, rows[i].want, "tcp");
		frame_build(&frame, UDP4);
		frame.bytes[L4(2)] = (uint8_t)(rows[i].port >> 8);
		frame.bytes[L4(3)] = (uint8_t)rows[i].port;
		expect(&frame, PASS_OTHER, "udp");
	}
	CHECK_EQ(filter_set_ports(filter, zero, 1, NULL, 0), -EINVAL);
	CHECK(filter_state(filter).armed);
}

/* --- standing --- */

static struct in6_addr source_of(const char *text)
{
	struct in6_addr address = {.s6_addr = {[10] = 255, 255}};

	CHECK(inet_pton(AF_INET, text, &address.s6_addr[12]) == 1 || inet_pton(AF_INET6, text, &address) == 1);
	return address;
}

static int standing_put(const char *source, uint64_t until_ns)
{
	struct in6_addr address = source_of(source);

	return filter_standing_put(filter, &address, &(struct tollbar_standing){until_ns, 1, REPLAYED});
}

static int standing_clear(const char *source)
{
	struct in6_addr address = source_of(source);

	return filter_standing_clear(filter, &address);
}

TEST(penalty)
{
	static const char *const sources[] = {"192.0.2.7", "2001:db8::7"};
	static const char *const others[] = {"192.0.2.8", "2001:db8:0:1::7"};

	GATE_READY();
	for (size_t i = 0; i < 2; i++) {
		struct frame frame, other;
		frame_from(&frame, sources[i]);
		frame_from(&other, others[i]);
		expect(&frame, PASS_OPEN, "before");
		CHECK_EQ(standing_put(sources[i], clock_ns() + 60000000000u), 0);
		expect(&frame, PENALIZED, "penalised");
		expect(&other, PASS_OPEN, "another");
		filter_set_mode(filter, FILTER_OPEN, true);
		expect_observed(&frame, PENALIZED, "observed");
		filter_set_mode(filter, FILTER_OPEN, false);
		lists_set(sources[i], "");
		filter_set_mode(filter, FILTER_ALLOW, false);
		expect(&frame, PENALIZED, "the allowlist is no excuse");
		lists_set("", "");
		filter_set_mode(filter, FILTER_OPEN, false);
		frame.bytes[i == 0 ? L4(3) : L6(3)] ^= 1;
		expect(&frame, PASS_OTHER, "another port");
		frame_from(&frame, sources[i]);
		CHECK_EQ(standing_clear(sources[i]), 0);
		CHECK_EQ(standing_clear(sources[i]), -ENOENT);
		expect(&frame, PASS_OPEN, "forgiven");
	}
}

/* --- the places that say whether to look --- */

static __u32 place_of(const char *source)
{
	struct in6_addr address = source_of(source);
	struct tollbar_address key;

	memcpy(&key, &address, sizeof key);
	tollbar_standing_key(&key);
	return tollbar_standing_place(&key);
}

/* Another source that falls on the same place. */
static void same_place(char *text, size_t text_bytes, const char *source)
{
	unsigned i = 0;

	do
		snprintf(text, text_bytes, "198.%u.%u.%u", 18 + (i >> 16), i >> 8 & 255, i & 255);
	while (++i < 1u << 24 && place_of(text) != place_of(source));
	CHECK_EQ(place_of(text), place_of(source));
}

static unsigned places_taken(void)
{
	unsigned sum = 0;

	for (size_t i = 0; i < TOLLBAR_STANDING_PLACES; i++)
		sum += filter->policy->standing_cnt[i];
	return sum;
}

TEST(penalties_on_one_place)
{
	const uint64_t until_ns = clock_ns() + 60000000000u;
	const char *first = "192.0.2.7";
	char second[16];
	struct frame first_frame, second_frame;

	GATE_READY();
	same_place(second, sizeof second, first);
	frame_from(&first_frame, first);
	frame_from(&second_frame, second);
	CHECK_EQ(places_taken(), 0);
	CHECK_EQ(standing_put(first, until_ns), 0);
	CHECK_EQ(standing_put(first, until_ns), 0); /* again: the same key, counted once */
	CHECK_EQ(places_taken(), 1);
	expect(&second_frame, PASS_OPEN, "shares a place, not the penalty");
	CHECK_EQ(standing_put(second, until_ns), 0);
	CHECK_EQ(standing_clear(first), 0);
	expect(&first_frame, PASS_OPEN, "forgiven");
	expect(&second_frame, PENALIZED, "still on the place");
	CHECK_EQ(standing_clear(second), 0);
	CHECK_EQ(places_taken(), 0);
}

/* A count that went to the pages of the filter before, while that was replaced. */
TEST(place_missing)
{
	const char *source = "192.0.2.7";
	struct frame frame;

	GATE_READY();
	frame_from(&frame, source);
	CHECK_EQ(standing_put(source, clock_ns() + 60000000000u), 0);
	filter->policy->standing_cnt[place_of(source)] = 0;
	expect(&frame, PASS_OPEN, "not looked for");
	CHECK_EQ(filter_standing_sweep(filter, 0), 1);
	expect(&frame, PENALIZED, "counted again");
	CHECK_EQ(standing_clear(source), 0);
	CHECK_EQ(places_taken(), 0);
}

/* A count that is full stays so, and is looked behind. */
TEST(place_full)
{
	const char *source = "192.0.2.7";
	struct frame frame;

	GATE_READY();
	__u8 *cnt = &filter->policy->standing_cnt[place_of(source)];
	frame_from(&frame, source);
	*cnt = 254;
	CHECK_EQ(standing_put(source, clock_ns() + 60000000000u), 0);
	CHECK_EQ(standing_clear(source), 0);
	CHECK_EQ(*cnt, 255);
	CHECK_EQ(standing_put(source, clock_ns() + 60000000000u), 0);
	expect(&frame, PENALIZED, "full");
	CHECK_EQ(standing_clear(source), 0);
	expect(&frame, PASS_OPEN, "forgiven");
	*cnt = 0;
}

/* Whoever has one address of a /64 has them all; ::/64 holds nothing but loopback and IPv4 in disguise, 64:ff9b::/32 IPv4
 * behind a translator. */
TEST(penalty_of_a_64)
{
	static const struct {
		const char *penalised, *source;
		enum reason want;
	} rows[] = {
		{"2001:db8:0:1::7", "2001:db8:0:1::7", PENALIZED},
		{"2001:db8:0:1::7", "2001:db8:0:1:ffff:ffff:ffff:ffff", PENALIZED},
		{"2001:db8:0:1::7", "2001:db8:0:1::", PENALIZED},
		{"2001:db8:0:1::7", "2001:db8:0:2::7", PASS_OPEN},
		{"2001:db8:0:1::7", "2001:db8::7", PASS_OPEN},
		{"::1", "::1", PENALIZED},
		{"::1", "::2", PASS_OPEN},
		{"::1", "192.0.2.7", PASS_OPEN},
		{"192.0.2.7", "192.0.2.6", PASS_OPEN},
		{"192.0.2.7", "::192.0.2.7", PASS_OPEN},
		{"64:ff9b::192.0.2.7", "64:ff9b::192.0.2.7", PENALIZED},
		{"64:ff9b::192.0.2.7", "64:ff9b::192.0.2.8", PASS_OPEN},
		{"64:ff9b::192.0.2.7", "192.0.2.7", PASS_OPEN},
		{"64:ff9b:1::192.0.2.7", "64:ff9b:1::192.0.2.8", PASS_OPEN},
		{"64:ff9c::192.0.2.7", "64:ff9c::192.0.2.8", PENALIZED},
	};

	GATE_READY();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct frame frame;
		CHECK_EQ(standing_put(rows[i].penalised, clock_ns() + 60000000000u), 0);
		frame_from(&frame, rows[i].source);
		expect(&frame, rows[i].want, rows[i].source);
		CHECK_EQ(standing_clear(rows[i].penalised), 0);
	}
}

TEST(penalty_ends)
{
	struct frame frame;

	GATE_READY();
	frame_from(&frame, "192.0.2.7");
	CHECK_EQ(standing_put("192.0.2.7", clock_ns() + 50000000), 0);
	expect(&frame, PENALIZED, "50 ms before the end");
	usleep(80000);
	expect(&frame, PASS_OPEN, "30 ms after it");
	CHECK_EQ(standing_clear("192.0.2.7"), 0);
}

TEST(what_is_known_of_a_source)
{
	const struct tollbar_standing put = {clock_ns() + 60000000000u, 7, SIGNATURE_BAD};
	struct in6_addr source = source_of("2001:db8::7"), neighbour = source_of("2001:db8::8");
	struct tollbar_standing got = put;
	struct filter_standing *all;

	GATE_READY();
	CHECK_EQ(filter_standing_get(filter, &source, &got), -ENOENT);
	CHECK(got.until_ns == 0 && got.offences == 0 && got.reason == 0);
	CHECK_EQ(filter_standing_list(filter, &all), 0);
	free(all);
	CHECK_EQ(filter_standing_put(filter, &source, &put), 0);
	CHECK_EQ(filter_standing_get(filter, &neighbour, &got), 0);
	CHECK_BYTES(&got, &put, sizeof put);
	CHECK_EQ(filter_standing_list(filter, &all), 1);
	CHECK_BYTES(&all->entry, &put, sizeof put);
	source = source_of("2001:db8::");
	CHECK_BYTES(&all->source, &source, sizeof source);
	free(all);
	CHECK_EQ(filter_standing_clear(filter, &neighbour), 0);
}

TEST(sweep)
{
	uint64_t now_ns;
	struct filter_standing *all;

	GATE_READY();
	now_ns = clock_ns();
	for (unsigned i = 0; i < 5000; i++) {
		char source[32];
		snprintf(source, sizeof source, "10.0.%u.%u", i / 256, i % 256);
		/* three live, two just over, all others long */
		CHECK_EQ(standing_put(source, i < 3 ? now_ns + 60000000000u : i < 5 ? now_ns - 1 : now_ns / 2), 0);
	}
	CHECK_EQ(filter_standing_sweep(filter, now_ns / 4), 3);
	CHECK_EQ(filter_standing_list(filter, &all), 5);
	free(all);
	CHECK(filter->policy->word & TOLLBAR_HAS_STANDING);
	CHECK_EQ(filter_standing_sweep(filter, 0), 3);
	CHECK_EQ(filter_standing_list(filter, &all), 3);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(filter_standing_clear(filter, &all[i].source), 0);
	free(all);
	CHECK_EQ(standing_put("10.0.0.9", now_ns - 1), 0);
	CHECK_EQ(filter_standing_sweep(filter, now_ns), 0); /* remembered, but packets need not look */
	CHECK(!(filter->policy->word & TOLLBAR_HAS_STANDING));
	CHECK_EQ(standing_clear("10.0.0.9"), 0);
}

TEST(standing_full)
{
	uint64_t now_ns;

	GATE_READY();
	now_ns = clock_ns();
	for (unsigned i = 0; i < TOLLBAR_STANDING_MAX; i++) {
		struct tollbar_address key = {{[10] = 255, 255, 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
		struct tollbar_standing value = {now_ns + 60000000000u, 1, REPLAYED};
		CHECK_EQ(bpf_map_update_elem(filter->map_fds[MAP_STANDING], &key, &value, BPF_ANY), 0);
	}
	filter->swept_ns = 0;
	CHECK_EQ(standing_put("192.0.2.7", now_ns + 60000000000u), -ENOSPC);
	CHECK_EQ(standing_put("10.0.0.9", now_ns - 1), 0); /* room for one, once it is looked for again */
	CHECK_EQ(standing_put("192.0.2.7", now_ns + 60000000000u), -ENOSPC);
	filter->swept_ns -= SWEEP_PAUSE_NS;
	CHECK_EQ(standing_put("192.0.2.7", now_ns + 60000000000u), 0);
	CHECK_EQ(standing_put("10.0.0.9", now_ns + 60000000000u), -ENOSPC);
	for (unsigned i = 0; i < TOLLBAR_STANDING_MAX; i++) {
		struct tollbar_address key = {{[10] = 255, 255, 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
		bpf_map_delete_elem(filter->map_fds[MAP_STANDING], &key);
	}
	CHECK_EQ(standing_clear("192.0.2.7"), 0);
	CHECK_EQ(filter_standing_sweep(filter, 0), 0);
}

/* --- the BPF verifier's work --- */

/* Kernels walk the same program differently; on the kernel named in the file the number is compared closely. */
TEST(verifier_insns)
{
	unsigned checked_in = 0;
	char release[64] = "";
	struct utsname here;
	FILE *file = fopen("tests/bpf/verifier_insns", "r");

	GATE_READY();
	CHECK(file != NULL && fscanf(file, "%u %63s", &checked_in, release) == 2 && uname(&here) == 0);
	if (file != NULL)
		fclose(file);
	if (checked_in == 0)
		return;
	size_t series = strcspn(release, ".") + 1;
	series += strcspn(release + series, ".");
	bool same = strncmp(release, here.release, series) == 0;
	unsigned low = same ? checked_in - checked_in / 50 : checked_in / 4,
		 high = same ? checked_in + checked_in / 50 : checked_in * 4;
	if (verified_insns < low || verified_insns > high) {
		printf("the BPF verifier walks %u instructions here (%s), %u are checked in (%s).\n"
		       "If the change is meant: echo '%u %.*s' >tests/bpf/verifier_insns, and say why in the commit.\n",
		       verified_insns, here.release, checked_in, release, verified_insns,
		       (int)strcspn(here.release, "-"), here.release);
		check_failures++;
	}
}

CHECK_MAIN
