// SPDX-License-Identifier: Apache-2.0
/* Who gets in, and with what, when a native port stands beside lists of sources, knocks, penalties and limits. */
#include "native_rig.h"

static void usual_frame(struct frame *frame, enum frame_kind kind)
{
	struct datagram datagram;

	datagram_request(&datagram, 100, false, NOW_S);
	frame_datagram(frame, kind, 0, &datagram);
}

static void usual_payer_listed(void)
{
	struct address payer;

	address_fill(&payer, DATAGRAM_PAYER);
	CHECK_EQ(filter_native_payers(filter, &payer, 1, false), 0);
}

/* --- the native port -------------------------------------------------------------------------------------------- */

TEST(lists_of_sources)
{
	static const struct {
		const char *allow, *deny;
		bool payers;
		enum reason open, allowing;
	} rows[] = {
		{"", "", false, PASS_NATIVE, NOT_ALLOWED}, /* no list of payers: that of sources holds */
		{"", "", true, PASS_NATIVE, PASS_NATIVE},  /* there is one: it takes its place */
		{"192.0.2.7", "", false, PASS_NATIVE, PASS_NATIVE},
		{"192.0.2.7", "", true, PASS_NATIVE, PASS_NATIVE},
		{"192.0.2.6", "", false, PASS_NATIVE, NOT_ALLOWED},
		{"192.0.2.6", "", true, PASS_NATIVE, PASS_NATIVE},
		{"", "192.0.2.0/24", false, BLOCKED, BLOCKED}, /* who is denied is, in any case */
		{"", "192.0.2.0/24", true, BLOCKED, BLOCKED},
		{"192.0.2.7", "192.0.2.0/24", true, BLOCKED, BLOCKED},
	};
	struct frame frame, other;

	NATIVE_READY();
	usual_frame(&frame, UDP4);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		lists_set(rows[i].allow, rows[i].deny);
		if (rows[i].payers)
			usual_payer_listed();
		else
			CHECK_EQ(filter_native_payers(filter, NULL, 0, true), 0);
		filter_set_mode(filter, FILTER_OPEN, false);
		expect(&frame, rows[i].open, "open mode");
		filter_set_mode(filter, FILTER_ALLOW, false);
		expect(&frame, rows[i].allowing, "allow mode");
		/* the TCP port has no part in it */
		frame_from(&other, "192.0.2.9");
		expect(&other, rows[i].deny[0] != 0 ? BLOCKED : NOT_ALLOWED, "a stranger by TCP");
	}
	/* nor has a UDP port that is not native */
	static const uint16_t udp[] = {FRAME_UDP_PORT, FRAME_UDP_PORT + 1};
	CHECK_EQ(filter_set_ports(filter, tcp_ports, 1, udp, 2), 0);
	lists_set("", "");
	frame.bytes[AT_L4_4 + 3]++;
	expect(&frame, NOT_ALLOWED, "another UDP service");
	CHECK_EQ(filter_native_payers(filter, NULL, 0, true), 0);
}

TEST(penalties_and_limits)
{
	struct in6_addr source = {.s6_addr = {[10] = 255, 255, 192, 0, 2, 7}};
	struct tollbar_standing entry = {clock_ns() + 3600000000000u, 1, SIGNATURE_BAD};
	struct config_limits limits = no_limits;
	struct frame frame, junk;

	NATIVE_READY();
	usual_frame(&frame, UDP4);
	junk = frame;
	junk.bytes[AT_L4_4 + 8] = 'X';
	CHECK_EQ(filter_standing_put(filter, &source, &entry), 0);
	expect(&frame, PENALIZED, "penalised, by TCP");
	CHECK_EQ(filter_standing_clear(filter, &source), 0);
	limits.packets_per_s = 1;
	limits.packets_burst = 2;
	CHECK_EQ(filter_set_limits(filter, &limits), 0);
	for (int i = 0; i < 5; i++)
		expect(&junk, NATIVE_MAGIC, "what is dropped is not counted");
	expect(&frame, PASS_NATIVE, "first");
	expect(&frame, PASS_NATIVE, "second");
	expect(&frame, RATE, "third");
	expect(&junk, NATIVE_MAGIC, "the sieve comes first");
}

TEST(checksum)
{
	struct frame frame;

	NATIVE_READY();
	filter_set_checksum(filter, true);
	usual_frame(&frame, UDP6);
	expect(&frame, CHECKSUM, "none at all, over IPv6");
	frame.bytes[AT_L4_6 + 8] = 'X';
	expect(&frame, NATIVE_MAGIC, "asked last");
	filter_set_checksum(filter, false);
}

/* --- sources that knocked --------------------------------------------------------------------------------------- */

static void in6_of(struct in6_addr *address, const char *text)
{
	struct in_addr ip4;

	if (inet_pton(AF_INET, text, &ip4) == 1) {
		*address = (struct in6_addr){.s6_addr = {[10] = 255, 255}};
		memcpy(&address->s6_addr[12], &ip4, 4);
	} else {
		CHECK_EQ(inet_pton(AF_INET6, text, address), 1);
	}
}

static void opened_clear(void)
{
	struct tollbar_address key;

	while (bpf_map_get_next_key(filter->map_fds[MAP_OPENED], NULL, &key) == 0)
		CHECK_EQ(bpf_map_delete_elem(filter->map_fds[MAP_OPENED], &key), 0);
	CHECK_EQ(filter_opened_sweep(filter), 0);
}

