// SPDX-License-Identifier: Apache-2.0
#include "bind.h"

#include <string.h>

#include "base/hex.h"
#include "base/keccak.h"

#define MAGIC "TBR1"
#define MAGIC_BYTES (sizeof MAGIC - 1)

void bind_nonce(struct word *nonce, const uint8_t salt[BIND_SALT_BYTES], struct span body)
{
	uint8_t text[MAGIC_BYTES + BIND_SALT_BYTES + 32] = MAGIC;

	memcpy(text + MAGIC_BYTES, salt, BIND_SALT_BYTES);
	keccak256(text + MAGIC_BYTES + BIND_SALT_BYTES, body.bytes > 0 ? body.at : (const uint8_t *)"", body.bytes);
	keccak256(nonce->at, text, sizeof text);
}

enum reason bind_read(struct binding *binding, enum bind_mode mode, const struct http_head *head)
{
	struct span salt;

	*binding = (struct binding){.is_bound = false};
	if (mode == BIND_OFF)
		return REASON_OK;
	switch (parse_field(&salt, head, SPAN("x-tollbar-salt"))) {
	case 0:
		return mode == BIND_REQUIRE ? BIND_MISSING : REASON_OK;
	case 1:
		binding->is_bound = hex_digits(binding->salt, sizeof binding->salt, salt);
		return binding->is_bound ? REASON_OK : BIND_SALT;
	default:
		return BIND_SALT;
	}
}

enum reason bind_check(const struct binding *binding, const struct word *nonce, struct span body)
{
	struct word bound;

	if (!binding->is_bound)
		return REASON_OK;
	bind_nonce(&bound, binding->salt, body);
	return memcmp(&bound, nonce, sizeof bound) == 0 ? REASON_OK : BIND_WRONG;
}
