// SPDX-License-Identifier: Apache-2.0
#include "cmd/pay_native.c"

#include "bind.h"
#include "check.h"
#include "node_fixture.h"
#include "pay_fixture.h"

#define BODY "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}],\"max_tokens\":7}"
#define PROMPT "{\"model\":\"m\",\"prompt\":\"once\"}"
#define EXTENSION ",\"extensions\":{\"tollbar-native\":{\"info\":{\"port\":%u,\"route\":9},\"schema\":{}}}"
#define TERMS(url, extension) \
	"{\"x402Version\":2,\"resource\":{\"url\":\"" url "\"},\"accepts\":[" ENTRY "]" extension "}"

#define HEAD(status, bytes) "HTTP/1.1 " status "\r\nContent-Length: " bytes "\r\nConnection: close\r\n"
#define DONE HEAD("200 OK", "7") "PAYMENT-RESPONSE: eyJzdWNjZXNzIjp0cnVlfQ==\r\n\r\n{\"a\":1}"
#define WAIT HEAD("202 Accepted", "20") "Retry-After: 1\r\n\r\n{\"state\":\"queued\"   }"
#define FAILED HEAD("502 Bad Gateway", "36") "\r\n{\"error\":{\"code\":\"upstream_failed\"}}  "
#define GONE HEAD("404 Not Found", "36") "\r\n{\"error\":{\"code\":\"result_unknown\"}}   "

static char challenge[2048];

/* --- the whole command --- */

struct row {
	const char *script; /* of node_fixture.h */
	const char *results[3];
	const char *arguments[10]; /* --udp before, URL behind */
	int status;
	unsigned asked; /* by HTTP */
	const char *printed;
};

/* Against a node with this script and a server with these results. */
static int run(const struct row *row)
{
	const char *all[16] = {"--udp"};
	size_t cnt = 1;

	for (size_t i = 0; row->arguments[i] != NULL; i++)
		all[cnt++] = row->arguments[i];
	all[cnt] = "URL";
	node_start(AF_INET, row->script);
	snprintf(challenge, sizeof(challenge), TERMS("http://n/", EXTENSION), node.port);
	server.challenge = challenge;
	memcpy(server.results, row->results, sizeof(server.results));
	int status = pay_run(all);
	node_stop();
	return status;
}

TEST(it_pays_by_udp_and_says_what_became_of_it)
{
	static const struct row rows[] = {
		{"r", {DONE}, {"--data", BODY}, SERVED, 2, "taken id=30313233343536373839616263646566 place=2\n"},
		{"r", {DONE}, {"--data", BODY}, SERVED, 2, "{\"a\":1}"},
		{"r", {DONE}, {"--data", BODY}, SERVED, 2, "receipt {\"success\":true}"},
		{"c-r", {DONE}, {"--data", BODY, "--stream"}, SERVED, 2, "status 200"},
		{"r", {DONE}, {"--data", PROMPT, "--tee"}, SERVED, 2, "status 200"},
		{"r", {WAIT, WAIT, DONE}, {"--data", BODY}, SERVED, 4, "status 200"},
		{"r", {FAILED}, {"--data", BODY}, REFUSED, 2, "reason upstream_failed"},
		{"r", {GONE}, {"--data", BODY}, REFUSED, 2, "reason result_unknown"},
		{"R",
		 {0},
		 {"--data", BODY},
		 REFUSED,
		 1,
		 "reason replayed\ntollbar pay: This payment has already been used."},
		{"", {0}, {"--data", BODY, "--wait", "1"}, REFUSED, 1, "nobody may be there"},
		{"c", {0}, {"--data", BODY, "--wait", "1"}, REFUSED, 1, "it is there, and does not take this payment"},
		{"",
		 {0},
		 {"--data", BODY, "--valid-for", "6"},
		 REFUSED,
		 1,
		 "nobody may be there"}, /* useless after a second */
		{"ccccccccc", {0}, {"--data", BODY}, REFUSED, 1, "one cookie after the other"},
		{"", {0}, {"--data", BODY, "--method", "upto"}, REFUSED, 1, "none of the 1 offers"},
		{"", {0}, {"--data", BODY, "--max-amount", "9999"}, REFUSED, 1, "--max-amount"},
		{"", {0}, {"--data", "{\"model\":7}"}, USAGE, 1, "fits no datagram"},
		{"", {0}, {NULL}, USAGE, 0, "--udp needs"},
		{"", {0}, {"--data", BODY, "--v1"}, USAGE, 0, "--udp needs"},
		{"", {0}, {"--data", BODY, "--dump-header"}, USAGE, 0, "--udp needs"},
		{"", {0}, {"--data", BODY, "--terms", "a", "--save-terms", "b"}, USAGE, 0, "--udp needs"},
		{"", {0}, {"--data", BODY, "--terms", "/nonexistent"}, USAGE, 0, "/nonexistent"},
		{"", {0}, {"--data", BODY, "--wait", "0"}, USAGE, 0, "--wait: bad value"},
	};

	pay_make_key();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CHECK_ROW(run(&rows[i]) == rows[i].status, printed);
		CHECK_EQ(server.asked_cnt, rows[i].asked);
		CHECK_ROW(strstr(printed, rows[i].printed) != NULL, printed);
		if (rows[i].asked > 1)
			CHECK_BYTES(server.asked[1], "GET /v1/requests/30313233343536373839616263646566?wait=60 ", 57);
	}
	unlink(pay_key_path);
}

