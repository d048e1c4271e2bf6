// SPDX-License-Identifier: Apache-2.0
#include "rates.c"

#include <stdio.h>

#include "admin.h"
#include "check.h"

static char out[RATES_BYTES_MAX], json[ADMIN_TEXT_BYTES_MAX];
static struct admin_view view; /* 100 KiB */

/* By way of the JSON a daemon would serve. */
static struct rates look(uint64_t time_ns)
{
	struct rates rates;
	size_t bytes = admin_status(json, sizeof json, &view);

	CHECK(bytes > 0 && rates_of_status(&rates, span_of(json, bytes)));
	rates.time_ns = time_ns;
	return rates;
}

static void fill_view(void)
{
	memset(&view, 0, sizeof view);
	view.loop = "io_uring";
	view.sandbox = "on";
	view.kernel.attached = true;
	snprintf(view.kernel.interface, sizeof view.kernel.interface, "eth0");
	view.kernel.packets[PASS_OPEN] = 1000;
	view.kernel.packets[SYN_COOKIE] = 300;
	view.kernel.observed[SYN_COOKIE] = 40;
	view.kernel.packets[TCP_FLAGS] = 70;
	view.kernel.packets[RATE] = 30;
	view.kernel.observed[RATE] = 10;
	view.total.requests = 500;
	view.total.verified = 400;
	view.total.served = 390;
	view.total.refused[REPLAYED] = 9;
	view.total.refused[HTTP_BAD] = 1;
}

TEST(the_rates_of_everything)
{
	struct rates before, after;

	fill_view();
	before = look(1000000000);
	view.kernel.packets[PASS_OPEN] += 100;
	view.kernel.packets[TCP_FLAGS] += 1;
	view.kernel.packets[RATE] += 5;
	view.kernel.observed[RATE] += 5;
	view.total.requests += 50;
	view.total.refused[REPLAYED] += 11;
	after = look(3000000000);
	CHECK(rates_text(out, sizeof out, &before, &after) > 0);
	CHECK_ROW(strcmp(out, "eth0                             a second            total\n"
			      "packets passed                       50.0             1100\n"
			      "  pass_open                          50.0             1100\n"
			      "packets answered                      0.0              260\n"
			      "  syn_cookie                          0.0              260\n"
			      "packets dropped                       0.5               91\n"
			      "  tcp_flags                           0.5               71\n"
			      "  rate                                0.0               20\n"
			      "packets observed                      2.5               55\n"
			      "  syn_cookie                          0.0               40\n"
			      "  rate                                2.5               15\n"
			      "requests\n"
			      "  begun                              25.0              550\n"
			      "  verified                            0.0              400\n"
			      "  served                              0.0              390\n"
			      "requests refused                      5.5               21\n"
			      "  http_bad                            0.0                1\n"
			      "  replayed                            5.5               20\n") == 0,
		  out);
}

TEST(the_kernel_alone_says_the_same)
{
	struct tollbar_counters counters = {0};
	struct rates of_status, of_kernel;

	fill_view();
	of_status = look(0);
	memcpy(counters.packets, view.kernel.packets, sizeof counters.packets);
	memcpy(counters.observed, view.kernel.observed, sizeof counters.observed);
	rates_of_kernel(&of_kernel, &counters, "eth0");
	CHECK_BYTES(of_kernel.reasons, of_status.reasons, TOLLBAR_REASON_CNT * sizeof *of_kernel.reasons);
	CHECK_BYTES(of_kernel.observed, of_status.observed, sizeof of_kernel.observed);
	CHECK(!of_kernel.has_daemon && of_status.has_daemon);
	CHECK(rates_text(out, sizeof out, &of_kernel, &of_kernel) > 0);
	CHECK(strstr(out, "packets passed") != NULL && strstr(out, "requests") == NULL);
}

TEST(a_counter_that_went_back)
{
	struct rates before, after;

	fill_view();
	before = look(0);
	view.total.requests = 3; /* a new daemon */
	view.kernel.packets[TCP_FLAGS] = 0;
	after = look(1000000000);
	CHECK(rates_text(out, sizeof out, &before, &after) > 0);
	CHECK(strstr(out, "\n  begun                               3.0                3\n") != NULL);
	CHECK(strstr(out, "tcp_flags") == NULL);
}

TEST(no_filter)
{
	struct rates rates;

	fill_view();
	view.kernel.attached = false;
	rates = look(0);
	CHECK(rates_text(out, sizeof out, &rates, &rates) > 0);
	CHECK(strncmp(out, "no filter  ", 11) == 0 && strstr(out, "packets") == NULL);
}

TEST(what_is_no_status)
{
	static const char *const texts[] = {"", "{}", "[]", "{\"requests\":", "{\"requests\":{}} x"};
	struct rates rates;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		CHECK_ROW(!rates_of_status(&rates, span_str(texts[i])), texts[i]);
	CHECK(rates_of_status(
		&rates,
		SPAN("{\"requests\":{\"refused\":7},\"kernel\":{\"attached\":true,\"interface\":\"\\u001b[2J\"}}")));
	CHECK_EQ(strcmp(rates.interface, "?[2J"), 0); /* nothing reaches the terminal that could steer it */
}

/* The longest text there can be fits. */
TEST(every_counter_at_its_largest)
{
	struct rates rates = {.has_daemon = true, .time_ns = 1, .interface = "fifteen letters"};

	memset(rates.reasons, 0xff, sizeof rates.reasons);
	memset(rates.observed, 0xff, sizeof rates.observed);
#define S(stage) rates.stage = UINT64_MAX;
	RATES_STAGES(S)
#undef S
	CHECK(rates_text(out, sizeof out, &(struct rates){0}, &rates) > 0);
}

CHECK_MAIN
