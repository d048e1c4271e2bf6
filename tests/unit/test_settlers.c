// SPDX-License-Identifier: Apache-2.0
/* test_settlers.c: two facilitators, one of which is down: who is picked, and who is asked. */
#include "../../user/settlers.c"

#include "base/clock.h"
#include "http_fixture.h"
#include "settle_fixture.h"

static struct config config; /* large */
static struct settlers *settlers;
static struct mailbox done_box;

static void collect(void *ctx, struct settlement *settlement)
{
	mailbox_push(ctx, &settlement->mail);
}

/* Facilitator 0 is at a port where nobody listens, 1 answers; offer 0 names both, offer 1 the second alone. */
static void start(const char *body)
{
	struct sockaddr_in none = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof none;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	log_level = LOG_ERROR;
	CHECK(bind(fd, (struct sockaddr *)&none, bytes) == 0 && getsockname(fd, (struct sockaddr *)&none, &bytes) == 0);
	close(fd);
	http_start(body);
	memset(&config, 0, sizeof config);
	config.facilitator = (struct config_facilitator){.timeout_ms = 2000, .in_flight = 2};
	config.alternates[0] = (struct config_facilitator){.name = "spare", .timeout_ms = 2000, .in_flight = 3};
	snprintf(config.facilitator.url, sizeof config.facilitator.url, "http://127.0.0.1:%u", ntohs(none.sin_port));
	snprintf(config.alternates[0].url, sizeof config.alternates[0].url, "http://127.0.0.1:%u/spare", http.port);
	config.alternates[0].settle_data = true;
	config.alternate_cnt = 1;
	config.offer_cnt = 2;
	config.offers[0] = (struct offer){.name = "both", .settle_by = {0, 1}, .settle_by_cnt = 2};
	config.offers[1] = (struct offer){.name = "spare-only", .settle_by = {1}, .settle_by_cnt = 1};
	CHECK_EQ(mailbox_init(&done_box), 0);
	struct settlers_config with = {.config = &config, .done = collect, .done_ctx = &done_box};
	CHECK_NEED(settlers_start(&settlers, &with) == 0);
}

static void stop(void)
{
	settlers_stop(settlers);
	settlers_free(settlers);
	http_stop();
	mailbox_fini(&done_box);
}

static void ask(struct settlement *settlement, uint64_t facilitator)
{
	struct mail *mail = NULL;

	fill(settlement, METHOD_EIP3009, 2);
	settlement->facilitator = facilitator;
	settlers_submit(settlers, settlement);
	for (uint64_t until_ns = clock_ns() + 5000000000u; mail == NULL && clock_ns() < until_ns;) {
		struct pollfd pfd = {.fd = done_box.event_fd, .events = POLLIN};
		poll(&pfd, 1, 100);
		mailbox_clear(&done_box);
		mail = mailbox_take(&done_box);
	}
	CHECK_NEED(mail == &settlement->mail);
}

TEST(the_first_that_is_up_is_picked)
{
	struct settlement settlement;
	struct settle_stats stats;
	struct offer gone = {.name = "gone"};
	bool up = false;

	start("{\"success\":true}");
	uint64_t first = settlers_pick(settlers, &config.offers[0], &up);
	uint64_t spare = settlers_pick(settlers, &config.offers[1], &up);
	CHECK(up && first != 0 && spare != 0 && first != spare);
	CHECK_EQ(settlers_pick(settlers, &gone, &up), first);
	CHECK_EQ(settlers_in_flight(&config), 5);
	struct offer first_only = {.settle_by_cnt = 1};
	CHECK(settlers_data(settlers, &config.offers[0]) == settlers->each[1]);
	CHECK(settlers_data(settlers, &config.offers[1]) == settlers->each[1]);
	CHECK(settlers_data(settlers, &first_only) == NULL);
	ask(&settlement, first);
	CHECK(settlement.outcome == CLAIM_UNKNOWN && settlement.not_sent);
	CHECK_EQ(settlers_pick(settlers, &config.offers[0], &up), spare);
	CHECK(up);
	CHECK_EQ(settlers_pick(settlers, &gone, &up), first);
	CHECK(!up);
	ask(&settlement, spare);
	CHECK_EQ(settlement.outcome, CLAIM_SETTLED);
	CHECK(strncmp(http_last(), "POST /spare/settle ", 19) == 0);
	http.status = 503; /* now neither is */
	ask(&settlement, spare);
	CHECK(settlement.outcome == CLAIM_UNKNOWN && !settlement.not_sent);
	CHECK_EQ(settlers_pick(settlers, &config.offers[0], &up), first);
	CHECK(!up);
	http.status = 200; /* any answer of its own says that it is back */
	http.body = "{\"success\":false,\"errorReason\":\"no\"}";
	ask(&settlement, spare);
	CHECK_EQ(settlement.outcome, CLAIM_REFUSED);
	CHECK_EQ(settlers_pick(settlers, &config.offers[0], &up), spare);
	CHECK(up);
	settlers_stats(settlers, &stats);
	CHECK(stats.asked == 4 && stats.settled == 1 && stats.refused == 1 && stats.unknown == 2);
	stop();
}

TEST(one_that_left_is_not_asked_and_nobody_in_its_place)
{
	struct settlement settlement;

	start("{\"success\":true}");
	ask(&settlement, 12345);
	CHECK(settlement.outcome == CLAIM_UNKNOWN && settlement.not_sent && !settlement.pending);
	CHECK(strcmp(settlement.word, "facilitator_removed") == 0);
	CHECK_EQ(http.requests, 0);
	stop();
}

/* The ledger still looks for another one while it closes. */
TEST(after_the_end_nobody_is_up)
{
	bool up;

	start("{}");
	uint64_t spare = settlers_pick(settlers, &config.offers[1], &up);
	CHECK(up);
	settlers_stop(settlers);
	CHECK_EQ(settlers_pick(settlers, &config.offers[1], &up), spare);
	CHECK(!up);
	settlers_free(settlers);
	http_stop();
	mailbox_fini(&done_box);
}

TEST(names_and_not_places_or_urls_tell_them_apart)
{
	bool up;

	start("{}");
	uint64_t spare = settlers_pick(settlers, &config.offers[1], &up);
	stop();
	start("{}");
	settlers_stop(settlers);
	settlers_free(settlers);
	config.alternates[1] = config.alternates[0];
	snprintf(config.alternates[0].name, sizeof config.alternates[0].name, "new");
	snprintf(config.alternates[1].url, sizeof config.alternates[1].url, "http://127.0.0.1:1");
	config.alternate_cnt = 2;
	config.offers[1].settle_by[0] = 2;
	struct settlers_config with = {.config = &config, .done = collect, .done_ctx = &done_box};
	CHECK_NEED(settlers_start(&settlers, &with) == 0);
	CHECK_EQ(settlers_pick(settlers, &config.offers[1], &up), spare);
	stop();
}

TEST(one_that_cannot_start_stops_the_others)
{
	struct settlers_config with = {.config = &config, .done = collect, .done_ctx = &done_box};

	start("{}");
	settlers_stop(settlers);
	settlers_free(settlers);
	config.alternates[0].in_flight = 0;
	settlers = (struct settlers *)1;
	log_level = LOG_ERROR - 1;
	CHECK_EQ(settlers_start(&settlers, &with), -EINVAL);
	CHECK(settlers == NULL);
	http_stop();
	mailbox_fini(&done_box);
}

CHECK_MAIN
