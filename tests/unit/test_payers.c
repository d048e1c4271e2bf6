// SPDX-License-Identifier: Apache-2.0
#include "payers.c"
#include "payers_list.c"

#include "base/hex.h"
#include "check.h"
#include "random.h"

#define A "0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025"
#define B "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
#define NOON 1700049600u /* 2023-11-15 12:00:00 UTC */

static struct address address_of(const char *text)
{
	struct address address;

	CHECK(addrtext_decode(address.at, span_str(text)) == NULL);
	return address;
}

/* The n-th of many payers. */
static struct address address_nth(uint64_t n)
{
	struct address address = {.at = {1}};

	memcpy(&address.at[12], &n, sizeof n);
	return address;
}

static struct word word_of(unsigned __int128 number)
{
	struct word word;

	u256_from_u128(word.at, number);
	return word;
}

static struct payers *payers_with(const char *text)
{
	struct payers *payers = payers_init(100);

	CHECK(payers != NULL);
	CHECK_EQ(payers_parse(payers, "f", text, strlen(text), stdout), 0);
	return payers;
}

static enum reason enter(struct payers *payers, const struct address *payer, unsigned __int128 amount, uint64_t now_s,
			 unsigned *retry)
{
	struct word word = word_of(amount);

	return payers_enter(payers, payer, &word, now_s, retry);
}

static void leave(struct payers *payers, const struct address *payer, unsigned __int128 amount, unsigned __int128 spent,
		  uint64_t now_s)
{
	struct word amount_word = word_of(amount), spent_word = word_of(spent);

	payers_leave(payers, payer, &amount_word, &spent_word, now_s);
}

TEST(modes)
{
	static const struct {
		const char *text;
		enum reason listed, denied, unknown;
	} rows[] = {
		{"[list]\nmode = allow\n[" A "]\n[" B "]\ndeny = yes\n", REASON_OK, PAYER_DENIED, PAYER_DENIED},
		{"[list]\nmode = deny\n[" A "]\n[" B "]\ndeny = yes\n", REASON_OK, PAYER_DENIED, REASON_OK},
		{"[list]\nmode = off\n[" A "]\n[" B "]\ndeny = yes\n", REASON_OK, REASON_OK, REASON_OK},
	};
	struct address a = address_of(A), b = address_of(B), c = address_nth(1);

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct payers *payers = payers_with(rows[i].text);
		CHECK_ROW(payers_may(payers, &a, SPAN("m")) == rows[i].listed, rows[i].text);
		CHECK_ROW(payers_may(payers, &b, SPAN("m")) == rows[i].denied, rows[i].text);
		CHECK_ROW(payers_may(payers, &c, SPAN("m")) == rows[i].unknown, rows[i].text);
		CHECK_ROW(payers_listed(payers, &a) == rows[i].listed, rows[i].text);
		CHECK_ROW(payers_listed(payers, &b) == rows[i].denied, rows[i].text);
		CHECK_ROW(payers_listed(payers, &c) == rows[i].unknown, rows[i].text);
		CHECK_EQ(payers_load(payers, NULL, stdout), 0);
		CHECK(payers_may(payers, &b, SPAN("")) == REASON_OK);
		payers_fini(payers);
	}
}

TEST(models)
{
	struct payers *payers =
		payers_with("[list]\nmode = off\n[" A "]\nmodels = llama-3 ,  org/qwen:2\n[" B "]\n[default]\n"
			    "models = small\n[0x0000000000000000000000000000000000000001]\nmodels = *\n");
	struct address a = address_of(A), b = address_of(B), all = {.at = {[19] = 1}}, unknown = address_nth(1);

	CHECK(payers_may(payers, &a, SPAN("llama-3")) == REASON_OK);
	CHECK(payers_may(payers, &a, SPAN("org/qwen:2")) == REASON_OK);
	CHECK(payers_may(payers, &a, SPAN("llama-33")) == MODEL_DENIED);
	CHECK(payers_may(payers, &a, SPAN("llama")) == MODEL_DENIED);
	CHECK(payers_may(payers, &a, SPAN("LLAMA-3")) == MODEL_DENIED);
	CHECK(payers_may(payers, &a, SPAN("small")) == MODEL_DENIED);
	CHECK(payers_may(payers, &a, SPAN("")) == MODEL_DENIED);
	CHECK(payers_listed(payers, &a) == REASON_OK); /* which model is not the question yet */
	CHECK(payers_may(payers, &b, SPAN("small")) == REASON_OK);
	CHECK(payers_may(payers, &b, SPAN("llama-3")) == MODEL_DENIED);
	CHECK(payers_may(payers, &all, SPAN("")) == REASON_OK);
	CHECK(payers_may(payers, &all, SPAN("anything")) == REASON_OK);
	CHECK(payers_may(payers, &unknown, SPAN("small")) == REASON_OK);
	CHECK(payers_may(payers, &unknown, SPAN("")) == MODEL_DENIED);
	payers_fini(payers);
}

