// SPDX-License-Identifier: Apache-2.0
#include "funnel.c"

#include <stdlib.h>

#include "admin.h"
#include "check.h"
#include "guard.h"

static char out[FUNNEL_BYTES_MAX], json[ADMIN_TEXT_BYTES_MAX];
static struct admin_view view; /* 100 KiB */

static void add(struct histogram *histogram, uint64_t ns, unsigned cnt)
{
	while (cnt-- > 0)
		histogram_add(histogram, ns);
}

static void fill_view(void)
{
	memset(&view, 0, sizeof view);
	view.ready = true;
	view.uptime_s = 2 * 3600 + 5 * 60 + 59;
	view.worker_cnt = 2;
	view.loop = "io_uring";
	view.sandbox = "on";
	view.kernel.attached = true;
	strcpy(view.kernel.interface, "veth-node");
	view.kernel.packets[PASS_OPEN] = 90000;
	view.kernel.packets[TCP_FLAGS] = 7;
	view.kernel.packets[NOT_ALLOWED] = 3;
	view.kernel.packets[SYN_COOKIE] = 55;
	view.total.connections_accepted = 40;
	view.total.connections_open = 3;
	view.total.requests = 1000;
	view.total.refused[PAYMENT_MISSING] = 80;
	view.total.refused[REPLAYED] = 40;
	view.total.verified = 880;
	view.engine = ENGINE_AVX512;
	view.total.signatures_hot = 860;
	view.total.signatures_cold = 15;
	view.total.signatures_alone = 6;
	view.total.claimed = 879;
	view.total.queued = 878;
	view.total.forwarded = 877;
	view.total.served = 870;
	view.total.free_served = 5;
	view.total.cancelled = 2;
	view.has_ledger = true;
	view.ledger.settled = 860;
	view.ledger.refused = 4;
	view.ledger.released = 9;
	view.ledger.by_state[CLAIM_OWED] = 3;
	view.ledger.by_state[CLAIM_SETTLING] = 2;
	view.ledger.by_state[CLAIM_UNKNOWN] = 1;
	view.settle.data = (struct settle_data_stats){.sent = 312, .failed = 6, .dropped = 7, .waiting = 5};
	add(&view.times.steps[STEP_HEAD], 800, 1000);
	add(&view.times.steps[STEP_PARSE], 15, 999);
	add(&view.times.steps[STEP_VERIFY], 48000, 880);
	add(&view.times.steps[STEP_CLAIM], 3000, 879);
	add(&view.times.steps[STEP_FIRST_BYTE], 35000000, 877);
	add(&view.times.overhead, 142000, 860);
	add(&view.times.overhead, 310000, 17);
	add(&view.times.first_token, 35100000, 870);
}

/* The text of the view, by way of the JSON a daemon would serve. */
static const char *text_of_view(void)
{
	size_t json_bytes = admin_status(json, sizeof json, &view);

	CHECK(json_bytes > 0);
	CHECK(funnel_text(out, sizeof out, span_of(json, json_bytes)) == strlen(out));
	return out;
}

TEST(a_busy_node)
{
	static const char want[] =
		"ready, up 2h05m, 2 workers by io_uring, sandbox on\n"
		"\n"
		"  packets in              90065   filter on veth-node\n"
		"    dropped                  10   tcp_flags 7, not_allowed 3\n"
		"    answered                 55   syn_cookie 55\n"
		"  connections                40   open 3\n"
		"  requests                 1000\n"
		"    refused                 120   payment_missing 80, replayed 40\n"
		"  verified                  880   repeated 0, hot 860, cold 15, alone 6, by avx512ifma\n"
		"  claimed                   879\n"
		"  queued                    878\n"
		"  forwarded                 877\n"
		"  served                    870   and 5 free, cancelled 2\n"
		"  settled                   860   owed 3, settling 2, unknown 1, refused 4, released 9\n"
		"  proofs told               312   waiting 5, failed 6, dropped 7\n"
		"\n"
		"  step                    count        p50        p99\n"
		"  head                     1000     831 ns     831 ns\n"
		"  parse                     999      15 ns      15 ns\n"
		"  verify                    880    49.2 us    49.2 us\n"
		"  claim                     879     3.1 us     3.1 us\n"
		"  first_byte                877    35.7 ms    35.7 ms\n"
		"  overhead                  877     147 us     311 us\n"
		"  first token               870    35.7 ms    35.7 ms\n"
		"\n"
		"overhead: 147 us p50, 311 us p99 before the model starts = 0.4 % of the time to first token "
		"(p50 35.7 ms); parse 15 ns, verify 49.2 us, claim 3.1 us\n";

	fill_view();
	CHECK(strcmp(text_of_view(), want) == 0);
	if (strcmp(out, want) != 0)
		printf("%s", out);
}

