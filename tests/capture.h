/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_CAPTURE_H
#define TOLLBAR_TESTS_CAPTURE_H
/* capture.h: what a subcommand prints, on both streams, between start and end. */
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

#endif