TEST(requests_per_minute)
{
	struct payers *payers = payers_with("[list]\nmode = off\n[default]\nrequests_per_minute = 3\n");
	struct address a = address_of(A), b = address_of(B);
	unsigned retry;

	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(enter(payers, &a, 1, NOON, &retry), REASON_OK);
		leave(payers, &a, 1, 0, NOON);
	}
	CHECK_EQ(enter(payers, &a, 1, NOON, &retry), PAYER_RATE);
	CHECK_EQ(retry, 20);
	CHECK_EQ(enter(payers, &a, 1, NOON + 7, &retry), PAYER_RATE);
	CHECK_EQ(retry, 13);
	CHECK_EQ(enter(payers, &a, 1, NOON + 19, &retry), PAYER_RATE);
	CHECK_EQ(retry, 1);
	/* another payer has a bucket of its own; a clock that steps back gives nothing */
	CHECK_EQ(enter(payers, &b, 1, NOON, &retry), REASON_OK);
	CHECK_EQ(enter(payers, &a, 1, NOON - 1000, &retry), PAYER_RATE);
	CHECK_EQ(enter(payers, &a, 1, NOON + 20, &retry), REASON_OK);
	CHECK_EQ(enter(payers, &a, 1, NOON + 20, &retry), PAYER_RATE);
	CHECK_EQ(retry, 20);
	/* a minute later it is empty again, and holds three, not four */
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(enter(payers, &a, 1, NOON + 80, &retry), REASON_OK);
	CHECK_EQ(enter(payers, &a, 1, NOON + 80, &retry), PAYER_RATE);
	payers_fini(payers);
}

/* Waiting as long as Retry-After says is enough, and one second less is not. */
TEST(retry_after_is_exact)
{
	for (unsigned rate = 1; rate <= 200; rate += 7) {
		char text[100];
		struct address a = address_of(A);
		unsigned retry, early;
		snprintf(text, sizeof text, "[list]\nmode = off\n[default]\nrequests_per_minute = %u\n", rate);
		struct payers *payers = payers_with(text);
		for (unsigned i = 0; i < rate; i++)
			CHECK_EQ(enter(payers, &a, 1, NOON, &retry), REASON_OK);
		CHECK_EQ(enter(payers, &a, 1, NOON, &retry), PAYER_RATE);
		CHECK(retry >= 1 && retry <= 60);
		if (retry > 1)
			CHECK_EQ(enter(payers, &a, 1, NOON + retry - 1, &early), PAYER_RATE);
		CHECK_EQ(enter(payers, &a, 1, NOON + retry, &retry), REASON_OK);
		payers_fini(payers);
	}
}

TEST(in_flight)
{
	struct payers *payers = payers_with("[list]\nmode = off\n[default]\nin_flight = 2\nrequests_per_minute = 3\n");
	struct address a = address_of(A);
	unsigned retry;

	CHECK_EQ(enter(payers, &a, 1, NOON, &retry), REASON_OK);
	CHECK_EQ(enter(payers, &a, 1, NOON, &retry), REASON_OK);
	/* refused ones pour nothing into the bucket */
	for (unsigned i = 0; i < 5; i++)
		CHECK_EQ(enter(payers, &a, 1, NOON, &retry), PAYER_BUSY);
	CHECK_EQ(retry, 1);
	leave(payers, &a, 1, 0, NOON);
	CHECK_EQ(enter(payers, &a, 1, NOON, &retry), REASON_OK);
	leave(payers, &a, 1, 0, NOON);
	CHECK_EQ(enter(payers, &a, 1, NOON, &retry), PAYER_RATE);
	payers_fini(payers);
}