TEST(a_prompt_too_long_for_a_datagram_is_not_sent)
{
	struct row row = {"", {0}, {"--data", NULL}, USAGE, 1, ""};
	char body[2048];

	pay_make_key();
	snprintf(body, sizeof(body), "{\"model\":\"m\",\"prompt\":\"%01500d\"}", 0);
	row.arguments[1] = body;
	CHECK_EQ(run(&row), USAGE);
	CHECK(strstr(printed, "fits no datagram") != NULL);
	CHECK_EQ(node.got_cnt, 0);
	unlink(pay_key_path);
}

/* The route's number, the wishes and a nonce bound to the calldata; all that a node looks at is test_native_client.c's. */
TEST(the_datagram_is_as_asked)
{
	const struct row row = {"cr", {DONE}, {"--data", BODY, "--stream", "--valid-for", "30"}, SERVED, 2, ""};
	struct native_request request;
	uint8_t calldata[NATIVE_CLIENT_CALLDATA_MAX];
	struct word nonce;

	pay_make_key();
	CHECK_EQ(run(&row), SERVED);
	CHECK_NEED(node.got_cnt >= 2);
	memcpy(&request, node.got[1].at, sizeof(request));
	size_t bytes = calldata_write(calldata, sizeof(calldata), CALLDATA_CHAT, false, SPAN(BODY));
	CHECK(bytes > 0);
	CHECK_EQ(node.got[0].bytes, sizeof(request) + bytes);
	CHECK_EQ(node.got[1].bytes, sizeof(request) + bytes + 8);
	CHECK_BYTES(node.got[1].at + sizeof(request), calldata, bytes);
	CHECK_BYTES(node.got[1].at + sizeof(request) + bytes, "AAAAAAAA", 8);
	CHECK_EQ(request.route, 9);
	CHECK_EQ(be16toh(request.flags), NATIVE_FLAG_COOKIE | NATIVE_FLAG_STREAM);
	CHECK(be64toh(request.deadline) - be64toh(request.valid_after) == 630);
	bind_nonce(&nonce, request.salt, span_of(calldata, bytes));
	CHECK_BYTES(request.nonce, nonce.at, 32);
	unlink(pay_key_path);
}

/* --- terms kept --- */

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	CHECK_NEED(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

TEST(kept_terms_save_the_question)
{
	char path[] = "/tmp/tollbar-test-terms-XXXXXX", at[64], text[2048];
	const struct row row = {"r", {DONE}, {"--data", BODY, "--save-terms", path}, SERVED, 2, ""};
	int fd = mkstemp(path);

	close(fd);
	pay_make_key();
	CHECK_EQ(run(&row), SERVED);

	FILE *file = fopen(path, "r");
	CHECK(fread(text, 1, sizeof(text), file) == strlen(challenge) &&
	      memcmp(text, challenge, strlen(challenge)) == 0);
	fclose(file);

	/* a URL, and what is kept: only the result is asked for */
	node_start(AF_INET, "r");
	snprintf(text, sizeof(text), TERMS("http://127.0.0.1:1/", EXTENSION), node.port);
	write_file(path, text);
	CHECK_EQ(pay_run((const char *[]){"--udp", "--data", BODY, "--terms", path, "URL", NULL}), SERVED);
	CHECK_EQ(server.asked_cnt, 1);
	CHECK_BYTES(server.asked[0], "GET /v1/requests/", 17);
	node_stop();

	/* HOST:PORT: its port holds, and the result is where the terms say the route is: here, nowhere */
	node_start(AF_INET, "r");
	snprintf(at, sizeof(at), "127.0.0.1:%u", node.port);
	CHECK_EQ(pay_run((const char *[]){"--udp", "--data", BODY, "--terms", path, at, NULL}), NETWORK);
	CHECK(strstr(printed, "http://127.0.0.1:1/v1/requests/") != NULL);
	CHECK_EQ(node.got_cnt, 1);
	node_stop();
	CHECK_EQ(pay_run((const char *[]){"--udp", "--data", BODY, at, NULL}), USAGE);
	CHECK(strstr(printed, "without --terms a URL is needed") != NULL);

	static const char *const none[] = {TERMS("http://n/", ""), "{}", "", "x"};
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		write_file(path, none[i]);
		CHECK_EQ(pay_run((const char *[]){"--udp", "--data", BODY, "--terms", path, "URL", NULL}), REFUSED);
		CHECK_ROW(strstr(printed, i == 0 ? "not offered by UDP" : "no x402 challenge") != NULL, printed);
		CHECK_EQ(server.asked_cnt, 0);
	}
	unlink(path);
	unlink(pay_key_path);
}

TEST(where_the_result_is)
{
	static const struct {
		const char *node, *resource, *origin; /* NULL: refused */
	} rows[] = {
		{"http://node:8402/v1/chat", "{\"url\":\"http://other/\"}", "http://node:8402"},
		{"https://node/v1/chat", "", "https://node"},
		{"http://[::1]:8402/", "", "http://[::1]:8402"},
		{"node:8403", "{\"url\":\"https://node.example:8443/v1/x\"}", "https://node.example:8443"},
		{"node:8403", "{\"a\":1,\"url\":\"http:\\/\\/node.example\"}", "http://node.example"},
		{"node:8403", "{\"url\":\"ftp://node.example\"}", NULL},
		{"node:8403", "{\"url\":7}", NULL},
		{"node:8403", "{}", NULL},
		{"node:8403", "", NULL},
		{"node://x", "{\"url\":\"http://node.example\"}", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct pay_challenge terms = {.resource = span_str(rows[i].resource)};
		char origin[URL_BYTES_MAX];
		bool good = find_origin(origin, &terms, rows[i].node);
		CHECK_ROW(good == (rows[i].origin != NULL), rows[i].node);
		if (good)
			CHECK_ROW(strcmp(origin, rows[i].origin) == 0, origin);
	}
}

CHECK_MAIN
