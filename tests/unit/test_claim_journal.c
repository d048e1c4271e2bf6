// SPDX-License-Identifier: Apache-2.0
/* test_claim_journal.c: what a crash left and what becomes of it; records that are not trusted; a journal that is
 * full. */
#include "../../user/claim_journal.c"

#include "claim_fixture.h"
#include "sys/wal_format.h"

/* --- what a crash left --- */

static void write_record(struct store *store, uint64_t id, const struct record *record)
{
	uint8_t bytes[RECORD_BYTES_MAX];

	size_t record_bytes = record_encode(bytes, record);
	CHECK_EQ(store_put(store, id, bytes, record_bytes), 0);
}

static struct record record_of(const struct sale *sale, uint64_t id, enum claim_state state, uint64_t amount)
{
	return (struct record){.id = id,
			       .state = state,
			       .taken_s = clock_unix_s(),
			       .deadline_s = sale->permit.deadline_s,
			       .key = sale->permit.key,
			       .amount_due = word_of(amount),
			       .payment = sale->payment,
			       .offer = *sale->permit.offer,
			       .attempts = state == CLAIM_SETTLING || state == CLAIM_UNKNOWN};
}

TEST(claim_recovery_table)
{
	static const struct {
		const char *name;
		enum method method;
		enum claim_state state;
		uint64_t amount;
		int64_t expires_in_s;
		enum claim_state want;
		bool taken, asked, in_doubt;
	} rows[] = {
		{"taken eip3009", METHOD_EIP3009, CLAIM_TAKEN, 0, 60, CLAIM_RELEASED, false, false, false},
		{"taken permit2", METHOD_PERMIT2, CLAIM_TAKEN, 0, 60, CLAIM_RELEASED, false, false, false},
		{"taken upto", METHOD_UPTO, CLAIM_TAKEN, 0, 60, CLAIM_SETTLED, true, false, false},
		{"forwarded", METHOD_UPTO, CLAIM_FORWARDED, 12, 60, CLAIM_OWED, true, true, false},
		{"forwarded nothing", METHOD_UPTO, CLAIM_FORWARDED, 0, 60, CLAIM_SETTLED, true, false, false},
		{"owed", METHOD_EIP3009, CLAIM_OWED, 1000, 60, CLAIM_OWED, true, true, false},
		{"owed expired", METHOD_EIP3009, CLAIM_OWED, 1000, -600, CLAIM_OWED, true, true, false},
		{"settling", METHOD_EIP3009, CLAIM_SETTLING, 1000, 60, CLAIM_UNKNOWN, true, true, true},
		{"unknown", METHOD_UPTO, CLAIM_UNKNOWN, 44, 60, CLAIM_UNKNOWN, true, true, false},
		{"settled", METHOD_EIP3009, CLAIM_SETTLED, 1000, 60, CLAIM_SETTLED, true, false, false},
		{"settled expired", METHOD_EIP3009, CLAIM_SETTLED, 1000, -600, CLAIM_SETTLED, false, false, false},
		{"unknown expired", METHOD_UPTO, CLAIM_UNKNOWN, 44, -600, CLAIM_UNKNOWN, true, true, false},
		{"expired", METHOD_EIP3009, CLAIM_EXPIRED, 1000, -60, CLAIM_EXPIRED, true, false, false},
		{"expired long ago", METHOD_EIP3009, CLAIM_EXPIRED, 1000, -600, CLAIM_EXPIRED, false, false, false},
		{"refused", METHOD_PERMIT2, CLAIM_REFUSED, 1000, 60, CLAIM_REFUSED, true, false, false},
		{"released", METHOD_EIP3009, CLAIM_RELEASED, 0, 60, CLAIM_RELEASED, false, false, false},
	};
	const size_t cnt = sizeof rows / sizeof *rows;
	struct store *store;
	struct sale sale;

	setup();
	config.settlements_max = 32;
	start();
	stop();
	CHECK_NEED(store_open(&store, directory, 64 << 20) == 0);
	CHECK_EQ(store_begin(store), 0);
	for (size_t i = 0; i < cnt; i++) {
		sale_init(&sale, rows[i].method, i + 1, rows[i].expires_in_s);
		struct record record = record_of(&sale, i + 1, rows[i].state, rows[i].amount);
		write_record(store, i + 1, &record);
	}
	CHECK_EQ(store_commit(store), 0);
	store_close(store);
	start();
	for (int i = 0; i < 6; i++)
		CHECK(next_asked(5000) != NULL);
	restart(); /* a second time: recovery changes nothing it has decided */
	CHECK_EQ(seen_cnt, cnt);
	bool was_asked[32] = {false}, doubt[32] = {false};
	for (struct settlement *settlement; (settlement = next_asked(100)) != NULL;) {
		uint64_t number = sale_number(&settlement->payment);
		CHECK(!was_asked[number]);
		was_asked[number] = true;
		doubt[number] = settlement->in_doubt;
		CHECK_EQ(settlement->claim_id, number);
	}
	for (size_t i = 0; i < cnt; i++) {
		sale_init(&sale, rows[i].method, i + 1, 60);
		/* asked in the first start, so in the second it is one that was asked */
		enum claim_state want = rows[i].asked ? CLAIM_UNKNOWN : rows[i].want;
		CHECK_ROW(seen[i + 1].state == want && seen[i + 1].records == 1, rows[i].name);
		CHECK_ROW(claim_seen(ledger, &sale.permit.key) == rows[i].taken, rows[i].name);
		CHECK_ROW(was_asked[i + 1] == rows[i].asked, rows[i].name);
		CHECK_ROW(doubt[i + 1] == rows[i].asked, rows[i].name);
	}
	stop();
	cleanup();
}

