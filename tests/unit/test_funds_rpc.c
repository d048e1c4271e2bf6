// SPDX-License-Identifier: Apache-2.0
/* test_funds_rpc.c: the batch as it is sent, and answers: in any order, with errors, and every way not to answer. */
#include "../../user/funds_rpc.c"

#include "check.h"
#include "guard.h"

TEST(question)
{
	struct address to;
	struct rpc_batch batch;
	uint8_t data[200];
	char out[1200], want[1200], hex[401];

	memset(&to, 0xab, sizeof to);
	for (size_t i = 0; i < sizeof data; i++) {
		data[i] = (uint8_t)i;
		snprintf(hex + 2 * i, 3, "%02zx", i);
	}
	rpc_begin(&batch, out, sizeof out);
	rpc_chain_id(&batch);
	rpc_call(&batch, &to, span_of(data, sizeof data));
	rpc_code(&batch, &to);
	snprintf(
		want, sizeof want,
		"[{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"eth_chainId\",\"params\":[]},"
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_call\",\"params\":[{\"to\":\"0x%s\",\"data\":\"0x%s\"},"
		"\"latest\"]},"
		"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"eth_getCode\",\"params\":[\"0x%s\",\"latest\"]}]",
		"abababababababababababababababababababab", hex, "abababababababababababababababababababab");
	CHECK_EQ(rpc_end(&batch), strlen(want));
	CHECK(strcmp(out, want) == 0);
	CHECK_EQ(batch.cnt, 3);
	rpc_begin(&batch, out, 100);
	rpc_call(&batch, &to, span_of(data, sizeof data));
	CHECK_EQ(rpc_end(&batch), 0);
}

TEST(questions_about_blocks_and_logs)
{
	struct address contract;
	struct word topic, hash;
	struct rpc_batch batch;
	char out[2048], quantity[RPC_QUANTITY_BYTES];
	const char *ab = "abababababababababababababababababababab",
		   *cd64 = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";
	char want[2048];

	memset(&contract, 0xab, sizeof contract);
	memset(&topic, 0xcd, sizeof topic);
	hash = topic;
	struct rpc_logs logs = {.contract = &contract,
				.from = 1,
				.to = UINT64_MAX,
				.kinds = {&topic, &topic},
				.topics = {NULL, &topic}};
	rpc_begin(&batch, out, sizeof out);
	rpc_call_at(&batch, &contract, span_of("", 0), "safe");
	rpc_block(&batch, "0x10");
	rpc_transaction(&batch, &hash);
	rpc_logs(&batch, &logs);
	snprintf(want, sizeof want,
		 "[{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"eth_call\",\"params\":[{\"to\":\"0x%s\",\"data\":\"0x\"},"
		 "\"safe\"]},"
		 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_getBlockByNumber\",\"params\":[\"0x10\",false]},"
		 "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"eth_getTransactionByHash\",\"params\":[\"0x%s\"]},"
		 "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"eth_getLogs\",\"params\":[{\"address\":\"0x%s\","
		 "\"fromBlock\":\"0x1\","
		 "\"toBlock\":\"0xffffffffffffffff\",\"topics\":[[\"0x%s\",\"0x%s\"],null,\"0x%s\"]}]}]",
		 ab, cd64, ab, cd64, cd64, cd64);
	CHECK_EQ(rpc_end(&batch), strlen(want));
	CHECK(strcmp(out, want) == 0);
	CHECK(strcmp(rpc_quantity(quantity, 0), "0x0") == 0);
	CHECK(strcmp(rpc_quantity(quantity, UINT64_MAX), "0xffffffffffffffff") == 0);
}