TEST(a_node_that_takes_datagrams)
{
	static const char want[] = "  datagrams                5000   native_cookie 30, native_length 4\n"
				   "    taken                   900   receipts 950, repeats 20, replies dropped 3\n"
				   "    results                  65   running 5, never fetched 9\n";

	fill_view();
	CHECK(strstr(text_of_view(), "datagrams") == NULL);
	view.has_native = true;
	view.total.datagrams = 5000;
	view.total.refused[NATIVE_COOKIE] = 30;
	view.total.refused[NATIVE_LENGTH] = 4;
	view.total.native_taken = 900;
	view.total.receipts = 950;
	view.total.native_repeats = 20;
	view.total.replies_dropped = 3;
	view.results = (struct results_stats){.running = 5, .kept = 60, .evicted_unread = 2, .expired_unread = 7};
	CHECK(strstr(text_of_view(), want) != NULL);
}

TEST(a_node_that_just_began)
{
	memset(&view, 0, sizeof view);
	view.loop = "epoll";
	view.not_ready = "store_down";
	view.sandbox = "off";
	CHECK(strncmp(text_of_view(), "not ready: store_down, up 0h00m, 0 workers by epoll, sandbox off\n", 65) == 0);
	CHECK(strstr(out, "  packets in                  -   no filter\n") != NULL);
	CHECK(strstr(out, "\noverhead: no paid request was answered yet\n") != NULL);
	CHECK(strstr(out, "settled") == NULL);
}

TEST(observed_packets_and_what_an_operator_must_look_at)
{
	fill_view();
	view.kernel.observed[TCP_FLAGS] = 6;
	view.kernel.observed[SYN_COOKIE] = 55;
	view.ledger.unknown_expired = 11;
	view.ledger.corrupt = 12;
	view.ledger.reverted = 13;
	view.settle.data.undone = 14;
	view.ledger.store_down = true;
	view.ledger.journal_full = true;
	text_of_view();
	CHECK(strstr(out, "  packets in              90065 ") != NULL);
	CHECK(strstr(out, "    dropped                   4   tcp_flags 1, not_allowed 3\n") != NULL);
	CHECK(strstr(out, "    observed                 61   syn_cookie 55, tcp_flags 6\n") != NULL);
	CHECK(strstr(out, "answered") == NULL);
	CHECK(strstr(out, "look: 11 settlements are past their deadline") != NULL);
	CHECK(strstr(out, "look: 12 journal records") != NULL);
	CHECK(strstr(out, "look: 14 proofs were taken") != NULL);
	CHECK(strstr(out, "look: 13 settlements were taken back") != NULL);
	CHECK(strstr(out, "look: the journal cannot be written\n") != NULL);
	CHECK(strstr(out, "look: the journal is full\n") != NULL);
}

