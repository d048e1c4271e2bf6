// SPDX-License-Identifier: Apache-2.0
/* test_funds_accounts.c: what is judged from which view, that nothing is held twice, and, against a model of the chain, that
 * whatever order things happen in, what was let through can be settled. */
#include "../../user/funds_accounts.c"

#include "check.h"
#include "random.h"

static const struct account_rules rules = {.max_age_ms = 30000, .lag_ms = 4000, .suspect_ms = 60000};
static struct accounts *accounts;
static uint64_t now_ms;

static void begin(void)
{
	accounts = accounts_init(64);
	CHECK_NEED(accounts != NULL);
	now_ms = 1000000;
}

static void end(void)
{
	accounts_fini(accounts);
}

static struct account_key key_of(uint8_t owner)
{
	struct account_key key = {.chain_id = 84532};

	memset(&key.token, 0x33, sizeof key.token);
	memset(&key.owner, owner, sizeof key.owner);
	return key;
}

static struct hold_wish wish_of(uint8_t owner, uint64_t amount)
{
	return (struct hold_wish){.key = key_of(owner), .amount = amount, .rules = &rules, .now_ms = now_ms};
}

static struct word word_of(uint64_t number)
{
	struct word word;

	u256_from_u64(word.at, number);
	return word;
}

static void answer(uint32_t idx, uint64_t balance, uint64_t allowance)
{
	struct account_view view = {.balance = balance, .allowance = allowance};
	struct account_question question;

	accounts_begin(accounts, &question, idx, &rules, now_ms);
	accounts_end(accounts, &question, &view, false);
}

static enum hold_verdict hold(struct account_hold *held, const struct hold_wish *wish)
{
	bool ahead;
	enum hold_verdict verdict = accounts_hold(accounts, held, &ahead, wish);

	if (ahead) { /* asked, and nothing came back */
		struct account_question question;
		accounts_begin(accounts, &question, held->idx, &rules, now_ms);
		accounts_end(accounts, &question, NULL, true);
	}
	return verdict;
}

/* A payer whose balance and allowance were just asked for. */
static void known(uint8_t owner, uint64_t balance, uint64_t allowance)
{
	struct hold_wish wish = wish_of(owner, 1);
	struct account_hold held;

	wish.since_ms = now_ms;
	CHECK_EQ(hold(&held, &wish), HOLD_ASK);
	answer(held.idx, balance, allowance);
}

TEST(a_stranger_is_asked_about)
{
	struct account_hold held;

	begin();
	struct hold_wish wish = wish_of(1, 60);
	CHECK_EQ(hold(&held, &wish), HOLD_ASK);
	CHECK(!held.held);
	answer(held.idx, 100, 0);
	CHECK_EQ(hold(&held, &wish), HOLD_HELD);
	CHECK(held.held && held.amount == 60);
	end();
}

TEST(parallel_payments_cannot_overdraw)
{
	struct account_hold held[3];

	begin();
	known(1, 100, 0);
	struct hold_wish wish = wish_of(1, 40);
	CHECK_EQ(hold(&held[0], &wish), HOLD_HELD);
	CHECK_EQ(hold(&held[1], &wish), HOLD_HELD);
	CHECK_EQ(hold(&held[2], &wish), HOLD_BALANCE);
	accounts_release(accounts, &held[0]);
	accounts_release(accounts, &held[0]); /* over: nothing more */
	CHECK_EQ(hold(&held[2], &wish), HOLD_HELD);
	wish.key = key_of(2);
	CHECK_EQ(hold(&held[0], &wish), HOLD_ASK); /* another's is another's */
	end();
}

TEST(allowance_is_drawn_on_by_permit2_alone)
{
	struct account_hold held;

	begin();
	known(1, 1000, 50);
	struct hold_wish wish = wish_of(1, 900);
	CHECK_EQ(hold(&held, &wish), HOLD_HELD); /* not by Permit2 */
	wish = wish_of(1, 40);
	wish.permit2 = true;
	CHECK_EQ(hold(&held, &wish), HOLD_HELD);
	CHECK_EQ(hold(&held, &wish), HOLD_ALLOWANCE);
	accounts_release(accounts, &held);
	wish.amount = 70;
	CHECK_EQ(hold(&held, &wish), HOLD_BALANCE); /* 60 are left: said first */
	end();
}

