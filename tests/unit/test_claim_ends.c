// SPDX-License-Identifier: Apache-2.0
/* test_claim_ends.c: every debt ends once, with its amount, whichever way its claim goes, whatever the disk does, and over a
 * restart. */
#define store_commit faulty_commit /* the ledger thread's */
#include "../../user/claim_ledger.c"
#undef store_commit

#include "claim_fixture.h"
#include "random.h"

int store_commit(struct store *store);
static _Atomic bool commits_fail;

int faulty_commit(struct store *store)
{
	if (!atomic_load(&commits_fail))
		return store_commit(store);
	store_abort(store);
	return -EIO;
}

#define SALES 200
static struct seller {
	struct sale sale;
	uint64_t owes; /* what claim_owe was called with, or was recovered */
} sellers[SALES];
static _Atomic unsigned ends[SALES];
static _Atomic uint64_t amounts[SALES];
static _Atomic uint8_t hows[SALES];
static _Atomic bool wrong;

/* A payer is his sale's number. */
static void note_end(void *ctx, const struct claim_debt *debt)
{
	uint64_t amount = 0;
	size_t number = (size_t)debt->payer.at[18] << 8 | debt->payer.at[19];

	if (ctx != ends || number >= SALES || !u256_to_u64(&amount, debt->amount.at) || debt->asset.at[0] != 0x33 ||
	    debt->permit2 != (sellers[number].sale.payment.method != METHOD_EIP3009)) {
		atomic_store(&wrong, true);
		return;
	}
	atomic_fetch_add(&ends[number], 1);
	atomic_fetch_add(&amounts[number], amount);
	atomic_store(&hows[number], (uint8_t)debt->end);
}

static bool looks_for_some(void *ctx, const struct offer *offer)
{
	return ctx == &asked && offer->method == METHOD_UPTO;
}

static void begin(void)
{
	setup();
	expect_errors();
	ledger_backoff_ms = 4;
	for (int i = METHOD_EIP3009; i <= METHOD_UPTO; i++)
		memset(&offers[i].asset, 0x33, sizeof offers[i].asset);
	config.offers = &offers[METHOD_EIP3009];
	config.offer_cnt = 3;
	config.looks = looks_for_some;
	config.ended = note_end;
	config.ended_ctx = ends;
	memset(sellers, 0, sizeof sellers);
	memset(ends, 0, sizeof ends);
	memset(amounts, 0, sizeof amounts);
	memset(hows, 0, sizeof hows);
	atomic_store(&wrong, false);
	start();
}

static void sell(size_t number, enum method method, int64_t expires_in_s)
{
	struct seller *seller = &sellers[number];

	sale_init(&seller->sale, method, number, expires_in_s);
	seller->sale.payment.from.at[18] = (uint8_t)(number >> 8);
	seller->sale.payment.from.at[19] = (uint8_t)number;
	seller->sale.permit.key.from = seller->sale.payment.from;
	if (method == METHOD_EIP3009)
		seller->sale.permit.key.token = offers[method].asset;
	while (take_sale(&seller->sale) == STORE_DOWN) {
		atomic_store(&commits_fail, false);
		usleep(1000);
	}
}

static void owe_this(size_t number, uint64_t amount)
{
	struct seller *seller = &sellers[number];
	struct word due = word_of(amount);

	seller->owes = amount;
	claim_owe(ledger, seller->sale.durable.claim, &due, NULL, NULL);
}

static void read_mail(int timeout_ms)
{
	while (next_mail(&box, timeout_ms) != NULL)
		;
}

/* Some are past their deadline, or past the time in which anything can move, from the beginning. */
static void sell_somehow(size_t number)
{
	static const int64_t lives_s[] = {300, 300, 300, -1, -CLAIM_MARGIN_S - 5, -7200};
	static const enum method methods[] = {METHOD_EIP3009, METHOD_PERMIT2, METHOD_UPTO};

	sell(number, methods[random_below(3)], lives_s[random_below(6)]);
	if (random_below(2) == 0)
		read_mail(1); /* mostly it is durable by then */
	if (random_below(5) == 0)
		release(&sellers[number].sale);
	else
		owe_this(number, random_below(8) == 0 ? 0 : 1 + random_below(1000));
}

