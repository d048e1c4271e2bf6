// SPDX-License-Identifier: Apache-2.0
/* openai.c: see openai.h. */
#include "openai.h"

#include "base/base64.h"
#include "base/hex.h"
#include "base/json.h"

/* --- requests --- */

/* Is this name the key for a decoder that ignores case, as Go's does (with its two letters from outside ASCII)? */
static bool folds_to(const struct json_value *name, struct span key)
{
	uint8_t buffer[64];
	struct span text;
	size_t at = 0;

	if (!json_text(name, &text, buffer, sizeof buffer))
		return false; /* longer than any of our keys */
	for (size_t i = 0; i < text.bytes; i++, at++) {
		uint8_t byte = text.at[i];

		if (text.bytes - i >= 2 && memcmp(text.at + i, "\xc5\xbf", 2) == 0) { /* U+017F, long s */
			byte = 's';
			i++;
		} else if (byte >= 'A' && byte <= 'Z') {
			byte = (uint8_t)(byte | 0x20);
		}
		if (at == key.bytes || byte != key.at[at])
			return false;
	}
	return at == key.bytes;
}

/* A member of the object being read: ours, a look-alike, or none of our business. */
enum match { MATCH, MATCH_NOT, MATCH_FOLDED };

static enum match match(const struct json_value *name, struct span key)
{
	if (json_equals(name, key))
		return MATCH;
	return folds_to(name, key) ? MATCH_FOLDED : MATCH_NOT;
}

/* Offsets of what injection needs to know; all spans are of the body. */
struct options {
	struct span object; /* stream_options as it stands; empty when absent */
	struct span usage;  /* value of include_usage; empty when absent */
	bool is_null;
	bool is_empty;
	bool include_usage;
};

static bool read_options(struct options *options, const struct json_value *value)
{
	struct json_value name, flag;
	struct json json;

	options->object = value->text;
	options->is_null = value->type == JSON_NULL;
	if (options->is_null)
		return true;
	json_init(&json, value->text, JSON_NESTING_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return false;
	options->is_empty = true;
	while (json_next(&json, &name)) {
		options->is_empty = false;
		switch (match(&name, SPAN("include_usage"))) {
		case MATCH:
			if (!json_read(&json, &flag) || !json_bool(&flag, &options->include_usage))
				return false;
			options->usage = flag.text;
			break;
		case MATCH_FOLDED:
			return false;
		case MATCH_NOT:
			break;
		}
	}
	return json_end(&json);
}

static void edit(struct openai_request *request, const uint8_t *body, const uint8_t *at, size_t replace_bytes,
		 struct span insert)
{
	request->insert_at = (size_t)(at - body);
	request->replace_bytes = replace_bytes;
	request->insert = insert;
}

/* The smallest edit after which the body asks for usage. */
static void inject(struct openai_request *request, struct span body, const struct options *options)
{
	if (options->object.bytes == 0) {
		/* white space is all that may stand before the object, and "stream" follows the comma */
		const uint8_t *brace = memchr(body.at, '{', body.bytes);

		edit(request, body.at, brace + 1, 0, SPAN("\"stream_options\":{\"include_usage\":true},"));
	} else if (options->is_null) {
		edit(request, body.at, options->object.at, options->object.bytes, SPAN("{\"include_usage\":true}"));
	} else if (options->usage.bytes != 0) {
		edit(request, body.at, options->usage.at, options->usage.bytes, SPAN("true"));
	} else if (options->is_empty) {
		edit(request, body.at, options->object.at + 1, 0, SPAN("\"include_usage\":true"));
	} else {
		edit(request, body.at, options->object.at + 1, 0, SPAN("\"include_usage\":true,"));
	}
}

static bool read_model(struct openai_request *request, const struct json_value *value)
{
	if (value->type != JSON_STRING || value->escaped)
		return false;
	request->model = span_of(value->text.at + 1, value->text.bytes - 2);
	return true;
}

/* Only a guess at the request's size hangs on it: what is no count is the model server's to complain of. */
static bool read_tokens_max(struct openai_request *request, struct json *json)
{
	struct json_value value;
	uint64_t count;

	if (!json_read(json, &value))
		return false;
	if (json_u64(&value, &count) && count <= OPENAI_TOKENS_MAX && count > request->tokens_max)
		request->tokens_max = count;
	return true;
}

/* One member of the body; false refuses. */
static bool read_member(struct openai_request *request, struct options *options, struct json *json,
			const struct json_value *name)
{
	static const struct span keys[] = {SPAN("model"), SPAN("stream"), SPAN("stream_options")};
	struct json_value value;

	if (json_equals(name, SPAN("max_tokens")) || json_equals(name, SPAN("max_completion_tokens")))
		return read_tokens_max(request, json);
	for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
		enum match found = match(name, keys[i]);

		if (found == MATCH_NOT)
			continue;
		if (found == MATCH_FOLDED || !json_read(json, &value))
			return false;
		switch (i) {
		case 0:
			return read_model(request, &value);
		case 1:
			return json_bool(&value, &request->stream);
		default:
			return read_options(options, &value);
		}
	}
	return true; /* left unread: the next step checks its syntax and passes over it */
}

