// SPDX-License-Identifier: Apache-2.0
/* status.c: tollbar status: asks a running daemon how it does. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/admin_ask.h"
#include "cmd/cmd.h"
#include "cmd/interface.h"
#include "cmd/watch.h"
#include "funnel.h"

static const char usage_text[] =
	"usage: tollbar status [-a ADDRESS|-c FILE] [--json]\n"
	"       tollbar status --watch [-a ADDRESS|-c FILE|-i IFACE] [--interval SECONDS] [--count N]\n\n"
	"The funnel, how long each step takes, and what it adds to the time to first token; or, watching, how many "
	"packets\n"
	"and requests a second end for each reason.\n\n"
	"  -a ADDRESS  host:port of the daemon's admin listener; default " ADMIN_ADDRESS "\n"
	"  -c FILE     take the address from the daemon's configuration\n"
	"  --json      print the daemon's own JSON\n"
	"  --watch     look again and again: in place on a terminal, else one table after the other\n"
	"  -i IFACE    watch the filter on IFACE alone: works without a daemon, as root or in its group\n"
	"  --interval SECONDS, --count N  between looks (default 1); how many tables (default: until Ctrl-C)\n\n"
	"Exit status: 0, 1 the daemon or the filter cannot be reached, 2 usage or configuration.\n";

struct wish {
	const char *address, *path, *iface;
	bool json, watch;
	unsigned long interval_s, count;
};

static int print(struct span body, bool as_json)
{
	static char text[FUNNEL_BYTES_MAX];

	/* checked either way: what is printed as the daemon's JSON is its JSON */
	if (funnel_text(text, sizeof text, body) == 0) {
		fputs("tollbar: the answer is not a tollbar's\n", stderr);
		return 1;
	}
	if (as_json)
		fwrite(body.at, 1, body.bytes, stdout);
	else
		fputs(text, stdout);
	return 0;
}

static int report(const struct admin_target *target, bool as_json)
{
	struct span body;

	return admin_ask(&body, target, "/status") ? print(body, as_json) : 1;
}

/* --- watching --- */

static int look_at_daemon(void *ctx, struct rates *rates)
{
	struct span body;

	return watch_daemon(&body, ctx, rates);
}

struct kernel {
	struct filter *filter;
	char name[IF_NAMESIZE];
};

static int look_at_kernel(void *ctx, struct rates *rates)
{
	const struct kernel *kernel = ctx;
	struct tollbar_counters counters;
	int err = filter_counters(kernel->filter, &counters);

	if (err == 0)
		rates_of_kernel(rates, &counters, kernel->name);
	else
		fprintf(stderr, "tollbar: %s: %s\n", kernel->name, strerror(-err));
	return err;
}

static size_t draw(void *ctx, char *out, size_t out_bytes, const struct rates *before, const struct rates *after)
{
	return rates_text(out, out_bytes, before, after);
}

static int watch_kernel(struct watch *watch, const char *iface)
{
	struct kernel kernel = {.filter = interface_filter(kernel.name, iface)};

	if (kernel.filter == NULL)
		return 1;
	watch->look = look_at_kernel;
	watch->ctx = &kernel;
	int status = watch_run(watch);
	watch->ctx = NULL;
	filter_close(kernel.filter);
	return status;
}

static int watch_admin(struct watch *watch, struct admin_target *target)
{
	watch->look = look_at_daemon;
	watch->ctx = target;
	int status = watch_run(watch);
	if (status != 0)
		fputs("tollbar: without a daemon the filter alone can be watched: -i IFACE\n", stderr);
	return status;
}

/* --- arguments --- */

static bool option_take(struct wish *wish, int option)
{
	switch (option) {
	case 'a':
		wish->address = optarg;
		return true;
	case 'c':
		wish->path = optarg;
		return true;
	case 'i':
		wish->iface = optarg;
		return true;
	case 'j':
		return wish->json = true;
	case 'w':
		return wish->watch = true;
	case 's':
		return watch_number(&wish->interval_s, "interval", optarg, 3600);
	case 'n':
		return watch_number(&wish->count, "count", optarg, 1000000000);
	default:
		fputs(usage_text, stderr);
		return false;
	}
}

/* What does not go together, or NULL. */
static const char *mismatch(const struct wish *wish)
{
	if ((wish->address != NULL) + (wish->path != NULL) + (wish->iface != NULL) > 1)
		return "-a, -c and -i: one of them";
	if (wish->watch)
		return wish->json ? "--json shows one moment, --watch many" : NULL;
	return wish->iface != NULL || wish->interval_s != 0 || wish->count != 0
		       ? "-i, --interval and --count go with --watch"
		       : NULL;
}

static int obey(const struct wish *wish)
{
	struct watch watch = {.seconds = wish->interval_s != 0 ? (unsigned)wish->interval_s : 1,
			      .count_max = wish->count,
			      .draw = draw};
	struct admin_target target;

	if (wish->iface != NULL)
		return watch_kernel(&watch, wish->iface);
	if (!admin_target(&target, wish->address, wish->path))
		return 2;
	return wish->watch ? watch_admin(&watch, &target) : report(&target, wish->json);
}

int cmd_status(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},	    {"watch", no_argument, NULL, 'w'},
		{"interval", required_argument, NULL, 's'}, {"count", required_argument, NULL, 'n'},
		{"help", no_argument, NULL, 'h'},	    {0}};
	struct wish wish = {0};
	int option;

	optind = 0; /* tests call this more than once */
	while ((option = getopt_long(argc, argv, "a:c:i:h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage_text, stdout);
			return 0;
		}
		if (!option_take(&wish, option))
			return 2;
	}
	const char *wrong = optind != argc ? "no other arguments" : mismatch(&wish);
	if (wrong == NULL)
		return obey(&wish);
	fprintf(stderr, "tollbar: %s\n\n%s", wrong, usage_text);
	return 2;
}
