// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "ec/hot.h"

#include "base/assert.h"

VECTOR_BEGIN

/* A level of the tree costs an inversion (1.3 us), and saves a third of a Jacobian sum (0.06 us) for each of its own. */
#define LEVEL_SUMS_MIN 20

/* How many rows ahead of its use a row is asked for once more, from the second-level cache to the first. */
#define NEAR 4

/* u1 = z / s and u2 = r / s, as rows of the generator's table and of the signers'. */
static void look_up(struct hot_vector *vector, struct u256x8 half_inverse)
{
	const struct signature8 *signature = &vector->signature;
	struct halves scalar;
	u64x8 tables = {0};

	for (size_t i = 0; i < LANES; i++)
		tables[i] = (uint64_t)vector->items[i < vector->cnt ? i : 0]->table;
	vector->lookups.cnt = 0;
	scalar_split(&scalar, scalar_mul(signature->r, half_inverse), vector->window);
	lookups_add(&vector->lookups, tables, &scalar, vector->window);
	scalar_split(&scalar, scalar_mul(signature->z, half_inverse), GENERATOR_WINDOW);
	lookups_add(&vector->lookups, vector_set((uint64_t)generator_table()), &scalar, GENERATOR_WINDOW);
}

static void prefetch_rows(const struct hot_vector *vector, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		for (int half = 0; half < 2; half++)
			row_prefetch(vector->lookups.address[half][i]);
}

void hot_read(struct hot_work *work, size_t vector_cnt)
{
	for (size_t i = 0; i < vector_cnt; i++) {
		struct hot_vector *vector = &work->vector[i];
		signature_read(&vector->signature, vector->items, vector->cnt);
		work->s[i] = vector->signature.s;
		vector->bad = 0;
	}
	scalar_invert_half(work->half_inverse, work->s, vector_cnt);
	for (size_t i = 0; i < vector_cnt; i++) {
		look_up(&work->vector[i], work->half_inverse[i]);
		if (i == 0) /* on their way while the other vectors are looked up */
			prefetch_rows(&work->vector[0], 0, work->vector[0].lookups.cnt);
	}
}

static inline void load_row(struct hot_vector *vector, int half, size_t i)
{
	vector->point[half][i] = row_load(vector->lookups.address[half][i], vector->lookups.negative[half][i]);
}

/* The first level: rows come in beside the products of their denominators, while the next vector's are on their way. */
static void sum_rows(struct hot_work *work, size_t vector_cnt)
{
	struct affine_round round;

	affine_start(&round, work->steps);
	for (size_t v = 0; v < vector_cnt; v++) {
		struct hot_vector *vector = &work->vector[v];
		const struct hot_vector *next = v + 1 < vector_cnt ? vector + 1 : NULL;
		size_t cnt = vector->lookups.cnt;
		for (int half = 0; half < 2; half++) {
			struct point8 *point = vector->point[half];
			for (size_t i = 0; i + 1 < cnt; i += 2) {
				if (i + NEAR + 1 < cnt) {
					row_prefetch_near(vector->lookups.address[half][i + NEAR]);
					row_prefetch_near(vector->lookups.address[half][i + NEAR + 1]);
				}
				load_row(vector, half, i);
				load_row(vector, half, i + 1);
				work->sums[round.cnt] = (struct sum){&point[i], &point[i + 1], &point[i], &vector->bad};
				affine_push(&round, affine_denominator(&point[i], &point[i + 1]));
				if (next != NULL && i + 1 < next->lookups.cnt && half == 0)
					prefetch_rows(next, i, i + 2);
			}
			if (cnt % 2 != 0)
				load_row(vector, half, cnt - 1);
		}
	}
	affine_finish(&round, work->sums);
}

/* What a level with this stride would add: point[2 k stride] and point[(2 k + 1) stride]. */
static size_t list_level(struct hot_work *work, size_t vector_cnt, size_t stride)
{
	size_t sum_cnt = 0;

	for (size_t v = 0; v < vector_cnt; v++)
		for (int half = 0; half < 2; half++) {
			struct point8 *point = work->vector[v].point[half];
			for (size_t i = 0; i + stride < work->vector[v].lookups.cnt; i += 2 * stride)
				work->sums[sum_cnt++] =
					(struct sum){&point[i], &point[i + stride], &point[i], &work->vector[v].bad};
		}
	return sum_cnt;
}

