// SPDX-License-Identifier: Apache-2.0
/* A bucketed cuckoo table (Dietzfelbinger and Weidling, 2007): each item may be in one of two lines of a few places.  All
 * items are known beforehand, so where each one goes is settled here and a lookup reads two lines at most. */
#include <errno.h>
#include <stdlib.h>

#include "lists_parts.h"

#define MOVES_MAX 1000 /* pushed from line to line so often, an item shows that the table is too full */

static bool line_take(struct table *table, uint32_t line, unsigned per_line, uint32_t item)
{
	uint32_t *places = &table->places[(size_t)line * per_line];

	for (unsigned i = 0; i < per_line; i++)
		if (places[i] == TABLE_FREE) {
			places[i] = item;
			return true;
		}
	return false;
}

/* Where both lines are full, the item takes the place of another, which then looks for one. */
static bool item_place(struct table *table, const uint64_t *hashes, unsigned per_line, uint32_t item)
{
	uint32_t dice = item * 2654435761u + 1;

	for (int move = 0; move < MOVES_MAX; move++) {
		uint32_t home = tollbar_line_home(hashes[item], table->line_cnt),
			 other = tollbar_line_other(hashes[item], table->line_cnt);
		if (line_take(table, home, per_line, item) || line_take(table, other, per_line, item))
			return true;
		dice = dice * 1664525u + 1013904223u;
		uint32_t line = dice >> 31 ? home : other, *place;
		place = &table->places[(size_t)line * per_line + (dice >> 8) % per_line];
		uint32_t pushed = *place;
		*place = item;
		item = pushed;
	}
	return false;
}

static bool items_place(struct table *table, const uint64_t *hashes, size_t item_cnt, unsigned per_line)
{
	for (size_t i = 0; i < (size_t)table->line_cnt * per_line; i++)
		table->places[i] = TABLE_FREE;
	for (size_t i = 0; i < item_cnt; i++)
		if (!item_place(table, hashes, per_line, (uint32_t)i))
			return false;
	return true;
}

static void moved_mark(struct table *table, const uint64_t *hashes, unsigned per_line)
{
	for (size_t i = 0; i < (size_t)table->line_cnt * per_line; i++) {
		if (table->places[i] == TABLE_FREE)
			continue;
		uint32_t home = tollbar_line_home(hashes[table->places[i]], table->line_cnt);
		table->moved[home] |= home != i / per_line;
	}
}

int lists_table_init(struct table *table, const uint64_t *hashes, size_t item_cnt, unsigned per_line)
{
	size_t line_cnt = item_cnt * 3 / 2 / per_line + 1; /* two thirds full: few items move */
	size_t lines_max = 64 + 4 * item_cnt;		   /* what is not enough here is no hash */

	*table = (struct table){0};
	if (item_cnt == 0)
		return 0;
	for (;; line_cnt += line_cnt / 2) {
		if (line_cnt > lines_max || lines_max > UINT32_MAX)
			return -E2BIG;
		free(table->places);
		table->line_cnt = (uint32_t)line_cnt;
		table->places = malloc(line_cnt * per_line * sizeof *table->places);
		if (table->places == NULL)
			return -ENOMEM;
		if (items_place(table, hashes, item_cnt, per_line))
			break;
	}
	table->moved = calloc(line_cnt, sizeof *table->moved);
	if (table->moved == NULL)
		return -ENOMEM;
	moved_mark(table, hashes, per_line);
	return 0;
}

void lists_table_fini(struct table *table)
{
	free(table->places);
	free(table->moved);
	*table = (struct table){0};
}
