/* SPDX-License-Identifier: Apache-2.0 */
/* run: the daemon.  Start with privilege, then signals and the admin listener until told to end. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "admin.h"
#include "base/clock.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/confine.h"
#include "cmd/policy.h"
#include "config.h"
#include "node.h"
#include "sys/activation.h"
#include "sys/filter.h"
#include "sys/notify.h"
#include "sys/peers.h"
#include "sys/sandbox.h"

#define TEND_MS 1000
#define STOP_MS 20000 /* what ending may take after the drain: calls under way, the last flushes */

static struct config config; /* large, and there is one */
static const char *config_path;
static struct notify notify; /* the service manager's ear */

static const char usage_text[] =
	"usage: tollbar run -c FILE\n\n"
	"  -c FILE  configuration (tollbar check FILE tells what is wrong with it)\n\n"
	"SIGHUP   read the payer list and the certificate again, and of [filter] limits and SYN cookies\n"
	"SIGTERM  drain: finish what runs and what is owed, then end; twice: end now\n";

static int parse_arguments(int argc, char **argv, const char **path)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'c') {
			*path = optarg;
		} else {
			fputs(usage_text, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	if (*path == NULL || optind != argc) {
		fputs(usage_text, stderr);
		return 2;
	}
	return -1;
}

/* --- the filter, when an interface is named --- */

static int open_filter(struct filter **filter)
{
	if (config.interface[0] == 0)
		return 0;
	int error = filter_open(filter, config.interface);
	if (error < 0) {
		log_error("event=filter_open interface=%s error=%d hint=\"tollbar attach %s\"", config.interface,
			  -error, config.interface);
		return error;
	}
	if (filter_state(*filter).generic)
		log_warn("event=filter_open interface=%s mode=generic note=\"much slower than native\"",
			 config.interface);
	error = policy_set(*filter, &config, true);
	if (error < 0)
		log_error("event=filter_policy interface=%s error=%d", config.interface, -error);
	return error;
}

static const char *status_line(const struct filter *filter)
{
	static char line[64];

	if (filter == NULL)
		return "Serving";
	snprintf(line, sizeof line,
		 filter_state(filter).lost ? "Serving; no filter on %s" : "Serving behind the filter on %s",
		 config.interface);
	return line;
}

/* The daemon's sign of life, and a look at the interface: a network card can go away and come back, with another program
 * on it, whose policy is then ours to set. */
static void tend_filter(struct node *node, struct filter *filter)
{
	static bool policy_due, was_unseen;
	bool was_lost = filter_state(filter).lost;
	int found = filter_refind(filter, config.interface);

	if (filter_state(filter).lost && !was_lost)
		log_warn("event=filter_lost interface=%s error=\"%s\" note=\"what comes in there is not filtered\" "
			 "help=\"tollbar attach %s\"",
			 config.interface, found == -ENODEV ? "no such interface" : "no filter there",
			 config.interface);
	if (found == -EPERM && !was_unseen)
		log_warn("event=filter_unseen interface=%s note=\"another program came or went there; nothing is "
			 "changed\" "
			 "help=\"tollbar attach %s --group\"",
			 config.interface, config.interface);
	was_unseen = found == -EPERM;
	if (found == 1 || (was_lost && found == 0))
		log_info("event=filter_found interface=%s fresh=%s", config.interface, found == 1 ? "yes" : "no");
	if (filter_state(filter).lost != was_lost)
		notify_status(&notify, status_line(filter));
	policy_due |= found == 1;
	if (policy_due)
		policy_due = policy_set(filter, &config, true) != 0 || node_filter_found(node) != 0;
	if (!policy_due)
		filter_set_alive(filter, config.filter.fail_s);
}

/* Not while a worker is stuck: whoever watches then starts the daemon anew. */
static void tell_alive(const struct node *node)
{
	if (node_works(node))
		notify_alive(&notify, clock_ns());
}

/* Each second, and what can wait once a minute. */
static void tend(struct node *node, struct filter *filter)
{
	static unsigned seconds;

	node_tick(node);
	if (filter != NULL)
		tend_filter(node, filter);
	if (filter != NULL && ++seconds % 60 == 0)
		node_tend(node);
	tell_alive(node);
}

/* --- signals --- */

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL); /* threads inherit it: only this descriptor sees them */
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The limits and SYN cookies as the file has them now; with a mistake in it those in force stay. */
static void reload_limits(struct filter *filter)
{
	static struct config fresh;
	int mistakes = config_load(&fresh, config_path, stderr);
	int error = mistakes == 0 ? filter_set_limits(filter, &fresh.filter.limits) : -EINVAL;

	if (error != 0) {
		log_warn("event=limits_load file=%s mistakes=%d error=%d", config_path, mistakes, -error);
		return;
	}
	filter_set_syn_cookies(filter, fresh.filter.syn_cookies, fresh.filter.syn_cookies_per_s);
	/* This thread alone reads them, when another program of ours takes the place of this one. */
	config.filter.limits = fresh.filter.limits;
	config.filter.syn_cookies = fresh.filter.syn_cookies;
	config.filter.syn_cookies_per_s = fresh.filter.syn_cookies_per_s;
	log_info("event=limits_loaded file=%s", config_path);
}

