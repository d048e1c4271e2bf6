// SPDX-License-Identifier: Apache-2.0
// link: user/base/siphash.c
/* A datagram as a worker reads it: its form, and then without another look the payment, what is asked and its tag.  What it is
 * read as, written down again, is the same bytes. */
#include "native_payment.c"

#include <stdlib.h>

#include "native.h"

static void require(bool good)
{
	if (!good)
		abort();
}

static void write_again(struct native_request *request, const struct payment *payment, const struct native_order *order)
{
	*request = (struct native_request){
		.head = {.magic = NATIVE_MAGIC_BYTES, .kind = NATIVE_REQUEST, .method = payment->method},
		.chain_id = htobe64(payment->accepted.chain_id),
		.route = order->route,
		.flags = htobe16(order->stream ? NATIVE_FLAG_STREAM : 0),
		.calldata_bytes = htobe32((uint32_t)order->calldata.bytes),
	};
	memcpy(request->payer, payment->from.at, sizeof request->payer);
	memcpy(request->asset, payment->accepted.asset.at, sizeof request->asset);
	memcpy(request->amount, &payment->amount.at[16], sizeof request->amount);
	memcpy(&request->valid_after, &payment->valid_after.at[24], sizeof request->valid_after);
	memcpy(&request->deadline, &payment->deadline.at[24], sizeof request->deadline);
	memcpy(request->nonce, payment->nonce.at, sizeof request->nonce);
	memcpy(request->salt, order->binding.salt, sizeof request->salt);
	memcpy(request->signature, payment->signature, sizeof request->signature);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const uint8_t key[16] = {1}, zero[24];
	struct native_request sent, again;
	struct native_order order;
	struct payment payment;

	if (native_form((const void *)data, data + bytes, (uint32_t)bytes) != REASON_OK ||
	    ((const struct native_head *)(const void *)data)->kind != NATIVE_REQUEST)
		return 0;
	memcpy(&sent, data, sizeof sent);
	native_payment_read(&payment, &order, span_of(data, bytes));
	write_again(&again, &payment, &order);
	sent.head.bytes = 0;
	sent.flags &= htobe16((uint16_t)~NATIVE_FLAG_COOKIE);
	require(memcmp(&sent, &again, sizeof sent) == 0);
	require(order.calldata.at == data + sizeof sent && order.calldata.bytes <= bytes - sizeof sent);
	require(memcmp(payment.amount.at, zero, 16) == 0 && memcmp(payment.deadline.at, zero, 24) == 0);
	require(native_payment_tag(key, span_of(data, bytes)) == siphash(key, &again, sizeof again));
	return 0;
}
