// SPDX-License-Identifier: Apache-2.0
#include "base/log.c"

#include <signal.h>
#include <sys/wait.h>

#include "check.h"

static int kept_stderr, pipe_fds[2];
static char got[4096];

static void capture_start(void)
{
	fflush(stderr);
	kept_stderr = dup(STDERR_FILENO);
	if (pipe(pipe_fds) != 0)
		abort();
	dup2(pipe_fds[1], STDERR_FILENO);
	close(pipe_fds[1]);
}

/* What was written since, at most one pipe read: each line was one write. */
static size_t capture_stop(void)
{
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	ssize_t bytes = read(pipe_fds[0], got, sizeof got - 1);
	close(pipe_fds[0]);
	got[bytes > 0 ? bytes : 0] = 0;
	return bytes > 0 ? (size_t)bytes : 0;
}

TEST(lines)
{
	log_level = LOG_INFO;
	capture_start();
	log_warn("event=%s error=%d", "store_commit", -5);
	capture_stop();
	CHECK(strcmp(got, "level=warn event=store_commit error=-5\n") == 0);
	capture_start();
	log_error("a=1");
	log_info("b=2");
	log_debug("c=3");
	capture_stop();
	CHECK(strcmp(got, "level=error a=1\nlevel=info b=2\n") == 0);
}

TEST(levels)
{
	for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
		log_level = (enum log_level)level;
		capture_start();
		log_error("x");
		log_warn("x");
		log_info("x");
		log_debug("x");
		capture_stop();
		int lines = 0;
		for (const char *at = got; (at = strchr(at, '\n')) != NULL; at++)
			lines++;
		CHECK_EQ(lines, level + 1);
	}
	log_level = LOG_INFO;
}

TEST(long_lines_are_cut_and_ended)
{
	char text[3000];

	for (size_t bytes = 990; bytes < sizeof text - 1; bytes += bytes < 1050 ? 1 : 500) {
		memset(text, 'x', bytes);
		text[bytes] = 0;
		capture_start();
		log_info("%s", text);
		size_t line = capture_stop(), want = strlen("level=info ") + bytes + 1;
		CHECK(line <= 1024);
		CHECK(line == want || (want > 1023 && line == 1023));
		CHECK(line > 0 && got[line - 1] == '\n' && memchr(got, 0, line) == NULL);
	}
}

TEST(safe_text)
{
	char out[16];

	CHECK(strcmp(log_safe(out, sizeof out, SPAN("plain-text_1")), "plain-text_1") == 0);
	CHECK(strcmp(log_safe(out, sizeof out, SPAN("a b\n\"c\\=\x7f\xff")), "a?b??c????") == 0);
	CHECK(strcmp(log_safe(out, sizeof out, span_of("a\0b", 3)), "a?b") == 0);
	CHECK(strcmp(log_safe(out, sizeof out, SPAN("0123456789abcdefgh")), "0123456789abcde") == 0);
	CHECK(strcmp(log_safe(out, 1, SPAN("x")), "") == 0);
	CHECK(strcmp(log_safe(out, sizeof out, SPAN("")), "") == 0);
	for (unsigned byte = 0; byte < 256; byte++) {
		uint8_t one = (uint8_t)byte;
		log_safe(out, sizeof out, span_of(&one, 1));
		bool plain = byte > 0x20 && byte < 0x7f && byte != '"' && byte != '\\' && byte != '=';
		CHECK_EQ(out[0], plain ? (int)byte : '?');
	}
}

TEST(failed_assertion_says_where_and_stops)
{
	int status;

	capture_start();
	pid_t child = fork();
	if (child == 0) {
		ASSERT(1 + 1 == 2);
		ASSERT(1 + 1 == 3);
		_exit(0);
	}
	waitpid(child, &status, 0);
	capture_stop();
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CHECK(strstr(got, "event=assert expression=\"1 + 1 == 3\" file=") != NULL);
}

CHECK_MAIN
