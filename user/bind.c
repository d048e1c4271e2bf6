// SPDX-License-Identifier: Apache-2.0
#include "bind.h"

#include <string.h>

#include "base/hex.h"
#include "ec/keccak8.h"

#define MAGIC "TBR1"
#define MAGIC_BYTES (sizeof MAGIC - 1)

#define PIECE 16 /* in work at a time */

static void hash_piece(const struct bind_job jobs[], size_t cnt)
{
	uint8_t texts[PIECE][MAGIC_BYTES + BIND_SALT_BYTES + 32];
	struct keccak8_item items[PIECE] = {{.in = NULL}};

	for (size_t i = 0; i < cnt; i++) {
		struct span body = jobs[i].body.bytes > 0 ? jobs[i].body : SPAN("");

		memcpy(texts[i], MAGIC, MAGIC_BYTES);
		memcpy(texts[i] + MAGIC_BYTES, jobs[i].salt, BIND_SALT_BYTES);
		items[i] = (struct keccak8_item){body.at, body.bytes, texts[i] + MAGIC_BYTES + BIND_SALT_BYTES};
	}
	keccak8_many(items, cnt);
	for (size_t i = 0; i < cnt; i++)
		items[i] = (struct keccak8_item){texts[i], sizeof texts[i], jobs[i].nonce->at};
	keccak8_many(items, cnt);
}

void bind_nonces(const struct bind_job jobs[], size_t cnt)
{
	for (size_t at = 0; at < cnt; at += PIECE)
		hash_piece(jobs + at, cnt - at < PIECE ? cnt - at : PIECE);
}

void bind_nonce(struct word *nonce, const uint8_t salt[BIND_SALT_BYTES], struct span body)
{
	hash_piece(&(struct bind_job){salt, body, nonce}, 1);
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
