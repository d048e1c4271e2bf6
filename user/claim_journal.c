// SPDX-License-Identifier: Apache-2.0
/* claim_journal.c: claims on disk.  Ids grow, so new records go to the end and old ones leave at the front.  An id whose
 * first commit failed is not used again: a commit that failed in its last write may be on the disk after all, and its
 * claims are resolved at the next start like any other. */
#include "claim_ledger.h"

#include <errno.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/u256.h"
#include "limits.h"

#define TRIM_MAX 256
#define TRIM_PAUSE_S 10
#define TRIM_PAUSE_PRESSED_S 1

/* Of map_bytes_max: above the first, records go as soon as their payment has expired; above the second no new claim is
 * taken, so that what was taken can still be brought to its end. */
#define PRESSED_EIGHTHS 6
#define FULL_EIGHTHS 7

int journal_probe(struct ledger *ledger)
{
	return store_put(ledger->store, RECORD_HEADER_KEY, record_header, sizeof record_header);
}

/* --- write --- */

int journal_read(struct ledger *ledger, const struct claim *claim, struct record *record)
{
	struct span stored;
	int err = store_get(ledger->store, claim->id, &stored);

	if (err == -ENOENT)
		return -EBADMSG;
	if (err == 0 && !record_decode(record, claim->id, stored))
		return -EBADMSG;
	return err;
}

static void new_record(struct ledger *ledger, const struct claim *claim, struct record *record, uint64_t now_s)
{
	*record = (struct record){
		.id = claim->id,
		.taken_s = now_s,
		.deadline_s = claim->deadline_s,
		.key = claim->key,
		.offer = *claim->offer,
	};
	payment_copy(&record->payment, &ledger->table.staged[claim->staged].payment);
}

/* Who may have heard of the settlement, and only he, can tell what became of it (settlers.h). */
static bool is_decided(const struct record *record)
{
	return record->facilitator != 0 && (record->in_doubt || record->job[0] != 0);
}

int journal_write(struct ledger *ledger, struct claim *claim, struct record *record, enum claim_state state,
		  const struct word *amount_due, uint64_t now_s)
{
	bool fresh = claim->staged != CLAIM_NONE;
	uint8_t bytes[RECORD_BYTES_MAX];
	_Static_assert(sizeof bytes <= STORE_VALUE_BYTES_MAX, "a record is one value");

	if (fresh) {
		claim->id = ledger->next_id++;
		new_record(ledger, claim, record, now_s);
	} else {
		int err = journal_read(ledger, claim, record);
		if (err != 0)
			return err;
	}
	record->state = state;
	record->changed_s = now_s;
	record->amount_due = *amount_due;
	record->attempts = claim->attempts;
	record->in_doubt = claim->in_doubt;
	if (claim->slot != NULL && claim->slot->answered) {
		const struct settlement *settlement = &claim->slot->settlement;
		if (settlement->has_transaction) { /* an earlier one is kept: it may be all that can be traced */
			record->has_transaction = true;
			record->transaction = settlement->transaction;
		}
		memcpy(record->word, settlement->word, sizeof record->word);
		memcpy(record->job, settlement->job, sizeof record->job);
	}
	if (state == CLAIM_SETTLING && ledger->config.pick != NULL && !is_decided(record)) {
		bool up;
		record->facilitator = ledger->config.pick(ledger->config.submit_ctx, &record->offer, &up);
	}
	size_t record_bytes = record_encode(bytes, record);
	return fresh ? store_append(ledger->store, claim->id, bytes, record_bytes)
		     : store_put(ledger->store, claim->id, bytes, record_bytes);
}

/* --- room --- */

/* Until when the record must stay: while its payment could be presented again, and as long as it is wanted. */
static uint64_t stays_until_s(const struct ledger *ledger, const struct record *record)
{
	uint64_t keep_s = ledger->config.keep_s;
	bool pressed =
		ledger->pressed && record->state != CLAIM_EXPIRED; /* whether that was paid is still to be found out */

	if (pressed || keep_s < CLAIM_MARGIN_S)
		keep_s = CLAIM_MARGIN_S;
	return record->deadline_s + keep_s;
}

