// SPDX-License-Identifier: Apache-2.0
/* The sieve for native datagrams in the kernel: what it lets through, and for which reason it drops the rest.  Cookies have
 * a test of their own, test_native_cookie.c. */
#include "native_rig.h"

#include <pthread.h>
#include <stdatomic.h>

#include "../../bpf/native.bpf.h"
#include "random.h"

/* --- form ------------------------------------------------------------------------------------------------------- */

TEST(rows)
{
	static const enum frame_kind kinds[] = {UDP4, UDP6};

	NATIVE_READY();
	for (size_t i = 0; i < DATAGRAM_ROW_CNT; i++)
		for (int kind = 0; kind < 2; kind++)
			for (int tags = 0; tags <= 2; tags++) {
				struct datagram datagram;
				struct frame frame;
				enum reason want = datagram_rows[i].want;
				datagram_row_build(&datagram, &datagram_rows[i], NOW_S);
				frame_datagram(&frame, kinds[kind], tags, &datagram);
				expect(&frame, want == REASON_OK ? PASS_NATIVE : want, datagram_rows[i].name);
				memset(frame.bytes + frame.used, 0xaa, 50);
				frame.used += 50; /* padding means nothing */
				expect(&frame, want == REASON_OK ? PASS_NATIVE : want, datagram_rows[i].name);
			}
}

/* Behind IP options and extension headers the sieve finds the same datagram. */
TEST(far_headers)
{
	static const uint8_t options[40] = {1, 1, 1}, extensions[24] = {60, 0, [8] = 17, 1};
	struct datagram datagram;
	struct frame frame;

	NATIVE_READY();
	for (int broken = 0; broken < 2; broken++) {
		datagram_request(&datagram, 100, false, NOW_S);
		datagram.bytes[AT_KIND] = broken ? 9 : 1;
		frame_datagram(&frame, UDP4, 0, &datagram);
		frame_insert(&frame, AT_L4_4, options, sizeof options);
		frame.bytes[AT_IP] = 0x4f;
		frame.bytes[AT_IP4_TOTAL] = (uint8_t)((20 + 40 + 8 + datagram.used) >> 8);
		frame.bytes[AT_IP4_TOTAL + 1] = (uint8_t)(20 + 40 + 8 + datagram.used);
		expect(&frame, broken ? NATIVE_KIND : PASS_NATIVE, "options");
		frame_datagram(&frame, UDP6, 0, &datagram);
		frame_insert(&frame, AT_L4_6, extensions, sizeof extensions);
		frame.bytes[AT_IP6_NEXT] = 0;
		frame.bytes[AT_IP6_PAYLOAD] = (uint8_t)((24 + 8 + datagram.used) >> 8);
		frame.bytes[AT_IP6_PAYLOAD + 1] = (uint8_t)(24 + 8 + datagram.used);
		expect(&frame, broken ? NATIVE_KIND : PASS_NATIVE, "extensions");
	}
}

TEST(every_prefix)
{
	NATIVE_READY();
	for (size_t from = 0; from < 6; from++) {
		struct datagram datagram;
		datagram_row_build(&datagram, &datagram_rows[from], NOW_S);
		for (size_t used = 0; used < datagram.used; used++) {
			struct datagram cut = datagram;
			cut.used = used;
			expect_datagram(&cut, NATIVE_LENGTH, "the head says the old length");
			datagram_put(&cut, AT_BYTES, used, 2);
			expect_datagram(&cut, NATIVE_LENGTH, "the head says the new length");
		}
	}
}

/* The same bytes to other ports are none of the sieve's business. */
TEST(other_ports)
{
	static const uint16_t udp[] = {FRAME_UDP_PORT, FRAME_UDP_PORT + 1};
	struct filter_native native;
	struct datagram datagram;
	struct frame frame;

	NATIVE_READY();
	CHECK_EQ(filter_set_ports(filter, tcp_ports, 1, udp, 2), 0);
	datagram_request(&datagram, 100, false, NOW_S);
	datagram.bytes[AT_MAGIC] = 'X';
	frame_datagram(&frame, UDP4, 0, &datagram);
	expect(&frame, NATIVE_MAGIC, "native port");
	frame.bytes[AT_L4_4 + 3]++;
	expect(&frame, PASS_OPEN, "service port that is not native");
	frame.bytes[AT_L4_4 + 3]++;
	expect(&frame, PASS_OTHER, "no service port");
	native_default(&native);
	native.ports[0] = FRAME_UDP_PORT + 1;
	native.ports[1] = 65535;
	native.port_cnt = 2;
	native_set(&native);
	frame_datagram(&frame, UDP4, 0, &datagram);
	expect(&frame, PASS_OPEN, "not native any more");
	frame.bytes[AT_L4_4 + 3]++;
	expect(&frame, NATIVE_MAGIC, "native now");
	CHECK_EQ(filter_set_native(filter, NULL), 0);
	expect(&frame, PASS_OPEN, "none is");
}