TEST(what_was_not_used_comes_back)
{
	struct account_hold held;
	struct word due = word_of(10);

	begin();
	known(1, 100, 0);
	struct hold_wish wish = wish_of(1, 100);
	CHECK_EQ(hold(&held, &wish), HOLD_HELD);
	accounts_owe(accounts, &held, &due);
	wish.amount = 91;
	CHECK_EQ(hold(&held, &wish), HOLD_BALANCE);
	wish.amount = 90;
	CHECK_EQ(hold(&held, &wish), HOLD_HELD);
	end();
}

static void settle(uint8_t owner, uint64_t amount, enum debt_end how)
{
	struct debt debt = {.key = key_of(owner), .amount = amount};

	accounts_ended(accounts, &debt, how, &rules, now_ms);
}

/* Settled after the balance was asked for: the balance we know does not show it.  Asked again, it does, once the node is
 * sure to have seen it. */
TEST(settled_counts_until_an_answer_shows_it)
{
	struct account_hold held, other;
	struct word due = word_of(100);

	begin();
	known(1, 200, 0);
	struct hold_wish wish = wish_of(1, 100);
	CHECK_EQ(hold(&held, &wish), HOLD_HELD);
	accounts_owe(accounts, &held, &due);
	settle(1, 100, DEBT_SETTLED);
	CHECK_EQ(hold(&held, &wish), HOLD_HELD); /* the other 100 */
	wish.amount = 1;
	CHECK_EQ(hold(&other, &wish), HOLD_BALANCE);
	accounts_release(accounts, &held);
	now_ms += 3000;
	wish = wish_of(1, 1);
	wish.since_ms = now_ms;
	CHECK_EQ(hold(&held, &wish), HOLD_ASK);
	answer(held.idx, 200, 0); /* a node that is behind */
	wish.since_ms = 0;
	wish.amount = 101; /* of its 200 a hundred may be gone */
	CHECK_EQ(hold(&held, &wish), HOLD_BALANCE);
	now_ms += 10000;
	wish = wish_of(1, 100);
	wish.since_ms = now_ms;
	CHECK_EQ(hold(&held, &wish), HOLD_ASK);
	answer(held.idx, 100, 0);
	wish.since_ms = 0;
	CHECK_EQ(hold(&held, &wish), HOLD_HELD);
	end();
}

TEST(an_old_view_is_asked_again_ahead_by_one)
{
	struct account_hold held;
	bool ahead;

	begin();
	known(1, 1000, 0);
	now_ms += 14999;
	struct hold_wish wish = wish_of(1, 1);
	CHECK_EQ(accounts_hold(accounts, &held, &ahead, &wish), HOLD_HELD);
	CHECK(!ahead);
	now_ms += 1;
	wish = wish_of(1, 1);
	CHECK_EQ(accounts_hold(accounts, &held, &ahead, &wish), HOLD_HELD);
	CHECK(ahead);
	uint32_t idx = held.idx;
	CHECK_EQ(accounts_hold(accounts, &held, &ahead, &wish), HOLD_HELD);
	CHECK(!ahead); /* somebody does already */
	struct account_question question;
	accounts_begin(accounts, &question, idx, &rules, now_ms);
	accounts_end(accounts, &question, NULL, true); /* no answer: the next may try */
	CHECK_EQ(accounts_hold(accounts, &held, &ahead, &wish), HOLD_HELD);
	CHECK(ahead);
	now_ms += 15001;
	wish = wish_of(1, 1);
	CHECK_EQ(accounts_hold(accounts, &held, &ahead, &wish), HOLD_ASK);
	end();
}

TEST(refused_on_a_fresh_answer_only)
{
	struct account_hold held;

	begin();
	known(1, 10, 0);
	struct hold_wish wish = wish_of(1, 11);
	CHECK_EQ(hold(&held, &wish), HOLD_BALANCE);
	now_ms += REFUSE_AGE_MS + 1;
	wish = wish_of(1, 11);
	CHECK_EQ(hold(&held, &wish), HOLD_ASK);
	answer(held.idx, 11, 0);
	wish.asked = true;
	CHECK_EQ(hold(&held, &wish), HOLD_HELD);
	end();
}

