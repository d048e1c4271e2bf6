// SPDX-License-Identifier: Apache-2.0
/* test_post.c: names, as a resolver tells them that the test plays: found, not found, moved, slow; and IPv6.  What is the
 * same for every carrier is in test_fetch_pool.c. */
#include "../../user/post.c"

#include <netdb.h>
#include <semaphore.h>

#include "http_fixture.h"

/* --- the resolver --- */

#define ADDRESSES_MAX 3

static struct {
	_Atomic int calls;
	_Atomic bool slow; /* each call waits for `go` */
	sem_t go;
	pthread_mutex_t lock;
	const char *addresses[ADDRESSES_MAX + 1]; /* what the name is; NULL ends, none: not found */
} names = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void name_is(const char *first, const char *second, const char *third)
{
	pthread_mutex_lock(&names.lock);
	names.addresses[0] = first;
	names.addresses[1] = second;
	names.addresses[2] = third;
	pthread_mutex_unlock(&names.lock);
}

static bool set_address(struct addrinfo *out, const char *text, uint16_t port)
{
	struct sockaddr_in *v4 = calloc(1, sizeof(struct sockaddr_in6));
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)v4;

	CHECK_NEED(v4 != NULL);
	*out = (struct addrinfo){.ai_addr = (struct sockaddr *)v4};
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_port = htons(port);
		v4->sin_family = AF_INET;
		out->ai_addrlen = sizeof *v4;
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_port = htons(port);
		v6->sin6_family = AF_INET6;
		out->ai_addrlen = sizeof *v6;
	}
	out->ai_family = v4->sin_family;
	return out->ai_addrlen > 0;
}

/* In the place of the C library's. */
int getaddrinfo(const char *restrict host, const char *restrict service, const struct addrinfo *restrict hints,
		struct addrinfo **restrict found)
{
	const char *numeric[] = {host, NULL, NULL, NULL}, **texts = numeric;
	struct addrinfo **next = found;

	*found = NULL;
	if ((hints->ai_flags & AI_NUMERICHOST) == 0) {
		atomic_fetch_add(&names.calls, 1);
		if (atomic_load(&names.slow))
			sem_wait(&names.go);
		texts = names.addresses;
	}
	pthread_mutex_lock(&names.lock);
	for (size_t i = 0; i < ADDRESSES_MAX && texts[i] != NULL; i++) {
		struct addrinfo *one = calloc(1, sizeof *one);
		CHECK_NEED(one != NULL);
		*next = one;
		if (!set_address(one, texts[i], (uint16_t)atoi(service)))
			break;
		next = &one->ai_next;
	}
	pthread_mutex_unlock(&names.lock);
	if (*next == NULL && next != found)
		return 0;
	freeaddrinfo(*found);
	return EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *found)
{
	for (struct addrinfo *next; found != NULL; found = next) {
		next = found->ai_next;
		free(found->ai_addr);
		free(found);
	}
}

/* --- the pool --- */

static struct fetch_pool *pool;
static struct mailbox box;

static struct post *opened(void)
{
	return (struct post *)pool;
}

static bool open_to(const char *host, size_t jobs_max, unsigned timeout_ms)
{
	char url[64];
	struct fetch_pool_config config = {.url = url,
					   .timeout_ms = timeout_ms,
					   .jobs_max = jobs_max,
					   .body_bytes_max = 64,
					   .answer_bytes_max = 64,
					   .box = &box};

	snprintf(url, sizeof url, "http://%s:%u/", host, http.port);
	atomic_store(&names.calls, 0);
	CHECK_EQ(mailbox_init(&box), 0);
	int error = post_open(&pool, &config);
	CHECK(error == 0 || error == -ENOSYS || error == -EPERM);
	if (error != 0) {
		mailbox_fini(&box);
		http_stop();
	}
	return error == 0;
}

#define OPEN_OR_SKIP(host, jobs_max, timeout_ms)          \
	do {                                              \
		if (!open_to(host, jobs_max, timeout_ms)) \
			CHECK_SKIP("no io_uring");        \
	} while (0)

