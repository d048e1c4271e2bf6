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

static unsigned note_at(struct standing *standing, const char *source, double now_s)
{
	struct in6_addr from = address(source);

	return standing_note(standing, &from, SIGNATURE_BAD, (uint64_t)(now_s * 1e9));
}

TEST(the_window)
{
	struct standing *standing = standing_init(limits(3, 10, 60), key);

	CHECK_EQ(note_at(standing, "::ffff:192.0.2.1", 100), 0);
	CHECK_EQ(note_at(standing, "::ffff:192.0.2.1", 105), 0);
	CHECK_EQ(note_at(standing, "::ffff:192.0.2.1", 110), 0); /* ten seconds later is a new window */
	CHECK_EQ(note_at(standing, "::ffff:192.0.2.1", 111), 0);
	CHECK_EQ(note_at(standing, "::ffff:192.0.2.1", 119.999), 60);
	CHECK_EQ(note_at(standing, "::ffff:192.0.2.1", 119.9995), 0); /* counting begins anew */
	standing_fini(standing);
}

TEST(a_first_failure_at_the_first_instant_counts)
{
	struct standing *standing = standing_init(limits(1, 10, 60), key);

	CHECK_EQ(note_at(standing, "2001:db8::1", 0), 60);
	standing_fini(standing);
}

TEST(repeated_offenders_double_up_to_an_hour_and_are_forgiven)
{
	static const unsigned penalties[] = {60, 120, 240, 480, 960, 1920, 3600, 3600};
	struct standing *standing = standing_init(limits(1, 10, 60), key);
	double now_s = 0;

	for (size_t i = 0; i < sizeof penalties / sizeof *penalties; i++) {
		CHECK_EQ(note_at(standing, "2001:db8::1", now_s), penalties[i]);
		now_s += penalties[i] + 3599;
	}
	now_s += 1; /* an hour after the last one ended */
	CHECK_EQ(note_at(standing, "2001:db8::1", now_s), 60);
	standing_fini(standing);
}

TEST(a_configured_penalty_of_more_than_an_hour_stays)
{
	struct standing *standing = standing_init(limits(1, 1, 7200), key);

	CHECK_EQ(note_at(standing, "2001:db8::1", 1), 7200);
	CHECK_EQ(note_at(standing, "2001:db8::1", 2), 7200);
	standing_fini(standing);
}

TEST(only_these_reasons_count)
{
	static const enum reason counted[] = {HTTP_BAD,	       HTTP_AMBIGUOUS, HTTP_LARGE,    PAYMENT_DUPLICATE,
					      PAYMENT_LARGE,   PAYMENT_BASE64, PAYMENT_JSON,  PAYMENT_FIELD,
					      PAYMENT_VERSION, SIGNATURE_FORM, SIGNATURE_BAD, REPLAYED,
					      CLIENT_SLOW};
	struct in6_addr from = address("2001:db8::1");

	for (unsigned reason = 0; reason < REASON_CNT; reason++) {
		struct standing *standing = standing_init(limits(1, 10, 60), key);
		bool expected = false;

		for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
			expected |= counted[i] == reason;
		CHECK_EQ(standing_note(standing, &from, reason, 5), expected ? 60 : 0);
		standing_fini(standing);
	}
}

TEST(trusted_proxies_and_a_zero_limit)
{
	struct config *config = limits(1, 10, 60);
	struct standing *standing = standing_init(config, key);

	config->trusted_proxies[0] = address("::ffff:192.0.2.7");
	config->trusted_proxies[1] = address("2001:db8::7");
	config->trusted_proxy_cnt = 2;
	CHECK_EQ(note_at(standing, "::ffff:192.0.2.7", 1), 0);
	CHECK_EQ(note_at(standing, "2001:db8::7", 1), 0);
	CHECK_EQ(note_at(standing, "::ffff:192.0.2.8", 1), 60);
	limits(0, 10, 60);
	CHECK_EQ(note_at(standing, "::ffff:192.0.2.8", 1), 0);
	standing_fini(standing);
}

/* Two sources of one slot, found by trying. */
static void find_collision(const struct standing *standing, struct in6_addr *a, struct in6_addr *b)
{
	uint64_t want;

	*a = address("2001:db8::1");
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

	find_collision(standing, &guilty, &innocent);
	CHECK_EQ(standing_note(standing, &guilty, REPLAYED, 1), 0);
	CHECK_EQ(standing_note(standing, &guilty, REPLAYED, 2), 0);
	CHECK_EQ(standing_note(standing, &innocent, REPLAYED, 3), 0);
	CHECK_EQ(standing_note(standing, &innocent, REPLAYED, 4), 0);
	CHECK_EQ(standing_note(standing, &guilty, REPLAYED, 5), 0); /* lost its own count, too */
	CHECK_EQ(standing_note(standing, &guilty, REPLAYED, 6), 0);
	CHECK_EQ(standing_note(standing, &guilty, REPLAYED, 7), 60);
	/* nor does the innocent inherit the doubling */
	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(standing_note(standing, &innocent, REPLAYED, 8), 0);
	CHECK_EQ(standing_note(standing, &innocent, REPLAYED, 9), 60);
	standing_fini(standing);
}

CHECK_MAIN
