// SPDX-License-Identifier: Apache-2.0
/* standing.c: see standing.h. */
#include "standing.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"

#define SLOT_CNT 65536 /* 32 bytes each: 2 MiB */
#define LOCK_CNT 64    /* slot i is behind lock i % LOCK_CNT */
#define NS UINT64_C(1000000000)

struct slot {
	struct tollbar_address source; /* zero when empty, which is no peer's address */
	uint64_t window_start_ns;
	uint32_t failures; /* in this window */
};

struct standing {
	const struct config *config;
	uint8_t key[16];
	pthread_mutex_t locks[LOCK_CNT];
	struct slot slots[SLOT_CNT];
};

struct standing *standing_init(const struct config *config, const uint8_t key[16])
{
	struct standing *standing = calloc(1, sizeof *standing);

	if (standing == NULL)
		return NULL;
	standing->config = config;
	memcpy(standing->key, key, sizeof standing->key);
	for (size_t i = 0; i < LOCK_CNT; i++)
		pthread_mutex_init(&standing->locks[i], NULL);
	return standing;
}

void standing_fini(struct standing *standing)
{
	for (size_t i = 0; standing != NULL && i < LOCK_CNT; i++)
		pthread_mutex_destroy(&standing->locks[i]);
	free(standing);
}

size_t standing_bytes(void)
{
	return sizeof(struct standing);
}

static bool counts(enum reason reason)
{
	switch (reason) {
	case HTTP_BAD:
	case HTTP_AMBIGUOUS:
	case HTTP_LARGE:
	case TLS_BAD:
	case CLIENT_SLOW:
	case PAYMENT_DUPLICATE:
	case PAYMENT_LARGE:
	case PAYMENT_BASE64:
	case PAYMENT_JSON:
	case PAYMENT_FIELD:
	case PAYMENT_VERSION:
	case SIGNATURE_FORM:
	case SIGNATURE_BAD:
	case REPLAYED:
		return true;
	default:
		return false;
	}
}

static struct tollbar_address key_of(const struct in6_addr *source)
{
	struct tollbar_address key;

	memcpy(&key, source, sizeof key);
	tollbar_standing_key(&key);
	return key;
}

bool standing_trusts(const struct config *config, const struct in6_addr *source)
{
	struct tollbar_address key = key_of(source);

	for (size_t i = 0; i < config->trusted_proxy_cnt; i++) {
		struct tollbar_address proxy = key_of(&config->trusted_proxies[i]);
		if (memcmp(&proxy, &key, sizeof key) == 0)
			return true;
	}
	return false;
}

static bool slot_note(struct slot *slot, const struct tollbar_address *source, const struct config *config,
		      uint64_t now_ns)
{
	if (memcmp(&slot->source, source, sizeof *source) != 0)
		*slot = (struct slot){.source = *source};
	if (slot->failures == 0 || now_ns - slot->window_start_ns >= config->filter.penalty_window_s * NS) {
		slot->window_start_ns = now_ns;
		slot->failures = 0;
	}
	if (++slot->failures < config->filter.penalty_failures)
		return false;
	slot->failures = 0;
	return true;
}

bool standing_note(struct standing *standing, const struct in6_addr *source, enum reason reason, uint64_t now_ns)
{
	const struct config *config = standing->config;

	if (config->filter.penalty_failures == 0 || !counts(reason) || standing_trusts(config, source))
		return false;
	struct tollbar_address key = key_of(source);
	size_t idx = siphash(standing->key, &key, sizeof key) % SLOT_CNT;
	pthread_mutex_lock(&standing->locks[idx % LOCK_CNT]);
	bool too_many = slot_note(&standing->slots[idx], &key, config, now_ns);
	pthread_mutex_unlock(&standing->locks[idx % LOCK_CNT]);
	return too_many;
}

bool standing_penalize(struct tollbar_standing *entry, unsigned first_s, enum reason reason, uint64_t now_ns)
{
	uint64_t penalty_s = first_s;

	if (now_ns < entry->until_ns)
		return false;
	if (now_ns - entry->until_ns >= STANDING_FORGET_S * NS)
		entry->offences = 0;
	for (uint32_t i = 0; i < entry->offences && penalty_s < STANDING_PENALTY_S_MAX; i++)
		penalty_s = penalty_s * 2 < STANDING_PENALTY_S_MAX ? penalty_s * 2 : STANDING_PENALTY_S_MAX;
	entry->until_ns = now_ns + penalty_s * NS;
	entry->reason = (uint32_t)reason;
	if (entry->offences < UINT32_MAX)
		entry->offences++;
	return true;
}
