/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_CAPTURE_H
#define TOLLBAR_TESTS_CAPTURE_H
/* capture.h: what a subcommand prints, on both streams: in `printed` after capture_run, or after capture_end. */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static char printed[65536];
static int capture_fd, capture_out, capture_err;

static inline void capture_start(void)
{
	fflush(stdout);
	capture_fd = memfd_create("printed", MFD_CLOEXEC);
	capture_out = dup(STDOUT_FILENO);
	capture_err = dup(STDERR_FILENO);
	dup2(capture_fd, STDOUT_FILENO);
	dup2(capture_fd, STDERR_FILENO);
}

static inline void capture_end(void)
{
	fflush(stdout);
	dup2(capture_out, STDOUT_FILENO);
	dup2(capture_err, STDERR_FILENO);
	close(capture_out);
	close(capture_err);
	ssize_t bytes = pread(capture_fd, printed, sizeof printed - 1, 0);
	printed[bytes < 0 ? 0 : bytes] = '\0';
	close(capture_fd);
}

/* `tollbar NAME ARGUMENTS...`, NULL at their end; its status. */
static inline int capture_run(int (*command)(int, char **), const char *name, const char *const *arguments)
{
	char *argv[32] = {(char *)(uintptr_t)name};
	int argc = 1;

	for (; argc < 31 && arguments[argc - 1] != NULL; argc++)
		argv[argc] = (char *)(uintptr_t)arguments[argc - 1];
	capture_start();
	int status = command(argc, argv);
	capture_end();
	return status;
}

#define CAPTURE(command, name, ...) capture_run(command, name, (const char *const[]){__VA_ARGS__, NULL})

#endif
