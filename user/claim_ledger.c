// SPDX-License-Identifier: Apache-2.0
/* claim_ledger.c: the ledger thread.  It writes what has changed in one transaction, commits, and acts on it; while one
 * commit runs the next batch gathers.  It waits for nobody: no timer delays a commit to fill it.
 *
 * When a commit fails the claims that were new in it are released and their requests told; changes to claims that are
 * on disk already are kept and tried again, with a growing pause, and no new claim is taken until the store works. */
#include "claim_ledger.h"

#include <errno.h>
#include <poll.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/u256.h"
#include "sys/sandbox.h"

#define STORE_DELAY_MS_MIN 50
#define STORE_DELAY_MS_MAX 2000
#define CLOSE_FAILURES_MAX 3
#define IDLE_MS 1000 /* trimming is looked at this often when nothing else happens */

void ledger_mail(struct claim_wait *wait, int error, enum claim_state outcome, const struct settlement *settlement)
{
	wait->error = error;
	wait->outcome = outcome;
	wait->has_transaction = settlement != NULL && settlement->has_transaction;
	wait->word[0] = 0;
	memset(&wait->transaction, 0, sizeof wait->transaction);
	if (settlement != NULL) {
		wait->transaction = settlement->transaction;
		memcpy(wait->word, settlement->word, sizeof wait->word);
	}
	mailbox_push(wait->box, &wait->mail);
}

void ledger_mail_all(struct claim_wait *list, int error, enum claim_state outcome)
{
	while (list != NULL) {
		struct claim_wait *wait = list;
		list = list->next; /* once mailed it is its owner's */
		ledger_mail(wait, error, outcome, NULL);
	}
}

void ledger_work(struct ledger *ledger, struct claim *claim)
{
	table_lock(&ledger->table, claim->hash);
	bool queued = claim->queued;
	claim->queued = true;
	table_unlock(&ledger->table, claim->hash);
	if (queued)
		return; /* a request mailed it meanwhile: it arrives by that */
	claim->mail.next = NULL;
	*ledger->work_last = &claim->mail;
	ledger->work_last = &claim->mail.next;
}

static struct claim *work_pop(struct ledger *ledger)
{
	struct mail *mail = ledger->work;

	ledger->work = mail->next;
	if (ledger->work == NULL)
		ledger->work_last = &ledger->work;
	else
		table_expect_work(&ledger->table, claim_of_mail(ledger->work));
	return claim_of_mail(mail);
}

void ledger_free(struct ledger *ledger, struct claim *claim)
{
	table_lock(&ledger->table, claim->hash);
	table_unlink(&ledger->table, claim);
	claim_set_state(ledger, claim, 0);
	table_unlock(&ledger->table, claim->hash);
	table_unstage(&ledger->table, claim);
	table_free(&ledger->table, claim);
}

/* Of an asset that no offer has any more nothing is held, either. */
void ledger_ended(struct ledger *ledger, struct claim *claim, const struct word *amount, enum claim_state end)
{
	static const struct word zero;
	bool permit2 = memcmp(&claim->key.token, zero.at, sizeof claim->key.token) == 0;

	if (claim->ended || ledger->config.ended == NULL || claim->asset == EXPOSURE_NONE ||
	    u256_compare(amount->at, zero.at) == 0)
		return;
	claim->ended = true;
	struct claim_debt debt = {.chain_id = claim->key.chain_id,
				  .asset = *exposure_address(ledger->exposure, claim->asset),
				  .payer = claim->key.from,
				  .permit2 = permit2,
				  .amount = *amount,
				  .end = end};
	ledger->config.ended(ledger->config.ended_ctx, &debt);
}

/* A new claim that could not be written.  The entry stays a while, unlinked: its request may call for it until it has
 * read the mail that says it is gone. */
static void fail_fresh(struct ledger *ledger, struct claim *claim, int error)
{
	ask_give(ledger, claim);
	table_lock(&ledger->table, claim->hash);
	struct claim_wait *durable = claim->durable, *settled = claim->settled, *drawn = claim->drawn;
	bool owed = claim_unsettled(claim->state);
	claim->durable = claim->settled = claim->drawn = NULL;
	claim->error = error;
	claim_set_state(ledger, claim, CLAIM_RELEASED);
	table_unlink(&ledger->table, claim);
	table_unlock(&ledger->table, claim->hash);
	table_unstage(&ledger->table, claim);
	count(&ledger->counts.released);
	if (owed)
		ledger_ended(ledger, claim, &claim->amount_due, CLAIM_RELEASED);
	ask_keep(ledger, claim, clock_unix_s());
	ledger_mail(durable, error, CLAIM_RELEASED, NULL);
	if (settled != NULL)
		ledger_mail(settled, error, CLAIM_RELEASED, NULL);
	ledger_mail_all(drawn, error, CLAIM_RELEASED);
}

