/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TOP_H
#define TOLLBAR_TOP_H
/* top.h: two looks at a daemon, and the JSON of /status that the second is of → one screen: how far requests come a second, what
 * is in line and at the model servers, what the node adds, and which refusals are busiest. */
#include "rates.h"

#define TOP_BYTES_MAX 32768

struct top_screen {
	unsigned columns, rows; /* what is wider is cut, what is lower is left out */
	bool colour;
};

/* Returns bytes written, 0 when the JSON is not one of /status; TOP_BYTES_MAX always suffice.  Plain ASCII, but for the colours'
 * escape sequences, whatever the strings hold.  Pure. */
size_t top_text(char *out, size_t out_bytes, const struct rates *before, const struct rates *after, struct span status,
		const struct top_screen *screen) __attribute__((warn_unused_result));

#endif
