// SPDX-License-Identifier: Apache-2.0
#include "native_client.h"

#include <endian.h>
#include <string.h>

#include "base/assert.h"
#include "base/u256.h"
#include "bind.h"
#include "hash.h"
#include "sign.h"

#define COOKIE_BYTES 8

static const uint8_t magic[4] = NATIVE_MAGIC_BYTES;

static struct native_head head_of(enum native_kind kind, uint8_t method, size_t bytes)
{
	struct native_head head = {.kind = (uint8_t)kind, .method = method, .bytes = htobe16((uint16_t)bytes)};

	memcpy(head.magic, magic, sizeof(magic));
	return head;
}

/* --- what is sent --- */

static uint64_t seconds_of(const struct word *time)
{
	uint64_t seconds;

	ASSERT(u256_to_u64(&seconds, time->at)); /* pay_fill made it of two of 64 bits */
	return seconds;
}

static void write_request(struct native_request *request, const struct native_wish *wish, const struct payment *payment)
{
	size_t bytes = sizeof(*request) + wish->calldata.bytes;

	*request = (struct native_request){
		.head = head_of(NATIVE_REQUEST, payment->method, bytes),
		.chain_id = htobe64(wish->offer->offer.chain_id),
		.valid_after = htobe64(seconds_of(&payment->valid_after)),
		.deadline = htobe64(seconds_of(&payment->deadline)),
		.route = wish->route,
		.flags = htobe16(wish->stream ? NATIVE_FLAG_STREAM : 0),
		.calldata_bytes = htobe32((uint32_t)wish->calldata.bytes),
	};
	memcpy(request->payer, payment->from.at, sizeof(request->payer));
	memcpy(request->asset, wish->offer->offer.asset.at, sizeof(request->asset));
	memcpy(request->amount, payment->amount.at + 16, sizeof(request->amount));
	memcpy(request->nonce, payment->nonce.at, sizeof(request->nonce));
	memcpy(request->salt, wish->salt, sizeof(request->salt));
	memcpy(request->signature, payment->signature, sizeof(request->signature));
}

bool native_client_request(struct native_datagram *out, const struct native_wish *wish, const struct signer *signer)
{
	static const uint8_t zero[16];
	struct native_request request;
	struct payment payment;
	struct address from;
	struct word nonce;

	if (wish->calldata.bytes < NATIVE_CALLDATA_BYTES_MIN || wish->calldata.bytes > NATIVE_CLIENT_CALLDATA_MAX ||
	    memcmp(wish->offer->offer.amount.at, zero, sizeof(zero)) != 0)
		return false;
	bind_nonce(&nonce, wish->salt, wish->calldata);
	sign_address(signer, &from);
	pay_fill(&payment, wish->offer, &from, &nonce, wish->now_s, wish->valid_for_s);
	if (!pay_sign(&payment, wish->offer, signer))
		return false;
	write_request(&request, wish, &payment);
	memcpy(out->at, &request, sizeof(request));
	memcpy(out->at + sizeof(request), wish->calldata.at, wish->calldata.bytes);
	out->bytes = sizeof(request) + wish->calldata.bytes;
	return true;
}

bool native_client_knock(struct native_datagram *out, uint64_t chain_id, uint64_t until_s, const uint8_t cookie[8],
			 const struct signer *signer)
{
	struct native_knock knock = {
		.head = head_of(NATIVE_KNOCK, 0, sizeof(knock)),
		.chain_id = htobe64(chain_id),
		.until = htobe64(until_s),
	};
	struct address payer;
	struct word digest;

	sign_address(signer, &payer);
	memcpy(knock.payer, payer.at, sizeof(knock.payer));
	if (cookie != NULL) {
		memcpy(knock.cookie, cookie, sizeof(knock.cookie));
		hash_knock(&digest, chain_id, &payer, cookie, until_s);
		if (!sign_digest(signer, knock.signature, &digest))
			return false;
	}
	memcpy(out->at, &knock, sizeof(knock));
	out->bytes = sizeof(knock);
	return true;
}

void native_client_add_cookie(struct native_datagram *datagram, const uint8_t cookie[COOKIE_BYTES])
{
	struct native_request request;

	memcpy(&request, datagram->at, sizeof(request));
	if ((request.flags & htobe16(NATIVE_FLAG_COOKIE)) == 0) {
		ASSERT(datagram->bytes + COOKIE_BYTES <= NATIVE_BYTES_MAX);
		datagram->bytes += COOKIE_BYTES;
		request.flags |= htobe16(NATIVE_FLAG_COOKIE);
		request.head.bytes = htobe16((uint16_t)datagram->bytes);
		memcpy(datagram->at, &request, sizeof(request));
	}
	memcpy(datagram->at + datagram->bytes - COOKIE_BYTES, cookie, COOKIE_BYTES);
}

/* --- what comes back --- */

static bool is_whole(struct span answer, enum native_kind kind, size_t bytes)
{
	struct native_head want = head_of(kind, 0, bytes);

	return answer.bytes == bytes && memcmp(answer.at, &want, sizeof(want)) == 0;
}

static bool read_cookie(struct native_said *said, struct span answer, size_t echo_at,
			const struct native_datagram *sent)
{
	struct native_cookie_reply reply;

	memcpy(&reply, answer.at, sizeof(reply));
	if (memcmp(reply.echo, sent->at + echo_at, sizeof(reply.echo)) != 0)
		return false;
	said->kind = NATIVE_COOKIE_REPLY;
	memcpy(said->cookie, reply.cookie, sizeof(reply.cookie));
	return true;
}

static bool read_receipt(struct native_said *said, struct span answer, const struct native_datagram *sent)
{
	struct native_receipt receipt;

	memcpy(&receipt, answer.at, sizeof(receipt));
	if (memcmp(receipt.nonce, sent->at + offsetof(struct native_request, nonce), sizeof(receipt.nonce)) != 0 ||
	    receipt.zero[0] != 0 || receipt.zero[1] != 0)
		return false;
	said->kind = NATIVE_RECEIPT;
	memcpy(said->receipt.id, receipt.id, sizeof(receipt.id));
	said->receipt.reason = be16toh(receipt.reason);
	said->receipt.place = be32toh(receipt.place);
	return true;
}

static bool read_opened(struct native_said *said, struct span answer, const struct native_datagram *sent)
{
	struct native_opened opened;

	memcpy(&opened, answer.at, sizeof(opened));
	if (memcmp(&opened.until, sent->at + offsetof(struct native_knock, until), sizeof(opened.until)) != 0)
		return false;
	said->kind = NATIVE_OPENED;
	said->opened.until_s = be64toh(opened.until);
	memcpy(said->opened.source, opened.source, sizeof(opened.source));
	return true;
}

bool native_client_read(struct native_said *said, struct span answer, const struct native_datagram *sent)
{
	bool knocked = sent->at[offsetof(struct native_head, kind)] == NATIVE_KNOCK;

	*said = (struct native_said){0};
	if (is_whole(answer, NATIVE_COOKIE_REPLY, sizeof(struct native_cookie_reply)))
		return read_cookie(
			said, answer,
			knocked ? offsetof(struct native_knock, until) : offsetof(struct native_request, nonce), sent);
	if (!knocked && is_whole(answer, NATIVE_RECEIPT, sizeof(struct native_receipt)))
		return read_receipt(said, answer, sent);
	if (knocked && is_whole(answer, NATIVE_OPENED, sizeof(struct native_opened)))
		return read_opened(said, answer, sent);
	return false;
}
