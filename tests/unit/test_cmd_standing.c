// SPDX-License-Identifier: Apache-2.0
/* What of `tollbar standing` needs no kernel: sources, the list, mistakes.  The rest is in tests/e2e/standing.sh. */
#include "cmd/standing.c"

#include "capture.h"
#include "check.h"

TEST(sources)
{
	static const struct {
		const char *text, *shown; /* NULL: refused */
	} rows[] = {
		{"192.0.2.7", "192.0.2.7"},
		{"::ffff:192.0.2.7", "192.0.2.7"},
		{"2001:db8::7", "2001:db8::/64"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"2001:db8:1:2::/64", "2001:db8:1:2::/64"},
		{"2001:db8:1:2::9/64", "2001:db8:1:2::/64"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff::/64"},
		{"::1", "::1"},
		{"64:ff9b::192.0.2.7", "64:ff9b::c000:207"},
		{"64:ff9b:1::192.0.2.7", "64:ff9b:1::c000:207"},
		{"64:ff9c::192.0.2.7", "64:ff9c::/64"},
		{"", NULL},
		{"192.0.2", NULL},
		{"192.0.2.7 ", NULL},
		{"192.0.2.7/32", NULL},
		{"192.0.2.0/64", NULL},
		{"2001:db8::/48", NULL},
		{"2001:db8::/640", NULL},
		{"2001:db8::/", NULL},
		{"/64", NULL},
		{"localhost", NULL},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct in6_addr source;
		char shown[SHOWN_BYTES];
		bool good = source_read(&source, rows[i].text);
		CHECK_ROW(good == (rows[i].shown != NULL), rows[i].text);
		if (good)
			CHECK_ROW(strcmp(source_shown(shown, &source), rows[i].shown) == 0, shown);
	}
}

#define S UINT64_C(1000000000)

static void list_fill(struct filter_standing list[3])
{
	static const struct {
		const char *source;
		struct tollbar_standing entry;
	} rows[] = {
		{"::ffff:192.0.2.9", {40 * S, 2, SIGNATURE_BAD}},
		{"2001:db8::", {160 * S + 1, 1, 0}},
		{"::ffff:192.0.2.7", {101 * S, 12, REPLAYED}},
	};

	for (size_t i = 0; i < 3; i++) {
		CHECK_EQ(inet_pton(AF_INET6, rows[i].source, &list[i].source), 1);
		list[i].entry = rows[i].entry;
	}
	qsort(list, 3, sizeof *list, later_first);
}

/* What is printed of the first cnt of the list, at second 100. */
static void check_printed(void (*print)(const struct filter_standing *all, int cnt, const char *iface, uint64_t now_ns),
			  int cnt, const char *want)
{
	struct filter_standing list[3];

	list_fill(list);
	capture_start();
	print(list, cnt, "eth0", 100 * S);
	capture_end();
	CHECK_ROW(strcmp(printed, want) == 0, printed);
}

TEST(the_list_printed)
{
	check_printed(print_table, 3,
		      "source                                        remaining  offences  reason\n"
		      "2001:db8::/64                                      61 s         1  operator\n"
		      "192.0.2.7                                           1 s        12  replayed\n"
		      "192.0.2.9                                          over         2  signature_bad\n"
		      "eth0: 2 dropped, 1 remembered\n");
	check_printed(print_table, 0, "eth0: 0 dropped, 0 remembered\n");
	check_printed(print_json, 3,
		      "{\"interface\":\"eth0\",\"standing\":["
		      "{\"source\":\"2001:db8::/64\",\"dropped\":true,\"remaining_s\":60.000,\"offences\":1,"
		      "\"reason\":\"operator\"},"
		      "{\"source\":\"192.0.2.7\",\"dropped\":true,\"remaining_s\":1.000,\"offences\":12,"
		      "\"reason\":\"replayed\"},"
		      "{\"source\":\"192.0.2.9\",\"dropped\":false,\"remaining_s\":0.000,\"offences\":2,"
		      "\"reason\":\"signature_bad\"}]}\n");
	check_printed(print_json, 0, "{\"interface\":\"eth0\",\"standing\":[]}\n");
}

TEST(mistakes)
{
	static const struct {
		const char *arguments[6];
		int status;
		const char *says;
	} rows[] = {
		{{"--help"}, 0, "usage: tollbar standing"},
		{{"--nonsense"}, 2, "usage: tollbar standing"},
		{{"ad"}, 2, "\"ad\" is neither add nor clear"},
		{{"--all"}, 2, "\"--all\" goes with clear"},
		{{"add"}, 2, "\"add\" takes a source and its seconds"},
		{{"add", "192.0.2.7"}, 2, "\"add\" takes"},
		{{"add", "192.0.2.7", "1", "2"}, 2, "\"add\" takes"},
		{{"add", "--json", "192.0.2.7", "1"}, 2, "\"add\" takes"},
		{{"add", "192.0.2", "60"}, 2, "\"192.0.2\" is not an IPv4 address"},
		{{"add", "192.0.2.7", "0"}, 2, "\"0\" is not a number of seconds"},
		{{"add", "192.0.2.7", "60s"}, 2, "\"60s\" is not a number"},
		{{"add", "192.0.2.7", " 60"}, 2, "\" 60\" is not a number"},
		{{"add", "192.0.2.7", "31536001"}, 2, "\"31536001\" is not a number"},
		{{"add", "192.0.2.7", "99999999999999999999"}, 2, "is not a number"},
		{{"add", "192.0.2.7", ""}, 2, "\"\" is not a number"},
		{{"clear"}, 2, "\"clear\" takes a source, or --all"},
		{{"clear", "192.0.2.7", "192.0.2.8"}, 2, "\"clear\" takes"},
		{{"clear", "--all", "192.0.2.7"}, 2, "\"clear\" takes"},
		{{"clear", "x"}, 2, "\"x\" is not an IPv4 address"},
		{{"-i", "no-such-if0"}, 1, "no-such-if0: no such interface"},
		{{"-i", "a-name-longer-than-any"}, 1, "a-name-longer-than-any: no such interface"},
		{{"-i", "no-such-if0", "clear", "--all"}, 1, "no such interface"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *argv[8] = {(char *)(uintptr_t) "standing"};
		int argc = 1;
		for (; argc <= 6 && rows[i].arguments[argc - 1] != NULL; argc++)
			argv[argc] = (char *)(uintptr_t)rows[i].arguments[argc - 1];
		capture_start();
		int status = cmd_standing(argc, argv);
		capture_end();
		CHECK_ROW(status == rows[i].status, rows[i].says);
		CHECK_ROW(strstr(printed, rows[i].says) != NULL, printed);
	}
}

CHECK_MAIN
