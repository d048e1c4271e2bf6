/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/sandbox_calls.h"

#include <linux/bpf.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "sys/peers.h"

#define ROW(call, whose, reason) .number = SCMP_SYS(call), .who = (whose), .why = (reason)
#define ANY(call, who, why)         \
	{                           \
		ROW(call, who, why) \
	}
#define IF1(call, who, why, a)                                               \
	{                                                                    \
		ROW(call, who, why), .condition_cnt = 1, .conditions = { a } \
	}
#define IF2(call, who, why, a, b)                                               \
	{                                                                       \
		ROW(call, who, why), .condition_cnt = 2, .conditions = { a, b } \
	}
#define IF3(call, who, why, a, b, c)                                               \
	{                                                                          \
		ROW(call, who, why), .condition_cnt = 3, .conditions = { a, b, c } \
	}
#define BPF(command, who, why)                                                                           \
	{                                                                                                \
		ROW(bpf, who, why), .filter = true, .condition_cnt = 1, .conditions = { IS(0, command) } \
	}
#define NEVER(call, why)          \
	{                         \
		ROW(call, 0, why) \
	}

#define IS(n, value)                                              \
	{                                                         \
		.arg = (n), .op = SCMP_CMP_EQ, .datum_a = (value) \
	}
#define MASKED(n, mask, value)                                                              \
	{                                                                                   \
		.arg = (n), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), .datum_b = (value) \
	}
#define WITHOUT(n, bits) MASKED(n, bits, 0)

/* Nobody touches what lies as low as the addresses of peers.h: else their page could be replaced. */
#define HIGH(n)                                                                  \
	{                                                                        \
		.arg = (n), .op = SCMP_CMP_GE, .datum_a = PEERS_AT + PEERS_BYTES \
	}
/* The beginning of one of their entries, which are in a page of their own. */
#define A_PEER(n) MASKED(n, ~(PEERS_BYTES - 1) | (PEERS_ENTRY_BYTES - 1), PEERS_AT)
#define THREAD_FLAGS (CLONE_VM | CLONE_THREAD)

