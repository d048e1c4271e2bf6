/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_CLAIM_FIXTURE_H
#define TOLLBAR_TESTS_CLAIM_FIXTURE_H
/* claim_fixture.h: a ledger in a directory of its own, payments told apart by a number, and the two mailboxes that
 * stand for the worker and the settlement thread.  For the test_claim*.c files. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/u256.h"
#include "check.h"
#include "claim.h"
#include "claim_ledger.h"

/* --- a ledger in a directory of its own --- */

static char root[64], directory[96];
static struct ledger *ledger;
static struct mailbox box;	/* the worker's */
static struct mailbox asked;	/* settlements as the settlement thread gets them */
static struct mail *untaken[2]; /* out of the mailbox, not asked for yet: box, asked */
static struct ledger_config config;

static int stderr_copy = -1;

static struct offer offers[4] = {
	[METHOD_EIP3009] = {.name = "plain", .method = METHOD_EIP3009, .chain_id = 84532, .max_timeout_s = 60},
	[METHOD_PERMIT2] = {.name = "permit", .method = METHOD_PERMIT2, .chain_id = 84532, .max_timeout_s = 60},
	[METHOD_UPTO] = {.name = "tokens", .method = METHOD_UPTO, .chain_id = 8453, .max_timeout_s = 60},
};

static inline void collect(void *ctx, struct settlement *settlement)
{
	mailbox_push(ctx, &settlement->mail);
}

static inline void setup(void)
{
	/* Memory where there is some: these tests are of processes that die, not of machines. */
	snprintf(root, sizeof root, "%s/tollbar-claim-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK_NEED(mkdtemp(root) != NULL);
	snprintf(directory, sizeof directory, "%s/ledger", root);
	CHECK_EQ(mailbox_init(&box), 0);
	CHECK_EQ(mailbox_init(&asked), 0);
	for (int i = METHOD_EIP3009; i <= METHOD_UPTO; i++)
		u256_from_u64(offers[i].amount.at, 1000);
	config = (struct ledger_config){
		.directory = directory,
		.claims_max = 1024,
		.map_bytes_max = 64 << 20,
		.settlements_max = 8,
		.keep_s = 3600,
		.submit = collect,
		.submit_ctx = &asked,
	};
	ledger_backoff_ms = 1000;
	log_level = LOG_ERROR;
}

/* The ledger will say what is wrong, as it should: not on the terminal. */
static inline void expect_errors(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	stderr_copy = dup(STDERR_FILENO);
	CHECK(null >= 0 && stderr_copy >= 0 && dup2(null, STDERR_FILENO) >= 0);
	close(null);
}

static inline void start(void)
{
	CHECK_NEED(ledger_open(&ledger, &config) == 0);
}

static inline void stop(void)
{
	ledger_stop_asking(ledger);
	mailbox_take(&asked); /* what is lent goes with the ledger */
	untaken[0] = untaken[1] = NULL;
	ledger_close(ledger);
	ledger = NULL;
}

static inline void remove_journal(void)
{
	static const char *const names[] = {"data.mdb", "lock", "wal", "wal.damaged"};
	char path[128];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", directory, names[i]);
		unlink(path);
	}
}

static inline void cleanup(void)
{
	remove_journal();
	rmdir(directory);
	CHECK_EQ(rmdir(root), 0);
	mailbox_fini(&box);
	mailbox_fini(&asked);
	if (stderr_copy >= 0) {
		dup2(stderr_copy, STDERR_FILENO);
		close(stderr_copy);
		stderr_copy = -1;
	}
	log_level = LOG_INFO;
}

static inline struct mail *next_mail(struct mailbox *from, int timeout_ms)
{
	struct mail **have = &untaken[from == &asked];
	uint64_t until_ns = clock_ns() + (uint64_t)timeout_ms * 1000000;

	while (*have == NULL) {
		struct pollfd fd = {.fd = from->event_fd, .events = POLLIN};
		mailbox_clear(from);
		*have = mailbox_take(from);
		uint64_t now_ns = clock_ns();
		if (*have == NULL && now_ns >= until_ns)
			return NULL;
		if (*have == NULL)
			poll(&fd, 1, (int)((until_ns - now_ns) / 1000000) + 1);
	}
	struct mail *mail = *have;
	*have = mail->next;
	return mail;
}

static inline bool mailed(struct claim_wait *wait)
{
	return next_mail(&box, 5000) == &wait->mail;
}

