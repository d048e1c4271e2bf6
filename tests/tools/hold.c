// SPDX-License-Identifier: Apache-2.0
/* hold.c: keeps one thread of another process from running, as a thread is that hangs, until this program ends or that process does.
 *
 *   hold TID */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	pid_t tid = argc == 2 ? (pid_t)strtol(argv[1], NULL, 10) : 0;

	if (tid <= 0 || ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0 || ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0 ||
	    waitpid(tid, NULL, __WALL) != tid) {
		fprintf(stderr, "hold: %s: %s\n", argc == 2 ? argv[1] : "TID", strerror(errno));
		return 1;
	}
	puts("held");
	fflush(stdout);
	/* the process cannot end before its tracer has seen this thread end */
	for (int status = 0; waitpid(tid, &status, __WALL) == tid && !WIFEXITED(status) && !WIFSIGNALED(status);)
		;
	return 0;
}
