// SPDX-License-Identifier: Apache-2.0
// link: user/hash.c user/ec/keccak8.c user/base/keccak.c user/base/u256.c user/base/log.c
/* fuzz_hash.c: many at once against one by one.  Every four bytes of the input are one item: a payment of that method with
 * fields from somewhere in the input, and a piece of the input to be hashed as it is. */
#include <string.h>

#include "base/assert.h"
#include "base/keccak.h"
#include "ec/keccak8.h"
#include "hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

#define ITEM_BYTES 4
#define ITEMS_MAX 70

static struct payment payments[ITEMS_MAX];
static struct word separators[ITEMS_MAX], digests[ITEMS_MAX];
static uint8_t hashes[ITEMS_MAX][32];

/* As many bytes as out wants, from `place` on and from the front again. */
static void fill(void *out, size_t out_bytes, const uint8_t *at, size_t bytes, size_t place)
{
	for (size_t done = 0, from = place % bytes, piece; done < out_bytes; done += piece, from = 0) {
		piece = out_bytes - done < bytes - from ? out_bytes - done : bytes - from;
		memcpy((uint8_t *)out + done, at + from, piece);
	}
}

static void check_payments(const uint8_t *at, size_t bytes, size_t cnt)
{
	struct hash_job jobs[ITEMS_MAX];
	struct word alone;

	for (size_t i = 0; i < cnt; i++) {
		const uint8_t *item = at + i * ITEM_BYTES;
		fill(&payments[i], offsetof(struct payment, accepted), at, bytes, item[1]);
		fill(&separators[i], sizeof(separators[i]), at, bytes, item[2]);
		payments[i].method = METHOD_EIP3009 + item[0] % 3;
		jobs[i] = (struct hash_job){&payments[i], &separators[i], &digests[i]};
	}
	hash_payments(jobs, cnt);
	for (size_t i = 0; i < cnt; i++) {
		hash_payment(&alone, &payments[i], &separators[i]);
		ASSERT(memcmp(&alone, &digests[i], sizeof(alone)) == 0);
	}
}

static void check_pieces(const uint8_t *at, size_t bytes, size_t cnt)
{
	struct keccak8_item items[ITEMS_MAX];
	uint8_t alone[32];

	for (size_t i = 0; i < cnt; i++) {
		const uint8_t *item = at + i * ITEM_BYTES;
		size_t from = (item[1] | (size_t)item[2] << 8) % (bytes + 1), most = bytes - from;
		items[i] = (struct keccak8_item){at + from, (item[0] | (size_t)item[3] << 8) % (most + 1), hashes[i]};
	}
	keccak8_many(items, cnt);
	for (size_t i = 0; i < cnt; i++) {
		keccak256(alone, items[i].in, items[i].bytes);
		ASSERT(memcmp(alone, hashes[i], sizeof(alone)) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	size_t cnt = bytes / ITEM_BYTES < ITEMS_MAX ? bytes / ITEM_BYTES : ITEMS_MAX;

	if (cnt == 0)
		return 0;
	check_payments(at, bytes, cnt);
	check_pieces(at, bytes, cnt);
	return 0;
}
