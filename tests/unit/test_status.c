// SPDX-License-Identifier: Apache-2.0
#include "cmd/admin_ask.c"
#include "cmd/status.c"

#include <pthread.h>
#include <sys/eventfd.h>

#include "admin.h"
#include "capture.h"
#include "check.h"

static char address[64];

#define RUN(...) CAPTURE(cmd_status, "status", __VA_ARGS__)

/* --- against the real listener --- */

static struct admin *admin;

static void look(void *ctx, struct admin_view *view)
{
	memset(view, 0, sizeof *view);
	view->ready = true;
	view->worker_cnt = 3;
	view->sandbox = "without_landlock";
	view->loop = "io_uring";
	view->total.requests = 41;
}

static void *serve(void *unused)
{
	admin_serve(admin, -1);
	return NULL;
}

TEST(a_running_daemon)
{
	int stop_fd = eventfd(0, EFD_CLOEXEC);
	struct admin_config config = {.look = look, .stop_fd = stop_fd};
	pthread_t thread;

	*(struct sockaddr_in *)&config.address =
		(struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CHECK_EQ(admin_open(&admin, &config), 0);
	CHECK_EQ(pthread_create(&thread, NULL, serve, NULL), 0);

	snprintf(address, sizeof address, "127.0.0.1:%u", admin_port(admin));
	CHECK_EQ(RUN("-a", address), 0);
	CHECK(strncmp(printed, "ready, up 0h00m, 3 workers by io_uring, sandbox without_landlock\n", 65) == 0);
	CHECK(strstr(printed, "  requests                   41\n") != NULL);
	CHECK_EQ(RUN("--json", "-a", address), 0);
	CHECK(strncmp(printed, "{\"ready\":true,", 14) == 0 && strstr(printed, "\"begun\":41,") != NULL);
	snprintf(address, sizeof address, ":%u", admin_port(admin)); /* this machine */
	CHECK_EQ(RUN("-a", address), 0);
	snprintf(address, sizeof address, "[::ffff:127.0.0.1]:%u", admin_port(admin));
	CHECK_EQ(RUN("-a", address), 0);

	CHECK_EQ(RUN("--watch", "--count", "1", "-a", address), 0);
	CHECK(strncmp(printed, "no filter ", 10) == 0);
	CHECK(strstr(printed, "\n  begun                               0.0               41\n") != NULL);

	eventfd_write(stop_fd, 1);
	pthread_join(thread, NULL);
	snprintf(address, sizeof address, "127.0.0.1:%u", admin_port(admin));
	admin_close(admin);
	close(stop_fd);
	CHECK_EQ(RUN("-a", address), 1);
	CHECK(strstr(printed, "Connection refused") != NULL);
	CHECK_EQ(RUN("--watch", "-a", address), 1);
	CHECK(strstr(printed, "the filter alone can be watched: -i IFACE") != NULL);
}

/* --- against something else --- */

struct impostor {
	int fd;
	const char *answer;
};

static void *answer_once(void *ctx)
{
	struct impostor *impostor = ctx;
	int fd = accept(impostor->fd, NULL, NULL);
	char question[1024];

	if (recv(fd, question, sizeof question, 0) > 0)
		send(fd, impostor->answer, strlen(impostor->answer), MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

TEST(answers_that_are_not_ours)
{
	static const struct {
		const char *answer, *says;
		int result;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"requests\":{}}", "not ready: ", 0},
		{"HTTP/1.1 200 OK\r\n\r\n{\"requests\":{}}", "not ready: ", 0},
		{"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"requests\":{}}", "not a good answer", 1},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "not a tollbar's", 1},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 15\r\n\r\n{\"requests\":{}}", "not a good answer", 1},
		{"HTTP/1.1 200 OK\r\nContent-Le", "not a good answer", 1},
		{"SSH-2.0-OpenSSH_9.2\r\n", "not a good answer", 1},
		{"", "not a good answer", 1},
	};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct impostor impostor = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	socklen_t at_bytes = sizeof at;
	pthread_t thread;

	CHECK(bind(impostor.fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(impostor.fd, 8) == 0);
	CHECK_EQ(getsockname(impostor.fd, (struct sockaddr *)&at, &at_bytes), 0);
	snprintf(address, sizeof address, "localhost:%u", ntohs(at.sin_port));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		impostor.answer = rows[i].answer;
		CHECK_EQ(pthread_create(&thread, NULL, answer_once, &impostor), 0);
		CHECK_ROW(RUN("-a", address) == rows[i].result, rows[i].answer);
		CHECK_ROW(strstr(printed, rows[i].says) != NULL, printed);
		pthread_join(thread, NULL);
	}
	close(impostor.fd);
}

TEST(a_silent_listener_is_given_up)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t at_bytes = sizeof at;
	uint64_t began_ns = clock_ns();

	CHECK(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 8) == 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &at_bytes), 0);
	snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(at.sin_port));
	CHECK_EQ(RUN("-a", address), 1);
	CHECK(strstr(printed, "timed out") != NULL);
	CHECK(clock_ns() - began_ns >= PATIENCE_NS && clock_ns() - began_ns < 3 * PATIENCE_NS);
	close(fd);
}

TEST(usage)
{
	CHECK_EQ(RUN("--help"), 0);
	CHECK(strncmp(printed, "usage: tollbar status ", 22) == 0);
	CHECK_EQ(RUN("--nonsense"), 2);
	CHECK_EQ(RUN("extra"), 2);
	CHECK_EQ(RUN("-a", "nonsense"), 2);
	CHECK(strstr(printed, "'nonsense' is not host:port") != NULL);
	CHECK_EQ(RUN("-a", "127.0.0.1:"), 2);
	CHECK_EQ(RUN("--watch", "--json"), 2);
	CHECK(strstr(printed, "--json shows one moment") != NULL);
	CHECK_EQ(RUN("--watch", "-i", "eth0", "-a", "127.0.0.1:1"), 2);
	CHECK(strstr(printed, "one of them") != NULL);
	CHECK_EQ(RUN("--count", "1"), 2);
	CHECK_EQ(RUN("-i", "eth0"), 2);
	CHECK(strstr(printed, "go with --watch") != NULL);
	CHECK_EQ(RUN("--watch", "--interval", "0"), 2);
	CHECK(strstr(printed, "--interval \"0\" is not a number from 1 to 3600") != NULL);
	CHECK_EQ(RUN("--watch", "--interval", "3601"), 2);
	CHECK_EQ(RUN("--watch", "--count", "x"), 2);
	CHECK_EQ(RUN("--watch", "-i", "no-such-if0"), 1);
	CHECK(strstr(printed, "no such interface") != NULL);
	CHECK_EQ(RUN("-c", "/nonexistent/tollbar.conf"), 2);
	CHECK(strstr(printed, "No such file") != NULL);
}

CHECK_MAIN
