/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_FUNDS_FIXTURE_H
#define TOLLBAR_TESTS_FUNDS_FIXTURE_H
/* funds_fixture.h: the funds step over a scripted node (rpc_fixture.h), and one payment put to it as the gate does.  For the
 * test_funds*.c files that include user/funds.c. */
#include "rpc_fixture.h"

static struct config config; /* one chain, one offer of each method */
static struct funds *funds;
static struct mailbox box;
static struct payment payment;
static struct word digest;

static inline void fill_offer(struct offer *offer, uint8_t method)
{
	*offer = (struct offer){.method = method, .chain_id = 84532, .max_timeout_s = 60};
	memset(&offer->asset, 0x33, sizeof offer->asset);
	u256_from_u64(offer->amount.at, 10);
	snprintf(offer->name, sizeof offer->name, "offer%u", method);
	snprintf(offer->token_name, sizeof offer->token_name, "Toll");
	snprintf(offer->token_version, sizeof offer->token_version, "2");
	offer->domain_separator = node.separator;
}

static inline void pay_by(uint8_t method)
{
	payment = (struct payment){.method = method};
	memset(&payment.from, 0x11, sizeof payment.from);
	payment.nonce.at[31] = 7;
	u256_from_u64(payment.deadline.at, clock_unix_s() + 60);
}

static inline void script(bool multicall3)
{
	node.balance = 1000;
	node.allowance = 1000;
	node.nonce_used = node.nonce_reverts = node.signature_holds = node.has_code = false;
	node.wrong_separator = node.no_asset = false;
	node.multicall3 = multicall3;
	node.chain_id = 84532;
	node.views = node.nonces = node.signatures = 0;
	memset(&node.separator, 0x77, sizeof node.separator);
	snprintf(node.name, sizeof node.name, "Toll");
	snprintf(node.version, sizeof node.version, "2");
	config = (struct config){.chain_cnt = 1, .offer_cnt = 3};
	config.chains[0] = (struct config_chain){.name = "test",
						 .chain_id = 84532,
						 .funds = FUNDS_CACHED,
						 .max_age_s = 30,
						 .suspect_s = 60,
						 .timeout_ms = 300,
						 .in_flight = 1,
						 .batch = 4};
	for (uint8_t method = METHOD_EIP3009; method <= METHOD_UPTO; method++)
		fill_offer(&config.offers[method - 1], method);
	http_start("");
	http.answer = rpc_answer_to;
	snprintf(config.chains[0].rpc, sizeof config.chains[0].rpc, "http://127.0.0.1:%u", http.port);
	asker_down_ms = 100;
	log_level = LOG_ERROR; /* the ways to fail are many */
	CHECK_EQ(mailbox_init(&box), 0);
	pay_by(METHOD_EIP3009);
}

static inline void unscript(void)
{
	funds_close(funds);
	funds = NULL;
	http_stop();
	http.answer = NULL;
	mailbox_fini(&box);
}

static inline void begin(bool multicall3)
{
	script(multicall3);
	CHECK_EQ(funds_open(&funds, &config), 0);
}

static inline void wait_mail(struct funds_wait *wait)
{
	for (struct mail *mail = NULL; mail == NULL;) {
		struct pollfd readable = {.fd = box.event_fd, .events = POLLIN};
		CHECK_NEED(poll(&readable, 1, 5000) == 1);
		mailbox_clear(&box);
		mail = mailbox_take(&box);
		CHECK_NEED(mail == NULL || mail == &wait->question.mail);
	}
}

/* As the gate does it: until something is decided. */
static inline enum reason decide(struct funds_wait *wait, enum funds_way *way)
{
	enum reason reason;
	unsigned turns = 0;

	*wait = (struct funds_wait){.question = {.box = &box}};
	do {
		reason = funds_hold(funds, wait, way, &payment, &config.offers[payment.method - 1],
				    &config.offers[0].amount, &digest);
		if (wait->waiting)
			wait_mail(wait);
		CHECK_NEED(turns++ < 4);
	} while (wait->waiting);
	return reason;
}

static inline void expect(enum reason want, enum funds_way want_way)
{
	struct funds_wait wait;
	enum funds_way way;
	enum reason reason = decide(&wait, &way);

	CHECK_EQ(reason, want);
	CHECK(reason != REASON_OK || way == want_way);
	CHECK_EQ(wait.hold.held, reason == REASON_OK);
	funds_release(funds, &wait);
}

#define FOR_BOTH(multicall3) for (int multicall3 = 0; multicall3 < 2; multicall3++)

#endif
