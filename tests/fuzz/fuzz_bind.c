// SPDX-License-Identifier: Apache-2.0
// link: user/parse.c user/base/hex.c user/base/keccak.c user/ec/keccak8.c user/base/log.c
/* fuzz_bind.c: a request's head, then its body.  What is taken as a salt is what a plain reading of 32 digits gives, and the
 * nonce made from it holds for this body and for no changed one. */
#include "base/assert.h"
#include <ctype.h>

#include "bind.c"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

static unsigned value_of(uint8_t digit)
{
	return isdigit(digit) ? digit - '0' : (unsigned)tolower(digit) - 'a' + 10;
}

static void check_salt(const struct binding *binding, struct span text)
{
	ASSERT(text.bytes == 2 * sizeof binding->salt);
	for (size_t i = 0; i < text.bytes; i++)
		ASSERT(isxdigit(text.at[i]));
	for (size_t i = 0; i < sizeof binding->salt; i++)
		ASSERT(binding->salt[i] == 16 * value_of(text.at[2 * i]) + value_of(text.at[2 * i + 1]));
}

static void check_body(const struct binding *binding, struct span body)
{
	struct word nonce;

	bind_nonce(&nonce, binding->salt, body);
	ASSERT(bind_check(binding, &nonce, body) == REASON_OK);
	if (body.bytes > 0)
		ASSERT(bind_check(binding, &nonce, span_of(body.at, body.bytes - 1)) == BIND_WRONG);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	static struct http_head head;
	struct binding binding;
	struct span text;

	if (parse_request(&head, span_of(at, bytes), 0) != PARSE_DONE)
		return 0;
	size_t cnt = parse_field(&text, &head, SPAN("x-tollbar-salt"));
	enum reason required = bind_read(&binding, BIND_REQUIRE, &head);
	ASSERT(required == BIND_SALT || required == (cnt == 0 ? BIND_MISSING : REASON_OK));
	enum reason accepted = bind_read(&binding, BIND_ACCEPT, &head);
	ASSERT(accepted == (cnt == 0 ? REASON_OK : required));
	ASSERT(binding.is_bound == (cnt == 1 && accepted == REASON_OK));
	if (!binding.is_bound)
		return 0;
	check_salt(&binding, text);
	check_body(&binding, span_of(at + head.head_bytes, bytes - head.head_bytes));
	return 0;
}
