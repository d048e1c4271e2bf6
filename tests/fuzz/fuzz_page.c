// SPDX-License-Identifier: Apache-2.0
// link: user/page.c user/page_parts.c user/page_template.S user/reason.c user/times.c user/base/histogram.c user/base/json_find.c user/base/json.c user/base/utf8.c user/base/text.c user/base/log.c
/* The status page of any JSON, of /status up to the first zero byte, of /overhead after it: no read outside, and nothing that the
 * JSON holds opens an element or ends an attribute. */
#include <stdlib.h>
#include <string.h>

#include "page.h"

/* Elements that end like a script's: one, the page's own. */
static unsigned scripts(const char *html)
{
	unsigned cnt = 0;

	for (const char *at = html; (at = strstr(at, "</script")) != NULL; at++)
		cnt++;
	return cnt;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static char html[PAGE_BYTES_MAX];
	const uint8_t *zero = bytes > 0 ? memchr(data, 0, bytes) : NULL;
	size_t status_bytes = zero != NULL ? (size_t)(zero - data) : bytes;
	struct span overhead = zero != NULL ? span_of(zero + 1, bytes - status_bytes - 1) : SPAN("{\"covers_s\":1}");
	size_t html_bytes = page_html(html, sizeof html, span_of(data, status_bytes), overhead, 0, "nonce");

	if (html_bytes > 0 && (strlen(html) != html_bytes || scripts(html) != 1 || strstr(html, "\"<") != NULL))
		abort();
	return 0;
}
