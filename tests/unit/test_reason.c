// SPDX-License-Identifier: Apache-2.0
#include "reason.c"

#include <ctype.h>

#include "check.h"

TEST(every_row_has_its_own_short_word)
{
	for (unsigned a = 0; a < REASON_CNT; a++) {
		if (rows[a].word == NULL)
			continue;
		CHECK_ROW(strlen(rows[a].word) <= 24, rows[a].word);
		for (const char *at = rows[a].word; *at != '\0'; at++)
			CHECK_ROW(islower(*at) || isdigit(*at) || *at == '_', rows[a].word);
		for (unsigned b = 0; b < a; b++)
			CHECK_ROW(rows[b].word == NULL || strcmp(rows[a].word, rows[b].word) != 0, rows[a].word);
	}
}

/* The tables of either half, against the words. */
TEST(all_rows_in_order)
{
	unsigned cnt = 0;

	for (unsigned number = 1; number < REASON_CNT; number++)
		cnt += rows[number].word != NULL;
	CHECK_EQ(cnt, REASON_KERNEL_CNT + REASON_DAEMON_CNT);
	for (size_t i = 1; i < REASON_KERNEL_CNT; i++)
		CHECK(reason_kernel[i - 1] < reason_kernel[i]);
	CHECK(reason_kernel[REASON_KERNEL_CNT - 1] < reason_daemon[0]);
	for (size_t i = 1; i < REASON_DAEMON_CNT; i++)
		CHECK(reason_daemon[i - 1] < reason_daemon[i]);
}

TEST(how_packets_end)
{
	CHECK_EQ(reason_packet_end(PASS_OTHER), PACKET_PASSED);
	CHECK_EQ(reason_packet_end(PASS_ALLOWED), PACKET_PASSED);
	CHECK_EQ(reason_packet_end(SYN_COOKIE), PACKET_ANSWERED);
	CHECK_EQ(reason_packet_end(FRAME_SHORT), PACKET_DROPPED);
	CHECK_EQ(reason_packet_end(NO_DAEMON), PACKET_DROPPED);
}

TEST(every_row_of_the_daemon_has_its_own_sentence)
{
	for (size_t a = 0; a < REASON_DAEMON_CNT; a++) {
		const char *text = messages[reason_daemon[a]];

		CHECK_ROW(text != NULL, reason_word(reason_daemon[a]));
		if (text == NULL)
			continue;
		CHECK_ROW(isupper(text[0]) && text[strlen(text) - 1] == '.' && strlen(text) <= 120, text);
		for (size_t b = 0; b < a; b++)
			CHECK_ROW(strcmp(text, messages[reason_daemon[b]]) != 0, text);
	}
}

TEST(facts)
{
	CHECK(strcmp(reason_word(SIGNATURE_BAD), "signature_bad") == 0);
	CHECK(strcmp(reason_word(NOT_ALLOWED), "not_allowed") == 0);
	CHECK(strcmp(reason_word(REASON_OK), "ok") == 0);
	CHECK(strcmp(reason_word((enum reason)163), "unknown") == 0);
	CHECK(strcmp(reason_word((enum reason)100000), "unknown") == 0);
	CHECK_EQ(reason_status(PAYMENT_MISSING), 402);
	CHECK_EQ(reason_status(RATE), 500);
	CHECK_EQ(reason_status(REASON_OK), 200);
	CHECK(strcmp(reason_x402(AMOUNT_WRONG, METHOD_EIP3009),
		     "invalid_exact_evm_payload_authorization_value_mismatch") == 0);
	CHECK(strcmp(reason_x402(AMOUNT_WRONG, METHOD_NONE),
		     "invalid_exact_evm_payload_authorization_value_mismatch") == 0);
	CHECK(strcmp(reason_x402(AMOUNT_WRONG, METHOD_PERMIT2), "permit2_amount_mismatch") == 0);
	CHECK(strcmp(reason_x402(NETWORK_WRONG, METHOD_UPTO), "invalid_upto_evm_network_mismatch") == 0);
	CHECK(reason_x402(QUEUE_FULL, METHOD_UPTO) == NULL);
	CHECK(strcmp(reason_message(REPLAYED), "This payment has already been used.") == 0);
	CHECK(reason_message((enum reason)100000) != NULL);
}

CHECK_MAIN