TEST(observe)
{
	struct frame frame;

	NATIVE_READY();
	filter_set_mode(filter, FILTER_OPEN, true);
	for (size_t i = 0; i < DATAGRAM_ROW_CNT; i++) {
		struct datagram datagram;
		enum reason want = datagram_rows[i].want == REASON_OK ? PASS_NATIVE : datagram_rows[i].want;
		datagram_row_build(&datagram, &datagram_rows[i], NOW_S);
		frame_datagram(&frame, UDP4, 0, &datagram);
		expect_observed(&frame, want, datagram_rows[i].name);
	}
}

/* --- terms ------------------------------------------------------------------------------------------------------ */

TEST(every_bit_of_chain_and_asset)
{
	struct datagram datagram;

	NATIVE_READY();
	for (size_t bit = 0; bit < 64; bit++) {
		datagram_request(&datagram, 100, false, NOW_S);
		datagram.bytes[AT_CHAIN + bit / 8] ^= (uint8_t)(1u << bit % 8);
		expect_datagram(&datagram, NATIVE_CHAIN, "chain");
		datagram_knock(&datagram, NOW_S);
		datagram.bytes[AT_CHAIN + bit / 8] ^= (uint8_t)(1u << bit % 8);
		expect_datagram(&datagram, NATIVE_CHAIN, "chain of a knock");
	}
	for (size_t bit = 0; bit < 160; bit++) {
		datagram_request(&datagram, 100, false, NOW_S);
		datagram.bytes[AT_ASSET + bit / 8] ^= (uint8_t)(1u << bit % 8);
		expect_datagram(&datagram, NATIVE_ASSET, "asset");
	}
}

/* 32 of them: two chains, each with 16 assets, the last the usual one; each sold by one method. */
static void terms_many(struct filter_native *native)
{
	native_default(native);
	native->terms_cnt = TOLLBAR_NATIVE_TERMS;
	for (size_t i = 0; i < TOLLBAR_NATIVE_TERMS; i++) {
		native->terms[i].chain_id = i < 16 ? DATAGRAM_CHAIN : DATAGRAM_CHAIN + 1;
		address_fill(&native->terms[i].asset, (uint8_t)(DATAGRAM_ASSET + 15 - i % 16));
		native->terms[i].methods = 1u << (1 + i % 3);
	}
}

TEST(terms)
{
	struct filter_native native;

	NATIVE_READY();
	terms_many(&native);
	native_set(&native);
	for (size_t i = 0; i < TOLLBAR_NATIVE_TERMS; i++)
		for (uint8_t method = 1; method <= 3; method++) {
			struct datagram datagram;
			datagram_request(&datagram, 100, false, NOW_S);
			datagram_put(&datagram, AT_CHAIN, native.terms[i].chain_id, 8);
			memcpy(datagram.bytes + AT_ASSET, native.terms[i].asset.at, 20);
			datagram.bytes[AT_METHOD] = method;
			expect_datagram(&datagram, method == 1 + i % 3 ? PASS_NATIVE : NATIVE_METHOD, "terms");
			datagram.bytes[AT_ASSET] = 0;
			expect_datagram(&datagram, NATIVE_ASSET, "another asset");
		}
	native.terms_cnt = 31; /* without the last */
	native_set(&native);
	struct datagram datagram;
	datagram_request(&datagram, 100, false, NOW_S);
	datagram_put(&datagram, AT_CHAIN, DATAGRAM_CHAIN + 1, 8);
	datagram.bytes[AT_METHOD] = 2;
	expect_datagram(&datagram, NATIVE_ASSET, "the last, which is gone");
	native.terms_cnt = 0;
	native_set(&native);
	expect_datagram(&datagram, NATIVE_CHAIN, "nothing is sold");
}

/* --- times ------------------------------------------------------------------------------------------------------ */

