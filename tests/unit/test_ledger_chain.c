// SPDX-License-Identifier: Apache-2.0
/* test_ledger_chain.c: claims against a scripted node: which receipts pay, what each answer means, and nodes that fail. */
#include "../../user/cmd/ledger_chain.c"

#include "http_fixture.h"

#define TRANSFER "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
#define ZEROS "000000000000000000000000"
#define PAYER "1111111111111111111111111111111111111111"
#define PAYEE "2222222222222222222222222222222222222222"
#define ASSET "0x3333333333333333333333333333333333333333"
#define W(low) "00000000000000000000000000000000000000000000000000000000000000" low
#define LOG(asset, from, to, data)                                                                                   \
	"{\"address\":\"" asset "\",\"topics\":[\"" TRANSFER "\",\"0x" ZEROS from "\",\"0x" ZEROS to "\"],\"data\":" \
	"\"0x" data "\",\"logIndex\":\"0x0\"}"
#define GOOD LOG(ASSET, PAYER, PAYEE, W("63"))
#define RECEIPT(status, logs) "{\"blockNumber\":\"0x1\",\"status\":\"" status "\",\"logs\":[" logs "]}"

static struct record claim(enum method method, enum claim_state state, bool has_transaction)
{
	struct record record = {.state = state, .has_transaction = has_transaction, .offer.chain_id = 5};

	record.payment.method = (uint8_t)method;
	memset(record.payment.from.at, 0x11, 20);
	memset(record.offer.pay_to.at, 0x22, 20);
	memset(record.offer.asset.at, 0x33, 20);
	record.payment.nonce.at[31] = 3;
	u256_from_u64(record.amount_due.at, 0x63);
	return record;
}

#define ANSWER(id, result) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":" result "}"
#define FAULT(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":-32000,\"message\":\"busy\"}}"
#define YES "\"0x" W("01") "\""
#define NO "\"0x" W("00") "\""

static char url[64];

TEST(what_a_node_says)
{
	static const struct {
		enum method method;
		bool has_transaction;
		const char *body;
		enum chain_view want;
		int error;
	} rows[] = {
		{METHOD_EIP3009, true, "[" ANSWER("0", YES) "," ANSWER("1", RECEIPT("0x1", GOOD)) "]", CHAIN_PAID, 0},
		{METHOD_EIP3009, true, "[" ANSWER("1", RECEIPT("0x1", GOOD)) "," ANSWER("0", YES) "]", CHAIN_PAID, 0},
		{METHOD_EIP3009, true, "[" ANSWER("0", YES) "," ANSWER("1", "null") "]", CHAIN_USED, 0},
		{METHOD_EIP3009, true, "[" ANSWER("0", NO) "," ANSWER("1", "null") "]", CHAIN_OPEN, 0},
		{METHOD_EIP3009, true, "[" ANSWER("0", NO) "," ANSWER("1", RECEIPT("0x0", "")) "]", CHAIN_OPEN, 0},
		{METHOD_EIP3009, true, "[" ANSWER("0", NO) "," FAULT("1") "]", CHAIN_SILENT, 0},
		{METHOD_EIP3009, true, "[" ANSWER("0", NO) "," ANSWER("1", "\"0x\"") "]", CHAIN_SILENT, 0},
		{METHOD_EIP3009, false, "[" ANSWER("0", YES) "]", CHAIN_USED, 0},
		{METHOD_EIP3009, false, "[" ANSWER("0", NO) "]", CHAIN_OPEN, 0},
		{METHOD_EIP3009, false, "[" ANSWER("0", "\"0x" W("02") "\"") "]", CHAIN_SILENT, 0},
		{METHOD_EIP3009, false, "[" ANSWER("0", "\"0x\"") "]", CHAIN_SILENT, 0},
		{METHOD_EIP3009, false, "[" FAULT("0") "]", CHAIN_SILENT, 0},
		{METHOD_PERMIT2, false, "[" ANSWER("0", "\"0x" W("08") "\"") "]", CHAIN_USED, 0}, /* the third bit */
		{METHOD_UPTO, false, "[" ANSWER("0", "\"0x" W("f7") "\"") "]", CHAIN_OPEN, 0},
		{METHOD_UPTO, false, "[]", CHAIN_SILENT, -EPROTO},
		{METHOD_UPTO, false, "{}", CHAIN_SILENT, -EPROTO},
		{METHOD_UPTO, false, "", CHAIN_SILENT, -EPROTO},
	};

	http_start("");
	snprintf(url, sizeof url, "http://127.0.0.1:%u/", http.port);
	struct ledger_chain chain = {.url = url, .chain_id = 5};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct record record = claim(rows[i].method, CLAIM_SETTLED, rows[i].has_transaction);
		enum chain_view view;
		http.body = rows[i].body;
		CHECK_ROW(ledger_chain_look(&chain, &record, 1, &view) == rows[i].error, rows[i].body);
		CHECK_ROW(view == rows[i].want, rows[i].body);
	}
	CHECK(strstr(http_last(), "4fe02b44" ZEROS PAYER) != NULL); /* nonceBitmap(payer, 0) */
	int requests = http.requests;
	struct record others[2] = {claim(METHOD_UPTO, CLAIM_SETTLED, true), claim(METHOD_UPTO, CLAIM_SETTLED, true)};
	others[0].offer.chain_id = 6;
	memset(&others[1].amount_due, 0, sizeof others[1].amount_due);
	enum chain_view views[2];
	CHECK_EQ(ledger_chain_look(&chain, others, 2, views), 0);
	CHECK(views[0] == CHAIN_NOT_ASKED && views[1] == CHAIN_NOT_ASKED && http.requests == requests);
	http_stop();
}

