// SPDX-License-Identifier: Apache-2.0
/* test_cmd_ledger.c: tollbar ledger beside a ledger that is open: the table, CSV and JSON of every state, filters, times,
 * and directories with something wrong. */
#include "cmd/ledger.c"
#include "cmd/ledger_text.c"

#include "jansson_names.h"

#include <sys/stat.h>

#include "capture.h"
#include "claim_fixture.h"

static int run(const char *a, const char *b, const char *c, const char *d)
{
	return CAPTURE(cmd_ledger, "ledger", "-d", directory, a, b, c, d);
}

static size_t count_of(const char *text, const char *what)
{
	size_t cnt = 0;

	for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
		cnt++;
	return cnt;
}

/* One in each state that an open ledger can be in; the payer of number n is 0x11 n times. */
static void sell_one_each(void)
{
	static struct sale sales[6];
	struct word part = word_of(30);
	struct settlement *settlement;

	for (uint64_t i = 0; i < 6; i++) {
		sale_init(&sales[i], METHOD_UPTO, i, 60);
		memset(&sales[i].payment.from, (int)(0x10 + i), sizeof sales[i].payment.from);
		sales[i].permit.key.from = sales[i].payment.from;
		take_durably(&sales[i]);
	}
	claim_forward(ledger, sales[1].durable.claim, &part, NULL);
	owe(&sales[2], 200);
	answer(must_ask(), CLAIM_SETTLED, "");
	CHECK(mailed(&sales[2].settled));
	owe(&sales[3], 300);
	answer(must_ask(), CLAIM_REFUSED, "no, \"never\"");
	CHECK(mailed(&sales[3].settled));
	owe(&sales[4], 400);
	settlement = must_ask();
	snprintf(settlement->job, sizeof settlement->job, "payment-4");
	answer(settlement, CLAIM_UNKNOWN, "settlement_pending");
	CHECK(mailed(&sales[4].settled));
	release(&sales[5]);
	CHECK(comes_to(CLAIM_RELEASED, 0) && comes_to(CLAIM_FORWARDED, 1));
	usleep(100000); /* forwarded and released are written by themselves */
}

TEST(table_beside_a_running_ledger)
{
	setup();
	start();
	sell_one_each();
	CHECK_EQ(run(NULL, NULL, NULL, NULL), DONE);
	CHECK_EQ(count_of(printed, "\n"), 1 + 6 + 3);
	CHECK(strstr(printed, "1 taken, 1 forwarded, 1 settled, 1 refused, 1 unknown, 1 released\n") != NULL ||
	      strstr(printed, "1 taken, 1 forwarded, 1 settling, 1 settled, 1 refused, 1 released\n") != NULL);
	CHECK(strstr(printed,
		     "eip155:8453 0x0000000000000000000000000000000000000000: settled 200, not settled yet 2400, "
		     "refused or expired 300\n") != NULL);
	CHECK(strstr(printed, "0x1212121212121212121212121212121212121212") != NULL);
	CHECK(strstr(printed, "no, \"never\"") != NULL);
	CHECK(strstr(printed, "5a5a5a") == NULL); /* no signature */
	CHECK_EQ(run("--sums", NULL, NULL, NULL), DONE);
	CHECK_EQ(count_of(printed, "\n"), 3);
	stop();
	CHECK_EQ(run("--sums", NULL, NULL, NULL), DONE); /* and when it is closed */
	CHECK_EQ(count_of(printed, "\n"), 3);
	cleanup();
}

TEST(filters)
{
	static const struct {
		const char *a, *b, *c, *d;
		size_t rows;
	} rows[] = {
		{"--state", "settled", NULL, NULL, 1},
		{"--state", "settled,refused", "--state", "taken", 3},
		{"--state", "expired", NULL, NULL, 0},
		{"--payer", "0x1313131313131313131313131313131313131313", NULL, NULL, 1},
		{"--payer", "0x1313131313131313131313131313131313131313", "--state", "settled", 0},
		{"--payer", "0x9999999999999999999999999999999999999999", NULL, NULL, 0},
		{"--since", "1m", NULL, NULL, 6},
		{"--since", "2100-01-01", NULL, NULL, 0},
		{"--until", "1h", NULL, NULL, 0},
		{"--until", "2100-01-01T00:00:00Z", "--since", "0", 6},
	};

	setup();
	start();
	sell_one_each();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		CHECK_ROW(run(rows[i].a, rows[i].b, rows[i].c, rows[i].d) == DONE, rows[i].b);
		CHECK_ROW(count_of(printed, "\n") == 1 + rows[i].rows + 2 + (rows[i].rows > 0), rows[i].b);
	}
	stop();
	cleanup();
}

