// SPDX-License-Identifier: Apache-2.0
/* test_funds_look.c: what becomes of a settlement in doubt, by what a scripted chain shows at its final block; and nodes that
 * do not answer, are somewhere else, or answer nonsense: then nothing is said. */
#include "../../user/funds_look.c"

#include "base/clock.h"
#include "check.h"
#include "http_fixture.h"
#include <inttypes.h>
#include <poll.h>

#define ZEROS "000000000000000000000000"
#define PAYER "1111111111111111111111111111111111111111"
#define PAYEE "2222222222222222222222222222222222222222"
#define ASSET "0x3333333333333333333333333333333333333333"
#define W(low) "00000000000000000000000000000000000000000000000000000000000000" low
#define TRANSFER "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
#define USED "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5"
#define CANCELED "0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81"
#define INVALIDATED "0x3704902f963766a4e561bbaab6e6cdc1b1dd12f6e9e99648da8843b3f46b918d"
#define NONCE_LOG(kind, tx)                                                    \
	"{\"address\":\"" ASSET "\",\"topics\":[\"" kind "\",\"0x" ZEROS PAYER \
	"\",\"0x" W("03") "\"],\"data\":"                                      \
			  "\"0x\",\"transactionHash\":\"0x" W(tx) "\"}"
#define BIT_LOG                                                                                                        \
	"{\"address\":\"0x000000000022d473030f116ddee9f6b43ac78ba3\",\"topics\":[\"" INVALIDATED "\",\"0x" ZEROS PAYER \
	"\"],\"data\":\"0x" W("00") W("08") "\"}"
#define MOVED(tx)                                                                                                      \
	"{\"transactionHash\":\"0x" W(tx) "\",\"address\":\"" ASSET "\",\"topics\":[\"" TRANSFER "\",\"0x" ZEROS PAYER \
					  "\",\"0x" ZEROS PAYEE "\"],\"data\":\"0x" W("63") "\"}"
#define PERMIT ZEROS "3333333333333333333333333333333333333333" W("64") W("03")

/* A chain of a block every two seconds. */
static struct {
	_Atomic uint64_t chain_id, latest, latest_s;
	_Atomic bool used, broken_heads, broken_logs;
	_Atomic(const char *) nonce_logs, paid_logs;
	_Atomic bool carries;		/* the transaction its permit */
	_Atomic uint64_t receipt_block; /* of the transaction that was named; 0: in none */
	_Atomic uint64_t logs_from, logs_to;
	_Atomic uint64_t asked_at; /* the block of the last eth_call */
} chain;

static uint64_t deadline_s;

static uint64_t quantity_in(const char *text)
{
	return strtoull(strstr(text, "\"0x") + 1, NULL, 16);
}

static void say_head(char *out, size_t bytes, const char *params)
{
	bool named = strncmp(params, "\"0x", 3) != 0;
	uint64_t number = named ? chain.latest : quantity_in(params);

	if (chain.broken_heads)
		snprintf(out, bytes, "null");
	else
		snprintf(out, bytes, "{\"number\":\"0x%" PRIx64 "\",\"hash\":\"0x1\",\"timestamp\":\"0x%" PRIx64 "\"}",
			 number, chain.latest_s - 2 * (chain.latest - number));
}

static void say_call(char *out, size_t bytes, const char *params)
{
	const char *block = strstr(params, "\"},\"") + 4;

	chain.asked_at = quantity_in(block - 1);
	bool bitmap = strstr(params, "4fe02b44") != NULL && strstr(params, "4fe02b44") < block;
	snprintf(out, bytes, "\"0x%s\"", !chain.used ? W("00") : bitmap ? W("08") : W("01"));
}

static void say_logs(char *out, size_t bytes, const char *params)
{
	const char *end = strstr(params, "]}]");
	const char *transfer_at = strstr(params, TRANSFER);

	chain.logs_from = quantity_in(strstr(params, "fromBlock") + 11);
	chain.logs_to = quantity_in(strstr(params, "toBlock") + 9);
	bool paid = transfer_at != NULL && transfer_at < end;
	snprintf(out, bytes, "%s",
		 chain.broken_logs ? "{}"
		 : paid		   ? atomic_load(&chain.paid_logs)
				   : atomic_load(&chain.nonce_logs));
}

