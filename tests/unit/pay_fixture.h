/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_UNIT_PAY_FIXTURE_H
#define TOLLBAR_TESTS_UNIT_PAY_FIXTURE_H
/* pay_fixture.h: `tollbar pay` as a whole against a server that answers from a script. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"
#include "capture.h"
#include "check.h"
#include "cmd/cmd.h"

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
	/* before pay_run: */
	const char *challenge;	 /* of version 2 */
	const char *paid_answer; /* to a request with a payment; one without gets the challenge */
	const char *results[3];	 /* to requests for /v1/requests/..., one after the other */

	int listen_fd;
	uint16_t port;
	pthread_t thread;
	char asked[4][32768]; /* the requests */
	unsigned asked_cnt, result_cnt;
} server;

static void server_answer(int fd)
{
	CHECK_NEED(server.asked_cnt < 4);
	char *request = server.asked[server.asked_cnt], head[16384], challenge[4096];
	size_t used = 0;
	ssize_t got;

	while (strstr(request, "\r\n\r\n") == NULL &&
	       (got = read(fd, request + used, sizeof(server.asked[0]) - 1 - used)) > 0)
		used += (size_t)got;
	server.asked_cnt++;
	if (strncmp(request, "GET /v1/requests/", 17) == 0) {
		const char *result = server.results[server.result_cnt++];
		CHECK(write(fd, result, strlen(result)) > 0);
		return;
	}
	if (strstr(request, "PAYMENT-SIGNATURE:") != NULL || strstr(request, "X-PAYMENT:") != NULL) {
		CHECK(write(fd, server.paid_answer, strlen(server.paid_answer)) > 0);
		return;
	}
	base64_encode(challenge, span_str(server.challenge));
	int bytes = snprintf(head, sizeof(head),
			     "HTTP/1.1 402 Payment Required\r\nPAYMENT-REQUIRED: %s\r\nContent-Length: %zu\r\n"
			     "Connection: close\r\n\r\n%s",
			     challenge, strlen(V1), V1);
	CHECK(write(fd, head, (size_t)bytes) == bytes);
}

static void *server_serve(void *unused)
{
	int fd;

	while ((fd = accept(server.listen_fd, NULL, NULL)) >= 0) {
		server_answer(fd);
		close(fd);
	}
	return unused;
}

static void server_start(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t address_bytes = sizeof(address);

	memset(server.asked, 0, sizeof(server.asked));
	server.asked_cnt = server.result_cnt = 0;
	server.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_NEED(bind(server.listen_fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		   listen(server.listen_fd, 4) == 0);
	CHECK_NEED(getsockname(server.listen_fd, (struct sockaddr *)&address, &address_bytes) == 0);
	server.port = ntohs(address.sin_port);
	CHECK_NEED(pthread_create(&server.thread, NULL, server_serve, NULL) == 0);
}

static void server_stop(void)
{
	shutdown(server.listen_fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.listen_fd);
}

static char pay_key_path[32];

static void pay_make_key(void)
{
	static const char key[] = "0x4242424242424242424242424242424242424242424242424242424242424242\n";
	int fd;

	snprintf(pay_key_path, sizeof(pay_key_path), "/tmp/tollbar-test-key-XXXXXX");
	fd = mkstemp(pay_key_path);
	CHECK_NEED(write(fd, key, sizeof(key) - 1) == sizeof(key) - 1);
	close(fd);
}

/* Runs `tollbar pay --key K ARGUMENTS...`, where URL stands for the server's; its status.  What it printed is in `printed`. */
static int pay_run(const char *const *arguments)
{
	const char *given[20] = {"--key", pay_key_path};
	char url[64];

	server_start();
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/v1", server.port);
	for (int i = 2; *arguments != NULL; arguments++)
		given[i++] = strcmp(*arguments, "URL") == 0 ? url : *arguments;
	int status = capture_run(cmd_pay, "pay", given);
	server_stop();
	return status;
}

#endif
