// SPDX-License-Identifier: Apache-2.0
// link: user/admin_overhead.c user/waterfall.c user/times.c user/base/histogram.c user/base/json_find.c user/base/json.c user/base/json_write.c user/base/utf8.c user/base/text.c user/base/log.c
/* What is asked of /overhead (the first byte even), and what whoever answers on the admin port says (odd): no read outside,
 * a name that is one, nothing but plain ASCII for the terminal. */
#include <stdlib.h>
#include <string.h>

#include "admin_overhead.h"
#include "waterfall.h"

static void ask(struct span query)
{
	static struct admin_overhead view;

	if (admin_overhead_read(&view, query) && memchr(view.route, 0, sizeof view.route) == NULL)
		abort();
}

static void draw(struct span json)
{
	static char text[WATERFALL_BYTES_MAX];
	size_t bytes = waterfall_text(text, sizeof text, json);

	for (size_t i = 0; i < bytes; i++)
		if (text[i] != '\n' && (text[i] < ' ' || text[i] > '~'))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes == 0)
		return 0;
	if (data[0] & 1)
		draw(span_of(data + 1, bytes - 1));
	else
		ask(span_of(data + 1, bytes - 1));
	return 0;
}