static bool is_fresh(const struct claim *claim)
{
	return claim->staged != CLAIM_NONE;
}

/* Takes the claim off the work list, and who waits for what it is now; false: it failed and is of no interest any more. */
static bool take_snapshot(struct ledger *ledger, struct claim *claim, struct batch_item *item, struct word *amount_due)
{
	table_lock(&ledger->table, claim->hash);
	claim->queued = false;
	*item = (struct batch_item){.claim = claim,
				    .state = (enum claim_state)claim->state,
				    .fresh = is_fresh(claim),
				    .drawn = claim->drawn};
	claim->drawn = NULL;
	*amount_due = claim->amount_due;
	int error = claim->error;
	table_unlock(&ledger->table, claim->hash);
	return error == 0;
}

/* Nothing came of the commit: who waited waits on. */
static void put_back(struct ledger *ledger, const struct batch_item *item)
{
	struct claim_wait *last = item->drawn;

	if (last == NULL)
		return;
	while (last->next != NULL)
		last = last->next;
	table_lock(&ledger->table, item->claim->hash);
	last->next = item->claim->drawn;
	item->claim->drawn = item->drawn;
	table_unlock(&ledger->table, item->claim->hash);
}

/* Released before it was ever written: there is nothing to remember. */
static void drop_fresh(struct ledger *ledger, const struct batch_item *item)
{
	struct claim_wait *durable = item->claim->durable;

	count(&ledger->counts.released);
	ledger_free(ledger, item->claim);
	ledger_mail(durable, 0, CLAIM_RELEASED, NULL);
	ledger_mail_all(item->drawn, 0, CLAIM_RELEASED);
}

/* Its record cannot be read back, so nothing can be written or asked with it.  The key stays taken while the payment could
 * be presented again. */
static void lose(struct ledger *ledger, struct claim *claim)
{
	log_error("event=claim_record_bad claim=%llu state=%u", (unsigned long long)claim->id, claim->state);
	count(&ledger->counts.corrupt);
	ask_give(ledger, claim);
	claim_set_state(ledger, claim, CLAIM_EXPIRED);
	ledger_ended(ledger, claim, &claim->amount_due, CLAIM_EXPIRED);
	if (claim->settled != NULL)
		ledger_mail(claim->settled, -EBADMSG, CLAIM_UNKNOWN, NULL);
	if (claim->durable != NULL)
		ledger_mail(claim->durable, -EBADMSG, CLAIM_UNKNOWN, NULL);
	claim->settled = claim->durable = NULL;
	ask_keep(ledger, claim, clock_unix_s());
}

static bool costs(enum claim_state state, const struct word *amount_due)
{
	static const struct word zero;

	return (state == CLAIM_OWED || state == CLAIM_FORWARDED) && u256_compare(amount_due->at, zero.at) != 0;
}

/* Writes one claim into the running transaction.  Its first record is never that of a debt: a commit that fails may be
 * on the disk after all, its request is told that nothing is charged, and what a start finds owed is settled. */
static int write_one(struct ledger *ledger, struct claim *claim, uint64_t now_s)
{
	struct batch_item *item = &ledger->batch[ledger->batch_cnt];
	struct word amount_due;
	struct record record;

	if (!take_snapshot(ledger, claim, item, &amount_due))
		return 0;
	if (item->fresh && item->state == CLAIM_RELEASED) {
		drop_fresh(ledger, item);
		return 0;
	}
	if (claim->checks > 0 && claim->slot != NULL)
		return check_submit(ledger, claim);
	if (item->fresh && costs(item->state, &amount_due)) {
		put_back(ledger, item);
		*item = (struct batch_item){.claim = claim, .state = CLAIM_TAKEN, .fresh = true, .more = true};
		memset(&amount_due, 0, sizeof amount_due);
	} else if (item->state == CLAIM_OWED && claim->slot == NULL && ask_begin(ledger, claim)) {
		item->state = CLAIM_SETTLING;
	}
	ledger->batch_cnt++;
	int err = journal_write(ledger, claim, &record, item->state, &amount_due, now_s);
	if (err == -EBADMSG) {
		ledger_mail_all(item->drawn, -EBADMSG, CLAIM_UNKNOWN);
		item->drawn = NULL;
	}
	if (err == -EBADMSG && !item->fresh && (item->state == CLAIM_FORWARDED || item->state == CLAIM_RELEASED)) {
		/* Its request still knows it, or nothing is due: it is lost when something is. */
		log_error("event=claim_record_bad claim=%llu state=%u", (unsigned long long)claim->id, item->state);
		return 0;
	}
	if (err == -EBADMSG) {
		ledger->batch_cnt--;
		lose(ledger, claim);
		return 0;
	}
	if (err == 0 && item->state == CLAIM_SETTLING)
		ask_fill(ledger, claim, &record);
	return err;
}

