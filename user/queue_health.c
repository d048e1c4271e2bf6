// SPDX-License-Identifier: Apache-2.0
/* queue_health.c: see queue_health.h. */
#include "queue_health.h"

const char *const health_words[] = {[HEALTH_UP] = "up", [HEALTH_OUT] = "out", [HEALTH_TRIED] = "tried"};

static void change(struct health *health, enum health_state state, uint64_t now_ms)
{
	health->state = state;
	health->since_ms = now_ms;
}

static void put_out(struct health *health, bool answers, uint64_t now_ms)
{
	unsigned twice_ms = health->backoff_ms * 2;

	if (health->backoff_ms == 0)
		health->backoff_ms = HEALTH_BACKOFF_MS;
	else
		health->backoff_ms = twice_ms < HEALTH_BACKOFF_MS_MAX ? twice_ms : HEALTH_BACKOFF_MS_MAX;
	health->answers = answers;
	health->until_ms = now_ms + health->backoff_ms;
	change(health, HEALTH_OUT, now_ms);
}

static bool bad(struct health *health, unsigned fails, bool answers, uint64_t now_ms)
{
	health->fails += fails;
	if (health->state == HEALTH_UP && health->fails < HEALTH_FAILS)
		return false;
	/* Out as the last resort, and asked for want of another: it has its backoff, but may turn out to be dead. */
	if (health->state == HEALTH_OUT && health->answers == answers)
		return false;
	put_out(health, answers, now_ms);
	return true;
}

static bool good(struct health *health, uint64_t now_ms)
{
	bool was_up = health->state == HEALTH_UP;

	health->fails = 0;
	if (was_up)
		return false;
	health->backoff_ms = 0;
	health->answers = false;
	change(health, HEALTH_UP, now_ms);
	return true;
}

bool health_note(struct health *health, enum health_sign sign, uint64_t began_ms, uint64_t now_ms)
{
	bool silent = sign == SIGN_SILENT && health->heard_ms < began_ms;

	if (sign == SIGN_GOOD || sign == SIGN_BUSY || sign == SIGN_ERROR || sign == SIGN_NOT_READY)
		health->heard_ms = now_ms;
	if (health->state != HEALTH_UP && began_ms < health->since_ms)
		return false;
	switch (sign) {
	case SIGN_GOOD:
	case SIGN_BUSY:
		return good(health, now_ms);
	case SIGN_ERROR:
		return bad(health, 1, true, now_ms);
	case SIGN_NOT_READY:
		return bad(health, HEALTH_FAILS, true, now_ms);
	case SIGN_SILENT:
		return silent && bad(health, 1, false, now_ms);
	case SIGN_DEAD:
		return bad(health, 1, false, now_ms);
	case SIGN_NONE:
		break;
	}
	return false;
}

bool health_due(const struct health *health, uint64_t now_ms)
{
	return health->state == HEALTH_OUT && now_ms >= health->until_ms;
}

void health_try(struct health *health, uint64_t now_ms)
{
	change(health, HEALTH_TRIED, now_ms);
}

void health_untried(struct health *health, uint64_t now_ms)
{
	if (health->state == HEALTH_TRIED)
		change(health, HEALTH_OUT, now_ms);
}
