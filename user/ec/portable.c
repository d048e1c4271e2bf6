// SPDX-License-Identifier: Apache-2.0
#include "ec/portable.h"

#include "base/assert.h"
#include "ec/generator.h"

/* A level of the tree costs an inversion, and saves two fifths of a Jacobian sum for each of its own: bench_ec's prices. */
#define LEVEL_SUMS_MIN 16

/* --- signatures to rows --- */

/* What can be said before any arithmetic: r in [1, n - 1], s in [1, n / 2], a recovery id, x below p. */
static bool read_item(struct portable_job *job, struct modn *s, struct ec_item *item)
{
	static const struct modn half_order_up = {
		{0xdfe92f46681b20a1, 0x5d576e7357a4501d, 0xffffffffffffffff, 0x7fffffffffffffff}};
	static const struct modn prime_less_order = {{0x402da1722fc9baee, 0x4551231950b75fc4, 1, 0}};
	unsigned __int128 sum = 0;

	job->r = modn_read(item->signature);
	*s = modn_read(item->signature + 32);
	if (modn_is_zero(&job->r) || !modn_below(&job->r, &modn_order) || modn_is_zero(s) ||
	    !modn_below(s, &half_order_up) || item->recovery_id > 3)
		return false;
	if (item->recovery_id >= 2 && !modn_below(&job->r, &prime_less_order))
		return false;
	job->x = job->r;
	for (int i = 0; i < 4 && item->recovery_id >= 2; i++) {
		sum = (sum >> 64) + job->r.w[i] + modn_order.w[i];
		job->x.w[i] = (uint64_t)sum;
	}
	job->z = modn_read(item->digest);
	job->item = item;
	job->bad = false;
	return true;
}

/* Appends the rows that make up this scalar times the table's point. */
static void list_rows(struct portable_job *job, const uint64_t *table, const struct modn *half_u, unsigned window)
{
	struct modn_halves scalar;

	modn_split(&scalar, half_u, window);
	for (unsigned j = 0; j < modn_positions(window); j++) {
		for (int half = 0; half < 2; half++) {
			struct portable_row *row = &job->row[half][job->row_cnt];
			row->at = table +
				  POINT_ROW_WORDS * (size_t)modn_row(&row->negative, scalar.word[half], j, window);
		}
		job->row_cnt++;
		table += (size_t)POINT_ROW_WORDS << (window - 1);
	}
}

/* u2 = r / s, u1 = z / s; the rows are on their way while the other signatures are looked up. */
static void look_up(struct portable_job *job, const struct modn *half_inverse)
{
	struct modn half_u = modn_mul(&job->r, half_inverse);

	job->row_cnt = 0;
	list_rows(job, job->item->table, &half_u, job->item->window);
	half_u = modn_mul(&job->z, half_inverse);
	list_rows(job, generator_table(), &half_u, GENERATOR_WINDOW);
	for (size_t i = 0; i < job->row_cnt; i++)
		for (int half = 0; half < 2; half++)
			__builtin_prefetch(job->row[half][i].at);
}

static void load_rows(struct portable_job *job)
{
	for (int half = 0; half < 2; half++)
		for (size_t i = 0; i < job->row_cnt; i++)
			job->point[half][i] = point_load(job->row[half][i].at, job->row[half][i].negative);
}

/* --- sums --- */

/* What a level with this stride would add: point[2 k stride] and point[(2 k + 1) stride]. */
static size_t list_level(struct portable_work *work, size_t job_cnt, size_t stride)
{
	size_t sum_cnt = 0;

	for (size_t k = 0; k < job_cnt; k++)
		for (int half = 0; half < 2; half++) {
			struct point *point = work->job[k].point[half];
			for (size_t i = 0; i + stride < work->job[k].row_cnt; i += 2 * stride)
				work->sums[sum_cnt++] =
					(struct point_sum){&point[i], &point[i + stride], &point[i], &work->job[k].bad};
		}
	return sum_cnt;
}

/* The points that are left, a stride apart, first half and lambda times second half, one after the other. */
static struct point_jacobian sum_rest(const struct portable_job *job, size_t stride)
{
	const struct fe beta = FE_BETA;
	struct point_jacobian sum = {job->point[0][0].x, job->point[0][0].y, FE_ONE};

	for (int half = 0; half < 2; half++)
		for (size_t i = half == 0 ? stride : 0; i < job->row_cnt; i += stride) {
			struct point point = job->point[half][i];
			if (half == 1)
				point.x = fe_mul(&point.x, &beta);
			point_add(&sum, &point);
		}
	return sum;
}

static enum ec_verdict judge(const struct portable_job *job, const struct point *sum)
{
	uint64_t x[4], y[4];

	fe_words(x, &sum->x);
	fe_words(y, &sum->y);
	for (int i = 0; i < 4; i++)
		if (x[i] != job->x.w[i])
			return EC_BAD;
	return (y[0] & 1) == (job->item->recovery_id & 1u) ? EC_GOOD : EC_BAD;
}

static void verify_jobs(struct portable_work *work, size_t job_cnt)
{
	struct point sum[PORTABLE_BATCH];
	bool infinite[PORTABLE_BATCH];
	size_t stride = 1, sum_cnt;

	modn_invert_half(work->half_inverse, work->s, job_cnt);
	for (size_t k = 0; k < job_cnt; k++)
		look_up(&work->job[k], &work->half_inverse[k]);
	for (size_t k = 0; k < job_cnt; k++)
		load_rows(&work->job[k]);
	while ((sum_cnt = list_level(work, job_cnt, stride)) >= LEVEL_SUMS_MIN) {
		point_sums(work->sums, sum_cnt, work->steps);
		stride *= 2;
	}
	for (size_t k = 0; k < job_cnt; k++)
		work->total[k] = sum_rest(&work->job[k], stride);
	point_to_affine(sum, infinite, work->total, job_cnt, work->steps);
	for (size_t k = 0; k < job_cnt; k++) {
		struct portable_job *job = &work->job[k];
		job->item->verdict = (uint8_t)(job->bad || infinite[k] ? EC_UNDECIDED : judge(job, &sum[k]));
	}
}

void portable_hot(struct portable_work *work, struct ec_item *const items[], size_t cnt)
{
	size_t job_cnt = 0;

	for (size_t i = 0; i < cnt; i++) {
		ASSERT(ec_window_valid(items[i]->window) && items[i]->table != NULL);
		items[i]->verdict = EC_BAD;
		job_cnt += read_item(&work->job[job_cnt], &work->s[job_cnt], items[i]);
		if (job_cnt == PORTABLE_BATCH) {
			verify_jobs(work, job_cnt);
			job_cnt = 0;
		}
	}
	if (job_cnt > 0)
		verify_jobs(work, job_cnt);
}