static bool ends_pass(const struct ledger *ledger, const struct record *record, uint64_t now_s)
{
	return record_final(record->state) && record->state != CLAIM_EXPIRED && stays_until_s(ledger, record) >= now_s;
}

/* A pass goes from the first record to the first final one that must stay: deadlines follow ids closely.  Expired ones
 * are rare and may stay longer than what comes after them. */
int journal_trim(struct ledger *ledger, uint64_t now_s, struct trimmed *trimmed)
{
	uint64_t id = ledger->trim_id;

	for (size_t i = 0; i < TRIM_MAX; i++, id++) {
		struct span stored;
		struct record record;
		if (id == RECORD_HEADER_KEY)
			id++;
		int err = store_seek(ledger->store, &id, &stored);
		if (err != 0 && err != -ENOENT)
			return err;
		bool good = err == 0 && record_decode(&record, id, stored);
		if (err == -ENOENT || (good && ends_pass(ledger, &record, now_s))) {
			ledger->trim_id = 0;
			ledger->trim_due_s = now_s + (ledger->pressed ? TRIM_PAUSE_PRESSED_S : TRIM_PAUSE_S);
			ledger->trim_more = false;
			return 0;
		}
		if (!good || !record_final(record.state) || stays_until_s(ledger, &record) >= now_s)
			continue;
		err = store_del(ledger->store, id);
		if (err != 0)
			return err;
		trimmed->records++;
		trimmed->expired += record.state == CLAIM_EXPIRED;
	}
	ledger->trim_id = id;
	ledger->trim_more = true;
	return 0;
}

int journal_room(struct ledger *ledger)
{
	size_t used, eighth = ledger->config.map_bytes_max / 8;
	int err = store_used(ledger->store, &used);

	if (err != 0)
		return err;
	bool pressed = used > PRESSED_EIGHTHS * eighth;
	if (pressed && !ledger->pressed) {
		log_warn("event=journal_pressed used=%zu bytes_max=%zu", used, ledger->config.map_bytes_max);
		ledger->trim_due_s = 0;
	}
	ledger->pressed = pressed;
	bool full = used > FULL_EIGHTHS * eighth;
	if (atomic_exchange(&ledger->journal_full, full) != full)
		log_warn("event=%s used=%zu bytes_max=%zu", full ? "journal_full" : "journal_room", used,
			 ledger->config.map_bytes_max);
	return 0;
}

/* --- start --- */

/* What a crash left → what is known of it (claim.c says why).  commits_lost: a later record of it may be among them. */
static void resolve(struct record *record, bool commits_lost)
{
	static const struct word zero;

	switch (record->state) {
	case CLAIM_TAKEN:
		record->state = record->payment.method == METHOD_UPTO || commits_lost ? CLAIM_SETTLED : CLAIM_RELEASED;
		record->amount_due = zero;
		break;
	case CLAIM_FORWARDED:
		record->state = u256_compare(record->amount_due.at, zero.at) == 0 ? CLAIM_SETTLED : CLAIM_OWED;
		break;
	case CLAIM_SETTLING:
		record->state = CLAIM_UNKNOWN;
		record->in_doubt |= record->job[0] == 0; /* else it was only asked how its job does */
		break;
	default:
		break;
	}
}

struct found {
	struct record record;
	uint64_t hash;
};

static struct claim *rebuild(struct ledger *ledger, const struct record *record, uint64_t hash)
{
	struct claim *claim = table_claim(&ledger->table, &record->key, hash, NULL);

	if (claim == NULL)
		return NULL;
	claim->id = record->id;
	claim->deadline_s = record->deadline_s;
	claim->amount_due = record->amount_due;
	claim->attempts = record->attempts;
	claim->in_doubt = record->in_doubt;
	claim->has_job = record->job[0] != 0;
	claim->asset = exposure_asset(ledger->exposure, &record->offer);
	const struct word *exposed = claim_exposed(claim, record->state);
	if (exposed != NULL)
		exposure_add(ledger->exposure, claim->asset, &claim->key.from, exposed);
	claim_set_state(ledger, claim, record->state);
	if (record->state != CLAIM_RELEASED)
		table_link(&ledger->table, claim);
	return claim;
}

