/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_ACCOUNT_H
#define TOLLBAR_ACCOUNT_H
/* account.h: what is kept of a request when it is over: its times, and its line in the access log.  Never its prompt, its
 * answer, a signature or a payment header. */
#include "request.h"

/* To be called once, before the slot forgets it. */
void account_request(struct request *request);

/* account_line: the line, with its newline; unix_ms is when the request ended.  Bytes written: ACCESS_LINE_BYTES_MAX always
 * suffices. */
size_t account_line(char *out, size_t out_bytes, const struct request *request, uint64_t unix_ms);

/* account_fields: Server-Timing (W3C) of an answer that begins: what the node did with the request until now, in milliseconds.
 * One header line with its CRLF; ACCOUNT_FIELDS_BYTES always suffice. */
#define ACCOUNT_FIELDS_BYTES FORWARD_FIELDS_BYTES
size_t account_fields(char *out, size_t out_bytes, const struct request *request);

#endif
