// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lists_parts.h"

#define EVERY_CODE 0x5555555555555555u /* times a code: that code everywhere */
#define BLOCK_ADDRESSES (1u << TOLLBAR_BLOCK_BITS)
#define NET_BLOCKS (256 / BLOCK_ADDRESSES)

/* The /24 that is being painted address by address; sorted rules come to each but once. */
struct fine {
	bool open;
	uint32_t net; /* the address without its last 8 bits, shifted down */
	uint64_t codes[NET_BLOCKS];
};

static int block_push(struct ip4 *ip4, uint32_t key, uint64_t codes)
{
	if (ip4->block_cnt == ip4->block_room) {
		size_t room = ip4->block_room == 0 ? 256 : ip4->block_room * 2;
		struct block *grown = realloc(ip4->blocks, room * sizeof *grown);
		if (grown == NULL)
			return -ENOMEM;
		ip4->blocks = grown;
		ip4->block_room = room;
	}
	ip4->blocks[ip4->block_cnt++] = (struct block){codes, key};
	return 0;
}

/* Of one mind after all, it needs no blocks. */
static int fine_close(struct fine *fine, struct ip4 *ip4, uint32_t *codes)
{
	uint64_t first = fine->codes[0];
	bool same = first == (first & 3) * EVERY_CODE;
	int err = 0;

	if (!fine->open)
		return 0;
	fine->open = false;
	for (unsigned i = 1; i < NET_BLOCKS; i++)
		same = same && fine->codes[i] == first;
	codes_set(codes, fine->net, 1, same ? (uint32_t)first & 3 : TOLLBAR_CODE_DEEPER);
	for (unsigned i = 0; err == 0 && !same && i < NET_BLOCKS; i++)
		if (fine->codes[i] != 0)
			err = block_push(ip4, fine->net * NET_BLOCKS + i, fine->codes[i]);
	return err;
}

static int fine_paint(struct fine *fine, struct ip4 *ip4, uint32_t *codes, const struct rule *rule)
{
	uint32_t net = (uint32_t)(rule->high >> 40), first = rule->high >> 32 & 255, cnt = 1u << (32 - rule->bits);

	if (!fine->open || fine->net != net) {
		int err = fine_close(fine, ip4, codes);
		if (err != 0)
			return err;
		fine->open = true;
		fine->net = net;
		for (unsigned i = 0; i < NET_BLOCKS; i++)
			fine->codes[i] = code_get(codes, net) * EVERY_CODE;
	}
	for (uint32_t i = first; i < first + cnt; i++) {
		uint64_t *block = &fine->codes[i / BLOCK_ADDRESSES];
		unsigned shift = i % BLOCK_ADDRESSES * 2;
		*block = (*block & ~(3ull << shift)) | (uint64_t)rule->code << shift;
	}
	return 0;
}

/* In the rules' order the longer is painted over the wider; a /24 is closed before its neighbour is touched, for only
 * rules within it come between. */
static int codes_paint(struct ip4 *ip4, uint32_t *codes, const struct rules *rules)
{
	struct fine fine = {0};
	int err = 0;

	for (size_t i = 0; err == 0 && i < rules->cnt; i++) {
		const struct rule *rule = &rules->rules[i];
		if (rule->bits > 24)
			err = fine_paint(&fine, ip4, codes, rule);
		else
			codes_set(codes, rule->high >> 40, (size_t)1 << (24 - rule->bits), rule->code);
	}
	return err == 0 ? fine_close(&fine, ip4, codes) : err;
}

/* How often the code changes, and at first also the word that says where. */
static unsigned runs_make(uint64_t *word, const uint32_t *codes)
{
	uint32_t code = code_get(codes, 0);
	unsigned run = 0;

	*word = code;
	for (size_t i = 1; i < 256; i++) {
		if (code_get(codes, i) == code)
			continue;
		code = code_get(codes, i);
		if (++run < TOLLBAR_RUNS)
			*word |= (uint64_t)i << (TOLLBAR_RUNS_SHIFT + 8 * (run - 1)) | (uint64_t)code << 2 * run;
	}
	for (unsigned rest = run + 1; rest < TOLLBAR_RUNS; rest++)
		*word |= 255ull << (TOLLBAR_RUNS_SHIFT + 8 * (rest - 1)) | (uint64_t)code << 2 * rest;
	return run;
}

static bool only_blocks(const uint32_t *codes)
{
	for (size_t i = 0; i < 256; i++)
		if (code_get(codes, i) == TOLLBAR_CODE_ALLOW || code_get(codes, i) == TOLLBAR_CODE_DENY)
			return false;
	return true;
}

/* Most /16 are of one mind, which is seen a word at a time. */
static bool one_code(const uint32_t *codes)
{
	uint32_t code = codes[0] & 3;
	bool same = code != TOLLBAR_CODE_DEEPER;

	for (size_t i = 0; same && i < TOLLBAR_LINE_WORDS; i++)
		same = codes[i] == code * (uint32_t)EVERY_CODE;
	return same;
}

/* The codes of all /24 → a code per /16, a word, a line, as little as says the same. */
static void codes_fold(struct ip4 *ip4, const uint32_t *all)
{
	for (size_t net = 0; net < 65536; net++) {
		const uint32_t *codes = &all[net * TOLLBAR_LINE_WORDS];
		uint64_t *word = &ip4->words[net];
		if (one_code(codes)) {
			codes_set(ip4->codes, net, 1, codes[0] & 3);
			continue;
		}
		codes_set(ip4->codes, net, 1, TOLLBAR_CODE_DEEPER);
		if (runs_make(word, codes) < TOLLBAR_RUNS)
			continue;
		if (only_blocks(codes)) {
			*word = (uint64_t)TOLLBAR_IP4_BLOCKS << TOLLBAR_IP4_KIND_SHIFT;
			continue;
		}
		memcpy(&ip4->lines[ip4->line_cnt], codes, sizeof *ip4->lines);
		*word = (uint64_t)TOLLBAR_IP4_LINE << TOLLBAR_IP4_KIND_SHIFT | (TOLLBAR_LISTS_BODY + ip4->line_cnt++);
	}
}

int lists_ip4_init(struct ip4 *ip4, const struct rules *rules)
{
	uint32_t *codes = calloc(65536 * TOLLBAR_LINE_WORDS, sizeof *codes);

	ip4->lines = malloc(65536 * sizeof *ip4->lines);
	int err = codes == NULL || ip4->lines == NULL ? -ENOMEM : codes_paint(ip4, codes, rules);
	if (err == 0)
		codes_fold(ip4, codes);
	free(codes);
	return err;
}

void lists_ip4_fini(struct ip4 *ip4)
{
	free(ip4->lines);
	free(ip4->blocks);
	ip4->lines = NULL;
	ip4->blocks = NULL;
}
