// SPDX-License-Identifier: Apache-2.0
/* test_funds_code.c: accounts with code, and those that do not exist yet: who judges their signatures, what is asked for a
 * stranger and how much of it, with Multicall3 and without. */
#include "../../user/funds.c"

#include "funds_fixture.h"

static void wait_mails(size_t cnt)
{
	while (cnt > 0) {
		struct pollfd readable = {.fd = box.event_fd, .events = POLLIN};
		CHECK_NEED(poll(&readable, 1, 5000) == 1);
		mailbox_clear(&box);
		for (struct mail *mail = mailbox_take(&box); mail != NULL; mail = mail->next)
			cnt--;
	}
}

TEST(accounts_with_code)
{
	FOR_BOTH(multicall3)
	{
		begin(multicall3);
		node.has_code = true;
		expect(ACCOUNT_CODE, FUNDS_ASKED);
		unscript();
		script(multicall3);
		config.chains[0].contracts = true;
		CHECK_EQ(funds_open(&funds, &config), 0);
		node.has_code = true;
		expect(SIGNATURE_BAD, FUNDS_ASKED);
		node.signature_holds = true;
		expect(REASON_OK, FUNDS_KNOWN);
		expect(REASON_OK, FUNDS_KNOWN);
		CHECK_EQ(node.signatures, 3); /* each has a digest of its own */
		CHECK_EQ(node.views, 1);
		unscript();
	}
}

TEST(code_may_judge_where_it_is_let)
{
	struct funds_wait wait = {.question = {.box = &box}};

	begin(true);
	CHECK(!funds_may_judge(funds, &config.offers[0]));
	CHECK(!funds_may_judge(NULL, &config.offers[0]));
	unscript();
	script(true);
	config.chains[0].contracts = true;
	CHECK_EQ(funds_open(&funds, &config), 0);
	wait.question.box = &box;
	node.has_code = true;
	for (int holds = 0; holds < 2; holds++) {
		node.signature_holds = holds;
		CHECK(funds_may_judge(funds, &config.offers[0]));
		CHECK_EQ(funds_judge(funds, &wait, &payment, &config.offers[0], &digest, NULL), REASON_OK);
		CHECK(wait.waiting);
		wait_mail(&wait);
		CHECK_EQ(funds_judge(funds, &wait, &payment, &config.offers[0], &digest, NULL),
			 holds ? REASON_OK : SIGNATURE_BAD);
		CHECK(!wait.waiting);
	}
	CHECK_EQ(node.views, 0); /* nothing is looked up of who proved nothing */
	unscript();
}

/* The payment's signature, as of an account that a factory makes. */
static void wrap_signature(uint8_t factory)
{
	uint8_t whole[32 * 3 + 64 + 32 + 96 + 32] = {0}, *at = whole;

	memset(at + 12, factory, 20);
	u256_from_u64(at + 32, 96);
	u256_from_u64(at + 64, 96 + 64);
	u256_from_u64(at + 96, 4);
	memcpy(at + 128, "\xfa\xc7\x00\x00", 4);
	u256_from_u64(at + 160, 65);
	memset(at + 192, 0x5a, 65);
	for (size_t i = 0; i < 32; i++)
		at[sizeof whole - 32 + i] = i % 2 == 0 ? 0x64 : 0x92;
	memcpy(payment.signature, whole, 65);
	payment.signature_rest_bytes = sizeof whole - 65;
	memcpy(payment.signature_rest, whole + 65, sizeof whole - 65);
}

static enum reason judge(void)
{
	struct funds_wait wait = {.question = {.box = &box}};
	enum reason reason = funds_judge(funds, &wait, &payment, &config.offers[0], &digest, NULL);

	if (!wait.waiting)
		return reason;
	wait_mail(&wait);
	return funds_judge(funds, &wait, &payment, &config.offers[0], &digest, NULL);
}

/* By its factory, when that is listed, with Multicall3 and without; nothing is asked for another one. */
TEST(accounts_that_do_not_exist_yet)
{
	FOR_BOTH(multicall3)
	{
		script(multicall3);
		config.chains[0].contracts = true;
		config.chains[0].factory_cnt = 2;
		memset(&config.chains[0].factories[0], 0x01, 20);
		memset(&config.chains[0].factories[1], 0xfa, 20);
		CHECK_EQ(funds_open(&funds, &config), 0);
		node.signature_holds = true;
		node.factories = 0;
		int requests = http.requests;
		wrap_signature(0xfb);
		CHECK_EQ(judge(), FACTORY_UNLISTED);
		payment.signature[0] ^= 1; /* not an address */
		CHECK_EQ(judge(), SIGNATURE_FORM);
		CHECK_EQ(http.requests, requests);
		wrap_signature(0xfa);
		CHECK_EQ(judge(), REASON_OK);
		CHECK_EQ(node.factories, 1);
		node.has_code = true; /* by now it does */
		CHECK_EQ(judge(), REASON_OK);
		node.signature_holds = false;
		CHECK_EQ(judge(), SIGNATURE_BAD);
		payment.signature_rest_bytes = 0;
		unscript();
	}
}

/* One source has a few questions at a time, and leaves the rest of the places to others; each place comes back. */
TEST(a_source_has_its_share_of_questions)
{
	static struct funds_wait waits[ASKER_SHARE_MAX + 2];
	struct tollbar_address source = {{0x20, 1, 0xd, 0xb8}}, neighbour = source, other = {{0x20, 1, 0xd, 0xb9}};

	script(true);
	config.chains[0].contracts = true;
	CHECK_EQ(funds_open(&funds, &config), 0);
	neighbour.bytes[15] = 9; /* of the same /64 */
	/* by chance two sources may share: others are tried until one does not */
	while (share_of(funds, &other) == share_of(funds, &source))
		other.bytes[7]++;
	CHECK_EQ(share_of(funds, &neighbour), share_of(funds, &source));
	for (int round = 0; round < 2; round++) {
		http.mode = HTTP_SLOW;
		http.delay_ms = 300;
		for (size_t i = 0; i < ASKER_SHARE_MAX; i++) {
			waits[i] = (struct funds_wait){.question = {.box = &box}};
			CHECK_EQ(funds_judge(funds, &waits[i], &payment, &config.offers[0], &digest, &source),
				 REASON_OK);
			CHECK(waits[i].waiting);
		}
		waits[ASKER_SHARE_MAX] = (struct funds_wait){.question = {.box = &box}};
		CHECK_EQ(funds_judge(funds, &waits[ASKER_SHARE_MAX], &payment, &config.offers[0], &digest, &neighbour),
			 CHAIN_DOWN);
		CHECK(!waits[ASKER_SHARE_MAX].waiting);
		for (size_t i = 0; i < 2; i++) {
			struct funds_wait *wait = &waits[ASKER_SHARE_MAX + i];
			*wait = (struct funds_wait){.question = {.box = &box}};
			CHECK_EQ(funds_judge(funds, wait, &payment, &config.offers[0], &digest, i == 0 ? &other : NULL),
				 REASON_OK);
			CHECK(wait->waiting);
		}
		http.mode = HTTP_ANSWER;
		wait_mails(ASKER_SHARE_MAX + 2);
	}
	unscript();
}

CHECK_MAIN
