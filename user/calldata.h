/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CALLDATA_H
#define TOLLBAR_CALLDATA_H
/* calldata.h: what a native request asks for, written as a call of OpenGradient's inference contract, to and from the body
 * that a model server takes.
 *
 *   runLLMCompletion((uint8 mode, string modelCID, string prompt, uint32 max_tokens, string[] stop_sequence,
 *                     uint32 temperature))
 *   runLLMChat((uint8 mode, string modelCID, Message[] messages, Tool[] tools, string tool_choice, uint32 max_tokens,
 *               string[] stop_sequence, uint32 temperature))
 *   Message: (string role, string content, string name, string tool_call_id, Call[] tool_calls)
 *   Call:    (string id, string name, string arguments)
 *   Tool:    (string description, string name, string parameters)
 *
 * Read strictly, so that a meaning has one spelling: encoded as Solidity's and viem's encoders do, each tail right behind
 * the one before, padding zero, nothing behind the end.  Offsets are thus known before they are read: there is nothing to
 * follow, so nothing can lead in a circle, and a count is held against the bytes that are left before anything loops over
 * it.
 *
 *   mode           0 (vanilla) or 1 (tee)
 *   modelCID       not empty, without control characters, quotes and backslashes: a name that JSON writes as it is
 *   messages       at least one; role is system, developer, user, assistant or tool
 *   tool_calls     of an assistant only
 *   parameters     one JSON object, no white space around it, at most JSON_DEPTH_MAX deep, no name in an object twice
 *   tool_choice    none, auto, required or empty
 *   temperature    hundredths, at most 100
 *   any string     UTF-8 without a zero byte, which ends a string for half of the programs that would read it
 *
 * Empty name, tool_call_id, description, tool_choice, tool_calls, tools, stop_sequence, and a max_tokens of 0, mean that the
 * member is left out of the body.  The ABI: OpenGradient-SDK, abi/inference.abi. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "native.h"
#include "reasons.h"

enum calldata_call { CALLDATA_COMPLETION, CALLDATA_CHAT };

/* First four bytes of keccak256 of each signature; tests/unit/test_calldata.c computes them from the strings. */
#define CALLDATA_SELECTOR_COMPLETION 0x14800c61u
#define CALLDATA_SELECTOR_CHAT 0xe39aa7e7u
#define CALLDATA_COMPLETION_FIELDS 6u
#define CALLDATA_CHAT_FIELDS 8u

#define CALLDATA_BYTES_MAX (NATIVE_BYTES_MAX - sizeof(struct native_request))
/* A byte of a string is at most six in JSON (\u0001); names and brackets take less than the offsets and lengths did. */
#define CALLDATA_BODY_BYTES (6 * CALLDATA_BYTES_MAX)

/* calldata_read: calldata → the OpenAI request's body, zero-terminated.
 * In:  out, CALLDATA_BODY_BYTES suffice for CALLDATA_BYTES_MAX; stream: the body asks for a stream (usage and all else a
 *      paid stream needs is put in later, as over HTTP: openai.h).
 * Out: call; tee, the client wants an answer from a trusted execution environment and nothing less; the body.
 * Refuses CALLDATA_BAD; the rest is then unspecified. */
enum reason calldata_read(enum calldata_call *call, bool *tee, uint8_t *out, size_t out_bytes, size_t *body_bytes,
			  struct span calldata, bool stream) __attribute__((warn_unused_result));

/* calldata_write: the way back, for clients: an OpenAI body → calldata.  What it makes of a body that calldata_read wrote is
 * the same calldata again.
 * In:  body, a chat's or a completion's; `stream` in it is passed over (a native request says it in its flags), no temperature
 *      is one of 1, as it is for OpenAI; stop may be one string; content may be null; parameters may be left out.
 * Returns the bytes written; 0: not such a body, or something in it has no place in the ABI, or out is too small.  Whether
 * a node takes the values is not judged here. */
size_t calldata_write(uint8_t *out, size_t out_bytes, enum calldata_call call, bool tee, struct span body)
	__attribute__((warn_unused_result));

#endif
