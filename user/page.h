/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_PAGE_H
#define TOLLBAR_PAGE_H
/* page.h: the JSON of /status and of /overhead → the status page: one HTML document that needs nothing else.  What it looks like
 * is in page.html; what stands there in double braces is filled in here, so that the page is whole without a script. */
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define PAGE_BYTES_MAX 262144

/* since_s: what the overhead was asked for; what it covers may be less.
 * nonce: for the document's own style and script, fresh for each answer.
 * Returns bytes written, 0 when the JSON is not one of /status and one of /overhead (or the page does not fit: PAGE_BYTES_MAX
 * always suffice for what tollbar writes).  Pure. */
size_t page_html(char *out, size_t out_bytes, struct span status, struct span overhead, uint64_t since_s,
		 const char *nonce) __attribute__((warn_unused_result));

#endif
