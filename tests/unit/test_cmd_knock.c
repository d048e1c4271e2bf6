// SPDX-License-Identifier: Apache-2.0
#include "cmd/knock.c"

#include "capture.h"
#include "check.h"
#include "node_fixture.h"

static char key_path[] = "/tmp/tollbar-test-knock-XXXXXX";

static void make_key(void)
{
	static const char key[] = "0x4242424242424242424242424242424242424242424242424242424242424242\n";
	int fd = mkstemp(key_path);

	CHECK_NEED(write(fd, key, sizeof(key) - 1) == sizeof(key) - 1);
	close(fd);
}

/* Runs `tollbar knock` with these arguments, NODE for the node's HOST:PORT; what it printed is in `printed`. */
static int run(const char *script, const char *const *arguments)
{
	const char *given[16] = {NULL};
	char at[64];

	node_start(AF_INET, script);
	snprintf(at, sizeof(at), "127.0.0.1:%u", node.port);
	for (int i = 0; *arguments != NULL; arguments++)
		given[i++] = strcmp(*arguments, "NODE") == 0  ? at
			     : strcmp(*arguments, "KEY") == 0 ? key_path
							      : *arguments;
	int status = capture_run(cmd_knock, "knock", given);
	node_stop();
	return status;
}

TEST(it_says_what_became_of_a_knock)
{
	static const struct {
		const char *script, *arguments[12];
		int status;
		const char *printed;
	} rows[] = {
		{"o", {"--key", "KEY", "NODE"}, OPENED, "opened 192.0.2.7 until 2"},
		{"co",
		 {"--key", "KEY", "--seconds", "60", "--chain", "84532", "NODE"},
		 OPENED,
		 "opened 192.0.2.7 until 2"},
		{"c", {"--key", "KEY", "--wait", "1", "NODE"}, REFUSED, "is there and does not open"},
		{"", {"--key", "KEY", "--wait", "1", "NODE"}, REFUSED, "no answer from 127.0.0.1:"},
		{"ccccccccc", {"--key", "KEY", "NODE"}, REFUSED, "one cookie after the other"},
		{"", {"--key", "KEY", "127.0.0.1:1"}, NETWORK, "Connection refused"},
		{"", {"--key", "KEY", "no such name"}, NETWORK, "no such host"},
		{"", {"NODE"}, USAGE, "usage: tollbar knock"},
		{"", {"--key", "KEY"}, USAGE, "usage: tollbar knock"},
		{"", {"--key", "/nonexistent", "NODE"}, USAGE, "/nonexistent: No such file"},
		{"", {"--key", "KEY", "--seconds", "0", "NODE"}, USAGE, "--seconds: bad value"},
		{"", {"--key", "KEY", "--seconds", "86401", "NODE"}, USAGE, "--seconds: bad value"},
		{"", {"--key", "KEY", "--chain", "x", "NODE"}, USAGE, "--chain: bad value"},
		{"", {"--key", "KEY", "--chain", "18446744073709551616", "NODE"}, USAGE, "--chain: bad value"},
		{"", {"--key", "KEY", "--wait", "-1", "NODE"}, USAGE, "--wait: bad value"},
		{"", {"--key", "KEY", "ftp://node"}, USAGE, "neither HOST:PORT nor a URL"},
	};

	make_key();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CHECK_ROW(run(rows[i].script, rows[i].arguments) == rows[i].status, printed);
		CHECK_ROW(strstr(printed, rows[i].printed) != NULL, printed);
		CHECK_ROW(rows[i].status != USAGE || node.got_cnt == 0, printed);
	}
	unlink(key_path);
}

static uint64_t read_u64(const uint8_t *at)
{
	uint64_t number;

	memcpy(&number, at, sizeof(number));
	return be64toh(number);
}

/* The first asks for a cookie and is not signed; the second has it, for the chain and the time that were asked for. */
TEST(what_is_sent_is_as_asked)
{
	static const uint8_t zero[73];
	const uint64_t now_s = clock_unix_s();

	strcpy(strrchr(key_path, '-') + 1, "XXXXXX");
	make_key();
	CHECK_EQ(run("co", (const char *[]){"--key", "KEY", "--seconds", "60", "--chain", "84532", "NODE", NULL}),
		 OPENED);
	CHECK_NEED(node.got_cnt >= 2);
	CHECK_BYTES(node.got[0].at + 48, zero, sizeof(zero));
	CHECK_BYTES(node.got[1].at + 48, "AAAAAAAA", 8);
	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQ(read_u64(node.got[i].at + 8), 84532);
		CHECK(read_u64(node.got[i].at + 40) >= now_s + 60 && read_u64(node.got[i].at + 40) < now_s + 90);
	}
	unlink(key_path);
}

CHECK_MAIN
