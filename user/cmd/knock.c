// SPDX-License-Identifier: Apache-2.0
/* knock.c: tollbar knock: opens a node's TCP ports to the address this is sent from, for a while. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/u256.h"
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/moment.h"

enum { OPENED = 0, REFUSED = 1, USAGE = 2, NETWORK = 3 };
enum { OPEN_S = 240, WAIT_S = 8, SECONDS_MAX = 86400, CHAIN_ID = 8453 };

static const char usage_text[] =
	"usage: tollbar knock --key FILE [OPTION ...] NODE\n"
	"Opens a node's TCP ports to the address this is sent from, for a while.\n"
	"\n"
	"NODE is HOST, HOST:PORT (of UDP, 8403 if left out), or a URL, of which the host is meant.\n"
	"\n"
	"  --key FILE    private key of a payer on the node's list, as for tollbar pay\n"
	"  --seconds N   for so long (240; more than a node gives, 300 if its configuration does not say, is refused)\n"
	"  --chain N     chain id of one of the node's offers (8453, Base)\n"
	"  --wait S      gives up so many seconds later (8)\n"
	"\n"
	"Exit status: 0 opened, 1 no answer, which is all that a node has for whom it does not let in, 2 usage, 3 "
	"network.\n";

struct wishes {
	const char *key_file;
	char host[URL_BYTES_MAX];
	uint16_t port;
	uint64_t open_s, chain_id, wait_s;
};

static int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int complain(int status, const char *format, ...)
{
	va_list list;

	fputs("tollbar knock: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	return status;
}

/* --- the knock --- */

struct knocking {
	const struct signer *signer;
	uint64_t chain_id, until_s;
};

static bool add_cookie(void *ctx, struct native_datagram *sent, const uint8_t cookie[NATIVE_COOKIE_BYTES])
{
	const struct knocking *knocking = ctx;

	return native_client_knock(sent, knocking->chain_id, knocking->until_s, cookie, knocking->signer);
}

static int print_opened(const struct native_said *said)
{
	const uint8_t *source = said->opened.source;
	struct in6_addr address;
	char text[INET6_ADDRSTRLEN], when[MOMENT_BYTES];

	memcpy(&address, source, sizeof(address));
	if (IN6_IS_ADDR_V4MAPPED(&address))
		inet_ntop(AF_INET, source + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, source, text, sizeof(text));
	moment_print(when, said->opened.until_s);
	return printf("opened %s until %s\n", text, when) < 0 ? NETWORK : OPENED;
}

/* A node that is silent has told nothing: what it may mean is all that can be said. */
static int explain(const struct wishes *wishes, const struct client_exchange *exchange, int error)
{
	if (error != -ETIMEDOUT)
		return complain(error == -EPROTO ? REFUSED : NETWORK, "%s:%u/udp: %s", wishes->host, wishes->port,
				error == -EPROTO	 ? "asks for one cookie after the other"
				: error == -EHOSTUNREACH ? "no such host, or no way there"
							 : strerror(-error));
	if (exchange->cookie_cnt > 0)
		return complain(
			REFUSED,
			"%s:%u/udp is there and does not open: it may not list the payer, have no offer on chain %llu "
			"(--chain), give less than %llu seconds (--seconds), or have another time than this machine",
			wishes->host, wishes->port, (unsigned long long)wishes->chain_id,
			(unsigned long long)wishes->open_s);
	return complain(REFUSED,
			"no answer from %s:%u/udp: nobody may be there or get this, its knocking may be off, or it "
			"does not list the "
			"payer",
			wishes->host, wishes->port);
}

static int knock(const struct wishes *wishes, const struct signer *signer)
{
	struct knocking knocking = {
		.signer = signer, .chain_id = wishes->chain_id, .until_s = clock_unix_s() + wishes->open_s};
	struct client_exchange exchange = {
		.host = wishes->host,
		.port = wishes->port,
		.end_ns = clock_ns() + wishes->wait_s * 1000000000u,
		.add_cookie = add_cookie,
		.ctx = &knocking,
	};
	struct native_datagram sent;
	struct native_said said;

	if (!native_client_knock(&sent, knocking.chain_id, knocking.until_s, NULL, signer))
		return complain(USAGE, "this key cannot sign");
	int error = client_exchange(&said, &sent, &exchange);
	return error == 0 ? print_opened(&said) : explain(wishes, &exchange, error);
}

/* --- the command line --- */

static bool read_number(uint64_t *out, const char *digits, uint64_t max)
{
	uint8_t number[32];

	return u256_decimal(number, span_str(digits)) && u256_to_u64(out, number) && *out != 0 && *out <= max;
}

static bool set_option(struct wishes *wishes, int option, const char *value)
{
	switch (option) {
	case 'k':
		wishes->key_file = value;
		return true;
	case 's':
		return read_number(&wishes->open_s, value, SECONDS_MAX);
	case 'c':
		return read_number(&wishes->chain_id, value, UINT64_MAX);
	case 'w':
		return read_number(&wishes->wait_s, value, SECONDS_MAX);
	default:
		return false;
	}
}

/* OPENED to go on, USAGE after saying what is wrong. */
static int read_options(struct wishes *wishes, int argc, char **argv)
{
	static const struct option options[] = {
		{"key", 1, 0, 'k'}, {"seconds", 1, 0, 's'}, {"chain", 1, 0, 'c'}, {"wait", 1, 0, 'w'}, {0, 0, 0, 0},
	};
	int option, index = 0;

	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (option == '?')
			return USAGE; /* getopt has said why */
		if (!set_option(wishes, option, optarg))
			return complain(USAGE, "--%s: bad value", options[index].name);
	}
	if (optind != argc - 1 || wishes->key_file == NULL) {
		fputs(usage_text, stderr);
		return USAGE;
	}
	if (!client_node(wishes->host, &wishes->port, argv[optind]))
		return complain(USAGE, "%s: neither HOST:PORT nor a URL", argv[optind]);
	return OPENED;
}

int cmd_knock(int argc, char **argv)
{
	struct wishes wishes = {.port = CLIENT_PORT, .open_s = OPEN_S, .chain_id = CHAIN_ID, .wait_s = WAIT_S};
	const char *why;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(usage_text, stdout) < 0 ? NETWORK : OPENED;
	if (read_options(&wishes, argc, argv) != OPENED)
		return USAGE;
	struct signer *signer = client_key(&why, wishes.key_file);
	if (signer == NULL)
		return complain(USAGE, "%s: %s", wishes.key_file, why);
	int status = knock(&wishes, signer);
	sign_fini(signer);
	return status;
}
