// SPDX-License-Identifier: Apache-2.0
// link: user/funds_rpc.c user/funds_abi.c user/base/json.c user/base/json_write.c user/base/utf8.c user/base/hex.c user/base/u256.c user/base/log.c
/* fuzz_receipt.c: a node may answer anything.  A receipt pays only if it says so in its own bytes: the word for success, and
 * the asset's, the payer's and the payee's digits. */
#include "../../user/cmd/ledger_chain.c"

#include <assert.h>

int fetch(struct fetch_call *call)
{
	(void)call;
	return -EIO;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

static bool has(const char *text, size_t bytes, const char *what)
{
	return memmem(text, bytes, what, strlen(what)) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	struct record record = {.state = CLAIM_SETTLED};
	char *copy = malloc(bytes); /* of its exact size, so that a read past the end is found */

	memset(record.payment.from.at, 0x11, 20);
	memset(record.offer.pay_to.at, 0x22, 20);
	memset(record.offer.asset.at, 0x33, 20);
	record.amount_due.at[31] = 0x63;
	memcpy(copy, at, bytes);
	if (ledger_chain_receipt_pays(span_of(copy, bytes), &record) && memchr(copy, '\\', bytes) == NULL)
		assert(has(copy, bytes, "\"0x1\"") && has(copy, bytes, "3333333333333333333333333333333333333333") &&
		       has(copy, bytes, "1111111111111111111111111111111111111111") &&
		       has(copy, bytes, "2222222222222222222222222222222222222222"));
	free(copy);
	return 0;
}
