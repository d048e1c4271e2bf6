// SPDX-License-Identifier: Apache-2.0
/* init: writes a configuration for this machine.  On a terminal it asks what it was not told; elsewhere it takes what it was told,
 * and what can be found out. */
#include "cmd/init.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/addrtext.h"
#include "cmd/ask_url.h"
#include "cmd/cmd.h"
#include "config.h"
#include "network.h"
#include "survey.h"

#define CONFIG_PATH "/etc/tollbar/tollbar.conf"
#define PROBE_MS 1000
#define FACILITATOR_MS 5000

static const char usage_text[] =
	"usage: tollbar init [-o FILE] [--asset NAME] [--pay-to ADDRESS] [--price TOKENS] [--upstream URL]\n"
	"                    [--facilitator URL] [--rpc URL] [--interface IFACE] [--listen ADDRESS:PORT]\n"
	"                    [--public-url URL] [--state DIRECTORY] [--yes] [--offline]\n\n"
	"Writes a commented configuration that sells POST /v1/chat/completions, a price a request.  On a terminal it "
	"asks for what\n"
	"was not given.  A file that is there already stays as it is.\n\n"
	"  -o FILE              default " CONFIG_PATH "; - prints it\n"
	"  --asset NAME         usdc-base-sepolia (default), usdc-base or opg-base: the token, and its chain\n"
	"  --pay-to ADDRESS     who gets the money; must be given\n"
	"  --price TOKENS       of a request, in whole tokens: 0.01; default by the token\n"
	"  --upstream URL       the model server; default: who answers GET /v1/models on a usual port here\n"
	"  --facilitator URL    who settles payments; default for the test network alone\n"
	"  --rpc URL            a node of the chain, to look at payers' funds; default none\n"
	"  --interface IFACE    where the filter will be; default none\n"
	"  --listen, --public-url, --state  default 0.0.0.0:8402, none, /var/lib/tollbar\n"
	"  --yes                ask nothing, also on a terminal\n"
	"  --offline            look for no model server, and ask no facilitator\n\n"
	"Exit status: 0, 1 it cannot be written or has mistakes, 2 usage, or something that must be given is "
	"missing.\n";

struct wish {
	struct init_plan plan;
	const char *path;
	bool ask, offline;
};

/* --- what can be found out --- */

/* Where the usual model servers listen: vLLM, SGLang, llama.cpp, Ollama, LM Studio, text-generation-inference. */
static bool find_upstream(char url[URL_BYTES_MAX], char model[NAME_BYTES_MAX])
{
	static const unsigned ports[] = {8000, 30000, 8080, 11434, 1234, 3000};

	for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
		struct asked asked = {.ms = PROBE_MS};
		snprintf(url, URL_BYTES_MAX, "http://127.0.0.1:%u", ports[i]);
		ask_url(&asked, url, "/v1/models");
		if (asked.error == 0 && asked.status == 200 && survey_models(model, asked.body) >= 0)
			return true;
	}
	snprintf(url, URL_BYTES_MAX, "http://127.0.0.1:8000");
	return false;
}

/* The interface of the default route; empty where there is none. */
static void find_interface(char name[16])
{
	FILE *file = fopen("/proc/net/route", "re");
	char line[256];
	unsigned long destination;

	name[0] = 0;
	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		char found[16];
		if (sscanf(line, "%15s %lx", found, &destination) == 2 && destination == 0) {
			snprintf(name, sizeof found, "%s", found);
			break;
		}
	}
	if (file != NULL)
		fclose(file);
}

/* Said, not enforced: a facilitator may be down just now. */
static void try_facilitator(const struct init_plan *plan)
{
	struct asked asked = {.ms = FACILITATOR_MS};
	struct address settler;
	enum survey support = SURVEY_UNREADABLE;

	ask_url(&asked, plan->facilitator, "/supported");
	if (asked.error == 0 && asked.status == 200)
		support =
			survey_supported(&settler, asked.body, false, network_of_caip2(span_str(plan->asset->network)));
	if (support == SURVEY_YES)
		fprintf(stderr, "tollbar: %s settles such payments\n", plan->facilitator);
	else
		fprintf(stderr, "tollbar: %s %s\n", plan->facilitator,
			support == SURVEY_NO ? "does not settle such payments on this chain: name another one"
			: asked.error != 0   ? "does not answer; tollbar doctor tells more"
					     : "does not say what it settles: is the url right?");
}

