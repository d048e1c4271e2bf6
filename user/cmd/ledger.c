// SPDX-License-Identifier: Apache-2.0
/* ledger.c: tollbar ledger: the claims in a state directory, of a daemon that runs or does not. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "claim_read.h"
#include "cmd/cmd.h"
#include "cmd/ledger_chain.h"
#include "cmd/ledger_text.h"
#include "cmd/moment.h"
#include "config.h"

enum { DONE = 0, FAILED = 1, USAGE = 2 };

static const char usage_text[] =
	"usage: tollbar ledger -c FILE|-d DIRECTORY [--state WORD[,WORD]] [--payer ADDRESS] [--since TIME] [--until "
	"TIME]\n"
	"                      [--rpc URL] [--csv|--json|--sums]\n\n"
	"Lists the claims in a state directory, oldest first, and sums them up.  Beside a running daemon too: it reads "
	"a copy\n"
	"made in $TMPDIR or /tmp, as large as the ledger, and changes nothing.\n\n"
	"  -c FILE       take the directory from the daemon's configuration\n"
	"  -d DIRECTORY  name it\n"
	"  --state       taken, forwarded, owed, settling, unknown, settled, refused, expired, released\n"
	"  --payer       0x and 40 hexadecimal digits\n"
	"  --since, --until  of the time it was taken: 2026-01-31, 2026-01-31T23:59:59Z (UTC), Unix seconds, or so "
	"long ago:\n"
	"                    30s, 90m, 36h, 7d; since is within, until is not\n"
	"  --rpc URL     compare with the chain, by JSON-RPC from a node: paid (the transfer is there), used (the "
	"nonce is, by\n"
	"                another transaction or because it was cancelled), open (it is not), silent (the node did not "
	"say)\n"
	"  --csv, --json every field but the signature\n"
	"  --sums        the sums alone\n\n"
	"Exit status: 0, 1 the ledger or the chain cannot be read, parts of the ledger are damaged, or the two "
	"contradict each\n"
	"other, 2 usage or configuration.\n";

struct wish {
	const char *directory, *config, *rpc;
	bool states[CLAIM_STATE_CNT], any_state;
	struct address payer;
	bool has_payer;
	uint64_t since_s, until_s;
	enum ledger_form form;
	bool sums_only, help;
};

struct view { /* of what was asked for */
	const struct wish *wish;
	struct ledger_writer writer;
	struct ledger_sums sums;
	struct ledger_chain chain;
	struct record waiting[LEDGER_CHAIN_CLAIMS_MAX]; /* to be asked about together */
	size_t waiting_cnt;
	size_t differ, silent;
	int chain_error;
};

/* --- arguments --- */

static bool complain(const char *what, const char *which)
{
	fprintf(stderr, "tollbar ledger: \"%s\" %s\n", which, what);
	return false;
}

static bool read_states(struct wish *wish, const char *text)
{
	const char *rest = text;

	do {
		struct span word = span_of(rest, strcspn(rest, ","));
		size_t state = CLAIM_TAKEN;
		while (state < CLAIM_STATE_CNT && !span_equal(word, span_str(claim_words[state])))
			state++;
		if (state == CLAIM_STATE_CNT)
			return complain("has what is no state of a claim", text);
		wish->states[state] = wish->any_state = true;
		rest += word.bytes;
	} while (*rest++ == ',');
	return true;
}

static bool read_time(uint64_t *unix_s, const char *text)
{
	return moment_read(unix_s, text, clock_unix_s()) || complain("is no time", text);
}

static bool read_payer(struct wish *wish, const char *text)
{
	wish->has_payer = hex_decode(wish->payer.at, sizeof wish->payer.at, span_str(text));
	return wish->has_payer || complain("is no address", text);
}

static bool take_option(struct wish *wish, int option)
{
	switch (option) {
	case 'c':
		wish->config = optarg;
		return true;
	case 'd':
		wish->directory = optarg;
		return true;
	case 's':
		return read_states(wish, optarg);
	case 'p':
		return read_payer(wish, optarg);
	case 'b':
		return read_time(&wish->since_s, optarg);
	case 'e':
		return read_time(&wish->until_s, optarg);
	case 'r':
		wish->rpc = optarg;
		return true;
	case 'v':
		wish->form = LEDGER_CSV;
		return true;
	case 'j':
		wish->form = LEDGER_JSON;
		return true;
	case 'S':
		return wish->sums_only = true;
	case 'h':
		return wish->help = true;
	default:
		return false;
	}
}

static bool read_arguments(struct wish *wish, int argc, char **argv)
{
	static const struct option options[] = {
		{"config", 1, NULL, 'c'}, {"directory", 1, NULL, 'd'}, {"state", 1, NULL, 's'}, {"payer", 1, NULL, 'p'},
		{"since", 1, NULL, 'b'},  {"until", 1, NULL, 'e'},     {"rpc", 1, NULL, 'r'},	{"csv", 0, NULL, 'v'},
		{"json", 0, NULL, 'j'},	  {"sums", 0, NULL, 'S'},      {"help", 0, NULL, 'h'},	{0}};

	*wish = (struct wish){.until_s = UINT64_MAX};
	optind = 0; /* from the start, also a second time in one process */
	for (int option; (option = getopt_long(argc, argv, "c:d:h", options, NULL)) != -1;)
		if (!take_option(wish, option))
			return false;
	if (wish->help)
		return true;
	return optind == argc && (wish->config != NULL) != (wish->directory != NULL) &&
	       !(wish->sums_only && wish->form != LEDGER_TABLE);
}

