// SPDX-License-Identifier: Apache-2.0
/* tollbar attach, tollbar detach: the kernel program on an interface, and its policy without a daemon. */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/policy.h"
#include "config.h"
#include "lists.h"
#include "payers.h"
#include "sys/filter.h"
#include "sys/hook.h"

#define PORTS_MAX 64
#define PAYERS_ROOM (TOLLBAR_PAYERS_LINES - TOLLBAR_PAYERS_LINES_OF(0)) /* of a filter that was told nothing */

static struct config config; /* of --config; large */

static const char attach_usage[] =
	"usage: tollbar attach IFACE [--mode open|allow] [--observe] [--tcp PORT]... [--udp PORT]...\n"
	"                            [--allow FILE] [--deny FILE] [--checksum yes|no] [--fail open|closed]\n"
	"                            [--packets N[:BURST]] [--connections N[:BURST]]\n"
	"                            [--syn-cookies off|on|auto[:N]]\n"
	"                            [--next PATH|none] [--replace] [--generic]\n"
	"                            [--config FILE] [--group GROUP] [--payers N]\n"
	"\n"
	"Puts the filter on IFACE; where it is already, only the settings given change, without attaching again.\n"
	"  --mode open     every source may reach the service ports, except denied and penalised ones\n"
	"  --mode allow    only sources of the allowlist may; turns --observe off, like --mode open\n"
	"  --observe       count what the mode would drop, drop nothing\n"
	"  --tcp, --udp    the service ports, together replacing those before; the daemon sets its own\n"
	"  --allow, --deny one prefix a line; together replacing both lists, in one step, also a daemon's,\n"
	"                  and with them the exemption of its trusted_proxy from limits, unless FILE has it\n"
	"  --packets, --connections  a second from one source, and at once; together replacing the limits before; 0: "
	"none;\n"
	"                  sources of the allowlist are not limited\n"
	"  --syn-cookies   answer SYNs in the driver: on, or auto: above N a second on one CPU (1000)\n"
	"  --checksum yes  drop what has a wrong IPv4, TCP or UDP checksum; not on veth, where senders leave it out\n"
	"  --fail closed   shut the service ports whenever no daemon is alive; open: the policy works on\n"
	"  --next PATH     what passes goes on to the XDP program pinned there; none: to nobody\n"
	"  --replace       exchange another XDP program for this one; tollbar detach brings it back\n"
	"  --generic       do not try native mode\n"
	"  --config FILE   all that a daemon with this configuration would set; the other settings come after\n"
	"  --payers N      room for so many payers in the kernel's list (16320; --config: twice its list's); 64 bytes "
	"each;\n"
	"                  kept for as long as the filter is on IFACE\n"
	"  --group GROUP   its members may use the filter, too: a daemon of theirs needs no root, but loads no lists\n";

struct request {
	const char *iface, *allow_path, *deny_path;
	struct hook_attach how;
	const char *next; /* NULL: as it was */
	const char *config_path;
	bool set_group;
	gid_t group;
	bool set_mode, observe, set_checksum, checksum, set_fail, fail_closed;
	enum filter_mode mode;
	uint16_t tcp[PORTS_MAX], udp[PORTS_MAX];
	size_t tcp_cnt, udp_cnt;
	bool set_limits;
	struct config_limits limits;
	bool set_syn_cookies;
	enum config_syn_cookies syn_cookies;
	unsigned syn_cookies_per_s;
};

/* Asked for, the usage is the answer; otherwise it is a complaint. */
static int usage(const char *text, int argc, char **argv)
{
	bool asked = argc == 2 && strcmp(argv[1], "--help") == 0;

	fputs(text, asked ? stdout : stderr);
	return asked ? 0 : 2;
}

static bool port_add(uint16_t *ports, size_t *cnt, const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != 0 || port == 0 || port > 65535 || *cnt == PORTS_MAX) {
		fprintf(stderr, "tollbar attach: \"%s\" is not a port (1 to 65535, at most %d of them)\n", text,
			PORTS_MAX);
		return false;
	}
	ports[(*cnt)++] = (uint16_t)port;
	return true;
}

