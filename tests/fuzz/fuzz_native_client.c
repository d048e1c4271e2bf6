// SPDX-License-Identifier: Apache-2.0
// link: user/pay_client.c user/network.c user/hash.c user/bind.c user/parse.c user/ec/keccak8.c user/base/keccak.c user/base/base64.c user/base/json.c user/base/json_write.c user/base/utf8.c user/base/hex.c user/base/u256.c user/base/log.c
/* fuzz_native_client.c: anybody may answer a datagram.  What is taken for an answer is one in every byte: written again from what
 * was read of it, and from what had been sent, it is the same.  The input's first byte says what was sent, the rest comes back. */
#include "../../user/native_client.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

/* Nothing here signs. */
bool sign_digest(const struct signer *signer, uint8_t signature[65], const struct word *digest)
{
	(void)signer;
	(void)digest;
	memset(signature, 0x51, 65);
	return true;
}

void sign_address(const struct signer *signer, struct address *address)
{
	(void)signer;
	*address = (struct address){{0xa0}};
}

static size_t write_again(uint8_t out[64], const struct native_said *said, const struct native_datagram *sent)
{
	bool knocked = sent->at[4] == NATIVE_KNOCK;

	memset(out, 0, 64);
	memcpy(out, "TBR1", 4);
	out[4] = said->kind;
	switch (said->kind) {
	case NATIVE_COOKIE_REPLY:
		out[7] = 24;
		memcpy(out + 8, said->cookie, 8);
		memcpy(out + 16, sent->at + (knocked ? 40 : 88), 8);
		return 24;
	case NATIVE_RECEIPT:
		out[7] = 64;
		memcpy(out + 8, said->receipt.id, 16);
		memcpy(out + 24, sent->at + 88, 32);
		out[56] = (uint8_t)(said->receipt.reason >> 8);
		out[57] = (uint8_t)said->receipt.reason;
		for (unsigned i = 0; i < 4; i++)
			out[60 + i] = (uint8_t)(said->receipt.place >> (24 - 8 * i));
		return knocked ? 0 : 64;
	case NATIVE_OPENED:
		out[7] = 32;
		memcpy(out + 8, sent->at + 40, 8);
		memcpy(out + 16, said->opened.source, 16);
		return knocked ? 32 : 0;
	default:
		return 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	static const struct pay_offer offer = {.offer = {.method = METHOD_PERMIT2, .chain_id = 1, .max_timeout_s = 60}};
	const struct native_wish wish = {.offer = &offer, .calldata = SPAN("callcall"), .now_s = 1000};
	struct native_datagram sent;
	struct native_said said;
	uint8_t again[64];

	if (bytes == 0)
		return 0;
	if (at[0] & 1)
		ASSERT(native_client_knock(&sent, 1, 1300, at[0] & 2 ? (const uint8_t *)"cookie!!" : NULL, NULL));
	else
		ASSERT(native_client_request(&sent, &wish, NULL));
	uint8_t *whole = malloc(bytes),
		*copy = whole + 1; /* ends where the input does, so that a read past the end is found */
	memcpy(whole, at, bytes);
	if (bytes - 1 >= 64 && (at[0] & 4))
		memcpy(copy + 24, sent.at + 88, 32); /* a nonce cannot be guessed */
	if (native_client_read(&said, span_of(copy, bytes - 1), &sent))
		ASSERT(write_again(again, &said, &sent) == bytes - 1 && memcmp(again, copy, bytes - 1) == 0);
	free(whole);
	return 0;
}
