// SPDX-License-Identifier: Apache-2.0
/* What each kind of thread may still do, asked of the kernel: every question in a process of its own, which enters for good. */
#include "sys/sandbox.c"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"
#include "sys/peers.h"

static char folder[64], kept[96], outside[96];
static int listener, other;
static uint16_t port, other_port;
static const struct sockaddr_storage *peers;

/* --- the rig --- */

static int listen_somewhere(uint16_t *number)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	CHECK_EQ(listen(fd, 16), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	*number = ntohs(address.sin_port);
	return fd;
}

static void put_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && write(fd, "x", 1) == 1);
	close(fd);
}

static void begin(void)
{
	char path[128];

	strcpy(folder, "/tmp/tollbar-sandbox-XXXXXX");
	CHECK(mkdtemp(folder) != NULL);
	snprintf(kept, sizeof kept, "%s/kept", folder);
	snprintf(outside, sizeof outside, "%s/outside", folder);
	CHECK(mkdir(kept, 0700) == 0 && mkdir(outside, 0700) == 0);
	snprintf(path, sizeof path, "%s/file", kept);
	put_file(path);
	snprintf(path, sizeof path, "%s/file", outside);
	put_file(path);
	listener = listen_somewhere(&port);
	other = listen_somewhere(&other_port);
}

static void end(void)
{
	static const char *const names[] = {"kept/file",    "kept/made", "kept", "outside/file",
					    "outside/made", "outside",	 ""};
	char path[128];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		remove(path);
	}
	close(listener);
	close(other);
}

static void enter(enum sandbox_kind kind, unsigned access, bool enters_thread)
{
	struct sockaddr_storage address = {0};
	const struct sockaddr_storage *addresses[] = {&address};
	struct landlock_path path = {.path = kept, .access = access};
	struct sandbox_config config = {.process = {.paths = &path,
						    .path_cnt = 1,
						    .connect_ports = &port,
						    .connect_port_cnt = 1,
						    .bind_ports = &port,
						    .bind_port_cnt = 1},
					.worker_ports = &port,
					.worker_port_cnt = 1};

	*(struct sockaddr_in *)&address = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	peers = peers_seal(addresses, 1);
	if (peers == NULL || sandbox_enter(&config) != 0)
		_exit(99);
	if (enters_thread)
		sandbox_enter_thread(kind);
}

/* What `ask` came to in a process that entered: an errno, 0, or 1000 and the signal it died of. */
static int asked(enum sandbox_kind kind, unsigned access, bool enters_thread, int (*ask)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		enter(kind, access, enters_thread);
		_exit(ask());
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int of(enum sandbox_kind kind, int (*ask)(void))
{
	return asked(kind, LANDLOCK_WRITE, true, ask);
}

static int of_process(unsigned access, int (*ask)(void))
{
	return asked(SANDBOX_MAIN, access, false, ask);
}

/* --- questions --- */

static int open_in(const char *where, const char *name, int flags)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", where, name);
	return open(path, flags | O_CLOEXEC, 0600) < 0 ? errno : 0;
}

static int read_kept(void)
{
	return open_in(kept, "file", O_RDONLY);
}

static int read_outside(void)
{
	return open_in(outside, "file", O_RDONLY);
}

static int write_kept(void)
{
	return open_in(kept, "file", O_WRONLY | O_TRUNC);
}

static int make_kept(void)
{
	char path[128], name[128];
	int error = open_in(kept, "made", O_WRONLY | O_CREAT);

	snprintf(path, sizeof path, "%s/made", kept);
	snprintf(name, sizeof name, "%s/file", kept);
	return error != 0 ? error : rename(path, name) < 0 ? errno : 0;
}

static int make_outside(void)
{
	return open_in(outside, "made", O_WRONLY | O_CREAT);
}

static int connect_with(const struct sockaddr *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return errno;
	return connect(fd, to, sizeof(struct sockaddr_in)) < 0 && errno != EINPROGRESS ? errno : 0;
}

