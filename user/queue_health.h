/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_QUEUE_HEALTH_H
#define TOLLBAR_QUEUE_HEALTH_H
/* queue_health.h: what is thought of one model server, by what became of the requests to it.  No clock: times come in,
 * milliseconds of one that never goes back.  queue.c alone asks and decides.
 *
 *   up ──three bad signs in a row──► out ──backoff over, one request is let through──► tried ──good──► up
 *                                     ▲                                                  │
 *                                     └──────────── bad: twice the backoff ──────────────┘
 *
 * Busy is not dead: a server that says it has too much to do (429, 503) answers, and one that keeps a request waiting is at
 * fault only when it answered nobody else since.  Nor is what answers with errors dead: it stays the last resort.  What a check
 * says counts at once: somebody who knows wrote it. */
#include <stdbool.h>
#include <stdint.h>

#define HEALTH_FAILS 3	       /* in a row: one may be the request's own fault, or an old connection's */
#define HEALTH_BACKOFF_MS 1000 /* the first time, then twice the last */
#define HEALTH_BACKOFF_MS_MAX 60000

enum health_state { HEALTH_UP, HEALTH_OUT, HEALTH_TRIED };

extern const char *const health_words[]; /* of states: up, out, tried */

enum health_sign {
	SIGN_NONE,	/* the client left, or the trouble was ours */
	SIGN_GOOD,	/* an answer */
	SIGN_BUSY,	/* an answer that says: later */
	SIGN_ERROR,	/* an answer that says: it is my fault; or one that is no HTTP */
	SIGN_NOT_READY, /* a check's answer that says: not now */
	SIGN_SILENT,	/* no answer, or not the rest of it, in time */
	SIGN_DEAD,	/* no connection, or it broke off */
};

struct health { /* zero: up */
	enum health_state state;
	bool answers;	     /* out, but what it was put out for were answers */
	unsigned fails;	     /* bad signs in a row */
	unsigned backoff_ms; /* of the last time out */
	uint64_t since_ms;   /* of this state */
	uint64_t until_ms;   /* out: left alone until then */
	uint64_t heard_ms;   /* of the last answer */
};

/* health_note: what became of a request that went out at began_ms.  What went out before the state began says nothing of a
 * server that is out: old streams may end well while it shuts down, and those that break off are no news.
 * Returns whether the state changed. */
bool health_note(struct health *health, enum health_sign sign, uint64_t began_ms, uint64_t now_ms);
/* Its time out is over: one request may find out. */
bool health_due(const struct health *health, uint64_t now_ms);
/* That request is on its way; health_note follows, or health_untried when nothing became of it. */
void health_try(struct health *health, uint64_t now_ms);
void health_untried(struct health *health, uint64_t now_ms);

#endif