/* --- questions --- */

/* One line, or the default when it is empty.  False: the terminal is gone. */
static bool question(char *out, size_t out_bytes, const char *words, const char *usual)
{
	char line[512];

	do {
		fprintf(stderr, "%s%s%s%s: ", words, usual[0] != 0 ? " [" : "", usual, usual[0] != 0 ? "]" : "");
		if (fgets(line, sizeof line, stdin) == NULL)
			return false;
		line[strcspn(line, "\r\n")] = 0;
	} while (strlen(line) >= out_bytes);
	memcpy(out, line, strlen(line) + 1);
	if (line[0] == 0)
		snprintf(out, out_bytes, "%s", usual);
	return true;
}

static bool ask_asset(struct init_plan *plan)
{
	char name[64];

	for (size_t i = 0; i < INIT_ASSETS; i++)
		fprintf(stderr, "  %-18s %s\n", init_assets[i].name, init_assets[i].title);
	while (plan->asset == NULL) {
		if (!question(name, sizeof name, "What is paid in", init_assets[0].name))
			return false;
		plan->asset = init_asset_named(name);
	}
	return true;
}

static bool is_address(const char *text, const char **problem)
{
	uint8_t address[20];

	*problem = addrtext_decode(address, span_str(text));
	return *problem == NULL;
}

static bool ask_payee(struct init_plan *plan)
{
	const char *problem;

	while (plan->pay_to[0] == 0) {
		if (!question(plan->pay_to, sizeof plan->pay_to, "Who gets the money (0x...)", ""))
			return false;
		if (plan->pay_to[0] != 0 && !is_address(plan->pay_to, &problem)) {
			fprintf(stderr, "  %s %s\n", plan->pay_to, problem);
			plan->pay_to[0] = 0;
		}
	}
	return true;
}

/* Asked for unless it was given. */
static bool ask_for(char *field, size_t bytes, const char *words, const char *usual)
{
	return field[0] != 0 || question(field, bytes, words, usual);
}

static bool ask_price(struct init_plan *plan)
{
	char amount[128];

	do {
		if (!ask_for(plan->price, sizeof plan->price, "Price of one request, in whole tokens",
			     plan->asset->price))
			return false;
		if (init_amount(amount, sizeof amount, plan->price, plan->asset->decimals))
			return true;
		fprintf(stderr, "  %s is no price: digits, at most %u of them after the point\n", plan->price,
			plan->asset->decimals);
		plan->price[0] = 0;
	} while (true);
}

static bool ask_all(struct wish *wish, const char *upstream)
{
	struct init_plan *plan = &wish->plan;
	const char *facilitator;
	char words[128];

	if (!ask_asset(plan) || !ask_payee(plan) || !ask_price(plan))
		return false;
	facilitator = plan->asset->facilitator != NULL ? plan->asset->facilitator : "";
	while (plan->facilitator[0] == 0)
		if (!question(plan->facilitator, sizeof plan->facilitator, "Facilitator, who settles payments (URL)",
			      facilitator))
			return false;
	snprintf(words, sizeof words, "Interface for the filter, empty for none (default route: %s)",
		 plan->interface_found[0] != 0 ? plan->interface_found : "none");
	return ask_for(plan->upstream, sizeof plan->upstream, "Model server (URL)", upstream) &&
	       ask_for(plan->listen, sizeof plan->listen, "Listen on", "0.0.0.0:8402") &&
	       ask_for(plan->rpc, sizeof plan->rpc, "A node of the chain (URL), empty for none", "") &&
	       ask_for(plan->interface, sizeof plan->interface, words, "");
}

/* --- what was not said --- */

static void fill(char *field, size_t bytes, const char *usual)
{
	if (field[0] == 0 && usual != NULL)
		snprintf(field, bytes, "%s", usual);
}

