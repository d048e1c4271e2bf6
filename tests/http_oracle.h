/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TESTS_HTTP_ORACLE_H
#define TOLLBAR_TESTS_HTTP_ORACLE_H
/* http_oracle.h: the same head read by http-parser 2.9.4, for comparison.  Whatever parse_request accepts, http-parser
 * must accept with the same method, target, fields and body length.  Where they differ on purpose or by nature:
 *   - methods: ours are any token, http-parser knows a list (HPE_INVALID_METHOD);
 *   - CONNECT: its target is read as host:port there, ours must begin with '/'. */
#include <http_parser.h>

#include "parse.h"

struct oracle {
	http_parser parser;
	struct span target;
	struct http_field fields[HEAD_FIELDS_MAX];
	size_t field_cnt;
	bool complete;
};

static struct span oracle_join(struct span span, const char *at, size_t bytes)
{
	if (span.at == NULL)
		return span_of(at, bytes);
	return span_of(span.at, (size_t)((const uint8_t *)at - span.at) + bytes);
}

static int oracle_url(http_parser *parser, const char *at, size_t bytes)
{
	struct oracle *oracle = parser->data;

	oracle->target = oracle_join(oracle->target, at, bytes);
	return 0;
}

static int oracle_field(http_parser *parser, const char *at, size_t bytes)
{
	struct oracle *oracle = parser->data;

	if (oracle->field_cnt < HEAD_FIELDS_MAX)
		oracle->fields[oracle->field_cnt] = (struct http_field){.name = span_of(at, bytes)};
	oracle->field_cnt++;
	return 0;
}

static int oracle_value(http_parser *parser, const char *at, size_t bytes)
{
	struct oracle *oracle = parser->data;

	if (oracle->field_cnt > 0 && oracle->field_cnt <= HEAD_FIELDS_MAX) {
		struct http_field *field = &oracle->fields[oracle->field_cnt - 1];
		field->value = oracle_join(field->value, at, bytes);
	}
	return 0;
}

static int oracle_complete(http_parser *parser)
{
	((struct oracle *)parser->data)->complete = true;
	return 1; /* the head is all we compare; 1: no body follows */
}

/* How many bytes it took; it stops by itself after the head. */
static size_t oracle_run(struct oracle *oracle, struct span bytes, enum http_parser_type type)
{
	http_parser_settings settings;

	memset(oracle, 0, sizeof *oracle);
	http_parser_settings_init(&settings);
	settings.on_url = oracle_url;
	settings.on_header_field = oracle_field;
	settings.on_header_value = oracle_value;
	settings.on_headers_complete = oracle_complete;
	http_parser_init(&oracle->parser, type);
	oracle->parser.data = oracle;
	return http_parser_execute(&oracle->parser, &settings, (const char *)bytes.at, bytes.bytes);
}

/* http-parser leaves white space at the end of a value. */
static struct span oracle_trim(struct span value)
{
	while (value.bytes > 0 && (value.at[value.bytes - 1] == ' ' || value.at[value.bytes - 1] == '\t'))
		value.bytes--;
	return value;
}

/* NULL when both agree about a head we accepted, else what differs. */
static const char *oracle_differs(const struct http_head *head, struct span bytes, bool request)
{
	struct oracle oracle;
	struct span whole = span_of(bytes.at, head->head_bytes);

	oracle_run(&oracle, whole, request ? HTTP_REQUEST : HTTP_RESPONSE);
	enum http_errno err = HTTP_PARSER_ERRNO(&oracle.parser);
	if (err == HPE_INVALID_METHOD)
		return NULL;
	if (request && span_equal(head->method, SPAN("CONNECT")))
		return NULL;
	if (!oracle.complete)
		return http_errno_name(err);
	if (request && !span_equal(head->method, span_str(http_method_str((enum http_method)oracle.parser.method))))
		return "method";
	if (request && !span_equal(head->target, oracle.target))
		return "target";
	if (!request && head->status != oracle.parser.status_code)
		return "status";
	if (head->minor != oracle.parser.http_minor || oracle.parser.http_major != 1)
		return "version";
	if (head->field_cnt != oracle.field_cnt)
		return "field count";
	for (size_t i = 0; i < head->field_cnt; i++) {
		if (!span_equal(head->fields[i].name, oracle.fields[i].name))
			return "field name";
		if (!span_equal(head->fields[i].value, oracle_trim(oracle.fields[i].value)))
			return "field value";
	}
	if (head->chunked != ((oracle.parser.flags & F_CHUNKED) != 0))
		return "chunked";
	if (head->has_length != ((oracle.parser.flags & F_CONTENTLENGTH) != 0))
		return "has length";
	if (head->has_length && head->content_bytes != oracle.parser.content_length)
		return "length";
	return NULL;
}

#endif
