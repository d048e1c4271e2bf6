// SPDX-License-Identifier: Apache-2.0
/* session.c: see session.h.
 *
 * Of a session's amount, `charged` is owed for good, `reserved` is held back for the requests in it, and the rest is free.
 * What is on record is always charged + running, where running is what the requests in it have cost so far; no request runs
 * beyond what it has reserved, so none of the sums can pass the amount. */
#include "session.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/hex.h"
#include "base/siphash.h"
#include "base/u256.h"

#define NONE UINT32_MAX
#define LATE_CLOSE_S (SETTLE_MARGIN_S + 4) /* before the deadline: the settlement must have time to get there */

struct session {
	struct sessions *sessions;
	uint8_t id[SESSION_ID_BYTES];
	struct permit permit;
	const struct config_route *route;
	struct claim *claim;
	struct word charged, reserved, running;
	unsigned draw_cnt; /* requests in it */
	bool served;	   /* something was; the payment is used */
	bool over;	   /* out of the tables; its place goes with the last request in it */
	uint64_t used_s, join_until_s, close_s;
	uint32_t key_next, id_next;    /* chains; key_next also of the free list */
	uint32_t idle_prev, idle_next; /* while nobody is in it: the longest idle first */
	struct payment payment;	       /* without its signature */
};

struct sessions {
	pthread_mutex_t lock;
	struct ledger *ledger;
	struct session *slots;
	uint32_t slot_cnt, free, idle_first, idle_last;
	uint32_t touched_cnt; /* places that were ever used: those in front */
	uint32_t *by_key, *by_id;
	uint64_t mask;
	uint8_t hash_key[16];
	bool draining;
	struct session_stats stats;
};

/* --- places --- */

static size_t bucket_cnt(size_t sessions_max)
{
	size_t cnt = 16;

	while (cnt < sessions_max)
		cnt *= 2;
	return cnt;
}

size_t sessions_bytes(size_t sessions_max)
{
	return sizeof(struct sessions) + sessions_max * sizeof(struct session) +
	       2 * bucket_cnt(sessions_max) * sizeof(uint32_t);
}

struct sessions *sessions_init(struct ledger *ledger, size_t sessions_max)
{
	struct sessions *sessions = calloc(1, sizeof *sessions);

	if (sessions == NULL)
		return NULL;
	size_t buckets = bucket_cnt(sessions_max);
	*sessions = (struct sessions){.ledger = ledger,
				      .slot_cnt = (uint32_t)sessions_max,
				      .idle_first = NONE,
				      .idle_last = NONE,
				      .mask = buckets - 1,
				      .slots = calloc(sessions_max, sizeof *sessions->slots),
				      .by_key = malloc(buckets * sizeof *sessions->by_key),
				      .by_id = malloc(buckets * sizeof *sessions->by_id)};
	pthread_mutex_init(&sessions->lock, NULL);
	if (sessions->slots == NULL || sessions->by_key == NULL || sessions->by_id == NULL ||
	    getrandom(sessions->hash_key, sizeof sessions->hash_key, 0) != sizeof sessions->hash_key) {
		sessions_fini(sessions);
		return NULL;
	}
	memset(sessions->by_key, 0xff, buckets * sizeof *sessions->by_key);
	memset(sessions->by_id, 0xff, buckets * sizeof *sessions->by_id);
	for (uint32_t i = 0; i < sessions->slot_cnt; i++)
		sessions->slots[i] = (struct session){
			.sessions = sessions, .over = true, .key_next = i + 1 < sessions->slot_cnt ? i + 1 : NONE};
	return sessions;
}

void sessions_fini(struct sessions *sessions)
{
	if (sessions == NULL)
		return;
	pthread_mutex_destroy(&sessions->lock);
	free(sessions->slots);
	free(sessions->by_key);
	free(sessions->by_id);
	free(sessions);
}

static uint32_t index_of(const struct session *session)
{
	return (uint32_t)(session - session->sessions->slots);
}

static uint32_t *key_bucket(const struct sessions *sessions, const struct claim_key *key)
{
	return &sessions->by_key[siphash(sessions->hash_key, key, sizeof *key) & sessions->mask];
}

static uint32_t *id_bucket(const struct sessions *sessions, const uint8_t id[SESSION_ID_BYTES])
{
	return &sessions->by_id[siphash(sessions->hash_key, id, SESSION_ID_BYTES) & sessions->mask];
}

static struct session *find_key(struct sessions *sessions, const struct claim_key *key)
{
	for (uint32_t i = *key_bucket(sessions, key); i != NONE; i = sessions->slots[i].key_next)
		if (memcmp(&sessions->slots[i].permit.key, key, sizeof *key) == 0)
			return &sessions->slots[i];
	return NULL;
}