TEST(spend_per_day)
{
	struct payers *payers = payers_with("[list]\nmode = off\n[default]\nspend_per_day = 100\n");
	struct address a = address_of(A);
	const uint64_t midnight = NOON + 43200;
	unsigned retry;

	CHECK_EQ(enter(payers, &a, 101, NOON, &retry), PAYER_SPEND);
	CHECK_EQ(enter(payers, &a, 60, NOON, &retry), REASON_OK);
	CHECK_EQ(enter(payers, &a, 41, NOON, &retry), PAYER_SPEND);
	CHECK_EQ(retry, 1); /* only held, it may come back */
	CHECK_EQ(enter(payers, &a, 40, NOON, &retry), REASON_OK);
	CHECK_EQ(enter(payers, &a, 1, NOON, &retry), PAYER_SPEND);
	leave(payers, &a, 60, 10, NOON);
	leave(payers, &a, 40, 40, NOON);
	CHECK_EQ(enter(payers, &a, 50, NOON, &retry), REASON_OK);
	leave(payers, &a, 50, 50, NOON);
	CHECK_EQ(enter(payers, &a, 1, NOON + 1, &retry), PAYER_SPEND);
	CHECK_EQ(retry, 43199);
	CHECK_EQ(enter(payers, &a, 1, midnight - 1, &retry), PAYER_SPEND);
	CHECK_EQ(retry, 1);
	/* over midnight: what is held stays held, what it cost counts for the new day */
	CHECK_EQ(enter(payers, &a, 100, midnight, &retry), REASON_OK);
	leave(payers, &a, 100, 30, midnight + 86400);
	CHECK_EQ(enter(payers, &a, 71, midnight + 86400, &retry), PAYER_SPEND);
	CHECK_EQ(retry, 86400);
	CHECK_EQ(enter(payers, &a, 70, midnight + 86400, &retry), REASON_OK);
	CHECK_EQ(enter(payers, &a, 100, midnight + 2 * 86400, &retry), PAYER_SPEND);
	leave(payers, &a, 70, 0, midnight + 2 * 86400);
	CHECK_EQ(enter(payers, &a, 100, midnight + 2 * 86400, &retry), REASON_OK);
	payers_fini(payers);
}

TEST(numbers_of_any_size)
{
	struct payers *payers =
		payers_with("[list]\nmode = off\n[" A "]\nspend_per_day = 79228162514264337593543950334\n");
	struct address a = address_of(A), b = address_of(B);
	struct word most, zero = word_of(0);
	unsigned retry;

	memset(&most, 0xff, sizeof most);
	CHECK_EQ(payers_enter(payers, &a, &most, NOON, &retry), PAYER_SPEND);
	CHECK_EQ(enter(payers, &a, SPEND_MAX, NOON, &retry), PAYER_SPEND);
	CHECK_EQ(enter(payers, &a, SPEND_MAX - 1, NOON, &retry), REASON_OK);
	CHECK_EQ(enter(payers, &a, 1, NOON, &retry), PAYER_SPEND);
	leave(payers, &a, SPEND_MAX - 1, SPEND_MAX - 1, NOON);
	CHECK_EQ(enter(payers, &a, 1, NOON, &retry), PAYER_SPEND);
	/* without a limit nothing overflows however much it is */
	for (unsigned i = 0; i < 1000; i++)
		CHECK_EQ(payers_enter(payers, &b, &most, NOON, &retry), REASON_OK);
	for (unsigned i = 0; i < 1000; i++)
		payers_leave(payers, &b, &most, i % 2 != 0 ? &most : &zero, NOON);
	payers_fini(payers);
}

