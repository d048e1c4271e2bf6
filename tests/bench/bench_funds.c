// SPDX-License-Identifier: Apache-2.0
/* What looking at a payer's funds costs a paid request:
 *
 *   funds_hit_over_recover   a payment of a payer whose funds are known: held and given back, over what libsecp256k1 takes to
 *                            recover its signer
 *   rpc_per_1000             HTTP requests to the node for 1,000 payments of 100 busy payers in turns, 1,000 a second, at
 *                            the default settings, the first payment of each included
 *   rpc_per_1000_slow        the same at 100 payments a second, one of each payer
 *   rpc_per_1000_single      the first for a chain without Multicall3
 *   ..._calls                contract calls and code lookups in those requests
 *
 * The node is a thread of this process that answers well, after 20 ms, as one across a town does.  Times are this
 * thread's CPU time, of 100 payers in turns so that no one's account stays in the nearest cache; sides alternate;
 * medians. */
#include "funds.c"

#include <secp256k1_recovery.h>
#include <time.h>

#include "../unit/rpc_fixture.h"

#define ROUNDS 41
#define BATCH 1000
#define PAYERS 100

static struct config config;
static struct funds *funds;
static struct mailbox box;
static struct payment payments[PAYERS];
static struct word digest;

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), by_value);
	return values[ROUNDS / 2];
}

/* --- one payment --- */

static void hold(struct payment *payment)
{
	struct funds_wait wait = {.question = {.box = &box}};
	enum funds_way way;
	enum reason reason =
		funds_hold(funds, &wait, &way, payment, &config.offers[0], &config.offers[0].amount, &digest);

	while (wait.waiting) {
		struct pollfd readable = {.fd = box.event_fd, .events = POLLIN};
		poll(&readable, 1, 1000);
		mailbox_clear(&box);
		if (mailbox_take(&box) != NULL)
			reason = funds_hold(funds, &wait, &way, payment, &config.offers[0], &config.offers[0].amount,
					    &digest);
	}
	ASSERT(reason == REASON_OK && wait.hold.held);
	funds_release(funds, &wait);
}

static double hit_ns(void)
{
	double from = cpu_ns();

	for (unsigned i = 0; i < BATCH; i++)
		hold(&payments[i % PAYERS]);
	return (cpu_ns() - from) / BATCH;
}

/* --- what it is measured against --- */

static secp256k1_context *secp;
static secp256k1_ecdsa_recoverable_signature signature;

static void sign(void)
{
	static const uint8_t key[32] = {[31] = 42};

	secp = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
	ASSERT(secp != NULL && secp256k1_ecdsa_sign_recoverable(secp, &signature, digest.at, key, NULL, NULL));
}

static double recover_ns(void)
{
	secp256k1_pubkey signer;
	double from = cpu_ns();

	for (unsigned i = 0; i < BATCH / 10; i++) {
		int good = secp256k1_ecdsa_recover(secp, &signer, &signature, digest.at);
		ASSERT(good);
	}
	return (cpu_ns() - from) / (BATCH / 10.0);
}

/* --- the node --- */

static void open_to(bool multicall3, unsigned max_age_s)
{
	node.balance = node.allowance = 1000000000;
	node.chain_id = 84532;
	node.multicall3 = multicall3;
	snprintf(node.name, sizeof node.name, "Toll");
	snprintf(node.version, sizeof node.version, "2");
	config = (struct config){.chain_cnt = 1, .offer_cnt = 1};
	config.offers[0] =
		(struct offer){.method = METHOD_EIP3009, .chain_id = 84532, .token_name = "Toll", .token_version = "2"};
	memset(&config.offers[0].asset, 0x33, sizeof config.offers[0].asset);
	u256_from_u64(config.offers[0].amount.at, 10);
	config.chains[0] = (struct config_chain){.name = "bench",
						 .chain_id = 84532,
						 .funds = FUNDS_CACHED,
						 .max_age_s = max_age_s,
						 .lag_s = 5,
						 .timeout_ms = 2000,
						 .in_flight = 4,
						 .batch = 32};
	http_start("");
	http.answer = rpc_answer_to;
	http.mode = HTTP_SLOW;
	http.delay_ms = 20;
	snprintf(config.chains[0].rpc, sizeof config.chains[0].rpc, "http://127.0.0.1:%u", http.port);
	int error = funds_open(&funds, &config);
	ASSERT(error == 0);
}

