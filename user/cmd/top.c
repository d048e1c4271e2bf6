// SPDX-License-Identifier: Apache-2.0
/* top.c: tollbar top: what a running daemon does now, on one screen. */
#include "top.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/watch.h"

static const char usage_text[] =
	"usage: tollbar top [-a ADDRESS|-c FILE] [--interval SECONDS] [--count N]\n\n"
	"How far requests come a second, what is in line and at the model servers, what the node adds to the time to "
	"first\n"
	"token, and the busiest refusals: in place on a terminal, as large as it is; else once, without colours.\n\n"
	"  -a ADDRESS  host:port of the daemon's admin listener; default " ADMIN_ADDRESS "\n"
	"  -c FILE     take the address from the daemon's configuration\n"
	"  --interval SECONDS, --count N  between looks (default 1); how many (default: until Ctrl-C on a terminal, "
	"else 1)\n\n"
	"Without colours, too, when NO_COLOR is set.\n\n"
	"Exit status: 0, 1 the daemon cannot be reached, 2 usage or configuration.\n";

struct wish {
	const char *address, *config;
	unsigned long interval_s, count;
	bool help;
};

struct daemon {
	struct admin_target target;
	struct span status; /* of the newest look */
};

static int look(void *ctx, struct rates *rates)
{
	struct daemon *daemon = ctx;

	return watch_daemon(&daemon->status, &daemon->target, rates);
}

static size_t draw(void *ctx, char *out, size_t out_bytes, const struct rates *before, const struct rates *after)
{
	const struct daemon *daemon = ctx;
	struct top_screen screen = {.columns = 100, .rows = 1000};
	const char *no_color = getenv("NO_COLOR");
	struct winsize size;

	if (isatty(STDOUT_FILENO)) {
		bool sized = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 1;
		screen.columns = sized ? size.ws_col : 80;
		screen.rows = sized ? size.ws_row - 1u : 23;
		screen.colour = no_color == NULL || no_color[0] == '\0';
	}
	return top_text(out, out_bytes, before, after, daemon->status, &screen);
}

static bool take_option(struct wish *wish, int option)
{
	switch (option) {
	case 'a':
		wish->address = optarg;
		return true;
	case 'c':
		wish->config = optarg;
		return true;
	case 's':
		return watch_number(&wish->interval_s, "interval", optarg, 3600);
	case 'n':
		return watch_number(&wish->count, "count", optarg, 1000000000);
	case 'h':
		return wish->help = true;
	default:
		return false;
	}
}

static bool read_arguments(struct wish *wish, int argc, char **argv)
{
	static const struct option options[] = {{"interval", required_argument, NULL, 's'},
						{"count", required_argument, NULL, 'n'},
						{"help", no_argument, NULL, 'h'},
						{0}};

	*wish = (struct wish){.interval_s = 1, .count = isatty(STDOUT_FILENO) ? 0 : 1};
	optind = 0; /* from the start, also a second time in one process */
	for (int option; (option = getopt_long(argc, argv, "a:c:h", options, NULL)) != -1;)
		if (!take_option(wish, option))
			return false;
	return optind == argc && (wish->address == NULL || wish->config == NULL);
}

int cmd_top(int argc, char **argv)
{
	struct daemon daemon = {0};
	struct wish wish;

	if (!read_arguments(&wish, argc, argv)) {
		fputs(usage_text, stderr);
		return 2;
	}
	if (wish.help) {
		fputs(usage_text, stdout);
		return 0;
	}
	if (!admin_target(&daemon.target, wish.address, wish.config))
		return 2;
	return watch_run(&(struct watch){.seconds = (unsigned)wish.interval_s,
					 .count_max = wish.count,
					 .look = look,
					 .draw = draw,
					 .ctx = &daemon});
}