struct claim *journal_rebuild(struct ledger *ledger, const struct record *record)
{
	return rebuild(ledger, record, table_hash(&ledger->table, &record->key));
}

/* Puts one record's claim where it goes on from. */
static int recover(struct ledger *ledger, struct found *found, uint64_t now_s)
{
	struct record *record = &found->record;
	enum claim_state before = record->state;

	resolve(record, store_damage(ledger->store) > 0);
	if (ledger->config.recovered != NULL)
		ledger->config.recovered(ledger->config.recovered_ctx, &record->payment, &record->offer, record->state,
					 &record->amount_due, record->taken_s);
	bool changed = record->state != before;
	if (record->state == CLAIM_EXPIRED)
		count(&ledger->counts.unknown_expired);
	if (record_final(record->state) && !changed &&
	    (record->state == CLAIM_RELEASED || record->deadline_s + CLAIM_MARGIN_S < now_s))
		return 0;
	struct claim *claim = rebuild(ledger, record, found->hash);
	if (claim == NULL) {
		log_error("event=ledger_small claims_max=%zu", ledger->config.claims_max);
		return -ENOBUFS;
	}
	if (record->state == CLAIM_UNKNOWN) /* asked at once, even past its deadline: the facilitator may remember */
		ask_again(ledger, claim);
	else if (record->state == CLAIM_OWED && !changed)
		ask_wait(ledger, claim);
	else if (changed)
		ledger_work(ledger, claim);
	else if (record->state == CLAIM_SETTLED && check_wanted(ledger, claim, &record->offer))
		check_later(ledger, claim);
	else
		ask_keep(ledger, claim, now_s);
	return 0;
}

/* Each one while the next is read: its place in the table is on its way to the cache by then. */
static int recover_all(struct ledger *ledger)
{
	uint64_t now_s = clock_unix_s(), id = RECORD_HEADER_KEY + 1;
	struct found pair[2], *next = &pair[0], *last = NULL;
	struct span stored;
	int err;

	for (; (err = store_seek(ledger->store, &id, &stored)) == 0; id++) {
		if (!record_decode(&next->record, id, stored)) {
			log_error("event=claim_record_bad claim=%llu bytes=%zu", (unsigned long long)id, stored.bytes);
			count(&ledger->counts.corrupt);
			continue;
		}
		next->hash = table_hash(&ledger->table, &next->record.key);
		table_expect(&ledger->table, next->hash);
		err = last != NULL ? recover(ledger, last, now_s) : 0;
		if (err != 0)
			return err;
		last = next;
		next = last == &pair[0] ? &pair[1] : &pair[0];
	}
	if (err == -ENOENT)
		err = last != NULL ? recover(ledger, last, now_s) : 0;
	return err;
}

static int check_header(struct ledger *ledger)
{
	struct span stored;
	uint64_t last;
	int err = store_last(ledger->store, &last);

	if (err != 0)
		return err;
	ledger->next_id = last + 1;
	err = store_get(ledger->store, RECORD_HEADER_KEY, &stored);
	if (err == -ENOENT && last == 0)
		return journal_probe(ledger);
	unsigned version = err == 0 ? record_header_version(stored) : 0;
	if (version == RECORD_VERSION)
		return 0;
	if (version != 0)
		log_error("event=journal_version directory=%s found=%u reads=%d", ledger->config.directory, version,
			  RECORD_VERSION);
	else
		log_error("event=journal_foreign directory=%s", ledger->config.directory);
	return err != 0 && err != -ENOENT ? err : -EPROTO;
}

int journal_open(struct ledger *ledger)
{
	int err = store_open(&ledger->store, ledger->config.directory, ledger->config.map_bytes_max);

	if (err != 0)
		return err;
	atomic_fetch_add(&ledger->counts.corrupt, store_damage(ledger->store));
	err = store_begin(ledger->store);
	if (err != 0)
		return err;
	err = check_header(ledger);
	if (err == 0)
		err = recover_all(ledger);
	if (err == 0)
		err = check_recover(ledger, clock_unix_s());
	if (err == 0)
		err = journal_room(ledger);
	if (err != 0) {
		store_abort(ledger->store);
		return err;
	}
	return store_commit(ledger->store);
}
