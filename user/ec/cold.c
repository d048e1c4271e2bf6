// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "ec/cold.h"

#include <string.h>

#include "ec/keccak8.h"

VECTOR_BEGIN

#define GENERATOR_X u256x8_set(0x2815b16f81798, 0xdb2dce28d959f, 0xe870b07029bfc, 0xbbac55a06295c, 0x79be667ef9dc)
#define GENERATOR_Y u256x8_set(0x7d08ffb10d4b8, 0x48a68554199c4, 0xe1108a8fd17b4, 0xc4655da4fbfc0, 0x483ada7726a3)

/* R of two vectors: y with y^2 = x^3 + 7 and the recovery id's parity.  A lane whose x is no point's is not well formed,
 * and goes on with the generator. */
static void decompress(struct cold_vector pair[2])
{
	struct u256x8 square[2], root[2];

	for (int k = 0; k < 2; k++) {
		const struct u256x8 *x = &pair[k].signature.x;
		struct columns cube = columns_mul(field_sqr(*x), *x);
		cube.c[0] += 7;
		square[k] = columns_reduce(cube);
	}
	field_sqrt_pair(root, square);
	for (int k = 0; k < 2; k++) {
		struct signature8 *signature = &pair[k].signature;
		struct u256x8 y = field_canonical(root[k]);
		mask8 on_curve = u256x8_equal(field_canonical(field_sqr(y)), field_canonical(square[k]));
		mask8 other = (mask8)~vector_zero(y.v[0] & 1) ^ signature->odd;
		y = u256x8_select(other, y, field_sub(U256X8_ZERO, y, 2));
		signature->formed &= on_curve;
		pair[k].odd[0].x = u256x8_select(signature->formed, GENERATOR_X, signature->x);
		pair[k].odd[0].y = u256x8_select(signature->formed, GENERATOR_Y, y);
	}
}

/* s / r for R, and -z / r for G as rows of its table. */
static void look_up(struct cold_vector *vector, struct u256x8 half_inverse)
{
	const struct signature8 *signature = &vector->signature;
	struct u256x8 u = scalar_canonical(scalar_mul(signature->z, half_inverse));
	struct halves scalar;

	vector->no_g = u256x8_zero(u);
	u = scalar_negate(u);
	scalar_split(&scalar, u, GENERATOR_WINDOW);
	vector->g.cnt = 0;
	lookups_add(&vector->g, vector_set((uint64_t)generator_table()), &scalar, GENERATOR_WINDOW);
	for (size_t i = 0; i < vector->g.cnt; i++)
		for (int half = 0; half < 2; half++)
			row_prefetch(vector->g.address[half][i]);
	scalar_split(&vector->scalar, scalar_mul(signature->s, half_inverse), COLD_WINDOW);
}

static void read_signatures(struct cold_work *work, struct ec_item *const items[], size_t cnt)
{
	size_t vector_cnt = (cnt + LANES - 1) / LANES;

	for (size_t i = 0; i < vector_cnt; i++) {
		struct cold_vector *vector = &work->vector[i];
		vector->items = items + i * LANES;
		vector->cnt = cnt - i * LANES < LANES ? cnt - i * LANES : LANES;
		vector->bad_r = vector->bad_g = 0;
		signature_read(&vector->signature, vector->items, vector->cnt);
		work->r[i] = vector->signature.r;
	}
	if (vector_cnt % 2 != 0) /* the last one's partner, for the square root alone */
		work->vector[vector_cnt].signature = work->vector[vector_cnt - 1].signature;
	for (size_t i = 0; i < vector_cnt; i += 2)
		decompress(&work->vector[i]);
	scalar_invert_half(work->half_inverse, work->r, vector_cnt);
	for (size_t i = 0; i < vector_cnt; i++)
		look_up(&work->vector[i], work->half_inverse[i]);
}

/* What a round (from 1) adds up of G's rows: 10 of each half, 5, 3, 2, 1; in the fifth the halves, the second one times
 * lambda. */
static size_t generator_round(struct sum *sums, struct cold_vector *vector, unsigned round)
{
	size_t stride = (size_t)1 << (round - 1), cnt = 0;

	for (int half = 0; half < 2 && round < 5; half++) {
		struct point8 *point = vector->g_point[half];
		for (size_t i = 0; i + stride < COLD_G_ROWS; i += 2 * stride)
			sums[cnt++] = (struct sum){&point[i], &point[i + stride], &point[i], &vector->bad_g};
	}
	if (round == 5) {
		struct point8 *first = vector->g_point[0], *second = vector->g_point[1];
		second->x = field_mul(second->x, FIELD_BETA);
		sums[cnt++] = (struct sum){first, second, first, &vector->bad_g};
	}
	return cnt;
}

/* R's odd multiples, and G's part in g_point[0][0]. */
static void make_tables(struct cold_work *work, size_t vector_cnt)
{
	for (size_t v = 0; v < vector_cnt; v++) {
		struct cold_vector *vector = &work->vector[v];
		vector->multiples.odd = vector->odd;
		for (int half = 0; half < 2; half++)
			for (size_t i = 0; i < COLD_G_ROWS; i++)
				vector->g_point[half][i] =
					row_load(vector->g.address[half][i], vector->g.negative[half][i]);
	}
	for (unsigned round = 1; round <= COLD_WINDOW; round++) {
		size_t cnt = 0;
		for (size_t v = 0; v < vector_cnt; v++) {
			struct cold_vector *vector = &work->vector[v];
			cnt += multiples_round(work->sums + cnt, &vector->multiples, round, round == COLD_WINDOW,
					       &vector->bad_r);
			cnt += generator_round(work->sums + cnt, vector, round);
		}
		affine_sums(work->sums, cnt, work->steps);
	}
}

