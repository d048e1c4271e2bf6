// SPDX-License-Identifier: Apache-2.0
#include "cmd/client.c"

#include <stdlib.h>

#include "check.h"
#include "node_fixture.h"

TEST(a_key_file_is_private_and_holds_a_key)
{
	static const char good[] = "0x4242424242424242424242424242424242424242424242424242424242424242";
	static const struct {
		const char *text, *after;
		mode_t mode;
		bool good;
	} rows[] = {
		{good, "", 0600, true},
		{good, "\n", 0400, true},
		{good, "\r\n", 0600, true},
		{good, "\n", 0640, false},
		{good, "\n", 0604, false},
		{good, "0", 0600, false},
		{good, " ", 0600, false},
		{good + 2, "", 0600, false},
		{"", "", 0600, false},
		{"0x0000000000000000000000000000000000000000000000000000000000000000", "", 0600, false},
		{"0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "", 0600, false},
	};
	char path[] = "/tmp/tollbar-test-client-XXXXXX";
	int fd = mkstemp(path);
	const char *why;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CHECK_EQ(ftruncate(fd, 0), 0);
		CHECK(pwrite(fd, rows[i].text, strlen(rows[i].text), 0) >= 0);
		CHECK(pwrite(fd, rows[i].after, strlen(rows[i].after), (off_t)strlen(rows[i].text)) >= 0);
		CHECK_EQ(fchmod(fd, rows[i].mode), 0);
		struct signer *signer = client_key(&why, path);
		CHECK_ROW((signer != NULL) == rows[i].good, rows[i].text);
		sign_fini(signer);
	}
	close(fd);
	unlink(path);
	CHECK(client_key(&why, path) == NULL && strstr(why, "No such file") != NULL);
	CHECK(client_key(&why, "/tmp") == NULL && strstr(why, "others can read") != NULL);
}

/* --- exchanges with a node that answers from a script --- */

static struct signer *signer;

static bool sign_cookie(void *ctx, struct native_datagram *sent, const uint8_t cookie[8])
{
	(void)ctx;
	return native_client_knock(sent, 1, 1300, cookie, signer);
}

static bool cannot_sign(void *ctx, struct native_datagram *sent, const uint8_t cookie[8])
{
	(void)ctx;
	(void)sent;
	(void)cookie;
	return false;
}

/* A knock at a node with this script, for at most so long. */
static int run(struct native_said *said, struct client_exchange *exchange, const char *script, uint64_t ms)
{
	struct native_datagram sent;
	int error;

	node_start(strchr(exchange->host, ':') != NULL ? AF_INET6 : AF_INET, script);
	exchange->port = node.port;
	CHECK(native_client_knock(&sent, 1, 1300, NULL, signer));
	exchange->end_ns = clock_ns() + ms * NS_PER_MS;
	error = client_exchange(said, &sent, exchange);
	node_stop();
	CHECK(exchange->sent_cnt >= node.got_cnt); /* of localhost, one may have gone to the other address */
	return error;
}

TEST(an_answer_is_waited_for_and_a_cookie_followed)
{
	static const uint8_t key[32] = {[31] = 7}, seed[32] = {1};
	static const struct {
		const char *host, *script;
		unsigned sent;
	} rows[] = {
		{"127.0.0.1", "o", 1},	       {"::1", "o", 1},		 {"127.0.0.1", "O", 1},
		{"127.0.0.1", "co", 2},	       {"::1", "cO", 2},	 {"127.0.0.1", "-o", 2},
		{"localhost", "o", 1},	       {"127.0.0.1", "-c-o", 4}, {"::1", "cccco", 5},
		{"127.0.0.1", "cccccccco", 9},
	};
	struct native_said said;

	signer = sign_init(key, seed);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct client_exchange exchange = {.host = rows[i].host, .add_cookie = sign_cookie};
		CHECK_EQ(run(&said, &exchange, rows[i].script, 20000), 0);
		CHECK_EQ(said.kind, NATIVE_OPENED);
		CHECK_EQ(said.opened.until_s, 1300);
		CHECK(exchange.sent_cnt >= rows[i].sent); /* more on a machine that is late */
	}
}

