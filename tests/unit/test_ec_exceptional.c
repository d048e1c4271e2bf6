// SPDX-License-Identifier: Apache-2.0
/* Signatures made so that one chosen addition inside the engine meets a point and itself, or a point and its negative.
 *
 * Scalars and their digits come first, with nothing special about them.  What an addition adds up is then known as
 * a u1-part times G plus a u2-part times Q, and the two sides are equal, or opposite, for exactly one secret of Q's: that one is
 * taken.  So every addition that joins rows of Q and rows of G has a signature that breaks it, at every level of the tree
 * and in the chain after it.  Additions of Q's rows alone, or of G's, cannot be broken: their multiples have different
 * numbers of factors two.
 *
 * The digits are computed with the portable engine's modn.h, and are the lanes' too; if they were wrong, nothing would be
 * exceptional, and these tests would fail.  They know the order in which hot.c and portable.c add. */
#include "ec/generator.h"
#include "ec/portable.h"
#include "ec_run.h"

#define POSITIONS_MAX 33

/* digit[half][position] of a scalar. */
struct digits {
	int64_t digit[2][POSITIONS_MAX];
	unsigned window, positions;
};

static struct digits digits_of(const uint8_t scalar[32], unsigned window)
{
	struct digits out = {.window = window, .positions = modn_positions(window)};
	struct modn_halves halves;
	uint8_t two[32], half[32];
	struct modn half_u;

	modn_small(two, 2);
	modn_inverse(two, two);
	modn_multiply(half, scalar, two);
	half_u = modn_read(half);
	modn_split(&halves, &half_u, window);
	for (int h = 0; h < 2; h++)
		for (unsigned j = 0; j < out.positions; j++) {
			bool negative;
			int64_t digit = 2 * (int64_t)modn_row(&negative, halves.word[h], j, window) + 1;
			out.digit[h][j] = negative ? -digit : digit;
		}
	return out;
}

/* sum + digit 2^(window position). */
static void add_digit(uint8_t sum[32], int64_t digit, unsigned bits)
{
	uint8_t term[32], power[32];

	modn_small(term, (unsigned)(digit < 0 ? -digit : digit));
	modn_power_of_two(power, bits);
	modn_multiply(term, term, power);
	if (digit < 0)
		modn_negate(term, term);
	modn_add(sum, sum, term);
}

/* What rows add up to: q Q + g G. */
struct parts {
	uint8_t q[32], g[32];
};

struct lookup { /* of a hot verification, as hot.c lists it: rows of Q by u2, then rows of G by u1 */
	struct digits u2, u1;
};

static unsigned row_cnt(const struct lookup *lookup)
{
	return lookup->u2.positions + lookup->u1.positions;
}

/* Rows [first, end) of one half. */
static void add_rows(struct parts *sum, const struct lookup *lookup, int half, unsigned first, unsigned end)
{
	struct parts rows = {{0}, {0}};

	for (unsigned i = first; i < end && i < row_cnt(lookup); i++) {
		bool is_q = i < lookup->u2.positions;
		const struct digits *digits = is_q ? &lookup->u2 : &lookup->u1;
		unsigned position = is_q ? i : i - lookup->u2.positions;
		add_digit(is_q ? rows.q : rows.g, digits->digit[half][position], digits->window * position);
	}
	if (half == 1) {
		modn_multiply(rows.q, rows.q, ec_lambda);
		modn_multiply(rows.g, rows.g, ec_lambda);
	}
	modn_add(sum->q, sum->q, rows.q);
	modn_add(sum->g, sum->g, rows.g);
}

/* The secret d with left = right, or left = -right; false when no secret, or any, does it. */
static bool solve(uint8_t secret[32], const struct parts *left, const struct parts *right, bool opposite)
{
	struct parts turned = *right;
	uint8_t numerator[32], denominator[32];

	if (opposite) {
		modn_negate(turned.q, turned.q);
		modn_negate(turned.g, turned.g);
	}
	modn_negate(numerator, left->g);
	modn_add(numerator, numerator, turned.g);
	modn_negate(denominator, turned.q);
	modn_add(denominator, denominator, left->q);
	if (modn_zero(numerator) || modn_zero(denominator))
		return false;
	modn_inverse(denominator, denominator);
	modn_multiply(secret, numerator, denominator);
	return true;
}

