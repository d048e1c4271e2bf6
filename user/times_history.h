/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_TIMES_HISTORY_H
#define TOLLBAR_TIMES_HISTORY_H
/* times_history.h: what histograms have gained lately, so that "the last five minutes" can be asked for.  Counts since start
 * are kept by the workers; here only what was added to each bucket in each period, of a bounded number of both.  One thread. */
#include <stddef.h>

#include "times.h"

#define HISTORY_PERIOD_S 10
#define HISTORY_PERIODS 1080	  /* three hours */
#define HISTORY_GAINS_MAX 262144u /* 2 MiB; a route with traffic gains some 200 a period */

struct times_history;

/* set_cnt: sets of histograms, one for each route and one for requests without.  NULL: no memory. */
struct times_history *times_history_init(size_t set_cnt);
void times_history_fini(struct times_history *history);
/* To be called with the counts since start, set_cnt of them; does something every HISTORY_PERIOD_S. */
bool times_history_due(const struct times_history *history, uint64_t now_s);
void times_history_note(struct times_history *history, const struct times *sets, uint64_t now_s);
/* Adds to `into` what a set gained since a moment, the period that it falls in included; `now` is the set's count since start.
 * Returns the moment since which it really is: later than asked for what is no longer known. */
uint64_t times_history_since(const struct times_history *history, struct times *into, size_t set,
			     const struct times *now, uint64_t since_s);

#endif
