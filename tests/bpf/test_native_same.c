// SPDX-License-Identifier: Apache-2.0
/* The kernel's sieve, the same code compiled by cc, and the protocol read off a second time say the same of each datagram:
 * those of the table, and random changes of them. */
#include "native_rig.h"

#include "sieve.h"
#include "random.h"

#define CHANGES 60000u

static struct datagram_policy policy;
static struct tollbar_native native;
static unsigned ended[REASON_CNT];

static void policies_set(void)
{
	struct filter_native told;

	datagram_policy_build(&policy, NOW_S);
	sieve_policy(&native, &policy);
	native_default(&told);
	told.terms_cnt = DATAGRAM_TERMS;
	for (size_t i = 0; i < DATAGRAM_TERMS; i++) {
		told.terms[i].chain_id = policy.terms[i].chain_id;
		told.terms[i].methods = policy.terms[i].methods;
		memcpy(told.terms[i].asset.at, policy.terms[i].asset, 20);
	}
	native_set(&told);
	/* the filter's own sums come to the bounds of datagrams.h */
	CHECK_EQ(filter->policy->native.valid_after_max, policy.valid_after_max);
	CHECK_EQ(filter->policy->native.deadline_min, policy.deadline_min);
	CHECK_EQ(filter->policy->native.deadline_max, policy.deadline_max);
	CHECK_EQ(filter->policy->native.until_min, policy.until_min);
	CHECK_EQ(filter->policy->native.until_max, policy.until_max);
}

static bool compare(const struct datagram *datagram)
{
	enum reason want = datagram_sieved(&policy, datagram->bytes, datagram->used);
	enum reason by_cc = native_sieve(&native, (const void *)datagram->bytes, datagram->bytes + datagram->used,
					 (uint32_t)datagram->used);
	struct frame frame;

	frame_datagram(&frame, random_below(2) ? UDP4 : UDP6, (int)random_below(3), datagram);
	struct outcome outcome = gate_run(&frame);
	ended[want]++;
	if (by_cc == want && outcome.counted == 1 && outcome.reason == (want == REASON_OK ? PASS_NATIVE : want))
		return true;
	printf("wanted %u, cc says %u, the kernel %u of %zu bytes: ", want, by_cc, outcome.reason, datagram->used);
	for (size_t i = 0; i < datagram->used; i++)
		printf("%02x", datagram->bytes[i]);
	printf("\n");
	return false;
}

/* Some of what is read, more often than the rest. */
static void change(struct datagram *datagram)
{
	static const unsigned telling[] = {4, 5, 7, 15, 55, 36, 79, 78, 87, 86, 47, 46, 203, 207};
	size_t at = random_below(3) ? telling[random_below(sizeof telling / sizeof *telling)] : random_below(208);

	switch (random_below(4)) {
	case 0:
		datagram->bytes[at] = (uint8_t)random_u64();
		break;
	case 1:
		datagram->bytes[at] ^= (uint8_t)(1u << random_below(8));
		break;
	default: /* times close to their bounds */
		datagram_put(datagram,
			     random_below(2)   ? AT_DEADLINE
			     : random_below(2) ? AT_VALID_AFTER
					       : AT_KNOCK_UNTIL,
			     NOW_S + random_below(400) - 20, 8);
	}
	if (random_below(20) == 0)
		datagram->used = random_below(1500);
}

TEST(the_table)
{
	NATIVE_READY();
	random_start("the table");
	policies_set();
	for (size_t i = 0; i < DATAGRAM_ROW_CNT; i++) {
		struct datagram datagram;
		datagram_row_build(&datagram, &datagram_rows[i], NOW_S);
		CHECK(compare(&datagram));
	}
}

TEST(random_changes)
{
	unsigned wrong = 0;

	NATIVE_READY();
	random_start("random changes");
	policies_set();
	memset(ended, 0, sizeof ended);
	for (unsigned i = 0; i < CHANGES && wrong < 5; i++) {
		struct datagram datagram;
		datagram_row_build(&datagram, &datagram_rows[random_below(DATAGRAM_ROW_CNT)], NOW_S);
		if (random_below(3) == 0) { /* the other asset, on the other chain */
			datagram.bytes[AT_CHAIN + 7] ^= (uint8_t)(random_below(4) ? 1 : 0);
			datagram.bytes[AT_ASSET + 19] ^= (uint8_t)(random_below(4) ? 1 : 0);
			datagram.bytes[AT_METHOD] = (uint8_t)(1 + random_below(3));
		}
		for (size_t left = random_below(4); left > 0; left--)
			change(&datagram);
		wrong += !compare(&datagram);
	}
	CHECK_EQ(wrong, 0);
	/* every way to end was among them, but the payer list's and the repeats' */
	for (unsigned reason = NATIVE_LENGTH; reason <= NATIVE_FAR; reason++)
		CHECK(ended[reason] > 0);
	CHECK(ended[REASON_OK] > 0);
}

CHECK_MAIN