static void say_transaction(char *out, size_t bytes, bool receipt)
{
	char deadline[65];

	snprintf(deadline, sizeof deadline, "%064" PRIx64, deadline_s);
	if (!receipt)
		snprintf(out, bytes, "{\"input\":\"0x11223344%s%s\"}", PERMIT, chain.carries ? deadline : W("00"));
	else if (chain.receipt_block == 0)
		snprintf(out, bytes, "null");
	else
		snprintf(out, bytes,
			 "{\"blockNumber\":\"0x%" PRIx64 "\",\"status\":\"0x1\",\"logs\":[" MOVED("09") "]}",
			 chain.receipt_block);
}

static const char *chain_answer(const char *request)
{
	static _Thread_local char text[65536];
	size_t used = 0;
	unsigned id = 0;

	for (const char *at = request; (at = strstr(at, "\"method\":\"")) != NULL; id++) {
		char result[2048] = "";
		at += 10;
		const char *params = strstr(at, "\"params\":[") + 10;
		if (strncmp(at, "eth_chainId", 11) == 0)
			snprintf(result, sizeof result, "\"0x%" PRIx64 "\"", chain.chain_id);
		else if (strncmp(at, "eth_getBlockByNumber", 20) == 0)
			say_head(result, sizeof result, params);
		else if (strncmp(at, "eth_call", 8) == 0)
			say_call(result, sizeof result, params);
		else if (strncmp(at, "eth_getLogs", 11) == 0)
			say_logs(result, sizeof result, params);
		else
			say_transaction(result, sizeof result, strncmp(at, "eth_getTransactionReceipt", 25) == 0);
		used += (size_t)snprintf(text + used, sizeof text - used,
					 "%s{\"jsonrpc\":\"2.0\",\"id\":%u,\"result\":%s}", id == 0 ? "[" : ",", id,
					 result);
	}
	snprintf(text + used, sizeof text - used, "]");
	return text;
}

/* --- settlements --- */

static struct config config;
static struct funds_look *look;
static struct mailbox done_box, unclear_box;

static void note_done(void *ctx, struct settlement *settlement)
{
	CHECK(ctx == &config);
	mailbox_push(&done_box, &settlement->mail);
}

static void note_unclear(void *ctx, struct settlement *settlement)
{
	CHECK(ctx == &config);
	mailbox_push(&unclear_box, &settlement->mail);
}

static void fill(struct settlement *settlement, enum method method)
{
	*settlement = (struct settlement){.claim_id = 5, .in_doubt = true};
	settlement->payment.method = settlement->offer.method = (uint8_t)method;
	settlement->offer.chain_id = 7;
	settlement->offer.max_timeout_s = 60;
	memset(settlement->payment.from.at, 0x11, 20);
	memset(settlement->offer.pay_to.at, 0x22, 20);
	memset(settlement->offer.asset.at, 0x33, 20);
	settlement->payment.token = settlement->offer.asset;
	settlement->payment.nonce.at[31] = 3;
	u256_from_u64(settlement->payment.amount.at, 0x64);
	u256_from_u64(settlement->amount_due.at, 0x63);
	u256_from_u64(settlement->payment.deadline.at, deadline_s);
	snprintf(settlement->word, sizeof settlement->word, "timeout");
}

