// SPDX-License-Identifier: Apache-2.0
/* standing.c: see standing.h. */
#include "standing.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"

#define SLOT_CNT 8192 /* 40 bytes each: 320 KiB per worker */
#define PENALTY_S_MAX 3600
#define FORGET_S 3600 /* after a penalty ended: the next one is a first one again */
#define NS UINT64_C(1000000000)

struct slot {
	struct in6_addr source; /* :: when empty, which is no peer's address */
	uint64_t window_start_ns;
	uint64_t forget_ns; /* until then penalties double */
	uint32_t failures;  /* in this window */
	uint32_t penalty_s; /* the last one; 0: none yet */
};

struct standing {
	const struct config *config;
	uint8_t key[16];
	struct slot slots[SLOT_CNT];
};

struct standing *standing_init(const struct config *config, const uint8_t key[16])
{
	struct standing *standing = calloc(1, sizeof *standing);

	if (standing != NULL) {
		standing->config = config;
		memcpy(standing->key, key, sizeof standing->key);
	}
	return standing;
}

void standing_fini(struct standing *standing)
{
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

static bool is_trusted(const struct config *config, const struct in6_addr *source)
{
	for (size_t i = 0; i < config->trusted_proxy_cnt; i++)
		if (memcmp(&config->trusted_proxies[i], source, sizeof *source) == 0)
			return true;
	return false;
}

static struct slot *slot_of(struct standing *standing, const struct in6_addr *source)
{
	struct slot *slot = &standing->slots[siphash(standing->key, source, sizeof *source) % SLOT_CNT];

	if (memcmp(&slot->source, source, sizeof *source) != 0)
		*slot = (struct slot){.source = *source};
	return slot;
}

static unsigned penalize(struct slot *slot, unsigned first_s, uint64_t now_ns)
{
	uint64_t penalty_s = first_s;

	if (slot->penalty_s != 0 && now_ns < slot->forget_ns) {
		penalty_s = (uint64_t)slot->penalty_s * 2;
		if (penalty_s > PENALTY_S_MAX)
			penalty_s = PENALTY_S_MAX;
		if (penalty_s < first_s) /* configured for more than an hour */
			penalty_s = first_s;
	}
	slot->failures = 0;
	slot->penalty_s = (uint32_t)penalty_s;
	slot->forget_ns = now_ns + (penalty_s + FORGET_S) * NS;
	return (unsigned)penalty_s;
}

unsigned standing_note(struct standing *standing, const struct in6_addr *source, enum reason reason, uint64_t now_ns)
{
	const struct config *config = standing->config;
	struct slot *slot;

	if (config->filter.penalty_failures == 0 || !counts(reason) || is_trusted(config, source))
		return 0;
	slot = slot_of(standing, source);
	if (slot->failures == 0 || now_ns - slot->window_start_ns >= config->filter.penalty_window_s * NS) {
		slot->window_start_ns = now_ns;
		slot->failures = 0;
	}
	slot->failures++;
	return slot->failures >= config->filter.penalty_failures ? penalize(slot, config->filter.penalty_s, now_ns) : 0;
}
