// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "ec/table.h"

#include "base/assert.h"
#include "ec/ec.h"
#include "ec/jacobian.h"

VECTOR_BEGIN

/* 2^(window j) P for every position j: doublings, and one inversion for all. */
static void make_bases(struct point8 base[], const struct point8 *key, unsigned window)
{
	struct jacobian8 at[TABLE_POSITIONS_MAX];
	unsigned positions = scalar_positions(window);
	mask8 none[TABLE_POSITIONS_MAX];

	at[0] = (struct jacobian8){key->x, key->y, U256X8_ONE};
	for (unsigned j = 1; j < positions; j++) {
		at[j] = at[j - 1];
		for (unsigned i = 0; i < window; i++)
			jacobian_double(&at[j]);
	}
	jacobian_to_affine(base, none, at, positions);
}

/* The odd multiples of position_cnt bases, 2^(rounds - 1) of each, into work->point, position by position. */
static void make_multiples(struct table_work *work, const struct point8 base[], size_t position_cnt, unsigned rounds)
{
	uint8_t none = 0;

	for (size_t j = 0; j < position_cnt; j++) {
		work->multiples[j].odd = work->point + (j << (rounds - 1));
		work->multiples[j].odd[0] = base[j];
	}
	for (unsigned round = 1; round <= rounds; round++) {
		size_t cnt = 0;
		for (size_t j = 0; j < position_cnt; j++)
			cnt += multiples_round(work->sums + cnt, &work->multiples[j], round, false, &none);
		affine_sums(work->sums, cnt, work->steps);
	}
}

/* The next as many multiples of one base: each is the one before plus D, of which the last round left enough. */
static void move_multiples(struct table_work *work, size_t cnt, unsigned rounds)
{
	uint8_t none = 0;

	for (size_t i = 0; i < cnt; i++)
		work->sums[i] =
			(struct sum){&work->point[i], &work->multiples[0].twice[rounds % 2], &work->point[i], &none};
	affine_sums(work->sums, cnt, work->steps);
}

static void store_points(const struct point8 *points, size_t cnt, uint64_t address[LANES])
{
	for (size_t i = 0; i < cnt; i++) {
		row_store(address, field_canonical(points[i].x), field_canonical(points[i].y));
		for (int lane = 0; lane < LANES; lane++)
			address[lane] += ROW_BYTES;
	}
}

void table_build(struct table_work *work, void *const memory[], const uint8_t *const keys[], size_t cnt,
		 unsigned window)
{
	unsigned positions = scalar_positions(window), rounds = window;
	size_t multiples = (size_t)1 << (window - 1), blocks = 1, group;
	const uint8_t *key_of[LANES];
	uint64_t address[LANES];
	struct point8 key;
	u64x8 words[8];

	ASSERT(cnt >= 1 && cnt <= LANES && ec_window_valid(window));
	for (size_t i = 0; i < LANES; i++) { /* a lane without a key writes the first one's table once more */
		key_of[i] = keys[i < cnt ? i : 0];
		address[i] = (uint64_t)memory[i < cnt ? i : 0];
		ASSERT(address[i] % EC_TABLE_ALIGN == 0);
	}
	while (multiples > TABLE_MULTIPLES_MAX)
		multiples /= 2, blocks *= 2, rounds--;
	group = TABLE_POINTS / multiples;
	row_load_bytes(words, key_of, 64);
	key.x = row_number(words);
	key.y = row_number(words + 4);
	make_bases(work->base, &key, window);
	for (unsigned j = 0; j < positions; j += (unsigned)group) {
		if (group > positions - j)
			group = positions - j;
		if (blocks > 1)
			group = 1;
		make_multiples(work, work->base + j, group, rounds);
		store_points(work->point, group * multiples, address);
		for (size_t block = 1; block < blocks; block++) {
			move_multiples(work, multiples, rounds);
			store_points(work->point, multiples, address);
		}
	}
}

void lookups_add(struct lookups *lookups, u64x8 tables, const struct halves *scalar, unsigned window)
{
	for (unsigned j = 0; j < scalar_positions(window); j++) {
		for (int half = 0; half < 2; half++) {
			u64x8 row = scalar_row(&lookups->negative[half][lookups->cnt],
					       scalar_group(scalar->word[half], j, window), window);
			*(u64x8 *)lookups->address[half][lookups->cnt] = tables + row * ROW_BYTES;
		}
		lookups->cnt++;
		tables += (uint64_t)ROW_BYTES << (window - 1);
	}
}

VECTOR_END

#endif