TEST(recovered_spend)
{
	struct payers *payers = payers_with("[list]\nmode = off\n[default]\nspend_per_day = 100\n");
	struct address a = address_of(A);
	struct word sixty = word_of(60);
	unsigned retry;

	payers_recover_spend(payers, &a, &sixty, NOON - 86400, NOON); /* yesterday's */
	payers_recover_spend(payers, &a, &sixty, NOON - 3600, NOON);
	CHECK_EQ(enter(payers, &a, 41, NOON, &retry), PAYER_SPEND);
	CHECK_EQ(retry, 43200);
	CHECK_EQ(enter(payers, &a, 40, NOON, &retry), REASON_OK);
	payers_fini(payers);
}

TEST(table_full_and_places_given_up)
{
	struct payers *payers = payers_init(4);
	struct address payer[6];
	unsigned retry;

	for (unsigned i = 0; i < 6; i++)
		payer[i] = address_nth(i);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(enter(payers, &payer[i], 1, NOON, &retry), REASON_OK);
	CHECK_EQ(enter(payers, &payer[4], 1, NOON, &retry), MEMORY_FULL);
	CHECK_EQ(retry, 1);
	leave(payers, &payer[0], 1, 0, NOON); /* nothing spent: free after a minute */
	leave(payers, &payer[1], 1, 1, NOON); /* spent: not before tomorrow */
	CHECK_EQ(enter(payers, &payer[4], 1, NOON + 59, &retry), MEMORY_FULL);
	CHECK_EQ(enter(payers, &payer[4], 1, NOON + 60, &retry), REASON_OK);
	CHECK_EQ(enter(payers, &payer[5], 1, NOON + 43199, &retry), MEMORY_FULL);
	CHECK_EQ(enter(payers, &payer[5], 1, NOON + 43200, &retry), REASON_OK);
	CHECK_EQ(enter(payers, &payer[0], 1, NOON + 10 * 86400, &retry), MEMORY_FULL); /* four in flight */
	/* those who stayed are still found */
	leave(payers, &payer[2], 1, 0, NOON + 10 * 86400);
	leave(payers, &payer[3], 1, 0, NOON + 10 * 86400);
	leave(payers, &payer[4], 1, 0, NOON + 10 * 86400);
	leave(payers, &payer[5], 1, 0, NOON + 10 * 86400);
	payers_fini(payers);
}

/* Many payers come and go; a plain array keeps the same count and must agree all the time. */
TEST(table_against_a_plain_model)
{
	enum { PAYERS = 600, ROOM = 400 };
	static unsigned flying[PAYERS];
	static const char three[] = "[list]\nmode = off\n[default]\nin_flight = 3\n";
	struct payers *payers = payers_init(ROOM);
	uint64_t now_s = NOON;

	random_start("table_against_a_plain_model");
	memset(flying, 0, sizeof flying);
	CHECK_EQ(payers_parse(payers, "f", three, strlen(three), stdout), 0);
	for (unsigned round = 0; round < 60000; round++) {
		size_t i = random_below(PAYERS);
		struct address payer = address_nth(i);
		unsigned retry;
		now_s += random_below(4) == 0;
		if (flying[i] > 0 && random_below(2) == 0) {
			leave(payers, &payer, 7, 0, now_s);
			flying[i]--;
			continue;
		}
		enum reason reason = enter(payers, &payer, 7, now_s, &retry);
		CHECK(reason == (flying[i] == 3 ? PAYER_BUSY : REASON_OK) || (reason == MEMORY_FULL && flying[i] == 0));
		flying[i] += reason == REASON_OK;
	}
	for (size_t i = 0; i < PAYERS; i++) {
		struct address payer = address_nth(i);
		for (; flying[i] > 0; flying[i]--)
			leave(payers, &payer, 7, 0, now_s);
	}
	sweep(payers, now_s + 60);
	CHECK_EQ(payers->usage_cnt, 0);
	payers_fini(payers);
}