TEST(strict_wants_an_answer_of_now)
{
	struct account_hold held;

	begin();
	known(1, 100, 0);
	struct hold_wish must = wish_of(1, 1);
	must.must_ask = true; /* though one of this millisecond is there */
	CHECK_EQ(hold(&held, &must), HOLD_ASK);
	answer(held.idx, 100, 0);
	now_ms += 1;
	struct hold_wish wish = wish_of(1, 1);
	wish.since_ms = now_ms;
	CHECK_EQ(hold(&held, &wish), HOLD_ASK);
	wish.asked = true; /* an answer came, but to an older question */
	CHECK_EQ(hold(&held, &wish), HOLD_DOWN);
	answer(held.idx, 100, 0);
	CHECK_EQ(hold(&held, &wish), HOLD_HELD);
	end();
}

TEST(a_refused_settlement_makes_suspect)
{
	struct account_hold held;

	begin();
	known(1, 100, 0);
	settle(1, 1, DEBT_REFUSED);
	struct hold_wish wish = wish_of(1, 1);
	CHECK_EQ(hold(&held, &wish), HOLD_ASK_ALL);
	wish.down = true;
	CHECK_EQ(hold(&held, &wish), HOLD_DOWN);
	wish.down = false;
	wish.asked = true;
	CHECK_EQ(hold(&held, &wish), HOLD_HELD);
	now_ms += rules.suspect_ms;
	known(1, 100, 0);
	wish = wish_of(1, 1);
	CHECK_EQ(hold(&held, &wish), HOLD_HELD);
	end();
}

TEST(without_the_chain)
{
	struct account_rules exposed = rules;
	struct account_hold held[3];

	begin();
	known(1, 100, 0);
	struct hold_wish wish = wish_of(1, 60);
	wish.down = true;
	CHECK_EQ(hold(&held[0], &wish), HOLD_HELD); /* within its age: what is known is gone by */
	CHECK_EQ(hold(&held[1], &wish), HOLD_BALANCE);
	now_ms += rules.max_age_ms + 1;
	wish.now_ms = now_ms;
	CHECK_EQ(hold(&held[1], &wish), HOLD_DOWN);
	exposed.exposure = 100;
	wish.rules = &exposed;
	CHECK_EQ(hold(&held[1], &wish), HOLD_DOWN); /* 60 are out already */
	wish.amount = 40;
	CHECK_EQ(hold(&held[1], &wish), HOLD_BLIND);
	wish.amount = 1;
	CHECK_EQ(hold(&held[2], &wish), HOLD_DOWN);
	struct word due = word_of(40);
	accounts_owe(accounts, &held[1], &due);
	CHECK_EQ(hold(&held[2], &wish), HOLD_DOWN);
	settle(1, 40, DEBT_SETTLED); /* it moved: no longer at risk */
	CHECK_EQ(hold(&held[2], &wish), HOLD_BLIND);
	end();
}

/* However late it comes, a debt's end takes that debt away and no other. */
TEST(a_debt_counts_until_it_ends)
{
	struct account_hold held, other;
	struct word due = word_of(60);

	begin();
	known(1, 100, 0);
	struct hold_wish wish = wish_of(1, 60);
	CHECK_EQ(hold(&held, &wish), HOLD_HELD);
	accounts_owe(accounts, &held, &due);
	now_ms += 1000000;
	known(1, 100, 0);
	wish = wish_of(1, 41);
	CHECK_EQ(hold(&other, &wish), HOLD_BALANCE);
	wish.amount = 40;
	CHECK_EQ(hold(&other, &wish), HOLD_HELD);
	settle(1, 60, DEBT_DROPPED);
	wish.amount = 61;
	CHECK_EQ(hold(&held, &wish), HOLD_BALANCE); /* the other's are still his */
	wish.amount = 60;
	CHECK_EQ(hold(&held, &wish), HOLD_HELD); /* nobody refused anything: nothing more is asked */
	end();
}