/* The same records, first start only: what they become. */
TEST(claim_recovery_is_in_doubt_only_when_it_was_asked)
{
	struct store *store;
	struct sale sale;

	setup();
	start();
	stop();
	CHECK_NEED(store_open(&store, directory, 64 << 20) == 0);
	CHECK_EQ(store_begin(store), 0);
	static const enum claim_state states[] = {CLAIM_OWED, CLAIM_FORWARDED, CLAIM_SETTLING};
	for (uint64_t i = 0; i < 3; i++) {
		sale_init(&sale, METHOD_UPTO, i, 60);
		struct record record = record_of(&sale, i + 1, states[i], 5);
		write_record(store, i + 1, &record);
	}
	CHECK_EQ(store_commit(store), 0);
	store_close(store);
	start();
	for (int i = 0; i < 3; i++) {
		struct settlement *settlement = must_ask();
		uint64_t number = sale_number(&settlement->payment);
		CHECK_EQ(settlement->in_doubt, number == 2);
		CHECK_EQ(settlement->attempts, number == 2 ? 2 : 1);
	}
	stop();
	cleanup();
}

TEST(claim_corrupt_record_is_reported_and_not_trusted)
{
	struct ledger_stats stats;
	struct store *store;
	struct span value;
	struct sale sale;
	uint8_t bytes[RECORD_BYTES_MAX];

	setup();
	config.recovered = note_recovered;
	start();
	for (uint64_t i = 1; i <= 4; i++) {
		sale_init(&sale, METHOD_EIP3009, i, 60);
		take_durably(&sale);
		ledger_stop_asking(ledger);
		owe(&sale, 1000);
	}
	CHECK(comes_to(CLAIM_OWED, 4));
	stop();
	CHECK_NEED(store_open(&store, directory, 64 << 20) == 0);
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_get(store, 2, &value), 0); /* one bit */
	memcpy(bytes, value.at, RECORD_BYTES);
	bytes[300] ^= 0x10;
	CHECK_EQ(store_put(store, 2, bytes, RECORD_BYTES), 0);
	CHECK_EQ(store_put(store, 3, bytes, 100), 0); /* cut */
	CHECK_EQ(store_get(store, 1, &value), 0);     /* another claim's */
	memcpy(bytes, value.at, RECORD_BYTES);
	CHECK_EQ(store_put(store, 4, bytes, RECORD_BYTES), 0);
	CHECK_EQ(store_commit(store), 0);
	store_close(store);
	expect_errors();
	memset(seen, 0, sizeof seen);
	seen_cnt = 0;
	start();
	CHECK_EQ(seen_cnt, 1);
	ledger_stats(ledger, &stats);
	CHECK_EQ(stats.corrupt, 3);
	struct settlement *settlement = must_ask();
	CHECK(sale_number(&settlement->payment) == 1);
	CHECK(next_asked(20) == NULL);
	sale_init(&sale, METHOD_EIP3009, 50, 60); /* and the ledger works */
	take_durably(&sale);
	stop();
	cleanup();
}

TEST(claim_lost_log_is_counted)
{
	struct ledger_stats stats;
	struct sale sale;
	char path[128];

	setup();
	start();
	sale_init(&sale, METHOD_UPTO, 1, 60);
	take_durably(&sale);
	stop();
	snprintf(path, sizeof path, "%s/wal", directory);
	CHECK_EQ(unlink(path), 0);
	expect_errors();
	config.recovered = note_recovered;
	start(); /* what was in the table is there */
	CHECK_EQ(seen[1].state, CLAIM_SETTLED);
	ledger_stats(ledger, &stats);
	CHECK_EQ(stats.corrupt, 1);
	restart();
	ledger_stats(ledger, &stats);
	CHECK_EQ(stats.corrupt, 0);
	stop();
	cleanup();
}