/* The points that are left, a stride apart, first half and lambda times second half, one after the other. */
static void sum_rest(struct jacobian8 *out, struct hot_vector *vector, size_t stride)
{
	struct point8 *rest[2 * LOOKUP_ROWS_MAX];
	size_t cnt = 0;

	for (int half = 0; half < 2; half++)
		for (size_t i = 0; i < vector->lookups.cnt; i += stride) {
			struct point8 *point = &vector->point[half][i];
			if (half == 1)
				point->x = field_mul(point->x, FIELD_BETA);
			point->y = u256x8_carry(point->y); /* a row that was in no sum is loose */
			rest[cnt++] = point;
		}
	ASSERT(cnt >= 2);
	jacobian_add_affine(out, rest[0], rest[1]);
	for (size_t i = 2; i < cnt; i++)
		jacobian_add(out, rest[i]->x, rest[i]->y);
}

void hot_judge(const struct hot_vector *vector, const struct point8 *sum, mask8 undecided)
{
	const struct signature8 *signature = &vector->signature;
	mask8 odd = (mask8)~vector_zero(field_canonical(sum->y).v[0] & 1);
	mask8 good = u256x8_equal(field_canonical(sum->x), signature->x) & (mask8) ~(odd ^ signature->odd);

	for (size_t i = 0; i < vector->cnt; i++) {
		enum ec_verdict verdict = EC_BAD;
		if (signature->formed >> i & 1)
			verdict = undecided >> i & 1 ? EC_UNDECIDED : good >> i & 1 ? EC_GOOD : EC_BAD;
		vector->items[i]->verdict = (uint8_t)verdict;
	}
}

static void verify_vectors(struct hot_work *work, size_t vector_cnt)
{
	struct point8 sum[HOT_VECTORS];
	mask8 infinite[HOT_VECTORS];
	size_t stride = 2, sum_cnt;

	if (vector_cnt == 1 && work->vector[0].cnt <= HOT_FEW_MAX) {
		hot_verify_few(work);
		return;
	}
	hot_read(work, vector_cnt);
	sum_rows(work, vector_cnt);
	while ((sum_cnt = list_level(work, vector_cnt, stride)) >= LEVEL_SUMS_MIN) {
		affine_sums(work->sums, sum_cnt, work->steps);
		stride *= 2;
	}
	for (size_t v = 0; v < vector_cnt; v++)
		sum_rest(&work->total[v], &work->vector[v], stride);
	jacobian_to_affine(sum, infinite, work->total, vector_cnt);
	for (size_t v = 0; v < vector_cnt; v++)
		hot_judge(&work->vector[v], &sum[v], work->vector[v].bad | infinite[v]);
}

/* Vectors of one window each, filled in the items' order; every HOT_VECTORS of them are verified together. */
void hot_verify(struct hot_work *work, struct ec_item *const items[], size_t cnt)
{
	size_t vector_cnt = 0, seen = 0;

	for (unsigned window = 0; seen < cnt; window++) {
		struct hot_vector *vector = NULL;
		ASSERT(window <= GENERATOR_WINDOW);
		for (size_t i = 0; i < cnt; i++) {
			if (items[i]->window != window)
				continue;
			ASSERT(ec_window_valid(window) && items[i]->table != NULL);
			seen++;
			if (vector == NULL || vector->cnt == LANES) {
				if (vector_cnt == HOT_VECTORS) {
					verify_vectors(work, vector_cnt);
					vector_cnt = 0;
				}
				vector = &work->vector[vector_cnt++];
				vector->cnt = 0;
				vector->window = window;
			}
			vector->items[vector->cnt++] = items[i];
		}
	}
	if (vector_cnt > 0)
		verify_vectors(work, vector_cnt);
}

VECTOR_END

#endif
