/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_PARSE_H
#define TOLLBAR_PARSE_H
/* parse.h: hostile HTTP/1.x bytes → spans.  Strict (RFC 9112), bounded, no allocation, no copy: what two parsers could
 * read differently is refused.  The same bytes given in any pieces end the same way. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "limits.h"
#include "native.h"
#include "reasons.h"

enum parse_result { PARSE_DONE, PARSE_MORE, PARSE_BAD };

struct http_field {
	struct span name;  /* as sent; compare with span_equal_nocase */
	struct span value; /* without surrounding white space */
};

/* The fields the gate itself reads, found while parsing. */
struct http_head {
	struct span method; /* requests */
	struct span
		target; /* requests: origin-form only, starts with '/', or "*" for OPTIONS; bytes 0x21..0x7e but no '#' */
	unsigned status; /* responses: 100..999 */
	unsigned minor;	 /* HTTP/1.<minor>: 0 or 1 */
	struct http_field fields[HEAD_FIELDS_MAX];
	size_t field_cnt;
	size_t head_bytes; /* up to and with the empty line */
	bool keep_alive;   /* by version and Connection */
	bool chunked;	   /* Transfer-Encoding: chunked, alone */
	bool has_length;
	uint64_t content_bytes; /* Content-Length when has_length */
	bool expect_continue;
	/* requests; empty spans when absent */
	struct span host, payment_v2, payment_v1, content_type;
	unsigned payment_field_cnt; /* PAYMENT-SIGNATURE and X-PAYMENT fields seen, any number */
	enum reason refusal;	    /* on PARSE_BAD */
};

/* parse_request: bytes is everything received since the request began, at most HEAD_BYTES_MAX are looked at.  `seen`
 * is how many bytes an earlier call returned MORE for (0 at first): the search for the end goes on from there.
 * PARSE_BAD gives refusal:
 *   HTTP_BAD        syntax, control bytes, bare LF, obs-fold, space before colon, missing or repeated Host, bad target;
 *   HTTP_AMBIGUOUS  Content-Length with Transfer-Encoding; Content-Length repeated, malformed, with a leading zero or over
 *                   2^60; any Transfer-Encoding but a single chunked, or in 1.0; a tab beside the value of either; a
 *                   longer name that begins with Transfer-Encoding;
 *   HTTP_LARGE      head or field count over the limit;
 *   HTTP_VERSION    HTTP/<digit>.<digit> other than 1.0 and 1.1;
 *   EXPECTATION     any Expect but 100-continue.
 * Host may be absent in 1.0 only, and holds letters, digits and -._~%:[] only.
 * Control bytes and bare LF are refused as soon as they are seen, everything else when the head is complete.
 * Empty lines before a request line: at most one CRLF is skipped (RFC 9112 2.2). */
enum parse_result parse_request(struct http_head *head, struct span bytes, size_t seen);

/* parse_field: the first field of this name, for what is rarely asked for.  Returns how many there are; 0: *value is empty. */
size_t parse_field(struct span *value, const struct http_head *head, struct span name);

/* Where the results of native requests are: RESULTS_PATH, an id as 32 digits of lower-case hex, and as much as
 * ?wait=SECONDS; what is over RESULT_WAIT_S_MAX counts as that. */
#define RESULTS_PATH "/v1/requests/"
#define RESULT_WAIT_S_MAX 60
struct result_target {
	uint8_t id[NATIVE_ID_BYTES];
	unsigned wait_s;
};
/* Is the target there at all, well-formed or not? */
bool parse_is_result(struct span target);
/* Refuses: RESULT_UNKNOWN (no id is written like this), ROUTE_UNKNOWN (elsewhere, or another query). */
enum reason parse_result_target(struct result_target *result, struct span target) __attribute__((warn_unused_result));

/* parse_response: the same for an upstream's answer; refusal is UPSTREAM_BAD whatever is wrong. */
enum parse_result parse_response(struct http_head *head, struct span bytes, size_t seen);

/* A chunked body, read piece by piece.  Zero-initialise. */
struct chunked {
	uint8_t state;
	uint64_t left;	     /* bytes of the current chunk still to come */
	unsigned line_bytes; /* of the size line or trailers so far; bounded */
};

/* parse_chunked: takes bytes from *bytes and gives the next run of body bytes in *data (borrowed, may be empty).
 * Call again while it returns PARSE_MORE and *bytes is not empty.  PARSE_DONE after the last chunk and trailers
 * (trailers are checked and dropped).  PARSE_BAD: size over 2^60, missing CRLF, size line with extensions over 256
 * bytes, trailers over 4,096, bare LF, control bytes, white space after the size; and again whenever it is called after. */
enum parse_result parse_chunked(struct chunked *chunked, struct span *bytes, struct span *data);

/* parse_answer_head: takes bytes of an upstream's or facilitator's answer from *bytes until its head is whole.  `at` is room
 * for HEAD_BYTES_MAX bytes that the head's spans point into, *have what is there already (0 at first).  Interim answers
 * (1xx) are skipped.  PARSE_BAD: as parse_response, and 101: nobody asked to switch protocols. */
enum parse_result parse_answer_head(struct http_head *head, uint8_t *at, size_t *have, struct span *bytes);

/* An answer's body, read piece by piece. */
struct http_body {
	enum http_frame { FRAME_NONE, FRAME_LENGTH, FRAME_CHUNKED, FRAME_CLOSE } frame;
	bool done; /* all of it came; FRAME_CLOSE: set by the caller, when the connection ended without an error */
	uint64_t left;
	struct chunked chunked;
};

/* parse_answer_frame: how the body is delimited, from its head (RFC 9112 6.3).  bodyless: the request was a HEAD. */
void parse_answer_frame(struct http_body *body, const struct http_head *head, bool bodyless);
/* parse_answer_body: takes bytes from *bytes and gives the next run of the body in *run (borrowed, may be empty).  Call
 * again while body->done is not set and *bytes is not empty.  false: the framing is broken. */
bool parse_answer_body(struct http_body *body, struct span *bytes, struct span *run);

/* A whole answer in memory of the caller's, whose first members are set; the others are zero at first. */
struct http_answer {
	uint8_t *head_at; /* HEAD_BYTES_MAX */
	uint8_t *body_at; /* body_bytes_max */
	size_t body_bytes_max;
	bool head_done;
	bool large; /* PARSE_BAD because the body does not fit */
	size_t head_bytes, body_bytes;
	struct http_head head;
	struct http_body body;
};

/* parse_answer: takes bytes of an answer from *bytes.  PARSE_DONE: all of it is there, what is left in *bytes is not of it.
 * PARSE_MORE: all of *bytes was taken; with head_done and FRAME_CLOSE the connection's end makes it whole. */
enum parse_result parse_answer(struct http_answer *answer, struct span *bytes);

/* Server-sent events, read piece by piece: finds where events end.  Zero-initialise. */
struct sse {
	uint8_t state;
};

/* parse_sse: how many of these bytes belong to the current event, up to and with the empty line that ends it (LF, CRLF
 * or CR line ends).  *ended tells whether it ended; when it did not, all bytes are returned. */
size_t parse_sse(struct sse *sse, struct span bytes, bool *ended);

#endif