/* An addition: what is on either side of it, in half-rows. */
struct addition {
	unsigned window, stride, first; /* rows [first, first + stride) of a half and the next as many */
	int half;
	bool in_chain; /* left is everything before instead, first half and then second */
	bool opposite;
};

static bool make_exceptional(struct ec_case *out, const struct addition *addition)
{
	unsigned middle = addition->first + (addition->in_chain ? 0 : addition->stride);
	struct parts left = {{0}, {0}}, right = {{0}, {0}};
	uint8_t u1[32], u2[32], secret[32], k[32], s_over_r[32], z_over_r[32];
	struct lookup lookup;

	random_scalar(u1);
	random_scalar(u2);
	lookup.u1 = digits_of(u1, GENERATOR_WINDOW);
	lookup.u2 = digits_of(u2, addition->window);
	if (middle >= row_cnt(&lookup))
		return false;
	if (addition->in_chain && addition->half == 1)
		add_rows(&left, &lookup, 0, 0, row_cnt(&lookup));
	add_rows(&left, &lookup, addition->half, addition->in_chain ? 0 : addition->first, middle);
	add_rows(&right, &lookup, addition->half, middle, middle + addition->stride);
	if (!solve(secret, &left, &right, addition->opposite))
		return false;
	modn_multiply(k, u2, secret);
	modn_add(k, k, u1);
	modn_inverse(s_over_r, u2);
	modn_multiply(z_over_r, u1, s_over_r);
	memset(out, 0, sizeof *out);
	if (!case_of(out, secret, k, s_over_r, z_over_r))
		return false;
	out->category = "crafted hot";
	modn_multiply(k, s_over_r, out->signature);
	return memcmp(k, out->signature + 32, 32) == 0; /* a high s was turned: other digits */
}

/* --- running them --- */

static struct ec_workspace *work;
static uint8_t *tables; /* of all items of a batch */

#define TABLE_STEP (17u * 128 * 64) /* window 8 */

/* Tables of all cases' keys: memory[i] at tables + i TABLE_STEP. */
static void build_tables(const struct ec_case *const cases[], size_t cnt, unsigned window)
{
	const uint8_t *keys[64] = {NULL};
	void *memory[64] = {NULL};

	for (size_t i = 0; i < cnt; i++) {
		keys[i] = cases[i]->key;
		memory[i] = tables + i * TABLE_STEP;
	}
	for (size_t i = 0; i < cnt; i += 8)
		ec_table_build(work, memory + i, keys + i, cnt - i < 8 ? cnt - i : 8, window);
}

/* The case at `place` among cnt good signatures of random keys: it must be undecided, the others good. */
static bool is_undecided(const struct ec_case *exceptional, unsigned window, size_t cnt, size_t place)
{
	static struct ec_case good[64];
	const struct ec_case *cases[64] = {NULL};
	struct ec_item items[64], *at[64] = {NULL};

	for (size_t i = 0; i < cnt; i++) {
		do
			random_bytes(good[i].digest, 32);
		while (!sign_case(&good[i], &ec_keys[random_below(EC_POOL) | 1],
				  &ec_nonces[random_below(EC_POOL) | 1]));
		cases[i] = i == place ? exceptional : &good[i];
		items[i] = item_of(cases[i]);
		items[i].table = tables + i * TABLE_STEP;
		items[i].window = (uint8_t)window;
		at[i] = &items[i];
	}
	build_tables(cases, cnt, window);
	ec_hot(work, at, cnt);
	for (size_t i = 0; i < cnt; i++)
		CHECK(i == place || items[i].verdict == EC_GOOD);
	CHECK(items[place].verdict == EC_UNDECIDED || items[place].verdict == EC_GOOD);
	return items[place].verdict == EC_UNDECIDED;
}

static void start(enum ec_engine engine)
{
	random_start("ec exceptional");
	ec_cases_start();
	work = ec_init(engine);
	tables = aligned_alloc(EC_TABLE_ALIGN, 64 * TABLE_STEP);
	CHECK_NEED(work != NULL && tables != NULL);
}

static void stop(void)
{
	free(tables);
	ec_fini(work);
}

