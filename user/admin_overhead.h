/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_ADMIN_OVERHEAD_H
#define TOLLBAR_ADMIN_OVERHEAD_H
/* admin_overhead.h: GET /overhead[?route=NAME][&since=SECONDS]: how long each step takes, of all routes or one, since the start
 * or lately; what `tollbar overhead` draws (waterfall.h).  Pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/span.h"
#include "limits.h"
#include "times.h"

struct admin_overhead {
	/* asked */
	char route[NAME_BYTES_MAX]; /* empty: all, and requests without one */
	uint64_t since_s;	    /* seconds ago; 0: since the start */

	/* answered */
	uint64_t covers_s; /* seconds that are counted: less than asked for where less is known, up to a period more */
	struct times times;
	const char *routes[ROUTES_MAX];
	size_t route_cnt;
};

/* The query, without its question mark.  False: something else is in it, or a name too long.  `route=` is all, as a form says it. */
bool admin_overhead_read(struct admin_overhead *view, struct span query);
/* Bytes written, 0 when it does not fit. */
size_t admin_overhead_text(char *out, size_t out_bytes, const struct admin_overhead *view);

/* The members "steps", "overhead", "first_token" and "overhead_share", with the comma before them: /status has them, too. */
void admin_times(struct json_writer *json, const struct times *times);

#endif
