/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_OPENAI_H
#define TOLLBAR_OPENAI_H
/* openai.h: the little the gate must know of an OpenAI-compatible body: which model, streamed or not, and what it used.
 * Facts: bytes in, values out, no I/O. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "reasons.h"
#include "settlement.h"

struct openai_request {
	struct span model; /* bytes of the string, empty when absent; a model name with an escape in it is BODY_BAD */
	bool stream;
	uint64_t tokens_max; /* max_tokens or max_completion_tokens; 0: none that is a whole number below 2^53 */
	/* stream_options.include_usage injection: where in the body to cut and what to put there */
	bool include_usage;   /* the client asked for usage itself */
	size_t insert_at;     /* offset into the body */
	size_t replace_bytes; /* bytes of the body dropped at insert_at ("false" → "true") */
	struct span insert;   /* constant text put there; empty when nothing has to change */
};

/* openai_request: body of a paid POST.  Refuses BODY_BAD: not one JSON object, a duplicate top-level key or duplicate
 * key inside stream_options, model not a string, stream not a boolean, stream_options not an object or null,
 * include_usage not a boolean.  Also a key that differs from one of these four in case only: Go servers (Ollama) take it
 * for the same, so the model we permitted would not be the model that runs.
 * insert is set only when stream is true and the client did not ask for usage. */
enum reason openai_request(struct openai_request *request, struct span body) __attribute__((warn_unused_result));

#define OPENAI_TOKENS_MAX ((UINT64_C(1) << 53) - 1) /* what JavaScript can hold */

struct openai_usage {
	bool known;
	uint64_t input;	 /* prompt_tokens or input_tokens */
	uint64_t output; /* completion_tokens or output_tokens */
};

/* openai_usage: top-level `usage` of a complete JSON answer.  Absent, null, or not made of non-negative integers below
 * 2^53: known stays as it was; an explicit 0 is known.  One of the two counts may be missing and is then 0 (embeddings
 * have no output). */
void openai_usage(struct openai_usage *usage, struct span json);

struct openai_event {
	bool is_data;	     /* the event has a data line */
	bool is_done;	     /* data: [DONE] */
	bool has_content;    /* carries part of an answer: choices not empty (or not an OpenAI chunk at all) */
	bool is_usage_extra; /* choices is [], usage is an object, and nothing is signed: the chunk include_usage adds */
};

/* Members that begin with tee_ are a node's signature over the whole answer: the client's, wherever they stand.
 * openai_event: one complete server-sent event (with its line ends: LF, CRLF or CR).  Events without `"usage"`, or where
 * it is null, cost one memmem and count as content; of others the JSON is looked at.  Usage is taken from any chunk,
 * whatever its choices (usage updated when known).  An event whose data stands on several lines is read only up to
 * OPENAI_EVENT_JOIN_BYTES of it. */
#define OPENAI_EVENT_JOIN_BYTES 16384
void openai_event(struct openai_event *event, struct openai_usage *usage, struct span bytes);

/* openai_proof: the members tee_* at the top level of a JSON answer.  Without tee_signature the proof stays as it was, for
 * one memmem; otherwise it is what stands here, known when nothing is missing and all is of its form:
 *   tee_signature                                base64, 1 to PROOF_SIGNATURE_BYTES_MAX bytes
 *   tee_request_hash, tee_output_hash, tee_id    32 bytes in hex, with 0x or without
 *   tee_timestamp                                a whole number below 2^53
 * Source: OpenGradient/tee-gateway, chat and completions controllers.
 * openai_event_proof: the same of a server-sent event. */
void openai_proof(struct proof *proof, struct span json);
void openai_event_proof(struct proof *proof, struct span bytes);

#endif
