// SPDX-License-Identifier: Apache-2.0
/* parse.c: HTTP/1.x heads.  Two passes over the bytes: scan_head finds where the head ends, each byte once however the
 * bytes come in, and refuses every control byte on the way; then the complete head is taken apart line by line, where
 * a CR can only be the first half of a line end. */
#include "parse.h"

#include "parse_bytes.h"

enum scan_result { SCAN_MORE, SCAN_END, SCAN_BAD };

/* [0, from) was scanned before without an end.  On SCAN_END *head_bytes counts up to and with the empty line. */
static enum scan_result scan_head(const uint8_t *bytes, size_t cnt, size_t start, size_t from, size_t *head_bytes)
{
	const uint8_t *end = bytes + cnt;
	const uint8_t *at = bytes + (from > start ? from : start);

	/* The last byte scanned may have been a CR that waits for its LF. */
	if (at > bytes + start && at[-1] == '\r')
		at--;

	while ((at = find_control(at, end)) < end) {
		if (*at != '\r')
			return SCAN_BAD;
		if (at + 1 == end)
			return SCAN_MORE;
		if (at[1] != '\n')
			return SCAN_BAD;
		if (at == bytes + start || at[-1] == '\n') {
			*head_bytes = (size_t)(at + 2 - bytes);
			return SCAN_END;
		}
		at += 2;
	}
	return SCAN_MORE;
}

static void head_reset(struct http_head *head)
{
	const struct span none = {NULL, 0};

	head->method = head->target = none;
	head->host = head->payment_v2 = head->payment_v1 = head->content_type = none;
	head->status = head->minor = head->payment_field_cnt = 0;
	head->field_cnt = head->head_bytes = 0;
	head->keep_alive = head->chunked = head->has_length = head->expect_continue = false;
	head->content_bytes = 0;
	head->refusal = REASON_OK;
}

/* What one message's fields said so far, for rules that need more than one of them. */
struct message {
	struct http_head *head;
	const uint8_t *at; /* start of the next line */
	bool request;
	bool close, keep; /* Connection */
	bool encoded;	  /* Transfer-Encoding seen */
	bool expectation; /* an Expect we do not know */
};

/* The scan saw to it that there is a line end and that a CR is nothing else. */
static const uint8_t *line_end(const uint8_t *at, const uint8_t *end)
{
	return memchr(at, '\r', (size_t)(end - at));
}

static struct span trim(const uint8_t *at, const uint8_t *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return span_of(at, (size_t)(end - at));
}

/* No body is longer, and parsers differ over how close to 2^64 they go. */
#define CONTENT_BYTES_MAX ((uint64_t)1 << 60)

/* 1*DIGIT without a leading zero: two parsers may differ over everything else. */
static bool parse_length(uint64_t *out, struct span value)
{
	uint64_t number = 0;

	if (value.bytes == 0 || (value.at[0] == '0' && value.bytes > 1))
		return false;
	for (size_t i = 0; i < value.bytes; i++) {
		uint8_t digit = (uint8_t)(value.at[i] - '0');
		if (digit > 9)
			return false;
		number = number * 10 + digit;
		if (number > CONTENT_BYTES_MAX)
			return false;
	}
	*out = number;
	return true;
}

/* A tab beside a value is white space by the grammar, yet known parsers take it for a part of the value: in the fields
 * that say where a body ends only spaces will do. */
static bool tab_beside(struct span value)
{
	const uint8_t *before = value.at - 1, *after = value.at + value.bytes;

	while (*before == ' ')
		before--;
	while (*after == ' ')
		after++;
	return *before == '\t' || *after == '\t';
}

static enum reason take_length(struct message *m, struct span value)
{
	if (m->head->has_length || tab_beside(value) || !parse_length(&m->head->content_bytes, value))
		return HTTP_AMBIGUOUS;
	m->head->has_length = true;
	return REASON_OK;
}

static enum reason take_encoding(struct message *m, struct span value)
{
	if (m->encoded || tab_beside(value) || !span_equal_nocase(value, SPAN("chunked")))
		return HTTP_AMBIGUOUS;
	m->encoded = m->head->chunked = true;
	return REASON_OK;
}

static enum reason take_host(struct message *m, struct span value)
{
	/* A second Host is seen by its pointer: an empty one is refused here, so the first was not empty. */
	if (m->head->host.at != NULL || value.bytes == 0)
		return HTTP_BAD;
	for (size_t i = 0; i < value.bytes; i++)
		if (!byte_is(value.at[i], CLASS_HOST))
			return HTTP_BAD;
	m->head->host = value;
	return REASON_OK;
}