static void fill_all(struct init_plan *plan, const char *upstream)
{
	if (plan->asset == NULL)
		plan->asset = &init_assets[0];
	fill(plan->price, sizeof plan->price, plan->asset->price);
	fill(plan->facilitator, sizeof plan->facilitator, plan->asset->facilitator);
	fill(plan->upstream, sizeof plan->upstream, upstream);
	fill(plan->listen, sizeof plan->listen, "0.0.0.0:8402");
	fill(plan->state, sizeof plan->state, "/var/lib/tollbar");
}

/* A setting ends at white space and a semicolon: whatever comes from outside must have neither. */
static bool is_plain(const char *option, const char *text)
{
	for (const char *at = text; *at != 0; at++)
		if (*at <= ' ' || *at > '~' || *at == ';' || *at == '#') {
			fprintf(stderr, "tollbar: --%s: \"%s\" has a character that it must not have\n", option, text);
			return false;
		}
	return true;
}

static bool is_complete(const struct init_plan *plan)
{
	const char *problem;
	char amount[128];
	bool good = is_plain("pay-to", plan->pay_to) && is_plain("facilitator", plan->facilitator) &&
		    is_plain("upstream", plan->upstream) && is_plain("rpc", plan->rpc) &&
		    is_plain("listen", plan->listen) && is_plain("interface", plan->interface) &&
		    is_plain("public-url", plan->public_url) && is_plain("state", plan->state);

	if (plan->pay_to[0] == 0) {
		fputs("tollbar: --pay-to ADDRESS must be given: who gets the money\n", stderr);
		good = false;
	} else if (!is_address(plan->pay_to, &problem)) {
		fprintf(stderr, "tollbar: --pay-to: %s %s\n", plan->pay_to, problem);
		good = false;
	}
	if (plan->facilitator[0] == 0) {
		fprintf(stderr, "tollbar: --facilitator URL must be given: there is no usual one for %s\n",
			plan->asset->name);
		good = false;
	}
	if (!init_amount(amount, sizeof amount, plan->price, plan->asset->decimals)) {
		fprintf(stderr, "tollbar: --price: \"%s\" is no price: digits, at most %u of them after the point\n",
			plan->price, plan->asset->decimals);
		good = false;
	}
	return good;
}

/* --- the file --- */

static int failed(const char *path, int error)
{
	fprintf(stderr, "tollbar: %s: %s\n", path,
		error == EEXIST ? "is there already, and stays as it is" : strerror(error));
	return 1;
}

/* Root's, and where the package made one, the daemon's group may read it. */
static int write_file(const char *path, const char *text, size_t bytes)
{
	const struct group *group = getgrnam("tollbar");
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);

	if (fd < 0)
		return failed(path, errno);
	bool good = write(fd, text, bytes) == (ssize_t)bytes && fsync(fd) == 0;
	int error = good ? 0 : errno != 0 ? errno : EIO;
	if (good && group != NULL && geteuid() == 0 && fchown(fd, 0, group->gr_gid) != 0)
		fprintf(stderr, "tollbar: %s: give it to the group tollbar: %s\n", path, strerror(errno));
	close(fd);
	if (good)
		return 0;
	unlink(path); /* half a configuration is none */
	return failed(path, error);
}

static int write_plan(const struct wish *wish)
{
	static struct config config;
	char text[INIT_TEXT_BYTES_MAX];
	size_t bytes = init_text(text, sizeof text, &wish->plan);

	if (bytes == 0)
		return failed(wish->path, EMSGSIZE);
	if (config_parse(&config, wish->path, text, bytes, stderr) != 0)
		return 1; /* said, with its line; nothing is written */
	if (strcmp(wish->path, "-") == 0) {
		fputs(text, stdout);
		return 0;
	}
	int status = write_file(wish->path, text, bytes);
	if (status == 0)
		fprintf(stderr,
			"tollbar: wrote %s.  What next:\n  tollbar doctor -c %s\n  systemctl enable --now tollbar    "
			"or: tollbar run -c "
			"%s\n",
			wish->path, wish->path, wish->path);
	return status;
}