static struct session *find_id(struct sessions *sessions, const uint8_t id[SESSION_ID_BYTES])
{
	for (uint32_t i = *id_bucket(sessions, id); i != NONE; i = sessions->slots[i].id_next)
		if (memcmp(sessions->slots[i].id, id, SESSION_ID_BYTES) == 0)
			return &sessions->slots[i];
	return NULL;
}

static void link_tables(struct session *session)
{
	uint32_t *key = key_bucket(session->sessions, &session->permit.key);
	uint32_t *id = id_bucket(session->sessions, session->id);

	session->key_next = *key;
	session->id_next = *id;
	*key = *id = index_of(session);
}

static void unlink_tables(struct session *session)
{
	struct sessions *sessions = session->sessions;
	uint32_t *at = key_bucket(sessions, &session->permit.key), own = index_of(session);

	while (*at != own)
		at = &sessions->slots[*at].key_next;
	*at = session->key_next;
	at = id_bucket(sessions, session->id);
	while (*at != own)
		at = &sessions->slots[*at].id_next;
	*at = session->id_next;
}

static void idle_push(struct session *session)
{
	struct sessions *sessions = session->sessions;

	session->idle_next = NONE;
	session->idle_prev = sessions->idle_last;
	*(sessions->idle_last != NONE ? &sessions->slots[sessions->idle_last].idle_next : &sessions->idle_first) =
		index_of(session);
	sessions->idle_last = index_of(session);
}

static void idle_leave(struct session *session)
{
	struct sessions *sessions = session->sessions;
	uint32_t prev = session->idle_prev, next = session->idle_next;

	*(prev != NONE ? &sessions->slots[prev].idle_next : &sessions->idle_first) = next;
	*(next != NONE ? &sessions->slots[next].idle_prev : &sessions->idle_last) = prev;
}

/* --- sums --- */

static void add(struct word *sum, const struct word *number)
{
	bool carried = u256_add(sum->at, sum->at, number->at);
	ASSERT(!carried);
}

static void take(struct word *from, const struct word *number)
{
	ASSERT(u256_compare(from->at, number->at) >= 0);
	u256_sub(from->at, from->at, number->at);
}

static const struct word *least(const struct word *a, const struct word *b)
{
	return u256_compare(a->at, b->at) <= 0 ? a : b;
}

/* Not charged yet: reserved, or free. */
static struct word left_of(const struct session *session)
{
	struct word left = session->permit.offer->amount;

	take(&left, &session->charged);
	return left;
}

static struct word free_of(const struct session *session)
{
	struct word unreserved = left_of(session);

	take(&unreserved, &session->reserved);
	return unreserved;
}

static struct word total_of(const struct session *session)
{
	struct word total = session->charged;

	add(&total, &session->running);
	return total;
}

static bool is_spent(const struct session *session)
{
	struct word left = left_of(session);

	return u256_compare(left.at, session->permit.offer->session_reserve.at) < 0;
}

static void record(struct session *session, struct claim_wait *durable)
{
	struct word total = total_of(session);

	claim_forward(session->sessions->ledger, session->claim, &total, durable);
}

/* --- the end of a session --- */

/* Nobody finds it any more. */
static void retire(struct session *session)
{
	struct sessions *sessions = session->sessions;

	unlink_tables(session);
	session->over = true;
	sessions->stats.open--;
	if (session->draw_cnt > 0)
		return;
	idle_leave(session);
	session->key_next = sessions->free;
	sessions->free = index_of(session);
}

static void close_session(struct session *session, enum session_end why)
{
	struct word total = total_of(session);

	claim_owe(session->sessions->ledger, session->claim, &total, NULL, NULL);
	session->sessions->stats.ended[why]++;
	retire(session);
}

/* One request fewer.  What becomes of a session that nobody is in? */
static void leave(struct session_draw *draw, uint64_t now_s)
{
	struct session *session = draw->session;
	struct sessions *sessions = session->sessions;

	draw->session = NULL;
	session->draw_cnt--;
	sessions->stats.running--;
	if (session->over && session->draw_cnt == 0) {
		session->key_next = sessions->free;
		sessions->free = index_of(session);
	}
	if (session->over)
		return;
	take(&session->running, &draw->running);
	take(&session->reserved, &draw->reserved);
	session->used_s = now_s;
	if (session->draw_cnt > 0)
		return;
	idle_push(session);
	if (!session->served) {
		claim_release(sessions->ledger, session->claim);
		sessions->stats.given_back++;
		retire(session);
	} else if (sessions->draining) {
		close_session(session, END_DRAINED);
	} else if (is_spent(session)) {
		close_session(session, END_SPENT);
	}
}