static int connect_port(uint16_t number)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(number)};

	return connect_with((const struct sockaddr *)&to);
}

static int connect_named(void)
{
	return connect_port(port);
}

static int connect_other(void)
{
	return connect_port(other_port);
}

static int connect_first_peer(void)
{
	return connect_with((const struct sockaddr *)&peers[0]);
}

static int connect_last_peer(void)
{
	return connect_with((const struct sockaddr *)&peers[PEERS_MAX - 1]);
}

static int connect_past_peers(void)
{
	return connect_with((const struct sockaddr *)&peers[PEERS_MAX]);
}

static int connect_inside_peer(void)
{
	return connect_with((const struct sockaddr *)((const char *)peers + 16));
}

static int write_to_peers(void)
{
	*(volatile char *)(uintptr_t)peers = 0;
	return 0;
}

static int bind_other(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return bind(fd, (struct sockaddr *)&at, sizeof at) < 0 ? errno : 0;
}

static int listens(void)
{
	return listen(listener, 16) < 0 ? errno : 0;
}

static int datagrams(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) < 0 ? errno : 0;
}

static int make_ring(void)
{
	struct io_uring_params params = {0};

	return syscall(SYS_io_uring_setup, 4, &params) < 0 ? errno : 0;
}

static int memory_and_time(void)
{
	char *at = malloc(1 << 22);
	struct timespec now;

	if (at == NULL)
		return ENOMEM;
	at[1 << 20] = 1;
	free(at);
	syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
	return write(STDERR_FILENO, "", 0) < 0 ? errno : 0;
}

static void *nothing(void *arg)
{
	return arg;
}

static int starts_thread(void)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, nothing, NULL);

	return error != 0 ? error : pthread_join(thread, NULL);
}

static int starts_process(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	return child < 0 ? errno : 0;
}

static int runs_program(void)
{
	char *const words[] = {"/bin/true", NULL};

	execve(words[0], words, NULL);
	return errno;
}

static int aborts(void)
{
	abort();
}

static int map_low(void)
{
	return mmap((void *)PEERS_AT, PEERS_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
			       MAP_FAILED
		       ? errno
		       : 0;
}

static int uses_bpf(void)
{
	return syscall(SYS_bpf, 1, NULL, 0) < 0 ? errno : 0;
}

static int has_capability(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return errno;
	return data[0].permitted != 0 || data[1].permitted != 0 ? 1 : prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) - 1;
}

/* --- the tests --- */

TEST(files_are_those_that_were_named)
{
	if (landlock_version() == 0)
		CHECK_SKIP("no landlock");
	begin();
	CHECK_EQ(of_process(LANDLOCK_READ, read_kept), 0);
	CHECK_EQ(of_process(LANDLOCK_READ, read_outside), EACCES);
	CHECK_EQ(of_process(LANDLOCK_READ, write_kept), EACCES);
	CHECK_EQ(of_process(LANDLOCK_READ, make_kept), EACCES);
	CHECK_EQ(of_process(LANDLOCK_WRITE, write_kept), 0);
	CHECK_EQ(of_process(LANDLOCK_WRITE, make_kept), 0);
	CHECK_EQ(of_process(LANDLOCK_READ, read_kept), 0); /* another file of its name by now */
	CHECK_EQ(of_process(LANDLOCK_WRITE, make_outside), EACCES);
	end();
}

TEST(ports_are_those_that_were_named)
{
	if (landlock_version() < LANDLOCK_TCP)
		CHECK_SKIP("no landlock of TCP");
	begin();
	CHECK_EQ(of_process(LANDLOCK_READ, connect_named), 0);
	CHECK_EQ(of_process(LANDLOCK_READ, connect_other), EACCES);
	CHECK_EQ(of_process(LANDLOCK_READ, bind_other), EACCES);
	end();
}

