// SPDX-License-Identifier: Apache-2.0
#include "cmd/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define NS UINT64_C(1000000000)

static volatile sig_atomic_t ending, resized;

static void on_signal(int number)
{
	if (number == SIGWINCH)
		resized = number;
	else
		ending = number;
}

/* Until then, or until a signal says something. */
static void wait_until(uint64_t at_ns)
{
	struct timespec at = {.tv_sec = (time_t)(at_ns / NS), .tv_nsec = (long)(at_ns % NS)};

	while (ending == 0 && resized == 0 && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
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

static void show(const struct watch *watch, const struct rates *before, const struct rates *after, bool first)
{
	static char text[WATCH_BYTES_MAX];
	bool in_place = isatty(STDOUT_FILENO);

	watch->draw(watch->ctx, text, sizeof text, before, after);
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
	int err = watch->look(watch->ctx, rates);

	rates->time_ns = clock_ns();
	return err;
}

/* Waits for the next look; what is shown meanwhile keeps to the terminal's size. */
static void wait_and_show(const struct watch *watch, uint64_t at_ns, const struct rates shown[2], bool any)
{
	for (wait_until(at_ns); resized != 0 && ending == 0; wait_until(at_ns)) {
		resized = 0;
		if (any)
			show(watch, &shown[0], &shown[1], true);
	}
}

int watch_run(const struct watch *watch)
{
	const struct sigaction told = {.sa_handler = on_signal};
	struct rates shown[2], next; /* the two looks on the screen */
	uint64_t cnt = 0;

	ending = resized = 0;
	sigaction(SIGINT, &told, NULL);
	sigaction(SIGTERM, &told, NULL);
	if (isatty(STDOUT_FILENO))
		sigaction(SIGWINCH, &told, NULL);
	if (look(watch, &shown[1]) != 0)
		return 1;
	for (uint64_t at_ns = clock_ns(); ending == 0 && (watch->count_max == 0 || cnt < watch->count_max);) {
		at_ns += watch->seconds * NS;
		wait_and_show(watch, at_ns, shown, cnt > 0);
		if (ending != 0 || look(watch, &next) != 0)
			continue; /* a daemon that starts anew is waited for */
		shown[0] = shown[1];
		shown[1] = next;
		show(watch, &shown[0], &shown[1], cnt == 0);
		if (ferror(stdout))
			return 1;
		cnt++;
	}
	return 0;
}

int watch_daemon(struct span *status, const struct admin_target *target, struct rates *rates)
{
	if (!admin_ask(status, target, "/status"))
		return -EIO;
	if (rates_of_status(rates, *status))
		return 0;
	fputs("tollbar: the answer is not a tollbar's\n", stderr);
	return -EPROTO;
}

bool watch_number(unsigned long *out, const char *option, const char *text, unsigned long max)
{
	char *end;

	*out = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && *out > 0 && *out <= max)
		return true;
	fprintf(stderr, "tollbar: --%s \"%s\" is not a number from 1 to %lu\n", option, text, max);
	return false;
}