static void close_all(void)
{
	funds_close(funds);
	http_stop();
}

static void measure_hit(void)
{
	static double hit[ROUNDS], recover[ROUNDS], ratio[ROUNDS];

	open_to(true, 3600);
	hit_ns(); /* everybody is known from here on */
	for (unsigned round = 0; round < ROUNDS; round++) {
		hit[round] = hit_ns();
		recover[round] = recover_ns();
		ratio[round] = hit[round] / recover[round];
	}
	printf("funds_hit_over_recover %.4f\nfunds_hit_ns %.0f\nfunds_recover_ns %.0f\n", median(ratio), median(hit),
	       median(recover));
	close_all();
}

/* --- how often the node is asked --- */

static struct funds_wait waits[PAYERS];
static unsigned held;

static void go_on(struct funds_wait *wait)
{
	enum funds_way way;
	unsigned payer = (unsigned)(wait - waits);
	enum reason reason =
		funds_hold(funds, wait, &way, &payments[payer], &config.offers[0], &config.offers[0].amount, &digest);

	ASSERT(reason == REASON_OK);
	if (wait->waiting)
		return;
	funds_release(funds, wait);
	funds_reset(wait);
	held++;
}

static void take_answers(unsigned wait_us)
{
	usleep(wait_us);
	mailbox_clear(&box);
	for (struct mail *mail = mailbox_take(&box), *next; mail != NULL; mail = next) {
		next = mail->next;
		go_on((struct funds_wait *)mail); /* its first member's first */
	}
}

/* per_s payments a second for `seconds`, by the payers in turns; one who waits for the chain pays when it has answered. */
static void measure_rpc(const char *name, bool multicall3, unsigned per_s, unsigned seconds)
{
	struct funds_stats stats;

	open_to(multicall3, 30);
	held = 0;
	for (unsigned i = 0; i < PAYERS; i++)
		waits[i] = (struct funds_wait){.question = {.box = &box}};
	uint64_t before = (uint64_t)http.requests, from_ms = now_ms();
	for (unsigned turn = 0; turn < seconds * per_s; turn++) {
		while ((now_ms() - from_ms) * per_s < turn * UINT64_C(1000))
			take_answers(200);
		if (!waits[turn % PAYERS].waiting)
			go_on(&waits[turn % PAYERS]);
	}
	funds_stats(funds, &stats);
	printf("%s %.2f\n", name, (double)((uint64_t)http.requests - before) * 1000 / held);
	printf("%s_calls %.1f\n", name, (double)stats.chains[0].asker.calls * 1000 / held);
	close_all();
	mailbox_clear(&box);
	(void)mailbox_take(&box);
}

int main(void)
{
	asker_down_ms = 1000;
	log_level = LOG_ERROR;
	ASSERT(mailbox_init(&box) == 0);
	memset(&digest, 0x5a, sizeof digest);
	sign();
	for (unsigned i = 0; i < PAYERS; i++) {
		payments[i] = (struct payment){.method = METHOD_EIP3009};
		payments[i].from.at[0] = 1;
		payments[i].from.at[19] = (uint8_t)i;
	}
	measure_hit();
	measure_rpc("rpc_per_1000", true, 1000, 40);
	measure_rpc("rpc_per_1000_slow", true, 100, 40);
	measure_rpc("rpc_per_1000_single", false, 1000, 20);
	secp256k1_context_destroy(secp);
	mailbox_fini(&box);
	return 0;
}
