// SPDX-License-Identifier: Apache-2.0
/* Rounds as in multiples.h, every position in each: what is there, plus D, is as much again.  What is there is read from
 * the rows, so that a table of any width needs no more memory than its own. */
#include "ec/portable.h"

#include "base/assert.h"

#define POSITIONS_MAX 33

struct builder {
	struct portable_work *work;
	uint64_t *table;
	unsigned positions, window;
	struct point twice[2][POSITIONS_MAX]; /* D of even and of odd rounds: one is read while the other is written */
	size_t sum_cnt;			      /* waiting for their inversion */
	bool bad;			      /* stays false: no sum of different small multiples is exceptional */
};

static uint64_t *row_of(const struct builder *builder, unsigned position, size_t i)
{
	return builder->table + POINT_ROW_WORDS * (((size_t)position << (builder->window - 1)) + i);
}

static void flush(struct builder *builder)
{
	struct portable_work *work = builder->work;

	if (builder->sum_cnt == 0)
		return;
	point_sums(work->sums, builder->sum_cnt, work->steps);
	for (size_t i = 0; i < builder->sum_cnt; i++)
		if (work->row[i] != NULL)
			point_store(work->row[i], work->sums[i].out);
	builder->sum_cnt = 0;
}

/* Sums are worked on where they are listed: the left one is copied, and out is either the copy or a D. */
static void list_sum(struct builder *builder, const struct point *left, const struct point *right, struct point *out,
		     uint64_t *row)
{
	struct portable_work *work = builder->work;
	size_t i = builder->sum_cnt++;
	struct point *copy = &work->point[i];

	*copy = *left;
	work->row[i] = row;
	work->sums[i] = (struct point_sum){copy, right != NULL ? right : copy, out != NULL ? out : copy, &builder->bad};
	if (builder->sum_cnt == PORTABLE_SUMS)
		flush(builder);
}

/* 2^(window j) P for every position j: doublings, and one inversion for all. */
static void make_bases(struct builder *builder, const struct point *key)
{
	struct point_jacobian at[POSITIONS_MAX];
	struct point base[POSITIONS_MAX];
	bool none[POSITIONS_MAX];

	at[0] = (struct point_jacobian){key->x, key->y, FE_ONE};
	for (unsigned j = 1; j < builder->positions; j++) {
		at[j] = at[j - 1];
		for (unsigned i = 0; i < builder->window; i++)
			point_double(&at[j]);
	}
	point_to_affine(base, none, at, builder->positions, builder->work->steps);
	for (unsigned j = 0; j < builder->positions; j++)
		point_store(row_of(builder, j, 0), &base[j]);
}

static void make_round(struct builder *builder, unsigned round)
{
	struct point *from = builder->twice[(round - 1) % 2], *to = builder->twice[round % 2];
	size_t have = round > 1 ? (size_t)1 << (round - 2) : 0;

	for (unsigned j = 0; j < builder->positions; j++) {
		for (size_t i = 0; i < have; i++) {
			struct point left = point_load(row_of(builder, j, i), false);
			list_sum(builder, &left, &from[j], NULL, row_of(builder, j, have + i));
		}
		if (round < builder->window) {
			struct point base = point_load(row_of(builder, j, 0), false);
			list_sum(builder, round == 1 ? &base : &from[j], NULL, &to[j], NULL);
		}
	}
	flush(builder);
}

void portable_table(struct portable_work *work, void *memory, const uint8_t key[64], unsigned window)
{
	struct builder builder = {.work = work, .table = memory, .positions = modn_positions(window), .window = window};
	struct modn x = modn_read(key), y = modn_read(key + 32);
	struct point base = {fe_from_words(x.w), fe_from_words(y.w)};

	ASSERT(ec_window_valid(window) && (uintptr_t)memory % EC_TABLE_ALIGN == 0);
	make_bases(&builder, &base);
	for (unsigned round = 1; round <= window; round++)
		make_round(&builder, round);
}
