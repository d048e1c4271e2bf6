// SPDX-License-Identifier: Apache-2.0
#include "cmd/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define NS UINT64_C(1000000000)

static volatile sig_atomic_t ending;

static void on_signal(int number)
{
	ending = number;
}

static void wait_until(uint64_t at_ns)
{
	struct timespec at = {.tv_sec = (time_t)(at_ns / NS), .tv_nsec = (long)(at_ns % NS)};

	while (ending == 0 && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

/* In place: each line ends what the one before left of it, and nothing stays below the last. */
static void show_in_place(const char *text)
{
	fputs("\033[H", stdout);
	for (const char *line = text; *line != '\0';) {
		int bytes = (int)strcspn(line, "\n");
		printf("%.*s\033[K\n", bytes, line);
		line += bytes + (line[bytes] == '\n');
	}
	fputs("\033[J", stdout);
}

static void show(const struct rates *before, const struct rates *after, bool in_place, bool first)
{
	static char text[RATES_BYTES_MAX];

	rates_text(text, sizeof text, before, after);
	if (in_place && first)
		fputs("\033[2J", stdout);
	if (in_place)
		show_in_place(text);
	else
		printf("%s%s", first ? "" : "\n", text);
	fflush(stdout);
}

static int look(const struct watch *watch, struct rates *rates)
{
	int err = watch->look(watch->look_ctx, rates);

	rates->time_ns = clock_ns();
	return err;
}

int watch_run(const struct watch *watch)
{
	const struct sigaction end = {.sa_handler = on_signal};
	bool in_place = isatty(STDOUT_FILENO);
	struct rates before, after;
	uint64_t shown = 0;

	ending = 0;
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	if (look(watch, &before) != 0)
		return 1;
	for (uint64_t at_ns = clock_ns(); ending == 0 && (watch->count_max == 0 || shown < watch->count_max);) {
		at_ns += watch->seconds * NS;
		wait_until(at_ns);
		if (ending != 0 || look(watch, &after) != 0)
			continue; /* a daemon that starts anew is waited for */
		show(&before, &after, in_place, shown == 0);
		if (ferror(stdout))
			return 1;
		shown++;
		before = after;
	}
	return 0;
}