TEST(times)
{
	/* the kernel's clock is up to two seconds late, and nothing is refused that the daemon might take in them */
	const uint64_t least = NOW_S + 6, most = NOW_S + 2 + TIMEOUT_S + 30;

	NATIVE_READY();
	expect_field(AT_VALID_AFTER, 0, 8, PASS_NATIVE);
	expect_field(AT_VALID_AFTER, NOW_S + 2, 8, PASS_NATIVE);
	expect_field(AT_VALID_AFTER, NOW_S + 3, 8, NATIVE_EARLY);
	expect_field(AT_VALID_AFTER, UINT64_MAX, 8, NATIVE_EARLY);
	expect_field(AT_DEADLINE, 0, 8, NATIVE_EXPIRED);
	expect_field(AT_DEADLINE, least - 1, 8, NATIVE_EXPIRED);
	expect_field(AT_DEADLINE, least, 8, PASS_NATIVE);
	expect_field(AT_DEADLINE, most, 8, PASS_NATIVE);
	expect_field(AT_DEADLINE, most + 1, 8, NATIVE_FAR);
	expect_field(AT_DEADLINE, UINT64_MAX, 8, NATIVE_FAR);
	filter_native_clock(filter, NOW_S + 1);
	expect_field(AT_VALID_AFTER, NOW_S + 3, 8, PASS_NATIVE);
	expect_field(AT_DEADLINE, least, 8, NATIVE_EXPIRED);
	expect_field(AT_DEADLINE, most + 1, 8, PASS_NATIVE);
}

TEST(times_of_knocks)
{
	static const struct {
		uint64_t until;
		enum reason want;
	} rows[] = {
		{0, NATIVE_EXPIRED},
		{NOW_S - 1, NATIVE_EXPIRED},
		{NOW_S, PASS_NATIVE},
		{NOW_S + 2 + KNOCK_S, PASS_NATIVE},
		{NOW_S + 3 + KNOCK_S, NATIVE_FAR},
		{UINT64_MAX, NATIVE_FAR},
	};
	struct filter_native native;
	struct datagram datagram;

	NATIVE_READY();
	datagram_knock(&datagram, NOW_S);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		datagram_put(&datagram, AT_KNOCK_UNTIL, rows[i].until, 8);
		expect_datagram(&datagram, rows[i].want, "until");
	}
	native_default(&native);
	native.knock_s = 0;
	native_set(&native);
	datagram_knock(&datagram, NOW_S);
	expect_datagram(&datagram, NATIVE_KIND, "no knocks");
	datagram_request(&datagram, 100, false, NOW_S);
	expect_datagram(&datagram, PASS_NATIVE, "requests as before");
}

/* --- payers ----------------------------------------------------------------------------------------------------- */

static struct address *payers_make(size_t cnt, uint8_t mark)
{
	struct address *payers = calloc(cnt, sizeof *payers);

	CHECK_NEED(payers != NULL);
	for (size_t i = 0; i < cnt; i++) {
		random_bytes(payers[i].at, sizeof payers[i].at);
		payers[i].at[0] = mark;
	}
	return payers;
}

static unsigned payer_ends(const struct address *payer, bool knock)
{
	struct datagram datagram;
	struct frame frame;

	if (knock)
		datagram_knock(&datagram, NOW_S);
	else
		datagram_request(&datagram, 100, false, NOW_S);
	memcpy(datagram.bytes + AT_PAYER, payer->at, sizeof payer->at);
	frame_datagram(&frame, UDP4, 0, &datagram);
	return gate_run(&frame).reason;
}

/* Of a list of so many, this many asked: each passes, and nobody beside it. */
static void payers_check(size_t cnt, size_t asked)
{
	struct address *payers = payers_make(cnt, 0xaa), other;

	CHECK_EQ(filter_native_payers(filter, payers, cnt, false), 0);
	for (size_t i = 0; i < asked; i++) {
		size_t idx = asked == cnt ? i : random_below(cnt);
		unsigned bit = (unsigned)random_below(160);
		CHECK_EQ(payer_ends(&payers[idx], i % 2), PASS_NATIVE);
		other = payers[idx];
		other.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK_EQ(payer_ends(&other, i % 2), NATIVE_PAYER);
	}
	CHECK_EQ(payer_ends(&(struct address){{0}}, false), NATIVE_PAYER);
	free(payers);
}

TEST(payers)
{
	struct address usual;

	NATIVE_READY();
	random_start("payers");
	address_fill(&usual, DATAGRAM_PAYER);
	CHECK_EQ(payer_ends(&usual, false), PASS_NATIVE);
	CHECK_EQ(filter_native_payers(filter, NULL, 0, false), 0);
	CHECK_EQ(payer_ends(&usual, false), NATIVE_PAYER); /* an empty list is one */
	payers_check(1, 1);
	payers_check(10000, 10000);
	CHECK_EQ(payer_ends(&usual, false), NATIVE_PAYER);
	CHECK_EQ(filter_native_payers(filter, NULL, 0, true), 0);
	CHECK_EQ(payer_ends(&usual, false), PASS_NATIVE);
}

