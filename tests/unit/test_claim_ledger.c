// SPDX-License-Identifier: Apache-2.0
/* test_claim_ledger.c: the ledger thread against a full disk and against kill -9 at any time. */
#define store_commit faulty_commit /* the ledger thread's */
#include "../../user/claim_ledger.c"
#undef store_commit

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "claim_fixture.h"

/* In a mount namespace of our own: it goes with the process, however that ends. */
static bool mount_small(const char *at)
{
	return mkdir(at, 0700) == 0 && unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tollbar-claim", at, "tmpfs", 0, "size=768k") == 0;
}

static bool store_comes_up(void)
{
	struct ledger_stats stats;

	for (int i = 0; i < 4000; i++) {
		ledger_stats(ledger, &stats);
		if (!stats.store_down)
			return true;
		usleep(1000);
	}
	return false;
}

TEST(claim_full_disk_releases_and_recovers)
{
	static struct sale sales[2000], late, shared;
	struct word due = word_of(700), none = word_of(0);
	struct settlement *settlement;
	char ballast[128];
	uint64_t number = 1;

	setup();
	if (!mount_small(directory)) {
		cleanup();
		CHECK_SKIP("needs root to mount a small tmpfs");
	}
	expect_errors();
	config.map_bytes_max = 2 << 20;
	start();
	/* one that is owed before the disk is full must get through afterwards */
	sale_init(&sales[0], METHOD_EIP3009, 0, 60);
	take_durably(&sales[0]);
	owe(&sales[0], 1000);
	settlement = must_ask();
	sale_init(&late, METHOD_UPTO, 2000, 60);
	take_durably(&late);
	sale_init(&shared, METHOD_UPTO, 2001, 60);
	take_durably(&shared);
	struct claim *drawn = shared.durable.claim;
	ledger_stop_asking(ledger);
	snprintf(ballast, sizeof ballast, "%s/ballast", directory);
	FILE *file = fopen(ballast, "w");
	CHECK_NEED(file != NULL);
	for (int i = 0; i < 400 && fputc('x', file) != EOF; i++)
		fseek(file, 1023, SEEK_CUR);
	fflush(file);
	int error = 0;
	for (; number < 2000 && error == 0; number++) {
		sale_init(&sales[number], METHOD_EIP3009, number, 60);
		enum reason refused = take_sale(&sales[number]);
		CHECK(refused == REASON_OK || refused == STORE_DOWN);
		if (refused != REASON_OK)
			break;
		if (number % 2 == 0) /* as when the upstream was faster than the disk */
			owe(&sales[number], 1000);
		else
			claim_forward(ledger, sales[number].durable.claim, &none, &sales[number].settled);
		struct mail *told[2] = {next_mail(&box, 5000), number % 2 == 0 ? NULL : next_mail(&box, 5000)};
		bool first = told[0] == &sales[number].durable.mail;
		CHECK(first || told[1] == &sales[number].durable.mail);
		CHECK(number % 2 == 0 || told[first] == &sales[number].settled.mail);
		CHECK(number % 2 == 0 || sales[number].settled.error == sales[number].durable.error);
		error = sales[number].durable.error;
		if (error != 0 && number % 2 == 0) {
			CHECK(mailed(&sales[number].settled));
			CHECK_EQ(sales[number].settled.error, error);
			CHECK_EQ(sales[number].settled.outcome, CLAIM_RELEASED);
		}
	}
	CHECK_NEED(number < 2000);
	/* Mostly it is a claim that finds no room; else the debt of one that did, which waits for some. */
	uint64_t kept = error != 0 ? number - 1 : number;
	struct sale *failed = &sales[kept];
	if (error != 0) {
		CHECK_EQ(error, -ENOSPC);
		CHECK(!claim_seen(ledger, &failed->permit.key));
		release(failed); /* harmless: it is released already */
	}
	CHECK_EQ(take_sale(failed), STORE_DOWN);
	answer(settlement, CLAIM_SETTLED, "");
	claim_owe(ledger, late.durable.claim, &due, NULL, &late.durable);
	claim_forward(ledger, drawn, &due, &shared.durable);
	claim_forward(ledger, drawn, &due, &shared.settled);
	CHECK(next_mail(&box, 30) == NULL); /* nobody told before it is on disk */
	fclose(file);
	CHECK_EQ(unlink(ballast), 0);
	CHECK(store_comes_up());
	struct mail *awaited[4] = {&sales[0].settled.mail, &late.durable.mail, &shared.durable.mail,
				   &shared.settled.mail};
	for (int i = 0; i < 4; i++) { /* in one commit or in more */
		struct mail *mail = next_mail(&box, 5000);
		int found = 0;
		while (found < 4 && awaited[found] != mail)
			found++;
		CHECK_NEED(mail != NULL && found < 4);
		awaited[found] = NULL;
	}
	CHECK(shared.durable.error == 0 && shared.settled.error == 0);
	CHECK_EQ(sales[0].settled.outcome, CLAIM_SETTLED);
	CHECK_EQ(late.durable.error, 0);
	take_durably(failed);
	restart();
	CHECK(seen[2000].state == CLAIM_OWED && seen[2000].amount_due == 700);
	CHECK(seen[2001].state == CLAIM_OWED && seen[2001].amount_due == 700);
	CHECK_EQ(seen[0].state, CLAIM_SETTLED);
	for (uint64_t i = 1; i < kept; i++)
		CHECK_EQ(seen[i].state, i % 2 == 0 ? CLAIM_OWED : CLAIM_SETTLED);
	stop();
	CHECK_EQ(umount(directory), 0);
	cleanup();
}