static void take_connection(struct message *m, struct span value)
{
	const uint8_t *at = value.at, *end = value.at + value.bytes;

	while (at < end) {
		const uint8_t *comma = memchr(at, ',', (size_t)(end - at));
		struct span option = trim(at, comma != NULL ? comma : end);
		m->close |= span_equal_nocase(option, SPAN("close"));
		m->keep |= span_equal_nocase(option, SPAN("keep-alive"));
		at = comma != NULL ? comma + 1 : end;
	}
}

static void take_expect(struct message *m, struct span value)
{
	if (span_equal_nocase(value, SPAN("100-continue")))
		m->head->expect_continue = true;
	else
		m->expectation = true;
}

static void take_payment(struct message *m, struct span *first, struct span value)
{
	m->head->payment_field_cnt++;
	if (first->at == NULL)
		*first = value;
}

/* The fields that decide how the message is read or what it pays with. */
static enum reason take_field(struct message *m, struct span name, struct span value)
{
	struct http_head *head = m->head;

	switch (name.bytes) {
	case 4:
		if (m->request && span_equal_nocase(name, SPAN("host")))
			return take_host(m, value);
		break;
	case 6:
		if (m->request && span_equal_nocase(name, SPAN("expect")))
			take_expect(m, value);
		break;
	case 9:
		if (m->request && span_equal_nocase(name, SPAN("x-payment")))
			take_payment(m, &head->payment_v1, value);
		break;
	case 10:
		if (span_equal_nocase(name, SPAN("connection")))
			take_connection(m, value);
		break;
	case 12:
		if (head->content_type.at == NULL && span_equal_nocase(name, SPAN("content-type")))
			head->content_type = value;
		break;
	case 14:
		if (span_equal_nocase(name, SPAN("content-length")))
			return take_length(m, value);
		break;
	case 17:
		if (span_equal_nocase(name, SPAN("transfer-encoding")))
			return take_encoding(m, value);
		if (m->request && span_equal_nocase(name, SPAN("payment-signature")))
			take_payment(m, &head->payment_v2, value);
		break;
	default:
		/* http-parser, which servers still use, takes any longer name for Transfer-Encoding itself. */
		if (name.bytes > 17 && span_equal_nocase(span_of(name.at, 17), SPAN("transfer-encoding")))
			return HTTP_AMBIGUOUS;
		break;
	}
	return REASON_OK;
}

/* name ":" OWS value OWS, up to the empty line.  White space before the colon and continuation lines (obs-fold) stop
 * at the first byte that is neither token nor colon. */
static enum reason parse_fields(struct message *m, const uint8_t *end)
{
	struct http_head *head = m->head;
	const uint8_t *at = m->at;

	while (*at != '\r') {
		const uint8_t *name = at;
		while (byte_is(*at, CLASS_TOKEN))
			at++;
		if (at == name || *at != ':')
			return HTTP_BAD;
		if (head->field_cnt == HEAD_FIELDS_MAX)
			return HTTP_LARGE;
		struct http_field *field = &head->fields[head->field_cnt++];
		const uint8_t *line = line_end(at, end);
		field->name = span_of(name, (size_t)(at - name));
		field->value = trim(at + 1, line);
		at = line + 2;
		enum reason reason = take_field(m, field->name, field->value);
		if (reason != REASON_OK)
			return reason;
	}
	return REASON_OK;
}

/* "HTTP/1.0" or "HTTP/1.1"; another version in the same form is HTTP_VERSION. */
static enum reason parse_version(struct http_head *head, const uint8_t *at)
{
	if (memcmp(at, "HTTP/", 5) != 0 || at[6] != '.')
		return HTTP_BAD;
	uint8_t major = (uint8_t)(at[5] - '0'), minor = (uint8_t)(at[7] - '0');
	if (major > 9 || minor > 9)
		return HTTP_BAD;
	head->minor = minor;
	return major == 1 && minor <= 1 ? REASON_OK : HTTP_VERSION;
}

#define VERSION_BYTES 8

/* method SP target SP version: single spaces, nothing more. */
static enum reason parse_request_line(struct message *m, const uint8_t *end)
{
	struct http_head *head = m->head;
	const uint8_t *at = m->at, *line = line_end(at, end), *method = at;

