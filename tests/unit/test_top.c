// SPDX-License-Identifier: Apache-2.0
#include "top.c"

#include "admin.h"
#include "check.h"

static char out[TOP_BYTES_MAX], json[ADMIN_TEXT_BYTES_MAX];
static struct admin_view view; /* 100 KiB */
static size_t json_bytes;
static const struct top_screen large = {.columns = 100, .rows = 100};

/* By way of the JSON a daemon would serve, which stays in `json`. */
static struct rates look(uint64_t time_ns)
{
	struct rates rates;

	json_bytes = admin_status(json, sizeof json, &view);
	CHECK(json_bytes > 0 && rates_of_status(&rates, span_of(json, json_bytes)));
	rates.time_ns = time_ns;
	return rates;
}

static void fill_view(void)
{
	memset(&view, 0, sizeof view);
	view.loop = "io_uring";
	view.sandbox = "on";
	view.ready = true;
	view.uptime_s = 2 * 3600 + 5 * 60 + 59;
	view.worker_cnt = 2;
	view.total.requests = 500;
	view.total.verified = 400;
	view.total.served = 390;
	view.total.refused[REPLAYED] = 9;
	view.total.refused[HTTP_BAD] = 1;
	view.queue_requests = 3;
	view.queue_requests_max = 6;
	view.upstream_cnt = 1;
	view.upstreams[0].name = "mo\033del";
	view.upstreams[0].queue.in_flight = 8;
	view.upstreams[0].in_flight_max = 8;
	for (unsigned i = 0; i < 100; i++) {
		histogram_add(&view.times.overhead, 140000);
		histogram_add(&view.times.first_token, 35100000);
	}
}

/* Two seconds in which something happened; the text of them. */
static const char *top_of(const struct top_screen *screen)
{
	struct rates before, after;

	fill_view();
	before = look(1000000000);
	view.total.requests += 100;
	view.total.verified += 50;
	view.total.served += 50;
	view.total.refused[HTTP_BAD] += 40;
	view.total.refused[REPLAYED] += 10;
	after = look(3000000000);
	CHECK(top_text(out, sizeof out, &before, &after, span_of(json, json_bytes), screen) == strlen(out));
	return out;
}

TEST(two_seconds)
{
	static const char want[] =
		"tollbar: ready, up 2h05m, 2 workers, libsecp256k1, no filter\n"
		"\n"
		"                        a second         total\n"
		"  requests                  50.0           600  ########################################\n"
		"    refused                 25.0            60  ####################\n"
		"  signature held            25.0           450  ####################\n"
		"  payment claimed            0.0             0  \n"
		"  sent to a model            0.0             0  \n"
		"  served, paid              25.0           440  ####################\n"
		"    and free                 0.0             0  \n"
		"\n"
		"  in line                               3 of 6  ####################\n"
		"  at mo?del                             8 of 8  ########################################\n"
		"\n"
		"  147 us p50, 147 us p99 before the model: 0.41 % of the time to first token\n"
		"\n"
		"  requests refused, busiest first\n"
		"  http_bad                  20.0            41  ########################################\n"
		"  replayed                   5.0            19  ##########\n";

	CHECK_ROW(strcmp(top_of(&large), want) == 0, out);
}

TEST(the_filter)
{
	struct rates before, after;

	fill_view();
	view.kernel.attached = true;
	snprintf(view.kernel.interface, sizeof view.kernel.interface, "eth0");
	before = look(0);
	view.kernel.packets[PASS_OPEN] = 1000;
	view.kernel.packets[TCP_FLAGS] = 200;
	view.kernel.packets[RATE] = 800;
	after = look(1000000000);
	CHECK(top_text(out, sizeof out, &before, &after, span_of(json, json_bytes), &large) > 0);
	CHECK_ROW(strstr(out, ", filter on eth0\n") != NULL, out);
	CHECK_ROW(strstr(out, "  packets passed          1000.0          1000  ####################\n"
			      "    answered                 0.0             0  \n"
			      "    dropped               1000.0          1000  ####################\n"
			      "  requests") != NULL,
		  out);
	CHECK_ROW(strstr(out,
			 "\n  packets dropped, busiest first\n"
			 "  rate                     800.0           800  ########################################\n"
			 "  tcp_flags                200.0           200  ##########\n") != NULL,
		  out);
}

TEST(every_size_of_a_terminal)
{
	for (unsigned columns = 1; columns < 130; columns++)
		for (unsigned rows = 1; rows < 30; rows++) {
			const struct top_screen screen = {.columns = columns, .rows = rows};
			unsigned row_cnt = 0;

			for (const char *line = top_of(&screen); *line != '\0'; row_cnt++) {
				size_t bytes = strcspn(line, "\n");
				CHECK(bytes <= columns);
				line += bytes + 1;
			}
			CHECK(row_cnt == rows || (row_cnt == 19 && rows > 19));
		}
}

TEST(colours_only_when_asked_for)
{
	const struct top_screen coloured = {.columns = 100, .rows = 100, .colour = true};
	char bare[TOP_BYTES_MAX];
	size_t used = 0;

	CHECK(strchr(top_of(&large), '\033') == NULL);
	CHECK(strstr(top_of(&coloured), "\033[31m    refused") != NULL);
	for (const char *at = out; *at != '\0'; at++)
		if (*at == '\033')
			at = strchr(at, 'm');
		else
			bare[used++] = *at;
	bare[used] = '\0';
	CHECK(strcmp(bare, top_of(&large)) == 0); /* and nothing else differs */
}

TEST(a_daemon_that_is_new)
{
	struct rates before, after;

	fill_view();
	before = look(0);
	view.total.requests = 7; /* it counts from zero */
	view.ready = false;
	view.not_ready = "draining";
	memset(&view.times, 0, sizeof view.times);
	after = look(1000000000);
	CHECK(top_text(out, sizeof out, &before, &after, span_of(json, json_bytes), &large) > 0);
	CHECK(strncmp(out, "tollbar: not ready: draining, up", 32) == 0);
	CHECK(strstr(out, "\n  requests                   7.0             7  #") != NULL);
	CHECK(strstr(out, "\n  no paid request was answered yet\n") != NULL);
}

TEST(what_is_no_status)
{
	static const char *const texts[] = {"", "{}", "[]", "{\"requests\":", "{\"requests\":{}} x"};
	const struct rates none = {0};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		CHECK_ROW(top_text(out, sizeof out, &none, &none, span_str(texts[i]), &large) == 0, texts[i]);
}

/* The longest text there can be fits. */
TEST(everything_at_its_largest)
{
	const struct top_screen coloured = {.columns = UINT32_MAX, .rows = UINT32_MAX, .colour = true};
	struct rates after;

	fill_view();
	view.kernel.attached = true;
	view.upstream_cnt = UPSTREAMS_MAX;
	for (size_t i = 0; i < UPSTREAMS_MAX; i++)
		view.upstreams[i] = view.upstreams[0];
	after = look(1);
	memset(after.reasons, 0xff, sizeof after.reasons);
	CHECK(top_text(out, sizeof out, &(struct rates){0}, &after, span_of(json, json_bytes), &coloured) > 0);
}

CHECK_MAIN