static void begin_chain(void)
{
	deadline_s = 1800000000;
	chain.used = chain.broken_heads = chain.broken_logs = chain.carries = false;
	chain.receipt_block = 0;
	chain.chain_id = 7;
	chain.latest = 5000;
	chain.latest_s = deadline_s + 100;
	chain.nonce_logs = "[]";
	chain.paid_logs = "[]";
	http_start("");
	http.answer = chain_answer;
	config = (struct config){.chain_cnt = 1};
	struct config_chain *of = &config.chains[0];
	*of = (struct config_chain){.chain_id = 7, .funds = FUNDS_CACHED, .timeout_ms = 500, .confirmations = 12};
	snprintf(of->name, sizeof of->name, "test");
	snprintf(of->rpc, sizeof of->rpc, "http://127.0.0.1:%u", http.port);
	CHECK_EQ(mailbox_init(&done_box), 0);
	CHECK_EQ(mailbox_init(&unclear_box), 0);
	struct funds_look_config with = {.config = &config, .done = note_done, .unclear = note_unclear, .ctx = &config};
	log_level = LOG_ERROR;
	CHECK_EQ(funds_look_start(&look, &with), 0);
}

static void end_chain(void)
{
	funds_look_stop(look);
	funds_look_free(look);
	http_stop();
	http.answer = NULL;
	mailbox_fini(&done_box);
	mailbox_fini(&unclear_box);
}

/* Comes back as done: true, as unclear: false. */
static bool is_decided(struct settlement *settlement)
{
	CHECK_NEED(funds_look_put(look, settlement));
	struct pollfd fds[2] = {{.fd = done_box.event_fd, .events = POLLIN},
				{.fd = unclear_box.event_fd, .events = POLLIN}};
	CHECK_NEED(poll(fds, 2, 10000) == 1);
	bool done = fds[0].revents != 0;
	struct mailbox *box = done ? &done_box : &unclear_box;
	mailbox_clear(box);
	CHECK(mailbox_take(box) == &settlement->mail);
	return done;
}

static bool ends_as(enum method method, enum claim_state outcome, const char *word, uint8_t transaction)
{
	struct settlement settlement;

	fill(&settlement, method);
	bool named = chain.receipt_block != 0;
	settlement.was_named = named;
	settlement.named.at[31] = 0x77;
	return is_decided(&settlement) && settlement.outcome == outcome && settlement.by_chain &&
	       strcmp(settlement.word, word) == 0 && settlement.has_transaction == (transaction != 0) &&
	       (transaction == 0 || settlement.transaction.at[31] == transaction);
}

static bool stays_unclear(enum method method)
{
	struct settlement settlement, before;

	fill(&settlement, method);
	before = settlement;
	bool unclear = !is_decided(&settlement);
	memset(&settlement.mail, 0, sizeof settlement.mail);
	return unclear && memcmp(&settlement, &before, sizeof before) == 0;
}

/* What a settlement is said to be that was settled so long before the final block. */
static bool settled_before(int64_t seconds, enum claim_state outcome, const char *word)
{
	uint64_t final_s = chain.latest_s - 2 * 12;
	struct settlement settlement;

	fill(&settlement, METHOD_EIP3009);
	settlement.settled_s = final_s - (uint64_t)seconds;
	settlement.in_doubt = false;
	settlement.was_named = true;
	settlement.named.at[31] = 0x77;
	bool decided = is_decided(&settlement);
	return outcome == 0 ? !decided
			    : decided && settlement.by_chain && settlement.outcome == outcome &&
				      strcmp(settlement.word, word) == 0;
}

/* Settled, as its facilitator said: is it there at a final block that is later than that? */
TEST(a_settled_one_is_looked_up)
{
	begin_chain();
	chain.latest_s = deadline_s - 10;
	CHECK(settled_before(SETTLED_SLACK_S + 1, CLAIM_UNKNOWN, "chain_reorganised"));
	CHECK(settled_before(SETTLED_SLACK_S, 0, "")); /* the final block may be the one before it */
	CHECK(settled_before(-20, 0, ""));
	chain.receipt_block = 4989; /* taken back, and in a block again that is not final */
	CHECK(settled_before(SETTLED_SLACK_S + 1, 0, ""));
	chain.receipt_block = 4988;
	chain.used = true;
	CHECK(settled_before(SETTLED_SLACK_S + 1, CLAIM_SETTLED, ""));
	chain.used = false;
	chain.receipt_block = 0;
	chain.latest_s = deadline_s + 100;
	CHECK(settled_before(60, CLAIM_EXPIRED, "chain_never_paid"));
	struct settlement settlement;
	fill(&settlement, METHOD_EIP3009);
	config.chains[0].recheck_s = 7;
	CHECK_EQ(funds_look_again_s(look, &settlement.offer), 7);
	settlement.offer.chain_id = 8;
	CHECK_EQ(funds_look_again_s(look, &settlement.offer), 0);
	end_chain();
}

