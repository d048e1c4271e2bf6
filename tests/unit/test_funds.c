// SPDX-License-Identifier: Apache-2.0
/* test_funds.c: the step against a scripted node, with Multicall3 and without: what is asked when, what each answer comes to,
 * and a node that is wrong, slow, silent, gone and back. */
#include "../../user/funds.c"

#include "funds_fixture.h"

TEST(cached_asks_once)
{
	FOR_BOTH(multicall3)
	{
		begin(multicall3);
		expect(REASON_OK, FUNDS_ASKED);
		for (int i = 0; i < 5; i++)
			expect(REASON_OK, FUNDS_KNOWN);
		pay_by(METHOD_PERMIT2);
		expect(REASON_OK, FUNDS_KNOWN);
		CHECK_EQ(node.views, 1);
		CHECK_EQ(node.nonces, 0);
		CHECK_EQ(http.requests, 1 + 3 + 1); /* the chain, its offers, the payer */
		unscript();
	}
}

TEST(strict_asks_every_time)
{
	FOR_BOTH(multicall3)
	for (uint8_t method = METHOD_EIP3009; method <= METHOD_UPTO; method++) {
		begin(multicall3);
		config.chains[0].funds = FUNDS_STRICT;
		pay_by(method);
		expect(REASON_OK, FUNDS_ASKED);
		expect(REASON_OK, FUNDS_ASKED);
		CHECK_EQ(node.views, 2);
		CHECK_EQ(node.nonces, 2);
		node.nonce_used = true;
		expect(NONCE_USED, FUNDS_ASKED);
		node.nonce_used = false;
		node.balance = 9;
		expect(BALANCE_LOW, FUNDS_ASKED);
		unscript();
	}
}

TEST(too_little)
{
	FOR_BOTH(multicall3)
	{
		begin(multicall3);
		node.balance = 9;
		expect(BALANCE_LOW, FUNDS_ASKED);
		expect(BALANCE_LOW, FUNDS_ASKED);
		CHECK_EQ(node.views, 1); /* the second from what was just heard */
		unscript();
		begin(multicall3);
		node.allowance = 9;
		expect(REASON_OK, FUNDS_ASKED);
		pay_by(METHOD_UPTO);
		expect(ALLOWANCE_LOW, FUNDS_ASKED);
		unscript();
	}
}

static void end(enum claim_state how)
{
	struct claim_debt debt = {
		.chain_id = 84532, .asset = config.offers[0].asset, .payer = payment.from, .end = how};

	u256_from_u64(debt.amount.at, 10);
	funds_ended(funds, &debt);
}

TEST(a_refused_settlement_is_remembered)
{
	struct settlement settlement;

	begin(true);
	settlement = (struct settlement){.payment = payment, .offer = config.offers[0]};
	expect(REASON_OK, FUNDS_ASKED);
	expect(REASON_OK, FUNDS_KNOWN);
	funds_refused(funds, &settlement);
	expect(REASON_OK, FUNDS_ASKED);
	CHECK_EQ(node.nonces, 1);
	node.nonce_used = true;
	expect(NONCE_USED, FUNDS_ASKED);
	unscript();
}

/* What a refusal leaves open is still owed, however often it is said; the end is told once, by the ledger. */
TEST(held_until_it_ends)
{
	struct settlement settlement;
	struct funds_wait wait;
	enum funds_way way;

	begin(true);
	settlement = (struct settlement){.payment = payment, .offer = config.offers[0]};
	node.balance = 35;
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(decide(&wait, &way), REASON_OK);
		funds_owe(funds, &wait, &config.offers[0].amount);
		funds_release(funds, &wait); /* the debt stays */
	}
	expect(BALANCE_LOW, FUNDS_KNOWN);
	for (int i = 0; i < 3; i++)
		funds_refused(funds, &settlement);
	expect(BALANCE_LOW, FUNDS_ASKED);
	end(CLAIM_RELEASED);
	expect(REASON_OK, FUNDS_ASKED);
	CHECK_EQ(decide(&wait, &way), REASON_OK);
	expect(BALANCE_LOW, FUNDS_ASKED);
	end(CLAIM_REFUSED);
	expect(REASON_OK, FUNDS_ASKED);
	unscript();
}

TEST(recovered_debts_count)
{
	begin(true);
	node.balance = 15;
	funds_recover(funds, &payment, &config.offers[0], &config.offers[0].amount);
	expect(BALANCE_LOW, FUNDS_ASKED);
	unscript();
}

TEST(chains_that_are_not_asked)
{
	script(true);
	config.chains[0].funds = FUNDS_OFF;
	CHECK_EQ(funds_open(&funds, &config), 0);
	struct funds_wait wait = {.question = {.box = &box}};
	enum funds_way way;
	CHECK_EQ(funds_hold(funds, &wait, &way, &payment, &config.offers[0], &config.offers[0].amount, &digest),
		 REASON_OK);
	CHECK(!wait.waiting && !wait.hold.held);
	config.offers[0].chain_id = 1;
	CHECK_EQ(funds_hold(funds, &wait, &way, &payment, &config.offers[0], &config.offers[0].amount, &digest),
		 REASON_OK);
	CHECK(!wait.waiting && !wait.hold.held);
	CHECK_EQ(http.requests, 0);
	unscript();
}