	while (byte_is(*at, CLASS_TOKEN))
		at++;
	if (at == method || *at != ' ')
		return HTTP_BAD;
	head->method = span_of(method, (size_t)(at - method));
	const uint8_t *target = ++at;
	while (byte_is(*at, CLASS_TARGET))
		at++;
	if (at == target || *at != ' ' || line - at != 1 + VERSION_BYTES)
		return HTTP_BAD;
	head->target = span_of(target, (size_t)(at - target));
	m->at = line + 2;
	enum reason reason = parse_version(head, at + 1);
	if (reason != REASON_OK)
		return reason;
	bool asterisk = span_equal(head->target, SPAN("*")) && span_equal(head->method, SPAN("OPTIONS"));
	return *target == '/' || asterisk ? REASON_OK : HTTP_BAD;
}

/* version SP 3DIGIT [SP reason-phrase] */
static enum reason parse_status_line(struct message *m, const uint8_t *end)
{
	const uint8_t *at = m->at, *line = line_end(at, end);
	unsigned status = 0;

	if (line - at < VERSION_BYTES + 4 || at[VERSION_BYTES] != ' ' || parse_version(m->head, at) != REASON_OK)
		return HTTP_BAD;
	at += VERSION_BYTES + 1;
	for (unsigned i = 0; i < 3; i++, at++) {
		uint8_t digit = (uint8_t)(*at - '0');
		if (digit > 9)
			return HTTP_BAD;
		status = 10 * status + digit;
	}
	m->head->status = status;
	m->at = line + 2;
	return status >= 100 && (at == line || *at == ' ') ? REASON_OK : HTTP_BAD;
}

/* The rules over several fields. */
static enum reason finish_head(struct message *m)
{
	struct http_head *head = m->head;

	if (m->encoded && (head->has_length || head->minor == 0))
		return HTTP_AMBIGUOUS;
	if (m->request && head->minor == 1 && head->host.at == NULL)
		return HTTP_BAD;
	if (m->expectation)
		return EXPECTATION;
	if (head->minor == 0)
		head->expect_continue = false; /* RFC 9110 10.1.1: not for 1.0 */
	head->keep_alive = !m->close && (head->minor == 1 || m->keep);
	return REASON_OK;
}

static enum parse_result refuse(struct http_head *head, enum reason reason)
{
	head->refusal = reason;
	return PARSE_BAD;
}

static enum parse_result parse_head(struct http_head *head, struct span bytes, size_t seen, bool request)
{
	size_t cnt = bytes.bytes < HEAD_BYTES_MAX ? bytes.bytes : HEAD_BYTES_MAX;
	/* RFC 9112 2.2: one empty line before a request line is skipped. */
	size_t start = request && cnt >= 2 && bytes.at[0] == '\r' && bytes.at[1] == '\n' ? 2 : 0;
	struct message message = {.head = head, .at = bytes.at + start, .request = request};

	head_reset(head);
	switch (scan_head(bytes.at, cnt, start, seen < cnt ? seen : cnt, &head->head_bytes)) {
	case SCAN_BAD:
		return refuse(head, HTTP_BAD);
	case SCAN_MORE:
		return cnt < HEAD_BYTES_MAX ? PARSE_MORE : refuse(head, HTTP_LARGE);
	case SCAN_END:
		break;
	}
	const uint8_t *end = bytes.at + head->head_bytes;
	enum reason reason = request ? parse_request_line(&message, end) : parse_status_line(&message, end);
	if (reason == REASON_OK)
		reason = parse_fields(&message, end);
	if (reason == REASON_OK)
		reason = finish_head(&message);
	return reason == REASON_OK ? PARSE_DONE : refuse(head, reason);
}

size_t parse_field(struct span *value, const struct http_head *head, struct span name)
{
	size_t cnt = 0;

	*value = (struct span){0};
	for (size_t i = 0; i < head->field_cnt; i++)
		if (span_equal_nocase(head->fields[i].name, name) && cnt++ == 0)
			*value = head->fields[i].value;
	return cnt;
}

enum parse_result parse_request(struct http_head *head, struct span bytes, size_t seen)
{
	return parse_head(head, bytes, seen, true);
}

enum parse_result parse_response(struct http_head *head, struct span bytes, size_t seen)
{
	enum parse_result result = parse_head(head, bytes, seen, false);

	if (result == PARSE_BAD)
		head->refusal = UPSTREAM_BAD;
	return result;
}
