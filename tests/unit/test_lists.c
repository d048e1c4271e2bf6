// SPDX-License-Identifier: Apache-2.0
#include "lists.c"

#include "check.h"

static const struct {
	const char *text, *mistakes;
	size_t cnt;
} parse_rows[] = {
	{"", "", 0},
	{"\n# nothing\n  \t\r\n", "", 0},
	{"192.0.2.7", "", 1},
	{"192.0.2.7\r\n  198.51.100.0/24\t# a net\n2001:db8::/32\n::/0\n0.0.0.0/0\n", "", 5},
	{"192.0.2.7/32\n192.0.2.7\n", "", 2},
	{"\xef\xbb\xbf"
	 "192.0.2.7\n",
	 "", 1},
	{"192.0.2.7 \t \r\n192.0.2.8\r", "", 2},
	{"\xef\xbb\n", "f:1: \"??\" is not an IPv4 or IPv6 address\n", 0},
	{"::ffff:0:0/95\n", "f:1: \"::ffff:0:0/95\" has bits set beyond its length\n", 0},
	{"::fffe:0:0/95\n", "", 1},
	{"255.255.255.255/32\nffff::/16\n", "", 2},
	{"192.0.2.7/24\n", "f:1: \"192.0.2.7/24\" has bits set beyond its length\n", 0},
	{"2001:db8::1/64\n", "f:1: \"2001:db8::1/64\" has bits set beyond its length\n", 0},
	{"128.0.0.0/1\n128.0.0.0/0\n", "f:2: \"128.0.0.0/0\" has bits set beyond its length\n", 0},
	{"192.0.2.0/33\n", "f:1: prefix length must be 0 to 32, not \"33\"\n", 0},
	{"2001:db8::/129\n", "f:1: prefix length must be 0 to 128, not \"129\"\n", 0},
	{"192.0.2.0/\n10.0.0.0/08\n10.0.0.0/+8\n10.0.0.0/8/8\n10.0.0.0/4294967304\n",
	 "f:1: prefix length must be 0 to 32, not \"\"\n"
	 "f:2: prefix length must be 0 to 32, not \"08\"\n"
	 "f:3: prefix length must be 0 to 32, not \"+8\"\n"
	 "f:4: prefix length must be 0 to 32, not \"8/8\"\n"
	 "f:5: prefix length must be 0 to 32, not \"4294967304\"\n",
	 0},
	{"::ffff:192.0.2.7\n", "f:1: \"::ffff:192.0.2.7\" is an IPv4 address: write it as a.b.c.d\n", 0},
	{"::ffff:0:0/96\n", "f:1: \"::ffff:0:0\" is an IPv4 address: write it as a.b.c.d\n", 0},
	{"example.net\n\n10.1\n010.0.0.1\n10.0.0.1 10.0.0.2\n",
	 "f:1: \"example.net\" is not an IPv4 or IPv6 address\n"
	 "f:3: \"10.1\" is not an IPv4 or IPv6 address\n"
	 "f:4: \"010.0.0.1\" is not an IPv4 or IPv6 address\n"
	 "f:5: \"10.0.0.1 10.0.0.2\" is not an IPv4 or IPv6 address\n",
	 0},
	{"1111111111111111111111111111111111111111111111111111111111111111\n",
	 "f:1: not a prefix (one a line, comments start with #)\n", 0},
};

TEST(parse)
{
	for (size_t i = 0; i < sizeof parse_rows / sizeof *parse_rows; i++) {
		struct prefix_list list;
		char said[1024] = "";
		int lines = 0;
		FILE *mistakes = fmemopen(said, sizeof said, "w");
		int result = lists_parse(&list, "f", parse_rows[i].text, strlen(parse_rows[i].text), mistakes);
		fclose(mistakes);
		CHECK_ROW(strcmp(said, parse_rows[i].mistakes) == 0, parse_rows[i].text);
		for (const char *at = said; *at != 0; at++)
			lines += *at == '\n';
		CHECK_EQ(result, lines);
		CHECK_EQ(list.cnt, parse_rows[i].cnt);
		lists_fini(&list);
	}
}

TEST(zero_byte_is_a_mistake)
{
	char said[128] = "";
	struct prefix_list list;
	FILE *mistakes = fmemopen(said, sizeof said, "w");

	CHECK_EQ(lists_parse(&list, "f", "10.0.0.1\0/8", 11, mistakes), 1);
	fclose(mistakes);
	CHECK(list.prefixes == NULL);
	CHECK(strcmp(said, "f:1: a zero byte: this is not a text file\n") == 0);
}