/* How many additions of this level, in a batch of cnt, could be broken.  Each must have been noticed. */
static unsigned break_level(const struct addition *level, size_t cnt)
{
	unsigned broken = 0;

	for (unsigned first = 0; first < PORTABLE_ROWS_MAX;
	     first += level->in_chain ? level->stride : 2 * level->stride)
		for (int half = 0; half < 2; half++)
			for (int opposite = 0; opposite < 2; opposite++) {
				struct addition addition = *level;
				struct ec_case exceptional;
				bool made = false;
				addition.first = first;
				addition.half = half;
				addition.opposite = opposite;
				for (int tries = 0; tries < 12 && !made; tries++)
					made = make_exceptional(&exceptional, &addition);
				if (!made)
					continue;
				broken++;
				CHECK(is_undecided(&exceptional, level->window, cnt, random_below(cnt)));
			}
	return broken;
}

static unsigned break_strides(unsigned window, size_t cnt, unsigned last_stride)
{
	unsigned broken = 0;

	for (unsigned stride = 1; stride < last_stride; stride *= 2) {
		struct addition level = {.window = window, .stride = stride};
		unsigned of_level = break_level(&level, cnt);
		printf("window %u, %zu signatures, stride %u: %u additions broken\n", window, cnt, stride, of_level);
		broken += of_level;
	}
	return broken;
}

static unsigned break_chain(unsigned window, size_t cnt, unsigned last_stride)
{
	struct addition chain = {.window = window, .stride = last_stride, .in_chain = true};
	unsigned broken = break_level(&chain, cnt);

	printf("window %u, %zu signatures, chain of %u: %u additions broken\n", window, cnt, last_stride, broken);
	return broken;
}

/* How many can be made is a matter of the draw, and where there are few additions, sometimes too few at once. */
#define DRAWS_MAX 8

/* chain_min: of the chain's additions, how many there must be. */
static void break_levels(unsigned window, size_t cnt, unsigned last_stride, unsigned chain_min)
{
	unsigned of_tree = 0, of_chain = 0;

	for (int draw = 0; draw < DRAWS_MAX && of_tree < 4; draw++)
		of_tree += break_strides(window, cnt, last_stride);
	CHECK(of_tree >= 4);
	for (int draw = 0; draw < DRAWS_MAX && of_chain < chain_min; draw++)
		of_chain += break_chain(window, cnt, last_stride);
	CHECK(of_chain >= chain_min);
}

/* Sixty-four together: the tree goes to strides of 8, and what is left is added one after the other. */
TEST(every_addition_of_a_full_batch)
{
	if (!ec_supported())
		CHECK_SKIP("no AVX-512 IFMA");
	start(EC_LANES);
	break_levels(5, 64, 16, 4);
	break_levels(8, 64, 16, 4);
	stop();
}

TEST(every_addition_of_a_single_vector)
{
	if (!ec_supported())
		CHECK_SKIP("no AVX-512 IFMA");
	start(EC_LANES);
	break_levels(8, 8, 2, 4);
	stop();
}

/* The portable engine's tree: of half a batch it goes to strides of 32, and the chain is one addition; of one signature, to 2. */
TEST(every_addition_of_the_portable_tree)
{
	start(EC_PORTABLE);
	break_levels(5, PORTABLE_BATCH, 64, 1);
	break_levels(8, 2 * PORTABLE_BATCH, 32, 1);
	stop();
}

TEST(every_addition_of_a_few_portable_signatures)
{
	start(EC_PORTABLE);
	break_levels(5, 1, 4, 4);
	break_levels(8, 1, 2, 4);
	break_levels(5, 3, 8, 4);
	stop();
}

/* --- a recovery's last additions --- */

/* The ladder's sum before its last addition, or the one before that, is what is left of v R without the last digits; only of
 * a + lambda b with small a and b can that be the very row to be added.  Few of those have the digits for it, since their
 * halves are not a and b themselves but these and the same large numbers: one or two in all.  Earlier additions cannot meet
 * their like: no sum so short is a lattice vector. */
static bool breaks_ladder(const uint8_t v[32])
{
	struct digits digits = digits_of(v, 5);
	uint8_t first[32] = {0}, second[32] = {0}, candidate[32];

	add_digit(first, digits.digit[0][0], 0);
	add_digit(second, digits.digit[1][0], 0);
	modn_multiply(second, second, ec_lambda);
	if (memcmp(second, v, 32) == 0) /* the sum is -first before it is added */
		return true;
	modn_add(candidate, first, first);
	modn_add(candidate, candidate, second);
	if (memcmp(candidate, v, 32) == 0) /* it is first */
		return true;
	modn_add(candidate, second, second);
	return memcmp(candidate, v, 32) == 0; /* it is second */
}