TEST(a_million_payers)
{
	NATIVE_READY();
	random_start("a million payers");
	payers_check(1000000, 2000);
	payers_check(100, 100); /* and the million is gone */
	CHECK_EQ(filter_native_payers(filter, NULL, 0, true), 0);
}

/* More than the kernel's table holds: the daemon has to say who may, and the kernel says nothing. */
TEST(too_many_payers)
{
	struct address *payers, usual;
	size_t room;

	NATIVE_READY();
	random_start("too many payers");
	address_fill(&usual, DATAGRAM_PAYER);
	room = filter_native_room(filter);
	CHECK(room >= 1000000);
	payers = payers_make(room + 200, 0xaa);
	CHECK_EQ(filter_native_payers(filter, payers, room, false), 0);
	CHECK_EQ(payer_ends(&usual, false), NATIVE_PAYER);
	CHECK_EQ(filter_native_payers(filter, payers, room + 200, false), -E2BIG);
	CHECK_EQ(payer_ends(&usual, false), PASS_NATIVE);
	free(payers);
}

/* --- one list replaces another --- */

static atomic_bool reloading;
static unsigned refused, let_in; /* of those on both lists, and of those on none */

static void *payers_ask(void *both)
{
	struct address stranger = {{0xcc}};

	while (reloading) {
		for (unsigned i = 0; i < 20; i++)
			refused += payer_ends((const struct address *)both + i, false) != PASS_NATIVE;
		let_in += payer_ends(&stranger, false) != NATIVE_PAYER;
	}
	return NULL;
}

TEST(reload_without_a_gap)
{
	struct address *first, *second;
	pthread_t thread;

	NATIVE_READY();
	random_start("reload without a gap");
	first = payers_make(30000, 0xaa);
	second = payers_make(60000, 0xbb);
	memcpy(second + 7, first, 20 * sizeof *first);
	CHECK_EQ(filter_native_payers(filter, first, 30000, false), 0);
	reloading = true;
	CHECK_NEED(pthread_create(&thread, NULL, payers_ask, first) == 0);
	for (int round = 0; round < 4; round++) {
		CHECK_EQ(filter_native_payers(filter, second, 60000, false), 0);
		CHECK_EQ(filter_native_payers(filter, first, 30000, false), 0);
	}
	reloading = false;
	pthread_join(thread, NULL);
	CHECK_EQ(refused, 0);
	CHECK_EQ(let_in, 0);
	CHECK_EQ(payer_ends(&second[0], false), NATIVE_PAYER);
	CHECK_EQ(filter_native_payers(filter, NULL, 0, true), 0);
	free(first);
	free(second);
}

/* --- repeats ---------------------------------------------------------------------------------------------------- */

static unsigned usual_ends(void)
{
	struct datagram datagram;
	struct frame frame;

	datagram_request(&datagram, 100, false, NOW_S);
	frame_datagram(&frame, UDP4, 0, &datagram);
	return gate_run(&frame).reason;
}

TEST(repeats)
{
	NATIVE_READY();
	CHECK_EQ(usual_ends(), PASS_NATIVE);
	CHECK_EQ(usual_ends(), PASS_NATIVE); /* nobody claimed it */
	usual_claim(DATAGRAM_CHAIN);
	struct tollbar_replay *place = usual_place();
	CHECK_NEED(place != NULL);
	usual_passes(1000);
	CHECK_EQ(usual_ends(), NATIVE_REPLAY);
	usual_passes(-3);
	uint32_t from_tick = (uint32_t)(clock_ns() >> TOLLBAR_REPLAY_TICK);
	CHECK_EQ(usual_ends(), PASS_NATIVE);
	uint32_t to_tick = (uint32_t)(clock_ns() >> TOLLBAR_REPLAY_TICK);
	/* and the next one a quarter of a second later; the kernel's clock is a tick of its own behind */
	CHECK(place->pass_tick + 1 >= from_tick + TOLLBAR_REPLAY_TICKS);
	CHECK(place->pass_tick <= to_tick + TOLLBAR_REPLAY_TICKS);
	usual_passes(1000);
	CHECK_EQ(usual_ends(), NATIVE_REPLAY);
	usual_claim(DATAGRAM_CHAIN); /* claimed again: the same place */
	CHECK(usual_place() == place);
	CHECK(place->pass_tick <= (uint32_t)(clock_ns() >> TOLLBAR_REPLAY_TICK) + TOLLBAR_REPLAY_TICKS);
	/* ticks wrap around: what is due in the half behind passes, what is due in the half ahead does not */
	place->pass_tick = (uint32_t)(clock_ns() >> TOLLBAR_REPLAY_TICK) + 0x7fffff00u;
	CHECK_EQ(usual_ends(), NATIVE_REPLAY);
	place->pass_tick = (uint32_t)(clock_ns() >> TOLLBAR_REPLAY_TICK) - 0x7fffff00u;
	CHECK_EQ(usual_ends(), PASS_NATIVE);
}

