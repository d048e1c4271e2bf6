// SPDX-License-Identifier: Apache-2.0
#include "standing.c"

#include <arpa/inet.h>

#include "check.h"

static struct in6_addr address(const char *text)
{
	struct in6_addr out;

	CHECK_ROW(inet_pton(AF_INET6, text, &out) == 1, text);
	return out;
}

static const uint8_t key[16] = "sixteen bytes...";

/* A configuration of the given limits; one at a time. */
static struct config *limits(unsigned failures, unsigned window_s, unsigned penalty_s)
{
	static struct config config;

	config.trusted_proxy_cnt = 0;
	config.filter.penalty_failures = failures;
	config.filter.penalty_window_s = window_s;
	config.filter.penalty_s = penalty_s;
	return &config;
}

static bool note_at(struct standing *standing, const char *source, double now_s)
{
	struct in6_addr from = address(source);

	return standing_note(standing, &from, SIGNATURE_BAD, (uint64_t)(now_s * 1e9));
}

TEST(the_window)
{
	struct standing *standing = standing_init(limits(3, 10, 60), key);

	CHECK(!note_at(standing, "::ffff:192.0.2.1", 100));
	CHECK(!note_at(standing, "::ffff:192.0.2.1", 105));
	CHECK(!note_at(standing, "::ffff:192.0.2.1", 110)); /* ten seconds later is a new window */
	CHECK(!note_at(standing, "::ffff:192.0.2.1", 111));
	CHECK(note_at(standing, "::ffff:192.0.2.1", 119.999));
	CHECK(!note_at(standing, "::ffff:192.0.2.1", 119.9995)); /* counting begins anew */
	standing_fini(standing);
}

TEST(a_first_failure_at_the_first_instant_counts)
{
	struct standing *standing = standing_init(limits(1, 10, 60), key);

	CHECK(note_at(standing, "2001:db8::1", 0));
	standing_fini(standing);
}

TEST(an_ipv6_source_is_its_64)
{
	struct standing *standing = standing_init(limits(3, 10, 60), key);

	CHECK(!note_at(standing, "2001:db8:0:1::1", 1));
	CHECK(!note_at(standing, "2001:db8:0:2::1", 1));
	CHECK(!note_at(standing, "2001:db8:0:1:ffff::2", 2));
	CHECK(note_at(standing, "2001:db8:0:1::", 3));
	CHECK(!note_at(standing, "2001:db8:0:2::1", 3));
	/* IPv4 counts by the address, and so does ::1 */
	CHECK(!note_at(standing, "::ffff:192.0.2.1", 4) && !note_at(standing, "::ffff:192.0.2.2", 4));
	CHECK(!note_at(standing, "::ffff:192.0.2.1", 4) && !note_at(standing, "::ffff:192.0.2.2", 4));
	CHECK(!note_at(standing, "::1", 4) && !note_at(standing, "::1", 4));
	/* so does IPv4 behind a translator, all of which is in one /64 */
	CHECK(!note_at(standing, "64:ff9b::192.0.2.1", 4) && !note_at(standing, "64:ff9b::192.0.2.2", 4));
	CHECK(!note_at(standing, "64:ff9b::192.0.2.1", 4) && !note_at(standing, "64:ff9b::192.0.2.2", 4));
	CHECK(note_at(standing, "::ffff:192.0.2.1", 4) && note_at(standing, "::1", 4));
	standing_fini(standing);
}

/* --- the penalties --- */

#define S UINT64_C(1000000000)

TEST(repeated_offenders_double_up_to_an_hour_and_are_forgiven)
{
	static const unsigned penalties[] = {60, 120, 240, 480, 960, 1920, 3600, 3600};
	struct tollbar_standing entry = {0};
	uint64_t now_ns = 7200 * S;

	for (size_t i = 0; i < sizeof penalties / sizeof *penalties; i++) {
		CHECK(standing_penalize(&entry, 60, REPLAYED, now_ns));
		CHECK_EQ(entry.until_ns, now_ns + penalties[i] * S);
		CHECK_EQ(entry.offences, i + 1);
		CHECK_EQ(entry.reason, REPLAYED);
		now_ns = entry.until_ns + 3600 * S - 1;
	}
	now_ns += 1; /* an hour after the last one ended */
	CHECK(standing_penalize(&entry, 60, HTTP_BAD, now_ns));
	CHECK_EQ(entry.until_ns, now_ns + 60 * S);
	CHECK_EQ(entry.offences, 1);
	CHECK_EQ(entry.reason, HTTP_BAD);
}

TEST(soon_after_the_machine_started)
{
	struct tollbar_standing entry = {0};

	CHECK(standing_penalize(&entry, 60, REPLAYED, 1));
	CHECK_EQ(entry.until_ns, 60 * S + 1);
	CHECK_EQ(entry.offences, 1);
}

TEST(what_fails_during_a_penalty_changes_nothing)
{
	struct tollbar_standing entry = {0}, before;

	CHECK(standing_penalize(&entry, 60, REPLAYED, 5 * S));
	before = entry;
	CHECK(!standing_penalize(&entry, 60, HTTP_BAD, 5 * S));
	CHECK(!standing_penalize(&entry, 60, HTTP_BAD, 65 * S - 1));
	CHECK_BYTES(&entry, &before, sizeof entry);
	CHECK(standing_penalize(&entry, 60, HTTP_BAD, 65 * S)); /* the kernel lets packets through again, too */
}