static void write_rows(struct cold_rows *rows, const struct point8 odd[COLD_ROWS])
{
	for (int i = 0; i < COLD_ROWS; i++) {
		uint64_t address[LANES];
		for (int lane = 0; lane < LANES; lane++)
			address[lane] = (uint64_t)rows->row[i][lane];
		row_store(address, field_canonical(odd[i].x), field_canonical(odd[i].y));
	}
}

/* The row of each lane for this position of half the scalar; of the second half, lambda times it. */
static inline struct point8 digit_point(const struct cold_rows *rows, const struct halves *scalar, int half,
					unsigned position)
{
	const u64x8 lane_at = {0, 1, 2, 3, 4, 5, 6, 7};
	_Alignas(64) uint64_t address[LANES];
	mask8 negative;
	u64x8 row = scalar_row(&negative, scalar_group(scalar->word[half], position, COLD_WINDOW), COLD_WINDOW);
	struct point8 point;

	*(u64x8 *)address = (uint64_t)rows->row + (row * LANES + lane_at) * ROW_BYTES;
	point = row_load(address, negative);
	point.y = u256x8_carry(point.y);
	if (half == 1)
		point.x = field_mul(point.x, FIELD_BETA);
	return point;
}

/* The scalar times R, highest digits first. */
static void multiply(struct jacobian8 *out, const struct cold_rows *rows, const struct halves *scalar)
{
	struct point8 first = digit_point(rows, scalar, 0, COLD_POSITIONS - 1);
	struct point8 second = digit_point(rows, scalar, 1, COLD_POSITIONS - 1);
	struct jacobian8 sum;

	jacobian_add_affine(&sum, &first, &second);
	for (unsigned position = COLD_POSITIONS - 1; position-- > 0;) {
		for (int i = 0; i < COLD_WINDOW; i++)
			jacobian_double(&sum);
		for (int half = 0; half < 2; half++) {
			struct point8 point = digit_point(rows, scalar, half, position);
			jacobian_add(&sum, point.x, point.y);
		}
	}
	*out = sum;
}

/* R's part and G's together; where G's is infinity, R's alone. */
static void add_generator_part(struct jacobian8 *sum, const struct cold_vector *vector)
{
	struct jacobian8 both = *sum;

	jacobian_add(&both, vector->g_point[0][0].x, vector->g_point[0][0].y);
	sum->x = u256x8_select(vector->no_g, both.x, sum->x);
	sum->y = u256x8_select(vector->no_g, both.y, sum->y);
	sum->z = u256x8_select(vector->no_g, both.z, sum->z);
}

/* Keys as 64 bytes a lane, in words as they lie in memory, and their Keccak-256. */
static void hash_keys(u64x8 hash[4], u64x8 key[8], const struct point8 *point)
{
	u64x8 words[8], state[25] = {{0}};

	u256x8_to_words(words, field_canonical(point->x));
	u256x8_to_words(words + 4, field_canonical(point->y));
	for (int i = 0; i < 4; i++) {
		key[i] = state[i] = row_swap_bytes(words[3 - i]);
		key[4 + i] = state[4 + i] = row_swap_bytes(words[7 - i]);
	}
	state[8] = vector_set(0x01); /* the padding's two ends, at bytes 64 and 135 */
	state[16] = vector_set(UINT64_C(0x80) << 56);
	keccak8_finish(hash, state);
	vector_transpose(key);
}

static void give_verdicts(const struct cold_vector *vector, const struct point8 *sum, mask8 undecided)
{
	u64x8 hashes[4], key[8];

	hash_keys(hashes, key, sum);
	for (size_t i = 0; i < vector->cnt; i++) {
		struct ec_item *item = vector->items[i];
		uint64_t hash[4] = {hashes[0][i], hashes[1][i], hashes[2][i], hashes[3][i]};
		item->verdict = EC_BAD;
		if (!(vector->signature.formed >> i & 1))
			continue;
		if (undecided >> i & 1) {
			item->verdict = EC_UNDECIDED;
		} else if (memcmp((const uint8_t *)hash + 12, item->address, 20) == 0) {
			item->verdict = EC_GOOD;
			memcpy(item->key, &key[i], sizeof(item->key));
		}
	}
}

static void verify_vectors(struct cold_work *work, struct ec_item *const items[], size_t cnt)
{
	size_t vector_cnt = (cnt + LANES - 1) / LANES;
	struct jacobian8 total[COLD_VECTORS];
	struct point8 sum[COLD_VECTORS];
	mask8 infinite[COLD_VECTORS];

	read_signatures(work, items, cnt);
	make_tables(work, vector_cnt);
	for (size_t v = 0; v < vector_cnt; v++) {
		write_rows(&work->rows, work->vector[v].odd);
		multiply(&total[v], &work->rows, &work->vector[v].scalar);
		add_generator_part(&total[v], &work->vector[v]);
	}
	jacobian_to_affine(sum, infinite, total, vector_cnt);
	for (size_t v = 0; v < vector_cnt; v++) {
		const struct cold_vector *vector = &work->vector[v];
		give_verdicts(vector, &sum[v], infinite[v] | vector->bad_r | (vector->bad_g & (mask8)~vector->no_g));
	}
}

void cold_verify(struct cold_work *work, struct ec_item *const items[], size_t cnt)
{
	const size_t most = COLD_VECTORS * LANES;

	for (size_t at = 0; at < cnt; at += most)
		verify_vectors(work, items + at, cnt - at < most ? cnt - at : most);
}

VECTOR_END

#endif
