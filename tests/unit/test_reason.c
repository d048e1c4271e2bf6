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

TEST(every_row_of_the_daemon_has_its_own_sentence)
{
	static const enum reason reasons[] = {
#define R(number, name, word, status, exact, permit2, upto) name,
		REASONS_DAEMON(R)
#undef R
	};
	enum { CNT = sizeof reasons / sizeof *reasons };

	for (size_t a = 0; a < CNT; a++) {
		const char *text = messages[reasons[a]];

		CHECK_ROW(text != NULL, reason_word(reasons[a]));
		if (text == NULL)
			continue;
		CHECK_ROW(isupper(text[0]) && text[strlen(text) - 1] == '.' && strlen(text) <= 120, text);
		for (size_t b = 0; b < a; b++)
			CHECK_ROW(strcmp(text, messages[reasons[b]]) != 0, text);
	}
}

TEST(facts)
{
	CHECK(strcmp(reason_word(SIGNATURE_BAD), "signature_bad") == 0);
	CHECK(strcmp(reason_word(NOT_ALLOWED), "not_allowed") == 0);
	CHECK(strcmp(reason_word(REASON_OK), "ok") == 0);
	CHECK(strcmp(reason_word((enum reason)159), "unknown") == 0);
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