static const struct {
	const char *body;
	bool good;
	enum rpc_outcome outcome[2];
	const char *hex[2];
} answers[] = {
	{"[{\"id\":0,\"result\":\"0x01\"},{\"id\":1,\"result\":\"0x\"}]", true, {0}, {"0x01", "0x"}},
	{"[{\"id\":1,\"result\":\"0x\",\"jsonrpc\":\"2.0\"},{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":\"0x01\"}]",
	 true,
	 {0},
	 {"0x01", "0x"}},
	{"[{\"id\":0,\"error\":{\"code\":3,\"message\":\"execution reverted\",\"data\":\"0x08\"}},"
	 "{\"id\":1,\"error\":{\"code\":-32005,\"message\":\"limit\",\"data\":{\"x\":[1]}}}]",
	 true,
	 {RPC_REVERTED, RPC_FAILED},
	 {"", ""}},
	{"[{\"id\":0,\"error\":null,\"result\":\"0x01\"},{\"id\":1,\"error\":\"no\",\"result\":\"0x01\"}]",
	 true,
	 {RPC_RESULT, RPC_FAILED},
	 {"0x01", ""}},
	{"[{\"id\":0,\"result\":\"0x01\",\"error\":{}},{\"id\":1,\"result\":null}]",
	 true,
	 {RPC_FAILED, RPC_FAILED},
	 {"", ""}},
	{"[{\"id\":0,\"result\":{\"a\":1}},{\"id\":1,\"result\":12}]", true, {RPC_OBJECT, RPC_FAILED}, {"", ""}},
	{"[{\"id\":0,\"result\":[{}]},{\"id\":1,\"result\":[],\"error\":{}}]", true, {RPC_LIST, RPC_FAILED}, {"", ""}},
	{"[{\"id\":0},{\"id\":1}]", true, {RPC_FAILED, RPC_FAILED}, {"", ""}},
	{"[{\"id\":0,\"result\":\"\\u0030x01\"},{\"id\":1,\"result\":\"0x\"}]",
	 true,
	 {RPC_FAILED, RPC_RESULT},
	 {"", "0x"}},
	/* none of these is an answer */
	{"[{\"id\":0,\"result\":\"0x\"},{\"id\":0,\"result\":\"0x\"}]", false, {0}, {0}},
	{"[{\"id\":0,\"error\":1},{\"id\":0,\"result\":\"0x\"}]", false, {0}, {0}},
	{"[{\"id\":0,\"result\":\"0x\"}]", false, {0}, {0}},
	{"[{\"id\":0,\"result\":\"0x\"},{\"id\":1,\"result\":\"0x\"},{\"id\":2,\"result\":\"0x\"}]", false, {0}, {0}},
	{"[{\"id\":0,\"result\":\"0x\"},{\"id\":2,\"result\":\"0x\"}]", false, {0}, {0}},
	{"[{\"id\":0,\"result\":\"0x\"},{\"id\":\"1\",\"result\":\"0x\"}]", false, {0}, {0}},
	{"[{\"id\":0,\"result\":\"0x\"},{\"id\":-1,\"result\":\"0x\"}]", false, {0}, {0}},
	{"[{\"id\":0,\"result\":\"0x\"},{\"result\":\"0x\"}]", false, {0}, {0}},
	{"[{\"id\":0,\"result\":\"0x\"},7]", false, {0}, {0}},
	{"[{\"id\":0,\"id\":1,\"result\":\"0x\"},{\"id\":1,\"result\":\"0x\"}]", false, {0}, {0}},
	{"[{\"id\":0,\"result\":\"0x\"},{\"id\":1,\"result\":\"0x\"}]]", false, {0}, {0}},
	{"[{\"id\":0,\"result\":\"0x\"},{\"id\":1,\"result\":\"0x\"}", false, {0}, {0}},
	{"{\"id\":0,\"result\":\"0x\"}", false, {0}, {0}},
	{"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"no batches\"}}", false, {0}, {0}},
	{"[]", false, {0}, {0}},
	{"<html>502</html>", false, {0}, {0}},
	{"", false, {0}, {0}},
};

