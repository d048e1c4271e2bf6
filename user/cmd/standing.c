// SPDX-License-Identifier: Apache-2.0
/* standing.c: tollbar standing: the sources the kernel drops for a while, and a word with it about them. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/interface.h"
#include "reason.h"
#include "sys/filter.h"

enum { DONE = 0, FAILED = 1, USAGE = 2 };

#define NS UINT64_C(1000000000)
#define SECONDS_MAX 31536000u /* a year */
#define SHOWN_BYTES (INET6_ADDRSTRLEN + 4)

static const char usage_text[] =
	"usage: tollbar standing [-i IFACE] [--json]\n"
	"       tollbar standing [-i IFACE] add SOURCE SECONDS\n"
	"       tollbar standing [-i IFACE] clear SOURCE|--all\n"
	"\n"
	"Lists who the kernel drops, how much longer, how many penalties they had, and what brought the last one.  "
	"Those\n"
	"whose time is over stay on the list for an hour: the next penalty is longer.  add drops a source from now on "
	"for\n"
	"so many seconds; clear lets it in again and forgets it.\n"
	"\n"
	"SOURCE is an IPv4 address, or an IPv6 address or /64: of IPv6 the whole /64 is meant, but for IPv4 addresses "
	"behind\n"
	"a translator (64:ff9b::).\n"
	"It is the kernel's own list: no daemon is needed.  A daemon never drops its trusted_proxy; add does.\n"
	"\n"
	"  -i IFACE  the interface; can be left out where only one has a filter\n"
	"  --json    print the list as JSON\n"
	"\n"
	"Exit status: 0, 1 it could not be done, 2 usage.\n";

struct wish {
	const char *iface;
	bool json, all;
	char **words; /* what is left of the arguments */
	int word_cnt;
};

static int usage(const char *what, const char *which)
{
	fprintf(stderr, "tollbar standing: \"%s\" %s\n", which, what);
	return USAGE;
}

/* "192.0.2.7", "2001:db8::7", "2001:db8::/64" */
static bool source_read(struct in6_addr *source, const char *text)
{
	char address[INET6_ADDRSTRLEN];
	size_t bytes = strcspn(text, "/");
	struct in_addr ip4;

	if (bytes >= sizeof address || (text[bytes] != '\0' && strcmp(text + bytes, "/64") != 0))
		return false;
	snprintf(address, sizeof address, "%.*s", (int)bytes, text);
	if (text[bytes] == '\0' && inet_pton(AF_INET, address, &ip4) == 1) {
		*source = (struct in6_addr){.s6_addr = {[10] = 0xff, 0xff}};
		memcpy(&source->s6_addr[12], &ip4, sizeof ip4);
		return true;
	}
	return inet_pton(AF_INET6, address, source) == 1;
}

static const char *source_shown(char out[SHOWN_BYTES], const struct in6_addr *source)
{
	struct tollbar_address first;

	memcpy(&first, source, sizeof first);
	tollbar_standing_key(&first);
	if (IN6_IS_ADDR_V4MAPPED(source))
		inet_ntop(AF_INET, &source->s6_addr[12], out, SHOWN_BYTES);
	else
		inet_ntop(AF_INET6, &first, out, SHOWN_BYTES);
	if (!tollbar_standing_single(&first))
		snprintf(out + strlen(out), 4, "/64");
	return out;
}

/* --- the list --- */

static uint64_t remaining_ns(const struct filter_standing *one, uint64_t now_ns)
{
	return one->entry.until_ns > now_ns ? one->entry.until_ns - now_ns : 0;
}

/* Longest penalty first, then by address. */
static int later_first(const void *left, const void *right)
{
	const struct filter_standing *a = left, *b = right;

	if (a->entry.until_ns != b->entry.until_ns)
		return a->entry.until_ns < b->entry.until_ns ? 1 : -1;
	return memcmp(&a->source, &b->source, sizeof a->source);
}

static const char *why(const struct filter_standing *one)
{
	return one->entry.reason == REASON_OK ? "operator" : reason_word((enum reason)one->entry.reason);
}

static void print_json(const struct filter_standing *all, int cnt, const char *iface, uint64_t now_ns)
{
	char shown[SHOWN_BYTES];

	printf("{\"interface\":\"%s\",\"standing\":[", iface);
	for (int i = 0; i < cnt; i++)
		printf("%s{\"source\":\"%s\",\"dropped\":%s,\"remaining_s\":%.3f,\"offences\":%u,\"reason\":\"%s\"}",
		       i > 0 ? "," : "", source_shown(shown, &all[i].source),
		       remaining_ns(&all[i], now_ns) > 0 ? "true" : "false",
		       (double)remaining_ns(&all[i], now_ns) / (double)NS, all[i].entry.offences, why(&all[i]));
	puts("]}");
}

static void print_table(const struct filter_standing *all, int cnt, const char *iface, uint64_t now_ns)
{
	char shown[SHOWN_BYTES];
	int live = 0;

	if (cnt > 0)
		printf("%-43s  %10s  %8s  %s\n", "source", "remaining", "offences", "reason");
	for (int i = 0; i < cnt; i++) {
		uint64_t ns = remaining_ns(&all[i], now_ns);
		char left[32] = "over";
		if (ns > 0)
			snprintf(left, sizeof left, "%llu s", (unsigned long long)((ns + NS - 1) / NS));
		live += ns > 0;
		printf("%-43s  %10s  %8u  %s\n", source_shown(shown, &all[i].source), left, all[i].entry.offences,
		       why(&all[i]));
	}
	printf("%s: %d dropped, %d remembered\n", iface, live, cnt - live);
}

