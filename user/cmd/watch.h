/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_WATCH_H
#define TOLLBAR_CMD_WATCH_H
/* watch.h: tollbar status --watch: looks at the counters again and again, and shows what came in between. */
#include "cmd/admin_ask.h"
#include "rates.h"

#define WATCH_BYTES_MAX 32768

struct watch {
	unsigned seconds;   /* between two looks */
	uint64_t count_max; /* tables; 0: until told to end */
	/* 0, or -errno with the reason said on standard error; a watch ends when its first look fails */
	int (*look)(void *ctx, struct rates *rates);
	/* Two looks, of which the second is the newest, in at most WATCH_BYTES_MAX; again when the terminal's size has changed. */
	size_t (*draw)(void *ctx, char *out, size_t out_bytes, const struct rates *before, const struct rates *after);
	void *ctx;
};

/* On a terminal one table in place, else one after the other.  Ends by SIGINT or SIGTERM, too.  The exit status. */
int watch_run(const struct watch *watch);
/* A look at a daemon: its /status, valid until the next question, and the counters in it.  As `look` above. */
int watch_daemon(struct span *status, const struct admin_target *target, struct rates *rates);
/* An option's number, from 1 to max; false, and said why on standard error. */
bool watch_number(unsigned long *out, const char *option, const char *text, unsigned long max);

#endif
