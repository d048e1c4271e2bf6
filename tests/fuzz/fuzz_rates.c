// SPDX-License-Identifier: Apache-2.0
// link: user/rates.c user/reason.c user/base/json_find.c user/base/json.c user/base/utf8.c user/base/text.c user/base/log.c
/* Whatever answers on the admin port: no crash, no read outside, and nothing but plain ASCII for the terminal. */
#include "rates.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static char out[RATES_BYTES_MAX];
	struct rates rates;

	if (!rates_of_status(&rates, span_of(data, bytes)))
		return 0;
	size_t used = rates_text(out, sizeof out, &(struct rates){0}, &rates);
	if (used == 0)
		abort();
	for (size_t i = 0; i < used; i++)
		if (out[i] != '\n' && (out[i] < ' ' || out[i] > '~'))
			abort();
	return 0;
}
