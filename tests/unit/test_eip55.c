// SPDX-License-Identifier: Apache-2.0
#include "base/eip55.c"

#include "check.h"

TEST(the_examples_of_the_standard_and_known_tokens)
{
	static const char *const rows[] = {
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", /* EIP-55 */
		"0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
		"0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
		"0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
		"0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", /* USDC on Base */
		"0x000000000022D473030F116dDEE9F6B43aC78BA3", /* Permit2 */
		"0x0000000000000000000000000000000000000000",
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char lower[EIP55_BYTES], out[EIP55_BYTES];
		uint8_t address[20];

		for (size_t at = 0; at < EIP55_BYTES; at++)
			lower[at] = (char)(rows[i][at] >= 'A' && rows[i][at] <= 'F' ? rows[i][at] + 32 : rows[i][at]);
		CHECK_ROW(hex_decode(address, 20, span_str(lower)), rows[i]);
		CHECK_ROW(strcmp(eip55_encode(out, address), rows[i]) == 0, rows[i]);
	}
}

CHECK_MAIN
