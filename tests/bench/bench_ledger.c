// SPDX-License-Identifier: Apache-2.0
/* What a durable claim costs, and a start with many of them:
 *
 *   claims_over_lmdb_txn   durable claims a second through the ledger, over LMDB with a synchronous transaction for each:
 *                          the same bytes under the same key, as a program does that asks its database "is it there?".
 *                          IN_FLIGHT claims are on their way at one time; each has been told to be on the disk
 *   restart_over_read      ledger_open with RESTART_CLAIMS claims that are still of use, after a kill, over reading its
 *                          files once, in pieces of 1 MiB.  The files are in the page cache; _cold: they are not
 *
 * RESTART_CLAIMS (default 1000000) in the environment.  Sides take turns; medians of per-round ratios. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <lmdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/u256.h"
#include "claim.h"
#include "claim_record.h"
#include "sys/store.h"

enum {
	ROUNDS = 7,
	CLAIMS = 20000, /* a round */
	TXNS = 100,	/* a round */
	IN_FLIGHT = 4096,
	RESTART_ROUNDS = 3,
	BATCH = 1024,
};

static char root[] = "/tmp/tollbar-bench-XXXXXX", directory[64];
static struct offer offer = {.name = "plain", .method = METHOD_EIP3009, .chain_id = 84532, .max_timeout_s = 3600};
static struct mailbox box;
static struct ledger *ledger;
static struct ledger_config config;
static uint64_t now_s;

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t cnt)
{
	qsort(values, cnt, sizeof *values, by_value);
	return values[cnt / 2];
}

/* --- claims --- */

struct sale {
	struct payment payment;
	struct permit permit;
	struct claim_wait durable;
};

/* Nonces as clients choose them: in no order. */
static void fill_payment(struct payment *payment, struct claim_key *key, uint64_t number)
{
	*payment = (struct payment){.version = 2, .method = METHOD_EIP3009, .amount = offer.amount};
	uint64_t state = number * 0x9e3779b97f4a7c15u + 1;
	for (size_t i = 0; i < sizeof payment->nonce.at; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		payment->nonce.at[i] = (uint8_t)(state >> 56);
		payment->signature[i] = (uint8_t)(state >> 48);
		payment->signature[32 + i] = (uint8_t)(state >> 40);
	}
	memset(payment->from.at, 0x42, sizeof payment->from.at);
	payment->to = offer.pay_to;
	payment->token = offer.asset;
	u256_from_u64(payment->deadline.at, now_s + offer.max_timeout_s);
	*key = (struct claim_key){
		.chain_id = offer.chain_id, .token = offer.asset, .from = payment->from, .nonce = payment->nonce};
}

static void make_sale(struct sale *sale, uint64_t number)
{
	fill_payment(&sale->payment, &sale->permit.key, number);
	sale->permit.offer = &offer;
	sale->permit.deadline_s = now_s + offer.max_timeout_s;
	sale->durable.box = &box;
}

static size_t take_mail(void)
{
	struct pollfd readable = {.fd = box.event_fd, .events = POLLIN};
	size_t cnt = 0;

	poll(&readable, 1, 1000);
	mailbox_clear(&box);
	for (struct mail *mail = mailbox_take(&box); mail != NULL; mail = mail->next, cnt++)
		ASSERT(((struct claim_wait *)mail)->error == 0);
	return cnt;
}

/* Claims a second, from the first that is taken until the last is on the disk. */
static double run_ledger(struct sale *sales)
{
	uint64_t from = clock_ns();

	for (size_t taken = 0, durable = 0; durable < CLAIMS;) {
		for (; taken < CLAIMS && taken - durable < IN_FLIGHT; taken++) {
			enum reason reason =
				claim_take(ledger, &sales[taken].permit, &sales[taken].payment, &sales[taken].durable);
			ASSERT(reason == REASON_OK);
		}
		durable += take_mail();
	}
	return CLAIMS * 1e9 / (double)(clock_ns() - from);
}

