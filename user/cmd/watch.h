/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_WATCH_H
#define TOLLBAR_CMD_WATCH_H
/* watch.h: tollbar status --watch: looks at the counters again and again, and shows what came in between. */
#include "rates.h"

struct watch {
	unsigned seconds;   /* between two looks */
	uint64_t count_max; /* tables; 0: until told to end */
	/* 0, or -errno with the reason said on standard error; a watch ends when its first look fails */
	int (*look)(void *look_ctx, struct rates *rates);
	void *look_ctx;
};

/* On a terminal one table in place, else one after the other.  Ends by SIGINT or SIGTERM, too.  The exit status. */
int watch_run(const struct watch *watch);

#endif
