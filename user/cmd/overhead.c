// SPDX-License-Identifier: Apache-2.0
/* overhead.c: tollbar overhead: how long a request waits before the model starts, step by step. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cmd/admin_ask.h"
#include "cmd/cmd.h"
#include "cmd/moment.h"
#include "waterfall.h"

#define PATH_TEXT_BYTES 512

static const char usage_text[] =
	"usage: tollbar overhead [-a ADDRESS|-c FILE] [--route NAME] [--since TIME] [--json]\n\n"
	"How long each step of a request takes, from its first byte to the answer's last, and which share of the time "
	"to\n"
	"first token passes before the model starts.  The bars are the medians of the node's own steps, end to end.\n\n"
	"  -a ADDRESS    host:port of the daemon's admin listener; default " ADMIN_ADDRESS "\n"
	"  -c FILE       take the address from the daemon's configuration\n"
	"  --route NAME  of one route; default all, and requests without one\n"
	"  --since TIME  so long ago: 30s, 5m, 2h; or a time: 2026-01-31T23:59:59Z (UTC), Unix seconds; the daemon\n"
	"                remembers three hours; default since its start\n"
	"  --json        print the daemon's own JSON\n\n"
	"Exit status: 0, 1 the daemon cannot be reached or has no such route, 2 usage or configuration.\n";

struct wish {
	const char *address, *config, *route;
	uint64_t since_s;
	bool json, help;
};

static bool take_option(struct wish *wish, int option)
{
	uint64_t now_s = clock_unix_s(), then_s;

	switch (option) {
	case 'a':
		wish->address = optarg;
		return true;
	case 'c':
		wish->config = optarg;
		return true;
	case 'r':
		wish->route = optarg;
		return true;
	case 's':
		if (!moment_read(&then_s, optarg, now_s) || then_s >= now_s) {
			fprintf(stderr, "tollbar overhead: \"%s\" is no time gone by\n", optarg);
			return false;
		}
		wish->since_s = now_s - then_s;
		return true;
	case 'j':
		return wish->json = true;
	case 'h':
		return wish->help = true;
	default:
		return false;
	}
}

static bool read_arguments(struct wish *wish, int argc, char **argv)
{
	static const struct option options[] = {
		{"route", 1, NULL, 'r'}, {"since", 1, NULL, 's'}, {"json", 0, NULL, 'j'}, {"help", 0, NULL, 'h'}, {0}};

	*wish = (struct wish){0};
	optind = 0; /* from the start, also a second time in one process */
	for (int option; (option = getopt_long(argc, argv, "a:c:h", options, NULL)) != -1;)
		if (!take_option(wish, option))
			return false;
	return optind == argc && (wish->address == NULL || wish->config == NULL);
}

/* What is asked for; false: a name too long to be one. */
static bool path_make(char out[PATH_TEXT_BYTES], const struct wish *wish)
{
	struct text text;

	text_init(&text, out, PATH_TEXT_BYTES);
	text_put(&text, "/overhead?since=%" PRIu64 "%s", wish->since_s, wish->route != NULL ? "&route=" : "");
	for (const char *at = wish->route != NULL ? wish->route : ""; *at != 0; at++)
		text_put(&text, "%%%02x", (unsigned char)*at);
	return text_done(&text) > 0;
}

static int show(struct span json, bool as_json)
{
	static char text[WATERFALL_BYTES_MAX];

	if (waterfall_text(text, sizeof text, json) == 0) { /* what is printed as the daemon's JSON is its JSON */
		fputs("tollbar: the answer is not a tollbar's\n", stderr);
		return 1;
	}
	if (as_json)
		fwrite(json.at, 1, json.bytes, stdout);
	else
		fputs(text, stdout);
	return 0;
}

int cmd_overhead(int argc, char **argv)
{
	char path[PATH_TEXT_BYTES];
	struct admin_target target;
	struct span body;
	struct wish wish;

	if (!read_arguments(&wish, argc, argv) || !path_make(path, &wish)) {
		fputs(usage_text, stderr);
		return 2;
	}
	if (wish.help) {
		fputs(usage_text, stdout);
		return 0;
	}
	if (!admin_target(&target, wish.address, wish.config))
		return 2;
	return admin_ask(&body, &target, path) ? show(body, wish.json) : 1;
}
