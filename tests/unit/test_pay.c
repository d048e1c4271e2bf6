// SPDX-License-Identifier: Apache-2.0
#include "cmd/pay.c"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "check.h"
#include "decode.h"

/* --- pieces --- */

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
	char path[] = "/tmp/tollbar-test-pay-XXXXXX";
	int fd = mkstemp(path);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		CHECK_EQ(ftruncate(fd, 0), 0);
		CHECK(pwrite(fd, rows[i].text, strlen(rows[i].text), 0) >= 0);
		CHECK(pwrite(fd, rows[i].after, strlen(rows[i].after), (off_t)strlen(rows[i].text)) >= 0);
		CHECK_EQ(fchmod(fd, rows[i].mode), 0);
		struct signer *signer = read_key(path);
		CHECK_ROW((signer != NULL) == rows[i].good, rows[i].text);
		sign_fini(signer);
	}
	close(fd);
	unlink(path);
	CHECK(read_key(path) == NULL);
	CHECK(read_key("/tmp") == NULL);
}

TEST(stream_is_added_to_a_body_that_does_not_say)
{
	static const struct {
		const char *body, *want; /* NULL: refused */
	} rows[] = {
		{"{}", "{\"stream\":true}"},
		{" {\"a\":1}", "{\"stream\":true,\"a\":1}"},
		{"{\"a\":{\"stream\":false}}", "{\"stream\":true,\"a\":{\"stream\":false}}"},
		{"{\"stream\":false}", "{\"stream\":false}"},
		{"{\"str\\u0065am\":false}", "{\"str\\u0065am\":false}"},
		{"[]", NULL},
		{"", NULL},
		{"{\"a\":}", NULL},
		{"{} x", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t bytes = strlen(rows[i].body);
		char *got = add_stream(rows[i].body, &bytes);
		if (rows[i].want == NULL) {
			CHECK_ROW(got == NULL, rows[i].body);
		} else {
			CHECK_ROW(got != NULL && strcmp(got, rows[i].want) == 0, rows[i].body);
			CHECK_EQ(bytes, strlen(rows[i].want));
		}
		free(got);
	}
}

TEST(the_reason_word_is_found_in_both_kinds_of_refusal)
{
	static const struct {
		const char *body, *want;
	} rows[] = {
		{"{\"x402Version\":1,\"error\":\"invalid\",\"reason\":\"replayed\",\"accepts\":[]}", "replayed"},
		{"{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":null,\"code\":\"queue_full\"}}", "queue_full"},
		{"{\"error\":{\"message\":\"m\",\"code\":500}}", ""},
		{"{\"error\":null}", ""},
		{"{\"reason\":\"a\\u001b[2Jb\"}", "a?[2Jb"},
		{"<html>", ""},
		{"", ""},
		{"[{\"reason\":\"x\"}]", ""},
	};
	static struct answer answer;
	char reason[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		answer.body_bytes = strlen(rows[i].body);
		memcpy(answer.body, rows[i].body, answer.body_bytes);
		find_reason(reason, &answer);
		CHECK_ROW(strcmp(reason, rows[i].want) == 0, rows[i].body);
	}
}

/* --- the whole command against a server that answers from a script --- */

#define ENTRY                                                                                \
	"{\"scheme\":\"exact\",\"network\":\"eip155:84532\",\"amount\":\"10000\","           \
	"\"asset\":\"0x036CbD53842c5426634e7929541eC2318f3dCF7e\","                          \
	"\"payTo\":\"0x209693Bc6afc0C5328bA36FaF03C514EF312287C\",\"maxTimeoutSeconds\":60," \
	"\"extra\":{\"name\":\"USDC\",\"version\":\"2\"}}"
#define V2 "{\"x402Version\":2,\"resource\":{\"url\":\"http://n/\"},\"accepts\":[" ENTRY "]}"
#define V1                                                                                                \
	"{\"x402Version\":1,\"error\":\"Payment required\",\"reason\":\"payment_missing\",\"accepts\":[{" \
	"\"scheme\":\"exact\",\"network\":\"base-sepolia\",\"maxAmountRequired\":\"10000\","              \
	"\"resource\":\"http://n/\",\"asset\":\"0x036CbD53842c5426634e7929541eC2318f3dCF7e\","            \
	"\"payTo\":\"0x209693Bc6afc0C5328bA36FaF03C514EF312287C\",\"maxTimeoutSeconds\":60,"              \
	"\"extra\":{\"name\":\"USDC\",\"version\":\"2\"}}]}"

static struct {
	int listen_fd;
	const char *paid_answer; /* to a request with a payment; one without gets the challenge */
	char asked[2][32768];	 /* the requests */
	unsigned asked_cnt;
} server;

static void answer_request(int fd)
{
	char *request = server.asked[server.asked_cnt], head[16384], challenge[4096];
	size_t used = 0;
	ssize_t got;

	while (strstr(request, "\r\n\r\n") == NULL &&
	       (got = read(fd, request + used, sizeof(server.asked[0]) - 1 - used)) > 0)
		used += (size_t)got;
	server.asked_cnt++;
	if (strstr(request, "PAYMENT-SIGNATURE:") != NULL || strstr(request, "X-PAYMENT:") != NULL) {
		CHECK(write(fd, server.paid_answer, strlen(server.paid_answer)) > 0);
		return;
	}
	base64_encode(challenge, SPAN(V2));
	int bytes = snprintf(head, sizeof(head),
			     "HTTP/1.1 402 Payment Required\r\nPAYMENT-REQUIRED: %s\r\nContent-Length: %zu\r\n"
			     "Connection: close\r\n\r\n%s",
			     challenge, strlen(V1), V1);
	CHECK(write(fd, head, (size_t)bytes) == bytes);
}

static void *serve(void *unused)
{
	int fd;

	while ((fd = accept(server.listen_fd, NULL, NULL)) >= 0) {
		answer_request(fd);
		close(fd);
	}
	return unused;
}

static char key_path[] = "/tmp/tollbar-test-pay-key-XXXXXX";

/* Runs `tollbar pay --key K ARGUMENTS... URL` and gives its status; out gets what it printed, stderr after stdout. */
static int run(const char *paid_answer, char *out, size_t out_bytes, const char *const *arguments)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t address_bytes = sizeof(address);
	char url[64], *argv[16] = {(char *)"pay", (char *)"--key", key_path};
	int argc = 3, stdout_fd = dup(1), stderr_fd = dup(2);
	FILE *printed = tmpfile();
	pthread_t thread;

	memset(&server, 0, sizeof(server));
	server.paid_answer = paid_answer;
	server.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(bind(server.listen_fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	      listen(server.listen_fd, 4) == 0);
	CHECK(getsockname(server.listen_fd, (struct sockaddr *)&address, &address_bytes) == 0);
	CHECK(pthread_create(&thread, NULL, serve, NULL) == 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/v1", ntohs(address.sin_port));
	for (; *arguments != NULL; arguments++)
		argv[argc++] = (char *)(uintptr_t)*arguments;
	argv[argc++] = url;

	fflush(stdout);
	dup2(fileno(printed), 1);
	dup2(fileno(printed), 2);
	int status = cmd_pay(argc, argv);
	fflush(stdout);
	dup2(stdout_fd, 1);
	dup2(stderr_fd, 2);
	close(stdout_fd);
	close(stderr_fd);

	shutdown(server.listen_fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(server.listen_fd);
	ssize_t got = pread(fileno(printed), out, out_bytes - 1, 0);
	out[got < 0 ? 0 : got] = 0;
	fclose(printed);
	return status;
}

static void make_key(void)
{
	static const char key[] = "0x4242424242424242424242424242424242424242424242424242424242424242\n";
	int fd = mkstemp(key_path);

	CHECK(write(fd, key, sizeof(key) - 1) == sizeof(key) - 1);
	close(fd);
}

#define OK_ANSWER                                                                                \
	"HTTP/1.1 200 OK\r\nPAYMENT-RESPONSE: eyJzdWNjZXNzIjp0cnVlfQ==\r\nContent-Length: 7\r\n" \
	"Connection: close\r\n\r\n{\"a\":1}"
#define REPLAY_ANSWER \
	"HTTP/1.1 402 Payment Required\r\nContent-Length: 21\r\nConnection: close\r\n\r\n{\"reason\":\"replayed\"}"
#define CUT_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 70\r\nConnection: close\r\n\r\n{\"a\":1}"

TEST(it_pays_what_it_is_asked_and_says_what_became_of_it)
{
	static const struct {
		const char *arguments[8], *answer;
		int status;
		unsigned asked;
		const char *printed[3]; /* each somewhere in what it printed */
	} rows[] = {
		{{NULL}, OK_ANSWER, SERVED, 2, {"{\"a\":1}", "status 200", "receipt {\"success\":true}"}},
		{{"--data", "{}", "--stream", NULL}, OK_ANSWER, SERVED, 2, {"status 200"}},
		{{"--v1", NULL}, OK_ANSWER, SERVED, 2, {"version=1", "status 200"}},
		{{"--max-amount", "10000", NULL}, OK_ANSWER, SERVED, 2, {"amount=10000"}},
		{{"--max-amount", "9999", NULL}, OK_ANSWER, REFUSED, 1, {"--max-amount"}},
		{{"--method", "permit2", NULL}, OK_ANSWER, REFUSED, 1, {"none of the 1 offers"}},
		{{"--dump-header", NULL}, OK_ANSWER, SERVED, 1, {"PAYMENT-SIGNATURE: "}},
		{{NULL}, REPLAY_ANSWER, REFUSED, 2, {"status 402", "reason replayed"}},
		{{NULL}, CUT_ANSWER, NETWORK, 2, {"in the middle of the answer"}},
		{{"--method", "cash", NULL}, OK_ANSWER, USAGE, 0, {"--method: bad value"}},
		{{"--max-amount", "-1", NULL}, OK_ANSWER, USAGE, 0, {"--max-amount: bad value"}},
		{{"--valid-for", "0", NULL}, OK_ANSWER, USAGE, 0, {"--valid-for: bad value"}},
		{{"--header", "no colon", NULL}, OK_ANSWER, USAGE, 0, {"--header: bad value"}},
		{{"--header", "A: b\r\nC: d", NULL}, OK_ANSWER, USAGE, 0, {"--header: bad value"}},
		{{"--stream", NULL}, OK_ANSWER, USAGE, 0, {"--stream needs --data"}},
		{{"--data", "[]", "--stream", NULL}, OK_ANSWER, USAGE, 0, {"--stream needs --data"}},
	};
	static char printed[65536];

	make_key();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int status = run(rows[i].answer, printed, sizeof(printed), rows[i].arguments);
		CHECK_ROW(status == rows[i].status, printed);
		CHECK_EQ(server.asked_cnt, rows[i].asked);
		for (size_t j = 0; j < 3 && rows[i].printed[j] != NULL; j++)
			CHECK_ROW(strstr(printed, rows[i].printed[j]) != NULL, rows[i].printed[j]);
	}
	unlink(key_path);
}

/* The payment that reached the server, decoded. */
static bool sent_payment(struct payment *payment, unsigned version)
{
	const char *name = version == 2 ? "PAYMENT-SIGNATURE: " : "X-PAYMENT: ", *at = strstr(server.asked[1], name);

	if (at == NULL)
		return false;
	at += strlen(name);
	return decode_payment(payment, version, span_of(at, strcspn(at, "\r"))) == REASON_OK;
}

TEST(the_payment_on_the_wire_is_as_asked)
{
	static char printed[65536];
	struct payment first, second;
	uint64_t deadline_s, now_s = clock_unix_s();

	strcpy(strrchr(key_path, '-') + 1, "XXXXXX");
	make_key();
	CHECK_EQ(run(OK_ANSWER, printed, sizeof(printed), (const char *[]){"--valid-for", "30", NULL}), SERVED);
	CHECK(sent_payment(&first, 2));
	CHECK(u256_to_u64(&deadline_s, first.deadline.at));
	CHECK(deadline_s >= now_s + 30 && deadline_s <= now_s + 40);
	CHECK_EQ(run(OK_ANSWER, printed, sizeof(printed), (const char *[]){"--v1", NULL}), SERVED);
	CHECK(sent_payment(&second, 1));
	CHECK(memcmp(&first.nonce, &second.nonce, sizeof(first.nonce)) != 0); /* never one nonce twice */
	unlink(key_path);
}

/* The salt that reached the server. */
static bool sent_salt(uint8_t salt[BIND_SALT_BYTES])
{
	const char *at = strstr(server.asked[1], SALT_NAME);

	return at != NULL && hex_digits(salt, BIND_SALT_BYTES, span_of(at + strlen(SALT_NAME), 2 * BIND_SALT_BYTES));
}

TEST(a_bound_payment_commits_to_the_body)
{
	static char printed[65536];
	char path[] = "/tmp/tollbar-test-pay-lines-XXXXXX";
	uint8_t salt[BIND_SALT_BYTES], again[BIND_SALT_BYTES];
	struct payment payment;
	struct word nonce;
	int fd = mkstemp(path);

	strcpy(strrchr(key_path, '-') + 1, "XXXXXX");
	make_key();
	const char *arguments[] = {"--bind", "--data", "{\"a\":1}", NULL};
	CHECK_EQ(run(OK_ANSWER, printed, sizeof(printed), arguments), SERVED);
	CHECK_NEED(sent_payment(&payment, 2) && sent_salt(salt));
	bind_nonce(&nonce, salt, SPAN("{\"a\":1}"));
	CHECK_BYTES(&payment.nonce, &nonce, sizeof(nonce));
	CHECK_EQ(run(OK_ANSWER, printed, sizeof(printed), arguments), SERVED);
	CHECK(sent_salt(again) && memcmp(salt, again, sizeof(salt)) != 0);

	/* dumped, it is two lines, and both are sent */
	CHECK_EQ(run(OK_ANSWER, printed, sizeof(printed), (const char *[]){"--bind", "--dump-header", NULL}), SERVED);
	const char *line = strstr(printed, "PAYMENT-SIGNATURE: ");
	CHECK_NEED(line != NULL && strstr(line, "\n" SALT_NAME) != NULL);
	CHECK(write(fd, line, strlen(line)) > 0);
	static struct lines lines;
	CHECK_EQ(read_lines(&lines, path), SERVED);
	CHECK(strlen(lines.payment) > 500 && strchr(lines.payment, '\n') == NULL);
	CHECK_EQ(strlen(lines.salt), strlen(SALT_NAME) + 2 * BIND_SALT_BYTES);
	close(fd);
	unlink(path);
	unlink(key_path);
}

CHECK_MAIN