TEST(a_nonce_not_used)
{
	begin_chain();
	for (enum method method = METHOD_EIP3009; method <= METHOD_UPTO; method++)
		CHECK(ends_as(method, CLAIM_EXPIRED, "chain_never_paid", 0));
	CHECK_EQ(chain.asked_at, 5000 - 12);
	/* the final block is 24 s behind the newest: its time counts */
	chain.latest_s = deadline_s + 24;
	CHECK(stays_unclear(METHOD_EIP3009));
	chain.latest_s = deadline_s + 25;
	CHECK(ends_as(METHOD_EIP3009, CLAIM_EXPIRED, "chain_never_paid", 0));
	uint64_t ends[LOOK_END_CNT];
	funds_look_stats(look, ends);
	CHECK(ends[LOOK_LAPSED] == 4 && ends[LOOK_UNCLEAR] == 1 && ends[LOOK_PAID] == 0);
	end_chain();
}

TEST(an_authorisation_used)
{
	begin_chain();
	chain.used = true;
	CHECK(stays_unclear(METHOD_EIP3009)); /* no log says how */
	chain.nonce_logs = "[" NONCE_LOG(USED, "09") "]";
	chain.paid_logs = "[" MOVED("09") "]";
	CHECK(ends_as(METHOD_EIP3009, CLAIM_SETTLED, "", 9));
	chain.paid_logs = "[" MOVED("08") "]";
	CHECK(ends_as(METHOD_EIP3009, CLAIM_REFUSED, "chain_nonce_used_elsewhere", 0));
	chain.nonce_logs = "[" NONCE_LOG(CANCELED, "09") "]";
	CHECK(ends_as(METHOD_EIP3009, CLAIM_REFUSED, "chain_nonce_cancelled", 0));
	chain.broken_logs = true;
	CHECK(stays_unclear(METHOD_EIP3009));
	end_chain();
}

TEST(a_permit_used)
{
	begin_chain();
	chain.used = true;
	chain.carries = true;
	for (enum method method = METHOD_PERMIT2; method <= METHOD_UPTO; method++) {
		chain.nonce_logs = "[]";
		chain.paid_logs = "[]";
		CHECK(stays_unclear(method)); /* for something else, or outside of what was asked */
		chain.paid_logs = "[" MOVED("08") "," MOVED("09") "]";
		CHECK(ends_as(method, CLAIM_SETTLED, "", 8));
		chain.nonce_logs = "[" BIT_LOG "]"; /* cancelled after it was paid */
		CHECK(ends_as(method, CLAIM_SETTLED, "", 8));
		chain.carries = false; /* those paid for something else */
		CHECK(ends_as(method, CLAIM_REFUSED, "chain_nonce_cancelled", 0));
		chain.paid_logs = "[]";
		CHECK(ends_as(method, CLAIM_REFUSED, "chain_nonce_cancelled", 0));
		chain.nonce_logs = "[]";
		chain.paid_logs = "[" MOVED("08") "]";
		CHECK(stays_unclear(method));
		chain.carries = true;
	}
	end_chain();
}

TEST(a_transaction_that_was_named)
{
	begin_chain();
	chain.used = true;
	chain.receipt_block = 5000 - 12;
	CHECK(ends_as(METHOD_UPTO, CLAIM_SETTLED, "", 0x77));
	chain.receipt_block = 5000 - 11; /* may still go */
	struct settlement settlement;
	fill(&settlement, METHOD_UPTO);
	settlement.was_named = true;
	settlement.named.at[31] = 0x77;
	CHECK(!is_decided(&settlement));
	chain.used = false; /* it went */
	CHECK(ends_as(METHOD_UPTO, CLAIM_EXPIRED, "chain_never_paid", 0));
	end_chain();
}