/* --- start --- */

TEST(a_wrong_configuration_does_not_start)
{
	script(true);
	node.chain_id = 1;
	CHECK_EQ(funds_open(&funds, &config), -EINVAL);
	unscript();
	script(true);
	node.wrong_separator = true;
	CHECK_EQ(funds_open(&funds, &config), -EINVAL);
	unscript();
	script(true);
	node.no_asset = true;
	CHECK_EQ(funds_open(&funds, &config), -EINVAL);
	unscript();
}

/* Nobody is served before chain and offers were seen to agree, and then everybody. */
TEST(a_node_that_is_not_up_yet)
{
	script(true);
	http.mode = HTTP_CLOSE;
	CHECK_EQ(funds_open(&funds, &config), 0);
	expect(CHAIN_DOWN, FUNDS_KNOWN);
	http.mode = HTTP_ANSWER;
	for (int i = 0; i < 300 && asker_state(funds->chains[0].asker) != ASKER_SOUND; i++)
		usleep(10000);
	expect(REASON_OK, FUNDS_ASKED);
	unscript();
	script(true);
	http.mode = HTTP_CLOSE;
	CHECK_EQ(funds_open(&funds, &config), 0);
	node.wrong_separator = true;
	http.mode = HTTP_ANSWER;
	for (int i = 0; i < 300 && asker_state(funds->chains[0].asker) == ASKER_UNCHECKED; i++)
		usleep(10000);
	expect(CHAIN_DOWN, FUNDS_KNOWN);
	unscript();
}

/* --- a node that fails --- */

static const struct {
	const char *name;
	enum http_mode mode;
	int status;
	const char *body; /* NULL: the script's */
} failures[] = {
	{"silent", HTTP_SILENT, 200, NULL},
	{"closes", HTTP_CLOSE, 200, NULL},
	{"cuts its answer", HTTP_CUT, 200, NULL},
	{"not HTTP", HTTP_GARBAGE, 200, NULL},
	{"redirects", HTTP_REDIRECT, 302, NULL},
	{"status 500", HTTP_ANSWER, 500, NULL},
	{"status 429", HTTP_ANSWER, 429, NULL},
	{"not JSON", HTTP_ANSWER, 200, "<html>502</html>"},
	{"one error for all", HTTP_ANSWER, 200,
	 "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32005,\"message\":\"limit\"}}"},
	{"too few answers", HTTP_ANSWER, 200, "[{\"id\":0,\"result\":\"0x\"}]"},
	{"empty results", HTTP_ANSWER, 200, "[{\"id\":0,\"result\":\"0x\"},{\"id\":1,\"result\":\"0x\"}]"},
	{"errors", HTTP_ANSWER, 200, "[{\"id\":0,\"error\":{\"code\":-1}},{\"id\":1,\"error\":{\"code\":3}}]"},
	{"code that is no hex", HTTP_ANSWER, 200, "[{\"id\":0,\"result\":\"0x00\"},{\"id\":1,\"result\":\"code\"}]"},
};

static void fail_as(size_t i)
{
	http.mode = (int)failures[i].mode;
	http.status = failures[i].status;
	if (failures[i].body != NULL) {
		http.answer = NULL;
		http.body = failures[i].body;
	}
}

TEST(a_node_that_fails)
{
	for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
		begin(true);
		fail_as(i);
		struct funds_wait wait;
		enum funds_way way;
		uint64_t from_ns = clock_ns();
		CHECK_ROW(decide(&wait, &way) == CHAIN_DOWN, failures[i].name);
		CHECK_ROW(clock_ns() - from_ns < 2000000000u, failures[i].name);
		CHECK_ROW(decide(&wait, &way) == CHAIN_DOWN, failures[i].name);
		http.status = 200;
		http.answer = rpc_answer_to;
		http.mode = HTTP_ANSWER;
		usleep(asker_down_ms * 1000 + 20000);
		CHECK_ROW(decide(&wait, &way) == REASON_OK, failures[i].name);
		funds_release(funds, &wait);
		unscript();
	}
}

TEST(while_the_node_is_down)
{
	script(true);
	config.chains[0].exposure = 25;
	CHECK_EQ(funds_open(&funds, &config), 0);
	expect(REASON_OK, FUNDS_ASKED);
	http.mode = HTTP_CLOSE;
	expect(REASON_OK, FUNDS_KNOWN); /* what is known holds for its age */
	memset(&payment.from, 0x22, sizeof payment.from);
	struct funds_wait first, second, third;
	enum funds_way way;
	CHECK_EQ(decide(&first, &way), REASON_OK);
	CHECK_EQ(way, FUNDS_BLIND);
	CHECK_EQ(decide(&second, &way), REASON_OK);
	CHECK_EQ(decide(&third, &way), CHAIN_DOWN);
	funds_release(funds, &first);
	CHECK_EQ(decide(&third, &way), REASON_OK);
	funds_release(funds, &second);
	funds_release(funds, &third);
	unscript();
}

