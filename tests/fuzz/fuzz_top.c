// SPDX-License-Identifier: Apache-2.0
// link: user/top.c user/rates.c user/reason.c user/base/json_find.c user/base/json.c user/base/utf8.c user/base/text.c user/base/log.c
/* Whatever answers on the admin port, on a screen as the first two bytes say: no crash, no read outside, no line wider than the screen,
 * and nothing but plain ASCII for the terminal. */
#include <stdlib.h>
#include <string.h>

#include "top.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static char text[TOP_BYTES_MAX];
	struct rates rates;

	if (bytes < 2)
		return 0;
	const struct top_screen screen = {.columns = data[0], .rows = data[1]};
	struct span json = span_of(data + 2, bytes - 2);
	if (!rates_of_status(&rates, json))
		return 0;
	rates.time_ns = 1000000000;
	size_t text_bytes = top_text(text, sizeof text, &(struct rates){0}, &rates, json, &screen), column = 0;
	for (size_t i = 0; i < text_bytes; i++) {
		column = text[i] == '\n' ? 0 : column + 1;
		if (column > screen.columns || (text[i] != '\n' && (text[i] < ' ' || text[i] > '~')))
			abort();
	}
	return 0;
}
