// SPDX-License-Identifier: Apache-2.0
#include "lists_payers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lists_parts.h"

struct tollbar_payer lists_payer(const struct address *address)
{
	struct tollbar_payer payer = {0};

	memcpy(&payer.high, address->at, 8);
	memcpy(&payer.middle, address->at + 8, 8);
	memcpy(&payer.low, address->at + 16, 4);
	return payer;
}

/* The hashes of all payers but zero, and which payer each is of. */
struct work {
	uint64_t *hashes;
	uint32_t *payers;
	size_t cnt;
};

static int work_init(struct work *work, struct table *table, const struct address *payers, size_t cnt, uint64_t seed)
{
	*work = (struct work){.hashes = malloc((cnt + 1) * sizeof *work->hashes),
			      .payers = malloc((cnt + 1) * sizeof *work->payers)};
	if (work->hashes == NULL || work->payers == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++) {
		struct tollbar_payer payer = lists_payer(&payers[i]);
		if ((payer.high | payer.middle | payer.low) == 0)
			continue;
		work->hashes[work->cnt] = tollbar_payer_hash(&payer, seed);
		work->payers[work->cnt++] = (uint32_t)i;
	}
	return lists_table_init(table, work->hashes, work->cnt, TOLLBAR_PAYERS_PER_LINE);
}

static void work_fini(struct work *work)
{
	free(work->hashes);
	free(work->payers);
}

static void lines_write(struct tollbar_payers *lines, const struct work *work, const struct table *table,
			const struct address *payers)
{
	const uint32_t *places = table->places;

	for (size_t i = 0; i < table->line_cnt; i++) {
		struct tollbar_payers line = {.moved = table->moved[i]};
		for (unsigned k = 0; k < TOLLBAR_PAYERS_PER_LINE; k++, places++) {
			if (*places == TABLE_FREE)
				continue;
			struct tollbar_payer payer = lists_payer(&payers[work->payers[*places]]);
			line.high[k] = payer.high;
			line.middle[k] = payer.middle;
			line.low[k] = payer.low;
		}
		lines[i] = line;
	}
}

int lists_payers_write(struct tollbar_payers *lines, size_t line_room, struct tollbar_payers_top *top,
		       const struct address *payers, size_t cnt, uint64_t seed)
{
	struct table table = {0};
	struct work work;

	*top = (struct tollbar_payers_top){.seed = seed | 1}; /* a factor, which must lose nothing */
	if (cnt >= TABLE_FREE)
		return -E2BIG;
	int err = work_init(&work, &table, payers, cnt, top->seed);
	if (err == 0 && table.line_cnt > line_room)
		err = -E2BIG;
	if (err == 0) {
		top->lines = table.line_cnt;
		lines_write(lines, &work, &table, payers);
	}
	lists_table_fini(&table);
	work_fini(&work);
	return err;
}