const struct call sandbox_calls[] = {
	/* memory: none that can be written and executed, and none below the peers' */
	IF3(mmap, ALL, "stacks, buffers", IS(0, 0), WITHOUT(2, PROT_EXEC), WITHOUT(3, MAP_FIXED)),
	IF2(mmap, ALL, "thread stacks, LMDB's map", HIGH(0), WITHOUT(2, PROT_EXEC)),
	IF3(mmap, M | C, "libraries that name lookup loads", IS(0, 0), WITHOUT(2, PROT_WRITE), WITHOUT(3, MAP_FIXED)),
	IF2(mmap, M | C, "the same, their code", HIGH(0), WITHOUT(2, PROT_WRITE)),
	IF2(mprotect, ALL, "growing heaps, guard pages", HIGH(0), WITHOUT(2, PROT_EXEC)),
	IF1(munmap, ALL, "memory given back", HIGH(0)),
	IF2(mremap, ALL, "large blocks grown by the C library", HIGH(0), WITHOUT(3, MREMAP_FIXED)),
	IF1(mremap, M, "a new filter's pages come to where the old ones were", HIGH(0)),
	IF1(madvise, ALL, "pages given back, stacks of threads that end", HIGH(0)),
	ANY(brk, ALL, "the C library's heap"),
	ANY(mincore, M, "LMDB's page check"),
	ANY(msync, M | F, "LMDB"),

	/* descriptors that are open */
	ANY(read, ALL, "mailboxes, files, sockets"),
	ANY(write, ALL, "mailboxes, log lines, files"),
	ANY(close, ALL, "what is over"),
	IF1(fcntl, W, "a socket that connected waits from there on", IS(1, F_SETFL)),
	ANY(fcntl, M | F | C, "descriptors' flags, LMDB's locks"),
	ANY(writev, M | F | C, "the C library's streams, LMDB"),
	ANY(readv, M | C, "name lookup"),
	ANY(pread64, M | F, "ledger"),
	ANY(pwrite64, M | F, "ledger"),
	ANY(pwritev, M | F, "LMDB's pages"),
	ANY(pwritev2, M | F, "the log: written and flushed in one call"),
	ANY(lseek, M | F | C, "files"),
	ANY(fstat, M | F | C, "files"),
	ANY(newfstatat, M | F | C, "files"),
	ANY(statx, M | F | C, "files"),
	ANY(fsync, M | F, "ledger"),
	ANY(fdatasync, M | F, "ledger"),
	ANY(ftruncate, M | F, "ledger"),
	ANY(fallocate, M | F, "the log's room"),
	ANY(flock, M, "one process uses a ledger; libxdp's lock"),
	ANY(fstatfs, M, "is there room, what file system is it"),
	ANY(dup, M | C, "libbpf, curl"),
	ANY(dup3, M, "a new filter's maps come to where the old ones were"),

	/* files by name: Landlock says which */
	ANY(openat, M | F | C, "ledger, lists and access log read or opened anew; resolver, certificates"),
	ANY(open, M | F | C, "the same, by older code"),
	ANY(getdents64, M | C, "certificates, the filter's pins"),
	ANY(access, M | C, "libraries, certificates"),
	ANY(faccessat, M | C, "the same"),
	ANY(faccessat2, M | C, "the same"),
	ANY(readlink, M | C, "the same"),
	ANY(readlinkat, M | C, "the same"),
	ANY(stat, M | C, "resolver"),
	ANY(lstat, M | C, "resolver"),
	ANY(statfs, M, "is it the BPF file system"),
	ANY(rename, M | F, "a new ledger file takes its name"),
	ANY(renameat, M | F, "the same"),
	ANY(renameat2, M | F, "the same, where there is no other"),
	ANY(unlink, M | F, "a ledger file that was not finished"),
	ANY(unlinkat, M | F, "the same"),
	ANY(mkdir, M, "state directory"),
	ANY(mkdirat, M, "the same, where there is no other"),

	/* sockets */
	IF3(socket, W, "to the model server", IS(0, AF_INET), IS(1, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK),
	    IS(2, 0)),
	IF3(socket, W, "to the model server", IS(0, AF_INET6), IS(1, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK),
	    IS(2, 0)),
	IF1(socket, M | C, "listeners, facilitators, nodes, name servers", IS(0, AF_INET)),
	IF1(socket, M | C, "the same", IS(0, AF_INET6)),
	IF1(socket, M | C, "name service cache, service manager", IS(0, AF_UNIX)),
	IF1(socket, M | C, "which addresses this machine has; the filter's interface", IS(0, AF_NETLINK)),
	IF2(connect, W, "the model server, an address of peers.h", A_PEER(1), IS(2, 16 /* of IPv4 */)),
	IF2(connect, W, "the same", A_PEER(1), IS(2, 28 /* of IPv6 */)),
	ANY(connect, M | C, "facilitators, nodes, name servers; Landlock says which ports"),
	IF2(setsockopt, W, "no delay for what is small", IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY)),
	ANY(setsockopt, M | C, "listeners, curl"),
	IF2(getsockopt, W, "how a connect went", IS(1, SOL_SOCKET), IS(2, SO_ERROR)),
	ANY(getsockopt, M | C, "the same; libxdp, curl"),
	ANY(getpeername, W | C, "who a client is"),
	ANY(getsockname, M | C, "listeners, curl"),
	ANY(shutdown, ALL, "the end of an answer"),
	IF2(sendto, W, "no slot: said without one", IS(4, 0), WITHOUT(3, MSG_FASTOPEN)),
	ANY(sendto, M | C, "service manager, name servers, kernel"),
	IF1(recvfrom, W, "is an idle connection still there", IS(4, 0)),
	ANY(recvfrom, M | C, "answers"),
	ANY(sendmsg, M | C, "kernel (netlink), name servers"),
	IF1(sendmsg, W, "replies to datagrams, by epoll", WITHOUT(2, MSG_FASTOPEN)),
	ANY(sendmmsg, M | C, "name servers: both questions in one"),
	ANY(recvmsg, M | W | C, "answers; datagrams, by epoll"),
	ANY(recvmmsg, C, "answers"),
	ANY(bind, M | C, "listeners, netlink; Landlock says which ports"),
	ANY(listen, M, "listeners"),
	ANY(accept4, M | W, "admin listener; clients, by epoll"),
	ANY(accept, M, "the same, where there is no other"),
	ANY(socketpair, C, "curl's way to wake itself"),
	ANY(ioctl, M | F | C, "interface's number and driver; sockets that do not block; is it a terminal"),

	/* waiting */
	ANY(poll, M | F | C, "signals, admin listener, calls"),
	ANY(ppoll, M | F | C, "the same, where there is no other"),
	ANY(select, M | C, "curl"),
	ANY(pselect6, M | C, "the same"),
	ANY(epoll_create1, M | C, "libraries that wait by it"),
	ANY(epoll_ctl, M | W | C, "the same; everything a worker does, where io_uring is forbidden"),
	ANY(epoll_wait, M | W | C, "the same"),
	ANY(epoll_pwait, M | W | C, "the same"),
	ANY(eventfd2, M | F | C, "mailboxes"),
	ANY(pipe2, M | C, "curl's way to wake itself"),
	ANY(futex, ALL, "locks, threads that end"),
	ANY(nanosleep, ALL, "a listener's port that is not free yet"),
	ANY(clock_nanosleep, ALL, "the same"),
	ANY(restart_syscall, ALL, "a wait that a debugger or a stop interrupted"),
	ANY(sched_yield, ALL, "locks"),

	/* the rings: what they may do is restricted where they are made */
	ANY(io_uring_enter, M | W | C, "everything a worker does"),
	ANY(io_uring_register, M | C, "a ring's start, its restrictions"),
	ANY(io_uring_setup, M | C, "a ring's start"),

	/* the filter's maps; no program is loaded and nothing attached */
	BPF(BPF_MAP_LOOKUP_ELEM, M | W, "penalties, counters"),
	BPF(BPF_MAP_UPDATE_ELEM, M | W, "penalties, what was claimed, sources that knocked"),
	BPF(BPF_MAP_DELETE_ELEM, M | W, "penalties that are over"),
	BPF(BPF_MAP_GET_NEXT_KEY, M, "penalties, looked through"),
	BPF(BPF_MAP_LOOKUP_BATCH, M, "the same"),
	BPF(BPF_MAP_UPDATE_BATCH, M, "lists"),
	BPF(BPF_MAP_DELETE_BATCH, M, "lists"),
	BPF(BPF_MAP_CREATE, M, "a new list"),
	BPF(BPF_MAP_FREEZE, M, "the same"),
	BPF(BPF_OBJ_GET, M, "the filter's pins"),
	BPF(BPF_OBJ_GET_INFO_BY_FD, M, "which program, which maps"),
	BPF(BPF_PROG_GET_NEXT_ID, M, "a filter attached anew"),
	BPF(BPF_MAP_GET_NEXT_ID, M, "the same"),
	BPF(BPF_LINK_GET_NEXT_ID, M, "the same"),
	BPF(BPF_PROG_GET_FD_BY_ID, M, "the same"),
	BPF(BPF_MAP_GET_FD_BY_ID, M, "the same"),
	BPF(BPF_LINK_GET_FD_BY_ID, M, "the same"),
	BPF(BPF_BTF_GET_FD_BY_ID, M, "the same"),

	/* threads */
	IF1(clone, M | C, "threads, never processes", MASKED(0, THREAD_FLAGS, THREAD_FLAGS)),
	ANY(set_robust_list, ALL, "a thread's start"),
	ANY(rseq, ALL, "a thread's start"),
	ANY(exit, ALL, "a thread's end"),
	ANY(exit_group, ALL, "the end"),
	ANY(sched_getaffinity, ALL, "how many processors there are"),
	ANY(gettid, ALL, "abort"),
	ANY(getpid, ALL, "abort"),
	ANY(rt_sigprocmask, ALL, "threads' start and end"),
	ANY(rt_sigreturn, ALL, "the end of a signal"),
	ANY(rt_sigaction, M | C, "curl: SIGPIPE"),
	ANY(sigaltstack, M, "a library's start"),
	ANY(signalfd4, M, "signals"),

	/* time, chance, this machine */
	ANY(clock_gettime, ALL, "time, where the vDSO has none"),
	ANY(gettimeofday, ALL, "the same"),
	ANY(clock_getres, ALL, "the same"),
	ANY(time, ALL, "the same"),
	ANY(getrandom, ALL, "ids, keys, TLS"),
	ANY(uname, M | C, "libraries' versions of the kernel"),
	ANY(sysinfo, M | C, "the C library"),
	ANY(getuid, M | C, "libraries: is this root"),
	ANY(geteuid, M | C, "the same"),
	ANY(getgid, M | C, "the same"),
	ANY(getegid, M | C, "the same"),
	ANY(prlimit64, M | C, "limits are looked at"),
	ANY(getrlimit, M | C, "the same"),

	/* the way in, for each thread its own */
	ANY(prctl, M, "a filter on top of this one, threads' names"),
	ANY(seccomp, M, "a filter on top of this one"),
	ANY(landlock_create_ruleset, M, "rules on top of these"),
	ANY(landlock_add_rule, M, "the same"),
	ANY(landlock_restrict_self, M, "the same"),
	ANY(capset, M, "capabilities are given up"),
	ANY(capget, M, "the same"),

	/* nobody's */
	NEVER(execve, "becoming another program"),
	NEVER(execveat, "the same"),
	NEVER(fork, "starting another"),
	NEVER(vfork, "the same"),
	NEVER(ptrace, "another process's memory"),
	NEVER(process_vm_readv, "the same"),
	NEVER(process_vm_writev, "the same"),
	NEVER(pidfd_getfd, "another process's descriptors"),
	NEVER(userfaultfd, "stopping the kernel half way"),
	NEVER(init_module, "the kernel's code"),
	NEVER(finit_module, "the same"),
	NEVER(kexec_load, "the same"),
	NEVER(kexec_file_load, "the same"),
	NEVER(mount, "another view of files"),
	NEVER(umount2, "the same"),
	NEVER(pivot_root, "the same"),
	NEVER(chroot, "the same"),
	NEVER(setns, "the same"),
	NEVER(unshare, "the same"),
	NEVER(keyctl, "keys that are not ours"),
	NEVER(add_key, "the same"),
	NEVER(request_key, "the same"),
};

const size_t sandbox_call_cnt = sizeof sandbox_calls / sizeof *sandbox_calls;
