// SPDX-License-Identifier: Apache-2.0
// link: user/funds_rpc.c user/funds_abi.c user/funds_wrapped.c user/funds_sanity.c user/funds_accounts.c user/base/json.c user/base/json_write.c user/base/utf8.c user/base/hex.c user/base/u256.c user/base/siphash.c user/base/log.c
/* fuzz_funds.c: what a node's answer to our own questions comes to: two bytes say what was asked, then the body.  Nothing is
 * known that was not said, and a chain or an offer is sound only if the body says so. */
#include "../../user/funds_batch.c"

#include <assert.h>
#include <stdlib.h>

#include "funds_sanity.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

static struct batch_scratch scratch;

static void read_batch(uint8_t what, uint8_t how, struct span body)
{
	static const struct payment payment = {.method = METHOD_EIP3009}, permit2 = {.method = METHOD_PERMIT2};
	static const struct word digest;
	static char out[BATCH_BODY_BYTES(4)];
	struct batch batch = {.part_cnt = what % 4 + 1u};

	for (size_t i = 0; i < batch.part_cnt; i++)
		batch.parts[i] = (struct batch_part){.wants = (uint8_t)((what >> 2) + i) % 8,
						     .payment = how & 2 ? &permit2 : &payment,
						     .digest = &digest};
	size_t asked = batch_question(out, sizeof out, &batch, how & 1, &scratch);
	assert(asked > 0);
	bool answered = batch_answer(&batch, body, &scratch);
	for (size_t i = 0; i < batch.part_cnt; i++) {
		assert(answered || !batch.parts[i].good);
		/* the shortest that says anything of a contract: an id, and 64 digits */
		if (batch.parts[i].good && batch.parts[i].wants & WANT_VIEW)
			assert(body.bytes > 64);
	}
}

static void read_sanity(uint8_t what, struct span body)
{
	struct offer offer = {.method = what % 3 + 1, .chain_id = 84532, .token_name = "Toll", .token_version = "2"};
	struct sanity_report report;

	memset(offer.domain_separator.at, what, sizeof offer.domain_separator);
	enum sanity sanity = sanity_answer(&report, 84532, what & 4 ? NULL : &offer, body);

	assert(strnlen(report.text, sizeof report.text) < sizeof report.text);
	assert(sanity == SANITY_SOUND ? report.text[0] == 0 : report.text[0] != 0);
	for (const char *c = report.text; *c != 0; c++)
		assert(*c >= 0x20 && *c < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	if (bytes < 2)
		return 0;
	uint8_t *body = malloc(bytes - 2); /* of its exact size, so that a read past the end is found */
	memcpy(body, at + 2, bytes - 2);
	read_batch(at[0], at[1], span_of(body, bytes - 2));
	read_sanity(at[0], span_of(body, bytes - 2));
	free(body);
	return 0;
}
