// SPDX-License-Identifier: Apache-2.0
/* pay.c: a client for one paid request, so that an operator needs no other tool to try a node.
 * The answer's body goes to standard output as it arrives; everything about it goes to standard error. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/log.h"
#include "base/u256.h"
#include "bind.h"
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/pay.h"
#include "pay_client.h"
#include "sign.h"

enum { BODY_BYTES_MAX = 64 << 20, WAIT_S = 8 };

static const char usage_text[] =
	"usage: tollbar pay --key FILE [OPTION ...] URL\n"
	"Sends a request, pays what it is asked for, prints the answer.\n"
	"\n"
	"  --key FILE           private key, 0x and 64 hexadecimal digits; nobody but its owner may read the file\n"
	"  --data TEXT|@FILE    body, sent by POST as JSON (GET without one)\n"
	"  --stream             adds \"stream\":true to the body\n"
	"  --method M           pay by eip3009, permit2 or upto only (default: the first offer that fits)\n"
	"  --max-amount N       pay at most N atomic units of whatever token is asked for (default: whatever it "
	"costs)\n"
	"  --header 'NAME: V'   another header; may be repeated\n"
	"  --cacert FILE        who may vouch for an https node (PEM; default: the system's list)\n"
	"  --v1                 speak version 1: the challenge in the body, the payment in X-PAYMENT\n"
	"  --bind               bind the payment to the body: whoever catches it can buy nothing else with it\n"
	"\n"
	"By UDP, where the node offers the route so; the payment is always bound:\n"
	"  --udp                pays and asks in one datagram, and fetches the answer by HTTP\n"
	"  --save-terms FILE    keeps what the node asks for, and where, which is asked of it first\n"
	"  --terms FILE         asks for nothing, those are the terms; URL may then be HOST:PORT of UDP\n"
	"  --tee                takes the answer of a trusted execution environment only\n"
	"  --wait S             gives up S seconds later if nothing comes back (8)\n"
	"\n"
	"For testing a server:\n"
	"  --valid-for S        the payment ends S seconds from now (default: all the time the offer gives)\n"
	"  --bad-signature      spoils the signature\n"
	"  --dump-header        prints the payment header (with --bind, and the salt's) instead of sending it\n"
	"  --header-file FILE   sends what is in FILE, made by --dump-header; needs no key\n"
	"\n"
	"Exit status: 0 served, 1 refused (also: too dear, or no offer we can pay), 2 usage, 3 network.\n";

static const char *const methods[] = {
	[METHOD_EIP3009] = "eip3009", [METHOD_PERMIT2] = "permit2", [METHOD_UPTO] = "upto"};

#define SALT_NAME "X-Tollbar-Salt: "

/* Header lines that pay. */
struct lines {
	char payment[PAY_HEADER_BYTES_MAX + 32];
	char salt[sizeof SALT_NAME + HEX_BYTES(BIND_SALT_BYTES)]; /* "" unless bound */
};