/* --- a commit that failed, and is on the disk --- */

int store_commit(struct store *store);
static _Atomic bool commits_fail, commits_wait;
static _Atomic unsigned commits;

int faulty_commit(struct store *store)
{
	bool fail = atomic_load(&commits_fail);
	int err = store_commit(store);

	atomic_fetch_add(&commits, 1);
	while (atomic_load(&commits_wait))
		usleep(100);
	return err == 0 && fail ? -EIO : err;
}

/* What the requests are told, and with it that nothing is charged, is true after the next start, too. */
TEST(claim_failed_commit_leaves_no_debt)
{
	struct sale first, owed, drawn;
	struct word due = word_of(700);

	setup();
	expect_errors();
	start();
	atomic_store(&commits, 0);
	atomic_store(&commits_wait, true);
	sale_init(&first, METHOD_EIP3009, 1, 60);
	CHECK_EQ(take_sale(&first), REASON_OK);
	for (int i = 0; i < 20000 && atomic_load(&commits) == 0; i++)
		usleep(100);
	CHECK_EQ(atomic_load(&commits), 1);
	/* Meanwhile their answers come, faster than the disk. */
	sale_init(&owed, METHOD_EIP3009, 2, 60);
	CHECK_EQ(take_sale(&owed), REASON_OK);
	owe(&owed, 1000);
	sale_init(&drawn, METHOD_UPTO, 3, 60);
	CHECK_EQ(take_sale(&drawn), REASON_OK);
	claim_forward(ledger, drawn.durable.claim, &due, &drawn.settled);
	atomic_store(&commits_fail, true);
	atomic_store(&commits_wait, false);
	CHECK(mailed(&first.durable) && first.durable.error == 0);
	CHECK(mailed(&owed.durable) && owed.durable.error == -EIO);
	CHECK(mailed(&owed.settled) && owed.settled.outcome == CLAIM_RELEASED);
	CHECK(mailed(&drawn.durable) && drawn.durable.error == -EIO);
	CHECK(mailed(&drawn.settled) && drawn.settled.error == -EIO);
	restart();
	CHECK(seen[2].records == 1 && seen[2].state == CLAIM_RELEASED);
	CHECK(seen[3].records == 1 && seen[3].state == CLAIM_SETTLED && seen[3].amount_due == 0);
	CHECK(next_asked(50) == NULL);
	atomic_store(&commits_fail, false);
	stop();
	cleanup();
}

/* --- kill -9 --- */

/* What the child says it was told, in order: numbers are kept over all rounds. */
struct event {
	char kind; /* D durable, R about to release, B debt durable, A asked, O outcome */
	uint8_t outcome;
	uint32_t number;
};

static int event_fd_out;

