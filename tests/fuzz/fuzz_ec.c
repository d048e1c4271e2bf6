// SPDX-License-Identifier: Apache-2.0
// link: build/fuzz/user/ec/*.o build/libtollbar.a -lsecp256k1 -lcrypto -lpthread
/* fuzz_ec.c: batches of signatures, cold and hot, by both engines, against libsecp256k1's recovery of every one.  An
 * input begins with a seed for ec_cases.h; then each eight bytes are one item: its category, and what is changed in
 * the bytes of its signature, digest, address and recovery id afterwards. */
#include "ec_run.h"

#include <assert.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

#define ITEM_BYTES 8
#define ITEMS_MAX 40

static struct ec_runner runner;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	random_state = 1;
	runner_start(&runner);
	return 0;
}

/* The byte at `place` of what is verified. */
static uint8_t *place_of(struct ec_case *c, unsigned place)
{
	if (place < 64)
		return &c->signature[place];
	if (place < 96)
		return &c->digest[place - 64];
	return place < 116 ? &c->address[place - 96] : &c->recovery_id;
}

static void take_item(struct ec_case *c, const uint8_t at[ITEM_BYTES])
{
	uint8_t address[20];

	make_case_of(c, &ec_categories[at[0] % EC_CATEGORIES]);
	for (unsigned i = 1; i + 1 < ITEM_BYTES; i += 2)
		if (at[i] < 117)
			*place_of(c, at[i]) ^= at[i + 1];
	if (c->has_key) {
		oracle_address(address, c->key);
		c->has_key = memcmp(address, c->address, 20) == 0;
	}
	ask_oracle(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	static struct ec_case cases[ITEMS_MAX];
	size_t cnt = 0;

	if (bytes < sizeof random_state)
		return 0;
	memcpy(&random_state, at, sizeof random_state);
	at += sizeof random_state;
	bytes -= sizeof random_state;
	for (; bytes >= ITEM_BYTES && cnt < ITEMS_MAX; at += ITEM_BYTES, bytes -= ITEM_BYTES)
		take_item(&cases[cnt++], at);
	run_cases(&runner, cases, cnt);
	assert(check_failures == 0);
	return 0;
}