/* A token that does not say what the nonce is: nothing is assumed. */
TEST(nonces_that_cannot_be_seen)
{
	FOR_BOTH(multicall3)
	{
		begin(multicall3);
		config.chains[0].funds = FUNDS_STRICT;
		node.nonce_reverts = true;
		expect(CHAIN_DOWN, FUNDS_ASKED);
		unscript();
	}
}

/* --- many at a time --- */

TEST(busy_payers_are_looked_at_ahead)
{
	script(true);
	config.chains[0].max_age_s = 1;
	CHECK_EQ(funds_open(&funds, &config), 0);
	expect(REASON_OK, FUNDS_ASKED);
	for (int i = 0; i < 300; i++) { /* 3 s, three times its age */
		usleep(10000);
		expect(REASON_OK, FUNDS_KNOWN);
	}
	struct funds_stats stats;
	funds_stats(funds, &stats);
	CHECK(stats.chains[0].asker.ahead >= 3 && stats.chains[0].asker.ahead <= 8);
	CHECK(node.views <= 10);
	unscript();
}

#define PAYMENTS 10000
static _Atomic unsigned tried, covered;

static void *pay_many(void *ctx)
{
	struct mailbox own;
	struct funds_wait wait;
	enum funds_way way;

	CHECK_NEED(mailbox_init(&own) == 0);
	while (atomic_fetch_add(&tried, 1) < PAYMENTS) {
		wait = (struct funds_wait){.question = {.box = &own}};
		enum reason reason =
			funds_hold(funds, &wait, &way, &payment, &config.offers[0], &config.offers[0].amount, &digest);
		while (wait.waiting) {
			struct pollfd readable = {.fd = own.event_fd, .events = POLLIN};
			CHECK_NEED(poll(&readable, 1, 5000) == 1);
			mailbox_clear(&own);
			if (mailbox_take(&own) != NULL)
				reason = funds_hold(funds, &wait, &way, &payment, &config.offers[0],
						    &config.offers[0].amount, &digest);
		}
		CHECK(reason == REASON_OK || reason == BALANCE_LOW);
		if (reason == REASON_OK)
			atomic_fetch_add(&covered, 1);
	}
	mailbox_fini(&own);
	return NULL;
}

TEST(ten_thousand_payments_with_funds_for_a_hundred)
{
	pthread_t threads[4];

	begin(true);
	node.balance = 1009;
	tried = covered = 0;
	for (size_t i = 0; i < 4; i++)
		CHECK_NEED(pthread_create(&threads[i], NULL, pay_many, NULL) == 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(covered, 100);
	CHECK(node.views < 20);
	unscript();
}

/* Questions of one round about one payer share a view, whatever else each wants. */
TEST(one_view_for_all_who_wait)
{
	static struct funds_wait waits[16];
	enum funds_way way;
	unsigned back = 0;

	begin(true);
	http.mode = HTTP_SLOW;
	http.delay_ms = 100;
	for (size_t i = 0; i < 16; i++) {
		waits[i] = (struct funds_wait){.question = {.box = &box}};
		CHECK_EQ(funds_hold(funds, &waits[i], &way, &payment, &config.offers[0], &config.offers[0].amount,
				    &digest),
			 REASON_OK);
		CHECK(waits[i].waiting);
	}
	while (back < 16) {
		struct pollfd readable = {.fd = box.event_fd, .events = POLLIN};
		CHECK_NEED(poll(&readable, 1, 5000) == 1);
		mailbox_clear(&box);
		for (struct mail *mail = mailbox_take(&box); mail != NULL; mail = mail->next)
			back++;
	}
	for (size_t i = 0; i < 16; i++) {
		CHECK_EQ(funds_hold(funds, &waits[i], &way, &payment, &config.offers[0], &config.offers[0].amount,
				    &digest),
			 REASON_OK);
		CHECK(waits[i].hold.held);
		funds_release(funds, &waits[i]);
	}
	CHECK(node.views <= 5); /* four to a round, and perhaps one alone */
	unscript();
}

TEST(ends_with_questions_under_way)
{
	struct funds_wait wait = {.question = {.box = &box}};
	enum funds_way way;

	begin(true);
	wait.question.box = &box;
	http.mode = HTTP_SILENT;
	CHECK_EQ(funds_hold(funds, &wait, &way, &payment, &config.offers[0], &config.offers[0].amount, &digest),
		 REASON_OK);
	CHECK(wait.waiting);
	asker_stop(funds->chains[0].asker);
	funds->chains[0].asker = NULL;
	CHECK(mailbox_take(&box) == &wait.question.mail);
	CHECK_EQ(wait.question.error, -ECANCELED);
	unscript();
}

CHECK_MAIN