/* What a facilitator, or the chain, may say. */
static void say_something(struct settlement *settlement)
{
	static const char *const words[] = {"invalid_exact_evm_insufficient_balance", "invalid_exact_evm_signature",
					    "invalid_exact_evm_nonce_already_used"};

	settlement->by_chain = false;
	switch (random_below(6)) {
	case 0:
		answer(settlement, CLAIM_SETTLED, "");
		break;
	case 1:
	case 2:
		answer(settlement, CLAIM_REFUSED, words[random_below(3)]);
		break;
	case 3:
		settlement->by_chain = settlement->in_doubt;
		answer(settlement, settlement->in_doubt ? CLAIM_EXPIRED : CLAIM_UNKNOWN, "chain_never_paid");
		break;
	default:
		answer(settlement, CLAIM_UNKNOWN, "timeout");
	}
}

static void answer_all(size_t most, int timeout_ms)
{
	struct settlement *settlement;

	while (most-- > 0 && (settlement = next_asked(timeout_ms)) != NULL)
		say_something(settlement);
}

static void check_ends(void)
{
	for (size_t i = 0; i < SALES; i++) {
		CHECK_EQ(ends[i], sellers[i].owes > 0 ? 1 : 0);
		CHECK_EQ(amounts[i], sellers[i].owes);
	}
	CHECK(!wrong);
}

static bool settles_down(void)
{
	for (int i = 0; i < 3000 && ledger_unsettled(ledger) > 0; i++)
		answer_all(SALES, 20);
	return ledger_unsettled(ledger) == 0;
}

/* What is on disk and open is owed anew by who reads it; what ended before is not there any more. */
static void recover_debt(void *ctx, const struct payment *payment, const struct offer *offer, enum claim_state state,
			 const struct word *amount_due, uint64_t taken_s)
{
	uint64_t number = sale_number(payment);
	bool open = state == CLAIM_OWED || state == CLAIM_UNKNOWN;

	CHECK_NEED(ctx == sellers && number < SALES && offer->method == payment->method && taken_s > 0);
	if (!open)
		return;
	CHECK(u256_to_u64(&sellers[number].owes, amount_due->at));
	atomic_store(&ends[number], 0); /* accounts are the process's: they begin anew */
	atomic_store(&amounts[number], 0);
}

TEST(every_debt_ends_once)
{
	random_start("every_debt_ends_once");
	for (int round = 0; round < 4; round++) {
		begin();
		for (size_t i = 0; i < SALES; i++) {
			atomic_store(&commits_fail, random_below(12) == 0);
			sell_somehow(i);
			answer_all(random_below(4), 1);
		}
		atomic_store(&commits_fail, false);
		if (round % 2 == 1) { /* in the middle of it */
			stop();
			config.recovered = recover_debt;
			config.recovered_ctx = sellers;
			start();
		}
		CHECK(settles_down());
		read_mail(1);
		check_ends();
		stop();
		cleanup();
	}
}

/* The facilitator's no is no end while an earlier attempt may have gone through. */
TEST(a_debt_in_doubt_is_not_ended_by_refusals)
{
	begin();
	sell(7, METHOD_EIP3009, 300);
	read_mail(1);
	owe_this(7, 500);
	answer(must_ask(), CLAIM_UNKNOWN, "timeout");
	for (int i = 0; i < 4; i++) {
		answer(must_ask(), CLAIM_REFUSED, "invalid_exact_evm_insufficient_balance");
		CHECK_EQ(ends[7], 0);
	}
	answer(must_ask(), CLAIM_SETTLED, "");
	CHECK(comes_to(CLAIM_SETTLED, 1));
	check_ends();
	CHECK_EQ(hows[7], CLAIM_SETTLED);
	stop();
	cleanup();
}

/* Still asked about, where the chain can be asked, but nothing of the payer's can move any more. */
TEST(a_debt_ends_with_the_time_in_which_it_could_move)
{
	begin();
	sell(9, METHOD_UPTO, -CLAIM_MARGIN_S - 1);
	read_mail(1);
	owe_this(9, 500);
	answer(must_ask(), CLAIM_UNKNOWN, "timeout");
	struct settlement *again = must_ask();
	check_ends();
	CHECK_EQ(hows[9], CLAIM_EXPIRED);
	again->by_chain = true;
	answer(again, CLAIM_SETTLED, "");
	CHECK(settles_down());
	check_ends();
	stop();
	cleanup();
}

CHECK_MAIN