TEST(answers_of_every_form)
{
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		struct rpc_result results[2];
		struct guard guard;
		struct span body = guard_copy(&guard, answers[i].body, strlen(answers[i].body));
		CHECK_ROW(rpc_answer(results, 2, body) == answers[i].good, answers[i].body);
		for (size_t k = 0; k < 2 && answers[i].good; k++) {
			CHECK_ROW(results[k].outcome == answers[i].outcome[k], answers[i].body);
			CHECK_ROW(results[k].outcome != RPC_RESULT ||
					  span_equal(results[k].hex, span_str(answers[i].hex[k])),
				  answers[i].body);
		}
		guard_free(&guard);
	}
}

TEST(receipts)
{
	static const char body[] = "[{\"id\":1,\"result\":null},{\"id\":0,\"result\":{\"status\":\"0x1\"}},"
				   "{\"id\":2,\"error\":{\"code\":1},\"result\":null}]";
	struct rpc_result results[3];
	struct rpc_batch batch;
	struct word transaction;
	char out[256];

	memset(&transaction, 0xcd, sizeof transaction);
	rpc_begin(&batch, out, sizeof out);
	rpc_receipt(&batch, &transaction);
	CHECK(rpc_end(&batch) > 0);
	CHECK(strcmp(out, "[{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"eth_getTransactionReceipt\",\"params\":[\""
			  "0xcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\"]}]") == 0);
	CHECK(rpc_answer(results, 3, span_str(body)));
	CHECK(results[0].outcome == RPC_OBJECT && span_equal(results[0].object, SPAN("{\"status\":\"0x1\"}")));
	CHECK(results[1].outcome == RPC_FAILED && results[1].is_null);
	CHECK(results[2].outcome == RPC_FAILED && !results[2].is_null);
}

TEST(every_prefix_is_no_answer)
{
	const char *whole = answers[0].body;
	struct rpc_result results[2];

	for (size_t cut = 0; cut < strlen(whole); cut++) {
		struct guard guard;
		CHECK(!rpc_answer(results, 2, guard_copy(&guard, whole, cut)));
		guard_free(&guard);
	}
}

static struct rpc_result result_of(const char *hex)
{
	return (struct rpc_result){.outcome = RPC_RESULT, .hex = span_str(hex)};
}

TEST(bytes)
{
	static const struct {
		const char *hex;
		bool good;
		size_t bytes;
	} rows[] = {{"0x", true, 0},	      {"0x00ff", true, 2}, {"0x000102", true, 3},
		    {"0x00010203", false, 0}, {"0x0", false, 0},   {"0x0g", false, 0},
		    {"", false, 0},	      {"0", false, 0},	   {"00ff", false, 0}};
	uint8_t out[3];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct rpc_result result = result_of(rows[i].hex);
		struct span bytes = {0};
		CHECK_ROW(rpc_bytes(&bytes, &result, out, sizeof out) == rows[i].good, rows[i].hex);
		CHECK_ROW(!rows[i].good || bytes.bytes == rows[i].bytes, rows[i].hex);
		result.outcome = RPC_REVERTED;
		CHECK_ROW(!rpc_bytes(&bytes, &result, out, sizeof out), rows[i].hex);
	}
}

TEST(numbers)
{
	static const struct {
		const char *hex;
		bool good;
		uint64_t number;
	} rows[] = {{"0x0", true, 0},
		    {"0x14a34", true, 84532},
		    {"0xffffffffffffffff", true, UINT64_MAX},
		    {"0x10000000000000000", false, 0},
		    {"0x", false, 0},
		    {"0", false, 0},
		    {"", false, 0},
		    {"14a34", false, 0},
		    {"0x14a3-", false, 0}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct rpc_result result = result_of(rows[i].hex);
		uint64_t number = 0;
		CHECK_ROW(rpc_number(&number, &result) == rows[i].good, rows[i].hex);
		CHECK_ROW(!rows[i].good || number == rows[i].number, rows[i].hex);
	}
}

CHECK_MAIN