TEST(a_worker_connects_to_what_is_sealed)
{
	begin();
	CHECK_EQ(of(SANDBOX_WORKER, connect_first_peer), 0);
	CHECK_EQ(of(SANDBOX_WORKER, connect_last_peer), 0);
	CHECK_EQ(of(SANDBOX_WORKER, connect_past_peers), EPERM);
	CHECK_EQ(of(SANDBOX_WORKER, connect_inside_peer), EPERM);
	CHECK_EQ(of(SANDBOX_WORKER, connect_named), EPERM); /* the same address, elsewhere */
	CHECK_EQ(of(SANDBOX_WORKER, write_to_peers), 1000 + SIGSEGV);
	CHECK_EQ(of(SANDBOX_CALLS, write_to_peers), 1000 + SIGSEGV);
	end();
}

TEST(each_kind_has_what_it_is_for)
{
	static const struct {
		int (*ask)(void);
		int process, main, worker, files, calls;
	} rows[] = {
		{memory_and_time, 0, 0, 0, 0, 0},
		{read_kept, 0, 0, EPERM, 0, 0},
		{datagrams, 0, 0, EPERM, EPERM, 0},
		{connect_named, 0, 0, EPERM, EPERM, 0},
		{listens, 0, 0, EPERM, EPERM, EPERM},
		{make_ring, 0, 0, EPERM, EPERM, 0},
		{starts_thread, 0, 0, EPERM, EPERM, 0},
		{starts_process, EPERM, EPERM, EPERM, EPERM, EPERM},
		{runs_program, 1000 + SIGSYS, 1000 + SIGSYS, 1000 + SIGSYS, 1000 + SIGSYS, 1000 + SIGSYS},
		{aborts, 1000 + SIGABRT, 1000 + SIGABRT, 1000 + SIGABRT, 1000 + SIGABRT, 1000 + SIGABRT},
		{map_low, EPERM, EPERM, EPERM, EPERM, EPERM},
		{uses_bpf, EPERM, EPERM, EPERM, EPERM, EPERM}, /* there is no filter */
		{has_capability, 0, 0, EPERM, EPERM, EPERM},
	};

	begin();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		/* on a low port something may still be bound, until the main thread serves */
		if (rows[i].ask != has_capability)
			CHECK_EQ(of_process(LANDLOCK_WRITE, rows[i].ask), rows[i].process);
		CHECK_EQ(of(SANDBOX_MAIN, rows[i].ask), rows[i].main);
		CHECK_EQ(of(SANDBOX_WORKER, rows[i].ask), rows[i].worker);
		CHECK_EQ(of(SANDBOX_FILES, rows[i].ask), rows[i].files);
		CHECK_EQ(of(SANDBOX_CALLS, rows[i].ask), rows[i].calls);
	}
	end();
}

TEST(every_call_has_a_reason)
{
	for (size_t i = 0; i < sandbox_call_cnt; i++) {
		const struct call *call = &sandbox_calls[i];
		CHECK(call->why != NULL && strlen(call->why) > 3);
		CHECK(call->condition_cnt <= CALL_CONDITIONS_MAX && (call->who & ~ALL) == 0);
		for (size_t k = 0; k < i; k++) {
			const struct call *before = &sandbox_calls[k];
			if (before->number != call->number)
				continue;
			CHECK(call->who != 0 && before->who != 0); /* nobody's is nobody's */
			/* a row without conditions makes any other of the same thread void */
			CHECK((call->who & before->who) == 0 || (call->condition_cnt > 0 && before->condition_cnt > 0));
		}
	}
}

TEST(where_there_is_no_sandbox_threads_go_on)
{
	sandbox_enter_thread(SANDBOX_WORKER);
	CHECK(strcmp(sandbox_state(), "off") == 0);
	CHECK_EQ(socket(AF_UNIX, SOCK_STREAM, 0) >= 0, 1);
}

CHECK_MAIN