/* --- beginning --- */

bool session_find(struct sessions *sessions, struct span text, const struct config_route *route, uint64_t now_s,
		  struct payment *payment, struct permit *permit)
{
	uint8_t id[SESSION_ID_BYTES];

	if (!hex_digits(id, sizeof id, text))
		return false;
	pthread_mutex_lock(&sessions->lock);
	const struct session *session = find_id(sessions, id);
	bool found = session != NULL && session->route == route && now_s < session->join_until_s;
	if (found) {
		payment_copy(payment, &session->payment);
		*permit = session->permit;
	}
	pthread_mutex_unlock(&sessions->lock);
	return found;
}

bool session_seen(struct sessions *sessions, const struct claim_key *key, const struct config_route *route)
{
	pthread_mutex_lock(&sessions->lock);
	const struct session *session = find_key(sessions, key);
	bool seen = session != NULL && session->route == route;
	pthread_mutex_unlock(&sessions->lock);
	return seen;
}

static enum reason reserve(struct session_draw *draw, struct session *session)
{
	const struct word *wanted = &session->permit.offer->session_reserve;
	struct word unreserved = free_of(session);

	if (is_spent(session))
		return SESSION_SPENT;
	if (u256_compare(unreserved.at, wanted->at) < 0)
		return SESSION_BUSY;
	if (session->draw_cnt == 0)
		idle_leave(session);
	draw->session = session;
	draw->reserved = *wanted;
	draw->running = (struct word){0};
	memcpy(draw->id, session->id, sizeof draw->id);
	add(&session->reserved, wanted);
	session->draw_cnt++;
	session->sessions->stats.running++;
	session->sessions->stats.requests++;
	return REASON_OK;
}

static enum reason join(struct session_draw *draw, struct session *session, const struct config_route *route,
			uint64_t now_s, struct claim_wait *durable)
{
	if (session->route != route)
		return REPLAYED;
	enum reason reason = now_s < session->join_until_s ? reserve(draw, session) : SESSION_OVER;
	if (reason == REASON_OK)
		record(session, durable);
	return reason;
}

/* A place, if need be that of the session that has been idle longest. */
static struct session *take_place(struct sessions *sessions)
{
	if (sessions->free == NONE && sessions->idle_first != NONE)
		close_session(&sessions->slots[sessions->idle_first], END_EVICTED);
	return sessions->free != NONE ? &sessions->slots[sessions->free] : NULL;
}

static void fill(struct session *session, const struct permit *permit, const struct payment *payment)
{
	struct sessions *sessions = session->sessions;

	memset(session, 0, offsetof(struct session, payment));
	session->sessions = sessions;
	session->permit = *permit;
	payment_copy(&session->payment, payment);
	memset(session->payment.signature, 0, sizeof session->payment.signature);
	memset(session->payment.signature_rest, 0, session->payment.signature_rest_bytes);
	session->payment.signature_rest_bytes = 0;
}

static enum reason open_session(struct sessions *sessions, struct session_draw *draw, const struct permit *permit,
				const struct payment *payment, const struct config_route *route, uint64_t now_s,
				struct claim_wait *durable)
{
	struct session *session = take_place(sessions);

	if (session == NULL)
		return SESSIONS_FULL;
	enum reason reason = claim_take(sessions->ledger, permit, payment, durable);
	if (reason != REASON_OK)
		return reason;
	sessions->free = session->key_next;
	if (index_of(session) >= sessions->touched_cnt)
		sessions->touched_cnt = index_of(session) + 1;
	fill(session, permit, payment);
	session->route = route;
	session->claim = durable->claim;
	session->join_until_s = permit->deadline_s - route->session.margin_s;
	/* A payment that brings less than the margin is for those who come with it; it is settled when they are done. */
	bool late = session->join_until_s <= now_s;
	session->close_s = permit->deadline_s - (late ? LATE_CLOSE_S : route->session.margin_s / 2);
	ssize_t drawn = getrandom(session->id, sizeof session->id, 0);
	ASSERT(drawn == sizeof session->id); /* so few bytes come whole, or the kernel has none at all */
	link_tables(session);
	idle_push(session); /* reserve takes it out again */
	sessions->stats.open++;
	sessions->stats.opened++;
	reason = reserve(draw, session);
	ASSERT(reason == REASON_OK); /* config saw to it that one request fits */
	return REASON_OK;
}

