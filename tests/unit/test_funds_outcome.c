// SPDX-License-Identifier: Apache-2.0
/* test_funds_outcome.c: what a chain shows of a payment: which receipts pay, which logs mean paid, cancelled or spent on
 * something else, and which transactions carry a permit; nothing that is cut short or of somebody else counts. */
#include "../../user/funds_outcome.c"

#include "base/keccak.h"
#include "check.h"

#define TRANSFER "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
#define USED "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5"
#define CANCELED "0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81"
#define INVALIDATED "0x3704902f963766a4e561bbaab6e6cdc1b1dd12f6e9e99648da8843b3f46b918d"
#define PERMIT2 "0x000000000022d473030f116ddee9f6b43ac78ba3"
#define ZEROS "000000000000000000000000"
#define PAYER "1111111111111111111111111111111111111111"
#define PAYEE "2222222222222222222222222222222222222222"
#define ASSET "0x3333333333333333333333333333333333333333"
#define W(low) "00000000000000000000000000000000000000000000000000000000000000" low
#define NONCE "00000000000000000000000000000000000000000000000000000000000007a3"
#define LOG(asset, from, to, data)                                                                                   \
	"{\"address\":\"" asset "\",\"topics\":[\"" TRANSFER "\",\"0x" ZEROS from "\",\"0x" ZEROS to "\"],\"data\":" \
	"\"0x" data "\",\"logIndex\":\"0x0\"}"
#define GOOD LOG(ASSET, PAYER, PAYEE, W("63"))
#define RECEIPT(status, logs) "{\"blockNumber\":\"0x10f\",\"status\":\"" status "\",\"logs\":[" logs "]}"

static struct payment payment;
static struct offer offer;
static struct word due;
static struct outcome_query query = {.payment = &payment, .offer = &offer, .amount_due = &due};

static void ask_of(enum method method)
{
	payment = (struct payment){.method = (uint8_t)method};
	memset(payment.from.at, 0x11, 20);
	memset(offer.pay_to.at, 0x22, 20);
	memset(offer.asset.at, 0x33, 20);
	payment.token = offer.asset;
	u256_from_u64(payment.nonce.at, 0x7a3);
	u256_from_u64(payment.amount.at, 0x64);
	u256_from_u64(payment.deadline.at, 0x65);
	u256_from_u64(due.at, 0x63);
}

TEST(topics_are_the_hashes_of_their_signatures)
{
	static const struct {
		const char *signature;
		const struct word *topic;
	} rows[] = {
		{"Transfer(address,address,uint256)", &transfer},
		{"AuthorizationUsed(address,bytes32)", &authorization_used},
		{"AuthorizationCanceled(address,bytes32)", &authorization_canceled},
		{"UnorderedNonceInvalidation(address,uint256,uint256)", &nonces_invalidated},
	};
	struct word hash;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		keccak256(hash.at, rows[i].signature, strlen(rows[i].signature));
		CHECK_ROW(same(&hash, rows[i].topic), rows[i].signature);
	}
}

