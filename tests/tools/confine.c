// SPDX-License-Identifier: Apache-2.0
/* confine.c: runs a program with no more system calls than a list allows, as SystemCallFilter= of a unit does: others fail with
 * EPERM.
 *
 *   confine LIST PROGRAM ARGUMENT...      LIST: numbers of this architecture's system calls, one a line */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define CALLS_MAX 512

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

static struct sock_filter code[2 * CALLS_MAX + 8];
static unsigned short code_cnt;

static void emit(unsigned short op, unsigned value, unsigned char yes, unsigned char no)
{
	code[code_cnt++] = (struct sock_filter){op, yes, no, value};
}

static int emit_list(const char *path)
{
	FILE *list = fopen(path, "re");
	unsigned number, cnt = 0;

	if (list == NULL)
		return -1;
	while (cnt < CALLS_MAX && fscanf(list, "%u", &number) == 1) {
		emit(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
		emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
		cnt++;
	}
	fclose(list);
	return cnt > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	const unsigned refused = SECCOMP_RET_ERRNO | EPERM;

	if (argc < 3) {
		fputs("usage: confine LIST PROGRAM ARGUMENT...\n", stderr);
		return 2;
	}
	emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	emit(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
	emit(BPF_RET | BPF_K, refused, 0, 0);
	emit(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	int failed = emit_list(argv[1]);
	emit(BPF_RET | BPF_K, refused, 0, 0);
	struct sock_fprog program = {code_cnt, code};
	if (failed != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		fprintf(stderr, "confine: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	execvp(argv[2], argv + 2);
	fprintf(stderr, "confine: %s: %s\n", argv[2], strerror(errno));
	return 1;
}