/* Its state is on disk: who waits for that is told. */
static void tell_durable(struct ledger *ledger, const struct batch_item *item)
{
	struct claim *claim = item->claim;
	bool open = item->state == CLAIM_TAKEN || item->state == CLAIM_FORWARDED;

	/* Of an open claim that has a record its request may be naming a wait right now: for the next commit. */
	if (open && !item->fresh)
		return;
	struct claim_wait *durable = claim->durable;
	claim->durable = NULL;
	if (item->fresh)
		table_unstage(&ledger->table, claim);
	if (durable != NULL)
		ledger_mail(durable, 0, item->state, NULL);
}

/* Its state is on disk: act on it. */
static void act(struct ledger *ledger, const struct batch_item *item)
{
	struct claim *claim = item->claim;

	ledger_mail_all(item->drawn, 0, item->state);
	tell_durable(ledger, item);
	switch (item->state) {
	case CLAIM_TAKEN:
		if (item->more)
			ledger_work(ledger, claim);
		break;
	case CLAIM_FORWARDED:
		break;
	case CLAIM_RELEASED:
		count(&ledger->counts.released);
		ledger_free(ledger, claim);
		break;
	case CLAIM_OWED:
		ask_wait(ledger, claim);
		break;
	case CLAIM_SETTLING:
		ask_submit(ledger, claim);
		break;
	case CLAIM_SETTLED:
	case CLAIM_REFUSED:
	case CLAIM_UNKNOWN:
	case CLAIM_EXPIRED:
		ask_done(ledger, claim, item->state);
		break;
	}
}

static void succeed(struct ledger *ledger, bool written)
{
	if (written) {
		count(&ledger->counts.commits);
		atomic_fetch_add(&ledger->counts.records, ledger->batch_cnt);
		if (atomic_exchange(&ledger->store_down, false))
			log_warn("event=store_up");
		ledger->store_delay_ms = 0;
		ledger->close_failures = 0;
		if (ledger->batch_max < BATCH_MAX)
			ledger->batch_max *= 2;
	}
	for (size_t i = 0; i < ledger->batch_cnt; i++)
		act(ledger, &ledger->batch[i]);
}

/* New claims on the work list would only wait for the next failure. */
static void fail_waiting(struct ledger *ledger, int error)
{
	struct mail *mail = ledger->work;

	ledger->work = NULL;
	ledger->work_last = &ledger->work;
	while (mail != NULL) {
		struct claim *claim = claim_of_mail(mail);
		struct batch_item item;
		struct word amount_due;
		mail = mail->next;
		if (!take_snapshot(ledger, claim, &item, &amount_due))
			continue;
		put_back(ledger, &item);
		if (is_fresh(claim))
			fail_fresh(ledger, claim, error);
		else
			ledger_work(ledger, claim);
	}
}

static void fail(struct ledger *ledger, int error)
{
	count(&ledger->counts.commit_errors);
	if (!atomic_exchange(&ledger->store_down, true))
		log_error("event=store_down error=%d records=%zu", -error, ledger->batch_cnt);
	ledger->store_error = error;
	for (size_t i = 0; i < ledger->batch_cnt; i++) {
		put_back(ledger, &ledger->batch[i]);
		if (ledger->batch[i].fresh)
			fail_fresh(ledger, ledger->batch[i].claim, error);
		else
			ledger_work(ledger, ledger->batch[i].claim);
	}
	fail_waiting(ledger, error);
	/* What does not fit at once may fit in pieces: pages a small change frees are room for the next. */
	if (ledger->batch_max > 1)
		ledger->batch_max /= 2;
	ledger->store_delay_ms = ledger->store_delay_ms == 0 ? STORE_DELAY_MS_MIN : ledger->store_delay_ms * 2;
	if (ledger->store_delay_ms > STORE_DELAY_MS_MAX)
		ledger->store_delay_ms = STORE_DELAY_MS_MAX;
	ledger->store_retry_ns = clock_ns() + UINT64_C(1000000) * ledger->store_delay_ms;
	ledger->close_failures++;
}

