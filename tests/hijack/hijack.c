// SPDX-License-Identifier: Apache-2.0
/* hijack.c: a daemon whose worker is in somebody else's hands.  It is linked beside the very objects of the shipped daemon into one
 * of its own, build/tests/hijack/tollbar: the linker puts gate_head through here (--wrap), and so the first request makes its
 * worker try what an intruder would, by system call and by the worker's own ring.  The shipped daemon has none of it.
 *
 *   TOLLBAR_HIJACK=all      everything that is refused, a line each on standard error: "hijack NAME ERRNO" (0: it could)
 *   TOLLBAR_HIJACK=NAME     one of `deadly`: what ends the process
 *
 * TOLLBAR_HIJACK_PORT: a listener on 127.0.0.1 that the configuration does not name. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gate.h"
#include "sys/peers.h"
#include "sys/ring_engine.h"
#include "worker.h"

#define OUR_MARK 0x77770 /* its low bits are none of the ring's own operations */

static struct sockaddr_in elsewhere;
static struct io_uring *uring; /* the worker's */
static int fresh;	       /* a socket as workers make them */

static int by_call(long result)
{
	return result < 0 && errno != EINPROGRESS ? errno : 0;
}

/* Submits this one and says what came of it; what else has completed is left for the worker. */
static int by_ring(void)
{
	struct io_uring_cqe *cqe;
	unsigned head;

	for (unsigned tries = 0; tries < 1000; tries++) {
		io_uring_submit_and_get_events(uring);
		io_uring_for_each_cqe(uring, head, cqe)
		{
			if (cqe->user_data == OUR_MARK) {
				cqe->user_data = 0;
				return cqe->res < 0 ? -cqe->res : 0;
			}
		}
		usleep(1000);
	}
	return ETIME;
}

static struct io_uring_sqe *our_sqe(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(uring);

	if (sqe == NULL)
		abort();
	return sqe;
}

/* --- what is tried --- */

static int open_call(void)
{
	return by_call(open("/etc/shadow", O_RDONLY | O_CLOEXEC));
}

static int open_own_memory(void)
{
	return by_call(open("/proc/self/mem", O_RDWR | O_CLOEXEC));
}

static int open_ring(void)
{
	struct io_uring_sqe *sqe = our_sqe();

	io_uring_prep_openat(sqe, AT_FDCWD, "/etc/shadow", O_RDONLY, 0);
	io_uring_sqe_set_data64(sqe, OUR_MARK);
	return by_ring();
}

static int connect_call(void)
{
	return by_call(connect(fresh, (struct sockaddr *)&elsewhere, sizeof elsewhere));
}

static int connect_ring(void)
{
	struct io_uring_sqe *sqe = our_sqe();

	io_uring_prep_connect(sqe, fresh, (struct sockaddr *)&elsewhere, sizeof elsewhere);
	io_uring_sqe_set_data64(sqe, OUR_MARK);
	return by_ring();
}

static int fastopen_call(void)
{
	return by_call(sendto(fresh, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&elsewhere, sizeof elsewhere));
}

static int fastopen_message(void)
{
	struct iovec bytes = {.iov_base = (char[]){"x"}, .iov_len = 1};
	struct msghdr message = {
		.msg_name = &elsewhere, .msg_namelen = sizeof elsewhere, .msg_iov = &bytes, .msg_iovlen = 1};

	return by_call(sendmsg(fresh, &message, MSG_FASTOPEN));
}

static int fastopen_ring(void)
{
	struct io_uring_sqe *sqe = our_sqe();

	io_uring_prep_send(sqe, fresh, "x", 1, MSG_FASTOPEN);
	sqe->addr2 = (uint64_t)(uintptr_t)&elsewhere;
	sqe->addr_len = sizeof elsewhere;
	io_uring_sqe_set_data64(sqe, OUR_MARK);
	return by_ring();
}

static int socket_ring(void)
{
	struct io_uring_sqe *sqe = our_sqe();

	io_uring_prep_rw(IORING_OP_SOCKET, sqe, AF_INET, NULL, 0, SOCK_STREAM);
	io_uring_sqe_set_data64(sqe, OUR_MARK);
	return by_ring();
}

/* Not at an entry's beginning, where other bytes would be an address. */
static int connect_between(void)
{
	return by_call(connect(fresh, (struct sockaddr *)(PEERS_AT + 8), sizeof elsewhere));
}

static int peers_unprotect(void)
{
	return by_call(mprotect((void *)PEERS_AT, PEERS_BYTES, PROT_READ | PROT_WRITE));
}

static int peers_replace(void)
{
	return mmap((void *)PEERS_AT, PEERS_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		    0) == MAP_FAILED
		       ? errno
		       : 0;
}

static int peers_move_over(void)
{
	void *page = mmap(NULL, PEERS_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mremap(page, PEERS_BYTES, PEERS_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)PEERS_AT) == MAP_FAILED
		       ? errno
		       : 0;
}

static int peers_from_below(void)
{
	return by_call(munmap((void *)(PEERS_AT - PEERS_BYTES), 2 * PEERS_BYTES));
}

