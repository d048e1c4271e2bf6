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
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/log.h"
#include "base/u256.h"
#include "bind.h"
#include "cmd/cmd.h"
#include "pay_client.h"
#include "sign.h"
#include "sys/fetch.h"

enum { SERVED = 0, REFUSED = 1, USAGE = 2, NETWORK = 3 };
enum { HEADERS_MAX = 32, KEPT_BYTES_MAX = 65536, BODY_BYTES_MAX = 64 << 20, CONNECT_MS = 10000, TOTAL_MS = 600000 };

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
	"  --v1                 speak version 1: the challenge in the body, the payment in X-PAYMENT\n"
	"  --bind               bind the payment to the body: whoever catches it can buy nothing else with it\n"
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

struct wishes {
	const char *key_file, *header_file, *url;
	char *body;			      /* ours */
	const char *headers[HEADERS_MAX + 3]; /* ours: content type, payment, salt */
	size_t header_cnt, body_bytes;
	enum method method;
	struct word max;
	bool has_max, stream, v1, bind, bad_signature, dump;
	uint64_t valid_for_s;
};

#define SALT_NAME "X-Tollbar-Salt: "

/* Header lines that pay. */
struct lines {
	char payment[PAY_HEADER_BYTES_MAX + 32];
	char salt[sizeof SALT_NAME + HEX_BYTES(BIND_SALT_BYTES)]; /* "" unless bound */
};

/* What is kept of an answer: its body only when it is not what was asked for. */
struct answer {
	struct fetch_call call;					 /* its status */
	char challenge[HEAD_BYTES_MAX], receipt[HEAD_BYTES_MAX]; /* base64; "" when absent */
	char body[KEPT_BYTES_MAX + 1];
	size_t body_bytes;
};

static int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int complain(int status, const char *format, ...)
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
static char *read_file(int fd, size_t bytes_max, size_t *bytes)
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

static char *read_path(const char *path, size_t bytes_max, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *at = fd < 0 ? NULL : read_file(fd, bytes_max, bytes);

	if (fd >= 0)
		close(fd);
	if (at == NULL)
		complain(USAGE, "%s: %s", path, fd < 0 ? strerror(errno) : "cannot be read, or too large");
	return at;
}

/* NULL after saying why. */
static struct signer *read_key(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct signer *signer = NULL;
	struct stat about;
	uint8_t key[32], seed[32];
	char text[80];
	ssize_t bytes;

	if (fd < 0 || fstat(fd, &about) != 0) {
		complain(USAGE, "%s: %s", path, strerror(errno));
	} else if (!S_ISREG(about.st_mode) || (about.st_mode & 077) != 0) {
		complain(USAGE, "%s: others can read this key; chmod 600 it", path);
	} else {
		bytes = read(fd, text, sizeof(text));
		while (bytes > 0 && (text[bytes - 1] == '\n' || text[bytes - 1] == '\r'))
			bytes--;
		if (bytes > 0 && hex_decode(key, sizeof(key), span_of(text, (size_t)bytes)) &&
		    getrandom(seed, sizeof(seed), 0) == sizeof(seed))
			signer = sign_init(key, seed);
		if (signer == NULL)
			complain(USAGE, "%s: not a private key (0x and 64 hexadecimal digits)", path);
	}
	explicit_bzero(text, sizeof(text));
	explicit_bzero(key, sizeof(key));
	if (fd >= 0)
		close(fd);
	return signer;
}

/* --- the exchange --- */

static void keep(char *out, size_t out_bytes, struct span value)
{
	if (value.bytes < out_bytes) {
		memcpy(out, value.at, value.bytes);
		out[value.bytes] = 0;
	}
}

static void on_header(void *context, struct span name, struct span value)
{
	struct answer *answer = context;

	if (span_equal_nocase(name, SPAN("PAYMENT-REQUIRED")))
		keep(answer->challenge, sizeof(answer->challenge), value);
	else if (span_equal_nocase(name, SPAN("PAYMENT-RESPONSE")) ||
		 span_equal_nocase(name, SPAN("X-PAYMENT-RESPONSE")))
		keep(answer->receipt, sizeof(answer->receipt), value);
}

static bool on_body(void *context, struct span piece)
{
	struct answer *answer = context;
	size_t room = KEPT_BYTES_MAX - answer->body_bytes;

	if (answer->call.status >= 200 && answer->call.status < 300)
		return fwrite(piece.at, 1, piece.bytes, stdout) == piece.bytes && fflush(stdout) == 0;
	piece.bytes = piece.bytes < room ? piece.bytes : room;
	memcpy(answer->body + answer->body_bytes, piece.at, piece.bytes);
	answer->body_bytes += piece.bytes;
	return true;
}