static void say(char kind, uint64_t number, enum claim_state outcome)
{
	struct event event = {kind, (uint8_t)outcome, (uint32_t)number};

	if (write(event_fd_out, &event, sizeof event) != sizeof event)
		_exit(2);
}

/* A facilitator that answers every way there is, by the number. */
static void crash_submit(void *ctx, struct settlement *settlement)
{
	static const enum claim_state outcomes[] = {CLAIM_SETTLED, CLAIM_REFUSED, CLAIM_UNKNOWN, CLAIM_SETTLED};
	uint64_t number = sale_number(&settlement->payment);

	say('A', number, 0);
	if (number % 5 == 4)
		return; /* never answers */
	answer(settlement, outcomes[number % 4], "word");
}

/* None is used twice: a waiter belongs to the ledger until it is mailed, and some never are. */
#define CRASH_GROUP 64
#define CRASH_SALES (CRASH_GROUP * 500)
static struct sale crash_sales[CRASH_SALES];

static uint64_t crash_due(uint64_t number)
{
	return number % 11 == 0 ? 0 : 10;
}

static void crash_durable(struct sale *sale, uint64_t number)
{
	struct word part = word_of(2), due = word_of(crash_due(number));

	say('D', number, 0);
	if (number % 7 == 0) {
		say('R', number, 0);
		release(sale);
		return;
	}
	if (sale->payment.method == METHOD_UPTO)
		claim_forward(ledger, sale->durable.claim, &part, NULL);
	if (number % 3 != 0)
		claim_owe(ledger, sale->durable.claim, &due, &sale->settled, &sale->durable);
}

/* Returns true for the first durable mail, of the claim; the second is of the debt. */
static bool crash_mail(struct mail *mail)
{
	size_t at = (size_t)((char *)mail - (char *)crash_sales);
	struct sale *sale = &crash_sales[at / sizeof *sale];
	uint64_t number = sale_number(&sale->payment);

	bool durable = mail == &sale->durable.mail, first = durable && sale->durable.claim != NULL;
	if (durable && sale->durable.error != 0)
		_exit(3);
	if (first)
		crash_durable(sale, number);
	else if (durable)
		say('B', number, 0);
	else
		say('O', number, sale->settled.outcome);
	return first;
}

static void crash_child(uint64_t number)
{
	config.submit = crash_submit;
	config.recovered = NULL;
	if (ledger_open(&ledger, &config) != 0)
		_exit(1);
	for (struct sale *sale = crash_sales; sale < crash_sales + CRASH_SALES;) {
		for (size_t i = 0; i < CRASH_GROUP; i++, sale++, number++) {
			sale_init(sale, number % 2 == 0 ? METHOD_UPTO : METHOD_EIP3009, number, 600);
			if (take_sale(sale) != REASON_OK)
				_exit(1);
		}
		struct mail *mail;
		for (size_t durable = 0; (mail = next_mail(&box, durable < CRASH_GROUP ? 5000 : 1)) != NULL;)
			durable += crash_mail(mail);
	}
	pause();
}

/* What was said, by number. */
static struct {
	bool durable, releasing, indebted, asked;
	uint8_t outcome;
} said[SEEN_MAX];

/* Returns one more than the largest number that may have been taken. */
static uint64_t note_said(const struct event *event, uint64_t number)
{
	if (event->number >= SEEN_MAX)
		return SEEN_MAX;
	said[event->number].durable |= event->kind == 'D';
	said[event->number].releasing |= event->kind == 'R';
	said[event->number].indebted |= event->kind == 'B';
	said[event->number].asked |= event->kind == 'A';
	if (event->kind == 'O')
		said[event->number].outcome = event->outcome;
	return event->number >= number ? event->number + 1 : number;
}

/* Kills the child after it has said so much and a little longer: a slow machine gets as far as a fast one. */
static uint64_t crash_round(uint64_t number, unsigned events, unsigned longer_us)
{
	struct event event;
	int fds[2], status;

	CHECK_EQ(pipe(fds), 0);
	fcntl(fds[0], F_SETPIPE_SZ, 1 << 20);
	pid_t child = fork();
	if (child == 0) {
		close(fds[0]);
		event_fd_out = fds[1];
		crash_child(number);
	}
	close(fds[1]);
	for (; events > 0 && read(fds[0], &event, sizeof event) == sizeof event; events--)
		number = note_said(&event, number);
	usleep(longer_us);
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status));
	while (read(fds[0], &event, sizeof event) == sizeof event)
		number = note_said(&event, number);
	close(fds[0]);
	return number + CRASH_GROUP; /* taken, but killed before it could be said */
}

