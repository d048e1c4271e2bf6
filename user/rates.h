/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_RATES_H
#define TOLLBAR_RATES_H
/* rates.h: two looks at the counters → how many a second, per reason.  A look comes from the JSON of /status, or from the
 * kernel's counters alone when there is no daemon. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "base/span.h"
#include "reasons.h"

#define RATES_BYTES_MAX 16384

#define RATES_STAGES(S) S(begun) S(verified) S(claimed) S(forwarded) S(served) S(served_free)

struct rates {
	uint64_t time_ns;
	char interface[16]; /* "": no filter */
	bool has_daemon;
	uint64_t reasons[REASON_CNT];	       /* packets by how they ended; requests refused */
	uint64_t observed[TOLLBAR_REASON_CNT]; /* passed, only because of observe */
#define S(stage) uint64_t stage;
	RATES_STAGES(S) /* requests that came so far */
#undef S
};

/* False when the JSON is not one of /status.  Both leave time_ns to the caller. */
bool rates_of_status(struct rates *rates, struct span json) __attribute__((warn_unused_result));
void rates_of_kernel(struct rates *rates, const struct tollbar_counters *counters, const char *interface);

/* What is not zero in `after`, one line each: its rate since `before` and its total.  A counter that went back (the daemon
 * or the filter is a new one) counts from zero.  Returns bytes written; RATES_BYTES_MAX always suffice.  Pure. */
size_t rates_text(char *out, size_t out_bytes, const struct rates *before, const struct rates *after);

#endif