/* Whatever differs in one bit of payer, nonce or chain is another. */
TEST(repeats_of_others)
{
	struct datagram datagram;
	struct filter_native native;

	NATIVE_READY();
	native_default(&native);
	usual_claim(DATAGRAM_CHAIN);
	usual_passes(1000000);
	CHECK_EQ(usual_ends(), NATIVE_REPLAY);
	for (size_t bit = 0; bit < 160 + 256; bit++) {
		size_t at = bit < 160 ? AT_PAYER + bit / 8 : AT_NONCE + (bit - 160) / 8;
		datagram_request(&datagram, 100, false, NOW_S);
		datagram.bytes[at] ^= (uint8_t)(1u << bit % 8);
		expect_datagram(&datagram, PASS_NATIVE, "another payer or nonce");
	}
	for (size_t bit = 0; bit < 32; bit++) {
		native.terms[0].chain_id = DATAGRAM_CHAIN ^ 1ull << bit;
		native_set(&native);
		expect_field(AT_CHAIN, native.terms[0].chain_id, 8, PASS_NATIVE);
	}
	/* what is not of the payment's identity changes nothing */
	native_default(&native);
	native_set(&native);
	expect_field(AT_SALT, 1, 1, NATIVE_REPLAY);
	expect_field(AT_SIGNATURE, 1, 8, NATIVE_REPLAY);
	expect_field(AT_AMOUNT, 1, 8, NATIVE_REPLAY);
	expect_field(AT_ROUTE, 6, 1, NATIVE_REPLAY);
	expect_field(AT_DEADLINE, NOW_S + 50, 8, NATIVE_REPLAY);
}

/* Another's with the same mark, in the same line, is told apart by its tag; the mark is then his. */
TEST(a_mark_of_two)
{
	struct address payer = {{1}};
	struct word nonce;

	NATIVE_READY();
	for (size_t i = 0; i < sizeof nonce.at; i++)
		nonce.at[i] = (uint8_t)(DATAGRAM_NONCE + i);
	filter_native_claimed(filter, DATAGRAM_CHAIN, &payer, &nonce);
	CHECK(usual_place() != NULL);
	usual_passes(1000000);
	CHECK_EQ(usual_ends(), PASS_NATIVE);
	usual_claim(DATAGRAM_CHAIN);
	usual_passes(1000000);
	CHECK_EQ(usual_ends(), NATIVE_REPLAY);
}

/* A line holds four; the one due longest makes room, the others stay. */
TEST(a_full_line)
{
	struct address payer = {{1}};
	struct tollbar_replay *replays;
	__u32 words[8] = {0};
	struct word nonce;

	NATIVE_READY();
	words[6] = 5; /* the line */
	replays = filter->replays[tollbar_replay_line(words)].replays;
	for (unsigned i = 0; i < 5; i++) {
		words[7] = 100 + i; /* the mark */
		memcpy(nonce.at, words, sizeof nonce.at);
		for (unsigned k = 0; i == 4 && k < 4; k++)
			replays[k].pass_tick -= k == 2 ? 10 : k;
		filter_native_claimed(filter, 1, &payer, &nonce);
		unsigned found = 0;
		for (unsigned k = 0; k < 4; k++)
			found += replays[k].tag != 0 && replays[k].mark == words[7];
		CHECK_EQ(found, 1);
	}
	for (unsigned mark = 100; mark < 105; mark++) {
		unsigned found = 0;
		for (unsigned k = 0; k < 4; k++)
			found += replays[k].mark == mark;
		CHECK_EQ(found, mark == 102 ? 0 : 1);
	}
}

/* The key stays as long as the program: what was claimed before the daemon came back is known. */
TEST(repeats_outlive_the_daemon)
{
	NATIVE_READY();
	usual_claim(DATAGRAM_CHAIN);
	usual_passes(1000000);
	CHECK_EQ(filter_set_native(filter, NULL), 0);
	struct filter_native native;
	native_default(&native);
	native_set(&native);
	CHECK_EQ(usual_ends(), NATIVE_REPLAY);
}

CHECK_MAIN