/* --- a log that lost commits --- */

struct file_copy {
	char path[128];
	uint8_t *at;
	size_t bytes;
};

static struct file_copy copy_file(const char *name)
{
	struct file_copy copy;

	snprintf(copy.path, sizeof copy.path, "%s/%s", directory, name);
	FILE *file = fopen(copy.path, "r");
	CHECK_NEED(file != NULL && fseek(file, 0, SEEK_END) == 0);
	copy.bytes = (size_t)ftell(file);
	copy.at = malloc(copy.bytes);
	rewind(file);
	CHECK_NEED(copy.at != NULL && fread(copy.at, 1, copy.bytes, file) == copy.bytes);
	fclose(file);
	return copy;
}

static void put_back_file(const struct file_copy *copy)
{
	FILE *file = fopen(copy->path, "w");

	CHECK_NEED(file != NULL && fwrite(copy->at, 1, copy->bytes, file) == copy->bytes);
	CHECK_EQ(fclose(file), 0);
}

/* Starts from these two files, as after a crash, and ends. */
static void see_files(const struct file_copy *table, const struct file_copy *log)
{
	put_back_file(table);
	put_back_file(log);
	memset(seen, 0, sizeof seen);
	config.recovered = note_recovered;
	start();
	CHECK(next_asked(50) == NULL);
	stop();
}

/* Settled, so its answer was served; then the disk forgets that it was. */
TEST(claim_taken_is_not_free_again_when_the_log_lost_commits)
{
	struct sale served, upto, last;
	struct claim_key *key = &served.permit.key;

	setup();
	start();
	sale_init(&upto, METHOD_UPTO, 3, 60);
	take_durably(&upto);
	sale_init(&served, METHOD_EIP3009, 1, 60);
	take_durably(&served);
	owe(&served, 1000);
	answer(must_ask(), CLAIM_SETTLED, "");
	CHECK(mailed(&served.settled));
	sale_init(&last, METHOD_PERMIT2, 2, 60);
	take_durably(&last);
	struct file_copy table = copy_file("data.mdb"), log = copy_file("wal");
	stop();
	see_files(&table, &log);
	CHECK(seen[1].state == CLAIM_SETTLED && seen[1].amount_due == 1000);
	CHECK_EQ(seen[2].state, CLAIM_RELEASED);

	size_t page = log.bytes / WAL_PAGE_BYTES - 1;
	while (page > 0 && log.at[page * WAL_PAGE_BYTES] == 0)
		page--;
	CHECK_NEED(page > 3); /* the last claim; before it: settled, settling, taken */
	log.at[(page - 1) * WAL_PAGE_BYTES + WAL_HEAD_BYTES + 100] ^= 1;
	log.at[(page - 2) * WAL_PAGE_BYTES + WAL_HEAD_BYTES + 100] ^= 1;
	expect_errors();
	see_files(&table, &log);
	for (uint64_t i = 1; i <= 3; i++)
		CHECK(seen[i].state == CLAIM_SETTLED && seen[i].amount_due == 0 && seen[i].records == 1);
	start(); /* by now the log is whole again, and nothing is released for that */
	CHECK_EQ(seen[1].state, CLAIM_SETTLED);
	CHECK(claim_seen(ledger, key) && claim_seen(ledger, &last.permit.key));
	stop();
	free(table.at);
	free(log.at);
	cleanup();
}

TEST(claim_foreign_journal_is_refused)
{
	struct ledger *second;
	struct store *store;

	setup();
	start();
	CHECK_EQ(ledger_open(&second, &config), -EBUSY);
	CHECK(second == NULL);
	stop();
	CHECK_NEED(store_open(&store, directory, 64 << 20) == 0);
	CHECK_EQ(store_begin(store), 0);
	CHECK_EQ(store_put(store, 0, "something else", 14), 0);
	CHECK_EQ(store_commit(store), 0);
	store_close(store);
	expect_errors();
	CHECK_EQ(ledger_open(&second, &config), -EPROTO);
	cleanup();
}