static int list(struct filter *filter, const char *iface, const struct wish *wish)
{
	struct filter_standing *all;
	uint64_t now_ns = clock_ns();
	int cnt = filter_standing_list(filter, &all);

	if (cnt < 0) {
		fprintf(stderr, "tollbar standing: %s: %s\n", iface, strerror(-cnt));
		return FAILED;
	}
	qsort(all, (size_t)cnt, sizeof *all, later_first);
	(wish->json ? print_json : print_table)(all, cnt, iface, now_ns);
	free(all);
	return DONE;
}

/* --- changes --- */

static int add(struct filter *filter, const char *iface, const struct in6_addr *source, unsigned seconds)
{
	struct tollbar_standing entry;
	char shown[SHOWN_BYTES];

	filter_standing_get(filter, source, &entry);
	entry.until_ns = clock_ns() + seconds * NS;
	entry.reason = REASON_OK;
	int err = filter_standing_put(filter, source, &entry);
	if (err == 0) {
		printf("%s: %s dropped for %u s\n", iface, source_shown(shown, source), seconds);
		return DONE;
	}
	fprintf(stderr, "tollbar standing: %s: %s\n", iface,
		err == -ENOSPC ? "the list is full of sources that are dropped now" : strerror(-err));
	return FAILED;
}

static int clear(struct filter *filter, const char *iface, const struct in6_addr *source)
{
	int err = filter_standing_clear(filter, source);
	char shown[SHOWN_BYTES];

	source_shown(shown, source);
	if (err == 0)
		printf("%s: %s cleared\n", iface, shown);
	else
		fprintf(stderr, "tollbar standing: %s: %s: %s\n", iface, shown,
			err == -ENOENT ? "not on the list" : strerror(-err));
	return err == 0 ? DONE : FAILED;
}

static int clear_all(struct filter *filter, const char *iface)
{
	struct filter_standing *all;
	int cnt = filter_standing_list(filter, &all), cleared = 0;

	for (int i = 0; i < cnt; i++)
		cleared += filter_standing_clear(filter, &all[i].source) == 0;
	free(all);
	int live = cnt < 0 ? cnt : filter_standing_sweep(filter, 0); /* packets need not look any more */
	if (live < 0) {
		fprintf(stderr, "tollbar standing: %s: %s\n", iface, strerror(-live));
		return FAILED;
	}
	printf("%s: %d cleared\n", iface, cleared);
	return DONE;
}

/* --- the words --- */

static int with_filter(const struct wish *wish, const struct in6_addr *source, unsigned seconds)
{
	char iface[IF_NAMESIZE];
	struct filter *filter = interface_filter(iface, wish->iface);
	int status;

	if (filter == NULL)
		return FAILED;
	if (wish->word_cnt == 0)
		status = list(filter, iface, wish);
	else if (seconds > 0)
		status = add(filter, iface, source, seconds);
	else
		status = wish->all ? clear_all(filter, iface) : clear(filter, iface, source);
	filter_close(filter);
	return status;
}

static int read_add(const struct wish *wish)
{
	struct in6_addr source;
	char *end;

	if (wish->word_cnt != 3 || wish->all || wish->json)
		return usage("takes a source and its seconds", "add");
	if (!source_read(&source, wish->words[1]))
		return usage("is not an IPv4 address, an IPv6 address or an IPv6 /64", wish->words[1]);
	unsigned long seconds = strtoul(wish->words[2], &end, 10);
	if (wish->words[2][0] < '0' || wish->words[2][0] > '9' || *end != '\0' || seconds == 0 || seconds > SECONDS_MAX)
		return usage("is not a number of seconds (1 to 31536000, a year)", wish->words[2]);
	return with_filter(wish, &source, (unsigned)seconds);
}

static int read_clear(const struct wish *wish)
{
	struct in6_addr source = {0};

	if (wish->word_cnt != (wish->all ? 1 : 2) || wish->json)
		return usage("takes a source, or --all", "clear");
	if (!wish->all && !source_read(&source, wish->words[1]))
		return usage("is not an IPv4 address, an IPv6 address or an IPv6 /64", wish->words[1]);
	return with_filter(wish, &source, 0);
}

static int obey(const struct wish *wish)
{
	if (wish->word_cnt == 0)
		return wish->all ? usage("goes with clear", "--all") : with_filter(wish, NULL, 0);
	if (strcmp(wish->words[0], "add") == 0)
		return read_add(wish);
	if (strcmp(wish->words[0], "clear") == 0)
		return read_clear(wish);
	return usage("is neither add nor clear", wish->words[0]);
}

int cmd_standing(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"all", no_argument, NULL, 'A'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	struct wish wish = {0};
	int option;

	optind = 0; /* tests call this more than once */
	while ((option = getopt_long(argc, argv, "i:h", options, NULL)) != -1) {
		switch (option) {
		case 'i':
			wish.iface = optarg;
			break;
		case 'j':
			wish.json = true;
			break;
		case 'A':
			wish.all = true;
			break;
		default:
			fputs(usage_text, option == 'h' ? stdout : stderr);
			return option == 'h' ? DONE : USAGE;
		}
	}
	wish.words = argv + optind;
	wish.word_cnt = argc - optind;
	return obey(&wish);
}
