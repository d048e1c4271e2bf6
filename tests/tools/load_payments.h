// SPDX-License-Identifier: Apache-2.0
#ifndef TOLLBAR_TOOLS_LOAD_PAYMENTS_H
#define TOLLBAR_TOOLS_LOAD_PAYMENTS_H
/* load_payments.h: the payment headers of load.c, made before the clock starts, each used once. */
#include "base/hex.h"
#include "challenge.h"

static struct {
	struct span *lines; /* "NAME: VALUE\r\n" */
	size_t cnt, used;
} payments;

static char *read_file(const char *path, size_t *bytes)
{
	FILE *file = fopen(path, "r");
	char *at = NULL;
	size_t room = 0;

	errno = 0;
	if (file == NULL)
		fail(path);
	ssize_t got = getdelim(&at, &room, EOF, file);
	fclose(file);
	*bytes = got < 0 ? 0 : (size_t)got;
	return at;
}

static struct signer *read_key(const char *path)
{
	uint8_t key[32], seed[32];
	size_t bytes;
	char *text = read_file(path, &bytes);

	if (bytes < 66 || !hex_decode(key, 32, span_of(text, 66)) || getrandom(seed, 32, 0) != 32)
		fail(path);
	struct signer *signer = sign_init(key, seed);
	if (signer == NULL)
		fail(path);
	free(text);
	return signer;
}

static void add_payment(const char *name, const char *value)
{
	char *line = NULL;
	int bytes = asprintf(&line, "%s: %s\r\n", name, value);

	if (bytes < 0)
		fail("memory");
	payments.lines[payments.cnt++] = span_of(line, (size_t)bytes);
}

/* The offer is taken from the challenge that the request gets without a payment. */
static void sign_payments(size_t cnt, const char *key_file, enum method method, const struct sockaddr_in *address,
			  const struct load_request *request)
{
	static struct pay_challenge challenge;
	static char header[PAY_HEADER_BYTES_MAX];
	struct payment payment;
	struct address from;
	struct word nonce;
	struct signer *signer = read_key(key_file);
	bool too_dear;

	read_challenge(&challenge, address, request);
	const struct pay_offer *offer = pay_choose(&challenge, method, NULL, &too_dear);
	if (offer == NULL || getrandom(nonce.at, 32, 0) != 32)
		fail("no offer to pay");
	sign_address(signer, &from);
	payments.lines = allocate(cnt * sizeof(*payments.lines));
	for (size_t i = 0; i < cnt; i++) {
		for (size_t digit = 32; digit-- > 0 && ++nonce.at[digit] == 0;)
			;
		pay_fill(&payment, offer, &from, &nonce, clock_unix_s(), 0);
		if (!pay_sign(&payment, offer, signer) || pay_write_header(header, &challenge, offer, &payment) == 0)
			fail("signing");
		add_payment(pay_header_name(challenge.version), header);
	}
	sign_fini(signer);
}

static inline void load_payments(const char *path)
{
	size_t bytes, lines = 1;
	char *text = read_file(path, &bytes), *rest = text;

	for (size_t i = 0; i < bytes; i++)
		lines += text[i] == '\n';
	payments.lines = allocate(lines * sizeof(*payments.lines));
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		char *colon = strstr(line, ": ");
		if (colon == NULL)
			continue;
		*colon = 0;
		add_payment(line, colon + 2);
	}
	free(text);
}

static inline void save_payments(const char *path)
{
	FILE *file = fopen(path, "w");

	if (file == NULL)
		fail(path);
	for (size_t i = 0; i < payments.cnt; i++)
		fprintf(file, "%.*s\n", (int)payments.lines[i].bytes - 2, (const char *)payments.lines[i].at);
	if (fclose(file) != 0)
		fail(path);
}

#endif