/* False after saying why: no answer, or not all of it. */
static bool ask(const struct wishes *wishes, struct answer *answer)
{
	int error;

	memset(answer, 0, sizeof(*answer));
	answer->call = (struct fetch_call){
		.url = wishes->url,
		.headers = wishes->headers,
		.header_cnt = wishes->header_cnt,
		.body = span_of(wishes->body, wishes->body_bytes),
		.connect_ms = CONNECT_MS,
		.total_ms = TOTAL_MS,
		.answer_bytes_max = SIZE_MAX, /* goes through, is not kept */
		.on_header = on_header,
		.on_body = on_body,
		.ctx = answer,
	};
	error = fetch(&answer->call);
	if (error == 0)
		return true;
	complain(NETWORK, "%s: %s%s", wishes->url, strerror(-error),
		 answer->call.status != 0 ? ", in the middle of the answer" : "");
	return false;
}

/* --- what the answers say --- */

/* The reason word: "reason" of a challenge, or error.code of an OpenAI error; "" when there is none. */
static void find_reason(char out[64], const struct answer *answer)
{
	struct json_value key, reason = {0}, code = {0};
	struct span text;
	uint8_t buffer[64];
	struct json json;

	out[0] = 0;
	json_init(&json, span_of(answer->body, answer->body_bytes), JSON_DEPTH_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return;
	while (json_next(&json, &key)) {
		if (json_equals(&key, SPAN("reason"))) {
			json_read(&json, &reason);
		} else if (json_equals(&key, SPAN("error")) && json_enter(&json, JSON_OBJECT)) {
			while (json_next(&json, &key))
				if (json_equals(&key, SPAN("code")))
					json_read(&json, &code);
		}
	}
	if (json_end(&json) &&
	    (json_text(&reason, &text, buffer, sizeof(buffer)) || json_text(&code, &text, buffer, sizeof(buffer))))
		log_safe(out, 64, text);
}

static void print_receipt(const struct answer *answer)
{
	static uint8_t json[HEAD_BYTES_MAX];
	ssize_t bytes = base64_decode(json, sizeof(json), span_str(answer->receipt));

	if (answer->receipt[0] == 0)
		return;
	fputs("receipt ", stderr);
	for (ssize_t i = 0; i < bytes; i++) /* a server's bytes: no control sequences for the terminal */
		fputc(json[i] >= 0x20 && json[i] < 0x7f ? json[i] : '?', stderr);
	fputs(bytes < 0 ? "not base64\n" : "\n", stderr);
}

static int conclude(const struct answer *answer)
{
	char reason[64];

	if (isatty(STDOUT_FILENO))
		puts(""); /* an answer need not end its line */
	fprintf(stderr, "status %ld\n", answer->call.status);
	print_receipt(answer);
	if (answer->call.status >= 200 && answer->call.status < 300)
		return SERVED;
	find_reason(reason, answer);
	if (reason[0] != 0)
		fprintf(stderr, "reason %s\n", reason);
	fwrite(answer->body, 1, answer->body_bytes, stdout);
	return REFUSED;
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

/* --- paying --- */

/* False when the answer holds no challenge of the version we speak.  Spans point into `answer` or `json`. */
static bool read_challenge(struct pay_challenge *challenge, const struct answer *answer, const struct wishes *wishes,
			   uint8_t json[HEAD_BYTES_MAX])
{
	if (answer->challenge[0] != 0 && !wishes->v1) {
		ssize_t bytes = base64_decode(json, HEAD_BYTES_MAX, span_str(answer->challenge));
		return bytes > 0 && pay_read_challenge(challenge, span_of(json, (size_t)bytes), 2);
	}
	return pay_read_challenge(challenge, span_of(answer->body, answer->body_bytes), 1);
}

/* A fresh nonce; with --bind one that commits to the body, and the line that proves it. */
static bool make_nonce(struct word *nonce, struct lines *lines, const struct wishes *wishes)
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

static bool sign_payment(struct payment *payment, struct lines *lines, const struct wishes *wishes,
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
static int make_payment(struct lines *lines, const struct answer *answer, const struct wishes *wishes,
			const struct signer *signer)
{
	static struct pay_challenge challenge;
	static uint8_t json[HEAD_BYTES_MAX];
	static char header[PAY_HEADER_BYTES_MAX];
	struct payment payment;
	bool too_dear;

	if (!read_challenge(&challenge, answer, wishes, json))
		return complain(REFUSED, "402, but with no x402 challenge we understand");
	const struct pay_offer *offer =
		pay_choose(&challenge, wishes->method, wishes->has_max ? &wishes->max : NULL, &too_dear);
	if (offer == NULL)
		return complain(REFUSED,
				too_dear ? "every offer that fits costs more than --max-amount"
					 : "none of the %zu offers is one we can pay",
				challenge.offer_cnt + challenge.unknown_cnt);
	print_offer(&challenge, offer);
	if (!sign_payment(&payment, lines, wishes, offer, signer) ||
	    pay_write_header(header, &challenge, offer, &payment) == 0)
		return complain(REFUSED, "no payment can be made for this offer");
	snprintf(lines->payment, sizeof(lines->payment), "%s: %s", pay_header_name(challenge.version), header);
	return SERVED;
}

/* What --dump-header printed: the payment, and the salt if there is one. */
static int read_lines(struct lines *lines, const char *path)
{
	size_t bytes;
	char *text = read_path(path, sizeof(*lines) - 1, &bytes);

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

static int pay(struct wishes *wishes, const struct signer *signer)
{
	static struct lines lines;
	static struct answer answer;
	int status;

	memset(&lines, 0, sizeof(lines));
	if (wishes->header_file != NULL) {
		status = read_lines(&lines, wishes->header_file);
	} else {
		if (!ask(wishes, &answer))
			return NETWORK;
		if (answer.call.status != 402)
			return conclude(&answer); /* free, or refused for another reason */
		status = make_payment(&lines, &answer, wishes, signer);
	}
	if (status != SERVED)
		return status;
	if (wishes->dump)
		return print_lines(&lines);
	wishes->headers[wishes->header_cnt++] = lines.payment;
	if (lines.salt[0] != 0)
		wishes->headers[wishes->header_cnt++] = lines.salt;
	return ask(wishes, &answer) ? conclude(&answer) : NETWORK;
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
static bool set_option(struct wishes *wishes, int option, const char *value)
{
	switch (option) {
	case 'k':
		wishes->key_file = value;
		return true;
	case 'd':
		free(wishes->body);
		wishes->body =
			value[0] == '@' ? read_path(value + 1, BODY_BYTES_MAX, &wishes->body_bytes) : strdup(value);
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
	default:
		return false;
	}
}

/* SERVED to go on, USAGE after saying what is wrong. */
static int read_options(struct wishes *wishes, int argc, char **argv)
{
	static const struct option options[] = {
		{"key", 1, 0, 'k'},
		{"data", 1, 0, 'd'},
		{"stream", 0, 0, 's'},
		{"method", 1, 0, 'm'},
		{"max-amount", 1, 0, 'x'},
		{"header", 1, 0, 'H'},
		{"v1", 0, 0, '1'},
		{"valid-for", 1, 0, 'v'},
		{"bad-signature", 0, 0, 'b'},
		{"dump-header", 0, 0, 'p'},
		{"header-file", 1, 0, 'f'},
		{"bind", 0, 0, 'B'},
		{0, 0, 0, 0},
	};
	int option, index = 0;

	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (option == '?')
			return USAGE; /* getopt has said why */
		if (!set_option(wishes, option, optarg))
			return complain(USAGE, "--%s: bad value", options[index].name);
	}
	if (optind != argc - 1 || (wishes->key_file == NULL) == (wishes->header_file == NULL)) {
		fputs(usage_text, stderr);
		return USAGE;
	}
	wishes->url = argv[optind];
	if (wishes->stream) {
		char *body = wishes->body == NULL ? NULL : add_stream(wishes->body, &wishes->body_bytes);
		if (body == NULL)
			return complain(USAGE, "--stream needs --data with a JSON object");
		free(wishes->body);
		wishes->body = body;
	}
	if (wishes->body != NULL)
		wishes->headers[wishes->header_cnt++] = "Content-Type: application/json";
	return SERVED;
}

int cmd_pay(int argc, char **argv)
{
	struct wishes wishes = {0};
	struct signer *signer = NULL;
	int status;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(usage_text, stdout) < 0 ? NETWORK : SERVED;
	status = read_options(&wishes, argc, argv);
	if (status == SERVED && wishes.key_file != NULL) {
		signer = read_key(wishes.key_file);
		status = signer == NULL ? USAGE : SERVED;
	}
	if (status == SERVED)
		status = pay(&wishes, signer);
	sign_fini(signer);
	free(wishes.body);
	return status;
}