TEST(funds_and_chains)
{
	fill_view();
	text_of_view();
	CHECK(strstr(out, "funds") == NULL);
	view.total.funds_known = 870;
	view.total.funds_asked = 8;
	view.total.funds_blind = 1;
	view.funds.chain_cnt = 2;
	view.funds.chains[0].name = "base";
	view.funds.chains[1].name = "side";
	view.funds.chains[1].asker.down = true;
	text_of_view();
	CHECK(strstr(out, "  funds held                879   known 870, asked 8, blind 1\n") != NULL);
	CHECK(strstr(out, "look: the node of chain side does not answer") != NULL);
	CHECK(strstr(out, "chain base") == NULL);
}

TEST(upstreams_that_are_left_alone)
{
	fill_view();
	view.upstream_cnt = 3;
	view.upstreams[0].name = "gpu0";
	view.upstreams[1].name = "gpu1";
	view.upstreams[1].queue =
		(struct queue_upstream_stats){.state = HEALTH_OUT, .failures = 7, .outages = 2, .moved = 4};
	view.upstreams[2].name = "gpu2";
	view.upstreams[2].queue.state = HEALTH_TRIED;
	text_of_view();
	CHECK(strstr(out, "  look: upstream gpu1 is out: failures 7, outages 2, requests moved 4\n") != NULL);
	CHECK(strstr(out, "  look: upstream gpu2 is tried: ") != NULL);
	CHECK(strstr(out, "gpu0") == NULL);
}

TEST(what_is_not_a_status)
{
	static const char *const rows[] = {
		"",
		"null",
		"[]",
		"{}",
		"{\"ready\":true}",
		"{\"requests\":{}",
		"{\"requests\":{}} x",
		"<html>",
		"{\"requests\":{}}{}",
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		CHECK_ROW(funnel_text(out, sizeof out, span_str(rows[i])) == 0, rows[i]);
}

TEST(wrong_types_count_as_zero_and_strings_are_made_safe)
{
	static const char text[] =
		"{\"ready\":1,\"not_ready\":\"\\u001b[31mred\\n\",\"uptime_s\":-1,\"workers\":\"2\","
		"\"kernel\":{\"attached\":true,\"interface\":\"a\\u0007\xc3\xa9\",\"generic\":true,\"packets_dropped\":"
		"1,"
		"\"dropped\":{\"\\u001b]0;\":1,\"x\":null}},\"requests\":{\"refused\":[1],\"verified\":1.5},\"steps\":["
		"]}";

	CHECK(funnel_text(out, sizeof out, SPAN(text)) > 0);
	CHECK(strncmp(out, "not ready: ?[31mred?, up 0h00m, 0 workers by \n", 46) == 0);
	CHECK(strstr(out, "filter on a???, generic mode: slow\n") != NULL);
	CHECK(strstr(out, "    dropped                   1   ?]0; 1\n") != NULL);
	CHECK(strstr(out, "  verified                    0\n") != NULL);
	for (const char *at = out; *at != '\0'; at++)
		CHECK(*at == '\n' || (*at >= ' ' && *at <= '~'));
}

TEST(every_prefix_is_refused)
{
	struct guard guard;
	size_t json_bytes;

	fill_view();
	json_bytes = admin_status(json, sizeof json, &view);
	while (json[json_bytes - 1] != '}')
		json_bytes--;
	for (size_t bytes = 0; bytes < json_bytes; bytes++) {
		CHECK_EQ(funnel_text(out, sizeof out, guard_copy(&guard, json, bytes)), 0);
		guard_free(&guard);
	}
}

TEST(the_largest_status_fits)
{
	memset(&view, 0, sizeof view);
	view.loop = "io_uring";
	view.sandbox = "on";
	memset(&view.total, 0xff, sizeof view.total);
	memset(&view.kernel.packets, 0xff, sizeof view.kernel.packets);
	memset(&view.kernel.observed, 0x7f, sizeof view.kernel.observed);
	memset(view.kernel.interface, 'x', sizeof view.kernel.interface - 1);
	view.kernel.attached = view.has_ledger = true;
	memset(&view.ledger.by_state, 0xff, sizeof view.ledger.by_state);
	CHECK(strlen(text_of_view()) < FUNNEL_BYTES_MAX / 2);
}

CHECK_MAIN
