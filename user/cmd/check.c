// SPDX-License-Identifier: Apache-2.0
/* check: every mistake of a configuration and of the files it names, or what it comes to. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/eip55.h"
#include "base/u256.h"
#include "cmd/check_chain.h"
#include "cmd/check_files.h"
#include "cmd/cmd.h"
#include "config.h"
#include "sys/syncookies.h"
#include "worker.h"

static struct config config; /* large, and there is one */

static const char usage_text[] =
	"usage: tollbar check [--chain] FILE\n\n"
	"Prints each mistake of the configuration, and of the payer, allow, deny and "
	"certificate files it names, as FILE:LINE: what is\n"
	"wrong; or \"FILE: ok\" and a summary.\n"
	"  --chain  ask the nodes of [chain NAME], too: is it that chain, and are the offers' tokens "
	"what the file says?\n"
	"Exit status: 0 no mistake, 1 mistakes or a file that cannot be read, 2 usage.\n";

static const char *method_name(uint8_t method)
{
	return method == METHOD_EIP3009 ? "eip3009" : method == METHOD_PERMIT2 ? "permit2" : "upto";
}

static void show_offer(const struct offer *offer)
{
	char asset[EIP55_BYTES], pay_to[EIP55_BYTES], amount[U256_DECIMAL_BYTES];

	u256_print(amount, offer->amount.at);
	printf("  offer %s: %s, %s%s of %s on eip155:%llu to %s\n", offer->name, method_name(offer->method),
	       offer->method == METHOD_UPTO ? "at most " : "", amount, eip55_encode(asset, offer->asset.at),
	       (unsigned long long)offer->chain_id, eip55_encode(pay_to, offer->pay_to.at));
}

static void show_route(const struct config_route *route)
{
	const char *before = "upstream ";

	printf("  route %s: %s %s to ", route->name, route->method, route->path);
	for (size_t i = 0; i < config.upstream_cnt; i++) {
		if ((route->upstreams >> i & 1) == 0)
			continue;
		printf("%s%s", before, config.upstreams[i].name);
		before = " or ";
	}
	fputs(", ", stdout);
	for (size_t i = 0; i < route->offer_cnt; i++)
		printf("%s%s", i == 0 ? "offers " : ", ", route->offers[i]->name);
	puts(route->offer_cnt == 0 ? "free" : "");
}

static void show_chain(const struct config_chain *chain)
{
	static const char *const words[] = {"not looked at", "looked at and remembered", "looked at for every payment"};

	printf("  chain %s: eip155:%llu, payers' funds are %s\n", chain->name, (unsigned long long)chain->chain_id,
	       words[chain->funds]);
}

/* What the setting comes to where this runs, which should be where the daemon will. */
static void show_syn_cookies(void)
{
	static const char *const kernel[] = {"never: SYN cookies do nothing",
					     "while the queue of pending connections is full", "always"};
	int value = syncookies_kernel();

	if (config.interface[0] == 0 || config.filter.syn_cookies == SYN_COOKIES_OFF)
		return;
	printf("  SYN cookies %s; net.ipv4.tcp_syncookies = %d here: the kernel makes them %s\n",
	       config.filter.syn_cookies == SYN_COOKIES_ON ? "on" : "auto", value,
	       value >= 0 && value <= 2 ? kernel[value] : "as it says");
}

static void show_summary(const char *path)
{
	printf("%s: ok\n", path);
	printf("  %s, %zu listening, %zu upstreams, payers %s, filter %s\n", config.public_url, config.listen_cnt,
	       config.upstream_cnt, config.payers_file[0] != 0 ? config.payers_file : "all",
	       config.interface[0] != 0 ? config.interface : "none");
	printf("  signatures by %s%s\n", verify_engine_name(worker_engine(&config)),
	       verify_engine_runs(worker_engine(&config)) ? "" : ", which this CPU cannot run");
	show_syn_cookies();
	for (size_t i = 0; i < config.chain_cnt; i++)
		show_chain(&config.chains[i]);
	for (size_t i = 0; i < config.offer_cnt; i++)
		show_offer(&config.offers[i]);
	for (size_t i = 0; i < config.route_cnt; i++)
		show_route(&config.routes[i]);
}

static void say_of_chain(void *path, const char *text)
{
	printf("%s:0: %s\n", (const char *)path, text);
}

int cmd_check(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'}, {"chain", no_argument, NULL, 'c'}, {0}};
	bool ask_chains = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) == 'c')
		ask_chains = true;
	if (option == 'h') {
		fputs(usage_text, stdout);
		return 0;
	}
	if (option != -1 || argc - optind != 1) {
		fputs(usage_text, stderr);
		return 2;
	}
	const char *path = argv[optind];
	int result = config_load(&config, path, stdout);
	/* the other files are looked at even if this one has mistakes: all at once */
	int mistake_cnt =
		result >= 0 ? result + check_files(&config, path, stdout) : check_unreadable(path, result, stdout);
	for (size_t i = 0; ask_chains && mistake_cnt == 0 && i < config.chain_cnt; i++)
		mistake_cnt += check_chain(&config, &config.chains[i], say_of_chain, (void *)path);
	if (mistake_cnt == 0)
		show_summary(path);
	return mistake_cnt == 0 ? 0 : 1;
}
