// SPDX-License-Identifier: Apache-2.0
#include "native_payment.h"

#include <endian.h>
#include <string.h>

#include "base/siphash.h"
#include "contracts.h"

_Static_assert(sizeof(((struct payment *)0)->signature) == sizeof(((struct native_request *)0)->signature),
	       "signature");
_Static_assert(BIND_SALT_BYTES == NATIVE_SALT_BYTES, "salt");

static void put_u64(struct word *word, __be64 number)
{
	memset(word, 0, sizeof *word);
	memcpy(&word->at[sizeof *word - sizeof number], &number, sizeof number);
}

static void read_order(struct native_order *order, const struct native_request *request, struct span datagram)
{
	unsigned flags = be16toh(request->flags);

	*order = (struct native_order){
		.route = request->route,
		.stream = (flags & NATIVE_FLAG_STREAM) != 0,
		.binding = {.is_bound = true},
		.calldata = span_of(datagram.at + sizeof *request, be32toh(request->calldata_bytes)),
	};
	memcpy(order->binding.salt, request->salt, sizeof request->salt);
	if (flags & NATIVE_FLAG_COOKIE)
		memcpy(&order->cookie, order->calldata.at + order->calldata.bytes, sizeof order->cookie);
}

void native_payment_read(struct payment *payment, struct native_order *order, struct span datagram)
{
	struct native_request request;

	memcpy(&request, datagram.at, sizeof request);
	read_order(order, &request, datagram);
	payment_clear(payment);
	payment->version = 2;
	payment->method = request.head.method;
	memcpy(&payment->from, request.payer, sizeof request.payer);
	memcpy(&payment->amount.at[sizeof payment->amount - sizeof request.amount], request.amount,
	       sizeof request.amount);
	put_u64(&payment->valid_after, request.valid_after);
	put_u64(&payment->deadline, request.deadline);
	memcpy(&payment->nonce, request.nonce, sizeof request.nonce);
	memcpy(payment->signature, request.signature, sizeof request.signature);
	if (payment->method != METHOD_EIP3009)
		memcpy(&payment->token, request.asset, sizeof request.asset);
	payment->accepted.has_terms = true;
	payment->accepted.chain_id = be64toh(request.chain_id);
	memcpy(&payment->accepted.asset, request.asset, sizeof request.asset);
}

void native_payment_complete(struct payment *payment, const struct offer *offer)
{
	payment->to = offer->pay_to;
	if (payment->method == METHOD_PERMIT2)
		payment->spender = contract_exact_proxy;
	if (payment->method == METHOD_UPTO) {
		payment->spender = contract_upto_proxy;
		payment->facilitator = offer->facilitator;
	}
	payment->accepted.pay_to = offer->pay_to;
	payment->accepted.amount = offer->amount;
	payment->accepted.max_timeout_s = offer->max_timeout_s;
}

uint64_t native_payment_tag(const uint8_t key[16], struct span datagram)
{
	struct native_request request;

	memcpy(&request, datagram.at, sizeof request);
	request.head.bytes = 0;
	request.flags &= htobe16((uint16_t)~NATIVE_FLAG_COOKIE);
	return siphash(key, &request, sizeof request);
}