static struct {
	MDB_env *env;
	MDB_dbi table;
} plain;

static void open_plain(void)
{
	char path[96];
	MDB_txn *txn;

	snprintf(path, sizeof path, "%s/plain", root);
	bool made = mkdir(path, 0700) == 0 && mdb_env_create(&plain.env) == 0 &&
		    mdb_env_set_mapsize(plain.env, (size_t)1 << 30) == 0 &&
		    mdb_env_open(plain.env, path, 0, 0600) == 0 && mdb_txn_begin(plain.env, NULL, 0, &txn) == 0 &&
		    mdb_dbi_open(txn, NULL, 0, &plain.table) == 0 && mdb_txn_commit(txn) == 0;
	ASSERT(made);
}

static double run_plain(const struct sale *sales)
{
	static uint8_t record[RECORD_BYTES];
	_Static_assert(sizeof sales[0].payment >= sizeof record, "other bytes in each");
	uint64_t from = clock_ns();

	for (size_t i = 0; i < TXNS; i++) {
		MDB_txn *txn;
		struct claim_key key = sales[i].permit.key;
		MDB_val k = {sizeof key, &key}, v = {sizeof record, record};
		memcpy(record, &sales[i].payment, sizeof record);
		bool put = mdb_txn_begin(plain.env, NULL, 0, &txn) == 0 &&
			   mdb_put(txn, plain.table, &k, &v, MDB_NOOVERWRITE) == 0 && mdb_txn_commit(txn) == 0;
		ASSERT(put);
	}
	return TXNS * 1e9 / (double)(clock_ns() - from);
}

static void measure_claims(void)
{
	static double ratio[ROUNDS], ours[ROUNDS], theirs[ROUNDS];
	struct sale *sales = calloc(CLAIMS, sizeof *sales);
	int opened = ledger_open(&ledger, &config);

	ASSERT(sales != NULL && opened == 0);
	open_plain();
	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < CLAIMS; i++)
			make_sale(&sales[i], round * CLAIMS + i);
		if (round % 2 == 0)
			theirs[round] = run_plain(sales);
		ours[round] = run_ledger(sales);
		if (round % 2 == 1)
			theirs[round] = run_plain(sales);
		ratio[round] = ours[round] / theirs[round];
	}
	ledger_close(ledger);
	mdb_env_close(plain.env);
	free(sales);
	printf("claims_over_lmdb_txn %.1f\n", median(ratio, ROUNDS));
	printf("claims_over_lmdb_txn_ledger_rate %.0f\n", median(ours, ROUNDS));
	printf("claims_over_lmdb_txn_lmdb_rate %.0f\n", median(theirs, ROUNDS));
}

/* --- starts --- */

static void append_claim(struct store *store, uint64_t id)
{
	struct record record = {.id = id,
				.state = CLAIM_SETTLED,
				.taken_s = now_s,
				.changed_s = now_s,
				.deadline_s = now_s + offer.max_timeout_s,
				.offer = offer,
				.amount_due = offer.amount};
	uint8_t bytes[RECORD_BYTES_MAX];

	fill_payment(&record.payment, &record.key, id);
	record_encode(bytes, &record);
	int err = store_append(store, id, bytes, RECORD_BYTES);
	ASSERT(err == 0);
}

/* In a process that ends without closing anything, so that the log is full of the newest. */
static void make_claims(size_t cnt)
{
	int opened = ledger_open(&ledger, &config); /* the journal's header */

	ASSERT(opened == 0);
	ledger_close(ledger);
	pid_t child = fork();
	if (child == 0) {
		struct store *store;
		int err = store_open(&store, directory, config.map_bytes_max);
		for (uint64_t id = 1; err == 0 && id <= cnt;) {
			err = store_begin(store);
			for (uint64_t until = id + BATCH; err == 0 && id < until && id <= cnt; id++)
				append_claim(store, id);
			if (err == 0)
				err = store_commit(store);
		}
		_exit(err != 0);
	}
	int status;
	bool made = waitpid(child, &status, 0) == child && status == 0;
	ASSERT(made);
}