static int peers_discard(void)
{
	return by_call(madvise((void *)PEERS_AT, PEERS_BYTES, MADV_DONTNEED));
}

static int peers_read_into(void)
{
	struct sockaddr *at = (struct sockaddr *)PEERS_AT;
	socklen_t bytes = sizeof(struct sockaddr_in);

	return by_call(getpeername(fresh, at, &bytes)) == ENOTCONN ? EFAULT /* no address was written */ : 0;
}

static int memory_of_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		       ? errno
		       : 0;
}

static int make_ring(void)
{
	struct io_uring_params params = {0};

	return by_call(syscall(SYS_io_uring_setup, 4, &params));
}

static int datagrams(void)
{
	return by_call(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int local_socket(void)
{
	return by_call(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int listens(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET};

	return by_call(bind(fresh, (struct sockaddr *)&any, sizeof any));
}

static int option(void)
{
	int one = 1;

	return by_call(setsockopt(fresh, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one));
}

static int child(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return by_call(pid);
}

static int thread(void)
{
	return by_call(syscall(SYS_clone3, NULL, 0));
}

static int signals_another(void)
{
	return by_call(kill(getppid(), 0));
}

static int signals_as_thread(void)
{
	return by_call(syscall(SYS_tgkill, 1, 1, 0));
}

static int program_of_bpf(void)
{
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER};

	return by_call(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr));
}

static int become_root(void)
{
	return by_call(syscall(SYS_setuid, 0));
}

/* The upstream's address as it is: what a worker is for. */
static int connect_upstream(void)
{
	return by_call(connect(fresh, (struct sockaddr *)PEERS_AT, sizeof elsewhere));
}

static const struct attempt {
	const char *name;
	int (*try)(void);
} attempts[] = {
	{"open_call", open_call},
	{"open_own_memory", open_own_memory},
	{"open_ring", open_ring},
	{"connect_call", connect_call},
	{"connect_ring", connect_ring},
	{"connect_between", connect_between},
	{"fastopen_call", fastopen_call},
	{"fastopen_message", fastopen_message},
	{"fastopen_ring", fastopen_ring},
	{"socket_ring", socket_ring},
	{"peers_unprotect", peers_unprotect},
	{"peers_from_below", peers_from_below},
	{"peers_discard", peers_discard},
	{"peers_read_into", peers_read_into},
	{"peers_move_over", peers_move_over},
	{"peers_replace", peers_replace},
	{"memory_of_code", memory_of_code},
	{"make_ring", make_ring},
	{"datagrams", datagrams},
	{"local_socket", local_socket},
	{"listens", listens},
	{"option", option},
	{"child", child},
	{"thread", thread},
	{"signals_another", signals_another},
	{"signals_as_thread", signals_as_thread},
	{"program_of_bpf", program_of_bpf},
	{"become_root", become_root},
	{"connect_upstream", connect_upstream},
};

/* --- what ends the process --- */

static int run_program(void)
{
	char *const words[] = {"/bin/true", NULL};

	return by_call(execve(words[0], words, NULL));
}

static int run_descriptor(void)
{
	char *const words[] = {"/bin/true", NULL};

	return by_call(syscall(SYS_execveat, AT_FDCWD, words[0], words, NULL, 0));
}

static int trace(void)
{
	return by_call(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int write_to_another(void)
{
	struct iovec none = {0};

	return by_call(process_vm_writev(1, &none, 1, &none, 1, 0));
}

static const struct attempt deadly[] = {
	{"run_program", run_program},
	{"run_descriptor", run_descriptor},
	{"trace", trace},
	{"write_to_another", write_to_another},
};

/* --- when --- */

static void tell(const struct attempt *attempt)
{
	char line[128];
	int bytes = snprintf(line, sizeof line, "hijack %s %d\n", attempt->name, attempt->try());

	if (write(STDERR_FILENO, line, (size_t)bytes) != bytes)
		abort();
}

static void hijack(struct worker *worker, const char *what)
{
	uring = worker->ring->engine_state;
	elsewhere = (struct sockaddr_in){.sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
					 .sin_port = htons((uint16_t)strtoul(getenv("TOLLBAR_HIJACK_PORT"), NULL, 10))};
	fresh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	for (size_t i = 0; strcmp(what, "all") == 0 && i < sizeof attempts / sizeof *attempts; i++)
		tell(&attempts[i]);
	for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
		if (strcmp(what, deadly[i].name) == 0)
			tell(&deadly[i]);
	close(fresh);
}

void __real_gate_head(struct request *request, enum parse_result result);
void __wrap_gate_head(struct request *request, enum parse_result result);
void __wrap_gate_head(struct request *request, enum parse_result result)
{
	static atomic_flag done = ATOMIC_FLAG_INIT;
	const char *what = getenv("TOLLBAR_HIJACK");

	if (what != NULL && !atomic_flag_test_and_set(&done))
		hijack(request->worker, what);
	__real_gate_head(request, result);
}