TEST(which_receipts_pay)
{
	static const struct {
		const char *receipt;
		bool pays;
	} rows[] = {
		{RECEIPT("0x1", GOOD), true},
		{RECEIPT("0x1", "{}," GOOD), true},
		{RECEIPT("0x1", LOG(ASSET, PAYER, PAYEE, W("62")) "," GOOD), true},
		{"{\"logs\":[" GOOD "],\"status\":\"0x1\",\"blockNumber\":\"0xff\"}", true},
		{"{\"logs\":[" GOOD "],\"status\":\"0x1\"}", false}, /* in no block */
		{"{\"logs\":[" GOOD "],\"status\":\"0x1\",\"blockNumber\":null}", false},
		{"{\"logs\":[" GOOD "],\"status\":\"0x1\",\"blockNumber\":\"0x10000000000000000\"}", false},
		{RECEIPT("0x0", GOOD), false},
		{RECEIPT("0x1", ""), false},
		{RECEIPT("0x1", LOG(ASSET, PAYER, PAYEE, W("62"))), false},
		{RECEIPT("0x1", LOG(ASSET, PAYEE, PAYER, W("63"))), false},
		{RECEIPT("0x1", LOG(ASSET, PAYER, PAYER, W("63"))), false},
		{RECEIPT("0x1", LOG("0x" PAYEE, PAYER, PAYEE, W("63"))), false},
		{RECEIPT("0x1", LOG(ASSET, PAYER, PAYEE, W("63") "00")), false},
		{RECEIPT("0x1", "{\"address\":\"" ASSET "\",\"topics\":[\"" TRANSFER "\"],\"data\":\"0x" W("63") "\"}"),
		 false},
		{RECEIPT("0x1", "{\"address\":\"" ASSET
				"\",\"topics\":[\"0x" W("01") "\",\"0x" ZEROS PAYER "\",\"0x" ZEROS PAYEE
							      "\"],\"data\":\"0x" W("63") "\"}"),
		 false},
		{RECEIPT("0x1", "{\"removed\":true,\"address\":\"" ASSET "\",\"topics\":[\"" TRANSFER
				"\",\"0x" ZEROS PAYER "\",\"0x" ZEROS PAYEE "\"],\"data\":\"0x" W("63") "\"}"),
		 false},
		/* halves of two logs make none */
		{RECEIPT("0x1", "{\"address\":\"" ASSET "\",\"data\":\"0x" W("63") "\"},{\"topics\":[\"" TRANSFER
										   "\",\"0x" ZEROS PAYER
										   "\",\"0x" ZEROS PAYEE "\"]}"),
		 false},
		{"{\"status\":\"0x1\",\"logs\":{}}", false},
		{"{\"status\":1,\"logs\":[" GOOD "]}", false},
		{"{\"logs\":[" GOOD "]}", false},
		{"null", false},
		{"", false},
		{RECEIPT("0x1", GOOD) "x", false},
	};
	uint64_t block = 0;

	ask_of(METHOD_EIP3009);

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		CHECK_ROW(outcome_receipt_pays(span_str(rows[i].receipt), &query, &block) == rows[i].pays,
			  rows[i].receipt);
	CHECK(outcome_receipt_pays(SPAN(RECEIPT("0x1", GOOD)), &query, &block) && block == 0x10f);
	/* no prefix of one that pays does */
	const char *whole = RECEIPT("0x1", GOOD);
	for (size_t n = 0; n < strlen(whole); n++)
		CHECK(!outcome_receipt_pays(span_of(whole, n), &query, &block));
}

/* --- logs --- */

#define EVENT(contract, kind, from, nonce, tx)                                                                   \
	"{\"address\":\"" contract "\",\"topics\":[\"" kind "\",\"0x" ZEROS from "\",\"0x" nonce "\"],\"data\":" \
	"\"0x\",\"transactionHash\":\"0x" W(tx) "\"}"
#define MOVED(data, tx)                                                                                                \
	"{\"transactionHash\":\"0x" W(tx) "\",\"address\":\"" ASSET "\",\"topics\":[\"" TRANSFER "\",\"0x" ZEROS PAYER \
					  "\",\"0x" ZEROS PAYEE "\"],\"data\":\"0x" data "\",\"removed\":false}"
#define MASKED(place, mask)                                                                                            \
	"{\"address\":\"" PERMIT2 "\",\"topics\":[\"" INVALIDATED "\",\"0x" ZEROS PAYER "\"],\"data\":\"0x" place mask \
	"\",\"transactionHash\":\"0x" W("09") "\"}"
/* the nonce is 0x7a3: place 7, bit 163 */
#define BIT_163 "0000000000000000000000080000000000000000000000000000000000000000"

static bool read_events(struct outcome_events *events, const char *nonce, const char *paid)
{
	struct rpc_result results[2] = {{.outcome = RPC_LIST, .object = span_str(nonce)},
					{.outcome = RPC_LIST, .object = span_str(paid)}};

	return outcome_read_events(events, &query, results);
}