static bool mode_set(struct request *request, const char *text)
{
	request->set_mode = true;
	request->mode = strcmp(text, "allow") == 0 ? FILTER_ALLOW : FILTER_OPEN;
	if (request->mode == FILTER_ALLOW || strcmp(text, "open") == 0)
		return true;
	fprintf(stderr, "tollbar attach: the mode is open or allow, not \"%s\"\n", text);
	return false;
}

/* One of two words: which, the second being true. */
static bool choice_set(bool *set, bool *value, const char *name, const char *text, const char *const words[2])
{
	*set = true;
	*value = strcmp(text, words[1]) == 0;
	if (*value || strcmp(text, words[0]) == 0)
		return true;
	fprintf(stderr, "tollbar attach: --%s is %s or %s, not \"%s\"\n", name, words[0], words[1], text);
	return false;
}

/* "N" or "N:BURST". */
static bool limit_set(struct request *request, unsigned *per_s, unsigned *burst, const char *text)
{
	unsigned long rate = 0, at_once = 0;
	char *end = NULL;

	if (*text >= '0' && *text <= '9')
		rate = strtoul(text, &end, 10);
	if (end != NULL && *end == ':' && end[1] >= '0' && end[1] <= '9')
		at_once = strtoul(end + 1, &end, 10);
	if (end == NULL || *end != 0 || rate > RATE_MAX || at_once > BURST_MAX) {
		fprintf(stderr, "tollbar attach: a limit is N or N:BURST, N at most %d a second, not \"%s\"\n",
			RATE_MAX, text);
		return false;
	}
	if (at_once != 0 && at_once < config_burst_least((unsigned)rate)) {
		fprintf(stderr, "tollbar attach: %s: the burst must be %u or more: one, and what comes in 10 ms\n",
			text, config_burst_least((unsigned)rate));
		return false;
	}
	request->set_limits = true;
	*per_s = (unsigned)rate;
	*burst = (unsigned)at_once;
	return true;
}

static bool syn_cookies_set(struct request *request, const char *text)
{
	unsigned long per_s = 1000;
	const char *end = text + strcspn(text, ":");
	char *rest = (char *)end;

	request->set_syn_cookies = true;
	request->syn_cookies = strcmp(text, "on") == 0 ? SYN_COOKIES_ON : SYN_COOKIES_OFF;
	if (strcmp(text, "on") == 0 || strcmp(text, "off") == 0)
		return true;
	if (end[0] == ':' && end[1] >= '0' && end[1] <= '9')
		per_s = strtoul(end + 1, &rest, 10);
	request->syn_cookies = SYN_COOKIES_AUTO;
	request->syn_cookies_per_s = (unsigned)per_s;
	if (strncmp(text, "auto", 4) == 0 && end == text + 4 && *rest == 0 && per_s > 0 && per_s <= RATE_MAX)
		return true;
	fprintf(stderr, "tollbar attach: SYN cookies are off, on, auto or auto:N, not \"%s\"\n", text);
	return false;
}

static bool group_set(struct request *request, const char *name)
{
	const struct group *group = getgrnam(name);

	if (group == NULL) {
		fprintf(stderr, "tollbar attach: no group \"%s\"\n", name);
		return false;
	}
	request->set_group = true;
	request->group = group->gr_gid;
	return true;
}

static bool payers_set(struct request *request, const char *text)
{
	char *end = NULL;
	unsigned long cnt = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;

	request->how.payers = (uint32_t)cnt;
	if (end != NULL && *end == 0 && cnt > 0 && cnt <= HOOK_PAYERS_MAX)
		return true;
	fprintf(stderr, "tollbar attach: --payers is a number up to %u, not \"%s\"\n", HOOK_PAYERS_MAX, text);
	return false;
}

