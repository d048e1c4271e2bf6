// SPDX-License-Identifier: Apache-2.0
#include "checks.c"

#include "base/log.h"
#include "check.h"

/* Servers of the test's own, on the loopback: each answers every connection in the same way, whatever it was before. */
enum { SERVERS = 4, WAIT_MS = 30000 };

static struct server {
	int fd;
	pthread_t thread;
	_Atomic(const char *) answer; /* NULL: takes connections and says nothing */
	_Atomic bool closes;	      /* without a word */
	_Atomic unsigned asked;
	char request[1024]; /* the first */
} servers[SERVERS];

static struct config config;
static struct queue *queue;
static struct checks *checks;

static void answer(struct server *server, int fd)
{
	char text[1024];
	ssize_t bytes = recv(fd, text, sizeof text - 1, 0);

	text[bytes > 0 ? bytes : 0] = 0;
	if (atomic_load(&server->asked) == 0)
		memcpy(server->request, text, sizeof text);
	atomic_fetch_add(&server->asked, 1);
	const char *said = atomic_load(&server->answer);
	if (!atomic_load(&server->closes) && said != NULL)
		send(fd, said, strlen(said), MSG_NOSIGNAL);
	else if (!atomic_load(&server->closes))
		recv(fd, text, sizeof text, 0); /* until the check gives up */
}

static void *serve(void *ctx)
{
	struct server *server = ctx;

	for (int fd; (fd = accept(server->fd, NULL, NULL)) >= 0; close(fd))
		answer(server, fd);
	return NULL;
}

static void listen_at(struct server *server, struct config_upstream *to)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof address;

	server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_NEED(server->fd >= 0 && bind(server->fd, (struct sockaddr *)&address, bytes) == 0);
	CHECK_NEED(listen(server->fd, 16) == 0 && getsockname(server->fd, (struct sockaddr *)&address, &bytes) == 0);
	CHECK_NEED(pthread_create(&server->thread, NULL, serve, server) == 0);
	memcpy(&to->address, &address, bytes);
	to->address_bytes = bytes;
}

static void begin_all(void)
{
	struct queue_config queue_config = {.requests_max = 4, .bytes_max = 4, .upstream_cnt = SERVERS, .set_cnt = 1};

	log_level = LOG_ERROR;
	memset(&config, 0, sizeof config);
	config.upstream_cnt = SERVERS;
	for (size_t i = 0; i < SERVERS; i++) {
		struct config_upstream *to = &config.upstreams[i];
		*to = (struct config_upstream){
			.check = "/h", .check_ms = 20, .check_timeout_ms = 200, .host_header = "server:1"};
		servers[i] = (struct server){.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
		listen_at(&servers[i], to);
		queue_config.names[i] = "server";
		queue_config.checked[i] = true;
	}
	snprintf(config.upstreams[1].authorization, sizeof config.upstreams[1].authorization, "Bearer key");
	config.upstreams[SERVERS - 1].check[0] = 0;
	queue = queue_init(&queue_config);
	CHECK_NEED(queue != NULL && checks_start(&checks, &config, queue) == 0 && checks != NULL);
}

static void end_all(void)
{
	checks_stop(checks);
	for (size_t i = 0; i < SERVERS; i++) {
		shutdown(servers[i].fd, SHUT_RDWR);
		pthread_join(servers[i].thread, NULL);
		close(servers[i].fd);
	}
	queue_fini(queue);
}

static bool becomes(unsigned idx, enum health_state state)
{
	struct queue_stats stats;

	for (unsigned i = 0; i < WAIT_MS / 5; i++) {
		queue_stats(queue, &stats);
		if (stats.upstreams[idx].state == state)
			return true;
		usleep(5000);
	}
	return false;
}

static bool is_asked(unsigned idx, unsigned times)
{
	unsigned from = atomic_load(&servers[idx].asked);

	for (unsigned i = 0; i < WAIT_MS / 5 && atomic_load(&servers[idx].asked) < from + times; i++)
		usleep(5000);
	return atomic_load(&servers[idx].asked) >= from + times;
}

TEST(what_each_answer_means)
{
	static const struct {
		const char *answer;
		bool closes;
	} bad[] = {
		{"HTTP/1.1 503 Loading\r\nContent-Length: 0\r\n\r\n", false},
		{"HTTP/1.1 404 Not Found\r\n\r\n", false},
		{"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", false},
		{"SSH-2.0-OpenSSH\r\n\r\n", false},
		{"HTTP/1.1 200 O", false}, /* and no more */
		{NULL, true},
		{NULL, false}, /* not a word */
	};

	begin_all();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		CHECK_ROW(is_asked(0, 3) && becomes(0, HEALTH_UP), bad[i].answer);
		atomic_store(&servers[0].closes, bad[i].closes);
		atomic_store(&servers[0].answer, bad[i].answer);
		CHECK_ROW(becomes(0, HEALTH_OUT), bad[i].answer);
		atomic_store(&servers[0].closes, false);
		atomic_store(&servers[0].answer, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
		CHECK_ROW(becomes(0, HEALTH_UP), bad[i].answer);
	}
	CHECK(is_asked(1, 1) && becomes(1, HEALTH_UP)); /* the others are as they were */
	CHECK_EQ(atomic_load(&servers[SERVERS - 1].asked), 0);
	end_all();
	CHECK(strcmp(servers[0].request, "GET /h HTTP/1.1\r\nHost: server:1\r\nUser-Agent: tollbar\r\n"
					 "Connection: close\r\n\r\n") == 0);
	CHECK(strcmp(servers[1].request, "GET /h HTTP/1.1\r\nHost: server:1\r\nUser-Agent: tollbar\r\n"
					 "Connection: close\r\nAuthorization: Bearer key\r\n\r\n") == 0);
}

TEST(late_because_it_is_busy)
{
	begin_all();
	CHECK(is_asked(0, 1));
	struct queue_stats before, after;
	queue_stats(queue, &before);
	atomic_store(&servers[0].answer, NULL);
	/* Meanwhile requests are answered all the time. */
	unsigned from = atomic_load(&servers[0].asked);
	for (unsigned i = 0; i < WAIT_MS && atomic_load(&servers[0].asked) < from + 2 * HEALTH_FAILS; i++) {
		queue_note(queue, 0, SIGN_GOOD, false, clock_coarse_ms(), clock_coarse_ms());
		usleep(1000);
	}
	queue_stats(queue, &after);
	CHECK(atomic_load(&servers[0].asked) >= from + 2 * HEALTH_FAILS);
	CHECK(after.upstreams[0].outages == before.upstreams[0].outages && after.upstreams[0].state == HEALTH_UP);
	CHECK(becomes(0, HEALTH_OUT)); /* and now they are not */
	end_all();
}

TEST(nobody_listens_and_nothing_to_check)
{
	begin_all();
	CHECK(is_asked(2, 1));
	shutdown(servers[2].fd, SHUT_RDWR);
	pthread_join(servers[2].thread, NULL);
	close(servers[2].fd);
	CHECK(becomes(2, HEALTH_OUT));
	listen_at(&servers[2], &config.upstreams[3]); /* elsewhere: does not help */
	CHECK(becomes(0, HEALTH_UP) && becomes(1, HEALTH_UP));
	end_all();
	for (size_t i = 0; i < SERVERS; i++)
		config.upstreams[i].check[0] = 0;
	CHECK(checks_start(&checks, &config, NULL) == 0 && checks == NULL);
	checks_stop(checks);
}

CHECK_MAIN