TEST(what_logs_say)
{
	static const struct {
		enum method method;
		const char *nonce, *paid;
		bool used, cancelled, paid_in;
		size_t transactions;
	} rows[] = {
		{METHOD_EIP3009, "[]", "[]", false, false, false, 0},
		{METHOD_EIP3009, "[" EVENT(ASSET, USED, PAYER, NONCE, "05") "]", "[" MOVED(W("63"), "05") "]", true,
		 false, true, 0},
		{METHOD_EIP3009, "[" EVENT(ASSET, USED, PAYER, NONCE, "05") "]",
		 "[{}," MOVED(W("63"), "04") "," MOVED(W("63"), "05") "]", true, false, true, 0},
		/* the nonce went to somebody else, or for something else */
		{METHOD_EIP3009, "[" EVENT(ASSET, USED, PAYER, NONCE, "05") "]", "[" MOVED(W("63"), "04") "]", true,
		 false, false, 0},
		{METHOD_EIP3009, "[" EVENT(ASSET, USED, PAYER, NONCE, "05") "]", "[" MOVED(W("62"), "05") "]", true,
		 false, false, 0},
		{METHOD_EIP3009, "[" EVENT(ASSET, USED, PAYER, NONCE, "05") "]", "[]", true, false, false, 0},
		{METHOD_EIP3009, "[" EVENT(ASSET, CANCELED, PAYER, NONCE, "05") "]", "[" MOVED(W("63"), "05") "]",
		 false, true, false, 0},
		/* what was not asked for */
		{METHOD_EIP3009, "[" EVENT(ASSET, USED, PAYER, W("a3"), "05") "]", "[]", false, false, false, 0},
		{METHOD_EIP3009, "[" EVENT(ASSET, USED, PAYEE, NONCE, "05") "]", "[]", false, false, false, 0},
		{METHOD_EIP3009, "[" EVENT("0x" PAYEE, CANCELED, PAYER, NONCE, "05") "]", "[]", false, false, false, 0},
		{METHOD_EIP3009, "[" EVENT(ASSET, INVALIDATED, PAYER, NONCE, "05") "]", "[]", false, false, false, 0},
		{METHOD_EIP3009,
		 "[{\"removed\":true," /* of a block that went */
		 "\"address\":\"" ASSET "\",\"topics\":[\"" CANCELED "\",\"0x" ZEROS PAYER "\",\"0x" NONCE "\"]}]",
		 "[]", false, false, false, 0},
		{METHOD_UPTO, "[]", "[" MOVED(W("63"), "01") "," MOVED(W("62"), "02") "," MOVED(W("63"), "03") "]",
		 false, false, false, 2},
		{METHOD_UPTO, "[" MASKED(W("07"), BIT_163) "]", "[]", false, true, false, 0},
		{METHOD_PERMIT2, "[" MASKED(W("07"), W("00")) "," MASKED(W("06"), BIT_163) "]", "[]", false, false,
		 false, 0},
		{METHOD_PERMIT2, "[" MASKED(W("07"), BIT_163 "00") "]", "[]", false, false, false, 0},
		{METHOD_PERMIT2, "[" EVENT(PERMIT2, CANCELED, PAYER, NONCE, "05") "]", "[]", false, false, false, 0},
	};
	struct outcome_events events;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		ask_of(rows[i].method);
		CHECK_ROW(read_events(&events, rows[i].nonce, rows[i].paid), rows[i].nonce);
		CHECK_ROW(events.used == rows[i].used && events.cancelled == rows[i].cancelled &&
				  events.paid == rows[i].paid_in && !events.more,
			  rows[i].nonce);
		CHECK_ROW(events.transaction_cnt == rows[i].transactions, rows[i].paid);
	}
	ask_of(METHOD_UPTO);
	CHECK(read_events(&events, "[]",
			  "[" MOVED(W("63"), "01") "," MOVED(W("63"), "02") "," MOVED(W("63"), "03") "," MOVED(
				  W("63"), "04") "," MOVED(W("63"), "05") "]"));
	CHECK(events.more && events.transaction_cnt == OUTCOME_TRANSFERS_MAX);
	CHECK_EQ(events.transactions[3].at[31], 4);
}

TEST(lists_that_are_none)
{
	struct rpc_result results[2] = {{.outcome = RPC_LIST, .object = SPAN("[]")},
					{.outcome = RPC_FAILED, .object = SPAN("[]")}};
	static const char whole[] = "[" MOVED(W("63"), "05") "]";
	struct outcome_events events;

	ask_of(METHOD_UPTO);
	CHECK(!outcome_read_events(&events, &query, results));
	results[1].outcome = RPC_OBJECT;
	CHECK(!outcome_read_events(&events, &query, results));
	results[1].outcome = RPC_LIST;
	for (size_t n = 0; n < strlen(whole); n++) {
		results[1].object = span_of(whole, n);
		CHECK(!outcome_read_events(&events, &query, results));
	}
	results[1].object = span_str(whole);
	CHECK(outcome_read_events(&events, &query, results) && events.transaction_cnt == 1);
}

