// SPDX-License-Identifier: Apache-2.0
// link: user/base/json_find.c user/funnel.c user/base/json.c user/base/utf8.c user/base/text.c user/base/log.c
/* Whatever answers on the admin port: no crash, no read outside, and nothing but plain ASCII for the terminal. */
#include <stdlib.h>

#include "funnel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static char text[FUNNEL_BYTES_MAX];
	size_t text_bytes = funnel_text(text, sizeof text, span_of(data, bytes));

	for (size_t i = 0; i < text_bytes; i++)
		if (text[i] != '\n' && (text[i] < ' ' || text[i] > '~'))
			abort();
	return 0;
}