enum reason session_take(struct sessions *sessions, struct session_draw *draw, const struct permit *permit,
			 const struct payment *payment, const struct config_route *route, uint64_t now_s, bool may_open,
			 struct claim_wait *durable)
{
	enum reason reason = SESSION_OVER;

	pthread_mutex_lock(&sessions->lock);
	struct session *session = find_key(sessions, &permit->key);
	if (session != NULL)
		reason = join(draw, session, route, now_s, durable);
	else if (may_open)
		reason = open_session(sessions, draw, permit, payment, route, now_s, durable);
	pthread_mutex_unlock(&sessions->lock);
	return reason;
}

/* --- what a request costs --- */

/* Up to `due`, as far as it is reserved or can still be. */
static void run_up(struct session_draw *draw, const struct word *due)
{
	struct session *session = draw->session;

	if (u256_compare(due->at, draw->reserved.at) > 0) {
		struct word more = *due, unreserved = free_of(session);
		take(&more, &draw->reserved);
		more = *least(&more, &unreserved);
		add(&draw->reserved, &more);
		add(&session->reserved, &more);
	}
	take(&session->running, &draw->running);
	draw->running = *least(due, &draw->reserved);
	add(&session->running, &draw->running);
	session->served = true;
}

bool session_draw(struct session_draw *draw, const struct word *due)
{
	struct session *session = draw->session;
	struct sessions *sessions = session->sessions;

	pthread_mutex_lock(&sessions->lock);
	bool open = !session->over;
	if (open) {
		run_up(draw, due);
		record(session, NULL);
	}
	pthread_mutex_unlock(&sessions->lock);
	return open;
}

void session_charge(struct session_draw *draw, const struct word *due, uint64_t now_s, struct word *charged,
		    struct claim_wait *durable)
{
	struct session *session = draw->session;
	struct sessions *sessions = session->sessions;

	pthread_mutex_lock(&sessions->lock);
	bool open = !session->over;
	if (open) {
		run_up(draw, due);
		add(&session->charged, &draw->running);
		take(&session->running, &draw->running);
		record(session, durable);
	} else {
		sessions->stats.cut++;
	}
	*charged = draw->running;
	if (open)
		draw->running = (struct word){0}; /* charged: leave takes no more of it off */
	leave(draw, now_s);
	pthread_mutex_unlock(&sessions->lock);
	if (!open && durable != NULL) { /* what it had cost by then is settled with the rest */
		durable->error = 0;
		durable->outcome = CLAIM_OWED;
		mailbox_push(durable->box, &durable->mail);
	}
}

void session_leave(struct session_draw *draw, uint64_t now_s)
{
	struct sessions *sessions = draw->session->sessions;

	pthread_mutex_lock(&sessions->lock);
	leave(draw, now_s);
	pthread_mutex_unlock(&sessions->lock);
}

void session_lost(struct session_draw *draw)
{
	struct session *session = draw->session;
	struct sessions *sessions = session->sessions;

	pthread_mutex_lock(&sessions->lock);
	if (!session->over) {
		struct word total = total_of(session);
		claim_owe(sessions->ledger, session->claim, &total, NULL,
			  NULL); /* it is gone: what was charged ends with it */
		retire(session);
	}
	leave(draw, 0);
	pthread_mutex_unlock(&sessions->lock);
}

/* --- time --- */

static void tend(struct session *session, uint64_t now_s)
{
	bool idle = session->draw_cnt == 0;

	if (session->over)
		return;
	if (now_s >= session->close_s || (idle && now_s >= session->join_until_s))
		close_session(session, END_DEADLINE);
	else if (idle && now_s >= session->used_s + session->route->session.idle_s)
		close_session(session, END_IDLE);
}

void sessions_tend(struct sessions *sessions, uint64_t now_s)
{
	pthread_mutex_lock(&sessions->lock);
	for (uint32_t i = 0; i < sessions->touched_cnt; i++)
		tend(&sessions->slots[i], now_s);
	pthread_mutex_unlock(&sessions->lock);
}

void sessions_drain(struct sessions *sessions)
{
	pthread_mutex_lock(&sessions->lock);
	sessions->draining = true;
	while (sessions->idle_first != NONE)
		close_session(&sessions->slots[sessions->idle_first], END_DRAINED);
	pthread_mutex_unlock(&sessions->lock);
}

void session_stats(struct sessions *sessions, struct session_stats *stats)
{
	pthread_mutex_lock(&sessions->lock);
	*stats = sessions->stats;
	pthread_mutex_unlock(&sessions->lock);
}