int pay_complain(int status, const char *format, ...)
{
	va_list list;

	fputs("tollbar pay: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	return status;
}

/* --- files --- */

/* All of a file, zero-terminated; NULL when it cannot be read or is larger than bytes_max.  The caller frees it. */
static char *read_all(int fd, size_t bytes_max, size_t *bytes)
{
	char *at = malloc(bytes_max + 1);
	ssize_t got = 1;

	*bytes = 0;
	while (at != NULL && got > 0 && *bytes <= bytes_max) {
		got = read(fd, at + *bytes, bytes_max + 1 - *bytes);
		*bytes += got > 0 ? (size_t)got : 0;
	}
	if (at == NULL || got < 0 || *bytes > bytes_max) {
		free(at);
		return NULL;
	}
	at[*bytes] = 0;
	return at;
}

char *pay_read_file(const char *path, size_t bytes_max, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *at = fd < 0 ? NULL : read_all(fd, bytes_max, bytes);

	if (fd >= 0)
		close(fd);
	if (at == NULL)
		pay_complain(USAGE, "%s: %s", path, fd < 0 ? strerror(errno) : "cannot be read, or too large");
	return at;
}

static void print_offer(const struct pay_challenge *challenge, const struct pay_offer *offer)
{
	char digits[U256_DECIMAL_BYTES], asset[HEX_BYTES(20)], pay_to[HEX_BYTES(20)], network[64];

	u256_print(digits, offer->offer.amount.at);
	fprintf(stderr, "offer method=%s amount=%s asset=%s network=%s pay_to=%s version=%u\n",
		methods[offer->offer.method], digits, hex_encode(asset, offer->offer.asset.at, 20),
		log_safe(network, sizeof(network), offer->network), hex_encode(pay_to, offer->offer.pay_to.at, 20),
		challenge->version);
}

const struct pay_offer *pay_pick(const struct pay_challenge *challenge, const struct pay_wishes *wishes)
{
	bool too_dear;
	const struct pay_offer *offer =
		pay_choose(challenge, wishes->method, wishes->has_max ? &wishes->max : NULL, &too_dear);

	if (offer != NULL)
		print_offer(challenge, offer);
	else
		pay_complain(REFUSED,
			     too_dear ? "every offer that fits costs more than --max-amount"
				      : "none of the %zu offers is one we can pay",
			     challenge->offer_cnt + challenge->unknown_cnt);
	return offer;
}

/* --- paying --- */

static bool ask(const struct pay_wishes *wishes, struct pay_answer *answer)
{
	return pay_ask(answer, wishes->url, wishes->ca_file, wishes->headers, wishes->header_cnt,
		       span_of(wishes->body, wishes->body_bytes));
}

/* False when the answer holds no challenge of the version we speak.  Spans point into `answer` or `json`. */
static bool read_challenge(struct pay_challenge *challenge, const struct pay_answer *answer,
			   const struct pay_wishes *wishes, uint8_t json[HEAD_BYTES_MAX])
{
	if (answer->challenge[0] != 0 && !wishes->v1) {
		ssize_t bytes = base64_decode(json, HEAD_BYTES_MAX, span_str(answer->challenge));
		return bytes > 0 && pay_read_challenge(challenge, span_of(json, (size_t)bytes), 2);
	}
	return pay_read_challenge(challenge, span_of(answer->body, answer->body_bytes), 1);
}

/* A fresh nonce; with --bind one that commits to the body, and the line that proves it. */
static bool make_nonce(struct word *nonce, struct lines *lines, const struct pay_wishes *wishes)
{
	char hex[HEX_BYTES(BIND_SALT_BYTES)];

	if (getrandom(nonce->at, sizeof(nonce->at), 0) != sizeof(nonce->at))
		return false;
	if (!wishes->bind)
		return true;
	snprintf(lines->salt, sizeof(lines->salt), SALT_NAME "%s", hex_encode(hex, nonce->at, BIND_SALT_BYTES) + 2);
	uint8_t salt[BIND_SALT_BYTES];
	memcpy(salt, nonce->at, sizeof(salt));
	bind_nonce(nonce, salt, span_of(wishes->body, wishes->body_bytes));
	return true;
}

static bool sign_payment(struct payment *payment, struct lines *lines, const struct pay_wishes *wishes,
			 const struct pay_offer *offer, const struct signer *signer)
{
	char hex[HEX_BYTES(20)];
	struct address from;
	struct word nonce;

	if (!make_nonce(&nonce, lines, wishes))
		return false;
	sign_address(signer, &from);
	fprintf(stderr, "payer %s\n", hex_encode(hex, from.at, sizeof(from.at)));
	pay_fill(payment, offer, &from, &nonce, clock_unix_s(), wishes->valid_for_s);
	if (!pay_sign(payment, offer, signer))
		return false;
	if (wishes->bad_signature)
		payment->signature[31] ^= 1; /* r: recovers to another address, or to none */
	return true;
}

/* The lines that pay for this challenge; SERVED, or an exit status after saying why not. */
static int make_payment(struct lines *lines, const struct pay_answer *answer, const struct pay_wishes *wishes,
			const struct signer *signer)
{
	static struct pay_challenge challenge;
	static uint8_t json[HEAD_BYTES_MAX];
	static char header[PAY_HEADER_BYTES_MAX];
	struct payment payment;

	if (!read_challenge(&challenge, answer, wishes, json))
		return pay_complain(REFUSED, "402, but with no x402 challenge we understand");
	const struct pay_offer *offer = pay_pick(&challenge, wishes);
	if (offer == NULL)
		return REFUSED;
	if (!sign_payment(&payment, lines, wishes, offer, signer) ||
	    pay_write_header(header, &challenge, offer, &payment) == 0)
		return pay_complain(REFUSED, "no payment can be made for this offer");
	snprintf(lines->payment, sizeof(lines->payment), "%s: %s", pay_header_name(challenge.version), header);
	return SERVED;
}

/* What --dump-header printed: the payment, and the salt if there is one. */
static int read_lines(struct lines *lines, const char *path)
{
	size_t bytes;
	char *text = pay_read_file(path, sizeof(*lines) - 1, &bytes);

	if (text == NULL)
		return USAGE;
	size_t first = strcspn(text, "\r\n");
	const char *second = text + first + strspn(text + first, "\r\n");
	snprintf(lines->payment, sizeof(lines->payment), "%.*s", (int)first, text);
	if (strncmp(second, SALT_NAME, strlen(SALT_NAME)) == 0)
		snprintf(lines->salt, sizeof(lines->salt), "%.*s", (int)strcspn(second, "\r\n"), second);
	free(text);
	return SERVED;
}

static int print_lines(const struct lines *lines)
{
	if (puts(lines->payment) < 0 || (lines->salt[0] != 0 && puts(lines->salt) < 0))
		return NETWORK;
	return SERVED;
}

static int pay(struct pay_wishes *wishes, const struct signer *signer)
{
	static struct lines lines;
	static struct pay_answer answer;
	int status;

	memset(&lines, 0, sizeof(lines));
	if (wishes->header_file != NULL) {
		status = read_lines(&lines, wishes->header_file);
	} else {
		if (!ask(wishes, &answer))
			return NETWORK;
		if (answer.call.status != 402)
			return pay_conclude(&answer); /* free, or refused for another reason */
		status = make_payment(&lines, &answer, wishes, signer);
	}
	if (status != SERVED)
		return status;
	if (wishes->dump)
		return print_lines(&lines);
	wishes->headers[wishes->header_cnt++] = lines.payment;
	if (lines.salt[0] != 0)
		wishes->headers[wishes->header_cnt++] = lines.salt;
	return ask(wishes, &answer) ? pay_conclude(&answer) : NETWORK;
}

/* --- the command line --- */

/* The body with "stream":true in front, unless it says itself what it wants; freed by the caller.  NULL when it is no
 * JSON object. */
static char *add_stream(const char *body, size_t *bytes)
{
	bool empty = true, said = false, good;
	struct json_value key;
	struct json json;
	char *out = NULL;

	json_init(&json, span_of(body, *bytes), JSON_NESTING_MAX, JSON_ENTERED);
	good = json_enter(&json, JSON_OBJECT);
	while (good && json_next(&json, &key)) {
		empty = false;
		said |= json_equals(&key, SPAN("stream"));
	}
	if (!good || !json_end(&json))
		return NULL;
	if (said)
		return strdup(body);
	int used = asprintf(&out, "{\"stream\":true%s%s", empty ? "" : ",", strchr(body, '{') + 1);
	if (used < 0)
		return NULL;
	*bytes = (size_t)used;
	return out;
}

static bool read_method(enum method *method, const char *word)
{
	for (size_t i = METHOD_EIP3009; i <= METHOD_UPTO; i++) {
		if (strcmp(word, methods[i]) == 0) {
			*method = (enum method)i;
			return true;
		}
	}
	return false;
}

static bool read_seconds(uint64_t *out, const char *digits)
{
	struct word number;
	return u256_decimal(number.at, span_str(digits)) && u256_to_u64(out, number.at) && *out != 0 &&
	       *out < UINT32_MAX;
}

/* True when the value was good. */
static bool set_option(struct pay_wishes *wishes, int option, const char *value)
{
	switch (option) {
	case 'k':
		wishes->key_file = value;
		return true;
	case 'd':
		free(wishes->body);
		wishes->body =
			value[0] == '@' ? pay_read_file(value + 1, BODY_BYTES_MAX, &wishes->body_bytes) : strdup(value);
		if (value[0] != '@')
			wishes->body_bytes = strlen(value);
		return wishes->body != NULL;
	case 's':
		return wishes->stream = true;
	case 'm':
		return read_method(&wishes->method, value);
	case 'x':
		return wishes->has_max = u256_decimal(wishes->max.at, span_str(value));
	case 'H':
		if (wishes->header_cnt == HEADERS_MAX || strchr(value, ':') == NULL || strpbrk(value, "\r\n") != NULL)
			return false;
		wishes->headers[wishes->header_cnt++] = value;
		return true;
	case 'c':
		wishes->ca_file = value;
		return true;
	case '1':
		return wishes->v1 = true;
	case 'B':
		return wishes->bind = true;
	case 'v':
		return read_seconds(&wishes->valid_for_s, value);
	case 'b':
		return wishes->bad_signature = true;
	case 'p':
		return wishes->dump = true;
	case 'f':
		wishes->header_file = value;
		return true;
	case 'u':
		return wishes->udp = true;
	case 't':
		wishes->terms = value;
		return true;
	case 'S':
		wishes->save_terms = value;
		return true;
	case 'T':
		return wishes->tee = true;
	case 'w':
		return read_seconds(&wishes->wait_s, value);
	default:
		return false;
	}
}

static bool fits_udp(const struct pay_wishes *wishes)
{
	return wishes->key_file != NULL && wishes->body != NULL && !wishes->v1 && !wishes->dump &&
	       (wishes->terms == NULL || wishes->save_terms == NULL);
}

/* SERVED to go on, USAGE after saying what is wrong. */
static int read_options(struct pay_wishes *wishes, int argc, char **argv)
{
	static const struct option options[] = {
		{"key", 1, 0, 'k'},
		{"data", 1, 0, 'd'},
		{"stream", 0, 0, 's'},
		{"method", 1, 0, 'm'},
		{"max-amount", 1, 0, 'x'},
		{"header", 1, 0, 'H'},
		{"cacert", 1, 0, 'c'},
		{"v1", 0, 0, '1'},
		{"valid-for", 1, 0, 'v'},
		{"bad-signature", 0, 0, 'b'},
		{"dump-header", 0, 0, 'p'},
		{"header-file", 1, 0, 'f'},
		{"bind", 0, 0, 'B'},
		{"udp", 0, 0, 'u'},
		{"terms", 1, 0, 't'},
		{"save-terms", 1, 0, 'S'},
		{"tee", 0, 0, 'T'},
		{"wait", 1, 0, 'w'},
		{0, 0, 0, 0},
	};
	int option, index = 0;

	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (option == '?')
			return USAGE; /* getopt has said why */
		if (!set_option(wishes, option, optarg))
			return pay_complain(USAGE, "--%s: bad value", options[index].name);
	}
	if (optind != argc - 1 || (wishes->key_file == NULL) == (wishes->header_file == NULL)) {
		fputs(usage_text, stderr);
		return USAGE;
	}
	wishes->url = argv[optind];
	if (wishes->udp ? !fits_udp(wishes) : wishes->terms != NULL || wishes->save_terms != NULL || wishes->tee)
		return pay_complain(USAGE,
				    wishes->udp ? "--udp needs --key and --data, and goes with no --v1, --header-file, "
						  "--dump-header or both of --terms and --save-terms"
						: "--terms, --save-terms and --tee go with --udp");
	if (wishes->stream) {
		char *body = wishes->body == NULL ? NULL : add_stream(wishes->body, &wishes->body_bytes);
		if (body == NULL)
			return pay_complain(USAGE, "--stream needs --data with a JSON object");
		free(wishes->body);
		wishes->body = body;
	}
	if (wishes->body != NULL)
		wishes->headers[wishes->header_cnt++] = "Content-Type: application/json";
	return SERVED;
}

int cmd_pay(int argc, char **argv)
{
	struct pay_wishes wishes = {.wait_s = WAIT_S};
	struct signer *signer = NULL;
	int status;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(usage_text, stdout) < 0 ? NETWORK : SERVED;
	status = read_options(&wishes, argc, argv);
	if (status == SERVED && wishes.key_file != NULL) {
		const char *why;
		signer = client_key(&why, wishes.key_file);
		status = signer != NULL ? SERVED : pay_complain(USAGE, "%s: %s", wishes.key_file, why);
	}
	if (status == SERVED)
		status = wishes.udp ? pay_native(&wishes, signer) : pay(&wishes, signer);
	sign_fini(signer);
	free(wishes.body);
	return status;
}