static int obey(struct wish *wish)
{
	char upstream[URL_BYTES_MAX] = "http://127.0.0.1:8000", model[NAME_BYTES_MAX];
	struct init_plan *plan = &wish->plan;

	if (strcmp(wish->path, "-") != 0 && access(wish->path, F_OK) == 0)
		return failed(wish->path, EEXIST);
	find_interface(plan->interface_found);
	if (plan->upstream[0] == 0 && !wish->offline) {
		if (find_upstream(upstream, model))
			fprintf(stderr, "tollbar: %s is a model server; its first model: %s\n", upstream, model);
		else
			fprintf(stderr, "tollbar: no model server answers on a usual port here; %s is a guess\n",
				upstream);
	}
	if (wish->ask && !ask_all(wish, upstream))
		return 2;
	fill_all(plan, upstream);
	if (!is_complete(plan))
		return 2;
	if (!wish->offline)
		try_facilitator(plan);
	return write_plan(wish);
}

/* --- arguments --- */

static bool keep(char *field, size_t bytes, const char *option)
{
	if (snprintf(field, bytes, "%s", optarg) < (int)bytes && optarg[0] != 0)
		return true;
	fprintf(stderr, "tollbar: --%s: empty or too long\n", option);
	return false;
}

static bool keep_asset(struct init_plan *plan)
{
	plan->asset = init_asset_named(optarg);
	if (plan->asset == NULL)
		fprintf(stderr, "tollbar: --asset: none is called \"%s\"\n", optarg);
	return plan->asset != NULL;
}

static bool option_take(struct wish *wish, int option, const char *name)
{
	struct init_plan *plan = &wish->plan;

	switch (option) {
	case 'o':
		wish->path = optarg;
		return true;
	case 'a':
		return keep_asset(plan);
	case 't':
		return keep(plan->pay_to, sizeof plan->pay_to, name);
	case 'p':
		return keep(plan->price, sizeof plan->price, name);
	case 'u':
		return keep(plan->upstream, sizeof plan->upstream, name);
	case 'f':
		return keep(plan->facilitator, sizeof plan->facilitator, name);
	case 'r':
		return keep(plan->rpc, sizeof plan->rpc, name);
	case 'i':
		return keep(plan->interface, sizeof plan->interface, name);
	case 'l':
		return keep(plan->listen, sizeof plan->listen, name);
	case 'w':
		return keep(plan->public_url, sizeof plan->public_url, name);
	case 's':
		return keep(plan->state, sizeof plan->state, name);
	case 'y':
		wish->ask = false;
		return true;
	case 'n':
		return wish->offline = true;
	default:
		fputs(usage_text, stderr);
		return false;
	}
}

int cmd_init(int argc, char **argv)
{
	static const struct option options[] = {{"asset", required_argument, NULL, 'a'},
						{"pay-to", required_argument, NULL, 't'},
						{"price", required_argument, NULL, 'p'},
						{"upstream", required_argument, NULL, 'u'},
						{"facilitator", required_argument, NULL, 'f'},
						{"rpc", required_argument, NULL, 'r'},
						{"interface", required_argument, NULL, 'i'},
						{"listen", required_argument, NULL, 'l'},
						{"public-url", required_argument, NULL, 'w'},
						{"state", required_argument, NULL, 's'},
						{"yes", no_argument, NULL, 'y'},
						{"offline", no_argument, NULL, 'n'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	struct wish wish = {.path = CONFIG_PATH, .ask = isatty(STDIN_FILENO) && isatty(STDERR_FILENO)};
	int option, idx = 0;

	optind = 0; /* tests call this more than once */
	while ((option = getopt_long(argc, argv, "o:h", options, &idx)) != -1) {
		if (option == 'h') {
			fputs(usage_text, stdout);
			return 0;
		}
		if (!option_take(&wish, option, options[idx].name))
			return 2;
	}
	if (optind == argc)
		return obey(&wish);
	fputs(usage_text, stderr);
	return 2;
}