static inline struct settlement *next_asked(int timeout_ms)
{
	return (struct settlement *)next_mail(&asked, timeout_ms);
}

static inline struct settlement *must_ask(void)
{
	struct settlement *settlement = next_asked(5000);

	CHECK_NEED(settlement != NULL);
	return settlement;
}

/* --- payments, told apart by a number --- */

struct sale {
	struct payment payment;
	struct permit permit;
	struct claim_wait durable, settled;
};

static inline void sale_init(struct sale *sale, enum method method, uint64_t number, int64_t expires_in_s)
{
	*sale = (struct sale){.durable.box = &box, .settled.box = &box};
	sale->payment.version = 2;
	sale->payment.method = (uint8_t)method;
	memset(&sale->payment.from, 0x11, sizeof sale->payment.from);
	u256_from_u64(sale->payment.nonce.at, number);
	sale->permit.offer = &offers[method];
	sale->permit.deadline_s = clock_unix_s() + (uint64_t)expires_in_s;
	u256_from_u64(sale->payment.deadline.at, sale->permit.deadline_s);
	sale->payment.amount = offers[method].amount;
	sale->permit.key = (struct claim_key){
		.chain_id = offers[method].chain_id, .from = sale->payment.from, .nonce = sale->payment.nonce};
	memset(sale->payment.signature, 0x5a, sizeof sale->payment.signature);
}

static uint64_t sale_number(const struct payment *payment)
{
	uint64_t number = 0;

	CHECK(u256_to_u64(&number, payment->nonce.at));
	return number;
}

static inline struct word word_of(uint64_t number)
{
	struct word word = {{0}};

	u256_from_u64(word.at, number);
	return word;
}

static inline enum reason take_sale(struct sale *sale)
{
	return claim_take(ledger, &sale->permit, &sale->payment, &sale->durable);
}

/* Takes it and waits until it is durable. */
static inline void take_durably(struct sale *sale)
{
	CHECK_EQ(take_sale(sale), REASON_OK);
	CHECK(mailed(&sale->durable));
	CHECK_EQ(sale->durable.error, 0);
}

static inline void owe(struct sale *sale, uint64_t amount)
{
	struct word due = word_of(amount);

	CHECK_NEED(sale->durable.claim != NULL);
	claim_owe(ledger, sale->durable.claim, &due, &sale->settled, NULL);
}

static inline void release(struct sale *sale)
{
	CHECK_NEED(sale->durable.claim != NULL);
	claim_release(ledger, sale->durable.claim);
}

static inline void answer(struct settlement *settlement, enum claim_state outcome, const char *word)
{
	settlement->outcome = outcome;
	settlement->not_sent = false;
	settlement->has_transaction = outcome == CLAIM_SETTLED;
	settlement->transaction = word_of(0x1234);
	snprintf(settlement->word, sizeof settlement->word, "%s", word);
	ledger_settled(ledger, settlement);
}

static uint64_t in_state(enum claim_state state)
{
	struct ledger_stats stats;

	ledger_stats(ledger, &stats);
	return stats.by_state[state];
}

/* Gauges move just before or after the mail that tells: give them a moment. */
static inline bool comes_to(enum claim_state state, uint64_t cnt)
{
	for (int i = 0; i < 2000 && in_state(state) != cnt; i++)
		usleep(1000);
	return in_state(state) == cnt;
}

/* --- what is on disk, seen at the next start --- */

#define SEEN_MAX 32768
static struct {
	uint8_t state; /* of the newest record of that number */
	uint8_t records;
	uint64_t amount_due;
} seen[SEEN_MAX];
static uint64_t seen_cnt;

static inline void note_recovered(void *ctx, const struct payment *payment, const struct offer *offer,
				  enum claim_state state, const struct word *amount_due, uint64_t taken_s)
{
	uint64_t number = sale_number(payment);

	CHECK(number < SEEN_MAX && offer->method == payment->method && taken_s > 0);
	CHECK(u256_compare(amount_due->at, offer->amount.at) <= 0);
	seen[number].state = (uint8_t)state;
	CHECK(u256_to_u64(&seen[number].amount_due, amount_due->at));
	seen[number].records++;
	seen_cnt++;
}

static inline void restart(void)
{
	stop();
	memset(seen, 0, sizeof seen);
	seen_cnt = 0;
	config.recovered = note_recovered;
	start();
}

#endif
