// SPDX-License-Identifier: Apache-2.0
#include "admin_queue.c"

#include "check.h"

static struct admin_view view; /* 100 KiB */
static char out[8192];

static void fill_view(void)
{
	memset(&view, 0, sizeof view);
	view.queue_requests = 1;
	view.queue_requests_max = 2;
	view.queue_bytes = 3;
	view.queue_bytes_max = 4;
	view.queue_displaced = 5;
	view.upstream_cnt = 2;
	view.upstreams[0] =
		(struct admin_upstream){.name = "gpu", .in_flight_max = 11, .queue = {12, HEALTH_UP, 13, 14, 15, 16}};
	view.upstreams[1] = (struct admin_upstream){
		.name = "a \"b\" \\c\n", .in_flight_max = 21, .queue = {22, HEALTH_TRIED, 23, 24, 25, UINT64_MAX}};
}

TEST(every_number_is_a_metric_and_a_name_may_hold_anything)
{
	static const char *const samples[] = {
		"tollbar_queue_requests 1\n",
		"tollbar_queue_requests_max 2\n",
		"tollbar_queue_bytes 3\n",
		"tollbar_queue_bytes_max 4\n",
		"tollbar_queue_displaced_total 5\n",
		"# TYPE tollbar_upstream_requests_total counter\n",
		"tollbar_upstream_up{upstream=\"gpu\"} 1\n",
		"tollbar_upstream_up{upstream=\"a \\\"b\\\" \\\\c\\n\"} 0\n",
		"tollbar_upstream_in_flight_max{upstream=\"gpu\"} 11\n",
		"tollbar_upstream_in_flight{upstream=\"gpu\"} 12\n",
		"tollbar_upstream_requests_total{upstream=\"gpu\"} 13\n",
		"tollbar_upstream_failures_total{upstream=\"gpu\"} 14\n",
		"tollbar_upstream_outages_total{upstream=\"gpu\"} 15\n",
		"tollbar_upstream_moved_total{upstream=\"gpu\"} 16\n",
		"tollbar_upstream_in_flight{upstream=\"a \\\"b\\\" \\\\c\\n\"} 22\n",
		"tollbar_upstream_moved_total{upstream=\"a \\\"b\\\" \\\\c\\n\"} 18446744073709551615\n",
	};
	struct text text;

	fill_view();
	text_init(&text, out, sizeof out);
	admin_queue_metrics(&text, &view);
	CHECK(text_done(&text) > 0);
	for (size_t i = 0; i < COUNT(samples); i++)
		CHECK_ROW(strstr(out, samples[i]) != NULL, samples[i]);
}

TEST(and_a_member)
{
	static const char want[] =
		"{,\"queue\":{\"requests\":1,\"requests_max\":2,\"bytes\":3,\"bytes_max\":4,\"displaced\":5},"
		"\"upstreams\":["
		"{\"name\":\"gpu\",\"state\":\"up\",\"in_flight\":12,\"in_flight_max\":11,\"requests\":13,\"failures\":"
		"14,"
		"\"outages\":15,\"moved\":16},"
		"{\"name\":\"a \\\"b\\\" "
		"\\\\c\\u000a\",\"state\":\"tried\",\"in_flight\":22,\"in_flight_max\":21,\"requests\":23,"
		"\"failures\":24,\"outages\":25,\"moved\":18446744073709551615}]";
	struct json_writer json;

	fill_view();
	json_write_init(&json, out, sizeof out);
	json_write(&json, "{"); /* as in the middle of a text */
	admin_queue_status(&json, &view);
	CHECK_EQ(json_write_done(&json), sizeof want - 1);
	CHECK(strcmp(out, want) == 0);
}

CHECK_MAIN