/* With a key's signature, with the longest, and with one in between: what comes back, and that nothing else does. */
static void check_record(size_t rest_bytes)
{
	uint8_t bytes[RECORD_BYTES_MAX];
	struct record record, back;
	struct sale sale;

	sale_init(&sale, METHOD_UPTO, 77, 60);
	sale.payment.signature_rest_bytes = (uint16_t)rest_bytes;
	memset(sale.payment.signature_rest, 0xa5, rest_bytes);
	record = record_of(&sale, 9, CLAIM_REFUSED, 999);
	record.has_transaction = true;
	record.transaction = word_of(3);
	snprintf(record.word, sizeof record.word, "some_reason");
	size_t record_bytes = record_encode(bytes, &record);
	CHECK_EQ(record_bytes, RECORD_BYTES + rest_bytes);
	CHECK(record_decode(&back, 9, span_of(bytes, record_bytes)));
	CHECK_BYTES(back.payment.nonce.at, record.payment.nonce.at, 32);
	CHECK_BYTES(back.payment.deadline.at, record.payment.deadline.at, 32);
	CHECK_BYTES(back.payment.signature, record.payment.signature, 65);
	CHECK_EQ(back.payment.signature_rest_bytes, rest_bytes);
	CHECK_BYTES(back.payment.signature_rest, record.payment.signature_rest, rest_bytes);
	CHECK(strcmp(back.word, record.word) == 0 && strcmp(back.offer.name, record.offer.name) == 0);
	CHECK_EQ(back.state, CLAIM_REFUSED);
	CHECK_EQ(back.deadline_s, record.deadline_s);
	CHECK_BYTES(&back.amount_due, &record.amount_due, 32);
	CHECK(!record_decode(&back, 10, span_of(bytes, record_bytes)));
	for (size_t n = 0; n < sizeof bytes; n++)
		CHECK(n == record_bytes || !record_decode(&back, 9, span_of(bytes, n)));
	for (size_t bit = 0; bit < record_bytes * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(!record_decode(&back, 9, span_of(bytes, record_bytes)));
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

TEST(claim_record_prefixes_and_bits)
{
	setup();
	check_record(0);
	check_record(65);
	check_record(SIGNATURE_BYTES_MAX - 65);
	cleanup();
}

/* A contract's signature is what the facilitator is sent, also by the next process. */
TEST(claim_long_signature_survives)
{
	struct settlement *settlement;
	struct sale sale;

	setup();
	start();
	sale_init(&sale, METHOD_EIP3009, 1, 60);
	sale.payment.signature_rest_bytes = SIGNATURE_BYTES_MAX - 65;
	for (size_t i = 0; i < SIGNATURE_BYTES_MAX - 65; i++)
		sale.payment.signature_rest[i] = (uint8_t)i;
	take_durably(&sale);
	owe(&sale, 1000);
	for (int i = 0; i < 2; i++) {
		settlement = must_ask();
		CHECK_EQ(settlement->payment.signature_rest_bytes, SIGNATURE_BYTES_MAX - 65);
		CHECK_BYTES(settlement->payment.signature, sale.payment.signature, 65);
		CHECK_BYTES(settlement->payment.signature_rest, sale.payment.signature_rest, SIGNATURE_BYTES_MAX - 65);
		if (i == 0)
			restart();
	}
	stop();
	cleanup();
}

/* Its records would all look damaged, and be forgotten. */
TEST(claim_journal_of_another_version_is_refused)
{
	static const unsigned versions[] = {1, RECORD_VERSION - 1, RECORD_VERSION + 1, RECORD_VERSION + 256};
	uint8_t front[RECORD_HEADER_BYTES];
	struct ledger *second;
	struct store *store;
	struct span value;

	setup();
	start();
	stop();
	expect_errors();
	for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
		memcpy(front, record_header, sizeof front);
		front[14] = (uint8_t)versions[i];
		front[15] = (uint8_t)(versions[i] >> 8);
		CHECK_EQ(record_header_version(span_of(front, sizeof front)), versions[i]);
		CHECK_EQ(record_header_version(span_of(front, sizeof front - 1)), 0);
		CHECK_NEED(store_open(&store, directory, 64 << 20) == 0);
		CHECK(store_begin(store) == 0 && store_put(store, 0, front, sizeof front) == 0);
		CHECK(store_put(store, 1, "old", 3) == 0 && store_commit(store) == 0);
		store_close(store);
		CHECK_EQ(ledger_open(&second, &config), -EPROTO);
		CHECK_NEED(store_open(&store, directory, 64 << 20) == 0);
		CHECK(store_begin(store) == 0 && store_get(store, 0, &value) == 0);
		CHECK(span_equal(value, span_of(front, sizeof front)) && store_get(store, 1, &value) == 0);
		store_abort(store);
		store_close(store);
	}
	cleanup();
}

/* --- no room --- */

TEST(claim_small_journal_refuses_and_makes_room)
{
	struct sale sale;
	uint64_t number = 0;
	enum reason reason;
	struct ledger_stats stats;

	setup();
	config.map_bytes_max = 512 << 10;
	config.claims_max = 8192;
	config.settlements_max = 1;
	expect_errors();
	start();
	for (;; number++) {
		sale_init(&sale, METHOD_UPTO, number, number < 200 ? -600 : 60);
		reason = take_sale(&sale);
		if (reason != REASON_OK)
			break;
		owe(&sale, 0);
		CHECK(mailed(&sale.durable));
		CHECK_EQ(sale.durable.error, 0);
		CHECK(mailed(&sale.settled));
	}
	CHECK_EQ(reason, LEDGER_FULL);
	/* 512 KiB hold about 440; the 200 that had expired made room as it went */
	CHECK(number > 500 && number < 900);
	ledger_stats(ledger, &stats);
	CHECK(stats.journal_full && !stats.store_down);
	CHECK_EQ(stats.commit_errors, 0);
	restart();
	for (uint64_t i = 200; i < number; i++)
		CHECK_EQ(seen[i].state, CLAIM_SETTLED);
	CHECK_EQ(take_sale(&sale), LEDGER_FULL);
	stop();
	cleanup();
}

TEST(claim_old_records_are_trimmed_but_never_open_ones)
{
	struct store *store;
	struct sale sale;
	struct span value;

	setup();
	config.settlements_max = 1;
	start();
	stop();
	CHECK_NEED(store_open(&store, directory, 64 << 20) == 0);
	CHECK_EQ(store_begin(store), 0);
	for (uint64_t id = 1; id <= 1000; id++) {
		sale_init(&sale, METHOD_EIP3009, id, id <= 900 ? -4000 : -3000);
		struct record record = record_of(&sale, id, id % 100 == 0 ? CLAIM_OWED : CLAIM_SETTLED, 1000);
		write_record(store, id, &record);
	}
	CHECK_EQ(store_commit(store), 0);
	store_close(store);
	start();
	ledger_stop_asking(ledger);
	usleep(200000);
	stop();
	CHECK_NEED(store_open(&store, directory, 64 << 20) == 0);
	CHECK_EQ(store_begin(store), 0);
	for (uint64_t id = 1; id <= 1000; id++)
		CHECK_EQ(store_get(store, id, &value), id > 900 || id % 100 == 0 ? 0 : -ENOENT);
	store_abort(store);
	store_close(store);
	cleanup();
}

/* Room is made from what is over; whether an expired one was paid somebody may still want to know. */
TEST(claim_expired_records_stay_also_when_room_is_short)
{
	struct ledger_stats stats;
	struct store *store;
	struct sale sale;
	struct span value;
	uint8_t bytes[RECORD_BYTES_MAX];

	setup();
	config.map_bytes_max = 512 << 10; /* more than three quarters are used */
	config.keep_s = 86400;
	start();
	stop();
	CHECK_NEED(store_open(&store, directory, config.map_bytes_max) == 0);
	CHECK_EQ(store_begin(store), 0);
	for (uint64_t id = 1; id <= 420; id++) {
		sale_init(&sale, METHOD_EIP3009, id, id == 2 ? -100000 : -1000);
		struct record record = record_of(&sale, id, id <= 4 ? CLAIM_EXPIRED : CLAIM_SETTLED, 1000);
		record_encode(bytes, &record);
		CHECK_EQ(store_append(store, id, bytes, RECORD_BYTES), 0); /* pages are full, as in life */
	}
	CHECK_EQ(store_commit(store), 0);
	store_close(store);
	expect_errors();
	start();
	for (int i = 0; i < 3000; i++) {
		ledger_stats(ledger, &stats);
		if (stats.unknown_expired == 3 && !stats.journal_full)
			break;
		usleep(1000);
	}
	CHECK_EQ(stats.unknown_expired, 3); /* one had been kept long enough */
	usleep(100000);
	stop();
	CHECK_NEED(store_open(&store, directory, config.map_bytes_max) == 0);
	CHECK_EQ(store_begin(store), 0);
	for (uint64_t id = 1; id <= 4; id++)
		CHECK_EQ(store_get(store, id, &value), id == 2 ? -ENOENT : 0);
	CHECK_EQ(store_get(store, 100, &value), -ENOENT);
	store_abort(store);
	store_close(store);
	cleanup();
}

CHECK_MAIN