static void source_open(const char *text, int64_t for_ns)
{
	struct in6_addr source;

	in6_of(&source, text);
	CHECK_EQ(filter_open_source(filter, &source, clock_ns() + (uint64_t)for_ns), 0);
}

static void expect_from(const char *source, enum reason want)
{
	struct frame frame;

	frame_from(&frame, source);
	expect(&frame, want, source);
}

#define HOUR_NS 3600000000000

TEST(knocked)
{
	static const char *const sources[] = {"192.0.2.7", "2001:db8::7"}, *const neighbours[] = {"192.0.2.6",
												  "2001:db8::6"};

	NATIVE_READY();
	opened_clear();
	for (int i = 0; i < 2; i++) {
		filter_set_mode(filter, FILTER_ALLOW, false);
		expect_from(sources[i], NOT_ALLOWED);
		source_open(sources[i], HOUR_NS);
		expect_from(sources[i], PASS_KNOCKED);
		expect_from(neighbours[i], NOT_ALLOWED); /* of the same /64, too */
		filter_set_mode(filter, FILTER_OPEN, false);
		expect_from(sources[i], PASS_OPEN); /* where everybody may, nobody has to knock */
	}
	CHECK_EQ(filter_opened_sweep(filter), 2);
	filter_set_mode(filter, FILTER_ALLOW, false);
	lists_set("192.0.2.7", "2001:db8::/32");
	expect_from("192.0.2.7", PASS_ALLOWED);
	expect_from("2001:db8::7", BLOCKED); /* who is denied may knock as he likes */
	opened_clear();
}

TEST(opened_for_tcp_alone)
{
	struct frame frame;

	NATIVE_READY();
	opened_clear();
	filter_set_mode(filter, FILTER_ALLOW, false);
	source_open("192.0.2.7", HOUR_NS);
	CHECK_EQ(filter_set_native(filter, NULL), 0);
	frame_build(&frame, UDP4);
	expect(&frame, NOT_ALLOWED, "a UDP service");
	expect_from("192.0.2.7", PASS_KNOCKED);
	opened_clear();
}

TEST(opened_ends)
{
	struct in6_addr source;
	struct tollbar_opened entry;

	NATIVE_READY();
	opened_clear();
	filter_set_mode(filter, FILTER_ALLOW, false);
	source_open("192.0.2.7", -20000000);
	expect_from("192.0.2.7", NOT_ALLOWED);
	source_open("192.0.2.7", HOUR_NS);
	source_open("192.0.2.7", HOUR_NS / 2); /* an older knock shortens nothing */
	in6_of(&source, "192.0.2.7");
	CHECK_EQ(bpf_map_lookup_elem(filter->map_fds[MAP_OPENED], &source, &entry), 0);
	CHECK(entry.until_ns > clock_ns() + HOUR_NS - 60000000000);
	source_open("192.0.2.8", -20000000);
	CHECK_EQ(filter_opened_sweep(filter), 1);
	expect_from("192.0.2.7", PASS_KNOCKED);
	opened_clear();
	CHECK((filter->policy->word & TOLLBAR_HAS_OPENED) == 0); /* and costs nothing */
	expect_from("192.0.2.7", NOT_ALLOWED);
}

/* A full map takes nobody in; those whose time is over make room. */
TEST(opened_full)
{
	struct in6_addr source = {.s6_addr = {0x20, 1, 0x0d, 0xb8}};
	uint64_t until_ns = clock_ns() + HOUR_NS;
	int err = 0;

	NATIVE_READY();
	opened_clear();
	for (uint32_t i = 0; i < TOLLBAR_OPENED_MAX && err == 0; i++) {
		memcpy(&source.s6_addr[12], &i, 4);
		err = filter_open_source(filter, &source, i == 5 ? clock_ns() : until_ns);
	}
	CHECK_EQ(err, 0);
	filter->opened_swept_ns = clock_ns();
	source.s6_addr[4] = 1;
	CHECK_EQ(filter_open_source(filter, &source, until_ns), -ENOSPC);
	filter->opened_swept_ns = 0;
	CHECK_EQ(filter_open_source(filter, &source, until_ns), 0); /* in the place of the one that is over */
	source.s6_addr[4] = 2;
	filter->opened_swept_ns = 0;
	CHECK_EQ(filter_open_source(filter, &source, until_ns), -ENOSPC);
	opened_clear();
}

/* Penalties hold for those who knocked, and limits as for strangers. */
TEST(knocked_and_misbehaving)
{
	struct in6_addr source;
	struct tollbar_standing entry = {clock_ns() + HOUR_NS, 1, SIGNATURE_BAD};
	struct config_limits limits = no_limits;

	NATIVE_READY();
	opened_clear();
	filter_set_mode(filter, FILTER_ALLOW, false);
	source_open("192.0.2.7", HOUR_NS);
	in6_of(&source, "192.0.2.7");
	CHECK_EQ(filter_standing_put(filter, &source, &entry), 0);
	expect_from("192.0.2.7", PENALIZED);
	CHECK_EQ(filter_standing_clear(filter, &source), 0);
	limits.connections_per_s = 1;
	limits.connections_burst = 1;
	CHECK_EQ(filter_set_limits(filter, &limits), 0);
	expect_from("192.0.2.7", PASS_KNOCKED);
	expect_from("192.0.2.7", SYN_RATE);
	opened_clear();
}

CHECK_MAIN