enum reason openai_request(struct openai_request *request, struct span body)
{
	struct options options = {.include_usage = false};
	struct json_value name;
	struct json json;

	*request = (struct openai_request){.stream = false};
	if (body.bytes > UINT32_MAX)
		return BODY_BAD;
	json_init(&json, body, JSON_NESTING_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return BODY_BAD;
	while (json_next(&json, &name))
		if (!read_member(request, &options, &json, &name))
			return BODY_BAD;
	if (!json_end(&json))
		return BODY_BAD;
	request->include_usage = options.include_usage;
	if (request->stream && !options.include_usage)
		inject(request, body, &options);
	return REASON_OK;
}

/* --- usage --- */

/* A token count under either of its names; false when it stands there but is no count. */
static bool read_count(struct json *json, bool *found, uint64_t *count)
{
	struct json_value value;

	*found = true;
	return json_read(json, &value) && json_u64(&value, count) && *count <= OPENAI_TOKENS_MAX;
}

/* The value of `usage`, read to its end whatever it holds. */
static void read_usage(struct json *json, struct openai_usage *usage)
{
	struct openai_usage read = {.known = true};
	bool has_input = false, has_output = false;
	struct json_value name;

	if (!json_enter(json, JSON_OBJECT))
		return;
	while (json_next(json, &name)) {
		if (json_equals(&name, SPAN("prompt_tokens")) || json_equals(&name, SPAN("input_tokens")))
			read.known &= read_count(json, &has_input, &read.input);
		else if (json_equals(&name, SPAN("completion_tokens")) || json_equals(&name, SPAN("output_tokens")))
			read.known &= read_count(json, &has_output, &read.output);
	}
	if (read.known && (has_input || has_output))
		*usage = read;
}

/* What a chunk or an answer says at its top level. */
struct chunk {
	bool has_choices, choices_empty;
	bool has_usage; /* an object */
	bool is_signed; /* has a member tee_* */
	struct openai_usage usage;
};

static void read_choices(struct json *json, struct chunk *chunk)
{
	if (!json_enter(json, JSON_ARRAY))
		return;
	chunk->has_choices = true;
	chunk->choices_empty = true;
	while (json_element(json))
		chunk->choices_empty = false;
}

static bool read_chunk(struct chunk *chunk, struct span text)
{
	struct json_value name;
	struct json json;

	*chunk = (struct chunk){.has_choices = false};
	if (text.bytes > UINT32_MAX)
		return false;
	json_init(&json, text, JSON_NESTING_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return false;
	while (json_next(&json, &name)) {
		chunk->is_signed |= name.text.bytes > 5 && memcmp(name.text.at, "\"tee_", 5) == 0;
		if (json_equals(&name, SPAN("usage"))) {
			chunk->has_usage = json_peek(&json) == JSON_OBJECT;
			read_usage(&json, &chunk->usage);
		} else if (json_equals(&name, SPAN("choices"))) {
			read_choices(&json, chunk);
		}
	}
	return json_end(&json);
}

void openai_usage(struct openai_usage *usage, struct span json)
{
	struct chunk chunk;

	if (read_chunk(&chunk, json) && chunk.usage.known)
		*usage = chunk.usage;
}

/* --- events --- */

/* Takes the next line off *rest, without its end. */
static struct span take_line(struct span *rest)
{
	const uint8_t *end = memchr(rest->at, '\n', rest->bytes), *cr;
	struct span line = span_of(rest->at, end != NULL ? (size_t)(end - rest->at) : rest->bytes);
	size_t taken = line.bytes + (end != NULL);

	cr = memchr(line.at, '\r', line.bytes);
	if (cr != NULL) {
		line.bytes = (size_t)(cr - line.at);
		if (line.bytes + 2 != taken || end == NULL) /* not CRLF: the CR ends the line by itself */
			taken = line.bytes + 1;
	}
	*rest = span_of(rest->at + taken, rest->bytes - taken);
	return line;
}

/* The value of a data line; false for any other line. */
static bool data_of(struct span *value, struct span line)
{
	if (line.bytes < 4 || memcmp(line.at, "data", 4) != 0 || (line.bytes > 4 && line.at[4] != ':'))
		return false;
	*value = line.bytes > 5 ? span_of(line.at + 5, line.bytes - 5) : span_of(line.at, 0);
	if (value->bytes > 0 && value->at[0] == ' ')
		*value = span_of(value->at + 1, value->bytes - 1);
	return true;
}

/* The event's data: borrowed when it is on one line, else joined in buffer, cut to fit.  False: there is none. */
static bool event_data(struct span *data, struct span bytes, uint8_t buffer[OPENAI_EVENT_JOIN_BYTES])
{
	unsigned cnt = 0;
	size_t used = 0;

	while (bytes.bytes > 0) {
		struct span line = take_line(&bytes), value;
		size_t room;

		if (!data_of(&value, line))
			continue;
		if (cnt++ == 0) {
			*data = value;
			continue;
		}
		if (cnt == 2) {
			used = data->bytes < OPENAI_EVENT_JOIN_BYTES ? data->bytes : OPENAI_EVENT_JOIN_BYTES;
			memcpy(buffer, data->at, used);
		}
		if (used < OPENAI_EVENT_JOIN_BYTES)
			buffer[used++] = '\n';
		room = OPENAI_EVENT_JOIN_BYTES - used;
		room = value.bytes < room ? value.bytes : room;
		memcpy(buffer + used, value.at, room);
		used += room;
		*data = span_of(buffer, used);
	}
	return cnt > 0;
}

/* Does `"usage":` stand anywhere with a value other than null?  Inside a JSON string its quotes would be escaped. */
static bool mentions_usage(struct span text)
{
	static const char key[] = "\"usage\"";
	const uint8_t *end = text.at + text.bytes, *at = text.at;

	while ((at = memmem(at, (size_t)(end - at), key, sizeof key - 1)) != NULL) {
		at += sizeof key - 1;
		while (at < end && (*at == ' ' || *at == ':'))
			at++;
		if (end - at < 4 || memcmp(at, "null", 4) != 0)
			return true;
	}
	return false;
}

void openai_event(struct openai_event *event, struct openai_usage *usage, struct span bytes)
{
	uint8_t buffer[OPENAI_EVENT_JOIN_BYTES];
	struct chunk chunk;
	struct span data;

	*event = (struct openai_event){.is_data = false};
	if (!event_data(&data, bytes, buffer))
		return;
	event->is_data = true;
	event->is_done = span_equal(data, SPAN("[DONE]"));
	event->has_content = !event->is_done;
	if (!mentions_usage(data) || !read_chunk(&chunk, data))
		return;
	event->has_content = !chunk.has_choices || !chunk.choices_empty;
	event->is_usage_extra = chunk.has_choices && chunk.choices_empty && chunk.has_usage && !chunk.is_signed;
	if (chunk.usage.known)
		*usage = chunk.usage;
}

/* --- proof --- */

#define SIGNATURE_KEY "\"tee_signature\""

/* A string's bytes; escapes are not of any of the forms. */
static bool plain_string(struct span *text, const struct json_value *value)
{
	if (value->type != JSON_STRING || value->escaped)
		return false;
	*text = span_of(value->text.at + 1, value->text.bytes - 2);
	return true;
}

static bool read_hash(struct word *hash, const struct json_value *value)
{
	struct span text;

	return plain_string(&text, value) &&
	       (hex_decode(hash->at, sizeof hash->at, text) || hex_digits(hash->at, sizeof hash->at, text));
}

static bool read_signature(struct proof *proof, const struct json_value *value)
{
	struct span text;

	if (!plain_string(&text, value))
		return false;
	ssize_t bytes = base64_decode(proof->signature, sizeof proof->signature, text);
	proof->signature_bytes = bytes > 0 ? (size_t)bytes : 0;
	return bytes > 0;
}

enum { PROOF_SIGNATURE, PROOF_TIMESTAMP, PROOF_ID, PROOF_INPUT, PROOF_OUTPUT, PROOF_CNT };

static unsigned proof_member(const struct json_value *name)
{
	static const struct span keys[PROOF_CNT] = {
		[PROOF_SIGNATURE] = SPAN("tee_signature"),
		[PROOF_TIMESTAMP] = SPAN("tee_timestamp"),
		[PROOF_ID] = SPAN("tee_id"),
		[PROOF_INPUT] = SPAN("tee_request_hash"),
		[PROOF_OUTPUT] = SPAN("tee_output_hash"),
	};
	unsigned member = 0;

	while (member < PROOF_CNT && !json_equals(name, keys[member]))
		member++;
	return member;
}

static bool read_proof_member(struct proof *proof, unsigned member, const struct json_value *value)
{
	switch (member) {
	case PROOF_SIGNATURE:
		return read_signature(proof, value);
	case PROOF_TIMESTAMP:
		return json_u64(value, &proof->timestamp) && proof->timestamp < UINT64_C(1) << 53;
	case PROOF_ID:
		return read_hash(&proof->tee_id, value);
	case PROOF_INPUT:
		return read_hash(&proof->input_hash, value);
	default:
		return read_hash(&proof->output_hash, value);
	}
}

/* All of them, and each of its form? */
static bool read_proof(struct proof *proof, struct span text)
{
	struct json_value name, value;
	unsigned good = 0;
	struct json json;

	if (text.bytes > UINT32_MAX)
		return false;
	json_init(&json, text, JSON_NESTING_MAX, JSON_ENTERED);
	if (!json_enter(&json, JSON_OBJECT))
		return false;
	while (json_next(&json, &name)) {
		unsigned member = proof_member(&name);
		if (member < PROOF_CNT && json_read(&json, &value) && read_proof_member(proof, member, &value))
			good |= 1u << member;
	}
	return json_end(&json) && good == (1u << PROOF_CNT) - 1;
}

static bool mentions_proof(struct span text)
{
	return text.bytes > 0 && memmem(text.at, text.bytes, SIGNATURE_KEY, sizeof SIGNATURE_KEY - 1) != NULL;
}

void openai_proof(struct proof *proof, struct span json)
{
	if (!mentions_proof(json))
		return;
	*proof = (struct proof){.known = false};
	proof->known = read_proof(proof, json);
}

void openai_event_proof(struct proof *proof, struct span bytes)
{
	uint8_t buffer[OPENAI_EVENT_JOIN_BYTES];
	struct span data;

	/* A line's end cannot stand within a name, so joining the lines makes no new ones. */
	if (mentions_proof(bytes) && event_data(&data, bytes, buffer))
		openai_proof(proof, data);
}
