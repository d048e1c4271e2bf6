// SPDX-License-Identifier: Apache-2.0
// link: user/calldata.c user/calldata_write.c user/openai.c user/base/base64.c user/base/hex.c user/base/u256.c user/base/json.c user/base/json_write.c user/base/utf8.c user/base/log.c -ljansson
/* fuzz_calldata.c: calldata, or what begins with a brace: a body, from which calldata is made.  What is taken becomes a body
 * that is JSON for jansson, within its bound, and that the gate's own reader takes; and this body written again is the same
 * calldata, so nothing was lost and no other bytes mean it.  Of a body's calldata one bit is changed, and all this holds again. */
#include "jansson_names.h"

#include "base/assert.h"
#include <stdlib.h>

#include "calldata.h"
#include "openai.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes);

#define ROOM 65536

static void check_body(struct span body, bool stream)
{
	json_t *json = json_loadb((const char *)body.at, body.bytes, JSON_REJECT_DUPLICATES, NULL);
	struct openai_request request;

	/* jansson's numbers have 64 bits and its names no zero byte: parameters may have both */
	ASSERT(json != NULL || memmem(body.at, body.bytes, "\"parameters\"", 12) != NULL);
	json_decref(json);
	ASSERT(openai_request(&request, body) == REASON_OK);
	ASSERT(request.stream == stream && request.model.bytes > 0);
}

static void check_calldata(struct span calldata, bool stream)
{
	static uint8_t out[6 * ROOM], again[ROOM];
	enum calldata_call call;
	size_t body_bytes;
	bool tee;

	/* its own memory: ASan sees a read behind it */
	uint8_t *copy = malloc(calldata.bytes + !calldata.bytes);
	memcpy(copy, calldata.at, calldata.bytes);
	enum reason reason =
		calldata_read(&call, &tee, out, sizeof out, &body_bytes, span_of(copy, calldata.bytes), stream);
	free(copy);
	ASSERT(reason == REASON_OK || reason == CALLDATA_BAD);
	if (reason != REASON_OK)
		return;
	ASSERT(body_bytes < 6 * calldata.bytes);
	check_body(span_of(out, body_bytes), stream);
	size_t bytes = calldata_write(again, sizeof again, call, tee, span_of(out, body_bytes));
	ASSERT(bytes == calldata.bytes && memcmp(again, calldata.at, bytes) == 0);
}

/* One of the low bits of one word is changed: an offset, a count, a number, the end of a text. */
static void check_changed(struct span body)
{
	static uint8_t calldata[ROOM];
	size_t bytes = calldata_write(calldata, sizeof calldata, CALLDATA_CHAT, false, body);
	size_t which = 0;

	if (bytes == 0)
		bytes = calldata_write(calldata, sizeof calldata, CALLDATA_COMPLETION, true, body);
	if (bytes == 0)
		return;
	check_calldata(span_of(calldata, bytes), true);
	for (size_t i = 0; i < body.bytes; i++)
		which = which * 31 + body.at[i];
	size_t bit = which % 16, word = which / 16 % (bytes / 32);
	calldata[4 + 32 * word + 31 - bit / 8] ^= (uint8_t)(1u << bit % 8);
	check_calldata(span_of(calldata, bytes), false);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
	if (bytes > 0 && at[0] == '{')
		check_changed(span_of(at, bytes));
	else
		check_calldata(span_of(at, bytes < ROOM ? bytes : ROOM), bytes % 2 == 0);
	return 0;
}