/* true: end. */
static bool take_signal(int fd, struct node *node, struct filter *filter)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof info) != sizeof info)
		return false;
	if (info.ssi_signo != SIGHUP)
		return true;
	notify_reloading(&notify);
	node_reload(node);
	if (filter != NULL)
		reload_limits(filter);
	notify_ready(&notify, status_line(filter));
	return false;
}

/* Serves the admin listener, if there is one, until a signal is there (true) or the time is over. */
static bool wait_for_signal(struct admin *admin, int signal_fd, int wait_ms)
{
	struct pollfd poll_fd = {.fd = signal_fd, .events = POLLIN};

	if (admin != NULL)
		return admin_serve(admin, wait_ms);
	return poll(&poll_fd, 1, wait_ms) == 1;
}

static void drain(struct node *node, struct filter *filter, struct admin *admin, int signal_fd)
{
	uint64_t until_ns = clock_ns() + (uint64_t)config.timeouts.drain_ms * 1000000u;

	log_info("event=drain drain_ms=%u", config.timeouts.drain_ms);
	notify_stopping(&notify, (uint64_t)config.timeouts.drain_ms + STOP_MS);
	node_drain(node);
	while (!node_drained(node) && clock_ns() < until_ns) {
		if (wait_for_signal(admin, signal_fd, 50) && take_signal(signal_fd, node, filter)) /* told twice */
			break;
		node_tick(node);
		if (filter != NULL)
			filter_set_alive(filter, config.filter.fail_s);
		tell_alive(node);
	}
}

static int serve(struct node *node, struct filter *filter, int signal_fd)
{
	struct admin *admin = NULL;
	struct admin_config admin_config = {.address = config.admin,
					    .look = node_look,
					    .look_overhead = node_look_overhead,
					    .look_ctx = node,
					    .stop_fd = signal_fd};
	int error = config.admin.ss_family != AF_UNSPEC ? admin_open(&admin, &admin_config) : 0;

	if (error < 0) {
		log_error("event=admin_open error=%d", -error);
		return error;
	}
	error = activation_complete();
	sandbox_enter_thread(SANDBOX_MAIN);
	if (error == 0) {
		log_info("event=running");
		notify_ready(&notify, status_line(filter));
		while (!(wait_for_signal(admin, signal_fd, TEND_MS) && take_signal(signal_fd, node, filter)))
			tend(node, filter);
		drain(node, filter, admin, signal_fd);
	}
	if (admin != NULL)
		admin_close(admin);
	return error;
}

static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Before the sandbox: in it nobody maps anything there. */
static const struct sockaddr_storage *seal_peers(void)
{
	const struct sockaddr_storage *addresses[UPSTREAMS_MAX];

	for (size_t i = 0; i < config.upstream_cnt; i++)
		addresses[i] = &config.upstreams[i].address;
	return peers_seal(addresses, config.upstream_cnt);
}

int cmd_run(int argc, char **argv)
{
	struct filter *filter = NULL;
	struct node *node = NULL;
	int status = parse_arguments(argc, argv, &config_path);

	if (status >= 0)
		return status;
	int found = config_load(&config, config_path, stderr);
	if (found != 0) {
		if (found < 0)
			fprintf(stderr, "tollbar: %s: %s\n", config_path, strerror(-found));
		return 1;
	}
	log_level = (enum log_level)config.log_level;
	raise_descriptors();
	notify_open(&notify);
	int signal_fd = open_signals();
	int error = signal_fd < 0 ? -errno : activation_open();
	if (error == 0)
		error = open_filter(&filter);
	const struct sockaddr_storage *peers = seal_peers();
	if (error == 0 && peers == NULL)
		error = -errno;
	if (error == 0 && config.sandbox)
		error = confine(&config, config_path);
	if (error == 0)
		error = node_start(&node, &config, peers, filter);
	if (error == 0) {
		error = serve(node, filter, signal_fd);
		node_stop(node);
	}
	if (filter != NULL) {
		filter_set_alive(filter, 0); /* in order: nothing to wait for */
		filter_close(filter);
	}
	log_info("event=ended error=%d", -error);
	return error == 0 ? 0 : 1;
}
