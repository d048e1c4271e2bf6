// SPDX-License-Identifier: Apache-2.0
#include "network.c"

#include "check.h"

TEST(v1_names_and_ids_are_a_bijection)
{
	for (size_t i = 0; i < V1_NETWORK_CNT; i++) {
		const char *name = network_v1_name(v1_networks[i].chain_id);

		CHECK(name != NULL && span_equal(span_str(name), v1_networks[i].name));
		CHECK_EQ(network_of_v1(v1_networks[i].name), v1_networks[i].chain_id);
	}
}

TEST(v1_names)
{
	static const struct {
		const char *name;
		uint64_t chain_id;
	} rows[] = {
		{"base", 8453},
		{"base-sepolia", 84532},
		{"avalanche", 43114},
		{"skale-base-sepolia", 324705682},
		{"stable-testnet", 2201},
		{"", 0},
		{"bas", 0},
		{"base ", 0},
		{"Base", 0},
		{"base-", 0},
		{"eip155:8453", 0},
		{"solana", 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		CHECK_ROW(network_of_v1(span_str(rows[i].name)) == rows[i].chain_id, rows[i].name);
	CHECK(network_v1_name(0) == NULL);
	CHECK(network_v1_name(10740) == NULL);
	CHECK(network_v1_name(31337) == NULL);
}

TEST(caip2)
{
	static const struct {
		const char *name;
		uint64_t chain_id;
	} rows[] = {
		{"eip155:1", 1},
		{"eip155:8453", 8453},
		{"eip155:10740", 10740},
		{"eip155:9007199254740991", 9007199254740991},
		{"eip155:9007199254740992", 0},
		{"eip155:18446744073709551617", 0},
		{"eip155:99999999999999999999999999999999999999999", 0},
		{"eip155:", 0},
		{"eip155:0", 0},
		{"eip155:08453", 0},
		{"eip155:+1", 0},
		{"eip155:-1", 0},
		{"eip155: 1", 0},
		{"eip155:1 ", 0},
		{"eip155:0x1", 0},
		{"eip155:1e3", 0},
		{"EIP155:1", 0},
		{"eip155", 0},
		{"base", 0},
		{"", 0},
		{"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		CHECK_ROW(network_of_caip2(span_str(rows[i].name)) == rows[i].chain_id, rows[i].name);
	CHECK_EQ(network_of_caip2(span_of("eip155:8453", 10)), 845); /* the span ends it, not the zero */
	CHECK_EQ(network_of_caip2(span_of("eip155:1\0", 9)), 0);
}

CHECK_MAIN