TEST(json_is_json_with_every_field)
{
	static const char *const fields[] = {"id",	 "taken",	"state",   "offer",    "method",
					     "network",	 "asset",	"payer",   "pay_to",   "nonce",
					     "amount",	 "due",		"changed", "deadline", "attempts",
					     "in_doubt", "transaction", "job",	   "word"};
	json_error_t error;

	setup();
	start();
	sell_one_each();
	CHECK_EQ(run("--json", NULL, NULL, NULL), DONE);
	json_t *claims = json_loads(printed, JSON_REJECT_DUPLICATES, &error);
	CHECK_NEED(claims != NULL && json_array_size(claims) == 6);
	for (size_t i = 0; i < 6; i++) {
		json_t *claim = json_array_get(claims, i);
		CHECK_EQ(json_object_size(claim), sizeof fields / sizeof *fields);
		for (size_t k = 0; k < sizeof fields / sizeof *fields; k++)
			CHECK_ROW(json_object_get(claim, fields[k]) != NULL, fields[k]);
		CHECK_EQ(json_integer_value(json_object_get(claim, "id")), i + 1);
	}
	json_t *settled = json_array_get(claims, 2), *refused = json_array_get(claims, 3);
	json_t *unknown = json_array_get(claims, 4);
	CHECK(strcmp(json_string_value(json_object_get(settled, "due")), "200") == 0);
	CHECK(strcmp(json_string_value(json_object_get(settled, "amount")), "1000") == 0);
	CHECK(strlen(json_string_value(json_object_get(settled, "transaction"))) == 66);
	CHECK(strcmp(json_string_value(json_object_get(refused, "word")), "no, \"never\"") == 0);
	CHECK(strcmp(json_string_value(json_object_get(refused, "transaction")), "") == 0);
	CHECK(strcmp(json_string_value(json_object_get(unknown, "job")), "payment-4") == 0);
	CHECK(json_is_false(json_object_get(unknown, "in_doubt")));
	json_decref(claims);
	CHECK_EQ(run("--json", "--state", "expired", NULL), DONE);
	claims = json_loads(printed, 0, &error);
	CHECK(json_is_array(claims) && json_array_size(claims) == 0);
	json_decref(claims);
	stop();
	cleanup();
}

TEST(csv_is_quoted_where_it_must_be)
{
	setup();
	start();
	sell_one_each();
	CHECK_EQ(run("--csv", NULL, NULL, NULL), DONE);
	CHECK_EQ(count_of(printed, "\r\n"), 7);
	CHECK(strncmp(printed, "id,taken,state,offer,", 21) == 0);
	CHECK(strstr(printed, ",\"no, \"\"never\"\"\"\r\n") != NULL);
	char *line = strstr(printed, ",settled,");
	CHECK_NEED(line != NULL);
	*strstr(line, "\r\n") = 0;
	while (line > printed && line[-1] != '\n')
		line--;
	CHECK_EQ(count_of(line, ","), COLUMNS - 2); /* one fewer than columns, and none for the chain */
	stop();
	cleanup();
}

TEST(times)
{
	static const struct {
		const char *text;
		uint64_t want; /* 0: refused; now is 10^9 */
	} rows[] = {
		{"1970-01-02", 86400},
		{"2001-09-09T01:46:40Z", 1000000000},
		{"2001-09-09T01:46:40", 1000000000},
		{"17", 17},
		{"10m", 999999400},
		{"2h", 999992800},
		{"7d", 999395200},
		{"999999d", 0},
		{"", 0},
		{"7w", 0},
		{"7dd", 0},
		{"-7", 0},
		{"2001-09-09 noon", 0},
		{"1960-01-01", 0},
		{"99999999999999999999", 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint64_t got = 0;
		bool good = moment_read(&got, rows[i].text, 1000000000);
		CHECK_ROW(got == rows[i].want && (good || rows[i].want == 0), rows[i].text);
	}
	char shown[MOMENT_BYTES];
	moment_print(shown, 1000000000);
	CHECK(strcmp(shown, "2001-09-09T01:46:40Z") == 0);
	moment_print(shown, UINT64_MAX); /* from a record that lies */
	CHECK(strlen(shown) < sizeof shown);
}

TEST(what_is_wrong_is_said)
{
	struct store *store;
	struct sale sale;
	char path[128];

	setup();
	CHECK_EQ(run(NULL, NULL, NULL, NULL), FAILED);
	CHECK(strstr(printed, "No such file or directory") != NULL);
	CHECK_EQ(mkdir(directory, 0700), 0);
	CHECK_EQ(run("--json", NULL, NULL, NULL), FAILED);
	CHECK(strstr(printed, "data.mdb is missing") != NULL && strchr(printed, '[') == NULL);
	CHECK_EQ(rmdir(directory), 0);
	start();
	sale_init(&sale, METHOD_EIP3009, 1, 60);
	take_durably(&sale);
	stop();
	CHECK_NEED(store_open(&store, directory, 64 << 20) == 0);
	CHECK(store_begin(store) == 0 && store_put(store, 5, "bad", 3) == 0 && store_commit(store) == 0);
	store_close(store);
	CHECK_EQ(run("--sums", NULL, NULL, NULL), FAILED);
	CHECK(strstr(printed, "1 records cannot be trusted") != NULL && strstr(printed, "1 taken\n") != NULL);
	CHECK_NEED(store_open(&store, directory, 64 << 20) == 0);
	CHECK(store_begin(store) == 0 && store_put(store, 0, "another program", 16) == 0 && store_commit(store) == 0);
	store_close(store);
	CHECK_EQ(run(NULL, NULL, NULL, NULL), FAILED);
	CHECK(strstr(printed, "is not a ledger, or one that another version of tollbar made") != NULL);
	snprintf(path, sizeof path, "%s/wal", directory);
	CHECK_EQ(unlink(path), 0);
	expect_errors();
	CHECK_EQ(run(NULL, NULL, NULL, NULL), FAILED);
	CHECK(strstr(printed, "commits were lost from the log in 1 places") != NULL);
	CHECK_EQ(run("--state", "gone", NULL, NULL), USAGE);
	CHECK(strstr(printed, "\"gone\" has what is no state") != NULL);
	CHECK_EQ(run("--payer", "0x12", NULL, NULL), USAGE);
	CHECK_EQ(run("--since", "soon", NULL, NULL), USAGE);
	CHECK_EQ(run("--sums", "--json", NULL, NULL), USAGE);
	CHECK_EQ(run("-c", "/dev/null", NULL, NULL), USAGE); /* both */
	CHECK_EQ(run("--help", NULL, NULL, NULL), DONE);
	cleanup();
}

CHECK_MAIN