TEST(priority)
{
	struct payers *payers = payers_with("[list]\nmode = off\n[" A "]\npriority = low\n[" B "]\nin_flight = 1\n");
	const struct address a = address_of(A), b = address_of(B);

	CHECK_EQ(payers_priority(payers, &a), PRIORITY_LOW);
	CHECK_EQ(payers_priority(payers, &b), PRIORITY_UNSAID);
	payers_fini(payers);
	payers = payers_with("[list]\nmode = off\n[default]\npriority = normal\n[" A "]\npriority = high\n[" B
			     "]\nin_flight = 1\n");
	CHECK_EQ(payers_priority(payers, &a), PRIORITY_HIGH);
	CHECK_EQ(payers_priority(payers, &b), PRIORITY_NORMAL);
	payers_fini(payers);
}

TEST(mistakes)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"", "f:0: [list]: mode is missing: allow, deny or off\n"},
		{"\n[list]\n", "f:2: [list]: mode is missing: allow, deny or off\n"},
		{"[list]\nmode = off\n[default]\npriority = highest\n",
		 "f:4: priority = highest: must be high or normal or low\n"},
		{"[list]\nmode = maybe\n", "f:2: mode = maybe: must be allow or deny or off\n"},
		{"[list]\nmode = off\nmode = deny\n", "f:3: mode again in the same section\n"},
		{"[list]\nmode = off\n[list]\n", "f:3: [list] again; it began at line 1\n"},
		{"[list]\nmode = off\ndeny = yes\n", "f:3: unknown setting deny in this section\n"},
		{"[list]\nmode = off\n[default]\ndeny = yes\n", "f:4: unknown setting deny in this section\n"},
		{"[list]\nmode = off\n[" A "]\n[0x17c5185167401ed00cf5f5b2fc97d9bbfdb7d025]\nin_flight = x\n",
		 "f:4: [0x17c5185167401ed00cf5f5b2fc97d9bbfdb7d025] again\n"
		 "f:5: in_flight = x: must be a number from 0 to 1000000000; 0 is no limit\n"},
		{"[list]\nmode = off\n[0x17C5185167401eD00cF5F5b2fc97D9BBfDb7D025]\n",
		 "f:3: [0x17C5185167401eD00cF5F5b2fc97D9BBfDb7D025]: neither [list] nor [default] nor a payer; a payer "
		 "wrong EIP-55 "
		 "checksum: mistyped?\n"},
		{"[list]\nmode = off\n[alice]\nrequests_per_minute = 5\n",
		 "f:3: [alice]: neither [list] nor [default] nor a payer; a payer must be an address: 0x and 40 "
		 "hexadecimal digits\n"},
		{"[list]\nmode = off\n[default]\nrequests_per_minute = -1\nin_flight = 1000000001\nspend_per_day = "
		 "1.5\nmodels =\n",
		 "f:4: requests_per_minute = -1: must be a number from 0 to 1000000000; 0 is no limit\n"
		 "f:5: in_flight = 1000000001: must be a number from 0 to 1000000000; 0 is no limit\n"
		 "f:6: spend_per_day = 1.5: must be a whole number of atomic units below 2^96; 0 is no limit\n"
		 "f:7: models: must be * or names shorter than 64 bytes between commas\n"},
		{"[list]\nmode = off\n[default]\nmodels = a,,b\n[" A "]\nmodels = *, a\ndeny = perhaps\n",
		 "f:4: models: must be * or names shorter than 64 bytes between commas\n"
		 "f:6: models: must be * or names shorter than 64 bytes between commas\nf:7: deny = perhaps: must be "
		 "no or yes\n"},
		{"[list]\nmode = off\n[default]\nmodels = 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17\n",
		 "f:4: models: at most 16 names\n"},
		{"[list]\nmode = off\n[default]\nspend_per_day = 79228162514264337593543950335\nrate = 1\n",
		 "f:4: spend_per_day = 79228162514264337593543950335: must be a whole number of atomic units below "
		 "2^96; 0 is no "
		 "limit\nf:5: unknown setting rate in this section\n"},
	};
	struct payers *payers = payers_with("[list]\nmode = allow\n[" A "]\n");
	struct address a = address_of(A), b = address_of(B);

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *text;
		size_t bytes;
		FILE *out = open_memstream(&text, &bytes);
		CHECK_ROW(payers_parse(payers, "f", rows[i].text, strlen(rows[i].text), out) > 0, rows[i].text);
		fclose(out);
		if (strcmp(text, rows[i].want) != 0)
			printf("got:\n%s", text);
		CHECK_ROW(strcmp(text, rows[i].want) == 0, rows[i].want);
		free(text);
		/* the list in force stays */
		CHECK(payers_may(payers, &a, SPAN("")) == REASON_OK &&
		      payers_may(payers, &b, SPAN("")) == PAYER_DENIED);
	}
	CHECK_EQ(payers_load(payers, "/nonexistent/payers.conf", NULL), -ENOENT);
	payers_fini(payers);
}