TEST(an_operators_penalty_is_no_offence)
{
	struct tollbar_standing entry = {.until_ns = 10 * S}; /* what `standing add` wrote */

	CHECK(!standing_penalize(&entry, 60, REPLAYED, 9 * S));
	CHECK(standing_penalize(&entry, 60, REPLAYED, 10 * S));
	CHECK_EQ(entry.offences, 1);
	CHECK_EQ(entry.until_ns, 70 * S);
}

TEST(a_configured_penalty_of_more_than_an_hour_stays)
{
	struct tollbar_standing entry = {0};

	CHECK(standing_penalize(&entry, 7200, REPLAYED, S));
	CHECK_EQ(entry.until_ns, 7201 * S);
	CHECK(standing_penalize(&entry, 7200, REPLAYED, 7201 * S));
	CHECK_EQ(entry.until_ns, 14401 * S);
}

TEST(offences_without_end)
{
	struct tollbar_standing entry = {.until_ns = S, .offences = UINT32_MAX};

	CHECK(standing_penalize(&entry, 1, REPLAYED, 2 * S));
	CHECK_EQ(entry.offences, UINT32_MAX);
	CHECK_EQ(entry.until_ns, 3602 * S);
}

/* --- who and what counts --- */

TEST(only_these_reasons_count)
{
	static const enum reason counted[] = {HTTP_BAD,	       HTTP_AMBIGUOUS, HTTP_LARGE,    PAYMENT_DUPLICATE,
					      PAYMENT_LARGE,   PAYMENT_BASE64, PAYMENT_JSON,  PAYMENT_FIELD,
					      PAYMENT_VERSION, SIGNATURE_FORM, SIGNATURE_BAD, REPLAYED,
					      CLIENT_SLOW,     TLS_BAD};
	struct standing *standing = standing_init(limits(1, 10, 60), key);
	struct in6_addr from = address("2001:db8::1");

	for (unsigned reason = 0; reason < REASON_CNT; reason++) {
		bool expected = false;

		for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
			expected |= counted[i] == reason;
		CHECK_EQ(standing_note(standing, &from, reason, 5), expected);
	}
	standing_fini(standing);
}

TEST(trusted_proxies_and_a_zero_limit)
{
	struct config *config = limits(1, 10, 60);
	struct standing *standing = standing_init(config, key);

	config->trusted_proxies[0] = address("::ffff:192.0.2.7");
	config->trusted_proxies[1] = address("2001:db8::7");
	config->trusted_proxy_cnt = 2;
	CHECK(!note_at(standing, "::ffff:192.0.2.7", 1));
	CHECK(!note_at(standing, "2001:db8::7", 1));
	CHECK(!note_at(standing, "2001:db8::8", 1)); /* a penalty would hit its neighbour, the proxy */
	CHECK(note_at(standing, "2001:db8:0:1::7", 1));
	CHECK(note_at(standing, "::ffff:192.0.2.8", 1));
	limits(0, 10, 60);
	CHECK(!note_at(standing, "::ffff:192.0.2.8", 1));
	standing_fini(standing);
}

/* Two sources of one slot, found by trying. */
static void find_collision(struct in6_addr *a, struct in6_addr *b)
{
	uint64_t want;

	*a = address("::ffff:10.0.0.1");
	*b = *a;
	want = siphash(key, a, sizeof *a) % SLOT_CNT;
	do {
		if (++b->s6_addr[15] == 0 && ++b->s6_addr[14] == 0)
			b->s6_addr[13]++;
	} while (siphash(key, b, sizeof *b) % SLOT_CNT != want);
}

TEST(a_collision_never_penalises_an_innocent)
{
	struct standing *standing = standing_init(limits(3, 10, 60), key);
	struct in6_addr guilty, innocent;

	find_collision(&guilty, &innocent);
	CHECK(!standing_note(standing, &guilty, REPLAYED, 1));
	CHECK(!standing_note(standing, &guilty, REPLAYED, 2));
	CHECK(!standing_note(standing, &innocent, REPLAYED, 3));
	CHECK(!standing_note(standing, &innocent, REPLAYED, 4));
	CHECK(!standing_note(standing, &guilty, REPLAYED, 5)); /* lost its own count, too */
	CHECK(!standing_note(standing, &guilty, REPLAYED, 6));
	CHECK(standing_note(standing, &guilty, REPLAYED, 7));
	standing_fini(standing);
}

/* --- threads --- */

static _Atomic unsigned penalties;

static void *fail_often(void *ctx)
{
	for (unsigned i = 0; i < 10000; i++)
		penalties += note_at(ctx, "::ffff:192.0.2.1", 1);
	return NULL;
}

TEST(workers_count_together)
{
	struct standing *standing = standing_init(limits(100, 10, 60), key);
	pthread_t threads[4];

	penalties = 0;
	for (size_t i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, fail_often, standing), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(penalties, 400);
	standing_fini(standing);
}

CHECK_MAIN
