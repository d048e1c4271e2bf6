// SPDX-License-Identifier: Apache-2.0
#include "lists_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lists_parts.h"

/* All that is made on the way, freed together. */
struct work {
	struct rules rules4, rules6;
	struct ip4 ip4;
	struct ip6 ip6;
	uint64_t *block_hashes, *net_hashes;
	struct table blocks, nets;
};

static void work_free(struct work *work)
{
	if (work == NULL)
		return;
	lists_rules_fini(&work->rules4);
	lists_rules_fini(&work->rules6);
	lists_ip4_fini(&work->ip4);
	lists_ip6_fini(&work->ip6);
	lists_table_fini(&work->blocks);
	lists_table_fini(&work->nets);
	free(work->block_hashes);
	free(work->net_hashes);
	free(work);
}

static int blocks_table(struct work *work, uint64_t seed)
{
	size_t cnt = work->ip4.block_cnt;

	work->block_hashes = malloc((cnt + 1) * sizeof *work->block_hashes);
	if (work->block_hashes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++)
		work->block_hashes[i] = tollbar_block_hash(work->ip4.blocks[i].key, seed);
	return lists_table_init(&work->blocks, work->block_hashes, cnt, TOLLBAR_BLOCKS_PER_LINE);
}

static int nets_table(struct work *work, uint64_t seed)
{
	size_t cnt = work->ip6.net_cnt;

	work->net_hashes = malloc((cnt + 1) * sizeof *work->net_hashes);
	if (work->net_hashes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++) {
		const struct net *net = &work->ip6.nets[i];
		work->net_hashes[i] = tollbar_net_hash(net->key_high, net->key_low, TOLLBAR_NET_BITS(net->word), seed);
	}
	return lists_table_init(&work->nets, work->net_hashes, cnt, TOLLBAR_NETS_PER_LINE);
}

static void blocks_write(union tollbar_line *lines, const struct work *work)
{
	const uint32_t *places = work->blocks.places;

	for (size_t i = 0; i < work->blocks.line_cnt; i++) {
		struct tollbar_blocks *line = &lines[i].blocks;
		line->moved = work->blocks.moved[i];
		for (unsigned k = 0; k < TOLLBAR_BLOCKS_PER_LINE; k++, places++) {
			const struct block *block = *places != TABLE_FREE ? &work->ip4.blocks[*places] : NULL;
			line->keys[k] = block != NULL ? block->key : TOLLBAR_BLOCK_NONE;
			line->codes[k] = block != NULL ? block->codes : 0;
		}
	}
}

static void nets_write(union tollbar_line *lines, const struct work *work)
{
	static const struct net none;
	const uint32_t *places = work->nets.places;

	for (size_t i = 0; i < work->nets.line_cnt; i++) {
		struct tollbar_nets *line = &lines[i].nets;
		line->moved = work->nets.moved[i];
		for (unsigned k = 0; k < TOLLBAR_NETS_PER_LINE; k++, places++) {
			const struct net *net = *places != TABLE_FREE ? &work->ip6.nets[*places] : &none;
			line->high[k] = net->high;
			line->low[k] = net->low;
			line->words[k] = net->word;
		}
	}
}

/* Do the codes per /16 say it all? */
static bool top_suffices(const struct work *work)
{
	for (size_t net = 0; net < 65536; net++)
		if (code_get(work->ip4.codes, net) == TOLLBAR_CODE_DEEPER ||
		    code_get(work->ip6.codes, net) == TOLLBAR_CODE_DEEPER)
			return false;
	return true;
}

static int image_write(struct lists_image *image, const struct work *work, uint64_t seed)
{
	size_t blocks_at = (size_t)TOLLBAR_LISTS_BODY + work->ip4.line_cnt, nets_at = blocks_at + work->blocks.line_cnt;
	size_t chunk_cnt = (nets_at + work->nets.line_cnt + TOLLBAR_CHUNK_LINES - 1) / TOLLBAR_CHUNK_LINES;

	if (top_suffices(work))
		chunk_cnt = 0;
	if (chunk_cnt > TOLLBAR_CHUNKS_MAX)
		return -E2BIG;
	image->top = malloc(sizeof *image->top);
	image->lines = calloc(chunk_cnt * TOLLBAR_CHUNK_LINES + 1, sizeof *image->lines);
	if (image->top == NULL || image->lines == NULL)
		return -ENOMEM;
	*image->top = (struct tollbar_lists_top){.seed = seed,
						 .blocks_at = (uint32_t)blocks_at,
						 .block_lines = work->blocks.line_cnt,
						 .nets_at = (uint32_t)nets_at,
						 .net_lines = work->nets.line_cnt,
						 .chunk_cnt = (uint32_t)chunk_cnt};
	memcpy(image->top->codes4, work->ip4.codes, sizeof work->ip4.codes);
	memcpy(image->top->codes6, work->ip6.codes, sizeof work->ip6.codes);
	if (chunk_cnt == 0)
		return 0;
	memcpy(&image->lines[TOLLBAR_LISTS_WORDS4], work->ip4.words, sizeof work->ip4.words);
	memcpy(&image->lines[TOLLBAR_LISTS_WORDS6], work->ip6.words, sizeof work->ip6.words);
	memcpy(&image->lines[TOLLBAR_LISTS_BODY], work->ip4.lines, work->ip4.line_cnt * sizeof *image->lines);
	blocks_write(&image->lines[blocks_at], work);
	nets_write(&image->lines[nets_at], work);
	return 0;
}

static int image_make(struct lists_image *image, struct work *work, uint64_t seed)
{
	int err = lists_ip4_init(&work->ip4, &work->rules4);

	if (err == 0)
		err = lists_ip6_init(&work->ip6, &work->rules6);
	if (err == 0)
		err = blocks_table(work, seed);
	if (err == 0)
		err = nets_table(work, seed);
	if (err == 0)
		err = image_write(image, work, seed);
	return err;
}

int lists_image_init(struct lists_image *image, const struct prefix_list *allow, const struct prefix_list *deny,
		     uint64_t seed)
{
	struct work *work = calloc(1, sizeof *work);
	int err = work == NULL ? -ENOMEM : 0;

	*image = (struct lists_image){0};
	if (err == 0)
		err = lists_rules_init(&work->rules4, true, allow, deny);
	if (err == 0)
		err = lists_rules_init(&work->rules6, false, allow, deny);
	if (err == 0 && work->rules4.cnt + work->rules6.cnt > 0) {
		image->ip4_cnt = work->rules4.cnt;
		image->ip6_cnt = work->rules6.cnt;
		err = image_make(image, work, seed | 1); /* a factor, which must lose nothing */
	}
	work_free(work);
	if (err != 0)
		lists_image_fini(image);
	return err;
}

void lists_image_fini(struct lists_image *image)
{
	free(image->top);
	free(image->lines);
	*image = (struct lists_image){0};
}