TEST(many_entries)
{
	struct payers *payers = payers_init(1);
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	fputs("[list]\nmode = allow\n", out);
	for (uint64_t i = 0; i < 5000; i++) {
		char hex[HEX_BYTES(20)];
		struct address payer = address_nth(2 * i);
		fprintf(out, "[%s]\nmodels = m%u\n", hex_encode(hex, payer.at, 20), (unsigned)i);
	}
	fclose(out);
	CHECK_EQ(payers_parse(payers, "f", text, bytes, stdout), 0);
	for (uint64_t i = 0; i < 5000; i++) {
		char model[16];
		struct address in = address_nth(2 * i), not_in = address_nth(2 * i + 1);
		snprintf(model, sizeof model, "m%u", (unsigned)i);
		CHECK(payers_may(payers, &in, span_str(model)) == REASON_OK);
		CHECK(payers_may(payers, &not_in, span_str(model)) == PAYER_DENIED);
	}
	free(text);
	payers_fini(payers);
}

TEST(example_file)
{
	struct payers *payers = payers_init(1);
	int result = payers_load(payers, "payers.example.conf", stdout);

	payers_fini(payers);
	if (result == -ENOENT)
		CHECK_SKIP("run from the top of the tree");
	CHECK_EQ(result, 0);
}

/* --- threads --- */

static struct payers *shared;
static atomic_uint entered, inside, inside_max;
static atomic_bool stop;

static void *contend(void *arg)
{
	struct address payer = address_nth(7);

	for (unsigned i = 0; i < 20000; i++) {
		unsigned retry;
		if (enter(shared, &payer, 10, NOON, &retry) != REASON_OK)
			continue;
		unsigned now = atomic_fetch_add(&inside, 1) + 1, most = atomic_load(&inside_max);
		while (now > most && !atomic_compare_exchange_weak(&inside_max, &most, now))
			;
		atomic_fetch_add(&entered, 1);
		atomic_fetch_sub(&inside, 1);
		leave(shared, &payer, 10, i % 2 != 0 ? 10 : 0, NOON);
	}
	return arg;
}

static void *reload(void *arg)
{
	static const char *const texts[] = {
		"[list]\nmode = off\n[default]\nin_flight = 2\nspend_per_day = 500000\n",
		"[list]\nmode = deny\n[" A
		"]\ndeny = yes\n[default]\nin_flight = 2\nspend_per_day = 500000\nmodels = a, b\n",
	};

	for (unsigned i = 0; !atomic_load(&stop); i++)
		CHECK_EQ(payers_parse(shared, "f", texts[i % 2], strlen(texts[i % 2]), NULL), 0);
	return arg;
}

TEST(threads_share_one_payer_while_the_list_changes)
{
	pthread_t threads[4], reloader;

	shared = payers_with("[list]\nmode = off\n[default]\nin_flight = 2\nspend_per_day = 500000\n");
	entered = inside = inside_max = 0;
	stop = false;
	pthread_create(&reloader, NULL, reload, NULL);
	for (unsigned i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, contend, NULL);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	stop = true;
	pthread_join(reloader, NULL);
	CHECK(entered > 1000);
	CHECK(inside_max <= 2);
	struct shard *shard;
	struct address payer = address_nth(7);
	struct usage *usage = usage_lock(shared, &payer, NOON, &shard);
	CHECK_EQ(usage->in_flight, 0);
	CHECK(usage->reserved == 0 && usage->spent % 10 == 0 && usage->spent > 0 && usage->spent <= 500000);
	pthread_mutex_unlock(&shard->lock);
	payers_fini(shared);
}

CHECK_MAIN