/* Logs are asked for where the payment can be, however long ago: a restart after a day asks no more than one at once. */
TEST(where_logs_are_looked_for)
{
	begin_chain();
	chain.used = true;
	chain.latest = 100000;
	chain.latest_s = deadline_s + 86400;
	chain.nonce_logs = "[" NONCE_LOG(CANCELED, "09") "]";
	CHECK(ends_as(METHOD_EIP3009, CLAIM_REFUSED, "chain_nonce_cancelled", 0));
	uint64_t deadline = 100000 - 86400 / 2, made = deadline - 90 / 2;
	CHECK(chain.logs_from <= made && chain.logs_to >= deadline);
	chain.latest_s = deadline_s - 40; /* and never past the final block */
	CHECK(ends_as(METHOD_EIP3009, CLAIM_REFUSED, "chain_nonce_cancelled", 0));
	CHECK_EQ(chain.logs_to, 100000 - 12);
	CHECK(chain.logs_from < chain.logs_to);
	end_chain();
}

TEST(named_blocks)
{
	begin_chain();
	config.chains[0].final = FINAL_FINALIZED;
	CHECK(ends_as(METHOD_EIP3009, CLAIM_EXPIRED, "chain_never_paid", 0));
	CHECK_EQ(chain.asked_at, 5000); /* by its number: the next one may be called finalized by then */
	config.chains[0].final = FINAL_CONFIRMATIONS;
	chain.latest = 11; /* fewer than the confirmations */
	CHECK(stays_unclear(METHOD_EIP3009));
	end_chain();
}

TEST(nodes_that_say_nothing)
{
	begin_chain();
	chain.chain_id = 8; /* another chain knows nothing of our nonces */
	CHECK(stays_unclear(METHOD_EIP3009));
	chain.chain_id = 7;
	chain.broken_heads = true;
	CHECK(stays_unclear(METHOD_EIP3009));
	chain.broken_heads = false;
	static const enum http_mode modes[] = {HTTP_CLOSE, HTTP_CUT, HTTP_GARBAGE, HTTP_SILENT};
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		http.mode = (int)modes[i];
		CHECK_ROW(stays_unclear(METHOD_UPTO), "mode");
	}
	http.mode = HTTP_ANSWER;
	CHECK(ends_as(METHOD_UPTO, CLAIM_EXPIRED, "chain_never_paid", 0));
	end_chain();
}

/* What waits goes out together, a bounded number of it, and all of it comes back, also at the end. */
TEST(many_at_once)
{
	static struct settlement settlements[WAITING_MAX + 1];
	size_t back = 0;

	begin_chain();
	http.mode = HTTP_SLOW;
	http.delay_ms = 400; /* nothing comes back before all of it was put */
	for (size_t i = 0; i < WAITING_MAX; i++) {
		fill(&settlements[i], i % 2 == 0 ? METHOD_EIP3009 : METHOD_UPTO);
		CHECK_NEED(funds_look_put(look, &settlements[i]));
	}
	fill(&settlements[WAITING_MAX], METHOD_UPTO);
	CHECK(!funds_look_put(look, &settlements[WAITING_MAX]));
	CHECK(funds_look_serves(look, &settlements[0].offer));
	settlements[WAITING_MAX].offer.chain_id = 8;
	CHECK(!funds_look_serves(look, &settlements[WAITING_MAX].offer) &&
	      !funds_look_serves(NULL, &settlements[0].offer));
	http.delay_ms = 10;
	for (int i = 0; i < 5000 && atomic_load(&look->lookers[0].ends[LOOK_LAPSED]) == 0; i++)
		usleep(1000);
	funds_look_stop(look);
	for (struct mail *mail = mailbox_take(&done_box); mail != NULL; mail = mail->next)
		back++;
	CHECK(back > 0 && back < WAITING_MAX);
	for (struct mail *mail = mailbox_take(&unclear_box); mail != NULL; mail = mail->next)
		back++;
	CHECK_EQ(back, WAITING_MAX);
	end_chain();
}

CHECK_MAIN