static void end(void)
{
	fetch_pool_close(pool);
	mailbox_fini(&box);
	http_stop();
}

static void start_job(void)
{
	struct fetch_job *job = fetch_take(pool);

	CHECK_NEED(job != NULL);
	fetch_start(pool, job, (size_t)snprintf(job->body, 64, "{}"));
}

/* The error of the next job that is done. */
static int wait_done(bool *sent)
{
	struct fetch_job *job = fetch_done(pool);

	for (uint64_t until_ns = clock_ns() + 5000000000u; job == NULL && clock_ns() < until_ns;) {
		fetch_wait(pool, 100);
		job = fetch_done(pool);
	}
	CHECK_NEED(job != NULL);
	int error = job->error;
	*sent = job->sent;
	fetch_give(pool, job);
	return error;
}

static int run_job(void)
{
	bool sent;

	start_job();
	int error = wait_done(&sent);
	CHECK_EQ(sent, error == 0);
	return error;
}

/* 127.0.0.2 and .3 are this machine too, and nobody listens there. */
#define HERE "127.0.0.1"
#define DEAD "127.0.0.2"
#define DEAD_TOO "127.0.0.3"

TEST(a_name_is_looked_up_once_while_it_is_good)
{
	name_is(HERE, NULL, NULL);
	http_start("answer");
	OPEN_OR_SKIP("name.test", 2, 3000);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(run_job(), 0);
	CHECK(http.connections == 1 && names.calls == 1);
	CHECK(strstr(http_last(), "\r\nHost: name.test:") != NULL);
	end();
}

TEST(the_next_address_is_tried_and_then_preferred)
{
	name_is(DEAD, DEAD_TOO, HERE);
	http_start("answer");
	OPEN_OR_SKIP("name.test", 2, 3000);
	http.mode = HTTP_LEAVE; /* each job connects */
	CHECK_EQ(run_job(), 0);
	CHECK_EQ(opened()->first_idx, 2);
	for (int i = 0; i < 5; i++) {
		usleep(5000);
		CHECK_EQ(run_job(), 0);
	}
	CHECK(names.calls == 1 && http.connections == 6);
	end();
}

TEST(a_facilitator_that_moved_is_found)
{
	name_is(DEAD, DEAD_TOO, NULL);
	http_start("answer");
	OPEN_OR_SKIP("name.test", 4, 3000);
	while (opened()->addresses.cnt == 0)
		fetch_wait(pool, 10);
	name_is(HERE, NULL, NULL);
	for (int i = 0; i < 4; i++)
		start_job(); /* they try the old addresses, look again once together, and none of them fails */
	for (int i = 0; i < 4; i++) {
		bool sent;
		CHECK_EQ(wait_done(&sent), 0);
	}
	CHECK_EQ(names.calls, 2);
	end();
}

TEST(a_name_that_is_not_found_may_be_later)
{
	name_is(NULL, NULL, NULL);
	http_start("answer");
	OPEN_OR_SKIP("name.test", 2, 3000);
	CHECK_EQ(run_job(), -EHOSTUNREACH);
	CHECK_EQ(run_job(), -EHOSTUNREACH);
	name_is(HERE, NULL, NULL);
	CHECK_EQ(run_job(), 0);
	end();
}

