/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: the table of subcommands and the usage text, nothing else. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{"run", cmd_run, "run -c FILE                     the daemon"},
	{"init", cmd_init, "init [-o FILE] [...]            writes a configuration for this machine"},
	{"check", cmd_check, "check FILE                      every mistake of a configuration, with its line"},
	{"doctor", cmd_doctor,
	 "doctor [-c FILE] [--json]       what is wrong with this machine, and what to do about it"},
	{"attach", cmd_attach, "attach IFACE                    put the filter on a network interface"},
	{"detach", cmd_detach, "detach IFACE                    take it off again; what was there before comes back"},
	{"standing", cmd_standing,
	 "standing [add|clear] [...]      who is dropped for how long, and why; drop, forgive"},
	{"trace", cmd_trace, "trace [--reason WORD] [...]     dropped packets as they come, sampled"},
	{"status", cmd_status, "status [--watch] [--json]       the funnel, how long each step takes; or rates, live"},
	{"top", cmd_top, "top [--interval N] [...]        what it does now, on one screen"},
	{"overhead", cmd_overhead,
	 "overhead [--since 5m] [...]     how long each step of a request takes: a waterfall"},
	{"ledger", cmd_ledger, "ledger -c FILE|-d DIR [...]     claims on disk: list, export, sum up"},
	{"explain", cmd_explain, "explain -c FILE HEADER|-        one payment header, every step's result"},
	{"pay", cmd_pay, "pay --key FILE URL [--data ...] pay for one request and print the answer"},
	{"knock", cmd_knock, "knock --key FILE NODE           open a node's ports to this address for a while"},
};

static int usage(FILE *out)
{
	fputs("usage: tollbar COMMAND [ARGUMENT ...]\n\n", out);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		fprintf(out, "  tollbar %s\n", commands[i].summary);
	fputs("\ntollbar COMMAND --help tells more.\n", out);
	return out == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return usage(stderr);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
		return usage(stdout);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "tollbar: no command '%s'\n", argv[1]);
	return usage(stderr);
}