static bool crash_state_right(uint64_t number)
{
	enum claim_state state = seen[number].state;

	if (seen[number].records > 1)
		return false;
	if (said[number].durable && seen[number].records != 1)
		return false;
	if (said[number].indebted && (seen[number].amount_due != crash_due(number) || state == CLAIM_RELEASED))
		return false;
	if (said[number].outcome == CLAIM_SETTLED || said[number].outcome == CLAIM_REFUSED)
		return state == said[number].outcome;
	if (said[number].asked)
		return state == CLAIM_UNKNOWN || state == CLAIM_SETTLED || state == CLAIM_REFUSED;
	if (number % 2 == 1) /* exact: nothing of it was served, unless it was owed */
		return state == 0 || state == CLAIM_RELEASED || state == CLAIM_OWED || state == CLAIM_UNKNOWN ||
		       state == CLAIM_SETTLED || state == CLAIM_REFUSED;
	/* upto: once durable it may have been served, so it is taken for good, unless it was given back */
	if (said[number].durable && !said[number].releasing)
		return state != CLAIM_RELEASED;
	return true;
}

/* Every claim in the table is taken, everything that may have been asked is asked in doubt, nothing final is asked. */
static void crash_check(uint64_t number, uint64_t number_max)
{
	struct sale sale;

	for (; number < number_max; number++) {
		sale_init(&sale, number % 2 == 0 ? METHOD_UPTO : METHOD_EIP3009, number, 600);
		bool taken = seen[number].state != 0 && seen[number].state != CLAIM_RELEASED;
		if (!crash_state_right(number) || claim_seen(ledger, &sale.permit.key) != taken) {
			printf("number %llu: on disk %u (%u records), said: durable %d releasing %d indebted %d "
			       "asked %d outcome %u\n",
			       (unsigned long long)number, seen[number].state, seen[number].records,
			       said[number].durable, said[number].releasing, said[number].indebted, said[number].asked,
			       said[number].outcome);
			check_failures++;
		}
	}
	/* nothing owed is lost: all of it is asked now, and gets to its end */
	for (struct settlement *settlement; ledger_unsettled(ledger) > 0;) {
		settlement = next_asked(2); /* the last answer takes a moment to be counted */
		if (settlement == NULL)
			continue;
		number = sale_number(&settlement->payment);
		CHECK(said[number].outcome != CLAIM_SETTLED && said[number].outcome != CLAIM_REFUSED);
		CHECK(!said[number].asked || settlement->in_doubt);
		said[number].outcome = CLAIM_SETTLED;
		answer(settlement, CLAIM_SETTLED, "");
	}
}

TEST(claim_survives_kill)
{
	unsigned seed = (unsigned)getpid();
	uint64_t number = 0, first = 0, rounds = 0, told = 0;

	printf("seed %u\n", seed);
	setup();
	config.claims_max = SEEN_MAX;
	config.settlements_max = 64;
	config.map_bytes_max = 256 << 20;
	for (; rounds < 100 && check_failures == 0; rounds++) {
		if (rounds % 20 == 0) { /* a new journal: a long one costs time and shows no more */
			remove_journal();
			first = number;
		}
		unsigned events = (unsigned)rand_r(&seed) % 150;
		number = crash_round(number, events, (unsigned)rand_r(&seed) % 3000);
		CHECK(number < SEEN_MAX);
		memset(seen, 0, sizeof seen);
		config.submit = collect;
		config.recovered = note_recovered;
		start();
		crash_check(first, number);
		stop();
	}
	for (uint64_t i = 0; i < number; i++)
		told += said[i].outcome != 0;
	printf("%llu rounds, %llu claims, %llu outcomes told\n", (unsigned long long)rounds, (unsigned long long)number,
	       (unsigned long long)told);
	CHECK(told > 100);
	cleanup();
}

CHECK_MAIN