/* NULL, and said why. */
static const char *directory_of(const struct wish *wish)
{
	static struct config config; /* large */

	if (wish->directory != NULL)
		return wish->directory;
	int mistakes = config_load(&config, wish->config, stderr);
	if (mistakes < 0)
		fprintf(stderr, "tollbar: %s: %s\n", wish->config, strerror(-mistakes));
	if (mistakes != 0)
		return NULL;
	if (config.state_directory[0] == 0) {
		fprintf(stderr, "tollbar: %s: there is no state directory, since no route is paid\n", wish->config);
		return NULL;
	}
	return config.state_directory;
}

/* --- reading --- */

static bool wanted(const struct wish *wish, const struct record *record)
{
	return (!wish->any_state || wish->states[record->state]) && record->taken_s >= wish->since_s &&
	       record->taken_s < wish->until_s &&
	       (!wish->has_payer || memcmp(&wish->payer, &record->payment.from, sizeof wish->payer) == 0);
}

static void put(struct view *view, const struct record *record, const char *chain)
{
	ledger_sums_add(&view->sums, record);
	if (!view->wish->sums_only)
		ledger_text_put(&view->writer, record, chain);
}

/* Those that wait are compared with the chain, and shown. */
static void compare(struct view *view)
{
	enum chain_view views[LEDGER_CHAIN_CLAIMS_MAX];
	int err = ledger_chain_look(&view->chain, view->waiting, view->waiting_cnt, views);

	if (err != 0)
		view->chain_error = err;
	for (size_t i = 0; i < view->waiting_cnt; i++) {
		view->differ += ledger_chain_differs(&view->waiting[i], views[i]);
		view->silent += views[i] == CHAIN_SILENT;
		put(view, &view->waiting[i], chain_view_words[views[i]]);
	}
	view->waiting_cnt = 0;
}

static bool show(void *ctx, const struct record *record)
{
	struct view *view = ctx;

	if (!wanted(view->wish, record))
		return true;
	if (view->wish->rpc == NULL) {
		put(view, record, "");
	} else {
		view->waiting[view->waiting_cnt++] = *record;
		if (view->waiting_cnt == LEDGER_CHAIN_CLAIMS_MAX)
			compare(view);
	}
	return !ferror(view->writer.out) && view->chain_error == 0;
}

static const char *why(int error)
{
	switch (error) {
	case -ENODATA:
		return "there is no ledger in it (data.mdb is missing)";
	case -EBADMSG:
		return "data.mdb is not a ledger's, or damaged";
	case -EPROTO:
		return "what is in it is not a ledger, or one that another version of tollbar made";
	case -EAGAIN:
		return "the daemon is too busy for a copy to be made; try again, or when it is stopped";
	default:
		return strerror(-error);
	}
}

static int report(const char *directory, const struct ledger_reading *reading, int error)
{
	if (error != 0)
		fprintf(stderr, "tollbar: %s: %s\n", directory, why(error));
	if (reading->bad > 0)
		fprintf(stderr, "tollbar: %s: %zu records cannot be trusted, and were left out\n", directory,
			reading->bad);
	if (reading->damage > 0)
		fprintf(stderr, "tollbar: %s: commits were lost from the log in %zu places\n", directory,
			reading->damage);
	return error != 0 || reading->bad > 0 || reading->damage > 0 ? FAILED : DONE;
}

static int report_chain(const struct view *view)
{
	if (view->chain_error != 0)
		fprintf(stderr, "tollbar: %s: %s\n", view->wish->rpc,
			view->chain_error == -EPROTO ? "no answer as a node gives" : strerror(-view->chain_error));
	if (view->differ > 0)
		fprintf(stderr, "tollbar: %zu claims differ from what the chain shows\n", view->differ);
	if (view->silent > 0)
		fprintf(stderr, "tollbar: of %zu claims the node did not say\n", view->silent);
	return view->chain_error != 0 || view->differ > 0 || view->silent > 0 ? FAILED : DONE;
}

static int show_all(struct view *view, const char *directory)
{
	struct ledger_reading reading = {.each = show, .ctx = view};
	int error = ledger_read(directory, &reading);

	if (error == 0 && view->waiting_cnt > 0)
		compare(view);
	if (error == 0 && !view->wish->sums_only)
		ledger_text_end(&view->writer);
	if (error == 0 && view->wish->form == LEDGER_TABLE)
		ledger_sums_print(stdout, &view->sums);
	if (fflush(stdout) != 0 && error == 0)
		error = -errno;
	int status = report(directory, &reading, error);
	int of_chain = view->wish->rpc != NULL ? report_chain(view) : DONE;
	return status != DONE ? status : of_chain;
}

int cmd_ledger(int argc, char **argv)
{
	static struct view view; /* large */
	struct wish wish;

	if (!read_arguments(&wish, argc, argv)) {
		fputs(usage_text, stderr);
		return USAGE;
	}
	if (wish.help) {
		fputs(usage_text, stdout);
		return DONE;
	}
	const char *directory = directory_of(&wish);
	if (directory == NULL)
		return USAGE;
	view = (struct view){.wish = &wish,
			     .writer = {.out = stdout, .form = wish.form, .with_chain = wish.rpc != NULL}};
	if (wish.rpc != NULL)
		view.chain_error = ledger_chain_open(&view.chain, wish.rpc);
	return view.chain_error != 0 ? report_chain(&view) : show_all(&view, directory);
}