static void make_small(uint8_t v[32], int64_t a, int64_t b)
{
	uint8_t term[32] = {0};

	memset(v, 0, 32);
	add_digit(v, a, 0);
	add_digit(term, b, 0);
	modn_multiply(term, term, ec_lambda);
	modn_add(v, v, term);
}

/* Q = v1 G + v2 R, among good ones: undecided, and nobody else is. */
static bool is_undecided_cold(const uint8_t v1[32], const uint8_t v2[32], size_t cnt, size_t place)
{
	struct ec_case cases[16] = {0};
	struct ec_item items[16], *at[16] = {NULL};
	uint8_t z_over_r[32], secret[32];
	const struct ec_nonce *nonce;
	bool turned;

	for (size_t i = 0; i < cnt; i++)
		do
			random_bytes(cases[i].digest, 32);
		while (!sign_case(&cases[i], &ec_keys[random_below(EC_POOL) | 1],
				  &ec_nonces[random_below(EC_POOL) | 1]));
	modn_negate(z_over_r, v1);
	do { /* a high s is turned, and the scalar with it */
		nonce = &ec_nonces[random_below(EC_POOL) | 1];
		modn_multiply(secret, v2, nonce->scalar);
		modn_add(secret, secret, v1);
		CHECK_NEED(case_of(&cases[place], secret, nonce->scalar, v2, z_over_r));
		modn_multiply(secret, v2, nonce->r);
		turned = memcmp(secret, cases[place].signature + 32, 32) != 0;
	} while (turned);
	for (size_t i = 0; i < cnt; i++) {
		items[i] = item_of(&cases[i]);
		at[i] = &items[i];
	}
	ec_cold(work, at, cnt);
	for (size_t i = 0; i < cnt; i++)
		CHECK(i == place || items[i].verdict == EC_GOOD);
	return items[place].verdict == EC_UNDECIDED;
}

TEST(last_additions_of_a_recovery)
{
	unsigned broken = 0;

	if (!ec_supported())
		CHECK_SKIP("no AVX-512 IFMA");
	start(EC_LANES);
	for (int64_t a = -62; a <= 62; a++)
		for (int64_t b = -62; b <= 62; b++) {
			uint8_t v1[32], v2[32];
			random_scalar(v1);
			make_small(v2, a, b);
			if (modn_zero(v2) || !breaks_ladder(v2))
				continue;
			for (size_t cnt = 1; cnt <= 16; cnt++)
				CHECK(is_undecided_cold(v1, v2, cnt, random_below(cnt)));
			printf("%d + lambda %d breaks the ladder\n", (int)a, (int)b);
			broken++;
		}
	CHECK(broken >= 1);
	stop();
}
/* The rows of G for a recovery end as first half + lambda second half.  Of all scalars (but zero) this is the one whose two
 * are equal: (first, -second) must be a vector of the lattice of (x, y) with x + lambda y = 0, and of the few of fitting
 * size only one is what the scalar twice its x is split into. */
TEST(the_scalar_that_breaks_the_comb_of_g)
{
	static const uint8_t v1[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
				       0xff, 0xff, 0xff, 0xff, 0xf9, 0x44, 0x5c, 0xac, 0x3e, 0x1c, 0xc2,
				       0x49, 0x8e, 0xee, 0x42, 0xb6, 0xfa, 0xec, 0x05, 0x7f, 0x63};
	uint8_t half[2][32] = {{0}}, v2[32];
	struct digits digits;

	if (!ec_supported())
		CHECK_SKIP("no AVX-512 IFMA");
	start(EC_LANES);
	digits = digits_of(v1, GENERATOR_WINDOW);
	for (int h = 0; h < 2; h++)
		for (unsigned j = 0; j < digits.positions; j++)
			add_digit(half[h], digits.digit[h][j], GENERATOR_WINDOW * j);
	modn_multiply(half[1], half[1], ec_lambda);
	CHECK_BYTES(half[0], half[1], 32);
	for (size_t cnt = 1; cnt <= 16; cnt++) {
		random_scalar(v2);
		CHECK(is_undecided_cold(v1, v2, cnt, random_below(cnt)));
	}
	stop();
}
CHECK_MAIN