/* A session is settled with a request still in it: the outcome has that part before it is owed. */
TEST(an_end_may_come_before_its_debt)
{
	struct account_hold first, late, other;
	struct word due = word_of(20);

	begin();
	known(1, 100, 100);
	struct hold_wish wish = wish_of(1, 30);
	wish.permit2 = true;
	CHECK_EQ(hold(&first, &wish), HOLD_HELD);
	CHECK_EQ(hold(&late, &wish), HOLD_HELD);
	accounts_owe(accounts, &first, &due);
	struct debt both = {.key = key_of(1), .permit2 = true, .amount = 40};
	accounts_ended(accounts, &both, DEBT_SETTLED, &rules, now_ms);
	wish.amount = 51; /* 40 moved, and ten more may: what of the late one's 30 is not in the 40 */
	CHECK_EQ(hold(&other, &wish), HOLD_BALANCE);
	wish.amount = 50;
	CHECK_EQ(hold(&other, &wish), HOLD_HELD);
	accounts_release(accounts, &other);
	accounts_owe(accounts, &late, &due);
	wish.amount = 61;
	CHECK_EQ(hold(&other, &wish), HOLD_BALANCE);
	wish.amount = 60;
	CHECK_EQ(hold(&other, &wish), HOLD_HELD);
	end();
}

TEST(code_is_asked_itself)
{
	struct account_view view = {.balance = 100, .has_code = true};
	struct account_question question;
	struct account_hold held;

	begin();
	struct hold_wish wish = wish_of(1, 1);
	CHECK_EQ(hold(&held, &wish), HOLD_ASK);
	accounts_begin(accounts, &question, held.idx, &rules, now_ms);
	accounts_end(accounts, &question, &view, false);
	CHECK_EQ(hold(&held, &wish), HOLD_ASK_CODE);
	wish.code_agrees = true;
	CHECK_EQ(hold(&held, &wish), HOLD_HELD);
	end();
}

TEST(answers_that_overtake)
{
	struct account_view poor = {.balance = 1}, rich = {.balance = 100};
	struct account_question first, second;
	struct account_hold held;

	begin();
	struct hold_wish wish = wish_of(1, 50);
	CHECK_EQ(hold(&held, &wish), HOLD_ASK);
	CHECK_EQ(hold(&held, &wish), HOLD_ASK);
	accounts_begin(accounts, &first, held.idx, &rules, now_ms);
	accounts_begin(accounts, &second, held.idx, &rules, now_ms + 5);
	accounts_end(accounts, &second, &poor, false);
	accounts_end(accounts, &first, &rich, false);
	wish.now_ms = now_ms + 5;
	CHECK_EQ(hold(&held, &wish), HOLD_BALANCE);
	end();
}

TEST(amounts_nobody_has)
{
	struct account_view view = {.balance = ~(unsigned __int128)0, .allowance = ~(unsigned __int128)0};
	struct account_question question;
	struct account_hold held;
	struct word word = {{1}};

	begin();
	CHECK(account_amount(&word) == ~(unsigned __int128)0);
	word = word_of(7);
	CHECK(account_amount(&word) == 7);
	struct hold_wish wish = wish_of(1, 1);
	CHECK_EQ(hold(&held, &wish), HOLD_ASK);
	accounts_begin(accounts, &question, held.idx, &rules, now_ms);
	accounts_end(accounts, &question, &view, false);
	wish.amount = AMOUNT_MAX - 1;
	CHECK_EQ(hold(&held, &wish), HOLD_HELD);
	CHECK_EQ(hold(&held, &wish), HOLD_HELD);
	CHECK_EQ(hold(&held, &wish), HOLD_BALANCE);
	wish.amount = AMOUNT_MAX;
	wish.key = key_of(2);
	CHECK_EQ(hold(&held, &wish), HOLD_ASK);
	answer(held.idx, UINT64_MAX, 0);
	CHECK_EQ(hold(&held, &wish), HOLD_BALANCE);
	end();
}

TEST(recovered_debts_count)
{
	struct debt debt = {.key = key_of(1), .amount = 70};
	struct account_hold held;

	begin();
	CHECK(accounts_recover(accounts, &debt, now_ms));
	known(1, 100, 0);
	struct hold_wish wish = wish_of(1, 31);
	CHECK_EQ(hold(&held, &wish), HOLD_BALANCE);
	wish.amount = 30;
	CHECK_EQ(hold(&held, &wish), HOLD_HELD);
	end();
}

