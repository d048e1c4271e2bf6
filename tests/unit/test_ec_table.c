// SPDX-License-Identifier: Apache-2.0
/* Rows against libsecp256k1's multiples. */
#include "ec/ec.h"

#include <stdlib.h>
#include <string.h>

#include "ec/generator.h"
#include "ec_oracle.h"

#define ROW_BYTES 64
#define KEYS_MAX 8

/* (2 row + 1) 2^(window position) key, as a row has it. */
static void expected_row(uint64_t words[8], const secp256k1_pubkey *key, unsigned window, unsigned position,
			 unsigned row)
{
	secp256k1_pubkey multiple = *key;
	uint8_t tweak[32] = {0}, point[64];

	for (unsigned bit = 0; bit < 20; bit++)
		if ((2 * row + 1) >> bit & 1)
			tweak[31 - (window * position + bit) / 8] |= (uint8_t)(1 << (window * position + bit) % 8);
	CHECK_NEED(secp256k1_ec_pubkey_tweak_mul(oracle, &multiple, tweak));
	oracle_bytes(point, &multiple);
	for (int i = 0; i < 8; i++) {
		uint64_t word;
		memcpy(&word, point + 8 * (i < 4 ? 3 - i : 11 - i), 8);
		words[i] = __builtin_bswap64(word);
	}
}

static void check_row(const uint8_t *table, const secp256k1_pubkey *key, unsigned window, unsigned position,
		      unsigned row)
{
	uint64_t want[8];

	expected_row(want, key, window, position, row);
	CHECK_BYTES(table + ROW_BYTES * (((size_t)position << (window - 1)) + row), want, ROW_BYTES);
}

/* Every row of the small windows; first, last and some between of the others. */
static void check_table(const uint8_t *table, const secp256k1_pubkey *key, unsigned window)
{
	unsigned rows = 1U << (window - 1);

	for (unsigned position = 0; position < (129 + window - 1) / window; position++) {
		check_row(table, key, window, position, 0);
		check_row(table, key, window, position, rows - 1);
		for (unsigned i = 0; i < 20; i++)
			check_row(table, key, window, position, rows > 20 ? (unsigned)random_below(rows) : i % rows);
	}
}

static void check_engine(enum ec_engine engine)
{
	static const unsigned windows[] = {4, 5, 6, 7, 8, 13};
	struct ec_workspace *work = ec_init(engine);

	random_start("ec table");
	CHECK_NEED(work != NULL);
	for (size_t k = 0; k < sizeof(windows) / sizeof(*windows); k++) {
		size_t bytes = ec_table_bytes(windows[k]), cnt = 1 + random_below(KEYS_MAX);
		secp256k1_pubkey keys[KEYS_MAX];
		uint8_t key_bytes[KEYS_MAX][64];
		const uint8_t *key_at[KEYS_MAX];
		void *memory[KEYS_MAX];
		for (size_t i = 0; i < cnt; i++) {
			oracle_random_key(&keys[i]);
			oracle_bytes(key_bytes[i], &keys[i]);
			key_at[i] = key_bytes[i];
			memory[i] = aligned_alloc(EC_TABLE_ALIGN, bytes + EC_TABLE_ALIGN);
			CHECK_NEED(memory[i] != NULL);
			memset((uint8_t *)memory[i] + bytes, 0x5a, EC_TABLE_ALIGN);
		}
		ec_table_build(work, memory, key_at, cnt, windows[k]);
		for (size_t i = 0; i < cnt; i++) {
			if (windows[k] < 13 || i == 0)
				check_table(memory[i], &keys[i], windows[k]);
			for (int after = 0; after < EC_TABLE_ALIGN; after++)
				CHECK_EQ(((uint8_t *)memory[i])[bytes + (size_t)after], 0x5a);
			free(memory[i]);
		}
	}
	ec_fini(work);
}

TEST(in_lanes_any_number_of_keys_and_any_window)
{
	if (!ec_supported())
		CHECK_SKIP("no AVX-512 IFMA");
	check_engine(EC_LANES);
}

TEST(portable_any_number_of_keys_and_any_window)
{
	check_engine(EC_PORTABLE);
}

TEST(the_generator_has_a_table)
{
	secp256k1_pubkey g;
	uint8_t one[32] = {0};

	random_start("generator table");
	one[31] = 1;
	CHECK_NEED(secp256k1_ec_pubkey_create(oracle, &g, one));
	CHECK_NEED(generator_table() != NULL);
	check_table(generator_table(), &g, GENERATOR_WINDOW);
}

CHECK_MAIN
