// SPDX-License-Identifier: Apache-2.0
/* test_overhead.c: from histograms by way of the admin listener to what `tollbar overhead` prints. */
#include "cmd/overhead.c"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "admin.h"
#include "capture.h"
#include "check.h"
#include "guard.h"
#include "waterfall.c"

static struct admin *admin;
static char address[64];
static struct admin_overhead asked;

#define RUN(...) CAPTURE(cmd_overhead, "overhead", __VA_ARGS__)

static void add(struct histogram *histogram, uint64_t ns, unsigned cnt)
{
	while (cnt-- > 0)
		histogram_add(histogram, ns);
}

static void fill(struct times *times)
{
	add(&times->steps[STEP_HEAD], 800, 1000);
	add(&times->steps[STEP_PARSE], 2000, 1000);
	add(&times->steps[STEP_VERIFY], 8000, 900);
	add(&times->steps[STEP_VERIFY], 80000, 100);
	add(&times->steps[STEP_BODY], 5000000, 1000);
	add(&times->steps[STEP_QUEUE], 6000, 1000);
	add(&times->steps[STEP_FIRST_BYTE], 35000000, 1000);
	add(&times->steps[STEP_LAST_OUT], 400000000, 1000);
	add(&times->overhead, 17000, 1000);
	add(&times->first_token, 35100000, 1000);
}

static void look(void *ctx, struct admin_view *view)
{
	memset(view, 0, sizeof *view);
}

static bool look_overhead(void *ctx, struct admin_overhead *view)
{
	asked = *view;
	view->routes[view->route_cnt++] = "chat room";
	view->covers_s = view->since_s != 0 ? view->since_s + 7 : 7384;
	if (view->route[0] != 0 && strcmp(view->route, "chat room") != 0)
		return false;
	if (strcmp(view->route, "chat room") != 0)
		fill(&view->times);
	return true;
}

static void *serve(void *unused)
{
	admin_serve(admin, -1);
	return NULL;
}

TEST(what_is_printed)
{
	/* clang-format off */
	static const char want[] =
		"the last 2 h 03 min\n"
		"\n"
		"  step             count        p50        p90        p99      p99.9\n"
		"before the model\n"
		"  head              1000     831 ns     831 ns     831 ns     831 ns  the client's own\n"
		"  parse             1000     2.0 us     2.0 us     2.0 us     2.0 us  |###                             |\n"
		"  verify            1000     8.2 us     8.2 us    81.9 us    81.9 us  |   ################             |\n"
		"  body              1000     5.2 ms     5.2 ms     5.2 ms     5.2 ms  the client's own\n"
		"  queue             1000     6.1 us     6.1 us     6.1 us     6.1 us  |                   #############|\n"
		"the model\n"
		"  first_byte        1000    35.7 ms    35.7 ms    35.7 ms    35.7 ms\n"
		"after it\n"
		"  last_out          1000     403 ms     403 ms     403 ms     403 ms\n"
		"of paid requests\n"
		"  overhead          1000    17.4 us    17.4 us    17.4 us    17.4 us\n"
		"  first token       1000    35.7 ms    35.7 ms    35.7 ms    35.7 ms\n"
		"\n"
		"0.049 % of the time to first token passes before the model starts (medians)\n";
	/* clang-format on */
	static struct admin_overhead view;
	static char json[65536], text[WATERFALL_BYTES_MAX];

	look_overhead(NULL, &view);
	size_t bytes = admin_overhead_text(json, sizeof json, &view);
	CHECK(bytes > 0);
	CHECK_EQ(waterfall_text(text, sizeof text, span_of(json, bytes)), strlen(text));
	CHECK(strcmp(text, want) == 0);
	if (strcmp(text, want) != 0)
		printf("%s", text);
	for (size_t cut = 0; cut < bytes - 1; cut++) { /* its end is a newline */
		struct guard guard;
		CHECK_EQ(waterfall_text(text, sizeof text, guard_copy(&guard, json, cut)), 0);
		guard_free(&guard);
	}
	CHECK_EQ(waterfall_text(text, 100, span_of(json, bytes)), 0);
	CHECK_EQ(admin_overhead_text(json, 100, &view), 0);
}

