// SPDX-License-Identifier: Apache-2.0
#include "base/keccak.c"

#include <nettle/sha3.h>

#include "base/hex.h"
#include "check.h"
#include "guard.h"
#include "random.h"

/* nettle has SHA3-256 only: the same sponge with 0x06 where Keccak has 0x01.  Its permutation is the oracle. */
static void keccak256_by_nettle(uint8_t out[32], const uint8_t *in, size_t bytes)
{
	struct sha3_state state = {0};
	uint8_t *lanes = (uint8_t *)state.a;
	size_t at = 0;

	for (size_t i = 0; i < bytes; i++) {
		lanes[at++] ^= in[i];
		if (at == 136) {
			sha3_permute(&state);
			at = 0;
		}
	}
	lanes[at] ^= 0x01;
	lanes[135] ^= 0x80;
	sha3_permute(&state);
	memcpy(out, lanes, 32);
}

TEST(known_answers)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		/* Solidity and go-ethereum constants; the x402 typehash and domain names */
		{"", "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"},
		{"1", "0xc89efdaa54c0f20c7adf612882df0950f5a951637e0307cdcb4c672f298b8bc6"},
		{"2", "0xad7c5bef027816a800da1736444fb58a807ef4c9603b7848673f7e3a68eb14a5"},
		{"USDC", "0xd6aca1be9729c13d677335161321649cccae6a591554772516700f986f942eaa"},
		{"Permit2", "0x9ac997416e8ff9d2ff6bebeb7149f65cdae5e32e2b90440b566bb3044041d36a"},
		{"TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 "
		 "validBefore,"
		 "bytes32 nonce)",
		 "0x7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t out[32], want[32];
		CHECK(hex_decode(want, 32, span_str(rows[i].out)));
		keccak256(out, rows[i].in, strlen(rows[i].in));
		CHECK_ROW(memcmp(out, want, 32) == 0, rows[i].in);
	}
}

TEST(every_length_to_four_blocks_equals_nettle)
{
	random_start("keccak");
	for (size_t bytes = 0; bytes <= 4 * 136 + 1; bytes++) {
		uint8_t in[4 * 136 + 1], ours[32], theirs[32];
		struct guard guard;
		random_bytes(in, bytes);
		keccak256_by_nettle(theirs, in, bytes);
		keccak256(ours, guard_copy(&guard, in, bytes).at, bytes);
		CHECK_BYTES(ours, theirs, 32);
		guard_free(&guard);
	}
}

/* The machine runs one version of the permutation; the other must be the same function. */
TEST(both_versions_permute_alike)
{
	uint64_t plain[KECCAK_WORDS], picked[KECCAK_WORDS];

	random_start("keccak versions");
	for (int round = 0; round < 1000; round++) {
		random_bytes((uint8_t *)plain, sizeof(plain));
		memcpy(picked, plain, sizeof(plain));
		keccak_permute(plain);
		permute(picked);
		CHECK_BYTES(plain, picked, sizeof(plain));
	}
}

TEST(out_may_be_in)
{
	uint8_t buffer[200], want[32];

	random_start("keccak in place");
	random_bytes(buffer, sizeof(buffer));
	keccak256_by_nettle(want, buffer, sizeof(buffer));
	keccak256(buffer, buffer, sizeof(buffer));
	CHECK_BYTES(buffer, want, 32);
}

CHECK_MAIN