TEST(as_many_as_go_into_one_call)
{
	struct record records[LEDGER_CHAIN_CLAIMS_MAX];
	enum chain_view views[LEDGER_CHAIN_CLAIMS_MAX];
	static char body[65536];
	size_t used = 1;

	body[0] = '[';
	for (size_t i = 0; i < LEDGER_CHAIN_CLAIMS_MAX; i++) {
		records[i] = claim(METHOD_PERMIT2, CLAIM_SETTLED, true);
		used += (size_t)snprintf(body + used, sizeof body - used,
					 "%s{\"id\":%zu,\"result\":%s},{\"id\":%zu,\"result\":%s}", i == 0 ? "" : ",",
					 2 * i, YES, 2 * i + 1, i % 2 == 0 ? RECEIPT("0x1", GOOD) : "null");
	}
	snprintf(body + used, sizeof body - used, "]");
	http_start(body);
	snprintf(url, sizeof url, "http://127.0.0.1:%u/", http.port);
	struct ledger_chain chain = {.url = url, .chain_id = 5};
	CHECK_EQ(ledger_chain_look(&chain, records, LEDGER_CHAIN_CLAIMS_MAX, views), 0);
	for (size_t i = 0; i < LEDGER_CHAIN_CLAIMS_MAX; i++)
		CHECK_EQ(views[i], i % 2 == 0 ? CHAIN_PAID : CHAIN_OPEN);
	CHECK_EQ(http.requests, 1);
	http_stop();
}

TEST(which_chain_and_nodes_that_fail)
{
	struct ledger_chain chain;

	http_start("[" ANSWER("0", "\"0x14a34\"") "]");
	snprintf(url, sizeof url, "http://127.0.0.1:%u/", http.port);
	CHECK_EQ(ledger_chain_open(&chain, url), 0);
	CHECK_EQ(chain.chain_id, 84532);
	http.body = "[" ANSWER("0", "\"main\"") "]";
	CHECK_EQ(ledger_chain_open(&chain, url), -EPROTO);
	http.status = 401;
	CHECK_EQ(ledger_chain_open(&chain, url), -EPROTO);
	http.mode = HTTP_CLOSE;
	CHECK(ledger_chain_open(&chain, url) < 0);
	http_stop();
	CHECK_EQ(ledger_chain_open(&chain, url), -ECONNREFUSED);
	CHECK_EQ(ledger_chain_open(&chain, "ftp://127.0.0.1/"), -EINVAL);
}

TEST(what_contradicts)
{
	static const struct {
		enum claim_state state;
		bool has_transaction;
		const char *differs; /* of each view: n or y */
	} rows[] = {
		/* not asked, paid, used, open, silent */
		{CLAIM_SETTLED, true, "nnyyn"},	 {CLAIM_SETTLED, false, "nnnyn"},  {CLAIM_REFUSED, false, "nyynn"},
		{CLAIM_EXPIRED, false, "nyynn"}, {CLAIM_UNKNOWN, true, "nnnnn"},   {CLAIM_OWED, false, "nnnnn"},
		{CLAIM_TAKEN, false, "nnnnn"},	 {CLAIM_RELEASED, false, "nnnnn"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (int view = 0; view < CHAIN_VIEW_CNT; view++) {
			struct record record = claim(METHOD_UPTO, rows[i].state, rows[i].has_transaction);
			CHECK_ROW(ledger_chain_differs(&record, (enum chain_view)view) ==
					  (rows[i].differs[view] == 'y'),
				  rows[i].differs);
		}
}

CHECK_MAIN