TEST(queries)
{
	static const struct {
		const char *query;
		bool good;
		const char *route;
		uint64_t since_s;
	} rows[] = {
		{"", true, "", 0},
		{"since=0", true, "", 0},
		{"since=300", true, "", 300},
		{"route=chat", true, "chat", 0},
		{"route=chat%20room&since=60", true, "chat room", 60},
		{"route=chat+room", true, "chat room", 0},
		{"since=60&route=%c3%A9", true, "\xc3\xa9", 60},
		{"route=a%26b", true, "a&b", 0},
		{"since=", false, "", 0},
		{"since=-1", false, "", 0},
		{"since=1234567890", false, "", 0},
		{"since=1m", false, "", 0},
		{"route=", true, "", 0},
		{"route=%0", false, "", 0},
		{"route=%00", false, "", 0},
		{"route=%zz", false, "", 0},
		{"routes=chat", false, "", 0},
		{"route", false, "", 0},
		{"route=0123456789012345678901234567890123456789012345678901234567890123", false, "", 0},
	};
	static struct admin_overhead view;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		CHECK_ROW(admin_overhead_read(&view, span_str(rows[i].query)) == rows[i].good, rows[i].query);
		if (rows[i].good)
			CHECK_ROW(strcmp(view.route, rows[i].route) == 0 && view.since_s == rows[i].since_s,
				  rows[i].query);
	}
}

TEST(a_running_daemon)
{
	int stop_fd = eventfd(0, EFD_CLOEXEC);
	struct admin_config config = {.look = look, .look_overhead = look_overhead, .stop_fd = stop_fd};
	pthread_t thread;

	*(struct sockaddr_in *)&config.address =
		(struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CHECK_EQ(admin_open(&admin, &config), 0);
	CHECK_EQ(pthread_create(&thread, NULL, serve, NULL), 0);
	snprintf(address, sizeof address, "127.0.0.1:%u", admin_port(admin));

	CHECK_EQ(RUN("-a", address), 0);
	CHECK(strncmp(printed, "the last 2 h 03 min\n", 20) == 0);
	CHECK_EQ(asked.since_s, 0);
	CHECK_EQ(RUN("-a", address, "--since", "90m"), 0);
	CHECK_EQ(asked.since_s, 5400);
	CHECK_EQ(RUN("-a", address, "--since", "30s", "--route", "chat room"), 0);
	CHECK(strcmp(asked.route, "chat room") == 0 && asked.since_s == 30);
	CHECK(strncmp(printed, "the last 37 s, route chat?room\n", 31) == 0);
	CHECK(strstr(printed, "\nno paid request was answered in this time\n") != NULL);
	CHECK_EQ(RUN("-a", address, "--json"), 0);
	CHECK(strncmp(printed, "{\"covers_s\":7384,\"route\":null,\"routes\":[\"chat room\"],", 50) == 0);
	CHECK_EQ(RUN("-a", address, "--route", "nowhere"), 1);
	CHECK(strstr(printed, "there is no such route") != NULL);

	eventfd_write(stop_fd, 1);
	pthread_join(thread, NULL);
	admin_close(admin);
	close(stop_fd);
	CHECK_EQ(RUN("-a", address), 1);
	CHECK(strstr(printed, "Connection refused") != NULL);
}

TEST(arguments)
{
	CHECK_EQ(RUN("--since", "tomorrow"), 2);
	CHECK_EQ(RUN("--since", "9999999999"), 2); /* still to come */
	CHECK_EQ(RUN("-a", "x:1", "-c", "y"), 2);
	CHECK_EQ(RUN("more"), 2);
	CHECK_EQ(RUN("-a", "nonsense"), 2);
	CHECK_EQ(RUN("--help"), 0);
	CHECK(strncmp(printed, "usage: tollbar overhead", 23) == 0);
}

CHECK_MAIN