static const char *const names[] = {"data.mdb", "wal"};

static int open_file(size_t i)
{
	char path[96];

	snprintf(path, sizeof path, "%s/%s", directory, names[i]);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT(fd >= 0);
	return fd;
}

static void forget_pages(void)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int fd = open_file(i);
		bool forgotten = fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0;
		ASSERT(forgotten);
		close(fd);
	}
}

static double read_files(void)
{
	static uint8_t piece[1 << 20];
	uint64_t from = clock_ns();

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int fd = open_file(i);
		while (read(fd, piece, sizeof piece) > 0)
			;
		close(fd);
	}
	return (double)(clock_ns() - from) / 1e9;
}

/* A ledger that was opened and is killed leaves the files as they were. */
static double start_ledger(size_t cnt)
{
	struct ledger_stats stats;
	uint64_t from = clock_ns();
	int opened = ledger_open(&ledger, &config);
	double seconds = (double)(clock_ns() - from) / 1e9;

	ASSERT(opened == 0);
	ledger_stats(ledger, &stats);
	ASSERT(stats.by_state[CLAIM_SETTLED] == cnt && stats.corrupt == 0);
	return seconds;
}

static double in_child(double (*run)(size_t cnt), size_t cnt)
{
	double seconds = 0;
	int fds[2], status, piped = pipe(fds);

	ASSERT(piped == 0);
	pid_t child = fork();
	if (child == 0) {
		seconds = run(cnt);
		_exit(write(fds[1], &seconds, sizeof seconds) != sizeof seconds);
	}
	bool ran = waitpid(child, &status, 0) == child && status == 0 &&
		   read(fds[0], &seconds, sizeof seconds) == sizeof seconds;
	ASSERT(ran);
	close(fds[0]);
	close(fds[1]);
	return seconds;
}

static void measure_start(size_t cnt, bool cold)
{
	static double ratio[RESTART_ROUNDS], ours[RESTART_ROUNDS], theirs[RESTART_ROUNDS];
	const char *suffix = cold ? "_cold" : "";

	for (size_t round = 0; round < RESTART_ROUNDS; round++) {
		if (cold)
			forget_pages();
		theirs[round] = read_files();
		if (cold)
			forget_pages();
		ours[round] = in_child(start_ledger, cnt);
		ratio[round] = ours[round] / theirs[round];
	}
	printf("restart_over_read%s %.2f\n", suffix, median(ratio, RESTART_ROUNDS));
	printf("restart_over_read%s_start_s %.3f\n", suffix, median(ours, RESTART_ROUNDS));
	printf("restart_over_read%s_read_s %.3f\n", suffix, median(theirs, RESTART_ROUNDS));
}

static void submit_nothing(void *ctx, struct settlement *settlement)
{
	abort(); /* nothing is owed here */
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	return remove(path);
}

int main(void)
{
	const char *words = getenv("RESTART_CLAIMS");
	size_t cnt = words == NULL ? 1000000 : strtoul(words, NULL, 10);

	bool made = mkdtemp(root) != NULL && mailbox_init(&box) == 0;
	ASSERT(made);
	snprintf(directory, sizeof directory, "%s/ledger", root);
	u256_from_u64(offer.amount.at, 10000);
	memset(offer.asset.at, 0x33, sizeof offer.asset.at);
	now_s = clock_unix_s();
	log_level = LOG_ERROR;
	config = (struct ledger_config){.directory = directory,
					.claims_max = cnt > ROUNDS * CLAIMS ? cnt : ROUNDS * CLAIMS,
					.map_bytes_max = (size_t)2 << 30,
					.settlements_max = 1,
					.keep_s = 86400,
					.submit = submit_nothing};
	measure_claims();
	nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	make_claims(cnt);
	measure_start(cnt, false);
	measure_start(cnt, true);
	mailbox_fini(&box);
	nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}