TEST(each_datagram_after_a_cookie_is_signed_with_it)
{
	struct client_exchange exchange = {.host = "127.0.0.1", .add_cookie = sign_cookie};
	struct native_datagram want;
	struct native_said said;
	uint8_t cookie[8];

	CHECK_EQ(run(&said, &exchange, "cccco", 20000), 0);
	if (exchange.sent_cnt != 5)
		CHECK_SKIP("the machine was late, and something was sent twice");
	for (int i = 0; i < 4; i++) {
		memset(cookie, 0x41 + i, sizeof(cookie));
		CHECK(native_client_knock(&want, 1, 1300, cookie, signer));
		CHECK_BYTES(node.got[i + 1].at, want.at, want.bytes);
	}
}

TEST(a_node_is_named_by_host_or_url)
{
	static const struct {
		const char *text, *host; /* NULL: refused */
		uint16_t port;
	} rows[] = {
		{"node.example", "node.example", CLIENT_PORT},
		{"node.example:9", "node.example", 9},
		{"192.0.2.7", "192.0.2.7", CLIENT_PORT},
		{"[2001:db8::7]", "2001:db8::7", CLIENT_PORT},
		{"[2001:db8::7]:65535", "2001:db8::7", 65535},
		{"http://node.example", "node.example", CLIENT_PORT},
		{"https://node.example:8402/v1/chat/completions", "node.example", CLIENT_PORT},
		{"http://[2001:db8::7]:8402/", "2001:db8::7", CLIENT_PORT},
		{"ftp://node.example", NULL, 0},
		{"node.example:0", NULL, 0},
		{"node.example:65536", NULL, 0},
		{"node.example:", NULL, 0},
		{"", NULL, 0},
		{"http://", NULL, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char host[URL_BYTES_MAX];
		uint16_t port = CLIENT_PORT;
		bool good = client_node(host, &port, rows[i].text);
		CHECK_ROW(good == (rows[i].host != NULL), rows[i].text);
		if (good)
			CHECK_ROW(strcmp(host, rows[i].host) == 0 && port == rows[i].port, rows[i].text);
	}
}

TEST(an_exchange_ends)
{
	struct client_exchange exchange = {.host = "127.0.0.1", .add_cookie = sign_cookie};
	struct native_datagram sent;
	struct native_said said;

	CHECK_EQ(run(&said, &exchange, "ccccccccc", 20000), -EPROTO); /* one cookie more */
	CHECK(exchange.sent_cnt >= 9);
	CHECK_EQ(run(&said, &exchange, "", 800),
		 -ETIMEDOUT); /* at 0, 250 and 750 ms, or fewer on a machine that is late */
	CHECK(exchange.sent_cnt >= 2 && exchange.sent_cnt <= 3);
	for (unsigned i = 1; i < node.got_cnt; i++)
		CHECK_BYTES(node.got[i].at, node.got[0].at, node.got[0].bytes); /* the same again */
	CHECK_EQ(run(&said, &exchange, "", 0), -ETIMEDOUT);
	CHECK_EQ(exchange.sent_cnt, 0);
	exchange.add_cookie = cannot_sign;
	CHECK_EQ(run(&said, &exchange, "c", 20000), -EPROTO);
	CHECK_EQ(exchange.cookie_cnt, 1);

	node_open(AF_INET);
	close(node.fd); /* a port where nobody listens */
	CHECK(native_client_knock(&sent, 1, 1300, NULL, signer));
	exchange.port = node.port;
	exchange.end_ns = clock_ns() + 20000ull * NS_PER_MS;
	CHECK_EQ(client_exchange(&said, &sent, &exchange), -ECONNREFUSED);
	exchange.host = "no such name";
	CHECK_EQ(client_exchange(&said, &sent, &exchange), -EHOSTUNREACH);
	sign_fini(signer);
}

CHECK_MAIN