/* Everything between begin and commit.  *written: there is something to commit. */
static int fill_transaction(struct ledger *ledger, struct trimmed *trimmed, bool *written)
{
	uint64_t now_s = clock_unix_s();
	int err = 0;

	while (err == 0 && ledger->work != NULL && ledger->batch_cnt < ledger->batch_max)
		err = write_one(ledger, work_pop(ledger), now_s);
	if (err == 0 && now_s >= ledger->trim_due_s)
		err = journal_trim(ledger, now_s, trimmed);
	bool probe = atomic_load(&ledger->store_down) && ledger->batch_cnt == 0 && trimmed->records == 0;
	if (err == 0 && probe)
		err = journal_probe(ledger);
	if (err == 0)
		err = journal_room(ledger);
	*written = ledger->batch_cnt > 0 || trimmed->records > 0 || probe;
	return err;
}

/* One transaction, if there is anything to do. */
static void cycle(struct ledger *ledger)
{
	bool down = atomic_load(&ledger->store_down), written = false;
	struct trimmed trimmed = {0};

	ask_assign(ledger);
	if (ledger->work == NULL && !down && clock_unix_s() < ledger->trim_due_s)
		return;
	if (down && clock_ns() < ledger->store_retry_ns)
		return;
	ledger->batch_cnt = 0;
	int err = store_begin(ledger->store);
	if (err == 0) {
		err = fill_transaction(ledger, &trimmed, &written);
		mailbox_wake();
		if (err != 0 || !written)
			store_abort(ledger->store);
		else
			err = store_commit(ledger->store);
	}
	if (err != 0) {
		fail(ledger, err);
		return;
	}
	atomic_fetch_sub(&ledger->counts.unknown_expired, trimmed.expired);
	succeed(ledger, written);
}

static void take_mail(struct ledger *ledger)
{
	bool down = atomic_load(&ledger->store_down);

	mailbox_clear(&ledger->changed);
	mailbox_clear(&ledger->outcomes);
	struct mail *mail = mailbox_take(&ledger->changed);
	if (mail != NULL) {
		*ledger->work_last = mail;
		while (mail->next != NULL)
			mail = mail->next;
		ledger->work_last = &mail->next;
		if (down)
			fail_waiting(ledger, ledger->store_error);
	}
	for (mail = mailbox_take(&ledger->outcomes); mail != NULL;) {
		struct slot *slot = (struct slot *)mail; /* first member's first member */
		mail = mail->next;
		ask_answered(ledger, slot);
	}
}

static int wait_ms(struct ledger *ledger)
{
	uint64_t now_ns = clock_ns(), ms = ledger->wheel.cnt > 0 ? ask_tick_ms() : IDLE_MS;

	if (atomic_load(&ledger->store_down)) {
		uint64_t pause_ms =
			ledger->store_retry_ns > now_ns ? (ledger->store_retry_ns - now_ns) / 1000000 + 1 : 0;
		return (int)(pause_ms < ms ? pause_ms : ms);
	}
	return ledger->work != NULL || ledger->trim_more || ask_ready(ledger) ? 0 : (int)ms;
}

/* While closing: everything is on disk, or will not be. */
static bool finished(const struct ledger *ledger)
{
	if (ledger->work == NULL)
		return true;
	if (ledger->close_failures < CLOSE_FAILURES_MAX)
		return false;
	log_error("event=ledger_close error=%d unsaved=yes", -ledger->store_error);
	return true;
}

void *ledger_main(void *arg)
{
	struct ledger *ledger = arg;
	bool closing = false;

	sandbox_enter_thread(SANDBOX_FILES);
	mailbox_hold(true);
	for (;;) {
		take_mail(ledger);
		ask_timers(ledger);
		cycle(ledger);
		mailbox_wake();
		if (closing && finished(ledger))
			return NULL;
		if (!closing && atomic_load(&ledger->closing)) {
			/* What was sent before is in the mailboxes now: one more round finds it. */
			closing = true;
			ledger->close_failures = 0;
			ledger->store_retry_ns = 0;
			continue;
		}
		struct pollfd fds[2] = {{.fd = ledger->changed.event_fd, .events = POLLIN},
					{.fd = ledger->outcomes.event_fd, .events = POLLIN}};
		poll(fds, 2, wait_ms(ledger));
	}
}