static bool option_take(struct request *request, int option)
{
	static const char *const no_yes[] = {"no", "yes"}, *const fails[] = {"open", "closed"};
	struct config_limits *limits = &request->limits;

	switch (option) {
	case 'c':
		return choice_set(&request->set_checksum, &request->checksum, "checksum", optarg, no_yes);
	case 'f':
		return choice_set(&request->set_fail, &request->fail_closed, "fail", optarg, fails);
	case 'n':
		request->next = optarg;
		return true;
	case 'F':
		request->config_path = optarg;
		return true;
	case 'G':
		return group_set(request, optarg);
	case 'P':
		return payers_set(request, optarg);
	case 'm':
		return mode_set(request, optarg);
	case 'o':
		return request->observe = true;
	case 't':
		return port_add(request->tcp, &request->tcp_cnt, optarg);
	case 'u':
		return port_add(request->udp, &request->udp_cnt, optarg);
	case 'a':
		request->allow_path = optarg;
		return true;
	case 'd':
		request->deny_path = optarg;
		return true;
	case 'p':
		return limit_set(request, &limits->packets_per_s, &limits->packets_burst, optarg);
	case 'C':
		return limit_set(request, &limits->connections_per_s, &limits->connections_burst, optarg);
	case 's':
		return syn_cookies_set(request, optarg);
	case 'r':
		return request->how.replace = true;
	case 'g':
		return request->how.generic = true;
	default:
		return false; /* getopt has said why */
	}
}

static bool request_parse(struct request *request, int argc, char **argv)
{
	static const struct option options[] = {
		{"mode", required_argument, NULL, 'm'},	       {"observe", no_argument, NULL, 'o'},
		{"tcp", required_argument, NULL, 't'},	       {"udp", required_argument, NULL, 'u'},
		{"allow", required_argument, NULL, 'a'},       {"deny", required_argument, NULL, 'd'},
		{"checksum", required_argument, NULL, 'c'},    {"fail", required_argument, NULL, 'f'},
		{"packets", required_argument, NULL, 'p'},     {"connections", required_argument, NULL, 'C'},
		{"syn-cookies", required_argument, NULL, 's'}, {"next", required_argument, NULL, 'n'},
		{"replace", no_argument, NULL, 'r'},	       {"generic", no_argument, NULL, 'g'},
		{"config", required_argument, NULL, 'F'},      {"group", required_argument, NULL, 'G'},
		{"payers", required_argument, NULL, 'P'},      {NULL, 0, NULL, 0},
	};
	int option;

	*request = (struct request){.limits = {.limit_ip4_bits = 32, .limit_ip6_bits = 64}};
	optind = 0; /* start over: others may have used getopt */
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!option_take(request, option))
			return false;
	request->iface = optind == argc - 1 ? argv[optind] : NULL;
	return request->iface != NULL;
}

static bool list_load(struct prefix_list *list, const char *path)
{
	int result = path == NULL ? 0 : lists_load(list, path, stderr);

	if (result < 0)
		fprintf(stderr, "tollbar attach: %s: %s\n", path, strerror(-result));
	return result == 0;
}

/* Lists before the mode that asks them, ports last: nothing is judged by half a policy. */
static int policy_apply(struct filter *filter, const struct request *request, const struct prefix_list *allow,
			const struct prefix_list *deny)
{
	int err = 0;

	if (request->allow_path != NULL || request->deny_path != NULL)
		err = filter_load_lists(filter, allow, deny);
	if (err == 0 && request->set_limits)
		err = filter_set_limits(filter, &request->limits);
	if (err == 0 && request->set_syn_cookies)
		filter_set_syn_cookies(filter, request->syn_cookies, request->syn_cookies_per_s);
	if (err == 0 && (request->set_mode || request->observe))
		filter_set_mode(filter, request->set_mode ? request->mode : filter_state(filter).mode,
				request->observe);
	if (err == 0 && request->set_checksum)
		filter_set_checksum(filter, request->checksum);
	if (err == 0 && request->set_fail)
		filter_set_fail(filter, request->fail_closed);
	if (err == 0 && request->next != NULL)
		err = filter_set_next(filter, request->iface,
				      strcmp(request->next, "none") == 0 ? NULL : request->next);
	if (err == 0 && request->tcp_cnt + request->udp_cnt > 0)
		err = filter_set_ports(filter, request->tcp, request->tcp_cnt, request->udp, request->udp_cnt);
	return err;
}