TEST(as_in_the_file)
{
	static const char text[] = "2001:db8::/32\n10.0.0.0/8\n2001:db8::/48\n10.0.0.0/16\n10.0.0.0/8\n9.0.0.0/8";
	static const uint8_t bits[] = {32, 104, 48, 112, 104, 104};
	struct prefix_list list;

	CHECK_EQ(lists_parse(&list, "f", text, sizeof text - 1, NULL), 0);
	CHECK_EQ(list.cnt, 6);
	for (size_t i = 0; i < 6 && i < list.cnt; i++)
		CHECK_EQ(list.prefixes[i].bits, bits[i]);
	CHECK_EQ(list.prefixes[5].address.s6_addr[12], 9);
	lists_fini(&list);
}

TEST(many_mistakes_are_counted)
{
	static char text[3000 * 9], said[LISTS_MISTAKES_SHOWN * 128];
	static const char last_shown[] = "f:100: \"10.0.0.\" is not an IPv4 or IPv6 address\n",
			  rest[] = "f: and 2900 more mistakes\n";
	struct prefix_list list;

	for (size_t i = 0; i < 3000; i++)
		memcpy(text + i * 9, " 10.0.0.\n", 9);
	FILE *mistakes = fmemopen(said, sizeof said, "w");
	CHECK_EQ(lists_parse(&list, "f", text, sizeof text, mistakes), 3000);
	fclose(mistakes);
	CHECK(list.prefixes == NULL && list.cnt == 0);
	char *tail = strstr(said, last_shown);
	CHECK(tail != NULL && strcmp(tail + sizeof last_shown - 1, rest) == 0);
}

TEST(too_many)
{
	struct prefix_list list;
	size_t bytes = 0, room = (size_t)(LISTS_PREFIXES_MAX + 2) * 16;
	char *text = malloc(room);

	for (unsigned i = 0; i < LISTS_PREFIXES_MAX + 2; i++)
		bytes += (size_t)snprintf(text + bytes, room - bytes, "%u.%u.%u.%u\n", 1 + (i >> 24), i >> 16 & 255,
					  i >> 8 & 255, i & 255);
	CHECK_EQ(lists_parse(&list, "f", text, bytes, NULL), 2);
	CHECK(list.prefixes == NULL);
	free(text);
}

/* Nothing that a file holds can move the cursor of who reads the message. */
TEST(messages_are_printable)
{
	static const char text[] = "\x1b[2J\x7f\xc3\xbc\n10.0.0.0/\x1b\n";
	char said[256] = "";
	struct prefix_list list;
	FILE *mistakes = fmemopen(said, sizeof said, "w");

	CHECK_EQ(lists_parse(&list, "f", text, sizeof text - 1, mistakes), 2);
	fclose(mistakes);
	CHECK(strcmp(said, "f:1: \"?[2J???\" is not an IPv4 or IPv6 address\n"
			   "f:2: prefix length must be 0 to 32, not \"?\"\n") == 0);
}

TEST(file)
{
	char path[] = "/tmp/tollbar-lists-XXXXXX";
	struct prefix_list list;
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");

	for (unsigned i = 0; i < 20000; i++) /* beyond the first read and the first room */
		fprintf(file, "10.%u.%u.0/24 # net %u\n", i / 256, i % 256, i);
	fclose(file);
	CHECK_EQ(lists_load(&list, path, NULL), 0);
	CHECK_EQ(list.cnt, 20000);
	lists_fini(&list);
	remove(path);
	CHECK_EQ(lists_load(&list, path, NULL), -ENOENT);
	CHECK_EQ(lists_load(&list, "/tmp", NULL), -EISDIR);
}

TEST(one_more)
{
	const struct in6_addr address = {.s6_addr = {[10] = 0xff, 0xff, 10, 0, 0, 1}};
	struct prefix_list list;

	CHECK_EQ(lists_parse(&list, "f", "192.0.2.7\n10.0.0.0/8\n", 21, stdout), 0);
	CHECK_EQ(lists_add(&list, &address), 0);
	CHECK_EQ(list.cnt, 3);
	CHECK_EQ(list.prefixes[2].bits, 128);
	CHECK_BYTES(&list.prefixes[2].address, &address, sizeof address);
	CHECK_EQ(list.prefixes[1].bits, 104);
	lists_fini(&list);
}

CHECK_MAIN