#define PERMIT ZEROS "3333333333333333333333333333333333333333" W("64") NONCE W("65")

TEST(which_transactions_carry_the_permit)
{
	static const struct {
		const char *transaction;
		bool carries;
	} rows[] = {
		{"{\"hash\":\"0x1\",\"input\":\"0x" PERMIT "\"}", true},
		{"{\"input\":\"0xff11e7b4" W("20") PERMIT W("01") "\"}", true},
		{"{\"input\":\"0xff11e7b4" W("20") ZEROS "3333333333333333333333333333333333333333" W("63")
			 NONCE W("65") "\"}",
		 false},
		{"{\"input\":\"0x" ZEROS "3333333333333333333333333333333333333333" W("64") W("a3") W("65") "\"}",
		 false},
		{"{\"data\":\"0x" PERMIT "\"}", false},
		{"{\"input\":[\"0x" PERMIT "\"]}", false},
		{"{\"input\":\"0x\"}", false},
		{"{\"input\":\"0x" PERMIT "\"", false},
		{"[]", false},
		{"", false},
	};

	ask_of(METHOD_UPTO);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		CHECK_ROW(outcome_carries(span_str(rows[i].transaction), &query) == rows[i].carries,
			  rows[i].transaction);
}

TEST(what_is_asked)
{
	struct rpc_batch batch;
	char out[4096];

	ask_of(METHOD_EIP3009);
	rpc_begin(&batch, out, sizeof out);
	outcome_ask_nonce(&batch, &query, "0x1f");
	outcome_ask_events(&batch, &query, 16, 31);
	CHECK(rpc_end(&batch) > 0 && batch.cnt == 1 + OUTCOME_EVENT_CALLS);
	CHECK(strstr(out, "\"data\":\"0xe94a0102" ZEROS PAYER NONCE "\"},\"0x1f\"]") != NULL);
	CHECK(strstr(out, "{\"address\":\"" ASSET "\",\"fromBlock\":\"0x10\",\"toBlock\":\"0x1f\",\"topics\":[[\"" USED
			  "\",\"" CANCELED "\"],\"0x" ZEROS PAYER "\",\"0x" NONCE "\"]}") != NULL);
	CHECK(strstr(out, "\"topics\":[[\"" TRANSFER "\"],\"0x" ZEROS PAYER "\",\"0x" ZEROS PAYEE "\"]}") != NULL);
	ask_of(METHOD_UPTO);
	rpc_begin(&batch, out, sizeof out);
	outcome_ask_nonce(&batch, &query, "safe");
	outcome_ask_events(&batch, &query, 0, 1);
	CHECK(rpc_end(&batch) > 0);
	CHECK(strstr(out, "\"data\":\"0x4fe02b44" ZEROS PAYER W("07") "\"},\"safe\"]") != NULL);
	CHECK(strstr(out, "{\"address\":\"" PERMIT2
			  "\",\"fromBlock\":\"0x0\",\"toBlock\":\"0x1\",\"topics\":[[\"" INVALIDATED
			  "\"],\"0x" ZEROS PAYER "\",null]}") != NULL);
}

TEST(what_nonces_say)
{
	static const struct {
		enum method method;
		const char *hex;
		bool good, used;
	} rows[] = {
		{METHOD_EIP3009, "0x" W("01"), true, true},   {METHOD_EIP3009, "0x" W("00"), true, false},
		{METHOD_EIP3009, "0x" W("02"), false, false}, {METHOD_EIP3009, "0x", false, false},
		{METHOD_UPTO, "0x" BIT_163, true, true},      {METHOD_UPTO, "0x" W("ff"), true, false},
		{METHOD_PERMIT2, "0x01", false, false},
	};
	bool used;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct rpc_result result = {.outcome = RPC_RESULT, .hex = span_str(rows[i].hex)};
		ask_of(rows[i].method);
		used = false;
		CHECK_ROW(outcome_nonce_used(&used, &query, &result) == rows[i].good, rows[i].hex);
		CHECK_ROW(used == rows[i].used || !rows[i].good, rows[i].hex);
		result.outcome = RPC_REVERTED;
		CHECK(!outcome_nonce_used(&used, &query, &result));
	}
}

CHECK_MAIN