static bool config_read(const struct request *request)
{
	const char *path = request->config_path;
	int mistakes = path == NULL ? 0 : config_load(&config, path, stderr);

	if (mistakes < 0)
		fprintf(stderr, "tollbar attach: %s: %s\n", path, strerror(-mistakes));
	if (mistakes != 0)
		return false;
	if (config.interface[0] == 0 || strcmp(config.interface, request->iface) == 0)
		return true;
	fprintf(stderr, "tollbar attach: %s is for the filter on %s\n", path, config.interface);
	return false;
}

/* With --config, room for the payers there are, and as many again. */
static void payers_room(struct request *request)
{
	struct payers *payers = payers_init(1);
	struct address *admitted = NULL;
	int cnt = 0;

	if (request->how.payers == 0 && config.payers_file[0] != 0 && payers != NULL &&
	    payers_load(payers, config.payers_file, stderr) == 0)
		cnt = payers_admitted(payers, &admitted);
	if (cnt > 0 && 2u * (uint32_t)cnt > PAYERS_ROOM)
		request->how.payers = 2u * (uint32_t)cnt < HOOK_PAYERS_MAX ? 2u * (uint32_t)cnt : HOOK_PAYERS_MAX;
	free(admitted);
	payers_fini(payers);
}

static int room_check(const struct filter *filter, const struct request *request)
{
	if (filter_native_room(filter) >= request->how.payers)
		return 0;
	fprintf(stderr, "tollbar attach: the filter on %s has room for %zu payers; detach it to give it more\n",
		request->iface, filter_native_room(filter));
	return -EBUSY;
}

static int attach_run(const struct request *request, const struct prefix_list *allow, const struct prefix_list *deny)
{
	struct filter *filter = NULL;
	int err = hook_attach(request->iface, &request->how);

	if (err == 0)
		err = filter_open(&filter, request->iface);
	if (err == 0)
		err = room_check(filter, request);
	if (err == 0 && request->config_path != NULL)
		err = policy_set(filter, &config, false);
	if (err == 0)
		err = policy_apply(filter, request, allow, deny);
	if (err == 0 && request->set_group)
		err = filter_share(filter, request->iface, request->group);
	filter_close(filter);
	if (err != 0)
		fprintf(stderr, "tollbar attach: %s: %s\n", request->iface, strerror(-err));
	return err != 0;
}

int cmd_attach(int argc, char **argv)
{
	struct prefix_list allow = {0}, deny = {0};
	struct request request;

	if ((argc == 2 && argv[1][0] == '-') || !request_parse(&request, argc, argv))
		return usage(attach_usage, argc, argv);
	bool allow_good = list_load(&allow, request.allow_path), deny_good = list_load(&deny, request.deny_path);
	bool config_good = config_read(&request);
	if (config_good && request.config_path != NULL)
		payers_room(&request);
	int status = config_good && allow_good && deny_good ? attach_run(&request, &allow, &deny) : 1;
	lists_fini(&allow);
	lists_fini(&deny);
	return status;
}

int cmd_detach(int argc, char **argv)
{
	if (argc != 2 || argv[1][0] == '-')
		return usage(
			"usage: tollbar detach IFACE\n\nTakes the filter off and puts back the program it replaced.\n",
			argc, argv);
	int err = hook_detach(argv[1]);
	if (err != 0)
		fprintf(stderr, "tollbar detach: %s: %s\n", argv[1],
			err == -ENOENT ? "no filter there" : strerror(-err));
	return err != 0;
}