/* A full table gives up who has nothing at stake, and nobody else. */
TEST(full)
{
	struct account_hold held, busy[40];
	unsigned refused = 0;

	begin();
	for (uint8_t i = 1; i <= 40; i++) {
		known(i, 100, 0);
		struct hold_wish wish = wish_of(i, 100);
		CHECK_EQ(hold(&busy[i - 1], &wish), HOLD_HELD);
	}
	for (uint8_t i = 41; i < 250; i++)
		known(i, 100, 0);
	CHECK(accounts_cnt(accounts) <= 64);
	for (uint8_t i = 1; i <= 40; i++) {
		struct hold_wish wish = wish_of(i, 1);
		CHECK_EQ(hold(&held, &wish), HOLD_BALANCE); /* still known, still taken */
	}
	for (uint8_t i = 41; i < 100; i++) { /* now everybody is busy */
		struct hold_wish wish = wish_of(i, 1);
		enum hold_verdict verdict = hold(&held, &wish);
		if (verdict == HOLD_ASK) {
			answer(held.idx, 100, 0);
			verdict = hold(&held, &wish);
		}
		refused += verdict == HOLD_FULL;
	}
	CHECK_EQ(refused, 99 - 64);
	for (size_t i = 0; i < 40; i++)
		accounts_release(accounts, &busy[i]);
	known(200, 100, 0);
	end();
}

/* The chain as a model: one payer, payments that end in every way, nodes up to lag_ms behind, in a random order.  What was
 * let through must always find its money. */
#define MODEL_PAYMENTS 64
struct model_payment {
	struct account_hold hold;
	uint64_t amount;
	bool owed;
};
static struct model {
	uint64_t balance;
	struct {
		uint64_t at_ms, balance;
	} past[65536];
	size_t past_cnt;
	struct model_payment payments[MODEL_PAYMENTS];
} model;

static void model_move(uint64_t balance)
{
	model.balance = balance;
	CHECK_NEED(model.past_cnt < sizeof model.past / sizeof *model.past);
	model.past[model.past_cnt].at_ms = now_ms;
	model.past[model.past_cnt++].balance = balance;
}

/* What a node says that may be behind. */
static uint64_t model_answer(void)
{
	uint64_t as_of_ms = now_ms - random_u64() % (rules.lag_ms + 1);
	size_t i = model.past_cnt;

	while (i > 1 && model.past[i - 1].at_ms > as_of_ms)
		i--;
	return model.past[i - 1].balance;
}

static void model_pay(struct model_payment *payment)
{
	payment->amount = 1 + random_u64() % 50;
	struct hold_wish wish = wish_of(1, payment->amount);
	enum hold_verdict verdict = hold(&payment->hold, &wish);
	if (verdict != HOLD_ASK)
		return;
	answer(payment->hold.idx, model_answer(), 0);
	wish.asked = true;
	verdict = hold(&payment->hold, &wish);
	CHECK(verdict == HOLD_HELD || verdict == HOLD_BALANCE);
}

static void model_step(void)
{
	struct model_payment *payment = &model.payments[random_u64() % MODEL_PAYMENTS];

	if (payment->owed) {
		CHECK(model.balance >= payment->amount); /* what this is all about */
		model_move(model.balance - payment->amount);
		settle(1, payment->amount, DEBT_SETTLED);
		payment->owed = false;
	} else if (payment->hold.held && random_u64() % 4 == 0) {
		accounts_release(accounts, &payment->hold);
	} else if (payment->hold.held) {
		payment->amount = 1 + random_u64() % payment->amount;
		struct word due = word_of(payment->amount);
		accounts_owe(accounts, &payment->hold, &due);
		payment->owed = true;
	} else {
		model_pay(payment);
	}
}

TEST(whatever_happens_there_is_money)
{
	uint64_t served = 0;

	random_start("whatever_happens_there_is_money");
	for (int round = 0; round < 40; round++) {
		begin();
		memset(&model, 0, sizeof model);
		model_move(300);
		for (int i = 0; i < 20000; i++) {
			now_ms += random_u64() % 40 == 0 ? random_u64() % 8000 : random_u64() % 20;
			if (random_u64() % 200 == 0)
				model_move(model.balance + random_u64() % 100);
			model_step();
		}
		served += model.past_cnt;
		end();
	}
	CHECK(served > 40 * 200); /* and it is not kept back for ever */
}

CHECK_MAIN
