// SPDX-License-Identifier: Apache-2.0
#include "ec/ec.c"

#include "check.h"

TEST(table_sizes)
{
	CHECK_EQ(ec_table_bytes(4), 33 * 8 * 64);
	CHECK_EQ(ec_table_bytes(5), 26 * 16 * 64);
	CHECK_EQ(ec_table_bytes(8), 17 * 128 * 64);
	CHECK_EQ(ec_table_bytes(13), EC_GENERATOR_BYTES);
	for (unsigned window = 0; window < 64; window++)
		CHECK_EQ(ec_window_valid(window), window == 13 || (window > 3 && window < 9));
}

CHECK_MAIN