TEST(a_failed_lookup_leaves_what_was_known)
{
	name_is(HERE, NULL, NULL);
	http_start("answer");
	OPEN_OR_SKIP("name.test", 2, 3000);
	CHECK_EQ(run_job(), 0);
	name_is(NULL, NULL, NULL);
	uint16_t port = http.port;
	http_stop();
	CHECK_EQ(run_job(), -ECONNREFUSED);
	CHECK_EQ(names.calls, 2);
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	CHECK_NEED(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
	http_run(fd, "answer"); /* back */
	CHECK_EQ(run_job(), 0);
	CHECK_EQ(names.calls, 2);
	end();
}

TEST(a_slow_lookup_holds_up_nobody_who_has_a_connection)
{
	bool sent;

	name_is(HERE, NULL, NULL);
	http_start("answer");
	sem_init(&names.go, 0, 0);
	OPEN_OR_SKIP("name.test", 3, 200);
	CHECK_EQ(run_job(), 0); /* a connection is kept */
	name_is(DEAD, NULL, NULL);
	names.slow = true;
	start_lookup(opened());
	while (names.calls < 2)
		usleep(1000);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(run_job(), 0); /* under way all the time */
	opened()->addresses.cnt = 0;	/* as if nothing had been known before */
	http.mode = HTTP_SILENT;
	start_job(); /* takes the connection */
	start_job(); /* has to wait for the name */
	int first = wait_done(&sent);
	CHECK(first == -ETIMEDOUT && sent);
	int second = wait_done(&sent);
	CHECK(second == -ETIMEDOUT && !sent);
	fetch_pool_close(pool); /* does not wait for the lookup, which leaves by itself */
	mailbox_fini(&box);
	http_stop();
	names.slow = false;
	sem_post(&names.go);
	usleep(10000);
}

TEST(an_address_is_not_looked_up)
{
	http_start("answer");
	OPEN_OR_SKIP(HERE, 1, 3000);
	CHECK_EQ(run_job(), 0);
	http_stop();
	CHECK_EQ(run_job(), -ECONNREFUSED);
	CHECK_EQ(run_job(), -ECONNREFUSED);
	CHECK_EQ(names.calls, 0);
	fetch_pool_close(pool);
	mailbox_fini(&box);
}

TEST(over_ipv6)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t bytes = sizeof address;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, bytes) < 0) {
		close(fd);
		CHECK_SKIP("no IPv6 on the loopback");
	}
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	http.port = ntohs(address.sin6_port);
	http_run(fd, "answer");
	OPEN_OR_SKIP("[::1]", 1, 3000);
	CHECK_EQ(run_job(), 0);
	CHECK(strstr(http_last(), "\r\nHost: [::1]:") != NULL);
	end();
}

/* --- which carrier --- */

TEST(what_is_for_the_ring)
{
	static const struct {
		const char *url, *proxy; /* http_proxy */
		bool can;
	} rows[] = {
		{"http://127.0.0.1:4020", NULL, true},
		{"http://facilitator.internal/x402", NULL, true},
		{"http://facilitator.internal/x402", "", true},
		{"http://facilitator.internal/x402", "http://proxy:3128", false},
		{"http://127.0.0.1:4020", "http://proxy:3128", true},
		{"http://127.0.0.2:4020", "http://proxy:3128", false},
		{"http://LocalHost:4020", "http://proxy:3128", true},
		{"http://[::1]:4020", "http://proxy:3128", true},
		{"https://facilitator.example", NULL, false},
		{"ftp://127.0.0.1", NULL, false},
		{"127.0.0.1", NULL, false},
	};
	static const char *const variables[] = {"http_proxy", "all_proxy", "ALL_PROXY"};

	for (size_t v = 0; v < sizeof variables / sizeof *variables; v++)
		unsetenv(variables[v]);
	for (size_t v = 0; v < sizeof variables / sizeof *variables; v++)
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			if (rows[i].proxy != NULL)
				setenv(variables[v], rows[i].proxy, 1);
			CHECK_ROW(post_can(rows[i].url) == rows[i].can, rows[i].url);
			unsetenv(variables[v]);
		}
}

TEST(opening_refuses_what_cannot_work)
{
	struct fetch_pool_config config = {.url = "https://127.0.0.1", .timeout_ms = 1, .jobs_max = 1, .box = &box};

	CHECK_EQ(post_open(&pool, &config), -EINVAL);
	CHECK(pool == NULL);
	config.url = "http://127.0.0.1";
	config.jobs_max = 0;
	CHECK_EQ(post_open(&pool, &config), -EINVAL);
}

CHECK_MAIN
